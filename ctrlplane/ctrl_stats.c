/* Sums over all threads. */
#include "ctrlplane/ctrl_info.h"
#include "ctrlplane/ctrl_stats.h"
#include "ctrlplane/script/script_thread.h"
#include "store/watch.h"

const struct session_host *stats_host(const struct ctrl *c, uint32_t i)
{
	if (i < c->nworkers)
		return &c->workers[i]->host;
	return i == c->nworkers ? &c->host : script_thread_host(c->script);
}

static void add_host(const struct session_host *h, struct stat_totals *t)
{
	t->commands += STAT_LOAD(h->count.commands);
	t->sessions += STAT_LOAD(h->count.sessions_opened);
	t->rejected += STAT_LOAD(h->count.sessions_rejected);
	t->clients += STAT_LOAD(h->count.clients);
	t->tracking += STAT_LOAD(h->count.tracking_clients);
	t->pubsub += STAT_LOAD(h->count.pubsub_clients);
	t->blocked += STAT_LOAD(h->count.blocked);
	t->timeouts += STAT_LOAD(h->deadlines.n);
	t->denied.auth += STAT_LOAD(h->denied.auth);
	t->denied.cmd += STAT_LOAD(h->denied.cmd);
	t->denied.key += STAT_LOAD(h->denied.key);
	t->denied.channel += STAT_LOAD(h->denied.channel);
}

static void add_worker(const struct worker *w, struct stat_totals *t)
{
	const struct store_stats *st = store_stats_get(w->store);
	const struct tcp_counters *tc = tcp_counters(w->tcp);

	t->hits += STAT_LOAD(st->hits);
	t->misses += STAT_LOAD(st->misses);
	t->expired += STAT_LOAD(st->expired);
	t->evicted += STAT_LOAD(st->evicted);
	t->freeing += STAT_LOAD(st->freeing);
	t->freed += STAT_LOAD(st->freed);
	t->keys += STAT_LOAD(st->keys);
	t->expires += STAT_LOAD(st->expires);
	t->tracked_keys += watch_tracked_keys(w->store);
	t->tracked_links += watch_tracked_links(w->store);
	t->blocking_keys += watch_blocking_keys(w->store);
	t->blocking_gone_keys += watch_blocking_gone_keys(w->store);
	t->net_in += STAT_LOAD(tc->bytes_in);
	t->net_out += STAT_LOAD(tc->bytes_out);
}

static void totals_since_boot(const struct ctrl *c, struct stat_totals *t)
{
	*t = (struct stat_totals){.commands = 0};
	for (uint32_t i = 0; i < stats_hosts(c); i++)
		add_host(stats_host(c, i), t);
	for (uint32_t i = 0; i < c->nworkers; i++)
		add_worker(c->workers[i], t);
}

void stats_totals(const struct ctrl *c, struct stat_totals *t)
{
	totals_since_boot(c, t);
	t->commands -= c->base.commands;
	t->sessions -= c->base.sessions;
	t->rejected -= c->base.rejected;
	t->hits -= c->base.hits;
	t->misses -= c->base.misses;
	t->expired -= c->base.expired;
	t->evicted -= c->base.evicted;
	t->freed -= c->base.freed;
	t->net_in -= c->base.net_in;
	t->net_out -= c->base.net_out;
	t->denied.auth -= c->base.denied.auth;
	t->denied.cmd -= c->base.denied.cmd;
	t->denied.key -= c->base.denied.key;
	t->denied.channel -= c->base.denied.channel;
}

static void command_since_boot(const struct ctrl *c, uint32_t cmd_id, struct cmd_stat *out)
{
	*out = (struct cmd_stat){.calls = 0};
	for (uint32_t i = 0; i < stats_hosts(c); i++) {
		const struct cmd_stat *st = &stats_host(c, i)->env.stats[cmd_id];
		out->calls += STAT_LOAD(st->calls);
		out->cycles += STAT_LOAD(st->cycles);
		out->rejected += STAT_LOAD(st->rejected);
		out->failed += STAT_LOAD(st->failed);
		for (uint32_t b = 0; b < RP_ARRAY_LEN(out->hist); b++)
			out->hist[b] += STAT_LOAD(st->hist[b]);
	}
}

void stats_command(const struct ctrl *c, uint32_t cmd_id, struct cmd_stat *out)
{
	const struct cmd_stat *base = &c->base.cmd[cmd_id];

	command_since_boot(c, cmd_id, out);
	out->calls -= base->calls;
	out->cycles -= base->cycles;
	out->rejected -= base->rejected;
	out->failed -= base->failed;
	for (uint32_t b = 0; b < RP_ARRAY_LEN(out->hist); b++)
		out->hist[b] -= base->hist[b];
}

void stats_reset(struct ctrl *c)
{
	struct stat_totals t;

	c->evicted_clients = 0;
	totals_since_boot(c, &t);
	c->base.commands = t.commands;
	c->base.sessions = t.sessions;
	c->base.rejected = t.rejected;
	c->base.hits = t.hits;
	c->base.misses = t.misses;
	c->base.expired = t.expired;
	c->base.evicted = t.evicted;
	c->base.freed = t.freed;
	c->base.net_in = t.net_in;
	c->base.net_out = t.net_out;
	c->base.denied = t.denied;
	info_errors_reset(c);
	for (uint32_t id = 0; id < cmd_count; id++)
		command_since_boot(c, id, &c->base.cmd[id]);
}

uint64_t stats_cycles_to_us(const struct ctrl *c, uint64_t cycles)
{
	uint64_t hz = c->host.tsc_hz ? c->host.tsc_hz : 1000000;

	return (uint64_t)((double)cycles * 1e6 / (double)hz);
}

uint64_t stats_bucket_ns(uint32_t i)
{
	uint64_t bound = 1ull << (i + 1);

	return bound + (bound >> 7) - (i >= 6);
}

uint64_t stats_percentile_ns(const struct cmd_stat *st, double percent)
{
	uint64_t calls = 0, seen = 0;

	for (uint32_t b = 0; b < RP_ARRAY_LEN(st->hist); b++)
		calls += st->hist[b];
	for (uint32_t b = 0; b < RP_ARRAY_LEN(st->hist); b++) {
		seen += st->hist[b];
		if (seen != 0 && (double)seen >= (double)calls * percent / 100)
			return stats_bucket_ns(b);
	}
	return 0;
}

/* ---- rates ---- */

void ctrl_rates_sample(struct ctrl *c)
{
	struct stat_rates *r = &c->rates;
	struct stat_totals t;

	totals_since_boot(c, &t);
	uint64_t us = c->now.mono_us - r->last_us;
	if (r->last_us != 0 && us != 0) {
		r->ops[r->at] = (t.commands - r->last_commands) * 1000000 / us;
		r->in[r->at] = (t.net_in - r->last_in) * 1000000 / us;
		r->out[r->at] = (t.net_out - r->last_out) * 1000000 / us;
		r->at = (r->at + 1) % RP_ARRAY_LEN(r->ops);
	}
	r->last_us = c->now.mono_us;
	r->last_commands = t.commands;
	r->last_in = t.net_in;
	r->last_out = t.net_out;
}

uint64_t stats_rate(const uint64_t sample[16])
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < 16; i++)
		sum += sample[i];
	return sum / 16;
}
