/* A store beside a plain table that says what must be in it. Every operation goes to both. */
#pragma once

#include "fixture.h"
#include "store/store.h"

#define MODEL_DBS    3
#define MODEL_KEYS   200
#define MODEL_NO_TTL ((int64_t)-1)

struct model_entry {
	bool in;
	char *value;
	size_t len;
	int64_t at_ms;
	uint32_t version;
};

struct model {
	struct heap *heap;
	struct store *s;
	struct rng rng;
	int64_t now_ms;
	struct model_entry e[MODEL_DBS][MODEL_KEYS];
	char key[MODEL_KEYS][48];
	char *scratch; /* a megabyte of random bytes */
	struct journal journal;
	/* what the hooks saw */
	uint32_t before_write, created, expired_events, misses, journal_dels;
	uint64_t expired; /* that the table knows of */
	struct slice last_write_key;
	bool hints;
};

struct model *model_create(uint64_t seed, uint32_t index_initial);
/* Empties the store and checks that all memory came back. */
void model_destroy(struct model *m);

struct slice model_key(struct model *m, uint32_t k);
/* The table's view now: expired entries are gone. */
struct model_entry *model_entry(struct model *m, uint32_t db, uint32_t k);
void model_set(struct model *m, uint32_t db, uint32_t k, const char *v, size_t len, int64_t at_ms);
void model_unset(struct model_entry *e);

/* The store agrees about one key. */
void model_check(struct model *m, uint32_t db, uint32_t k);
/* About everything, counts included, after all due work is done. */
void model_check_all(struct model *m);
void model_advance(struct model *m, int64_t by_ms);
