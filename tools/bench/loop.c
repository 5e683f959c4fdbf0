/* The poll loop and its steps. */
#include "loop.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>

#include "base/turn.h"

#define CONNECTING_MAX 256     /* SYNs under way: servers keep a few hundred half-open connections */
#define LINGER_CONNS   8192    /* closed by us and still saying goodbye */
#define PATIENCE_US    5000000 /* without one connection open for so long the server is given up */
#define REFUSED_US     300000  /* with the very first one refused that long is enough */
#define LEAVING_MAX    256     /* connections being closed at the end */
#define GOODBYE_US     1000000 /* without an answer for so long the rest is dropped */
#define DRAIN_US       5000000 /* replies are waited for so long after the last request */
#define PROGRESS_PER_S 4
#define STALL_TRIES    64 /* connections without buffers looked at in one iteration */
#define SEGMENT_BYTES  1400

/* ---- set-up ---- */

static int set_greeting(struct loop *l, const struct options *o, struct err *e)
{
	char db[24];
	struct gen g;
	const char *auth[] = {"AUTH", *o->user ? o->user : o->password, o->password};
	const char *select[] = {"SELECT", db};

	snprintf(db, sizeof db, "%lu", o->dbnum);
	for (int i = 0; i < 2; i++) {
		if (i == 0 ? !*o->password : o->dbnum == 0)
			continue;
		if (gen_init(&g, i == 0 ? auth : select, i == 0 ? 2 + (*o->user != '\0') : 2, 0, e) < 0)
			return -1;
		bool fits = l->greeting_len + g.len <= sizeof l->greeting;
		if (fits)
			memcpy(l->greeting + l->greeting_len, g.bytes, g.len);
		l->greeting_len += g.len;
		l->greeting_replies++;
		gen_fini(&g);
		if (!fits)
			return err_set(e, "user and password are longer than %zu bytes", sizeof l->greeting);
	}
	return 0;
}

static int make_conns(struct loop *l, size_t scratch, struct err *e)
{
	uint64_t n = l->nconns + l->nidle;
	uint32_t slots = l->ring_mask + 1;

	l->conns = calloc(n, sizeof *l->conns);
	l->rings = calloc((size_t)l->nconns * slots, sizeof *l->rings);
	l->scratch = malloc(scratch);
	if (l->conns == NULL || l->rings == NULL || l->scratch == NULL)
		return err_set(e, "out of memory for %lu connections: lower -c, -P or --idle", n);
	for (uint64_t i = 0; i < n; i++) {
		if (i < l->nconns)
			l->conns[i].sent = l->rings + i * slots;
		conn_enter_list(&l->conns[i], i < l->nconns ? &l->closed : &l->closed_idle);
	}
	return 0;
}

int loop_init(struct loop *l, const struct options *o, uint32_t pipeline, uint32_t request_len, struct err *e)
{
	struct tcp_ops ops;
	uint64_t batch = (uint64_t)pipeline * request_len;

	TAILQ_INIT(&l->closed);
	TAILQ_INIT(&l->closed_idle);
	TAILQ_INIT(&l->ready);
	TAILQ_INIT(&l->stalled);
	l->nconns = (uint32_t)o->conns;
	l->nidle = o->idle;
	l->ring_mask = rte_align32pow2(pipeline) - 1;
	l->keepalive = o->keepalive != 0;
	l->port = (uint16_t)o->port;
	if (!net_addr_parse(o->host, &l->remote, NULL))
		return err_set(e, "-h '%s': give the server's address as in 10.0.0.1; names are not looked up",
			       o->host);
	if (set_greeting(l, o, e) < 0 || make_conns(l, request_len, e) < 0)
		return -1;
	conn_tcp_ops(l, &ops);
	conn_sink(l, &l->sink);
	if (rig_open(&l->rig, o, &ops, (uint32_t)(l->nconns + l->nidle + LINGER_CONNS),
		     l->nconns * (batch / SEGMENT_BYTES + 1), e) < 0)
		return -1;
	l->ns_mult = (uint64_t)(1e9 / (double)l->rig.clock.tsc_hz * 4294967296.0);
	l->alive_us = l->rig.now.mono_us;
	return 0;
}

/* ---- the steps of an iteration ---- */

static uint32_t poll_rx(struct loop *l)
{
	struct rte_mbuf *seg[RP_MAX_BURST];
	uint32_t n = net_poll_rx(l->rig.net, seg, RP_MAX_BURST);

	l->tsc = rte_rdtsc();
	if (n > 0)
		tcp_input_burst(l->rig.tcp, seg, n);
	return n;
}

/* Batches that found no buffers before. */
static uint32_t poll_stalled(struct loop *l)
{
	uint32_t n = 0;
	for (; n < STALL_TRIES && !TAILQ_EMPTY(&l->stalled); n++) {
		struct conn *c = TAILQ_FIRST(&l->stalled);
		conn_leave_list(c);
		conn_send(l, c);
		if (c->on == &l->stalled)
			break; /* still none */
	}
	return n;
}

/* Open loop: requests that are due. */
static uint32_t poll_due(struct loop *l)
{
	struct phase *p = l->phase;
	struct conn_list *from = l->keepalive ? &l->ready : &l->closed;
	uint32_t n = 0, batch = l->keepalive ? 1 : p->pipeline;

	uint64_t due = phase_due(p, l->tsc, batch);
	while (p->issued < due && !TAILQ_EMPTY(from) && !p->stopped) {
		struct conn *c = TAILQ_FIRST(from);
		if (!l->keepalive && (l->nconnecting >= CONNECTING_MAX || l->rig.now.mono_us < l->retry_us))
			break;
		conn_leave_list(c);
		c->quota = (uint32_t)RP_MIN(p->limit - p->issued, (uint64_t)batch);
		c->stamp_tsc = p->start_tsc + (uint64_t)((double)p->issued * p->tsc_per_request);
		p->issued += c->quota;
		n++;
		if (!l->keepalive) {
			if (conn_open(l, c) < 0)
				break;
			continue;
		}
		conn_send(l, c);
		conn_next(l, c);
	}
	if (!p->stopped && (p->issued >= p->limit || l->tsc >= p->deadline_tsc)) {
		p->stopped = true;
		p->unsent = due - p->issued;
	}
	return n;
}

/* Takes the requests that a new connection is opened for. True: go on. */
static bool take_for_opening(struct loop *l, struct conn *c)
{
	if (l->keepalive || c->sent == NULL)
		return true;
	if (l->phase == NULL)
		return !l->reached; /* one, to learn the way */
	c->quota = l->phase->rate > 0 ? 0 : phase_take(l->phase, l->tsc, l->phase->pipeline);
	c->stamp_tsc = l->tsc;
	return c->quota > 0;
}

static uint32_t open_from(struct loop *l, struct conn_list *list)
{
	uint32_t n = 0, most = l->reached ? CONNECTING_MAX : 1;

	while (l->nconnecting < most && !TAILQ_EMPTY(list) && l->rig.now.mono_us >= l->retry_us) {
		struct conn *c = TAILQ_FIRST(list);
		if (!take_for_opening(l, c))
			break;
		int why = conn_open(l, c);
		if (why == -ENETUNREACH)
			err_set(&l->fatal,
				"no way to the server from our addresses: give --gateway, or an --address in "
				"the server's network");
		if (why < 0)
			break;
		n++;
	}
	return n;
}

static uint32_t poll_opening(struct loop *l)
{
	return open_from(l, &l->closed_idle) + open_from(l, &l->closed);
}

static uint32_t iterate(struct loop *l)
{
	rig_set_now(&l->rig);
	uint32_t n = poll_rx(l);
	n += poll_stalled(l);
	if (l->phase && l->phase->rate > 0)
		n += poll_due(l);
	n += poll_opening(l);
	return n + rig_poll_tx(&l->rig);
}

/* ---- before, between and after tests ---- */

static int give_up(const struct loop *l, const char *what, struct err *e)
{
	static const char *const why[] = {
		[TCP_CLOSED_NORMAL] = "the server closes them",
		[TCP_CLOSED_RESET] = "the server resets them",
		[TCP_CLOSED_TIMEOUT] = "no answer; check the address, the device and the network",
		[TCP_CLOSED_REFUSED] = "refused; nothing listens on that port",
		[TCP_CLOSED_ABORTED] = "no packet buffers",
		[TCP_CLOSED_NOMEM] = "no packet buffers",
	};
	bool never = !l->reached && l->last_why == TCP_CLOSED_NORMAL;
	char addr[64];

	if (l->fatal.text[0])
		return err_set(e, "%s", l->fatal.text);
	net_addr_format(&l->remote, addr, sizeof addr);
	return err_set(e, "%s to %s:%u: %s%s%s", what, addr, l->port,
		       never ? "no answer; check the address, the device and the network" : why[l->last_why],
		       l->error_len ? ": " : "", l->error);
}

static bool all_open(const struct loop *l)
{
	if (l->nidle_open < l->nidle)
		return false;
	return l->keepalive ? l->nopen == l->nconns : l->reached && l->nconnecting == 0;
}

int loop_connect(struct loop *l, struct err *e)
{
	char what[96];
	uint64_t patience;

	l->alive_us = l->rig.now.mono_us;
	while (!all_open(l) && !*l->interrupted) {
		iterate(l);
		patience = !l->reached && l->last_why == TCP_CLOSED_REFUSED ? REFUSED_US : PATIENCE_US;
		if (!l->fatal.text[0] && l->rig.now.mono_us - l->alive_us < patience)
			continue;
		snprintf(what, sizeof what, "only %lu of %lu connections could be opened", l->nopen + l->nidle_open,
			 (l->keepalive ? l->nconns : 0) + l->nidle);
		return give_up(l, l->reached ? what : "cannot connect", e);
	}
	for (uint32_t i = 0; !l->keepalive && i < l->nconns; i++)
		if (l->conns[i].state == CONN_READY)
			conn_finish(l, &l->conns[i]);
	return 0;
}

static void phase_begin(struct loop *l, struct phase *p)
{
	double hz = (double)l->rig.clock.tsc_hz;

	l->phase = p;
	l->error_len = 0;
	l->error[0] = '\0';
	l->error_of = NULL;
	conn_sink(l, &l->sink);
	rig_set_now(&l->rig);
	l->tsc = p->start_tsc = p->last_tsc = rte_rdtsc();
	p->deadline_tsc = p->seconds > 0 ? p->start_tsc + (uint64_t)(p->seconds * hz) : UINT64_MAX;
	p->tsc_per_request = p->rate > 0 ? hz / p->rate : 0;
	l->progress_tsc = p->start_tsc + l->rig.clock.tsc_hz / PROGRESS_PER_S;
	l->alive_us = l->rig.now.mono_us;
	for (uint32_t i = 0; l->keepalive && i < l->nconns; i++)
		conn_next(l, &l->conns[i]);
}

/* The connections of a test that was cut short still have replies to come: they start anew. */
static void phase_end(struct loop *l)
{
	struct phase *p = l->phase;

	for (uint32_t i = 0; i < l->nconns; i++) {
		struct conn *c = &l->conns[i];
		p->lost += c->pending + c->quota;
		if (c->tc != NULL && (c->pending > 0 || c->quota > 0 || !l->keepalive))
			conn_finish(l, c);
		else if (c->on == &l->ready)
			conn_leave_list(c);
	}
	memcpy(p->first_error, l->error, sizeof p->first_error);
	l->phase = NULL;
}

static bool phase_over(const struct loop *l, const struct phase *p)
{
	return p->done + p->lost == p->issued && (p->stopped || p->issued - (p->rate > 0 ? 0 : p->lost) >= p->limit);
}

/* 0: go on; 1: over; -1: the server is gone. */
static int phase_check(struct loop *l, uint64_t *done_before, uint64_t *stopped_us)
{
	struct phase *p = l->phase;
	uint64_t now = l->rig.now.mono_us;

	if (p->done != *done_before) {
		*done_before = p->done;
		p->last_tsc = l->tsc;
		l->alive_us = now;
	}
	if (l->tsc >= p->deadline_tsc && p->rate == 0)
		p->stopped = true;
	if (phase_over(l, p) || *l->interrupted)
		return 1;
	if (l->fatal.text[0] || (l->nopen == 0 && now - l->alive_us > PATIENCE_US))
		return -1;
	if (l->tsc < p->deadline_tsc)
		*stopped_us = now;
	return now - *stopped_us > DRAIN_US ? 1 : 0;
}

int loop_run(struct loop *l, struct phase *p, struct err *e)
{
	uint64_t done_before = 0, stopped_us = l->rig.now.mono_us;
	int over;

	turn_set(TURN_LONG_NS);
	phase_begin(l, p);
	uint64_t last = rte_rdtsc();
	do {
		uint32_t work = iterate(l);
		uint64_t now = rte_rdtsc();
		p->cycles += now - last;
		p->busy_cycles += work > 0 ? now - last : 0;
		last = now;
		if (rp_unlikely(l->tsc >= l->progress_tsc && l->progress)) {
			l->progress_tsc += l->rig.clock.tsc_hz / PROGRESS_PER_S;
			l->progress(l->progress_ctx, l);
		}
		over = phase_check(l, &done_before, &stopped_us);
	} while (over == 0);
	phase_end(l);
	return over < 0 ? give_up(l, "the connections were lost", e) : 0;
}

/* Connections of ours that are saying goodbye: all but those that nobody has closed yet. */
static uint64_t leaving(const struct loop *l, uint64_t unclosed)
{
	return tcp_conn_count(l->rig.tcp) - unclosed;
}

/* Waits until fewer than `most` are. False: the other side does not answer any more. */
static bool wait_leaving(struct loop *l, uint64_t unclosed, uint64_t most)
{
	uint64_t last = UINT64_MAX, since_us = 0;

	for (uint64_t n; (n = leaving(l, unclosed)) >= most;) {
		rig_set_now(&l->rig);
		if (n != last)
			since_us = l->rig.now.mono_us;
		else if (l->rig.now.mono_us - since_us > GOODBYE_US)
			return false;
		last = n;
		poll_rx(l);
		rig_poll_tx(&l->rig);
	}
	return true;
}

/* Nobody on the other side should keep a connection that we forget: it is closed, not reset, since a reset that a full
 * device drops is lost, and a few at a time. */
static void say_goodbye(struct loop *l)
{
	uint64_t unclosed = 0;
	bool answers = true;

	l->phase = NULL;
	for (uint64_t i = 0; i < l->nconns + l->nidle; i++)
		unclosed += l->conns[i].tc != NULL;
	for (uint64_t i = 0; i < l->nconns + l->nidle; i++) {
		struct tcp_conn *tc = l->conns[i].tc;
		if (tc == NULL)
			continue;
		tcp_set_user(tc, NULL);
		l->conns[i].tc = NULL;
		unclosed--;
		if (answers && l->conns[i].state == CONN_READY)
			tcp_close(tc);
		else
			tcp_abort(tc);
		answers = answers && wait_leaving(l, unclosed, LEAVING_MAX);
	}
	if (answers)
		wait_leaving(l, 0, 1);
}

void loop_fini(struct loop *l)
{
	if (l->rig.tcp != NULL)
		say_goodbye(l);
	rig_close(&l->rig);
	free(l->conns);
	free(l->rings);
	free(l->scratch);
}
