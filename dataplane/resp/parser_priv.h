/* Inside of the parser: what a request owns, and the slow paths behind resp_parser_next(). */
#pragma once

#include "resp/cursor.h"
#include "resp/parser.h"

/* Memory for copied argument bytes; arguments are packed into it one after the other. */
struct resp_chunk {
	struct resp_chunk *next;
	size_t cap, len;
	char data[];
};

struct resp_owned {
	struct resp_chunk *chunks; /* newest first; only that one is filled further */
	struct slice *argv;        /* the request's argument array, if it is not in the caller's arena */
	struct blob **blobs;       /* by argument; NULL entries were not received as a blob, or were taken */
	uint32_t blobs_cap;
	size_t bytes; /* of chunks and blobs */
	bool whole;   /* nothing of the request lies in receive buffers */
};

/* Where argument slices go while a request is read: the caller's arena, or p->argv once that is set. */
struct resp_out {
	struct slice *arena;
	uint32_t arena_cap;
};

static inline struct slice *resp_args(const struct resp_parser *p, const struct resp_out *out)
{
	return p->argv ? p->argv : out->arena;
}

/* owned.c. All return NULL or false when out of memory. */
struct resp_owned *resp_owned_get(struct resp_parser *p);
char *resp_owned_room(struct resp_parser *p, size_t len);
bool resp_owned_set_blob(struct resp_parser *p, uint32_t i, struct blob *b);
void resp_owned_free(struct resp_owned *o, struct heap *heap);
/* Appends an argument, moving the array to the heap when the arena is full. */
bool resp_arg_push(struct resp_parser *p, const struct resp_out *out, const char *ptr, size_t len);
/* Moves the array out of the arena: the request outlives this call. */
bool resp_args_spill(struct resp_parser *p, const struct resp_out *out);

/* parser_slow.c: any multibulk request, resumable. */
enum resp_status resp_slow_multibulk(struct resp_parser *p, struct bufq *q, const struct resp_limits *lim,
				     const struct resp_out *out);
/* inline.c: a line typed by a person. */
enum resp_status resp_slow_inline(struct resp_parser *p, struct bufq *q, const struct resp_out *out);
enum resp_status resp_fail(struct resp_parser *p, const char *text);
