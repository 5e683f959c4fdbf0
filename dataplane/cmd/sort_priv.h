/* Shared by the files of SORT. */
#pragma once

#include "base/num.h"
#include "cmd/cmd.h"

struct sort_item {
	struct slice s; /* the element */
	union {
		double score;
		struct slice weight; /* ptr NULL: none */
	};
	uint64_t at; /* in the order before */
};

#define SORT_CHUNK (32 * 1024)
/* Texts of numbers. */
struct sort_chunk {
	struct sort_chunk *next;
	uint32_t used;
	char text[SORT_CHUNK - 16];
};

struct sort {
	struct cmd_ctx *c;
	/* the request's words */
	struct slice by; /* ptr NULL: by the element itself */
	bool unsorted;   /* BY a pattern without '*' */
	bool alpha, desc;
	bool of_set;
	int64_t offset, count; /* LIMIT */
	uint32_t gets;         /* GET: how many */
	uint32_t store_at;     /* argument of STORE; 0: none */
	/* the work */
	struct sort_item *item;
	uint64_t n;          /* elements loaded */
	uint64_t first, end; /* those wanted, among them */
	struct sort_chunk *chunks;
	bool bad_score;
};

/* A copy of a short text that lives as long as the command. ptr NULL: out of memory. */
struct slice sort_keep(struct sort *t, struct slice s);
/* What a pattern of BY or GET stands for, for that element; ptr NULL: nothing. An integer's text is in buf. *no_memory
 * is set if a name could not be made. */
struct slice sort_lookup(struct sort *t, struct slice pattern, struct slice element, char *buf, bool *no_memory);

/* Takes the wanted elements, or all if they are to be sorted, out of o (NULL: none). false: out of memory. */
bool sort_load(struct sort *t, const struct object *o);
/* false: out of memory, or bad_score. */
bool sort_weigh(struct sort *t);
/* Puts those between first and end into their places. */
void sort_order(struct sort *t);
