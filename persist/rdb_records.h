/* Records of an RDB file become keys of a store. */
#pragma once

#include "persist/rdb_file.h"

enum rdb_use { /* what was said of a key's use */
	RDB_USE_NONE,
	RDB_USE_IDLE,
	RDB_USE_FREQ
};

/* Where a record stands, and what was said before it. */
struct rdb_record {
	const uint8_t *at;    /* its type byte */
	int64_t expire_at_ms; /* or STORE_NO_EXPIRE */
	uint32_t db;
	uint32_t use; /* seconds or frequency */
	uint8_t kind; /* enum rdb_use */
};

/* Records of one shard, out of one block of the file. */
struct rdb_records {
	struct store *s;
	struct heap *heap; /* of the thread that runs it */
	struct rng *rng;
	const struct type_limits *limits;
	const uint8_t *begin, *end; /* the block */
	uint64_t off;               /* of the block in the file */
	bool merge;                 /* a key that is there gives way; else that is an error */
	uint32_t n;
	const struct rdb_record *rec;
	/* results */
	uint64_t loaded;
	bool failed;
	struct err err;
};
/* Loads them all; stops at the first that is wrong. The holder of the shard. */
void rdb_records_load(struct rdb_records *r);
