/* The tc programs of impair: one at each direction of the impaired interface, one at each TAP interface, where packets
 * that were held back come in again.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "impair.h"

#define DONE 0x1a9a /* skb->mark of a packet that was judged */

const volatile struct impair_rules rules;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u64));
	__uint(max_entries, IMPAIR_DIRS *IMPAIR_COUNTERS);
} counters SEC(".maps");

static void count(__u32 dir, __u32 what)
{
	__u32 key = dir * IMPAIR_COUNTERS + what;
	__u64 *n = bpf_map_lookup_elem(&counters, &key);

	if (n)
		__sync_fetch_and_add(n, 1);
}

static int chosen(__u32 share)
{
	return bpf_get_prandom_u32() % IMPAIR_ALL < share;
}

/* One byte of the TCP segment changes, and the checksum does not: the kernel fills that in behind tc, so only what
 * comes back from being held has its own. */
static void corrupt(struct __sk_buff *skb, __u32 dir)
{
	__u32 head = skb->protocol == bpf_htons(ETH_P_IPV6) ? 54 : 34, at;
	__u8 byte;

	if (!chosen(rules.corrupt) || skb->len <= head)
		return;
	count(dir, IMPAIR_CORRUPTED);
	at = head + bpf_get_prandom_u32() % (skb->len - head);
	if (bpf_skb_load_bytes(skb, at, &byte, 1) == 0) {
		byte ^= 0x10;
		bpf_skb_store_bytes(skb, at, &byte, 1, 0);
	}
}

static int judge(struct __sk_buff *skb, __u32 dir)
{
	__u64 back = dir == IMPAIR_IN ? BPF_F_INGRESS : 0;

	if (skb->mark == DONE || (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6)))
		return TC_ACT_OK;
	count(dir, IMPAIR_SEEN);
	if (chosen(rules.lose)) {
		count(dir, IMPAIR_LOST);
		return TC_ACT_STOLEN; /* the sender's kernel would hear of TC_ACT_SHOT, and send again at once */
	}
	int held = chosen(rules.hold);
	skb->mark = DONE;
	if (chosen(rules.duplicate)) {
		count(dir, IMPAIR_DUPLICATED);
		if (held)
			bpf_clone_redirect(skb, rules.tap[dir], 0);
		else
			bpf_clone_redirect(skb, rules.ifindex, back);
	}
	if (!held)
		return TC_ACT_OK;
	count(dir, IMPAIR_HELD);
	return bpf_redirect(rules.tap[dir], 0);
}

SEC("tc")
int impair_in(struct __sk_buff *skb)
{
	return judge(skb, IMPAIR_IN);
}

SEC("tc")
int impair_out(struct __sk_buff *skb)
{
	return judge(skb, IMPAIR_OUT);
}

SEC("tc")
int return_in(struct __sk_buff *skb)
{
	corrupt(skb, IMPAIR_IN);
	skb->mark = DONE;
	return bpf_redirect(rules.ifindex, BPF_F_INGRESS);
}

SEC("tc")
int return_out(struct __sk_buff *skb)
{
	corrupt(skb, IMPAIR_OUT);
	skb->mark = DONE;
	return bpf_redirect(rules.ifindex, 0);
}

char license_text[] SEC("license") = "GPL";
