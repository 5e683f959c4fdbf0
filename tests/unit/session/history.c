/* See history.h: asking and being answered. */
#include "history.h"

#include <stdio.h>
#include <stdlib.h>

#include "ctrlplane/script/script_thread_priv.h"

#define TEXT 4096

struct world {
	struct history *h;
	struct rig *r;
	struct script_thread *script;
	struct heap *script_heap;
	struct rig_conn *conn[CLIENTS];
	size_t read[CLIENTS]; /* of its output */
	uint32_t order[CLIENTS][ROUNDS * 3];
	uint32_t nops[CLIENTS], first[CLIENTS]; /* its operations, and the oldest that is not answered */
	uint32_t asked[CLIENTS];                /* requests */
	char later[CLIENTS][256];               /* to be sent when all before is answered */
	uint32_t step;
	uint32_t stalled_until[RIG_WORKERS + 2];
};

/* A request being made up. */
struct asking {
	struct world *w;
	struct op *o;
	char text[TEXT];
	size_t len;
};

static uint32_t draw(struct world *w, uint32_t n)
{
	return (uint32_t)rng_below(&w->r->rng, n);
}

/* ---- asking ---- */

static RP_PRINTF(2, 3) void say(struct asking *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	a->len += (size_t)vsnprintf(a->text + a->len, TEXT - a->len, fmt, ap);
	va_end(ap);
	assert_true(a->len < TEXT);
}

/* Its name begins with a k. */
static const char *name(uint32_t key)
{
	static char names[KEYS][8];

	if (*names[key] == '\0')
		sprintf(names[key], "k%c%u", "crlm"[key_kind(key)], key);
	return names[key];
}

static uint32_t draw_of(struct world *w, enum key_kind kind)
{
	uint32_t key;

	do
		key = draw(w, KEYS);
	while (key_kind(key) != kind);
	return key;
}

/* Two keys of a kind. */
static void draw_two(struct world *w, enum key_kind kind, uint32_t key[2])
{
	key[0] = draw_of(w, kind);
	do
		key[1] = draw_of(w, kind);
	while (key[1] == key[0]);
}

static uint32_t new_token(struct world *w)
{
	assert_true(w->h->tokens < TOKENS_MAX);
	return ++w->h->tokens;
}

static struct touch *add(struct op *o, uint32_t key, bool write, uint32_t token)
{
	assert_true(o->n < TOUCHED);
	o->touch[o->n] = (struct touch){.key = (uint8_t)key, .write = write, .seen = -1, .token = token};
	return &o->touch[o->n++];
}

static struct want *want(struct op *o, int what, uint32_t at)
{
	assert_true(o->wants < WANTED);
	o->want[o->wants] = (struct want){what, at, 0};
	return &o->want[o->wants++];
}

static void want_value(struct op *o)
{
	want(o, WANT_VALUE, o->n - 1);
}

static struct op *new_op(struct world *w, uint32_t client)
{
	struct history *h = w->h;
	struct op *o = &h->op[h->n];

	assert_true(h->n < OPS_MAX);
	w->order[client][w->nops[client]++] = h->n++;
	*o = (struct op){.client = client, .asked = ++w->step, .answered = UINT32_MAX};
	return o;
}

static void read_key(struct asking *a, uint32_t key)
{
	add(a->o, key, false, 0);
	if (key_kind(key) == KEY_LIST) {
		want(a->o, WANT_LAST, a->o->n - 1);
		say(a, "LRANGE %s -1 -1\r\n", name(key));
	} else {
		want_value(a->o);
		say(a, "GET %s\r\n", name(key));
	}
}

static void write_pair(struct asking *a)
{
	uint32_t token = new_token(a->w);

	for (uint32_t i = 1; i <= 2; i++)
		add(a->o, KEYS - i, true, token);
	want(a->o, WANT_ANY, 0);
	say(a, "MSET %s %u %s %u\r\n", name(KEYS - 2), token, name(KEYS - 1), token);
}

static void write_key(struct asking *a, uint32_t key)
{
	uint32_t token = key_kind(key) == KEY_COUNTER || key_kind(key) == KEY_PAIR ? 0 : new_token(a->w);

	if (key_kind(key) == KEY_PAIR) {
		write_pair(a);
		return;
	}
	add(a->o, key, true, token);
	want_value(a->o);
	if (key_kind(key) == KEY_COUNTER)
		say(a, "INCR %s\r\n", name(key));
	else if (key_kind(key) == KEY_LIST)
		say(a, "RPUSH %s %u\r\n", name(key), token);
	else
		say(a, "SET %s %u GET\r\n", name(key), token);
}

static void ask_mget(struct asking *a)
{
	uint32_t n = 1 + draw(a->w, 6);

	want(a->o, WANT_ARRAY, n);
	say(a, "MGET");
	for (uint32_t i = 0, key; i < n; i++) {
		do
			key = draw(a->w, KEYS);
		while (key_kind(key) == KEY_LIST);
		add(a->o, key, false, 0);
		want_value(a->o);
		say(a, " %s", name(key));
	}
	say(a, "\r\n");
}

/* From a list that nobody else knows. */
static void ask_lmove(struct asking *a)
{
	uint32_t key = draw_of(a->w, KEY_LIST), token = new_token(a->w);

	add(a->o, key, true, token);
	want(a->o, WANT_ANY, 0);
	want(a->o, WANT_TOKEN, token);
	say(a, "RPUSH p%u %u\r\nLMOVE p%u %s RIGHT RIGHT\r\n", a->o->client, token, a->o->client, name(key));
}

/* ---- what stands in a transaction; each returns how many commands it is ---- */

static uint32_t tx_read(struct asking *a)
{
	read_key(a, draw(a->w, KEYS));
	return 1;
}

static uint32_t tx_write(struct asking *a)
{
	write_key(a, draw(a->w, KEYS));
	return 1;
}

static uint32_t tx_mset(struct asking *a)
{
	uint32_t key[2], token[2] = {new_token(a->w), new_token(a->w)};

	draw_two(a->w, KEY_REGISTER, key);
	want(a->o, WANT_ARRAY, 2);
	for (uint32_t i = 0; i < 2; i++) {
		add(a->o, key[i], true, token[i]);
		want_value(a->o);
	}
	want(a->o, WANT_ANY, 0);
	say(a, "MGET %s %s\r\nMSET %s %u %s %u\r\n", name(key[0]), name(key[1]), name(key[0]), token[0], name(key[1]),
	    token[1]);
	return 2;
}

static uint32_t tx_del(struct asking *a)
{
	uint32_t key = draw_of(a->w, KEY_REGISTER), token = new_token(a->w);
	bool at_once = draw(a->w, 2);

	add(a->o, key, true, token);
	want_value(a->o);
	if (at_once)
		say(a, "GETDEL %s\r\n", name(key));
	else
		say(a, "GET %s\r\nDEL %s\r\n", name(key), name(key));
	say(a, "SET %s %u\r\n", name(key), token);
	for (uint32_t i = at_once; i < 2; i++)
		want(a->o, WANT_ANY, 0);
	return 3 - at_once;
}

static uint32_t tx_rename(struct asking *a)
{
	uint32_t key = draw_of(a->w, KEY_REGISTER), token = new_token(a->w);

	add(a->o, key, true, token);
	want_value(a->o);
	want(a->o, WANT_ANY, 0);
	want(a->o, WANT_ANY, 0);
	say(a, "GET %s\r\nSET x%u %u\r\nRENAME x%u %s\r\n", name(key), a->o->client, token, a->o->client, name(key));
	return 3;
}

/* A token that must not be seen where it comes from. */
static uint32_t tx_lmove(struct asking *a)
{
	uint32_t key[2], token = new_token(a->w);

	draw_two(a->w, KEY_LIST, key);
	add(a->o, key[0], false, 0)->length = true;
	want(a->o, WANT_VALUE, a->o->n - 1)->less = 1;
	want(a->o, WANT_TOKEN, token);
	add(a->o, key[1], true, token);
	want_value(a->o);
	say(a, "RPUSH %s %u\r\nLMOVE %s %s RIGHT RIGHT\r\nLLEN %s\r\n", name(key[0]), token, name(key[0]), name(key[1]),
	    name(key[1]));
	return 3;
}

static void ask_exec(struct asking *a)
{
	static uint32_t (*const parts[])(struct asking * a) = {tx_read,  tx_read, tx_read, tx_write,  tx_write,
							       tx_write, tx_mset, tx_del,  tx_rename, tx_lmove};

	a->o->exec = true;
	say(a, "MULTI\r\n");
	for (uint32_t i = 1 + draw(a->w, 5); i > 0; i--)
		a->o->queued += parts[draw(a->w, RP_ARRAY_LEN(parts))](a);
	say(a, "EXEC\r\n");
}

/* Reads two keys, watched, and changes them only if nobody else did meanwhile; sometimes it waits for what they are. */
static void ask_watch(struct asking *a)
{
	struct world *w = a->w;
	uint32_t key[2], client = a->o->client;

	draw_two(w, draw(w, 2) ? KEY_COUNTER : KEY_REGISTER, key);
	say(a, "WATCH %s %s\r\n", name(key[0]), name(key[1]));
	want(a->o, WANT_ANY, 0);
	read_key(a, key[0]);
	a->o = new_op(w, client);
	read_key(a, key[1]);
	a->o = new_op(w, client);
	a->o->exec = a->o->watched = true;
	a->o->queued = 2;
	size_t before = a->len;
	say(a, "MULTI\r\n");
	write_key(a, key[0]);
	write_key(a, key[1]);
	say(a, "EXEC\r\n");
	if (draw(w, 2)) {
		strcpy(w->later[client], a->text + before);
		a->text[before] = '\0';
	}
}

/* ---- scripts ---- */

/* Steps of one letter each: i(ncr), g(et), s(et), p(ush), l(ast); answers with what each saw. */
#define SCRIPT                                                                                                 \
	"local r, n = {}, tonumber(ARGV[1]) for i = 1, n do "                                                  \
	"local k, a = KEYS[i] or ARGV[1 + n + i - #KEYS], ARGV[1 + i] local c, v = a:sub(1, 1), a:sub(2) "     \
	"if c == 'i' then r[i] = redis.call('incr', k) elseif c == 'p' then r[i] = redis.call('rpush', k, v) " \
	"elseif c == 'g' then r[i] = tonumber(redis.call('get', k) or '0') "                                   \
	"elseif c == 's' then r[i] = tonumber(redis.call('set', k, v, 'GET') or '0') "                         \
	"else r[i] = tonumber(redis.call('lrange', k, -1, -1)[1] or '0') end end "

/* What reaches for shards that it may not hold: if it has written nothing yet, it begins again with all of them; behind
 * a write it is told that it cannot. */
#define REACH "for i = 1, #ARGV do if ARGV[i]:sub(1, 1) == 'k' then redis.%s('exists', ARGV[i]) end end "

/* All its keys are declared, or the first alone, or none. A script is watched in its first run: there are several, so
 * that some are known for keeping to their keys when they first do not. */
static void put_script(struct asking *a, uint32_t n)
{
	struct world *w = a->w;
	struct op *o = a->o;
	uint32_t nkeys = draw(w, 3) == 0 ? draw(w, 2) : n;
	bool late = nkeys == n && draw(w, 2), reach = nkeys < n || late || draw(w, 2);
	const struct touch *t = &o->touch[o->n];

	say(a, "EVAL \"");
	if (reach && !late)
		say(a, REACH, "call");
	say(a, "%s", SCRIPT);
	if (late)
		say(a, REACH, "pcall");
	say(a, "return r -- %u\" %u", draw(w, 6), nkeys);
	want(o, WANT_ARRAY, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t key = draw(w, KEYS);
		bool write = key_kind(key) != KEY_PAIR && draw(w, 2);
		add(o, key, write, write && key_kind(key) != KEY_COUNTER ? new_token(w) : 0);
		want_value(o);
	}
	for (uint32_t i = 0; i < nkeys; i++)
		say(a, " %s", name(t[i].key));
	say(a, " %u", n);
	for (uint32_t i = 0; i < n; i++) {
		enum key_kind kind = key_kind(t[i].key);
		say(a, " %c%u", (t[i].write ? "isp" : "gglg")[kind], t[i].token);
	}
	for (uint32_t i = nkeys; i < n; i++)
		say(a, " %s", name(t[i].key));
	if (late && draw(w, 2))
		say(a, " %s", name(draw(w, KEYS)));
	say(a, "\r\n");
}

static void ask_script(struct asking *a)
{
	put_script(a, 1 + draw(a->w, 6));
}

/* A script between two other commands of one transaction. */
static void ask_exec_script(struct asking *a)
{
	a->o->exec = true;
	a->o->queued = 3;
	say(a, "MULTI\r\n");
	write_key(a, draw(a->w, KEYS));
	put_script(a, 1 + draw(a->w, 4));
	read_key(a, draw(a->w, KEYS));
	say(a, "EXEC\r\n");
}

static void ask_single(struct asking *a)
{
	uint32_t key = draw(a->w, KEYS);

	if (draw(a->w, 2))
		write_key(a, key);
	else
		read_key(a, key);
}

static void ask(struct world *w, uint32_t client)
{
	static void (*const kinds[])(struct asking * a) = {ask_mget,   ask_mget,   ask_exec,        ask_exec,
							   ask_exec,   ask_watch,  ask_script,      ask_script,
							   ask_single, ask_single, ask_exec_script, ask_lmove};
	struct asking a = {.w = w, .o = new_op(w, client)};

	w->asked[client]++;
	kinds[draw(w, RP_ARRAY_LEN(kinds))](&a);
	rig_send(w->conn[client], a.text);
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

/* An integer, a bulk that is one, or null. false: not here yet. */
static bool number(const char **p, const char *end, int64_t *v)
{
	const char *l = line(p, end);
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
	if (l != NULL && memcmp(l, text, strlen(text)) != 0)
		fail_msg("not %s: %.*s", text, (int)RP_MIN(end - l, 300), l);
	return l != NULL;
}

static bool wanted(const char **p, const char *end, struct op *o, const struct want *want)
{
	char head[16];
	int64_t v = 0;

	switch (want->what) {
	case WANT_ARRAY:
		sprintf(head, "*%u\r\n", want->at);
		return expect(p, end, head);
	case WANT_ANY:
		return line(p, end) != NULL;
	case WANT_LAST:
		if (end - *p < 4)
			return false;
		if (!expect(p, end, memcmp(*p, "*0", 2) == 0 ? "*0\r\n" : "*1\r\n"))
			return false;
		if ((*p)[-3] == '1' && !number(p, end, &v))
			return false;
		o->touch[want->at].seen = v;
		return true;
	default:
		if (!number(p, end, &v))
			return false;
		if (want->what == WANT_TOKEN)
			assert_int_equal(v, want->at);
		else
			o->touch[want->at].seen = v - want->less;
		return true;
	}
}

/* MULTI's, what was queued, and the head of EXEC's. */
static bool began(const char **p, const char *end, struct op *o)
{
	if (!expect(p, end, "+OK\r\n"))
		return false;
	for (uint32_t i = 0; i < o->queued; i++)
		if (!expect(p, end, "+QUEUED\r\n"))
			return false;
	const char *l = line(p, end);
	if (l == NULL)
		return false;
	assert_int_equal(*l, '*');
	o->aborted = l[1] == '-';
	assert_true(o->aborted || (uint32_t)atoi(l + 1) == o->queued);
	return true;
}

static bool answer(const char **p, const char *end, struct op *o)
{
	if (o->exec && !began(p, end, o))
		return false;
	for (uint32_t i = 0; i < o->wants && !o->aborted; i++)
		if (!wanted(p, end, o, &o->want[i]))
			return false;
	return true;
}

static void take(struct world *w, uint32_t client)
{
	struct rig_conn *c = w->conn[client];
	const char *end = c->out + c->out_len;
	while (w->first[client] < w->nops[client]) {
		const char *p = c->out + w->read[client];
		struct op *o = &w->h->op[w->order[client][w->first[client]]];
		if (p == end || !answer(&p, end, o))
			return;
		o->answered = w->step;
		w->h->aborted += o->aborted;
		w->h->ran += o->watched && !o->aborted;
		w->read[client] = (size_t)(p - c->out);
		w->first[client]++;
	}
}

/* ---- playing ---- */

struct script_thread *history_scripts_start(struct rig *r, struct heap **heap)
{
	struct err e = {""};
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

	p.host.heap = *heap = heap_create(&hp, &e);
	assert_non_null(*heap);
	struct script_thread *t = script_thread_create(&p, &e);
	assert_non_null(t);
	return t;
}

void history_scripts_stop(struct script_thread *t, struct heap *heap)
{
	script_thread_destroy(t);
	heap_destroy(heap);
}

static void step(struct world *w)
{
	uint32_t host = draw(w, w->r->n + 2);
	w->step++;
	if (w->stalled_until[host] > w->step)
		return;
	if (draw(w, 200) == 0)
		w->stalled_until[host] = w->step + draw(w, 300);
	if (host <= w->r->n) {
		rig_step(w->r, host);
		return;
	}
	bool before = w->script->run.restart;
	script_iterate(w->script);
	w->h->begun_anew += w->script->run.restart && !before;
}

static bool all_answered(const struct world *w)
{
	for (uint32_t i = 0; i < CLIENTS; i++)
		if (w->asked[i] < ROUNDS || w->first[i] < w->nops[i])
			return false;
	return true;
}

static bool may_ask(const struct world *w, uint32_t client, uint32_t pipelined)
{
	return w->asked[client] < ROUNDS && w->nops[client] - w->first[client] < pipelined && *w->later[client] == '\0';
}

/* What its last operation waited for is answered. */
static void go_on(struct world *w, uint32_t client)
{
	if (*w->later[client] == '\0' || w->first[client] + 1 < w->nops[client])
		return;
	w->h->op[w->order[client][w->first[client]]].asked = ++w->step;
	rig_send(w->conn[client], w->later[client]);
	*w->later[client] = '\0';
}

static const char *ask_at_the_end(struct world *w, const char *command, uint32_t key, const char *args)
{
	struct rig_conn *c = w->conn[0];

	c->out_len = 0;
	rig_ask(c, "%s %s%s", command, name(key), args);
	rig_settle(w->r);
	c->out[c->out_len] = '\0';
	return c->out;
}

static void read_the_end(struct world *w)
{
	for (uint32_t key = 0; key < KEYS; key++) {
		bool list = key_kind(key) == KEY_LIST;
		const char *p = ask_at_the_end(w, list ? "LRANGE" : "GET", key, list ? " 0 -1" : "");
		const char *end = p + w->conn[0]->out_len;
		int64_t *v = &w->h->value[key];
		if (!list) {
			assert_true(number(&p, end, v));
			continue;
		}
		*v = atoi(line(&p, end) + 1);
		assert_true(*v < VERSIONS);
		for (int64_t i = 0, token; i < *v; i++) {
			assert_true(number(&p, end, &token));
			w->h->list[key - COUNTERS - REGISTERS][i] = (uint32_t)token;
		}
	}
}

void history_play(struct history *h, uint32_t workers, uint64_t seed)
{
	static struct world w;

	memset(&w, 0, sizeof w);
	h->n = h->tokens = h->aborted = h->ran = h->begun_anew = 0;
	w.h = h;
	w.r = rig_create(workers, seed);
	w.script = history_scripts_start(w.r, &w.script_heap);
	uint32_t pipelined = 1 + draw(&w, 3);
	for (uint32_t i = 0; i < CLIENTS; i++)
		w.conn[i] = rig_open(w.r, i % (workers + 1));
	while (!all_answered(&w)) {
		uint32_t client = draw(&w, CLIENTS);
		if (may_ask(&w, client, pipelined))
			ask(&w, client);
		for (uint32_t n = draw(&w, 4); n > 0; n--)
			step(&w);
		for (uint32_t i = 0; i < CLIENTS; i++) {
			take(&w, i);
			go_on(&w, i);
		}
		assert_true(w.step < 2000000);
	}
	read_the_end(&w);
	history_scripts_stop(w.script, w.script_heap);
	rig_destroy(w.r);
}
