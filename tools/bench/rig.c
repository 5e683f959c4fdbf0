#include "rig.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "net/xdp.h"
#include "net/xdp_neigh.h"

#define LPORT_FIRST    1024
#define LPORT_SHARED   61000 /* behind those that a Linux kernel gives to its own */
#define CONNECT_TRIES  64    /* ports tried for one connection */
#define LINK_WAIT_MS   10000
#define NET_TIMERS_US  1000
#define MBUFS_BASE     16384u
#define MBUFS_MAX      (1u << 20)
#define TIME_WAIT_MAX  16384
#define CONN_EAL_BYTES 256 /* of the flow table */

/* ---- connections leave from several addresses: the layer below TCP is asked through us ---- */

static int low_path_init(void *ctx, struct net_path *path, const struct net_addr *local, const struct net_addr *remote)
{
	return net_path_init(((struct rig *)ctx)->net, path, local, remote);
}

static void low_output(void *ctx, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len)
{
	net_tcp_output(((struct rig *)ctx)->net, path, m, tcp_len);
}

static void low_confirm(void *ctx, struct net_path *path)
{
	net_path_confirm(((struct rig *)ctx)->net, path);
}

static int low_local_for(void *ctx, const struct net_addr *remote, struct net_addr *local)
{
	const struct rig *r = ctx;
	*local = r->local[r->turn].addr;
	return 0;
}

struct tcp_conn *rig_connect(struct rig *r, const struct net_addr *remote, uint16_t port, void *user, int *why)
{
	for (uint32_t i = 0; i < CONNECT_TRIES; i++) {
		uint16_t *lport = &r->next_lport[r->turn];
		*lport = *lport < UINT16_MAX ? *lport + 1 : r->first_lport;
		struct tcp_conn *c = tcp_connect(r->tcp, remote, port, *lport, user, why);
		r->turn = (r->turn + 1) % r->nlocal;
		if (c != NULL || *why != -EADDRINUSE)
			return c;
	}
	return NULL;
}

/* ---- set-up ---- */

/* af_xdp without --address: those of the interface that reach as far as the server. */
static void interface_addresses(struct rig *r, const struct options *o)
{
	struct net_ifaddr all[NET_MAX_ADDRS];
	struct net_addr server = {0};
	uint32_t n = xdp_iface_addrs(xdp_device_iface(o->device), all, NET_MAX_ADDRS);

	net_addr_parse(o->host, &server, NULL);
	for (uint32_t i = 0; i < n; i++)
		if (all[i].addr.family == server.family &&
		    net_is_link_local(&all[i].addr) == net_is_link_local(&server))
			r->local[r->nlocal++] = all[i];
}

static int parse_addresses(struct rig *r, const struct options *o, struct net_params *np, struct err *e)
{
	if (o->address.n == 0) {
		interface_addresses(r, o);
		if (r->nlocal == 0)
			return err_set(e, "device %s: the interface has no address to reach %s from", o->device,
				       o->host);
	}
	for (uint32_t i = 0; i < o->address.n; i++) {
		struct net_ifaddr *a = &r->local[r->nlocal];
		if (r->nlocal == NET_MAX_ADDRS || !net_addr_parse(o->address.text[i], &a->addr, &a->prefix_len))
			return err_set(e, "--address '%s': give at most %d, each as in 10.0.0.2/24", o->address.text[i],
				       NET_MAX_ADDRS);
		r->nlocal++;
	}
	memcpy(np->addrs, r->local, sizeof np->addrs);
	np->naddrs = r->nlocal;
	if (*o->gateway && !net_addr_parse(o->gateway, &np->gateway, NULL))
		return err_set(e, "--gateway '%s': give an address as in 10.0.0.1", o->gateway);
	return 0;
}

static int choose_cpu(const struct options *o, struct err *e)
{
	cpu_set_t allowed;
	char *end;

	if (*o->cores) {
		long cpu = strtol(o->cores, &end, 10);
		if (end == o->cores || *end || cpu < 0 || cpu > 4095)
			return err_set(e, "--cores '%s': give the number of one CPU: one core generates the load",
				       o->cores);
		return (int)cpu;
	}
	if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
		for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &allowed))
				return cpu;
	return 0;
}

static int open_eal(struct rig *r, const struct options *o, size_t mem, struct err *e)
{
	char prefix[48];
	int cpu = choose_cpu(o, e);

	if (cpu < 0)
		return -1;
	snprintf(prefix, sizeof prefix, "redpoll-bench-%d", (int)getpid());
	uint64_t pages, usable;
	port_huge_pages(&pages, &usable);
	r->huge = strcmp(o->hugepages, "yes") == 0 || (strcmp(o->hugepages, "auto") == 0 && usable << 21 >= mem);
	struct port_eal_params p = {.prefix = prefix,
				    .nworkers = 1,
				    .worker_cpu = &cpu,
				    .control_cpu = cpu,
				    .huge = r->huge,
				    .mem_bytes = mem,
				    .device = o->device};
	if (port_eal_init(&p, e) < 0)
		return -1;
	r->eal = true;
	return 0;
}

/* What is sent before the other end of a socket is there would be lost. */
static int wait_link(const struct options *o, struct err *e)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	uint16_t id = (uint16_t)rte_eth_find_next(0);

	for (int ms = 0; ms < LINK_WAIT_MS; ms++) {
		struct rte_eth_link link = {0};
		if (rte_eth_link_get_nowait(id, &link) != 0 || link.link_status)
			return 0;
		nanosleep(&nap, NULL);
	}
	return err_set(e, "device %s: no link after %d s; start the other end first", o->device, LINK_WAIT_MS / 1000);
}

static void on_pmtu(void *ctx, const struct net_addr *local, uint16_t lport, const struct net_addr *remote,
		    uint16_t rport, uint32_t seq, uint16_t mtu)
{
	struct rig *r = ctx;
	if (tcp_pmtu_update(r->tcp, local, lport, remote, rport, seq, mtu))
		net_pmtu_learn(r->net, remote, mtu);
}

static int open_net(struct rig *r, struct net_params *np, struct err *e)
{
	const struct port_info *pi = port_info(r->port);

	np->port = r->port;
	np->nworkers = 1;
	np->pool = r->pool;
	np->shared = pi->shared;
	np->neigh_ask = xdp_neigh_ask(port_neigh(r->port), 0);
	np->neigh_told = xdp_neigh_told(port_neigh(r->port), 0);
	np->pmtu = on_pmtu;
	np->pmtu_ctx = r;
	np->mac = pi->mac;
	np->mtu = pi->mtu;
	np->tx_csum_ip = pi->tx_csum_ip;
	np->tx_csum_tcp = pi->tx_csum_tcp;
	r->net = net_create(np, e);
	return r->net != NULL ? 0 : -1;
}

/* Two stacks at one address: the kernel would reset what we open. */
static bool kernel_has(const struct options *o, const struct net_params *np, struct err *e)
{
	char text[64], ifname[IFNAMSIZ];

	for (uint32_t i = 0; strncmp(o->device, "af_packet:", 10) == 0 && i < np->naddrs; i++) {
		if (!xdp_kernel_has(&np->addrs[i].addr, ifname))
			continue;
		net_addr_format(&np->addrs[i].addr, text, sizeof(text));
		err_set(e,
			"--address %s is the kernel's too, on %s: it would reset our connections; choose a free one, "
			"or share it with `--device af_xdp:IFACE`",
			text, ifname);
		return true;
	}
	return false;
}

/* Where the kernel has our addresses it keeps its own ports, and its clients theirs. */
static void choose_ports(struct rig *r)
{
	r->first_lport = port_info(r->port)->shared ? LPORT_SHARED : LPORT_FIRST;
	for (uint32_t i = 0; i < r->nlocal; i++) {
		uint16_t x;
		rng_system(&x, sizeof x);
		r->next_lport[i] = (uint16_t)(r->first_lport + x % (UINT16_MAX - r->first_lport));
	}
}

static int open_tcp(struct rig *r, const struct tcp_ops *ops, uint32_t max_conns, struct err *e)
{
	struct tcp_params tp = {.ops = *ops,
				.pool = r->pool,
				.max_conns = max_conns,
				.max_syn = 64,
				.max_time_wait = TIME_WAIT_MAX,
				.timestamps = true,
				.window_scale = true,
				.lower = {.ctx = r,
					  .path_init = low_path_init,
					  .output = low_output,
					  .confirm = low_confirm,
					  .local_for = low_local_for,
					  .train_bytes = port_info(r->port)->tx_train_bytes,
					  .train_bufs = port_info(r->port)->tx_train_bufs}};

	rng_system(&tp.seed, sizeof tp.seed);
	r->tcp = tcp_create(&tp, e);
	return r->tcp != NULL ? 0 : -1;
}

int rig_open(struct rig *r, const struct options *o, const struct tcp_ops *ops, uint32_t max_conns, uint64_t batch_bufs,
	     struct err *e)
{
	struct net_params np = {0};
	uint32_t mbufs = (uint32_t)RP_MIN(MBUFS_BASE + 2 * batch_bufs, (uint64_t)MBUFS_MAX);
	size_t mem = (size_t)mbufs * (port_buf_bytes((uint32_t)o->mtu) + 384) +
		     ((size_t)max_conns + TIME_WAIT_MAX) * CONN_EAL_BYTES + (96u << 20);
	struct port_params pp = {
		.device = o->device, .nworkers = 1, .mtu = (uint32_t)o->mtu, .mbufs = mbufs, .csum_offload = true};

	memset(r, 0, sizeof *r);
	if (parse_addresses(r, o, &np, e) < 0)
		return -1;
	if (kernel_has(o, &np, e))
		return -1;
	pp.addrs = np.addrs;
	pp.naddrs = np.naddrs;
	pp.first_port = LPORT_SHARED;
	pp.last_port = UINT16_MAX;
	if (open_eal(r, o, mem, e) < 0)
		return -1;
	r->port = port_open(&pp, e);
	if (r->port == NULL || wait_link(o, e) < 0)
		return -1;
	r->pool = port_pool(r->port, 0);
	choose_ports(r);
	clock_init(&r->clock, 0);
	if (open_net(r, &np, e) < 0 || open_tcp(r, ops, max_conns, e) < 0)
		return -1;
	rig_set_now(r);
	/* The server may remember another station that had our addresses: the run before this one. */
	net_announce(r->net);
	net_poll_tx(r->net);
	return 0;
}

void rig_close(struct rig *r)
{
	tcp_destroy(r->tcp);
	net_destroy(r->net);
	port_close(r->port);
	if (r->eal)
		port_eal_fini();
}

void rig_set_now(struct rig *r)
{
	clock_read(&r->clock, &r->now);
	net_set_now(r->net, &r->now);
	tcp_set_now(r->tcp, &r->now);
}

uint32_t rig_poll_tx(struct rig *r)
{
	uint32_t n = tcp_poll_output(r->tcp);

	n += net_poll_tx(r->net);
	n += tcp_poll_timers(r->tcp);
	if (r->now.mono_us - r->net_timers_us >= NET_TIMERS_US) {
		r->net_timers_us = r->now.mono_us;
		net_poll_timers(r->net);
		xdp_neigh_poll(port_neigh(r->port));
	}
	return n;
}
