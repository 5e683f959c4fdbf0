#include "store/journal_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/num.h"

#define EFFECT_INLINE_MAX \
	(64u << 10)              /* a longer command goes into a block of its own rather than twice over the ring */
#define BLOCK_BYTES (256u << 10) /* of overflow at a time */
#define GIVE_BACK   4096u        /* of the ring at a time */
#define ROOM_SPARE  (64u << 10)  /* of the ring: for the heads of units that live in overflow */

struct journal_ring {
	char *buf;   /* mapped twice */
	size_t size; /* power of two */
	uint32_t shard;
	struct heap *heap;

	/* Producer. [tail, pos) is the unit being written: room for its head, then its effects. */
	uint64_t pos RP_CACHE_ALIGNED;
	uint64_t head_seen; /* of the consumer's head, as of the last look */
	uint64_t units;
	struct journal_block *overflow, *overflow_last;

	/* Seldom written: the consumer asks for each unit, and must not take the producer's line for that. */
	bool lost RP_CACHE_ALIGNED; /* producer sets, the reader clears while it holds the shard */
	uint64_t overflows;         /* producer writes, anybody reads relaxed */

	uint64_t tail RP_CACHE_ALIGNED; /* producer writes (release) */
	uint64_t head RP_CACHE_ALIGNED; /* consumer writes (release), now and then: producers look at it all the time */

	uint64_t at RP_CACHE_ALIGNED; /* consumer: taken up to here */
	uint64_t tail_seen;           /* consumer: of the producer's tail, as of the last look */
};

/* ---- set-up ---- */

/* `size` bytes of shared memory, twice in a row. */
static char *map_twice(size_t size)
{
	int fd = memfd_create("journal", MFD_CLOEXEC);
	char *at = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		at = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at != MAP_FAILED &&
	    (mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
	     mmap(at + size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)) {
		munmap(at, 2 * size);
		at = MAP_FAILED;
	}
	if (fd >= 0)
		close(fd);
	return at == MAP_FAILED ? NULL : at;
}

struct journal_ring *journal_ring_create(size_t bytes, uint32_t shard, struct heap *heap, struct err *e)
{
	struct journal_ring *r = aligned_alloc(RP_CACHE_LINE, sizeof *r);
	size_t size = 4 * ROOM_SPARE;

	while (size < bytes)
		size *= 2;
	if (r == NULL) {
		err_set(e, "out of memory for the journal of shard %u", shard);
		return NULL;
	}
	memset(r, 0, sizeof *r);
	r->size = size;
	r->shard = shard;
	r->heap = heap;
	r->pos = sizeof(struct journal_unit_head);
	r->buf = map_twice(size);
	if (r->buf == NULL) {
		err_set(e, "cannot map %zu bytes for the journal of shard %u: %s; lower journal-buffer or free memory",
			size, shard, strerror(errno));
		free(r);
		return NULL;
	}
	return r;
}

static void blocks_free(struct journal_block *b)
{
	while (b != NULL) {
		struct journal_block *next = b->next;
		heap_free_remote(b->heap, b);
		b = next;
	}
}

void journal_ring_destroy(struct journal_ring *r)
{
	if (r == NULL)
		return;
	while (journal_ring_peek(r) != NULL)
		journal_ring_take(r);
	blocks_free(r->overflow);
	munmap(r->buf, 2 * r->size);
	free(r);
}

/* ---- producer ---- */

static size_t align8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* Bytes that may still be written here. */
static uint64_t room(struct journal_ring *r)
{
	uint64_t used = r->pos - r->head_seen;

	if (used + ROOM_SPARE + EFFECT_INLINE_MAX > r->size) {
		r->head_seen = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
		used = r->pos - r->head_seen;
	}
	return used < r->size ? r->size - used : 0;
}

/* Room for n bytes in overflow. NULL: no memory. */
static char *overflow_room(struct journal_ring *r, size_t n)
{
	struct journal_block *b = r->overflow_last;

	if (b == NULL || b->cap - b->len < n) {
		size_t cap = RP_MAX(n, (size_t)BLOCK_BYTES - sizeof *b);
		b = heap_alloc(r->heap, sizeof *b + cap);
		if (b == NULL)
			return NULL;
		*b = (struct journal_block){.heap = r->heap, .cap = cap};
		if (r->overflow_last != NULL)
			r->overflow_last->next = b;
		else
			r->overflow = b;
		r->overflow_last = b;
	}
	b->len += n;
	return b->data + b->len - n;
}

static char *put_number(char *p, char kind, uint64_t v)
{
	*p++ = kind;
	p += num_format_u64(p, v);
	*p++ = '\r';
	*p++ = '\n';
	return p;
}

static uint32_t digits(uint64_t v)
{
	uint32_t n = 1;

	for (; v >= 10; v /= 10)
		n++;
	return n;
}

static size_t command_bytes(uint32_t argc, const struct slice *argv)
{
	size_t n = 3 + digits(argc);

	for (uint32_t i = 0; i < argc; i++)
		n += 5 + digits(argv[i].len) + argv[i].len;
	return n;
}

static void write_effect(char *p, uint32_t bytes, uint32_t seq, uint32_t db, uint32_t argc, const struct slice *argv)
{
	struct journal_effect_head h = {.bytes = bytes, .seq = seq, .db = db};

	memcpy(p, &h, sizeof h);
	p = put_number(p + sizeof h, '*', argc);
	for (uint32_t i = 0; i < argc; i++) {
		p = put_number(p, '$', argv[i].len);
		memcpy(p, argv[i].ptr, argv[i].len);
		p += argv[i].len;
		*p++ = '\r';
		*p++ = '\n';
	}
}

void journal_ring_emit(void *ctx, struct journal_unit *unit, uint32_t db, uint32_t argc, const struct slice *argv)
{
	struct journal_ring *r = ctx;
	size_t bytes = command_bytes(argc, argv), n = align8(sizeof(struct journal_effect_head) + bytes);
	char *p;

	/* Once a unit goes on in overflow it stays there: its effects keep their order. */
	if (rp_likely(r->overflow == NULL && n <= EFFECT_INLINE_MAX && n + ROOM_SPARE <= room(r))) {
		p = r->buf + (r->pos & (r->size - 1));
		r->pos += n;
	} else {
		p = overflow_room(r, n);
	}
	if (rp_likely(p != NULL && bytes <= UINT32_MAX))
		write_effect(p, (uint32_t)bytes, unit != NULL ? unit->effects : 0, db, argc, argv);
	else
		__atomic_store_n(&r->lost, true, __ATOMIC_RELEASE);
	if (unit != NULL)
		unit->effects++;
	else
		journal_ring_publish(r, 0, 0, 0);
}

uint64_t journal_ring_txid(const struct journal_ring *r)
{
	return (uint64_t)r->shard << 48 | (r->units + 1);
}

/* There is not even room for the head of another unit: what was written since the last one goes. */
static void drop_unit(struct journal_ring *r)
{
	blocks_free(r->overflow);
	r->overflow = r->overflow_last = NULL;
	r->pos = r->tail + sizeof(struct journal_unit_head);
	__atomic_store_n(&r->lost, true, __ATOMIC_RELEASE);
}

void journal_ring_publish(struct journal_ring *r, uint64_t txid, uint64_t shards, uint64_t mark)
{
	struct journal_unit_head *h = (struct journal_unit_head *)(r->buf + (r->tail & (r->size - 1)));

	if (rp_unlikely(room(r) < sizeof *h)) {
		drop_unit(r);
		return;
	}
	h->txid = txid;
	h->shards = shards;
	h->mark = mark;
	h->overflow = r->overflow;
	h->bytes = (uint32_t)(r->pos - r->tail - sizeof *h);
	h->pad = 0;
	if (rp_unlikely(r->overflow != NULL)) {
		__atomic_store_n(&r->overflows, r->overflows + 1, __ATOMIC_RELAXED);
		r->overflow = r->overflow_last = NULL;
	}
	r->units++;
	__atomic_store_n(&r->tail, r->pos, __ATOMIC_RELEASE);
	r->pos += sizeof *h;
}

bool journal_ring_tight(const struct journal_ring *r)
{
	return journal_ring_used(r) > r->size / 2;
}

uint64_t journal_ring_used(const struct journal_ring *r)
{
	uint64_t head = __atomic_load_n(&r->head, __ATOMIC_RELAXED);

	return __atomic_load_n(&r->tail, __ATOMIC_RELAXED) - head;
}

uint64_t journal_ring_tail(const struct journal_ring *r)
{
	return __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
}

uint64_t journal_ring_overflows(const struct journal_ring *r)
{
	return __atomic_load_n(&r->overflows, __ATOMIC_RELAXED);
}

/* ---- consumer ---- */

/* Tells the producer that what was taken is free. */
static void give_back(struct journal_ring *r)
{
	if (r->head != r->at)
		__atomic_store_n(&r->head, r->at, __ATOMIC_RELEASE);
}

const struct journal_unit_head *journal_ring_peek(struct journal_ring *r)
{
	if (r->at == r->tail_seen)
		r->tail_seen = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
	if (r->at == r->tail_seen) {
		give_back(r);
		return NULL;
	}
	return (const struct journal_unit_head *)(r->buf + (r->at & (r->size - 1)));
}

void journal_ring_take(struct journal_ring *r)
{
	const struct journal_unit_head *u = journal_ring_peek(r);

	if (rp_unlikely(u->overflow != NULL))
		blocks_free(u->overflow);
	r->at += sizeof *u + u->bytes;
	if (r->at - r->head >= GIVE_BACK)
		give_back(r);
}

bool journal_ring_lost(const struct journal_ring *r)
{
	return __atomic_load_n(&r->lost, __ATOMIC_ACQUIRE);
}

void journal_ring_reset(struct journal_ring *r)
{
	while (journal_ring_peek(r) != NULL)
		journal_ring_take(r);
	__atomic_store_n(&r->lost, false, __ATOMIC_RELEASE);
}

void journal_iter_begin(struct journal_iter *it, const struct journal_unit_head *u)
{
	*it = (struct journal_iter){.at = (const char *)(u + 1), .block = u->overflow};
	it->end = it->at + u->bytes;
	journal_iter_next(it);
}

void journal_iter_next(struct journal_iter *it)
{
	if (it->at == it->end && it->block != NULL) {
		it->at = it->block->data;
		it->end = it->at + it->block->len;
		it->block = it->block->next;
	}
	it->effect = NULL;
	if (it->at == it->end)
		return;
	it->effect = (const struct journal_effect_head *)it->at;
	it->command = it->at + sizeof *it->effect;
	it->at += align8(sizeof *it->effect + it->effect->bytes);
}
