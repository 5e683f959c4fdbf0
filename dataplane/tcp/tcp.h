/* TCP (RFC 9293), server and client; one instance per worker, no global state, clock and randomness injected.
 *
 * Order of calls in a worker iteration: tcp_set_now(), tcp_input_burst(), [sessions work: tcp_send(),
 * tcp_rx_consumed(), tcp_close()], tcp_poll_output(), tcp_poll_timers(). Callbacks run inside tcp_input_burst() and
 * tcp_poll_timers(); from a callback every call below is allowed, except tcp_destroy().
 *
 * Below it speaks through struct tcp_lower (net/ in the product, a virtual wire in tests/sim).
 * Also followed: RFC 6298 (RTO), 5681 and 6582 (congestion), 9438 (CUBIC), 7323 (window scale, timestamps, PAWS), 2018
 * and 2883 (SACK), 8985 (RACK-TLP), 3522 and 3708 (undo), 6528 (ISN), 4987 (SYN cookies), 3168 (ECN), 1191 and 4821
 * (path MTU), 1122 (delayed ACK, keepalive, SWS). docs/tcp.md says what is implemented, and what is not.
 */
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "mem/buf.h"
#include "net/net.h"

struct tcp;
struct tcp_conn;

enum tcp_close_reason {
	TCP_CLOSED_NORMAL,  /* both FINs done (the TIME_WAIT remainder needs no user) */
	TCP_CLOSED_RESET,   /* peer sent RST */
	TCP_CLOSED_TIMEOUT, /* retransmissions, keepalive or persist gave up */
	TCP_CLOSED_REFUSED, /* active open answered by RST */
	TCP_CLOSED_ABORTED, /* tcp_abort() or shutdown */
	TCP_CLOSED_NOMEM,
};

/* The user of connections: the worker, the load generator, a test. `user` is what tcp_set_user() gave. */
struct tcp_ops {
	void *ctx;
	/* A passive connection is established. Returns false to refuse it (RST). Call tcp_set_user() inside. */
	bool (*accepted)(void *ctx, struct tcp_conn *c);
	/* An active open succeeded. */
	void (*connected)(void *ctx, struct tcp_conn *c);
	/* In-order payload: one mbuf (nb_segs 1) whose data is exactly the payload; ownership moves to the user, who
	 * calls tcp_rx_consumed() for its bytes when they need no window any more. */
	void (*received)(void *ctx, struct tcp_conn *c, void *user, struct rte_mbuf *m);
	/* The peer sent FIN: no more received(). The user still may send; it calls tcp_close() when done. */
	void (*peer_closed)(void *ctx, struct tcp_conn *c, void *user);
	/* tcp_send_room() became positive again after a send had found none. */
	void (*send_ready)(void *ctx, struct tcp_conn *c, void *user);
	/* Last call for this connection; c is gone after it returns. Called exactly once for each accepted or
	 * connecting connection. */
	void (*closed)(void *ctx, struct tcp_conn *c, void *user, enum tcp_close_reason why);
};

/* What TCP needs from below. net_lower() in the product. */
struct tcp_lower {
	void *ctx;
	int (*path_init)(void *ctx, struct net_path *path, const struct net_addr *local, const struct net_addr *remote);
	void (*output)(void *ctx, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len);
	void (*confirm)(void *ctx, struct net_path *path);
	uint32_t (*flow_worker)(void *ctx, const struct net_addr *l, uint16_t lport, const struct net_addr *r,
				uint16_t rport);
	int (*local_for)(void *ctx, const struct net_addr *remote, struct net_addr *local);
	/* Frames that output() takes now without losing any: new data waits while there is no room. NULL: any number.
	 */
	uint32_t (*tx_room)(void *ctx);
	/* Frames may consist of several buffers, payload of bytes outside of the packet pool (tcp_send_blob()). */
	bool ext_bufs;
	/* Payload that output() takes as one frame, with tso_segsz set, to be cut into segments, and how many buffers
	 * that may be; 0: none. A queued buffer is never sent twice while it is held (refcnt > 1). */
	uint32_t train_bytes, train_bufs;
	uint16_t mtu; /* of the interface: no path has a larger one; 0: not known */
	/* The checksums of single segments are made below, unless net_path.tx_soft. Those of trains always are. */
	bool tx_sums;
	/* May be NULL. A peer acknowledged a first transmission, or only its repetition, whose checksum is made in
	 * software (net_path.tx_soft): is the device's work right? False: send no more like it. */
	bool (*tx_verdict)(void *ctx, uint8_t family, bool train, bool arrived);
};

enum tcp_cc_kind {
	TCP_CC_CUBIC, /* RFC 9438 */
	TCP_CC_NEWRENO,
};

enum tcp_ecn {
	TCP_ECN_PASSIVE, /* when the peer asks for it */
	TCP_ECN_OFF,
	TCP_ECN_ON, /* ask for it, too */
};

struct tcp_params {
	struct tcp_ops ops;
	struct tcp_lower lower;
	struct rte_mempool *pool;
	uint32_t worker;
	uint32_t max_conns; /* connections of every state but TIME_WAIT and SYN_RECEIVED */
	uint32_t max_syn;   /* SYN_RECEIVED at once */
	uint32_t max_time_wait;
	uint32_t rcv_buf; /* receive window limit per connection, bytes; long paths reach it */
	uint32_t snd_buf; /* tcp_send() limit per connection: unsent + unacknowledged, bytes; long paths reach it */
	uint32_t rto_min_us, rto_max_us, rto_init_us; /* 5 ms, 60 s, 1 s */
	uint32_t delack_us;                           /* 40 ms at most per RFC 1122's 500; default 5 ms */
	uint32_t keepalive_idle_s, keepalive_intvl_s, keepalive_probes; /* idle 0: off */
	uint32_t time_wait_ms;                                          /* default 1000 */
	uint32_t user_timeout_ms; /* give up on unacknowledged data; default 30 s-class */
	uint32_t pmtu_probe_ms;   /* until a lowered path MTU is probed, after a black hole a tenth; 600000 */
	uint32_t init_cwnd;       /* segments; RFC 6928: 10 */
	uint32_t syn_retries, synack_retries; /* default 5, 4 */
	uint32_t challenge_per_s, rst_per_s;  /* average (RFC 5961 section 7); default 1000 */
	uint32_t invalid_us; /* between two answers of a connection to segments that fit nowhere; default 500 ms */
	uint32_t ooo_bufs;   /* behind a gap, of a window that has not grown; default rcv_buf / 512, 16 to 512 */
	uint32_t snd_segs;   /* buffers of a send queue; default snd_buf / 256, 16 to 4096 */
	enum tcp_cc_kind cc;
	enum tcp_ecn ecn; /* RFC 3168 */
	bool timestamps, window_scale;
	bool no_sack;         /* losses are then found by counting duplicate ACKs */
	bool no_syn_cookies;  /* over max_syn SYNs are dropped instead of answered with a cookie */
	uint64_t seed;        /* randomness and ISN key */
	uint32_t name_tag;    /* makes rte_hash's global name unique */
	struct log_ring *log; /* may be NULL */
};

struct tcp_counters {
#define TCP_COUNTER(name, help) uint64_t name;
#include "tcp/tcp_counters.def"
#undef TCP_COUNTER
};

/* Control thread. Fills 0 fields of p with defaults. NULL with *e. */
struct tcp *tcp_create(const struct tcp_params *p, struct err *e);
/* Drops every connection without a word on the wire; every buffer is back in its pool afterwards. */
void tcp_destroy(struct tcp *t);
const struct tcp_counters *tcp_counters(const struct tcp *t);
uint32_t tcp_conn_count(const struct tcp *t);
/* What connections take now, with their places in the flow table. Any thread. */
uint64_t tcp_memory_bytes(const struct tcp *t);
/* lower filled for a net instance. */
void tcp_lower_net(struct tcp_lower *l, struct net *n);

void tcp_set_now(struct tcp *t, const struct clock_now *now);
/* Segments as net_poll_rx() gives them. Takes all. Groups by connection (bulk flow lookup). */
void tcp_input_burst(struct tcp *t, struct rte_mbuf **m, uint32_t n);
/* Sends for every connection that has something to send or to acknowledge. Returns segments sent. */
uint32_t tcp_poll_output(struct tcp *t);
/* Timers that are due, bounded. Returns how many fired. */
uint32_t tcp_poll_timers(struct tcp *t);
/* Microseconds (monotonic) of the next timer, a lower bound; UINT64_MAX if none: for an idle worker's sleep. */
uint64_t tcp_next_timer_us(const struct tcp *t);

/* 0 or -EADDRINUSE. addr family 0: any of our addresses. */
int tcp_listen(struct tcp *t, const struct net_addr *addr, uint16_t port);
void tcp_unlisten(struct tcp *t, uint16_t port);
/* Active open; lport 0: chosen so that replies come to this worker. NULL with *err = -errno. */
struct tcp_conn *tcp_connect(struct tcp *t, const struct net_addr *remote, uint16_t rport, uint16_t lport, void *user,
			     int *err);

/* A router says that segments of this connection (ports in host order, local is us) are too long for an IP MTU of mtu
 * bytes (0: it did not say); seq is the sequence number that it quotes. False: no such connection, or not credible. */
bool tcp_pmtu_update(struct tcp *t, const struct net_addr *local, uint16_t lport, const struct net_addr *remote,
		     uint16_t rport, uint32_t seq, uint16_t mtu);

void tcp_set_user(struct tcp_conn *c, void *user);
void *tcp_user(const struct tcp_conn *c);
void tcp_conn_addrs(const struct tcp_conn *c, struct net_addr *local, uint16_t *lport, struct net_addr *remote,
		    uint16_t *rport);
/* Largest payload of one segment now: what a send buffer should hold. */
uint16_t tcp_mss(const struct tcp_conn *c);
/* Bytes that tcp_send() should be given now; 0 when snd_buf is full (send_ready() will tell). */
uint32_t tcp_send_room(const struct tcp_conn *c);
/* Queues a chain (linked through m->next, nb_segs 1 each, payload at data_off >= BUF_TX_HEADROOM, no blob refs).
 * Ownership moves. Buffers with more than the MSS are split. Going over tcp_send_room() by one chain is allowed.
 * Nothing leaves before tcp_poll_output(). */
void tcp_send(struct tcp_conn *c, struct rte_mbuf *chain);
/* Queues bytes [off, off + len) of b without copying them, in full segments: returns how many, perhaps 0 and never the
 * last part of a segment; the rest is sent with tcp_send(). Takes references of its own until they are acknowledged. */
uint32_t tcp_send_blob(struct tcp_conn *c, struct blob *b, size_t off, size_t len);
/* The user no longer holds these received bytes: the window may open again. */
void tcp_rx_consumed(struct tcp_conn *c, uint32_t bytes);
/* Sends FIN after what is queued. The connection lives on until closed(); received data is still delivered if the peer
 * sends any. */
void tcp_close(struct tcp_conn *c);
/* Sends RST, calls closed(ABORTED) at once. */
void tcp_abort(struct tcp_conn *c);
/* Bytes queued and not yet acknowledged. */
uint32_t tcp_unacked(const struct tcp_conn *c);
/* Packet buffers that hold them, or will when they have been cut into segments. */
uint32_t tcp_send_bufs(const struct tcp_conn *c);
/* State name as ss prints it, for CLIENT LIST and traces. */
const char *tcp_state_name(const struct tcp_conn *c);
