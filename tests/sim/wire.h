/* A virtual wire in virtual time between two TCP instances: loss, duplication, reordering, delay and corruption from
 * one seed, or by rule. It plays the sender's net/, both drivers and the network between: it puts IP and Ethernet
 * headers with true checksums in front, and holds each buffer until the segment arrives, so that a sender which touches
 * a buffer too early corrupts the stream and is found out. What arrives is judged by the product's own net/ input.
 *
 * wire.c runs both ends, wire_send.c is the way down and out, wire_watch.c an observer who sees all segments.
 */
#pragma once

#include <rte_tcp.h>

#include "base/rng.h"
#include "tcp/tcp.h"
#include "tcp/tcp_opts.h"

#define WIRE_INFLIGHT_MAX 8192
#define WIRE_FLOWS        64
#define WIRE_LINKS        8

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
	struct tcp_opts opts;
};

/* What becomes of a segment: chance proposes, the rule disposes. */
struct wire_fate {
	bool lost;
	bool twice;       /* a copy arrives, too */
	bool marked;      /* with congestion experienced, if it is ECN-capable */
	uint32_t late_us; /* beside the delay of the path */
	uint16_t spoil;   /* bits of the IP packet that are turned, from bit spoil_at on; 0: none */
	uint32_t spoil_at;
};
/* Up to 15 bits in a row: what the checksum always finds, which is the packet modulo 65535. */
#define WIRE_SPOIL_MOST 0x7fff

/* The largest IP packet that the path carries from at_us on. */
struct wire_link {
	uint64_t at_us;
	uint16_t mtu;
	bool silent; /* no router says so */
};

struct wire_params {
	uint64_t seed;
	uint32_t loss_ppm, dup_ppm, reorder_ppm, spoil_ppm;
	uint32_t delay_us, jitter_us;
	uint32_t noise_us;             /* each frame is late by up to this */
	uint32_t burst_ppm, burst_us;  /* a frame begins a burst of losses at this rate */
	uint32_t ce_ppm;               /* ECN-capable frames are marked */
	uint64_t dark_us, dark_for_us; /* nothing passes from dark_us on; 0: never */
	uint32_t dark_from;            /* only what these ends send, a bit for each; 0: both */
	uint32_t queue;                /* frames one end may have under way, the rest is lost; 0: any */
	/* The sending device: frames that its ring holds, time that each takes, and now and then a pause. 0: no limit.
	 */
	uint32_t tx_ring, tx_us, tx_stall_ppm, tx_stall_us;
	uint16_t mtu;
	uint32_t links;
	struct wire_link link[WIRE_LINKS]; /* in order of time */
	/* Sees each segment that leaves, and what chance would do with it. May be NULL. */
	void (*rule)(void *ctx, const struct wire_seg *s, struct wire_fate *f);
	/* Sees each that has arrived whole, just before TCP does. May be NULL. */
	void (*arrived)(void *ctx, int to, const struct wire_seg *s);
	void *ctx;
};

struct wire_end {
	struct wire *w;
	int id;
	struct tcp *t; /* NULL: nobody is there */
	struct net *net;
	struct rte_mempool *rx_pool;
	struct net_addr addr;
	uint16_t ip_id;
	uint32_t data_segs;
	uint64_t rx_dropped; /* no receive buffer */
	uint64_t spoilt;     /* frames with wrong bits that were received */
	uint64_t refused;    /* frames that net/ refused, in former lives of this end */
	uint64_t burst_until_us;
	uint32_t queued;
	uint32_t train_bytes, train_bufs;
	bool proven[2]; /* first transmissions that arrived: single segments, trains */
	uint8_t doubts[2];
	/* the sending device */
	uint64_t tx_free_us; /* when it has sent all that its ring holds */
	uint32_t tx_room;    /* what TCP was told, less what it sent since */
	uint64_t tx_full;    /* times that it was told that there is none */
	uint64_t tx_over;    /* frames of new data that came nevertheless */
	uint64_t tx_dropped;
	/* a router's message about the frame quoted is due */
	uint16_t icmp_mtu; /* 0: none */
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
	uint16_t spoil;
	uint32_t spoil_at;
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
	uint64_t net_timers_us;
	uint32_t n;
	struct wire_packet heap[WIRE_INFLIGHT_MAX];
	struct wire_flow flow[2][WIRE_FLOWS];
	uint64_t trains;     /* frames that were cut into segments */
	uint32_t touched;    /* frames that were changed while under way */
	uint32_t violations; /* of the receive window: data beyond it, or an edge that moved back */
	uint64_t trace;      /* a hash of all that was sent, lost and received, and when */
	/* called in each iteration between input and output. May be NULL. */
	void (*work)(void *ctx);
	void *work_ctx;
};

void wire_init(struct wire *w, const struct wire_params *p);
/* Completes p (lower, but for what it says of trains and attached bytes) and creates the instance of this end. */
void wire_attach(struct wire *w, int id, struct tcp_params *p, struct rte_mempool *rx_pool);
/* This end is gone without a word; what is under way to it is lost. It may be attached anew. */
void wire_detach(struct wire *w, int id);
/* Destroys both instances and frees what is under way. */
void wire_fini(struct wire *w);
/* One iteration of both workers at the time of the next event, at most max_step_us ahead. */
void wire_step(struct wire *w, uint64_t max_step_us);
void wire_run(struct wire *w, uint64_t for_us);
/* Frames that net/ refused as damaged. */
uint64_t wire_refused(const struct wire *w, int id);
/* Adds values to the trace. */
void wire_trace(struct wire *w, const uint64_t *v, uint32_t n);

/* EAL for a test program; pool of buffers as the product makes them. */
void wire_eal_init(const char *prefix);
struct rte_mempool *wire_pool(const char *name, uint32_t n);
