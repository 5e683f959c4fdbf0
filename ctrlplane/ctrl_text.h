/* Text that grows, for the answers that people read: INFO, CLIENT LIST, the doctors. Control thread only. */
#pragma once

#include "resp/reply.h"

struct text {
	char *buf; /* NUL-terminated; NULL while empty */
	size_t len, cap;
	bool failed; /* memory ran out: the text is not complete */
};

void text_add(struct text *t, const char *fmt, ...) RP_PRINTF(2, 3);
void text_free(struct text *t);
/* Answers with the text (verbatim in RESP3), or with an error if it is not complete, and frees it. */
void text_reply(struct text *t, struct reply *r);

#define TEXT_HUMAN_CHARS 32
/* "512B", "1.50K", ... "3.25P" as Redis prints bytes. Returns buf. */
const char *text_human(uint64_t bytes, char buf[TEXT_HUMAN_CHARS]);
/* The same for the argument of one text_add(). */
#define TEXT_HUMAN(bytes) text_human((bytes), (char[TEXT_HUMAN_CHARS]){0})
