/* The law of the congestion window: a model of its own, made from the RFCs and not from the code, of what each event
 * may do to cwnd and ssthresh, and when an event must have happened.
 *
 *   reduction    by half (NewReno, RFC 5681 (4)) or to 0.7 (CUBIC, RFC 9438 section 4.6) of what was under way within
 *                the window, to two segments at least; by a timeout to one segment, and a repeated timeout of the same
 *                data leaves ssthresh (RFC 5681 section 3.1)
 *   why          each recovery, timeout, answer to an ECN echo and repair by a probe that is counted has reduced, and
 *                no reduction comes without one of them
 *   repetition   a segment is sent again only while a reduction is in force: one since it was sent last, or that of the
 *                recovery that still goes on (RFC 6582, 6675). But for a tail loss probe, which is counted, and for
 *                what had become, or as a probe of the path MTU was, too long for the path (RFC 4821 section 7.6.2)
 *   ECN          an acknowledgement with ECE has an effect once per window, and the first new data after a reduction,
 *                whatever its reason, carries CWR (RFC 3168 section 6.1.2)
 *   undo         once, to no more than there was, of the last reduction for a loss, and only if an acknowledgement
 *                echoed a time before the first repetition (RFC 3522) or as many duplicates were reported as segments
 *                were sent again (RFC 3708)
 *   growth       slow start: by what is acknowledged, without limit to one ACK (the code says why; after a timeout by
 *                a segment per ACK), up to ssthresh, which it oversteps by less than a segment. Congestion avoidance:
 *                a segment per window (NewReno), or as the cubic and W_est allow, and by half per round trip at most
 *   beginning    init_cwnd segments of at most 1460 bytes each, or two (RFC 6928 (1)), and one segment if the SYN had
 *                to be repeated more than once (section 2); after a pause no more than at the beginning (RFC 5681
 *                section 4.1)
 *   otherwise    the window does not move, but to hold a segment that has become larger
 *
 * The law stands between the core and the algorithm: law_cwnd_watch() puts itself in place of struct tcp_cc and looks
 * at the connection before and after. It finds its memory of a connection through tcp_user(), which must point to
 * something that begins with a struct law_cwnd.
 */
#pragma once

#include "tcp/tcp_priv.h"
#include "wire.h"

/* Reductions of one instance, by reason; its counters must say the same. */
struct law_tally {
	uint64_t fast, timeouts, ecn, repairs, undos, probes;
	uint64_t unexcused; /* repetitions without a reduction: each must have been a probe */
};

enum law_cut {
	LAW_CUT_NONE, /* or undone */
	LAW_CUT_FAST,
	LAW_CUT_TIMEOUT,
	LAW_CUT_ECN,
	LAW_CUT_REPAIR,
};

/* CUBIC as RFC 9438 has it: bytes, seconds. */
struct law_cubic {
	bool running;
	uint64_t epoch_us, last_us;
	double k_s, w_max, w_est, prior, undo_w_max;
};

struct law_cwnd {
	const char *broken; /* what was found; NULL: nothing */
	struct law_tally *tally;
	uint32_t cwnd, ssthresh, mss; /* as the last event left them */
	uint32_t syn_window;          /* cwnd when the handshake was over */
	enum law_cut cut;
	uint32_t point;                 /* snd_nxt at the last reduction */
	uint32_t cuts;                  /* reductions so far */
	uint32_t ecn_point, ecn_before; /* the same of the last two for ECN */
	bool cwr_due;                   /* the next new data must say that the window was reduced */
	bool ecn_cut, undone;           /* in this iteration */
	uint32_t sent_to;               /* behind what was sent so far */
	uint32_t probe, probe_end;      /* the last segment that was longer than the MSS */
	uint32_t resized;               /* what was sent before may be longer than the path carries now */
	uint64_t data_us;               /* when data was sent last */
	bool timed_out;                 /* the last timeout was for data from timeout_una on */
	uint32_t timeout_una;
	/* what may be undone, and what was seen since */
	bool may_undo, eifel;
	uint32_t undo_cwnd, undo_ssthresh;
	uint32_t repeated, duplicates, repeated_ts;
	bool ece; /* an ACK with ECE has come that must have an effect */
	uint32_t ece_ack, ece_cuts;
	struct law_cubic cubic;
};

/* Before the instance has connections. */
void law_cwnd_watch(struct tcp *t);
/* c is established and has *l through tcp_user(); its SYN had to be repeated so often. */
void law_cwnd_begin(struct law_cwnd *l, struct tcp_conn *c, struct law_tally *tally, uint32_t syn_repeated);
/* c, perhaps NULL, sends s; s arrives. */
void law_cwnd_sent(struct law_cwnd *l, const struct tcp_conn *c, const struct wire_seg *s);
void law_cwnd_arrived(struct law_cwnd *l, const struct tcp_conn *c, const struct wire_seg *s);
/* After each iteration: NULL, or which law is broken. */
const char *law_cwnd_step(struct law_cwnd *l, const struct tcp_conn *c);
const char *law_tally_step(struct law_tally *y, const struct tcp *t);

/* law_growth.c: the largest window that an acknowledgement of bytes may leave. Called once for each. */
uint64_t law_growth_most(struct law_cwnd *l, const struct tcp_conn *c, uint32_t bytes);
void law_growth_reduced(struct law_cubic *q, uint32_t cwnd, bool timeout);
