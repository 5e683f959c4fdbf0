/* INFO: which sections, and their order. */
#include "ctrlplane/ctrl_info.h"

static const struct {
	const char *name;
	info_section_fn fn;
	bool by_default;
} sections[INFO_SECTIONS] = {
	{"server", info_server, true},
	{"clients", info_clients, true},
	{"memory", info_memory, true},
	{"persistence", info_persistence, true},
	{"stats", info_stats, true},
	{"replication", info_replication, true},
	{"cpu", info_cpu, true},
	{"modules", info_modules, true},
	{"commandstats", info_commandstats, false},
	{"errorstats", info_errorstats, true},
	{"latencystats", info_latencystats, false},
	{"cluster", info_cluster, true},
	{"keyspace", info_keyspace, true},
	{"dataplane", info_dataplane, false},
};

void info_choose(struct slice word, bool chosen[INFO_SECTIONS])
{
	bool all = slice_is(word, "all") || slice_is(word, "everything"), def = slice_is(word, "default");

	if (slice_is(word, "module_list"))
		word = SLICE("modules");
	for (uint32_t i = 0; i < INFO_SECTIONS; i++)
		if (all || (def && sections[i].by_default) || slice_is(word, sections[i].name))
			chosen[i] = true;
}

void info_write(const struct ctrl *c, const bool chosen[INFO_SECTIONS], struct text *t)
{
	for (uint32_t i = 0; i < INFO_SECTIONS; i++) {
		if (!chosen[i])
			continue;
		if (t->len != 0)
			text_add(t, "\r\n");
		sections[i].fn(c, t);
	}
}

static void ctrl_info(struct cmd_ctx *c)
{
	bool chosen[INFO_SECTIONS] = {false};
	struct text t = {.buf = NULL};

	if (c->argc == 1)
		info_choose(SLICE("default"), chosen);
	for (uint32_t i = 1; i < c->argc; i++)
		info_choose(cmd_arg(c, i), chosen);
	info_write(ctrl_of(c), chosen, &t);
	text_reply(&t, c->out);
}

void ctrl_bind_info(void)
{
	cmd_bind("info", ctrl_info);
}
