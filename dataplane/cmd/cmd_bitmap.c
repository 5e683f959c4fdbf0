/* Single bits and questions about many: SETBIT, GETBIT, BITCOUNT, BITPOS. */
#include "cmd/bitmap_priv.h"
#include "cmd/handlers.h"

#include "base/num.h"

bool bitmap_arg_offset(struct cmd_ctx *c, uint32_t i, unsigned width, uint64_t *at)
{
	struct slice v = c->argv[i];
	bool fields = width > 0 && v.len > 0 && v.ptr[0] == '#';
	int64_t n;

	if (fields)
		v = (struct slice){v.ptr + 1, v.len - 1};
	if (num_parse_i64(v, &n) && !(fields && __builtin_mul_overflow(n, (int64_t)width, &n)) && n >= 0 &&
	    (uint64_t)n >> 3 < string_max(c)) {
		*at = (uint64_t)n;
		return true;
	}
	reply_error(c->out, "ERR bit offset is not an integer or out of range");
	return false;
}

void cmd_getbit(struct cmd_ctx *c)
{
	bool wrong = false;
	uint64_t at;
	const struct object *o;
	struct slice v = SLICE("");
	char buf[NUM_I64_CHARS];

	if (!bitmap_arg_offset(c, 2, 0, &at))
		return;
	o = cmd_read_string(c, c->argv[1], &wrong);
	if (wrong)
		return;
	if (o != NULL)
		v = obj_string(o, buf);
	reply_int(c->out, (int64_t)bits_get(v.ptr, v.len, at, 1));
}

void cmd_setbit(struct cmd_ctx *c)
{
	struct slice key = c->argv[1], v = SLICE("");
	struct store *s = cmd_store(c, key);
	bool wrong, old;
	uint64_t at;
	struct object *o;
	char buf[NUM_I64_CHARS], *p;

	if (!bitmap_arg_offset(c, 2, 0, &at))
		return;
	if (c->argv[3].len != 1 || (c->argv[3].ptr[0] != '0' && c->argv[3].ptr[0] != '1')) {
		reply_error(c->out, "ERR bit is not an integer or out of range");
		return;
	}
	o = string_peek(c, s, key, &wrong);
	if (wrong)
		return;
	if (o != NULL)
		v = obj_string(o, buf);
	old = bits_get(v.ptr, v.len, at, 1);
	if (at / 8 >= v.len || old != (c->argv[3].ptr[0] == '1')) {
		o = string_commit(c, s, key, o);
		p = store_string_edit(s, c->db, key, &o, RP_MAX(v.len, at / 8 + 1));
		if (p == NULL) {
			cmd_err_oom(c);
			return;
		}
		bits_put(p, at, 1, c->argv[3].ptr[0] == '1');
		store_event(s, EVENT_STRING, "setbit", c->db, key);
		c->dirty++;
	} else if (!store_string_raw(s, c->db, key, &o)) {
		cmd_err_oom(c);
		return;
	}
	reply_int(c->out, old);
}

/* A range as BITCOUNT and BITPOS take it. Turned into bit positions first..last, empty if first > last. */
struct bit_range {
	int64_t first, last;
};

static bool arg_unit(struct cmd_ctx *c, uint32_t i, bool *in_bits)
{
	*in_bits = cmd_arg_is(c, i, "bit");
	if (*in_bits || cmd_arg_is(c, i, "byte"))
		return true;
	cmd_err_syntax(c);
	return false;
}

static int64_t from_end(int64_t pos, int64_t len)
{
	return pos < 0 ? RP_MAX(pos + len, 0) : pos;
}

static void range_resolve(struct bit_range *r, size_t bytes, bool in_bits)
{
	int64_t len = (int64_t)(in_bits ? bytes * 8 : bytes);

	r->first = from_end(r->first, len);
	r->last = RP_MIN(from_end(r->last, len), len - 1);
	if (r->first > r->last) {
		*r = (struct bit_range){0, -1};
	} else if (!in_bits) {
		r->first = r->first * 8;
		r->last = r->last * 8 + 7;
	}
}

void cmd_bitcount(struct cmd_ctx *c)
{
	bool wrong = false, in_bits = false;
	const struct object *o = cmd_read_string(c, c->argv[1], &wrong);
	struct bit_range r = {0, -1};
	struct slice v;
	char buf[NUM_I64_CHARS];

	if (o == NULL) {
		if (!wrong)
			reply_int(c->out, 0);
		return;
	}
	v = obj_string(o, buf);
	if (c->argc == 4 || c->argc == 5) {
		if (!cmd_arg_i64(c, 2, &r.first) || !cmd_arg_i64(c, 3, &r.last))
			return;
		if (r.first < 0 && r.last < 0 && r.first > r.last) {
			reply_int(c->out, 0);
			return;
		}
		if (c->argc == 5 && !arg_unit(c, 4, &in_bits))
			return;
	} else if (c->argc != 2) {
		cmd_err_syntax(c);
		return;
	}
	range_resolve(&r, v.len, in_bits);
	reply_int(c->out, r.first <= r.last ? (int64_t)bits_count(v.ptr, (uint64_t)r.first, (uint64_t)r.last) : 0);
}

static bool bitpos_range(struct cmd_ctx *c, struct bit_range *r, bool *in_bits)
{
	*r = (struct bit_range){0, -1};
	*in_bits = false;
	if (c->argc > 6) {
		cmd_err_syntax(c);
		return false;
	}
	return (c->argc < 4 || cmd_arg_i64(c, 3, &r->first)) && (c->argc < 6 || arg_unit(c, 5, in_bits)) &&
	       (c->argc < 5 || cmd_arg_i64(c, 4, &r->last));
}

void cmd_bitpos(struct cmd_ctx *c)
{
	bool wrong = false, in_bits;
	int64_t bit, pos = -1;
	const struct object *o;
	struct bit_range r;
	struct slice v;
	char buf[NUM_I64_CHARS];

	if (!cmd_arg_i64(c, 2, &bit))
		return;
	if (bit != 0 && bit != 1) {
		reply_error(c->out, "ERR The bit argument must be 1 or 0.");
		return;
	}
	o = cmd_read_string(c, c->argv[1], &wrong);
	if (o == NULL) {
		if (!wrong)
			reply_int(c->out, bit ? -1 : 0);
		return;
	}
	if (!bitpos_range(c, &r, &in_bits))
		return;
	v = obj_string(o, buf);
	range_resolve(&r, v.len, in_bits);
	if (r.first <= r.last) {
		pos = bits_find(v.ptr, (uint64_t)r.first, (uint64_t)r.last, bit);
		/* Without an explicit end the string goes on with zeros. */
		if (pos < 0 && bit == 0 && c->argc < 5)
			pos = (int64_t)v.len * 8;
	}
	reply_int(c->out, pos);
}
