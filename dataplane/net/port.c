/* Opening and closing of the one ethdev. Control thread.
 *
 * Unfinished checksums: a sender on this host whose interface offers TCP checksum offload (veth does) leaves the sum
 * to it, and net_af_packet and net_af_xdp of DPDK 22.11 do not tell such frames apart. net/ recognises them by the
 * exact pseudo-header sum and accepts them on these two devices (rx_partial_csum). The clean set-up is
 * `ethtool -K PEER tx off` on the peer's end of a veth pair; it also turns its TSO off, whose frames do not fit our
 * receive slots. Our own end may keep both (port_train.c).
 *
 * Which worker a flow arrives at is not trusted on virtual devices: net_af_packet's fanout rolls over to another queue
 * when one is full, and the TAP driver of the kernel forgets its flow table after a few idle seconds. They use
 * software steering; a NIC with RSS steers. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_bus_vdev.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf_pool_ops.h>

#include "base/log.h"
#include "net/port_priv.h"
#include "net/xdp.h"
#include "net/xdp_neigh.h"

#define DESC_DEFAULT     1024
#define POOL_CACHE       256
#define MBUFS_PER_WORKER 8192
#define MBUFS_LEAST      512 /* the pool keeps some for each thread */
#define XDP_PAGE         (UINT64_C(2) << 20)

static int fail(struct port *p, struct err *e, const char *what)
{
	const char *why = diag_last_error();
	return err_set(e, "device %s: %s%s%s", p->dev.text, what, why[0] ? ": " : "", why);
}

static int probe(struct port *p, uint16_t nqueues, struct err *e)
{
	char args[PORT_NAME_BYTES + 128];
	const char *name = p->vdev_name;

	port_device_vdev(&p->dev, nqueues, p->vdev_name, sizeof(p->vdev_name), args, sizeof(args));
	if (p->dev.kind != PORT_PCI) {
		int ret = rte_vdev_init(p->vdev_name, args);
		if (ret < 0) {
			/* Drivers answer -1 for anything: only other numbers are errnos. */
			if (!diag_last_error()[0])
				err_set(e, "device %s: no driver \"%s\", or it refuses \"%s\" (%s)", p->dev.text, name,
					args, ret == -1 ? "it does not say why" : strerror(-ret));
			else
				fail(p, e, "cannot be opened");
			p->vdev_name[0] = '\0';
			return -1;
		}
	} else {
		name = p->dev.arg; /* probed by rte_eal_init() */
	}
	if (rte_eth_dev_get_port_by_name(name, &p->port_id) != 0)
		return fail(p, e, "the driver made no port");
	return 0;
}

/* TCP puts its payload behind BUF_TX_HEADROOM: there is room for that and a whole frame. */
_Static_assert(PORT_JUMBO_BYTES >= PORT_MTU_MAX + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + BUF_TX_HEADROOM, "one buffer");

uint32_t port_buf_bytes(uint32_t mtu)
{
	return mtu <= PORT_MTU_PLAIN ? BUF_DATA_BYTES : RTE_PKTMBUF_HEADROOM + PORT_JUMBO_BYTES;
}

/* net_af_xdp of DPDK 22.11 registers as many bytes as the objects have: of an ordinary pool, which leaves a gap before
 * each page boundary, the last objects lie outside, and the kernel drops their frames without a word. Here they stand
 * without gaps. A driver with zero copy cannot use what crosses from one hugepage to the next: such objects stay out
 * of use. */
static struct rte_mempool *xdp_pool_create(uint32_t n)
{
	struct rte_pktmbuf_pool_private priv = {.mbuf_data_room_size = BUF_DATA_BYTES,
						.mbuf_priv_size = BUF_PRIV_BYTES};
	struct rte_mempool *mp = rte_mempool_create_empty(
		"packets", n, sizeof(struct rte_mbuf) + BUF_PRIV_BYTES + BUF_DATA_BYTES, POOL_CACHE, sizeof(priv),
		SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	void **all = calloc(n, sizeof(*all));

	if (!mp || !all || rte_mempool_set_ops_byname(mp, rte_mbuf_best_mempool_ops(), NULL) < 0)
		goto failed;
	rte_pktmbuf_pool_init(mp, &priv);
	if (rte_mempool_populate_default(mp) < 0 || rte_mempool_generic_get(mp, all, n, NULL) < 0)
		goto failed;
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	for (uint32_t i = 0; i < n; i++) {
		uintptr_t from = (uintptr_t)all[i] - mp->header_size, to = (uintptr_t)all[i] + mp->elt_size - 1;
		if (!rte_eal_has_hugepages() || from / XDP_PAGE == to / XDP_PAGE)
			rte_mempool_generic_put(mp, &all[i], 1, NULL);
	}
	free(all);
	return mp;
failed:
	free(all);
	rte_mempool_free(mp);
	return NULL;
}

static int pool_create(struct port *p, const struct port_params *pp, struct err *e)
{
	uint32_t rxd = pp->rx_desc ? pp->rx_desc : DESC_DEFAULT, txd = pp->tx_desc ? pp->tx_desc : DESC_DEFAULT;
	uint32_t n = pp->mbufs ? pp->mbufs
			       : p->nworkers * MBUFS_PER_WORKER + (p->info.nqueues + p->dev.further) * (rxd + txd);

	uint32_t bytes = port_buf_bytes(pp->mtu);

	if (n < MBUFS_LEAST)
		return err_set(e, "mbufs %u are too few: at least %d, or 0 for what queues and workers need", n,
			       MBUFS_LEAST);
	if (p->dev.kind == PORT_AF_XDP)
		p->pool = xdp_pool_create(n);
	else
		p->pool = rte_pktmbuf_pool_create_by_ops("packets", n, POOL_CACHE, BUF_PRIV_BYTES, (uint16_t)bytes,
							 SOCKET_ID_ANY, buf_pool_ops());
	if (!p->pool)
		return err_set(e,
			       "no memory for %u packet buffers (%lu MiB): %s; give DPDK more memory or lower `mbufs`",
			       n, ((uint64_t)n * (bytes + 256)) >> 20, rte_strerror(rte_errno));
	return 0;
}

static int rings_create(struct port *p, struct err *e)
{
	for (uint32_t w = p->info.nqueues; w < p->nworkers; w++) {
		char name[32];
		snprintf(name, sizeof(name), "port_tx_%u", w);
		p->tx_ring[w] = rte_ring_create(name, PORT_TX_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (!p->tx_ring[w])
			return err_set(e, "no memory for the transmit ring of worker %u", w);
		struct port_queue *q = &p->q[w % p->info.nqueues];
		q->ring[q->nrings++] = p->tx_ring[w];
	}
	return 0;
}

static void modes_choose(struct port *p, const struct port_params *pp, const struct rte_eth_dev_info *di,
			 struct rte_eth_conf *conf)
{
	port_offloads_choose(p, pp, di, conf);
	p->info.steers = p->nworkers == 1;
	if (p->dev.kind == PORT_PCI && p->info.nqueues > 1)
		p->info.steers = port_rss_ask(&p->rss, di, conf) && p->info.nqueues == p->nworkers;
	/* Only net_tap of the virtual devices gives a descriptor to wait for. */
	conf->intr_conf.rxq = p->dev.kind == PORT_TAP;
}

static int configure(struct port *p, const struct port_params *pp, struct rte_eth_dev_info *di, struct err *e)
{
	struct rte_eth_conf conf = {0};
	int ret = rte_eth_dev_info_get(p->port_id, di);
	if (ret != 0)
		return fail(p, e, "tells nothing about itself");
	uint16_t most = RP_MIN(di->max_rx_queues, di->max_tx_queues);
	p->info.nqueues = RP_MAX(RP_MIN(p->info.nqueues, most), (uint16_t)1);
	snprintf(p->info.driver, sizeof(p->info.driver), "%s", di->driver_name);
	modes_choose(p, pp, di, &conf);
	ret = rte_eth_dev_configure(p->port_id, p->info.nqueues, p->info.nqueues, &conf);
	if (ret < 0 && conf.intr_conf.rxq) {
		conf.intr_conf.rxq = 0;
		ret = rte_eth_dev_configure(p->port_id, p->info.nqueues, p->info.nqueues, &conf);
	}
	p->has_intr = ret == 0 && conf.intr_conf.rxq;
	return ret < 0 ? fail(p, e, "refuses its configuration") : 0;
}

/* Who reads which queue of what; the ones that are ethdevs of their own are opened here. */
static int queues_map(struct port *p, const struct port_params *pp, struct err *e)
{
	for (uint16_t q = 0; q < p->info.nqueues; q++) {
		p->q[q].port_id = p->port_id;
		p->q[q].queue = q;
	}
	if (port_split_open(p, (uint16_t)(pp->rx_desc ? pp->rx_desc : DESC_DEFAULT),
			    (uint16_t)(pp->tx_desc ? pp->tx_desc : DESC_DEFAULT)) < 0)
		return fail(p, e, "a further queue cannot be opened");
	return 0;
}

static int queues_setup(struct port *p, const struct port_params *pp, struct err *e)
{
	uint16_t rxd = (uint16_t)(pp->rx_desc ? pp->rx_desc : DESC_DEFAULT);
	uint16_t txd = (uint16_t)(pp->tx_desc ? pp->tx_desc : DESC_DEFAULT);
	int socket = rte_eth_dev_socket_id(p->port_id);

	if (rte_eth_dev_adjust_nb_rx_tx_desc(p->port_id, &rxd, &txd) != 0)
		return fail(p, e, "refuses its queue sizes");
	for (uint16_t q = 0; q < p->info.nqueues; q++) {
		if (rte_eth_rx_queue_setup(p->port_id, q, rxd, (unsigned)socket, NULL, p->pool) != 0)
			return fail(p, e, "receive queue cannot be set up");
		if (rte_eth_tx_queue_setup(p->port_id, q, txd, (unsigned)socket, NULL) != 0)
			return fail(p, e, "transmit queue cannot be set up");
	}
	return 0;
}

static int mtu_setup(struct port *p, const struct port_params *pp, struct err *e)
{
	uint16_t mtu = RTE_ETHER_MTU;
	bool is_iface = p->dev.kind == PORT_AF_PACKET || p->dev.kind == PORT_AF_XDP;

	if (pp->mtu > PORT_MTU_MAX || (pp->mtu && pp->mtu < 576))
		return err_set(e, "mtu %u is not between 576 and %d", pp->mtu, PORT_MTU_MAX);
	if (is_iface)
		mtu = port_iface_mtu(p->dev.arg);
	else
		rte_eth_dev_get_mtu(p->port_id, &mtu);
	/* A kernel interface keeps its MTU: others use it too. A smaller one of ours is only not exceeded. */
	if (pp->mtu && pp->mtu != mtu && !is_iface) {
		int ret = rte_eth_dev_set_mtu(p->port_id, (uint16_t)pp->mtu);
		/* net_memif knows no MTU: what fits a buffer passes (port_device_vdev()). */
		if (ret != 0 && pp->mtu > mtu && p->dev.kind != PORT_MEMIF)
			return err_set(e, "device %s: mtu %u is refused (%s), the device has %u", p->dev.text, pp->mtu,
				       strerror(-ret), mtu);
		mtu = (uint16_t)pp->mtu;
	}
	if (p->dev.kind == PORT_AF_XDP && pp->mtu > PORT_MTU_PLAIN)
		return err_set(e, "device %s: mtu %u is more than %d, and an XDP buffer holds no jumbo frame",
			       p->dev.text, pp->mtu, PORT_MTU_PLAIN);
	if (is_iface && pp->mtu > mtu)
		return err_set(e, "device %s: mtu %u is more than the interface's %u; `ip link set %s mtu %u`",
			       p->dev.text, pp->mtu, mtu, p->dev.arg, pp->mtu);
	p->info.mtu = (uint16_t)RP_MIN(pp->mtu ? pp->mtu : mtu, (uint32_t)(pp->mtu ? PORT_MTU_MAX : PORT_MTU_PLAIN));
	return 0;
}

/* The MAC of a TAP device is that of the kernel's end of the cable. Ours differs in the last byte, so that it stays
 * the same as long as the kernel's does. A vhost port has none to give. */
static void mac_setup(struct port *p)
{
	rte_eth_macaddr_get(p->port_id, &p->info.mac);
	if (p->dev.kind == PORT_TAP) {
		p->info.mac.addr_bytes[0] = (p->info.mac.addr_bytes[0] & ~RTE_ETHER_GROUP_ADDR) |
					    RTE_ETHER_LOCAL_ADMIN_ADDR;
		p->info.mac.addr_bytes[5] ^= 1;
	} else if (!rte_is_valid_assigned_ether_addr(&p->info.mac)) {
		rng_system(&p->info.mac, sizeof(p->info.mac));
		p->info.mac.addr_bytes[0] = 0x02;
	}
}

static int tell_tid(void *arg)
{
	*(pid_t *)arg = rte_sys_gettid();
	RP_TSAN_GIVE(arg);
	return 0;
}

/* net_tap reads a queue only after a realtime signal told of a packet, and the kernel gives it to any thread of the
 * process: the control thread would be woken for every packet, and a busy one would delay them. Each queue's signal
 * goes to the worker that reads it. Best effort: without it all works, only later. */
static void tap_signals_to_workers(struct port *p)
{
	for (uint16_t q = 0; q < p->info.nqueues; q++) {
		struct f_owner_ex owner = {.type = F_OWNER_TID};
		int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(p->port_id, q);
		if (fd < 0 || !rte_lcore_is_enabled(q + 1U) || rte_eal_remote_launch(tell_tid, &owner.pid, q + 1U) != 0)
			continue;
		rte_eal_wait_lcore(q + 1U);
		RP_TSAN_TAKE(&owner.pid);
		fcntl(fd, F_SETOWN_EX, &owner);
	}
}

static int start(struct port *p, struct err *e)
{
	if (rte_eth_dev_start(p->port_id) != 0)
		return fail(p, e, "does not start");
	p->started = true;
	if (p->dev.kind == PORT_TAP) {
		int ret = port_iface_up(p->dev.arg);
		if (ret < 0)
			return err_set(e, "device %s: the interface cannot be set up: %s", p->dev.text, strerror(-ret));
		if (p->has_intr)
			tap_signals_to_workers(p);
	}
	mac_setup(p);
	return 0;
}

/* Before the driver opens its sockets, or libxdp attaches a program of its own that takes everything. */
static int xdp_setup(struct port *p, const struct port_params *pp, struct err *e)
{
	if (p->dev.kind != PORT_AF_XDP || pp->naddrs == 0)
		return 0;
	struct xdp_params xp = {.ifname = p->dev.arg,
				.addrs = pp->addrs,
				.naddrs = pp->naddrs,
				.tcp_port = pp->tcp_port,
				.first_port = pp->first_port,
				.last_port = pp->last_port,
				.vlan = pp->vlan};
	p->xdp = xdp_attach(&xp, e);
	if (!p->xdp)
		return -1;
	p->info.shared = xdp_is_shared(p->xdp);
	p->info.beside_kernel = !p->info.shared;
	if (p->info.shared) {
		char kernels[IFNAMSIZ];
		xdp_iface_vlan(p->dev.arg, pp->vlan, kernels, sizeof(kernels));
		p->neigh = xdp_neigh_open(kernels, p->nworkers, e);
	}
	return p->info.shared && !p->neigh ? -1 : 0;
}

static int open_steps(struct port *p, const struct port_params *pp, struct err *e)
{
	struct rte_eth_dev_info di;

	p->info.nqueues = port_device_queues(&p->dev, p->nworkers, e);
	if (p->info.nqueues == 0)
		return -1;
	if (xdp_setup(p, pp, e) < 0 || probe(p, p->info.nqueues, e) < 0 || configure(p, pp, &di, e) < 0 ||
	    pool_create(p, pp, e) < 0 || queues_setup(p, pp, e) < 0 || mtu_setup(p, pp, e) < 0 || start(p, e) < 0 ||
	    queues_map(p, pp, e) < 0 || rings_create(p, e) < 0)
		return -1;
	p->info.steers = p->info.steers && (p->nworkers == 1 || port_rss_learn(&p->rss, p->port_id, p->info.nqueues));
	port_wake_find(p);
	port_train_open(p);
	port_groups_join(p, pp->addrs, pp->naddrs);
	p->info.rx_partial_csum = p->dev.kind == PORT_AF_PACKET || p->dev.kind == PORT_AF_XDP;
	p->copy_foreign = p->dev.kind == PORT_AF_XDP;
	return 0;
}

struct port *port_open(const struct port_params *pp, struct err *e)
{
	struct port *p = aligned_alloc(RP_CACHE_LINE, RTE_ALIGN_CEIL(sizeof(*p), RP_CACHE_LINE));
	if (!p) {
		err_set(e, "out of memory");
		return NULL;
	}
	memset(p, 0, sizeof(*p));
	p->port_id = RTE_MAX_ETHPORTS;
	p->groups_fd = -1;
	p->nworkers = pp->nworkers;
	if (pp->nworkers == 0 || pp->nworkers > RP_MAX_WORKERS) {
		err_set(e, "%u workers asked for, 1 to %d are possible", pp->nworkers, RP_MAX_WORKERS);
		free(p);
		return NULL;
	}
	diag_clear();
	diag_redirect(true);
	int ret = port_device_parse(pp->device, &p->dev, e);
	p->dev.jumbo = pp->mtu > PORT_MTU_PLAIN;
	if (ret == 0)
		ret = port_device_check(&p->dev, e);
	if (ret == 0)
		ret = open_steps(p, pp, e);
	if (ret < 0) {
		port_close(p);
		p = NULL;
	}
	diag_redirect(false);
	if (p && p->xdp)
		log_write(LOG_NOTICE, "device %s: %s, XDP in %s", p->dev.text,
			  p->info.shared ? "address and interface shared with the kernel"
					 : "interface shared with the kernel, address our own",
			  xdp_is_native(p->xdp) ? "the driver" : "the generic path (slower: the driver refuses it)");
	return p;
}

void port_close(struct port *p)
{
	if (!p)
		return;
	/* libxdp talks when its program is detached. */
	bool outer = diag_redirect(true);
	port_split_close(p);
	port_train_close(p);
	if (p->started)
		rte_eth_dev_stop(p->port_id);
	if (p->vdev_name[0])
		rte_vdev_uninit(p->vdev_name);
	else if (p->port_id < RTE_MAX_ETHPORTS)
		rte_eth_dev_close(p->port_id);
	xdp_detach(p->xdp);
	xdp_neigh_close(p->neigh);
	port_groups_leave(p);
	for (uint32_t w = 0; w < p->nworkers; w++) {
		port_tx_drop(p, w);
		rte_ring_free(p->tx_ring[w]);
	}
	rte_mempool_free(p->pool);
	if (outer)
		diag_redirect(false);
	free(p);
}

const struct port_info *port_info(const struct port *p)
{
	return &p->info;
}

const struct port_rss *port_rss(const struct port *p)
{
	return p->info.steers && p->nworkers > 1 ? &p->rss : NULL;
}

struct xdp_neigh *port_neigh(const struct port *p)
{
	return p->neigh;
}

struct rte_mempool *port_pool(const struct port *p, uint32_t worker)
{
	return p->pool;
}
