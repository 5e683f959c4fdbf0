/* The way down and out: what net/ and a device make of TCP's segments, and what the network does to them. */
#include "wire_priv.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "base/hash.h"
#include "net/csum.h"

/* ---- chance ---- */

/* What the path carries now; NULL: all. */
static const struct wire_link *link_now(const struct wire *w)
{
	const struct wire_link *l = NULL;

	for (uint32_t i = 0; i < w->p.links && w->p.link[i].at_us <= w->now.mono_us; i++)
		l = &w->p.link[i];
	return l;
}

static bool too_long(struct wire_end *e, uint32_t ip_len, const struct wire_seg *s)
{
	const struct wire_link *l = link_now(e->w);

	if (l == NULL || ip_len <= l->mtu)
		return false;
	if (!l->silent) {
		e->icmp_mtu = l->mtu;
		e->icmp_sport = s->sport;
		e->icmp_dport = s->dport;
		e->icmp_seq = s->seq;
	}
	return true;
}

static bool is_dark(const struct wire_end *e, uint64_t now_us)
{
	const struct wire_params *p = &e->w->p;

	if (p->dark_us == 0 || now_us < p->dark_us || now_us - p->dark_us >= p->dark_for_us)
		return false;
	return p->dark_from == 0 || (p->dark_from >> e->id & 1);
}

static bool is_lost(struct wire_end *e, uint32_t ip_len, const struct wire_seg *s)
{
	struct wire *w = e->w;

	if (too_long(e, ip_len, s) || (w->p.queue != 0 && e->queued >= w->p.queue) || is_dark(e, s->now_us))
		return true;
	if (wire_chance(w, w->p.burst_ppm))
		e->burst_until_us = s->now_us + w->p.burst_us;
	if (s->now_us < e->burst_until_us)
		return true;
	return wire_chance(w, w->p.loss_ppm);
}

static void by_chance(struct wire_end *e, uint32_t ip_len, const struct wire_seg *s, struct wire_fate *f)
{
	struct wire *w = e->w;

	*f = (struct wire_fate){.lost = is_lost(e, ip_len, s), .twice = wire_chance(w, w->p.dup_ppm)};
	f->marked = wire_chance(w, w->p.ce_ppm);
	if (w->p.noise_us != 0)
		f->late_us += (uint32_t)rng_below(&w->rng, w->p.noise_us);
	if (w->p.jitter_us != 0 && wire_chance(w, w->p.reorder_ppm))
		f->late_us += (uint32_t)rng_below(&w->rng, w->p.jitter_us);
	if (wire_chance(w, w->p.spoil_ppm)) {
		f->spoil = (uint16_t)(1 | (rng_below(&w->rng, 2) ? 0 : rng_next(&w->rng) & WIRE_SPOIL_MOST));
		f->spoil_at = (uint32_t)rng_below(&w->rng, ip_len * 8);
	}
}

/* ---- the sending device ---- */

/* Frames that its ring holds now. */
static uint64_t ring_used(const struct wire_end *e)
{
	uint64_t now = e->w->now.mono_us;

	return e->tx_free_us <= now ? 0 : (e->tx_free_us - now + e->w->p.tx_us - 1) / e->w->p.tx_us;
}

uint32_t wire_tx_room(void *ctx)
{
	struct wire_end *e = ctx;
	uint64_t used = ring_used(e);

	e->tx_room = used < e->w->p.tx_ring ? e->w->p.tx_ring - (uint32_t)used : 0;
	e->tx_full += e->tx_room == 0;
	return e->tx_room;
}

/* New data must have asked for room; the rest comes all the same, and for that as much again is kept, as the port does.
 * False: the frame found no place. */
static bool take_room(struct wire_end *e, const struct wire_seg *s, bool begins)
{
	if (e->w->p.tx_ring == 0)
		return true;
	if (begins && s->len > 0 && !s->soft) {
		e->tx_over += e->tx_room == 0;
		e->tx_room -= e->tx_room > 0;
	}
	if (ring_used(e) < 2ULL * e->w->p.tx_ring)
		return true;
	e->tx_dropped++;
	return false;
}

/* When a frame has left: one after the other. */
static uint64_t departure(struct wire_end *e)
{
	struct wire *w = e->w;

	if (w->p.tx_ring == 0)
		return w->now.mono_us;
	e->tx_free_us = RP_MAX(e->tx_free_us, w->now.mono_us) + w->p.tx_us;
	if (wire_chance(w, w->p.tx_stall_ppm))
		e->tx_free_us += w->p.tx_stall_us;
	return e->tx_free_us;
}

/* ---- frames ---- */

static uint64_t frame_sum(const void *frame, uint16_t len)
{
	return hash64(frame, len, 1);
}

/* Ethernet and IPv4 headers in front of len bytes of TCP at h, with both checksums. */
static void put_headers(struct wire_end *e, uint8_t *frame, struct rte_tcp_hdr *h, uint32_t len, uint8_t tos)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + WIRE_ETH_BYTES);
	uint32_t src = e->addr.v4, dst = e->w->end[!e->id].addr.v4;

	memset(frame, wire_mac(!e->id), 6);
	memset(frame + 6, wire_mac(e->id), 6);
	memcpy(frame + 12, (uint8_t[]){0x08, 0x00}, 2);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = tos,
		.total_length = rte_cpu_to_be_16((uint16_t)(WIRE_IP_BYTES + len)),
		.packet_id = rte_cpu_to_be_16(e->ip_id++),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = src,
		.dst_addr = dst,
	};
	ip->hdr_checksum = csum_ipv4_header(ip, WIRE_IP_BYTES);
	h->cksum = 0;
	h->cksum = (uint16_t)~csum_fold(csum_add(csum_pseudo_v4(src, dst, IPPROTO_TCP, (uint16_t)len), h, len));
}

static uint8_t marked(uint8_t tos, const struct wire_fate *f)
{
	return (tos & 3) != 0 && f->marked ? 3 : tos;
}

/* All that is decided about a segment before it is a frame. False: it is lost. */
static bool decide(struct wire_end *e, struct net_path *path, struct wire_seg *s, const struct rte_tcp_hdr *h,
		   struct wire_fate *f, bool begins)
{
	struct wire *w = e->w;
	uint32_t tcp_len = (h->data_off >> 4) * 4u + s->len;

	s->soft = path->tx_soft;
	if (s->len > 0)
		s->nth_data = ++e->data_segs;
	wire_watch_window(w, s);
	by_chance(e, WIRE_IP_BYTES + tcp_len, s, f);
	if (w->p.rule != NULL)
		w->p.rule(w->p.ctx, s, f);
	f->lost |= !take_room(e, s, begins);
	wire_trace(w,
		   (uint64_t[]){w->now.mono_us, (uint64_t)s->from << 32 | s->flags, (uint64_t)s->seq << 32 | s->ack,
				(uint64_t)s->len << 32 | s->wnd, (uint64_t)s->opts.tsval << 32 | s->opts.tsecr,
				(uint64_t)f->lost << 33 | (uint64_t)f->twice << 32 | f->late_us},
		   6);
	return !f->lost;
}

/* Copies the payload bytes [at, at + len) of m, whose first part is the TCP header. */
static void gather(const struct rte_mbuf *m, uint32_t at, uint32_t len, uint8_t *to)
{
	const uint8_t *p = rte_pktmbuf_read(m, at, len, to);

	rp_assert(p != NULL);
	if (p != to)
		memcpy(to, p, len);
}

bool wire_untouched(const struct wire_packet *p)
{
	uint32_t len = p->len - p->payload;
	uint8_t now[65536];

	if (p->frame == NULL)
		return frame_sum((char *)p->m->buf_addr + p->off, p->len) == p->sum;
	gather(p->m, p->at, len, now);
	return memcmp(now, p->frame + p->payload, len) == 0;
}

/* p but for when; takes a reference of its own to the buffers, and a frame of its own if there is one. */
static void put_on_wire(struct wire_end *e, struct wire_packet p, uint64_t leaves_us, uint32_t late_us)
{
	for (struct rte_mbuf *m = p.m; m != NULL; m = m->next)
		rte_mbuf_refcnt_update(m, 1);
	if (p.frame != NULL) {
		uint8_t *copy = malloc(p.len);
		p.frame = memcpy(copy, p.frame, p.len);
	}
	p.at_us = leaves_us + e->w->p.delay_us + late_us;
	p.to = !e->id;
	e->queued++;
	wire_push(e->w, p);
}

static void leave(struct wire_end *e, struct wire_packet *p, const struct wire_fate *f)
{
	uint64_t at = departure(e);

	p->spoil = f->spoil;
	p->spoil_at = f->spoil_at;
	if (f->twice)
		put_on_wire(e, *p, at, 0);
	put_on_wire(e, *p, at, f->late_us);
}

/* One segment of a frame of several buffers, as a device makes them: the flags that belong to an end of the train only
 * there. The wire keeps a copy, to see whether the buffers stay what they were. */
static void put_piece(struct wire_end *e, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len, uint32_t at,
		      uint32_t len)
{
	uint8_t frame[WIRE_ETH_BYTES + WIRE_IP_BYTES + 60 + UINT16_MAX];
	uint32_t all = m->pkt_len - tcp_len;
	struct rte_tcp_hdr *h = (struct rte_tcp_hdr *)(frame + WIRE_ETH_BYTES + WIRE_IP_BYTES);
	struct wire_seg s;
	struct wire_fate f;

	gather(m, 0, tcp_len, (uint8_t *)h);
	gather(m, tcp_len + at, len, (uint8_t *)h + tcp_len);
	h->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(h->sent_seq) + at);
	if (at + len < all)
		h->tcp_flags &= ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	rp_assert(at == 0 || !(h->tcp_flags & RTE_TCP_CWR_FLAG));
	wire_describe(e->w, e->id, h, len, &s);
	s.train = all > len;
	e->w->trains += s.train && at == 0;
	if (!decide(e, path, &s, h, &f, at == 0))
		return;
	put_headers(e, frame, h, tcp_len + len, marked(path->tos, &f));
	struct wire_packet p = {
		.m = m,
		.frame = frame,
		.payload = (uint16_t)(WIRE_ETH_BYTES + WIRE_IP_BYTES + tcp_len),
		.at = tcp_len + at,
		.len = (uint16_t)(WIRE_ETH_BYTES + WIRE_IP_BYTES + tcp_len + len),
	};
	leave(e, &p, &f);
}

static void put_train(struct wire_end *e, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len)
{
	uint32_t all = m->pkt_len - tcp_len, most = m->tso_segsz != 0 ? m->tso_segsz : all;

	rp_assert(m->data_len >= tcp_len && (m->tso_segsz == 0 || e->train_bytes >= all));
	rp_assert(m->nb_segs <= RP_MAX(e->train_bufs, 2u) && most + tcp_len + WIRE_IP_BYTES <= e->w->p.mtu);
	for (uint32_t at = 0; at < all; at += most)
		put_piece(e, path, m, tcp_len, at, RP_MIN(most, all - at));
}

/* A segment in one buffer goes as it is. */
static void put_single(struct wire_end *e, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len)
{
	struct rte_tcp_hdr *h = rte_pktmbuf_mtod(m, struct rte_tcp_hdr *);
	struct wire_seg s;
	struct wire_fate f;

	rp_assert(m->pkt_len == m->data_len && m->pkt_len + WIRE_IP_BYTES <= e->w->p.mtu && m->next == NULL);
	wire_describe(e->w, e->id, h, m->pkt_len - tcp_len, &s);
	if (!decide(e, path, &s, h, &f, true))
		return;
	uint8_t *frame = (uint8_t *)rte_pktmbuf_prepend(m, WIRE_ETH_BYTES + WIRE_IP_BYTES);
	rp_assert(frame != NULL);
	put_headers(e, frame, h, m->pkt_len - WIRE_ETH_BYTES - WIRE_IP_BYTES, marked(path->tos, &f));
	struct wire_packet p = {
		.m = m,
		.off = m->data_off,
		.len = m->data_len,
		.sum = frame_sum(frame, m->data_len),
	};
	leave(e, &p, &f);
}

void wire_output(void *ctx, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len)
{
	if (m->nb_segs > 1 || m->tso_segsz != 0)
		put_train(ctx, path, m, tcp_len);
	else
		put_single(ctx, path, m, tcp_len);
	rte_pktmbuf_free(m);
}
