/* How long dropping a large key holds its shard: the longest of the command and of the slices of background work behind
 * it, in microseconds of CPU time (beside it by the clock, which also counts what others take of the CPU). Prints a
 * table for docs/performance.md.
 *
 *   bench_drop [ELEMENTS [TYPE]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "harness.h"

#include "cmd/table.h"

#define HEAP_BYTES ((size_t)4 << 30)
#define AT_A_TIME  500 /* elements of one command */
#define BUDGET     64  /* steps of a slice, as the worker has them */

/* Other work of the machine makes a slice longer, never shorter: what is longer than this is measured again, and the
 * least counts. */
#define SUSPICIOUS_NS 100000
#define AGAIN_MOST    4

static struct harness *h;
static uint32_t elements = 10000000;

/* ---- making ---- */

/* One command with the next elements; how many. */
typedef uint32_t (*more_fn)(uint32_t from);

/* Each element has the words `one`N and, if there is one, `two`N. */
static uint32_t run_words(const char *cmd, const char *one, const char *two, uint32_t from)
{
	static char text[2 * AT_A_TIME][32];
	static struct slice argv[2 + 2 * AT_A_TIME];
	uint32_t n = RP_MIN(elements - from, (uint32_t)AT_A_TIME), argc = 0;

	argv[argc++] = cmd_text(cmd);
	argv[argc++] = cmd_text("k");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t x = (from + i) * 2654435761u; /* each once, in no order */
		for (const char *prefix = one; prefix != NULL; prefix = prefix == one ? two : NULL) {
			char *word = text[argc - 2];
			argv[argc++] = (struct slice){word, (size_t)sprintf(word, "%s%u", prefix, x)};
		}
	}
	run_args(h, argc, argv);
	return n;
}

static uint32_t more_list(uint32_t from)
{
	return run_words("RPUSH", "item:", NULL, from);
}

static uint32_t more_set(uint32_t from)
{
	return run_words("SADD", "member:", NULL, from);
}

static uint32_t more_hash(uint32_t from)
{
	return run_words("HSET", "field:", "value:", from);
}

static uint32_t more_zset(uint32_t from)
{
	return run_words("ZADD", "", "member:", from);
}

static uint32_t more_hash_ttl(uint32_t from)
{
	runf(h, "HSETEX k EX 1000000 FIELDS 1 field:%u value:%u", from, from);
	return 1;
}

static uint32_t more_stream(uint32_t from)
{
	runf(h, "XADD k %u-1 field value:%u", from + 1, from);
	return 1;
}

static uint32_t more_pending(uint32_t from)
{
	if (from == 0)
		run(h, "XGROUP CREATE k g 0 MKSTREAM");
	more_stream(from);
	if ((from + 1) % 1000 == 0)
		run(h, "XREADGROUP GROUP g c COUNT 1000 STREAMS k >");
	return 1;
}

static const struct {
	const char *name;
	more_fn more;
} types[] = {
	{"list", more_list},
	{"set", more_set},
	{"hash", more_hash},
	{"hash, each field with a TTL", more_hash_ttl},
	{"sorted set", more_zset},
	{"stream", more_stream},
	{"stream, all pending in a group", more_pending},
};

/* ---- dropping ---- */

static const char *const ways[] = {"DEL k", "UNLINK k", "SET k v", "FLUSHDB", "PEXPIREAT k 1700000000010"};
static const char *const way_names[] = {"DEL", "UNLINK", "SET over it", "FLUSHDB", "expiry"};

static uint64_t ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct longest {
	uint64_t cpu_ns, wall_ns, slices;
};

static void hold_begin(uint64_t t[2])
{
	t[0] = ns(CLOCK_MONOTONIC);
	t[1] = ns(CLOCK_THREAD_CPUTIME_ID);
}

static void hold_end(const uint64_t t[2], struct longest *l)
{
	uint64_t cpu = ns(CLOCK_THREAD_CPUTIME_ID) - t[1], wall = ns(CLOCK_MONOTONIC) - t[0];

	l->cpu_ns = RP_MAX(l->cpu_ns, cpu);
	l->wall_ns = RP_MAX(l->wall_ns, wall);
	l->slices++;
}

static struct longest drop(const char *line)
{
	struct longest l = {0};
	uint64_t t[2];

	hold_begin(t);
	run(h, line);
	hold_end(t, &l);
	harness_advance_ms(h, 20);
	for (uint32_t done = 1; done > 0;) {
		hold_begin(t);
		done = store_poll(h->stores[0], BUDGET);
		hold_end(t, &l);
	}
	return l;
}

static void make(more_fn more)
{
	for (uint32_t n = 0; n < elements;) {
		n += more(n);
		h->events[0] = '\0';
		if (n % 64 == 0)
			store_poll(h->stores[0], BUDGET);
	}
}

/* name: the row begins. */
static struct longest measure(const char *name, more_fn more, uint32_t way)
{
	h = harness_create_large(1, HEAP_BYTES);
	h->journal[0].emit = NULL;
	make(more);
	if (name != NULL && way == 0)
		printf("| %s | %zu |", name, heap_used(h->heaps[0]) / 1000000);
	struct longest l = drop(ways[way]);
	harness_destroy(h);
	return l;
}

int main(int argc, char **argv)
{
	const char *only = argc > 2 ? argv[2] : NULL;

	if (argc > 1)
		elements = (uint32_t)strtoul(argv[1], NULL, 10);
	harness_eal("bench_drop");
	printf("| %u elements | MB |", elements);
	for (uint32_t w = 0; w < RP_ARRAY_LEN(ways); w++)
		printf(" %s, us |", way_names[w]);
	printf("\n| --- | --- | --- | --- | --- | --- | --- |\n");
	for (uint32_t i = 0; i < RP_ARRAY_LEN(types); i++) {
		if (only != NULL && strcmp(only, types[i].name) != 0)
			continue;
		for (uint32_t w = 0; w < RP_ARRAY_LEN(ways); w++) {
			struct longest l = measure(types[i].name, types[i].more, w);
			for (int again = 0; again < AGAIN_MOST && l.cpu_ns > SUSPICIOUS_NS; again++) {
				struct longest other = measure(NULL, types[i].more, w);
				l = other.cpu_ns < l.cpu_ns ? other : l;
			}
			printf(" %.0f (%.0f) |", (double)l.cpu_ns / 1000, (double)l.wall_ns / 1000);
			fflush(stdout);
		}
		printf("\n");
	}
	return 0;
}
