/* What is refused before it is routed, and what execution counts. */
#include <stdio.h>

#include "../acl_one.h"
#include "harness.h"

#include "cmd/table.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(2);
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

static void test_admit__unknown_command_repeats_its_arguments(void **state)
{
	char line[400], want[400];

	expect(h, "foo", "-ERR unknown command 'foo', with args beginning with: ");
	expect(h, "foo a b \"c d\"", "-ERR unknown command 'foo', with args beginning with: 'a' 'b' 'c d' ");
	expect(h, "foo \"a\\r\\nb\"", "-ERR unknown command 'foo', with args beginning with: 'a  b' ");
	memset(line, 'a', sizeof line);
	memcpy(line, "foo ", 4);
	line[300] = '\0';
	snprintf(want, sizeof want, "-ERR unknown command 'foo', with args beginning with: '%.128s' ", line + 4);
	expect(h, line, want);
}

static void test_admit__unknown_subcommand(void **state)
{
	expect(h, "CONFIG foo bar", "-ERR unknown subcommand 'foo'. Try CONFIG HELP.");
	expect(h, "config|get x", "-ERR unknown command 'config|get', with args beginning with: 'x' ");
	expect(h, "get|get x", "-ERR unknown command 'get|get', with args beginning with: 'x' ");
	expect(h, "object FOO", "-ERR unknown subcommand 'FOO'. Try OBJECT HELP.");
	expect(h, "debug foo", "-ERR unknown subcommand or wrong number of arguments for 'foo'. Try DEBUG HELP.");
}

static void test_admit__arity(void **state)
{
	expect(h, "GET", "-ERR wrong number of arguments for 'get' command");
	expect(h, "get a b", "-ERR wrong number of arguments for 'get' command");
	expect(h, "DEL", "-ERR wrong number of arguments for 'del' command");
	expect(h, "CONFIG", "-ERR wrong number of arguments for 'config' command");
	expect(h, "CONFIG GET", "-ERR wrong number of arguments for 'config|get' command");
	expect(h, "debug sleep", "-ERR unknown subcommand or wrong number of arguments for 'sleep'. Try DEBUG HELP.");
	expect(h, "debug", "-ERR wrong number of arguments for 'debug' command");
}

static void test_admit__noauth(void **state)
{
	h->env.acl = acl_one("secret");
	acl_client_reset(&h->client, h->env.acl);
	expect(h, "GET a", "-NOAUTH Authentication required.");
	expect(h, "PING", "-NOAUTH Authentication required.");
	expect(h, "CONFIG GET a", "-NOAUTH Authentication required.");
	/* what cannot be is said first */
	expect(h, "GET", "-ERR wrong number of arguments for 'get' command");
	expect(h, "foo", "-ERR unknown command 'foo', with args beginning with: ");
	expect(h, "RESET", "+RESET");
	expect(h, "AUTH secret", "+OK");
	expect(h, "GET a", "$-1");
}

static void test_run__counts_calls_and_failures(void **state)
{
	const struct cmd_stat *st = &h->env.stats[cmd_find(SLICE("select"))->id];
	uint64_t timed = 0;

	expect(h, "SELECT 1", "+OK");
	expect(h, "SELECT 99", "-ERR DB index is out of range");
	assert_int_equal(st->calls, 2);
	assert_int_equal(st->failed, 1);
	assert_true(st->cycles > 0);
	for (size_t i = 0; i < RP_ARRAY_LEN(st->hist); i++)
		timed += st->hist[i];
	assert_int_equal(timed, 2);
}

static void test_run__journals_own_words_of_a_change(void **state)
{
	expect(h, "SET a 1", "+OK");
	expect_effects(h, "SET a 1");
	expect(h, "DEL a nosuch", ":1");
	expect_effects(h, "DEL a nosuch");
	expect(h, "DEL a nosuch", ":0");
	expect(h, "EXISTS a", ":0");
	expect_effects(h, "");
}

static int keys_of(const char *line, uint32_t *idx)
{
	struct slice argv[16];
	uint32_t argc = 0;
	struct slice rest = cmd_text(line);

	while (argc < 16 && cmd_word_next(&rest, " ", &argv[argc]))
		argc++;
	return cmd_getkeys(cmd_lookup(argc, argv), argc, argv, idx, 4);
}

static void test_getkeys__samples(void **state)
{
	uint32_t idx[4];

	assert_int_equal(keys_of("get a", idx), 1);
	assert_int_equal(idx[0], 1);
	assert_int_equal(keys_of("mset a 1 b 2 c 3", idx), 3);
	assert_int_equal(idx[1], 3);
	assert_int_equal(idx[2], 5);
	assert_int_equal(keys_of("bitop and d a b", idx), 3);
	assert_int_equal(idx[0], 2);
	assert_int_equal(keys_of("object encoding k", idx), 1);
	assert_int_equal(idx[0], 2);
	assert_int_equal(keys_of("copy a b db 1", idx), 2);
	/* more keys than room: all are counted */
	assert_int_equal(keys_of("del a b c d e f", idx), 6);
	assert_int_equal(idx[3], 4);
	assert_int_equal(keys_of("ping", idx), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_admit__unknown_command_repeats_its_arguments),
		T(test_admit__unknown_subcommand),
		T(test_admit__arity),
		T(test_admit__noauth),
		T(test_run__counts_calls_and_failures),
		T(test_run__journals_own_words_of_a_change),
		T(test_getkeys__samples),
	};
	harness_eal("test_admit");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
