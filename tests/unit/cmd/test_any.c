/* Whatever the words, every command answers exactly one well-formed reply. */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#include "cmd/handlers.h"
#include "cmd/table.h"

#define ROUNDS 400
#define WORDS  6

static const char *const words[] = {
	"a",
	"b",
	"c",
	"{t}1",
	"{t}2",
	"",
	"0",
	"1",
	"-1",
	"2",
	"10",
	"100",
	"1000000",
	"9223372036854775807",
	"-9223372036854775808",
	"9223372036854775808",
	"1.5",
	"-0.5",
	"1e400",
	"nan",
	"inf",
	"abc",
	"*",
	"?[a-",
	"\\",
	"NX",
	"XX",
	"GT",
	"LT",
	"GET",
	"SET",
	"INCRBY",
	"EX",
	"PX",
	"EXAT",
	"PXAT",
	"KEEPTTL",
	"PERSIST",
	"BYTE",
	"BIT",
	"AND",
	"OR",
	"XOR",
	"NOT",
	"OVERFLOW",
	"SAT",
	"WRAP",
	"FAIL",
	"u8",
	"i64",
	"u63",
	"u64",
	"#1",
	"LEN",
	"IDX",
	"MINMATCHLEN",
	"WITHMATCHLEN",
	"REPLACE",
	"DB",
	"MATCH",
	"COUNT",
	"TYPE",
	"string",
	"ASYNC",
	"SYNC",
	"SAMPLES",
	"AUTH",
	"SETNAME",
	"default",
	"ON",
	"OFF",
	"SKIP",
	"LIB-NAME",
	"LIB-VER",
	"FILTERBY",
	"ACLCAT",
	"PATTERN",
	"read",
	"config|get",
	"get",
	"mset",
	"object",
	"encoding",
	"3",
	"a value that is a little longer than forty-four bytes",
};

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(4);
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

/* Skips one value of the reply; NULL if there is none. Values of lines end at a blank or at the end: the harness
 * turned the line ends into blanks, and only a reply's last value may be a line with blanks inside. */
static const char *skip_value(const char *p, const char *end, bool last)
{
	if (p >= end)
		return NULL;
	char kind = *p;
	const char *line_end = memchr(p, ' ', (size_t)(end - p));
	long n = strtol(p + 1, NULL, 10);

	if (line_end == NULL || (last && strchr("+-", kind)))
		line_end = end;
	const char *next = line_end < end ? line_end + 1 : end;
	switch (kind) {
	case '$':
	case '=':
		return n < 0 ? next : next + n + (next + n < end);
	case '*':
	case '~':
	case '>':
	case '%':
		n *= kind == '%' ? 2 : 1;
		for (long i = 0; next != NULL && i < n; i++)
			next = skip_value(next, end, false);
		return next;
	default:
		return strchr("+-:_,#(", kind) ? next : NULL;
	}
}

static void check_one_reply(const char *what)
{
	const char *end = h->reply + h->reply_len;
	const char *after = skip_value(h->reply, end, true);

	if (after != end)
		fail_msg("%s: not one reply: %s", what, h->reply);
}

static bool answers(const struct cmd *cmd)
{
	if ((cmd->flags & CMD_F_PUBSUB) && cmd->route == CMD_HOME)
		return false; /* SUBSCRIBE and its kin answer each name */
	if (strcmp(cmd->name, "monitor") == 0)
		return false; /* the second one answers nothing, and here are no sessions to be shown */
	return strcmp(cmd->name, "client|reply") != 0 && strcmp(cmd_own_name(cmd), "help") != 0;
}

/* Argument vector of the command: random words. Returns how many. */
static uint32_t some_words(const struct cmd *cmd, struct rng *rng, struct slice *argv)
{
	const char *bar = strchr(cmd->name, '|');
	uint32_t argc = 0, more = (uint32_t)rng_below(rng, WORDS + 1);

	argv[argc++] = (struct slice){cmd->name, bar ? (size_t)(bar - cmd->name) : strlen(cmd->name)};
	if (bar)
		argv[argc++] = cmd_text(bar + 1);
	while (more--)
		argv[argc++] = cmd_text(words[rng_below(rng, RP_ARRAY_LEN(words))]);
	return argc;
}

static void run_some(const struct cmd *cmd, uint32_t argc, const struct slice *argv)
{
	run_args(h, argc, argv);
	if (cmd->fn == cmd_http)
		assert_int_equal(h->reply_len, 0); /* the connection ends */
	else
		check_one_reply(cmd->name);
}

static void test_any__one_reply_whatever_the_words(void **state)
{
	struct slice argv[2 + WORDS];
	struct rng rng;

	rng_init(&rng, 20);
	for (int round = 0; round < ROUNDS; round++)
		for (uint32_t i = 0; i < cmd_count; i++) {
			if (!answers(cmd_at(i)))
				continue;
			run_some(cmd_at(i), some_words(cmd_at(i), &rng, argv), argv);
			h->events[0] = h->effects[0] = '\0';
			if (rng_below(&rng, 64) == 0)
				harness_advance_ms(h, 700);
		}
}

static uint64_t ask(const char *question, struct slice key)
{
	struct slice argv[] = {SLICE("OBJECT"), SLICE("ENCODING"), key}, two[] = {cmd_text(question), key};
	bool object = strcmp(question, "OBJECT") == 0;

	run_args(h, object ? 3 : 2, object ? argv : two);
	return hash64(h->reply, h->reply_len, 1);
}

/* What the keys are that the request names. */
static uint64_t look(const struct cmd *cmd, uint32_t argc, const struct slice *argv)
{
	uint32_t at[WORDS + 2];
	int n = cmd_arity_ok(cmd, argc) ? cmd_getkeys(cmd, argc, argv, at, RP_ARRAY_LEN(at)) : 0;
	uint64_t sum = 0;

	for (int i = 0; i < n; i++) {
		struct slice key = argv[at[i]];
		const struct object *o = store_peek(h->stores[cmd_shard_of(&h->env, key)], h->client.db, key);
		if (o != NULL && o->type == OBJ_STRING) { /* may be long: DUMP would try to compress it */
			char buf[32];
			struct slice s = obj_string(o, buf);
			sum = sum * 31 + hash64(s.ptr, s.len, 1);
		} else {
			sum = sum * 31 + ask("DUMP", key);
		}
		sum = sum * 31 + ask("PEXPIRETIME", key);
		sum = sum * 31 + ask("OBJECT", key);
	}
	return sum;
}

static void memory_left(uint64_t shards, uint64_t own)
{
	for (uint32_t s = 0; s < 4; s++)
		heap_fail_after(h->heaps[s], shards);
	heap_fail_after(h->own, own);
}

static void test_any__out_of_memory_is_answered_and_changes_nothing(void **state)
{
	struct slice argv[2 + WORDS];
	struct rng rng;
	uint32_t refused = 0;

	rng_init(&rng, 21);
	for (int round = 0; round < ROUNDS / 2; round++)
		for (uint32_t i = 0; i < cmd_count; i++) {
			const struct cmd *cmd = cmd_at(i);
			if (!answers(cmd) || strncmp(cmd->name, "debug|", 6) == 0)
				continue;
			if (rng_below(&rng, 2)) { /* so that there are keys of all types */
				run_some(cmd, some_words(cmd, &rng, argv), argv);
				h->events[0] = h->effects[0] = '\0';
			}
			uint32_t argc = some_words(cmd, &rng, argv);
			uint64_t before = look(cmd, argc, argv);
			h->events[0] = h->effects[0] = '\0';
			memory_left(1 + rng_below(&rng, 3), 1 + rng_below(&rng, 3));
			run_some(cmd, argc, argv);
			memory_left(0, 0);
			if (strncmp(h->reply, "-OOM", 4) == 0) {
				refused++;
				assert_int_equal(h->dirty, 0);
				expect_events(h, "");
				expect_effects(h, "");
				if (look(cmd, argc, argv) != before)
					fail_msg("%s (%d): out of memory, but a key has changed", cmd->name, round);
			}
			h->events[0] = h->effects[0] = '\0';
		}
	assert_true(refused > 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_any__one_reply_whatever_the_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_any__out_of_memory_is_answered_and_changes_nothing, setup,
						teardown),
	};
	harness_eal("test_any");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
