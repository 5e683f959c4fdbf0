/* EVAL's scripts by their SHA-1. They stay until SCRIPT FLUSH. */
#pragma once

#include "ctrlplane/script/script_meta.h"

struct script {
	struct script_code code;
	uint8_t digest[SHA1_BYTES];
	char sha[SHA1_BYTES * 2 + 1];
	bool known; /* it has run: how it behaves is remembered in `wide` */
	bool wide;  /* it uses keys that are not among its KEYS */
	struct script *next;
	char text[];
};

struct script_cache;

struct script_cache *script_cache_create(struct script_engine *e);
void script_cache_destroy(struct script_cache *c);
/* 40 hexadecimal digits, any case. NULL: no such script. */
struct script *script_cache_find(const struct script_cache *c, struct slice sha);
struct script *script_cache_get(const struct script_cache *c, const uint8_t digest[SHA1_BYTES]);
/* Compiles a text that is not there yet. NULL: `why` has the error reply's text. */
struct script *script_cache_add(struct script_cache *c, struct slice text, const uint8_t digest[SHA1_BYTES],
				char why[SCRIPT_WHY_MAX]);
void script_cache_flush(struct script_cache *c);
/* Any thread: snapshots. */
uint64_t script_cache_count(const struct script_cache *c);
uint64_t script_cache_bytes(const struct script_cache *c);
