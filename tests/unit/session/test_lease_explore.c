/* The lease protocol in every interleaving: 3 shards with their owners, 3 coordinators, which live on the owners'
 * endpoints.
 *
 * A small model says what each call must do; breadth first search finds every state that it can come to. Each edge is
 * then played on the real code, from the beginning by the shortest way, and must do what the model says:
 *
 *   - nobody but one is ever granted a shard, and its owner never runs while it is (no double owner);
 *   - a state from which nothing leads on is one where all are done (no deadlock; since every step counts up something,
 *     there is no way round in circles either);
 *   - whoever can go on after a step and could not before it is woken (no lost wake-up);
 *   - the leases of one coordinator are granted in its order;
 *   - an owner that lets its shard rest is not needed: without another step of it all others come to their ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "msg/lease.h"

#define SHARDS       3
#define COORDINATORS 3
#define LEASES_MAX   2
#define STEPS_MAX    64

enum phase {
	WANTS,
	WAITS,
	HOLDS
};

struct state {
	uint8_t phase[COORDINATORS], done[COORDINATORS];
	uint8_t order[COORDINATORS *
		      LEASES_MAX]; /* leases as they were submitted: coordinator * LEASES_MAX + its number */
	uint8_t nordered;
	uint8_t head[SHARDS]; /* how many of the leases submitted for it have been granted it */
	uint8_t held[SHARDS], rested[SHARDS];
	uint8_t resting[SHARDS], rests; /* shards that have had their rest */
};

struct plan {
	uint8_t leases; /* of each coordinator */
	uint8_t rests;  /* shards that may rest, once */
	uint8_t set[COORDINATORS][LEASES_MAX];
};

/* Actions: coordinator c does its next step (c), owner s polls its shard (COORDINATORS + s), which wakes it, or lets it
 * rest (RESTS + s). */
#define RESTS   (COORDINATORS + SHARDS)
#define ACTIONS (RESTS + SHARDS)

/* ---- the model ---- */

static uint8_t set_of(const struct plan *p, uint8_t lease)
{
	return p->set[lease / LEASES_MAX][lease % LEASES_MAX];
}

/* The n-th lease submitted for the shard, or -1. */
static int inbox(const struct plan *p, const struct state *s, uint32_t shard, uint32_t n)
{
	for (uint32_t i = 0; i < s->nordered; i++)
		if ((set_of(p, s->order[i]) >> shard & 1) && n-- == 0)
			return s->order[i];
	return -1;
}

static int holder(const struct plan *p, const struct state *s, uint32_t shard)
{
	return s->held[shard] ? inbox(p, s, shard, s->head[shard] - 1u) : -1;
}

static uint8_t current(const struct state *s, uint32_t c)
{
	return (uint8_t)(c * LEASES_MAX + s->done[c]);
}

static bool granted(const struct plan *p, const struct state *s, uint32_t c)
{
	uint8_t lease = current(s, c);
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		if ((set_of(p, lease) >> shard & 1) && holder(p, s, shard) != lease)
			return false;
	return true;
}

static bool finished(const struct plan *p, const struct state *s, uint32_t c)
{
	return s->done[c] == p->leases;
}

static void model_grant(struct state *s, uint32_t shard)
{
	s->rested[shard] = 0;
	s->held[shard] = 1;
	s->head[shard]++;
}

/* Resting shards of the set go to those who are next. */
static void hand_over(const struct plan *p, struct state *s, uint8_t set)
{
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		if (!(set >> shard & 1) || !s->resting[shard] || s->held[shard] ||
		    inbox(p, s, shard, s->head[shard]) < 0)
			continue;
		model_grant(s, shard);
	}
}

static bool model_poll(const struct plan *p, struct state *s, uint32_t shard)
{
	bool changed = s->resting[shard];
	s->resting[shard] = 0;
	if (s->held[shard])
		return changed;
	if (s->rested[shard] && inbox(p, s, shard, s->head[shard]) >= 0) {
		model_grant(s, shard);
		return true;
	}
	changed |= !s->rested[shard];
	s->rested[shard] = 1;
	return changed;
}

static bool model_rest(const struct plan *p, struct state *s, uint32_t shard)
{
	if (s->held[shard] || s->resting[shard] || !((p->rests & ~s->rests) >> shard & 1))
		return false;
	s->resting[shard] = 1;
	s->rests |= (uint8_t)(1u << shard);
	hand_over(p, s, (uint8_t)(1u << shard));
	return true;
}

/* false: the action changes nothing. */
static bool model_act(const struct plan *p, struct state *s, uint32_t action)
{
	if (action >= RESTS)
		return model_rest(p, s, action - RESTS);
	if (action >= COORDINATORS)
		return model_poll(p, s, action - COORDINATORS);
	uint32_t c = action;
	if (finished(p, s, c))
		return false;
	uint8_t set = set_of(p, current(s, c));
	switch ((enum phase)s->phase[c]) {
	case WANTS:
		s->order[s->nordered++] = current(s, c);
		s->phase[c] = WAITS;
		hand_over(p, s, set);
		return true;
	case WAITS:
		if (!granted(p, s, c))
			return false;
		s->phase[c] = HOLDS;
		return true;
	case HOLDS:
		for (uint32_t shard = 0; shard < SHARDS; shard++)
			if (set >> shard & 1)
				s->held[shard] = 0;
		hand_over(p, s, set);
		s->phase[c] = WANTS;
		s->done[c]++;
		return true;
	}
	return false;
}

/* Has the endpoint something to do that nobody but it knows of? If not, it may sleep. */
static bool busy(const struct plan *p, const struct state *s, uint32_t endpoint)
{
	if (!s->held[endpoint] && !s->resting[endpoint] && inbox(p, s, endpoint, s->head[endpoint]) >= 0)
		return true;
	if (finished(p, s, endpoint))
		return false;
	return s->phase[endpoint] != WAITS || granted(p, s, endpoint);
}

/* ---- the real code ---- */

struct world {
	struct msg_bus *bus;
	struct lease_table *table;
	struct lease lease[COORDINATORS * LEASES_MAX];
};

static void world_open(struct world *w)
{
	memset(w->lease, 0, sizeof w->lease);
	w->table = lease_table_create(w->bus, SHARDS);
	assert_non_null(w->table);
}

static void act(const struct plan *p, struct world *w, const struct state *before, uint32_t action)
{
	if (action >= RESTS) {
		struct state after = *before;
		if (model_act(p, &after, action))
			lease_shard_rest(w->table, action - RESTS);
		return;
	}
	if (action >= COORDINATORS) {
		struct state after = *before;
		model_act(p, &after, action);
		assert_int_equal(lease_poll_shard(w->table, action - COORDINATORS), after.held[action - COORDINATORS]);
		return;
	}
	if (finished(p, before, action))
		return;
	struct lease *l = &w->lease[current(before, action)];
	if (before->phase[action] == WANTS)
		assert_true(lease_try_submit(w->table, l, set_of(p, current(before, action)), action));
	else if (before->phase[action] == HOLDS)
		lease_release(w->table, l, 0);
}

static void compare(const struct plan *p, const struct world *w, const struct state *s)
{
	for (uint32_t c = 0; c < COORDINATORS; c++)
		if (!finished(p, s, c))
			assert_int_equal(lease_granted(&w->lease[current(s, c)]),
					 s->phase[c] != WANTS && granted(p, s, c));
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		assert_int_equal(lease_shard_quiet(w->table, shard),
				 !s->held[shard] && inbox(p, s, shard, s->head[shard]) < 0);
}

static bool woken(struct world *w, uint32_t endpoint)
{
	struct pollfd fd = {.fd = msg_event_fd(w->bus, endpoint), .events = POLLIN};
	return poll(&fd, 1, 0) == 1;
}

/* All sleep that may; one acts; those who can go on now and slept are awake. */
static void act_among_sleepers(const struct plan *p, struct world *w, const struct state *before, uint32_t action)
{
	bool asleep[SHARDS];
	struct state after = *before;
	for (uint32_t e = 0; e < SHARDS; e++) {
		asleep[e] = e != action % COORDINATORS && !busy(p, before, e);
		if (asleep[e])
			msg_sleeping(w->bus, e);
	}
	act(p, w, before, action);
	model_act(p, &after, action);
	compare(p, w, &after);
	for (uint32_t e = 0; e < SHARDS; e++) {
		if (asleep[e] && busy(p, &after, e))
			assert_true(woken(w, e));
		if (woken(w, e))
			msg_awake(w->bus, e);
		else
			assert_true(!asleep[e] || !busy(p, &after, e));
	}
}

/* ---- the search ---- */

struct node {
	struct state s;
	uint32_t parent;
	uint8_t action; /* that led here */
};

struct search {
	struct node *node;
	uint32_t n, cap;
	uint32_t *slot; /* node + 1 */
	uint32_t slots;
};

static uint32_t slot_of(struct search *se, const struct state *s)
{
	uint32_t at = (uint32_t)hash64(s, sizeof *s, 1) & (se->slots - 1);
	while (se->slot[at] != 0 && memcmp(&se->node[se->slot[at] - 1].s, s, sizeof *s) != 0)
		at = (at + 1) & (se->slots - 1);
	return at;
}

static void visit(struct search *se, const struct state *s, uint32_t parent, uint32_t action)
{
	uint32_t at = slot_of(se, s);
	if (se->slot[at] != 0)
		return;
	assert_true(se->n < se->cap);
	se->node[se->n] = (struct node){*s, parent, (uint8_t)action};
	se->slot[at] = ++se->n;
}

static void replay(const struct plan *p, struct search *se, struct world *w, uint32_t at, uint32_t action)
{
	uint8_t way[STEPS_MAX];
	uint32_t n = 0;
	for (uint32_t i = at; i != 0; i = se->node[i].parent) {
		assert_true(n < STEPS_MAX);
		way[n++] = se->node[i].action;
	}
	struct state s = se->node[0].s;
	world_open(w);
	while (n > 0) {
		act(p, w, &s, way[--n]);
		model_act(p, &s, way[n]);
	}
	act_among_sleepers(p, w, &s, action);
	lease_table_destroy(w->table);
}

static void check_state(const struct plan *p, const struct state *s, bool stuck)
{
	/* A coordinator at work has all its shards to itself: each is held for it, and a shard is held for one only. */
	for (uint32_t c = 0; c < COORDINATORS; c++) {
		if (!finished(p, s, c) && s->phase[c] == HOLDS)
			assert_true(granted(p, s, c));
		if (stuck)
			assert_true(finished(p, s, c));
	}
}

/* Returns the number of states. */
static uint32_t explore(struct search *se, struct world *w, const struct plan *p)
{
	struct state first = {.nordered = 0};
	memset(se->slot, 0, se->slots * sizeof *se->slot);
	se->n = 0;
	visit(se, &first, 0, 0);
	for (uint32_t i = 0; i < se->n; i++) {
		bool stuck = true; /* if nobody lets his shard rest, and nobody who does so wakes it */
		for (uint32_t action = 0; action < ACTIONS; action++) {
			struct state s = se->node[i].s;
			bool changed = model_act(p, &s, action);
			bool resting = action >= COORDINATORS &&
				       se->node[i].s.resting[(action - COORDINATORS) % SHARDS];
			stuck &= !changed || action >= RESTS || resting;
			replay(p, se, w, i, action);
			if (changed)
				visit(se, &s, i, action);
		}
		check_state(p, &se->node[i].s, stuck);
	}
	return se->n;
}

static void search_open(struct search *se, struct world *w)
{
	struct err e;
	se->cap = 1 << 18;
	se->slots = se->cap * 4;
	se->node = malloc(se->cap * sizeof *se->node);
	se->slot = malloc(se->slots * sizeof *se->slot);
	w->bus = msg_bus_create(SHARDS, &e);
	assert_non_null(w->bus);
}

static void search_close(struct search *se, struct world *w)
{
	msg_bus_destroy(w->bus);
	free(se->node);
	free(se->slot);
}

static void test_lease__one_lease_each_of_any_shards(void **state)
{
	struct search se;
	struct world w;
	uint64_t states = 0;
	search_open(&se, &w);
	/* All sets, but for the names of the coordinators. */
	for (uint8_t a = 1; a < 8; a++)
		for (uint8_t b = a; b < 8; b++)
			for (uint8_t c = b; c < 8; c++)
				states += explore(&se, &w, &(struct plan){1, 5, {{a}, {b}, {c}}});
	print_message("%lu states\n", states);
	assert_true(states > 10000);
	search_close(&se, &w);
}

static void test_lease__two_leases_each(void **state)
{
	const struct plan plans[] = {
		{2, 1, {{1, 2}, {2, 4}, {4, 1}}},
		{2, 2, {{3, 6}, {6, 5}, {5, 3}}},
		{2, 4, {{7, 1}, {3, 4}, {6, 2}}},
	};
	struct search se;
	struct world w;
	search_open(&se, &w);
	for (uint32_t i = 0; i < RP_ARRAY_LEN(plans); i++)
		print_message("%u states\n", explore(&se, &w, &plans[i]));
	search_close(&se, &w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lease__one_lease_each_of_any_shards),
		cmocka_unit_test(test_lease__two_leases_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
