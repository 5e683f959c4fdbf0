/* Devices that spread flows by themselves: what they will do is foretold, and the rest goes through the rings. */
#include <rte_bus_vdev.h>
#include <rte_ethdev.h>

#include "fleet.h"
#include "net/port_rss.h"

/* The verification suite of the specification of receive-side scaling. */
static const uint32_t spec_key[] = {0xda565a6d, 0xc20e5b25, 0x3d256741, 0xb08fa343, 0xcb2bcad0,
				    0xb4307bae, 0xa32dcb77, 0x0cf23080, 0x3bb7426a, 0xfa01acbe};

static void spec_rss(struct port_rss *r, uint32_t mask, uint32_t nqueues)
{
	*r = (struct port_rss){.key_len = sizeof(spec_key), .mask = mask};
	memcpy(r->key, spec_key, sizeof(spec_key));
	for (uint32_t i = 0; i <= mask; i++)
		r->table[i] = (uint16_t)(i % nqueues);
}

static void test_net_rss__hash_is_that_of_the_specification(void **state)
{
	struct port_rss r;
	struct net_addr l4 = {.family = 4, .v4 = IP(161, 142, 100, 80)}, r4 = {.family = 4, .v4 = IP(66, 9, 149, 187)};
	struct net_addr l6, r6;

	/* Of 0x51ccc178 and 0x40207d3d the low nine bits, as the table's index. */
	spec_rss(&r, 511, 1);
	r.table[0x51ccc178 & 511] = 7;
	assert_int_equal(port_rss_queue(&r, &l4, 1766, &r4, 2794), 7);
	spec_rss(&r, 511, 1);
	r.table[0x40207d3d & 511] = 9;
	assert_true(net_addr_parse("3ffe:2501:200:3::1", &l6, NULL) &&
		    net_addr_parse("3ffe:2501:200:1fff::7", &r6, NULL));
	assert_int_equal(port_rss_queue(&r, &l6, 1766, &r6, 2794), 9);
}

static void test_net_rss__opened_connections_come_back_to_their_worker(void **state)
{
	struct world *w = *state;
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = PEER_IP};
	struct net_addr l6 = addr6(our6), r6 = addr6(peer6);
	struct port_rss rss;

	spec_rss(&rss, 127, FLEET_MAX);
	fleet_open(w, FLEET_MAX, &rss);
	for (uint32_t i = 0; i < FLEET_MAX; i++) {
		uint32_t found = 0;
		for (uint16_t port = 49152; port < 49552; port++) {
			if (net_flow_worker(fleet.net[i], &l, port, &r, 6379) == i) {
				/* The answer, from the queue that the device chooses. */
				assert_int_equal(port_rss_queue(&rss, &l, port, &r, 6379), i);
				assert_int_equal(
					fleet_input(i, frame_tcp(w, PEER_IP, OUR_IP, 6379, port, RTE_TCP_ACK_FLAG, 1)),
					i);
				found++;
			}
			if (net_flow_worker(fleet.net[i], &l6, port, &r6, 6379) == i)
				assert_int_equal(fleet_input(i, frame_tcp6(w, peer6, our6, 6379, port, 1)), i);
		}
		assert_in_range(found, 60, 140);
		assert_int_equal(net_counters(fleet.net[i])->steered_out, 0);
	}
}

static void test_net_rss__neighbours_reach_every_worker(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *m = frame_arp(w, RTE_ARP_OP_REQUEST, &peer_mac, PEER_IP, OUR_IP), *out[RP_MAX_BURST];
	struct port_rss rss;

	spec_rss(&rss, 127, 3);
	fleet_open(w, 3, &rss);
	net_input_burst(fleet.net[0], &m, 1, out);
	for (uint32_t i = 0; i < 3; i++) {
		net_poll_rx(fleet.net[i], out, RP_MAX_BURST);
		net_poll_tx(fleet.net[i]);
		assert_int_equal(net_counters(fleet.net[i])->arp_learned, 1);
	}
	assert_int_equal(w->nsent, 1);
	sent_arp(w, 0, RTE_ARP_OP_REPLY);
}

/* The two halves of a segment. */
static struct rte_mbuf *half(struct world *w, struct rte_mbuf *whole, uint16_t id, bool second)
{
	uint16_t off = second ? 512 : 0, len = second ? 508 : 512;
	struct rte_mbuf *m = buf_alloc(w->pool);
	char *to = rte_pktmbuf_append(m, 34 + len);
	memcpy(to, rte_pktmbuf_mtod(whole, char *), 34);
	memcpy(to + 34, rte_pktmbuf_mtod_offset(whole, char *, 34 + off), len);
	struct rte_ipv4_hdr *ip = frame_ip(m);
	ip->packet_id = rte_cpu_to_be_16(id);
	ip->total_length = rte_cpu_to_be_16(20 + len);
	ip->fragment_offset = rte_cpu_to_be_16(second ? 512 / 8 : RTE_IPV4_HDR_MF_FLAG);
	ip_checksum(m);
	return m;
}

static void test_net_rss__fragments_become_whole_at_the_worker_of_their_flow(void **state)
{
	struct world *w = *state;
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = PEER_IP};
	struct port_rss rss;

	spec_rss(&rss, 127, 3);
	w->params.frag_entries = 8;
	fleet_open(w, 3, &rss);
	for (uint16_t port = 1000; port < 1060; port++) {
		struct rte_mbuf *whole = frame_tcp(w, PEER_IP, OUR_IP, port, 6379, RTE_TCP_ACK_FLAG, 1000);
		uint32_t at = port % 3, want = port_rss_queue(&rss, &l, 6379, &r, port);
		assert_int_equal(fleet_input(at, half(w, whole, port, false)), 3);
		assert_int_equal(fleet_input((at + port / 3) % 3, half(w, whole, port, true)), want);
		rte_pktmbuf_free(whole);
	}
}

/* A port whose driver keeps key and table. */
static uint16_t null_port(struct port_rss *r, uint16_t nq, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info di;
	uint16_t id;

	assert_int_equal(rte_vdev_init("net_null0", NULL), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("net_null0", &id), 0);
	assert_int_equal(rte_eth_dev_info_get(id, &di), 0);
	assert_true(port_rss_ask(r, &di, &conf));
	assert_int_equal(rte_eth_dev_configure(id, nq, nq, &conf), 0);
	for (uint16_t q = 0; q < nq; q++) {
		assert_int_equal(rte_eth_rx_queue_setup(id, q, 64, SOCKET_ID_ANY, NULL, pool), 0);
		assert_int_equal(rte_eth_tx_queue_setup(id, q, 64, SOCKET_ID_ANY, NULL), 0);
	}
	assert_int_equal(rte_eth_dev_start(id), 0);
	return id;
}

static void test_net_rss__key_and_table_are_those_that_the_device_has(void **state)
{
	struct world *w = *state;
	struct port_rss r;
	uint16_t id = null_port(&r, 2, w->pool);
	struct rte_eth_rss_reta_entry64 t[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE] = {0};
	struct rte_eth_rss_conf conf = {.rss_key = (uint8_t *)(uint32_t[10]){1, 2, 3}, .rss_key_len = 40};
	struct rte_eth_dev_info di;

	conf.rss_hf = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;
	assert_int_equal(rte_eth_dev_rss_hash_update(id, &conf), 0);
	assert_true(port_rss_learn(&r, id, 2));
	assert_int_equal(r.key[1], 2);
	assert_int_equal(rte_eth_dev_info_get(id, &di), 0);
	t[0].mask = UINT64_MAX;
	assert_int_equal(rte_eth_dev_rss_reta_query(id, t, di.reta_size), 0);
	for (uint32_t i = 0; i <= r.mask && i < 64; i++)
		assert_int_equal(r.table[i], t[0].reta[i]);
	assert_int_equal(r.mask + 1, di.reta_size);
	assert_int_equal(r.table[1], 1);
	rte_eth_dev_stop(id);
	rte_vdev_uninit("net_null0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, world6_setup, fleet_teardown)
		T(test_net_rss__hash_is_that_of_the_specification),
		T(test_net_rss__opened_connections_come_back_to_their_worker),
		T(test_net_rss__neighbours_reach_every_worker),
		T(test_net_rss__fragments_become_whole_at_the_worker_of_their_flow),
		T(test_net_rss__key_and_table_are_those_that_the_device_has),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
