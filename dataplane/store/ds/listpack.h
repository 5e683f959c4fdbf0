/* Listpack: small strings and integers in one run of bytes, in the very format of Redis's RDB files and DUMP: 4 bytes
 * total length, 2 bytes count (65535: count by walking), entries, 0xff; little-endian. An entry is its encoded value
 * and, read backwards, its length.
 *
 * Entries are named by their offset; 0 is no entry. An edit moves the entries behind it. Readers trust the bytes: what
 * comes from outside passes lp_valid() first. Owner: the holder of the shard.
 */
#pragma once

#include "base/num.h"
#include "store/ds/cbuf.h"

#define LP_EMPTY_BYTES 7 /* of a listpack without entries */
#define LP_MAX_BYTES   (1u << 30)

/* Writes an empty one; p has LP_EMPTY_BYTES. */
void lp_init(uint8_t *p);
size_t lp_bytes(const uint8_t *p);
/* Entries; O(n) from 65535 on. */
uint32_t lp_count(const uint8_t *p);
/* Checks everything that readers rely on, header, each entry, back lengths, count, terminator, within len bytes. */
bool lp_valid(const uint8_t *p, size_t len);

size_t lp_first(const uint8_t *p);
size_t lp_last(const uint8_t *p);
size_t lp_next(const uint8_t *p, size_t off);
size_t lp_prev(const uint8_t *p, size_t off);
/* Offset of the entry at that index (negative from the end); walks from the nearer end. */
size_t lp_seek(const uint8_t *p, int64_t index);
/* Where an entry after the last would stand: lp_insert() there appends. */
size_t lp_end(const uint8_t *p);

/* The entry as a string; an integer is formatted into buf (NUM_I64_CHARS). Valid until the next edit. */
struct slice lp_get(const uint8_t *p, size_t off, char *buf);
/* True if it is kept as an integer. */
bool lp_get_i64(const uint8_t *p, size_t off, int64_t *v);
/* Equal to this string? `num`/`is_num`: the string as lp_key_of() made it, so that a walk parses it once. */
struct lp_key {
	struct slice s;
	int64_t num;
	bool is_num;
};
struct lp_key lp_key_of(struct slice s);
bool lp_eq(const uint8_t *p, size_t off, const struct lp_key *k);
/* First entry from `off` on that equals k, looking at every (skip + 1)th. 0: none. */
size_t lp_find(const uint8_t *p, size_t off, const struct lp_key *k, uint32_t skip);

/* Bytes that v takes as an entry. */
size_t lp_entry_bytes(struct slice v);
/* Bytes that the entry at off takes. */
size_t lp_entry_size(const uint8_t *p, size_t off);

/* Edits. b holds a listpack (b->len = lp_bytes). A string that reads as an integer is kept as one, as Redis does. v
 * must not lie in b. false: out of memory, nothing changed. */
bool lp_insert(struct cbuf *b, size_t off, struct slice v); /* before the entry at off, or at lp_end() */
bool lp_append(struct cbuf *b, struct slice v);
bool lp_prepend(struct cbuf *b, struct slice v);
bool lp_replace(struct cbuf *b, size_t off, struct slice v);
bool lp_append_i64(struct cbuf *b, int64_t v);
bool lp_replace_i64(struct cbuf *b, size_t off, int64_t v);
/* Removes n entries from off on (fewer if there are not so many). */
void lp_delete(struct cbuf *b, size_t off, uint32_t n);
/* Appends all entries of another listpack. */
bool lp_concat(struct cbuf *b, const uint8_t *other);
/* Removes the first `max` entries from `from` on that equal k, in one pass. Returns how many. */
uint32_t lp_delete_equal(struct cbuf *b, size_t from, const struct lp_key *k, uint32_t max);

/* Several appends at once: there is room for all of them (cbuf_reserve()) and none makes it too long. Between begin and
 * end the bytes are no listpack. */
struct lp_writer {
	struct cbuf *b;
	uint8_t *at;
	uint32_t n;
};
void lp_writer_begin(struct lp_writer *w, struct cbuf *b);
void lp_writer_put(struct lp_writer *w, struct slice v);
void lp_writer_put_i64(struct lp_writer *w, int64_t v);
void lp_writer_end(struct lp_writer *w);

/* For a listpack that need not begin where its block does: an edit at its front moves its head instead of its entries.
 * Both return where it begins then. */
/* v is written into the `room` bytes before p. NULL: they are too few, nothing changed. */
uint8_t *lp_push_front(uint8_t *p, size_t room, struct slice v);
/* Drops n entries, or all. */
uint8_t *lp_drop_front(uint8_t *p, uint32_t n);
