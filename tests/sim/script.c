/* Plays scripts and reports each.
 *
 *   script DIRECTORY|FILE...
 */
#include "script.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"

#define PORT         6379
#define PEER_PORT    4000
#define PEER_ISN     0xfffff000u /* numbers wrap early in every script */
#define TOLERANCE_US 2100        /* the timer wheel is never early, and late by up to two ticks */
#define ANY_TIME_US  70000000ULL

struct sent {
	uint64_t at_us;
	uint8_t flags;
	uint32_t seq, ack, len;
	uint16_t win;
	uint8_t ecn;
	struct tcp_opts opts;
};

/* Lines that are played several times, the numbers of both sides farther with each round. */
struct loop {
	long from; /* in the file */
	uint32_t line, rounds, round, ours, theirs;
};

struct play {
	struct tcp_params p;
	struct tcp *t;
	struct tcp_conn *c;
	struct clock_now now;
	uint64_t last_us; /* time of the last event */
	struct sent sent[SCRIPT_PACKETS_MAX];
	uint32_t nsent, taken;
	struct rte_mbuf *burst[RP_MAX_BURST]; /* arrives with the next segment */
	uint32_t nburst;
	uint32_t isn, ts_base;
	bool isn_known, ts_known, consume, refuse, ipv6;
	uint64_t received, written;
	bool peer_closed, closed;
	enum tcp_close_reason why;
	struct loop loop;
	char problem[256];
};

static struct rte_mempool *pool;

#define PROBLEM(pl, ...)                                                             \
	do {                                                                         \
		if ((pl)->problem[0] == '\0')                                        \
			snprintf((pl)->problem, sizeof((pl)->problem), __VA_ARGS__); \
	} while (0)

/* What a byte of the stream is, from either end. */
static uint8_t stream_byte(uint64_t off)
{
	return (uint8_t)(off * 31 + (off >> 8));
}

static bool on_accepted(void *ctx, struct tcp_conn *c)
{
	struct play *pl = ctx;

	pl->c = c;
	return !pl->refuse;
}

static void on_connected(void *ctx, struct tcp_conn *c)
{
}

static void on_received(void *ctx, struct tcp_conn *c, void *user, struct rte_mbuf *m)
{
	struct play *pl = ctx;
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	for (uint32_t i = 0; i < m->data_len; i++) {
		if (p[i] != stream_byte(pl->received + i))
			PROBLEM(pl, "wrong byte received at %lu", pl->received + i);
	}
	pl->received += m->data_len;
	if (pl->consume)
		tcp_rx_consumed(c, m->data_len);
	rte_pktmbuf_free(m);
}

static void on_peer_closed(void *ctx, struct tcp_conn *c, void *user)
{
	((struct play *)ctx)->peer_closed = true;
}

static void on_send_ready(void *ctx, struct tcp_conn *c, void *user)
{
}

static void on_closed(void *ctx, struct tcp_conn *c, void *user, enum tcp_close_reason why)
{
	struct play *pl = ctx;

	pl->closed = true;
	pl->why = why;
	pl->c = NULL;
}

static int path_init(void *ctx, struct net_path *path, const struct net_addr *local, const struct net_addr *remote)
{
	*path = (struct net_path){.local = *local, .remote = *remote, .mtu = 1500};
	return 0;
}

static void output(void *ctx, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len)
{
	struct play *pl = ctx;
	const struct rte_tcp_hdr *h = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);

	if (pl->taken == pl->nsent)
		pl->taken = pl->nsent = 0;
	rp_assert(pl->nsent < SCRIPT_PACKETS_MAX);
	struct sent *s = &pl->sent[pl->nsent++];
	*s = (struct sent){
		.at_us = pl->now.mono_us,
		.flags = h->tcp_flags & ~RTE_TCP_PSH_FLAG,
		.seq = rte_be_to_cpu_32(h->sent_seq),
		.ack = rte_be_to_cpu_32(h->recv_ack),
		.len = m->pkt_len - tcp_len,
		.win = rte_be_to_cpu_16(h->rx_win),
		.ecn = path->tos & 3,
	};
	rp_assert(tcp_opts_parse((const uint8_t *)(h + 1), tcp_len - sizeof(*h), &s->opts));
	if (!pl->isn_known && (s->flags & RTE_TCP_SYN_FLAG)) {
		pl->isn_known = true;
		pl->isn = s->seq;
	}
	if (!pl->ts_known && (s->opts.has & TCP_OPT_HAS_TS)) {
		pl->ts_known = true;
		pl->ts_base = s->opts.tsval;
	}
	const uint8_t *data = (const uint8_t *)h + tcp_len;
	for (uint32_t i = 0; i < s->len; i++) {
		if (data[i] != stream_byte(s->seq - pl->isn - 1 + i))
			PROBLEM(pl, "wrong byte sent at %u", s->seq - pl->isn + i);
	}
	rte_pktmbuf_free(m);
}

static void confirm(void *ctx, struct net_path *path)
{
}

/* 10.0.0.1 and fd00::1 are ours, .2 and ::2 the peer's. */
static struct net_addr address(bool ipv6, uint8_t last)
{
	if (ipv6)
		return (struct net_addr){.family = 6, .v6 = {0xfd, [15] = last}};
	return (struct net_addr){.family = 4, .v4 = rte_cpu_to_be_32(0x0a000000u + last)};
}

static int local_for(void *ctx, const struct net_addr *remote, struct net_addr *local)
{
	*local = address(((struct play *)ctx)->ipv6, 1);
	return 0;
}

static void set_up(struct play *pl)
{
	memset(pl, 0, sizeof(*pl));
	pl->consume = true;
	pl->now.mono_us = pl->last_us = 1000000000;
	pl->p = (struct tcp_params){
		.ops = {pl, on_accepted, on_connected, on_received, on_peer_closed, on_send_ready, on_closed},
		.lower = {.ctx = pl,
			  .path_init = path_init,
			  .output = output,
			  .confirm = confirm,
			  .local_for = local_for},
		.pool = pool,
		.max_conns = 8,
		.max_syn = 4,
		.max_time_wait = 4,
		.timestamps = true,
		.window_scale = true,
		.seed = 3,
	};
}

static bool start(struct play *pl)
{
	struct err e;

	if (pl->t != NULL)
		return true;
	pl->t = tcp_create(&pl->p, &e);
	rp_assert(pl->t != NULL);
	tcp_set_now(pl->t, &pl->now);
	return tcp_listen(pl->t, &(struct net_addr){0}, PORT) == 0;
}

/* Until the given time, or until something is sent if so wished. */
static void advance(struct play *pl, uint64_t until, bool stop)
{
	tcp_poll_output(pl->t);
	while (pl->now.mono_us < until && !(stop && pl->taken < pl->nsent)) {
		pl->now.mono_us = RP_MIN(until, RP_MAX(tcp_next_timer_us(pl->t), pl->now.mono_us + 1));
		tcp_set_now(pl->t, &pl->now);
		tcp_poll_timers(pl->t);
		tcp_poll_output(pl->t);
	}
}

/* The IP header from the peer to us: as much of it as TCP reads. Returns its bytes. */
static uint16_t put_ip(struct play *pl, struct rte_mbuf *m, int ecn)
{
	struct net_addr from = address(pl->ipv6, 2), to = address(pl->ipv6, 1);
	uint16_t len = pl->ipv6 ? 40 : 20;
	uint8_t *ip = (uint8_t *)rte_pktmbuf_append(m, len);

	rp_assert(ip != NULL);
	memset(ip, 0, len);
	if (pl->ipv6) {
		ip[0] = 0x60;
		ip[1] = ecn > 0 ? (uint8_t)(ecn << 4) : 0;
		memcpy(ip + 8, from.v6, 16);
		memcpy(ip + 24, to.v6, 16);
	} else {
		ip[0] = 0x45;
		ip[1] = ecn > 0 ? (uint8_t)ecn : 0;
		memcpy(ip + 12, &from.v4, 4);
		memcpy(ip + 16, &to.v4, 4);
	}
	return len;
}

static struct rte_mbuf *make_packet(struct play *pl, const struct script_packet *p)
{
	struct rte_mbuf *m = buf_alloc(pool);
	struct tcp_opts o = p->opts;
	uint8_t opts[TCP_OPT_MAX];

	for (uint32_t i = 0; i < o.nblocks; i++) {
		o.block[i].start += pl->isn;
		o.block[i].end += pl->isn;
	}
	o.tsecr += (p->flags & RTE_TCP_ACK_FLAG) ? pl->ts_base : 0;
	uint32_t olen = tcp_opts_emit_syn(opts, &o);
	if (o.nblocks > 0)
		olen += tcp_opts_emit_sack(opts + olen, o.block, o.nblocks);
	uint16_t ip_len = put_ip(pl, m, p->ecn);
	struct rte_tcp_hdr *h = (struct rte_tcp_hdr *)rte_pktmbuf_append(m, (uint16_t)(sizeof(*h) + olen));
	*h = (struct rte_tcp_hdr){
		.src_port = rte_cpu_to_be_16(PEER_PORT),
		.dst_port = rte_cpu_to_be_16(PORT),
		.sent_seq = rte_cpu_to_be_32(PEER_ISN + p->seq),
		.recv_ack = rte_cpu_to_be_32(p->has_ack ? pl->isn + p->ack : 0),
		.data_off = (uint8_t)((sizeof(*h) + olen) / 4 << 4),
		.tcp_flags = p->flags,
		.rx_win = rte_cpu_to_be_16(p->has_win ? p->win : 65535),
		.tcp_urp = rte_cpu_to_be_16(p->urg),
	};
	memcpy(h + 1, opts, olen);
	uint8_t *data = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)p->len);
	rp_assert(data != NULL);
	for (uint32_t i = 0; i < p->len; i++)
		data[i] = stream_byte(p->seq - !(p->flags & RTE_TCP_SYN_FLAG) + i);
	rte_pktmbuf_adj(m, ip_len);
	m->l3_len = ip_len;
	return m;
}

static void compare_options(struct play *pl, const struct script_packet *p, const struct sent *s)
{
	const struct tcp_opts *w = &p->opts, *o = &s->opts;

	if (!p->has_opts)
		return;
	if (o->has != w->has || o->nblocks != w->nblocks)
		PROBLEM(pl, "options %x with %u SACK blocks", o->has, o->nblocks);
	if ((w->has & TCP_OPT_HAS_MSS) && o->mss != w->mss)
		PROBLEM(pl, "mss %u", o->mss);
	if ((w->has & TCP_OPT_HAS_WSCALE) && o->wscale != w->wscale)
		PROBLEM(pl, "wscale %u", o->wscale);
	if ((w->has & TCP_OPT_HAS_TS) &&
	    ((!p->any_tsval && o->tsval - pl->ts_base != w->tsval) || o->tsecr != w->tsecr))
		PROBLEM(pl, "TS val %u ecr %u", o->tsval - pl->ts_base, o->tsecr);
	for (uint32_t i = 0; i < w->nblocks; i++) {
		if (o->block[i].start - PEER_ISN != w->block[i].start || o->block[i].end - PEER_ISN != w->block[i].end)
			PROBLEM(pl, "SACK block %u is %u:%u", i, o->block[i].start - PEER_ISN,
				o->block[i].end - PEER_ISN);
	}
}

static void expect_packet(struct play *pl, const struct script_line *l)
{
	const struct script_packet *p = &l->packet;
	uint64_t due = pl->last_us + l->after_us;

	advance(pl, l->any_time ? pl->now.mono_us + ANY_TIME_US : due + TOLERANCE_US, true);
	if (pl->taken == pl->nsent) {
		PROBLEM(pl, "nothing was sent");
		return;
	}
	const struct sent *s = &pl->sent[pl->taken++];
	if (!l->any_time && (s->at_us + 100 < due || s->at_us > due + TOLERANCE_US))
		PROBLEM(pl, "sent %.6f s after the line before", ((double)s->at_us - (double)pl->last_us) / 1e6);
	if (s->flags != (p->flags & ~RTE_TCP_PSH_FLAG))
		PROBLEM(pl, "flags %x", s->flags);
	if (s->seq - pl->isn != p->seq || s->len != p->len)
		PROBLEM(pl, "sent %u:%u(%u)", s->seq - pl->isn, s->seq - pl->isn + s->len, s->len);
	if (p->has_ack && s->ack - PEER_ISN != p->ack)
		PROBLEM(pl, "ack %u", s->ack - PEER_ISN);
	if (p->has_win && s->win != p->win)
		PROBLEM(pl, "win %u", s->win);
	if (p->ecn >= 0 && s->ecn != p->ecn)
		PROBLEM(pl, "ECN field %u", s->ecn);
	compare_options(pl, p, s);
	pl->last_us = RP_MAX(pl->last_us, s->at_us);
}

static void do_send(struct play *pl, uint32_t bytes)
{
	while (bytes > 0) {
		uint32_t n = RP_MIN(bytes, (uint32_t)tcp_mss(pl->c));
		struct rte_mbuf *m = buf_alloc(pool);
		uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)n);
		for (uint32_t i = 0; i < n; i++)
			p[i] = stream_byte(pl->written + i);
		pl->written += n;
		bytes -= n;
		tcp_send(pl->c, m);
	}
}

/* The next SYN of ours opens another connection: numbers count from it. */
static void begin_anew(struct play *pl)
{
	pl->isn_known = false;
	pl->received = pl->written = 0;
	pl->peer_closed = pl->closed = false;
}

static void do_connect(struct play *pl, bool may)
{
	struct net_addr peer = address(pl->ipv6, 2);
	int err;

	begin_anew(pl);
	pl->c = tcp_connect(pl->t, &peer, PEER_PORT, PORT, NULL, &err);
	if ((pl->c != NULL) != may)
		PROBLEM(pl, "connect: error %d", err);
}

/* A router quotes sequence number seq and names an MTU. */
static void do_icmp(struct play *pl, uint32_t seq, uint16_t mtu)
{
	struct net_addr l, r;
	uint16_t lport, rport;

	tcp_conn_addrs(pl->c, &l, &lport, &r, &rport);
	tcp_pmtu_update(pl->t, &l, lport, &r, rport, pl->isn + seq, mtu);
}

/* Parameters of the instance; before anything else happens. */
static bool set_param(struct play *pl, const char *name, uint32_t v)
{
	struct tcp_params *p = &pl->p;
	const struct {
		const char *name;
		uint32_t *u32;
		bool *flag;
	} all[] = {
		{"rto_min_us", &p->rto_min_us, NULL},
		{"pmtu_probe_ms", &p->pmtu_probe_ms, NULL},
		{"rto_init_us", &p->rto_init_us, NULL},
		{"rto_max_us", &p->rto_max_us, NULL},
		{"delack_us", &p->delack_us, NULL},
		{"rcv_buf", &p->rcv_buf, NULL},
		{"max_syn", &p->max_syn, NULL},
		{"init_cwnd", &p->init_cwnd, NULL},
		{"time_wait_ms", &p->time_wait_ms, NULL},
		{"user_timeout_ms", &p->user_timeout_ms, NULL},
		{"keepalive_idle_s", &p->keepalive_idle_s, NULL},
		{"keepalive_intvl_s", &p->keepalive_intvl_s, NULL},
		{"keepalive_probes", &p->keepalive_probes, NULL},
		{"newreno", (uint32_t *)&p->cc, NULL}, /* 1: TCP_CC_NEWRENO */
		{"ecn", (uint32_t *)&p->ecn, NULL},
		{"no_syn_cookies", NULL, &p->no_syn_cookies},
		{"timestamps", NULL, &p->timestamps},
		{"window_scale", NULL, &p->window_scale},
		{"no_sack", NULL, &p->no_sack},
		{"consume", NULL, &pl->consume},
		{"ipv6", NULL, &pl->ipv6},
	};

	for (uint32_t i = 0; i < RP_ARRAY_LEN(all); i++) {
		if (strcmp(name, all[i].name) != 0)
			continue;
		if (all[i].u32 != NULL)
			*all[i].u32 = v;
		else
			*all[i].flag = v != 0;
		return true;
	}
	return false;
}

static bool counter_value(struct play *pl, const char *name, uint64_t *v)
{
	const struct tcp_counters *n = tcp_counters(pl->t);
#define TCP_COUNTER(field, help)         \
	if (strcmp(name, #field) == 0) { \
		*v = n->field;           \
		return true;             \
	}
#include "tcp/tcp_counters.def"
#undef TCP_COUNTER
	if (strcmp(name, "received") == 0)
		*v = pl->received;
	else if (strcmp(name, "peer_closed") == 0)
		*v = pl->peer_closed;
	else if (strcmp(name, "closed") == 0)
		*v = pl->closed;
	else if (strcmp(name, "cwnd") == 0 && pl->c != NULL)
		*v = pl->c->cwnd;
	else if (strcmp(name, "ssthresh") == 0 && pl->c != NULL)
		*v = pl->c->ssthresh;
	else if (strcmp(name, "unacked") == 0 && pl->c != NULL)
		*v = tcp_unacked(pl->c);
	else if (strcmp(name, "mss") == 0 && pl->c != NULL)
		*v = tcp_mss(pl->c);
	else
		return false;
	return true;
}

/* want is a number, or least..most. */
static bool is_as_wanted(uint64_t v, const char *want)
{
	char *end;
	uint64_t least = strtoull(want, &end, 0), most = least;

	if (strncmp(end, "..", 2) == 0)
		most = strtoull(end + 2, NULL, 0);
	return v >= least && v <= most;
}

static void expect_value(struct play *pl, const char *name, const char *want)
{
	uint64_t v;

	if (strcmp(name, "state") == 0) {
		const char *is = pl->c == NULL ? "none" : tcp_state_name(pl->c);
		if (strcmp(is, want) != 0)
			PROBLEM(pl, "state %s", is);
	} else if (!counter_value(pl, name, &v)) {
		PROBLEM(pl, "no such value: %s", name);
	} else if (!is_as_wanted(v, want)) {
		PROBLEM(pl, "%s is %lu", name, v);
	}
}

static void expect_silence(struct play *pl)
{
	if (pl->taken < pl->nsent)
		PROBLEM(pl, "a segment was sent: flags %x, %u(%u)", pl->sent[pl->taken].flags,
			pl->sent[pl->taken].seq - pl->isn, pl->sent[pl->taken].len);
}

static void act(struct play *pl, const struct script_line *l)
{
	uint32_t n = (uint32_t)strtoul(l->arg[0], NULL, 0);

	if (strncmp(l->word, "connect", 7) == 0)
		do_connect(pl, strcmp(l->word, "connect_fails") != 0);
	else if (strcmp(l->word, "expect") == 0)
		expect_value(pl, l->arg[0], l->arg[1]);
	else if (strcmp(l->word, "silence") == 0)
		expect_silence(pl);
	else if (strcmp(l->word, "forget") == 0)
		pl->taken = pl->nsent;
	else if (strcmp(l->word, "anew") == 0)
		begin_anew(pl);
	else if (strcmp(l->word, "unlisten") == 0)
		tcp_unlisten(pl->t, PORT);
	else if (pl->c == NULL)
		PROBLEM(pl, "no connection to %s", l->word);
	else if (strcmp(l->word, "send") == 0)
		do_send(pl, n);
	else if (strcmp(l->word, "read") == 0)
		tcp_rx_consumed(pl->c, n);
	else if (strcmp(l->word, "icmp") == 0)
		do_icmp(pl, n, (uint16_t)strtoul(l->arg[1], NULL, 0));
	else if (strcmp(l->word, "close") == 0)
		tcp_close(pl->c);
	else if (strcmp(l->word, "abort") == 0)
		tcp_abort(pl->c);
	else
		PROBLEM(pl, "unknown action %s", l->word);
	tcp_poll_output(pl->t);
}

static void arrive(struct play *pl, const struct script_line *l)
{
	if (pl->nburst == RP_MAX_BURST) {
		PROBLEM(pl, "too many segments in a burst");
		return;
	}
	pl->burst[pl->nburst++] = make_packet(pl, &l->packet);
	if (l->joined)
		return;
	tcp_input_burst(pl->t, pl->burst, pl->nburst);
	pl->nburst = 0;
	tcp_poll_output(pl->t);
}

static void play_line(struct play *pl, const struct script_line *l)
{
	if (strcmp(l->word, "set") == 0) {
		if (pl->t != NULL || !set_param(pl, l->arg[0], (uint32_t)strtoul(l->arg[1], NULL, 0)))
			PROBLEM(pl, "cannot set %s here", l->arg[0]);
		return;
	}
	start(pl);
	if (l->kind == SCRIPT_OUT) {
		expect_packet(pl, l);
		return;
	}
	advance(pl, pl->last_us + l->after_us, false);
	pl->last_us = RP_MAX(pl->last_us, pl->now.mono_us);
	if (l->kind == SCRIPT_IN)
		arrive(pl, l);
	else
		act(pl, l);
}

/* The marks of a loop; false: another line. */
static bool play_loop(struct play *pl, FILE *f, uint32_t *at, const struct script_line *l)
{
	struct loop *lp = &pl->loop;

	if (strcmp(l->word, "repeat") == 0) {
		if (lp->rounds != 0)
			PROBLEM(pl, "a loop in a loop");
		*lp = (struct loop){
			.from = ftell(f),
			.line = *at,
			.rounds = (uint32_t)strtoul(l->arg[0], NULL, 0),
			.ours = (uint32_t)strtoul(l->arg[1], NULL, 0),
			.theirs = (uint32_t)strtoul(l->arg[2], NULL, 0),
		};
		return true;
	}
	if (strcmp(l->word, "end") != 0)
		return false;
	if (lp->rounds == 0)
		PROBLEM(pl, "the end of no loop");
	if (++lp->round < lp->rounds) {
		fseek(f, lp->from, SEEK_SET);
		*at = lp->line;
	} else {
		lp->rounds = 0;
	}
	return true;
}

static void play_lines(struct play *pl, FILE *f, uint32_t *at)
{
	struct loop *lp = &pl->loop;
	char text[512];
	struct script_line l;
	const char *why;

	while (pl->problem[0] == '\0' && fgets(text, sizeof(text), f) != NULL) {
		++*at;
		int rc = script_parse(text, &l, &why);
		if (rc < 0)
			PROBLEM(pl, "%s", why);
		if (rc <= 0 || play_loop(pl, f, at, &l))
			continue;
		if (lp->rounds != 0)
			script_shift(&l, lp->round * lp->ours, lp->round * lp->theirs);
		play_line(pl, &l);
	}
	if (lp->rounds != 0)
		PROBLEM(pl, "a loop without end");
}

static bool play_file(struct play *pl, const char *path)
{
	FILE *f = fopen(path, "r");
	uint32_t at = 0;

	set_up(pl);
	if (f != NULL) {
		play_lines(pl, f, &at);
		fclose(f);
	} else {
		PROBLEM(pl, "cannot be opened");
	}
	expect_silence(pl);
	tcp_destroy(pl->t);
	if (rte_mempool_avail_count(pool) != pool->size)
		PROBLEM(pl, "buffers are missing");
	if (pl->problem[0] == '\0')
		printf("ok   %s\n", path);
	else
		printf("FAIL %s:%u: %s\n", path, at, pl->problem);
	return pl->problem[0] == '\0';
}

static int is_script(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');
	return dot != NULL && strcmp(dot, ".pkt") == 0;
}

static uint32_t play_dir(struct play *pl, const char *dir, uint32_t *failed)
{
	struct dirent **entry;
	int n = scandir(dir, &entry, is_script, alphasort);
	char path[1024];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry[i]->d_name);
		*failed += !play_file(pl, path);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return n > 0 ? (uint32_t)n : 0;
}

int main(int argc, char **argv)
{
	struct play *pl = calloc(1, sizeof(*pl));
	uint32_t played = 0, failed = 0;

	wire_eal_init("sim_script");
	pool = wire_pool("sim_script", 1023);
	for (int i = 1; i < argc; i++) {
		uint32_t n = play_dir(pl, argv[i], &failed);
		if (n == 0)
			failed += !play_file(pl, argv[i]);
		played += RP_MAX(n, 1u);
	}
	printf("%u scripts, %u failed\n", played, failed);
	free(pl);
	return failed != 0 || played == 0;
}
