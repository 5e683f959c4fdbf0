/* TIME_WAIT: a connection shrinks to a small record. Records are bounded: the oldest makes room for the youngest. All
 * live equally long, so their list is ordered by expiry. */
#include "tcp/tcp_priv.h"

static void restart(struct tcp *t, struct tcp_tw *w)
{
	w->expires_us = tcp_now_us(t) + t->p.time_wait_ms * 1000ULL;
	tcp_list_remove(&w->link);
	tcp_list_push(&t->tw_list, &w->link);
}

static void release(struct tcp *t, struct tcp_tw *w)
{
	tcp_list_remove(&w->link);
	pool_put(&t->tws, w);
	t->count.time_wait--;
}

void tcp_tw_drop(struct tcp *t, struct tcp_tw *w)
{
	tcp_table_remove(t, &w->key, w->hash);
	release(t, w);
}

void tcp_tw_replaced(struct tcp *t, struct tcp_tw *w)
{
	t->count.tw_reused++;
	release(t, w);
}

static struct tcp_tw *take(struct tcp *t)
{
	struct tcp_tw *w = pool_get(&t->tws);

	if (w == NULL && !tcp_list_empty(&t->tw_list)) {
		tcp_tw_drop(t, rp_container_of(t->tw_list.next, struct tcp_tw, link));
		t->count.tw_recycled++;
		w = pool_get(&t->tws);
	}
	return w;
}

/* A record takes the place of c. */
static void leave_record(struct tcp_conn *c, bool reset)
{
	struct tcp *t = c->t;
	struct tcp_tw *w = take(t);

	if (w == NULL)
		return;
	*w = (struct tcp_tw){
		.hash = c->hash,
		.rcv_nxt = c->rcv_nxt,
		.snd_nxt = c->snd_nxt,
		.ts_recent = c->ts_recent,
		.ts_off = c->ts_off,
		.wnd = (uint16_t)((tcp_seq_max(c->rcv_adv, c->rcv_nxt) - c->rcv_nxt) >> c->rcv_ws),
		.ts = (c->flags & TCP_F_TS) != 0,
		.reset = reset,
	};
	tcp_conn_key(c, &w->key);
	tcp_list_init(&w->link);
	restart(t, w);
	t->count.time_wait++;
	tcp_table_set(t, &w->key, w->hash, tcp_tw_entry(w));
}

void tcp_tw_enter(struct tcp_conn *c)
{
	if (c->flags & TCP_F_ACK_NOW)
		tcp_output_ack(c); /* if it does not get out, the peer's FIN comes again */
	leave_record(c, false);
	tcp_conn_kill(c, TCP_CLOSED_NORMAL);
}

void tcp_tw_reset(struct tcp_conn *c)
{
	leave_record(c, true);
}

/* RFC 9293 section 3.10.7.4 and RFC 6191: a new incarnation, provably later than the old one? */
static bool newer_syn(const struct tcp_tw *w, const struct tcp_seg *s)
{
	if ((s->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG)) != RTE_TCP_SYN_FLAG)
		return false;
	if (w->ts && (s->opts.has & TCP_OPT_HAS_TS) && s->opts.tsval != w->ts_recent)
		return tcp_seq_gt(s->opts.tsval, w->ts_recent);
	return tcp_seq_gt(s->seq, w->rcv_nxt);
}

/* What the old incarnation left in the network is older than the new one's first timestamp. */
bool tcp_tw_reusable(const struct tcp *t, const struct tcp_tw *w)
{
	uint64_t since_us = w->expires_us - t->p.time_wait_ms * 1000ULL;

	return w->ts && t->p.timestamps && tcp_now_us(t) >= since_us + 2 * TCP_CLOCK_US;
}

void tcp_input_time_wait(struct tcp *t, struct tcp_tw *w, struct tcp_seg *s)
{
	if (s->flags & RTE_TCP_RST_FLAG) { /* RFC 1337: no assassination */
		t->count.drop_rst++;
		return;
	}
	if (newer_syn(w, s) && tcp_listener_match(t, s->key)) {
		tcp_input_listen(t, s, w);
		return;
	}
	t->count.drop_time_wait++;
	bool had = tcp_seg_end(s) == w->rcv_nxt; /* not from anywhere */
	if (had && (w->reset || (s->flags & RTE_TCP_FIN_FLAG)))
		restart(t, w);
	if (w->reset) {
		tcp_reply_rst(t, s);
		return;
	}
	/* A bare ACK at the right place needs no answer: two TIME_WAITs must not talk for ever. */
	if ((s->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG)) || s->len > 0 || s->seq != w->rcv_nxt)
		tcp_reply_tw_ack(t, w);
}

uint32_t tcp_tw_poll(struct tcp *t)
{
	uint32_t n = 0;

	while (n < TCP_TIMERS_PER_POLL && !tcp_list_empty(&t->tw_list)) {
		struct tcp_tw *w = rp_container_of(t->tw_list.next, struct tcp_tw, link);
		if (w->expires_us > tcp_now_us(t))
			break;
		tcp_tw_drop(t, w);
		n++;
	}
	return n;
}
