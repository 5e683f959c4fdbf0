/* Hashes: values and times together: HGETDEL, HGETEX, HSETEX. */
#include "cmd/handlers.h"
#include "cmd/hash_args.h"

/* ---- HGETDEL ---- */

/* Answers and removes; nothing here can fail. */
static void get_and_remove(struct cmd_ctx *c, struct store *s, struct object *o, uint32_t n, struct hash_words *w)
{
	struct hash_item it;
	bool gone = false;

	reply_array(c->out, n);
	w->w[w->n++] = SLICE("HDEL");
	w->w[w->n++] = c->argv[1];
	for (uint32_t i = 4; i < c->argc; i++) {
		if (o == NULL || !hash_get(o, c->argv[i], store_now_ms(s), &it)) {
			reply_null(c->out);
			continue;
		}
		hash_reply_value(c->out, &it);
		rp_assert(hash_remove(s, c->db, c->argv[1], o, 1, &c->argv[i], &gone) == 1);
		w->w[w->n++] = c->argv[i];
		o = store_peek(s, c->db, c->argv[1]); /* it may have moved, or be gone */
	}
	if (w->n == 2)
		return;
	c->dirty += w->n - 2;
	cmd_effect(c, s, w->n, w->w);
	hash_removed_events(c, s, gone);
}

static void reply_nulls(struct cmd_ctx *c, uint32_t n)
{
	reply_array(c->out, n);
	for (; n > 0; n--)
		reply_null(c->out);
}

void cmd_hgetdel(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[1]);
	struct hash_words words;
	bool wrong;
	uint32_t n;
	struct object *o = hash_cmd_peek(c, s, c->argv[1], &wrong);

	if (wrong || !hash_arg_fields(c, 2, &n, HASH_BAD_FIELDS))
		return;
	hash_settle(s, c->db, o, n, c->argv + 4, 1);
	if (o == NULL) {
		reply_nulls(c, n);
		return;
	}
	if (!hash_words_begin(c, &words, n + 2))
		return;
	if ((o = hash_unshare(s, c->db, o)) != NULL)
		get_and_remove(c, s, o, n, &words);
	else
		cmd_err_oom(c);
	hash_words_end(c, &words);
}

/* ---- HGETEX ---- */

struct getting {
	struct cmd_ctx *c;
	struct store *s;
	int64_t at_ms; /* HASH_NO_TTL: PERSIST; HASH_KEEP_TTL: nothing changes */
	uint32_t first, n;
	struct hash_words words; /* WORD key [time] FIELDS n field ... */
};

static void get_one(struct getting *g, struct hash_timing *t, struct slice field)
{
	struct hash_item it;

	if (!hash_get(t->o, field, store_now_ms(g->s), &it)) {
		hash_timing_skip(t, field);
		reply_null(g->c->out);
		return;
	}
	hash_reply_value(g->c->out, &it);
	if (g->at_ms == it.at_ms && g->at_ms == HASH_NO_TTL)
		return;
	g->words.w[g->words.n++] = field;
	if (g->at_ms != HASH_NO_TTL && g->at_ms <= store_now_ms(g->s))
		hash_timing_remove(t, field);
	else
		hash_timing_set(t, field, g->at_ms);
}

#define GETEX_HEAD 5 /* words before the fields */

static void got_effects(struct getting *g, bool gone)
{
	struct cmd_ctx *c = g->c;
	struct slice *w = g->words.w;
	uint32_t n = g->words.n - GETEX_HEAD;
	char at[NUM_I64_CHARS], num[NUM_I64_CHARS];

	if (n == 0)
		return;
	c->dirty += n;
	if (g->at_ms != HASH_NO_TTL && g->at_ms <= store_now_ms(g->s)) {
		w[3] = SLICE("HDEL");
		w[4] = c->argv[1];
		cmd_effect(c, g->s, n + 2, w + 3);
		hash_removed_events(c, g->s, gone);
		return;
	}
	bool persist = g->at_ms == HASH_NO_TTL;

	w[0] = SLICE("HPEXPIREAT");
	w[1] = persist ? SLICE("HPERSIST") : c->argv[1];
	w[2] = persist ? c->argv[1] : (struct slice){at, num_format_i64(at, g->at_ms)};
	w[3] = SLICE("FIELDS");
	w[4] = (struct slice){num, num_format_u64(num, n)};
	cmd_effect(c, g->s, n + GETEX_HEAD - persist, w + persist);
	store_event(g->s, EVENT_HASH, persist ? "hpersist" : "hexpire", c->db, c->argv[1]);
}

static void get_changing(struct getting *g, struct object *o)
{
	struct cmd_ctx *c = g->c;
	struct slice *fields = c->argv + g->first;
	struct hash_timing t;
	bool ok = true;

	if (!hash_words_begin(c, &g->words, g->n + GETEX_HEAD))
		return;
	g->words.n = GETEX_HEAD;
	if (g->at_ms == HASH_NO_TTL)
		hash_timing_persisting(&t, g->s, c->db, c->argv[1], o);
	else
		ok = hash_timing_begin(&t, g->s, c->db, c->argv[1], o, g->n, fields);
	if (ok) {
		reply_array(c->out, g->n);
		for (uint32_t i = 0; i < g->n; i++)
			get_one(g, &t, fields[i]);
		got_effects(g, hash_timing_end(&t));
	} else {
		cmd_err_oom(c);
	}
	hash_words_end(c, &g->words);
}

static void get_only(struct getting *g, const struct object *o)
{
	struct cmd_ctx *c = g->c;
	struct hash_item it;

	reply_array(c->out, g->n);
	for (uint32_t i = 0; i < g->n; i++)
		if (hash_get(o, c->argv[g->first + i], store_now_ms(g->s), &it))
			hash_reply_value(c->out, &it);
		else
			reply_null(c->out);
}

void cmd_hgetex(struct cmd_ctx *c)
{
	struct getting g = {.c = c, .s = cmd_store(c, c->argv[1]), .at_ms = HASH_KEEP_TTL, .first = 4};
	bool wrong, ok;
	struct object *o = hash_cmd_peek(c, g.s, c->argv[1], &wrong);

	if (wrong)
		return;
	if (cmd_arg_is(c, 2, "persist")) {
		g.at_ms = HASH_NO_TTL;
		g.first = 5;
	} else if (hash_arg_expiry(c, 2, store_now_ms(g.s), &g.at_ms, &ok)) {
		if (!ok)
			return;
		g.first = 6;
	}
	if (!hash_arg_fields(c, g.first - 2, &g.n, HASH_BAD_FIELDS))
		return;
	hash_settle(g.s, c->db, o, g.n, c->argv + g.first, 1);
	if (o == NULL)
		reply_nulls(c, g.n);
	else if (g.at_ms == HASH_KEEP_TTL)
		get_only(&g, o);
	else
		get_changing(&g, o);
}

/* ---- HSETEX ---- */

struct setting {
	struct cmd_ctx *c;
	struct store *s;
	int64_t at_ms;  /* or HASH_NO_TTL, HASH_KEEP_TTL */
	uint32_t at;    /* argument of the time's word; 0: none */
	char condition; /* n: FNX, x: FXX, or 0 */
	bool expiry;    /* one of its words was there */
	uint32_t first, n;
};

static bool setex_expiry(struct setting *x, uint32_t *i)
{
	struct cmd_ctx *c = x->c;
	bool ok;

	if (x->expiry) {
		reply_error(c->out, "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
		return false;
	}
	x->expiry = true;
	if (cmd_arg_is(c, *i, "keepttl")) {
		x->at_ms = HASH_KEEP_TTL;
		return true;
	}
	x->at = (*i)++;
	hash_arg_expiry(c, x->at, store_now_ms(x->s), &x->at_ms, &ok);
	return ok;
}

static bool setex_condition(struct setting *x, uint32_t i)
{
	if (x->condition != 0) {
		reply_error(x->c->out, "ERR Only one of FXX or FNX arguments can be specified");
		return false;
	}
	x->condition = cmd_arg_is(x->c, i, "fnx") ? 'n' : 'x';
	return true;
}

/* FIELDS n field value ... to the end. */
static bool setex_fields(struct setting *x, uint32_t i)
{
	struct cmd_ctx *c = x->c;
	int64_t n;

	if (i + 3 >= c->argc) {
		cmd_err_arity(c);
		return false;
	}
	if (!cmd_arg_i64_in(c, i + 1, 1, INT32_MAX, &n, "ERR invalid number of fields"))
		return false;
	x->first = i + 2;
	x->n = (uint32_t)n;
	if ((c->argc - x->first) % 2 != 0 || x->n != (c->argc - x->first) / 2) {
		cmd_err_arity(c);
		return false;
	}
	return true;
}

static bool setex_options(struct setting *x)
{
	static const char *const times[] = {"ex", "px", "exat", "pxat", "keepttl"};
	struct cmd_ctx *c = x->c;

	for (uint32_t i = 2; i < c->argc; i++) {
		uint32_t w = 0;
		while (w < RP_ARRAY_LEN(times) && !cmd_arg_is(c, i, times[w]))
			w++;
		if (cmd_arg_is(c, i, "fields"))
			return setex_fields(x, i);
		if (w < RP_ARRAY_LEN(times)) {
			if (!setex_expiry(x, &i))
				return false;
		} else if (cmd_arg_is(c, i, "fxx") || cmd_arg_is(c, i, "fnx")) {
			if (!setex_condition(x, i))
				return false;
		} else {
			reply_errorf(c->out, "ERR unknown argument: %.*s", (int)RP_MIN(c->argv[i].len, 128u),
				     c->argv[i].ptr);
			return false;
		}
	}
	reply_error(c->out, "ERR missing FIELDS argument");
	return false;
}

static bool setex_holds(const struct setting *x, const struct object *o)
{
	struct hash_item it;

	for (uint32_t i = 0; i < x->n && x->condition != 0; i++) {
		bool there = o != NULL && hash_get(o, x->c->argv[x->first + 2 * i], store_now_ms(x->s), &it);
		if (there == (x->condition == 'n'))
			return false;
	}
	return true;
}

/* The time is over already: what would have been set is not there afterwards. */
static void setex_past(struct setting *x, struct object *o)
{
	struct cmd_ctx *c = x->c;
	struct hash_words words;
	int64_t removed = 0;
	bool gone;

	if (!hash_words_begin(c, &words, x->n + 2))
		return;
	words.w[0] = SLICE("HDEL");
	words.w[1] = c->argv[1];
	for (uint32_t i = 0; i < x->n; i++)
		words.w[i + 2] = c->argv[x->first + 2 * i];
	if (o != NULL)
		removed = hash_remove(x->s, c->db, c->argv[1], o, x->n, words.w + 2, &gone);
	if (removed == HASH_NO_MEMORY) {
		cmd_err_oom(c);
	} else {
		if (removed > 0) {
			c->dirty += (uint32_t)removed;
			cmd_effect(c, x->s, x->n + 2, words.w);
			store_event(x->s, EVENT_HASH, "hset", c->db, c->argv[1]);
			hash_removed_events(c, x->s, gone);
		}
		reply_int(c->out, 1);
	}
	hash_words_end(c, &words);
}

static void setex_set(struct setting *x, struct object *o)
{
	struct cmd_ctx *c = x->c;
	struct hash_rules rules = hash_cmd_rules(c);
	struct slice word = x->at != 0 ? c->argv[x->at] : SLICE("");
	char at[NUM_I64_CHARS];

	if (hash_set(x->s, c->db, c->argv[1], o, x->n, c->argv + x->first, x->at_ms, &rules) == HASH_NO_MEMORY) {
		cmd_err_oom(c);
		return;
	}
	store_event(x->s, EVENT_HASH, "hset", c->db, c->argv[1]);
	if (x->at != 0) {
		struct slice time = c->argv[x->at + 1];
		store_event(x->s, EVENT_HASH, "hexpire", c->db, c->argv[1]);
		c->argv[x->at] = SLICE("PXAT");
		c->argv[x->at + 1] = (struct slice){at, num_format_i64(at, x->at_ms)};
		cmd_effect(c, x->s, c->argc, c->argv);
		c->argv[x->at] = word;
		c->argv[x->at + 1] = time;
	}
	c->dirty += x->n;
	reply_int(c->out, 1);
}

void cmd_hsetex(struct cmd_ctx *c)
{
	struct setting x = {.c = c, .s = cmd_store(c, c->argv[1]), .at_ms = HASH_NO_TTL};
	bool wrong;

	if (!setex_options(&x))
		return;
	struct object *o = hash_cmd_settled(c, x.s, x.n, c->argv + x.first, 2, &wrong);

	if (wrong)
		return;
	if (!setex_holds(&x, o))
		reply_int(c->out, 0);
	else if (x.at_ms >= 0 && x.at_ms <= store_now_ms(x.s))
		setex_past(&x, o);
	else
		setex_set(&x, o);
}
