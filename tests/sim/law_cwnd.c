#include "law_cwnd.h"

static void breaks(struct law_cwnd *l, const char *why)
{
	if (l->broken == NULL)
		l->broken = why;
}

static const struct tcp_cc *real(const struct tcp_conn *c)
{
	return c->t->p.cc == TCP_CC_NEWRENO ? &tcp_cc_newreno : &tcp_cc_cubic;
}

/* RFC 6928 (1) for an initial window of so many segments. */
static uint32_t initial_window(const struct tcp_conn *c, uint32_t mss)
{
	uint32_t segs = c->t->p.init_cwnd;

	return RP_MIN(segs * mss, RP_MAX(2 * mss, segs * 1460));
}

/* What the window may have become since the last event by itself. */
static void note_mss(struct law_cwnd *l, const struct tcp_conn *c)
{
	uint32_t mss = tcp_mss(c);

	if (mss < l->mss)
		l->resized = c->snd_nxt;
	l->mss = mss;
	if (c->cwnd != l->cwnd && l->cwnd < mss && c->cwnd == mss)
		l->cwnd = mss;
}

/* The law of c before an event; NULL: not yet under it. */
static struct law_cwnd *before(struct tcp_conn *c)
{
	struct law_cwnd *l = tcp_user(c);

	if (l == NULL || l->tally == NULL)
		return NULL;
	note_mss(l, c);
	if (c->cwnd != l->cwnd || c->ssthresh != l->ssthresh)
		breaks(l, "the congestion window moved without an event");
	return l;
}

static void after(struct law_cwnd *l, const struct tcp_conn *c)
{
	if (c->cwnd < l->mss || c->cwnd > TCP_CWND_MAX)
		breaks(l, "the congestion window is out of bounds");
	l->cwnd = c->cwnd;
	l->ssthresh = c->ssthresh;
}

/* ---- reductions ---- */

static uint32_t reduced(const struct law_cwnd *l, const struct tcp_conn *c)
{
	uint32_t flight = RP_MIN(c->snd_nxt - c->snd_una, l->cwnd);
	uint64_t rest = c->t->p.cc == TCP_CC_NEWRENO ? flight / 2 : (uint64_t)flight * 7 / 10;

	return RP_MAX((uint32_t)rest, 2 * l->mss);
}

static bool in_episode(const struct law_cwnd *l, const struct tcp_conn *c, enum law_cut cut)
{
	return l->cut == cut && tcp_seq_lt(c->snd_una, l->point);
}

static void can_undo(struct law_cwnd *l, bool can)
{
	l->may_undo = can;
	l->undo_cwnd = l->cwnd;
	l->undo_ssthresh = l->ssthresh;
	l->repeated = l->duplicates = 0;
	l->eifel = false;
}

/* Which of the instance's counters has just moved tells why. */
static enum law_cut reason(struct law_cwnd *l, const struct tcp_counters *n)
{
	if (n->fast_retransmits > l->tally->fast) {
		l->tally->fast++;
		return LAW_CUT_FAST;
	}
	if (n->ecn_reductions > l->tally->ecn) {
		l->tally->ecn++;
		return LAW_CUT_ECN;
	}
	if (n->tlp_repairs > l->tally->repairs) {
		l->tally->repairs++;
		return LAW_CUT_REPAIR;
	}
	return LAW_CUT_NONE;
}

static void enter_recovery(struct tcp_conn *c)
{
	struct law_cwnd *l = before(c);

	real(c)->enter_recovery(c);
	if (l == NULL)
		return;
	l->cut = reason(l, tcp_counters(c->t));
	if (l->cut == LAW_CUT_NONE)
		breaks(l, "a reduction without a reason");
	if (c->ssthresh != reduced(l, c))
		breaks(l, "ssthresh is not what a loss makes of it");
	if (c->cwnd != RP_MIN(l->cwnd, c->ssthresh))
		breaks(l, "a loss did not reduce the window as it must");
	can_undo(l, l->cut == LAW_CUT_FAST);
	l->point = c->snd_nxt;
	if (l->cut == LAW_CUT_ECN) {
		l->ecn_cut = true;
		l->ecn_before = l->ecn_point;
		l->ecn_point = l->point;
	}
	l->cuts++;
	l->cwr_due = (c->flags & TCP_F_ECN) && !c->no_ect;
	l->timed_out = false;
	law_growth_reduced(&l->cubic, l->cwnd, false);
	after(l, c);
}

static void timeout(struct tcp_conn *c, bool first)
{
	struct law_cwnd *l = before(c);

	real(c)->timeout(c, first);
	if (l == NULL)
		return;
	l->tally->timeouts++;
	bool again = l->timed_out && l->timeout_una == c->snd_una;
	if (c->ssthresh != (again ? l->ssthresh : reduced(l, c)))
		breaks(l, "ssthresh is not what a timeout makes of it");
	if (c->cwnd != l->mss)
		breaks(l, "the window is not one segment after a timeout");
	if (in_episode(l, c, LAW_CUT_FAST))
		can_undo(l, false); /* two reductions cannot be told apart */
	else if (!in_episode(l, c, LAW_CUT_TIMEOUT))
		can_undo(l, true);
	if (!again)
		law_growth_reduced(&l->cubic, l->cwnd, true);
	l->cut = LAW_CUT_TIMEOUT;
	l->cuts++;
	l->cwr_due = (c->flags & TCP_F_ECN) && !c->no_ect;
	l->point = c->snd_nxt;
	l->timed_out = true;
	l->timeout_una = c->snd_una;
	l->cubic.w_max = 0;
	l->cubic.running = false;
	after(l, c);
}

static void undo(struct tcp_conn *c)
{
	struct law_cwnd *l = tcp_user(c);

	real(c)->undo(c);
	if (l == NULL || l->tally == NULL)
		return;
	note_mss(l, c);
	l->tally->undos++;
	if (!l->may_undo || (l->cut != LAW_CUT_FAST && l->cut != LAW_CUT_TIMEOUT))
		breaks(l, "a reduction was undone that must not be");
	else if (l->repeated == 0 || (!l->eifel && l->duplicates < l->repeated))
		breaks(l, "a reduction was undone and nothing shows that it was needless");
	if (c->cwnd > RP_MAX(l->cwnd, l->undo_cwnd) || c->ssthresh > RP_MAX(l->ssthresh, l->undo_ssthresh))
		breaks(l, "more was undone than there had been");
	l->cut = LAW_CUT_NONE;
	l->may_undo = l->timed_out = l->cwr_due = false;
	l->undone = true;
	l->cubic.w_max = l->cubic.undo_w_max;
	l->cubic.running = false;
	after(l, c);
}

/* ---- everything else ---- */

static void init(struct tcp_conn *c)
{
	real(c)->init(c);
	rp_assert(c->cwnd == initial_window(c, tcp_mss(c)));
}

static void acked(struct tcp_conn *c, uint32_t bytes)
{
	struct law_cwnd *l = before(c);

	real(c)->acked(c, bytes);
	if (l == NULL)
		return;
	if (c->cwnd > law_growth_most(l, c, bytes))
		breaks(l, "the window grew too much");
	if (c->cwnd < l->cwnd || c->ssthresh != l->ssthresh)
		breaks(l, "an acknowledgement reduced the window");
	after(l, c);
}

/* RFC 6582 section 3.2 step 3: without SACK no burst. */
static void exit_recovery(struct tcp_conn *c)
{
	struct law_cwnd *l = before(c);

	real(c)->exit_recovery(c);
	if (l == NULL)
		return;
	uint32_t most = l->cwnd;
	if (!(c->flags & TCP_F_SACK))
		most = RP_MAX(RP_MIN(l->ssthresh, RP_MAX(c->snd_nxt - c->snd_una, l->mss) + l->mss), l->mss);
	if (c->cwnd > most || c->ssthresh != l->ssthresh)
		breaks(l, "the window is too large after a recovery");
	after(l, c);
}

static void restart(struct tcp_conn *c)
{
	struct law_cwnd *l = before(c);

	real(c)->restart(c);
	if (l == NULL)
		return;
	if (c->cwnd > RP_MIN(l->cwnd, initial_window(c, l->mss)) || c->ssthresh != l->ssthresh)
		breaks(l, "the window is too large after a pause");
	l->cubic.running = false;
	after(l, c);
}

void law_cwnd_watch(struct tcp *t)
{
	static const struct tcp_cc law = {
		.name = "law",
		.init = init,
		.acked = acked,
		.enter_recovery = enter_recovery,
		.exit_recovery = exit_recovery,
		.timeout = timeout,
		.restart = restart,
		.undo = undo,
	};
	t->cc = &law;
}

void law_cwnd_begin(struct law_cwnd *l, struct tcp_conn *c, struct law_tally *tally, uint32_t syn_repeated)
{
	*l = (struct law_cwnd){.tally = tally, .mss = tcp_mss(c), .sent_to = c->snd_nxt, .resized = c->snd_una};
	if (c->cwnd > (syn_repeated > 1 ? l->mss : initial_window(c, l->mss)))
		breaks(l, "the initial window is too large");
	l->syn_window = c->cwnd;
	l->point = l->ecn_point = c->snd_una - 1;
	l->data_us = c->last_tx_us;
	after(l, c);
}

/* ---- what the wire tells ---- */

static bool in_force(const struct law_cwnd *l, const struct tcp_conn *c)
{
	return l->cut != LAW_CUT_NONE && tcp_seq_lt(c->snd_una, l->point);
}

static void sent_again(struct law_cwnd *l, const struct tcp_conn *c, const struct wire_seg *s)
{
	if (l->repeated++ == 0)
		l->repeated_ts = s->opts.tsval;
	/* From the first byte on, each once. */
	bool of_probe = s->seq == l->probe && tcp_seq_leq(s->seq + s->len, l->probe_end);
	if (of_probe)
		l->probe = s->seq + s->len;
	if (!in_force(l, c) && !of_probe && !tcp_seq_lt(s->seq, l->resized))
		l->tally->unexcused++;
}

static void sent_anew(struct law_cwnd *l, const struct tcp_conn *c, const struct wire_seg *s)
{
	bool idle = s->seq == c->snd_una && s->now_us - l->data_us > c->rto_us;

	if (idle && c->cwnd > initial_window(c, l->mss))
		breaks(l, "a pause left the window as it was");
	if (l->cwr_due && !(s->flags & RTE_TCP_CWR_FLAG))
		breaks(l, "the peer is not told of a reduction");
	l->cwr_due = false;
	if (s->len > l->mss) {
		l->probe = s->seq;
		l->probe_end = s->seq + s->len;
	}
	l->sent_to = s->seq + s->len;
}

void law_cwnd_sent(struct law_cwnd *l, const struct tcp_conn *c, const struct wire_seg *s)
{
	if (c == NULL || l->tally == NULL || s->len == 0)
		return;
	note_mss(l, c);
	if (tcp_seq_lt(s->seq, l->sent_to))
		sent_again(l, c, s);
	else
		sent_anew(l, c, s);
	l->data_us = s->now_us;
}

/* RFC 2883 section 4: the first block reports a duplicate if the ACK, or the block behind it, covers it. */
static bool reports_duplicate(const struct wire_seg *s)
{
	const struct tcp_block *b = s->opts.block;

	if (s->opts.nblocks == 0)
		return false;
	return tcp_seq_leq(b[0].end, s->ack) ||
	       (s->opts.nblocks > 1 && tcp_seq_geq(b[0].start, b[1].start) && tcp_seq_leq(b[0].end, b[1].end));
}

void law_cwnd_arrived(struct law_cwnd *l, const struct tcp_conn *c, const struct wire_seg *s)
{
	if (c == NULL || l->tally == NULL || !(s->flags & RTE_TCP_ACK_FLAG) || (s->flags & RTE_TCP_SYN_FLAG))
		return;
	l->duplicates += reports_duplicate(s);
	if (l->repeated > 0 && (c->flags & TCP_F_TS) && (s->opts.has & TCP_OPT_HAS_TS) &&
	    tcp_seq_gt(s->ack, c->snd_una) && tcp_seq_lt(s->opts.tsecr, l->repeated_ts))
		l->eifel = true;
	if ((s->flags & RTE_TCP_ECE_FLAG) && (c->flags & TCP_F_ECN) && !c->no_ect && tcp_seq_gt(s->ack, c->snd_una) &&
	    tcp_seq_gt(s->ack, l->ecn_point) && !in_force(l, c)) {
		l->ece = true;
		l->ece_ack = s->ack;
		l->ece_cuts = l->cuts;
	}
}

/* An echo that was taken, of a window that knows of no reduction yet, has brought one; but never two for one window:
 * it lasts until something behind it is acknowledged, for then the peer knows. */
static void check_ecn(struct law_cwnd *l, const struct tcp_conn *c)
{
	if (l->ece && c->snd_una == l->ece_ack && l->cuts == l->ece_cuts)
		breaks(l, "an ECN echo had no effect");
	if (l->ecn_cut && !tcp_seq_gt(c->snd_una, l->ecn_before))
		breaks(l, "ECN echoes of one window had two effects");
	l->ece = l->ecn_cut = l->undone = false;
}

const char *law_cwnd_step(struct law_cwnd *l, const struct tcp_conn *c)
{
	if (l->tally == NULL)
		return NULL;
	note_mss(l, c);
	if (c->cwnd != l->cwnd || c->ssthresh != l->ssthresh)
		breaks(l, "the congestion window moved without an event");
	check_ecn(l, c);
	return l->broken;
}

const char *law_tally_step(struct law_tally *y, const struct tcp *t)
{
	const struct tcp_counters *n = tcp_counters(t);

	if (n->fast_retransmits != y->fast || n->ecn_reductions != y->ecn || n->tlp_repairs != y->repairs ||
	    n->rtos != y->timeouts || n->undos != y->undos)
		return "a loss was counted and the window was not asked";
	if (y->unexcused > n->tlp_probes - y->probes)
		return "data was sent again and the window was not reduced";
	y->probes = n->tlp_probes;
	y->unexcused = 0;
	return NULL;
}
