/* What a touch tells: transactions at once, the others by lists that the shard's owner serves after the command. */
#include "store/watch_priv.h"

void watch_ready_again(struct store *s, struct watch_key *k)
{
	struct watch_table *t = s->watch;

	if (k->ready)
		return;
	k->ready = true;
	k->refs++;
	k->ready_next = NULL;
	*(t->ready_tail != NULL ? &t->ready_tail->ready_next : &t->ready_head) = k;
	t->ready_tail = k;
	s->front.notes |= STORE_NOTE_READY;
}

static void note_invalid(struct store *s, struct watch_link *l)
{
	struct watch_table *t = s->watch;

	watch_link_detach(s, l);
	l->invalid = true;
	l->next = NULL;
	*(t->invalid_tail != NULL ? &t->invalid_tail->next : &t->invalid_head) = l;
	t->invalid_tail = l;
	s->front.notes |= STORE_NOTE_INVALID;
}

void watch_key_untrack(struct store *s, struct watch_key *k)
{
	struct watch_link *l;

	while ((l = k->line[WATCH_TRACK].head) != NULL) {
		if (watcher_live(l->w))
			note_invalid(s, l);
		else
			watch_unlink(s, l);
	}
}

void watch_key_touch(struct store *s, struct watch_key *k)
{
	struct watch_link *l;

	while ((l = k->line[WATCH_TX].head) != NULL) {
		/* One change is as good as many. */
		__atomic_store_n(&l->w->dirty, 1, __ATOMIC_RELEASE);
		watch_unlink(s, l);
	}
	watch_key_untrack(s, k);
	if (k->line[WATCH_BLOCK].head != NULL)
		watch_ready_again(s, k);
}

struct watch_key *watch_pop_ready(struct store *s)
{
	struct watch_table *t = s->watch;
	struct watch_key *k = t != NULL ? t->ready_head : NULL;

	if (k == NULL)
		return NULL;
	t->ready_head = k->ready_next;
	if (t->ready_head == NULL) {
		t->ready_tail = NULL;
		s->front.notes &= ~STORE_NOTE_READY;
	}
	k->ready = false;
	return k;
}

bool watch_key_wanted(const struct watch_key *k, const struct object *o)
{
	return (k->wants & (WATCH_WANTS_GONE | (o != NULL ? 1u << o->type : 0))) != 0;
}

void watch_ready_done(struct store *s, struct watch_key *k)
{
	watch_key_put(s, k);
}

struct slice watch_key_name(const struct watch_key *k)
{
	return elem_name(&k->name);
}

uint32_t watch_key_db(const struct watch_key *k)
{
	return k->db;
}

struct watch_link *watch_next_blocked(struct store *s, struct watch_key *k, struct watch_link *after)
{
	struct watch_link *l;

	while ((l = after != NULL ? after->next : k->line[WATCH_BLOCK].head) != NULL) {
		if (watcher_live(l->w))
			return l;
		watch_unlink(s, l);
	}
	return NULL;
}

struct watcher *watch_link_watcher(const struct watch_link *l)
{
	return l->w;
}

struct watch_key *watch_link_key(const struct watch_link *l)
{
	return l->key;
}

struct watch_link *watch_pop_invalid(struct store *s)
{
	struct watch_table *t = s->watch;
	struct watch_link *l = t != NULL ? t->invalid_head : NULL;

	if (l == NULL)
		return NULL;
	t->invalid_head = l->next;
	if (t->invalid_head == NULL) {
		t->invalid_tail = NULL;
		s->front.notes &= ~STORE_NOTE_INVALID;
	}
	return l;
}
