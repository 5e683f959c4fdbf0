/* See events.h. */
#include "store/events.h"
#include "store/store_priv.h"

#define BLOCK_BYTES 4096

const char events_touched[] = "touched", events_flushed[] = "flushed";

struct event_block {
	struct event_block *next;
	uint32_t at, used, cap; /* bytes of data: read up to, written, room */
	char data[] __attribute__((aligned(8)));
};

void store_set_events(struct store *s, uint32_t classes)
{
	bool to_anybody = classes & (EVENT_TO_KEYSPACE | EVENT_TO_KEYEVENT);

	__atomic_store_n(&s->event_classes, to_anybody ? classes : 0, __ATOMIC_RELAXED);
}

static struct event_block *block_with(struct store *s, size_t bytes)
{
	struct event_block *b = s->events_last;

	if (b != NULL && b->cap - b->used >= bytes)
		return b;
	size_t cap = RP_MAX(bytes, BLOCK_BYTES - sizeof *b);
	if (cap > UINT32_MAX)
		return NULL;
	b = heap_alloc(s->heap, sizeof *b + cap);
	if (b == NULL)
		return NULL;
	*b = (struct event_block){.cap = (uint32_t)cap};
	if (s->events_last != NULL)
		s->events_last->next = b;
	else
		s->events = b;
	s->events_last = b;
	return b;
}

/* Without memory the event is lost, like a message without a subscriber. */
static void note(struct store *s, const char *name, uint32_t db, struct slice key)
{
	size_t bytes = (sizeof(struct store_event_note) + key.len + 7) & ~(size_t)7;
	struct event_block *b = block_with(s, bytes);

	if (b == NULL)
		return;
	struct store_event_note *n = (struct store_event_note *)(b->data + b->used);
	*n = (struct store_event_note){
		.stamp = clock_tsc(), .name = name, .db = db, .bytes = (uint32_t)bytes, .key_len = key.len};
	if (key.len > 0)
		memcpy(n->key, key.ptr, key.len);
	b->used += (uint32_t)bytes;
	s->front.notes |= STORE_NOTE_EVENTS;
}

void store_set_touches(struct store *s, bool on)
{
	__atomic_store_n(&s->touches, on, __ATOMIC_RELAXED);
}

void events_touch(struct store *s, uint32_t db, struct slice key)
{
	note(s, events_touched, db, key);
}

void events_flush(struct store *s)
{
	if (s->params.shard == 0)
		note(s, events_flushed, 0, (struct slice){NULL, 0});
}

void store_event(struct store *s, uint32_t cls, const char *name, uint32_t db, struct slice key)
{
	if (s->params.hooks.event != NULL)
		s->params.hooks.event(s->params.hooks.ctx, s, cls, name, db, key);
	if (rp_unlikely(__atomic_load_n(&s->event_classes, __ATOMIC_RELAXED) & cls))
		note(s, name, db, key);
}

const struct store_event_note *events_first(const struct store *s)
{
	const struct event_block *b = s->events;

	return b != NULL ? (const struct store_event_note *)(b->data + b->at) : NULL;
}

void events_pop(struct store *s)
{
	struct event_block *b = s->events;

	b->at += events_first(s)->bytes;
	if (b->at < b->used)
		return;
	s->events = b->next;
	if (s->events == NULL) {
		s->events_last = NULL;
		s->front.notes &= ~STORE_NOTE_EVENTS;
	}
	heap_free(s->heap, b);
}

void events_fini(struct store *s)
{
	while (s->events != NULL)
		events_pop(s);
}
