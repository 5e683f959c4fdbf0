/* Memory runs out at every allocation in turn, of the shards' heaps and of the thread's, in the writing commands that
 * have no such test beside their type's others: an error, and every key as it was. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/table.h"
#include "nomem.h"
#include "nomem_lines.h"

#define PAYLOAD_MAX 65536

static struct harness *h;
static struct nomem m;

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

static void make_keys(struct harness *at, const void *value)
{
	run(at, "FLUSHALL");
	for (uint32_t s = 0; s < at->env.nstores; s++)
		while (store_poll(at->stores[s], 1000) > 0)
			;
	for (size_t i = 0; i < RP_ARRAY_LEN(made); i++)
		assert_int_not_equal(*run(at, made[i]), '-');
	at->conf.types.hll_sparse_max_bytes = 0;
	run(at, "PFADD dense a b c d");
	at->conf.types.hll_sparse_max_bytes = 3000;
}

/* What every key is in both databases, and how many there are. */
static const char *const *questions(void)
{
	static const char *const about[] = {"DUMP", "PTTL", "OBJECT ENCODING"};
	static char text[2 * RP_ARRAY_LEN(about) * RP_ARRAY_LEN(names)][40];
	static const char *all[RP_ARRAY_LEN(text) + 6];
	uint32_t n = 0, k = 0;

	for (uint32_t db = 0; db < 2; db++) {
		all[n++] = db == 0 ? "SELECT 0" : "SELECT 1";
		all[n++] = "DBSIZE";
		for (size_t i = 0; i < RP_ARRAY_LEN(names); i++)
			for (size_t q = 0; q < RP_ARRAY_LEN(about); q++, k++) {
				snprintf(text[k], sizeof text[k], "%s %s", about[q], names[i]);
				all[n++] = text[k];
			}
	}
	all[n++] = "SELECT 0";
	all[n] = NULL;
	return all;
}

static void set_up_types(uint32_t nstores)
{
	h = harness_create(nstores);
	h->conf.types.list_max_listpack_size = 8;
	h->conf.types.set_max_listpack_entries = 5;
	h->conf.types.zset_max_listpack_entries = 5;
	h->conf.types.stream_node_max_entries = 2;
	nomem_init(&m, h, questions(), make_keys);
}

static void sweep_lines(uint32_t nstores)
{
	set_up_types(nstores);
	for (size_t i = 0; i < RP_ARRAY_LEN(nomem_any); i++)
		nomem_sweep(&m, NULL, nomem_any[i]);
	nomem_fini(&m, 120, 15);
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
		make_keys(h, NULL);
		struct slice payload = dump(from[i], bytes);
		struct slice fresh[] = {SLICE("RESTORE"), SLICE("fresh"), SLICE("0"), payload};
		struct slice over[] = {SLICE("RESTORE"), SLICE("mine"), SLICE("5000"), payload, SLICE("REPLACE")};
		struct slice list[] = {SLICE("RESTORE"), SLICE("long"), SLICE("0"), payload, SLICE("REPLACE")};
		nomem_sweep_args(&m, NULL, RP_ARRAY_LEN(fresh), fresh, from[i]);
		nomem_sweep_args(&m, NULL, RP_ARRAY_LEN(over), over, from[i]);
		nomem_sweep_args(&m, NULL, RP_ARRAY_LEN(list), list, from[i]);
	}
	nomem_fini(&m, 100, 2);
	harness_destroy(h);
}

/* ---- nothing is left out ---- */

static const struct {
	const char *const *line;
	size_t n;
} swept[] = {
#define SWEPT(lines)                       \
	{                                  \
		lines, RP_ARRAY_LEN(lines) \
	}
	SWEPT(nomem_any),  SWEPT(nomem_string), SWEPT(nomem_hash),   SWEPT(nomem_set),
	SWEPT(nomem_zset), SWEPT(nomem_list),   SWEPT(nomem_stream),
#undef SWEPT
};

static const struct {
	const char *name, *why;
} not_swept[] = {
	{"restore", "its words are bytes: test_nomem__restore_of_every_type"},
	{"debug|populate", "makes keys until memory ends"},
	{"function|load", "runs on the script thread: tests/unit/script/test_nomem.c"},
	{"function|delete", "runs on the script thread: tests/unit/script/test_nomem.c"},
	{"function|flush", "runs on the script thread: tests/unit/script/test_nomem.c"},
	{"function|restore", "runs on the script thread: tests/unit/script/test_nomem.c"},
};

static const struct cmd *command_of(const char *line)
{
	struct slice word[2] = {{line, strcspn(line, " ")}};
	const char *next = line + word[0].len + (line[word[0].len] == ' ');
	uint32_t argc = 1 + (*next != '\0');

	word[1] = (struct slice){next, strcspn(next, " ")};
	const struct cmd *cmd = cmd_lookup(argc, word);
	if (cmd == NULL)
		fail_msg("no command: '%s'", line);
	return cmd;
}

static bool is_excused(const char *name)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(not_swept); i++)
		if (strcmp(not_swept[i].name, name) == 0)
			return true;
	return false;
}

static bool writes(const struct cmd *cmd)
{
	return cmd->flags & (CMD_F_WRITE | CMD_F_DENYOOM);
}

/* Also, nobody is excused who need not be. */
static void test_nomem__every_writing_command_is_swept(void **state)
{
	bool *seen = calloc(cmd_count, sizeof *seen);
	uint32_t writing = 0;

	for (size_t i = 0; i < RP_ARRAY_LEN(swept); i++)
		for (size_t k = 0; k < swept[i].n; k++)
			seen[command_of(swept[i].line[k])->id] = true;
	for (uint32_t i = 0; i < cmd_count; i++) {
		const struct cmd *cmd = cmd_at(i);
		if (!writes(cmd))
			continue;
		writing++;
		if (seen[i] == is_excused(cmd->name))
			fail_msg("%s is %s", cmd->name, seen[i] ? "swept and excused" : "in no sweep");
	}
	for (size_t i = 0; i < RP_ARRAY_LEN(not_swept); i++) {
		const struct cmd *cmd = cmd_find(cmd_text(not_swept[i].name));
		assert_true(cmd != NULL && writes(cmd));
	}
	assert_true(writing > 100);
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nomem__on_one_shard),
		cmocka_unit_test(test_nomem__on_three_shards),
		cmocka_unit_test(test_nomem__restore_of_every_type),
		cmocka_unit_test(test_nomem__every_writing_command_is_swept),
	};
	harness_eal("test_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
