/* Time is read as eleven digits of 6 bits. An entry stands at the level of the highest digit in which its time differs
 * from the wheel's own time `at_ms`, in the slot of that digit. So whatever is at a level is due before anything at a
 * higher one, slots of a level are due in ascending order, and the next slot is two bit scans away, however far it is.
 * Reaching a slot of a higher level spreads its entries over the lower ones, a bounded number per call.
 *
 * When the clock goes back, so does the wheel's time, and entries stay where they are. Read against the earlier time,
 * the slot of an entry that is at too low a level now starts before the entry's time: it is reached early, and the
 * entry is placed anew. Never late, and each is moved once.
 */
#include "mem/heap.h"
#include "store/wheel.h"

#define WHEEL_BITS   6
#define WHEEL_SLOTS  (1u << WHEEL_BITS)
#define WHEEL_LEVELS 11

struct wheel_level {
	uint64_t used; /* bit per non-empty slot */
	struct object *slot[WHEEL_SLOTS];
};

struct wheel {
	int64_t at_ms; /* never beyond the latest now_ms */
	uint64_t count;
	struct object *due;    /* was at or before at_ms when placed */
	struct object *spread; /* entries of a slot just reached, to be placed anew */
	struct wheel_level level[WHEEL_LEVELS];
};

static void list_push(struct object **head, struct object *o)
{
	struct obj_expiry *x = obj_expiry(o);

	x->next = *head;
	x->pprev = head;
	if (x->next != NULL)
		obj_expiry(x->next)->pprev = &x->next;
	*head = o;
}

static void list_unlink(struct object *o)
{
	struct obj_expiry *x = obj_expiry(o);

	*x->pprev = x->next;
	if (x->next != NULL)
		obj_expiry(x->next)->pprev = x->pprev;
	x->next = NULL;
	x->pprev = NULL;
}

static struct object *list_pop(struct object **head)
{
	struct object *o = *head;

	if (o != NULL)
		list_unlink(o);
	return o;
}

/* The whole list gets another head, which is empty. */
static void list_move(struct object **to, struct object **from)
{
	*to = *from;
	*from = NULL;
	if (*to != NULL)
		obj_expiry(*to)->pprev = to;
}

static uint32_t top_digit(int64_t a, int64_t b)
{
	return (63 - (uint32_t)__builtin_clzll((uint64_t)(a ^ b))) / WHEEL_BITS;
}

static uint32_t digit(int64_t t, uint32_t level)
{
	return (uint32_t)((uint64_t)t >> (level * WHEEL_BITS)) % WHEEL_SLOTS;
}

static void place(struct wheel *w, struct object *o)
{
	int64_t t = obj_expiry(o)->at_ms;

	if (t <= w->at_ms) {
		list_push(&w->due, o);
		return;
	}
	uint32_t level = top_digit(t, w->at_ms), slot = digit(t, level);
	list_push(&w->level[level].slot[slot], o);
	w->level[level].used |= 1ull << slot;
}

struct wheel *wheel_create(struct heap *h, int64_t now_ms)
{
	struct wheel *w = heap_zalloc(h, sizeof *w);

	if (w != NULL)
		w->at_ms = RP_MAX(now_ms, 0);
	return w;
}

void wheel_destroy(struct wheel *w, struct heap *h)
{
	heap_free(h, w);
}

void wheel_reset(struct wheel *w)
{
	int64_t at_ms = w->at_ms;

	memset(w, 0, sizeof *w);
	w->at_ms = at_ms;
}

void wheel_insert(struct wheel *w, struct object *o)
{
	place(w, o);
	w->count++;
}

/* Clears the bit of a slot whose head was at `head`, if it was a slot's and is empty now. */
static void slot_left(struct wheel *w, struct object **head)
{
	size_t off = (size_t)((char *)head - (char *)w->level);

	if (off >= sizeof w->level || *head != NULL)
		return;
	struct wheel_level *l = &w->level[off / sizeof *l];
	l->used &= ~(1ull << (head - l->slot));
}

void wheel_remove(struct wheel *w, struct object *o)
{
	struct object **head = obj_expiry(o)->pprev;

	list_unlink(o);
	slot_left(w, head);
	w->count--;
}

void wheel_moved(struct wheel *w, struct object *from, struct object *to)
{
	struct obj_expiry *a = obj_expiry(from), *b = obj_expiry(to);

	b->next = a->next;
	b->pprev = a->pprev;
	*b->pprev = to;
	if (b->next != NULL)
		obj_expiry(b->next)->pprev = &b->next;
}

static const struct wheel_level *lowest_used(const struct wheel *w)
{
	for (uint32_t i = 0; i < WHEEL_LEVELS; i++) {
		if (w->level[i].used != 0)
			return &w->level[i];
	}
	return NULL;
}

static int64_t slot_start(const struct wheel *w, const struct wheel_level *l)
{
	uint32_t shift = (uint32_t)(l - w->level) * WHEEL_BITS;
	uint64_t above = shift + WHEEL_BITS >= 64 ? 0 : (uint64_t)w->at_ms >> (shift + WHEEL_BITS) << WHEEL_BITS;

	return (int64_t)((above | (uint64_t)__builtin_ctzll(l->used)) << shift);
}

/* Goes on to the next slot that starts by now_ms. False: none does, the wheel's time is now. */
static bool advance(struct wheel *w, int64_t now_ms)
{
	struct wheel_level *l = (struct wheel_level *)lowest_used(w);
	int64_t start = l == NULL ? INT64_MAX : slot_start(w, l);

	if (l == NULL || start > now_ms) {
		w->at_ms = now_ms;
		return false;
	}
	w->at_ms = start;
	list_move(&w->spread, &l->slot[__builtin_ctzll(l->used)]);
	l->used &= l->used - 1;
	return true;
}

struct object *wheel_pop_due(struct wheel *w, int64_t now_ms, uint32_t *budget)
{
	now_ms = RP_MAX(now_ms, 0);
	if (now_ms < w->at_ms || w->count == 0)
		w->at_ms = now_ms;
	if (w->count == 0)
		return NULL;
	for (; *budget > 0; --*budget) {
		struct object *o = list_pop(&w->due);
		if (o != NULL && obj_expiry(o)->at_ms <= now_ms) {
			w->count--;
			--*budget;
			return o;
		}
		if (o == NULL)
			o = list_pop(&w->spread);
		if (o != NULL)
			place(w, o);
		else if (!advance(w, now_ms))
			return NULL;
	}
	return NULL;
}

struct object *wheel_peek(const struct wheel *w)
{
	if (w->due != NULL || w->spread != NULL)
		return w->due != NULL ? w->due : w->spread;
	const struct wheel_level *l = lowest_used(w);
	return l == NULL ? NULL : l->slot[__builtin_ctzll(l->used)];
}

int64_t wheel_next_ms(const struct wheel *w)
{
	const struct wheel_level *l = lowest_used(w);

	if (w->count == 0)
		return INT64_MAX;
	return w->due != NULL || w->spread != NULL ? w->at_ms : slot_start(w, l);
}

uint64_t wheel_count(const struct wheel *w)
{
	return w->count;
}
