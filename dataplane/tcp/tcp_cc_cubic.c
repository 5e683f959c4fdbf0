/* CUBIC: RFC 9438. Integers only: bytes, milliseconds, and factors of ten. */
#include "tcp/tcp_priv.h"

/* C = 0.4 segments per second cubed, beta = 0.7, alpha = 3 (1 - beta) / (1 + beta) = 9 / 17 */
#define ALPHA_NUM     9
#define ALPHA_DEN     17
#define SPAN_MAX_MS   50000 /* beyond it the cube would not fit, and any window is reached long before */
#define AFTER_BETA(x) ((uint32_t)((uint64_t)(x)*7 / 10))

static uint32_t now_ms(const struct tcp_conn *c)
{
	return (uint32_t)(tcp_now_us(c->t) / 1000);
}

static uint32_t cube_root(uint64_t v)
{
	uint64_t r = 0;

	for (int bit = 21; bit >= 0; bit--) {
		uint64_t x = r | 1ULL << bit;
		if (x * x * x <= v)
			r = x;
	}
	return (uint32_t)RP_MIN(r, (uint64_t)SPAN_MAX_MS);
}

static void cubic_init(struct tcp_conn *c)
{
	c->cwnd = tcp_cc_initial(c);
	c->ssthresh = TCP_CWND_MAX;
	memset(&c->cubic, 0, sizeof(c->cubic));
}

/* A stage of congestion avoidance begins: sections 4.2 and 4.8 */
static void begin_epoch(struct tcp_conn *c, uint32_t now)
{
	struct tcp_cubic *q = &c->cubic;
	uint32_t mss = tcp_conn_mss(c);

	q->running = true;
	q->epoch_ms = now;
	q->w_est = c->cwnd;
	q->k_ms = 0;
	if (q->w_max > c->cwnd) /* (2): K = cbrt((W_max - cwnd) / C), in ms */
		q->k_ms = cube_root((uint64_t)(q->w_max - c->cwnd) * 2500000000ULL / mss);
	else
		q->w_max = c->cwnd;
}

/* (1): W_cubic(t) = C (t - K)^3 + W_max */
static uint32_t w_cubic(const struct tcp_conn *c, uint32_t t_ms)
{
	int64_t d = (int64_t)RP_MIN(t_ms, (uint32_t)SPAN_MAX_MS) - c->cubic.k_ms;
	int64_t w = d * d * d / 1000000 * 4 * tcp_conn_mss(c) / 10000 + c->cubic.w_max;

	return (uint32_t)RP_MIN(RP_MAX(w, (int64_t)0), (int64_t)TCP_CWND_MAX);
}

/* (4), section 4.3 */
static void grow_w_est(struct tcp_conn *c, uint32_t bytes)
{
	struct tcp_cubic *q = &c->cubic;
	uint64_t grow = (uint64_t)bytes * tcp_conn_mss(c) / c->cwnd;

	if (q->w_est < q->w_prior)
		grow = grow * ALPHA_NUM / ALPHA_DEN;
	q->w_est = (uint32_t)RP_MIN(q->w_est + RP_MAX(grow, (uint64_t)1), (uint64_t)TCP_CWND_MAX);
}

static void avoid_congestion(struct tcp_conn *c, uint32_t bytes)
{
	struct tcp_cubic *q = &c->cubic;
	uint32_t now = now_ms(c);

	if (!q->running)
		begin_epoch(c, now);
	else if (now - q->last_ms > c->rto_us / 1000 + 1) /* section 5.8: the pause is no time to grow in */
		q->epoch_ms += now - q->last_ms;
	q->last_ms = now;
	uint32_t t = now - q->epoch_ms;
	grow_w_est(c, bytes);
	if (w_cubic(c, t) < q->w_est) { /* the Reno-friendly region */
		c->cwnd = RP_MAX(c->cwnd, RP_MIN(q->w_est, c->cwnd + bytes));
		return;
	}
	uint32_t target = w_cubic(c, t + c->srtt_us / 1000);
	target = RP_MIN(target, c->cwnd + c->cwnd / 2);
	if (target > c->cwnd)
		c->cwnd += (uint32_t)((uint64_t)(target - c->cwnd) * RP_MIN(bytes, c->cwnd) / c->cwnd);
}

static void cubic_acked(struct tcp_conn *c, uint32_t bytes)
{
	if (c->cwnd < c->ssthresh)
		bytes = tcp_cc_slow_start(c, bytes);
	if (bytes > 0)
		avoid_congestion(c, bytes);
	c->cwnd = RP_MIN(c->cwnd, (uint32_t)TCP_CWND_MAX);
}

/* Sections 4.6 and 4.7 */
static void reduce(struct tcp_conn *c)
{
	struct tcp_cubic *q = &c->cubic;
	uint32_t flight = RP_MIN(c->snd_nxt - c->snd_una, c->cwnd);

	q->undo_w_max = q->w_max;
	q->w_prior = c->cwnd;
	q->w_max = c->cwnd < q->w_max ? (uint32_t)((uint64_t)c->cwnd * 17 / 20) : c->cwnd; /* fast convergence */
	q->running = false;
	c->ssthresh = RP_MAX(AFTER_BETA(flight), 2u * tcp_conn_mss(c));
}

static void cubic_enter_recovery(struct tcp_conn *c)
{
	reduce(c);
	c->cwnd = RP_MIN(c->cwnd, c->ssthresh);
}

static void cubic_timeout(struct tcp_conn *c, bool first)
{
	if (first)
		reduce(c);
	c->cubic.w_max = 0; /* section 4.8: the next stage starts from the window that it finds */
	c->cubic.running = false;
	c->cwnd = tcp_conn_mss(c);
}

static void cubic_restart(struct tcp_conn *c)
{
	c->cwnd = RP_MIN(c->cwnd, tcp_cc_initial(c));
	c->cubic.running = false;
}

static void cubic_undo(struct tcp_conn *c)
{
	c->cubic.w_max = c->cubic.undo_w_max;
	c->cubic.running = false;
}

const struct tcp_cc tcp_cc_cubic = {
	.name = "cubic",
	.init = cubic_init,
	.acked = cubic_acked,
	.enter_recovery = cubic_enter_recovery,
	.exit_recovery = tcp_cc_exit_recovery,
	.timeout = cubic_timeout,
	.restart = cubic_restart,
	.undo = cubic_undo,
};
