/* Segments sent for no connection: RST to a stranger, and the ACK of a TIME_WAIT record. */
#include "tcp/tcp_priv.h"

/* A bare header from us to the peer of k, everything but the tuple already in *h; ts: the timestamp option or NULL. */
static void reply(struct tcp *t, const struct tcp_key *k, const struct rte_tcp_hdr *h, const uint8_t *ts)
{
	struct net_addr local, remote;
	struct net_path path;
	struct rte_mbuf *m;
	uint8_t hlen = (uint8_t)(sizeof(*h) + (ts != NULL ? TCP_OPT_TS_BYTES : 0));

	tcp_key_addrs(k, &local, &remote);
	if (t->p.lower.path_init(t->p.lower.ctx, &path, &local, &remote) != 0) {
		t->count.drop_path++;
		return;
	}
	m = tcp_mbuf(t);
	if (m == NULL)
		return;
	struct rte_tcp_hdr *to = (struct rte_tcp_hdr *)rte_pktmbuf_prepend(m, hlen);
	*to = *h;
	to->src_port = k->lport;
	to->dst_port = k->rport;
	to->data_off = (uint8_t)(hlen / 4 << 4);
	if (ts != NULL)
		memcpy(to + 1, ts, TCP_OPT_TS_BYTES);
	t->count.segs_out++;
	t->p.lower.output(t->p.lower.ctx, &path, m, hlen);
}

/* RFC 9293 section 3.10.7.1 */
void tcp_reply_rst(struct tcp *t, const struct tcp_seg *s)
{
	struct rte_tcp_hdr h = {.tcp_flags = RTE_TCP_RST_FLAG};

	if ((s->flags & RTE_TCP_RST_FLAG) || !tcp_rate_ok(t, &t->rst_rate, TCP_RST_PER_S))
		return;
	if (s->flags & RTE_TCP_ACK_FLAG) {
		h.sent_seq = rte_cpu_to_be_32(s->ack);
	} else {
		h.recv_ack = rte_cpu_to_be_32(tcp_seg_end(s));
		h.tcp_flags |= RTE_TCP_ACK_FLAG;
	}
	t->count.rst_out++;
	reply(t, s->key, &h, NULL);
}

void tcp_reply_tw_ack(struct tcp *t, const struct tcp_tw *w)
{
	uint8_t ts[TCP_OPT_TS_BYTES];
	struct rte_tcp_hdr h = {
		.sent_seq = rte_cpu_to_be_32(w->snd_nxt),
		.recv_ack = rte_cpu_to_be_32(w->rcv_nxt),
		.rx_win = rte_cpu_to_be_16(w->wnd),
		.tcp_flags = RTE_TCP_ACK_FLAG,
	};

	if (!tcp_rate_ok(t, &t->challenge_rate, TCP_CHALLENGE_PER_S))
		return;
	tcp_opts_emit_ts(ts, tcp_ts_now(t, w->ts_off), w->ts_recent);
	t->count.acks_out++;
	reply(t, &w->key, &h, w->ts ? ts : NULL);
}
