/* Inside of the port. */
#pragma once

#include <rte_ethdev.h>
#include <rte_ring.h>

#include "base/rng.h"
#include "mem/buf.h"
#include "net/port.h"
#include "net/port_rss.h"

#define PORT_MAX_QUEUES       16   /* of a vdev; also net_tap's limit */
#define PORT_JUMBO_BYTES      9216 /* a quarter of 9 pages: slots of net_af_packet fill their blocks without a gap */
#define PORT_TX_LATE          512  /* frames that a full device leaves us with before we take no more data for it */
#define PORT_TX_LATE_MAX      1024 /* and before we drop */
#define PORT_TX_LATE_HZ       100  /* 1 / the time after which a device that takes nothing will not take these */
#define PORT_TX_LATE_TRAIN_HZ 10   /* for a train, which a slow link has for longer */
#define PORT_TX_RING          1024 /* frames of a worker without a queue */
#define PORT_NAME_BYTES       256
#define PORT_TRAIN_BUFS       64 /* buffers of payload, and one of headers, that a train may have */

enum port_kind {
	PORT_TAP,
	PORT_AF_PACKET,
	PORT_AF_XDP,
	PORT_MEMIF,
	PORT_VHOST,
	PORT_VIRTIO_USER,
	PORT_PCI,
	PORT_VDEV,
};

/* The `device` directive taken apart. */
struct port_device {
	enum port_kind kind;
	char text[PORT_NAME_BYTES]; /* as written, for messages */
	char arg[PORT_NAME_BYTES];  /* interface, socket, address or vdev string */
	bool client;                /* memif: the connecting end */
	bool jumbo;                 /* frames do not fit 2 KiB */
	uint16_t further;           /* queues that need an ethdev each, see port_split.c */
};

/* One queue pair, used by one worker: own cache lines. */
struct port_queue {
	uint16_t port_id, queue;
	int wake_fd;                             /* readable when a packet waits, see port_wake.c; -1: none */
	int train_fd;                            /* with port.train_fds: what trains leave by, see port_train.c */
	bool train_long;                         /* by way of the queueing discipline */
	bool driver_left;                        /* the driver took frames since the last train */
	uint32_t nlate;                          /* frames that the device had no room for: they go first next time */
	uint32_t given_up;                       /* of them, not yet told to anybody */
	uint64_t late_tsc;                       /* the device last took one, or the first began to wait */
	struct rte_mbuf *late[PORT_TX_LATE_MAX]; /* prepared */
	uint32_t nrings;                         /* workers without a queue that send through this one */
	struct rte_ring *ring[RP_MAX_WORKERS];
} RP_CACHE_ALIGNED;

struct port {
	struct port_info info;
	struct port_device dev;
	char vdev_name[64]; /* empty: pci */
	uint16_t port_id;
	bool started;
	uint32_t nworkers;
	bool copy_foreign; /* the driver only sends direct buffers of its own pool */
	bool train_fds;    /* the driver gets no trains: each queue's train_fd does */
	bool has_intr;
	struct xdp *xdp; /* our program on the interface, or NULL */
	struct xdp_neigh *neigh;
	struct port_rss rss;
	int groups_fd; /* holds our multicast groups of a kernel interface, or -1 */
	struct rte_mempool *pool;
	struct rte_ring *tx_ring[RP_MAX_WORKERS]; /* of workers without a queue */
	struct port_queue q[RP_MAX_WORKERS];
};

/* Fills in what is wanted of the offloads that the device has, and what port_info tells of them. */
void port_offloads_choose(struct port *p, const struct port_params *pp, const struct rte_eth_dev_info *di,
			  struct rte_eth_conf *conf);

/* Once the device has started. */
void port_wake_find(struct port *p);

/* After port_wake_find(), which takes every packet socket for one of the driver's. If the kernel refuses what it needs
 * the port makes no trains. */
void port_train_open(struct port *p);
void port_train_close(struct port *p);
/* Once for each train, before it is sent. */
void port_train_prepare(struct rte_mbuf *m);
/* Takes a prepared train; false if it has to wait. The queue's worker. */
bool port_train_send(struct port_queue *q, struct rte_mbuf *m);

int port_device_parse(const char *text, struct port_device *d, struct err *e);
/* Everything that can be known to fail before the driver is asked. */
int port_device_check(const struct port_device *d, struct err *e);
/* Queue pairs to ask for; d->further ones are opened apart. 0 with *e. */
uint16_t port_device_queues(struct port_device *d, uint32_t nworkers, struct err *e);
/* Name and arguments of the vdev. */
void port_device_vdev(const struct port_device *d, uint16_t nqueues, char *name, size_t name_cap, char *args,
		      size_t args_cap);
/* MTU of a kernel interface, 0 if unknown. */
uint16_t port_iface_mtu(const char *ifname);
/* Sets it up; -errno. */
int port_iface_up(const char *ifname);

/* Opens the further queues; -errno. */
int port_split_open(struct port *p, uint16_t rxd, uint16_t txd);
void port_split_close(struct port *p);
/* Receives the multicast groups that Neighbour Discovery for these addresses needs; see port_groups.c. */
void port_groups_join(struct port *p, const struct net_ifaddr *addrs, uint32_t naddrs);
void port_groups_leave(struct port *p);

/* Messages of EAL and drivers go to a buffer instead of the terminal; see eal_diag.c. */
int diag_open(bool verbose);
void diag_close(void);
/* What libraries print to the terminal meanwhile is captured too. True if this call switched it. */
bool diag_redirect(bool on);
void diag_clear(void);
/* The line of the captured text that tells most, or "". */
const char *diag_last_error(void);
bool diag_contains(const char *needle);
