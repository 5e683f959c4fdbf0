/* LATENCY STAGES: where the workers' time goes. */
#include "ctrlplane/ctrl.h"

static uint64_t to_ns(const struct ctrl *ctl, uint64_t cycles)
{
	return (uint64_t)((double)cycles * 1e9 / (double)ctl->clock.tsc_hz);
}

static void field(struct reply *r, const char *name, uint64_t value)
{
	reply_bulk_str(r, name);
	reply_int(r, (int64_t)value);
}

/* As LATENCY HISTOGRAM: how many took no longer than each bound. */
static void histogram(const struct ctrl *ctl, const struct stage_hist *h, struct reply *r)
{
	struct reply sub;
	uint64_t seen = 0, pairs = 0;

	reply_bulk_str(r, "histogram-ns");
	reply_sub_begin(r, &sub);
	for (uint32_t b = 0; b < STAGE_BUCKETS; b++) {
		if (h->bucket[b] == 0)
			continue;
		seen += h->bucket[b];
		reply_int(&sub, (int64_t)to_ns(ctl, stage_bucket_end(b)));
		reply_int(&sub, (int64_t)seen);
		pairs++;
	}
	reply_sub_end(r, &sub, REPLY_MAP, pairs);
}

static void stage_reply(const struct ctrl *ctl, const struct stage_hist *h, struct reply *r)
{
	reply_map(r, 7);
	field(r, "samples", h->n);
	field(r, "mean-ns", h->n != 0 ? to_ns(ctl, h->cycles / h->n) : 0);
	field(r, "p50-ns", to_ns(ctl, stage_percentile(h, 500)));
	field(r, "p99-ns", to_ns(ctl, stage_percentile(h, 990)));
	field(r, "p99.9-ns", to_ns(ctl, stage_percentile(h, 999)));
	field(r, "max-ns", to_ns(ctl, h->max));
	histogram(ctl, h, r);
}

static void latency_stages(struct cmd_ctx *c)
{
	const struct ctrl *ctl = ctrl_of(c);

	reply_map(c->out, ctl->nworkers);
	for (uint32_t w = 0; w < ctl->nworkers; w++) {
		char name[32];
		snprintf(name, sizeof name, "worker%u", w);
		reply_bulk_str(c->out, name);
		reply_map(c->out, STAGE_COUNT);
		for (uint32_t i = 0; i < STAGE_COUNT; i++) {
			reply_bulk_str(c->out, stage_name((enum stage)i));
			stage_reply(ctl, &ctl->workers[w]->host.stages.hist[i], c->out);
		}
	}
}

void ctrl_bind_stages(void)
{
	cmd_bind("latency|stages", latency_stages);
}
