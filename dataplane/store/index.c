#include <stdio.h>

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "base/hash.h"
#include "store/index_priv.h"

#define INDEX_NAME_MAX 32
/* Positions of the old table moved with each insert. Two would do for the old table to be empty before the new one, of
 * twice the size, is 75% full. */
#define INDEX_MOVE_STEP 3
/* An index with a larger table than this keeps a spare table of this size, so that it can be emptied at once. */
#define INDEX_SPARE_ENTRIES 1024
#define INDEX_SPARE_ABOVE   INDEX_SMALL

#define INDEX_GENS         64
#define INDEX_RANDOM_TRIES 32
#define INDEX_NEVER        UINT32_MAX

struct index {
	struct index_table *cur; /* takes the inserts */
	struct index_table *old; /* being moved into cur, or NULL */
	struct index_table *spare;
	uint64_t seed;
	uint64_t count;
	uint32_t ask_at;  /* live entries of cur at which a larger table is asked for; INDEX_NEVER: has been */
	bool spare_asked; /* a spare is on its way */
	struct index_ops ops;
	uint64_t grows, inline_grows, moved;
	char name[INDEX_NAME_MAX];
};

/* The policy of growth: when to ask, and for what. */
static uint32_t ask_threshold(const struct index_table *t)
{
	return (uint32_t)((uint64_t)t->capacity * 3 / 4);
}

static uint32_t next_entries(const struct index_table *t)
{
	return RP_MIN((t->capacity + 1) * 2, INDEX_TABLE_MAX);
}

static bool can_grow(const struct index *ix)
{
	return ix->old == NULL && next_entries(ix->cur) > ix->cur->capacity + 1;
}

static bool wants_spare(const struct index *ix)
{
	return ix->spare == NULL && !ix->spare_asked && ix->cur->capacity > INDEX_SPARE_ABOVE;
}

struct index *index_create(const char *name, uint64_t seed, uint32_t initial, const struct index_ops *ops)
{
	struct index *ix = rte_zmalloc(NULL, sizeof *ix, 0);

	if (ix == NULL)
		return NULL;
	snprintf(ix->name, sizeof ix->name, "%s", name);
	ix->seed = seed;
	if (ops != NULL)
		ix->ops = *ops;
	ix->cur = index_table_create(name, seed, initial);
	if (ix->cur == NULL) {
		rte_free(ix);
		return NULL;
	}
	ix->ask_at = ask_threshold(ix->cur);
	if (wants_spare(ix))
		ix->spare = index_table_create(name, seed, INDEX_SPARE_ENTRIES);
	return ix;
}

void index_destroy(struct index *ix)
{
	if (ix == NULL)
		return;
	index_table_destroy(ix->old);
	index_table_destroy(ix->cur);
	index_table_destroy(ix->spare);
	rte_free(ix);
}

const char *index_name(const struct index *ix)
{
	return ix->name;
}

uint64_t index_seed(const struct index *ix)
{
	return ix->seed;
}

uint64_t index_hash(const struct index *ix, struct slice key)
{
	return hash64(key.ptr, key.len, ix->seed);
}

/* ---- growth -------------------------------------------------------------------------------------------------- */

void index_drop(struct index *ix, struct index_table *t)
{
	if (ix->ops.drop_table != NULL)
		ix->ops.drop_table(ix->ops.ctx, t);
	else
		index_table_destroy(t);
}

static void ask_table(struct index *ix, uint32_t entries)
{
	if (ix->ops.want_table != NULL)
		ix->ops.want_table(ix->ops.ctx, ix, entries);
}

/* t, larger and empty, takes the inserts from now on. */
static void grow_into(struct index *ix, struct index_table *t)
{
	t->gen = (ix->cur->gen + 1) % INDEX_GENS;
	ix->old = ix->cur;
	ix->old->pos = 0;
	ix->cur = t;
	ix->ask_at = ask_threshold(t);
	ix->grows++;
	if (wants_spare(ix)) {
		ix->spare_asked = true;
		ask_table(ix, INDEX_SPARE_ENTRIES);
	}
}

/* The table asked for did not come in time. */
static bool grow_inline(struct index *ix)
{
	if (!can_grow(ix))
		return false;
	struct index_table *t = index_table_create(ix->name, ix->seed, next_entries(ix->cur));
	if (t == NULL)
		return false;
	ix->inline_grows++;
	grow_into(ix, t);
	return true;
}

void index_give_table(struct index *ix, struct index_table *t)
{
	bool asked = ix->ask_at == INDEX_NEVER;

	if (t == NULL) {
		ix->spare_asked = false;
		if (asked)
			ix->ask_at = ix->cur->live + ix->cur->capacity / 64 + 1;
		return;
	}
	rp_assert(t->seed == ix->seed && t->live == 0);
	if (asked && can_grow(ix) && t->capacity > ix->cur->capacity) {
		grow_into(ix, t);
	} else if (ix->spare == NULL && t->capacity <= INDEX_SPARE_ABOVE) {
		ix->spare = t;
		ix->spare_asked = false;
	} else {
		index_drop(ix, t);
	}
}

/* Moves what is in the next `budget` positions of the old table. */
static uint32_t move_entries(struct index *ix, uint32_t budget)
{
	struct index_table *old = ix->old;
	uint32_t n = 0;

	for (; n < budget && old->live > 0; n++) {
		struct index_slot *slot = &old->slots[old->pos];
		if (slot->o != NULL) {
			rp_assert(index_table_add(ix->cur, slot->o, slot->hash));
			index_table_forget(old, old->pos);
			ix->moved++;
		}
		old->pos++;
	}
	if (old->live == 0) {
		ix->old = NULL;
		index_drop(ix, old);
	}
	return n;
}

uint32_t index_poll(struct index *ix, uint32_t budget)
{
	return rp_likely(ix->old == NULL) ? 0 : move_entries(ix, budget);
}

static void chain_push(struct index_table **chain, struct index_table *t)
{
	t->pos = 0;
	t->next = *chain;
	*chain = t;
}

bool index_detach(struct index *ix, struct index_table **chain)
{
	struct index_table *fresh = ix->spare;

	ix->spare = NULL;
	if (fresh == NULL) {
		fresh = index_table_create(ix->name, ix->seed, INDEX_SPARE_ENTRIES);
		if (fresh == NULL)
			return false;
		ix->inline_grows++;
	}
	fresh->gen = (ix->cur->gen + 1) % INDEX_GENS;
	chain_push(chain, ix->cur);
	if (ix->old != NULL)
		chain_push(chain, ix->old);
	ix->cur = fresh;
	ix->old = NULL;
	ix->count = 0;
	ix->ask_at = ask_threshold(fresh);
	return true;
}

/* ---- entries ------------------------------------------------------------------------------------------------- */

static struct object *find_in(const struct index_table *t, const struct index_slot *probe)
{
	int32_t pos = index_table_position(t, probe);

	return pos < 0 ? NULL : t->slots[pos].o;
}

struct object *index_find(const struct index *ix, struct slice key, uint64_t hash)
{
	struct index_slot probe = index_probe(PROBE_KEY, &key, hash);
	struct object *o = find_in(ix->cur, &probe);

	if (o == NULL && rp_unlikely(ix->old != NULL))
		o = find_in(ix->old, &probe);
	return o;
}

/* Candidates of up to INDEX_BULK keys: objects with the same 64-bit hash, prefetched but not looked at. */
static void find_candidates(const struct index *ix, const uint64_t *hash, uint32_t n, struct object **out)
{
	struct index_slot probe[INDEX_BULK];
	int32_t pos[INDEX_BULK];

	for (uint32_t i = 0; i < n; i++)
		probe[i] = index_probe(PROBE_CANDIDATE, NULL, hash[i]);
	index_table_positions(ix->cur, probe, n, pos);
	for (uint32_t i = 0; i < n; i++)
		out[i] = pos[i] < 0 ? NULL : ix->cur->slots[pos[i]].o;
	if (rp_unlikely(ix->old != NULL)) {
		index_table_positions(ix->old, probe, n, pos);
		for (uint32_t i = 0; i < n; i++) {
			if (out[i] == NULL && pos[i] >= 0)
				out[i] = ix->old->slots[pos[i]].o;
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		if (out[i] != NULL)
			rte_prefetch0(out[i]);
	}
}

void index_find_bulk(const struct index *ix, const struct slice *key, const uint64_t *hash, uint32_t n,
		     struct object **out)
{
	for (uint32_t at = 0; at < n; at += INDEX_BULK)
		find_candidates(ix, hash + at, RP_MIN(n - at, (uint32_t)INDEX_BULK), out + at);
	for (uint32_t i = 0; i < n; i++) {
		/* Two keys with one hash: the candidate may hide the right one. */
		if (out[i] != NULL && rp_unlikely(!slice_eq(obj_key(out[i]), key[i])))
			out[i] = index_find(ix, key[i], hash[i]);
	}
}

bool index_insert(struct index *ix, struct object *o, uint64_t hash)
{
	if (rp_unlikely(ix->old != NULL))
		move_entries(ix, INDEX_MOVE_STEP);
	if (rp_unlikely(ix->cur->live >= ix->ask_at) && can_grow(ix)) {
		ix->ask_at = INDEX_NEVER;
		ask_table(ix, next_entries(ix->cur));
	}
	if (rp_unlikely(!index_table_add(ix->cur, o, hash)) && !(grow_inline(ix) && index_table_add(ix->cur, o, hash)))
		return false;
	ix->count++;
	return true;
}

/* The slot of an object that is there, and its table. */
static struct index_table *locate(const struct index *ix, const struct object *o, uint64_t hash, int32_t *pos)
{
	struct index_slot probe = index_probe(PROBE_OBJECT, o, hash);

	*pos = index_table_position(ix->cur, &probe);
	if (*pos >= 0)
		return ix->cur;
	rp_assert(ix->old != NULL);
	*pos = index_table_position(ix->old, &probe);
	rp_assert(*pos >= 0);
	return ix->old;
}

void index_remove(struct index *ix, struct object *o, uint64_t hash)
{
	if (!index_table_remove(ix->cur, o, hash)) {
		int32_t pos;
		struct index_table *t = locate(ix, o, hash, &pos);
		index_table_forget(t, (uint32_t)pos);
	}
	ix->count--;
}

void index_replace(struct index *ix, struct object *old_obj, struct object *new_obj, uint64_t hash)
{
	int32_t pos;
	struct index_table *t = locate(ix, old_obj, hash, &pos);

	t->slots[pos].o = new_obj;
}

uint64_t index_count(const struct index *ix)
{
	return ix->count;
}

uint64_t index_positions(const struct index *ix)
{
	return ix->cur->capacity + (ix->old == NULL ? 0 : (uint64_t)ix->old->capacity);
}

/* ---- walking ------------------------------------------------------------------------------------------------- */

/* A cursor is 1 + (position * 64 + generation): never 0 within a walk. A walk takes the old table, then the newer one,
 * and entries only ever move that way. If the cursor's table is gone, whatever it held is in a newer one: start that.
 */
static uint64_t cursor_pack(const struct index_table *t, uint32_t pos)
{
	return ((uint64_t)pos * INDEX_GENS | t->gen) + 1;
}

static struct index_table *cursor_unpack(const struct index *ix, uint64_t cursor, uint32_t *pos)
{
	struct index_table *first = ix->old != NULL ? ix->old : ix->cur;

	*pos = 0;
	if (cursor == 0)
		return first;
	uint32_t gen = (uint32_t)((cursor - 1) % INDEX_GENS);
	uint64_t at = (cursor - 1) / INDEX_GENS;
	struct index_table *t = gen == ix->cur->gen ? ix->cur : first;
	if (gen == t->gen)
		*pos = (uint32_t)RP_MIN(at, (uint64_t)t->capacity);
	return t;
}

uint32_t index_walk(struct index *ix, uint64_t *cursor, uint32_t budget, index_visit_fn fn, void *ctx)
{
	uint32_t pos, n = 0;
	struct index_table *t = cursor_unpack(ix, *cursor, &pos);

	for (;;) {
		for (; n < budget && pos < t->capacity; n++, pos++) {
			struct object *o = t->slots[pos].o;
			rte_prefetch0(t->slots[RP_MIN(pos + 4, t->capacity - 1)].o);
			if (o != NULL)
				fn(ctx, o);
		}
		if (pos < t->capacity) {
			*cursor = cursor_pack(t, pos);
			return n;
		}
		if (t == ix->cur) {
			*cursor = 0;
			return n;
		}
		t = ix->cur;
		pos = 0;
	}
}

static struct object *at_position(const struct index *ix, uint64_t pos)
{
	return pos < ix->cur->capacity ? ix->cur->slots[pos].o : ix->old->slots[pos - ix->cur->capacity].o;
}

struct object *index_random(const struct index *ix, uint64_t rnd)
{
	uint64_t total = index_positions(ix), pos = 0;

	if (ix->count == 0)
		return NULL;
	for (int i = 0; i < INDEX_RANDOM_TRIES; i++) {
		pos = (uint64_t)((unsigned __int128)rnd * total >> 64);
		struct object *o = at_position(ix, pos);
		if (o != NULL)
			return o;
		rnd = rnd * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
	}
	for (;; pos = pos + 1 == total ? 0 : pos + 1) {
		struct object *o = at_position(ix, pos);
		if (o != NULL)
			return o;
	}
}

static size_t table_bytes(const struct index_table *t)
{
	return t == NULL ? 0 : ((size_t)t->capacity + 1) * INDEX_POSITION_BYTES;
}

void index_stats_get(const struct index *ix, struct index_stats *out)
{
	*out = (struct index_stats){.entries = ix->count,
				    .capacity = index_positions(ix),
				    .grows = ix->grows,
				    .inline_grows = ix->inline_grows,
				    .moved = ix->moved,
				    .memory_bytes = table_bytes(ix->cur) + table_bytes(ix->old) +
						    table_bytes(ix->spare)};
}
