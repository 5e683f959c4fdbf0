/* What the files of the store share. */
#pragma once

#include "store/aggregate.h"
#include "store/evict.h"
#include "store/gate.h"
#include "store/wheel.h"

struct store_db {
	struct index *ix;
	struct wheel *wheel;
	struct wheel *fields; /* of timers of hashes: store_fields.c */
	uint64_t expires;
	__int128 expire_sum_ms; /* of all keys with a TTL: their average is exact */
	/* While a snapshot is under way: */
	uint32_t epoch_db; /* the number that it had at the epoch */
	uint64_t walk;     /* cursor */
	bool walked;
};

/* What the session said about the key of the next command. */
struct store_key_hint {
	struct slice key;
	uint64_t hash;
	uint64_t epoch;
	uint32_t absent_db; /* STORE_NO_DB unless the key was known not to be there */
};

#define STORE_NO_DB UINT32_MAX

/* Candidates for eviction. */
#define EVICT_POOL    16
#define EVICT_KEY_MAX 104 /* longer keys are evicted when nothing else is left */
struct evict_entry {
	uint64_t score, hash;
	uint32_t db;
	uint16_t klen;
	char key[EVICT_KEY_MAX];
};
struct evict_pool {
	enum evict_policy policy; /* that the scores are of */
	uint32_t n;
	struct evict_entry e[EVICT_POOL]; /* ascending */
};

struct watch_table;

struct store {
	struct store_front front;
	struct watch_table *watch; /* NULL until somebody watches a key */
	uint64_t watched;          /* keys that somebody watches: without any, a touch has nobody to tell */
	uint64_t given_up;         /* atomic: watchers of this shard that their homes gave up; any home adds */
	struct store_params params;
	struct heap *heap;
	uint32_t event_classes; /* atomic: wanted ones; the shard's worker writes, holders read */
	bool touches;           /* atomic: changes of keys are noted; likewise */
	struct event_block *events, *events_last;
	uint64_t blocking_keys, blocking_gone_keys;
	uint64_t tracked_keys, tracked_links; /* like those: holder writes, anybody reads relaxed */
	int64_t now_ms;
	int64_t clock_ms;          /* the same, but for store_set_replay() */
	uint32_t version;          /* of the latest touch */
	bool keep_expired;         /* store_set_active_expire() */
	bool frozen;               /* store_freeze() */
	bool had_payload;          /* an object with a struct payload has been here: some may be large */
	struct store_gates *gates; /* NULL: no reply waits for the journal; atomic: store_show_gates() */
	uint32_t inserts, moves;
	struct store_key_hint hint;
	/* The object found last. Good until an object is removed or moved. */
	struct object *last;
	uint64_t last_hash;
	uint32_t last_db;

	struct snap *snap; /* under way, or NULL */
	uint8_t epoch;     /* OBJ_F_EPOCH of new objects, or 0 */

	/* Atomic: the shard's worker writes, holders read. */
	bool lfu;
	uint32_t lfu_log_factor, lfu_decay_min;
	struct rng rng;

	struct index_remains *drain; /* of flushed databases; their objects are freed in slices */
	struct payload *dead;        /* large values on their way out */
	uint64_t timers;             /* armed, over all databases */
	uint32_t poll_db;            /* where store_poll() starts, for fairness */
	struct store_stats stats;
	uint32_t evict_db; /* whose turn it is to lose any key */
	struct evict_pool pool;
	struct store_db db[];
};

/* Each field of the hash o is expired (store_fields.c). */
bool fields_all_expired(const struct store *s, const struct object *o);

/* As in Redis, a key is still there in the very millisecond that its TTL names. */
static inline bool obj_expired(const struct store *s, const struct object *o)
{
	if ((o->flags & OBJ_F_EXPIRE) && obj_expiry(o)->at_ms < s->now_ms)
		return true;
	return (o->flags & OBJ_F_PAYLOAD) && o->type == OBJ_HASH && fields_all_expired(s, o);
}

/* ---- layout (obj_layout.c) ----------------------------------------------------------------------------------- */
/* Bytes in front of the value area. */
size_t obj_head_bytes(size_t klen, bool expire);
/* Bytes of the value area in use. */
size_t obj_value_bytes(const struct object *o);
/* A string object without value yet, with room for value_bytes; expiry unlinked. NULL: out of memory. */
struct object *obj_create(struct store *s, struct slice key, bool expire, size_t value_bytes);
/* What an object's value points at: a blob, a payload, or nothing. */
struct obj_pointee {
	struct blob *blob;
	struct payload *payload;
};
struct obj_pointee obj_pointee(const struct object *o);
void pointee_release(struct store *s, struct obj_pointee p);
void obj_destroy(struct store *s, struct object *o);
/* The same object, value pointer included, with or without room for an expiry: in its own block if it fits, else in a
 * new one. NULL: out of memory. */
struct object *obj_relayout(struct store *s, struct object *o, bool expire);

/* ---- keyspace (store_space.c): index, wheel and counts change together ----------------------------------------- */
/* Whatever is there, expired or not; hash of the key in *hash. */
struct object *space_find(struct store *s, uint32_t db, struct slice key, uint64_t *hash);
/* As above; an expired key is removed first. */
struct object *space_find_live(struct store *s, uint32_t db, struct slice key, uint64_t *hash);
/* at_ms: its TTL or STORE_NO_EXPIRE. False: out of memory; o stays the caller's. */
bool space_insert(struct store *s, uint32_t db, struct object *o, uint64_t hash, int64_t at_ms);
/* The two halves of it: the second cannot fail, and only with it the key exists. Before it index_remove() and
 * space_moved() undo the first. */
bool space_index(struct store *s, uint32_t db, struct object *o, uint64_t hash);
void space_announce(struct store *s, uint32_t db, struct object *o, int64_t at_ms);
/* As space_insert(), in the place of o, which is destroyed, if o is not NULL. */
bool space_put(struct store *s, uint32_t db, struct object *o, struct object *n, uint64_t hash, int64_t at_ms);
/* Takes o out; the caller destroys it. */
void space_remove(struct store *s, uint32_t db, struct object *o, uint64_t hash);
/* n, with its expiry set or moved over, takes the place of o, which stays the caller's. */
void space_replace(struct store *s, uint32_t db, struct object *o, struct object *n, uint64_t hash);
/* o has room for an expiry and is in no wheel. */
void space_link_expiry(struct store *s, uint32_t db, struct object *o, int64_t at_ms);
void space_unlink_expiry(struct store *s, uint32_t db, struct object *o);
/* The counts after o left the wheel by itself. */
void space_expiry_gone(struct store *s, uint32_t db, struct object *o);
/* An expired key goes, with its effect and event. */
void space_expire(struct store *s, uint32_t db, struct object *o, uint64_t hash);
/* Tells the hook that a whole database changes. */
void space_touch_all(struct store *s, uint32_t db);
/* Objects of db may be gone. */
void space_moved(struct store *s);

/* n, a copy of o in a new block, takes its place in index and wheel; o's block is freed, what it points at is n's. */
void space_relocate(struct store *s, uint32_t db, struct object *o, struct object *n);

/* ---- expiring fields of hashes (store_fields.c) -------------------------------------------------------------- */
/* o came in as a key's value, or its payload's timer changed. */
void store_fields_arm(struct store *s, uint32_t db, struct object *o);
/* o goes; its payload may be another object's already. */
void store_fields_disarm(struct store *s, struct object *o);
/* All hashes of db go. */
void fields_reset(struct store *s, uint32_t db);
/* Takes expired fields away. Returns what was taken from *budget. */
uint32_t store_poll_fields(struct store *s, uint32_t db, uint32_t *budget);

/* ---- snapshots (snap.c) -------------------------------------------------------------------------------------- */
/* o, which is due, changes; goes: obj_destroy() follows. */
void snap_before_write(struct store *s, uint32_t db, struct object *o, bool goes);
/* Destroys an object out of the remains of a database, which had number `db` at the epoch. */
void snap_drop(struct store *s, struct object *o, uint32_t db);
static inline bool snap_due(const struct store *s, const struct object *o)
{
	return rp_unlikely(s->snap != NULL) && ((o->flags ^ s->epoch) & OBJ_F_EPOCH);
}
/* store_touch_for_write() before obj_destroy(). */
void store_touch_for_delete(struct store *s, uint32_t db, struct slice key, struct object *o);

/* ---- freeing in slices (store_dead.c) ------------------------------------------------------------------------ */
/* Returns what was freed. */
uint32_t store_poll_dead(struct store *s, uint32_t budget);

/* ---- what waits for the journal (gate.c) --------------------------------------------------------------------- */
/* key is about to change; NULL: all of them. Only if there are gates. */
void gates_touch(struct store *s, struct slice key);
static inline void gates_find(struct store *s, uint64_t hash)
{
	struct store_gates *g = s->gates;

	if (rp_likely(g == NULL))
		return;
	uint64_t gate = RP_MAX(g->slot[hash % GATE_SLOTS], g->all);
	if (gate > g->seen)
		g->seen = gate;
}

/* ---- access clock (store_clock.c) ---------------------------------------------------------------------------- */
void store_clock_access(struct store *s, struct object *o);
uint32_t store_clock_initial(const struct store *s);
