/* Memory runs out at every allocation of every writing command on sets in turn: an error, and the keys as they were. */
#include "nomem.h"
#include "nomem_lines.h"

/* Members in their order: a failed command leaves even that. */
static const char *const questions[] = {"SMEMBERS k",
					"SMEMBERS d",
					"SMEMBERS copy",
					"SMEMBERS fresh",
					"OBJECT ENCODING k",
					"OBJECT ENCODING d",
					"PTTL k",
					"PTTL d",
					"EXISTS fresh",
					"DBSIZE",
					NULL};

static void make(struct harness *h, const void *value)
{
	run(h, "DEL k d fresh copy");
	for (const char *const *line = value; *line != NULL; line++)
		run(h, *line);
	run(h, "SADD d old 1 2");
	run(h, "PEXPIRE d 5000");
}

static const char *const values[][4] = {
	{"PING"},
	{"SADD k 1 2 3 4 5 6"},
	{"SADD k 1 2 3", "PEXPIRE k 700"},
	{"SADD k a b c 1 2 3 4 5"},
	{"SADD k a1" NOMEM_LONG100 NOMEM_LONG100 " a2" NOMEM_LONG100 NOMEM_LONG100 " a3" NOMEM_LONG100 NOMEM_LONG100
	 " a4" NOMEM_LONG100 NOMEM_LONG100 " a5" NOMEM_LONG100 NOMEM_LONG100 " a6" NOMEM_LONG100 NOMEM_LONG100,
	 "COPY k copy"}, /* a shared blob */
	{"SADD k 1 2 3 4 5 6 7 8 9 x old"},
};

static void test_nomem__every_command_on_every_form(void **state)
{
	struct harness *h = harness_create(1);
	struct nomem m;

	h->conf.types.set_max_intset_entries = 6;
	h->conf.types.set_max_listpack_entries = 8;
	h->conf.types.set_max_listpack_value = 300;
	nomem_init(&m, h, questions, make);
	for (size_t v = 0; v < RP_ARRAY_LEN(values); v++)
		for (size_t i = 0; i < RP_ARRAY_LEN(nomem_set); i++)
			nomem_sweep(&m, values[v], nomem_set[i]);
	nomem_fini(&m, 300, 30);
	harness_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nomem__every_command_on_every_form),
	};
	harness_eal("test_set_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
