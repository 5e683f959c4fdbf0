/* Hashes: random fields, HRANDFIELD. */
#include "cmd/handlers.h"
#include "cmd/hash_cmd.h"
#include "cmd/seen.h"

struct drawing {
	struct cmd_ctx *c;
	const struct object *o;
	int64_t now_ms;
	bool values;
};

static void header(const struct drawing *d, uint64_t n)
{
	reply_array(d->c->out, d->values && d->c->out->proto < 3 ? 2 * n : n);
}

static void item(const struct drawing *d, const struct hash_item *it)
{
	if (d->values && d->c->out->proto >= 3)
		reply_array(d->c->out, 2);
	reply_bulk_slice(d->c->out, it->field);
	if (d->values)
		hash_reply_value(d->c->out, it);
}

/* n fields, each any of them. */
static void reply_any(const struct drawing *d, uint64_t n)
{
	struct hash_item it;

	header(d, n);
	for (; n > 0 && !d->c->out->failed; n--) {
		hash_random(d->o, d->now_ms, d->c->rng, &it);
		item(d, &it);
	}
}

/* n of `left` different fields, by a walk over all: each goes with the chance that is left for it. */
static void reply_walking(const struct drawing *d, uint64_t n, uint64_t left)
{
	struct hash_iter walk;
	struct hash_item it;

	header(d, n);
	hash_iter_begin(&walk, d->o, d->now_ms);
	for (; n > 0 && hash_iter_next(&walk, &it); left--)
		if (rng_below(d->c->rng, left) < n) {
			item(d, &it);
			n--;
		}
}

/* n different fields of a table with many more. */
static void reply_drawing(const struct drawing *d, uint64_t n, uint64_t left)
{
	struct hash_item it;
	uint64_t size = 4;

	while (size < 2 * n)
		size *= 2;
	const void **seen = heap_zalloc(d->c->env->heap, size * sizeof *seen);

	if (seen == NULL) {
		reply_walking(d, n, left);
		return;
	}
	header(d, n);
	while (n > 0) {
		hash_random(d->o, d->now_ms, d->c->rng, &it);
		if (seen_add(seen, size - 1, it.field.ptr)) {
			item(d, &it);
			n--;
		}
	}
	heap_free(d->c->env->heap, seen);
}

static bool random_options(struct cmd_ctx *c, int64_t *n, bool *values)
{
	if (!cmd_arg_i64(c, 2, n))
		return false;
	if (*n == INT64_MIN) {
		reply_error(c->out, "ERR value is out of range, value must between -9223372036854775807 and "
				    "9223372036854775807");
		return false;
	}
	if (c->argc > 4 || (c->argc == 4 && !cmd_arg_is(c, 3, "withvalues"))) {
		cmd_err_syntax(c);
		return false;
	}
	*values = c->argc == 4;
	if (*values && (*n < -INT64_MAX / 2 || *n > INT64_MAX / 2)) {
		reply_error(c->out, "ERR value is out of range");
		return false;
	}
	return true;
}

static void random_count(struct cmd_ctx *c)
{
	struct drawing d = {.c = c, .now_ms = hash_cmd_now(c)};
	bool wrong;
	int64_t n;

	if (!random_options(c, &n, &d.values))
		return;
	d.o = hash_cmd_read(c, c->argv[1], &wrong);
	if (wrong)
		return;
	uint64_t count = d.o != NULL ? hash_count(d.o, d.now_ms) : 0;

	if (count == 0 || n == 0)
		reply_array(c->out, 0);
	else if (n < 0)
		reply_any(&d, (uint64_t)-n);
	else if (d.o->enc == ENC_HASHTABLE && (uint64_t)n < count / 4)
		reply_drawing(&d, (uint64_t)n, count);
	else
		reply_walking(&d, RP_MIN((uint64_t)n, count), count);
}

void cmd_hrandfield(struct cmd_ctx *c)
{
	struct hash_item it;
	bool wrong;

	if (c->argc >= 3) {
		random_count(c);
		return;
	}
	const struct object *o = hash_cmd_read(c, c->argv[1], &wrong);

	if (wrong)
		return;
	if (o == NULL) {
		reply_null(c->out);
		return;
	}
	hash_random(o, hash_cmd_now(c), c->rng, &it);
	reply_bulk_slice(c->out, it.field);
}
