/* Sets: random members, SPOP and SRANDMEMBER. */
#include "cmd/handlers.h"
#include "cmd/seen.h"
#include "cmd/set_cmd.h"

static void effect_srem(struct cmd_ctx *c, struct store *s, struct slice m)
{
	cmd_effect(c, s, 3, (struct slice[]){SLICE("SREM"), c->argv[1], m});
}

static void delete_key(struct cmd_ctx *c, struct store *s)
{
	store_delete(s, c->db, c->argv[1]);
	store_event(s, EVENT_GENERIC, "del", c->db, c->argv[1]);
}

static void pop_one(struct cmd_ctx *c, struct store *s, struct object *o)
{
	char buf[NUM_I64_CHARS];

	o = set_write(s, c->db, c->argv[1]);
	if (o == NULL) {
		cmd_err_oom(c);
		return;
	}
	struct set_pick pick = set_random(o, c->rng, buf);

	reply_bulk_slice(c->out, pick.s);
	effect_srem(c, s, pick.s);
	store_event(s, EVENT_SET, "spop", c->db, c->argv[1]);
	o = set_take(s, c->db, o, &pick);
	if (set_count(o) == 0)
		delete_key(c, s);
	c->dirty++;
}

static void pop_all(struct cmd_ctx *c, struct store *s, const struct object *o)
{
	c->dirty += (uint32_t)set_count(o);
	set_reply_all(c->out, o, REPLY_SET);
	store_event(s, EVENT_SET, "spop", c->db, c->argv[1]);
	delete_key(c, s);
	cmd_effect(c, s, 2, (struct slice[]){SLICE("DEL"), c->argv[1]});
}

struct popping {
	struct cmd_ctx *c;
	struct store *s;
};

static void popped(void *ctx, struct slice m)
{
	struct popping *p = ctx;

	reply_bulk_slice(p->c->out, m);
	effect_srem(p->c, p->s, m);
}

static void pop_some(struct cmd_ctx *c, struct store *s, uint64_t n)
{
	struct object *o = set_write(s, c->db, c->argv[1]);
	struct popping p = {c, s};

	if (o == NULL) {
		cmd_err_oom(c);
		return;
	}
	store_event(s, EVENT_SET, "spop", c->db, c->argv[1]);
	reply_set(c->out, n);
	set_take_some(s, c->db, o, n, c->rng, popped, &p);
	c->dirty += (uint32_t)n;
}

static void pop_count(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[1]);
	bool wrong;
	int64_t n;

	if (!cmd_arg_i64_in(c, 2, 0, INT64_MAX, &n, "ERR value is out of range, must be positive"))
		return;
	struct object *o = set_cmd_peek(c, s, c->argv[1], &wrong);

	if (wrong)
		return;
	if (o == NULL || n == 0)
		reply_set(c->out, 0);
	else if ((uint64_t)n >= set_count(o))
		pop_all(c, s, o);
	else
		pop_some(c, s, (uint64_t)n);
}

void cmd_spop(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[1]);
	bool wrong;

	if (c->argc == 3) {
		pop_count(c);
		return;
	}
	if (c->argc > 3) {
		cmd_err_syntax(c);
		return;
	}
	struct object *o = set_cmd_peek(c, s, c->argv[1], &wrong);

	if (o != NULL)
		pop_one(c, s, o);
	else if (!wrong)
		reply_null(c->out);
}

/* ---- SRANDMEMBER ---- */

/* n members, each any of them. */
static void reply_any(struct cmd_ctx *c, const struct object *o, uint64_t n)
{
	char buf[NUM_I64_CHARS];

	reply_array(c->out, n);
	for (; n > 0 && !c->out->failed; n--)
		reply_bulk_slice(c->out, set_random(o, c->rng, buf).s);
}

/* n different members, by a walk over all: each goes with the chance that is left for it. */
static void reply_walking(struct cmd_ctx *c, const struct object *o, uint64_t n)
{
	uint64_t left = set_count(o);
	char buf[NUM_I64_CHARS];
	struct set_iter it;
	struct lp_key m;

	reply_array(c->out, n);
	set_iter_begin(&it, o);
	for (; n > 0 && set_iter_next(&it, &m, buf); left--)
		if (rng_below(c->rng, left) < n) {
			reply_bulk_slice(c->out, m.s);
			n--;
		}
}

/* n different members of a table with many more. */
static void reply_drawing(struct cmd_ctx *c, const struct object *o, uint64_t n)
{
	uint64_t size = 4;

	while (size < 2 * n)
		size *= 2;
	const void **seen = heap_zalloc(c->env->heap, size * sizeof *seen);

	if (seen == NULL) {
		reply_walking(c, o, n);
		return;
	}
	reply_array(c->out, n);
	while (n > 0) {
		struct set_pick pick = set_random(o, c->rng, NULL);
		if (seen_add(seen, size - 1, pick.e)) {
			reply_bulk_slice(c->out, pick.s);
			n--;
		}
	}
	heap_free(c->env->heap, seen);
}

static void random_count(struct cmd_ctx *c)
{
	bool wrong;
	int64_t n;

	if (!cmd_arg_i64(c, 2, &n))
		return;
	if (n == INT64_MIN) {
		reply_error(c->out, "ERR value is out of range, value must between -9223372036854775807 and "
				    "9223372036854775807");
		return;
	}
	const struct object *o = set_cmd_read(c, c->argv[1], &wrong);

	if (wrong)
		return;
	if (o == NULL || n == 0)
		reply_array(c->out, 0);
	else if (n < 0)
		reply_any(c, o, (uint64_t)-n);
	else if ((uint64_t)n >= set_count(o))
		set_reply_all(c->out, o, REPLY_ARRAY);
	else if (o->enc == ENC_HASHTABLE && (uint64_t)n < set_count(o) / 4)
		reply_drawing(c, o, (uint64_t)n);
	else
		reply_walking(c, o, (uint64_t)n);
}

void cmd_srandmember(struct cmd_ctx *c)
{
	char buf[NUM_I64_CHARS];
	bool wrong;

	if (c->argc == 3) {
		random_count(c);
		return;
	}
	if (c->argc > 3) {
		cmd_err_syntax(c);
		return;
	}
	const struct object *o = set_cmd_read(c, c->argv[1], &wrong);

	if (o != NULL)
		reply_bulk_slice(c->out, set_random(o, c->rng, buf).s);
	else if (!wrong)
		reply_null(c->out);
}
