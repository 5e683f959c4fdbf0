/* DEBUG: answers of every kind for tests of clients, and switches for tests of servers. */
#include <stdlib.h>

#include "base/glob.h"
#include "base/num.h"
#include "cmd/handlers.h"

#define POPULATE_NAME  512
#define MATCH_LEN_MAX  (1 << 20)
#define PACKED_DEFAULT (1ull << 30)

/* ---- PROTOCOL, ERROR ---- */

static void say_string(struct reply *r)
{
	reply_bulk_str(r, "Hello World");
}

static void say_integer(struct reply *r)
{
	reply_int(r, 12345);
}

static void say_double(struct reply *r)
{
	reply_double(r, 3.141);
}

static void say_bignum(struct reply *r)
{
	reply_bignum(r, SLICE("1234567999999999999999999999999999999"));
}

static void say_array(struct reply *r)
{
	reply_array(r, 3);
	for (int i = 0; i < 3; i++)
		reply_int(r, i);
}

static void say_set(struct reply *r)
{
	reply_set(r, 3);
	for (int i = 0; i < 3; i++)
		reply_int(r, i);
}

static void say_map(struct reply *r)
{
	reply_map(r, 3);
	for (int i = 0; i < 3; i++) {
		reply_int(r, i);
		reply_bool(r, i == 1);
	}
}

/* Attributes and pushes are no replies: a real one follows. */
static void say_attrib(struct reply *r)
{
	if (r->proto > 2) {
		reply_attribute(r, 1);
		reply_bulk_str(r, "key-popularity");
		reply_array(r, 2);
		reply_bulk_str(r, "key:123");
		reply_int(r, 90);
	}
	reply_bulk_str(r, "Some real reply following the attribute");
}

static void say_push(struct reply *r)
{
	if (r->proto < 3) {
		reply_error(r, "ERR RESP2 is not supported by this command");
		return;
	}
	reply_push(r, 2);
	reply_bulk_str(r, "server-cpu-usage");
	reply_int(r, 42);
	reply_bulk_str(r, "Some real reply following the push reply");
}

static void say_verbatim(struct reply *r)
{
	reply_verbatim(r, SLICE("This is a verbatim\nstring"), "txt");
}

static void say_true(struct reply *r)
{
	reply_bool(r, true);
}

static void say_false(struct reply *r)
{
	reply_bool(r, false);
}

void cmd_debug_protocol(struct cmd_ctx *c)
{
	static const struct {
		const char *name;
		void (*say)(struct reply *r);
	} types[] = {
		{"string", say_string}, {"integer", say_integer}, {"double", say_double},     {"bignum", say_bignum},
		{"null", reply_null},   {"array", say_array},     {"set", say_set},           {"map", say_map},
		{"attrib", say_attrib}, {"push", say_push},       {"verbatim", say_verbatim}, {"true", say_true},
		{"false", say_false},
	};

	for (size_t i = 0; i < RP_ARRAY_LEN(types); i++)
		if (cmd_arg_is(c, 2, types[i].name)) {
			types[i].say(c->out);
			return;
		}
	reply_error(c->out, "ERR Wrong protocol type name. Please use one of the following: "
			    "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false");
}

void cmd_debug_error(struct cmd_ctx *c)
{
	reply_error_slice(c->out, c->argv[2]);
}

/* ---- switches ---- */

/* As Redis reads such numbers: what is none is 0. */
static long number(struct slice s)
{
	char text[32] = {0};

	memcpy(text, s.ptr, RP_MIN(s.len, sizeof text - 1));
	return strtol(text, NULL, 10);
}

void cmd_debug_set_active_expire(struct cmd_ctx *c)
{
	for (uint32_t i = 0; i < c->env->nstores; i++)
		store_set_active_expire(c->env->stores[i], number(c->argv[2]) != 0);
	reply_ok(c->out);
}

/* Bytes with a unit as in the configuration file; false: it is no such text. */
static bool memory_value(struct slice s, uint64_t *out)
{
	static const struct {
		const char *name;
		uint64_t factor;
	} units[] = {{"", 1},        {"b", 1},           {"k", 1000},       {"kb", 1ull << 10},
		     {"m", 1000000}, {"mb", 1ull << 20}, {"g", 1000000000}, {"gb", 1ull << 30}};
	size_t digits = 0;
	uint64_t v = 0;

	for (; digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9'; digits++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(s.ptr[digits] - '0'), &v))
			return false;
	struct slice unit = {s.ptr + digits, s.len - digits};
	for (size_t i = 0; digits > 0 && i < RP_ARRAY_LEN(units); i++)
		if (slice_is(unit, units[i].name))
			return !__builtin_mul_overflow(v, units[i].factor, out);
	return false;
}

/* Lists here have no elements outside listpacks but those too large for one: nothing to change. */
void cmd_debug_quicklist_packed_threshold(struct cmd_ctx *c)
{
	uint64_t bytes = PACKED_DEFAULT;

	if (!memory_value(c->argv[2], &bytes) || bytes > 4 * PACKED_DEFAULT) {
		reply_error(c->out, "ERR argument must be a memory value bigger than 1 and smaller than 4gb");
		return;
	}
	reply_ok(c->out);
}

/* Reply buffers here are the packets themselves: there is nothing to shrink or to keep. */
void cmd_debug_replybuffer(struct cmd_ctx *c)
{
	int64_t ms;

	if (c->argc == 4 && cmd_arg_is(c, 2, "resizing")) {
		reply_ok(c->out);
		return;
	}
	if (c->argc != 4 || !cmd_arg_is(c, 2, "peak-reset-time")) {
		reply_errorf(c->out, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG HELP.",
			     (int)RP_MIN(c->argv[1].len, 128u), c->argv[1].ptr);
		return;
	}
	if (cmd_arg_is(c, 3, "never") || cmd_arg_is(c, 3, "reset") || cmd_arg_i64(c, 3, &ms))
		reply_ok(c->out);
}

/* There is no periodic work that would change what a client sees, and tables grow by one bucket at a time. */
void cmd_debug_accepted(struct cmd_ctx *c)
{
	reply_ok(c->out);
}

/* How the pattern does on so many letters 'a'. */
void cmd_debug_stringmatch_len(struct cmd_ctx *c)
{
	int64_t len;

	if (!cmd_arg_i64_in(c, 2, 0, MATCH_LEN_MAX, &len, "ERR value is out of range"))
		return;
	char *text = heap_alloc(c->env->heap, (size_t)len + 1);
	if (text == NULL) {
		cmd_err_oom(c);
		return;
	}
	memset(text, 'a', (size_t)len);
	reply_int(c->out, glob_match(c->argv[3], (struct slice){text, (size_t)len}, false));
	heap_free(c->env->heap, text);
}

/* ---- POPULATE ---- */

static bool populate_one(struct cmd_ctx *c, struct slice prefix, int64_t i, char *value, size_t size)
{
	char name[POPULATE_NAME + 32], text[32];
	size_t n = RP_MIN(prefix.len, (size_t)POPULATE_NAME);

	memcpy(name, prefix.ptr, n);
	name[n++] = ':';
	n += num_format_i64(name + n, i);
	struct slice key = {name, n};
	struct store *s = cmd_store(c, key);
	if (store_peek(s, c->db, key) != NULL)
		return true;
	memcpy(text, "value:", 6);
	size_t len = 6 + num_format_i64(text + 6, i);
	if (size == 0)
		return store_set_string(s, c->db, key, (struct slice){text, len}, NULL, STORE_NO_EXPIRE) != NULL;
	memcpy(value, text, RP_MIN(len, size));
	return store_set_string(s, c->db, key, (struct slice){value, size}, NULL, STORE_NO_EXPIRE) != NULL;
}

void cmd_debug_populate(struct cmd_ctx *c)
{
	struct slice prefix = c->argc > 3 ? c->argv[3] : SLICE("key");
	int64_t count, size = 0;
	bool ok = true;

	if (!cmd_arg_i64_in(c, 2, 0, INT64_MAX, &count, "ERR value is out of range, must be positive") ||
	    (c->argc > 4 && !cmd_arg_i64_in(c, 4, 0, (int64_t)c->env->conf->max_bulk, &size,
					    "ERR value is out of range, must be positive")))
		return;
	char *value = heap_alloc(c->env->heap, (size_t)size + 1);
	if (value != NULL)
		memset(value, 0, (size_t)size + 1);
	ok = value != NULL;
	for (int64_t i = 0; ok && i < count; i++)
		ok = populate_one(c, prefix, i, value, (size_t)size);
	heap_free(c->env->heap, value);
	if (ok)
		reply_ok(c->out);
	else
		cmd_err_oom(c);
}
