/* What else a network does: it repeats, overtakes, delays, damages, marks, goes dark, and changes the size that it
 * carries. */
#include "stage.h"

#define DATA_3(s) ((s)->from == 0 && (s)->nth_data == 3)

static void twice(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (DATA_3(s))
		f->twice = stage_once(st, s);
}

/* Overtaken by the rest of its flight. */
static void overtaken(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (DATA_3(s) && stage_once(st, s))
		f->late_us = 30;
}

/* Its repetition has long arrived. */
static void very_late(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (DATA_3(s) && stage_once(st, s))
		f->late_us = 3000;
}

/* The reduction was needless, and is taken back. */
static const char *window_is_back(struct stage *st)
{
	return st->actor[0].law.cut != LAW_CUT_NONE ? "the reduction is still in force" : NULL;
}

/* For a while the path takes longer than any timer expected. */
static void slow_for_a_while(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (s->from == 0 && s->nth_data > 10 && stage_us(st) < 40000) {
		st->hits++;
		f->late_us = 20000;
	}
}

static void damage_data_3(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (!DATA_3(s) || !stage_once(st, s))
		return;
	f->spoil = 0x5;
	f->spoil_at = 700 * 8 + 3;
}

static void damage_address(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (!DATA_3(s) || !stage_once(st, s))
		return;
	f->spoil = 1;
	f->spoil_at = 19 * 8 + 7; /* of the IP header: it is for somebody else */
}

static void damage_syn_ack(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (s->flags != (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG) || !stage_once(st, s))
		return;
	f->spoil = 1;
	f->spoil_at = 20 * 8 + 100; /* in the acknowledgement number */
}

static const char *one_refused(struct stage *st)
{
	return wire_refused(&st->w, 0) + wire_refused(&st->w, 1) != 1 ? "the damaged frame was not refused" : NULL;
}

static void with_ecn(struct stage *st)
{
	st->p[0].ecn = st->p[1].ecn = TCP_ECN_ON;
}

static void mark(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (DATA_3(s))
		f->marked = stage_once(st, s);
}

/* A path so long that a cubic grows faster than Reno, and three losses: the first ends slow start, the last comes below
 * the window of the one before; and then time enough to grow far beyond. */
static void long_path(struct stage *st)
{
	st->wp.delay_us = 100000;
	st->bytes = 15000000;
}

static void three_losses(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	static const uint32_t nth[] = {100, 600, 1000};

	if (s->from != 0 || st->hits >= RP_ARRAY_LEN(nth) || s->nth_data < nth[st->hits])
		return;
	st->hits++;
	f->lost = true;
}

static void dark_for_100_ms(struct stage *st)
{
	st->wp.dark_us = STAGE_START + 220;
	st->wp.dark_for_us = 100000;
}

/* ---- the path changes its size ---- */

static void shrinks(struct stage *st)
{
	st->wp.links = 1;
	st->wp.link[0] = (struct wire_link){STAGE_START + 120, 1000, false};
}

static void shrinks_silently(struct stage *st)
{
	shrinks(st);
	st->wp.link[0].silent = true;
}

/* Three times smaller, the last time without a word; and after a time, whole again. */
static void shrinks_and_grows(struct stage *st)
{
	st->wp.links = 4;
	st->wp.link[0] = (struct wire_link){STAGE_START + 120, 1400, false};
	st->wp.link[1] = (struct wire_link){STAGE_START + 5000000, 1200, false};
	st->wp.link[2] = (struct wire_link){STAGE_START + 10000000, 700, true};
	st->wp.link[3] = (struct wire_link){STAGE_START + 40000000, 1500, true};
}

/* Once, without a word. */
static void shrinks_for_good(struct stage *st)
{
	st->wp.links = 1;
	st->wp.link[0] = (struct wire_link){STAGE_START + 5000000, 1300, true};
}

/* It grows when the size is tried again, but not to what it was. */
static void grows_halfway(struct stage *st)
{
	st->wp.links = 3;
	st->wp.link[0] = (struct wire_link){STAGE_START + 120, 1000, false};
	st->wp.link[1] = (struct wire_link){STAGE_START + 5000000, 1280, false};
	st->wp.link[2] = (struct wire_link){STAGE_START + 1000000000, 1500, false};
}

/* A flight at each of these times. */
static void send_now_and_then(struct stage *st)
{
	static const uint64_t at_us[] = {6000000, 11000000, 30000000, 90000000, 90500000};

	if (st->done < RP_ARRAY_LEN(at_us) && stage_us(st) >= at_us[st->done]) {
		st->done++;
		stage_send(st, 20000);
	} else if (st->done == RP_ARRAY_LEN(at_us) && st->actor[0].c != NULL && stage_us(st) > 92000000) {
		tcp_close(st->actor[0].c);
	}
	if (st->actor[0].c != NULL)
		st->mss = tcp_mss(st->actor[0].c);
}

static void send_every_300_s(struct stage *st)
{
	if (st->done < 6 && stage_us(st) >= 300000000ULL * (st->done + 1)) {
		st->done++;
		stage_send(st, 20000);
	} else if (st->done == 6 && st->actor[0].c != NULL && stage_us(st) > 1801000000) {
		tcp_close(st->actor[0].c);
	}
	if (st->actor[0].c != NULL)
		st->mss = tcp_mss(st->actor[0].c);
}

static const char *size_of_1280(struct stage *st)
{
	return st->mss != 1228 ? "segments are not of 1280 bytes" : NULL;
}

static const char *full_size(struct stage *st)
{
	return st->mss != 1448 ? "segments are not full again" : NULL;
}

const struct scene scenes_wire[] = {
	{"a segment arrives twice", .rule = twice, .within_us = 2000,
	 .want = {WANT(0, retransmits, 0), WANT(0, fast_retransmits, 0), WANT(0, dsacks_in, 1)}},
	{"a segment is overtaken by its flight", .rule = overtaken, .within_us = 10000, .check = window_is_back,
	 .want = {WANT(0, fast_retransmits, 1), WANT(0, undos, 1), WANT(0, rtos, 0), WANT(0, retransmits, 1)}},
	{"a segment is late by many round trips", .rule = very_late, .within_us = 10000,
	 .want = {WANT(0, fast_retransmits, 1), WANT(0, rtos, 0), WANT(0, retransmits, 1)}},
	{"the path is slow for a while", .rule = slow_for_a_while, .within_us = 200000, .check = window_is_back,
	 .want = {WANT_SOME(0, undos)}},
	{"a data segment is damaged", .rule = damage_data_3, .within_us = 10000, .check = one_refused,
	 .want = {WANT(0, fast_retransmits, 1), WANT(0, rtos, 0), WANT(0, retransmits, 1)}},
	{"the address of a data segment is damaged", .rule = damage_address, .within_us = 10000, .check = one_refused,
	 .want = {WANT(0, fast_retransmits, 1), WANT(0, rtos, 0), WANT(0, retransmits, 1)}},
	{"the SYN-ACK is damaged", .rule = damage_syn_ack, .within_us = 300000, .check = one_refused,
	 .want = {WANT(0, fast_retransmits, 0), WANT(0, rtos, 0)}},
	{"a segment is marked", .set = with_ecn, .rule = mark, .within_us = 2000,
	 .want = {WANT(0, ecn_reductions, 1), WANT(1, ecn_ce_in, 1), WANT(0, retransmits, 0)}},
	{"a segment is lost three times on a long path", .set = long_path, .rule = three_losses, .within_us = 60000000,
	 .want = {WANT(0, fast_retransmits, 3), WANT(0, rtos, 0), WANT(0, retransmits, 3)}},
	{"all is dark for 100 ms", .set = dark_for_100_ms, .within_us = 400000, .after_us = 100000,
	 .want = {WANT_SOME(0, rtos), WANT(0, pmtu_blackholes, 0)}},
	{"the path shrinks, and says so", .set = shrinks, .within_us = 5000,
	 .want = {WANT(0, pmtu_updates, 1), WANT(0, rtos, 0), WANT(0, ecn_reductions, 0)}},
	{"the path shrinks silently", .set = shrinks_silently, .within_us = 10000000,
	 .want = {WANT(0, pmtu_updates, 0), WANT_SOME(0, pmtu_blackholes)}},
	{"the path shrinks three times and is whole again", .set = shrinks_and_grows, .act = send_now_and_then,
	 .within_us = 100000000, .check = full_size, .keep = true,
	 .want = {WANT(0, pmtu_updates, 2), WANT_SOME(0, pmtu_blackholes), WANT(0, pmtu_probes, 1),
		  WANT(0, pmtu_raises, 1)}},
	{"a black hole stays, and each probe costs a segment", .set = shrinks_for_good, .act = send_now_and_then,
	 .within_us = 100000000, .check = size_of_1280, .keep = true,
	 .want = {WANT_SOME(0, pmtu_blackholes), WANT(0, pmtu_probes, 2), WANT(0, pmtu_raises, 0),
		  WANT(0, fast_retransmits, 0)}},
	{"the path grows halfway, and whole after ten minutes more", .set = grows_halfway, .act = send_every_300_s,
	 .within_us = 1900000000, .check = full_size, .keep = true,
	 .want = {WANT(0, pmtu_updates, 1), WANT(0, pmtu_blackholes, 0), WANT(0, pmtu_probes, 3),
		  WANT(0, pmtu_raises, 2), WANT(0, fast_retransmits, 0), WANT(0, rtos, 0)}},
	{NULL},
};
