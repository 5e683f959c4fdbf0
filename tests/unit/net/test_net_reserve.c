#include "world.h"

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

static struct rte_mbuf *hog[POOL_SIZE];
static uint32_t nhog;

static void drain(struct world *w)
{
	while ((hog[nhog] = rte_pktmbuf_alloc(w->pool)) != NULL)
		nhog++;
}

static void give_back(void)
{
	rte_pktmbuf_free_bulk(hog, nhog);
	nhog = 0;
}

static void test_net_reserve__arp_is_asked_when_data_took_every_buffer(void **state)
{
	struct world *w = *state;
	struct net_path p;
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = PEER_IP};
	struct rte_mbuf *m = segment(w, 1);
	drain(w);
	net_path_init(w->net, &p, &l, &r);
	net_tcp_output(w->net, &p, m, 20);
	world_flush(w);
	assert_int_equal(w->nsent, 1);
	sent_arp(w, 0, RTE_ARP_OP_REQUEST);
	give_back();
}

static void test_net_reserve__empty_pool_gets_buffers_for_the_receiver(void **state)
{
	struct world *w = *state;
	drain(w);
	world_advance(w, 1000);
	assert_int_equal(net_counters(w->net)->pool_empty, 1);
	assert_true(rte_mempool_avail_count(w->pool) > 0);
	/* The receiver now gets a buffer: ARP and ping work on. */
	world_input(w, frame_arp(w, RTE_ARP_OP_REQUEST, &peer_mac, PEER_IP, OUR_IP));
	world_input(w, frame_echo(w, 56));
	assert_int_equal(net_counters(w->net)->arp_reply_tx, 1);
	assert_int_equal(net_counters(w->net)->icmp_echo, 1);
	give_back();
}

static void test_net_reserve__new_work_is_shed_and_acks_pass(void **state)
{
	struct world *w = *state;
	drain(w);
	world_advance(w, 1000);
	assert_null(world_input(w, frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 10)));
	assert_null(world_input(w, frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_SYN_FLAG, 0)));
	assert_int_equal(net_counters(w->net)->rx_shed, 2);
	struct rte_mbuf *m = world_input(w, frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 0));
	assert_non_null(m);
	rte_pktmbuf_free(m);
	give_back();
	world_advance(w, 1000);
	m = world_input(w, frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 10));
	assert_non_null(m);
	rte_pktmbuf_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_net_reserve__arp_is_asked_when_data_took_every_buffer),
		T(test_net_reserve__empty_pool_gets_buffers_for_the_receiver),
		T(test_net_reserve__new_work_is_shed_and_acks_pass),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
