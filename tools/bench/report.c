#include "report.h"

#include <rte_cycles.h>

#define NS_PER_MS 1e6

static double ms(const struct phase *p, double percent)
{
	return (double)hist_percentile(p->hist, percent) / NS_PER_MS;
}

static double seconds(const struct loop *l, const struct phase *p)
{
	return loop_ns(l, p->last_tsc - p->start_tsc) / 1e9;
}

static double per_second(const struct loop *l, const struct phase *p)
{
	double s = seconds(l, p);
	return s > 0 ? (double)p->done / s : 0;
}

static double min_ms(const struct phase *p)
{
	return p->hist->count ? (double)p->hist->min_ns / NS_PER_MS : 0;
}

static double busy_percent(const struct phase *p)
{
	return p->cycles ? 100.0 * (double)p->busy_cycles / (double)p->cycles : 0;
}

static double cycles_per_request(const struct phase *p)
{
	return p->done ? (double)p->busy_cycles / (double)p->done : 0;
}

/* ---- text ---- */

/* What did not go as it should, if anything. */
static void text_trouble(const struct phase *p, const char *indent)
{
	if (p->errors)
		printf("%s%lu error replies, the first: %s\n", indent, p->errors, p->first_error);
	if (p->wrong)
		printf("%s%lu wrong replies, the first: %s\n", indent, p->wrong, p->first_wrong);
	if (p->lost)
		printf("%s%lu requests without a reply\n", indent, p->lost);
	if (p->reopened)
		printf("%s%lu connections failed and were opened again\n", indent, p->reopened);
	if (p->unsent)
		printf("%s%lu requests were due and not sent: no connection had room; latency would be worse with "
		       "them\n",
		       indent, p->unsent);
}

static void text_distribution(const struct phase *p)
{
	double percent = 0, step = 50;

	printf("Latency by percentile distribution:\n");
	for (;;) {
		uint64_t v = hist_percentile(p->hist, percent);
		uint64_t upto = hist_count_upto(p->hist, v);
		printf("%.3f%% <= %.4f milliseconds (cumulative count %lu)\n", percent, (double)v / NS_PER_MS, upto);
		if (percent >= 100)
			break;
		percent = upto >= p->hist->count ? 100 : percent + step;
		step /= 2;
	}
	printf("\n");
}

static void text_long(const struct options *o, const struct loop *l, const struct phase *p)
{
	printf("====== %s ======\n", p->title);
	printf("  %lu requests completed in %.2f seconds\n", p->done, seconds(l, p));
	printf("  %u parallel clients\n", l->nconns);
	if (l->nidle)
		printf("  %lu idle connections\n", l->nidle_open);
	printf("  %lu bytes payload\n", o->value_len);
	printf("  keep alive: %d\n", l->keepalive);
	printf("  pipeline: %u\n", p->pipeline);
	if (p->rate > 0)
		printf("  rate: %.0f requests per second, latency from when a request was due\n", p->rate);
	text_trouble(p, "  ");
	printf("  generator: %.1f%% busy, %.0f cycles per request\n\n", busy_percent(p), cycles_per_request(p));
	text_distribution(p);
	printf("Summary:\n  throughput summary: %.2f requests per second\n  latency summary (msec):\n",
	       per_second(l, p));
	printf("  %9s %9s %9s %9s %9s %9s %9s %9s %9s\n", "avg", "min", "p50", "p95", "p99", "p99.9", "p99.99",
	       "p99.999", "max");
	printf("  %9.4f %9.4f %9.4f %9.4f %9.4f %9.4f %9.4f %9.4f %9.4f\n\n", hist_mean(p->hist) / NS_PER_MS, min_ms(p),
	       ms(p, 50), ms(p, 95), ms(p, 99), ms(p, 99.9), ms(p, 99.99), ms(p, 99.999), ms(p, 100));
}

static void text_short(const struct loop *l, const struct phase *p)
{
	printf("%s: %.2f requests per second, p50=%.4f msec, p99=%.4f msec\n", p->title, per_second(l, p), ms(p, 50),
	       ms(p, 99));
	text_trouble(p, "  ");
}

/* ---- CSV and JSON ---- */

/* Three decimals, as redis-benchmark has them, and below 0.1 ms as many as three digits take: 3.62 us are 0.00362. */
static int csv_decimals(double v)
{
	int n = 3;

	for (double least = 0.1; n < 6 && v > 0 && v < least; least /= 10)
		n++;
	return n;
}

static void csv_ms(double v)
{
	printf(",\"%.*f\"", csv_decimals(v), v);
}

/* What redis-benchmark's --csv has comes first, under the same names; columns of ours are added behind. */
static void csv_row(const struct loop *l, const struct phase *p)
{
	putchar('"');
	for (const char *t = p->title; *t; t++)
		printf(*t == '"' ? "\"\"" : "%c", *t);
	printf("\",\"%.2f\"", per_second(l, p));
	const double columns[] = {hist_mean(p->hist) / NS_PER_MS,
				  min_ms(p),
				  ms(p, 50),
				  ms(p, 95),
				  ms(p, 99),
				  ms(p, 100),
				  ms(p, 99.9),
				  ms(p, 99.99),
				  ms(p, 99.999)};
	for (size_t i = 0; i < RP_ARRAY_LEN(columns); i++)
		csv_ms(columns[i]);
	printf(",\"%lu\",\"%lu\",\"%lu\",\"%lu\",\"%lu\",\"%lu\"\n", p->done, p->errors, p->wrong, p->lost, p->unsent,
	       p->reopened);
}

static void json_text(const char *key, const char *text)
{
	printf("\"%s\": \"", key);
	for (const unsigned char *t = (const unsigned char *)text; *t; t++) {
		if (*t == '"' || *t == '\\')
			printf("\\%c", *t);
		else if (*t < 0x20 || *t >= 0x7f)
			printf("\\u%04x", *t);
		else
			putchar(*t);
	}
	printf("\", ");
}

static void json_object(const struct options *o, const struct loop *l, const struct phase *p)
{
	printf("  {");
	json_text("test", p->title);
	json_text("device", o->device);
	printf("\"clients\": %u, \"idle\": %lu, \"pipeline\": %u, \"keepalive\": %s, \"data_bytes\": %lu, "
	       "\"keyspace\": %lu, \"zipf\": %g, \"rate\": %g,\n   ",
	       l->nconns, l->nidle_open, p->pipeline, l->keepalive ? "true" : "false", o->value_len, o->keyspace,
	       o->zipf, p->rate);
	printf("\"seconds\": %.6f, \"requests\": %lu, \"rps\": %.2f, \"errors\": %lu, \"wrong\": %lu, \"lost\": %lu, "
	       "\"unsent\": %lu, \"reopened\": %lu, ",
	       seconds(l, p), p->done, per_second(l, p), p->errors, p->wrong, p->lost, p->unsent, p->reopened);
	json_text("first_error", p->first_error);
	json_text("first_wrong", p->first_wrong);
	printf("\n   \"generator_busy\": %.4f, \"generator_cycles_per_request\": %.1f,\n", busy_percent(p) / 100,
	       cycles_per_request(p));
	printf("   \"latency_ms\": {\"avg\": %.6f, \"min\": %.6f, \"p50\": %.6f, \"p95\": %.6f, \"p99\": %.6f, "
	       "\"p99.9\": %.6f, \"p99.99\": %.6f, \"p99.999\": %.6f, \"max\": %.6f}}",
	       hist_mean(p->hist) / NS_PER_MS, min_ms(p), ms(p, 50), ms(p, 95), ms(p, 99), ms(p, 99.9), ms(p, 99.99),
	       ms(p, 99.999), ms(p, 100));
}

/* ---- in turn ---- */

void report_begin(const struct options *o)
{
	if (o->csv)
		printf("\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\","
		       "\"p99_latency_ms\",\"max_latency_ms\",\"p999_latency_ms\",\"p9999_latency_ms\","
		       "\"p99999_latency_ms\",\"requests\",\"errors\",\"wrong\",\"lost\",\"unsent\",\"reopened\"\n");
	if (o->json)
		printf("[\n");
}

void report_test(const struct options *o, const struct loop *l, const struct phase *p, bool first)
{
	if (o->json) {
		printf(first ? "" : ",\n");
		json_object(o, l, p);
	} else if (o->csv) {
		csv_row(l, p);
	} else if (o->quiet) {
		text_short(l, p);
	} else {
		text_long(o, l, p);
	}
	fflush(stdout);
}

void report_end(const struct options *o)
{
	if (o->json)
		printf("\n]\n");
	fflush(stdout);
}

void report_progress(const struct loop *l, bool clear)
{
	const struct phase *p = l->phase;

	if (clear) {
		fprintf(stderr, "\r\033[K");
		return;
	}
	double s = loop_ns(l, l->tsc - p->start_tsc) / 1e9;
	fprintf(stderr, "\r\033[K%s: rps=%.1f (overall), avg_msec=%.3f, p99_msec=%.3f, %lu done, %lu open", p->title,
		s > 0 ? (double)p->done / s : 0, hist_mean(p->hist) / NS_PER_MS, ms(p, 99), p->done, l->nopen);
}
