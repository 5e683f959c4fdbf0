/* INFO: the sections about commands. */
#include <stdlib.h>

#include "base/num.h"
#include "ctrlplane/ctrl_info.h"
#include "ctrlplane/ctrl_stats.h"

void info_commandstats(const struct ctrl *c, struct text *t)
{
	struct cmd_stat st;

	text_add(t, "# Commandstats\r\n");
	for (uint32_t id = 0; id < cmd_count; id++) {
		stats_command(c, id, &st);
		if (st.calls == 0 && st.rejected == 0 && st.failed == 0)
			continue;
		uint64_t us = stats_cycles_to_us(c, st.cycles);
		text_add(t, "cmdstat_%s:calls=%lu,usec=%lu,usec_per_call=%.2f,rejected_calls=%lu,failed_calls=%lu\r\n",
			 cmd_at(id)->name, (unsigned long)st.calls, (unsigned long)us,
			 st.calls ? (double)us / (double)st.calls : 0.0, (unsigned long)st.rejected,
			 (unsigned long)st.failed);
	}
}

uint64_t info_error_replies(const struct ctrl *c)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < stats_hosts(c); i++)
		sum += STAT_LOAD(stats_host(c, i)->errors.total);
	return sum - c->base.errors.total;
}

static uint64_t error_replies_of(const struct ctrl *c, const char *code)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < stats_hosts(c); i++)
		sum += error_stats_of(&stats_host(c, i)->errors, code);
	return sum - error_stats_of(&c->base.errors, code);
}

/* Those of thread `at` that no thread before it has. */
static void thread_errorstats(const struct ctrl *c, uint32_t at, struct text *t)
{
	const struct error_stats *own = &stats_host(c, at)->errors;
	uint32_t n = __atomic_load_n(&own->n, __ATOMIC_ACQUIRE);

	for (uint32_t k = 0; k < n; k++) {
		uint32_t before = 0;
		while (before < at && error_stats_of(&stats_host(c, before)->errors, own->e[k].code) == 0)
			before++;
		uint64_t sum = before == at ? error_replies_of(c, own->e[k].code) : 0;
		if (sum > 0)
			text_add(t, "errorstat_%s:count=%lu\r\n", own->e[k].code, (unsigned long)sum);
	}
}

void info_errorstats(const struct ctrl *c, struct text *t)
{
	text_add(t, "# Errorstats\r\n");
	for (uint32_t i = 0; i < stats_hosts(c); i++)
		thread_errorstats(c, i, t);
}

/* What all threads have counted becomes the new zero. */
void info_errors_reset(struct ctrl *c)
{
	struct error_stats sum = {.total = 0};

	for (uint32_t i = 0; i < stats_hosts(c); i++) {
		const struct error_stats *e = &stats_host(c, i)->errors;
		uint32_t n = __atomic_load_n(&e->n, __ATOMIC_ACQUIRE);
		sum.total += STAT_LOAD(e->total);
		for (uint32_t k = 0; k < n; k++) {
			uint32_t at = 0;
			while (at < sum.n && strcmp(sum.e[at].code, e->e[k].code) != 0)
				at++;
			if (at == sum.n && sum.n++ < ERROR_CODES)
				memcpy(sum.e[at].code, e->e[k].code, ERROR_CODE_MAX);
			sum.n = RP_MIN(sum.n, (uint32_t)ERROR_CODES);
			if (at < ERROR_CODES)
				sum.e[at].count += STAT_LOAD(e->e[k].count);
		}
	}
	c->base.errors = sum;
}

/* config_check() has seen that these are numbers. */
static void add_percentiles(const char *list, const struct cmd_stat *st, struct text *t)
{
	char *end;

	for (const char *p = list; *p != '\0'; p = end + strspn(end, " ")) {
		double percent = strtod(p, &end);
		char text[NUM_DOUBLE_CHARS];
		num_format_double(text, percent);
		text_add(t, "%sp%s=%.3f", p == list ? "" : ",", text, (double)stats_percentile_ns(st, percent) / 1000);
	}
	text_add(t, "\r\n");
}

void info_latencystats(const struct ctrl *c, struct text *t)
{
	struct cmd_stat st;

	text_add(t, "# Latencystats\r\n");
	if (!c->config.latency_tracking || c->config.latency_percentiles[0] == '\0')
		return;
	for (uint32_t id = 0; id < cmd_count; id++) {
		stats_command(c, id, &st);
		if (st.calls == 0)
			continue;
		text_add(t, "latency_percentiles_usec_%s:", cmd_at(id)->name);
		add_percentiles(c->config.latency_percentiles, &st, t);
	}
}
