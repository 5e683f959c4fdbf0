/* Histories of many clients, checked for strict serialisability.
 *
 * Every write is an INCR, so the value that it answers is its place in the order of the writes of its key, and a read
 * names the write that it saw. What must come before what is then known completely:
 *
 *   the write of value v of a key  ->  the write of v + 1, and whoever read v
 *   whoever read v                 ->  the write of v + 1
 *   whoever was answered           ->  whoever was asked after that
 *
 * An order of all operations that keeps to this exists, and with it the history is strictly serialisable (and each key
 * linearizable), exactly if the graph has no cycle. (The approach of Adya's dependency graphs, and of Elle.)
 *
 * Workers, the control thread and the script thread run in an order drawn from the seed; some of them stand still for a
 * while. HISTORY_SEEDS=n in the environment plays n histories instead of a few.
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "ctrlplane/script/script_thread_priv.h"
#include "session/tx.h"

#define KEYS    12
#define CLIENTS 9
#define ROUNDS  40
#define TOUCHED 6
#define OPS     (CLIENTS * ROUNDS)

struct touch {
	uint8_t key;
	bool write;
	int64_t value; /* that it wrote or read; 0: there was none */
};

struct op {
	struct touch touch[TOUCHED];
	uint32_t n;
	uint32_t replies;         /* of EXEC or of a script */
	uint32_t asked, answered; /* step */
	bool exec, watched, aborted;
};

struct world {
	struct rig *r;
	struct script_thread *script;
	struct heap *script_heap;
	struct rig_conn *conn[CLIENTS];
	size_t read[CLIENTS]; /* of its output */
	struct op op[OPS];
	uint32_t first[CLIENTS]; /* its oldest operation that is not answered */
	uint32_t asked[CLIENTS]; /* how many it asked for */
	uint32_t step;
	uint32_t stalled_until[RIG_WORKERS + 2];
};

/* ---- asking ---- */

static void add(struct op *o, uint32_t key, bool write)
{
	o->touch[o->n++] = (struct touch){(uint8_t)key, write, -1};
}

static uint32_t draw(struct world *w, uint32_t n)
{
	return (uint32_t)rng_below(&w->r->rng, n);
}

static void ask_single(struct world *w, struct op *o, char *text)
{
	uint32_t key = draw(w, KEYS);
	bool write = draw(w, 2);
	add(o, key, write);
	sprintf(text, "%s k%u\r\n", write ? "INCR" : "GET", key);
}

static void ask_mget(struct world *w, struct op *o, char *text)
{
	char *p = text + sprintf(text, "MGET");
	for (uint32_t i = 1 + draw(w, TOUCHED); i > 0; i--) {
		add(o, draw(w, KEYS), false);
		o->replies++;
		p += sprintf(p, " k%u", o->touch[o->n - 1].key);
	}
	sprintf(p, "\r\n");
}

static void ask_exec(struct world *w, struct op *o, char *text)
{
	char *p = text + sprintf(text, "MULTI\r\n");
	o->exec = true;
	for (uint32_t i = 1 + draw(w, TOUCHED); i > 0; i--) {
		add(o, draw(w, KEYS), draw(w, 2));
		o->replies++;
		p += sprintf(p, "%s k%u\r\n", o->touch[o->n - 1].write ? "INCR" : "GET", o->touch[o->n - 1].key);
	}
	sprintf(p, "EXEC\r\n");
}

/* Reads two keys, watched, and increments them only if nobody else did meanwhile. */
static void ask_watch(struct world *w, struct op *o, char *text)
{
	uint32_t a = draw(w, KEYS), b = (a + 1 + draw(w, KEYS - 1)) % KEYS;
	o->watched = true;
	add(o, a, false);
	add(o, b, false);
	add(o, a, true);
	add(o, b, true);
	o->replies = 2;
	sprintf(text, "WATCH k%u k%u\r\nGET k%u\r\nGET k%u\r\nMULTI\r\nINCR k%u\r\nINCR k%u\r\nEXEC\r\n", a, b, a, b, a,
		b);
}

/* Reads or increments key by key, as its arguments say, and answers with what it saw. */
#define SCRIPT                                                                                             \
	"local r, n = {}, tonumber(ARGV[1]) for i = 1, n do local k = KEYS[i] or ARGV[1 + n + i - #KEYS] " \
	"if ARGV[1 + i] == 'w' then r[i] = redis.call('incr', k) "                                         \
	"else r[i] = tonumber(redis.call('get', k) or '0') end end return r"

/* What reaches for shards that it may not hold, before it has written anything: it begins again with all of them. */
#define REACH "for i = 1, #ARGV do if ARGV[i]:sub(1, 1) == 'k' then redis.call('exists', ARGV[i]) end end "

/* All its keys are declared, or the first alone, or none. */
static char *put_script(struct world *w, struct op *o, uint32_t n, char *p)
{
	uint32_t nkeys = draw(w, 3) == 0 ? draw(w, 2) : n;
	const struct touch *t = &o->touch[o->n];

	for (uint32_t i = 0; i < n; i++)
		add(o, draw(w, KEYS), draw(w, 2));
	p += sprintf(p, "EVAL \"%s%s\" %u", nkeys < n ? REACH : "", SCRIPT, nkeys);
	for (uint32_t i = 0; i < nkeys; i++)
		p += sprintf(p, " k%u", t[i].key);
	p += sprintf(p, " %u", n);
	for (uint32_t i = 0; i < n; i++)
		p += sprintf(p, " %c", t[i].write ? 'w' : 'r');
	for (uint32_t i = nkeys; i < n; i++)
		p += sprintf(p, " k%u", t[i].key);
	return p + sprintf(p, "\r\n");
}

static void ask_script(struct world *w, struct op *o, char *text)
{
	o->replies = 1 + draw(w, TOUCHED);
	put_script(w, o, o->replies, text);
}

/* A script between two other commands of one transaction. */
static void ask_exec_script(struct world *w, struct op *o, char *text)
{
	char *p = text + sprintf(text, "MULTI\r\n");

	o->exec = true;
	o->replies = 3;
	add(o, draw(w, KEYS), true);
	p += sprintf(p, "INCR k%u\r\n", o->touch[0].key);
	p = put_script(w, o, 1 + draw(w, TOUCHED - 2), p);
	add(o, draw(w, KEYS), false);
	sprintf(p, "GET k%u\r\nEXEC\r\n", o->touch[o->n - 1].key);
}

static void ask(struct world *w, uint32_t client)
{
	char text[2048];
	struct op *o = &w->op[client * ROUNDS + w->asked[client]++];
	*o = (struct op){.asked = w->step, .answered = UINT32_MAX};
	switch (draw(w, 11)) {
	case 0:
	case 1:
		ask_mget(w, o, text);
		break;
	case 2:
	case 3:
	case 4:
		ask_exec(w, o, text);
		break;
	case 5:
		ask_watch(w, o, text);
		break;
	case 6:
	case 7:
		ask_script(w, o, text);
		break;
	case 8:
		ask_exec_script(w, o, text);
		break;
	default:
		ask_single(w, o, text);
	}
	rig_send(w->conn[client], text);
}

/* ---- answers ---- */

/* The next line at *p, which moves behind it. NULL: it is not here yet. */
static const char *line(const char **p, const char *end)
{
	const char *from = *p, *cr = memchr(from, '\r', (size_t)(end - from));
	if (cr == NULL || cr + 2 > end)
		return NULL;
	*p = cr + 2;
	return from;
}

/* An integer, a bulk that is one, or null; the head of an array of them is passed over. false: not here yet. */
static bool number(const char **p, const char *end, int64_t *v)
{
	const char *l = line(p, end);
	if (l != NULL && *l == '*')
		l = line(p, end);
	if (l == NULL)
		return false;
	if (*l == ':') {
		*v = atoll(l + 1);
		return true;
	}
	if (*l != '$')
		fail_msg("unexpected reply: %.*s", (int)RP_MIN(end - l, 300), l);
	*v = 0;
	if (l[1] == '-')
		return true;
	l = line(p, end);
	if (l != NULL)
		*v = atoll(l);
	return l != NULL;
}

static bool expect(const char **p, const char *end, const char *text)
{
	const char *l = line(p, end);
	if (l != NULL)
		assert_memory_equal(l, text, strlen(text));
	return l != NULL;
}

/* The array that EXEC, MGET or a script answers with, or null. */
static bool numbers(const char **p, const char *end, struct op *o, uint32_t from)
{
	const char *l = line(p, end);
	if (l == NULL)
		return false;
	assert_int_equal(*l, '*');
	o->aborted = l[1] == '-';
	if (o->aborted)
		return true;
	assert_int_equal(atoi(l + 1), o->replies);
	for (uint32_t i = from; i < o->n; i++)
		if (!number(p, end, &o->touch[i].value))
			return false;
	return true;
}

static bool queued(const char **p, const char *end, uint32_t n)
{
	if (!expect(p, end, "+OK\r\n"))
		return false;
	while (n-- > 0)
		if (!expect(p, end, "+QUEUED\r\n"))
			return false;
	return true;
}

static bool answer(const char **p, const char *end, struct op *o)
{
	if (o->watched)
		return expect(p, end, "+OK\r\n") && number(p, end, &o->touch[0].value) &&
		       number(p, end, &o->touch[1].value) && queued(p, end, 2) && numbers(p, end, o, 2);
	if (o->exec)
		return queued(p, end, o->replies) && numbers(p, end, o, 0);
	if (**p == '*')
		return numbers(p, end, o, 0);
	return number(p, end, &o->touch[0].value);
}

static void take(struct world *w, uint32_t client)
{
	struct rig_conn *c = w->conn[client];
	const char *end = c->out + c->out_len;
	while (w->first[client] < w->asked[client]) {
		const char *p = c->out + w->read[client];
		struct op *o = &w->op[client * ROUNDS + w->first[client]];
		if (p == end || !answer(&p, end, o))
			return;
		o->answered = w->step;
		w->read[client] = (size_t)(p - c->out);
		w->first[client]++;
	}
}

/* ---- the history ---- */

/* Its clock stands still: nothing hangs on real time. */
static void start_scripts(struct world *w)
{
	struct err e = {""};
	struct rig *r = w->r;
	struct heap_params hp = {"script", 64 << 20, 0};
	struct script_thread_params p = {
		.host = {.self = msg_bus_script(r->bus),
			 .own = -1,
			 .nstores = r->n,
			 .stores = r->stores,
			 .slot_map = r->slot_map,
			 .bus = r->bus,
			 .leases = r->leases,
			 .mbufs = r->pool,
			 .conf = &r->conf,
			 .shared = &r->shared,
			 .client_id_step = 1,
			 .tsc_hz = 1000000000},
		.settings = {.lease = SCRIPT_LEASE_AUTO},
		.clock = {.tsc_hz = 1000000000, .base_wall_us = r->now.wall_us, .resync_tsc = UINT64_MAX},
		.cpu = -1};

	p.host.heap = w->script_heap = heap_create(&hp, &e);
	assert_non_null(w->script_heap);
	w->script = script_thread_create(&p, &e);
	assert_non_null(w->script);
}

static void stop_scripts(struct world *w)
{
	script_thread_destroy(w->script);
	heap_destroy(w->script_heap);
}

static void step(struct world *w)
{
	uint32_t host = draw(w, w->r->n + 2);
	w->step++;
	if (w->stalled_until[host] > w->step)
		return;
	if (draw(w, 200) == 0)
		w->stalled_until[host] = w->step + draw(w, 300);
	if (host <= w->r->n)
		rig_step(w->r, host);
	else
		script_iterate(w->script);
}

static bool all_answered(const struct world *w)
{
	for (uint32_t i = 0; i < CLIENTS; i++)
		if (w->first[i] < ROUNDS)
			return false;
	return true;
}

static void play(struct world *w, uint32_t workers, uint64_t seed)
{
	memset(w, 0, sizeof *w);
	w->r = rig_create(workers, seed);
	start_scripts(w);
	uint32_t pipelined = 1 + draw(w, 3);
	for (uint32_t i = 0; i < CLIENTS; i++)
		w->conn[i] = rig_open(w->r, i % (workers + 1));
	while (!all_answered(w)) {
		uint32_t client = draw(w, CLIENTS);
		if (w->asked[client] < ROUNDS && w->asked[client] - w->first[client] < pipelined)
			ask(w, client);
		for (uint32_t n = draw(w, 4); n > 0; n--)
			step(w);
		for (uint32_t i = 0; i < CLIENTS; i++)
			take(w, i);
		assert_true(w->step < 2000000);
	}
	stop_scripts(w);
	rig_destroy(w->r);
}

/* ---- the check ---- */

struct graph {
	/* node: an operation, or (OPS + step of an answer): everything answered up to then */
	uint32_t nodes, nedges;
	struct edge {
		uint32_t to, next;
	} * edge;
	uint32_t *first;
	uint8_t *colour;
};

#define EDGES (OPS * TOUCHED * 8 + OPS * 8)

static void edge(struct graph *g, uint32_t from, uint32_t to)
{
	if (from == to)
		return;
	assert_true(g->nedges < EDGES);
	g->edge[g->nedges] = (struct edge){to, g->first[from]};
	g->first[from] = g->nedges++;
}

/* No cycle from here? Depth first, without recursion: histories are long. */
static bool acyclic_from(struct graph *g, uint32_t root)
{
	uint32_t *stack = malloc(g->nodes * sizeof *stack), n = 0;
	bool ok = true;
	if (g->colour[root] == 0) {
		stack[n++] = root;
		g->colour[root] = 1;
	}
	while (n > 0 && ok) {
		uint32_t at = stack[n - 1], e = g->first[at];
		if (e == UINT32_MAX) {
			g->colour[at] = 2;
			n--;
			continue;
		}
		g->first[at] = g->edge[e].next;
		uint32_t to = g->edge[e].to;
		ok = g->colour[to] != 1;
		if (g->colour[to] == 0) {
			g->colour[to] = 1;
			stack[n++] = to;
		}
	}
	free(stack);
	return ok;
}

/* What an operation did to a key as a whole: the version that it found, and the one that it left. */
static void effects(struct graph *g, const struct op *op, uint32_t at, uint32_t (*writer)[OPS * TOUCHED + 2])
{
	const struct op *o = &op[at];
	if (o->watched) /* its reads stand alone; that its writes follow them directly is looked at elsewhere */
		return;
	for (uint32_t i = 0; i < o->n; i++) {
		const struct touch *t = &o->touch[i];
		uint32_t before = writer[t->key][t->write ? t->value - 1 : t->value],
			 after = writer[t->key][t->value + 1];
		if (before != UINT32_MAX)
			edge(g, before, at);
		if (after != UINT32_MAX)
			edge(g, at, after);
	}
}

static void watched_effects(struct graph *g, const struct op *op, uint32_t at, uint32_t (*writer)[OPS * TOUCHED + 2])
{
	const struct op *o = &op[at];
	if (!o->watched || o->aborted)
		return;
	for (uint32_t i = 2; i < 4; i++) {
		/* Nobody came between: the write follows the very value that was read. */
		assert_int_equal(o->touch[i].value, o->touch[i - 2].value + 1);
		uint32_t before = writer[o->touch[i].key][o->touch[i].value - 1],
			 after = writer[o->touch[i].key][o->touch[i].value + 1];
		if (before != UINT32_MAX)
			edge(g, before, at);
		if (after != UINT32_MAX)
			edge(g, at, after);
	}
}

static int by_answer(const void *a, const void *b)
{
	const struct op *x = *(const struct op *const *)a, *y = *(const struct op *const *)b;
	return x->answered < y->answered ? -1 : x->answered > y->answered;
}

/* "Answered" nodes in a chain: an operation leads to that of its answer, and that of the latest answer before an
 * operation was asked leads to it. */
static void real_time(struct graph *g, const struct op *op)
{
	static const struct op *order[OPS];
	for (uint32_t i = 0; i < OPS; i++)
		order[i] = &op[i];
	qsort(order, OPS, sizeof *order, by_answer);
	for (uint32_t i = 0; i < OPS; i++) {
		edge(g, (uint32_t)(order[i] - op), OPS + i);
		if (i > 0)
			edge(g, OPS + i - 1, OPS + i);
	}
	for (uint32_t i = 0; i < OPS; i++) {
		uint32_t low = 0, high = OPS; /* the first that was not answered before */
		while (low < high) {
			uint32_t mid = (low + high) / 2;
			if (order[mid]->answered < op[i].asked)
				low = mid + 1;
			else
				high = mid;
		}
		if (low > 0)
			edge(g, OPS + low - 1, i);
	}
}

static bool serialisable(const struct op *op)
{
	static uint32_t writer[KEYS][OPS * TOUCHED + 2];
	struct graph g = {.nodes = 2 * OPS};
	g.edge = malloc(EDGES * sizeof *g.edge);
	g.first = malloc(g.nodes * sizeof *g.first);
	g.colour = calloc(g.nodes, 1);
	memset(g.first, 0xff, g.nodes * sizeof *g.first);
	memset(writer, 0xff, sizeof writer);
	for (uint32_t i = 0; i < OPS; i++)
		for (uint32_t k = op[i].aborted ? op[i].n : 0; k < op[i].n; k++)
			if (op[i].touch[k].write) {
				assert_int_equal(writer[op[i].touch[k].key][op[i].touch[k].value], UINT32_MAX);
				writer[op[i].touch[k].key][op[i].touch[k].value] = i;
			}
	for (uint32_t i = 0; i < OPS; i++) {
		effects(&g, op, i, writer);
		watched_effects(&g, op, i, writer);
	}
	real_time(&g, op);
	bool ok = true;
	for (uint32_t i = 0; ok && i < g.nodes; i++)
		ok = acyclic_from(&g, i);
	free(g.edge);
	free(g.first);
	free(g.colour);
	return ok;
}

static void check(uint32_t workers, uint64_t seeds)
{
	static struct world w;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		play(&w, workers, seed * 16 + workers);
		if (!serialisable(w.op))
			fail_msg("%u workers, seed %lu: no order of the operations explains the answers", workers,
				 seed * 16 + workers);
	}
}

static uint64_t seeds(void)
{
	const char *more = getenv("HISTORY_SEEDS");
	return more != NULL ? strtoull(more, NULL, 10) : 150;
}

static void test_history__one_worker(void **state)
{
	check(1, seeds());
}

static void test_history__two_workers(void **state)
{
	check(2, seeds());
}

static void test_history__four_workers(void **state)
{
	check(4, seeds());
}

static void test_history__eight_workers(void **state)
{
	check(8, seeds());
}

/* The checker itself: an exchange of two answers, or an answer from the past, is found. */
static void test_history__the_checker_sees_what_is_wrong(void **state)
{
	static struct world w;
	uint32_t found = 0, tried = 0;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		play(&w, 3, seed);
		assert_true(serialisable(w.op));
		/* somebody reads the value before the one that he read */
		for (uint32_t i = 0; i < OPS && tried < 200; i++)
			for (uint32_t k = 0; k < w.op[i].n; k++) {
				struct touch *t = &w.op[i].touch[k];
				if (w.op[i].watched || w.op[i].n < 2 || t->write || t->value < 2)
					continue;
				t->value -= 2;
				found += !serialisable(w.op);
				t->value += 2;
				tried++;
			}
	}
	assert_true(tried > 100 && found > tried / 2);
}

/* ---- a transaction's script and a queue that is full ---- */

#define WAITING 100 /* more scripts than the queue has room for */

/* The transaction of the first client has its shards, and its script is on its way; the lease of the other's scripts
 * stands behind the transaction's. */
static void crowd(struct world *w)
{
	memset(w, 0, sizeof *w);
	w->r = rig_create(2, 1);
	start_scripts(w);
	struct rig_conn *tx = w->conn[0] = rig_open(w->r, 0), *other = w->conn[1] = rig_open(w->r, 1);
	rig_send(tx, "MULTI\r\nSET a 1\r\nEVAL \"return redis.call('GET',KEYS[1])\" 1 a\r\nSET b 1\r\nEXEC\r\n");
	for (uint32_t i = 0; i < WAITING; i++)
		rig_send(other, "EVAL \"return 7\" 0\r\n");
	rig_step(w->r, 0);
	rig_step(w->r, 0);
	for (int i = 0; i < 8; i++) /* the shard has a turn of its own first */
		rig_step(w->r, 1);
	script_iterate(w->script);
	assert_true(w->script->lease.submitted);
	for (int i = 0; i < 8 && tx->session->cl.tx->away == NULL; i++)
		rig_step(w->r, 0);
	assert_non_null(tx->session->cl.tx->away);
	rig_expect(tx, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
}

static void everybody(struct world *w)
{
	for (uint32_t i = 0; i < 2000; i++)
		if (i % 4 < 3)
			rig_step(w->r, i % 4);
		else
			script_iterate(w->script);
}

static size_t count_of(const struct rig_conn *c, const char *reply)
{
	size_t n = 0;
	for (const char *p = c->out; (p = strstr(p, reply)) != NULL; p++)
		n++;
	return n;
}

static void test_scripts__one_inside_a_transaction_passes_a_full_queue(void **state)
{
	static struct world w;
	crowd(&w);
	everybody(&w);
	rig_expect(w.conn[0], "*3\r\n+OK\r\n$1\r\n1\r\n+OK\r\n");
	w.conn[1]->out[w.conn[1]->out_len] = '\0';
	assert_int_equal(count_of(w.conn[1], ":7\r\n"), WAITING);
	stop_scripts(&w);
	rig_destroy(w.r);
}

static void test_scripts__one_inside_a_transaction_is_not_told_that_others_are_busy(void **state)
{
	static struct world w;
	static struct script_code code;
	crowd(&w);
	w.script->current = &w.script->queue[0]; /* as if it ran, and had done so for long */
	w.script->run.code = &code;
	script_refuse_waiting(w.script);
	everybody(&w);
	rig_expect(w.conn[0], "*3\r\n+OK\r\n$1\r\n1\r\n+OK\r\n");
	w.conn[1]->out[w.conn[1]->out_len] = '\0';
	assert_int_equal(count_of(w.conn[1], ":7\r\n"), 1);
	assert_int_equal(count_of(w.conn[1], "-BUSY"), WAITING - 1);
	stop_scripts(&w);
	rig_destroy(w.r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_history__one_worker),
		cmocka_unit_test(test_history__two_workers),
		cmocka_unit_test(test_history__four_workers),
		cmocka_unit_test(test_history__eight_workers),
		cmocka_unit_test(test_history__the_checker_sees_what_is_wrong),
		cmocka_unit_test(test_scripts__one_inside_a_transaction_passes_a_full_queue),
		cmocka_unit_test(test_scripts__one_inside_a_transaction_is_not_told_that_others_are_busy),
	};
	rig_eal(argv[0]);
	script_bind();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
