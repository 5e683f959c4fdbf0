/* Memory that a request holds beside the receive buffers. */
#include "resp/parser_priv.h"

#define CHUNK_MIN 256
#define CHUNK_MAX (16 * 1024)
#define ARGS_MIN  16

struct resp_owned *resp_owned_get(struct resp_parser *p)
{
	if (!p->owned) {
		p->owned = heap_zalloc(p->heap, sizeof(*p->owned));
		if (p->owned)
			p->owned->whole = p->gathering;
	}
	return p->owned;
}

size_t resp_parser_held(const struct resp_parser *p)
{
	return resp_parser_filling(p) + (p->owned != NULL ? p->owned->bytes : 0);
}

/* Chunks double, so that a lone straddling argument costs little and 100k of them few chunks. */
char *resp_owned_room(struct resp_parser *p, size_t len)
{
	struct resp_owned *o = resp_owned_get(p);
	if (!o)
		return NULL;
	struct resp_chunk *c = o->chunks;
	if (!c || c->cap - c->len < len) {
		size_t want = c ? RP_MIN(c->cap * 2, (size_t)CHUNK_MAX) : CHUNK_MIN;
		struct resp_chunk *fresh = heap_alloc(p->heap, sizeof(*fresh) + RP_MAX(want, len));
		if (!fresh)
			return NULL;
		fresh->cap = heap_usable(p->heap, fresh) - sizeof(*fresh);
		fresh->len = 0;
		o->bytes += fresh->cap;
		fresh->next = c;
		o->chunks = c = fresh;
	}
	char *room = c->data + c->len;
	c->len += len;
	return room;
}

bool resp_owned_set_blob(struct resp_parser *p, uint32_t i, struct blob *b)
{
	struct resp_owned *o = resp_owned_get(p);
	if (!o)
		return false;
	if (i >= o->blobs_cap) {
		uint32_t cap = RP_MAX((uint32_t)ARGS_MIN, i * 2);
		struct blob **blobs = heap_realloc(p->heap, o->blobs, cap * sizeof(*blobs));
		if (!blobs)
			return false;
		memset(blobs + o->blobs_cap, 0, (cap - o->blobs_cap) * sizeof(*blobs));
		o->blobs = blobs;
		o->blobs_cap = cap;
	}
	o->blobs[i] = b;
	o->bytes += b->cap;
	return true;
}

void resp_owned_free(struct resp_owned *o, struct heap *heap)
{
	if (!o)
		return;
	for (uint32_t i = 0; i < o->blobs_cap; i++)
		if (o->blobs[i])
			blob_unref(o->blobs[i], heap);
	for (struct resp_chunk *c = o->chunks, *next; c; c = next) {
		next = c->next;
		heap_free(heap, c);
	}
	heap_free(heap, o->blobs);
	heap_free(heap, o->argv);
	heap_free(heap, o);
}

static bool args_to_heap(struct resp_parser *p, const struct resp_out *out, uint32_t cap)
{
	struct slice *argv = heap_realloc(p->heap, p->argv, cap * sizeof(*argv));
	if (!argv)
		return false;
	if (!p->argv && p->argc > 0)
		memcpy(argv, out->arena, p->argc * sizeof(*argv));
	p->argv = argv;
	p->argv_cap = cap;
	return true;
}

bool resp_arg_push(struct resp_parser *p, const struct resp_out *out, const char *ptr, size_t len)
{
	uint32_t cap = p->argv ? p->argv_cap : out->arena_cap;
	if (rp_unlikely(p->argc == cap) && !args_to_heap(p, out, RP_MAX((uint32_t)ARGS_MIN, cap * 2)))
		return false;
	resp_args(p, out)[p->argc++] = (struct slice){ptr, len};
	return true;
}

bool resp_args_spill(struct resp_parser *p, const struct resp_out *out)
{
	return p->argv || p->argc == 0 || args_to_heap(p, out, RP_MAX((uint32_t)ARGS_MIN, p->argc));
}

struct blob *resp_request_take_blob(struct resp_request *req, uint32_t i)
{
	struct resp_owned *o = req->owned;
	if (rp_likely(!o) || i >= o->blobs_cap)
		return NULL;
	struct blob *b = o->blobs[i];
	o->blobs[i] = NULL;
	return b;
}

void resp_request_free(struct resp_request *req, struct heap *heap)
{
	resp_owned_free(req->owned, heap);
	req->owned = NULL;
}

bool resp_request_keep(struct resp_request *req, struct heap *heap)
{
	if (req->owned && req->owned->argv)
		return true;
	if (!req->owned) {
		req->owned = heap_zalloc(heap, sizeof(*req->owned));
		if (!req->owned)
			return false;
	}
	struct slice *argv = heap_alloc(heap, req->argc * sizeof(*argv));
	if (!argv)
		return false;
	memcpy(argv, req->argv, req->argc * sizeof(*argv));
	req->owned->argv = req->argv = argv;
	return true;
}

static bool is_blob(const struct resp_owned *o, uint32_t i)
{
	return i < o->blobs_cap && o->blobs[i];
}

bool resp_request_own(struct resp_request *req, struct heap *heap)
{
	size_t bytes = 0;
	if (!resp_request_keep(req, heap))
		return false;
	if (req->owned->whole)
		return true;
	for (uint32_t i = 0; i < req->argc; i++)
		bytes += is_blob(req->owned, i) ? 0 : req->argv[i].len;
	struct resp_chunk *c = heap_alloc(heap, sizeof(*c) + bytes);
	if (!c)
		return false;
	*c = (struct resp_chunk){.cap = bytes};
	for (uint32_t i = 0; i < req->argc; i++) {
		if (is_blob(req->owned, i))
			continue;
		memcpy(c->data + c->len, req->argv[i].ptr, req->argv[i].len);
		req->argv[i].ptr = c->data + c->len;
		c->len += req->argv[i].len;
	}
	for (struct resp_chunk *old = req->owned->chunks, *next; old; old = next) {
		next = old->next;
		heap_free(heap, old);
	}
	req->owned->chunks = c;
	req->owned->whole = true;
	return true;
}
