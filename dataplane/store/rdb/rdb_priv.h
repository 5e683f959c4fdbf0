/* The encoding of lengths: the first two bits of a byte. */
#pragma once

#include "store/rdb/rdb.h"

#define LEN_14      1u    /* 14 bits, big-endian */
#define LEN_32      0x80u /* whole byte: 4 bytes follow, big-endian */
#define LEN_64      0x81u
#define LEN_ENCODED 3u /* the other six bits say how a string is encoded */

#define LEN_MAX_BYTES 9

#define ENC_INT8  0u
#define ENC_INT16 1u
#define ENC_INT32 2u
#define ENC_LZF   3u

#define INT_TEXT_MAX 11 /* longer texts are no integer of 32 bits */
#define LZF_MIN      20 /* longer strings are worth a try */

/* ---- old containers, as streams of strings (rdb_old.c) ---- */
typedef bool (*rdb_item_fn)(void *ctx, struct slice item); /* false: stop */
/* Every entry of a listpack. false: it is none, or fn stopped. (rdb_load.c) */
bool listpack_each(const uint8_t *p, size_t len, rdb_item_fn fn, void *ctx);
/* Every entry of a ziplist. false: it is no ziplist, or fn stopped. */
bool ziplist_each(const uint8_t *p, size_t len, rdb_item_fn fn, void *ctx);
/* Field, value, field, ... of a zipmap. */
bool zipmap_each(const uint8_t *p, size_t len, rdb_item_fn fn, void *ctx);

/* ---- hashes (rdb_hash.c) ---- */
void rdb_put_hash(struct rdb_out *w, const struct object *o);
uint8_t rdb_hash_type(const struct object *o);
/* The body of a table, field by field; false: that was the last. */
void rdb_hash_begin(struct rdb_out *w, const struct object *o, struct hash_iter *walk);
bool rdb_hash_next(struct rdb_out *w, struct hash_iter *walk);
enum rdb_loaded rdb_load_hash(struct rdb_in *r, uint8_t type, const struct rdb_target *t);

/* ---- streams (rdb_stream.c) ---- */
void rdb_put_stream(struct rdb_out *w, const struct object *o);
/* The same, step by step; false: that was the last. */
void rdb_stream_begin(struct rdb_slices *x, struct rdb_out *w);
bool rdb_stream_next(struct rdb_slices *x, struct rdb_out *w);

/* ---- lists (rdb_save.c) ---- */
struct list_node;
void rdb_put_list_node(struct rdb_out *w, const struct list_node *n);
enum rdb_loaded rdb_load_stream(struct rdb_in *r, uint8_t type, const struct rdb_target *t);
