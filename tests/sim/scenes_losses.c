/* One particular segment is lost, or a flight of them. */
#include "stage.h"

static void data_3(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (s->from == 0 && s->nth_data == 3)
		f->lost = stage_once(st, s);
}

static void data_3_and_its_repetition(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	static const uint32_t third = 2 * 1448; /* with timestamps */

	if (s->from == 0 && s->len > 0 && s->seq - st->actor[0].c->iss - 1 == third)
		f->lost = st->hits++ < 2;
}

static void last_data(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (s->from == 0 && s->len > 0 && (s->flags & RTE_TCP_FIN_FLAG))
		f->lost = stage_once(st, s);
}

static void syn(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (s->flags == RTE_TCP_SYN_FLAG)
		f->lost = stage_once(st, s);
}

static void syn_ack(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (s->flags == (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG))
		f->lost = stage_once(st, s);
}

/* Whichever timer is first: two repetitions of each side are in vain. */
static void syn_ack_and_two_more(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (s->flags != (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG))
		return;
	st->hits++;
	f->lost = stage_us(st) < 700000;
}

static const char *small_window(struct stage *st)
{
	return st->actor[1].law.syn_window != st->actor[1].law.mss ? "the server's initial window is too large" : NULL;
}

static void server_fin(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (s->from == 1 && (s->flags & RTE_TCP_FIN_FLAG))
		f->lost = stage_once(st, s);
}

static void ack(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (s->from == 1 && s->flags == RTE_TCP_ACK_FLAG)
		f->lost = stage_once(st, s);
}

static void acks_of_a_flight(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (s->from == 1 && s->flags == RTE_TCP_ACK_FLAG)
		f->lost = stage_together(st, s);
}

static void burst(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (s->from != 0 || s->nth_data < 3 || s->nth_data > 7)
		return;
	st->hits++;
	f->lost = true;
}

/* Of what is sent while the first is repaired one is lost, too, and when the repair is over nothing is left to say so
 * but that later ones arrived: another window, another reduction. */
static void longer(struct stage *st)
{
	st->bytes = 60000;
}

static void data_3_and_one_in_recovery(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	const struct tcp_conn *c = st->actor[0].c;
	bool beyond = c != NULL && (c->flags & TCP_F_RECOVERY) && tcp_seq_gt(s->seq, c->recover);

	if (s->from != 0 || s->len == 0 || !(s->nth_data == 3 || (beyond && st->hits == 1)))
		return;
	st->hits++;
	f->lost = true;
}

static void flight(struct stage *st, const struct wire_seg *s, struct wire_fate *f)
{
	if (s->from == 0 && s->len > 0)
		f->lost = stage_together(st, s);
}

const struct scene scenes_losses[] = {
	{"the third data segment is lost", .rule = data_3, .within_us = 10000,
	 .want = {WANT(0, fast_retransmits, 1), WANT(0, rtos, 0), WANT(0, tlp_probes, 0), WANT(0, retransmits, 1)}},
	{"and so is its repetition", .rule = data_3_and_its_repetition, .within_us = 10000,
	 .want = {WANT(0, fast_retransmits, 1), WANT(0, rtos, 0), WANT(0, retransmits, 2)}},
	{"the last data segment with the FIN is lost", .rule = last_data, .within_us = 12000,
	 .want = {WANT(0, fast_retransmits, 0), WANT(0, rtos, 0), WANT(0, tlp_probes, 1)}},
	{"the SYN is lost", .rule = syn, .within_us = 300000,
	 .want = {WANT(0, fast_retransmits, 0), WANT(0, rtos, 0), WANT(0, tlp_probes, 0)}},
	{"the SYN-ACK is lost", .rule = syn_ack, .within_us = 300000,
	 .want = {WANT(0, fast_retransmits, 0), WANT(0, rtos, 0), WANT(0, tlp_probes, 0)}},
	{"the SYN-ACK is lost until each side has tried three times", .rule = syn_ack_and_two_more,
	 .within_us = 2000000, .check = small_window, .want = {WANT(0, fast_retransmits, 0), WANT(0, rtos, 0)}},
	{"the server's FIN, which acknowledges ours, is lost", .rule = server_fin, .within_us = 12000,
	 .want = {WANT(0, fast_retransmits, 0), WANT(0, rtos, 0), WANT(0, tlp_probes, 1)}},
	{"one ACK of a flight is lost", .rule = ack, .within_us = 2000,
	 .want = {WANT(0, fast_retransmits, 0), WANT(0, rtos, 0), WANT(0, tlp_probes, 0), WANT(0, retransmits, 0)}},
	{"all ACKs of a flight are lost", .rule = acks_of_a_flight, .within_us = 10000,
	 .want = {WANT(0, fast_retransmits, 0), WANT(0, rtos, 0), WANT(0, tlp_probes, 1)}},
	{"five segments in a row are lost", .rule = burst, .within_us = 10000,
	 .want = {WANT(0, fast_retransmits, 1), WANT(0, rtos, 0), WANT(0, retransmits, 5)}},
	{"the third is lost, and one that was sent during its repair", .set = longer,
	 .rule = data_3_and_one_in_recovery, .within_us = 10000,
	 .want = {WANT(0, fast_retransmits, 2), WANT(0, rtos, 0), WANT(0, retransmits, 2)}},
	{"a whole flight is lost", .rule = flight, .within_us = 60000, .want = {WANT_SOME(0, tlp_probes)}},
	{NULL},
};
