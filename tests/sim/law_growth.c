/* How the window may grow. In floating point, and generous where integers round: an upper bound. */
#include <math.h>

#include "law_cwnd.h"

#define CUBIC_C     0.4
#define CUBIC_ALPHA (9.0 / 17) /* 3 (1 - beta) / (1 + beta) */
#define CLOCK_SLACK 0.003      /* s: a clock of milliseconds, read twice */
#define PAUSE_SLACK 3000       /* us */
#define ROUNDING    2

/* Bytes that slow start may add. After a timeout one ACK may cover much that had arrived before: it says nothing of the
 * path. */
static uint32_t slow_start(const struct law_cwnd *l, const struct tcp_conn *c, uint32_t bytes)
{
	bool after_timeout = l->cut == LAW_CUT_TIMEOUT && tcp_seq_lt(c->snd_una - bytes, l->point);

	return after_timeout ? RP_MIN(bytes, l->mss) : bytes;
}

static void begin_epoch(struct law_cubic *q, double cwnd, double mss, uint64_t now_us)
{
	q->running = true;
	q->epoch_us = now_us;
	q->w_est = cwnd;
	q->k_s = q->w_max > cwnd ? cbrt((q->w_max - cwnd) / mss / CUBIC_C) : 0;
	q->w_max = fmax(q->w_max, cwnd);
}

/* RFC 9438 sections 4.2 to 4.5, from a window of cwnd on. */
static double cubic_most(struct law_cwnd *l, const struct tcp_conn *c, double cwnd, double bytes)
{
	struct law_cubic *q = &l->cubic;
	uint64_t now = tcp_now_us(c->t);
	double mss = l->mss;

	if (!q->running)
		begin_epoch(q, cwnd, mss, now);
	else if (now - q->last_us > c->rto_us + PAUSE_SLACK) /* section 5.8: a pause is no time to grow in */
		q->epoch_us += now - q->last_us;
	q->last_us = now;
	q->w_est += fmax((q->w_est < q->prior ? CUBIC_ALPHA : 1) * bytes * mss / cwnd, 1);
	double t = (double)(now - q->epoch_us) / 1e6 + c->srtt_us / 1e6 + CLOCK_SLACK - q->k_s;
	double target = fmin(CUBIC_C * mss * t * t * t + q->w_max, 1.5 * cwnd);
	double by_cubic = cwnd + fmax(target - cwnd, 0) * fmin(bytes, cwnd) / cwnd;
	double by_reno = fmin(q->w_est, cwnd + bytes);
	return fmax(cwnd, fmax(by_cubic, by_reno)) + mss / 64 + ROUNDING;
}

/* RFC 5681 (3), RFC 3465: a segment for a window's worth of acknowledgements. */
static double newreno_most(const struct law_cwnd *l, double cwnd, double bytes)
{
	return cwnd + fmax(l->mss * bytes / cwnd, 1);
}

uint64_t law_growth_most(struct law_cwnd *l, const struct tcp_conn *c, uint32_t bytes)
{
	uint64_t ramp = (uint64_t)l->cwnd + slow_start(l, c, bytes), from = l->cwnd;

	if (l->cwnd < l->ssthresh) {
		if (ramp <= l->ssthresh)
			return ramp;
		from = l->ssthresh;
	}
	double most = c->t->p.cc == TCP_CC_CUBIC ? cubic_most(l, c, (double)from, bytes)
						 : newreno_most(l, (double)from, bytes);
	if (l->cwnd <
	    l->ssthresh) /* the ACK that steps over: by less than a segment without any division of its bytes */
		most = fmin((double)ramp, fmax(most, (double)l->ssthresh + l->mss));
	return (uint64_t)most;
}

/* Sections 4.6 to 4.8 */
void law_growth_reduced(struct law_cubic *q, uint32_t cwnd, bool timeout)
{
	q->undo_w_max = q->w_max;
	q->prior = cwnd;
	q->w_max = cwnd < q->w_max ? cwnd * (1 + 0.7) / 2 : cwnd; /* fast convergence */
	q->running = false;
	if (timeout) /* the next stage begins where it finds itself */
		q->w_max = 0;
}
