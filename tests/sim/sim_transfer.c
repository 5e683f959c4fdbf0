/* Whole connections over a bad wire, thousands of seeds: each byte arrives once and in order, each connection ends,
 * each buffer comes back, every law holds all the time.
 *
 *   sim_transfer [--runs N] [--first SEED] [--seed N] [--twice]
 *
 * --runs 0 goes on until a seed fails, --seed replays one run and tells its parameters, --twice plays each seed again,
 * in another order, and compares the traces.
 */
#include "sim.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK      50 /* runs that --twice plays before it plays them again */
#define TELL_EVERY 10000
#define TELLING    1000 /* fewer runs need not have met everything */

struct options {
	uint64_t runs, first;
	bool replay, twice;
};

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option opts[] = {
		{"runs", 1, NULL, 'r'}, {"first", 1, NULL, 'f'}, {"seed", 1, NULL, 's'}, {"twice", 0, NULL, 't'}, {0}};
	int c;

	*o = (struct options){.runs = 3000, .first = 1};
	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		if (c == 'r') {
			o->runs = strtoull(optarg, NULL, 0);
		} else if (c == 'f' || c == 's') {
			o->first = strtoull(optarg, NULL, 0);
			o->replay |= c == 's';
		} else if (c == 't') {
			o->twice = true;
		} else {
			return false;
		}
	}
	o->runs = o->replay ? 1 : o->runs;
	return true;
}

static bool met_of_tcp(const struct tcp_counters *n)
{
	printf("%lu segments, %lu retransmitted, %lu fast recoveries, %lu timeouts, %lu out of order, %lu probes, "
	       "%lu window updates, %lu delayed ACKs, %lu copies, %lu splits, %lu merges, %lu failed allocations, "
	       "%lu probes for tails, %lu of them needless, %lu undone recoveries, "
	       "%lu trains, %lu bytes attached, %lu cookies, %lu ECN reductions, %lu MTUs lowered by ICMP, %lu for a "
	       "black hole, %lu probed and %lu of them raised, %lu keepalive probes\n",
	       n->segs_out, n->retransmits, n->fast_retransmits, n->rtos, n->ooo_in, n->window_probes,
	       n->window_updates, n->delayed_acks, n->tx_copies, n->tx_splits, n->tx_merges, n->no_mbuf, n->tlp_probes,
	       n->tlp_needless, n->undos, n->trains_out, n->bytes_attached, n->cookies_good, n->ecn_reductions,
	       n->pmtu_updates, n->pmtu_blackholes, n->pmtu_probes, n->pmtu_raises, n->keepalive_probes);
	return n->fast_retransmits && n->rtos && n->ooo_in && n->window_probes && n->window_updates &&
	       n->delayed_acks && n->tx_copies && n->tx_splits && n->tx_merges && n->fast_path && n->no_mbuf &&
	       n->tlp_probes && n->tlp_repairs && n->tlp_needless && n->undos && n->dsacks_in && n->cookies_good &&
	       n->ecn_reductions && n->pmtu_updates && n->pmtu_blackholes && n->pmtu_raises &&
	       n->pmtu_raises < n->pmtu_probes && n->trains_out && n->bytes_attached && n->keepalive_probes;
}

static bool met_of_wire(const struct sim_sum *m)
{
	const uint64_t *e = m->ends, *l = m->longest_us, *c = m->closed;

	printf("%lu damaged frames refused, %lu times a full device, %lu frames without a receive buffer, %lu shed, "
	       "MSS lowered %lu times and raised %lu, %lu pauses\n",
	       m->spoilt, m->tx_full, m->rx_dropped, m->shed, m->mss_lowered, m->mss_raised, m->pauses);
	printf("bad ends: %lu dark (over after %.1f s at most), %lu gone (%.1f s), %lu rebooted (%.1f s), %lu aborted "
	       "(%.1f s); connections closed: %lu normal, %lu reset, %lu timeout, %lu refused, %lu aborted\n",
	       e[SIM_END_DARK], (double)l[SIM_END_DARK] / 1e6, e[SIM_END_GONE], (double)l[SIM_END_GONE] / 1e6,
	       e[SIM_END_REBOOT], (double)l[SIM_END_REBOOT] / 1e6, e[SIM_END_ABORT], (double)l[SIM_END_ABORT] / 1e6,
	       c[TCP_CLOSED_NORMAL], c[TCP_CLOSED_RESET], c[TCP_CLOSED_TIMEOUT], c[TCP_CLOSED_REFUSED],
	       c[TCP_CLOSED_ABORTED]);
	return m->spoilt && m->tx_full && m->rx_dropped && m->shed && m->mss_lowered && m->mss_raised && m->pauses &&
	       e[SIM_END_DARK] && e[SIM_END_GONE] && e[SIM_END_REBOOT] && e[SIM_END_ABORT] && c[TCP_CLOSED_RESET] &&
	       c[TCP_CLOSED_TIMEOUT] && c[TCP_CLOSED_REFUSED] && c[TCP_CLOSED_ABORTED];
}

static bool met_everything(const struct sim_sum *m)
{
	bool of_tcp = met_of_tcp(&m->tcp);

	return met_of_wire(m) && of_tcp;
}

static bool play(struct sim *s, struct sim_world *world, uint64_t seed, struct sim_sum *sum)
{
	bool ok = sim_run(s, world, seed, sum);

	if (!ok) {
		printf("seed %lu: %s\n", seed, s->failed);
		sim_tell(s);
	}
	return ok;
}

/* What is left over from other runs must not matter: the second time the order is the other way. */
static bool play_twice(struct sim *s, struct sim_world *world, uint64_t first, uint64_t n, struct sim_sum *sum)
{
	uint64_t trace[BLOCK];

	for (uint64_t i = 0; i < n; i++) {
		if (!play(s, world, first + i, sum))
			return false;
		trace[i] = s->w.trace;
	}
	for (uint64_t i = n; i-- > 0;) {
		if (!play(s, world, first + i, sum))
			return false;
		if (s->w.trace == trace[i])
			continue;
		printf("seed %lu: another trace the second time, %016lx and %016lx\n", first + i, trace[i], s->w.trace);
		return false;
	}
	return true;
}

static bool play_all(const struct options *o, struct sim *s, struct sim_world *world, struct sim_sum *sum)
{
	uint64_t step = o->twice ? BLOCK : 1;

	for (uint64_t done = 0; o->runs == 0 || done < o->runs; done += step) {
		bool ok = o->twice ? play_twice(s, world, o->first + done, step, sum)
				   : play(s, world, o->first + done, sum);
		if (!ok)
			return false;
		if (o->runs == 0 && (done + step) % TELL_EVERY < step) {
			printf("%lu runs, up to seed %lu\n", done + step, o->first + done + step - 1);
			fflush(stdout);
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options o;

	if (!parse_options(argc, argv, &o))
		return 2;
	wire_eal_init("sim_transfer");
	struct sim *s = calloc(1, sizeof(*s));
	struct sim_world *world = calloc(1, sizeof(*world));
	struct sim_sum *sum = calloc(1, sizeof(*sum));
	sim_world_init(world);
	bool ok = play_all(&o, s, world, sum);
	if (ok && o.replay)
		sim_tell(s);
	printf("%lu runs%s\n", o.runs, o.twice ? ", each twice" : "");
	ok = ok && (met_everything(sum) || o.runs < TELLING);
	sim_world_fini(world);
	free(s);
	free(world);
	free(sum);
	return ok ? 0 : 1;
}
