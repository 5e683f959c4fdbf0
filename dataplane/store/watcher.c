/* The party of a watch: shared between its home and the shards that have links to it. */
#include "store/store_priv.h"
#include "store/watch.h"

struct watcher *watcher_create(struct heap *h, enum watch_kind kind, uint8_t home)
{
	struct watcher *w = heap_zalloc(h, sizeof *w);

	if (w == NULL)
		return NULL;
	w->refs = 1;
	w->state = WATCHER_LIVE;
	w->kind = (uint8_t)kind;
	w->home = home;
	w->heap = h;
	return w;
}

static bool leave_live(struct watcher *w, enum watcher_state to)
{
	uint32_t live = WATCHER_LIVE;

	return __atomic_compare_exchange_n(&w->state, &live, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool watcher_claim(struct watcher *w)
{
	return leave_live(w, WATCHER_CLAIMED);
}

/* Those who hold the shards sweep sooner or later: nobody is woken for it. */
void watcher_left(struct watcher *w, struct store *const *stores)
{
	for (uint64_t rest = __atomic_load_n(&w->shards, __ATOMIC_ACQUIRE); rest != 0; rest &= rest - 1)
		__atomic_fetch_add(&stores[__builtin_ctzll(rest)]->given_up, 1, __ATOMIC_RELAXED);
}

bool watcher_give_up(struct watcher *w, struct store *const *stores)
{
	bool first = leave_live(w, WATCHER_DEAD);

	/* Only the home's reference is left: there are no links. */
	if (first && __atomic_load_n(&w->refs, __ATOMIC_ACQUIRE) > 1)
		watcher_left(w, stores);
	watcher_put(w);
	return first;
}

void watcher_ref(struct watcher *w)
{
	__atomic_fetch_add(&w->refs, 1, __ATOMIC_RELAXED);
}

void watcher_put(struct watcher *w)
{
	if (__atomic_sub_fetch(&w->refs, 1, __ATOMIC_ACQ_REL) == 0)
		heap_free_remote(w->heap, w);
}
