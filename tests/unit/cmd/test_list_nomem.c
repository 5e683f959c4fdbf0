/* Memory runs out at every allocation of every command that changes lists in turn: an error, and the keys as they were.
 */
#include "nomem.h"
#include "nomem_lines.h"

/* Everything a client can see. */
static const char *const questions[] = {
	"LRANGE k 0 -1",    "OBJECT ENCODING k", "PTTL k",       "LRANGE d 0 -1", "OBJECT ENCODING d",
	"LRANGE copy 0 -1", "LRANGE fresh 0 -1", "EXISTS fresh", "DBSIZE",        NULL};

static void make(struct harness *h, const void *value)
{
	run(h, "DEL k d fresh copy");
	run(h, value);
	run(h, "RPUSH d x y");
	run(h, "PEXPIRE k 5000");
	/* what two keys share must be copied first */
	run(h, "COPY k copy");
}

static const char *const values[] = {
	"PING",
	"RPUSH k 1 2 3",
	"RPUSH k 1 2 3 4 5 6",
	"RPUSH k 1 2 3 4 5 6 7",
	"RPUSH k 1 2 " NOMEM_LONG1000 " " NOMEM_LONG1000 " 3", /* in a blob */
	"RPUSH k 1 " NOMEM_LONG10000 " 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
	"RPUSH k " NOMEM_LONG10000,
};

static void test_list_nomem__every_command_on_every_form(void **state)
{
	struct harness *h = harness_create(2);
	struct nomem m;

	h->conf.types.list_max_listpack_size = 6;
	nomem_init(&m, h, questions, make);
	for (size_t v = 0; v < RP_ARRAY_LEN(values); v++)
		for (size_t i = 0; i < RP_ARRAY_LEN(nomem_list); i++)
			nomem_sweep(&m, values[v], nomem_list[i]);
	nomem_fini(&m, 300, 8);
	harness_destroy(h);
}

/* The limit went down after the list was made. */
static void make_long(struct harness *h, const void *value)
{
	h->conf.types.list_max_listpack_size = -2;
	make(h, value);
	h->conf.types.list_max_listpack_size = 3;
}

static void test_list_nomem__listpacks_longer_than_the_limit(void **state)
{
	struct harness *h = harness_create(2);
	struct nomem m;

	nomem_init(&m, h, questions, make_long);
	for (size_t i = 0; i < RP_ARRAY_LEN(nomem_list); i++)
		nomem_sweep(&m, "RPUSH k 1 2 3 4 5 6 7 8 9 10", nomem_list[i]);
	nomem_fini(&m, 60, 1);
	harness_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_nomem__every_command_on_every_form),
		cmocka_unit_test(test_list_nomem__listpacks_longer_than_the_limit),
	};
	harness_eal("test_list_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
