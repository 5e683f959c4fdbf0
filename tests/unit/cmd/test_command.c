/* COMMAND and HELP: answers made from the table. */
#include <stdio.h>

#include "harness.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(1);
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

static uint32_t top_level(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < cmd_count; i++)
		n += cmd_at(i)->parent < 0 && !(cmd_at(i)->flags & CMD_F_HIDDEN);
	return n;
}

static void test_command__count_and_list(void **state)
{
	char want[32];

	snprintf(want, sizeof want, ":%u", top_level());
	expect(h, "COMMAND COUNT", want);
	snprintf(want, sizeof want, "*%u ", top_level());
	assert_memory_equal(run(h, "COMMAND"), want, strlen(want));
	assert_memory_equal(run(h, "COMMAND INFO"), want, strlen(want));
	expect(h, "COMMAND LIST FILTERBY PATTERN *rename*", "*2 $6 rename $8 renamenx");
	expect(h, "COMMAND LIST FILTERBY PATTERN CONFIG|G*", "*1 $10 config|get");
	expect(h, "COMMAND LIST FILTERBY ACLCAT nosuch", "*0");
	expect(h, "COMMAND LIST FILTERBY MODULE x", "*0");
	assert_non_null(strstr(run(h, "COMMAND LIST FILTERBY ACLCAT dangerous"), " flushall "));
	assert_null(strstr(h->reply, " get "));
	expect(h, "COMMAND LIST foo", "-ERR syntax error");
	expect(h, "COMMAND LIST FILTERBY foo x", "-ERR syntax error");
}

static void test_command__info_of_one(void **state)
{
	h->client.proto = 3;
	expect(h, "COMMAND INFO GET nosuch get|x",
	       "*3 *10 $3 get :2 ~2 +readonly +fast :1 :1 :1 ~3 +@read +@string +@fast ~0 "
	       "~1 %3 $5 flags ~2 +RO +access $12 begin_search %2 $4 type $5 index $4 spec %1 $5 index :1 "
	       "$9 find_keys %2 $4 type $5 range $4 spec %3 $7 lastkey :0 $7 keystep :1 $5 limit :0 ~0 _ _");
	h->client.proto = 2;
	assert_non_null(strstr(run(h, "COMMAND INFO config"), " *10 $10 config|get :-3 "));
}

static void test_command__docs_of_one(void **state)
{
	h->client.proto = 3;
	expect(h, "COMMAND DOCS nosuch", "%0");
	expect(h, "COMMAND DOCS pexpireat",
	       "%1 $9 pexpireat %6 $7 summary $45 Sets the Unix millisecond at which a key goes $5 since $5 2.6.0 "
	       "$5 group $7 generic $10 complexity $4 O(1) $7 history ~1 *2 $5 7.0.0 $25 `NX`, `XX`, `GT` and `LT` "
	       "$9 arguments *3 %4 $4 name $3 key $4 type $3 key $12 display_text $3 key $14 key_spec_index :0 "
	       "%3 $4 name $22 unix-time-milliseconds $4 type $9 unix-time $12 display_text $22 unix-time-milliseconds "
	       "%5 $4 name $9 condition $4 type $5 oneof $5 since $5 7.0.0 $5 flags ~1 +optional $9 arguments *4 "
	       "%4 $4 name $2 nx $4 type $10 pure-token $12 display_text $2 nx $5 token $2 NX "
	       "%4 $4 name $2 xx $4 type $10 pure-token $12 display_text $2 xx $5 token $2 XX "
	       "%4 $4 name $2 gt $4 type $10 pure-token $12 display_text $2 gt $5 token $2 GT "
	       "%4 $4 name $2 lt $4 type $10 pure-token $12 display_text $2 lt $5 token $2 LT");
}

static void test_command__hidden_rows_are_not_shown(void **state)
{
	expect(h, "COMMAND INFO debug|sleep", "*1 $-1");
	expect(h, "COMMAND DOCS debug|sleep", "*0");
	assert_null(strstr(run(h, "COMMAND LIST"), "debug|"));
	assert_null(strstr(run(h, "COMMAND"), " host: "));
	expect(h, "COMMAND INFO host:", "*1 $-1");
	assert_null(strstr(run(h, "COMMAND DOCS latency"), "latency|stages"));
	assert_null(strstr(run(h, "COMMAND DOCS debug"), "subcommands"));
}

static void test_command__getkeys(void **state)
{
	expect(h, "COMMAND GETKEYS MSET a b c d", "*2 $1 a $1 c");
	expect(h, "COMMAND GETKEYS OBJECT ENCODING x", "*1 $1 x");
	/* more than fit on the stack */
	char many[2000] = "COMMAND GETKEYS DEL";
	for (int i = 0; i < 300; i++)
		strcat(many, " k");
	assert_memory_equal(run(h, many), "*300 $1 k $1 k ", 15);
	expect(h, "COMMAND GETKEYS EVAL x 2 a b c", "*2 $1 a $1 b");
	expect(h, "COMMAND GETKEYS EVAL x 0", "*0");
	expect(h, "COMMAND GETKEYS EVAL x 5 a", "*0");
	expect(h, "COMMAND GETKEYS foo bar", "-ERR Invalid command specified");
	expect(h, "COMMAND GETKEYS PING x", "-ERR The command has no key arguments");
	expect(h, "COMMAND GETKEYS GET a b", "-ERR Invalid number of arguments specified for command");
}

static void test_command__getkeysandflags(void **state)
{
	expect(h, "COMMAND GETKEYSANDFLAGS COPY a b", "*2 *2 $1 a *2 +RO +access *2 $1 b *2 +OW +update");
	/* flags that depend on the words */
	expect(h, "COMMAND GETKEYSANDFLAGS SET a b", "*1 *2 $1 a *2 +OW +update");
	expect(h, "COMMAND GETKEYSANDFLAGS SET a b GET", "*1 *2 $1 a *3 +RW +access +update");
	expect(h, "COMMAND GETKEYSANDFLAGS BITFIELD a GET u8 0", "*1 *2 $1 a *2 +RO +access");
	expect(h, "COMMAND GETKEYSANDFLAGS BITFIELD a INCRBY u8 0 1", "*1 *2 $1 a *3 +RW +access +update");
}

static void test_help__comes_from_the_rows(void **state)
{
	const char *text = run(h, "CONFIG HELP");

	assert_memory_equal(text, "*11 +CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are: ", 69);
	assert_non_null(strstr(text, " +SET <parameter> <value> ... +    Changes settings. "));
	assert_non_null(strstr(text, " +HELP +    Prints this help."));
	assert_non_null(strstr(run(h, "MEMORY HELP"), " +USAGE <key> [SAMPLES <count>] "));
	assert_non_null(strstr(run(h, "CLIENT HELP"), " +PAUSE <timeout> [WRITE|ALL] "));
	for (uint32_t i = 0; i < cmd_count; i++)
		if (cmd_at(i)->flags & CMD_F_CONTAINER)
			assert_int_equal(runf(h, "%s HELP", cmd_at(i)->name)[0], '*');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_command__count_and_list),   T(test_command__info_of_one),
		T(test_command__docs_of_one),      T(test_command__hidden_rows_are_not_shown),
		T(test_command__getkeys),          T(test_command__getkeysandflags),
		T(test_help__comes_from_the_rows),
	};
	harness_eal("test_command");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
