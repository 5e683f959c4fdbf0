/* Input of a burst: parse all, look all up at once, then each segment in order of arrival. A lookup may be stale by the
 * time its segment's turn comes (an earlier one opened or closed that connection): table_gen tells, and the dead are
 * not buried before the burst ends. */
#include "tcp/tcp_priv.h"

#include <rte_prefetch.h>

#define SLOW_FLAGS                                                                                      \
	(RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG | RTE_TCP_RST_FLAG | RTE_TCP_URG_FLAG | RTE_TCP_ECE_FLAG | \
	 RTE_TCP_CWR_FLAG)

struct batch {
	uint32_t n;
	uint64_t gen;
	struct tcp_seg seg[RP_MAX_BURST];
	struct tcp_key key[RP_MAX_BURST];
	const void *keys[RP_MAX_BURST];
	uint32_t hash[RP_MAX_BURST];
	void *entry[RP_MAX_BURST];
};

/* The IP header stands l3_len bytes before the TCP header. */
static void read_key(const struct rte_mbuf *m, const struct rte_tcp_hdr *h, struct tcp_key *k)
{
	const uint8_t *ip = (const uint8_t *)h - m->l3_len;

	if (ip[0] >> 4 == 4)
		tcp_key_write(k, 4, ip + 16, ip + 12, h->dst_port, h->src_port);
	else
		tcp_key_write(k, 6, ip + 24, ip + 8, h->dst_port, h->src_port);
}

/* Both ECN bits of the IP header set: congestion experienced. */
static bool read_ce(const struct rte_mbuf *m, const struct rte_tcp_hdr *h)
{
	const uint8_t *ip = (const uint8_t *)h - m->l3_len;

	return ip[0] >> 4 == 4 ? (ip[1] & 3) == 3 : (ip[1] & 0x30) == 0x30;
}

/* Combinations that no honest stack sends. */
static bool flags_ok(uint8_t f)
{
	f &= RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG | RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG;
	if (f & RTE_TCP_SYN_FLAG)
		return !(f & (RTE_TCP_FIN_FLAG | RTE_TCP_RST_FLAG));
	if (f & RTE_TCP_RST_FLAG)
		return !(f & RTE_TCP_FIN_FLAG);
	return f & RTE_TCP_ACK_FLAG;
}

static bool parse(struct tcp *t, struct rte_mbuf *m, struct tcp_seg *s, struct tcp_key *k)
{
	const struct rte_tcp_hdr *h = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);
	uint32_t hlen = m->data_len < sizeof(*h) ? 0 : (h->data_off >> 4) * 4u;

	if (hlen < sizeof(*h) || hlen > m->data_len || m->nb_segs != 1) {
		t->count.drop_header++;
		return false;
	}
	if (!flags_ok(h->tcp_flags)) {
		t->count.drop_flags++;
		return false;
	}
	const uint8_t *opts = (const uint8_t *)(h + 1);
	uint32_t olen = hlen - sizeof(*h);
	if (!tcp_opts_parse_ts_only(opts, olen, &s->opts) && !tcp_opts_parse(opts, olen, &s->opts)) {
		t->count.drop_header++;
		return false;
	}
	s->m = m;
	s->seq = rte_be_to_cpu_32(h->sent_seq);
	s->ack = rte_be_to_cpu_32(h->recv_ack);
	s->wnd = rte_be_to_cpu_16(h->rx_win);
	s->flags = h->tcp_flags;
	s->hlen = (uint8_t)hlen;
	s->len = m->data_len - hlen;
	read_key(m, h, k);
	s->ce = read_ce(m, h);
	s->key = k;
	s->hash = tcp_key_hash(t, k);
	rte_pktmbuf_adj(m, (uint16_t)hlen);
	m->next = NULL;
	return true;
}

/* Established, in order, nothing special: a few compares instead of the steps. */
static bool fast_path(struct tcp_conn *c, struct tcp_seg *s)
{
	if (c->state != TCP_ESTABLISHED || (s->flags & SLOW_FLAGS) || s->ce || s->seq != c->rcv_nxt ||
	    c->ooo_head != NULL || (c->flags & TCP_F_OOO_FIN) || s->len > c->rcv_adv - c->rcv_nxt)
		return false;
	if ((c->flags & TCP_F_TS) && (!(s->opts.has & TCP_OPT_HAS_TS) || tcp_seq_lt(s->opts.tsval, c->ts_recent)))
		return false;
	c->last_rx_us = tcp_now_us(c->t);
	c->probes = 0;
	c->t->count.fast_path++;
	/* Nothing new in ACK and window, and text: the stream of requests. */
	if (s->len == 0 || s->ack != c->snd_una || (uint32_t)s->wnd << c->snd_ws != c->snd_wnd) {
		if (!tcp_ack_process(c, s))
			return true;
	} else {
		c->snd_wl1 = s->seq; /* keeps up, or it would seem to be ahead after 2 GiB */
		tcp_ts_update(c, s);
	}
	if (s->len > 0)
		tcp_input_text_in_order(c, s);
	return true;
}

static void arrive(struct tcp *t, void *entry, struct tcp_seg *s)
{
	if (entry == NULL) {
		tcp_input_listen(t, s, NULL);
	} else if (tcp_entry_is_tw(entry)) {
		tcp_input_time_wait(t, tcp_entry_tw(entry), s);
	} else {
		struct tcp_conn *c = entry;
		if (c->state == TCP_SYN_SENT)
			tcp_input_syn_sent(c, s);
		else if (!fast_path(c, s))
			tcp_input_steps(c, s);
	}
}

static void gather(struct tcp *t, struct batch *b, struct rte_mbuf **m, uint32_t n)
{
	b->n = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + 4], void *));
		if (!parse(t, m[i], &b->seg[b->n], &b->key[b->n])) {
			rte_pktmbuf_free(m[i]);
			continue;
		}
		b->keys[b->n] = &b->key[b->n];
		b->hash[b->n] = b->seg[b->n].hash;
		b->n++;
	}
}

static void look_up(struct tcp *t, struct batch *b)
{
	uint64_t hits = 0;

	b->gen = t->table_gen;
	rte_hash_lookup_with_hash_bulk_data(t->table, b->keys, b->hash, b->n, &hits, b->entry);
	for (uint32_t i = 0; i < b->n; i++) {
		if (!(hits >> i & 1))
			b->entry[i] = NULL;
		else
			rte_prefetch0(b->entry[i]);
	}
}

static void process(struct tcp *t, struct batch *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		struct tcp_seg *s = &b->seg[i];
		void *entry = b->entry[i];
		if (rp_unlikely(b->gen != t->table_gen))
			entry = tcp_table_find(t, s->key, s->hash);
		arrive(t, entry, s);
		if (s->m != NULL)
			rte_pktmbuf_free(s->m);
	}
}

void tcp_input_burst(struct tcp *t, struct rte_mbuf **m, uint32_t n)
{
	struct batch b;

	t->depth++;
	t->count.segs_in += n;
	for (uint32_t i = 0; i < n; i += RP_MAX_BURST) {
		gather(t, &b, m + i, RP_MIN(n - i, (uint32_t)RP_MAX_BURST));
		if (b.n == 0)
			continue;
		look_up(t, &b);
		process(t, &b);
	}
	if (--t->depth == 0)
		tcp_reap(t);
}
