/* Entries, by their first byte:
 *
 *   0vvvvvvv                integer 0..127
 *   10llllll                string of up to 63 bytes
 *   110vvvvv v8             integer of 13 bits, signed, high bits first
 *   1110llll l8             string of up to 4095 bytes, high bits first
 *   0xf0 l32                string
 *   0xf1 .. 0xf4            integer of 16, 24, 32, 64 bits
 *   0xff                    end
 *
 * The back length counts first byte to last data byte, 7 bits a byte, low bits last; all but the first have bit 7 set.
 */
#include "store/ds/listpack.h"

#define LP_HEAD          6
#define LP_END           0xff
#define LP_COUNT_UNKNOWN 0xffff

/* One entry's head: where its data starts and how long that is. For an integer within the first byte(s), len is 0. */
struct head {
	uint32_t head, len;
	bool is_int;
};

/* What an entry of a given string looks like. */
struct coded {
	uint8_t head[9], back[5];
	uint8_t head_len, back_len;
	struct slice data;
};

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t count_field(const uint8_t *p)
{
	return (uint32_t)p[4] | (uint32_t)p[5] << 8;
}

static void set_count(uint8_t *p, uint32_t n)
{
	n = RP_MIN(n, LP_COUNT_UNKNOWN);
	p[4] = (uint8_t)n;
	p[5] = (uint8_t)(n >> 8);
}

/* After an edit: b->len and a count that changed by add - del. An unknown count stays so. */
static void update_head(struct cbuf *b, uint32_t add, uint32_t del)
{
	uint32_t n = count_field(b->p);
	store32(b->p, (uint32_t)b->len);
	if (n == LP_COUNT_UNKNOWN || add == LP_COUNT_UNKNOWN)
		set_count(b->p, LP_COUNT_UNKNOWN);
	else
		set_count(b->p, n + add - del);
}

/* The bounds are the format's: the longest length of each size but the first takes one byte more than needed. */
static inline uint32_t back_bytes(size_t len)
{
	return len <= 127 ? 1 : len < 16383 ? 2 : len < 2097151 ? 3 : len < 268435455 ? 4 : 5;
}

static uint8_t back_encode(uint8_t *out, size_t len)
{
	uint32_t n = back_bytes(len);
	for (uint32_t i = 0; i < n; i++)
		out[i] = (uint8_t)(len >> 7 * (n - 1 - i) & 127) | (i > 0 ? 128 : 0);
	return (uint8_t)n;
}

/* `at`: the last byte of a back length. */
static inline size_t back_decode(const uint8_t *at)
{
	size_t v = *at & 127;
	for (uint32_t shift = 7; *at & 128; shift += 7)
		v |= (size_t)(*--at & 127) << shift;
	return v;
}

static struct head head_of_large(const uint8_t *e)
{
	if ((*e & 0xf0) == 0xe0)
		return (struct head){2, (uint32_t)(e[0] & 0x0f) << 8 | e[1], false};
	switch (*e) {
	case 0xf0:
		return (struct head){5, load32(e + 1), false};
	case 0xf1:
		return (struct head){1, 2, true};
	case 0xf2:
		return (struct head){1, 3, true};
	case 0xf3:
		return (struct head){1, 4, true};
	default:
		return (struct head){1, 8, true};
	}
}

static inline struct head head_of(const uint8_t *e)
{
	if (rp_likely((*e & 0xc0) == 0x80))
		return (struct head){1, *e & 0x3f, false};
	if (*e < 0x80)
		return (struct head){1, 0, true};
	if ((*e & 0xe0) == 0xc0)
		return (struct head){2, 0, true};
	return head_of_large(e);
}

static inline size_t size_of(struct head h)
{
	size_t n = (size_t)h.head + h.len;
	return n + back_bytes(n);
}

static int64_t int_of(const uint8_t *e)
{
	if (*e < 0x80)
		return *e;
	if (*e < 0xf0)
		return ((int64_t)(((uint32_t)e[0] & 0x1f) << 8 | e[1]) ^ 0x1000) - 0x1000;
	uint32_t bytes = *e == 0xf4 ? 8 : *e - 0xefu;
	uint64_t v = 0;
	for (uint32_t i = 0; i < bytes; i++)
		v |= (uint64_t)e[1 + i] << 8 * i;
	uint32_t unused = 64 - 8 * bytes;
	return (int64_t)(v << unused) >> unused;
}

/* ---- reading ---- */

void lp_init(uint8_t *p)
{
	store32(p, LP_EMPTY_BYTES);
	set_count(p, 0);
	p[LP_HEAD] = LP_END;
}

size_t lp_bytes(const uint8_t *p)
{
	return load32(p);
}

uint32_t lp_count(const uint8_t *p)
{
	uint32_t n = count_field(p);
	if (rp_likely(n != LP_COUNT_UNKNOWN))
		return n;
	n = 0;
	for (size_t off = lp_first(p); off != 0; off = lp_next(p, off))
		n++;
	return n;
}

size_t lp_first(const uint8_t *p)
{
	return p[LP_HEAD] == LP_END ? 0 : LP_HEAD;
}

size_t lp_end(const uint8_t *p)
{
	return lp_bytes(p) - 1;
}

size_t lp_next(const uint8_t *p, size_t off)
{
	off += size_of(head_of(p + off));
	return p[off] == LP_END ? 0 : off;
}

size_t lp_prev(const uint8_t *p, size_t off)
{
	if (off == LP_HEAD)
		return 0;
	size_t n = back_decode(p + off - 1);
	return off - n - back_bytes(n);
}

size_t lp_last(const uint8_t *p)
{
	return lp_prev(p, lp_end(p));
}

size_t lp_seek(const uint8_t *p, int64_t index)
{
	int64_t n = count_field(p);
	if (n != LP_COUNT_UNKNOWN) {
		if (index >= n || index < -n)
			return 0;
		if (index >= 0 && index > n / 2)
			index -= n;
		else if (index < -(n / 2))
			index += n;
	}
	size_t off = index < 0 ? lp_last(p) : lp_first(p);
	for (; index > 0 && off != 0; index--)
		off = lp_next(p, off);
	for (; index < -1 && off != 0; index++)
		off = lp_prev(p, off);
	return off;
}

struct slice lp_get(const uint8_t *p, size_t off, char *buf)
{
	struct head h = head_of(p + off);
	if (!h.is_int)
		return (struct slice){(const char *)p + off + h.head, h.len};
	return (struct slice){buf, num_format_i64(buf, int_of(p + off))};
}

bool lp_get_i64(const uint8_t *p, size_t off, int64_t *v)
{
	if (!head_of(p + off).is_int)
		return false;
	*v = int_of(p + off);
	return true;
}

struct lp_key lp_key_of(struct slice s)
{
	struct lp_key k = {.s = s};
	k.is_num = num_parse_i64(s, &k.num);
	return k;
}

static inline bool entry_eq(const uint8_t *e, struct head h, const struct lp_key *k)
{
	if (h.is_int)
		return k->is_num && int_of(e) == k->num;
	return h.len == k->s.len && memcmp(e + h.head, k->s.ptr, h.len) == 0;
}

bool lp_eq(const uint8_t *p, size_t off, const struct lp_key *k)
{
	return entry_eq(p + off, head_of(p + off), k);
}

size_t lp_find(const uint8_t *p, size_t off, const struct lp_key *k, uint32_t skip)
{
	uint32_t pass = 0;
	if (off == 0)
		return 0;
	while (p[off] != LP_END) {
		struct head h = head_of(p + off);
		if (pass > 0)
			pass--;
		else if (entry_eq(p + off, h, k))
			return off;
		else
			pass = skip;
		off += size_of(h);
	}
	return 0;
}

size_t lp_entry_size(const uint8_t *p, size_t off)
{
	return size_of(head_of(p + off));
}

/* ---- checking ---- */

/* Bytes of the entry's first part that head_of() looks at; 0: no entry starts so. */
static uint32_t head_bytes(uint8_t first)
{
	if ((first & 0xe0) == 0xc0 || (first & 0xf0) == 0xe0)
		return 2;
	if (first < 0xf0 || (first >= 0xf1 && first <= 0xf4))
		return 1;
	return first == 0xf0 ? 5 : 0;
}

/* Length of the entry in the first `left` bytes of e; 0: it is none. */
static size_t entry_check(const uint8_t *e, size_t left)
{
	uint8_t back[5];
	uint32_t n = left > 0 ? head_bytes(*e) : 0;
	if (n == 0 || n > left)
		return 0;
	struct head h = head_of(e);
	size_t len = (size_t)h.head + h.len, size = size_of(h);
	if (size > left)
		return 0;
	return memcmp(e + len, back, back_encode(back, len)) == 0 ? size : 0;
}

bool lp_valid(const uint8_t *p, size_t len)
{
	if (len < LP_EMPTY_BYTES || len > LP_MAX_BYTES || lp_bytes(p) != len || p[len - 1] != LP_END)
		return false;
	uint32_t n = 0;
	size_t off = LP_HEAD;
	while (off < len - 1) {
		size_t size = entry_check(p + off, len - 1 - off);
		if (size == 0)
			return false;
		off += size;
		n++;
	}
	return count_field(p) == LP_COUNT_UNKNOWN || count_field(p) == n;
}

/* ---- editing ---- */

/* They fill *c, never to be copied: a load of all of what was just written byte by byte waits for each of them. */
static void code_i64(struct coded *c, int64_t v)
{
	uint32_t bytes;
	c->data = (struct slice){NULL, 0};
	c->head_len = 1;
	if (v >= 0 && v <= 127) {
		c->head[0] = (uint8_t)v;
		bytes = 0;
	} else if (v >= -4096 && v <= 4095) {
		c->head[0] = 0xc0 | (uint8_t)((uint64_t)v >> 8 & 0x1f);
		c->head[1] = (uint8_t)v;
		c->head_len = 2;
		bytes = 0;
	} else if (v >= INT16_MIN && v <= INT16_MAX) {
		c->head[0] = 0xf1;
		bytes = 2;
	} else if (v >= -(1 << 23) && v < 1 << 23) {
		c->head[0] = 0xf2;
		bytes = 3;
	} else if (v >= INT32_MIN && v <= INT32_MAX) {
		c->head[0] = 0xf3;
		bytes = 4;
	} else {
		c->head[0] = 0xf4;
		bytes = 8;
	}
	for (uint32_t i = 0; i < bytes; i++)
		c->head[c->head_len++] = (uint8_t)((uint64_t)v >> 8 * i);
	c->back_len = back_encode(c->back, c->head_len);
}

static void code_string(struct coded *c, struct slice v)
{
	c->data = v;
	if (v.len < 64) {
		c->head[0] = 0x80 | (uint8_t)v.len;
		c->head_len = 1;
	} else if (v.len < 4096) {
		c->head[0] = 0xe0 | (uint8_t)(v.len >> 8);
		c->head[1] = (uint8_t)v.len;
		c->head_len = 2;
	} else {
		c->head[0] = 0xf0;
		store32(c->head + 1, (uint32_t)v.len);
		c->head_len = 5;
	}
	c->back_len = back_encode(c->back, c->head_len + v.len);
}

static void code(struct coded *c, struct slice v)
{
	int64_t num;
	if (num_parse_i64(v, &num))
		code_i64(c, num);
	else
		code_string(c, v);
}

static inline size_t coded_bytes(const struct coded *c)
{
	return c->head_len + c->data.len + c->back_len;
}

size_t lp_entry_bytes(struct slice v)
{
	struct coded c;
	code(&c, v);
	return coded_bytes(&c);
}

/* n > 0, mostly 1. */
static inline void put_few(uint8_t *to, const uint8_t *from, uint32_t n)
{
	uint32_t i = 0;
	do
		to[i] = from[i];
	while (++i < n);
}

static void coded_write(uint8_t *p, const struct coded *c)
{
	put_few(p, c->head, c->head_len);
	p += c->head_len;
	if (c->data.len > 0)
		memcpy(p, c->data.ptr, c->data.len);
	put_few(p + c->data.len, c->back, c->back_len);
}

/* `del` bytes at off become the entry c. */
static bool put(struct cbuf *b, size_t off, size_t del, const struct coded *c)
{
	size_t ins = coded_bytes(c);
	if (c->data.len > LP_MAX_BYTES || b->len - del + ins > LP_MAX_BYTES || !cbuf_splice(b, off, del, ins))
		return false;
	coded_write(b->p + off, c);
	update_head(b, 1, del > 0);
	return true;
}

bool lp_insert(struct cbuf *b, size_t off, struct slice v)
{
	struct coded c;
	code(&c, v);
	return put(b, off, 0, &c);
}

bool lp_append(struct cbuf *b, struct slice v)
{
	return lp_insert(b, b->len - 1, v);
}

bool lp_prepend(struct cbuf *b, struct slice v)
{
	return lp_insert(b, LP_HEAD, v);
}

bool lp_replace(struct cbuf *b, size_t off, struct slice v)
{
	struct coded c;
	code(&c, v);
	return put(b, off, lp_entry_size(b->p, off), &c);
}

bool lp_append_i64(struct cbuf *b, int64_t v)
{
	struct coded c;
	code_i64(&c, v);
	return put(b, b->len - 1, 0, &c);
}

bool lp_replace_i64(struct cbuf *b, size_t off, int64_t v)
{
	struct coded c;
	code_i64(&c, v);
	return put(b, off, lp_entry_size(b->p, off), &c);
}

void lp_writer_begin(struct lp_writer *w, struct cbuf *b)
{
	*w = (struct lp_writer){.b = b, .at = b->p + b->len - 1};
}

static inline void writer_add(struct lp_writer *w, const struct coded *c)
{
	coded_write(w->at, c);
	w->at += coded_bytes(c);
	w->n++;
}

void lp_writer_put(struct lp_writer *w, struct slice v)
{
	struct coded c;
	code(&c, v);
	writer_add(w, &c);
}

void lp_writer_put_i64(struct lp_writer *w, int64_t v)
{
	if (rp_likely(v >= 0 && v <= 127)) {
		*w->at++ = (uint8_t)v;
		*w->at++ = 1;
		w->n++;
		return;
	}
	struct coded c;
	code_i64(&c, v);
	writer_add(w, &c);
}

void lp_writer_end(struct lp_writer *w)
{
	*w->at++ = LP_END;
	w->b->len = (size_t)(w->at - w->b->p);
	uint32_t n = count_field(w->b->p) == LP_COUNT_UNKNOWN ? LP_COUNT_UNKNOWN : RP_MIN(w->n, LP_COUNT_UNKNOWN);
	update_head(w->b, n, 0);
}

void lp_delete(struct cbuf *b, size_t off, uint32_t n)
{
	size_t end = off;
	uint32_t gone = 0;
	for (; gone < n && b->p[end] != LP_END; gone++)
		end += lp_entry_size(b->p, end);
	cbuf_splice(b, off, end - off, 0);
	update_head(b, 0, gone);
}

bool lp_concat(struct cbuf *b, const uint8_t *other)
{
	size_t at = b->len - 1, more = lp_bytes(other) - LP_EMPTY_BYTES;
	if (b->len + more > LP_MAX_BYTES || !cbuf_splice(b, at, 0, more))
		return false;
	memcpy(b->p + at, other + LP_HEAD, more);
	update_head(b, count_field(other), 0);
	return true;
}

uint32_t lp_delete_equal(struct cbuf *b, size_t from, const struct lp_key *k, uint32_t max)
{
	uint32_t gone = 0;
	size_t to = from, off = from;
	while (off != 0 && b->p[off] != LP_END && gone < max) {
		struct head h = head_of(b->p + off);
		size_t size = size_of(h);
		if (entry_eq(b->p + off, h, k)) {
			gone++;
		} else {
			if (gone > 0)
				memmove(b->p + to, b->p + off, size);
			to += size;
		}
		off += size;
	}
	if (gone > 0) {
		cbuf_splice(b, to, off - to, 0);
		update_head(b, 0, gone);
	}
	return gone;
}

/* ---- at the front ---- */

static void move_head(uint8_t *to, const uint8_t *from, size_t bytes, uint32_t add, uint32_t del)
{
	uint32_t n = count_field(from);
	store32(to, (uint32_t)bytes);
	set_count(to, n == LP_COUNT_UNKNOWN ? n : n + add - del);
}

uint8_t *lp_push_front(uint8_t *p, size_t room, struct slice v)
{
	struct coded c;
	code(&c, v);
	size_t ins = coded_bytes(&c);
	if (ins > room || c.data.len > LP_MAX_BYTES || lp_bytes(p) + ins > LP_MAX_BYTES)
		return NULL;
	uint8_t head[LP_HEAD];
	memcpy(head, p, LP_HEAD);
	coded_write(p + LP_HEAD - ins, &c);
	move_head(p - ins, head, load32(head) + ins, 1, 0);
	return p - ins;
}

uint8_t *lp_drop_front(uint8_t *p, uint32_t n)
{
	uint8_t head[LP_HEAD];
	size_t off = LP_HEAD;
	uint32_t gone = 0;
	for (; gone < n && p[off] != LP_END; gone++)
		off += lp_entry_size(p, off);
	memcpy(head, p, LP_HEAD);
	p += off - LP_HEAD;
	move_head(p, head, load32(head) - (off - LP_HEAD), 0, gone);
	return p;
}
