/* Memory runs out at every allocation of every writing command on hashes in turn: an error, and the keys as they were.
 */
#include "nomem.h"
#include "nomem_lines.h"

/* Fields in their order: a failed command leaves even that. */
static const char *const questions[] = {"HGETALL k",
					"HGETALL d",
					"HGETALL copy",
					"HGETALL fresh",
					"HPEXPIRETIME k FIELDS 8 a b c d 1 2 3 4",
					"OBJECT ENCODING k",
					"OBJECT ENCODING d",
					"PTTL k",
					"EXISTS fresh",
					"DBSIZE",
					NULL};

static void make(struct harness *h, const void *value)
{
	run(h, "DEL k d fresh copy");
	for (const char *const *line = value; *line != NULL; line++)
		run(h, *line);
	run(h, "HSET d old 1 a 2");
}

static const char *const values[][5] = {
	{"PING"},
	{"HSET k a 1 b 2 c 3", "PEXPIRE k 700"},
	{"HSET k a 1 b 2 c 3 1 1 2 2 3 3"},
	{"HSET k a " NOMEM_LONG100 NOMEM_LONG100 " b " NOMEM_LONG100 NOMEM_LONG100 " c " NOMEM_LONG100 NOMEM_LONG100
	 " d " NOMEM_LONG100 NOMEM_LONG100 " 1 " NOMEM_LONG100 NOMEM_LONG100 " 2 " NOMEM_LONG100 NOMEM_LONG100,
	 "COPY k copy"}, /* a shared blob */
	{"HSET k a 1 b 2 c 3", "HPEXPIRE k 5000 FIELDS 1 b"},
	{"HSET k a 1 b 2 c 3 1 1 2 2 3 3", "HPEXPIRE k 5000 FIELDS 1 b", "HPEXPIRE k 3000 FIELDS 1 2"},
	{"HSET k a 1 b 2 c 3 d 4 1 1 2 2 3 3 4 4"},
	{"HSET k a 1 b 2 c 3 d 4 1 1 2 2 3 3 4 4", "HPEXPIRE k 5000 FIELDS 1 b", "HPEXPIRE k 3000 FIELDS 1 2"},
};

static void test_nomem__every_command_on_every_form(void **state)
{
	struct harness *h = harness_create(1);
	struct nomem m;

	h->conf.types.hash_max_listpack_entries = 6;
	h->conf.types.hash_max_listpack_value = 300;
	nomem_init(&m, h, questions, make);
	for (size_t v = 0; v < RP_ARRAY_LEN(values); v++)
		for (size_t i = 0; i < RP_ARRAY_LEN(nomem_hash); i++)
			nomem_sweep(&m, values[v], nomem_hash[i]);
	nomem_fini(&m, 500, 0);
	harness_destroy(h);
}

/* More fields than have room on the stack. */
static void test_nomem__many_fields_at_once(void **state)
{
	static const char *const value[] = {"HSET k 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 a a b b c c d d", NULL};
	static const char *const lines[] = {
		"HEXPIRE k 100 FIELDS 40 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 "
		"24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40",
		"HGETDEL k FIELDS 40 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 "
		"24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40",
		"HRANDFIELD k 9", "HRANDFIELD k -20 WITHVALUES"};
	struct harness *h = harness_create(1);
	struct nomem m;

	nomem_init(&m, h, questions, make);
	for (uint64_t limit = 6; limit <= 512; limit += 506) {
		h->conf.types.hash_max_listpack_entries = limit;
		for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++)
			nomem_sweep(&m, value, lines[i]);
	}
	nomem_fini(&m, 8, 2);
	harness_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nomem__every_command_on_every_form),
		cmocka_unit_test(test_nomem__many_fields_at_once),
	};
	harness_eal("test_hash_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
