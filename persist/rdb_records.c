/* See rdb_records.h. */
#include "persist/rdb_records.h"

#define GROUP 32 /* keys looked up at once, so that their cache misses overlap */

struct group {
	uint32_t n;
	struct rdb_in in[GROUP]; /* behind the key */
	struct rdb_str key[GROUP];
	struct slice name[GROUP];
	uint32_t db[GROUP];
	uint64_t hash[GROUP];
	struct object *hint[GROUP];
};

static void fail(struct rdb_records *r, const struct rdb_record *rec, const char *what)
{
	r->failed = true;
	err_set(&r->err, "byte %lu: %s", (unsigned long)(r->off + (uint64_t)(rec->at - r->begin)), what);
}

static const char *reason(enum rdb_loaded got)
{
	if (got == RDB_NO_MEMORY)
		return "out of memory for this key; give the server more, or raise maxmemory";
	return "a value that is damaged; see redis-check-rdb, and take another copy of the file";
}

static void note_use(struct rdb_records *r, const struct rdb_record *rec, struct slice key)
{
	struct object *o = store_peek(r->s, rec->db, key);

	if (o == NULL)
		return;
	if (rec->kind == RDB_USE_IDLE)
		obj_set_idle(r->s, o, rec->use);
	else
		obj_set_freq(r->s, o, (uint8_t)rec->use);
}

static bool load_one(struct rdb_records *r, const struct rdb_record *rec, struct rdb_in *in, struct slice key)
{
	struct rdb_target t = {.s = r->s,
			       .db = rec->db,
			       .key = key,
			       .expire_at_ms = rec->expire_at_ms,
			       .limits = r->limits,
			       .rng = r->rng};
	uint64_t keys = store_stats_get(r->s)->keys;
	enum rdb_loaded got = rdb_load_value(in, *rec->at, &t);

	if (got == RDB_EMPTY)
		return true;
	if (got != RDB_LOADED) {
		fail(r, rec, reason(got));
		return false;
	}
	if (!r->merge && store_stats_get(r->s)->keys == keys) {
		fail(r, rec, "a key that is there twice; the file is damaged: take another copy");
		return false;
	}
	r->loaded++;
	if (rp_unlikely(rec->kind != RDB_USE_NONE))
		note_use(r, rec, key);
	return true;
}

static void read_keys(struct rdb_records *r, struct group *g, const struct rdb_record *rec)
{
	for (uint32_t i = 0; i < g->n; i++) {
		g->in[i] = (struct rdb_in){.p = rec[i].at + 1, .end = r->end, .heap = r->heap};
		/* The scanner has read it before. */
		if (!rdb_get_string(&g->in[i], &g->key[i])) {
			fail(r, &rec[i], reason(g->in[i].nomem ? RDB_NO_MEMORY : RDB_BAD));
			g->n = i;
			return;
		}
		g->name[i] = g->key[i].s;
		g->db[i] = rec[i].db;
	}
}

void rdb_records_load(struct rdb_records *r)
{
	struct group g;

	for (uint32_t at = 0; at < r->n && !r->failed; at += g.n) {
		const struct rdb_record *rec = r->rec + at;
		g.n = RP_MIN(r->n - at, (uint32_t)GROUP);
		read_keys(r, &g, rec);
		store_prefetch(r->s, g.n, g.db, g.name, g.hash, g.hint);
		uint64_t epoch = store_epoch(r->s);
		for (uint32_t i = 0; i < g.n; i++) {
			store_hint(r->s, g.name[i], g.hash[i], g.hint[i], epoch);
			if (!r->failed)
				load_one(r, &rec[i], &g.in[i], g.name[i]);
			rdb_str_free(&g.in[i], &g.key[i]);
		}
	}
	store_hint(r->s, (struct slice){NULL, 0}, 0, NULL, 0);
}
