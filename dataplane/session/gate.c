/* Replies that wait until what they tell of is durable (appendfsync always).
 *
 * Each command, or what runs under one lease, is a unit of the journal. Its reply has a gate: the round of the journal
 * that it must wait for, 0 if none. A session that has a gated reply goes on taking requests; all its later replies
 * queue behind, in order, until the reader of the journal says that the round is synced.
 */
#include "session/session_priv.h"
#include "store/journal_ring.h"

#define QUIET_US   10
#define GATE_PARTS 4 /* rounds that replies of one session can be told apart by: two are under way at most */

/* What one session holds back. */
struct session_gate {
	struct session *s;
	struct session_gate *next, **pprev; /* the host's */
	size_t bytes;
	uint32_t n;
	struct gate_part {
		struct rte_mbuf *head, *tail;
		size_t bytes;
		uint64_t gate;
	} part[GATE_PARTS]; /* oldest first */
};

uint32_t session_gate_size(void)
{
	return sizeof(struct session_gate);
}

/* ---- units ---- */

void host_unit_begin(struct session_host *h, uint64_t shards)
{
	journal_begin(&h->unit, h->env.stores, shards);
	for (uint64_t rest = shards; rest != 0; rest &= rest - 1)
		store_gates_begin(h->env.stores[__builtin_ctzll(rest)]);
}

/* Somebody will wait for this round. */
static void want_round(struct session_host *h, uint64_t gate)
{
	if (!h->journal_kick)
		h->gather_from_us = h->now.mono_us;
	h->gather_last_us = h->now.mono_us;
	h->journal_gate = RP_MAX(h->journal_gate, gate);
	h->journal_kick = true;
}

uint64_t host_unit_end(struct session_host *h, bool wide)
{
	uint64_t shards = h->unit.shards, gate = 0, wait = 0;

	bool changed = journal_end(&h->unit, h->env.stores);
	if (rp_likely(shards == 0 || store_gates(h->env.stores[__builtin_ctzll(shards)]) == NULL))
		return 0;
	if (changed) {
		gate = journal_gate(h->durable);
		want_round(h, gate);
	}
	for (uint64_t rest = shards; rest != 0; rest &= rest - 1) {
		uint64_t one = store_gates_end(h->env.stores[__builtin_ctzll(rest)], gate, wide);
		wait = RP_MAX(wait, one);
	}
	return wait;
}

/* ---- holding back ---- */

static struct session_gate *gate_get(struct session *s)
{
	struct session_host *h = s->host;
	struct session_gate *g = s->gate;

	if (g != NULL)
		return g;
	s->gate = g = pool_get(&h->gates);
	g->s = s;
	g->n = 0;
	g->bytes = 0;
	g->next = h->gated;
	g->pprev = &h->gated;
	if (g->next != NULL)
		g->next->pprev = &g->next;
	h->gated = g;
	return g;
}

static void gate_put(struct session_gate *g)
{
	g->s->gate = NULL;
	*g->pprev = g->next;
	if (g->next != NULL)
		g->next->pprev = g->pprev;
	pool_put(&g->s->host->gates, g);
}

bool session_gate_hold(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes, uint64_t gate)
{
	if (s->gate == NULL && (gate == 0 || gate <= journal_synced(s->host->durable)))
		return false;
	struct session_gate *g = gate_get(s);
	struct gate_part *last = g->n > 0 ? &g->part[g->n - 1] : NULL;
	g->bytes += bytes;
	if (last != NULL && (gate <= last->gate || g->n == GATE_PARTS)) {
		last->tail->next = head;
		last->tail = tail;
		last->bytes += bytes;
		last->gate = RP_MAX(last->gate, gate);
	} else {
		g->part[g->n++] = (struct gate_part){head, tail, bytes, gate};
	}
	return true;
}

size_t session_gate_bytes(const struct session *s)
{
	return s->gate->bytes;
}

void session_gate_drop(struct session *s)
{
	if (s->gate == NULL)
		return;
	for (uint32_t i = 0; i < s->gate->n; i++)
		buf_chain_free(s->gate->part[i].head, s->host->heap);
	gate_put(s->gate);
}

/* ---- letting go ---- */

static void release(struct session_gate *g, uint64_t synced)
{
	struct session *s = g->s;
	struct gate_part part[GATE_PARTS];
	uint32_t n = 0;

	while (n < RP_MIN(g->n, (uint32_t)GATE_PARTS) && g->part[n].gate <= synced)
		n++;
	if (n == 0)
		return;
	memcpy(part, g->part, n * sizeof *part);
	g->n -= n;
	memmove(g->part, g->part + n, g->n * sizeof *g->part);
	for (uint32_t i = 0; i < n; i++)
		g->bytes -= part[i].bytes;
	if (g->n == 0)
		gate_put(g);
	for (uint32_t i = 0; i < n; i++)
		session_out_now(s, part[i].head, part[i].tail, part[i].bytes);
	session_ready(s);
	if (s->gone || s->eof || s->closing)
		session_doom(s);
}

void host_want_durable(struct session_host *h, uint64_t gate)
{
	journal_want(h->durable, gate);
	h->want_durable = true;
	want_round(h, gate);
}

/* Those who wait in WAITAOF. */
static void end_waits(struct session_host *h, uint64_t synced)
{
	h->want_durable = false;
	for (struct session *s = h->waiting[WAIT_BLOCK], *next; s != NULL; s = next) {
		next = s->wait_next;
		if (s->block == NULL || s->block->durable == 0 || s->block->full_time)
			continue;
		if (s->block->durable > synced)
			h->want_durable = true;
		else
			block_end(s, BLOCK_TIME_OVER);
	}
}

uint32_t host_poll_gates(struct session_host *h)
{
	uint64_t synced = journal_synced(h->durable);
	uint32_t n = 0;

	if (rp_likely(synced == h->gate_seen))
		return 0;
	h->gate_seen = synced;
	/* Those who get their replies now will be back in a moment. */
	h->gather_from_us = h->gather_last_us = h->now.mono_us;
	for (struct session_gate *g = h->gated, *next; g != NULL; g = next, n++) {
		next = g->next;
		release(g, synced);
	}
	if (rp_unlikely(h->want_durable))
		end_waits(h, synced);
	return n;
}

/* A round costs the disk the same however many wait for it, and who comes a moment too late for one waits for two. So
 * it is asked for when nobody has come for a while, which is short beside what the disk takes; and not before the one
 * under way has returned, since those whom it sets free are likely to come again. */
static bool gathering(const struct session_host *h)
{
	uint64_t most = __atomic_load_n(&h->durable->gather_us, __ATOMIC_RELAXED), now = h->now.mono_us;

	if (journal_under_way(h->durable))
		return true;
	return now - h->gather_last_us < RP_MIN(most / 2, (uint64_t)QUIET_US) && now - h->gather_from_us < most;
}

void host_kick_journal(struct session_host *h)
{
	if (rp_likely(!h->journal_kick))
		return;
	if (journal_begun(h->durable) >= h->journal_gate) { /* somebody else has asked */
		h->journal_kick = false;
		return;
	}
	if (h->gathers && gathering(h))
		return;
	h->journal_kick = false;
	journal_want(h->durable, h->journal_gate);
	msg_kick(h->bus, msg_bus_control(h->bus));
}

void host_look_at_journal(struct session_host *h)
{
	bool tight = false;

	for (uint32_t i = 0; i < h->env.nstores; i++) {
		const struct journal *j = store_journal(h->env.stores[i]);
		const struct journal_ring *r = j != NULL ? __atomic_load_n(&j->ring, __ATOMIC_RELAXED) : NULL;
		tight |= r != NULL && journal_ring_tight(r);
	}
	h->journal_tight = tight;
}
