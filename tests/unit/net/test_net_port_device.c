#include <unistd.h>

#include "world.h"
#include "net/port_priv.h"

static void test_net_port_device__parse(void **state)
{
	static const struct {
		const char *text;
		int kind; /* -1: refused */
		const char *arg;
		bool client;
	} t[] = {
		{"tap", PORT_TAP, "redpoll0", false},
		{"tap:rp7", PORT_TAP, "rp7", false},
		{"af_packet:eth1", PORT_AF_PACKET, "eth1", false},
		{"af_xdp:eth1", PORT_AF_XDP, "eth1", false},
		{"memif:/run/m.sock", PORT_MEMIF, "/run/m.sock", false},
		{"memif:/run/m.sock,client", PORT_MEMIF, "/run/m.sock", true},
		{"memif:/run/m.sock,server", -1, NULL, false},
		{"vhost:/run/v", PORT_VHOST, "/run/v", false},
		{"virtio-user:/run/v", PORT_VIRTIO_USER, "/run/v", false},
		{"pci:0000:03:00.0", PORT_PCI, "0000:03:00.0", false},
		{"vdev:net_ring0,nodeaction=x", PORT_VDEV, "net_ring0,nodeaction=x", false},
		{"af_packet", -1, NULL, false},
		{"af_packet:", -1, NULL, false},
		{"eth0", -1, NULL, false},
		{"", -1, NULL, false},
	};
	for (size_t i = 0; i < RP_ARRAY_LEN(t); i++) {
		struct port_device d;
		struct err e = {0};
		int ret = port_device_parse(t[i].text, &d, &e);
		assert_int_equal(ret, t[i].kind < 0 ? -1 : 0);
		if (ret < 0) {
			assert_true(strlen(e.text) > 20);
			continue;
		}
		assert_int_equal(d.kind, t[i].kind);
		assert_string_equal(d.arg, t[i].arg);
		assert_int_equal(d.client, t[i].client);
	}
}

static void test_net_port_device__check_names_the_mend(void **state)
{
	static const struct {
		const char *text, *says;
	} t[] = {
		{"af_packet:rpnone9", "no interface of that name; `ip link`"},
		{"af_xdp:a-name-much-too-long-for-linux", "no interface of that name"},
		{"tap:a-name-much-too-long-for-linux", "longer than 15"},
		{"memif:/no/such/dir/m.sock", "cannot make a socket in /no/such/dir"},
		{"vhost:/no/such/dir/m.sock", "cannot make a socket in /no/such/dir"},
		{"virtio-user:/no/such/v.sock", "start the other end first"},
		{"virtio-user:/proc/self/stat", "not a socket"},
		{"pci:0000:ff:1f.7", "no such PCI device"},
	};
	for (size_t i = 0; i < RP_ARRAY_LEN(t); i++) {
		struct port_device d;
		struct err e = {0};
		assert_int_equal(port_device_parse(t[i].text, &d, &e), 0);
		assert_int_equal(port_device_check(&d, &e), -1);
		assert_non_null(strstr(e.text, t[i].says));
		assert_non_null(strstr(e.text, t[i].text));
	}
}

static void test_net_port_eal__refusals_before_eal_starts(void **state)
{
	static const int cpu[] = {100000};
	struct err e = {0};
	struct port_eal_params p = {
		.nworkers = 1, .control_cpu = -1, .mem_bytes = 64 << 20, .device = "af_packet:rpnone9"};
	assert_int_equal(port_eal_init(&p, &e), -1);
	assert_non_null(strstr(e.text, "no interface of that name"));
	p.worker_cpu = cpu;
	assert_int_equal(port_eal_init(&p, &e), -1);
	assert_non_null(strstr(e.text, "cannot run on CPU 100000"));
	p.worker_cpu = NULL;
	p.control_cpu = 100000;
	assert_int_equal(port_eal_init(&p, &e), -1);
	assert_non_null(strstr(e.text, "control thread cannot run on CPU 100000"));
	p.control_cpu = -1;
	p.device = "vdev:net_null0";
	p.huge = true;
	p.mem_bytes = (size_t)1 << 50;
	assert_int_equal(port_eal_init(&p, &e), -1);
	assert_non_null(strstr(e.text, "536870912 pages of 2 MiB are needed"));
	assert_non_null(strstr(e.text, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"));
}

/* A port over a driver that needs nothing: three workers, frames go round, every buffer comes back. */
static void test_net_port__null_device_end_to_end(void **state)
{
	struct err e = {0};
	struct port_eal_params ep = {.prefix = "test-port",
				     .nworkers = 3,
				     .control_cpu = -1,
				     .mem_bytes = 96 << 20,
				     .device = "vdev:net_ring0"};
	struct port_params pp = {.nworkers = 3, .mbufs = 4095};
	if (port_eal_init(&ep, &e) < 0)
		fail_msg("%s", e.text);
	pp.device = "vdev:net_nosuch0";
	assert_null(port_open(&pp, &e));
	assert_non_null(strstr(e.text, "device vdev:net_nosuch0"));
	pp.device = "vdev:net_ring0";
	struct port *p = port_open(&pp, &e);
	if (!p)
		fail_msg("%s", e.text);
	assert_true(port_info(p)->nqueues >= 1 && port_info(p)->nqueues <= 3);
	assert_false(port_info(p)->steers);
	struct rte_mempool *pool = port_pool(p, 2);
	for (uint32_t w = 0; w < 3; w++) {
		struct rte_mbuf *m[4], *back[RP_MAX_BURST];
		for (int i = 0; i < 4; i++) {
			m[i] = rte_pktmbuf_alloc(pool);
			rte_pktmbuf_append(m[i], 60);
		}
		assert_int_equal(port_tx_burst(p, w, m, 4), 4);
		uint32_t queue = w % port_info(p)->nqueues;
		uint16_t k = port_rx_burst(p, queue, back, RP_MAX_BURST);
		assert_int_equal(k, 4);
		rte_pktmbuf_free_bulk(back, k);
	}
	assert_int_equal(rte_mempool_avail_count(pool), 4095);
	port_close(p);
}

static uint16_t refuse_marked(void *queue, struct rte_mbuf **m, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (*rte_pktmbuf_mtod(m[i], uint8_t *) == 1)
			return i;
	return n;
}

/* What the driver refuses is dropped alone. */
static void test_net_port__a_refused_frame_takes_no_other_along(void **state)
{
	struct err e = {0};
	struct port_params pp = {.nworkers = 1, .mbufs = 4095, .device = "vdev:net_ring0"};
	struct port *p = port_open(&pp, &e);
	struct rte_mbuf *m[8], *back[RP_MAX_BURST];
	rp_assert(p != NULL);
	p->info.tx_csum_tcp = true;
	rte_eth_fp_ops[p->port_id].tx_pkt_prepare = refuse_marked;
	for (uint8_t i = 0; i < 8; i++) {
		m[i] = rte_pktmbuf_alloc(port_pool(p, 0));
		uint8_t *at = (uint8_t *)rte_pktmbuf_append(m[i], 60);
		at[0] = i == 0 || i == 3 || i == 4 || i == 7;
		at[1] = i;
	}
	assert_int_equal(port_tx_burst(p, 0, m, 8), 4);
	assert_int_equal(port_rx_burst(p, 0, back, RP_MAX_BURST), 4);
	for (uint8_t i = 0; i < 4; i++)
		assert_int_equal(rte_pktmbuf_mtod(back[i], uint8_t *)[1], ((uint8_t[]){1, 2, 5, 6})[i]);
	rte_pktmbuf_free_bulk(back, 4);
	assert_int_equal(rte_mempool_avail_count(port_pool(p, 0)), 4095);
	port_close(p);
}

#define FRAMES 3000 /* more than device and ring hold, less than there are buffers */

/* Sends as long as there is room, then takes everything out: nothing was lost, and the order is kept. */
static void full_device(struct port *p, uint32_t worker)
{
	struct rte_mempool *pool = port_pool(p, worker);
	uint32_t queue = worker % port_info(p)->nqueues, sent = 0, got = 0;

	for (; sent < FRAMES && port_tx_room(p, worker) > 0; sent++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		*(uint32_t *)rte_pktmbuf_append(m, 60) = sent;
		assert_int_equal(port_tx_burst(p, worker, &m, 1), 1);
		port_tx_burst(p, queue, &m, 0); /* the queue's own worker goes on, too */
	}
	assert_in_range(sent, 1024, FRAMES - 1);
	assert_true(port_tx_waiting(p, queue));
	for (uint16_t k = 1; k > 0 || port_tx_waiting(p, queue);) {
		struct rte_mbuf *m[RP_MAX_BURST];
		k = port_rx_burst(p, queue, m, RP_MAX_BURST);
		for (uint16_t i = 0; i < k; i++)
			assert_int_equal(*rte_pktmbuf_mtod(m[i], uint32_t *), got++);
		rte_pktmbuf_free_bulk(m, k);
	}
	assert_int_equal(got, sent);
	assert_int_equal(rte_mempool_avail_count(pool), pool->size);
}

static void test_net_port__full_device_loses_nothing_while_there_is_room(void **state)
{
	struct err e = {0};
	struct port_params pp = {.nworkers = 20, .mbufs = 4095, .device = "vdev:net_ring0"};
	struct port *p = port_open(&pp, &e);
	if (!p)
		fail_msg("%s", e.text);
	assert_in_range(port_info(p)->nqueues, 1, 19);
	full_device(p, 0);
	full_device(p, 19); /* has no queue of its own */
	port_close(p);
	port_eal_fini();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_net_port_device__parse),
		cmocka_unit_test(test_net_port_device__check_names_the_mend),
		cmocka_unit_test(test_net_port_eal__refusals_before_eal_starts),
		cmocka_unit_test(test_net_port__null_device_end_to_end),
		cmocka_unit_test(test_net_port__a_refused_frame_takes_no_other_along),
		cmocka_unit_test(test_net_port__full_device_loses_nothing_while_there_is_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
