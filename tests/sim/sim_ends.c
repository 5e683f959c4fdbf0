/* How connections end: normally. */
#include "sim.h"

void sim_add_counters(struct tcp_counters *sum, const struct tcp_counters *n)
{
#define TCP_COUNTER(name, help) sum->name += n->name;
#include "tcp/tcp_counters.def"
#undef TCP_COUNTER
}

/* Both FINs done: all bytes arrived, ours there, too. */
static void check_normal(struct sim *s, const struct side *d)
{
	const struct side *peer = &d->pair->side[!d->end];

	if (d->received != d->expect || (peer->opened && peer->received != peer->expect))
		sim_fail(s, "bytes are missing");
}

static void check_reason(struct sim *s, const struct side *d)
{
	bool by_user = s->gone || s->end == SIM_END_ABORT;

	if (!d->opened && !d->closed && s->end != SIM_END_NORMAL)
		return; /* its SYN never came this far */
	if (!d->closed)
		sim_fail(s, "a connection did not end");
	else if (d->why == TCP_CLOSED_NORMAL)
		check_normal(s, d);
	else if (s->end == SIM_END_NORMAL || d->why == TCP_CLOSED_NOMEM || (d->why == TCP_CLOSED_ABORTED && !by_user))
		sim_fail(s, "a connection ended badly");
}

void sim_check_reasons(struct sim *s)
{
	for (uint32_t i = 0; i < 2 * s->pairs; i++)
		check_reason(s, &s->pair[i / 2].side[i % 2]);
}
