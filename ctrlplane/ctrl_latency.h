/* Latency events: for each a ring of the last 160 seconds in which it was slow. Control thread only. */
#pragma once

#include "ctrlplane/ctrl_text.h"

#define LATENCY_EVENTS  16
#define LATENCY_SAMPLES 160
#define LATENCY_NAME    32

struct latency_sample {
	int64_t at_s; /* wall clock; 0: none yet */
	uint32_t ms;
};

struct latency_event {
	char name[LATENCY_NAME];
	uint32_t next;   /* place of the next sample, which holds the oldest one */
	uint32_t max_ms; /* of all times */
	struct latency_sample sample[LATENCY_SAMPLES];
};

struct latency {
	uint32_t nevents;
	struct latency_event event[LATENCY_EVENTS];
};

struct latency_summary {
	uint32_t samples, min_ms, max_ms, avg_ms, deviation_ms;
	int64_t span_s; /* between the first and the last */
};

/* NULL: nothing was ever seen of it. */
const struct latency_event *latency_find(const struct latency *l, struct slice name);
/* Copies the samples, oldest first; out has LATENCY_SAMPLES places. Returns how many. */
uint32_t latency_series(const struct latency_event *e, struct latency_sample *out);
bool latency_forget(struct latency *l, struct slice name);
void latency_summarise(const struct latency_event *e, struct latency_summary *out);
/* Columns of bars with the age of each sample below. */
void latency_graph(const struct latency_event *e, int64_t now_s, struct text *t);
