/* An RDB file of arbitrary bytes: scanned in pieces as it arrives, its records made keys. Checked beside memory errors:
 * it is loaded or refused with a sentence; no memory is left behind; scanning in other pieces comes to the same.
 *
 * An input is one byte that chooses the pieces and what is checked, and the file. What looks like a right head is put
 * in front if the second bit says so, since most mutations would end there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/events.h"
#include "fuzz.h"
#include "persist/rdb_records.h"

#define HEAP_BYTES ((size_t)256 << 20)
#define RECORDS    256
#define NOW_US     1700000000000000

static struct heap *heap, *own;
static struct store *store;
static const struct type_limits limits = {-2, 512, 64, 512, 128, 64, 128, 64, 3000, 4096, 100};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fz_eal("rdb");
	heap = heap_create(&(struct heap_params){.name = "shard", .reserve_bytes = HEAP_BYTES}, NULL);
	own = heap_create(&(struct heap_params){.name = "own", .reserve_bytes = HEAP_BYTES}, NULL);
	rp_assert(heap && own);
	struct store_params p = {.databases = 4, .hash_seed = 42, .index_initial = 64, .heap = heap};
	store = store_create(&p, NULL);
	rp_assert(store);
	store_set_now(store, NOW_US);
	return 0;
}

struct outcome {
	uint32_t keys, items;
	uint64_t off;
	bool bad;
	char why[512];
};

static void load(const struct rdb_record *rec, uint32_t n, const uint8_t *begin, size_t len)
{
	struct rng rng;
	struct rdb_records r = {.s = store,
				.heap = own,
				.rng = &rng,
				.limits = &limits,
				.begin = begin,
				.end = begin + len,
				.n = n,
				.rec = rec};

	rng_init(&rng, 1);
	rdb_records_load(&r);
	rp_assert(!r.failed || r.err.text[0] != '\0');
	rp_assert(r.loaded <= n);
}

static void note(struct rdb_record *rec, uint32_t *n, const struct rdb_item *it, uint32_t db)
{
	if (*n == RECORDS)
		return;
	rec[(*n)++] = (struct rdb_record){.at = it->at,
					  .db = db,
					  .expire_at_ms = it->expire_at_ms < 0 ? STORE_NO_EXPIRE : it->expire_at_ms,
					  .kind = it->idle_s >= 0 ? RDB_USE_IDLE
						  : it->freq >= 0 ? RDB_USE_FREQ
								  : RDB_USE_NONE,
					  .use = (uint32_t)it->idle_s};
}

/* step: bytes that arrive at a time; 0: all. */
static void scan(const uint8_t *p, size_t len, size_t step, bool crc, bool loads, struct outcome *out)
{
	static struct rdb_record rec[RECORDS];
	struct rdb_scan s;
	struct err e = {""};
	size_t at = 0, have = step == 0 ? len : 0;
	uint32_t n = 0, db = 0;
	bool ended = false;

	memset(out, 0, sizeof *out);
	rdb_scan_init(&s, own, crc);
	while (!ended && !out->bad) {
		struct rdb_item it;
		size_t used = 0;
		switch (rdb_scan_next(&s, p + at, have - at, have == len, &used, &it, &e)) {
		case RDB_SCAN_BAD:
			out->bad = true;
			break;
		case RDB_SCAN_MORE:
			rp_assert(have < len);
			have = have + step < len ? have + step : len;
			break;
		case RDB_SCAN_ITEM:
			rp_assert(used > 0 && used <= have - at);
			at += used;
			out->items++;
			out->keys += it.kind == RDB_ITEM_KEY;
			ended = it.kind == RDB_ITEM_END;
			if (it.kind == RDB_ITEM_SELECTDB)
				db = it.number % 4;
			if (it.kind == RDB_ITEM_KEY && loads)
				note(rec, &n, &it, db);
		}
	}
	rp_assert(!out->bad || e.text[0] != '\0');
	snprintf(out->why, sizeof out->why, "%s", e.text);
	out->off = s.off;
	rdb_scan_fini(&s);
	if (loads)
		load(rec, n, p, len);
}

static void expect_nothing_left(uint64_t blocks)
{
	struct heap_stats st;

	store_flush(store, UINT32_MAX);
	while (events_first(store) != NULL) /* its word for those who track */
		events_pop(store);
	while (store_poll(store, 1000) > 0)
		;
	heap_stats_get(heap, &st);
	rp_assert(st.blocks == blocks);
	heap_stats_get(own, &st);
	rp_assert(st.blocks == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, pieces;
	struct heap_stats st;

	if (size < 1)
		return 0;
	size_t head = data[0] & 2 ? RDB_HEAD_BYTES : 0, len = size - 1 + head;
	uint8_t *file = malloc(len + 1);
	if (head > 0)
		memcpy(file, data[0] & 4 ? "REDIS0011" : "REDIS0003", head);
	memcpy(file + head, data + 1, size - 1);
	heap_stats_get(heap, &st);
	scan(file, len, 0, data[0] & 1, true, &whole);
	scan(file, len, 1 + data[0] / 8, data[0] & 1, false, &pieces);
	rp_assert(whole.bad == pieces.bad && whole.keys == pieces.keys && whole.items == pieces.items &&
		  whole.off == pieces.off && strcmp(whole.why, pieces.why) == 0);
	free(file);
	expect_nothing_left(st.blocks);
	return 0;
}
