/* Ethernet to TCP in every state. The input is a script: segments whose numbers are relative to what the stack expects
 * now, frames as they stand, time, the user's calls, shortages. Checked beside memory errors: the laws of the
 * simulator, each byte of each stream, every frame that is sent, and that all connections end and all is given back.
 */
#include <netinet/in.h>

#include "tcp_world.h"

#define OPS_MAX 400

/* Tells libFuzzer which segments have met which states, as if that were code: [state or other][flags, data, place]. */
enum {
	MET_NOTHING = TCP_LAST_ACK + 1,
	MET_TIME_WAIT,
	MET_STATES
};
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t met[MET_STATES][256];

static struct rte_mempool *pool;
static struct heap *values;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fz_eal("tcp");
	pool = fz_pool("tcp", TW_POOL);
	values = heap_create(&(struct heap_params){.name = "fuzz", .reserve_bytes = (size_t)1 << 28}, NULL);
	rp_assert(values != NULL);
	return 0;
}

/* What the stack expects of a tuple now. */
struct base {
	const struct tcp_conn *c;
	uint32_t rcv_nxt, rcv_adv, snd_una, snd_nxt, ts_recent;
	uint32_t state;
};

static struct base base_of(struct tcp_world *w, uint32_t slot)
{
	const struct tw_slot *s = &w->slot[slot];
	void *e = tw_entry(w, slot);

	if (e == NULL)
		return (struct base){NULL, s->seq, s->seq, s->sent, s->sent, w->now.mono_us / 1000, MET_NOTHING};
	if (tcp_entry_is_tw(e)) {
		const struct tcp_tw *t = tcp_entry_tw(e);
		return (struct base){NULL, t->rcv_nxt, t->rcv_nxt, t->snd_nxt, t->snd_nxt, t->ts_recent, MET_TIME_WAIT};
	}
	const struct tcp_conn *c = e;
	bool none = c->state == TCP_SYN_SENT;
	return (struct base){
		c,       none ? s->seq : c->rcv_nxt, none ? s->seq : c->rcv_adv, c->snd_una, c->snd_nxt, c->ts_recent,
		c->state};
}

static uint32_t choose_seq(const struct tcp_world *w, const struct base *b, uint32_t slot, uint32_t how)
{
	const struct tcp_conn *c = b->c;
	const struct buf_seg *ooo = c != NULL && c->ooo_head != NULL ? &buf_priv(c->ooo_head)->seg : NULL;

	switch (how & 7) {
	case 1:
		return b->rcv_adv;
	case 2:
		return w->slot[slot].seq;
	case 3:
		return ooo != NULL ? ooo->seq : b->rcv_nxt;
	case 4:
		return ooo != NULL ? ooo->seq + ooo->len : b->rcv_nxt + 1000;
	case 5:
		return c != NULL ? c->irs : b->rcv_nxt - 1;
	case 6:
		return b->rcv_nxt + (b->rcv_adv - b->rcv_nxt) / 2;
	default:
		return b->rcv_nxt;
	}
}

static uint32_t choose_ack(const struct tcp_world *w, const struct base *b, uint32_t slot, uint32_t how)
{
	switch (how & 3) {
	case 1:
		return b->snd_una;
	case 2:
		return w->slot[slot].sent;
	case 3:
		return b->snd_una + (b->snd_nxt - b->snd_una) / 2;
	default:
		return b->snd_nxt;
	}
}

enum {
	OPT_TS = 1 << 0,
	OPT_MSS = 1 << 1,
	OPT_WS = 1 << 2,
	OPT_SACK_OK = 1 << 3,
	OPT_SACK = 1 << 4,
	OPT_RAW = 1 << 5,
	OPT_TS_STRANGE = 1 << 6, /* with a delta from the input */
	OPT_DSACK = 1 << 7,
};

static uint32_t put_sack(struct fz_in *in, const struct base *b, uint8_t how, uint8_t *p, uint32_t room)
{
	struct tcp_block block[4];
	uint32_t n = 1 + (fz_u8(in) & 3);

	n = RP_MIN(n, room < 12 ? 0 : (room - 4) / 8);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t from = b->snd_una + fz_u8(in) * 100u;
		block[i] = (struct tcp_block){from, from + fz_u8(in) * 50u};
	}
	if (n > 0 && (how & OPT_DSACK))
		block[0] = (struct tcp_block){b->snd_una - 100, b->snd_una};
	return n > 0 ? tcp_opts_emit_sack(p, block, n) : 0;
}

/* At most 40 bytes, a multiple of 4. */
static uint32_t put_options(struct tcp_world *w, struct fz_in *in, uint32_t slot, const struct base *b, uint8_t how,
			    uint8_t *p)
{
	struct tcp_opts o = {.tsval = b->ts_recent, .tsecr = w->slot[slot].tsval};

	o.has = (how & OPT_MSS) ? TCP_OPT_HAS_MSS : 0;
	o.has |= (how & OPT_WS) ? TCP_OPT_HAS_WSCALE : 0;
	o.has |= (how & OPT_TS) ? TCP_OPT_HAS_TS : 0;
	o.has |= (how & OPT_SACK_OK) ? TCP_OPT_HAS_SACK_OK : 0;
	if (how & OPT_MSS)
		o.mss = fz_u16(in);
	if (how & OPT_WS)
		o.wscale = fz_u8(in);
	if (how & OPT_TS_STRANGE) {
		o.tsval += (uint32_t)(int8_t)fz_u8(in);
		o.tsecr += (uint32_t)(int8_t)fz_u8(in);
	}
	uint32_t n = tcp_opts_emit_syn(p, &o);
	if (how & OPT_SACK)
		n += put_sack(in, b, how, p + n, TCP_OPT_MAX - n);
	if (how & OPT_RAW) {
		uint32_t len = (fz_u8(in) & 63) % (TCP_OPT_MAX - n + 1) & ~3u;
		memset(p + n, 0, len);
		fz_bytes(in, p + n, len);
		n += len;
	}
	return n;
}

struct seg {
	uint32_t seq, ack, len;
	uint16_t wnd;
	uint8_t flags, tos, split;
	bool bad_sum;
	uint8_t opts[TCP_OPT_MAX];
	uint32_t olen;
};

static void put_segment(struct tcp_world *w, uint32_t slot, const struct seg *s)
{
	uint8_t l4[FZ_FRAME_MAX], frame[FZ_FRAME_MAX];
	uint32_t v6 = slot >> 2 & 1, hlen = (uint32_t)sizeof(struct rte_tcp_hdr) + s->olen, syn = s->flags >> 1 & 1;
	struct fz_ends ends = {.src = fz_peer[v6], .dst = fz_ours[v6].addr, .tos = s->tos, .ttl = 64, .vlan = w->vlan};
	uint32_t len = RP_MIN(s->len, w->mtu - 40u - hlen);

	*(struct rte_tcp_hdr *)l4 = (struct rte_tcp_hdr){
		.src_port = rte_cpu_to_be_16((uint16_t)(TW_PEER_PORT + slot)),
		.dst_port = rte_cpu_to_be_16(tw_local_port(slot)),
		.sent_seq = rte_cpu_to_be_32(s->seq),
		.recv_ack = rte_cpu_to_be_32(s->ack),
		.data_off = (uint8_t)(hlen / 4 << 4),
		.tcp_flags = s->flags,
		.rx_win = rte_cpu_to_be_16(s->wnd),
	};
	memcpy(l4 + sizeof(struct rte_tcp_hdr), s->opts, s->olen);
	for (uint32_t i = 0; i < len; i++)
		l4[hlen + i] = tw_rx_byte(s->seq + syn + i);
	uint32_t n = fz_put_ip(frame, &ends, IPPROTO_TCP, l4, hlen + len);
	if (!s->bad_sum)
		fz_csum_fix(frame, n);
	w->slot[slot].seq = s->seq + len + syn + (s->flags & 1);
	tw_put(w, frame, n, s->split);
}

static void op_segment(struct tcp_world *w, struct fz_in *in)
{
	uint8_t where = fz_u8(in), how = fz_u8(in), opt, misc;
	uint32_t slot = where & 7;
	struct base b = base_of(w, slot);
	struct seg s = {.flags = fz_u8(in)};

	opt = fz_u8(in);
	misc = fz_u8(in);
	s.seq = choose_seq(w, &b, slot, where >> 3) + (uint32_t)((int8_t)fz_u8(in) * (1 << (how & 15)));
	s.ack = choose_ack(w, &b, slot, where >> 6) + (uint32_t)((int8_t)fz_u8(in) * (1 << (how >> 4)));
	s.wnd = fz_u16(in);
	s.len = (misc & 4) ? fz_u16(in) % 1500 : 0;
	s.split = misc >> 3 & 3;
	s.tos = misc >> 5 & 3;
	s.bad_sum = (misc & 0x82) == 0x82;
	s.olen = put_options(w, in, slot, &b, opt, s.opts);
	uint32_t place = (s.seq == b.rcv_nxt ? 0 : tcp_seq_lt(s.seq, b.rcv_nxt) ? 1 : 2) + (s.len > 0 ? 3 : 0);
	met[b.state][(s.flags & 31) * 8 + place]++;
	put_segment(w, slot, &s);
	if (!(misc & 1))
		tw_deliver(w);
}

/* A frame as it stands in the input, checksums mended or not. */
static void op_raw(struct tcp_world *w, struct fz_in *in)
{
	uint8_t frame[FZ_FRAME_MAX], how = fz_u8(in);
	uint32_t len = fz_bytes(in, frame, fz_u16(in) % 1600);

	if (len == 0)
		return;
	if ((how & 1) && len >= 12)
		memcpy(frame, &fz_our_mac, 6);
	if (how & 2)
		fz_csum_fix(frame, len);
	w->raw = true;
	tw_put(w, frame, len, how >> 3);
	if (!(how & 4))
		tw_deliver(w);
}

/* A plain segment in order, with the options that were agreed on. */
static void put_plain(struct tcp_world *w, uint32_t slot, uint8_t flags, uint8_t opt, int32_t dack)
{
	struct base b = base_of(w, slot);
	struct fz_in none = {NULL, NULL};
	struct seg s = {.seq = b.rcv_nxt, .ack = b.snd_nxt + (uint32_t)dack, .wnd = 20000, .flags = flags};

	if (!(flags & RTE_TCP_SYN_FLAG))
		opt &= OPT_TS;
	else if (opt & OPT_MSS)
		none = (struct fz_in){(const uint8_t *)"\5\264\3", (const uint8_t *)"\5\264\3" + 3};
	s.olen = put_options(w, &none, slot, &b, opt & (OPT_TS | OPT_MSS | OPT_WS | OPT_SACK_OK), s.opts);
	put_segment(w, slot, &s);
	tw_deliver(w);
	tw_pump(w);
}

static void close_slot(struct tcp_world *w, uint32_t slot)
{
	void *e = tw_entry(w, slot);

	if (e != NULL && !tcp_entry_is_tw(e) && ((struct tcp_conn *)e)->state >= TCP_ESTABLISHED)
		tcp_close(e);
	tw_pump(w);
}

/* The way into a state, so that what comes next meets it often. */
static void op_walk(struct tcp_world *w, struct fz_in *in)
{
	uint8_t where = fz_u8(in), opt = fz_u8(in);
	uint32_t slot = where & 7, goal = where >> 3 & 7;
	const uint8_t fin = RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG, ack = RTE_TCP_ACK_FLAG;

	tw_deliver(w);
	if (slot & 1) {
		tw_connect(w, slot);
		tw_pump(w);
		put_plain(w, slot, (where & 64) ? RTE_TCP_SYN_FLAG : RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, opt, 0);
	} else {
		put_plain(w, slot, RTE_TCP_SYN_FLAG, opt, 0);
	}
	if (goal == 7)
		return;
	put_plain(w, slot, ack, opt, 0);
	if (goal == 1 || goal == 2 || goal == 5 || goal == 6)
		close_slot(w, slot);
	if (goal == 2 || goal == 6)
		put_plain(w, slot, ack, opt, 0);
	if (goal >= 3 && goal <= 6)
		put_plain(w, slot, fin, opt, goal == 5 ? -1 : 0);
	if (goal == 4)
		close_slot(w, slot);
}

static struct tw_user *choose_user(struct tcp_world *w, uint8_t which)
{
	for (uint32_t i = 0; i < TW_USERS; i++) {
		struct tw_user *u = &w->user[(which + i) % TW_USERS];
		if (u->c != NULL)
			return u;
	}
	return NULL;
}

static void op_user(struct tcp_world *w, struct fz_in *in)
{
	uint8_t what = fz_u8(in), which = fz_u8(in);

	tw_deliver(w);
	struct tw_user *u = choose_user(w, which & 15);
	switch (what & 7) {
	case 0:
		tw_connect(w, (which & 7) | 1);
		return;
	case 1:
		w->reactions = fz_u16(in);
		return;
	default:
		break;
	}
	if (u == NULL)
		return;
	if ((what & 7) == 2 && (what & 8))
		tw_send_value(w, u, 1 + fz_u16(in), what >> 4);
	else if ((what & 7) <= 4)
		tw_send(w, u, fz_u16(in), 1 + (what >> 4));
	else if ((what & 7) == 5)
		tw_consume(u, fz_u16(in));
	else if ((what & 7) == 6)
		tcp_close(u->c);
	else
		tcp_abort(u->c);
}

/* The device, buffers, the listener, the neighbours. */
static void op_world(struct tcp_world *w, struct fz_in *in)
{
	uint8_t what = fz_u8(in);

	switch (what & 7) {
	case 0:
		w->tx_hold = true;
		break;
	case 1:
		w->tx_hold = false;
		tw_unhold(w);
		break;
	case 2:
		tw_hog(w, what >> 3);
		break;
	case 3:
		tw_unhog(w);
		break;
	case 4:
		tcp_unlisten(w->tcp, TW_PORT);
		break;
	case 5:
		(void)tcp_listen(w->tcp, &fz_ours[what >> 3 & 1].addr, TW_PORT);
		break;
	default:
		w->mute_peers = what & 8;
	}
}

/* A router says that a frame was too big: quotes one of ours. */
static void op_icmp(struct tcp_world *w, struct fz_in *in)
{
	uint32_t slot = fz_u8(in) & 7, v6 = slot >> 2 & 1, iplen = v6 ? 40 : 20;
	uint8_t how = fz_u8(in), msg[8 + 40 + 20] = {v6 ? 2 : 3, v6 ? 0 : 4}, quoted[128], frame[256];
	struct base b = base_of(w, slot);
	struct rte_tcp_hdr h = {.src_port = rte_cpu_to_be_16(tw_local_port(slot)),
				.dst_port = rte_cpu_to_be_16((uint16_t)(TW_PEER_PORT + slot)),
				.sent_seq = rte_cpu_to_be_32(b.snd_una + (uint32_t)(int8_t)fz_u8(in)),
				.data_off = 0x50};
	struct fz_ends back = {.src = fz_ours[v6].addr, .dst = fz_peer[v6], .ttl = 63};
	struct fz_ends here = {.src = fz_peer[v6], .dst = fz_ours[v6].addr, .ttl = 64, .vlan = w->vlan};

	uint32_t mtu = fz_u16(in);
	msg[6] = (uint8_t)(mtu >> 8);
	msg[7] = (uint8_t)mtu;
	uint32_t n = fz_put_ip(quoted, &back, IPPROTO_TCP, &h, sizeof(h));
	memcpy(msg + 8, quoted + 14, n - 14);
	if (!(how & 1)) /* it was longer than what is quoted of it */
		msg[8 + (v6 ? 4 : 2)] = 5;
	n = fz_put_ip(frame, &here, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, msg, 8 + iplen + 20);
	fz_csum_fix(frame, n);
	tw_put(w, frame, n, how >> 1);
	tw_deliver(w);
}

static void op_time(struct tcp_world *w, struct fz_in *in)
{
	uint8_t k = fz_u8(in);

	tw_deliver(w);
	tw_advance(w, ((uint64_t)(k >> 5) + 1) << (k & 31)); /* up to 4 hours */
}

static void run_op(struct tcp_world *w, struct fz_in *in)
{
	switch (fz_u8(in) & 15) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
	case 5:
		op_segment(w, in);
		break;
	case 6:
	case 7:
		op_time(w, in);
		break;
	case 8:
	case 9:
	case 10:
		op_user(w, in);
		break;
	case 11:
		op_world(w, in);
		break;
	case 12:
		op_icmp(w, in);
		break;
	case 13:
		op_raw(w, in);
		break;
	default:
		op_walk(w, in);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tcp_world w;
	struct fz_in in = {data, data + size};

	if (size < 4)
		return 0;
	uint16_t config = fz_u16(&in);
	tw_begin(&w, pool, values, config, fz_u8(&in));
	for (uint32_t i = 0; i < OPS_MAX && in.at < in.end; i++) {
		run_op(&w, &in);
		if (w.nburst > 0)
			continue; /* the rest of a burst */
		tw_pump(&w);
		tw_check(&w);
	}
	tw_end(&w);
	return 0;
}
