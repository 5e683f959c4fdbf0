/* Segments sent for no connection: RST to a stranger, and the ACK of a TIME_WAIT record. */
#include "tcp/tcp_priv.h"

static void reply(struct tcp *t, const struct tcp_key *k, uint32_t seq, uint32_t ack, uint8_t flags, uint32_t ts_off,
		  uint32_t ts_recent, bool ts)
{
	struct net_addr local, remote;
	struct net_path path;
	struct rte_mbuf *m;
	uint8_t hlen = (uint8_t)(sizeof(struct rte_tcp_hdr) + (ts ? TCP_OPT_TS_BYTES : 0));

	tcp_key_addrs(k, &local, &remote);
	if (t->p.lower.path_init(t->p.lower.ctx, &path, &local, &remote) != 0) {
		t->count.drop_path++;
		return;
	}
	m = tcp_mbuf(t);
	if (m == NULL)
		return;
	struct rte_tcp_hdr *h = (struct rte_tcp_hdr *)rte_pktmbuf_prepend(m, hlen);
	*h = (struct rte_tcp_hdr){
		.src_port = k->lport,
		.dst_port = k->rport,
		.sent_seq = rte_cpu_to_be_32(seq),
		.recv_ack = rte_cpu_to_be_32(ack),
		.data_off = (uint8_t)(hlen / 4 << 4),
		.tcp_flags = flags,
	};
	if (ts)
		tcp_opts_emit_ts((uint8_t *)(h + 1), tcp_ts_now(t, ts_off), ts_recent);
	t->count.segs_out++;
	t->p.lower.output(t->p.lower.ctx, &path, m, hlen);
}

/* RFC 9293 section 3.10.7.1 */
void tcp_reply_rst(struct tcp *t, const struct tcp_seg *s)
{
	if ((s->flags & RTE_TCP_RST_FLAG) || !tcp_rate_ok(t, &t->rst_rate, TCP_RST_PER_S))
		return;
	t->count.rst_out++;
	if (s->flags & RTE_TCP_ACK_FLAG)
		reply(t, s->key, s->ack, 0, RTE_TCP_RST_FLAG, 0, 0, false);
	else
		reply(t, s->key, 0, tcp_seg_end(s), RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG, 0, 0, false);
}

void tcp_reply_tw_ack(struct tcp *t, const struct tcp_tw *w)
{
	if (!tcp_rate_ok(t, &t->challenge_rate, TCP_CHALLENGE_PER_S))
		return;
	t->count.acks_out++;
	reply(t, &w->key, w->snd_nxt, w->rcv_nxt, RTE_TCP_ACK_FLAG, w->ts_off, w->ts_recent, w->ts);
}
