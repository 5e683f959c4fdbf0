/* Sums over all threads, for INFO, LATENCY HISTOGRAM and CONFIG RESETSTAT. Control thread only. */
#pragma once

#include "ctrlplane/ctrl.h"

/* A counter that another thread writes. */
#define STAT_LOAD(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)

struct stat_totals {
	/* since CONFIG RESETSTAT */
	uint64_t commands, sessions, rejected, hits, misses, expired, evicted, freeing, freed, net_in, net_out;
	struct acl_counts denied;
	/* now */
	uint64_t tracking, pubsub, tracked_keys, tracked_links, blocking_keys, blocking_gone_keys;
	uint64_t clients, blocked, timeouts, keys, expires;
};

/* The hosts of all threads: workers first, then the control thread's at nworkers, then the script thread's. */
const struct session_host *stats_host(const struct ctrl *c, uint32_t i);
static inline uint32_t stats_hosts(const struct ctrl *c)
{
	return c->nworkers + 1 + (c->script != NULL);
}

void stats_totals(const struct ctrl *c, struct stat_totals *t);
/* What one command did on all threads since CONFIG RESETSTAT. */
void stats_command(const struct ctrl *c, uint32_t cmd_id, struct cmd_stat *out);
void stats_reset(struct ctrl *c);

uint64_t stats_cycles_to_us(const struct ctrl *c, uint64_t cycles);
/* Upper bound in nanoseconds of bucket i of cmd_stat.hist, as a histogram with two significant digits rounds it (the
 * one of Redis): its highest value that looks the same. */
uint64_t stats_bucket_ns(uint32_t i);
/* The bound below which `percent` of the calls are; 0 if there were none. */
uint64_t stats_percentile_ns(const struct cmd_stat *st, double percent);
/* Mean of the 16 samples of ops, in or out. */
uint64_t stats_rate(const uint64_t sample[16]);
