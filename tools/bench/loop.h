/* The generator: connections, the phase that they work on, the poll loop. One thread.
 *
 * A phase is one test. Closed loop: a connection sends a batch of `pipeline` requests, waits for all replies and sends
 * the next, as redis-benchmark does. Open loop (rate > 0): request i is due at start + i / rate; it goes to the
 * connection that has waited longest among those with room, and its latency counts from when it was due, also if it
 * had to wait for a connection. Without keep-alive a connection is opened for `pipeline` requests that are due at once;
 * so many per second are due all the same.
 *
 * A connection is in at most one list: closed (to be opened), ready (open loop: has room), stalled (no packet buffers
 * for its batch, tried again). */
#pragma once

#include <signal.h>
#include <sys/queue.h>

#include "expect.h"
#include "gen.h"
#include "hist.h"
#include "replies.h"
#include "rig.h"

enum conn_state {
	CONN_CLOSED,
	CONN_CONNECTING, /* also while the replies to its greeting are missing */
	CONN_READY,
};

TAILQ_HEAD(conn_list, conn);

enum conn_wrong {
	WRONG_NIL = '_',
	WRONG_VALUE = 'v',
	WRONG_LENGTH = 'n', /* of an array */
};

/* A request under way. */
struct conn_sent {
	uint64_t tsc; /* latency counts from here */
	uint64_t key;
};

struct conn {
	struct tcp_conn *tc;    /* NULL: closed */
	struct conn_sent *sent; /* ring of what is under way; NULL: one of the idle connections */
	TAILQ_ENTRY(conn) link;
	struct conn_list *on; /* the list that it is in */
	struct reply_reader reader;
	uint64_t stamp_tsc;     /* latency of what is to be sent counts from here */
	uint32_t head, pending; /* of the ring: replies to come */
	uint32_t quota;         /* counted as issued, not sent yet */
	uint16_t greeting;      /* replies to come before the first request */
	uint16_t part;          /* replies that came to commands of the request under way */
	bool refused;           /* one of them was an error, or had one inside */
	uint8_t state;
	char wrong; /* the first thing that is not as it should be: its type, or one of enum conn_wrong; 0: none */
	uint32_t elements; /* that came inside of the reply under way, where they are judged */
	const char *word;  /* of the phase's expectations: the one that `wrong` did not meet */
};

struct phase {
	const char *title;
	const struct gen *gen;
	struct keys *keys;
	struct expect expected;
	bool verify;
	uint64_t limit; /* requests */
	double seconds; /* 0: no limit */
	double rate;    /* 0: closed loop */
	uint32_t pipeline;

	/* results */
	struct hist *hist;
	uint64_t issued, done, lost; /* lost: their connection ended first */
	uint64_t unsent;             /* open loop: due before the end, and no connection had room */
	uint64_t errors, wrong;
	uint64_t reopened; /* connections that failed */
	uint64_t start_tsc, last_tsc;
	uint64_t busy_cycles, cycles;
	char first_error[160], first_wrong[96];

	uint64_t deadline_tsc;
	double tsc_per_request; /* open loop */
	bool stopped;           /* no more requests are issued */
};

struct loop {
	struct rig rig;
	struct net_addr remote;
	uint16_t port;
	uint32_t nconns, ring_mask;
	uint64_t nidle;
	bool keepalive;
	struct conn *conns; /* nconns, then nidle */
	struct conn_sent *rings;
	char *scratch; /* a request larger than a segment */
	size_t scratch_len;
	char greeting[512]; /* AUTH and SELECT */
	uint32_t greeting_len, greeting_replies;

	struct conn_list closed, closed_idle, ready, stalled;
	uint64_t nopen, nidle_open, nconnecting;
	bool reached;      /* a connection has been open: the way is known */
	uint64_t retry_us; /* after a failure connections wait until then */
	uint64_t alive_us; /* something was opened or answered */
	enum tcp_close_reason last_why;

	struct phase *phase; /* NULL between tests */
	uint64_t tsc;        /* after the last receive */
	uint64_t ns_mult;    /* cycles to ns, 32 bits behind the point */
	struct reply_sink sink;
	struct conn *cur, *error_of; /* whose bytes are being read; whose error text is being kept */
	char error[160];             /* the first that came since the phase began */
	size_t error_len;
	struct err fatal; /* empty: none */
	const volatile sig_atomic_t *interrupted;
	void (*progress)(void *ctx, const struct loop *l);
	void *progress_ctx;
	uint64_t progress_tsc;
};

/* pipeline: the largest of any phase; request_len: likewise. 0, or -1 with *e. l is zeroed memory; loop_fini() also
 * after a failure. */
int loop_init(struct loop *l, const struct options *o, uint32_t pipeline, uint32_t request_len, struct err *e);
void loop_fini(struct loop *l);
/* Opens what is to be open before a test; 0 or -1 with *e. */
int loop_connect(struct loop *l, struct err *e);
/* Runs one test. 0: finished or interrupted; -1 with *e: the server cannot be reached any more. */
int loop_run(struct loop *l, struct phase *p, struct err *e);

/* ---- conn.c: one connection ---- */

void conn_tcp_ops(struct loop *l, struct tcp_ops *ops);
void conn_sink(struct loop *l, struct reply_sink *s);
/* c is closed and in no list. -errno: it went back to its list of closed ones. */
int conn_open(struct loop *l, struct conn *c);
/* Sends its quota, now or when there are buffers. */
void conn_send(struct loop *l, struct conn *c);
/* An open connection with nothing under way gets its next requests. */
void conn_next(struct loop *l, struct conn *c);
/* Closes it and has its place opened again. */
void conn_finish(struct loop *l, struct conn *c);
void conn_leave_list(struct conn *c);
void conn_enter_list(struct conn *c, struct conn_list *list);

static inline double loop_ns(const struct loop *l, uint64_t cycles)
{
	return (double)cycles * (double)l->ns_mult / 4294967296.0;
}

/* How many requests of at most `most` may be issued now; they count as issued. */
static inline uint32_t phase_take(struct phase *p, uint64_t tsc, uint32_t most)
{
	if (tsc >= p->deadline_tsc)
		p->stopped = true;
	uint64_t left = p->stopped ? 0 : p->limit - (p->issued - p->lost);
	uint32_t k = (uint32_t)RP_MIN(left, (uint64_t)most);
	p->issued += k;
	return k;
}

/* Open loop: how many requests are due by now, `batch` at a time, the first of them at the start. */
static inline uint64_t phase_due(const struct phase *p, uint64_t tsc, uint32_t batch)
{
	uint64_t until = RP_MIN(tsc, p->deadline_tsc);
	uint64_t batches = (uint64_t)((double)(until - p->start_tsc) / (p->tsc_per_request * batch)) + 1;

	return RP_MIN(batches * batch, p->limit);
}
