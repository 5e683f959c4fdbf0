/* A store that values are loaded into from bytes as RDB files have them, and shown as text. */
#pragma once

#include "fixture.h"
#include "store/rdb/rdb.h"

#define RDB_TEXT (1 << 20)

struct rdb_world {
	struct heap *heap, *own; /* the store's, and the one of who loads */
	struct store *s;
	struct rng rng;
	struct type_limits limits;
	char text[RDB_TEXT];
};

struct rdb_world *rdb_world_create(uint64_t seed);
/* Checks that nothing is left. */
void rdb_world_destroy(struct rdb_world *w);
/* Loads a copy of the bytes of exactly that length, so that ASan knows their end. *rest (may be NULL): bytes that were
 * not read. */
enum rdb_loaded rdb_world_load(struct rdb_world *w, struct slice key, const void *p, size_t len, int64_t expire_at_ms,
			       size_t *rest);
/* "list listpack: a, b"; "none". Valid until the next call. */
const char *rdb_world_show(struct rdb_world *w, struct slice key);
/* The same of a key of any store. */
const char *rdb_world_show_in(struct rdb_world *w, struct store *s, uint32_t db, struct slice key);
