/* Hashes: TTLs of fields. */
#include "cmd/handlers.h"
#include "cmd/hash_args.h"

/* What HTTL and its kin answer for a field, and HEXPIRE and HPERSIST of one that is not changed. */
enum field_answer {
	FIELD_NONE = -2,   /* no such field */
	FIELD_NO_TTL = -1, /* ... that has a TTL */
	FIELD_KEPT = 0,    /* the condition does not hold */
	FIELD_SET = 1,
	FIELD_REMOVED = 2 /* that time is over */
};

static void reply_none(struct cmd_ctx *c, uint32_t n)
{
	reply_array(c->out, n);
	for (; n > 0; n--)
		reply_int(c->out, FIELD_NONE);
}

/* ---- HEXPIRE ---- */

struct expiring {
	struct cmd_ctx *c;
	struct store *s;
	int64_t at_ms;
	char condition; /* n(x), x(x), g(t), l(t), or 0 */
	uint32_t first; /* argument of the first field */
	uint32_t n;
	uint32_t set, removed;
	struct hash_words words; /* HPEXPIREAT key time FIELDS n field ..., or HDEL key field ... */
};

static bool condition_holds(char condition, int64_t has_ms, int64_t at_ms)
{
	switch (condition) {
	case 'n':
		return has_ms == HASH_NO_TTL;
	case 'x':
		return has_ms != HASH_NO_TTL;
	case 'g':
		return has_ms != HASH_NO_TTL && at_ms > has_ms;
	case 'l':
		return has_ms == HASH_NO_TTL || at_ms < has_ms;
	default:
		return true;
	}
}

static char condition_of(const struct cmd_ctx *c, uint32_t i)
{
	static const char *const words[] = {"nx", "xx", "gt", "lt"};

	for (uint32_t w = 0; w < RP_ARRAY_LEN(words); w++)
		if (cmd_arg_is(c, i, words[w]))
			return words[w][0];
	return 0;
}

static enum field_answer expire_field(struct expiring *x, struct hash_timing *t, struct slice field)
{
	int64_t now_ms = store_now_ms(x->s);
	struct hash_item it;

	if (!hash_get(t->o, field, now_ms, &it)) {
		hash_timing_skip(t, field);
		return FIELD_NONE;
	}
	if (!condition_holds(x->condition, it.at_ms, x->at_ms)) {
		hash_timing_skip(t, field);
		return FIELD_KEPT;
	}
	x->words.w[x->words.n++] = field;
	if (x->at_ms <= now_ms) {
		hash_timing_remove(t, field);
		x->removed++;
		return FIELD_REMOVED;
	}
	hash_timing_set(t, field, x->at_ms);
	x->set++;
	return FIELD_SET;
}

/* All fields get the same time: they are all set, or all removed. */
static void expired_effects(struct expiring *x, bool gone)
{
	struct cmd_ctx *c = x->c;
	struct slice *w = x->words.w;
	char at[NUM_I64_CHARS], n[NUM_I64_CHARS];

	c->dirty += x->set + x->removed;
	if (x->removed > 0) {
		w[3] = SLICE("HDEL");
		w[4] = c->argv[1];
		cmd_effect(c, x->s, x->removed + 2, w + 3);
		hash_removed_events(c, x->s, gone);
	} else if (x->set > 0) {
		w[0] = SLICE("HPEXPIREAT");
		w[1] = c->argv[1];
		w[2] = (struct slice){at, num_format_i64(at, x->at_ms)};
		w[3] = SLICE("FIELDS");
		w[4] = (struct slice){n, num_format_u64(n, x->set)};
		cmd_effect(c, x->s, x->set + 5, w);
		store_event(x->s, EVENT_HASH, "hexpire", c->db, c->argv[1]);
	}
}

static void expire_fields(struct expiring *x, struct object *o)
{
	struct cmd_ctx *c = x->c;
	const struct slice *fields = c->argv + x->first;
	struct hash_timing t;

	if (!hash_words_begin(c, &x->words, x->n + 5))
		return;
	x->words.n = 5;
	if (hash_timing_begin(&t, x->s, c->db, c->argv[1], o, x->n, fields)) {
		reply_array(c->out, x->n);
		for (uint32_t i = 0; i < x->n; i++)
			reply_int(c->out, expire_field(x, &t, fields[i]));
		expired_effects(x, hash_timing_end(&t));
	} else {
		cmd_err_oom(c);
	}
	hash_words_end(c, &x->words);
}

static void hexpire(struct cmd_ctx *c, int64_t unit_ms, bool relative)
{
	struct expiring x = {.c = c, .s = cmd_store(c, c->argv[1])};
	bool wrong;
	struct object *o = hash_cmd_peek(c, x.s, c->argv[1], &wrong);

	if (wrong || !hash_arg_time(c, 2, unit_ms, relative ? store_now_ms(x.s) : 0, &x.at_ms))
		return;
	x.condition = condition_of(c, 3);
	x.first = x.condition != 0 ? 6 : 5;
	if (!hash_arg_fields(c, x.first - 2, &x.n, "ERR Parameter `numFields` should be greater than 0"))
		return;
	hash_settle(x.s, c->db, o, x.n, c->argv + x.first, 1);
	if (o == NULL)
		reply_none(c, x.n);
	else
		expire_fields(&x, o);
}

void cmd_hexpire(struct cmd_ctx *c)
{
	hexpire(c, 1000, true);
}

void cmd_hpexpire(struct cmd_ctx *c)
{
	hexpire(c, 1, true);
}

void cmd_hexpireat(struct cmd_ctx *c)
{
	hexpire(c, 1000, false);
}

void cmd_hpexpireat(struct cmd_ctx *c)
{
	hexpire(c, 1, false);
}

/* ---- HTTL ---- */

/* In units, rounded up. */
static void reply_times(struct cmd_ctx *c, int64_t unit_ms, bool relative)
{
	struct hash_item it;
	bool wrong;
	uint32_t n;
	const struct object *o = hash_cmd_read(c, c->argv[1], &wrong);
	int64_t now_ms = hash_cmd_now(c), base_ms = relative ? now_ms : 0;

	if (wrong || !hash_arg_fields(c, 2, &n, HASH_BAD_FIELDS))
		return;
	reply_array(c->out, n);
	for (uint32_t i = 4; i < c->argc; i++)
		if (o == NULL || !hash_get(o, c->argv[i], now_ms, &it))
			reply_int(c->out, FIELD_NONE);
		else if (it.at_ms == HASH_NO_TTL)
			reply_int(c->out, FIELD_NO_TTL);
		else
			reply_int(c->out, (it.at_ms - base_ms + unit_ms - 1) / unit_ms);
}

void cmd_httl(struct cmd_ctx *c)
{
	reply_times(c, 1000, true);
}

void cmd_hpttl(struct cmd_ctx *c)
{
	reply_times(c, 1, true);
}

void cmd_hexpiretime(struct cmd_ctx *c)
{
	reply_times(c, 1000, false);
}

void cmd_hpexpiretime(struct cmd_ctx *c)
{
	reply_times(c, 1, false);
}

/* ---- HPERSIST ---- */

static enum field_answer persist_field(struct store *s, struct hash_timing *t, struct slice field)
{
	struct hash_item it;

	if (!hash_get(t->o, field, store_now_ms(s), &it))
		return FIELD_NONE;
	if (it.at_ms == HASH_NO_TTL)
		return FIELD_NO_TTL;
	hash_timing_set(t, field, HASH_NO_TTL);
	return FIELD_SET;
}

void cmd_hpersist(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[1]);
	struct hash_timing t;
	bool wrong;
	uint32_t n;
	struct object *o = hash_cmd_peek(c, s, c->argv[1], &wrong);

	if (wrong || !hash_arg_fields(c, 2, &n, HASH_BAD_FIELDS))
		return;
	hash_settle(s, c->db, o, n, c->argv + 4, 1);
	if (o == NULL) {
		reply_none(c, n);
		return;
	}
	hash_timing_persisting(&t, s, c->db, c->argv[1], o);
	reply_array(c->out, n);
	for (uint32_t i = 4; i < c->argc; i++) {
		enum field_answer answer = persist_field(s, &t, c->argv[i]);
		reply_int(c->out, answer);
		c->dirty += answer == FIELD_SET;
	}
	hash_timing_end(&t);
	if (c->dirty > 0)
		store_event(s, EVENT_HASH, "hpersist", c->db, c->argv[1]);
}
