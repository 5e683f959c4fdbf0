#include "cmd/zset_args.h"

#include <math.h>
#include <stdlib.h>

#include "cmd/cmd.h"

#define EFFECT_PAIRS 64 /* of one ZADD in the journal */

struct object *zset_read_key(struct cmd_ctx *c, struct slice key, bool *wrong)
{
	struct object *o = cmd_read(c, key);

	*wrong = o != NULL && o->type != OBJ_ZSET;
	if (rp_unlikely(*wrong)) {
		cmd_err_wrongtype(c);
		return NULL;
	}
	return o;
}

bool zset_open_key(struct cmd_ctx *c, struct zkey *k, struct slice key)
{
	zkey_open(k, cmd_store(c, key), c->db, key, &c->env->conf->types);
	if (rp_likely(k->o == NULL || k->o->type == OBJ_ZSET))
		return true;
	cmd_err_wrongtype(c);
	return false;
}

void zset_removed(struct cmd_ctx *c, struct zkey *k, const char *name, uint64_t n)
{
	bool gone = zkey_end(k);

	if (n == 0)
		return;
	store_event(k->s, EVENT_ZSET, name, c->db, k->key);
	if (gone)
		store_event(k->s, EVENT_GENERIC, "del", c->db, k->key);
	c->dirty += (uint32_t)n;
}

/* ---- ranges -------------------------------------------------------------------------------------------------- */

/* An end of a range of scores, read as Redis does: with strtod() alone. */
static bool score_end(struct slice s, double *score, bool *ex)
{
	char buf[NUM_LD_CHARS], *end;

	*ex = s.len > 0 && s.ptr[0] == '(';
	if (*ex)
		s = (struct slice){s.ptr + 1, s.len - 1};
	if (rp_likely(num_parse_double(s, score)))
		return true;
	if (s.len >= sizeof buf)
		return false;
	memcpy(buf, s.ptr, s.len);
	buf[s.len] = '\0';
	*score = strtod(buf, &end);
	return *end == '\0' && !isnan(*score);
}

bool zset_score_range(struct cmd_ctx *c, struct slice min, struct slice max, struct zscore_range *r)
{
	if (score_end(min, &r->min, &r->min_ex) && score_end(max, &r->max, &r->max_ex))
		return true;
	reply_error(c->out, "ERR min or max is not a float");
	return false;
}

static bool lex_end(struct slice s, struct zlex_end *e)
{
	*e = (struct zlex_end){0};
	if (s.len == 1 && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
		e->inf = s.ptr[0] == '-' ? -1 : 1;
		return true;
	}
	if (s.len == 0 || (s.ptr[0] != '(' && s.ptr[0] != '['))
		return false;
	e->ex = s.ptr[0] == '(';
	e->name = (struct slice){s.ptr + 1, s.len - 1};
	return true;
}

bool zset_lex_range(struct cmd_ctx *c, struct slice min, struct slice max, struct zlex_range *r)
{
	if (lex_end(min, &r->min) && lex_end(max, &r->max))
		return true;
	reply_error(c->out, "ERR min or max not valid string range item");
	return false;
}

struct zspan zset_rank_span(int64_t start, int64_t end, uint64_t count)
{
	int64_t n = (int64_t)count;

	start = start < 0 ? RP_MAX(start + n, 0) : start;
	end = end < 0 ? end + n : RP_MIN(end, n - 1);
	if (start > end || start >= n)
		return (struct zspan){0, 0};
	return (struct zspan){(uint64_t)start, (uint64_t)end + 1};
}

/* ---- replies ------------------------------------------------------------------------------------------------- */

void zset_reply_begin(struct cmd_ctx *c, uint64_t n, bool with_scores)
{
	reply_array(c->out, with_scores && c->out->proto == 2 ? 2 * n : n);
}

void zset_reply_item(struct cmd_ctx *c, const struct zitem *item, bool with_scores)
{
	if (with_scores && c->out->proto > 2)
		reply_array(c->out, 2);
	reply_bulk_slice(c->out, item->name);
	if (with_scores)
		reply_double(c->out, item->score);
}

void zset_reply_walk(struct cmd_ctx *c, struct zval v, uint64_t rank, uint64_t n, bool down, bool with_scores)
{
	struct ziter it;
	struct zitem item;

	ziter_begin(&it, v, rank, n, down);
	zset_reply_begin(c, it.left, with_scores);
	while (ziter_next(&it, &item))
		zset_reply_item(c, &item, with_scores);
}

/* ---- results ------------------------------------------------------------------------------------------------- */

static void effect_del(struct cmd_ctx *c, struct store *s, struct slice key)
{
	struct slice words[] = {SLICE("DEL"), key};

	cmd_effect(c, s, 2, words);
}

/* What the command read may be another shard's: the journal of the key's gets what it became. */
static void effect_of_result(struct cmd_ctx *c, struct store *s, struct slice key, struct zval v)
{
	struct slice words[2 + 2 * EFFECT_PAIRS] = {SLICE("ZADD"), key};
	char texts[EFFECT_PAIRS][NUM_DOUBLE_CHARS], names[EFFECT_PAIRS][NUM_I64_CHARS];
	struct ziter it;
	struct zitem item;
	uint32_t n = 0;

	effect_del(c, s, key);
	if (!journal_on(store_journal(s)))
		return;
	ziter_begin(&it, v, 0, UINT64_MAX, false);
	while (ziter_next(&it, &item)) {
		if (item.name.ptr == it.buf) { /* will be written over */
			memcpy(names[n], it.buf, item.name.len);
			item.name.ptr = names[n];
		}
		words[2 + 2 * n] = (struct slice){texts[n], num_format_double(texts[n], item.score)};
		words[3 + 2 * n] = item.name;
		if (++n == EFFECT_PAIRS || it.left == 0) {
			cmd_effect(c, s, 2 + 2 * n, words);
			n = 0;
		}
	}
}

static void store_nothing(struct cmd_ctx *c, struct store *s, struct slice key)
{
	if (store_delete(s, c->db, key)) {
		store_event(s, EVENT_GENERIC, "del", c->db, key);
		c->dirty++;
		if (c->env->nstores > 1)
			effect_del(c, s, key);
	}
	reply_int(c->out, 0);
}

void zset_store_result(struct cmd_ctx *c, struct slice key, struct zset *z, const char *event)
{
	struct store *s = cmd_store(c, key);
	uint64_t n = z != NULL ? z->tab.count : 0;

	if (n == 0) {
		zset_destroy(z, store_heap(s));
		store_nothing(c, s, key);
		return;
	}
	if (!zset_store(z, s, c->db, key, STORE_NO_EXPIRE, &c->env->conf->types)) {
		store_release(s, &z->p);
		cmd_err_oom(c);
		return;
	}
	store_event(s, EVENT_ZSET, event, c->db, key);
	if (c->env->nstores > 1)
		effect_of_result(c, s, key, zval_of(store_peek(s, c->db, key)));
	c->dirty++;
	reply_int(c->out, (int64_t)n);
}
