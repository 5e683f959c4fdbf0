#include "cmd/set_cmd.h"

static struct object *expect_set(struct cmd_ctx *c, struct object *o, bool *wrong)
{
	*wrong = o != NULL && o->type != OBJ_SET;
	if (rp_unlikely(*wrong)) {
		cmd_err_wrongtype(c);
		return NULL;
	}
	return o;
}

struct object *set_cmd_read(struct cmd_ctx *c, struct slice key, bool *wrong)
{
	return expect_set(c, cmd_read(c, key), wrong);
}

struct object *set_cmd_peek(struct cmd_ctx *c, struct store *s, struct slice key, bool *wrong)
{
	return expect_set(c, store_peek(s, c->db, key), wrong);
}

struct set_rules set_cmd_rules(const struct cmd_ctx *c)
{
	return (struct set_rules){.limits = &c->env->conf->types, .seed = rng_next(c->rng)};
}

bool set_sources_get(struct cmd_ctx *c, uint32_t first, uint32_t n, struct set_sources *src)
{
	src->n = n;
	src->o = src->few;
	src->missing = false;
	if (n > SET_SOURCES_INLINE && (src->o = heap_alloc(c->env->heap, n * sizeof *src->o)) == NULL) {
		cmd_err_oom(c);
		return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		bool wrong;
		src->o[i] = set_cmd_read(c, c->argv[first + i], &wrong);
		src->missing |= src->o[i] == NULL;
		if (wrong) {
			set_sources_drop(c, src);
			return false;
		}
	}
	return true;
}

void set_sources_drop(struct cmd_ctx *c, struct set_sources *src)
{
	if (src->o != src->few)
		heap_free(c->env->heap, src->o);
}

void set_reply_all(struct reply *out, const struct object *o, enum reply_agg kind)
{
	char buf[NUM_I64_CHARS];
	struct set_iter it;
	struct lp_key m;

	if (kind == REPLY_SET)
		reply_set(out, set_count(o));
	else
		reply_array(out, set_count(o));
	set_iter_begin(&it, o);
	while (set_iter_next(&it, &m, buf))
		reply_bulk_slice(out, m.s);
}
