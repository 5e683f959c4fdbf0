/* Output: what may leave now leaves now, one train per connection and iteration. No Nagle: batching happens by the
 * iteration alone. Order: lost segments, new data, FIN, then a bare ACK if nothing carried it. */
#include "tcp/tcp_priv.h"

#define MAX_UNSCALED_WND 65535u
#define IP_ECT0          2 /* in the TOS byte: ECN-capable */

static inline struct buf_seg *rec(struct rte_mbuf *m)
{
	return &buf_priv(m)->seg;
}

struct rte_mbuf *tcp_mbuf(struct tcp *t)
{
	struct rte_mbuf *m = buf_alloc(t->p.pool);
	if (rp_unlikely(m == NULL)) {
		t->count.no_mbuf++;
		t->starved_us = tcp_now_us(t);
		t->bufs_free = 0;
	}
	buf_prefetch_ahead(t->p.pool);
	return m;
}

/* Bytes that the window could offer now: what the user and reassembly hold is not free. */
static uint32_t window_free(const struct tcp_conn *c)
{
	uint32_t used = c->rcv_held + c->ooo_bytes;
	uint32_t most = RP_MIN(tcp_rcv_limit(c), MAX_UNSCALED_WND << c->rcv_ws);
	return used < most ? most - used : 0;
}

static uint32_t window_step(const struct tcp_conn *c, uint32_t segs)
{
	return RP_MIN(segs * c->rcv_mss, c->t->p.rcv_buf / 2);
}

/* How far a fresh offer would move the right edge that the peer knows. */
static int32_t window_gain(const struct tcp_conn *c)
{
	return (int32_t)(c->rcv_nxt + window_free(c) - c->rcv_adv);
}

bool tcp_window_update_due(const struct tcp_conn *c)
{
	return window_gain(c) >= (int32_t)window_step(c, 2);
}

/* The field of the next header. The right edge moves by a worthwhile step or not at all (RFC 9293 section 3.8.6.2.2),
 * and never back but for the rounding of the scale (RFC 7323 section 2.4); input accepts up to rcv_adv. */
static uint16_t window_field(struct tcp_conn *c, uint8_t ws)
{
	uint32_t edge = c->rcv_adv;

	if (window_gain(c) >= (int32_t)window_step(c, 1))
		edge = c->rcv_nxt + window_free(c);
	uint32_t wnd = tcp_seq_gt(edge, c->rcv_nxt) ? edge - c->rcv_nxt : 0;
	wnd = RP_MIN(wnd >> ws, MAX_UNSCALED_WND);
	c->rcv_adv = tcp_seq_max(c->rcv_adv, c->rcv_nxt + (wnd << ws));
	return (uint16_t)wnd;
}

/* As many SACK blocks as a segment has room for beside its payload and n bytes of other options. */
static uint32_t put_sack(struct tcp_conn *c, struct rte_mbuf *m, uint32_t n)
{
	uint8_t opts[TCP_OPT_MAX];
	uint32_t mss = tcp_conn_mss(c), len = m->pkt_len;
	uint32_t room = len == 0 ? TCP_OPT_MAX - n : mss > len ? RP_MIN(mss - len, TCP_OPT_MAX - n) : 0;
	uint32_t olen = tcp_sack_emit(c, opts, room);

	memcpy(rte_pktmbuf_prepend(m, (uint16_t)olen), opts, olen);
	return olen;
}

/* Timestamp and SACK blocks. */
static uint32_t put_options(struct tcp_conn *c, struct rte_mbuf *m, uint8_t flags)
{
	uint32_t n = c->flags & TCP_F_TS ? TCP_OPT_TS_BYTES : 0, sacks = 0;

	if (rp_unlikely(c->nblocks != 0 || (c->flags & TCP_F_DSACK_DUE)) && !(flags & RTE_TCP_RST_FLAG))
		sacks = put_sack(c, m, n);
	if (n != 0)
		tcp_opts_emit_ts((uint8_t *)rte_pktmbuf_prepend(m, TCP_OPT_TS_BYTES), tcp_ts_now(c->t, c->ts_off),
				 c->ts_recent);
	return n + sacks;
}

/* Writes the header in front of the payload of m. Everything the header acknowledges counts as acknowledged. */
static uint8_t put_header(struct tcp_conn *c, struct rte_mbuf *m, uint32_t seq, uint8_t flags)
{
	uint8_t hlen = (uint8_t)(sizeof(struct rte_tcp_hdr) + put_options(c, m, flags));
	char *h = rte_pktmbuf_prepend(m, sizeof(struct rte_tcp_hdr));
	uint32_t ports = (uint32_t)rte_be_to_cpu_16(c->lport) << 16 | rte_be_to_cpu_16(c->rport);

	be32_store(h, ports);
	be32_store(h + 4, seq);
	be32_store(h + 8, (flags & RTE_TCP_ACK_FLAG) ? c->rcv_nxt : 0);
	flags |= (c->flags & TCP_F_ECE) ? RTE_TCP_ECE_FLAG : 0;
	be32_store(h + 12, (uint32_t)(hlen / 4) << 28 | (uint32_t)flags << 16 | window_field(c, c->rcv_ws));
	be32_store(h + 16, 0); /* checksum; no urgent pointer */
	c->rcv_acked = c->rcv_nxt;
	c->flags &= ~TCP_F_ACK_NOW;
	tcp_timer_clear(c, TCP_T_DELACK);
	return hlen;
}

static void send(struct tcp_conn *c, struct rte_mbuf *m, uint8_t hlen)
{
	c->t->count.segs_out++;
	c->t->p.lower.output(c->t->p.lower.ctx, &c->path, m, hlen);
}

bool tcp_output_ctl(struct tcp_conn *c, uint32_t seq, uint8_t flags)
{
	struct rte_mbuf *m = tcp_mbuf(c->t);
	if (m == NULL)
		return false;
	send(c, m, put_header(c, m, seq, flags));
	return true;
}

bool tcp_output_ack(struct tcp_conn *c)
{
	if (!tcp_output_ctl(c, c->snd_nxt, RTE_TCP_ACK_FLAG)) {
		tcp_conn_ack_now(c);
		return false;
	}
	c->t->count.acks_out++;
	return true;
}

/* SYN or, in SYN_RECEIVED, SYN-ACK. The window of a SYN is never scaled (RFC 7323 section 2.2). */
bool tcp_output_syn(struct tcp_conn *c)
{
	struct tcp *t = c->t;
	bool reply = c->state == TCP_SYN_RECEIVED;
	struct tcp_opts o = {.has = TCP_OPT_HAS_MSS, .wscale = t->rcv_ws};
	uint8_t opts[TCP_OPT_MAX];
	struct rte_mbuf *m = tcp_mbuf(t);

	if (m == NULL)
		return false;
	o.mss = (uint16_t)RP_MIN(c->path.mtu - (tcp_conn_is_ip4(c) ? 20 : 40) - sizeof(struct rte_tcp_hdr), 65535u);
	/* An active SYN offers what we are configured for; the answer only what the peer offered too. */
	if (t->p.window_scale && (c->state == TCP_SYN_SENT || (c->flags & TCP_F_WS)))
		o.has |= TCP_OPT_HAS_WSCALE;
	if (t->p.timestamps && (c->state == TCP_SYN_SENT || (c->flags & TCP_F_TS)))
		o.has |= TCP_OPT_HAS_TS;
	if (!t->p.no_sack && (c->state == TCP_SYN_SENT || (c->flags & TCP_F_SACK)))
		o.has |= TCP_OPT_HAS_SACK_OK;
	o.tsval = tcp_ts_now(t, c->ts_off);
	o.tsecr = reply ? c->ts_recent : 0;
	uint32_t olen = tcp_opts_emit_syn(opts, &o);
	uint8_t hlen = (uint8_t)(sizeof(struct rte_tcp_hdr) + olen);
	struct rte_tcp_hdr *h = (struct rte_tcp_hdr *)rte_pktmbuf_prepend(m, hlen);
	h->src_port = c->lport;
	h->dst_port = c->rport;
	h->sent_seq = rte_cpu_to_be_32(c->iss);
	h->recv_ack = rte_cpu_to_be_32(reply ? c->rcv_nxt : 0);
	h->data_off = (uint8_t)(hlen / 4 << 4);
	h->tcp_flags = RTE_TCP_SYN_FLAG | (reply ? RTE_TCP_ACK_FLAG : 0) | tcp_ecn_syn_flags(c);
	h->rx_win = rte_cpu_to_be_16((uint16_t)RP_MIN(t->p.rcv_buf, MAX_UNSCALED_WND));
	h->cksum = 0;
	h->tcp_urp = 0;
	memcpy(h + 1, opts, olen);
	if (reply) {
		c->rcv_adv = tcp_seq_max(c->rcv_adv, c->rcv_nxt + RP_MIN(t->p.rcv_buf, MAX_UNSCALED_WND));
		c->rcv_acked = c->rcv_nxt;
	}
	c->path.tx_soft = c->last_tx_us != 0; /* the first one got no answer */
	c->last_tx_us = tcp_now_us(t);
	send(c, m, hlen);
	c->path.tx_soft = false;
	return true;
}

/* The flags that data carries. A repetition's checksum is made in software: it gets through even if the device's are
 * wrong. */
static uint8_t data_flags(struct tcp_conn *c, const struct buf_seg *s, uint32_t len)
{
	bool again = (s->flags & TCP_SEG_SENT) != 0;
	uint8_t flags = RTE_TCP_ACK_FLAG;

	c->path.tx_soft = again;
	if ((c->flags & TCP_F_ECN) && !again && !c->no_ect) {
		c->path.tos = IP_ECT0;
		flags |= (c->flags & TCP_F_CWR_DUE) ? RTE_TCP_CWR_FLAG : 0;
		c->flags &= ~TCP_F_CWR_DUE;
	}
	if (s->seq + len == c->snd_end)
		flags |= RTE_TCP_PSH_FLAG | ((c->flags & TCP_F_FIN_QUEUED) ? RTE_TCP_FIN_FLAG : 0);
	return flags;
}

/* A record leaves. */
static void note_sent(struct tcp_conn *c, struct buf_seg *s, uint8_t train)
{
	if (s->flags & TCP_SEG_LOST)
		c->lost_segs--;
	if (s->flags & TCP_SEG_SENT) {
		c->t->count.retransmits++;
		tcp_recovery_resent(c);
	} else {
		c->t->count.bytes_out += s->len;
	}
	if (!(s->flags & TCP_SEG_INFLIGHT))
		c->in_flight += s->len;
	s->flags = TCP_SEG_SENT | TCP_SEG_INFLIGHT | (s->flags & (TCP_SEG_TRAIN | TCP_SEG_LONG)) | train;
	s->xmits += s->xmits < UINT8_MAX;
	s->xmit_us = c->last_tx_us;
}

/* Sends the records from m on that make up len bytes: one segment, or a train of new ones with mss bytes each. */
static bool transmit_cut(struct tcp_conn *c, struct rte_mbuf *m, uint32_t len, uint32_t mss)
{
	uint32_t seq = rec(m)->seq;
	struct rte_mbuf *tx = tcp_frame(c, m, len);

	if (tx == NULL)
		return false;
	uint8_t flags = data_flags(c, rec(m), len);
	uint8_t train = len <= mss ? 0 : len < TCP_TRAIN_TELLS * mss ? TCP_SEG_TRAIN : TCP_SEG_TRAIN | TCP_SEG_LONG;
	c->last_tx_us = tcp_now_us(c->t);
	for (uint32_t n = 0; n < len; m = rec(m)->next) {
		note_sent(c, rec(m), train);
		n += rec(m)->len;
	}
	c->snd_nxt = tcp_seq_max(c->snd_nxt, seq + len + !!(flags & RTE_TCP_FIN_FLAG));
	if (len > mss) {
		tx->tso_segsz = (uint16_t)mss;
		c->t->count.trains_out++;
		c->t->count.segs_out += (len - 1) / mss;
	}
	send(c, tx, put_header(c, tx, seq, flags));
	c->path.tos = 0;
	c->path.tx_soft = false;
	return true;
}

static bool transmit(struct tcp_conn *c, struct rte_mbuf *m, uint32_t len)
{
	return transmit_cut(c, m, len, tcp_conn_mss(c));
}

static bool cwnd_allows(struct tcp_conn *c, uint32_t len)
{
	uint32_t pipe = c->in_flight - RP_MIN(c->in_flight, c->dup_bytes);

	if (pipe == 0 || pipe + len <= c->cwnd)
		return true;
	c->flags |= TCP_F_CWND_LIMITED;
	return false;
}

/* Lost segments, oldest first. False: out of buffers. */
static bool output_lost(struct tcp_conn *c, uint32_t *sent)
{
	struct rte_mbuf *m = c->rtx_hint;

	for (; c->lost_segs > 0 && m != NULL && m != c->snd_new; m = rec(m)->next) {
		if (!(rec(m)->flags & TCP_SEG_LOST))
			continue;
		c->rtx_hint = m;
		if (!(c->flags & TCP_F_RTX_NOW) && !cwnd_allows(c, RP_MIN(rec(m)->len, tcp_conn_mss(c))))
			return true;
		if (!tcp_sendq_fit(c, m) || !transmit(c, m, rec(m)->len))
			return false;
		c->flags &= ~TCP_F_RTX_NOW;
		(*sent)++;
	}
	if (c->lost_segs == 0)
		c->rtx_hint = NULL;
	return true;
}

/* How much of a new segment the peer's window lets go: all, a part worth sending, or nothing (RFC 9293
 * section 3.8.6.2.1). */
static uint32_t window_allows(const struct tcp_conn *c, uint32_t len)
{
	int32_t room = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt);

	if (room <= 0)
		return 0;
	if (len <= (uint32_t)room)
		return len;
	if ((uint32_t)room >= c->max_snd_wnd / 2 || (c->flags & TCP_F_OVERRIDE))
		return (uint32_t)room;
	return 0;
}

/* Payload of a train that may leave now: full segments and perhaps the end of the queue. 0: not more than one segment
 * may. Where the congestion window ends it, it takes a share of that window: a flight that left as one train would be
 * acknowledged as one, and sender and receiver would stand still in turn. */
static uint32_t train_allows(const struct tcp_conn *c, uint32_t mss, uint32_t most)
{
	uint32_t queued = c->snd_end - rec(c->snd_new)->seq, want = RP_MIN(queued, most);
	uint32_t pipe = c->in_flight - RP_MIN(c->in_flight, c->dup_bytes);
	int32_t wnd = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt);

	if (want <= mss || pipe >= c->cwnd || wnd <= 0)
		return 0;
	uint32_t room = RP_MIN((uint32_t)wnd, c->cwnd - pipe);
	if (queued > c->cwnd - pipe)
		want = RP_MIN(want, RP_MAX(TCP_TRAIN_TELLS * mss, c->cwnd / TCP_TRAIN_SHARE));
	want = RP_MIN(want, room);
	if (want < queued)
		want = want / mss * mss;
	return want > mss ? want : 0;
}

/* Cuts the queue for the next new frame. 0: nothing may leave, or *nomem. */
static uint32_t next_frame(struct tcp_conn *c, bool *nomem)
{
	struct rte_mbuf *m = c->snd_new;
	uint32_t mss = tcp_conn_mss(c), most = tcp_train_max(c, mss);
	uint32_t len = most > mss ? train_allows(c, mss, most) : 0;

	if (len > 0) {
		len = tcp_train_cut(c, m, len);
		*nomem = len == 0;
		return len;
	}
	len = window_allows(c, RP_MIN(rec(m)->len, mss));
	if (len == 0 || !cwnd_allows(c, len))
		return 0;
	*nomem = len < rec(m)->len && !tcp_sendq_split(c, m, len);
	return *nomem ? 0 : len;
}

static bool output_new(struct tcp_conn *c, uint32_t *sent)
{
	bool nomem = false;

	while (c->snd_new != NULL) {
		struct rte_mbuf *m = c->snd_new;
		if (rp_unlikely(c->t->tx_room == 0))
			return false;
		uint32_t len = next_frame(c, &nomem);
		if (len == 0)
			break;
		if (!transmit(c, m, len))
			return false;
		c->t->tx_room--;
		c->flags &= ~TCP_F_OVERRIDE;
		for (uint32_t n = 0; n < len; n += rec(m)->len, m = c->snd_new)
			c->snd_new = rec(m)->next;
		(*sent)++;
	}
	return !nomem;
}

/* One longer segment asks whether the path carries it. Without a buffer to gather it in nobody asks now. */
static bool output_pmtu_probe(struct tcp_conn *c, uint32_t len, uint32_t *sent)
{
	if (c->t->tx_room == 0)
		return false;
	if (!tcp_sendq_gather(c, len))
		return true;
	struct rte_mbuf *m = c->snd_new;
	if (!transmit_cut(c, m, len, len))
		return false;
	rec(m)->flags |= TCP_SEG_PROBE;
	c->t->tx_room--;
	c->snd_new = rec(m)->next;
	(*sent)++;
	tcp_pmtu_probe_sent(c, len);
	return true;
}

/* While the congestion window has no room for a probe that is due nothing else leaves either, or shorter segments would
 * take that room for ever. */
static bool output_unsent(struct tcp_conn *c, uint32_t *sent)
{
	uint32_t probe = rp_likely(c->mtu_retry_us == 0) ? 0 : tcp_pmtu_probe_due(c);

	if (probe > 0 && !cwnd_allows(c, probe))
		return true;
	if (probe > 0 && !output_pmtu_probe(c, probe, sent))
		return false;
	return output_new(c, sent);
}

/* The last segment that was sent, cut off if more belongs to its record. NULL: no buffer. */
static struct rte_mbuf *last_sent(struct tcp_conn *c)
{
	struct rte_mbuf *m = c->snd_head;
	uint32_t mss = tcp_conn_mss(c);

	if (c->snd_new == NULL)
		m = c->snd_tail;
	else
		while (rec(m)->next != c->snd_new)
			m = rec(m)->next;
	if (rec(m)->len <= mss)
		return m;
	return tcp_sendq_split(c, m, (rec(m)->len - 1u) / mss * mss) ? rec(m)->next : NULL;
}

bool tcp_output_probe(struct tcp_conn *c)
{
	struct rte_mbuf *m = c->snd_new;
	uint32_t len = m == NULL ? 0 : window_allows(c, RP_MIN(rec(m)->len, tcp_conn_mss(c)));

	if (len > 0) {
		if ((len < rec(m)->len && !tcp_sendq_split(c, m, len)) || !transmit(c, m, len))
			return false;
		c->snd_new = rec(m)->next;
	} else {
		m = last_sent(c);
		if (m == NULL || !transmit(c, m, rec(m)->len))
			return false;
	}
	tcp_tlp_sent(c, len == 0);
	return true;
}

/* A FIN that no data segment can carry: the first, or again when only it is unacknowledged. */
static bool output_fin(struct tcp_conn *c, uint32_t *sent)
{
	bool first = c->snd_nxt == c->snd_end;
	bool again = (c->flags & TCP_F_RTX_NOW) && c->snd_una == c->snd_end;

	if (!(c->flags & TCP_F_FIN_QUEUED) || c->snd_new != NULL || (!first && !again))
		return true;
	c->path.tx_soft = !first;
	bool ok = tcp_output_ctl(c, c->snd_end, RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG);
	c->path.tx_soft = false;
	if (!ok)
		return false;
	if (!first)
		c->t->count.retransmits++;
	c->flags &= ~TCP_F_RTX_NOW;
	c->snd_nxt = c->snd_end + 1;
	(*sent)++;
	return true;
}

/* Something unacknowledged keeps the retransmission timer; data that the window holds back keeps the persist timer. */
static void output_timers(struct tcp_conn *c)
{
	bool outstanding = c->snd_una != c->snd_nxt;

	if (outstanding && (c->deadline[TCP_T_RTX] == 0 || (c->flags & TCP_F_PERSIST))) {
		tcp_timer_rtx_restart(c);
	} else if (!outstanding && c->snd_new != NULL && !(c->flags & TCP_F_PERSIST) && c->t->tx_room > 0) {
		/* A full device is no closed window: the next iteration tries again. */
		c->flags |= TCP_F_PERSIST;
		c->backoff = 0;
		c->probes = 0;
		if (!(c->flags & TCP_F_FIN_QUEUED)) /* then only what is sent or acknowledged is progress */
			c->progress_us = tcp_now_us(c->t);
		tcp_timer_set(c, TCP_T_RTX, tcp_now_us(c->t) + tcp_rto_now(c));
	}
}

static bool output_data(struct tcp_conn *c, uint32_t *sent)
{
	uint64_t now = tcp_now_us(c->t);
	bool idle = c->snd_una == c->snd_nxt; /* until now */

	if (idle && c->snd_new != NULL && now - c->last_tx_us > c->rto_us)
		c->t->cc->restart(c);
	c->flags &= ~TCP_F_CWND_LIMITED;
	bool ok = output_lost(c, sent) && output_unsent(c, sent) && output_fin(c, sent);
	if (idle && c->snd_una != c->snd_nxt)
		c->progress_us = now;
	output_timers(c);
	return ok;
}

uint32_t tcp_output_conn(struct tcp_conn *c, bool *done)
{
	uint32_t sent = 0;

	*done = true;
	if (c->flags & TCP_F_NOMEM) {
		tcp_conn_reset(c, TCP_CLOSED_NOMEM);
		return 0;
	}
	if (c->state >= TCP_ESTABLISHED && (c->snd_new != NULL || c->lost_segs > 0 || (c->flags & TCP_F_FIN_QUEUED)))
		*done = output_data(c, &sent);
	if (c->flags & TCP_F_ACK_NOW) {
		if (!tcp_output_ack(c)) {
			*done = false;
			return sent;
		}
		sent++;
	}
	return sent;
}

uint32_t tcp_poll_output(struct tcp *t)
{
	struct tcp_conn *cut = NULL; /* who took the last room below: behind the others next time */
	struct tcp_link todo;
	uint32_t sent = 0;

	if (tcp_list_empty(&t->out) && tcp_list_empty(&t->dead))
		return 0;
	t->depth++;
	t->tx_room = t->p.lower.tx_room != NULL ? t->p.lower.tx_room(t->p.lower.ctx) : UINT32_MAX;
	tcp_list_init(&todo);
	if (!tcp_list_empty(&t->out)) { /* what is queued again waits for the next call */
		tcp_list_push(&t->out, &todo);
		tcp_list_remove(&t->out);
	}
	while (!tcp_list_empty(&todo)) {
		struct tcp_conn *c = rp_container_of(tcp_list_pop(&todo), struct tcp_conn, out_link);
		bool done, had_room = t->tx_room > 0;
		sent += tcp_output_conn(c, &done);
		if (done || (c->flags & TCP_F_DEAD))
			continue;
		if (had_room && t->tx_room == 0)
			cut = c;
		else
			tcp_conn_want_output(c);
	}
	if (cut != NULL)
		tcp_conn_want_output(cut);
	if (--t->depth == 0)
		tcp_reap(t);
	return sent;
}
