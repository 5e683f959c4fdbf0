#include "world6.h"

const uint8_t our6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}, peer6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 2};
const uint8_t our6_ll[16] = {0xfe, 0x80, [11] = 0xff, 0xfe, 0, 0, 1}, far6[16] = {0x20, 0x01, 0x0d, 0xb9, [15] = 7};
const uint8_t gw6[16] = {0xfe, 0x80, [15] = 0xfe}, nobody6[16];

struct net_addr addr6(const uint8_t *a)
{
	struct net_addr x = {.family = 6};
	memcpy(x.v6, a, 16);
	return x;
}

void world6_again(struct world *w)
{
	net_destroy(w->net);
	w->net = world_net(w, &w->params);
}

int world6_setup(void **state)
{
	struct world *w = *state;
	world_setup(state);
	w->params.naddrs = 2;
	w->params.addrs[1] = (struct net_ifaddr){.addr = addr6(our6), .prefix_len = 64};
	w->params.gateway6 = addr6(gw6);
	world6_again(w);
	return 0;
}

struct rte_mbuf *frame6(struct world *w, const uint8_t *src, const uint8_t *dst, uint8_t proto, const void *body,
			uint16_t len, uint16_t sum_off)
{
	struct rte_mbuf *m = buf_alloc(w->pool);
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, sizeof(*eth) + 40 + len);
	assert_non_null(eth);
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(eth + 1);
	eth->src_addr = peer_mac;
	eth->dst_addr = our_mac;
	if (dst[0] == 0xff)
		eth->dst_addr = (struct rte_ether_addr){{0x33, 0x33, dst[12], dst[13], dst[14], dst[15]}};
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
	*ip = (struct rte_ipv6_hdr){.vtc_flow = RTE_BE32(6u << 28),
				    .payload_len = rte_cpu_to_be_16(len),
				    .proto = proto,
				    .hop_limits = proto == IPPROTO_ICMPV6 ? 255 : 64};
	memcpy(ip->src_addr, src, 16);
	memcpy(ip->dst_addr, dst, 16);
	memcpy(ip + 1, body, len);
	if (sum_off) {
		uint16_t *sum = (uint16_t *)((char *)(ip + 1) + sum_off);
		*sum = 0;
		*sum = rte_ipv6_udptcp_cksum(ip, ip + 1);
	}
	return m;
}

struct rte_mbuf *frame_tcp6(struct world *w, const uint8_t *src, const uint8_t *dst, uint16_t sport, uint16_t dport,
			    uint16_t payload_len)
{
	char body[20 + 2000] = {0};
	struct rte_tcp_hdr *t = (struct rte_tcp_hdr *)body;
	*t = (struct rte_tcp_hdr){.src_port = rte_cpu_to_be_16(sport),
				  .dst_port = rte_cpu_to_be_16(dport),
				  .data_off = 0x50,
				  .tcp_flags = RTE_TCP_ACK_FLAG};
	for (uint16_t i = 0; i < payload_len; i++)
		body[20 + i] = (char)(i * 11 + 5);
	return frame6(w, src, dst, IPPROTO_TCP, body, 20 + payload_len, 16);
}

void solicited_node(const uint8_t *a, uint8_t out[16])
{
	memset(out, 0, 16);
	out[0] = 0xff;
	out[1] = 2;
	out[11] = 1;
	out[12] = 0xff;
	memcpy(out + 13, a + 13, 3);
}

struct rte_mbuf *frame_nd(struct world *w, uint8_t type, const uint8_t *src, const uint8_t *dst, const uint8_t *target,
			  uint32_t flags, const struct rte_ether_addr *mac)
{
	struct nd msg = {.type = type, .flags = flags, .opt = type == 135 ? 1 : 2, .opt_len = 1};
	memcpy(msg.target, target, 16);
	if (mac)
		memcpy(msg.mac, mac, 6);
	struct rte_mbuf *m = frame6(w, src, dst, IPPROTO_ICMPV6, &msg, mac ? 32 : 24, 2);
	if (mac)
		rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->src_addr = *mac;
	return m;
}

struct nd *sent_nd(struct world *w, uint32_t i, uint8_t type)
{
	assert_true(i < w->nsent);
	struct rte_ipv6_hdr *ip = frame_ip6(w->sent[i]);
	struct nd *msg = (struct nd *)(ip + 1);
	assert_int_equal(rte_pktmbuf_mtod(w->sent[i], struct rte_ether_hdr *)->ether_type, RTE_BE16(0x86dd));
	assert_int_equal(ip->proto, IPPROTO_ICMPV6);
	assert_int_equal(ip->hop_limits, 255);
	assert_int_equal(msg->type, type);
	assert_int_equal(rte_ipv6_udptcp_cksum_verify(ip, msg), 0);
	return msg;
}
