/* Small definitions that every module uses: slices, alignment, branch hints, asserts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RP_CACHE_LINE               64
#define RP_CACHE_ALIGNED            __attribute__((aligned(RP_CACHE_LINE)))
#define RP_PRINTF(fmt_idx, arg_idx) __attribute__((format(printf, fmt_idx, arg_idx)))

#define rp_likely(x)                       __builtin_expect(!!(x), 1)
#define rp_unlikely(x)                     __builtin_expect(!!(x), 0)
#define rp_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define RP_ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define RP_MIN(a, b)                       ((a) < (b) ? (a) : (b))
#define RP_MAX(a, b)                       ((a) > (b) ? (a) : (b))

/* Hand-overs between threads through libraries that ThreadSanitizer does not see into. Nothing in other builds. */
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *p);
void __tsan_release(void *p);
#define RP_TSAN_TAKE(p) __tsan_acquire(p)
#define RP_TSAN_GIVE(p) __tsan_release(p)
#else
#define RP_TSAN_TAKE(p) ((void)(p))
#define RP_TSAN_GIVE(p) ((void)(p))
#endif

/* Bounds that shape data structures. A limit an operator may want to move is a directive instead. */
#define RP_MAX_WORKERS 64    /* workers, and so shards, of one appliance; a set of them fits one word */
#define RP_MAX_BURST   64    /* packets of one RX or TX burst; also rte_hash's limit of a bulk lookup */
#define RP_SLOTS       16384 /* hash slots, as Redis Cluster */

/* Bytes that somebody else owns. May hold any byte; never NUL-terminated by contract. */
struct slice {
	const char *ptr;
	size_t len;
};

#define SLICE(lit) ((struct slice){(lit), sizeof(lit) - 1})

/* In one store: compilers copy a slice as a whole, and a load that spans two stores under way waits for both. */
static inline void slice_put(struct slice *to, const char *ptr, size_t len)
{
	typedef uint64_t words __attribute__((vector_size(16), aligned(8), may_alias));

	*(words *)to = (words){(uintptr_t)ptr, len};
}

/* 0: the 8, or 4, bytes are equal. */
static inline uint64_t diff_u64(const char *a, const char *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x ^ y;
}

static inline uint32_t diff_u32(const char *a, const char *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x ^ y;
}

/* Most keys are short: two pairs of words, which may overlap, instead of a call. */
static inline bool bytes_eq(const char *a, const char *b, size_t n)
{
	if (rp_likely(n >= 8 && n <= 16))
		return (diff_u64(a, b) | diff_u64(a + n - 8, b + n - 8)) == 0;
	if (n >= 4 && n < 8)
		return (diff_u32(a, b) | diff_u32(a + n - 4, b + n - 4)) == 0;
	return n == 0 || memcmp(a, b, n) == 0;
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && bytes_eq(a.ptr, b.ptr, a.len);
}

static inline bool slice_begins(struct slice a, struct slice prefix)
{
	return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.ptr, prefix.ptr, prefix.len) == 0);
}

/* ASCII case-insensitive compare against a NUL-terminated word. */
static inline bool slice_is(struct slice a, const char *word)
{
	size_t i = 0;
	for (; i < a.len && word[i]; i++) {
		unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)word[i];
		if (x >= 'A' && x <= 'Z')
			x |= 0x20;
		if (y >= 'A' && y <= 'Z')
			y |= 0x20;
		if (x != y)
			return false;
	}
	return i == a.len && word[i] == '\0';
}

/* A broken invariant is a bug of ours: print where and abort, in every build. */
_Noreturn void rp_panic(const char *file, int line, const char *what);
#define rp_assert(cond) (rp_likely(cond) ? (void)0 : rp_panic(__FILE__, __LINE__, #cond))
