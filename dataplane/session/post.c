/* See post.h. */
#include "session/post.h"

#include <stdlib.h>

#include "session/monitor.h"
#include "session/pubsub.h"
#include "session/pubsub_priv.h"
#include "session/session_priv.h"
#include "session/tracking.h"
#include "store/watch.h"

#define PARCEL_BYTES (8u << 10) /* strings and entries of one parcel; a larger entry has one to itself */

struct parcel {
	struct parcel *next;
	uint32_t used, cap; /* bytes of data */
	bool answers;       /* some entries have become the answers to themselves */
	char data[] __attribute__((aligned(8)));
};

/* What waits for one endpoint, oldest parcel first. */
struct post_link {
	struct parcel *head, *tail;
};

struct post {
	struct heap *heap;
	uint32_t endpoints;
	uint32_t waiting; /* parcels in all links */
	struct post_link link[];
};

struct post *post_create(uint32_t endpoints, struct heap *heap)
{
	struct post *p = calloc(1, sizeof *p + endpoints * sizeof p->link[0]);
	if (p == NULL)
		return NULL;
	p->heap = heap;
	p->endpoints = endpoints;
	return p;
}

struct post_entry *post_next(const struct post_entry *e, const void *end)
{
	char *next = (char *)(uintptr_t)e + e->bytes;
	return next < (const char *)end ? (struct post_entry *)next : NULL;
}

static struct post_entry *parcel_first(struct parcel *p)
{
	return p->used > 0 ? (struct post_entry *)p->data : NULL;
}

static void parcel_free(struct post *p, struct parcel *pc)
{
	heap_free(p->heap, pc);
}

static void parcel_drop(struct post *p, struct parcel *pc)
{
	for (const struct post_entry *e = parcel_first(pc); e != NULL; e = post_next(e, pc->data + pc->used))
		if (e->blob != NULL)
			blob_unref(e->blob, p->heap);
		else if (e->kind == POST_INVALID)
			watcher_put(e->ref);
	parcel_free(p, pc);
}

void post_destroy(struct post *p)
{
	if (p == NULL)
		return;
	for (uint32_t i = 0; i < p->endpoints; i++)
		for (struct parcel *pc = p->link[i].head, *next; pc != NULL; pc = next) {
			next = pc->next;
			parcel_drop(p, pc);
		}
	free(p);
}

static size_t entry_bytes(size_t text_bytes)
{
	return RTE_ALIGN_CEIL(sizeof(struct post_entry) + text_bytes, 8);
}

bool post_reserve(struct post *p, uint32_t to, size_t text_bytes)
{
	struct post_link *l = &p->link[to];
	size_t bytes = entry_bytes(text_bytes);
	if (rp_likely(l->tail != NULL && l->tail->cap - l->tail->used >= bytes))
		return true;
	if (bytes > UINT32_MAX / 2)
		return false;
	size_t cap = RP_MAX(bytes, PARCEL_BYTES - sizeof(struct parcel));
	struct parcel *pc = heap_alloc(p->heap, sizeof *pc + cap);
	if (pc == NULL)
		return false;
	*pc = (struct parcel){.cap = (uint32_t)cap};
	if (l->tail != NULL)
		l->tail->next = pc;
	else
		l->head = pc;
	l->tail = pc;
	p->waiting++;
	return true;
}

struct post_entry *post_add(struct post *p, uint32_t to, enum post_kind kind, uint8_t of, struct slice name,
			    struct slice data, struct blob *blob)
{
	size_t text = name.len + (blob != NULL ? 0 : data.len);
	if (!post_reserve(p, to, text))
		return NULL;
	struct parcel *pc = p->link[to].tail;
	struct post_entry *e = (struct post_entry *)(pc->data + pc->used);
	*e = (struct post_entry){.bytes = (uint32_t)entry_bytes(text),
				 .kind = (uint8_t)kind,
				 .of = of,
				 .name_len = (uint32_t)name.len,
				 .data_len = (uint32_t)(text - name.len),
				 .blob = blob};
	if (name.len > 0)
		memcpy(e->text, name.ptr, name.len);
	if (e->data_len > 0)
		memcpy(e->text + name.len, data.ptr, e->data_len);
	if (blob != NULL)
		blob_ref(blob);
	pc->used += e->bytes;
	return e;
}

void post_ack(struct post *p, uint32_t to, struct post_entry *e, bool ok)
{
	struct slice none = {NULL, 0};
	struct post_entry *ack = post_add(p, to, POST_ACK, e->of, none, none, NULL);
	if (rp_unlikely(ack == NULL)) {
		e->kind = POST_ACK;
		e->value = ok;
		return;
	}
	ack->value = ok;
	ack->ref = e->ref;
}

/* ---- receiving ---- */

static void read_parcel(struct session_host *h, uint32_t from, struct parcel *pc)
{
	const void *end = pc->data + pc->used;
	for (struct post_entry *e = parcel_first(pc); e != NULL;) {
		switch ((enum post_kind)e->kind) {
		case POST_SUBSCRIBE:
		case POST_UNSUBSCRIBE:
			pubsub_take_change(h, from, e);
			pc->answers |= e->kind == POST_ACK;
			break;
		case POST_ACK:
			pubsub_take_ack(h, from, e);
			break;
		case POST_PUBLISH:
			pubsub_owner_publish(h, (enum pubsub_kind)e->of, post_name(e), post_data(e), NULL);
			break;
		case POST_INVALID:
			tracking_take_invalid(h, e);
			break;
		case POST_TOUCHED:
			tracking_take_touched(h, e);
			break;
		case POST_FLUSHED:
			tracking_take_flushed(h, e);
			break;
		case POST_REDIRECTED:
			tracking_take_redirected(h, e);
			break;
		case POST_BROKEN:
			tracking_take_broken(h, e);
			break;
		case POST_MONITOR:
			monitor_take(h, e);
			break;
		case POST_DELIVER:
			e = pubsub_take_messages(h, from, e, end);
			continue;
		}
		e = post_next(e, end);
	}
}

static void parcel_arrived(void *host, struct msg *m)
{
	struct session_host *h = host;
	read_parcel(h, m->home, m->arg[0]);
}

static void parcel_back(void *host, struct msg *m)
{
	struct session_host *h = host;
	struct parcel *pc = m->arg[0];
	for (struct post_entry *e = pc->answers ? parcel_first(pc) : NULL; e != NULL;
	     e = post_next(e, pc->data + pc->used))
		if (e->kind == POST_ACK)
			pubsub_take_ack(h, m->owner, e);
	parcel_free(h->post, pc);
}

/* ---- sending ---- */

/* The link's oldest parcel, taken off. */
static struct parcel *link_pop(struct post *p, struct post_link *l)
{
	struct parcel *pc = l->head;
	l->head = pc->next;
	if (l->head == NULL)
		l->tail = NULL;
	p->waiting--;
	return pc;
}

static uint32_t read_own(struct session_host *h)
{
	struct post *p = h->post;
	struct post_link *own = &p->link[h->self];
	uint32_t n = 0;
	/* What is read may post more. */
	while (own->head != NULL) {
		struct parcel *pc = link_pop(p, own);
		read_parcel(h, h->self, pc);
		parcel_free(p, pc);
		n++;
	}
	return n;
}

static uint32_t send_to(struct session_host *h, uint32_t to)
{
	struct post *p = h->post;
	struct post_link *l = &p->link[to];
	uint32_t n = 0;
	for (; l->head != NULL; n++) {
		struct msg *m = msg_get(h->bus, h->self);
		if (m == NULL)
			break;
		m->kind = MSG_CALL_HOST;
		m->owner = (uint8_t)to;
		m->fn = parcel_arrived;
		m->back = parcel_back;
		m->arg[0] = link_pop(p, l);
		m->arg[3] = NULL;
		msg_send(h->bus, m);
	}
	return n;
}

uint32_t post_flush(struct session_host *h)
{
	struct post *p = h->post;
	uint32_t n = 0;
	if (p->waiting > 0)
		n += read_own(h);
	if (rp_unlikely(h->pubsub->lines.n > 0))
		n += monitor_flush(h);
	push_flush(h);
	for (uint32_t to = 0; to < p->endpoints && p->waiting > 0; to++)
		if (p->link[to].head != NULL)
			n += send_to(h, to);
	return n;
}

uint32_t post_waiting(const struct post *p)
{
	return p->waiting;
}

bool post_quiet(const struct post *p)
{
	return p->waiting == 0;
}
