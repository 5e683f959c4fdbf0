/* SET and its relatives: whole values with conditions and times to live. */
#include "cmd/handlers.h"
#include "cmd/string_priv.h"

#include "base/num.h"

enum {
	OPT_NX = 1 << 0,
	OPT_XX = 1 << 1,
	OPT_GET = 1 << 2,
	OPT_KEEPTTL = 1 << 3,
	OPT_PERSIST = 1 << 4,
	OPT_EX = 1 << 5,
	OPT_PX = 1 << 6,
	OPT_EXAT = 1 << 7,
	OPT_PXAT = 1 << 8,

	OPT_TTL = OPT_EX | OPT_PX | OPT_EXAT | OPT_PXAT,
	OPT_SECONDS = OPT_EX | OPT_EXAT,
	OPT_ABSOLUTE = OPT_EXAT | OPT_PXAT,
	OPT_OF_SET = OPT_NX | OPT_XX | OPT_GET | OPT_KEEPTTL | OPT_TTL,
	OPT_OF_GETEX = OPT_PERSIST | OPT_TTL,
};

struct set_opts {
	uint32_t flags;
	uint32_t ttl_arg; /* index of the number, with one of OPT_TTL */
};

static const struct set_option {
	const char *word;
	uint32_t flag, excludes; /* repeating an option is allowed: the last one counts */
} set_options[] = {
	{"EX", OPT_EX, OPT_KEEPTTL | OPT_PERSIST | (OPT_TTL & ~OPT_EX)},
	{"PX", OPT_PX, OPT_KEEPTTL | OPT_PERSIST | (OPT_TTL & ~OPT_PX)},
	{"NX", OPT_NX, OPT_XX},
	{"XX", OPT_XX, OPT_NX},
	{"GET", OPT_GET, 0},
	{"KEEPTTL", OPT_KEEPTTL, OPT_TTL},
	{"EXAT", OPT_EXAT, OPT_KEEPTTL | OPT_PERSIST | (OPT_TTL & ~OPT_EXAT)},
	{"PXAT", OPT_PXAT, OPT_KEEPTTL | OPT_PERSIST | (OPT_TTL & ~OPT_PXAT)},
	{"PERSIST", OPT_PERSIST, OPT_TTL},
};

static const struct set_option *option_find(struct slice word)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(set_options); i++)
		if (slice_is(word, set_options[i].word))
			return &set_options[i];
	return NULL;
}

static bool options_parse(struct cmd_ctx *c, uint32_t from, uint32_t allowed, struct set_opts *opts)
{
	*opts = (struct set_opts){0};
	for (uint32_t i = from; i < c->argc; i++) {
		const struct set_option *opt = option_find(c->argv[i]);
		bool numbered = opt != NULL && (opt->flag & OPT_TTL);

		if (opt == NULL || !(opt->flag & allowed) || (opts->flags & opt->excludes) ||
		    (numbered && i + 1 == c->argc)) {
			cmd_err_syntax(c);
			return false;
		}
		opts->flags |= opt->flag;
		if (numbered)
			opts->ttl_arg = ++i;
	}
	return true;
}

/* Argument i as an absolute time in milliseconds; how: one of OPT_TTL. */
static bool arg_expire_at(struct cmd_ctx *c, const struct store *s, uint32_t i, uint32_t how, int64_t *at_ms)
{
	int64_t base = how & OPT_ABSOLUTE ? 0 : store_now_ms(s), unit = how & OPT_SECONDS ? 1000 : 1, v;

	if (!cmd_arg_i64(c, i, &v))
		return false;
	if (v <= 0 || __builtin_mul_overflow(v, unit, &v) || __builtin_add_overflow(v, base, at_ms)) {
		reply_errorf(c->out, "ERR invalid expire time in '%s' command", c->cmd->name);
		return false;
	}
	return true;
}

/* Everything of a SET that is done after the value is in place, but for the reply. */
static void set_done(struct cmd_ctx *c, struct store *s, struct slice key)
{
	store_event(s, EVENT_STRING, "set", c->db, key);
	c->dirty++;
}

static void set_with_options(struct cmd_ctx *c, struct store *s, struct slice key)
{
	struct set_opts opts;
	struct string_held old;
	int64_t at = STORE_NO_EXPIRE;
	bool wrong = false;

	if (!options_parse(c, 3, OPT_OF_SET, &opts))
		return;
	if (opts.flags & OPT_KEEPTTL)
		at = STORE_KEEP_TTL;
	else if ((opts.flags & OPT_TTL) && !arg_expire_at(c, s, opts.ttl_arg, opts.flags, &at))
		return;
	old.found = false;
	if (opts.flags & OPT_GET) {
		string_hold(&old, cmd_read_string(c, key, &wrong));
		if (wrong)
			return;
	}
	if (opts.flags & (OPT_NX | OPT_XX)) {
		bool exists = opts.flags & OPT_GET ? old.found : store_peek(s, c->db, key) != NULL;
		if (exists != !!(opts.flags & OPT_XX)) {
			string_held_reply(c->out, &old); /* without GET there is none: null */
			string_held_drop(&old, s);
			return;
		}
	}
	if (string_put(c, s, key, 2, at)) {
		set_done(c, s, key);
		if (opts.flags & OPT_TTL)
			store_event(s, EVENT_GENERIC, "expire", c->db, key);
		string_effect_set(c, s, key, c->argv[2], at);
		if (opts.flags & OPT_GET)
			string_held_reply(c->out, &old);
		else
			reply_ok(c->out);
	}
	string_held_drop(&old, s);
}

void cmd_set(struct cmd_ctx *c)
{
	struct slice key = c->argv[1];
	struct store *s = cmd_store(c, key);

	if (rp_unlikely(c->argc > 3)) {
		set_with_options(c, s, key);
		return;
	}
	if (string_put(c, s, key, 2, STORE_NO_EXPIRE)) {
		set_done(c, s, key);
		reply_ok(c->out);
	}
}

void cmd_setnx(struct cmd_ctx *c)
{
	struct slice key = c->argv[1];
	struct store *s = cmd_store(c, key);

	if (store_peek(s, c->db, key) != NULL) {
		reply_int(c->out, 0);
		return;
	}
	if (string_put(c, s, key, 2, STORE_NO_EXPIRE)) {
		set_done(c, s, key);
		reply_int(c->out, 1);
	}
}

static void set_for(struct cmd_ctx *c, uint32_t how)
{
	struct slice key = c->argv[1];
	struct store *s = cmd_store(c, key);
	int64_t at;

	if (!arg_expire_at(c, s, 2, how, &at) || !string_put(c, s, key, 3, at))
		return;
	set_done(c, s, key);
	store_event(s, EVENT_GENERIC, "expire", c->db, key);
	string_effect_set(c, s, key, c->argv[3], at);
	reply_ok(c->out);
}

void cmd_setex(struct cmd_ctx *c)
{
	set_for(c, OPT_EX);
}

void cmd_psetex(struct cmd_ctx *c)
{
	set_for(c, OPT_PX);
}

void cmd_getset(struct cmd_ctx *c)
{
	struct slice key = c->argv[1];
	struct store *s = cmd_store(c, key);
	struct string_held old;
	bool wrong = false;

	string_hold(&old, cmd_read_string(c, key, &wrong));
	if (wrong)
		return;
	if (string_put(c, s, key, 2, STORE_NO_EXPIRE)) {
		set_done(c, s, key);
		string_effect_set(c, s, key, c->argv[2], STORE_NO_EXPIRE);
		string_held_reply(c->out, &old);
	}
	string_held_drop(&old, s);
}

/* GETEX with a time to come: the object may move, so the value is answered afterwards. */
static bool getex_expire(struct cmd_ctx *c, struct store *s, struct slice key, struct object **o, int64_t at)
{
	char digits[NUM_I64_CHARS];
	struct slice words[] = {SLICE("PEXPIREAT"), key, {digits, num_format_i64(digits, at)}};

	if (!store_set_expire(s, c->db, o, at)) {
		cmd_err_oom(c);
		return false;
	}
	store_event(s, EVENT_GENERIC, "expire", c->db, key);
	cmd_effect(c, s, RP_ARRAY_LEN(words), words);
	c->dirty++;
	return true;
}

static void getex_persist(struct cmd_ctx *c, struct store *s, struct slice key, struct object **o)
{
	struct slice words[] = {SLICE("PERSIST"), key};

	if (!store_persist(s, c->db, o))
		return;
	store_event(s, EVENT_GENERIC, "persist", c->db, key);
	cmd_effect(c, s, RP_ARRAY_LEN(words), words);
	c->dirty++;
}

static void getex_delete(struct cmd_ctx *c, struct store *s, struct slice key)
{
	store_delete(s, c->db, key);
	store_event(s, EVENT_GENERIC, "del", c->db, key);
	string_effect_del(c, s, key);
	c->dirty++;
}

void cmd_getex(struct cmd_ctx *c)
{
	struct slice key = c->argv[1];
	struct store *s = cmd_store(c, key);
	struct set_opts opts;
	struct object *o;
	int64_t at = 0;
	bool wrong = false;

	if (!options_parse(c, 2, OPT_OF_GETEX, &opts))
		return;
	o = cmd_read_string(c, key, &wrong);
	if (o == NULL) {
		if (!wrong)
			reply_null(c->out);
		return;
	}
	if ((opts.flags & OPT_TTL) && !arg_expire_at(c, s, opts.ttl_arg, opts.flags, &at))
		return;
	if ((opts.flags & OPT_ABSOLUTE) && at <= store_now_ms(s)) {
		string_reply(c->out, o);
		getex_delete(c, s, key);
		return;
	}
	if ((opts.flags & OPT_TTL) && !getex_expire(c, s, key, &o, at))
		return;
	if (opts.flags & OPT_PERSIST)
		getex_persist(c, s, key, &o);
	string_reply(c->out, o);
}
