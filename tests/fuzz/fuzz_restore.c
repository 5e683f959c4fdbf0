/* RESTORE of arbitrary bytes behind a right checksum, then commands on what came of it. Checked beside memory errors: a
 * refused value leaves the key alone; an accepted one can be read, dumped, restored from the dump with the same
 * content, and changed; memory all comes back.
 *
 * An input is three bytes that choose the limits of compact forms and the changes, and a value as in RDB files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc64.h"
#include "cmd/cmd.h"
#include "fuzz.h"
#include "store/rdb/rdb.h"

#define HEAP_BYTES ((size_t)64 << 20)
#define NOW_US     1700000000000000
#define WORDS_MAX  16
#define HEAD       3
#define CHANGES    6

static struct cmd_env env;
static struct dp_conf conf;
static struct clock_now now = {.mono_us = 1000000, .wall_us = NOW_US};
static struct client client = {.id = 7, .flags = CLIENT_F_AUTH, .proto = 3, .last_cmd = -1};
static struct pool client_texts;
static struct heap *heap, *own;
static struct store *store;
static struct rte_mempool *bufs;
static uint16_t slot_map[RP_SLOTS];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fz_eal("restore");
	cmd_table_init();
	heap = heap_create(&(struct heap_params){.name = "shard", .reserve_bytes = HEAP_BYTES}, NULL);
	own = heap_create(&(struct heap_params){.name = "own", .reserve_bytes = HEAP_BYTES}, NULL);
	bufs = rte_pktmbuf_pool_create("fuzz", 8191, 0, BUF_PRIV_BYTES, BUF_DATA_BYTES, 0);
	rp_assert(heap && own && bufs);
	struct store_params p = {.databases = 2, .hash_seed = 42, .index_initial = 64, .heap = heap};
	store = store_create(&p, NULL);
	rp_assert(store);
	pool_init(&client_texts, sizeof(struct client_text), 1);
	conf = (struct dp_conf){.databases = 2, .max_bulk = 1 << 20, .slowlog_us = -1};
	env = (struct cmd_env){.stores = &store,
			       .nstores = 1,
			       .slot_map = slot_map,
			       .conf = &conf,
			       .heap = own,
			       .now = &now,
			       .client_texts = &client_texts,
			       .stats = calloc(cmd_count, sizeof(struct cmd_stat))};
	return 0;
}

/* Small limits, so that a few members are many; or the usual ones. */
static struct type_limits limits(uint8_t choice)
{
	if (choice & 1)
		return (struct type_limits){-2, 512, 64, 512, 128, 64, 128, 64, 3000, 4096, 100};
	return (struct type_limits){choice & 2 ? 3 : -1, 4, 8, 4, 4, 8, 4, 8, 64, 128, 4};
}

/* ---- running commands ---- */

struct answer {
	char *p; /* the bytes on the wire */
	size_t len;
};

static struct answer gather(struct rte_mbuf *head, size_t bytes)
{
	struct answer a = {malloc(bytes + 1), 0};

	for (struct rte_mbuf *m = head; m != NULL; m = m->next) {
		struct buf_ref *ref = &buf_priv(m)->ref;
		const char *from = ref->blob != NULL ? ref->blob->data + ref->off : rte_pktmbuf_mtod(m, char *);
		size_t n = ref->blob != NULL ? ref->len : rte_pktmbuf_data_len(m);
		memcpy(a.p + a.len, from, n);
		a.len += n;
	}
	rp_assert(a.len == bytes);
	a.p[a.len] = '\0';
	return a;
}

static struct answer run_args(uint32_t argc, const struct slice *argv)
{
	struct slice args[WORDS_MAX];
	struct reply r;
	size_t bytes;

	memcpy(args, argv, argc * sizeof *argv);
	reply_init(&r, bufs, 1460, client.proto);
	const struct cmd *cmd = cmd_admit(&env, &client, argc, args, &r);
	if (cmd != NULL) {
		struct cmd_ctx c = {.cmd = cmd,
				    .argc = argc,
				    .argv = args,
				    .out = &r,
				    .env = &env,
				    .client_id = client.id,
				    .client_flags = client.flags,
				    .rng = &env.rng};
		cmd_run(&c);
	}
	bool failed = r.failed;
	struct rte_mbuf *head = reply_take(&r, &bytes);
	struct answer a = failed ? (struct answer){strdup("-failed"), 7} : gather(head, bytes);
	if (head != NULL)
		buf_chain_free(head, own);
	return a;
}

/* Words between blanks. */
static struct answer run(const char *line)
{
	struct slice words[WORDS_MAX];
	uint32_t n = 0;

	while (*line != '\0') {
		size_t len = strcspn(line, " ");
		words[n++] = (struct slice){line, len};
		line += len + (line[len] == ' ');
	}
	return run_args(n, words);
}

static void run_free(const char *line)
{
	struct answer a = run(line);

	free(a.p);
}

/* ---- what is run ---- */

static const char *const reads[OBJ_TYPES][8] = {
	[OBJ_STRING] = {"GET k", "STRLEN k", "BITCOUNT k", "PFCOUNT k", "GETRANGE k 1 -2"},
	[OBJ_LIST] = {"LRANGE k 0 -1", "LPOS k a COUNT 0", "LINDEX k -1", "LLEN k", "LPOS k 1 RANK -1", "SORT k ALPHA"},
	[OBJ_SET] = {"SMEMBERS k", "SISMEMBER k a", "SSCAN k 0 COUNT 1000", "SRANDMEMBER k -5", "SINTER k k",
		     "SCARD k"},
	[OBJ_ZSET] = {"ZRANGE k 0 -1 WITHSCORES", "ZRANK k a", "ZRANGEBYSCORE k -inf (1", "ZRANGEBYLEX k - +",
		      "ZSCAN k 0 COUNT 1000", "ZREVRANGE k 0 2", "GEOPOS k a", "ZRANDMEMBER k -3"},
	[OBJ_HASH] = {"HGETALL k", "HGET k a", "HSCAN k 0 COUNT 1000", "HRANDFIELD k -5 WITHVALUES",
		      "HTTL k FIELDS 1 a", "HSTRLEN k 1", "HLEN k"},
	[OBJ_STREAM] = {"XRANGE k - +", "XREVRANGE k + - COUNT 3", "XINFO STREAM k FULL COUNT 0", "XINFO GROUPS k",
			"XREAD COUNT 2 STREAMS k 1", "XPENDING k g", "XPENDING k g - + 10", "XLEN k"},
};

/* The same content gives the same answer to it, however it is kept; NULL: its order is the table's. */
static const char *const content[OBJ_TYPES] = {
	[OBJ_STRING] = "GET k",
	[OBJ_LIST] = "LRANGE k 0 -1",
	[OBJ_SET] = "SORT k ALPHA",
	[OBJ_ZSET] = "ZRANGE k 0 -1 WITHSCORES",
	[OBJ_STREAM] = "XINFO STREAM k FULL COUNT 0",
};

static const char *const changes[OBJ_TYPES][16] = {
	[OBJ_STRING] = {"APPEND k x", "SETRANGE k 5 abc", "INCR k", "PFADD k a b c", "PFMERGE d k", "SETBIT k 9 1",
			"PFMERGE k d"},
	[OBJ_LIST] = {"LPUSH k a 1", "RPUSH k b 70000", "LINSERT k BEFORE a b", "LSET k 0 xx",
		      "LSET k -1 yyyyyyyyyyyyyyy", "LREM k 0 a", "LREM k -1 1", "LTRIM k 1 -2", "RPOPLPUSH k d",
		      "LMOVE k k LEFT RIGHT", "LPOP k", "RPOP k 2", "LINSERT k AFTER 1 ccccccccccccccccccc",
		      "SORT k ALPHA STORE d"},
	[OBJ_SET] = {"SADD k a 1 99999999999", "SADD k aaaaaaaaaaaaaaaaaaa", "SREM k a 1 2", "SPOP k", "SPOP k 2",
		     "SMOVE k d 1", "SDIFFSTORE d k d", "SUNIONSTORE k k d", "SINTERSTORE d k k"},
	[OBJ_ZSET] = {"ZADD k 1 a 2 b", "ZADD k 0.5 aaaaaaaaaaaaaaaaaaaa", "ZINCRBY k 3 a", "ZREM k a b", "ZPOPMIN k",
		      "ZPOPMAX k 2", "ZREMRANGEBYRANK k 1 1", "ZREMRANGEBYSCORE k 0 1", "ZUNIONSTORE d 2 k k",
		      "ZRANGESTORE d k 0 3", "ZINTERSTORE k 1 k", "GEOADD k 13 52 a", "ZREMRANGEBYLEX k [a [b"},
	[OBJ_HASH] = {"HSET k a b 1 2", "HSET k x yyyyyyyyyyyyyyyyyyyyyyyyyy", "HDEL k a 1", "HINCRBY k 1 5",
		      "HEXPIRE k 100 FIELDS 2 a 1", "HPERSIST k FIELDS 1 a", "HINCRBYFLOAT k f 0.5",
		      "HPEXPIREAT k 1 FIELDS 1 a", "HGETDEL k FIELDS 1 x", "HPEXPIRE k 20 FIELDS 1 1"},
	[OBJ_STREAM] = {"XADD k * a b", "XADD k * a b c d", "XTRIM k MAXLEN 1", "XTRIM k MAXLEN ~ 2",
			"XDEL k 1-1 2-0 3-0", "XGROUP CREATE k g2 0", "XREADGROUP GROUP g c COUNT 3 STREAMS k >",
			"XACK k g 1-1 1-0", "XCLAIM k g c2 0 1-1 1-0 FORCE", "XAUTOCLAIM k g c2 0 0",
			"XGROUP DELCONSUMER k g c", "XGROUP DESTROY k g", "XSETID k 99999999999999-0",
			"XREADGROUP GROUP g c STREAMS k 0", "XGROUP SETID k g $"},
};

static const char *const any_type[] = {"OBJECT ENCODING k", "MEMORY USAGE k SAMPLES 0", "PTTL k", "COPY k d REPLACE"};

static enum obj_type type_of(const char *key)
{
	const struct object *o = store_peek(store, 0, (struct slice){key, strlen(key)});

	return o == NULL ? OBJ_TYPES : (enum obj_type)o->type;
}

/* Also where the key became another. */
static void read_all(void)
{
	enum obj_type t = type_of("k");

	if (t == OBJ_TYPES)
		return;
	for (size_t i = 0; i < RP_ARRAY_LEN(reads[t]) && reads[t][i] != NULL; i++)
		run_free(reads[t][i]);
	for (size_t i = 0; i < RP_ARRAY_LEN(any_type); i++)
		run_free(any_type[i]);
}

static void change(uint32_t choice)
{
	enum obj_type t = type_of("k");
	size_t n = 0;

	if (t == OBJ_TYPES)
		return;
	while (n < RP_ARRAY_LEN(changes[t]) && changes[t][n] != NULL)
		n++;
	run_free(changes[t][choice % n]);
}

/* ---- RESTORE ---- */

static bool restore(struct slice payload)
{
	struct answer a = run_args(
		5, (struct slice[]){SLICE("RESTORE"), SLICE("k"), SLICE("0"), payload, SLICE("REPLACE")});
	bool ok = a.len == 5 && memcmp(a.p, "+OK\r\n", 5) == 0;

	rp_assert(ok || strcmp(a.p, "-ERR Bad data format\r\n") == 0);
	free(a.p);
	return ok;
}

/* The bytes of a bulk string. */
static struct slice bulk(const struct answer *a)
{
	const char *p = strchr(a->p, '\n');

	rp_assert(a->p[0] == '$' && p != NULL);
	return (struct slice){p + 1, (size_t)(a->p + a->len - 2 - (p + 1))};
}

/* DUMP is taken by RESTORE, and nothing got lost. */
static void dump_and_restore(void)
{
	enum obj_type t = type_of("k");

	if (t == OBJ_TYPES)
		return;
	struct answer before = content[t] != NULL ? run(content[t]) : (struct answer){0};
	struct answer dump = run("DUMP k");
	rp_assert(restore(bulk(&dump)));
	if (content[t] != NULL) {
		struct answer after = run(content[t]);
		/* how a stream's nodes are cut is its own affair, unlike what is in them */
		if (t != OBJ_STREAM)
			rp_assert(after.len == before.len && memcmp(after.p, before.p, after.len) == 0);
		free(after.p);
	}
	free(before.p);
	free(dump.p);
}

static void expect_nothing_left(uint64_t blocks)
{
	struct heap_stats st;

	run_free("DEL k d");
	while (store_poll(store, 1000) > 0)
		;
	heap_stats_get(heap, &st);
	rp_assert(st.blocks == blocks);
	heap_stats_get(own, &st);
	rp_assert(st.blocks == 0);
	rp_assert(rte_mempool_in_use_count(bufs) == 0);
}

static char *payload_of(const uint8_t *data, size_t size, size_t *len)
{
	char *p = malloc(size + 10);
	uint16_t version = RDB_VERSION_READ;

	memcpy(p, data, size);
	memcpy(p + size, &version, sizeof version);
	uint64_t crc = crc64(0, p, size + sizeof version);
	memcpy(p + size + sizeof version, &crc, sizeof crc);
	*len = size + 10;
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heap_stats st;
	size_t len;

	if (size <= HEAD)
		return 0;
	conf.types = limits(data[0]);
	rng_init(&env.rng, data[1]);
	now.wall_us = NOW_US;
	store_set_now(store, NOW_US);
	heap_stats_get(heap, &st);
	uint64_t blocks = st.blocks;
	run_free("SET k old");
	char *payload = payload_of(data + HEAD, size - HEAD, &len);
	if (restore((struct slice){payload, len})) {
		read_all();
		dump_and_restore();
		for (uint32_t i = 0; i < data[2] % (CHANGES + 1); i++) {
			change(data[1] + i * (data[2] >> 3 | 1u));
			read_all();
			store_set_now(store, NOW_US + (int64_t)i * 10000);
		}
		dump_and_restore();
	} else {
		struct answer a = run("GET k");
		rp_assert(strcmp(a.p, "$3\r\nold\r\n") == 0);
		free(a.p);
	}
	free(payload);
	expect_nothing_left(blocks);
	return 0;
}
