/* A virtual wire in virtual time between two TCP instances: loss, duplication, reordering and delay from one seed, and
 * losses by rule. It plays net/ and the driver: it puts IP and Ethernet headers in front, and holds each buffer until
 * the segment arrives, so that a sender which touches a buffer too early corrupts the stream and is found out.
 */
#pragma once

#include <rte_tcp.h>

#include "base/rng.h"
#include "tcp/tcp.h"

#define WIRE_INFLIGHT_MAX 8192
#define WIRE_FLOWS        64

struct wire;

/* What a rule sees of a segment that leaves end `from`. */
struct wire_seg {
	int from; /* 0 or 1 */
	uint8_t flags;
	uint32_t seq, ack, len;
	uint16_t wnd;
	uint16_t sport, dport;
	uint32_t nth_data; /* counts from 1 the segments with payload from this end; 0 without payload */
	uint64_t now_us;
	bool train; /* cut from a longer frame */
	bool soft;  /* not to be summed by the device */
};

struct wire_params {
	uint64_t seed;
	uint32_t loss_ppm, dup_ppm, reorder_ppm;
	uint32_t delay_us, jitter_us;
	uint32_t noise_us;             /* each frame is late by up to this */
	uint32_t burst_ppm, burst_us;  /* a frame begins a burst of losses at this rate */
	uint32_t ce_ppm;               /* ECN-capable frames are marked */
	uint64_t dark_us, dark_for_us; /* nothing passes from dark_us on; 0: never */
	uint32_t queue;                /* frames one end may have under way, the rest is lost; 0: any */
	uint16_t mtu;
	uint16_t link_mtu; /* from link_us on longer frames are lost; 0: never */
	uint64_t link_us;
	bool link_silent; /* and no router says so */
	/* true: drop. May be NULL. */
	bool (*drop)(void *ctx, const struct wire_seg *s);
	/* sees every segment before loss. May be NULL. */
	void (*watch)(void *ctx, const struct wire_seg *s);
	void *ctx;
};

struct wire_end {
	struct wire *w;
	int id;
	struct tcp *t;
	struct rte_mempool *rx_pool;
	struct net_addr addr;
	uint32_t data_segs;
	uint64_t rx_dropped; /* no receive buffer */
	uint64_t burst_until_us;
	uint32_t queued;
	uint32_t train_bytes, train_bufs;
	bool proven[2]; /* first transmissions that arrived: single segments, trains */
	uint8_t doubts[2];
	bool icmp; /* a router's message about the frame quoted is due */
	uint16_t icmp_sport, icmp_dport;
	uint32_t icmp_seq;
};

struct wire_packet {
	uint64_t at_us, order;
	struct rte_mbuf *m; /* data at the Ethernet header */
	uint16_t off, len;  /* what a device would have been told */
	uint64_t sum;       /* of the frame when it was handed down */
	uint8_t *frame;     /* of several buffers: as it was; then its payload begins at .payload of it and .at of m */
	uint32_t at;
	uint16_t payload;
	int to;
};

/* One direction of one connection as an observer on the sender's side of the wire sees it. */
struct wire_flow {
	uint16_t lport, rport; /* of the end that receives data and advertises */
	uint8_t ws;
	bool syn_ws, edge_known;
	uint32_t edge;
};

struct wire {
	struct wire_params p;
	struct wire_end end[2];
	struct clock_now now;
	struct rng rng;
	uint64_t order;
	uint32_t n;
	struct wire_packet heap[WIRE_INFLIGHT_MAX];
	struct wire_flow flow[2][WIRE_FLOWS];
	uint64_t trains;     /* frames that were cut into segments */
	uint32_t touched;    /* frames that were changed while under way */
	uint32_t violations; /* of the receive window: data beyond it, or an edge that moved back */
	/* called in each iteration between input and output. May be NULL. */
	void (*work)(void *ctx);
	void *work_ctx;
};

void wire_init(struct wire *w, const struct wire_params *p);
/* Completes p (lower, but for what it says of trains and attached bytes) and creates the instance of this end. */
void wire_attach(struct wire *w, int id, struct tcp_params *p, struct rte_mempool *rx_pool);
/* Destroys both instances and frees what is under way. */
void wire_fini(struct wire *w);
/* One iteration of both workers at the time of the next event, at most max_step_us ahead. */
void wire_step(struct wire *w, uint64_t max_step_us);
void wire_run(struct wire *w, uint64_t for_us);

/* EAL for a test program; pool of buffers as the product makes them. */
void wire_eal_init(const char *prefix);
struct rte_mempool *wire_pool(const char *name, uint32_t n);
