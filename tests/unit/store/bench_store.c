/* Cost per key of the store's hot paths, on one core. Arguments: keys (default 1000000), then EAL arguments in place of
 * the default ones (which take no hugepages). */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <time.h>

#include <rte_eal.h>

#include "base/rng.h"
#include "store/store.h"

#define KEY_LEN   16
#define VALUE_LEN 32
#define BATCH     32

struct bench {
	struct heap *heap;
	struct store *s;
	uint32_t n;
	char (*key)[KEY_LEN];
	uint32_t *order; /* keys in random order */
	struct rng rng;
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void report(const struct bench *b, const char *what, double since)
{
	printf("%-44s %7.1f ns\n", what, (now_ns() - since) / b->n);
}

static struct slice key_at(const struct bench *b, uint32_t i)
{
	return (struct slice){b->key[b->order[i]], KEY_LEN};
}

static void make_store(struct bench *b, uint32_t initial)
{
	struct err e = {0};
	struct heap_params hp = {.name = "bench", .reserve_bytes = (size_t)b->n * 512 + (64u << 20)};

	b->heap = heap_create(&hp, &e);
	if (b->heap == NULL) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
	heap_prefault(b->heap, (size_t)b->n * 128);
	struct store_params sp = {.databases = 1, .hash_seed = 42, .index_initial = initial, .heap = b->heap};
	b->s = store_create(&sp, &e);
	if (b->s == NULL) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
	store_set_now(b->s, 1700000000000000);
}

static void drop_store(struct bench *b)
{
	store_destroy(b->s);
	heap_destroy(b->heap);
}

static void make_keys(struct bench *b)
{
	char text[32];

	rng_init(&b->rng, 1);
	b->key = malloc((size_t)b->n * KEY_LEN);
	b->order = malloc((size_t)b->n * sizeof *b->order);
	for (uint32_t i = 0; i < b->n; i++) {
		snprintf(text, sizeof text, "key:%012u", i);
		memcpy(b->key[i], text, KEY_LEN);
		b->order[i] = i;
	}
}

static void shuffle(struct bench *b)
{
	for (uint32_t i = b->n - 1; i > 0; i--) {
		uint32_t j = (uint32_t)rng_below(&b->rng, i + 1), keep = b->order[i];
		b->order[i] = b->order[j];
		b->order[j] = keep;
	}
}

static void set_all(struct bench *b)
{
	static const char value[VALUE_LEN] = "a value of thirty-two bytes.....";

	for (uint32_t i = 0; i < b->n; i++) {
		if (store_set_string(b->s, 0, key_at(b, i), (struct slice){value, VALUE_LEN}, NULL, STORE_NO_EXPIRE) ==
		    NULL) {
			fprintf(stderr, "out of memory\n");
			exit(1);
		}
	}
}

/* As a worker: one look-up per batch, then each command with its hint. */
static void batches(struct bench *b, bool set)
{
	static const char value[VALUE_LEN] = "Another value of thirty-two B...";
	uint32_t db[BATCH] = {0};
	struct slice key[BATCH];
	uint64_t hash[BATCH];
	struct object *hint[BATCH];

	for (uint32_t at = 0; at + BATCH <= b->n; at += BATCH) {
		for (uint32_t i = 0; i < BATCH; i++)
			key[i] = key_at(b, at + i);
		store_prefetch(b->s, BATCH, db, key, hash, hint);
		uint64_t epoch = store_epoch(b->s);
		for (uint32_t i = 0; i < BATCH; i++) {
			store_hint(b->s, key[i], hash[i], hint[i], epoch);
			if (set)
				store_set_string(b->s, 0, key[i], (struct slice){value, VALUE_LEN}, NULL,
						 STORE_NO_EXPIRE);
			else
				store_read(b->s, 0, key[i]);
		}
	}
}

static void find_bulk(struct bench *b, uint32_t n)
{
	struct index *ix = store_index(b->s, 0);
	struct slice key[RP_MAX_BURST];
	uint64_t hash[RP_MAX_BURST];
	struct object *out[RP_MAX_BURST];

	for (uint32_t at = 0; at + n <= b->n; at += n) {
		for (uint32_t i = 0; i < n; i++) {
			key[i] = key_at(b, at + i);
			hash[i] = index_hash(ix, key[i]);
		}
		index_find_bulk(ix, key, hash, n, out);
	}
}

static void find_single(struct bench *b)
{
	struct index *ix = store_index(b->s, 0);

	for (uint32_t i = 0; i < b->n; i++) {
		struct slice key = key_at(b, i);
		if (index_find(ix, key, index_hash(ix, key)) == NULL)
			abort();
	}
}

static void memory(struct bench *b)
{
	struct heap_stats hs;
	struct index_stats is;

	heap_stats_get(b->heap, &hs);
	index_stats_get(store_index(b->s, 0), &is);
	printf("%-44s %7.1f bytes, %.1f of them the index (%.0f%% overflow buckets)\n", "memory per key",
	       (double)hs.used_bytes / b->n, (double)is.memory_bytes / b->n,
	       100.0 * (double)is.overflow / (double)is.buckets);
}

static void see(void *ctx, struct object *o)
{
	*(uint32_t *)ctx += o->klen;
}

static void run(struct bench *b)
{
	uint64_t cursor = 0;
	uint32_t sum = 0;
	double t;

	make_store(b, 64);
	t = now_ns();
	set_all(b);
	report(b, "set new key, growing from nothing", t);
	memory(b);
	drop_store(b);

	make_store(b, b->n);
	t = now_ns();
	set_all(b);
	report(b, "set new key, index large enough", t);
	memory(b);
	shuffle(b);
	t = now_ns();
	find_single(b);
	report(b, "find, single", t);
	t = now_ns();
	find_bulk(b, 32);
	report(b, "find, bulk of 32", t);
	t = now_ns();
	find_bulk(b, 64);
	report(b, "find, bulk of 64", t);
	t = now_ns();
	batches(b, false);
	report(b, "read with hints", t);
	t = now_ns();
	batches(b, true);
	report(b, "overwrite with hints", t);
	t = now_ns();
	set_all(b);
	report(b, "overwrite, single", t);
	t = now_ns();
	index_walk(store_index(b->s, 0), &cursor, UINT32_MAX, see, &sum);
	report(b, "walk", t);
	t = now_ns();
	store_flush(b->s, 0);
	printf("%-44s %7.1f us\n", "flush", (now_ns() - t) / 1000);
	t = now_ns();
	while (store_poll(b->s, 1000) > 0)
		;
	report(b, "freeing a flushed key", t);
	drop_store(b);
}

int main(int argc, char **argv)
{
	static const char *no_huge[] = {"bench",    "--no-huge",      "--no-shconf",   "-m",       "2048",
					"--no-pci", "--no-telemetry", "--file-prefix", "rp_bench", "--lcores",
					"0"};
	struct bench b = {.n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000};

	if ((argc > 2 ? rte_eal_init(argc - 2, argv + 2) : rte_eal_init(RP_ARRAY_LEN(no_huge), (char **)no_huge)) < 0)
		return 1;
	rmdir(rte_eal_get_runtime_dir());
	make_keys(&b);
	run(&b);
	free(b.key);
	free(b.order);
	return 0;
}
