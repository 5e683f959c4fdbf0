#include "store/snap.h"
#include "store/store_priv.h"

/* Spreading the wheel's slots is work too: returns what was taken from *budget. */
static uint32_t poll_expiry(struct store *s, uint32_t db, uint32_t *budget)
{
	struct store_db *d = &s->db[db];
	uint32_t given = *budget;
	struct object *o;

	while ((o = wheel_pop_due(d->wheel, s->now_ms - 1, budget)) != NULL) {
		space_expiry_gone(s, db, o);
		space_expire(s, db, o, index_hash(d->ix, obj_key(o)));
	}
	store_poll_fields(s, db, budget);
	return given - *budget;
}

struct draining {
	struct store *s;
	uint32_t db; /* at a snapshot's epoch */
};

static void drain_one(void *ctx, struct object *o)
{
	const struct draining *d = ctx;
	const struct payload *before = d->s->dead;

	snap_drop(d->s, o, d->db);
	d->s->stats.freeing--;
	if (d->s->dead == before)
		d->s->stats.freed++; /* else its value waits on, and counts when it goes */
}

/* Frees what flushed databases held. */
static uint32_t poll_drain(struct store *s, uint32_t budget)
{
	uint32_t left = budget;

	while (s->drain != NULL && left > 0) {
		struct index_remains *r = s->drain;
		struct draining d = {s, index_remains_tag(r)};
		if (!index_remains_drain(r, &left, drain_one, &d))
			break;
		s->drain = index_remains_next(r);
		index_remains_destroy(r);
	}
	return budget - left;
}

void store_set_active_expire(struct store *s, bool on)
{
	s->keep_expired = !on;
}

void store_freeze(struct store *s, bool on)
{
	s->frozen = on;
}

uint32_t store_poll(struct store *s, uint32_t budget)
{
	uint32_t done = heap_poll(s->heap, budget), expiry = budget;

	/* What goes is written by a snapshot first: that has to keep up. An expired key is nowhere to be seen anyway.
	 */
	if (rp_unlikely(store_snap_full(s)))
		return done + store_poll_dead(s, budget);
	/* Each kind of work gets the budget, so that none waits for another; databases take turns at being first. */
	for (uint32_t i = 0; i < s->params.databases; i++) {
		uint32_t db = s->poll_db + i;
		if (db >= s->params.databases)
			db -= s->params.databases;
		if (rp_likely(!s->keep_expired && !s->frozen))
			done += poll_expiry(s, db, &expiry);
		done += index_poll(s->db[db].ix, budget);
	}
	if (++s->poll_db >= s->params.databases)
		s->poll_db = 0;
	done += poll_drain(s, budget);
	done += watch_poll(s, budget);
	return done + store_poll_dead(s, budget);
}
