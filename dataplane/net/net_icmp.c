/* ICMP (RFC 792, 1122 3.2.2): echo is answered in the buffer that it came in, "too big" goes to TCP, other errors are
 * counted. */
#include "net/net_priv.h"

#define ICMP_UNREACHABLE 3
#define ICMP_FRAG_NEEDED 4 /* code; the MTU is in the last 16 bits of the header, RFC 1191 */

bool net_echo_allowed(struct net *n)
{
	uint64_t since = n->now.mono_us - n->echo_us;
	uint64_t fresh = since * n->p.echo_rate / 1000000;
	if (fresh > 0) {
		n->echo_tokens = (uint32_t)RP_MIN(n->echo_tokens + fresh, (uint64_t)NET_ECHO_BURST);
		/* What has not made a whole token yet is kept. */
		n->echo_us += fresh * 1000000 / n->p.echo_rate;
	}
	if (n->echo_tokens == 0)
		return false;
	n->echo_tokens--;
	return true;
}

/* The answer carries no IP options. */
static void echo_reply(struct net *n, struct net_rx *rx)
{
	struct rte_ether_addr to = rx->eth->src_addr;
	struct rte_ipv4_hdr old = *rx->ip;

	rte_pktmbuf_adj(rx->m, NET_ETH_LEN + rx->ip_len - NET_IPV4_LEN);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(rx->m, struct rte_ipv4_hdr *);
	net_ipv4_fill(n, ip, old.dst_addr, old.src_addr, IPPROTO_ICMP, old.type_of_service, NET_IPV4_LEN + rx->l4_len);
	struct rte_icmp_hdr *ic = (struct rte_icmp_hdr *)(ip + 1);
	ic->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
	ic->icmp_cksum = 0;
	ic->icmp_cksum = (uint16_t)~csum_fold(csum_add(0, ic, rx->l4_len));
	rx->m->ol_flags = 0;
	n->c.icmp_echo++;
	net_l2_output(n, rx->m, &to, RTE_ETHER_TYPE_IPV4);
}

static void unreachable(struct net *n, struct net_rx *rx, const struct rte_icmp_hdr *ic)
{
	if (!rx->from_ring) {
		n->c.icmp_unreach++;
		if (ic->icmp_code == ICMP_FRAG_NEEDED)
			n->c.icmp_frag_needed++;
	}
	if (ic->icmp_code == ICMP_FRAG_NEEDED &&
	    net_pmtu_error(n, rx, ic + 1, rx->l4_len - (uint32_t)sizeof(*ic), rte_be_to_cpu_16(ic->icmp_seq_nb)))
		return;
	rte_pktmbuf_free(rx->m);
}

void net_icmp_input(struct net *n, struct net_rx *rx)
{
	struct rte_icmp_hdr *ic = net_rx_l4(rx);

	n->c.icmp_rx++;
	if (rx->l4_len < sizeof(*ic) || csum_fold(csum_add(0, ic, rx->l4_len)) != 0xffff) {
		rx->dropped = &n->c.icmp_bad;
		return;
	}
	if (ic->icmp_type == RTE_IP_ICMP_ECHO_REQUEST && ic->icmp_code == 0) {
		if (rx->l4_len > n->p.mtu - NET_IPV4_LEN)
			rx->dropped = &n->c.icmp_bad;
		else if (!net_echo_allowed(n))
			rx->dropped = &n->c.icmp_echo_limited;
		else
			echo_reply(n, rx);
		return;
	}
	if (ic->icmp_type == ICMP_UNREACHABLE) {
		unreachable(n, rx, ic);
		return;
	}
	n->c.icmp_other++;
	rte_pktmbuf_free(rx->m);
}
