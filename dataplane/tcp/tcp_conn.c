/* Connections: flow table, birth, agreement on options, death. */
#include "tcp/tcp_priv.h"

#include <errno.h>

static inline uint64_t fold(uint64_t a, uint64_t b)
{
	__uint128_t x = (__uint128_t)a * b;
	return (uint64_t)x ^ (uint64_t)(x >> 64);
}

/* Secrets on both sides of each product: the peer chooses its address and port, and a factor that it can make 0 would
 * put as many connections as it likes into one bucket. */
uint32_t tcp_key_hash(const struct tcp *t, const struct tcp_key *k)
{
	const uint64_t *s = t->hash_seed;
	uint64_t w[5];

	memcpy(w, k, sizeof(w)); /* all but the last padding */
	uint64_t h = fold(w[0] ^ s[0], w[2] ^ s[1]);
	h = fold(h ^ w[1], w[3] ^ s[2]);
	h = fold(h ^ w[4], s[3]);
	return (uint32_t)(h ^ h >> 32);
}

static void key_get_addr(struct net_addr *a, uint8_t family, const uint8_t in[16])
{
	memset(a, 0, sizeof(*a));
	a->family = family;
	if (family == 4)
		memcpy(&a->v4, in, 4);
	else
		memcpy(a->v6, in, 16);
}

/* Ports in host order. */
void tcp_key_set(struct tcp_key *k, const struct net_addr *l, uint16_t lport, const struct net_addr *r, uint16_t rport)
{
	const void *from = l->family == 4 ? (const void *)&l->v4 : l->v6,
		   *to = r->family == 4 ? (const void *)&r->v4 : r->v6;

	tcp_key_write(k, l->family, from, to, rte_cpu_to_be_16(lport), rte_cpu_to_be_16(rport));
}

void tcp_key_addrs(const struct tcp_key *k, struct net_addr *local, struct net_addr *remote)
{
	key_get_addr(local, k->family, k->laddr);
	key_get_addr(remote, k->family, k->raddr);
}

void tcp_conn_key(const struct tcp_conn *c, struct tcp_key *k)
{
	tcp_key_set(k, &c->path.local, rte_be_to_cpu_16(c->lport), &c->path.remote, rte_be_to_cpu_16(c->rport));
}

void *tcp_table_find(const struct tcp *t, const struct tcp_key *k, uint32_t hash)
{
	void *e = NULL;
	return rte_hash_lookup_with_hash_data(t->table, k, hash, &e) >= 0 ? e : NULL;
}

int tcp_table_set(struct tcp *t, const struct tcp_key *k, uint32_t hash, void *entry)
{
	t->table_gen++;
	return rte_hash_add_key_with_hash_data(t->table, k, hash, entry);
}

void tcp_table_remove(struct tcp *t, const struct tcp_key *k, uint32_t hash)
{
	t->table_gen++;
	rte_hash_del_key_with_hash(t->table, k, hash);
}

struct tcp_conn *tcp_conn_new(struct tcp *t, const struct tcp_key *k, uint32_t hash, int *err)
{
	struct net_addr local, remote;
	struct tcp_conn *c = pool_get(&t->conns);

	*err = -ENOBUFS;
	if (c == NULL)
		return NULL;
	memset(c, 0, sizeof(*c));
	tcp_key_addrs(k, &local, &remote);
	*err = t->p.lower.path_init(t->p.lower.ctx, &c->path, &local, &remote);
	if (*err == 0)
		*err = tcp_table_set(t, k, hash, c);
	if (*err != 0) {
		pool_put(&t->conns, c);
		return NULL;
	}
	c->t = t;
	c->lport = k->lport;
	c->rport = k->rport;
	c->hash = hash;
	c->peer_mss = k->family == 4 ? TCP_DEFAULT_MSS : TCP_DEFAULT_MSS_IPV6;
	c->rcv_mss = TCP_DEFAULT_MSS;
	c->quick_acks = TCP_QUICK_ACKS;
	c->ts_off = tcp_ts_offset(t, k);
	c->last_rx_us = c->progress_us = tcp_now_us(t);
	tcp_list_init(&c->wheel_link);
	tcp_list_init(&c->out_link);
	tcp_rto_init(c);
	tcp_pmtu_init(c);
	return c;
}

uint16_t tcp_conn_mss_at(const struct tcp_conn *c, uint16_t mtu)
{
	uint16_t headers = (uint16_t)((tcp_conn_is_ip4(c) ? 20 : 40) + sizeof(struct rte_tcp_hdr));
	uint16_t fits = mtu > headers + TCP_MIN_MSS ? mtu - headers : TCP_MIN_MSS;
	/* RFC 6691: the MSS option counts no options, each segment pays for its own. */
	uint16_t mss = RP_MIN(c->peer_mss, fits);
	if (c->flags & TCP_F_TS)
		mss -= TCP_OPT_TS_BYTES;
	return RP_MIN(mss, c->t->mss_cap);
}

uint16_t tcp_conn_mss(const struct tcp_conn *c)
{
	return tcp_conn_mss_at(c, c->path.mtu);
}

void tcp_conn_negotiate(struct tcp_conn *c, const struct tcp_opts *o)
{
	struct tcp *t = c->t;

	if (o->has & TCP_OPT_HAS_MSS)
		c->peer_mss = RP_MAX(o->mss, TCP_MIN_MSS);
	if (t->p.window_scale && (o->has & TCP_OPT_HAS_WSCALE)) {
		c->flags |= TCP_F_WS;
		c->snd_ws = o->wscale;
		c->rcv_ws = t->rcv_ws;
	}
	if (t->p.timestamps && (o->has & TCP_OPT_HAS_TS)) {
		c->flags |= TCP_F_TS;
		c->ts_recent = o->tsval;
		c->ts_recent_us = tcp_now_us(t);
		c->ts_recent_valid = 1;
	}
	if (!t->p.no_sack && (o->has & TCP_OPT_HAS_SACK_OK))
		c->flags |= TCP_F_SACK;
	c->rack_fack = c->iss;
	t->cc->init(c);
}

static void count_established(struct tcp_conn *c)
{
	struct tcp_counters *n = &c->t->count;

	if (c->flags & TCP_F_SYN_COUNTED) {
		c->flags &= ~TCP_F_SYN_COUNTED;
		n->syn_received--;
		n->conns++;
	}
	if (c->flags & TCP_F_ACTIVE)
		n->established_active++;
	else
		n->established_passive++;
}

void tcp_conn_establish(struct tcp_conn *c)
{
	const struct tcp_ops *ops = &c->t->p.ops;

	c->state = (c->flags & TCP_F_FIN_QUEUED) ? TCP_FIN_WAIT_1 : TCP_ESTABLISHED;
	if (c->probes > 1) /* a SYN lost twice is no accident: RFC 5681 section 3.1, RFC 6928 section 2 */
		c->cwnd = tcp_conn_mss(c);
	c->backoff = 0;
	c->probes = 0;
	if (c->snd_una == c->snd_nxt)
		tcp_timer_clear(c, TCP_T_RTX);
	tcp_timer_keep_restart(c);
	tcp_tune_start(c);
	count_established(c);
	if (c->snd_head != NULL || (c->flags & TCP_F_FIN_QUEUED))
		tcp_conn_want_output(c);
	if (c->flags & TCP_F_ACTIVE) {
		ops->connected(ops->ctx, c);
		return;
	}
	c->flags |= TCP_F_OWED; /* the user may abort inside accepted() */
	if (!ops->accepted(ops->ctx, c) && !(c->flags & TCP_F_DEAD)) {
		c->flags &= ~TCP_F_OWED;
		c->t->count.refused_by_user++;
		tcp_conn_reset(c, TCP_CLOSED_ABORTED);
	}
}

static void count_closed(struct tcp_conn *c, enum tcp_close_reason why)
{
	struct tcp_counters *n = &c->t->count;
	uint64_t *by_reason[] = {
		[TCP_CLOSED_NORMAL] = &n->closed_normal,   [TCP_CLOSED_RESET] = &n->closed_reset,
		[TCP_CLOSED_TIMEOUT] = &n->closed_timeout, [TCP_CLOSED_REFUSED] = &n->closed_refused,
		[TCP_CLOSED_ABORTED] = &n->closed_aborted, [TCP_CLOSED_NOMEM] = &n->closed_nomem,
	};

	if (c->flags & TCP_F_SYN_COUNTED)
		n->syn_received--;
	else
		n->conns--;
	if (c->flags & TCP_F_OWED)
		(*by_reason[why])++;
}

void tcp_conn_kill(struct tcp_conn *c, enum tcp_close_reason why)
{
	struct tcp *t = c->t;
	struct tcp_key k;

	if (c->flags & TCP_F_DEAD)
		return;
	count_closed(c, why);
	tcp_conn_key(c, &k);
	if (tcp_table_find(t, &k, c->hash) == c) /* TIME_WAIT may have taken our place */
		tcp_table_remove(t, &k, c->hash);
	tcp_wheel_remove(t, c);
	tcp_list_remove(&c->out_link);
	tcp_sendq_free(c);
	tcp_reass_free(c);
	c->flags |= TCP_F_DEAD;
	c->state = TCP_CLOSED;
	tcp_list_push(&t->dead, &c->out_link);
	if (c->flags & TCP_F_OWED)
		t->p.ops.closed(t->p.ops.ctx, c, c->user, why);
}

void tcp_conn_reset(struct tcp_conn *c, enum tcp_close_reason why)
{
	if (c->flags & TCP_F_DEAD)
		return;
	if (c->state >= TCP_SYN_RECEIVED) {
		c->t->count.rst_out++;
		tcp_output_ctl(c, c->snd_nxt, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG);
	}
	if (c->flags & TCP_F_COOKIE)
		tcp_tw_reset(c);
	tcp_conn_kill(c, why);
}

void tcp_reap(struct tcp *t)
{
	while (!tcp_list_empty(&t->dead)) {
		struct tcp_link *l = tcp_list_pop(&t->dead);
		struct tcp_conn *c = rp_container_of(l, struct tcp_conn, out_link);
		if (c->sack != NULL)
			pool_put(&t->sacks, c->sack);
		pool_put(&t->conns, c);
	}
}

void tcp_challenge_ack(struct tcp_conn *c)
{
	if (!tcp_rate_ok(c->t, &c->t->challenge_rate, c->t->p.challenge_per_s))
		return;
	c->t->count.challenge_acks++;
	tcp_output_ack(c);
}

bool tcp_rate_ok(struct tcp *t, struct tcp_rate *r, uint32_t per_s)
{
	uint64_t second = tcp_now_us(t) / 1000000;

	if (second != r->second) {
		r->second = second;
		r->used = 0;
		/* A stranger who could count on it would learn from what is left what others' connections took
		 * (CVE-2016-5696). */
		r->limit = RP_MAX(per_s / 2 + (uint32_t)rng_below(&t->rng, per_s), 1u);
	}
	if (r->used >= r->limit) {
		t->count.rate_limited++;
		return false;
	}
	r->used++;
	return true;
}
