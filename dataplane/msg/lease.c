/* See lease.h. */
#include "msg/lease.h"

#include <rte_pause.h>
#include <sched.h>
#include <stdlib.h>

#define NOBODY         UINT32_MAX
#define END_REST_LOOKS 64

/* Who hands a shard over. From AWAKE only the owner moves it, from ACTING only who made it that, from RESTING the
 * owner, who acts, and a holder that has news for the owner. */
enum {
	AWAKE,   /* its owner */
	RESTING, /* whoever submits or releases a lease */
	ACTING   /* one of them does */
};

/* What a lease in the inbox wants, for those who may not look at it: it may be granted, and gone, meanwhile. */
struct lease_wish {
	uint64_t number; /* in the order of all leases, from 1 */
	uint64_t shards;
};

struct lease_shard {
	struct lease *holder
		RP_CACHE_ALIGNED; /* who hands over writes at grant, coordinator clears at release (release-store) */
	uint32_t state;           /* atomic */
	uint32_t head;            /* who hands over */
	bool rested;              /* likewise: the shard had a turn of its own since its last lease */
	uint32_t tail
		RP_CACHE_ALIGNED; /* whoever has the table's lock writes (release), who hands over reads (acquire) */
	struct lease *inbox[LEASE_INBOX];    /* written under the lock before tail moves */
	struct lease_wish wish[LEASE_INBOX]; /* likewise; read under the lock */
};

struct lease_table {
	uint32_t lock RP_CACHE_ALIGNED; /* try-lock: held only while one lease is appended, or the inboxes are read */
	uint32_t nshards;
	uint64_t appended; /* leases; under the lock */
	struct msg_bus *bus;
	struct lease_shard *shard;
	uint64_t busy RP_CACHE_ALIGNED; /* atomic; their holder writes, owners and coordinators read relaxed */
	uint32_t busy_why;
};

struct lease_table *lease_table_create(struct msg_bus *bus, uint32_t nshards)
{
	struct lease_table *t = aligned_alloc(RP_CACHE_LINE, RTE_ALIGN_CEIL(sizeof *t, RP_CACHE_LINE));
	if (t == NULL)
		return NULL;
	memset(t, 0, sizeof *t);
	t->nshards = nshards;
	t->bus = bus;
	t->shard = aligned_alloc(RP_CACHE_LINE, nshards * sizeof *t->shard);
	if (t->shard == NULL) {
		free(t);
		return NULL;
	}
	memset(t->shard, 0, nshards * sizeof *t->shard);
	return t;
}

void lease_table_destroy(struct lease_table *t)
{
	if (t == NULL)
		return;
	free(t->shard);
	free(t);
}

static bool inboxes_have_room(struct lease_table *t, uint64_t shards)
{
	for (; shards != 0; shards &= shards - 1) {
		struct lease_shard *s = &t->shard[__builtin_ctzll(shards)];
		if (s->tail - __atomic_load_n(&s->head, __ATOMIC_ACQUIRE) >= LEASE_INBOX)
			return false;
	}
	return true;
}

/* The head of the inbox gets the shard. Returns whom to kick, NOBODY: it waits for other shards still. */
static uint32_t grant(struct lease_shard *s)
{
	struct lease *l = s->inbox[s->head % LEASE_INBOX];
	uint32_t coordinator = l->coordinator;
	s->rested = false;
	__atomic_store_n(&s->holder, l, __ATOMIC_RELAXED);
	__atomic_store_n(&s->head, s->head + 1, __ATOMIC_RELEASE);
	/* Release: what was done to the shard before is visible to the coordinator that sees zero. From here on l is
	 * not ours to read. */
	return __atomic_sub_fetch(&l->waiting, 1, __ATOMIC_ACQ_REL) == 0 ? coordinator : NOBODY;
}

static bool is_due(const struct lease_shard *s)
{
	return __atomic_load_n(&s->holder, __ATOMIC_ACQUIRE) == NULL &&
	       __atomic_load_n(&s->head, __ATOMIC_RELAXED) != __atomic_load_n(&s->tail, __ATOMIC_ACQUIRE);
}

/* After a change to the inbox or the holder: hands a resting shard over if it is due. false: its owner has to. Who
 * finds another acting leaves it to that one, which looks again once it has rested the shard: of the two fences one
 * comes first. */
static bool act(struct lease_table *t, struct lease_shard *s)
{
	for (;;) {
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		uint32_t state = __atomic_load_n(&s->state, __ATOMIC_RELAXED);
		if (state != RESTING)
			return state == ACTING;
		if (!is_due(s))
			return true;
		if (!__atomic_compare_exchange_n(&s->state, &state, ACTING, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		uint32_t coordinator = is_due(s) ? grant(s) : NOBODY;
		__atomic_store_n(&s->state, RESTING, __ATOMIC_RELEASE);
		/* Only now: who is woken may take this CPU, and wants the shard. */
		if (coordinator != NOBODY)
			msg_kick(t->bus, coordinator);
	}
}

bool lease_try_submit(struct lease_table *t, struct lease *l, uint64_t shards, uint32_t coordinator)
{
	if (__atomic_exchange_n(&t->lock, 1, __ATOMIC_ACQUIRE) != 0)
		return false;
	bool ok = inboxes_have_room(t, shards);
	if (ok) {
		l->shards = shards;
		l->coordinator = coordinator;
		l->submitted = true;
		__atomic_store_n(&l->waiting, __builtin_popcountll(shards), __ATOMIC_RELAXED);
		t->appended++;
		for (uint64_t rest = shards; rest != 0; rest &= rest - 1) {
			struct lease_shard *s = &t->shard[__builtin_ctzll(rest)];
			s->inbox[s->tail % LEASE_INBOX] = l;
			s->wish[s->tail % LEASE_INBOX] = (struct lease_wish){t->appended, shards};
			__atomic_store_n(&s->tail, s->tail + 1, __ATOMIC_RELEASE);
		}
	}
	__atomic_store_n(&t->lock, 0, __ATOMIC_RELEASE);
	for (uint64_t rest = ok ? shards : 0; rest != 0; rest &= rest - 1)
		if (!act(t, &t->shard[__builtin_ctzll(rest)]))
			msg_kick(t->bus, (uint32_t)__builtin_ctzll(rest));
	return ok;
}

/* The owner's turn is next, before any lease. We hold the shard: who acts is done in a few instructions, unless it has
 * lost its CPU among them. */
static void end_rest(struct lease_shard *s)
{
	uint32_t resting = RESTING, looks = 0;
	while (__atomic_load_n(&s->state, __ATOMIC_RELAXED) != AWAKE &&
	       !__atomic_compare_exchange_n(&s->state, &resting, AWAKE, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
		resting = RESTING;
		if (++looks % END_REST_LOOKS == 0)
			sched_yield();
		rte_pause();
	}
}

void lease_release(struct lease_table *t, struct lease *l, uint64_t news)
{
	/* The lease may be reused as soon as its last shard is back: remember the set. */
	uint64_t shards = l->shards;
	l->submitted = false;
	for (uint64_t rest = shards & news; rest != 0; rest &= rest - 1)
		end_rest(&t->shard[__builtin_ctzll(rest)]);
	for (uint64_t rest = shards; rest != 0; rest &= rest - 1)
		__atomic_store_n(&t->shard[__builtin_ctzll(rest)].holder, NULL, __ATOMIC_RELEASE);
	for (uint64_t rest = shards; rest != 0; rest &= rest - 1)
		if (!act(t, &t->shard[__builtin_ctzll(rest)]))
			msg_kick(t->bus, (uint32_t)__builtin_ctzll(rest));
}

void lease_shard_rest(struct lease_table *t, uint32_t shard)
{
	struct lease_shard *s = &t->shard[shard];
	__atomic_store_n(&s->state, RESTING, __ATOMIC_RELEASE);
	act(t, s); /* what was submitted while it was ours */
}

static bool wake(struct lease_shard *s)
{
	uint32_t resting = RESTING;
	/* Acquire: of a holder that ended the rest, what it wrote before. */
	return __atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == AWAKE ||
	       __atomic_compare_exchange_n(&s->state, &resting, AWAKE, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

bool lease_shard_wake(struct lease_table *t, uint32_t shard)
{
	struct lease_shard *s = &t->shard[shard];
	return wake(s) && __atomic_load_n(&s->holder, __ATOMIC_ACQUIRE) == NULL;
}

bool lease_poll_shard(struct lease_table *t, uint32_t shard)
{
	struct lease_shard *s = &t->shard[shard];
	if (!wake(s))
		return true;
	if (__atomic_load_n(&s->holder, __ATOMIC_ACQUIRE) != NULL)
		return true;
	/* Between two leases the shard's own requests get a turn, or coordinators could keep it from them for ever. */
	if (!s->rested || s->head == __atomic_load_n(&s->tail, __ATOMIC_ACQUIRE)) {
		s->rested = true;
		return false;
	}
	uint32_t coordinator = grant(s);
	if (coordinator != NOBODY)
		msg_kick(t->bus, coordinator);
	return true;
}

bool lease_shard_quiet(const struct lease_table *t, uint32_t shard)
{
	const struct lease_shard *s = &t->shard[shard];
	return __atomic_load_n(&s->holder, __ATOMIC_ACQUIRE) == NULL &&
	       s->head == __atomic_load_n(&s->tail, __ATOMIC_ACQUIRE);
}

bool lease_shard_held(const struct lease_table *t, uint32_t shard)
{
	const struct lease_shard *s = &t->shard[shard];
	/* The release of one that rests kicks nobody. */
	return __atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == AWAKE &&
	       __atomic_load_n(&s->holder, __ATOMIC_ACQUIRE) != NULL;
}

/* Whatever stands in the shard's inbox behind the lease `stuck[shard]` stays there: its other shards are stuck with it.
 * Returns whether that is news. */
static bool spread(struct lease_table *t, uint32_t shard, uint64_t *stuck, uint64_t *shards)
{
	const struct lease_shard *s = &t->shard[shard];
	bool news = false;

	for (uint32_t i = __atomic_load_n(&s->head, __ATOMIC_ACQUIRE); i != s->tail; i++) {
		struct lease_wish w = s->wish[i % LEASE_INBOX];
		for (uint64_t rest = w.number > stuck[shard] ? w.shards : 0; rest != 0; rest &= rest - 1) {
			uint32_t k = (uint32_t)__builtin_ctzll(rest);
			if ((*shards >> k & 1) && stuck[k] <= w.number)
				continue;
			*shards |= 1ull << k;
			stuck[k] = w.number;
			news = true;
		}
	}
	return news;
}

/* All shards that nobody gets before these are back: leases that wait for one of them hold others meanwhile, or are the
 * next to. */
static uint64_t stuck_with(struct lease_table *t, uint64_t shards)
{
	uint64_t stuck[RP_MAX_WORKERS] = {0}; /* the first lease that is, at each of them; 0: its holder */
	bool news = shards != 0;

	if (__atomic_exchange_n(&t->lock, 1, __ATOMIC_ACQUIRE) != 0)
		return shards | __atomic_load_n(&t->busy, __ATOMIC_RELAXED); /* the next call sees more */
	while (news) {
		news = false;
		for (uint64_t rest = shards; rest != 0; rest &= rest - 1)
			news |= spread(t, (uint32_t)__builtin_ctzll(rest), stuck, &shards);
	}
	__atomic_store_n(&t->lock, 0, __ATOMIC_RELEASE);
	return shards;
}

void lease_set_busy(struct lease_table *t, enum lease_busy why, uint64_t shards)
{
	if (shards != 0)
		shards = stuck_with(t, shards);
	if (__atomic_load_n(&t->busy, __ATOMIC_RELAXED) == shards)
		return;
	__atomic_store_n(&t->busy_why, (uint32_t)why, __ATOMIC_RELAXED);
	__atomic_store_n(&t->busy, shards, __ATOMIC_RELEASE);
	for (; shards != 0; shards &= shards - 1)
		msg_kick(t->bus, (uint32_t)__builtin_ctzll(shards));
}

uint64_t lease_busy(const struct lease_table *t, enum lease_busy *why)
{
	uint64_t shards = __atomic_load_n(&t->busy, __ATOMIC_ACQUIRE);

	*why = (enum lease_busy)__atomic_load_n(&t->busy_why, __ATOMIC_RELAXED);
	return shards;
}
