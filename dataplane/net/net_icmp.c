/* ICMP (RFC 792, 1122 3.2.2): echo is answered in the buffer that it came in, errors are counted. */
#include "net/net_priv.h"

/* A token bucket: generous to people and monitors, no amplifier for a flood. */
static bool echo_allowed(struct net *n)
{
	uint64_t since = n->now.mono_us - n->echo_us;
	uint64_t fresh = since * NET_ECHO_RATE / 1000000;
	if (fresh > 0) {
		n->echo_tokens = (uint32_t)RP_MIN(n->echo_tokens + fresh, (uint64_t)NET_ECHO_BURST);
		/* What has not made a whole token yet is kept. */
		n->echo_us += fresh * 1000000 / NET_ECHO_RATE;
	}
	if (n->echo_tokens == 0)
		return false;
	n->echo_tokens--;
	return true;
}

/* The answer carries no IP options. */
static void echo_reply(struct net *n, struct net_rx *rx)
{
	struct rte_ether_hdr eth = *rx->eth;
	struct rte_ipv4_hdr old = *rx->ip;
	uint16_t opts = rx->ip_len - NET_IPV4_LEN;

	if (opts)
		rte_pktmbuf_adj(rx->m, opts);
	struct rte_ether_hdr *out = rte_pktmbuf_mtod(rx->m, struct rte_ether_hdr *);
	out->dst_addr = eth.src_addr;
	out->src_addr = n->p.mac;
	out->ether_type = eth.ether_type;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(out + 1);
	net_ipv4_fill(n, ip, old.dst_addr, old.src_addr, IPPROTO_ICMP, old.type_of_service, NET_IPV4_LEN + rx->l4_len);
	struct rte_icmp_hdr *ic = (struct rte_icmp_hdr *)(ip + 1);
	ic->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
	ic->icmp_cksum = 0;
	ic->icmp_cksum = (uint16_t)~csum_fold(csum_add(0, ic, rx->l4_len));
	rx->m->ol_flags = 0;
	n->c.icmp_echo++;
	net_tx_push(n, rx->m);
}

static void unreachable(struct net *n, const struct rte_icmp_hdr *ic)
{
	n->c.icmp_unreach++;
	if (ic->icmp_code == 4)
		n->c.icmp_frag_needed++;
}

void net_icmp_input(struct net *n, struct net_rx *rx)
{
	struct rte_icmp_hdr *ic = (struct rte_icmp_hdr *)((char *)rx->ip + rx->ip_len);

	n->c.icmp_rx++;
	if (rx->l4_len < sizeof(*ic) || csum_fold(csum_add(0, ic, rx->l4_len)) != 0xffff) {
		rx->dropped = &n->c.icmp_bad;
		return;
	}
	if (ic->icmp_type == RTE_IP_ICMP_ECHO_REQUEST && ic->icmp_code == 0) {
		if (rx->l4_len > n->p.mtu - NET_IPV4_LEN)
			rx->dropped = &n->c.icmp_bad;
		else if (!echo_allowed(n))
			rx->dropped = &n->c.icmp_echo_limited;
		else
			echo_reply(n, rx);
		return;
	}
	if (ic->icmp_type == 3)
		unreachable(n, ic);
	else
		n->c.icmp_other++;
	rte_pktmbuf_free(rx->m);
}
