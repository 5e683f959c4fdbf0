/* Lists: ranges and searches. */
#include "cmd/list_cmd.h"

/* Redis's rule for a pair of indices: n elements from *from on. */
static uint64_t range_in(uint64_t len, int64_t first, int64_t last, uint64_t *from)
{
	int64_t n = (int64_t)len;

	first = first < 0 ? RP_MAX(first + n, 0) : first;
	last = last < 0 ? last + n : RP_MIN(last, n - 1);
	*from = (uint64_t)first;
	return first > last || first >= n ? 0 : (uint64_t)(last - first) + 1;
}

void cmd_lrange(struct cmd_ctx *c)
{
	int64_t first, last;
	uint64_t from;
	struct list_iter it;
	bool wrong;

	if (!cmd_arg_i64(c, 2, &first) || !cmd_arg_i64(c, 3, &last))
		return;
	const struct object *o = list_cmd_read(c, c->argv[1], &wrong);
	if (wrong)
		return;
	uint64_t n = o == NULL ? 0 : range_in(list_len(o), first, last, &from);
	reply_array(c->out, n);
	if (n == 0)
		return;
	for (list_seek(o, from, false, &it);; list_next(&it)) {
		list_cmd_reply(c, &it);
		if (--n == 0)
			return;
	}
}

void cmd_ltrim(struct cmd_ctx *c)
{
	int64_t first, last;
	uint64_t from = 0;
	bool wrong;

	if (!cmd_arg_i64(c, 2, &first) || !cmd_arg_i64(c, 3, &last))
		return;
	struct object *o = list_cmd_peek(c, c->argv[1], &wrong);
	if (wrong)
		return;
	if (o == NULL) {
		reply_ok(c->out);
		return;
	}
	struct list_ref r = list_cmd_ref(c, c->argv[1], o);
	uint64_t len = list_len(r.o), n = range_in(len, first, last, &from);
	if (!list_prepare(&r)) {
		cmd_err_oom(c);
		return;
	}
	if (n == 0)
		from = len;
	list_remove(&r, from + n, len - from - n);
	list_remove(&r, 0, from);
	list_cmd_removed(c, &r, "ltrim", len - n);
	reply_ok(c->out);
}

static bool any_equal(const struct object *o, const struct lp_key *k)
{
	struct list_iter it;

	for (list_seek(o, 0, false, &it); !it.end; list_next(&it))
		if (list_eq(&it, k))
			return true;
	return false;
}

void cmd_lrem(struct cmd_ctx *c)
{
	struct lp_key k = lp_key_of(c->argv[3]);
	int64_t count;
	bool wrong;

	if (!cmd_arg_i64(c, 2, &count))
		return;
	struct object *o = list_cmd_peek(c, c->argv[1], &wrong);
	if (wrong)
		return;
	if (o == NULL || !any_equal(o, &k)) {
		reply_int(c->out, 0);
		return;
	}
	struct list_ref r = list_cmd_ref(c, c->argv[1], o);
	if (!list_prepare(&r)) {
		cmd_err_oom(c);
		return;
	}
	uint64_t most = count == 0 ? UINT64_MAX : count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
	uint64_t gone = list_remove_equal(&r, &k, most, count < 0);
	list_cmd_removed(c, &r, "lrem", gone);
	reply_int(c->out, (int64_t)gone);
}

/* ---- LPOS ------------------------------------------------------------------------------------------------------ */

struct lpos {
	int64_t rank, count, maxlen; /* count -1: not given */
};

static bool lpos_rank(struct cmd_ctx *c, uint32_t i, int64_t *rank)
{
	if (!cmd_arg_i64(c, i, rank))
		return false;
	if (*rank == INT64_MIN)
		reply_errorf(c->out, "ERR value is out of range, value must between %ld and %ld", -INT64_MAX,
			     INT64_MAX);
	else if (*rank == 0)
		reply_error(c->out,
			    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
			    "or use negative to start from the end of the list");
	return *rank != INT64_MIN && *rank != 0;
}

static bool lpos_options(struct cmd_ctx *c, struct lpos *p)
{
	*p = (struct lpos){.rank = 1, .count = -1};
	for (uint32_t i = 3; i < c->argc; i += 2) {
		if (i + 1 >= c->argc) {
			cmd_err_syntax(c);
			return false;
		}
		if (cmd_arg_is(c, i, "rank")) {
			if (!lpos_rank(c, i + 1, &p->rank))
				return false;
		} else if (cmd_arg_is(c, i, "count")) {
			if (!cmd_arg_i64_in(c, i + 1, 0, INT64_MAX, &p->count, "ERR COUNT can't be negative"))
				return false;
		} else if (cmd_arg_is(c, i, "maxlen")) {
			if (!cmd_arg_i64_in(c, i + 1, 0, INT64_MAX, &p->maxlen, "ERR MAXLEN can't be negative"))
				return false;
		} else {
			cmd_err_syntax(c);
			return false;
		}
	}
	return true;
}

/* Answers with the places of matches; returns how many. */
static uint64_t lpos_search(struct cmd_ctx *c, const struct object *o, const struct lpos *p, struct reply *out)
{
	struct lp_key k = lp_key_of(c->argv[2]);
	bool back = p->rank < 0;
	uint64_t skip = (uint64_t)(back ? -p->rank : p->rank) - 1, looked = 0, found = 0;
	uint64_t want = p->count < 0 ? 1 : p->count == 0 ? UINT64_MAX : (uint64_t)p->count;
	struct list_iter it;

	for (list_seek(o, back ? list_len(o) - 1 : 0, back, &it); !it.end; list_next(&it)) {
		if (p->maxlen != 0 && looked++ == (uint64_t)p->maxlen)
			break;
		if (!list_eq(&it, &k) || skip-- > 0)
			continue;
		skip = 0;
		reply_int(out, (int64_t)it.index);
		if (++found == want)
			break;
	}
	return found;
}

void cmd_lpos(struct cmd_ctx *c)
{
	struct lpos p;
	struct reply sub;
	bool wrong;

	if (!lpos_options(c, &p))
		return;
	const struct object *o = list_cmd_read(c, c->argv[1], &wrong);
	if (wrong)
		return;
	if (p.count < 0) {
		if (o == NULL || lpos_search(c, o, &p, c->out) == 0)
			reply_null(c->out);
		return;
	}
	reply_sub_begin(c->out, &sub);
	uint64_t n = o == NULL ? 0 : lpos_search(c, o, &p, &sub);
	reply_sub_end(c->out, &sub, REPLY_ARRAY, n);
}
