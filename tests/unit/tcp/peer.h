/* A scripted peer: one TCP instance under test, every segment it sends is captured, every segment it gets is written
 * by the test. Time moves only when the test says so. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tcp/tcp_priv.h"

#define PEER_PORT  4000
#define LOCAL_PORT 6379
#define PEER_ISN   1000u

#define SYN RTE_TCP_SYN_FLAG
#define ACK RTE_TCP_ACK_FLAG
#define FIN RTE_TCP_FIN_FLAG
#define RST RTE_TCP_RST_FLAG
#define PSH RTE_TCP_PSH_FLAG

struct peer_seg {
	uint8_t flags;
	uint32_t seq, ack, len;
	uint16_t wnd;
	struct tcp_opts opts;
	uint16_t tso, bufs;
	bool soft;
	uint8_t data[2048]; /* its first bytes */
};

struct peer {
	struct tcp *t;
	struct tcp_params p;
	struct rte_mempool *pool;
	struct clock_now now;
	struct peer_seg seg[1024]; /* what the instance sent */
	uint32_t nsegs, taken;
	bool hold; /* keep sent buffers, as a device under way does */
	struct rte_mbuf *held[256];
	uint32_t nheld;
	uint32_t said_right, said_wrong; /* verdicts about trains */
	/* the user's side */
	struct tcp_conn *c;
	bool refuse, consume;
	uint32_t accepted, connected, peer_closed, closed, send_ready;
	enum tcp_close_reason why;
	uint8_t got[65536];
	uint32_t ngot;
};

void peer_eal(const char *name);
/* Default parameters: no options, 64000 byte buffers. */
void peer_params(struct peer *p);
void peer_start(struct peer *p);
/* Destroys the instance; every buffer must be back. */
void peer_stop(struct peer *p);
/* Moves time, then output and timers. */
void peer_advance(struct peer *p, uint64_t us);
void peer_inject_from(struct peer *p, uint16_t port, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t wnd,
		      const struct tcp_opts *o, const void *data, uint32_t len);
void peer_inject(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack, const void *data, uint32_t len);
void peer_inject_wnd(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t wnd);
/* Next captured segment, or NULL. */
struct peer_seg *peer_next(struct peer *p);
/* Fails unless the next captured segment has exactly these flags (PSH aside). */
struct peer_seg *peer_expect(struct peer *p, uint8_t flags);
void peer_expect_silence(struct peer *p);
/* Passive handshake; returns the instance's ISN. */
uint32_t peer_establish(struct peer *p);
void peer_send(struct peer *p, const void *data, uint32_t len);
void peer_release_held(struct peer *p);
