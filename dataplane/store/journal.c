/* Units: what belongs together over several shards. */
#include "store/journal_ring.h"
#include "store/store.h"

void journal_begin(struct journal_unit *u, struct store *const *stores, uint64_t shards)
{
	*u = (struct journal_unit){.shards = shards};
	for (uint64_t rest = shards; rest != 0; rest &= rest - 1) {
		struct journal *j = store_journal(stores[__builtin_ctzll(rest)]);
		if (journal_on(j))
			j->unit = u;
	}
}

/* Publishes on each of `shards`: alone there, or as parts of one unit. */
static void publish(struct store *const *stores, uint64_t shards, uint64_t mark)
{
	bool several = (shards & (shards - 1)) != 0;
	uint64_t txid = 0;

	for (uint64_t rest = shards; rest != 0; rest &= rest - 1) {
		struct journal_ring *r = store_journal(stores[__builtin_ctzll(rest)])->ring;
		if (r == NULL)
			continue;
		if (several && rest == shards)
			txid = journal_ring_txid(r);
		journal_ring_publish(r, txid, several ? shards : 0, mark);
	}
}

bool journal_end(struct journal_unit *u, struct store *const *stores)
{
	uint64_t shards = u->shards;

	for (uint64_t rest = shards; rest != 0; rest &= rest - 1) {
		struct journal *j = store_journal(stores[__builtin_ctzll(rest)]);
		if (journal_on(j))
			j->unit = NULL;
	}
	u->shards = 0;
	if (u->effects == 0)
		return false;
	publish(stores, shards, 0);
	return true;
}

void journal_move(struct journal_unit *from, struct journal_unit *to, struct store *const *stores)
{
	*to = *from;
	from->shards = 0;
	for (uint64_t rest = to->shards; rest != 0; rest &= rest - 1) {
		struct journal *j = store_journal(stores[__builtin_ctzll(rest)]);
		if (journal_on(j))
			j->unit = to;
	}
}

void journal_mark(struct store *const *stores, uint64_t shards, uint64_t mark)
{
	publish(stores, shards, mark);
}

void journal_attach(struct journal *j, struct journal_ring *r)
{
	j->emit = r != NULL ? journal_ring_emit : NULL;
	j->ctx = r;
	j->unit = NULL;
	__atomic_store_n(&j->ring, r, __ATOMIC_RELEASE);
}
