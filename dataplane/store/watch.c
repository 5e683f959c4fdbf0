/* Links between keys and those who watch them. One hash table for each database, of the keys that have links: what
 * nobody watches costs nothing. */
#include "store/watch_priv.h"

#define SWEEP_AFTER_MS 1000 /* links of the dead stay that long at most, unless they are many */

/* The table behind those of the databases: tracked keys, which have no database. Who caches a key hears of its change
 * in any of them. */
static uint32_t of_tracking(const struct store *s)
{
	return s->params.databases;
}

static struct watch_key *key_of(struct elem *e)
{
	return rp_container_of(e, struct watch_key, name);
}

static struct watch_key *key_find(const struct store *s, uint32_t db, struct slice key)
{
	struct elem *e = htab_find(&s->watch->db[db], key);

	return e != NULL ? key_of(e) : NULL;
}

static bool table_create(struct store *s)
{
	uint32_t n = s->params.databases + 1;
	struct watch_table *t = heap_zalloc(s->heap, sizeof *t + n * sizeof t->db[0]);

	if (t == NULL)
		return false;
	for (uint32_t i = 0; i < n; i++)
		htab_init(&t->db[i], s->params.hash_seed);
	htab_init(&t->pairs, s->params.hash_seed);
	t->swept_ms = s->now_ms;
	s->watch = t;
	return true;
}

static struct watch_key *key_create(struct store *s, uint32_t db, struct slice key)
{
	struct watch_key *k = heap_alloc(s->heap, sizeof *k + key.len);

	if (k == NULL)
		return NULL;
	*k = (struct watch_key){.db = db, .name.len = (uint32_t)key.len};
	if (key.len > 0)
		memcpy(k->name.name, key.ptr, key.len);
	return k;
}

void watch_key_put(struct store *s, struct watch_key *k)
{
	if (--k->refs > 0)
		return;
	htab_remove(&s->watch->db[k->db], s->heap, &k->name);
	heap_free(s->heap, k);
	__atomic_store_n(&s->watched, s->watched - 1, __ATOMIC_RELAXED);
}

/* ---- links ---- */

static struct slice pair_name(const struct watch_pair *p)
{
	return (struct slice){(const char *)p, sizeof *p};
}

static struct watch_link *link_find(const struct store *s, const struct watch_key *k, const struct watcher *w)
{
	struct elem *e = htab_find(&s->watch->pairs, pair_name(&(struct watch_pair){k, w}));

	return e != NULL ? rp_container_of(e, struct watch_link, pair) : NULL;
}

static void count(uint64_t *n, int64_t delta)
{
	__atomic_store_n(n, *n + (uint64_t)delta, __ATOMIC_RELAXED);
}

/* Before a link is the first of its key, and after it was the last. */
static void count_blocking(struct store *s, struct watch_key *k, const struct watch_link *l, int64_t delta)
{
	bool first_or_last = k->line[WATCH_BLOCK].head == NULL;
	bool gone_too = l->w->wants & WATCH_WANTS_GONE;

	if (first_or_last)
		count(&s->blocking_keys, delta);
	if (delta > 0 && gone_too && !k->gone_too) {
		k->gone_too = true;
		count(&s->blocking_gone_keys, 1);
	} else if (delta < 0 && first_or_last && k->gone_too) {
		k->gone_too = false;
		count(&s->blocking_gone_keys, -1);
	}
}

static void count_link(struct store *s, struct watch_key *k, const struct watch_link *l, int64_t delta)
{
	if (l->w->kind == WATCH_BLOCK)
		count_blocking(s, k, l, delta);
	if (l->w->kind != WATCH_TRACK)
		return;
	count(&s->tracked_links, delta);
	if (k->line[WATCH_TRACK].head == NULL)
		count(&s->tracked_keys, delta);
}

/* Behind those who arrived before: a command that waits again keeps its place. */
static void link_place(struct watch_key *k, struct watch_link *l)
{
	struct watch_line *line = &k->line[l->w->kind];
	struct watch_link *before = line->tail;
	uint64_t ticket = l->w->ticket;

	while (ticket != 0 && before != NULL && before->w->ticket > ticket)
		before = before->prev;
	l->prev = before;
	l->next = before != NULL ? before->next : line->head;
	*(before != NULL ? &before->next : &line->head) = l;
	*(l->next != NULL ? &l->next->prev : &line->tail) = l;
}

void watch_link_detach(struct store *s, struct watch_link *l)
{
	struct watch_line *line = &l->key->line[l->w->kind];

	*(l->prev != NULL ? &l->prev->next : &line->head) = l->next;
	*(l->next != NULL ? &l->next->prev : &line->tail) = l->prev;
	count_link(s, l->key, l, -1);
	htab_remove(&s->watch->pairs, s->heap, &l->pair);
}

static void link_enter(struct store *s, struct watch_key *k, struct watch_link *l, struct watcher *w)
{
	struct watch_table *t = s->watch;

	*l = (struct watch_link){.key = k, .w = w, .all_next = t->all};
	l->pair.len = sizeof l->as.name;
	l->as.name = (struct watch_pair){k, w};
	htab_insert(&t->pairs, s->heap, &l->pair);
	if (l->all_next != NULL)
		l->all_next->all_prev = l;
	t->all = l;
	t->links++;
	k->refs++;
	k->wants |= w->wants;
	count_link(s, k, l, 1);
	link_place(k, l);
	watcher_ref(w);
	__atomic_fetch_or(&w->shards, 1ull << s->params.shard, __ATOMIC_RELEASE);
}

bool watch_add(struct store *s, uint32_t db, struct slice key, struct watcher *w)
{
	uint64_t hash;

	if (s->watch == NULL && !table_create(s))
		return false;
	if (w->kind == WATCH_TRACK)
		db = of_tracking(s);
	/* A key that has expired but is still there is no key: its end must not look like a change later on. */
	if (w->kind == WATCH_TX)
		space_find_live(s, db, key, &hash);
	struct watch_key *k = key_find(s, db, key);
	if (k != NULL && link_find(s, k, w) != NULL)
		return true;
	struct watch_link *l = heap_alloc(s->heap, sizeof *l);
	if (l == NULL)
		return false;
	if (k == NULL) {
		k = key_create(s, db, key);
		if (k == NULL) {
			heap_free(s->heap, l);
			return false;
		}
		htab_insert(&s->watch->db[db], s->heap, &k->name);
		__atomic_store_n(&s->watched, s->watched + 1, __ATOMIC_RELAXED);
	}
	link_enter(s, k, l, w);
	return true;
}

bool watch_has(const struct store *s, uint32_t db, struct slice key, const struct watcher *w)
{
	if (s->watched == 0)
		return false;
	struct watch_key *k = key_find(s, db, key);
	return k != NULL && link_find(s, k, w) != NULL;
}

void watch_expire(struct store *s, uint32_t db, struct slice key)
{
	uint64_t hash;
	const struct object *o = space_find(s, db, key, &hash);

	if (o == NULL || !obj_expired(s, o))
		return;
	if (rp_unlikely(s->frozen)) /* it stays for now, and is gone nevertheless */
		watch_touch(s, db, key);
	else
		space_find_live(s, db, key, &hash);
}

void watch_unlink(struct store *s, struct watch_link *l)
{
	struct watch_table *t = s->watch;

	if (!l->invalid)
		watch_link_detach(s, l);
	if (t->cursor == l)
		t->cursor = l->all_next;
	*(l->all_prev != NULL ? &l->all_prev->all_next : &t->all) = l->all_next;
	if (l->all_next != NULL)
		l->all_next->all_prev = l->all_prev;
	t->links--;
	watcher_put(l->w);
	watch_key_put(s, l->key);
	heap_free(s->heap, l);
}

void watch_remove(struct store *s, uint32_t db, struct slice key, struct watcher *w)
{
	if (s->watched == 0)
		return;
	struct watch_key *k = key_find(s, db, key);
	struct watch_link *l = k != NULL ? link_find(s, k, w) : NULL;
	if (l != NULL)
		watch_unlink(s, l);
}

/* ---- touches ---- */

static void touch_in(struct store *s, uint32_t db, struct slice key)
{
	struct watch_key *k = key_find(s, db, key);

	if (k == NULL)
		return;
	k->refs++;
	watch_key_touch(s, k);
	watch_key_put(s, k);
}

void watch_touch(struct store *s, uint32_t db, struct slice key)
{
	if (s->watched > s->tracked_keys)
		touch_in(s, db, key);
	if (s->tracked_keys > 0)
		touch_in(s, of_tracking(s), key);
}

void watch_recheck(struct store *s, uint32_t db, struct slice key)
{
	struct watch_key *k = s->watched != 0 ? key_find(s, db, key) : NULL;

	if (k != NULL && k->line[WATCH_BLOCK].head != NULL)
		watch_ready_again(s, k);
}

/* Pins the keys of db in front of a list. */
static struct watch_key *pin_keys(struct store *s, uint32_t db, struct watch_key *list)
{
	struct htab_iter it;
	struct elem *e;

	htab_iter_begin(&it, &s->watch->db[db]);
	while ((e = htab_iter_next(&it)) != NULL) {
		struct watch_key *k = key_of(e);
		k->refs++;
		k->whole_next = list;
		list = k;
	}
	return list;
}

static bool there(struct store *s, uint32_t db, struct slice key)
{
	struct index *ix = s->db[db].ix;

	return index_find(ix, key, index_hash(ix, key)) != NULL;
}

void watch_forget_tracked(struct store *s)
{
	if (s->watch == NULL || s->tracked_links == 0)
		return;
	for (struct watch_key *k = pin_keys(s, of_tracking(s), NULL), *next; k != NULL; k = next) {
		struct watch_link *l;
		next = k->whole_next;
		while ((l = k->line[WATCH_TRACK].head) != NULL)
			watch_unlink(s, l);
		watch_key_put(s, k);
	}
}

void watch_touch_flush(struct store *s, uint32_t db)
{
	if (s->watched == 0)
		return;
	for (struct watch_key *k = pin_keys(s, db, NULL), *next; k != NULL; k = next) {
		next = k->whole_next;
		if (there(s, db, elem_name(&k->name)))
			watch_key_touch(s, k);
		watch_key_put(s, k);
	}
}

/* Will there be a key that was not there, or be another? What has expired in the other database goes now: it takes
 * nobody's place. */
static bool swap_changes(struct store *s, uint32_t db, uint32_t other, struct slice key)
{
	uint64_t hash;

	return there(s, db, key) || space_find_live(s, other, key, &hash) != NULL;
}

/* Redis leaves those who cached such a key with the old value. */
static void untrack_swapped(struct store *s, uint32_t db_a, uint32_t db_b)
{
	for (struct watch_key *k = pin_keys(s, of_tracking(s), NULL), *next; k != NULL; k = next) {
		struct slice name = elem_name(&k->name);
		next = k->whole_next;
		if (there(s, db_a, name) || there(s, db_b, name))
			watch_key_untrack(s, k);
		watch_key_put(s, k);
	}
}

void watch_touch_swap(struct store *s, uint32_t db_a, uint32_t db_b)
{
	if (s->watched == 0)
		return;
	untrack_swapped(s, db_a, db_b);
	for (struct watch_key *k = pin_keys(s, db_b, pin_keys(s, db_a, NULL)), *next; k != NULL; k = next) {
		next = k->whole_next;
		if (swap_changes(s, k->db, k->db == db_a ? db_b : db_a, elem_name(&k->name)))
			watch_key_touch(s, k);
		watch_key_put(s, k);
	}
}

/* ---- background ---- */

/* A sweep costs as much as there are links: one is worth it when a part of them is dead, or some have been for long. */
static bool sweep_due(const struct store *s)
{
	const struct watch_table *t = s->watch;
	uint64_t dead = __atomic_load_n(&s->given_up, __ATOMIC_RELAXED) - t->swept;

	return dead != 0 && (dead > t->links / 4 || s->now_ms - t->swept_ms >= SWEEP_AFTER_MS);
}

uint32_t watch_poll(struct store *s, uint32_t budget)
{
	struct watch_table *t = s->watch;
	uint32_t n = 0;

	if (t == NULL)
		return 0;
	if (t->cursor == NULL) {
		if (!sweep_due(s))
			return 0;
		t->swept = __atomic_load_n(&s->given_up, __ATOMIC_ACQUIRE);
		t->swept_ms = s->now_ms;
		t->cursor = t->all;
	}
	for (; n < budget && t->cursor != NULL; n++) {
		struct watch_link *l = t->cursor;
		t->cursor = l->all_next;
		if (!l->invalid && !watcher_live(l->w))
			watch_unlink(s, l);
	}
	return n;
}

void watch_fini(struct store *s)
{
	struct watch_table *t = s->watch;

	if (t == NULL)
		return;
	struct watch_key *k;
	while ((k = watch_pop_ready(s)) != NULL)
		watch_ready_done(s, k);
	while (t->all != NULL)
		watch_unlink(s, t->all);
	rp_assert(s->watched == 0);
	for (uint32_t i = 0; i <= s->params.databases; i++)
		htab_fini(&t->db[i], s->heap);
	htab_fini(&t->pairs, s->heap);
	heap_free(s->heap, t);
	s->watch = NULL;
}

uint64_t watch_tracked_keys(const struct store *s)
{
	return __atomic_load_n(&s->tracked_keys, __ATOMIC_RELAXED);
}

uint64_t watch_tracked_links(const struct store *s)
{
	return __atomic_load_n(&s->tracked_links, __ATOMIC_RELAXED);
}

uint64_t watch_blocking_keys(const struct store *s)
{
	return __atomic_load_n(&s->blocking_keys, __ATOMIC_RELAXED);
}

uint64_t watch_blocking_gone_keys(const struct store *s)
{
	return __atomic_load_n(&s->blocking_gone_keys, __ATOMIC_RELAXED);
}

#define UNTRACK_TRIES 16 /* links looked at: others than of tracking may be many */

void watch_untrack_one(struct store *s, struct rng *rng)
{
	for (uint32_t i = 0; i < UNTRACK_TRIES && s->tracked_links > 0; i++) {
		struct watch_link *l = rp_container_of(htab_random(&s->watch->pairs, rng), struct watch_link, pair);
		struct watch_key *k = l->key;
		if (l->w->kind != WATCH_TRACK)
			continue;
		k->refs++;
		watch_key_untrack(s, k);
		watch_key_put(s, k);
		return;
	}
}

uint64_t watch_keys(const struct store *s)
{
	return __atomic_load_n(&s->watched, __ATOMIC_RELAXED);
}
