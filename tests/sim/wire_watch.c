/* The observer: reads segments, and sees that receive windows are kept. */
#include "wire_priv.h"

void wire_describe(const struct wire *w, int from, const struct rte_tcp_hdr *h, uint32_t len, struct wire_seg *s)
{
	*s = (struct wire_seg){
		.from = from,
		.flags = h->tcp_flags,
		.seq = rte_be_to_cpu_32(h->sent_seq),
		.ack = rte_be_to_cpu_32(h->recv_ack),
		.len = len,
		.wnd = rte_be_to_cpu_16(h->rx_win),
		.sport = rte_be_to_cpu_16(h->src_port),
		.dport = rte_be_to_cpu_16(h->dst_port),
		.now_us = w->now.mono_us,
	};
	rp_assert(tcp_opts_parse((const uint8_t *)(h + 1), (h->data_off >> 4) * 4u - sizeof(*h), &s->opts));
}

static struct wire_flow *flow_of(struct wire *w, int owner, uint16_t lport, uint16_t rport)
{
	for (uint32_t i = 0; i < WIRE_FLOWS; i++) {
		struct wire_flow *f = &w->flow[owner][i];
		if (f->lport == 0) {
			f->lport = lport;
			f->rport = rport;
		}
		if (f->lport == lport && f->rport == rport)
			return f;
	}
	rp_assert(!"more flows than the wire observes");
	return NULL;
}

/* Data stays left of the farthest edge advertised, and the edge moves back by less than one unit of the scale. */
void wire_watch_window(struct wire *w, const struct wire_seg *s)
{
	struct wire_flow *mine = flow_of(w, s->from, s->sport, s->dport);
	struct wire_flow *peer = flow_of(w, !s->from, s->dport, s->sport);

	if (s->flags & RTE_TCP_RST_FLAG)
		return;
	if (s->flags & RTE_TCP_SYN_FLAG) {
		mine->syn_ws = s->opts.has & TCP_OPT_HAS_WSCALE;
		mine->ws = s->opts.wscale;
		mine->edge_known = false;
	}
	if (s->len > 0 && peer->edge_known && (int32_t)(s->seq + s->len - peer->edge) > 0)
		w->violations++;
	if (!(s->flags & RTE_TCP_ACK_FLAG))
		return;
	uint8_t ws = (s->flags & RTE_TCP_SYN_FLAG) || !mine->syn_ws || !peer->syn_ws ? 0 : mine->ws;
	uint32_t edge = s->ack + ((uint32_t)s->wnd << ws);
	if (mine->edge_known && (int32_t)(edge - mine->edge) <= -(1 << ws))
		w->violations++;
	if (!mine->edge_known || (int32_t)(edge - mine->edge) > 0)
		mine->edge = edge;
	mine->edge_known = true;
}
