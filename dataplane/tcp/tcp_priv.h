/* What the files of tcp/ share: the instance, the connection, a parsed segment, and who implements what.
 *
 * A connection lives in one fixed pool. It is found through the flow table (rte_hash on struct tcp_key), it is on the
 * output list when it has something to send or acknowledge (at most once), and it has at most one node in the timer
 * wheel. A connection that ends leaves table, list and wheel at once, but its memory is only reused when the outermost
 * call into tcp/ returns: whoever still holds the pointer of a burst's lookup sees TCP_F_DEAD.
 *
 * The send queue is a list of mbufs linked through buf_seg.next: [snd_head .. snd_new) is sent and unacknowledged,
 * [snd_new .. end] was never sent. A sent mbuf stays queued until it is acknowledged.
 */
#pragma once

#include <rte_hash.h>
#include <rte_tcp.h>

#include "base/be32.h"
#include "base/hash.h"
#include "mem/pool.h"
#include "tcp/tcp.h"
#include "tcp/tcp_list.h"
#include "tcp/tcp_opts.h"
#include "tcp/tcp_seq.h"

#define TCP_LISTENERS        64
#define TCP_DEFAULT_MSS      536 /* RFC 9293 section 3.7.1 */
#define TCP_DEFAULT_MSS_IPV6 1220
#define TCP_MIN_MSS          64 /* a smaller offer only serves to make us waste packets */
#define TCP_DUPACK_THRESHOLD 3
#define TCP_QUICK_ACKS       16 /* segments acknowledged at once while the peer's window is small: at first, after a loss */
#define TCP_BACKOFF_MAX      16
#define TCP_MERGE_BYTES      512 /* payloads up to this size are copied together rather than pin a buffer each */
#define TCP_BYTES_PER_BUF    256 /* send buffer / this: buffers one send queue may hold */
#define TCP_RCV_BUF_BASE     (256 << 10) /* the buffers of a connection before tcp_tune.c makes them larger */
#define TCP_SND_BUF_BASE     (1 << 20)
#define TCP_CWND_MAX         (1 << 26)
#define TCP_STARVED_US       10000 /* SYNs are refused this long after an allocation failed */
#define TCP_TIMERS_PER_POLL  256
#define TCP_CLOCK_US         1000 /* granularity of our timers: G of RFC 6298, and the unit of our timestamps */
#define TCP_PAWS_IDLE_US     (24ULL * 86400 * 1000000) /* RFC 7323 section 5.5 */
#define TCP_INVALID_SHIFT \
	14 /* a clock of 16 ms in 16 bits: it may err once in a quarter of an hour, and harms nobody then */
/* A peer may hold back the ACK of a flight shorter than two segments: up to 40 ms on common kernels. Where a probe
 * cannot tell a needless retransmission from a useful one, or the peer is known to do so, the timer of such a flight
 * never runs shorter than this, or every pause of a client would cost a retransmission and the congestion window. */
#define TCP_PEER_DELACK_US 45000
/* So many probes that the peer proved needless, and it is taken for one that delays its ACKs. */
#define TCP_TLP_NEEDLESS_MAX 2
/* Room for Ethernet, VLAN, IPv6 and a TCP header with all its options. */
#define TCP_TX_HEADROOM (18 + 40 + 20 + TCP_OPT_MAX)

_Static_assert(TCP_TX_HEADROOM <= BUF_TX_HEADROOM, "headers are written in front of the payload");

enum tcp_state {
	TCP_CLOSED,
	TCP_SYN_SENT,
	TCP_SYN_RECEIVED,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_LAST_ACK,
};

enum {
	TCP_F_DEAD = 1 << 0,          /* left the table; memory is reused when the outermost call returns */
	TCP_F_ACTIVE = 1 << 1,        /* opened by tcp_connect() */
	TCP_F_OWED = 1 << 2,          /* the user is owed closed() */
	TCP_F_TS = 1 << 3,            /* both sides sent the timestamp option */
	TCP_F_ACK_NOW = 1 << 4,       /* an ACK leaves at the end of this iteration */
	TCP_F_FIN_QUEUED = 1 << 5,    /* our FIN follows snd_end */
	TCP_F_WANT_ROOM = 1 << 6,     /* send_ready() is due when there is room */
	TCP_F_RECOVERY = 1 << 7,      /* fast recovery, until snd_una reaches recover */
	TCP_F_LOSS = 1 << 8,          /* after a timeout, until snd_una reaches recover */
	TCP_F_RTX_NOW = 1 << 9,       /* the first lost segment leaves whatever cwnd says */
	TCP_F_CWND_LIMITED = 1 << 10, /* the last output stopped at cwnd: it may grow (RFC 7661) */
	TCP_F_PERSIST = 1 << 11,      /* the retransmission timer runs as persist timer */
	TCP_F_OVERRIDE = 1 << 12,     /* persist fired on a small window: send what fits */
	TCP_F_OOO_FIN = 1 << 13,      /* the peer's FIN was seen at fin_seq, data before it is missing */
	TCP_F_SYN_COUNTED = 1 << 14,  /* counts as syn_received, not as conns */
	TCP_F_NOMEM = 1 << 15,        /* lost a buffer of the user's: give up at the next output */
	TCP_F_WS = 1 << 16,           /* both sides sent the window scale option */
	TCP_F_SACK = 1 << 17,         /* both sides sent SACK-permitted */
	TCP_F_DSACK_DUE = 1 << 18,    /* dup_block is to be reported */
	TCP_F_REORDER = 1 << 19,      /* RACK has seen reordering */
	TCP_F_DSACK_ROUND = 1 << 20,  /* the reordering window has grown in this round, until dsack_round */
	TCP_F_UNDO = 1 << 21,         /* undo_* tell how to take the last reduction back */
	TCP_F_EIFEL = 1 << 22,        /* the next ACK shows whether the first retransmission was needless */
	TCP_F_PTO = 1 << 23,          /* the retransmission timer runs as probe timer */
	TCP_F_TLP = 1 << 24,          /* a tail loss probe is out, its end at tlp_end */
	TCP_F_TLP_RTX = 1 << 25,      /* it was a retransmission */
	TCP_F_ECN = 1 << 26,          /* both sides agreed on ECN */
	TCP_F_ECE = 1 << 27,          /* we saw congestion: say so until the peer answers with CWR */
	TCP_F_CWR_DUE = 1 << 28,      /* the next new data says that we reduced the window */
	TCP_F_CWR = 1 << 29,          /* reduced for ECN in this window, until cwr_end */
	TCP_F_COOKIE = 1 << 30,       /* opened by a SYN cookie */
	TCP_F_MTU_PROBE = 1U << 31,   /* a probe of mtu_probe bytes is under way */
};

/* buf_seg.flags */
enum {
	TCP_SEG_SENT = 1,
	TCP_SEG_INFLIGHT = 2, /* counted in in_flight */
	TCP_SEG_LOST = 4,     /* to be sent again; counted in lost_segs */
	TCP_SEG_SACKED = 8,   /* has arrived out of order; counted in sacked_segs */
	TCP_SEG_TRAIN = 16,   /* its first transmission was cut into segments by the device */
	TCP_SEG_LONG = 32,    /* and those were TCP_TRAIN_TELLS or more */
	TCP_SEG_PROBE = 64,   /* its first transmission is longer than the MSS: does it arrive? */
};

enum tcp_timer {
	TCP_T_RTX, /* retransmission, tail loss probe or persist */
	TCP_T_REO, /* reordering has had its time (RACK) */
	TCP_T_DELACK,
	TCP_T_KEEP, /* keepalive; FIN_WAIT_2 of a closed connection */
	TCP_TIMERS,
};

/* Key of the flow table: as seen from us, unused bytes zero, ports and addresses in network order. */
struct tcp_key {
	uint8_t laddr[16], raddr[16];
	uint16_t lport, rport;
	uint8_t family;
	uint8_t pad[11];
};
_Static_assert(sizeof(struct tcp_key) == 48, "rte_hash compares 48 bytes with vector code");
_Static_assert(offsetof(struct tcp_key, lport) == 32 && offsetof(struct tcp_key, family) == 36, "written by words");

static inline void tcp_key_put_word(void *to, uint64_t w)
{
	memcpy(to, &w, sizeof w);
}

static inline void tcp_key_put_addr(uint8_t out[16], uint8_t family, const void *addr)
{
	if (family == 4) {
		uint32_t v4;
		memcpy(&v4, addr, sizeof v4);
		tcp_key_put_word(out, rte_cpu_to_le_64(rte_le_to_cpu_32(v4)));
		tcp_key_put_word(out + 8, 0);
	} else {
		memcpy(out, addr, 16);
	}
}

/* By the words that it is hashed and compared in: the hash is wanted at once, and a load of what was stored in smaller
 * pieces waits for them. Addresses of 4 or 16 bytes and ports in network order. */
static inline void tcp_key_write(struct tcp_key *k, uint8_t family, const void *laddr, const void *raddr,
				 uint16_t lport, uint16_t rport)
{
	uint64_t ports = (uint64_t)rte_le_to_cpu_16(rport) << 16 | rte_le_to_cpu_16(lport);

	tcp_key_put_addr(k->laddr, family, laddr);
	tcp_key_put_addr(k->raddr, family, raddr);
	tcp_key_put_word(&k->lport, rte_cpu_to_le_64((uint64_t)family << 32 | ports));
	tcp_key_put_word((char *)k + 40, 0);
}

/* CUBIC, RFC 9438: bytes and milliseconds. */
struct tcp_cubic {
	uint32_t epoch_ms, last_ms; /* begin of this stage of congestion avoidance, last growth in it */
	uint32_t k_ms;
	uint32_t w_max, w_est, w_prior, undo_w_max;
	bool running;
};

/* What SACK has to remember of both directions: from when something was first missing or sent twice. */
struct tcp_sack {
	struct tcp_block known[TCP_SACK_BLOCKS]; /* the peer's blocks in the last ACK */
	struct tcp_block block[TCP_SACK_BLOCKS]; /* our out-of-order data, the latest first */
	struct tcp_block dup_block;
};

/* In the order of how often it is touched: what a request and its reply need stands in the first six cache lines. */
struct tcp_conn {
	/* every segment */
	struct tcp *t;
	uint32_t flags;
	uint8_t state;
	uint8_t rcv_ws, snd_ws;
	uint8_t quick_acks; /* still to be sent */
	uint32_t rcv_nxt;
	uint32_t rcv_adv;   /* right edge of the window, the farthest ever advertised */
	uint32_t rcv_acked; /* rcv_nxt in the last segment we sent */
	uint32_t rcv_held;  /* delivered, not yet tcp_rx_consumed() */
	uint32_t snd_una, snd_nxt;
	uint32_t snd_wnd;
	uint32_t snd_end; /* behind the last queued byte */
	uint32_t snd_wl1, snd_wl2;
	uint32_t ts_recent;
	uint32_t ts_off; /* our timestamps are the clock plus this */

	/* output */
	struct rte_mbuf *snd_head, *snd_tail, *snd_new;
	struct rte_mbuf *rtx_hint; /* no lost segment before this one */
	void *user;
	uint32_t snd_bytes, snd_segs; /* queued: unsent and unacknowledged */
	uint32_t in_flight;           /* bytes sent, neither acknowledged nor taken for lost */
	uint32_t dup_bytes;           /* what duplicate ACKs say has left the network */
	uint32_t lost_segs, sacked_segs;

	uint32_t cwnd, ssthresh;
	uint64_t deadline[TCP_TIMERS]; /* us, 0: off */
	uint64_t wheel_us;             /* when the wheel looks at us, 0: not in it */
	struct tcp_link out_link;      /* output list or list of the dead */

	uint64_t last_rx_us;
	uint64_t progress_us; /* snd_una last moved, or something was sent when nothing was under way */
	uint64_t last_tx_us;  /* last payload, for the restart after idle */
	uint64_t ts_recent_us;
	uint32_t srtt_us, rttvar_us, rto_us; /* RFC 6298; srtt 0: no sample yet */
	uint32_t max_snd_wnd;
	uint16_t rcv_mss;  /* largest payload seen */
	uint16_t peer_mss; /* its MSS option */
	uint8_t dupacks;
	uint8_t backoff; /* timeouts since the last progress, or persist probes */
	uint8_t probes;  /* SYN retries, persist and keepalive probes without an answer */
	uint8_t ts_recent_valid;
	struct rte_mbuf *ooo_head; /* out-of-order data, sorted, no overlaps, linked through buf_seg.next */

	struct net_path path;
	uint16_t lport, rport; /* network order */
	uint32_t hash;

	/* SACK, sending side, and RACK-TLP */
	uint64_t rack_xmit_us; /* of the youngest segment that has arrived */
	uint32_t rack_end, rack_rtt_us, rack_fack;
	uint32_t min_rtt_us;
	uint64_t min_rtt_at_us;
	struct rte_mbuf *sack_hint; /* where the last search of the scoreboard ended */
	uint32_t dsack_round;
	uint32_t tlp_end;
	uint8_t reo_mult, reo_persist;
	uint8_t tlp_needless;
	uint8_t nblocks;       /* of sack->block */
	bool no_ect;           /* with TCP_F_ECN: we echo marks, but what we send is not to be marked */
	struct tcp_sack *sack; /* NULL until tcp_sack_get() */

	/* seldom */
	struct tcp_link wheel_link;
	struct rte_mbuf *ooo_tail;
	uint32_t ooo_bytes;
	uint16_t ooo_bufs;
	uint16_t mtu_full;
	uint64_t mtu_retry_us;        /* when mtu_next is tried; 0: mtu_full is in use */
	uint16_t mtu_next, mtu_probe; /* sizes: to try, of the last probe unless its fate is settled */
	uint32_t recover;             /* RFC 6582 */
	uint32_t tune_us, tune_seq;   /* clock and rcv_nxt when the receive window was last judged */
	uint8_t rcv_grown, snd_grown; /* doublings */
	uint16_t invalid_at;          /* clock >> TCP_INVALID_SHIFT, odd: last answer to what fits nowhere; 0: none */
	uint32_t iss, irs;
	uint32_t fin_seq;
	uint32_t cwr_end;
	struct tcp_cubic cubic;
	/* undo of a needless recovery */
	uint32_t undo_cwnd, undo_ssthresh, undo_marker, undo_ts;
	uint32_t undo_rtx; /* retransmissions not shown to be needless */
};
_Static_assert(sizeof(struct tcp_conn) <= 512, "a million idle connections must fit");

/* What is left of a connection in TIME_WAIT. */
struct tcp_tw {
	struct tcp_key key;
	struct tcp_link link; /* ordered by expiry */
	uint64_t expires_us;
	uint32_t hash;
	uint32_t rcv_nxt, snd_nxt;
	uint32_t ts_recent, ts_off;
	uint16_t wnd; /* as last advertised */
	bool ts;
	bool reset; /* the peer is told so, again */
};

/* A segment being processed. m is NULL once somebody took the buffer. */
struct tcp_seg {
	struct rte_mbuf *m;
	uint32_t seq, ack;
	uint32_t len;  /* payload bytes */
	uint16_t wnd;  /* unscaled */
	uint8_t flags; /* RTE_TCP_*_FLAG */
	uint8_t hlen;
	bool ce; /* congestion experienced */
	struct tcp_opts opts;
	uint32_t hash;
	struct tcp_key *key;
};

/* What one ACK brought. */
struct tcp_acked {
	uint32_t bytes;   /* newly acknowledged payload */
	uint32_t sacked;  /* payload that SACK blocks newly cover */
	uint64_t xmit_us; /* when the youngest of it was sent; 0: none */
	uint32_t tsecr;
	bool has_ts;
	/* Kinds (1 segment, 2 train) of first transmissions that arrived, of what was resent. */
	uint8_t arrived, again;
	bool probed; /* a probe for a larger path MTU arrived */
	bool resent; /* some of bytes was sent twice */
	bool dsack;
	struct tcp_block dup; /* if dsack */
};

/* Which way of sending s tells about. */
static inline void tcp_acked_note(struct tcp_acked *a, const struct buf_seg *s)
{
	uint8_t kind = (s->flags & TCP_SEG_TRAIN) ? 2 : 1;

	if (rp_unlikely(s->flags & TCP_SEG_PROBE))
		a->probed |= s->xmits == 1;
	if (s->xmits > 1)
		a->again |= kind;
	else if (kind == 1 || (s->flags & TCP_SEG_LONG))
		a->arrived |= kind;
}

static inline uint32_t tcp_seg_end(const struct tcp_seg *s)
{
	return s->seq + s->len + !!(s->flags & RTE_TCP_SYN_FLAG) + !!(s->flags & RTE_TCP_FIN_FLAG);
}

struct tcp_rate {
	uint64_t second;
	uint32_t used, limit; /* in this second */
};

struct tcp_listener {
	struct net_addr addr; /* family 0: any */
	uint16_t port;        /* network order; 0: free slot */
};

/* Congestion control (tcp_cc_*.c). The core keeps track of what is lost; these only move cwnd and ssthresh. */
struct tcp_cc {
	const char *name;
	void (*init)(struct tcp_conn *c);
	/* bytes newly acknowledged outside fast recovery */
	void (*acked)(struct tcp_conn *c, uint32_t bytes);
	void (*enter_recovery)(struct tcp_conn *c);
	void (*exit_recovery)(struct tcp_conn *c);
	/* first: not yet the same data's second timeout */
	void (*timeout)(struct tcp_conn *c, bool first);
	/* about to send after a pause longer than the RTO */
	void (*restart)(struct tcp_conn *c);
	/* the last reduction was needless; cwnd and ssthresh are restored already */
	void (*undo)(struct tcp_conn *c);
};
extern const struct tcp_cc tcp_cc_newreno, tcp_cc_cubic;
/* RFC 6928 (1) */
uint32_t tcp_cc_initial(const struct tcp_conn *c);
/* While cwnd is below ssthresh. Returns what of bytes is left when it is reached: one ACK may cover a whole window, and
 * without that border it would undo what a loss has just reduced. */
uint32_t tcp_cc_slow_start(struct tcp_conn *c, uint32_t bytes);
/* RFC 6582 section 3.2 step 3: no burst. With SACK what is under way was counted all along. */
void tcp_cc_exit_recovery(struct tcp_conn *c);

/* Ticks of 1024 us for the next four seconds, and behind that, for keepalive, spans of as much as all ticks together:
 * an idle connection is looked at once in half an hour or when its time has come, not with every turn of the wheel. */
#define TCP_WHEEL_SLOTS     4096
#define TCP_WHEEL_SHIFT     10
#define TCP_WHEEL_FAR       512
#define TCP_WHEEL_FAR_SHIFT 22

struct tcp_wheel {
	uint64_t tick, far; /* slots up to and including these were served */
	uint64_t occupied[(TCP_WHEEL_SLOTS + TCP_WHEEL_FAR) / 64];
	struct tcp_link slot[TCP_WHEEL_SLOTS + TCP_WHEEL_FAR]; /* the far ones last */
};

struct tcp {
	struct tcp_params p;
	struct clock_now now;
	const struct tcp_cc *cc;
	struct rte_hash *table;
	uint64_t table_gen; /* changes with every add and remove */
	uint32_t depth;     /* calls into us under way: the dead are buried at 0 */
	uint16_t mss_cap;   /* payload that fits one buffer of the pool */
	uint16_t ooo_bufs_max;
	uint32_t snd_segs_max;
	uint32_t bufs_free; /* of the packet pool, as of bufs_us, less what reassembly has kept since */
	uint64_t bufs_us;
	uint32_t ooo_bufs, ooo_scan; /* of all connections; where the next look for those that hold too many begins */
	uint8_t rcv_ws;
	struct tcp_link out, dead;
	struct tcp_counters count;
	uint64_t starved_us; /* last failed allocation */
	uint32_t tx_room;    /* frames of new data that may still leave in this iteration */
	uint8_t tx_trial;    /* what the device's help is not proven for yet, see tcp_tx_judge() */
	uint8_t trains_off;  /* families that get no trains, tcp_family_bit() */
	struct rng rng;
	uint64_t hash_seed[4];
	uint64_t isn_key[2], ts_key[2], cookie_key[2];
	uint64_t cookie_us; /* a SYN cookie was last sent */
	struct tcp_rate challenge_rate, rst_rate;
	struct tcp_listener listener[TCP_LISTENERS];
	struct pool conns, tws;
	struct pool sacks; /* one for each of conns: never exhausted */
	struct tcp_link tw_list;
	struct tcp_wheel wheel;
};

static inline uint64_t tcp_now_us(const struct tcp *t)
{
	return t->now.mono_us;
}

/* tcp_conn.c: keys, table, life and death */
uint32_t tcp_key_hash(const struct tcp *t, const struct tcp_key *k);
void tcp_key_set(struct tcp_key *k, const struct net_addr *l, uint16_t lport, const struct net_addr *r, uint16_t rport);
void tcp_key_addrs(const struct tcp_key *k, struct net_addr *local, struct net_addr *remote);
/* The key of a connection: its path and ports are enough to make it again. */
void tcp_conn_key(const struct tcp_conn *c, struct tcp_key *k);
static inline bool tcp_conn_is_ip4(const struct tcp_conn *c)
{
	return c->path.local.family == 4;
}
/* A pointer of the flow table is a connection, or a TIME_WAIT record with its lowest bit set. */
void *tcp_table_find(const struct tcp *t, const struct tcp_key *k, uint32_t hash);
int tcp_table_set(struct tcp *t, const struct tcp_key *k, uint32_t hash, void *entry);
void tcp_table_remove(struct tcp *t, const struct tcp_key *k, uint32_t hash);
static inline bool tcp_entry_is_tw(const void *e)
{
	return ((uintptr_t)e & 1) != 0;
}
static inline struct tcp_tw *tcp_entry_tw(void *e)
{
	return (struct tcp_tw *)((uintptr_t)e - 1);
}
static inline void *tcp_tw_entry(struct tcp_tw *w)
{
	return (char *)w + 1;
}
/* NULL: pool or table full, or no path (then *err says which). The connection is in the table, state CLOSED. */
struct tcp_conn *tcp_conn_new(struct tcp *t, const struct tcp_key *k, uint32_t hash, int *err);
/* Agreed options of the two SYNs. */
void tcp_conn_negotiate(struct tcp_conn *c, const struct tcp_opts *o);
/* Enters ESTABLISHED (or FIN_WAIT_1 if closed early) and tells the user. */
void tcp_conn_establish(struct tcp_conn *c);
/* The end: leaves everything, frees every buffer, calls closed() if it is owed. */
void tcp_conn_kill(struct tcp_conn *c, enum tcp_close_reason why);
/* The same with a RST to the peer first. */
void tcp_conn_reset(struct tcp_conn *c, enum tcp_close_reason why);
void tcp_reap(struct tcp *t);
/* Payload of a full segment with the options that we send. */
uint16_t tcp_conn_mss(const struct tcp_conn *c);
/* The same for another path MTU. */
uint16_t tcp_conn_mss_at(const struct tcp_conn *c, uint16_t mtu);
/* Counts one event against a limit that is drawn anew each second, per_s on average; false: over it. */
bool tcp_rate_ok(struct tcp *t, struct tcp_rate *r, uint32_t per_s);
/* RFC 5961, of which section 7 limits how many. */
void tcp_challenge_ack(struct tcp_conn *c);
static inline void tcp_conn_want_output(struct tcp_conn *c)
{
	if (tcp_list_empty(&c->out_link))
		tcp_list_push(&c->t->out, &c->out_link);
}
static inline void tcp_conn_ack_now(struct tcp_conn *c)
{
	c->flags |= TCP_F_ACK_NOW;
	tcp_conn_want_output(c);
}

/* tcp_isn.c: RFC 6528 and the timestamp offset, both a function of the tuple and a secret */
uint32_t tcp_isn(const struct tcp *t, const struct tcp_key *k);
uint32_t tcp_ts_offset(const struct tcp *t, const struct tcp_key *k);
static inline uint32_t tcp_ts_now(const struct tcp *t, uint32_t off)
{
	return (uint32_t)(tcp_now_us(t) / TCP_CLOCK_US) + off;
}

/* tcp_listen.c: listeners, arrival in LISTEN and SYN_SENT */
bool tcp_listener_match(const struct tcp *t, const struct tcp_key *k);
/* old: the TIME_WAIT record whose place a new connection takes, behind all that it sent; NULL: none. It stays if the
 * segment makes no connection. */
void tcp_input_listen(struct tcp *t, struct tcp_seg *s, struct tcp_tw *old);
void tcp_input_syn_sent(struct tcp_conn *c, struct tcp_seg *s);

/* tcp_steps.c: arrival in every other state, RFC 9293 section 3.10.7.4 */
void tcp_input_steps(struct tcp_conn *c, struct tcp_seg *s);
/* The fast path's end: in-order payload, nothing special. */
void tcp_input_text_in_order(struct tcp_conn *c, struct tcp_seg *s);
void tcp_ts_update(struct tcp_conn *c, const struct tcp_seg *s);

/* tcp_ack.c: returns false if the segment must be dropped */
bool tcp_ack_process(struct tcp_conn *c, const struct tcp_seg *s);
/* Lets RACK look and begins recovery if something is lost. Only with SACK. */
void tcp_loss_detect(struct tcp_conn *c);
static inline bool tcp_fin_acked(const struct tcp_conn *c)
{
	return (c->flags & TCP_F_FIN_QUEUED) && c->snd_una == c->snd_end + 1;
}

/* tcp_sack.c: for writing; lives as long as c */
struct tcp_sack *tcp_sack_get(struct tcp_conn *c);

/* tcp_sack_rcv.c: out-of-order data [start, end) was kept; rcv_nxt moved; [start, end) came again; the option */
void tcp_sack_note(struct tcp_conn *c, uint32_t start, uint32_t end);
void tcp_sack_prune(struct tcp_conn *c);
void tcp_sack_dup(struct tcp_conn *c, uint32_t start, uint32_t end);
uint32_t tcp_sack_emit(struct tcp_conn *c, uint8_t *p, uint32_t room);

/* tcp_sack.c: before the cumulative ACK is applied */
void tcp_sack_blocks(struct tcp_conn *c, const struct tcp_seg *s, struct tcp_acked *a);
void tcp_sack_reneged(struct tcp_conn *c);

/* tcp_rack.c: only with SACK */
void tcp_rack_delivered(struct tcp_conn *c, const struct buf_seg *s, const struct tcp_acked *a);
void tcp_rack_adapt(struct tcp_conn *c, bool dsack);
void tcp_rack_recovered(struct tcp_conn *c);
/* Marks what is lost; true if something was. Arms the reordering timer for what may still come. */
bool tcp_rack_detect(struct tcp_conn *c);
/* The same when the retransmission timer fires. */
void tcp_rack_timeout(struct tcp_conn *c);

/* tcp_tlp.c */
bool tcp_tlp_wanted(const struct tcp_conn *c);
/* When the probe leaves if nothing is acknowledged or sent before. */
uint64_t tcp_tlp_due_us(const struct tcp_conn *c);
void tcp_tlp_sent(struct tcp_conn *c, bool resent);
void tcp_tlp_acked(struct tcp_conn *c, const struct tcp_seg *s, const struct tcp_acked *a);

/* tcp_recovery.c */
void tcp_recovery_enter(struct tcp_conn *c);
void tcp_recovery_timeout(struct tcp_conn *c);
void tcp_recovery_resent(struct tcp_conn *c);
void tcp_recovery_check_undo(struct tcp_conn *c, const struct tcp_acked *a);

/* tcp_rto.c */
void tcp_rto_init(struct tcp_conn *c);
void tcp_rto_sample(struct tcp_conn *c, uint32_t rtt_us);
/* A sample of what the peer echoed: which transmission it answers is no question. */
void tcp_rto_sample_ts(struct tcp_conn *c, uint32_t tsecr);
/* Our SYN or SYN-ACK was acknowledged by s: a sample if we know which, else three seconds if its timer ran out. */
void tcp_rto_handshake(struct tcp_conn *c, const struct tcp_seg *s);
/* A timeout, (5.5). It stays doubled until there is a sample, or a path that became slower than the timeout would see
 * everything twice for ever. */
void tcp_rto_double(struct tcp_conn *c);
/* The timeout to run now: never shorter than a peer may delay its ACK. */
uint64_t tcp_rto_now(const struct tcp_conn *c);

/* tcp_reass.c */
/* Takes or frees s->m, whose data is the payload [s->seq, s->seq + s->len) inside the window. */
void tcp_reass_insert(struct tcp_conn *c, struct tcp_seg *s);
/* Next buffer that starts at rcv_nxt, trimmed and ready for the user, or NULL. */
struct rte_mbuf *tcp_reass_pop(struct tcp_conn *c);
void tcp_reass_free(struct tcp_conn *c);
/* The same, and the peer is no longer told that we have it (RFC 2018 section 8). */
void tcp_reass_renege(struct tcp_conn *c);

/* tcp_output.c */
/* Sends all that is allowed; returns segments. *done false: out of buffers, try again. */
uint32_t tcp_output_conn(struct tcp_conn *c, bool *done);
/* One segment whatever cwnd says, new if there is any, else the last one again. False: nothing sent. */
bool tcp_output_probe(struct tcp_conn *c);
/* A segment without payload, at once. flags without ACK: as given. False: no buffer. */
bool tcp_output_ctl(struct tcp_conn *c, uint32_t seq, uint8_t flags);
bool tcp_output_ack(struct tcp_conn *c);
bool tcp_output_syn(struct tcp_conn *c);
struct rte_mbuf *tcp_mbuf(struct tcp *t);
/* Would the window that we may advertise now be worth telling? */
bool tcp_window_update_due(const struct tcp_conn *c);

/* tcp_frame.c */
#define TCP_TRAIN_TELLS 4     /* segments; a shorter train may pass where longer ones do not: it proves nothing */
#define TCP_TRAIN_SHARE 4     /* of a congestion window that is in use: trains under way at once */
#define TCP_RECORD_MAX  64000 /* bytes of one record: its length has 16 bits, and so have those of buffers */
/* The records from m on that make up len bytes, as one packet without headers; NULL: no buffer. */
struct rte_mbuf *tcp_frame(struct tcp_conn *c, struct rte_mbuf *m, uint32_t len);
/* Payload of the longest frame that may leave at once: a multiple of mss. */
uint32_t tcp_train_max(const struct tcp_conn *c, uint32_t mss);
/* Cuts the queue so that whole records make up a frame of len bytes, or less if they are too many. 0: no buffer. */
uint32_t tcp_train_cut(struct tcp_conn *c, struct rte_mbuf *m, uint32_t len);
/* Tells those below what became of first transmissions. */
void tcp_tx_judge(struct tcp_conn *c, const struct tcp_acked *a);
static inline uint8_t tcp_family_bit(const struct tcp_conn *c)
{
	return c->path.local.family == 4 ? 1 : 2;
}

/* tcp_sendq.c: the send queue */
void tcp_sendq_push(struct tcp_conn *c, struct rte_mbuf *chain);
/* Cuts m behind at bytes; the rest becomes the next record. False: no buffer. */
bool tcp_sendq_split(struct tcp_conn *c, struct rte_mbuf *m, uint32_t at);
/* Makes the first len bytes of what was never sent one record, copied together. False: no buffer. */
bool tcp_sendq_gather(struct tcp_conn *c, uint32_t len);
/* Cuts m at the MSS if it is longer. False: no buffer. */
bool tcp_sendq_fit(struct tcp_conn *c, struct rte_mbuf *m);
/* Drops what ack covers and adds it up in *a. */
void tcp_sendq_ack(struct tcp_conn *c, uint32_t ack, struct tcp_acked *a);
void tcp_sendq_mark_lost(struct tcp_conn *c, struct rte_mbuf *m);
/* It may still be under way after all. */
void tcp_sendq_unmark_lost(struct tcp_conn *c, struct rte_mbuf *m);
void tcp_sendq_free(struct tcp_conn *c);

/* tcp_cookie.c: answers a SYN without keeping anything; judges the ACK that comes back and fills the options that the
 * SYN would have had */
void tcp_cookie_send(struct tcp *t, const struct tcp_seg *s);
bool tcp_cookie_check(struct tcp *t, const struct tcp_seg *s, struct tcp_opts *o, bool *ecn);
/* A cookie that was sent may still come back. Until then a stray ACK may belong to it and have overtaken it: it gets no
 * RST, which would kill what is about to be opened. */
bool tcp_cookie_in_use(const struct tcp *t);

/* tcp_ecn.c: RFC 3168 */
/* Does a SYN with these flags get ECN? */
bool tcp_ecn_wanted(const struct tcp *t, uint8_t flags);
/* A SYN-ACK with these flags came to our SYN. */
void tcp_ecn_syn_ack(struct tcp_conn *c, uint8_t flags);
/* What our SYN or SYN-ACK carries. */
uint8_t tcp_ecn_syn_flags(struct tcp_conn *c);
/* CE and CWR of an acceptable segment; ECE of an acceptable ACK, before it is applied. Only if agreed on. */
void tcp_ecn_received(struct tcp_conn *c, const struct tcp_seg *s);
void tcp_ecn_acked(struct tcp_conn *c, const struct tcp_seg *s);
/* The window was reduced, for whatever reason: the next new data tells the peer, or it would go on to echo a mark of
 * the same window. */
static inline void tcp_ecn_reduced(struct tcp_conn *c)
{
	c->flags |= (c->flags & TCP_F_ECN) && !c->no_ect ? TCP_F_CWR_DUE : 0;
}

/* tcp_pmtu.c: after a timeout: perhaps a black hole */
void tcp_pmtu_timeout(struct tcp_conn *c);
/* A new connection: others may have found its path to be narrow. */
void tcp_pmtu_init(struct tcp_conn *c);
/* While mtu_retry_us is not 0: payload of the segment that is to leave now as a probe, 0: none; the same, and looks
 * whether there is anything to gain. */
uint32_t tcp_pmtu_probe_len(const struct tcp_conn *c);
uint32_t tcp_pmtu_probe_due(struct tcp_conn *c);
/* It has left; it has arrived; it seems to be lost; it is not yet after all; is it all that is lost? */
void tcp_pmtu_probe_sent(struct tcp_conn *c, uint32_t len);
void tcp_pmtu_probe_arrived(struct tcp_conn *c);
void tcp_pmtu_probe_lost(struct tcp_conn *c);
void tcp_pmtu_probe_found(struct tcp_conn *c);
bool tcp_pmtu_only_probe_lost(const struct tcp_conn *c);

/* tcp_reply.c: segments that belong to no connection */
bool tcp_reply_syn_ack(struct tcp *t, const struct tcp_key *k, const struct rte_tcp_hdr *h, struct tcp_opts *o);
void tcp_reply_rst(struct tcp *t, const struct tcp_seg *s);
void tcp_reply_tw_ack(struct tcp *t, const struct tcp_tw *w);

/* tcp_timewait.c */
void tcp_tw_enter(struct tcp_conn *c);
/* A connection that a cookie opened has been reset: should the RST be lost, what the peer then sends again would show
 * the cookie again, open another one, and bring the same bytes a second time. */
void tcp_tw_reset(struct tcp_conn *c);
void tcp_tw_drop(struct tcp *t, struct tcp_tw *w);
/* A connection has taken its place in the table. */
void tcp_tw_replaced(struct tcp *t, struct tcp_tw *w);
/* May an active open take this record's place (RFC 6191)? */
bool tcp_tw_reusable(const struct tcp *t, const struct tcp_tw *w);
/* Arrival in TIME_WAIT. */
void tcp_input_time_wait(struct tcp *t, struct tcp_tw *w, struct tcp_seg *s);
uint32_t tcp_tw_poll(struct tcp *t);

/* tcp_tune.c: the window that may be offered and what the user may queue now; when data may begin to flow; after the
 * user took data; when the user waits for room; may reassembly keep no buffer more? Once in a while: how many are free,
 * and when they are few who has to give his back. */
static inline uint32_t tcp_rcv_limit(const struct tcp_conn *c)
{
	return RP_MIN(c->t->p.rcv_buf, (uint32_t)TCP_RCV_BUF_BASE << c->rcv_grown);
}
static inline uint32_t tcp_snd_limit(const struct tcp_conn *c)
{
	return RP_MIN(c->t->p.snd_buf, (uint32_t)TCP_SND_BUF_BASE << c->snd_grown);
}
void tcp_tune_start(struct tcp_conn *c);
void tcp_tune_receive(struct tcp_conn *c);
void tcp_tune_send(struct tcp_conn *c);
bool tcp_tune_ooo_full(const struct tcp_conn *c);
void tcp_tune_poll(struct tcp *t);

/* tcp_wheel.c */
void tcp_wheel_init(struct tcp_wheel *w, uint64_t now_us);
void tcp_wheel_add(struct tcp *t, struct tcp_conn *c, uint64_t at_us);
void tcp_wheel_remove(struct tcp *t, struct tcp_conn *c);
/* A connection whose slot is due, removed from the wheel, or NULL. */
struct tcp_conn *tcp_wheel_pop(struct tcp *t, uint64_t now_us);
uint64_t tcp_wheel_next_us(const struct tcp_wheel *w);

/* tcp_timer.c */
/* Arms or moves a deadline; touches the wheel only if it must look earlier than it would. */
void tcp_timer_set(struct tcp_conn *c, enum tcp_timer which, uint64_t at_us);
static inline void tcp_timer_clear(struct tcp_conn *c, enum tcp_timer which)
{
	c->deadline[which] = 0;
}
void tcp_timer_rtx_restart(struct tcp_conn *c);
/* The keepalive or FIN_WAIT_2 deadline that fits the state. */
void tcp_timer_keep_restart(struct tcp_conn *c);
