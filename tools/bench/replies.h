/* Counts complete RESP2 and RESP3 replies in a stream that may be cut anywhere. Nothing is kept of a reply but what is
 * needed to find its end. */
#pragma once

#include "base/defs.h"

struct reply_reader {
	uint64_t left;   /* elements of the reply under way that are still to come; 0: between replies */
	uint64_t number; /* of a length line, then bytes of the bulk that are still to come, its CRLF included */
	uint64_t bulk;   /* length of the bulk under way */
	uint8_t state;   /* 0: at a type byte */
	char type;       /* of the element under way */
	char top;        /* of the reply under way */
	bool minus, digits, nil;
	bool alone; /* the element under way is the reply itself */
};

/* Who is told. A function that is NULL is not called. */
struct reply_sink {
	void *ctx;
	/* A reply is complete. type: its first byte; nil: $-1, *-1 or _ */
	void (*reply)(void *ctx, char type, bool nil);
	/* An element inside of a reply begins, at whatever depth: its first byte, and nil as above. Such as belong to
	 * attributes count. */
	void (*element)(void *ctx, char type, bool nil);
	/* Bytes of a reply that is a bulk string: n bytes from off on, of total. Those of an element follow its
	 * element(); nobody is told if that is NULL. */
	void (*bulk)(void *ctx, const char *p, size_t n, uint64_t off, uint64_t total);
	/* Bytes of the line of an error without its first byte, whether it is a reply or stands inside of one. last:
	 * with the end of the line. */
	void (*error)(void *ctx, const char *p, size_t n, bool last);
};

/* 0, or -1: this is not RESP; the reader is of no more use then. */
int replies_feed(struct reply_reader *r, const char *p, size_t len, const struct reply_sink *s);
