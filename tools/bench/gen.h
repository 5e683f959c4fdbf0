/* Requests from templates. A template is a whole request in RESP, or several commands that count as one (a
 * transaction); writing a request is one copy and the digits of its keys. All requests of a template have the same
 * length: keys have 12 digits, values a fixed size.
 *
 * In the words of a command __rand_int__ stands for the digits of a key, drawn anew at each place, and __data__ for a
 * value that follows from the key drawn before it, so that a reply can be checked without remembering what was
 * written. */
#pragma once

#include "base/err.h"
#include "keys.h"

#define GEN_KEY_DIGITS 12
#define GEN_MAX_KEYS   UINT64_C(1000000000000)
#define GEN_MAX_SLOTS  64
#define GEN_MAX_BYTES  (16u << 20)

struct gen_slot {
	uint32_t off;
	bool value; /* otherwise a key */
};

struct gen {
	char *bytes;
	uint32_t len;
	uint32_t value_len;
	uint32_t replies; /* one for each command */
	uint32_t nslots;
	struct gen_slot slot[GEN_MAX_SLOTS];
};

/* Words of a command; `;` alone stands between commands. 0, or -1 with *e. */
int gen_init(struct gen *g, const char *const *words, uint32_t nwords, uint32_t value_len, struct err *e);
/* A request as it stands, without placeholders. */
int gen_init_raw(struct gen *g, const char *text, struct err *e);
void gen_fini(struct gen *g);
/* Writes g->len bytes; returns the first key drawn, 0 if none. */
uint64_t gen_write(const struct gen *g, struct keys *k, char *out);

/* The value of a key, from byte `off` on; off must be a multiple of 8. */
void gen_value(char *out, uint64_t key, uint64_t off, size_t len);
/* Are these the bytes from `off` on of the value of key? */
bool gen_value_is(const char *bytes, uint64_t key, uint64_t off, size_t len);
