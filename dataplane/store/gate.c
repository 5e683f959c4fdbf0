#include "store/gate.h"
#include "store/store_priv.h"

void store_set_gates(struct store *s, struct store_gates *g)
{
	__atomic_store_n(&s->gates, g, __ATOMIC_RELEASE);
}

struct store_gates *store_gates(const struct store *s)
{
	return __atomic_load_n(&s->gates, __ATOMIC_ACQUIRE);
}

void store_show_gates(struct store *s, struct store_gates *g)
{
	g->touched_all = true;
	g->ntouched = 0;
	store_set_gates(s, g);
}

void store_gates_begin(struct store *s)
{
	struct store_gates *g = store_gates(s);

	if (rp_likely(g == NULL))
		return;
	g->seen = 0;
	g->ntouched = 0;
	g->touched_all = false;
}

void gates_touch(struct store *s, struct slice key)
{
	struct store_gates *g = s->gates;

	if (g->ntouched == GATE_TOUCHED || key.ptr == NULL)
		g->touched_all = true;
	else
		g->touched[g->ntouched++] = (uint32_t)(index_hash(s->db[0].ix, key) % GATE_SLOTS);
}

static void mark(struct store_gates *g, uint64_t gate)
{
	g->last = gate;
	if (g->touched_all)
		g->all = gate;
	for (uint32_t i = 0; i < g->ntouched; i++)
		g->slot[g->touched[i]] = gate;
}

uint64_t store_gates_end(struct store *s, uint64_t gate, bool wide)
{
	struct store_gates *g = store_gates(s);

	if (rp_likely(g == NULL))
		return 0;
	if (gate != 0)
		mark(g, gate);
	return RP_MAX(gate, wide ? g->last : g->seen);
}
