/* Memory runs out at every allocation in turn, of the shards' heaps and of the thread's, in the writing commands that
 * have no such test beside their type's others: an error, and every key as it was. */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#define PAYLOAD_MAX 65536

static struct harness *h;

static const char *const made[] = {
	"SET str some-text",
	"SET str2 17",
	"SETRANGE big 3000 x",
	"SET ttl v PX 50000",
	"PFADD hll a b c",
	"PFADD hll2 c d e",
	"GEOADD geo 13 52 a 13.1 52 b 13.2 52 c 13.3 52 d 13.4 52 e 13.5 52 f 13.6 52 g",
	"SADD set 3 1 2",
	"SADD words one two three four five six seven eight",
	"RPUSH list 3 1 2",
	"RPUSH long 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
	"HSET hash f 1 g 2",
	"HPEXPIRE hash 60000 FIELDS 1 f",
	"ZADD zset 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h",
	"MSET w_1 3 w_2 1 w_3 2",
	"XADD stream 1-1 f v",
	"XADD stream 2-1 f v g w",
	"XADD stream 3-1 f v",
	"XADD stream 4-1 f v",
	"XGROUP CREATE stream g 0",
	"XREADGROUP GROUP g c COUNT 2 STREAMS stream >",
	"SELECT 1",
	"SET str other",
	"RPUSH mine 1 2",
	"SELECT 0",
};

static const char *const names[] = {"str",  "str2", "big",  "ttl",  "hll", "hll2",   "dense", "geo",   "set", "words",
				    "list", "long", "hash", "zset", "w_1", "stream", "mine",  "fresh", "w_2", "w_3"};

static void make_keys(void)
{
	run(h, "FLUSHALL");
	for (uint32_t s = 0; s < h->env.nstores; s++)
		while (store_poll(h->stores[s], 1000) > 0)
			;
	for (size_t i = 0; i < RP_ARRAY_LEN(made); i++)
		assert_int_not_equal(*run(h, made[i]), '-');
	h->conf.types.hll_sparse_max_bytes = 0;
	run(h, "PFADD dense a b c d");
	h->conf.types.hll_sparse_max_bytes = 3000;
	h->events[0] = h->effects[0] = '\0';
}

#define LOOKS (2 * (RP_ARRAY_LEN(names) + 1))

static uint64_t reply_hash(const char *reply)
{
	return hash64(reply, h->reply_len, 1);
}

/* What every key is in both databases, and how many there are. */
static void look(uint64_t *of)
{
	for (uint32_t db = 0; db < 2; db++) {
		runf(h, "SELECT %u", db);
		for (size_t i = 0; i < RP_ARRAY_LEN(names); i++) {
			uint64_t v = reply_hash(runf(h, "DUMP %s", names[i]));
			v = v * 31 + reply_hash(runf(h, "PTTL %s", names[i]));
			*of++ = v * 31 + reply_hash(runf(h, "OBJECT ENCODING %s", names[i]));
		}
		*of++ = reply_hash(run(h, "DBSIZE"));
	}
	run(h, "SELECT 0");
	h->events[0] = h->effects[0] = '\0';
}

/* argv[0]: what to say when something is wrong. */
static void sweep(struct heap *heap, uint32_t argc, const struct slice *argv, const char *what)
{
	uint64_t before[LOOKS], after[LOOKS];

	for (uint64_t n = 1;; n++) {
		make_keys();
		look(before);
		heap_fail_after(heap, n);
		bool failed = strncmp(run_args(h, argc, argv), "-OOM", 4) == 0;
		heap_fail_after(heap, 0);
		if (!failed && *h->reply == '-')
			fail_msg("'%s': %s", what, h->reply);
		if (!failed)
			return;
		if (n == 500)
			fail_msg("'%s' never succeeds", what);
		assert_int_equal(h->dirty, 0);
		expect_events(h, "");
		expect_effects(h, "");
		look(after);
		for (size_t i = 0; i < LOOKS; i++)
			if (after[i] != before[i])
				fail_msg("'%s' without allocation %d: %s has changed", what, (int)n,
					 i % (LOOKS / 2) == LOOKS / 2 - 1 ? "the number of keys"
									  : names[i % (LOOKS / 2)]);
	}
}

static void sweep_all_heaps(uint32_t argc, const struct slice *argv, const char *what)
{
	for (uint32_t s = 0; s < h->env.nstores; s++)
		sweep(h->heaps[s], argc, argv, what);
	sweep(h->own, argc, argv, what);
}

static void sweep_line(const char *line)
{
	struct slice argv[16];
	uint32_t argc = 0;

	for (const char *p = line; *p; argc++) {
		size_t len = strcspn(p, " ");
		argv[argc] = (struct slice){p, len};
		p += len + (p[len] == ' ');
	}
	sweep_all_heaps(argc, argv, line);
}

static const char *const lines[] = {
	"PFADD hll d e f g h i j",
	"PFADD fresh a b",
	"PFADD dense x y z",
	"PFMERGE hll dense",
	"PFMERGE hll hll2",
	"PFMERGE fresh hll hll2",
	"PFMERGE dense hll",
	"PFCOUNT hll hll2 dense",
	"EXPIRE str 100",
	"PEXPIRE big 100000",
	"EXPIREAT stream 1800000000",
	"PEXPIREAT list 1800000000000",
	"EXPIRE geo 100 NX",
	"EXPIRE ttl 100 GT",
	"PERSIST ttl",
	"MOVE str2 1",
	"MOVE list 1",
	"MOVE words 1",
	"MOVE stream 1",
	"MOVE hash 1",
	"SWAPDB 0 1",
	"RENAME words str",
	"RENAMENX list fresh",
	"RENAMENX stream fresh",
	"RENAMENX hash fresh",
	"RENAMENX ttl fresh",
	"RENAMENX zset fresh",
	"COPY list fresh",
	"COPY words fresh",
	"COPY long fresh",
	"COPY stream fresh DB 1",
	"COPY set str REPLACE",
	"COPY zset mine DB 1 REPLACE",
	"COPY hash fresh DB 1",
	"PSETEX str 1000 longer-than-what-was-there-before-and-more",
	"PSETEX fresh 1000 v",
	"SETEX list 10 v",
	"GETDEL str",
	"GETEX str PXAT 1800000000000",
	"GEORADIUSBYMEMBER geo a 500 km STORE fresh",
	"GEORADIUSBYMEMBER geo a 500 km STOREDIST list",
	"GEORADIUS geo 13 52 10 km STORE geo",
	"GEOSEARCHSTORE fresh geo FROMMEMBER a BYRADIUS 500 km",
	"GEOSEARCHSTORE set geo FROMLONLAT 13 52 BYBOX 500 500 km STOREDIST",
	"GEOSEARCHSTORE str geo FROMLONLAT 13 52 BYRADIUS 10 km ASC COUNT 1",
	"SORT list STORE fresh",
	"SORT set DESC STORE list",
	"SORT list BY w_* GET # GET w_* STORE fresh",
	"SORT long DESC STORE long",
	"SORT words ALPHA STORE str",
	"BITOP AND fresh str ttl",
	"BITOP NOT str ttl",
	"BITOP XOR list str big",
};

static void set_up_types(uint32_t nstores)
{
	h = harness_create(nstores);
	h->conf.types.list_max_listpack_size = 8;
	h->conf.types.set_max_listpack_entries = 5;
	h->conf.types.zset_max_listpack_entries = 5;
	h->conf.types.stream_node_max_entries = 2;
}

static void sweep_lines(uint32_t nstores)
{
	set_up_types(nstores);
	for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++)
		sweep_line(lines[i]);
	harness_destroy(h);
}

static void test_nomem__on_one_shard(void **state)
{
	sweep_lines(1);
}

static void test_nomem__on_three_shards(void **state)
{
	sweep_lines(3);
}

/* The payload of a DUMP. */
static struct slice dump(const char *name, char *to)
{
	const char *reply = runf(h, "DUMP %s", name), *begin = strchr(reply, ' ') + 1;
	size_t len = strtoul(reply + 1, NULL, 10);

	assert_in_range(len, 1, PAYLOAD_MAX);
	memcpy(to, begin, len);
	return (struct slice){to, len};
}

static void test_nomem__restore_of_every_type(void **state)
{
	static const char *const from[] = {"str", "big", "list", "long", "set", "words", "hash", "zset", "stream"};
	static char bytes[PAYLOAD_MAX];

	set_up_types(1);
	for (size_t i = 0; i < RP_ARRAY_LEN(from); i++) {
		make_keys();
		struct slice payload = dump(from[i], bytes);
		struct slice fresh[] = {SLICE("RESTORE"), SLICE("fresh"), SLICE("0"), payload};
		struct slice over[] = {SLICE("RESTORE"), SLICE("mine"), SLICE("5000"), payload, SLICE("REPLACE")};
		struct slice list[] = {SLICE("RESTORE"), SLICE("long"), SLICE("0"), payload, SLICE("REPLACE")};
		sweep_all_heaps(RP_ARRAY_LEN(fresh), fresh, from[i]);
		sweep_all_heaps(RP_ARRAY_LEN(over), over, from[i]);
		sweep_all_heaps(RP_ARRAY_LEN(list), list, from[i]);
	}
	harness_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nomem__on_one_shard),
		cmocka_unit_test(test_nomem__on_three_shards),
		cmocka_unit_test(test_nomem__restore_of_every_type),
	};
	harness_eal("test_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
