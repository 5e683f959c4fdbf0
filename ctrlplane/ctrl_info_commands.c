/* INFO: the sections about commands. */
#include "ctrlplane/ctrl_info.h"

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
	struct cmd_stat st;
	uint64_t sum = 0;

	for (uint32_t id = 0; id < cmd_count; id++) {
		stats_command(c, id, &st);
		sum += st.rejected + st.failed;
	}
	return sum;
}

/* Errors are counted by command, not by their code: the heading stands alone. */
void info_errorstats(const struct ctrl *c, struct text *t)
{
	text_add(t, "# Errorstats\r\n");
}

void info_latencystats(const struct ctrl *c, struct text *t)
{
	struct cmd_stat st;

	text_add(t, "# Latencystats\r\n");
	for (uint32_t id = 0; id < cmd_count; id++) {
		stats_command(c, id, &st);
		if (st.calls == 0)
			continue;
		text_add(t, "latency_percentiles_usec_%s:p50=%.3f,p99=%.3f,p99.9=%.3f\r\n", cmd_at(id)->name,
			 (double)stats_percentile_ns(&st, 50) / 1000, (double)stats_percentile_ns(&st, 99) / 1000,
			 (double)stats_percentile_ns(&st, 99.9) / 1000);
	}
}
