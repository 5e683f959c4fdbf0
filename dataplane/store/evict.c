#include "store/evict.h"
#include "base/hash.h"
#include "store/store_priv.h"

/* Elements freed instead of evicting another key: about what that would cost. Callers evict 128 keys in a row. */
#define DEAD_BUDGET 16
#define TTL_TRIES   20 /* random keys looked at for each with a TTL that is wanted */

bool store_evictable(const struct store *s, enum evict_policy p)
{
	if (p == EVICT_NONE)
		return false;
	const uint64_t *n = evict_is_volatile(p) ? &s->stats.expires : &s->stats.keys;
	return __atomic_load_n(n, __ATOMIC_RELAXED) > 0;
}

/* How willingly it is given up. */
static uint64_t score(const struct store *s, const struct object *o, enum evict_policy p)
{
	if (p == EVICT_VOLATILE_TTL)
		return UINT64_MAX - (uint64_t)obj_expire_at(o);
	if (evict_is_lfu(p))
		return 255u - obj_lfu_freq(s, o);
	return obj_idle_s(s, o);
}

/* Keeps the best of what was seen, ascending. */
static void pool_offer(struct store *s, uint32_t db, const struct object *o, uint64_t score)
{
	struct evict_pool *pool = &s->pool;
	struct slice key = obj_key(o);
	uint32_t at = pool->n;

	if (key.len > EVICT_KEY_MAX)
		return;
	uint64_t hash = index_hash(s->db[db].ix, key);
	for (uint32_t i = 0; i < pool->n; i++)
		if (pool->e[i].hash == hash && pool->e[i].db == db)
			return;
	while (at > 0 && pool->e[at - 1].score > score)
		at--;
	if (pool->n == EVICT_POOL) {
		if (at == 0)
			return;
		at--;
		memmove(&pool->e[0], &pool->e[1], at * sizeof pool->e[0]);
	} else {
		memmove(&pool->e[at + 1], &pool->e[at], (pool->n - at) * sizeof pool->e[0]);
		pool->n++;
	}
	struct evict_entry *e = &pool->e[at];
	*e = (struct evict_entry){.score = score, .hash = hash, .db = db, .klen = (uint16_t)key.len};
	memcpy(e->key, key.ptr, key.len);
}

/* A random key of db that may be evicted. NULL: none was found. */
static struct object *sample(struct store *s, uint32_t db, enum evict_policy p)
{
	struct store_db *d = &s->db[db];

	if (!evict_is_volatile(p))
		return index_random(d->ix, rng_next(&s->rng));
	for (int i = 0; d->expires > 0 && i < TTL_TRIES; i++) {
		struct object *o = index_random(d->ix, rng_next(&s->rng));
		if (o->flags & OBJ_F_EXPIRE)
			return o;
	}
	/* Few have a TTL: those that expire soon are all that is quickly found. */
	return d->expires > 0 ? wheel_peek(d->wheel) : NULL;
}

static void sample_all(struct store *s, enum evict_policy p, uint32_t samples)
{
	for (uint32_t db = 0; db < s->params.databases; db++) {
		if (index_count(s->db[db].ix) == 0)
			continue;
		for (uint32_t i = 0; i < samples; i++) {
			const struct object *o = sample(s, db, p);
			if (o != NULL)
				pool_offer(s, db, o, score(s, o, p));
		}
		if (p == EVICT_VOLATILE_TTL && s->db[db].expires > 0) {
			const struct object *o = wheel_peek(s->db[db].wheel);
			pool_offer(s, db, o, score(s, o, p));
		}
	}
}

static void evict(struct store *s, uint32_t db, struct object *o, uint64_t hash)
{
	struct slice key = obj_key(o);

	store_touch_for_delete(s, db, key, o);
	space_remove(s, db, o, hash);
	s->stats.evicted++;
	journal_emit(s->params.journal, db, 2, (struct slice[]){SLICE("DEL"), key});
	store_event(s, EVENT_EVICTED, "evicted", db, key);
	obj_destroy(s, o);
}

/* The best candidate that is still there and still may go. */
static bool evict_from_pool(struct store *s, enum evict_policy p)
{
	while (s->pool.n > 0) {
		const struct evict_entry *e = &s->pool.e[--s->pool.n];
		struct object *o = index_find(s->db[e->db].ix, (struct slice){e->key, e->klen}, e->hash);
		if (o == NULL || (evict_is_volatile(p) && !(o->flags & OBJ_F_EXPIRE)))
			continue;
		evict(s, e->db, o, e->hash);
		return true;
	}
	return false;
}

/* Any key: random policies, and keys too long for the pool. */
static bool evict_any(struct store *s, enum evict_policy p)
{
	for (uint32_t i = 0; i < s->params.databases; i++) {
		uint32_t db = (s->evict_db + i) % s->params.databases;
		struct object *o = index_count(s->db[db].ix) > 0 ? sample(s, db, p) : NULL;
		if (o == NULL)
			continue;
		s->evict_db = db + 1; /* databases take turns */
		evict(s, db, o, index_hash(s->db[db].ix, obj_key(o)));
		return true;
	}
	return false;
}

bool store_evict(struct store *s, enum evict_policy p, uint32_t samples)
{
	if (s->dead != NULL) {
		store_poll_dead(s, DEAD_BUDGET);
		return true;
	}
	if (p == EVICT_NONE)
		return false;
	if (p != EVICT_VOLATILE_RANDOM && p != EVICT_ALLKEYS_RANDOM) {
		if (p != s->pool.policy)
			s->pool.n = 0;
		s->pool.policy = p;
		sample_all(s, p, samples);
		if (evict_from_pool(s, p))
			return true;
	}
	return evict_any(s, p);
}
