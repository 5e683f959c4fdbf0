/* The XDP program of `device af_xdp`: what the filter names goes to the XDP socket of the queue that it arrived on,
 * everything else goes on to the kernel as if we were not there.
 *
 * libxdp, through which net_af_xdp opens its sockets, adopts a program that is already on the interface if it finds the
 * name xsk_def_prog, a version in the section xdp_metadata and the map xsks_map: these three names are its, not ours.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "net/xdp_filter.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(key_size, sizeof(int));
	__uint(value_size, sizeof(int));
	__uint(max_entries, 64);
} xsks_map SEC(".maps");

__uint(xsk_prog_version, 1) SEC("xdp_metadata");

const volatile struct xdp_filter filter;

#define FRAGMENT_BITS                0x3fff /* more fragments, or an offset */
#define ICMP4_UNREACHABLE            3
#define ICMP4_FRAGMENTATION_NEEDED   4 /* code */
#define ICMP6_TOO_BIG                2
#define ICMP6_NEIGHBOUR_SOLICITATION 135
#define ICMP6_NEIGHBOUR_ADVERTISE    136

struct vlan_tag {
	__be16 tci, proto;
};

struct ports {
	__be16 source, dest;
};

struct icmp_error {
	__u8 type, code;
	__be16 csum;
	__u32 mtu;
};

struct arp_ipv4 {
	__be16 hardware, proto;
	__u8 hlen, plen;
	__be16 op;
	__u8 sha[ETH_ALEN], sip[4], tha[ETH_ALEN], tip[4];
};

struct icmp6_nd {
	__u8 type, code;
	__be16 csum;
	__u32 flags;
	__u32 target[4];
};

static __always_inline int ours_v4(__u32 a)
{
	for (__u32 i = 0; i < XDP_FILTER_ADDRS && i < filter.nv4; i++)
		if (filter.v4[i] == a)
			return 1;
	return 0;
}

static __always_inline int ours_v6(const __u32 *a)
{
	for (__u32 i = 0; i < XDP_FILTER_ADDRS && i < filter.nv6; i++)
		if (filter.v6[i][0] == a[0] && filter.v6[i][1] == a[1] && filter.v6[i][2] == a[2] &&
		    filter.v6[i][3] == a[3])
			return 1;
	return 0;
}

static __always_inline int our_port(__be16 port)
{
	__u16 p = bpf_ntohs(port);
	return port == filter.port || (filter.last && p >= filter.first && p <= filter.last);
}

static __always_inline int to_our_port(const void *l4, const void *end)
{
	const struct ports *p = l4;
	return (void *)(p + 1) <= end && our_port(p->dest);
}

/* The segment that an error quotes was sent by us: the kernel knows no such connection. */
static __always_inline int from_our_port(const void *l4, const void *end)
{
	const struct ports *p = l4;
	return (void *)(p + 1) <= end && our_port(p->source);
}

/* RFC 1191, 4 */
static __always_inline int our_error_v4(const void *l4, const void *end)
{
	const struct icmp_error *ic = l4;
	const struct iphdr *ip = (const void *)(ic + 1);

	if ((void *)(ip + 1) > end || ic->type != ICMP4_UNREACHABLE || ic->code != ICMP4_FRAGMENTATION_NEEDED)
		return 0;
	return ip->protocol == IPPROTO_TCP && ours_v4(ip->saddr) && from_our_port((const char *)ip + ip->ihl * 4, end);
}

/* RFC 4443, 3.2; we send no extension headers. */
static __always_inline int our_error_v6(const void *l4, const void *end)
{
	const struct icmp_error *ic = l4;
	const struct ipv6hdr *ip = (const void *)(ic + 1);

	if ((void *)(ip + 1) > end || ic->type != ICMP6_TOO_BIG)
		return 0;
	return ip->nexthdr == IPPROTO_TCP && ours_v6(ip->saddr.in6_u.u6_addr32) && from_our_port(ip + 1, end);
}

static __always_inline int take_arp(const void *l3, const void *end)
{
	const struct arp_ipv4 *a = l3;
	__u32 sip, tip;

	if (!filter.exclusive || (void *)(a + 1) > end || a->proto != bpf_htons(ETH_P_IP))
		return 0;
	__builtin_memcpy(&sip, a->sip, sizeof(sip));
	__builtin_memcpy(&tip, a->tip, sizeof(tip));
	/* A sender with our address is a conflict: it is ours to defend. */
	return ours_v4(tip) || ours_v4(sip);
}

static __always_inline int take_v4(const void *l3, const void *end)
{
	const struct iphdr *ip = l3;

	if ((void *)(ip + 1) > end || !ours_v4(ip->daddr))
		return 0;
	if (filter.exclusive)
		return ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_ICMP;
	/* A fragment without ports cannot be told apart: shared addresses take whole segments only. */
	if (ip->frag_off & bpf_htons(FRAGMENT_BITS))
		return 0;
	const void *l4 = (const char *)l3 + ip->ihl * 4;
	if (ip->protocol == IPPROTO_ICMP)
		return our_error_v4(l4, end);
	return ip->protocol == IPPROTO_TCP && to_our_port(l4, end);
}

static __always_inline int to_all_nodes(const __u32 *a)
{
	return a[0] == bpf_htonl(0xff020000) && a[1] == 0 && a[2] == 0 && a[3] == bpf_htonl(1);
}

/* A solicitation for us, also to our solicited-node group (RFC 4861, 7.2.2). To all nodes: who has our address says so,
 * be it the answer to our duplicate address detection (RFC 4862, 5.4.4). What others say of themselves there, the
 * gateway too, is for the kernel: no frame can go to both, and we ask again when an address has aged. */
static __always_inline int take_nd(const __u32 *daddr, const void *l4, const void *end)
{
	const struct icmp6_nd *nd = l4;

	if ((void *)(nd + 1) > end || !ours_v6(nd->target))
		return 0;
	return nd->type == ICMP6_NEIGHBOUR_SOLICITATION ||
	       (nd->type == ICMP6_NEIGHBOUR_ADVERTISE && to_all_nodes(daddr));
}

static __always_inline int take_v6(const void *l3, const void *end)
{
	const struct ipv6hdr *ip = l3;

	if ((void *)(ip + 1) > end)
		return 0;
	int to_us = ours_v6(ip->daddr.in6_u.u6_addr32);
	if (!filter.exclusive && ip->nexthdr == IPPROTO_ICMPV6)
		return to_us && our_error_v6(ip + 1, end);
	if (!filter.exclusive)
		return to_us && ip->nexthdr == IPPROTO_TCP && to_our_port(ip + 1, end);
	if (ip->nexthdr == IPPROTO_ICMPV6)
		return to_us || take_nd(ip->daddr.in6_u.u6_addr32, ip + 1, end);
	return to_us && (ip->nexthdr == IPPROTO_TCP || ip->nexthdr == IPPROTO_FRAGMENT);
}

static __always_inline int take(const void *data, const void *end)
{
	const struct ethhdr *eth = data;
	const void *l3 = eth + 1;
	if (l3 > end)
		return 0;
	__be16 proto = eth->h_proto;
	__u16 vlan = 0;

	if (proto == bpf_htons(ETH_P_8021Q)) {
		const struct vlan_tag *tag = l3;
		l3 = tag + 1;
		if (l3 > end)
			return 0;
		vlan = bpf_ntohs(tag->tci) & 0xfff;
		proto = tag->proto;
	}
	if (vlan != filter.vlan)
		return 0;
	if (proto == bpf_htons(ETH_P_IP))
		return filter.nv4 && take_v4(l3, end);
	if (proto == bpf_htons(ETH_P_IPV6))
		return filter.nv6 && take_v6(l3, end);
	return proto == bpf_htons(ETH_P_ARP) && filter.nv4 && take_arp(l3, end);
}

SEC("xdp")
int xsk_def_prog(struct xdp_md *ctx)
{
	if (!take((const void *)(long)ctx->data, (const void *)(long)ctx->data_end))
		return XDP_PASS;
	return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, filter.unread);
}

char license_text[] SEC("license") = "Dual BSD/GPL";
