/* NewReno: RFC 5681, RFC 6582; bytes are counted as in RFC 3465. */
#include "tcp/tcp_priv.h"

static uint32_t flight_size(const struct tcp_conn *c)
{
	return c->snd_nxt - c->snd_una;
}

static uint32_t half_flight(const struct tcp_conn *c)
{
	/* RFC 5681 (4). With what is sacked the flight may be larger than the window was. */
	return RP_MAX(RP_MIN(flight_size(c), c->cwnd) / 2, 2u * tcp_conn_mss(c));
}

#define IW_SEGMENT 1460 /* RFC 6928 counts in segments of this size, and longer ones by their bytes */

uint32_t tcp_cc_initial(const struct tcp_conn *c)
{
	uint32_t mss = tcp_conn_mss(c), segs = c->t->p.init_cwnd;

	return RP_MIN(segs * mss, RP_MAX(2 * mss, segs * IW_SEGMENT));
}

static void newreno_init(struct tcp_conn *c)
{
	c->cwnd = tcp_cc_initial(c);
	c->ssthresh = TCP_CWND_MAX;
}

uint32_t tcp_cc_slow_start(struct tcp_conn *c, uint32_t bytes)
{
	/* No limit for what one ACK adds (the L of RFC 3465 and RFC 9406), or receivers that gather a hundred segments
	 * on a long path would hold it down: the burst is no longer than what they took at once. But after a timeout
	 * one ACK may cover much that had arrived before: it says nothing of the path. */
	if (c->flags & TCP_F_LOSS)
		bytes = RP_MIN(bytes, (uint32_t)tcp_conn_mss(c));
	uint32_t grow = RP_MIN(bytes, c->ssthresh - c->cwnd);
	c->cwnd += grow;
	return bytes - grow;
}

static void newreno_acked(struct tcp_conn *c, uint32_t bytes)
{
	uint32_t mss = tcp_conn_mss(c);

	if (c->cwnd < c->ssthresh)
		bytes = tcp_cc_slow_start(c, bytes);
	if (bytes > 0) {
		uint64_t grow = (uint64_t)mss * RP_MIN(bytes, 2 * mss) / c->cwnd;
		c->cwnd += RP_MAX(grow, 1u);
	}
	c->cwnd = RP_MIN(c->cwnd, (uint32_t)TCP_CWND_MAX);
}

static void newreno_enter_recovery(struct tcp_conn *c)
{
	c->ssthresh = half_flight(c);
	c->cwnd = RP_MIN(c->cwnd, c->ssthresh); /* the inflation by duplicate ACKs is in dup_bytes */
}

void tcp_cc_exit_recovery(struct tcp_conn *c)
{
	uint32_t mss = tcp_conn_mss(c);

	/* ssthresh may be of a time when segments were shorter. */
	if (!(c->flags & TCP_F_SACK))
		c->cwnd = RP_MAX(RP_MIN(c->ssthresh, RP_MAX(flight_size(c), mss) + mss), mss);
}

static void newreno_timeout(struct tcp_conn *c, bool first)
{
	if (first)
		c->ssthresh = half_flight(c);
	c->cwnd = tcp_conn_mss(c);
}

static void newreno_restart(struct tcp_conn *c)
{
	c->cwnd = RP_MIN(c->cwnd, tcp_cc_initial(c)); /* RFC 5681 section 4.1 */
}

static void newreno_undo(struct tcp_conn *c)
{
}

const struct tcp_cc tcp_cc_newreno = {
	.name = "newreno",
	.init = newreno_init,
	.acked = newreno_acked,
	.enter_recovery = newreno_enter_recovery,
	.exit_recovery = tcp_cc_exit_recovery,
	.timeout = newreno_timeout,
	.restart = newreno_restart,
	.undo = newreno_undo,
};
