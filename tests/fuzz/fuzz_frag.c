/* Fragments of IPv4 and IPv6 in any order, size and time. Each datagram that comes out must be what one unbroken series
 * of fragments of its identification says, without an overlap, not older than the time-out, byte by byte; and while
 * nothing went wrong, no whole datagram may be missing. What waits keeps to its bound.
 */
#include <netinet/in.h>

#include <rte_tcp.h>

#include "fuzz.h"
#include "net/csum.h"

#define POOL       255
#define OPS_MAX    400
#define KEYS       16
#define LOG_MAX    64
#define ENTRIES    8
#define FRAG_MAX   12
#define TIMEOUT_MS 1000
#define MTU        1500
#define HEAD       24 /* TCP header and 4 bytes: whole units of 8 bytes */

/* A fragment that was given to the instance. */
struct piece {
	uint32_t off, len;
	uint64_t at_us;
	uint8_t version;
	bool more;
};

/* Of one identification; bit 0 of its number: IPv6. */
struct series {
	struct piece log[LOG_MAX]; /* the latest last */
	uint32_t n;
};

static struct {
	struct rte_mempool *pool;
	struct net *net;
	struct clock_now now;
	struct series series[KEYS];
	uint32_t want[KEYS]; /* bytes of the datagram */
	uint32_t base;       /* buffers that the instance holds when no fragment waits */
} w;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fz_eal("frag");
	w.pool = fz_pool("frag", POOL);
	return 0;
}

static void on_sent(void *ctx, struct rte_mbuf *m)
{
	rte_pktmbuf_free(m);
}

static void begin(void)
{
	struct err e;
	struct net_params p = {
		.nworkers = 1,
		.pool = w.pool,
		.mac = fz_our_mac,
		.mtu = MTU,
		.naddrs = 2,
		.addrs = {fz_ours[0], fz_ours[1]},
		.frag_entries = ENTRIES,
		.frag_max = FRAG_MAX,
		.frag_timeout_ms = TIMEOUT_MS,
		.tx_hook = on_sent,
	};
	w.now = (struct clock_now){.mono_us = 1000000000, .wall_us = 1};
	w.net = net_create(&p, &e);
	rp_assert(w.net != NULL);
	net_set_now(w.net, &w.now);
	w.base = rte_mempool_in_use_count(w.pool);
	memset(w.series, 0, sizeof(w.series));
}

static uint16_t port_of(uint32_t key)
{
	return (uint16_t)(4000 + key);
}

/* The TCP header of a datagram of this length: bytes behind it add nothing to its checksum, see content(). */
static void put_header(uint32_t key, uint8_t head[HEAD])
{
	struct rte_tcp_hdr *h = (struct rte_tcp_hdr *)head;
	const struct net_addr *src = &fz_peer[key & 1], *dst = &fz_ours[key & 1].addr;
	uint16_t len = (uint16_t)w.want[key];

	memset(head, 0, HEAD);
	h->src_port = rte_cpu_to_be_16(port_of(key));
	h->dst_port = RTE_BE16(6379);
	h->data_off = 0x50;
	h->tcp_flags = RTE_TCP_ACK_FLAG;
	uint64_t sum = src->family == 4 ? csum_pseudo_v4(src->v4, dst->v4, IPPROTO_TCP, len)
					: csum_pseudo_v6(src->v6, dst->v6, IPPROTO_TCP, len);
	h->cksum = (uint16_t)~csum_fold(csum_add(sum, head, HEAD));
}

/* The byte at off: behind the header each 16-bit word is followed by its complement, so that no checksum depends on the
 * version; a last unit that is not whole is zero. */
static uint8_t content(uint32_t key, uint8_t version, uint32_t off)
{
	uint32_t unit = off / 4, total = w.want[key];

	if (off / 8 * 8 + 8 > total)
		return 0;
	uint32_t x = (unit * 0x9e3779b1u) ^ (version * 0x85ebca6bu) ^ key;
	uint8_t b = (uint8_t)((off & 1) ? x >> 24 : x >> 16);
	return (off & 2) ? (uint8_t)~b : b;
}

static void fill(uint32_t key, const struct piece *p, uint8_t *to)
{
	uint8_t head[HEAD];

	put_header(key, head);
	for (uint32_t i = 0; i < p->len; i++)
		to[i] = p->off + i < HEAD ? head[p->off + i] : content(key, p->version, p->off + i);
}

static bool overlap(const struct piece *a, const struct piece *b)
{
	return a->off < b->off + b->len && b->off < a->off + a->len;
}

/* The latest pieces, back to the one that completes len bytes: how many; 0: none do without an overlap or a gap. */
static uint32_t latest_whole(const struct series *s, uint32_t len)
{
	uint32_t have = 0, ends = 0;

	for (uint32_t n = 1; n <= s->n; n++) {
		const struct piece *p = &s->log[s->n - n];
		if (p->off + p->len > len || (!p->more && p->off + p->len != len))
			return 0;
		for (uint32_t k = 1; k < n; k++) {
			if (overlap(p, &s->log[s->n - k]))
				return 0;
		}
		have += p->len;
		ends += !p->more;
		if (have == len)
			return ends == 1 ? n : 0;
	}
	return 0;
}

static void check_bytes(const struct series *s, uint32_t key, uint32_t n, const uint8_t *p, uint32_t len)
{
	for (uint32_t k = 1; k <= n; k++) {
		const struct piece *f = &s->log[s->n - k];
		uint8_t bytes[MTU];
		rp_assert(f->off + f->len <= len);
		rp_assert(w.now.mono_us - f->at_us <= TIMEOUT_MS * 1000ULL);
		fill(key, f, bytes);
		for (uint32_t i = 0; i < f->len; i++) /* the stack may have cleared the checksum, never the data */
			rp_assert(p[f->off + i] == bytes[i]);
	}
}

static void take_datagram(uint32_t key, struct rte_mbuf *m)
{
	struct series *s = &w.series[key];
	uint32_t len = m->data_len, n = latest_whole(s, len);
	const struct rte_tcp_hdr *h = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);

	rp_assert(m->nb_segs == 1 && h->src_port == rte_cpu_to_be_16(port_of(key)));
	rp_assert(n > 0 && n <= FRAG_MAX);
	check_bytes(s, key, n, (const uint8_t *)h, len);
	s->n = 0;
	rte_pktmbuf_free(m);
}

static bool nothing_lost(const struct net_counters *c)
{
	return c->frag_bad + c->frag_evicted + c->frag_timeout + c->frag_no_buffer == 0;
}

static void deliver(uint32_t key, const struct piece *p, struct rte_mbuf *m)
{
	struct series *s = &w.series[key];
	struct rte_mbuf *out[1];
	struct fz_guard g;
	bool guard = m->nb_segs == 1;

	if (s->n == LOG_MAX)
		memmove(s->log, s->log + 1, --s->n * sizeof(s->log[0]));
	s->log[s->n++] = *p;
	bool whole = latest_whole(s, w.want[key]) == s->n && s->n <= FRAG_MAX && w.want[key] >= 20;
	if (guard)
		fz_guard(m, &g);
	uint32_t n = net_input_burst(w.net, &m, 1, out);
	if (guard)
		fz_unguard(&g);
	if (n > 0)
		take_datagram(key, out[0]);
	else
		rp_assert(!whole || !nothing_lost(net_counters(w.net)));
}

/* A fragment; one that is a whole datagram is none, so it is left out. */
static void op_fragment(struct fz_in *in)
{
	uint8_t which = fz_u8(in), how = fz_u8(in), data[MTU], frame[FZ_FRAME_MAX], body[MTU + 8];
	uint32_t key = which & (KEYS - 1), v6 = key & 1;
	struct piece p = {.off = (fz_u8(in) | (how & 1u) << 8) * 8u,
			  .len = (uint32_t)(fz_u8(in) + 1) * 8u,
			  .at_us = w.now.mono_us,
			  .version = which >> 4,
			  .more = true};

	p.len = RP_MIN(p.len, 1400u);
	if (p.off < w.want[key] && p.off + p.len >= w.want[key] && !(how & 2)) { /* as an honest sender ends it */
		p.len = w.want[key] - p.off;
		p.more = false;
	}
	if (how & 4)
		p.len -= RP_MIN(p.len, (uint32_t)(how >> 5)); /* not a whole unit, or nothing */
	if (how & 8)
		p.more = !p.more;
	if (p.off == 0 && !p.more)
		return;
	fill(key, &p, data);
	struct fz_ends e = {.src = fz_peer[v6], .dst = fz_ours[v6].addr, .ttl = 64};
	uint32_t units = p.off / 8, n;
	if (v6) {
		uint8_t ext[8] = {IPPROTO_TCP, 0, (uint8_t)(units >> 5), (uint8_t)(units << 3 | p.more), 1, 2, 3};
		ext[7] = (uint8_t)key;
		memcpy(body, ext, 8);
		memcpy(body + 8, data, p.len);
		n = fz_put_ip(frame, &e, 44, body, 8 + p.len);
	} else {
		n = fz_put_ip(frame, &e, IPPROTO_TCP, data, p.len);
		frame[14 + 5] = (uint8_t)key;
		frame[14 + 6] = (uint8_t)((p.more ? 0x20 : 0) | units >> 8);
		frame[14 + 7] = (uint8_t)units;
		fz_csum_fix(frame, n);
	}
	struct rte_mbuf *m = fz_frame(w.pool, frame, n, how >> 3);
	rp_assert(m != NULL);
	deliver(key, &p, m);
}

static void op_time(struct fz_in *in)
{
	w.now.mono_us += (uint64_t)fz_u8(in) * 10000;
	net_set_now(w.net, &w.now);
	net_poll_timers(w.net);
	net_poll_tx(w.net);
}

/* Of both families and every key a length that the input chooses. */
static void choose_lengths(struct fz_in *in)
{
	for (uint32_t i = 0; i < KEYS; i++)
		w.want[i] = 40 + (fz_u8(in) * 8u) + (i & 2 ? 3 : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fz_in in = {data, data + size};

	if (size < KEYS + 4)
		return 0;
	choose_lengths(&in);
	begin();
	for (uint32_t i = 0; i < OPS_MAX && in.at < in.end; i++) {
		uint8_t op = fz_u8(&in);
		if (op >= 0xf0)
			op_time(&in);
		else
			op_fragment(&in);
		rp_assert(rte_mempool_in_use_count(w.pool) - w.base <= ENTRIES);
	}
	net_destroy(w.net);
	rp_assert(rte_mempool_full(w.pool));
	return 0;
}
