/* The port: EAL, one DPDK ethdev, its queues, pools and offloads. Control thread sets it up; after that each worker
 * uses only its own queue pair.
 *
 * Order of calls: port_eal_init(), port_open(), workers run, port_close(), port_eal_fini().
 */
#pragma once

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "base/defs.h"
#include "base/err.h"

#define PORT_MTU_PLAIN 1936 /* a frame fits a buffer of 2 KiB, and with af_packet one 2 KiB ring slot */
#define PORT_MTU_MAX   9000

struct net_ifaddr;
struct port;
struct port_rss;
struct xdp_neigh;

struct port_eal_params {
	const char *prefix; /* --file-prefix: unique per instance */
	uint32_t nworkers;
	const int *worker_cpu; /* CPU of each worker; several may share one. NULL: chosen from the allowed set */
	int control_cpu;       /* -1: floating over the allowed set */
	bool huge;             /* EAL memory on hugepages; false: --no-huge */
	size_t mem_bytes;      /* EAL memory (mbuf pools, index tables, rings) */
	const char *device;    /* the `device` directive, see port_open */
	bool verbose;          /* keep EAL's own messages (loglevel debug) */
};

/* Starts EAL quietly: its messages are kept and only the cause is told, as one sentence with the mend. Worker i is
 * lcore i + 1. */
int port_eal_init(const struct port_eal_params *p, struct err *e);
void port_eal_fini(void);
/* Pages of 2 MiB that the kernel has, and how many of them nobody has claimed. Control thread; before EAL too. */
void port_huge_pages(uint64_t *total, uint64_t *usable);

enum port_tx_help {
	PORT_TX_AUTO, /* what the device does itself; not what its driver does in software */
	PORT_TX_ON,   /* all that is offered */
	PORT_TX_OFF,
};

struct port_params {
	/* tap | af_packet:IFACE | af_xdp:IFACE | memif:SOCKET | vhost:SOCKET | virtio-user:SOCKET | pci:ADDRESS |
	 * vdev:STRING. The vdev is created here, not on EAL's command line, so that its failure has one clear message.
	 * tap takes an optional name: tap:NAME (default "redpoll0"). */
	const char *device;
	uint32_t nworkers;
	uint32_t mtu;              /* 0: the device's, but no jumbo frames; at most PORT_MTU_MAX */
	uint32_t mbufs;            /* size of the packet pool; 0: from queues and workers */
	uint32_t rx_desc, tx_desc; /* 0: defaults */
	bool csum_offload;         /* allow use of checksum offloads */
	enum port_tx_help tx_help; /* with csum_offload: what of it, and of cutting segments (TSO), on the way out */
	/* af_xdp: what is taken off the interface (see xdp_filter.h); without addresses every frame is. */
	const struct net_ifaddr *addrs;
	uint32_t naddrs;
	uint16_t tcp_port; /* host order; only asked for where the kernel has the addresses too */
	/* Local ports of connections that we open, also only asked for there; last_port 0: none. */
	uint16_t first_port, last_port;
	uint16_t vlan; /* 0: untagged frames */
};

/* What the port can do, after the self-test. Constant once open; any thread. */
struct port_info {
	char driver[32];
	struct rte_ether_addr mac;
	uint16_t mtu;     /* IP MTU */
	uint16_t nqueues; /* queue pairs set up: min(nworkers, device's) */
	bool steers;      /* nqueues == nworkers and the device keeps each flow on one queue that we can foretell */
	bool tx_csum_ip, tx_csum_tcp, rx_csum; /* offloads in use */
	bool tx_multi_seg;
	/* Payload of a frame that the device cuts into segments, and how many buffers it may have; 0: it cuts none. */
	uint32_t tx_train_bytes, tx_train_bufs;
	bool tx_ext_bufs;     /* bytes outside of the packet pool may be sent: the driver copies them by address */
	bool rx_partial_csum; /* a sender on this host may leave the TCP checksum unfinished (see port.c): accepted */
	bool shared;          /* the kernel has our addresses too and answers ARP and ICMP for them: see net_params */
	bool beside_kernel; /* it does not, but has the interface: the link-local address of its MAC is the kernel's */
};

/* Bytes of one packet buffer, headroom included, for an IP MTU (0: the device's, at most PORT_MTU_PLAIN). Every frame
 * fits one buffer. */
uint32_t port_buf_bytes(uint32_t mtu);

struct port *port_open(const struct port_params *p, struct err *e);
/* Stops and closes. */
void port_close(struct port *p);
const struct port_info *port_info(const struct port *p);
/* How the device spreads flows over queues; NULL unless it steers. */
const struct port_rss *port_rss(const struct port *p);
/* The kernel's neighbours; NULL unless the addresses are shared with it. */
struct xdp_neigh *port_neigh(const struct port *p);
/* The packet pool (buf.h private area), for worker i or UINT32_MAX for the control thread; MP-safe, per-lcore cached.
 */
struct rte_mempool *port_pool(const struct port *p, uint32_t worker);
/* Does worker have a queue of its own? (workers >= nqueues are fed by steering and send through queue worker % nqueues
 * by a ring) */
uint16_t port_rx_burst(struct port *p, uint32_t worker, struct rte_mbuf **m, uint16_t n);
/* Takes all n: what the device does not accept now waits here for a while, and what there is no room for either is
 * freed. Drivers without multi-segment TX get linear copies. Returns how many were not dropped. Worker without a queue:
 * through net_steer. */
uint16_t port_tx_burst(struct port *p, uint32_t worker, struct rte_mbuf **m, uint16_t n);
/* Frames that may be sent now without loss. */
uint32_t port_tx_room(const struct port *p, uint32_t worker);
/* Control thread, when no worker runs any more: frees what a worker left behind. */
void port_tx_drop(struct port *p, uint32_t worker);
/* Frames that wait for the device, or of workers without a queue that this one has to send; any of its own threads'
 * calls sends them. */
bool port_tx_waiting(const struct port *p, uint32_t worker);
/* A file descriptor that becomes readable when a packet waits for this worker, armed until the next rx_burst; -1 if the
 * device has none. */
int port_rx_intr_fd(struct port *p, uint32_t worker);
int port_rx_intr_arm(struct port *p, uint32_t worker, bool on);
