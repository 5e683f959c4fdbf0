#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "world.h"
#include "tests/eal.h"

const struct rte_ether_addr our_mac = {{0x02, 0, 0, 0, 0, 1}}, peer_mac = {{0x02, 0, 0, 0, 0, 2}};

int world_group_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || test_eal("test-net", "64") != 0)
		return -1;
	w->pool = rte_pktmbuf_pool_create("test", POOL_SIZE, 0, BUF_PRIV_BYTES, BUF_DATA_BYTES, SOCKET_ID_ANY);
	*state = w;
	return w->pool ? 0 : -1;
}

int world_group_teardown(void **state)
{
	struct world *w = *state;
	rte_mempool_free(w->pool);
	free(w);
	return rte_eal_cleanup();
}

static void catch (void *ctx, struct rte_mbuf *m)
{
	struct world *w = ctx;
	assert_true(w->nsent < SENT_MAX);
	w->sent[w->nsent++] = m;
}

struct net *world_net(struct world *w, const struct net_params *p)
{
	struct err e = {0};
	struct net *n = net_create(p, &e);
	if (!n)
		fail_msg("%s", e.text);
	net_set_now(n, &w->now);
	return n;
}

int world_setup(void **state)
{
	struct world *w = *state;
	w->now = (struct clock_now){.mono_us = 1000000, .wall_us = 1};
	w->params = (struct net_params){.nworkers = 1,
					.pool = w->pool,
					.mac = our_mac,
					.mtu = 1500,
					.naddrs = 1,
					.addrs[0] = {.addr = {.family = 4, .v4 = OUR_IP}, .prefix_len = 24},
					.gateway = {.family = 4, .v4 = GATEWAY_IP},
					.arp_entries = 64,
					.tx_hook = catch,
					.tx_hook_ctx = w};
	w->net = world_net(w, &w->params);
	return 0;
}

int world_teardown(void **state)
{
	struct world *w = *state;
	world_forget(w);
	net_destroy(w->net);
	w->net = NULL;
	assert_int_equal(rte_mempool_avail_count(w->pool), POOL_SIZE);
	return 0;
}

void world_advance(struct world *w, uint64_t us)
{
	w->now.mono_us += us;
	net_set_now(w->net, &w->now);
	net_poll_timers(w->net);
	world_flush(w);
}

void world_flush(struct world *w)
{
	net_poll_tx(w->net);
}

void world_forget(struct world *w)
{
	rte_pktmbuf_free_bulk(w->sent, w->nsent);
	w->nsent = 0;
}

struct rte_mbuf *world_input(struct world *w, struct rte_mbuf *m)
{
	struct rte_mbuf *out[1] = {NULL};
	uint32_t n = net_input_burst(w->net, &m, 1, out);
	world_flush(w);
	return n ? out[0] : NULL;
}

static struct rte_mbuf *frame(struct world *w, uint16_t type, uint16_t len)
{
	struct rte_mbuf *m = buf_alloc(w->pool);
	assert_non_null(m);
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, sizeof(*eth) + len);
	assert_non_null(eth);
	memset(eth, 0, sizeof(*eth) + len);
	eth->dst_addr = our_mac;
	eth->src_addr = peer_mac;
	eth->ether_type = rte_cpu_to_be_16(type);
	return m;
}

struct rte_mbuf *frame_arp(struct world *w, uint16_t op, const struct rte_ether_addr *sha, uint32_t sip, uint32_t tip)
{
	struct rte_mbuf *m = frame(w, RTE_ETHER_TYPE_ARP, 46);
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_arp_hdr *a = (struct rte_arp_hdr *)(eth + 1);
	if (op == RTE_ARP_OP_REQUEST)
		memset(&eth->dst_addr, 0xff, 6);
	eth->src_addr = *sha;
	a->arp_hardware = RTE_BE16(1);
	a->arp_protocol = RTE_BE16(0x0800);
	a->arp_hlen = 6;
	a->arp_plen = 4;
	a->arp_opcode = rte_cpu_to_be_16(op);
	a->arp_data.arp_sha = *sha;
	a->arp_data.arp_sip = sip;
	a->arp_data.arp_tip = tip;
	return m;
}

void ip_checksum(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = frame_ip(m);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static struct rte_ipv4_hdr *ipv4(struct rte_mbuf *m, uint32_t src, uint32_t dst, uint8_t proto, uint16_t l4_len)
{
	struct rte_ipv4_hdr *ip = frame_ip(m);
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16(20 + l4_len);
	ip->time_to_live = 64;
	ip->next_proto_id = proto;
	ip->src_addr = src;
	ip->dst_addr = dst;
	ip_checksum(m);
	return ip;
}

static void pattern(void *to, uint16_t len)
{
	for (uint16_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = (uint8_t)(i * 7 + 3);
}

struct rte_mbuf *frame_tcp(struct world *w, uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport, uint8_t flags,
			   uint16_t payload_len)
{
	struct rte_mbuf *m = frame(w, RTE_ETHER_TYPE_IPV4, 40 + payload_len);
	struct rte_ipv4_hdr *ip = ipv4(m, src, dst, IPPROTO_TCP, 20 + payload_len);
	struct rte_tcp_hdr *t = (struct rte_tcp_hdr *)(ip + 1);
	t->src_port = rte_cpu_to_be_16(sport);
	t->dst_port = rte_cpu_to_be_16(dport);
	t->data_off = 0x50;
	t->tcp_flags = flags;
	pattern(t + 1, payload_len);
	t->cksum = rte_ipv4_udptcp_cksum(ip, t);
	return m;
}

struct rte_mbuf *frame_echo(struct world *w, uint16_t payload_len)
{
	struct rte_mbuf *m = frame(w, RTE_ETHER_TYPE_IPV4, 28 + payload_len);
	struct rte_ipv4_hdr *ip = ipv4(m, PEER_IP, OUR_IP, IPPROTO_ICMP, 8 + payload_len);
	struct rte_icmp_hdr *ic = (struct rte_icmp_hdr *)(ip + 1);
	ic->icmp_type = RTE_IP_ICMP_ECHO_REQUEST;
	ic->icmp_ident = RTE_BE16(77);
	ic->icmp_seq_nb = RTE_BE16(3);
	pattern(ic + 1, payload_len);
	ic->icmp_cksum = (uint16_t)~rte_raw_cksum(ic, 8 + payload_len);
	return m;
}

struct rte_mbuf *segment(struct world *w, uint16_t payload_len)
{
	struct rte_mbuf *m = buf_alloc(w->pool);
	assert_non_null(m);
	assert_non_null(rte_pktmbuf_append(m, sizeof(struct rte_tcp_hdr) + payload_len));
	struct rte_tcp_hdr *t = rte_pktmbuf_mtod(m, struct rte_tcp_hdr *);
	memset(t, 0, sizeof(*t));
	t->src_port = RTE_BE16(6379);
	t->dst_port = RTE_BE16(40000);
	t->data_off = 0x50;
	pattern(t + 1, payload_len);
	return m;
}

struct rte_arp_hdr *sent_arp(struct world *w, uint32_t i, uint16_t op)
{
	assert_true(i < w->nsent);
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(w->sent[i], struct rte_ether_hdr *);
	struct rte_arp_hdr *a = (struct rte_arp_hdr *)(eth + 1);
	assert_int_equal(eth->ether_type, RTE_BE16(RTE_ETHER_TYPE_ARP));
	assert_int_equal(a->arp_opcode, rte_cpu_to_be_16(op));
	return a;
}
