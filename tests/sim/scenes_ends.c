/* Connections that end badly: in time, for the right reason, and wholly. */
#include "stage.h"

#define USER_TIMEOUT_US 2000000
#define IDLE_US         2000000
#define PROBING_US      3000000 /* three, a second apart */
#define MIDDLE_BYTES    1000000 /* a transfer that takes longer than what befalls it */

static void patience(struct stage *st)
{
	for (int e = 0; e < 2; e++) {
		st->p[e].user_timeout_ms = USER_TIMEOUT_US / 1000;
		st->p[e].keepalive_idle_s = IDLE_US / 1000000;
		st->p[e].keepalive_intvl_s = 1;
		st->p[e].keepalive_probes = 3;
	}
}

static void long_transfer(struct stage *st)
{
	patience(st);
	st->bytes = MIDDLE_BYTES;
}

/* ---- a hole that never closes ---- */

static void dark_for_ever(struct stage *st)
{
	long_transfer(st);
	st->wp.dark_us = STAGE_START + 500;
	st->wp.dark_for_us = UINT64_MAX;
}

static void deaf_for_ever(struct stage *st)
{
	dark_for_ever(st);
	st->wp.dark_from = 1 << 1; /* our data arrives, no ACK comes back */
}

static void dark_from_the_start(struct stage *st)
{
	patience(st);
	st->wp.dark_us = STAGE_START;
	st->wp.dark_for_us = UINT64_MAX;
}

/* ---- a peer that disappears ---- */

static void vanish_at(struct stage *st, uint64_t at_us)
{
	if (!st->gone && stage_us(st) >= at_us)
		stage_vanish(st);
}

static void vanish_in_the_middle(struct stage *st)
{
	vanish_at(st, 500);
}

static void vanish_while_idle(struct stage *st)
{
	vanish_at(st, 100000);
}

static void reboot_while_idle(struct stage *st)
{
	vanish_while_idle(st);
	if (st->done == 0 && stage_us(st) >= 1000000) {
		st->done++;
		stage_return(st);
	}
}

static void reboot_in_the_middle(struct stage *st)
{
	vanish_in_the_middle(st);
	if (st->done == 0 && stage_us(st) >= 20000) {
		st->done++;
		stage_return(st);
	}
}

/* It stops reading, and is gone when its window is closed. */
static void close_window(struct stage *st)
{
	long_transfer(st);
	st->p[1].rcv_buf = 20000;
	st->deaf = true;
}

static void vanish_behind_closed_window(struct stage *st)
{
	vanish_at(st, 500000);
}

/* ---- resets ---- */

static void abort_at(struct stage *st, int end, uint64_t at_us)
{
	if (st->done == 0 && stage_us(st) >= at_us && st->actor[end].c != NULL) {
		st->done++;
		tcp_abort(st->actor[end].c);
	}
}

static void sender_aborts(struct stage *st)
{
	abort_at(st, 0, 500);
}

static void receiver_aborts(struct stage *st)
{
	abort_at(st, 1, 500);
}

static void lose_first_rst(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (s->flags & RTE_TCP_RST_FLAG)
		f->lost = stage_once(st, s);
}

/* What comes again still shows the cookie: it must not open another connection and bring its bytes twice. */
static void one_request_with_cookie(struct stage *st)
{
	patience(st);
	st->cookies = true;
	st->bytes = 100;
}

static void receiver_aborts_at_once(struct stage *st)
{
	if (st->actor[1].received > 0)
		abort_at(st, 1, 0);
}

static void damage_rst(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (!(s->flags & RTE_TCP_RST_FLAG) || !stage_once(st, s))
		return;
	f->spoil = 1;
	f->spoil_at = 30 * 8;
}

static void refuse(struct stage *st)
{
	st->refuses = true;
}

static void do_not_listen(struct stage *st)
{
	st->port = STAGE_PORT + 1;
}

#define BOTH(reason)           \
	{                      \
		reason, reason \
	}

const struct scene scenes_ends[] = {
	{"dark for ever in the middle", .set = dark_for_ever, .after_us = USER_TIMEOUT_US,
	 .within_us = IDLE_US + PROBING_US + STAGE_RTO_MAX, .why = BOTH(TCP_CLOSED_TIMEOUT), .part = true,
	 .want = {WANT(0, closed_timeout, 1), WANT(1, closed_timeout, 1), WANT(1, keepalive_probes, 3)}},
	{"dark for ever one way: no ACK comes back", .set = deaf_for_ever, .after_us = USER_TIMEOUT_US,
	 .within_us = USER_TIMEOUT_US + STAGE_RTO_MAX, .why = {TCP_CLOSED_TIMEOUT, TCP_CLOSED_RESET}, .part = true,
	 .want = {WANT(0, rst_out, 1)}},
	{"dark from the start", .set = dark_from_the_start, .after_us = 4000000, /* 0.2, 0.4, 0.8 and three times 1 s */
	 .within_us = 4600000, .why = {TCP_CLOSED_TIMEOUT}, .part = true, .want = {WANT(0, retransmits, 5)}},
	{"the peer disappears in the middle", .set = long_transfer, .act = vanish_in_the_middle,
	 .after_us = USER_TIMEOUT_US, .within_us = USER_TIMEOUT_US + STAGE_RTO_MAX,
	 .why = {TCP_CLOSED_TIMEOUT, TCP_CLOSED_ABORTED}, .part = true},
	{"the peer disappears while nothing is to be said", .set = patience, .act = vanish_while_idle,
	 .after_us = IDLE_US + PROBING_US, .within_us = IDLE_US + PROBING_US + 10000,
	 .why = {TCP_CLOSED_TIMEOUT, TCP_CLOSED_ABORTED}, .keep = true,
	 .want = {WANT(0, keepalive_probes, 3), WANT(0, retransmits, 0)}},
	{"the peer disappears behind a closed window", .set = close_window, .act = vanish_behind_closed_window,
	 .after_us = USER_TIMEOUT_US, .within_us = 500000 + USER_TIMEOUT_US + STAGE_RTO_MAX,
	 .why = {TCP_CLOSED_TIMEOUT, TCP_CLOSED_ABORTED}, .keep = true, .part = true,
	 .want = {WANT_SOME(0, window_probes)}},
	{"the peer starts anew while nothing is to be said", .set = patience, .act = reboot_while_idle,
	 .after_us = IDLE_US, .within_us = IDLE_US + 10000, .why = {TCP_CLOSED_RESET, TCP_CLOSED_ABORTED}, .keep = true,
	 .want = {WANT(0, keepalive_probes, 1), WANT(1, rst_out, 1)}},
	{"the peer starts anew in the middle", .set = long_transfer, .act = reboot_in_the_middle, .within_us = 100000,
	 .why = {TCP_CLOSED_RESET, TCP_CLOSED_ABORTED}, .part = true, .want = {WANT_SOME(1, rst_out)}},
	{"the sender resets in the middle", .set = long_transfer, .act = sender_aborts, .within_us = 1000,
	 .why = {TCP_CLOSED_ABORTED, TCP_CLOSED_RESET}, .part = true,
	 .want = {WANT_SOME(0, rst_out), WANT(1, rst_in, 1)}},
	{"the receiver resets in the middle", .set = long_transfer, .act = receiver_aborts, .within_us = 1000,
	 .why = {TCP_CLOSED_RESET, TCP_CLOSED_ABORTED}, .part = true, .want = {WANT(0, rst_in, 1)}},
	{"the receiver's RST is lost", .set = long_transfer, .rule = lose_first_rst, .act = receiver_aborts,
	 .within_us = 100000, .why = {TCP_CLOSED_RESET, TCP_CLOSED_ABORTED}, .part = true,
	 .want = {WANT_SOME(1, rst_out)}},
	{"the receiver's RST is lost, and a cookie had opened the connection", .set = one_request_with_cookie,
	 .rule = lose_first_rst, .act = receiver_aborts_at_once, .within_us = 100000,
	 .why = {TCP_CLOSED_RESET, TCP_CLOSED_ABORTED}, .keep = true,
	 .want = {WANT(1, cookies_good, 1), WANT(1, rst_out, 2)}},
	{"the sender's RST is damaged", .set = long_transfer, .rule = damage_rst, .act = sender_aborts,
	 .within_us = IDLE_US + 10000, .why = {TCP_CLOSED_ABORTED, TCP_CLOSED_RESET}, .part = true},
	{"the user refuses", .set = refuse, .within_us = 1000, .why = {TCP_CLOSED_RESET}, .part = true,
	 .want = {WANT(1, refused_by_user, 1)}},
	{"nobody listens", .set = do_not_listen, .within_us = 1000, .why = {TCP_CLOSED_REFUSED}, .part = true,
	 .want = {WANT(1, drop_no_conn, 1)}},
	{NULL},
};
