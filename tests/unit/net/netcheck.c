/* A hand tool: opens a device, answers ARP and ping through net/, prints counters when it is stopped.
 *
 *     netcheck DEVICE ADDRESS/LEN [WORKERS] [GATEWAY]
 *
 * In the environment: HUGE=MIB (memory on hugepages), VERBOSE (EAL's own messages), MBUFS.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_ring.h>

#include "net/net.h"

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

struct checker {
	struct net *net;
	struct port *port;
	uint32_t worker;
	uint64_t tcp_segments, wakeups;
};

/* This tool shares its machine: it waits for the device, or sleeps where that cannot wake it. */
static void idle(struct checker *c)
{
	struct pollfd fd = {.fd = port_rx_intr_fd(c->port, c->worker), .events = POLLIN};
	if (fd.fd < 0) {
		usleep(100);
		return;
	}
	port_rx_intr_arm(c->port, c->worker, true);
	c->wakeups += poll(&fd, 1, 5) > 0;
	port_rx_intr_arm(c->port, c->worker, false);
}

static int run(void *arg)
{
	struct checker *c = arg;
	struct clock clock;
	struct clock_now now;
	uint64_t timers_us = 0;

	clock_init(&clock, 0);
	while (!stop) {
		struct rte_mbuf *m[RP_MAX_BURST];
		clock_read(&clock, &now);
		net_set_now(c->net, &now);
		uint32_t n = net_poll_rx(c->net, m, RP_MAX_BURST);
		rte_pktmbuf_free_bulk(m, n);
		c->tcp_segments += n;
		if (now.mono_us - timers_us > 5000) {
			timers_us = now.mono_us;
			net_poll_timers(c->net);
		}
		if (net_poll_tx(c->net) + n == 0)
			idle(c);
	}
	return 0;
}

static void print_counters(uint32_t worker, const struct net_counters *c)
{
	printf("worker %u:", worker);
#define NET_COUNTER(name, help) \
	if (c->name)            \
		printf(" " #name "=%lu", c->name);
#include "net/net_counters.def"
#undef NET_COUNTER
	printf("\n");
}

static void print_port(const struct port_info *i)
{
	printf("driver %s mac " RTE_ETHER_ADDR_PRT_FMT
	       " mtu %u queues %u steers %d csum tx %d/%d rx %d multi_seg %d train %u/%u ext %d\n",
	       i->driver, RTE_ETHER_ADDR_BYTES(&i->mac), i->mtu, i->nqueues, i->steers, i->tx_csum_ip, i->tx_csum_tcp,
	       i->rx_csum, i->tx_multi_seg, i->tx_train_bytes, i->tx_train_bufs, i->tx_ext_bufs);
	fflush(stdout);
}

/* ring[from * n + to] */
static struct rte_ring **rings_make(uint32_t n)
{
	struct rte_ring **r = calloc((size_t)n * n, sizeof(*r));
	for (uint32_t i = 0; i < n * n; i++) {
		char name[32];
		snprintf(name, sizeof(name), "steer_%u", i);
		r[i] = rte_ring_create(name, 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	}
	return r;
}

static int serve(struct port *port, struct net_params *np, uint32_t n, struct err *e)
{
	struct checker c[RP_MAX_WORKERS] = {0};
	struct rte_ring **rings = n > 1 ? rings_make(n) : NULL;
	static struct rte_ring *all_in[RP_MAX_WORKERS][RP_MAX_WORKERS], *all_out[RP_MAX_WORKERS][RP_MAX_WORKERS];

	for (uint32_t w = 0; w < n; w++) {
		for (uint32_t o = 0; rings && o < n; o++) {
			all_in[w][o] = rings[o * n + w];
			all_out[w][o] = rings[w * n + o];
		}
		c[w].port = port;
		c[w].worker = w;
		np->worker = w;
		np->rss = port_rss(port);
		np->steer_in = rings ? all_in[w] : NULL;
		np->steer_out = rings ? all_out[w] : NULL;
		c[w].net = net_create(np, e);
		if (!c[w].net)
			return -1;
	}
	net_announce(c[0].net);
	for (uint32_t w = 0; w < n; w++)
		rte_eal_remote_launch(run, &c[w], w + 1);
	while (!stop)
		usleep(10000);
	rte_eal_mp_wait_lcore();
	for (uint32_t w = 0; w < n; w++) {
		print_counters(w, net_counters(c[w].net));
		printf("worker %u: %lu segments, %lu wakeups by the device\n", w, c[w].tcp_segments, c[w].wakeups);
		net_destroy(c[w].net);
	}
	free(rings);
	return 0;
}

int main(int argc, char **argv)
{
	struct err e = {0};
	uint32_t n = argc > 3 ? (uint32_t)atoi(argv[3]) : 1;
	if (argc < 3) {
		fprintf(stderr, "usage: %s DEVICE ADDRESS/LEN [WORKERS] [GATEWAY]\n", argv[0]);
		return 2;
	}
	struct port_eal_params ep = {.prefix = "netcheck",
				     .nworkers = n,
				     .control_cpu = -1,
				     .device = argv[1],
				     .mem_bytes = (size_t)(96 + 48 * n) << 20,
				     .huge = getenv("HUGE") != NULL,
				     .verbose = getenv("VERBOSE") != NULL};
	struct port_params pp = {.device = argv[1], .nworkers = n, .csum_offload = true};
	if (getenv("HUGE"))
		ep.mem_bytes = (size_t)atoi(getenv("HUGE")) << 20;
	if (getenv("MBUFS"))
		pp.mbufs = (uint32_t)atoi(getenv("MBUFS"));
	struct net_params np = {.nworkers = n, .naddrs = 1};
	struct port *port = NULL;
	int ret = -1;

	if (!net_addr_parse(argv[2], &np.addrs[0].addr, &np.addrs[0].prefix_len))
		return fprintf(stderr, "bad address %s\n", argv[2]), 2;
	if (argc > 4 && !net_addr_parse(argv[4], &np.gateway, NULL))
		return fprintf(stderr, "bad gateway %s\n", argv[4]), 2;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	if (port_eal_init(&ep, &e) < 0)
		return fprintf(stderr, "%s\n", e.text), 1;
	port = port_open(&pp, &e);
	if (port) {
		const struct port_info *i = port_info(port);
		print_port(i);
		np.port = port;
		np.pool = port_pool(port, 0);
		np.mac = i->mac;
		np.mtu = i->mtu;
		np.tx_csum_ip = i->tx_csum_ip;
		np.tx_csum_tcp = i->tx_csum_tcp;
		ret = serve(port, &np, n, &e);
	}
	if (ret < 0)
		fprintf(stderr, "%s\n", e.text);
	port_close(port);
	port_eal_fini();
	return ret < 0;
}
