/* BITFIELD: integers of any width at any bit of a string.
 *
 * The words are read three times with the same reader: once to find errors before anything happens, once to see whether
 * anything will change (a string that stays as it is must not be touched), once to execute.
 */
#include "cmd/bitmap_priv.h"
#include "cmd/handlers.h"

#include "base/num.h"

enum field_overflow {
	FIELD_WRAP,
	FIELD_SAT,
	FIELD_FAIL,
};

enum field_verb {
	FIELD_GET,
	FIELD_SET,
	FIELD_INCRBY,
};

struct field_op {
	enum field_verb verb;
	enum field_overflow overflow;
	bool is_signed;
	unsigned width;
	uint64_t at;
	int64_t arg;
};

/* Where the reader stands. */
struct field_reader {
	uint32_t i;
	enum field_overflow overflow;
};

enum field_next {
	FIELD_OP,
	FIELD_END,
	FIELD_ERROR, /* the error is written */
};

static bool parse_overflow(struct cmd_ctx *c, uint32_t i, enum field_overflow *how)
{
	static const char *const words[] = {[FIELD_WRAP] = "wrap", [FIELD_SAT] = "sat", [FIELD_FAIL] = "fail"};

	for (size_t k = 0; k < RP_ARRAY_LEN(words); k++)
		if (cmd_arg_is(c, i, words[k])) {
			*how = (enum field_overflow)k;
			return true;
		}
	reply_error(c->out, "ERR Invalid OVERFLOW type specified");
	return false;
}

static bool parse_type(struct cmd_ctx *c, uint32_t i, struct field_op *op)
{
	struct slice v = c->argv[i];
	int64_t width;

	if (v.len > 1 && (v.ptr[0] == 'i' || v.ptr[0] == 'u') &&
	    num_parse_i64((struct slice){v.ptr + 1, v.len - 1}, &width) && width >= 1 &&
	    width <= (v.ptr[0] == 'i' ? 64 : 63)) {
		op->is_signed = v.ptr[0] == 'i';
		op->width = (unsigned)width;
		return true;
	}
	reply_error(c->out, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
			    "i64 is.");
	return false;
}

static bool parse_verb(struct cmd_ctx *c, uint32_t i, uint32_t rest, enum field_verb *verb)
{
	if (cmd_arg_is(c, i, "get") && rest >= 2)
		*verb = FIELD_GET;
	else if (cmd_arg_is(c, i, "set") && rest >= 3)
		*verb = FIELD_SET;
	else if (cmd_arg_is(c, i, "incrby") && rest >= 3)
		*verb = FIELD_INCRBY;
	else
		return false;
	return true;
}

static enum field_next field_next(struct cmd_ctx *c, struct field_reader *r, struct field_op *op)
{
	for (; r->i < c->argc; r->i += 2) {
		uint32_t i = r->i, rest = c->argc - i - 1;

		if (parse_verb(c, i, rest, &op->verb)) {
			op->overflow = r->overflow;
			if (!parse_type(c, i + 1, op) || !bitmap_arg_offset(c, i + 2, op->width, &op->at) ||
			    (op->verb != FIELD_GET && !cmd_arg_i64(c, i + 3, &op->arg)))
				return FIELD_ERROR;
			r->i += op->verb == FIELD_GET ? 3 : 4;
			return FIELD_OP;
		}
		if (!cmd_arg_is(c, i, "overflow") || rest < 1) {
			cmd_err_syntax(c);
			return FIELD_ERROR;
		}
		if (!parse_overflow(c, i + 1, &r->overflow))
			return FIELD_ERROR;
	}
	return FIELD_END;
}

static struct field_reader field_begin(void)
{
	return (struct field_reader){.i = 2, .overflow = FIELD_WRAP};
}

/* What a whole request asks for. */
struct field_plan {
	uint64_t ops;
	bool writes;
	size_t need; /* bytes that the string has after its writes */
};

static bool field_plan(struct cmd_ctx *c, struct field_plan *plan)
{
	struct field_reader r = field_begin();
	struct field_op op;
	enum field_next next;

	*plan = (struct field_plan){0};
	while ((next = field_next(c, &r, &op)) == FIELD_OP) {
		plan->ops++;
		if (op.verb == FIELD_GET)
			continue;
		plan->writes = true;
		plan->need = RP_MAX(plan->need, (size_t)((op.at + op.width + 7) / 8));
	}
	return next == FIELD_END;
}

static int64_t field_value(const struct field_op *op, uint64_t bits)
{
	if (!op->is_signed)
		return (int64_t)bits;
	return (int64_t)(bits << (64 - op->width)) >> (64 - op->width);
}

/* Which end of its range value + add leaves a field at: 1 above, -1 below, 0 none. A SET is value + 0. */
static int field_out_of_range(const struct field_op *op, int64_t value, int64_t add)
{
	__int128 max = ((__int128)1 << (op->width - op->is_signed)) - 1, min = op->is_signed ? -max - 1 : 0, sum;

	if (!op->is_signed && op->verb == FIELD_SET)
		return (__int128)(uint64_t)value > max;
	/* Redis reckons the room above a value in 64 bits: just above INT64_MIN it comes out negative. */
	if (op->is_signed && op->width < 64 && (__int128)value <= max + INT64_MIN)
		return 1;
	sum = (__int128)value + add;
	return sum > max ? 1 : sum < min ? -1 : 0;
}

/* The field's bits after op on old. false: OVERFLOW FAIL forbids it. */
static bool field_result(const struct field_op *op, int64_t old, uint64_t *bits)
{
	int64_t value = op->verb == FIELD_SET ? op->arg : old, add = op->verb == FIELD_SET ? 0 : op->arg;
	int out = field_out_of_range(op, value, add);
	uint64_t all = UINT64_MAX >> (64 - op->width), top = op->is_signed ? all >> 1 : all;

	*bits = ((uint64_t)value + (uint64_t)add) & all;
	if (out != 0 && op->overflow == FIELD_FAIL)
		return false;
	if (out != 0 && op->overflow == FIELD_SAT)
		*bits = out > 0 ? top : all & ~top;
	return true;
}

/* Would executing the request change one of v's bits? Up to the first change every field still holds what v says. */
static bool field_changes(struct cmd_ctx *c, struct slice v)
{
	struct field_reader r = field_begin();
	struct field_op op;

	while (field_next(c, &r, &op) == FIELD_OP) {
		uint64_t old = bits_get(v.ptr, v.len, op.at, op.width), now;
		if (op.verb != FIELD_GET && field_result(&op, field_value(&op, old), &now) && now != old)
			return true;
	}
	return false;
}

/* Runs the operations and answers them. to: v's bytes if they may be written. Returns how many writes Redis counts as
 * changes; grown: the string became longer, then all of them. */
static uint32_t field_execute(struct cmd_ctx *c, struct slice v, char *to, bool grown)
{
	struct field_reader r = field_begin();
	struct field_op op;
	uint32_t changes = 0;

	while (field_next(c, &r, &op) == FIELD_OP) {
		uint64_t old = bits_get(v.ptr, v.len, op.at, op.width), now;
		int64_t value = field_value(&op, old);

		if (op.verb == FIELD_GET) {
			reply_int(c->out, value);
			continue;
		}
		if (!field_result(&op, value, &now)) {
			reply_null(c->out);
			continue;
		}
		if (now != old)
			bits_put(to, op.at, op.width, now);
		changes += grown || now != old;
		reply_int(c->out, op.verb == FIELD_SET ? value : field_value(&op, now));
	}
	return changes;
}

static void field_write(struct cmd_ctx *c, struct store *s, struct slice key, const struct field_plan *plan)
{
	bool wrong, grown;
	struct object *o = string_peek(c, s, key, &wrong);
	char buf[NUM_I64_CHARS], *to = NULL;
	struct slice v = SLICE("");
	uint32_t changes;

	if (wrong)
		return;
	if (o != NULL)
		v = obj_string(o, buf);
	grown = plan->need > v.len;
	if (grown || field_changes(c, v)) {
		o = string_commit(c, s, key, o);
		v.len = RP_MAX(v.len, plan->need);
		v.ptr = to = store_string_edit(s, c->db, key, &o, v.len);
		if (to == NULL) {
			cmd_err_oom(c);
			return;
		}
	} else if (!store_string_raw(s, c->db, key, &o)) {
		cmd_err_oom(c);
		return;
	} else {
		v = obj_string(o, buf);
	}
	reply_array(c->out, plan->ops);
	changes = field_execute(c, v, to, grown);
	if (changes > 0)
		store_event(s, EVENT_STRING, "setbit", c->db, key);
	c->dirty += RP_MAX(changes, grown); /* a string that only grew is still another one */
}

static void field_read(struct cmd_ctx *c, struct slice key, const struct field_plan *plan)
{
	bool wrong = false;
	const struct object *o = cmd_read_string(c, key, &wrong);
	char buf[NUM_I64_CHARS];

	if (wrong)
		return;
	reply_array(c->out, plan->ops);
	field_execute(c, o != NULL ? obj_string(o, buf) : SLICE(""), NULL, false);
}

void cmd_bitfield(struct cmd_ctx *c)
{
	struct slice key = c->argv[1];
	struct field_plan plan;

	if (!field_plan(c, &plan))
		return;
	if (plan.writes)
		field_write(c, cmd_store(c, key), key, &plan);
	else
		field_read(c, key, &plan);
}

void cmd_bitfield_ro(struct cmd_ctx *c)
{
	struct field_plan plan;

	if (!field_plan(c, &plan))
		return;
	if (plan.writes)
		reply_error(c->out, "ERR BITFIELD_RO only supports the GET subcommand");
	else
		field_read(c, c->argv[1], &plan);
}
