#include "persist/aof_merge.h"

#include <stdio.h>

void aof_merge_init(struct aof_merge *m, struct journal_ring *const *rings, uint32_t n)
{
	*m = (struct aof_merge){.n = n, .db = UINT32_MAX};
	memcpy(m->ring, rings, n * sizeof *rings);
}

void aof_merge_new_file(struct aof_merge *m)
{
	m->db = UINT32_MAX;
	m->stamp_s = 0;
}

bool aof_merge_pending(const struct aof_merge *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (journal_ring_used(m->ring[i]) != 0)
			return true;
	return false;
}

/* ---- one unit ---- */

/* A unit ready to be taken: the parts of all its shards. */
struct unit {
	uint32_t n;
	uint32_t shard[RP_MAX_WORKERS];
	struct journal_iter it[RP_MAX_WORKERS];
};

/* The part whose next effect was emitted first. NULL: none is left. */
static struct journal_iter *earliest(struct unit *u)
{
	struct journal_iter *first = NULL;

	for (uint32_t i = 0; i < u->n; i++)
		if (u->it[i].effect != NULL && (first == NULL || u->it[i].effect->seq < first->effect->seq))
			first = &u->it[i];
	return first;
}

static bool put_select(struct aof_merge *m, struct aof_buf *out, uint32_t db)
{
	char text[16];

	if (rp_likely(m->db == db))
		return true;
	struct slice argv[] = {SLICE("SELECT"), {text, (size_t)snprintf(text, sizeof text, "%u", db)}};
	m->db = db;
	return aof_buf_command(out, 2, argv);
}

static bool put_stamp(struct aof_merge *m, struct aof_buf *out, int64_t now_s)
{
	char text[40];

	if (!m->timestamps || m->stamp_s == now_s)
		return true;
	m->stamp_s = now_s;
	return aof_buf_put(out, text, (size_t)snprintf(text, sizeof text, "#TS:%ld\r\n", (long)now_s));
}

static bool put_word(struct aof_buf *out, struct slice word)
{
	return aof_buf_command(out, 1, &word);
}

static bool put_effect(struct aof_merge *m, struct aof_buf *out, struct journal_iter *it)
{
	if (!put_select(m, out, it->effect->db) || !aof_buf_put(out, it->command, it->effect->bytes))
		return false;
	m->effects++;
	journal_iter_next(it);
	return true;
}

/* The usual unit: one effect on one shard. */
static bool put_single(struct aof_merge *m, struct aof_buf *out, const struct journal_iter *it, int64_t now_s)
{
	if (!put_stamp(m, out, now_s) || !put_select(m, out, it->effect->db) ||
	    !aof_buf_put(out, it->command, it->effect->bytes))
		return false;
	m->effects++;
	return true;
}

/* false: out of memory; out is as it was but for its length, which the caller restores. */
static bool put_unit(struct aof_merge *m, struct aof_buf *out, struct unit *u, int64_t now_s)
{
	struct journal_iter *it = earliest(u), after;

	if (it == NULL)
		return true;
	if (rp_likely(u->n == 1 && it->at == it->end && it->block == NULL))
		return put_single(m, out, it, now_s);
	after = *it;
	journal_iter_next(&after);
	bool several = after.effect != NULL;
	for (uint32_t i = 0; i < u->n && !several; i++)
		several = &u->it[i] != it && u->it[i].effect != NULL;
	if (!put_stamp(m, out, now_s) || !put_select(m, out, it->effect->db))
		return false;
	if (several && !put_word(out, SLICE("MULTI")))
		return false;
	for (; it != NULL; it = earliest(u))
		if (!put_effect(m, out, it))
			return false;
	return !several || put_word(out, SLICE("EXEC"));
}

/* ---- which unit ---- */

enum gathered {
	GATHER_ALL,
	GATHER_NOT_YET, /* other units stand before a part of it */
	GATHER_LOST     /* effects are missing, perhaps of this one */
};

/* The unit at the head of shard i with its parts on the others, if all of them are at the head. Whether anything is
 * missing is asked for each part once it is seen: it was known before the part was published. */
static enum gathered gather(struct aof_merge *m, uint32_t i, const struct journal_unit_head *head, struct unit *u)
{
	u->n = 0;
	for (uint64_t rest = head->shards != 0 ? head->shards : 1ull << i; rest != 0; rest &= rest - 1) {
		uint32_t k = (uint32_t)__builtin_ctzll(rest);
		const struct journal_unit_head *part = k == i ? head : journal_ring_peek(m->ring[k]);
		if (part == NULL || part->txid != head->txid || part->shards != head->shards)
			return GATHER_NOT_YET;
		if (journal_ring_lost(m->ring[k]))
			return GATHER_LOST;
		u->shard[u->n] = k;
		journal_iter_begin(&u->it[u->n++], part);
	}
	return GATHER_ALL;
}

static void take(struct aof_merge *m, const struct unit *u)
{
	for (uint32_t i = 0; i < u->n; i++)
		journal_ring_take(m->ring[u->shard[i]]);
	m->units++;
}

static bool lost(const struct aof_merge *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (journal_ring_lost(m->ring[i]))
			return true;
	return false;
}

/* Takes what can be taken of shard i. *took is set if anything was. */
static enum aof_merge_end drain_shard(struct aof_merge *m, uint32_t i, struct aof_buf *out, size_t most, int64_t now_s,
				      uint64_t *mark, bool *took)
{
	const struct journal_unit_head *head;
	struct unit u;

	while ((head = journal_ring_peek(m->ring[i])) != NULL) {
		enum gathered g = gather(m, i, head, &u);
		if (g != GATHER_ALL)
			return g == GATHER_LOST ? AOF_MERGE_LOST : AOF_MERGE_DRAINED;
		size_t before = out->len;
		uint32_t db = m->db;
		*mark = head->mark;
		if (!put_unit(m, out, &u, now_s)) {
			out->len = before;
			m->db = db;
			return AOF_MERGE_NOMEM;
		}
		take(m, &u);
		*took = true;
		if (*mark != 0)
			return AOF_MERGE_MARK;
		if (out->len >= most)
			return AOF_MERGE_FULL;
	}
	return AOF_MERGE_DRAINED;
}

enum aof_merge_end aof_merge_poll(struct aof_merge *m, struct aof_buf *out, size_t most, int64_t now_s, uint64_t *mark)
{
	bool took = true;

	if (out->len >= most)
		return AOF_MERGE_FULL;
	/* A unit that waits for one shard's part may be followed by others that it held up. */
	while (took) {
		took = false;
		if (lost(m))
			return AOF_MERGE_LOST;
		for (uint32_t i = 0; i < m->n; i++) {
			enum aof_merge_end end = drain_shard(m, i, out, most, now_s, mark, &took);
			if (end != AOF_MERGE_DRAINED)
				return end;
		}
	}
	return AOF_MERGE_DRAINED;
}

void aof_merge_begin(struct aof_merge *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		m->until[i] = journal_ring_tail(m->ring[i]);
}

bool aof_merge_passed(const struct aof_merge *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (journal_ring_tail(m->ring[i]) - journal_ring_used(m->ring[i]) < m->until[i])
			return false;
	return true;
}

void aof_merge_discard(struct aof_merge *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		while (journal_ring_peek(m->ring[i]) != NULL)
			journal_ring_take(m->ring[i]);
}
