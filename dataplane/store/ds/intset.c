#include "store/ds/intset.h"

#define WIDTH_MASK  3u /* of the first word: log2 of a distance's bytes */
#define WIDE_BASE   4u
#define COUNT_SHIFT 3
#define HEAD        8 /* with a base of 4 bytes */
#define HEAD_WIDE   12

_Static_assert(((uint64_t)INTSET_MAX << COUNT_SHIFT) <= UINT32_MAX, "the count fits its bits");

struct shape {
	int64_t base;
	uint32_t n, log;
	uint32_t head; /* bytes before the distances */
};

static inline struct shape shape_of(const uint8_t *p)
{
	uint32_t word;
	int32_t base;

	memcpy(&word, p, sizeof word);
	struct shape s = {.n = word >> COUNT_SHIFT, .log = word & WIDTH_MASK, .head = HEAD};
	if (word & WIDE_BASE) {
		s.head = HEAD_WIDE;
		memcpy(&s.base, p + sizeof word, sizeof s.base);
	} else {
		memcpy(&base, p + sizeof word, sizeof base);
		s.base = base;
	}
	return s;
}

static void count_set(uint8_t *p, uint32_t n)
{
	uint32_t word;

	memcpy(&word, p, sizeof word);
	word = n << COUNT_SHIFT | (word & (WIDTH_MASK | WIDE_BASE));
	memcpy(p, &word, sizeof word);
}

static void head_write(uint8_t *p, const struct shape *s)
{
	uint32_t word = s->n << COUNT_SHIFT | (s->head == HEAD_WIDE ? WIDE_BASE : 0) | s->log;

	memcpy(p, &word, sizeof word);
	memcpy(p + sizeof word, &s->base, s->head - sizeof word); /* the low bytes: little-endian */
}

static inline uint64_t most(uint32_t log)
{
	return UINT64_MAX >> (64 - (8u << log));
}

/* `log` is a constant where it matters. */
static inline __attribute__((always_inline)) uint64_t read_at(const uint8_t *d, uint32_t log, size_t at)
{
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	d += at << log;
	switch (log) {
	case 0:
		return *d;
	case 1:
		memcpy(&u16, d, sizeof u16);
		return u16;
	case 2:
		memcpy(&u32, d, sizeof u32);
		return u32;
	default:
		memcpy(&u64, d, sizeof u64);
		return u64;
	}
}

static inline __attribute__((always_inline)) void write_at(uint8_t *d, uint32_t log, size_t at, uint64_t v)
{
	memcpy(d + (at << log), &v, (size_t)1 << log); /* the low bytes */
}

static inline int64_t value_at(const uint8_t *p, const struct shape *s, size_t at)
{
	return (int64_t)((uint64_t)s->base + read_at(p + s->head, s->log, at));
}

/* May v stand in it without another base or width? Then *d is its distance. */
static inline bool in_reach(const struct shape *s, int64_t v, uint64_t *d)
{
	*d = (uint64_t)v - (uint64_t)s->base;
	return v >= s->base && *d <= most(s->log);
}

void intset_init(uint8_t *p)
{
	head_write(p, &(struct shape){.head = HEAD});
}

size_t intset_bytes(const uint8_t *p)
{
	struct shape s = shape_of(p);

	return s.head + ((size_t)s.n << s.log);
}

uint32_t intset_count(const uint8_t *p)
{
	return shape_of(p).n;
}

int64_t intset_get(const uint8_t *p, uint32_t at)
{
	struct shape s = shape_of(p);

	return value_at(p, &s, at);
}

/* ---- finding --------------------------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) uint32_t lower_bound(const uint8_t *d, uint32_t log, uint32_t n,
								  uint64_t want)
{
	uint32_t from = 0;

	while (n > 0) { /* the answer lies in [from, from + n] */
		uint32_t half = n / 2;
		bool less = read_at(d, log, from + half) < want;
		from = less ? from + half + 1 : from;
		n = less ? n - half - 1 : half;
	}
	return from;
}

/* Position of the first distance that is not less. */
static uint32_t search(const uint8_t *p, const struct shape *s, uint64_t want)
{
	const uint8_t *d = p + s->head;

	switch (s->log) {
	case 0:
		return lower_bound(d, 0, s->n, want);
	case 1:
		return lower_bound(d, 1, s->n, want);
	case 2:
		return lower_bound(d, 2, s->n, want);
	default:
		return lower_bound(d, 3, s->n, want);
	}
}

static inline bool find(const uint8_t *p, const struct shape *s, int64_t v, uint32_t *at)
{
	uint64_t want;

	if (!in_reach(s, v, &want)) {
		*at = v < s->base ? 0 : s->n;
		return false;
	}
	*at = search(p, s, want);
	return *at < s->n && read_at(p + s->head, s->log, *at) == want;
}

bool intset_find(const uint8_t *p, int64_t v, uint32_t *at)
{
	struct shape s = shape_of(p);

	return find(p, &s, v, at);
}

bool intset_has(const uint8_t *p, int64_t v)
{
	uint32_t at;

	return intset_find(p, v, &at);
}

/* ---- changing -------------------------------------------------------------------------------------------------- */

static uint32_t log_for(uint64_t span)
{
	uint32_t log = 0;

	while (span > most(log))
		log++;
	return log;
}

/* The spare distances half below and half above; but 4 bytes for the base if they are enough for the least integer. */
static int64_t base_for(int64_t lo, uint64_t span, uint32_t log)
{
	int64_t lowest = log < 3 && lo >= INT32_MIN ? INT32_MIN : INT64_MIN;
	uint64_t below = (most(log) - span) / 2, room = (uint64_t)lo - (uint64_t)lowest;

	return log == 3 ? INT64_MIN : (int64_t)((uint64_t)lo - RP_MIN(below, room));
}

/* The shape with v, which is out of reach and so the least or the greatest. */
static struct shape shape_with(const uint8_t *p, const struct shape *s, int64_t v)
{
	int64_t lo = v, hi = v;
	struct shape n = {.n = s->n + 1, .head = HEAD};

	if (s->n > 0) {
		lo = RP_MIN(v, value_at(p, s, 0));
		hi = RP_MAX(v, value_at(p, s, s->n - 1));
		n.log = s->log;
		n.head = s->head;
	}
	uint64_t span = (uint64_t)hi - (uint64_t)lo;
	n.log = RP_MAX(n.log, log_for(span));
	n.base = base_for(lo, span, n.log);
	if (n.base != (int32_t)n.base)
		n.head = HEAD_WIDE;
	return n;
}

static inline __attribute__((always_inline)) void raise_all(uint8_t *d, uint32_t log, uint32_t n, uint64_t more)
{
	for (uint32_t i = 0; i < n; i++)
		write_at(d, log, i, read_at(d, log, i) + more);
}

/* Another base, the same width: loops that become vectors. */
static void rebase_all(uint8_t *p, const struct shape *from, const struct shape *to, uint32_t front, uint64_t more)
{
	uint8_t *d = p + to->head + ((size_t)front << to->log);

	memmove(d, p + from->head, (size_t)from->n << from->log);
	switch (to->log) {
	case 0:
		raise_all(d, 0, from->n, more);
		break;
	case 1:
		raise_all(d, 1, from->n, more);
		break;
	case 2:
		raise_all(d, 2, from->n, more);
		break;
	default:
		raise_all(d, 3, from->n, more);
	}
}

/* From the last on: none is written over one that is still to be read, since nothing becomes smaller. */
static void move_all(uint8_t *p, const struct shape *from, const struct shape *to, uint32_t front)
{
	uint64_t more = (uint64_t)from->base - (uint64_t)to->base;

	if (from->log == to->log) {
		rebase_all(p, from, to, front, more);
		return;
	}
	for (uint32_t i = from->n; i-- > 0;)
		write_at(p + to->head, to->log, (size_t)i + front, read_at(p + from->head, from->log, i) + more);
}

static bool add_out_of_reach(struct cbuf *b, const struct shape *s, int64_t v)
{
	struct shape to = shape_with(b->p, s, v);
	uint32_t front = v < s->base && s->n > 0 ? 1 : 0;
	size_t len = to.head + ((size_t)to.n << to.log);

	if (!cbuf_reserve(b, len))
		return false;
	move_all(b->p, s, &to, front);
	head_write(b->p, &to);
	write_at(b->p + to.head, to.log, front ? 0 : s->n, (uint64_t)v - (uint64_t)to.base);
	b->len = len;
	return true;
}

bool intset_add(struct cbuf *b, int64_t v, bool *added)
{
	struct shape s = shape_of(b->p);
	uint64_t d;
	uint32_t at;

	*added = false;
	if (!in_reach(&s, v, &d))
		return *added = add_out_of_reach(b, &s, v);
	if (s.n > 0 && d > read_at(b->p + s.head, s.log, s.n - 1))
		at = s.n;
	else if (find(b->p, &s, v, &at))
		return true;
	if (!cbuf_splice(b, s.head + ((size_t)at << s.log), 0, (size_t)1 << s.log))
		return false;
	write_at(b->p + s.head, s.log, at, d);
	count_set(b->p, s.n + 1);
	return *added = true;
}

bool intset_remove(struct cbuf *b, int64_t v)
{
	struct shape s = shape_of(b->p);
	uint32_t at;

	if (!find(b->p, &s, v, &at))
		return false;
	(void)cbuf_splice(b, s.head + ((size_t)at << s.log), (size_t)1 << s.log, 0);
	count_set(b->p, s.n - 1);
	return true;
}

size_t intset_room(const uint8_t *p, uint64_t more, int64_t lo, int64_t hi)
{
	struct shape s = shape_of(p);

	if (s.n > 0) {
		lo = RP_MIN(lo, value_at(p, &s, 0));
		hi = RP_MAX(hi, value_at(p, &s, s.n - 1));
	}
	uint32_t log = RP_MAX(s.log, log_for((uint64_t)hi - (uint64_t)lo));
	bool narrow = s.head == HEAD && log < 3 && lo >= INT32_MIN && hi <= INT32_MAX; /* whatever comes first */
	return (narrow ? HEAD : HEAD_WIDE) + ((s.n + more) << log);
}
