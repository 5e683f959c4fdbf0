/* Latency events: keeping and drawing them. */
#include <stdio.h>
#include <stdlib.h>

#include "ctrlplane/ctrl.h"
#include "ctrlplane/ctrl_latency.h"

struct latency *latency_create(void)
{
	return calloc(1, sizeof(struct latency));
}

void latency_destroy(struct latency *l)
{
	free(l);
}

const struct latency_event *latency_find(const struct latency *l, struct slice name)
{
	for (uint32_t i = 0; i < l->nevents; i++)
		if (slice_eq(name, (struct slice){l->event[i].name, strlen(l->event[i].name)}))
			return &l->event[i];
	return NULL;
}

void latency_add(struct latency *l, const char *event, int64_t at_s, uint32_t ms)
{
	struct slice name = {event, strlen(event)};
	struct latency_event *e = (struct latency_event *)latency_find(l, name);

	if (e == NULL) {
		if (l->nevents == LATENCY_EVENTS || name.len >= LATENCY_NAME)
			return;
		e = &l->event[l->nevents++];
		*e = (struct latency_event){.next = 0};
		memcpy(e->name, event, name.len + 1);
	}
	e->max_ms = RP_MAX(e->max_ms, ms);
	struct latency_sample *last = &e->sample[(e->next + LATENCY_SAMPLES - 1) % LATENCY_SAMPLES];
	if (last->at_s == at_s) { /* one sample a second: the worst of it */
		last->ms = RP_MAX(last->ms, ms);
		return;
	}
	e->sample[e->next] = (struct latency_sample){at_s, ms};
	e->next = (e->next + 1) % LATENCY_SAMPLES;
}

uint32_t latency_series(const struct latency_event *e, struct latency_sample *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < LATENCY_SAMPLES; i++) {
		const struct latency_sample *s = &e->sample[(e->next + i) % LATENCY_SAMPLES];
		if (s->at_s != 0)
			out[n++] = *s;
	}
	return n;
}

bool latency_forget(struct latency *l, struct slice name)
{
	struct latency_event *e = (struct latency_event *)latency_find(l, name);

	if (e == NULL)
		return false;
	memmove(e, e + 1, (size_t)(&l->event[l->nevents] - (e + 1)) * sizeof *e);
	l->nevents--;
	return true;
}

void latency_summarise(const struct latency_event *e, struct latency_summary *out)
{
	struct latency_sample s[LATENCY_SAMPLES];
	uint64_t sum = 0, off = 0;
	uint32_t n = latency_series(e, s);

	*out = (struct latency_summary){.samples = n, .min_ms = n ? UINT32_MAX : 0};
	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++) {
		sum += s[i].ms;
		out->min_ms = RP_MIN(out->min_ms, s[i].ms);
		out->max_ms = RP_MAX(out->max_ms, s[i].ms);
	}
	out->avg_ms = (uint32_t)(sum / n);
	for (uint32_t i = 0; i < n; i++)
		off += s[i].ms > out->avg_ms ? s[i].ms - out->avg_ms : out->avg_ms - s[i].ms;
	out->deviation_ms = (uint32_t)(off / n);
	out->span_s = s[n - 1].at_s - s[0].at_s;
}

/* ---- the drawing ---- */

#define GRAPH_COLUMNS 80
#define GRAPH_LEVELS  12 /* each row shows three heights and a blank */
#define GRAPH_ROWS    4
#define GRAPH_LABEL   3

static void age_label(int64_t age_s, char out[GRAPH_LABEL + 1])
{
	static const struct {
		int64_t s;
		char unit;
	} step[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {0, 's'}};
	uint32_t i = 0;

	while (age_s < step[i].s)
		i++;
	int64_t v = RP_MIN(step[i].s ? age_s / step[i].s : age_s, 99);
	snprintf(out, GRAPH_LABEL + 1, "%d%c", (int)RP_MAX(v, 0), step[i].unit);
}

static void graph_line(struct text *t, char *line, uint32_t n)
{
	line[n] = '\0';
	text_add(t, "%s\n", line);
}

void latency_graph(const struct latency_event *e, int64_t now_s, struct text *t)
{
	static const char mark[] = " _|#";
	struct latency_sample all[LATENCY_SAMPLES], *s = all;
	struct latency_summary sum;
	char line[GRAPH_COLUMNS + 1], label[GRAPH_COLUMNS][GRAPH_LABEL + 1];
	uint32_t n = latency_series(e, all);

	latency_summarise(e, &sum);
	if (n > GRAPH_COLUMNS) {
		s += n - GRAPH_COLUMNS;
		n = GRAPH_COLUMNS;
	}
	text_add(t, "%s - high %u ms, low %u ms (all time high %u ms)\n", e->name, sum.max_ms, sum.min_ms, e->max_ms);
	memset(line, '-', GRAPH_COLUMNS);
	graph_line(t, line, GRAPH_COLUMNS);
	for (uint32_t row = GRAPH_ROWS; row-- > 0;) {
		for (uint32_t i = 0; i < n; i++) {
			uint32_t range = sum.max_ms - sum.min_ms;
			uint32_t level = range ? (uint32_t)((uint64_t)(s[i].ms - sum.min_ms) * (GRAPH_LEVELS - 1) /
							    range) +
							 1
					       : 1;
			uint32_t below = row * 3;
			line[i] = mark[level <= below ? 0 : RP_MIN(level - below, 3)];
		}
		graph_line(t, line, n);
	}
	for (uint32_t i = 0; i < n; i++)
		age_label(now_s - s[i].at_s, label[i]);
	for (uint32_t row = 0; row < GRAPH_LABEL; row++) {
		for (uint32_t i = 0; i < n; i++)
			line[i] = strlen(label[i]) > row ? label[i][row] : ' ';
		graph_line(t, line, n);
	}
}
