/* The frame of an RDB file: what stands around the keys.
 *
 *   "REDIS0010"  AUX...  FUNCTION2...  { SELECTDB RESIZEDB? { EXPIRETIME_MS? IDLE|FREQ? type key value }... }...  EOF
 * CRC64
 *
 * Written: version 10 (12 only if fields of a hash expire, which 10 cannot say). Read: versions 1 to 12, which is more
 * than redis-server 7.2 reads. Values are those of store/rdb/rdb.h.
 */
#pragma once

#include "store/rdb/rdb.h"

#define RDB_HEAD_BYTES 9

/* ---- functions: who owns them hands their libraries' source over and takes it back ---- */

typedef bool (*rdb_function_put_fn)(void *arg, struct slice code);
struct rdb_functions {
	void *ctx;
	/* Calls put for each library's source until it returns false. False: not all could be had. Control thread. */
	bool (*each)(void *ctx, rdb_function_put_fn put, void *arg);
	/* A library read from a file. replace: one of the same name gives way. 0, or -1 with *e. Control thread. */
	int (*load)(void *ctx, struct slice code, bool replace, struct err *e);
	/* Before a load that begins with nothing (DEBUG RELOAD). */
	void (*clear)(void *ctx);
};

/* ---- writing ---- */

struct rdb_head {
	uint16_t version;
	const char *redis_ver;
	int64_t ctime_s;
	uint64_t used_mem;
	bool aof_base;                         /* the base file of an append-only file */
	const struct rdb_functions *functions; /* or NULL */
};
void rdb_put_head(struct rdb_out *w, const struct rdb_head *h);
void rdb_put_aux(struct rdb_out *w, struct slice name, struct slice value);
void rdb_put_selectdb(struct rdb_out *w, uint32_t db);
void rdb_put_resizedb(struct rdb_out *w, uint64_t keys, uint64_t expires);

/* ---- reading ---- */

/* What the scanner found. */
struct rdb_item {
	enum rdb_item_kind {
		RDB_ITEM_HEAD,     /* number: the version */
		RDB_ITEM_KEY,      /* at: its type byte; len to the value's end */
		RDB_ITEM_SELECTDB, /* number */
		RDB_ITEM_RESIZEDB, /* number, number2: keys, keys with a TTL */
		RDB_ITEM_AUX,      /* name, text */
		RDB_ITEM_FUNCTION, /* text */
		RDB_ITEM_END,      /* EOF and checksum; it is right, or there is none */
	} kind;
	const uint8_t *at;
	size_t len;
	struct slice key; /* as it stands in the file, or unpacked */
	int64_t expire_at_ms;
	int64_t idle_s, freq; /* -1: not said */
	uint64_t number, number2;
	struct slice name, text;
};

enum rdb_scan_result {
	RDB_SCAN_ITEM,
	RDB_SCAN_MORE, /* the next item is not complete in what was given */
	RDB_SCAN_BAD,  /* *e says what and where */
};

/* Finds the ends of items without building them; a length is believed only as far as bytes are there. */
struct rdb_scan {
	struct heap *heap; /* the caller's own, for unpacking keys */
	uint16_t version;  /* of the file; 0: the head was not read yet */
	bool check_crc;    /* rdbchecksum */
	uint64_t off;      /* in the file, of what comes next */
	/* private */
	uint64_t crc; /* up to crc_from */
	const uint8_t *crc_from;
	size_t crc_len; /* bytes taken from there on, not in crc yet */
	struct rdb_str key, name, text;
};
void rdb_scan_init(struct rdb_scan *s, struct heap *heap, bool check_crc);
void rdb_scan_fini(struct rdb_scan *s);
/* The item at the front of [p, p + len); *used: its bytes, to be passed by. at_end: nothing follows these bytes, so
 * what is incomplete is cut off. Slices of *out are good until the next call. */
enum rdb_scan_result rdb_scan_next(struct rdb_scan *s, const uint8_t *p, size_t len, bool at_end, size_t *used,
				   struct rdb_item *out, struct err *e);
/* Before the bytes of earlier calls are moved or changed. */
void rdb_scan_moved(struct rdb_scan *s);

enum rdb_skipped {
	RDB_SKIPPED,
	RDB_CUT, /* the bytes end before it does */
	RDB_NONSENSE
};
/* Moves *p past the value of `type`. */
enum rdb_skipped rdb_skip_value(uint8_t type, const uint8_t **p, const uint8_t *end);
/* ... past a string. */
enum rdb_skipped rdb_skip_string(const uint8_t **p, const uint8_t *end);
/* A length that is no special encoding. */
enum rdb_skipped rdb_skip_len(const uint8_t **p, const uint8_t *end, uint64_t *len);
