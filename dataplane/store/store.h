/* A shard: `databases` keyspaces, their expiry wheels, one heap, the version and journal hooks.
 *
 * Owner: whoever holds the shard (its worker, or the holder of a lease on it). No call blocks or makes a system call.
 * Time: now_ms is set by the holder before each batch. Expiry is exact: an expired key is never returned, and
 * store_poll() removes it and publishes its event within milliseconds even if nobody reads it.
 *
 * Every mutation of an object, creation and deletion of keys included, passes store_touch_for_write() first
 * (store_write(), store_set_*(), store_delete(), ... do so themselves; a handler that changes bytes in place got the
 * object from store_write()).
 */
#pragma once

#include "base/clock.h"
#include "base/rng.h"
#include "store/index.h"
#include "store/journal.h"
#include "store/watch.h"

struct store;

/* Hooks of the keyspace; any may be NULL. Called by the holder. */
struct store_hooks {
	void *ctx;
	/* Before the value, TTL or existence of `key` changes; o is the state before, NULL if the key is being created.
	 * Once with key.ptr NULL before a whole database is emptied or swapped (store_flush, store_swap). */
	void (*before_write)(void *ctx, struct store *s, uint32_t db, struct slice key, struct object *o);
	/* Keyspace event: cls one of EVENT_*, name "set", "expired", ... */
	void (*event)(void *ctx, struct store *s, uint32_t cls, const char *name, uint32_t db, struct slice key);
};

/* Classes of keyspace events, as notify-keyspace-events names them. */
#define EVENT_GENERIC  (1u << 2)  /* g */
#define EVENT_STRING   (1u << 3)  /* $ */
#define EVENT_LIST     (1u << 4)  /* l */
#define EVENT_SET      (1u << 5)  /* s */
#define EVENT_HASH     (1u << 6)  /* h */
#define EVENT_ZSET     (1u << 7)  /* z */
#define EVENT_EXPIRED  (1u << 8)  /* x */
#define EVENT_EVICTED  (1u << 9)  /* e */
#define EVENT_STREAM   (1u << 10) /* t */
#define EVENT_KEY_MISS (1u << 11) /* m */
#define EVENT_NEW      (1u << 14) /* n */

struct store_params {
	uint32_t shard; /* own number */
	uint32_t databases;
	uint64_t hash_seed;
	uint32_t index_initial; /* keys that database 0 has room for at first; the others start small */
	struct heap *heap;      /* borrowed */
	struct store_hooks hooks;
	struct journal *journal; /* borrowed, may be NULL */
};

struct store_stats { /* holder writes, anybody reads relaxed */
	uint64_t hits, misses, expired, evicted;
	uint64_t keys, expires;  /* over all databases */
	uint64_t freeing, freed; /* values that take long to free, and keys of flushed databases: waiting, done */
};

/* Control thread. NULL with *e set. */
struct store *store_create(const struct store_params *p, struct err *e);
void store_destroy(struct store *s);

/* The holder tells the time before a batch; everything in the batch sees the same instant. */
void store_set_now(struct store *s, int64_t wall_us);
int64_t store_now_ms(const struct store *s);
/* While an append-only file is loaded: time stands still at its beginning, so that nothing expires, and what would be
 * in the past is not. Off: it is now. The clock that goes on is for how long things were not used. */
void store_set_replay(struct store *s, bool on, int64_t wall_us);
int64_t store_clock_ms(const struct store *s);
struct heap *store_heap(const struct store *s);
struct journal *store_journal(const struct store *s);
uint32_t store_shard(const struct store *s);
uint32_t store_databases(const struct store *s);
/* Hashes with fields that expire. */
uint64_t store_field_timers(const struct store *s);
const struct store_stats *store_stats_get(const struct store *s);

/* ---- batch hints --------------------------------------------------------------------------------------------- */
/* Looks n keys up at once and prefetches their objects. The results are hints for the following batch, opaque: what is
 * in hint[i] is not an object's address. */
void store_prefetch(struct store *s, uint32_t n, const uint32_t *db, const struct slice *key, uint64_t *hash,
		    struct object **hint);
/* Starts loading one element of each of n values, by the hints of their keys; an empty name: of none. */
void store_prefetch_members(uint32_t n, struct object *const *hint, const struct slice *name);
/* The hints are passed back before each command; used by the next find of that very slice (same ptr) if nothing was
 * inserted, removed or moved since. Never changes a result, only its cost, as long as the bytes of `key` stay as they
 * are until the next store_hint() or store_set_now(). An empty slice withdraws the hint: before a command that has
 * none. */
void store_hint(struct store *s, struct slice key, uint64_t hash, struct object *hint, uint64_t epoch);
uint64_t store_epoch(const struct store *s);

/* ---- finding ------------------------------------------------------------------------------------------------- */
/* For reading: counts hit or miss (and a key-miss event), refreshes the LRU/LFU clock. NULL: no such key. */
struct object *store_read(struct store *s, uint32_t db, struct slice key);
/* As store_read, but leaves the clock alone: for questions about a key that are no use of it (EXISTS, TTL). */
struct object *store_look(struct store *s, uint32_t db, struct slice key);
/* As store_look, but a key that is not there is no key-miss event (OBJECT). */
struct object *store_ask(struct store *s, uint32_t db, struct slice key);
/* Without any trace: for writers that may find nothing to do, MEMORY USAGE, DEBUG. */
struct object *store_peek(struct store *s, uint32_t db, struct slice key);
/* For changing: as store_read without hit statistics, and passes store_touch_for_write() if the key exists. */
struct object *store_write(struct store *s, uint32_t db, struct slice key);
void store_touch_for_write(struct store *s, uint32_t db, struct slice key, struct object *o);
/* As store_write for what may find nothing to change, or changes what no reader of the key sees (consumer groups):
 * WATCH, tracking and blocked clients hear nothing until store_changed(), at the latest at the end of the command. */
struct object *store_write_quiet(struct store *s, uint32_t db, struct slice key);
void store_changed(struct store *s, uint32_t db, struct slice key);
/* Publishes a keyspace event. */
void store_event(struct store *s, uint32_t cls, const char *name, uint32_t db, struct slice key);

/* ---- strings ------------------------------------------------------------------------------------------------- */
#define STORE_NO_EXPIRE ((int64_t)-1)
#define STORE_KEEP_TTL  ((int64_t)-2)
/* Sets key to a string value, whatever it was. Chooses int/embstr/raw as Redis does. `take`: the value as a blob, whose
 * reference the store takes over on success (v then points into it), or NULL. expire_at_ms: absolute, STORE_NO_EXPIRE
 * or STORE_KEEP_TTL. NULL: out of memory, nothing changed (take stays the caller's). */
struct object *store_set_string(struct store *s, uint32_t db, struct slice key, struct slice v, struct blob *take,
				int64_t expire_at_ms);
/* Several strings, of one store or of several, of which all are set or none:
 *
 *   struct store_puts t = {.db = db, .put = room for one of each};
 *   for each pair:  if (!store_puts_add(&t, s, key, v, take))
 *                           { store_puts_undo(&t); return; }          out of memory: nothing has changed
 *   for each pair:  store_puts_commit(&t, i);                         cannot fail; events and effects are the caller's
 *
 * Between the first and the last call nothing else is done to the stores, and bytes of values stay where they are.
 * `take` is as above, for values longer than OBJ_INLINE_MAX; undoing frees it. Of a key that comes twice the last value
 * counts, and what was taken over for the first one is gone. */
struct store_put {
	struct store *s;
	struct object *o; /* what the key has now, or NULL */
	union {
		struct object *n; /* what it gets, unless it is written over o: then */
		int64_t num;      /* ... the number, if it is one */
	};
	uint64_t hash;
	struct slice v;
	uint32_t version; /* o's: the object itself says meanwhile which put names it */
	uint8_t kind, enc;
};
struct store_puts {
	uint32_t db, n;
	struct store_put *put;
};
bool store_puts_add(struct store_puts *t, struct store *s, struct slice key, struct slice v, struct blob *take);
/* In the place of a pair whose key comes again. */
void store_puts_skip(struct store_puts *t, struct store *s);
void store_puts_commit(struct store_puts *t, uint32_t i);
void store_puts_undo(struct store_puts *t);
/* Sets key to an integer, keeping its TTL if it has one. o: its object from store_write(), or NULL if there is none. */
struct object *store_set_int(struct store *s, uint32_t db, struct slice key, struct object *o, int64_t v);
/* Makes key's string exactly len bytes long and writable in place (encoding raw): old bytes kept, new ones zero. *o as
 * above (NULL creates the key) and updated. Over-allocates when growing. Returns the bytes, or NULL: out of memory,
 * nothing changed. Copies a shared blob first. */
char *store_string_edit(struct store *s, uint32_t db, struct slice key, struct object **o, size_t len);
/* Key's string, *o as store_peek() gave it, becomes raw with the same bytes: what Redis does to a string that may be
 * written, also if nothing is. That is no change of the key: it does not pass store_touch_for_write(). *o is updated.
 * false: out of memory. */
bool store_string_raw(struct store *s, uint32_t db, struct slice key, struct object **o);

/* ---- keys ---------------------------------------------------------------------------------------------------- */
/* Removes the key. false if there was none. Values that take long to free are freed in slices by store_poll(). */
bool store_delete(struct store *s, uint32_t db, struct slice key);
/* Sets the TTL (the object may move: *o is updated). at_ms in the past is allowed: the key is gone at once for the next
 * find. false: out of memory. */
bool store_set_expire(struct store *s, uint32_t db, struct object **o, int64_t at_ms);
/* Removes the TTL. false if it had none. */
bool store_persist(struct store *s, uint32_t db, struct object **o);
/* A copy of src (a live object of `from`, possibly another shard held by the same holder) under `key` in `to`, in the
 * place of what is there, which must not be src itself; keeps src's TTL. NULL: out of memory, nothing changed. RENAME,
 * COPY, MOVE are built on it. */
struct object *store_clone(struct store *from, const struct object *src, struct store *to, uint32_t db,
			   struct slice key);
/* Empties a database (db, or all with UINT32_MAX). Memory goes back in slices by store_poll(). Returns how many keys
 * went. */
uint64_t store_flush(struct store *s, uint32_t db);
void store_swap(struct store *s, uint32_t db_a, uint32_t db_b);
uint64_t store_count(const struct store *s, uint32_t db);
uint64_t store_expires(const struct store *s, uint32_t db);
int64_t store_avg_ttl_ms(const struct store *s, uint32_t db);
/* As index_walk(); expired keys are not shown. */
uint32_t store_walk(struct store *s, uint32_t db, uint64_t *cursor, uint32_t budget, index_visit_fn fn, void *ctx);
struct object *store_random(struct store *s, uint32_t db, struct rng *rng);
/* Bytes the key takes: object, value and its share of the index. samples as MEMORY USAGE's, 0 = all. */
size_t store_object_bytes(const struct store *s, const struct object *o, uint32_t samples);
struct index *store_index(struct store *s, uint32_t db);
/* Before many keys are set in an empty database: room for so many. */
void store_reserve(struct store *s, uint32_t db, uint64_t keys);

/* LRU/LFU as OBJECT IDLETIME / FREQ answer them. */
uint64_t obj_idle_s(const struct store *s, const struct object *o);
uint8_t obj_lfu_freq(const struct store *s, const struct object *o);
/* As a key has them that was just made. */
void obj_set_new(const struct store *s, struct object *o);
/* As RESTORE gives them; what the clock in use does not keep is ignored. */
void obj_set_idle(const struct store *s, struct object *o, uint64_t idle_s);
void obj_set_freq(const struct store *s, struct object *o, uint8_t freq);
/* Which of the two clocks objects keep, and LFU's parameters (maxmemory-policy, lfu-log-factor, lfu-decay-time). The
 * shard's worker, also while somebody else holds the shard. */
void store_set_clock(struct store *s, bool lfu, uint32_t lfu_log_factor, uint32_t lfu_decay_min);

/* ---- notes for the shard's owner ----------------------------------------------------------------------------- */
#define STORE_NOTE_READY   (1u << 0) /* keys that blocked commands wait for: watch_pop_ready() */
#define STORE_NOTE_INVALID (1u << 1) /* tracked keys that changed: watch_pop_invalid() */
#define STORE_NOTE_EVENTS  (1u << 2) /* keyspace events: events_first() */

struct store_front { /* every store begins with it */
	uint32_t notes;
};
/* What commands left for the owner to serve, as a set of STORE_NOTE_*. Holder. */
static inline uint32_t store_notes_pending(const struct store *s)
{
	return ((const struct store_front *)s)->notes;
}

/* Off: expired keys stay until somebody asks for them, as DEBUG SET-ACTIVE-EXPIRE 0 wants it. */
void store_set_active_expire(struct store *s, bool on);
/* While clients are paused the keys stay as they are: what expires is not seen any more and not removed. */
void store_freeze(struct store *s, bool on);

/* ---- background ---------------------------------------------------------------------------------------------- */
/* A bounded slice: expiry due now, index growth, deferred freeing, remote frees. Returns work done. */
uint32_t store_poll(struct store *s, uint32_t budget);
