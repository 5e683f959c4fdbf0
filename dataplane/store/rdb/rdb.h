/* Values as Redis writes them into RDB files and DUMP payloads: version 10, which redis-server 7.0 and later read.
 * Values of all versions up to 12 are read.
 *
 * Owner of the values: the holder of the shard. Nothing here trusts what it reads: no length is believed beyond the
 * bytes that are there.
 */
#pragma once

#include "base/num.h"
#include "base/rng.h"
#include "store/hash.h"
#include "store/set.h"
#include "store/zset.h"

#define RDB_VERSION      10 /* that is written */
#define RDB_VERSION_READ 12 /* newest that is read */
#define RDB_VERSION_TTL  12 /* of hashes whose fields expire: Redis 7.4 and later read them */

enum rdb_type { /* of values; the first byte */
	RDB_STRING = 0,
	RDB_LIST = 1,
	RDB_SET = 2,
	RDB_ZSET = 3, /* scores as text */
	RDB_HASH = 4,
	RDB_ZSET_2 = 5, /* scores as 8 bytes */
	RDB_HASH_ZIPMAP = 9,
	RDB_LIST_ZIPLIST = 10,
	RDB_SET_INTSET = 11,
	RDB_ZSET_ZIPLIST = 12,
	RDB_HASH_ZIPLIST = 13,
	RDB_LIST_QUICKLIST = 14, /* of ziplists */
	RDB_STREAM = 15,
	RDB_HASH_LISTPACK = 16,
	RDB_ZSET_LISTPACK = 17,
	RDB_LIST_QUICKLIST_2 = 18, /* of listpacks and plain nodes */
	RDB_STREAM_2 = 19,
	RDB_SET_LISTPACK = 20, /* 7.2 */
	RDB_STREAM_3 = 21,     /* 7.2 */
	RDB_HASH_TTL = 24,     /* 7.4 */
	RDB_HASH_LISTPACK_TTL = 25,
};

enum rdb_opcode { /* first byte of what is no key */
	RDB_OP_SLOT_INFO = 244,
	RDB_OP_FUNCTION2 = 245,
	RDB_OP_FUNCTION = 246, /* of a release candidate of 7.0; no released version has it */
	RDB_OP_MODULE_AUX = 247,
	RDB_OP_IDLE = 248,
	RDB_OP_FREQ = 249,
	RDB_OP_AUX = 250,
	RDB_OP_RESIZEDB = 251,
	RDB_OP_EXPIRETIME_MS = 252,
	RDB_OP_EXPIRETIME = 253,
	RDB_OP_SELECTDB = 254,
	RDB_OP_EOF = 255
};

/* ---- writing (rdb_out.c) ---- */

/* A growing buffer. `failed`: out of memory, what was written is of no use. */
struct rdb_out {
	struct heap *heap; /* the caller's thread's own */
	uint8_t *p;
	size_t len, cap;
	bool compress; /* LZF, as rdbcompression */
	bool failed;
};
void rdb_out_init(struct rdb_out *w, struct heap *heap, bool compress);
void rdb_out_fini(struct rdb_out *w);
void rdb_put_raw(struct rdb_out *w, const void *data, size_t len);
void rdb_put_u8(struct rdb_out *w, uint8_t v);
void rdb_put_len(struct rdb_out *w, uint64_t v);
/* As an integer or compressed where that is shorter, as Redis does. */
void rdb_put_string(struct rdb_out *w, struct slice s);
void rdb_put_i64_string(struct rdb_out *w, int64_t v);
void rdb_put_double(struct rdb_out *w, double v); /* 8 bytes */
void rdb_put_i64(struct rdb_out *w, int64_t v);   /* 8 bytes */
/* Version that a reader of the value must know. */
uint16_t rdb_version_of(const struct object *o);
/* Type and value (rdb_save.c). */
void rdb_put_value(struct rdb_out *w, const struct object *o);
uint8_t rdb_type_of(const struct object *o);
/* The value alone. */
void rdb_put_body(struct rdb_out *w, const struct object *o);

/* ---- payloads of DUMP (rdb_payload.c) ---- */

/* Behind all that was written. */
void rdb_put_footer(struct rdb_out *w, uint16_t version);
/* *body: what stands before the footer. false: checksum or version are wrong. */
bool rdb_payload_open(struct slice p, struct slice *body);

/* A large value, written in slices: it must not change meanwhile (rdb_slices.c). */
struct rdb_slices {
	const struct object *o;
	const void *at; /* list: the next node */
	uint32_t stage; /* stream */
	uint64_t left;  /* elements of what is being written */
	uint64_t groups_left, cons_left;
	struct btree_pos group, con, pos;
	union {
		struct set_iter set;
		struct ziter zset;
		struct hash_iter hash;
	};
};
/* Is it so large that it should be written in slices? */
bool rdb_is_large(const struct object *o);
void rdb_slices_begin(struct rdb_slices *x, struct rdb_out *w, const struct object *o);
/* Goes on until `until_tsc`, or until w holds `until_bytes`; at least one element. True: all is written. */
bool rdb_slices_next(struct rdb_slices *x, struct rdb_out *w, uint64_t until_tsc, size_t until_bytes);

/* ---- reading (rdb_in.c) ---- */

struct rdb_in {
	const uint8_t *p, *end;
	struct heap *heap; /* for what must be unpacked: the caller's thread's own */
	bool bad;          /* nonsense was met; further reads give zeros */
	bool nomem;        /* then bad is set too */
};
/* A string read: bytes of the input, or unpacked ones that rdb_str_free() gives back. */
struct rdb_str {
	struct slice s;
	char *own; /* from the input's heap, or NULL */
	char num[NUM_I64_CHARS];
};
const uint8_t *rdb_get_raw(struct rdb_in *r, size_t len);
uint8_t rdb_get_u8(struct rdb_in *r);
/* A length; one that stands for a special encoding is bad. */
uint64_t rdb_get_len(struct rdb_in *r);
/* false: bad. */
bool rdb_get_string(struct rdb_in *r, struct rdb_str *out);
void rdb_str_free(struct rdb_in *r, struct rdb_str *s);
double rdb_get_double(struct rdb_in *r);      /* 8 bytes */
double rdb_get_text_double(struct rdb_in *r); /* of RDB_ZSET */
int64_t rdb_get_i64(struct rdb_in *r);

/* Where a value goes. */
struct rdb_target {
	struct store *s;
	uint32_t db;
	struct slice key;
	int64_t expire_at_ms; /* or STORE_NO_EXPIRE */
	const struct type_limits *limits;
	struct rng *rng;
	bool deep; /* look for what only a forger would write: members that stand twice in one listpack */
};
enum rdb_loaded {
	RDB_LOADED,
	RDB_EMPTY, /* a collection without members, or with expired fields only: there is no such key */
	RDB_BAD,
	RDB_NO_MEMORY
};
/* Sets the key, whatever it was, to the value that follows. Nothing is changed unless RDB_LOADED. (rdb_load.c) */
enum rdb_loaded rdb_load_value(struct rdb_in *r, uint8_t type, const struct rdb_target *t);
