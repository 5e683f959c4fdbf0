/* Timers: retransmission, probe and persist, reordering, delayed ACK, keepalive and FIN_WAIT_2. */
#include "tcp/tcp_priv.h"

void tcp_timer_set(struct tcp_conn *c, enum tcp_timer which, uint64_t at_us)
{
	c->deadline[which] = at_us;
	if (c->wheel_us != 0 && c->wheel_us <= at_us)
		return; /* it looks in time, and then moves on */
	tcp_wheel_remove(c->t, c);
	tcp_wheel_add(c->t, c, at_us);
}

void tcp_timer_rtx_restart(struct tcp_conn *c)
{
	uint64_t at = tcp_now_us(c->t) + tcp_rto_now(c);

	c->flags &= ~(TCP_F_PERSIST | TCP_F_PTO);
	if (tcp_tlp_wanted(c)) {
		c->flags |= TCP_F_PTO;
		at = tcp_tlp_due_us(c);
	}
	tcp_timer_set(c, TCP_T_RTX, at);
}

static uint64_t user_timeout_us(const struct tcp_conn *c)
{
	return c->t->p.user_timeout_ms * 1000ULL;
}

void tcp_timer_keep_restart(struct tcp_conn *c)
{
	uint64_t idle_us = c->t->p.keepalive_idle_s * 1000000ULL;

	if (c->state == TCP_FIN_WAIT_2)
		tcp_timer_set(c, TCP_T_KEEP, tcp_now_us(c->t) + user_timeout_us(c));
	else if (idle_us != 0)
		tcp_timer_set(c, TCP_T_KEEP, c->last_rx_us + idle_us);
	else
		tcp_timer_clear(c, TCP_T_KEEP);
}

static void back_off(struct tcp_conn *c)
{
	if (c->backoff < TCP_BACKOFF_MAX)
		c->backoff++;
	if (c->probes < UINT8_MAX)
		c->probes++;
}

static void on_syn_timeout(struct tcp_conn *c)
{
	uint32_t limit = c->state == TCP_SYN_SENT ? c->t->p.syn_retries : c->t->p.synack_retries;

	if (c->probes >= limit) {
		c->t->count.syn_timeouts += c->state == TCP_SYN_RECEIVED;
		tcp_conn_kill(c, TCP_CLOSED_TIMEOUT);
		return;
	}
	back_off(c);
	tcp_rto_double(c);
	if (tcp_output_syn(c))
		c->t->count.retransmits++;
	tcp_timer_rtx_restart(c);
}

static void output(struct tcp_conn *c)
{
	bool done;

	tcp_output_conn(c, &done);
	if (!done && !(c->flags & TCP_F_DEAD))
		tcp_conn_want_output(c);
}

/* A closed window is the peer's right while it answers our probes, unless our user has gone. */
static bool given_up(const struct tcp_conn *c)
{
	uint64_t since = c->progress_us;

	if (c->snd_wnd == 0 && !(c->flags & TCP_F_FIN_QUEUED)) {
		if (c->probes == 0)
			return false;
		since = RP_MAX(since, c->last_rx_us);
	}
	return tcp_now_us(c->t) - since >= user_timeout_us(c);
}

/* Sending does not move the timer: whether the probe is due after the last segment, too, is seen here. */
static void on_pto(struct tcp_conn *c)
{
	uint64_t due = tcp_tlp_due_us(c);

	if (tcp_tlp_wanted(c) && due > tcp_now_us(c->t)) {
		tcp_timer_set(c, TCP_T_RTX, due);
		return;
	}
	c->flags &= ~TCP_F_PTO;
	if (tcp_tlp_wanted(c) && !tcp_output_probe(c)) /* no buffer: the timeout takes the probe's place */
		tcp_timer_set(c, TCP_T_RTX, tcp_now_us(c->t) + tcp_rto_now(c));
	else
		tcp_timer_rtx_restart(c);
}

static void on_reo(struct tcp_conn *c)
{
	tcp_loss_detect(c);
	output(c);
}

/* RFC 6298 section 5 (5.4 to 5.6). Without SACK all that is unacknowledged is taken for lost (RFC 5681 section 3.1). */
static void on_rtx_timeout(struct tcp_conn *c)
{
	c->t->count.rtos++;
	tcp_rto_double(c);
	if (c->flags & TCP_F_SACK)
		tcp_rack_timeout(c);
	for (struct rte_mbuf *m = c->snd_head; !(c->flags & TCP_F_SACK) && m != NULL && m != c->snd_new;
	     m = buf_priv(m)->seg.next)
		tcp_sendq_mark_lost(c, m);
	tcp_recovery_timeout(c);
	back_off(c);
	tcp_pmtu_timeout(c);
	output(c);
	if (!(c->flags & TCP_F_DEAD))
		tcp_timer_rtx_restart(c);
}

/* RFC 9293 section 3.8.6.1. The probe lies just before the window: every peer answers it, none keeps it. */
static void on_persist(struct tcp_conn *c)
{
	uint64_t now = tcp_now_us(c->t);

	if (tcp_seq_gt(c->snd_una + c->snd_wnd, c->snd_nxt)) {
		c->flags = (c->flags | TCP_F_OVERRIDE) & ~TCP_F_PERSIST;
		output(c);
		return;
	}
	if (tcp_output_ctl(c, c->snd_una - 1, RTE_TCP_ACK_FLAG))
		c->t->count.window_probes++;
	back_off(c);
	/* Several probes may be lost before the user timeout judges. */
	uint64_t most = RP_MIN((uint64_t)c->t->p.rto_max_us, RP_MAX(user_timeout_us(c) / 4, 1u));
	tcp_timer_set(c, TCP_T_RTX, now + RP_MIN(tcp_rto_now(c) << c->backoff, most));
}

static void on_rtx(struct tcp_conn *c)
{
	if (c->state < TCP_ESTABLISHED)
		on_syn_timeout(c);
	else if (given_up(c))
		tcp_conn_reset(c, TCP_CLOSED_TIMEOUT);
	else if (c->flags & TCP_F_PERSIST)
		on_persist(c);
	else if (c->snd_una != c->snd_nxt && (c->flags & TCP_F_PTO))
		on_pto(c);
	else if (c->snd_una != c->snd_nxt)
		on_rtx_timeout(c);
}

static void on_delack(struct tcp_conn *c)
{
	if (tcp_output_ack(c))
		c->t->count.delayed_acks++;
}

/* RFC 1122 section 4.2.3.6 */
static void on_keep(struct tcp_conn *c)
{
	const struct tcp_params *p = &c->t->p;
	uint64_t now = tcp_now_us(c->t);

	if (c->state == TCP_FIN_WAIT_2) { /* closed by us, and the peer does not: nobody reads what it sends */
		tcp_conn_reset(c, TCP_CLOSED_TIMEOUT);
		return;
	}
	if (now - c->last_rx_us < p->keepalive_idle_s * 1000000ULL) {
		tcp_timer_keep_restart(c);
		return;
	}
	if (c->snd_una == c->snd_nxt && !(c->flags & TCP_F_PERSIST)) {
		if (c->probes >= p->keepalive_probes) {
			tcp_conn_reset(c, TCP_CLOSED_TIMEOUT);
			return;
		}
		if (tcp_output_ctl(c, c->snd_una - 1, RTE_TCP_ACK_FLAG)) { /* else no answer says nothing */
			c->t->count.keepalive_probes++;
			c->probes++;
		}
	}
	tcp_timer_set(c, TCP_T_KEEP, now + p->keepalive_intvl_s * 1000000ULL);
}

static void fire(struct tcp_conn *c, uint64_t now)
{
	static void (*const handler[TCP_TIMERS])(struct tcp_conn *) = {
		[TCP_T_RTX] = on_rtx,
		[TCP_T_REO] = on_reo,
		[TCP_T_DELACK] = on_delack,
		[TCP_T_KEEP] = on_keep,
	};

	for (int i = 0; i < TCP_TIMERS && !(c->flags & TCP_F_DEAD); i++) {
		if (c->deadline[i] != 0 && c->deadline[i] <= now) {
			c->deadline[i] = 0;
			handler[i](c);
		}
	}
}

static void rearm(struct tcp_conn *c)
{
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < TCP_TIMERS; i++) {
		if (c->deadline[i] != 0)
			next = RP_MIN(next, c->deadline[i]);
	}
	if (next == UINT64_MAX || (c->wheel_us != 0 && c->wheel_us <= next))
		return;
	tcp_wheel_remove(c->t, c);
	tcp_wheel_add(c->t, c, next);
}

uint32_t tcp_poll_timers(struct tcp *t)
{
	uint64_t now = tcp_now_us(t);
	uint32_t fired = 0;
	struct tcp_conn *c;

	if (now - t->bufs_us >= TCP_CLOCK_US)
		tcp_tune_poll(t);
	t->depth++;
	while (fired < TCP_TIMERS_PER_POLL && (c = tcp_wheel_pop(t, now)) != NULL) {
		fired++;
		fire(c, now);
		if (!(c->flags & TCP_F_DEAD))
			rearm(c);
	}
	fired += tcp_tw_poll(t);
	if (--t->depth == 0)
		tcp_reap(t);
	return fired;
}

uint64_t tcp_next_timer_us(const struct tcp *t)
{
	uint64_t next = tcp_wheel_next_us(&t->wheel);

	if (!tcp_list_empty(&t->out))
		return tcp_now_us(t);
	if (!tcp_list_empty(&t->tw_list))
		next = RP_MIN(next, rp_container_of(t->tw_list.next, struct tcp_tw, link)->expires_us);
	return next;
}
