/* Listeners, and the arrival of a segment in LISTEN (RFC 9293 section 3.10.7.2) and SYN_SENT (3.10.7.3). */
#include "tcp/tcp_priv.h"

#include <errno.h>

int tcp_listen(struct tcp *t, const struct net_addr *addr, uint16_t port)
{
	struct tcp_listener *slot = NULL;
	uint16_t be = rte_cpu_to_be_16(port);

	for (uint32_t i = 0; i < TCP_LISTENERS; i++) {
		struct tcp_listener *l = &t->listener[i];
		if (l->port == 0)
			slot = slot != NULL ? slot : l;
		else if (l->port == be && (l->addr.family == 0 || addr->family == 0 || net_addr_eq(&l->addr, addr)))
			return -EADDRINUSE;
	}
	if (slot == NULL)
		return -EADDRINUSE;
	slot->addr = *addr;
	slot->port = be;
	return 0;
}

void tcp_unlisten(struct tcp *t, uint16_t port)
{
	for (uint32_t i = 0; i < TCP_LISTENERS; i++) {
		if (t->listener[i].port == rte_cpu_to_be_16(port))
			t->listener[i].port = 0;
	}
}

bool tcp_listener_match(const struct tcp *t, const struct tcp_key *k)
{
	struct net_addr local, remote;

	tcp_key_addrs(k, &local, &remote);
	for (uint32_t i = 0; i < TCP_LISTENERS; i++) {
		const struct tcp_listener *l = &t->listener[i];
		if (l->port == k->lport && k->lport != 0 && (l->addr.family == 0 || net_addr_eq(&l->addr, &local)))
			return true;
	}
	return false;
}

/* New work is shed first: no SYN is taken at the limit, nor while buffers are short. */
static bool may_accept(struct tcp *t)
{
	if (t->count.conns >= t->p.max_conns) {
		t->count.drop_conn_limit++;
		return false;
	}
	if (t->starved_us != 0 && tcp_now_us(t) - t->starved_us < TCP_STARVED_US) {
		t->count.drop_syn_nomem++;
		return false;
	}
	return true;
}

/* A half-open connection between irs and iss. */
static struct tcp_conn *half_open(struct tcp *t, const struct tcp_seg *s, uint32_t irs, uint32_t iss,
				  const struct tcp_opts *o)
{
	int err;
	struct tcp_conn *c = tcp_conn_new(t, s->key, s->hash, &err);

	if (c == NULL) {
		t->count.drop_path++;
		return NULL;
	}
	c->state = TCP_SYN_RECEIVED;
	c->flags |= TCP_F_SYN_COUNTED;
	t->count.syn_received++;
	t->count.passive_opens++;
	c->irs = irs;
	c->rcv_nxt = c->rcv_adv = c->rcv_acked = irs + 1;
	c->iss = iss;
	c->snd_una = c->recover = iss;
	c->snd_nxt = c->snd_end = iss + 1;
	tcp_conn_negotiate(c, o);
	return c;
}

/* At the limit of half-open connections none is kept: the answer carries what it would remember. A reused tuple waits:
 * a cookie cannot be chosen behind what the predecessor sent. */
static void at_syn_limit(struct tcp *t, const struct tcp_seg *s, const struct tcp_tw *old)
{
	if (t->p.no_syn_cookies || old != NULL)
		t->count.drop_syn_limit++;
	else
		tcp_cookie_send(t, s);
}

/* It could not be answered: as if its SYN had been lost. */
static void take_back(struct tcp_conn *c, struct tcp_tw *old)
{
	struct tcp *t = c->t;

	t->count.drop_syn_nomem++;
	tcp_conn_kill(c, TCP_CLOSED_NOMEM);
	if (old != NULL)
		tcp_table_set(t, &old->key, old->hash, tcp_tw_entry(old));
}

static void accept_syn(struct tcp *t, struct tcp_seg *s, struct tcp_tw *old)
{
	struct tcp_conn *c;
	uint32_t iss = tcp_isn(t, s->key);

	if (!may_accept(t))
		return;
	if (t->count.syn_received >= t->p.max_syn) {
		at_syn_limit(t, s, old);
		return;
	}
	if (old != NULL && tcp_seq_leq(iss, old->snd_nxt))
		iss = old->snd_nxt + 65536; /* behind all that the predecessor sent */
	c = half_open(t, s, s->seq, iss, &s->opts);
	if (c == NULL)
		return;
	if (tcp_ecn_wanted(t, s->flags))
		c->flags |= TCP_F_ECN;
	if (!tcp_output_syn(c)) {
		take_back(c, old);
		return;
	}
	if (old != NULL)
		tcp_tw_replaced(t, old);
	tcp_timer_rtx_restart(c);
}

/* The ACK that a SYN cookie comes back in. False: it is none. */
static bool accept_cookie(struct tcp *t, struct tcp_seg *s)
{
	struct tcp_opts o;
	bool ecn;

	if ((s->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG)) != RTE_TCP_ACK_FLAG || !tcp_listener_match(t, s->key) ||
	    !tcp_cookie_check(t, s, &o, &ecn))
		return false;
	if (!may_accept(t))
		return true;
	struct tcp_conn *c = half_open(t, s, s->seq - 1, s->ack - 1, &o);
	if (c == NULL)
		return true;
	c->flags |= TCP_F_COOKIE | (ecn ? TCP_F_ECN : 0);
	c->probes = 1; /* when the SYN-ACK left is not known: no round trip to measure */
	c->rcv_adv = c->rcv_nxt + RP_MIN(t->p.rcv_buf, 65535u);
	tcp_input_steps(c, s);
	if (!(c->flags & TCP_F_DEAD) && c->state == TCP_SYN_RECEIVED)
		tcp_conn_kill(c, TCP_CLOSED_REFUSED);
	return true;
}

void tcp_input_listen(struct tcp *t, struct tcp_seg *s, struct tcp_tw *old)
{
	if (s->flags & RTE_TCP_RST_FLAG) {
		t->count.drop_no_conn++;
		return;
	}
	if (accept_cookie(t, s))
		return;
	if ((s->flags & RTE_TCP_ACK_FLAG) && tcp_cookie_in_use(t) && tcp_listener_match(t, s->key)) {
		t->count.drop_no_conn++;
		return;
	}
	if ((s->flags & RTE_TCP_ACK_FLAG) || !(s->flags & RTE_TCP_SYN_FLAG) || !tcp_listener_match(t, s->key)) {
		t->count.drop_no_conn++;
		tcp_reply_rst(t, s);
		return;
	}
	accept_syn(t, s, old);
}

static void take_peer_syn(struct tcp_conn *c, const struct tcp_seg *s)
{
	c->irs = s->seq;
	c->rcv_nxt = c->rcv_acked = s->seq + 1;
	c->rcv_adv = c->rcv_nxt + RP_MIN(c->t->p.rcv_buf, 65535u); /* what our SYN offered */
	c->snd_wnd = c->max_snd_wnd = s->wnd;                      /* a SYN's window is not scaled */
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	c->last_rx_us = tcp_now_us(c->t);
	tcp_conn_negotiate(c, &s->opts);
	if (tcp_ecn_wanted(c->t, s->flags) && !(s->flags & RTE_TCP_ACK_FLAG))
		c->flags |= TCP_F_ECN;
	else
		tcp_ecn_syn_ack(c, s->flags);
}

void tcp_input_syn_sent(struct tcp_conn *c, struct tcp_seg *s)
{
	struct tcp *t = c->t;
	bool ack = s->flags & RTE_TCP_ACK_FLAG;

	if (ack && s->ack != c->snd_nxt) { /* first, the ACK bit; our SYN carries no data */
		t->count.drop_ack++;
		tcp_reply_rst(t, s);
		return;
	}
	if (s->flags & RTE_TCP_RST_FLAG) { /* second, the RST bit */
		if (ack) {
			t->count.rst_in++;
			tcp_conn_kill(c, TCP_CLOSED_REFUSED);
		} else {
			t->count.drop_rst++;
		}
		return;
	}
	if (!(s->flags & RTE_TCP_SYN_FLAG)) { /* fourth, the SYN bit */
		t->count.drop_no_ack++;
		return;
	}
	take_peer_syn(c, s);
	if (!ack) { /* simultaneous open */
		c->state = TCP_SYN_RECEIVED;
		c->probes = 0;
		tcp_output_syn(c);
		tcp_timer_rtx_restart(c);
		return;
	}
	tcp_rto_handshake(c, s);
	c->snd_una = s->ack;
	tcp_conn_ack_now(c);
	tcp_conn_establish(c);
}
