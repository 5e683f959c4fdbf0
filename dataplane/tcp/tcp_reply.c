/* Segments sent for no connection: RST to a stranger, a SYN cookie, and the ACK of a TIME_WAIT record. */
#include "tcp/tcp_priv.h"

static bool find_path(struct tcp *t, const struct tcp_key *k, struct net_path *path)
{
	struct net_addr local, remote;

	tcp_key_addrs(k, &local, &remote);
	if (t->p.lower.path_init(t->p.lower.ctx, path, &local, &remote) == 0) {
		path->no_wait = true; /* who asks again finds the neighbour known: strangers pin no buffers */
		return true;
	}
	t->count.drop_path++;
	return false;
}

/* A bare header from us to the peer of k, everything but the tuple already in *h. */
static bool reply(struct tcp *t, struct net_path *path, const struct tcp_key *k, const struct rte_tcp_hdr *h,
		  const uint8_t *opts, uint32_t olen)
{
	uint8_t hlen = (uint8_t)(sizeof(*h) + olen);
	struct rte_mbuf *m = tcp_mbuf(t);

	if (m == NULL)
		return false;
	struct rte_tcp_hdr *to = (struct rte_tcp_hdr *)rte_pktmbuf_prepend(m, hlen);
	*to = *h;
	to->src_port = k->lport;
	to->dst_port = k->rport;
	to->data_off = (uint8_t)(hlen / 4 << 4);
	if (olen > 0)
		memcpy(to + 1, opts, olen);
	t->count.segs_out++;
	t->p.lower.output(t->p.lower.ctx, path, m, hlen);
	return true;
}

/* o but for the MSS, which the path says. */
bool tcp_reply_syn_ack(struct tcp *t, const struct tcp_key *k, const struct rte_tcp_hdr *h, struct tcp_opts *o)
{
	struct net_path path;
	uint8_t opts[TCP_OPT_MAX];

	if (!find_path(t, k, &path))
		return false;
	o->mss = (uint16_t)(path.mtu - (k->family == 4 ? 20 : 40) - sizeof(*h));
	return reply(t, &path, k, h, opts, tcp_opts_emit_syn(opts, o));
}

/* RFC 9293 section 3.10.7.1 */
void tcp_reply_rst(struct tcp *t, const struct tcp_seg *s)
{
	struct rte_tcp_hdr h = {.tcp_flags = RTE_TCP_RST_FLAG};
	struct net_path path;

	if ((s->flags & RTE_TCP_RST_FLAG) || !tcp_rate_ok(t, &t->rst_rate, t->p.rst_per_s))
		return;
	if (s->flags & RTE_TCP_ACK_FLAG) {
		h.sent_seq = rte_cpu_to_be_32(s->ack);
	} else {
		h.recv_ack = rte_cpu_to_be_32(tcp_seg_end(s));
		h.tcp_flags |= RTE_TCP_ACK_FLAG;
	}
	t->count.rst_out++;
	if (find_path(t, s->key, &path))
		reply(t, &path, s->key, &h, NULL, 0);
}

void tcp_reply_tw_ack(struct tcp *t, const struct tcp_tw *w)
{
	uint8_t ts[TCP_OPT_TS_BYTES];
	struct net_path path;
	struct rte_tcp_hdr h = {
		.sent_seq = rte_cpu_to_be_32(w->snd_nxt),
		.recv_ack = rte_cpu_to_be_32(w->rcv_nxt),
		.rx_win = rte_cpu_to_be_16(w->wnd),
		.tcp_flags = RTE_TCP_ACK_FLAG,
	};

	if (!tcp_rate_ok(t, &t->challenge_rate, t->p.challenge_per_s))
		return;
	tcp_opts_emit_ts(ts, tcp_ts_now(t, w->ts_off), w->ts_recent);
	t->count.acks_out++;
	if (find_path(t, &w->key, &path))
		reply(t, &path, &w->key, &h, ts, w->ts ? TCP_OPT_TS_BYTES : 0);
}
