/* Who wants to hear of a key: WATCH (transactions), blocked commands, client tracking.
 *
 * A party is a struct watcher, one per client operation, made by the client's home. In each shard that has keys of it,
 * links join it to those keys, in order of arrival:
 *
 *   home:   struct watcher  <--- refs ---+------------------+
 *                                        |                  |
 *   shard:  (db, key) -> link -> link -> link    (db, key) -> link
 *
 * Tracking knows no databases: who caches a key hears of its change in any of them.
 *
 * Links are weak. The home gives a watcher up with watcher_give_up(), without a lease or a message; shards drop links
 * of the dead when they meet them: at a touch, when they serve, and in watch_poll().
 *
 * Owner of links and keys: the holder of the shard; their memory is the shard's heap. What the touches of a command
 * made ready waits in lists of the shard until its worker serves them (store_notes_pending()).
 */
#pragma once

#include "base/defs.h"
#include "mem/heap.h"

struct rng;
struct store;
struct object;
struct watch_key;
struct watch_link;

enum watch_kind {
	WATCH_TX,    /* a transaction: it is to be told that a key changed, once */
	WATCH_BLOCK, /* a blocked command: its key goes on the ready list */
	WATCH_TRACK, /* client tracking: the link goes on the list of invalidations */
	WATCH_KINDS
};

enum watcher_state {
	WATCHER_LIVE,
	WATCHER_CLAIMED, /* a shard serves it */
	WATCHER_DEAD,    /* its home gave up, its transaction has ended, its client is gone */
};

#define WATCH_WANTS_GONE 0x80u /* also a key that goes or becomes something else */

struct watcher {
	uint32_t refs;  /* atomic: the home's and one per link; who takes the last one away frees it */
	uint32_t state; /* atomic: enum watcher_state; leaves WATCHER_LIVE once, by compare-and-swap of whoever comes
			   first */
	uint32_t dirty; /* WATCH_TX, atomic: a watched key changed; the holder of its shard sets it, the home reads */
	uint8_t kind;   /* enum watch_kind; this and what follows: the home writes before the first watch_add() */
	uint8_t home;   /* endpoint */
	uint8_t wants;  /* WATCH_BLOCK: bit of each type (OBJ_*) that a key must have to be news, WATCH_WANTS_GONE */
	struct heap *heap; /* it came from */
	uint64_t shards;   /* atomic: where it has had links; holders set bits, the home reads */
	uint64_t client_id;
	uint32_t session_index;
	uint64_t ticket; /* WATCH_BLOCK: order of arrival, for those that wait again; 0: behind all others */
	void *of;        /* the home's own; shards never look */
};

/* Home. A live watcher with the home's reference, from the home's heap; the caller fills in the rest. NULL: out of
 * memory. */
struct watcher *watcher_create(struct heap *h, enum watch_kind kind, uint8_t home);
/* Home: takes its reference away, after which it must not look at w any more. stores: of all shards, which it need not
 * hold. Returns false if a shard had claimed w already. */
bool watcher_give_up(struct watcher *w, struct store *const *stores);
/* Home: a shard has served w, which leaves dead links at its other keys. */
void watcher_left(struct watcher *w, struct store *const *stores);
/* Holder: from LIVE to CLAIMED. false: somebody else was first. */
bool watcher_claim(struct watcher *w);
/* Any thread: one reference more, or one less. */
void watcher_ref(struct watcher *w);
void watcher_put(struct watcher *w);

static inline bool watcher_live(const struct watcher *w)
{
	return __atomic_load_n(&w->state, __ATOMIC_ACQUIRE) == WATCHER_LIVE;
}
static inline bool watcher_claimed(const struct watcher *w)
{
	return __atomic_load_n(&w->state, __ATOMIC_ACQUIRE) == WATCHER_CLAIMED;
}
static inline bool watcher_dirty(const struct watcher *w)
{
	return __atomic_load_n(&w->dirty, __ATOMIC_RELAXED) != 0;
}

/* ---- holder of the shard ------------------------------------------------------------------------------------- */

/* Joins w to the key, once however often it is asked. false: out of memory, nothing changed. */
bool watch_add(struct store *s, uint32_t db, struct slice key, struct watcher *w);
/* Is it joined? */
bool watch_has(const struct store *s, uint32_t db, struct slice key, const struct watcher *w);
/* Should the key have expired, it goes now, and those who watch it hear of it. */
void watch_expire(struct store *s, uint32_t db, struct slice key);
/* Undoes it; nothing if there is no such link. */
void watch_remove(struct store *s, uint32_t db, struct slice key, struct watcher *w);
/* The key changes. store_touch_for_write() calls it while anybody watches anything. */
void watch_touch(struct store *s, uint32_t db, struct slice key);
/* Database db is about to be emptied: touches the keys that exist. */
void watch_touch_flush(struct store *s, uint32_t db);
/* All tracking links go without a word: every client is told to forget everything. */
void watch_forget_tracked(struct store *s);
/* Two databases are about to change places: touches keys that exist in one of them. */
void watch_touch_swap(struct store *s, uint32_t db_a, uint32_t db_b);
/* Background: links of the dead go. Returns links looked at. */
uint32_t watch_poll(struct store *s, uint32_t budget);
/* store_destroy(): all links go. */
void watch_fini(struct store *s);

/* Keys that somebody watches; any thread may ask. */
uint64_t watch_keys(const struct store *s);
/* The same for tracking alone, and for its links. */
uint64_t watch_tracked_keys(const struct store *s);
uint64_t watch_tracked_links(const struct store *s);
/* Keys that commands wait for, and those of them whose end would be news, too. What time ended is counted until the
 * next sweep. Any thread. */
uint64_t watch_blocking_keys(const struct store *s);
uint64_t watch_blocking_gone_keys(const struct store *s);
/* Holder: tells those who track some key or other that it has changed. */
void watch_untrack_one(struct store *s, struct rng *rng);

/* ---- what waits to be served --------------------------------------------------------------------------------- */

/* The next key that blocked commands should look at; it stays valid until watch_ready_done(). NULL: none. */
struct watch_key *watch_pop_ready(struct store *s);
void watch_ready_done(struct store *s, struct watch_key *k);
struct slice watch_key_name(const struct watch_key *k);
uint32_t watch_key_db(const struct watch_key *k);
/* May the state that the key is in now, o or none, be news for any of those who wait for it? */
bool watch_key_wanted(const struct watch_key *k, const struct object *o);
/* k, got from watch_pop_ready(), is to come once more. */
void watch_ready_again(struct store *s, struct watch_key *k);
/* Blocked commands are to look at the key as if it had changed. */
void watch_recheck(struct store *s, uint32_t db, struct slice key);
/* The next live WATCH_BLOCK link of k behind `after`, or the first (NULL). Drops dead ones on its way. `after` must
 * still be linked. NULL: none. */
struct watch_link *watch_next_blocked(struct store *s, struct watch_key *k, struct watch_link *after);
struct watcher *watch_link_watcher(const struct watch_link *l);
/* Takes one of k's links out, with its reference. */
void watch_unlink(struct store *s, struct watch_link *l);

/* The next tracking link whose key changed, no longer part of its key; it goes with watch_unlink(). NULL: none. */
struct watch_link *watch_pop_invalid(struct store *s);
struct watch_key *watch_link_key(const struct watch_link *l);
