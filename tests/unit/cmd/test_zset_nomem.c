/* Memory runs out at every allocation of every writing command in turn: an error, and the keys as they were. */
#include <stdio.h>

#include "nomem.h"
#include "nomem_lines.h"

/* Everything a client can see of the keys. */
static const char *const questions[] = {"ZRANGE k 0 -1 WITHSCORES",
					"OBJECT ENCODING k",
					"PTTL k",
					"ZRANGE d 0 -1 WITHSCORES",
					"OBJECT ENCODING d",
					"ZRANGE copy 0 -1 WITHSCORES",
					"ZRANGE fresh 0 -1 WITHSCORES",
					"EXISTS fresh",
					"DBSIZE",
					"ZSCORE k a",
					NULL};

static void make(struct harness *h, const void *value)
{
	run(h, "DEL k d fresh copy");
	run(h, value);
	run(h, "PEXPIRE k 5000");
	run(h, "ZADD d 1 x 2 y");
	/* a listpack in a blob that two keys share must be copied first */
	run(h, "COPY k copy");
}

static const char *const values[] = {
	"PING",
	"ZADD k 1 a",
	"ZADD k 1 a 2 b 3 c 4 d 5 e 6 f",
	"ZADD k 1 a 2 b 3 c 4 d 5 e 6 f 7 g",
	"ZADD k 1 a 2 bbbbbbbbbbbbbbbbbbbbbbbbbb",
	"ZADD k 1 a 0.5 sixteen-letters-",
	"GEOADD k 13 52 a 13.1 52 b 13.2 52 c 13.3 52 d 13.4 52 e 13.5 52 f 13.6 52 g",
};

static void test_zset_nomem__every_command_on_every_form(void **state)
{
	struct harness *h = harness_create(1);
	struct nomem m;

	h->conf.types.zset_max_listpack_entries = 6;
	h->conf.types.zset_max_listpack_value = 12;
	nomem_init(&m, h, questions, make);
	for (size_t v = 0; v < RP_ARRAY_LEN(values); v++)
		for (size_t i = 0; i < RP_ARRAY_LEN(nomem_zset); i++)
			nomem_sweep(&m, values[v], nomem_zset[i]);
	nomem_fini(&m, 600, 80);
	harness_destroy(h);
}

static void test_zset_nomem__listpacks_in_blobs(void **state)
{
	struct harness *h = harness_create(1);
	struct nomem m;
	char text[4096];
	int n = snprintf(text, sizeof text, "ZADD k");

	h->conf.types.zset_max_listpack_entries = 200;
	nomem_init(&m, h, questions, make);
	for (int i = 0; i < 150; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, " %d member%d", i, i);
	for (size_t i = 0; i < RP_ARRAY_LEN(nomem_zset); i++)
		nomem_sweep(&m, text, nomem_zset[i]);
	nomem_fini(&m, 400, 150);
	harness_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zset_nomem__every_command_on_every_form),
		cmocka_unit_test(test_zset_nomem__listpacks_in_blobs),
	};

	harness_eal("test_zset_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
