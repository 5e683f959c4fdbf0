/* LATENCY. */
#include "ctrlplane/ctrl_latency.h"
#include "ctrlplane/ctrl_stats.h"

static void latency_latest(struct cmd_ctx *c)
{
	const struct latency *l = ctrl_of(c)->latency;

	reply_array(c->out, l->nevents);
	for (uint32_t i = 0; i < l->nevents; i++) {
		const struct latency_event *e = &l->event[i];
		const struct latency_sample *last = &e->sample[(e->next + LATENCY_SAMPLES - 1) % LATENCY_SAMPLES];
		reply_array(c->out, 4);
		reply_bulk_str(c->out, e->name);
		reply_int(c->out, last->at_s);
		reply_int(c->out, last->ms);
		reply_int(c->out, e->max_ms);
	}
}

static void latency_history(struct cmd_ctx *c)
{
	const struct latency_event *e = latency_find(ctrl_of(c)->latency, cmd_arg(c, 2));
	struct latency_sample s[LATENCY_SAMPLES];
	uint32_t n = e != NULL ? latency_series(e, s) : 0;

	reply_array(c->out, n);
	for (uint32_t i = 0; i < n; i++) {
		reply_array(c->out, 2);
		reply_int(c->out, s[i].at_s);
		reply_int(c->out, s[i].ms);
	}
}

static void latency_reset(struct cmd_ctx *c)
{
	struct latency *l = ctrl_of(c)->latency;
	uint32_t n = 0;

	if (c->argc == 2) {
		n = l->nevents;
		l->nevents = 0;
	}
	for (uint32_t i = 2; i < c->argc; i++)
		n += latency_forget(l, cmd_arg(c, i));
	reply_int(c->out, n);
}

static void latency_draw(struct cmd_ctx *c)
{
	const struct latency_event *e = latency_find(ctrl_of(c)->latency, cmd_arg(c, 2));
	struct text t = {.buf = NULL};

	if (e == NULL) {
		reply_errorf(c->out, "ERR No samples available for event '%.*s'", (int)RP_MIN(c->argv[2].len, 256u),
			     c->argv[2].ptr);
		return;
	}
	latency_graph(e, ctrl_of(c)->now.wall_us / 1000000, &t);
	text_reply(&t, c->out);
}

/* ---- advice ---- */

static void describe(const struct latency_event *e, uint32_t number, struct text *t)
{
	struct latency_summary s;

	latency_summarise(e, &s);
	text_add(t, "%u. %s: %u slow second%s, on average %u ms (mean deviation %u ms)", number, e->name, s.samples,
		 s.samples == 1 ? "" : "s", s.avg_ms, s.deviation_ms);
	if (s.samples > 1)
		text_add(t, ", one every %.2f s", (double)s.span_s / (s.samples - 1));
	text_add(t, ". The worst of all times took %u ms.\n", e->max_ms);
}

static void advise(const struct ctrl *c, struct text *t)
{
	uint64_t threshold_us = c->dp.latency_ms * 1000;

	text_add(t, "\nWhat may help:\n\n");
	if (c->dp.slowlog_us < 0 || (uint64_t)c->dp.slowlog_us > threshold_us)
		text_add(t,
			 "- The slow log misses these commands. CONFIG SET slowlog-log-slower-than %lu makes it keep "
			 "them.\n",
			 (unsigned long)threshold_us);
	else
		text_add(t, "- SLOWLOG GET shows which commands these were.\n");
	text_add(t,
		 "- A command runs to its end before its shard serves another: prefer several small ones to one that "
		 "works on very many elements.\n");
	if (c->config.idle == CONFIG_IDLE_ADAPTIVE)
		text_add(t, "- Workers sleep when nothing happens ('idle adaptive'); 'idle poll' with a CPU for each "
			    "reacts faster.\n");
}

static void latency_doctor(struct cmd_ctx *c)
{
	const struct ctrl *ctl = ctrl_of(c);
	struct text t = {.buf = NULL};

	if (ctl->dp.latency_ms == 0 && ctl->latency->nevents == 0) {
		text_add(&t, "Latency monitoring is off, so there is nothing to tell. \"CONFIG SET "
			     "latency-monitor-threshold <milliseconds>\" turns it on.\n");
	} else if (ctl->latency->nevents == 0) {
		text_add(&t, "No event took %lu ms or more so far.\n", (unsigned long)ctl->dp.latency_ms);
	} else {
		text_add(&t, "There were latency spikes:\n\n");
		for (uint32_t i = 0; i < ctl->latency->nevents; i++)
			describe(&ctl->latency->event[i], i + 1, &t);
		advise(ctl, &t);
	}
	text_reply(&t, c->out);
}

/* ---- histograms ---- */

/* Microseconds that bucket i is shown as. Redis's smallest bucket ends at 1 us. */
static uint64_t shown_us(uint32_t i)
{
	uint64_t ns = stats_bucket_ns(i);

	return ns < 1000 ? 1 : ns / 1000;
}

static void reply_histogram(struct reply *r, const struct cmd *cmd, const struct cmd_stat *st)
{
	struct reply sub;
	uint64_t seen = 0, shown = 0, pairs = 0;
	uint32_t last = RP_ARRAY_LEN(st->hist) - 1;

	reply_bulk_str(r, cmd->name);
	reply_map(r, 2);
	reply_bulk_str(r, "calls");
	reply_int(r, (int64_t)st->calls);
	reply_bulk_str(r, "histogram_usec");
	reply_sub_begin(r, &sub);
	for (uint32_t i = 0; i <= last; i++) {
		seen += st->hist[i];
		if (seen == shown || (i < last && shown_us(i + 1) == shown_us(i)))
			continue;
		reply_int(&sub, (int64_t)shown_us(i));
		reply_int(&sub, (int64_t)seen);
		shown = seen;
		pairs++;
	}
	reply_sub_end(r, &sub, REPLY_MAP, pairs);
}

static uint32_t histogram_of(const struct ctrl *c, uint32_t id, struct reply *r)
{
	struct cmd_stat st;

	stats_command(c, id, &st);
	if (st.calls == 0)
		return 0;
	reply_histogram(r, cmd_at(id), &st);
	return 1;
}

/* The named command; its subcommands if it is a container. */
static uint32_t histograms_named(const struct ctrl *c, struct slice name, struct reply *r)
{
	const struct cmd *cmd = cmd_find(name);
	uint32_t n = 0;

	if (cmd == NULL)
		return 0;
	if (cmd->fn != NULL)
		n = histogram_of(c, (uint32_t)cmd->id, r);
	for (uint32_t id = 0; id < cmd_count; id++)
		if (cmd_at(id)->parent == cmd->id)
			n += histogram_of(c, id, r);
	return n;
}

static void latency_histogram(struct cmd_ctx *c)
{
	const struct ctrl *ctl = ctrl_of(c);
	struct reply sub;
	uint64_t n = 0;

	reply_sub_begin(c->out, &sub);
	if (c->argc == 2)
		for (uint32_t id = 0; id < cmd_count; id++)
			n += histogram_of(ctl, id, &sub);
	for (uint32_t i = 2; i < c->argc; i++)
		n += histograms_named(ctl, cmd_arg(c, i), &sub);
	reply_sub_end(c->out, &sub, REPLY_MAP, n);
}

void ctrl_bind_latency(void)
{
	cmd_bind("latency|latest", latency_latest);
	cmd_bind("latency|history", latency_history);
	cmd_bind("latency|reset", latency_reset);
	cmd_bind("latency|graph", latency_draw);
	cmd_bind("latency|doctor", latency_doctor);
	cmd_bind("latency|histogram", latency_histogram);
}
