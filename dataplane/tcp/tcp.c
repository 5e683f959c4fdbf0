/* The instance and the user's calls. */
#include "tcp/tcp_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT_FIRST 49152 /* RFC 6335: dynamic ports */
#define PORT_COUNT (65536 - PORT_FIRST)
/* rte_hash: key and pointer, the places in two buckets, and in the list of free ones. */
#define FLOW_ENTRY_BYTES 96

static void set_defaults(struct tcp_params *p)
{
#define DEFAULT(field, value) p->field = p->field != 0 ? p->field : (value)
	DEFAULT(max_conns, 10000);
	DEFAULT(max_syn, 1024);
	DEFAULT(max_time_wait, 4096);
	DEFAULT(rcv_buf, 4 << 20);
	DEFAULT(snd_buf, 4 << 20);
	DEFAULT(rto_min_us, 5000);
	DEFAULT(rto_max_us, 60000000);
	DEFAULT(rto_init_us, 1000000);
	DEFAULT(delack_us, 5000);
	DEFAULT(keepalive_intvl_s, 75);
	DEFAULT(keepalive_probes, 9);
	DEFAULT(time_wait_ms, 1000);
	DEFAULT(user_timeout_ms, 30000);
	DEFAULT(pmtu_probe_ms, 600000);
	DEFAULT(init_cwnd, 10);
	DEFAULT(syn_retries, 5);
	DEFAULT(synack_retries, 4);
	DEFAULT(challenge_per_s, 1000);
	DEFAULT(invalid_us, 500000);
	DEFAULT(rst_per_s, 1000);
	DEFAULT(ooo_bufs, RP_MAX(RP_MIN(p->rcv_buf, (uint32_t)TCP_RCV_BUF_BASE) / TCP_MERGE_BYTES, 16u));
	DEFAULT(snd_segs, RP_MAX(RP_MIN(p->snd_buf, (uint32_t)TCP_SND_BUF_BASE) / TCP_BYTES_PER_BUF, 16u));
#undef DEFAULT
	p->rcv_buf = RP_MIN(p->rcv_buf, 65535u << TCP_WSCALE_MAX);
	p->delack_us = RP_MIN(p->delack_us, 500000u); /* RFC 1122 section 4.2.3.2 */
}

static int create_table(struct tcp *t, struct err *e)
{
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters hp = {
		.name = name,
		.entries = RP_MAX(t->p.max_conns + t->p.max_syn + t->p.max_time_wait, 64u),
		.key_len = sizeof(struct tcp_key),
		.socket_id = SOCKET_ID_ANY,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};

	snprintf(name, sizeof(name), "tcp_flow_%x_%u", t->p.name_tag, t->p.worker);
	t->table = rte_hash_create(&hp);
	if (t->table == NULL)
		return err_set(e, "no memory for the flow table of %u connections: lower maxclients", hp.entries);
	return 0;
}

static void set_limits(struct tcp *t)
{
	uint32_t room = rte_pktmbuf_data_room_size(t->p.pool);

	t->mss_cap = (uint16_t)(room > BUF_TX_HEADROOM + TCP_MIN_MSS ? room - BUF_TX_HEADROOM : TCP_MIN_MSS);
	t->ooo_bufs_max = (uint16_t)RP_MIN(t->p.ooo_bufs, (uint32_t)UINT16_MAX);
	t->snd_segs_max = t->p.snd_segs;
	if (t->p.window_scale) {
		while (t->rcv_ws < TCP_WSCALE_MAX && t->p.rcv_buf >> t->rcv_ws > 65535u)
			t->rcv_ws++;
	}
}

/* Everything that the device does for us is on trial: bits 0 and 1 single segments, 2 and 3 trains. */
static void set_trial(struct tcp *t)
{
	const struct tcp_lower *l = &t->p.lower;

	if (l->tx_verdict != NULL)
		t->tx_trial = (uint8_t)((l->tx_sums ? 0x3 : 0) | (l->train_bytes != 0 ? 0xc : 0));
}

static void set_keys(struct tcp *t)
{
	rng_init(&t->rng, t->p.seed);
	for (int i = 0; i < 4; i++)
		t->hash_seed[i] = rng_next(&t->rng);
	for (int i = 0; i < 2; i++) {
		t->isn_key[i] = rng_next(&t->rng);
		t->ts_key[i] = rng_next(&t->rng);
		t->cookie_key[i] = rng_next(&t->rng);
	}
}

struct tcp *tcp_create(const struct tcp_params *p, struct err *e)
{
	struct tcp *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		err_set(e, "no memory for a TCP instance");
		return NULL;
	}
	t->p = *p;
	set_defaults(&t->p);
	t->cc = t->p.cc == TCP_CC_NEWRENO ? &tcp_cc_newreno : &tcp_cc_cubic;
	tcp_list_init(&t->out);
	tcp_list_init(&t->dead);
	tcp_list_init(&t->tw_list);
	tcp_wheel_init(&t->wheel, 0);
	set_limits(t);
	t->tx_room = UINT32_MAX;
	set_trial(t);
	set_keys(t);
	if (pool_init(&t->conns, sizeof(struct tcp_conn), t->p.max_conns + t->p.max_syn) != 0 ||
	    pool_init(&t->sacks, sizeof(struct tcp_sack), t->p.max_conns + t->p.max_syn) != 0 ||
	    pool_init(&t->tws, sizeof(struct tcp_tw), t->p.max_time_wait) != 0) {
		err_set(e, "no memory for %u connections: lower maxclients", t->p.max_conns);
		tcp_destroy(t);
		return NULL;
	}
	if (create_table(t, e) != 0) {
		tcp_destroy(t);
		return NULL;
	}
	tcp_tune_poll(t);
	return t;
}

void tcp_destroy(struct tcp *t)
{
	const void *key;
	void *entry;
	uint32_t pos = 0;

	if (t == NULL)
		return;
	while (t->table != NULL && rte_hash_iterate(t->table, &key, &entry, &pos) >= 0) {
		if (!tcp_entry_is_tw(entry))
			tcp_conn_kill(entry, TCP_CLOSED_ABORTED);
	}
	tcp_reap(t);
	rte_hash_free(t->table);
	pool_fini(&t->conns);
	pool_fini(&t->sacks);
	pool_fini(&t->tws);
	free(t);
}

const struct tcp_counters *tcp_counters(const struct tcp *t)
{
	return &t->count;
}

uint32_t tcp_conn_count(const struct tcp *t)
{
	return (uint32_t)t->count.conns;
}

uint64_t tcp_memory_bytes(const struct tcp *t)
{
	uint32_t conns = __atomic_load_n(&t->conns.in_use, __ATOMIC_RELAXED);
	uint32_t tws = __atomic_load_n(&t->tws.in_use, __ATOMIC_RELAXED);

	return pool_bytes_used(&t->conns) + pool_bytes_used(&t->sacks) + pool_bytes_used(&t->tws) +
	       ((uint64_t)conns + tws) * FLOW_ENTRY_BYTES;
}

void tcp_set_now(struct tcp *t, const struct clock_now *now)
{
	t->now = *now;
}

static bool tuple_free(const struct tcp *t, const struct tcp_key *k)
{
	void *e = tcp_table_find(t, k, tcp_key_hash(t, k));
	return e == NULL || (tcp_entry_is_tw(e) && tcp_tw_reusable(t, tcp_entry_tw(e)));
}

/* A TIME_WAIT record in the way goes; the ISN lies behind all that it knows to have been sent. */
static struct tcp_conn *take_tuple(struct tcp *t, const struct tcp_key *k, int *err)
{
	uint32_t hash = tcp_key_hash(t, k);
	void *e = tcp_table_find(t, k, hash);
	struct tcp_conn *c = tcp_conn_new(t, k, hash, err);

	if (c == NULL)
		return NULL;
	c->iss = tcp_isn(t, k);
	if (e != NULL) {
		struct tcp_tw *w = tcp_entry_tw(e);
		if (tcp_seq_leq(c->iss, w->snd_nxt))
			c->iss = w->snd_nxt + 65536;
		tcp_tw_replaced(t, w);
	}
	return c;
}

/* A port whose replies come to this worker and whose tuple is free; 0: none. */
static uint16_t choose_port(struct tcp *t, const struct net_addr *local, const struct net_addr *remote, uint16_t rport)
{
	const struct tcp_lower *low = &t->p.lower;
	uint32_t start = (uint32_t)rng_below(&t->rng, PORT_COUNT); /* RFC 6056 */
	struct tcp_key k;

	for (uint32_t i = 0; i < PORT_COUNT; i++) {
		uint16_t port = (uint16_t)(PORT_FIRST + (start + i) % PORT_COUNT);
		if (low->flow_worker != NULL && low->flow_worker(low->ctx, local, port, remote, rport) != t->p.worker)
			continue;
		tcp_key_set(&k, local, port, remote, rport);
		if (tuple_free(t, &k))
			return port;
	}
	return 0;
}

static int connect_key(struct tcp *t, const struct net_addr *remote, uint16_t rport, uint16_t lport, struct tcp_key *k)
{
	struct net_addr local;
	int rc = t->p.lower.local_for(t->p.lower.ctx, remote, &local);

	if (rc != 0)
		return rc;
	if (lport == 0)
		lport = choose_port(t, &local, remote, rport);
	if (lport == 0)
		return -EADDRNOTAVAIL;
	tcp_key_set(k, &local, lport, remote, rport);
	return tuple_free(t, k) ? 0 : -EADDRINUSE;
}

struct tcp_conn *tcp_connect(struct tcp *t, const struct net_addr *remote, uint16_t rport, uint16_t lport, void *user,
			     int *err)
{
	struct tcp_key k;
	struct tcp_conn *c;

	*err = t->count.conns >= t->p.max_conns ? -ENOBUFS : connect_key(t, remote, rport, lport, &k);
	if (*err != 0)
		return NULL;
	c = take_tuple(t, &k, err);
	if (c == NULL)
		return NULL;
	c->flags |= TCP_F_ACTIVE | TCP_F_OWED;
	c->state = TCP_SYN_SENT;
	c->user = user;
	c->snd_una = c->recover = c->iss;
	c->snd_nxt = c->snd_end = c->iss + 1;
	t->count.conns++;
	t->count.active_opens++;
	tcp_output_syn(c); /* if there is no buffer now, the timer sends it */
	tcp_timer_rtx_restart(c);
	return c;
}

void tcp_set_user(struct tcp_conn *c, void *user)
{
	c->user = user;
}

void *tcp_user(const struct tcp_conn *c)
{
	return c->user;
}

void tcp_conn_addrs(const struct tcp_conn *c, struct net_addr *local, uint16_t *lport, struct net_addr *remote,
		    uint16_t *rport)
{
	*local = c->path.local;
	*remote = c->path.remote;
	*lport = rte_be_to_cpu_16(c->lport);
	*rport = rte_be_to_cpu_16(c->rport);
}

uint16_t tcp_mss(const struct tcp_conn *c)
{
	return tcp_conn_mss(c);
}

uint32_t tcp_send_room(const struct tcp_conn *c)
{
	uint32_t limit = tcp_snd_limit(c);

	if (c->snd_bytes >= limit || c->snd_segs >= c->t->snd_segs_max)
		return 0;
	return limit - c->snd_bytes;
}

void tcp_send(struct tcp_conn *c, struct rte_mbuf *chain)
{
	if (c->flags & (TCP_F_DEAD | TCP_F_FIN_QUEUED)) {
		c->t->count.drop_send++;
		rte_pktmbuf_free(chain);
		return;
	}
	tcp_sendq_push(c, chain);
	if (tcp_send_room(c) == 0)
		c->flags |= TCP_F_WANT_ROOM;
	if (c->state >= TCP_ESTABLISHED)
		tcp_conn_want_output(c);
}

void tcp_rx_consumed(struct tcp_conn *c, uint32_t bytes)
{
	if (c->flags & TCP_F_DEAD)
		return;
	rp_assert(bytes <= c->rcv_held);
	c->rcv_held -= bytes;
	tcp_tune_receive(c);
	if (tcp_window_update_due(c) && !(c->flags & TCP_F_ACK_NOW) && c->state >= TCP_ESTABLISHED) {
		c->t->count.window_updates++;
		tcp_conn_ack_now(c);
	}
}

void tcp_close(struct tcp_conn *c)
{
	if (c->flags & (TCP_F_DEAD | TCP_F_FIN_QUEUED))
		return;
	c->flags |= TCP_F_FIN_QUEUED;
	c->progress_us = tcp_now_us(c->t); /* from now on a closed window is not waited for endlessly */
	if (c->state == TCP_ESTABLISHED)
		c->state = TCP_FIN_WAIT_1;
	else if (c->state == TCP_CLOSE_WAIT)
		c->state = TCP_LAST_ACK;
	else
		return; /* not established yet: tcp_conn_establish() goes on from here */
	tcp_conn_want_output(c);
}

void tcp_abort(struct tcp_conn *c)
{
	tcp_conn_reset(c, TCP_CLOSED_ABORTED);
}

uint32_t tcp_unacked(const struct tcp_conn *c)
{
	return c->snd_bytes;
}

uint32_t tcp_send_bufs(const struct tcp_conn *c)
{
	/* Mostly so few that they need no division. */
	if (rp_likely(c->snd_bytes <= c->snd_segs * (TCP_MIN_MSS - TCP_OPT_TS_BYTES)))
		return c->snd_segs;
	return RP_MAX(c->snd_segs, c->snd_bytes / tcp_conn_mss(c));
}

const char *tcp_state_name(const struct tcp_conn *c)
{
	static const char *const name[] = {
		[TCP_CLOSED] = "UNCONN",         [TCP_SYN_SENT] = "SYN-SENT",     [TCP_SYN_RECEIVED] = "SYN-RECV",
		[TCP_ESTABLISHED] = "ESTAB",     [TCP_FIN_WAIT_1] = "FIN-WAIT-1", [TCP_FIN_WAIT_2] = "FIN-WAIT-2",
		[TCP_CLOSE_WAIT] = "CLOSE-WAIT", [TCP_CLOSING] = "CLOSING",       [TCP_LAST_ACK] = "LAST-ACK",
	};
	return name[c->state];
}
