/* Binds TCP connections to sessions: neither knows of the other. */
#include "worker/worker_priv.h"

#define SHARE_MIN_BYTES 8192 /* unacknowledged bytes that every connection may have */
#define SHARE_DIVISOR   8    /* its share of the free buffers beyond that */
#define SEGMENT_BYTES   1448 /* what a buffer is worth */
#define WAKE_SLICE      4096 /* sessions looked at in one call, since most of many are idle */

static const char reject_text[] = "-ERR max number of clients reached\r\n";

static void tcp_session_send(void *transport, struct rte_mbuf *chain, size_t bytes)
{
	tcp_send(transport, chain);
}

/* What a connection holds of the buffers: segments as small as its peer wants them take one each, too. */
static uint32_t held_bytes(const struct tcp_conn *c)
{
	return RP_MAX(tcp_unacked(c), tcp_send_bufs(c) * SEGMENT_BYTES);
}

/* A connection may hold a share of the buffers that are free now (dynamic thresholds, Choudhury and Hahne 1998):
 * however many clients do not read, some buffers always stay free for those who do. */
static uint32_t tcp_session_room(void *transport)
{
	struct session *s = tcp_user(transport);
	struct worker *w = s->host->env.owner;
	uint32_t room = tcp_send_room(transport), held = held_bytes(transport);
	if (rp_likely(held <= SHARE_MIN_BYTES || held < w->send_share_bytes))
		return room;
	w->starved = true;
	return 0;
}

/* Attached bytes hold a buffer for each segment as well. */
static size_t tcp_session_send_blob(void *transport, struct blob *b, size_t off, size_t len)
{
	struct session *s = tcp_user(transport);
	struct worker *w = s->host->env.owner;
	uint32_t share = RP_MAX(w->send_share_bytes, (uint32_t)SHARE_MIN_BYTES), held = held_bytes(transport);
	if (held >= share)
		return 0;
	size_t most = (size_t)(share - held) * RP_MIN(tcp_mss(transport), (uint16_t)SEGMENT_BYTES) / SEGMENT_BYTES;
	return tcp_send_blob(transport, b, off, RP_MIN(len, most));
}

static void tcp_session_consumed(void *transport, uint32_t bytes)
{
	tcp_rx_consumed(transport, bytes);
}

static void tcp_session_close(void *transport)
{
	tcp_close(transport);
}

static void tcp_session_abort(void *transport)
{
	tcp_set_user(transport, NULL);
	tcp_abort(transport);
}

static const struct session_transport tcp_transport = {
	.send = tcp_session_send,
	.send_blob = tcp_session_send_blob,
	.room = tcp_session_room,
	.consumed = tcp_session_consumed,
	.close = tcp_session_close,
	.abort = tcp_session_abort,
};

static void reject(struct worker *w, struct tcp_conn *c)
{
	struct rte_mbuf *m = buf_alloc(w->host.mbufs);
	tcp_set_user(c, NULL);
	if (m != NULL) {
		memcpy(rte_pktmbuf_append(m, sizeof reject_text - 1), reject_text, sizeof reject_text - 1);
		tcp_send(c, m);
	}
	tcp_close(c);
}

static void set_endpoint(struct endpoint *e, const struct net_addr *a, uint16_t port)
{
	e->family = a->family;
	e->port = port;
	memcpy(e->ip, a->v6, a->family == 4 ? 4 : 16);
}

static bool on_accepted(void *ctx, struct tcp_conn *c)
{
	struct worker *w = ctx;
	struct session *s = session_open(&w->host, &tcp_transport, c, tcp_mss(c));
	if (s == NULL) {
		reject(w, c);
		return true;
	}
	struct net_addr local, remote;
	uint16_t lport, rport;
	tcp_conn_addrs(c, &local, &lport, &remote, &rport);
	set_endpoint(&s->cl.addr, &remote, rport);
	set_endpoint(&s->cl.laddr, &local, lport);
	tcp_set_user(c, s);
	return true;
}

static void on_received(void *ctx, struct tcp_conn *c, void *user, struct rte_mbuf *m)
{
	if (rp_likely(user != NULL)) {
		session_input(user, m);
		return;
	}
	tcp_rx_consumed(c, m->data_len);
	rte_pktmbuf_free(m);
}

static void on_peer_closed(void *ctx, struct tcp_conn *c, void *user)
{
	if (user != NULL)
		session_eof(user);
	else
		tcp_close(c);
}

static void on_send_ready(void *ctx, struct tcp_conn *c, void *user)
{
	if (user != NULL)
		session_send_ready(user);
}

static void on_closed(void *ctx, struct tcp_conn *c, void *user, enum tcp_close_reason why)
{
	if (user != NULL)
		session_gone(user);
}

void transport_tcp_ops(struct worker *w, struct tcp_ops *ops)
{
	*ops = (struct tcp_ops){.ctx = w,
				.accepted = on_accepted,
				.received = on_received,
				.peer_closed = on_peer_closed,
				.send_ready = on_send_ready,
				.closed = on_closed};
}

static void wake_starved(void *ctx, struct session *s)
{
	if (s->out_head != NULL || !s->dry)
		session_send_ready(s);
}

void transport_poll_share(struct worker *w)
{
	host_poll_buffers(&w->host);
	uint64_t bytes = (uint64_t)w->host.bufs_free / SHARE_DIVISOR * SEGMENT_BYTES;
	w->send_share_bytes = (uint32_t)RP_MIN(bytes, UINT32_MAX);
	if (rp_likely(!w->starved && w->wake_at == 0))
		return;
	if (w->wake_at == 0)
		w->starved = false; /* said again by who still wants more */
	w->wake_at = host_visit(&w->host, w->wake_at, WAKE_SLICE, wake_starved, NULL);
}

static void kill_one(void *ctx, struct session *s)
{
	session_kill(s, *(bool *)ctx);
}

static void forget_one(void *ctx, struct session *s)
{
	tcp_set_user(s->transport, NULL);
}

void transport_forget_all(struct worker *w)
{
	host_visit(&w->host, 0, UINT32_MAX, forget_one, NULL);
}

void transport_close_all(struct worker *w, bool at_once)
{
	uint32_t from = 0;
	do {
		from = host_visit(&w->host, from, 1024, kill_one, &at_once);
	} while (from != 0);
}
