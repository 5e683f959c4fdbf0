/* The table: complete, consistent, and its notations are read as written. */
#include "harness.h"

#include "cmd/monitor.h"
#include "cmd/table.h"

static void test_table__every_row_is_complete(void **state)
{
	const char *bad = cmd_table_check();

	if (bad != NULL)
		fail_msg("row %s", bad);
}

static void test_table__names_are_unique(void **state)
{
	for (uint32_t i = 0; i < cmd_count; i++)
		for (uint32_t j = i + 1; j < cmd_count; j++)
			assert_string_not_equal(cmd_at(i)->name, cmd_at(j)->name);
}

static void test_table__ids_and_parents(void **state)
{
	for (uint32_t i = 0; i < cmd_count; i++) {
		const struct cmd *cmd = cmd_at(i);
		const char *bar = strchr(cmd->name, '|');
		assert_int_equal(cmd->id, i);
		if (bar == NULL) {
			assert_int_equal(cmd->parent, -1);
			continue;
		}
		const struct cmd *parent = cmd_at((uint32_t)cmd->parent);
		assert_true(parent->flags & CMD_F_CONTAINER);
		assert_int_equal(strlen(parent->name), bar - cmd->name);
		assert_memory_equal(parent->name, cmd->name, strlen(parent->name));
	}
}

static void check_secret(const char *text, const char *seen)
{
	struct slice argv[16];
	char copy[128], got[256] = "", *save;
	uint32_t argc = 0;

	strcpy(copy, text);
	for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		argv[argc++] = cmd_text(w);
	const struct cmd *cmd = cmd_lookup(argc, argv);
	assert_non_null(cmd);
	for (uint32_t i = 0; i < argc; i++) {
		struct slice w = monitor_word(cmd, argv, i);
		strcat(got, i > 0 ? " " : "");
		strncat(got, w.ptr, w.len);
	}
	assert_string_equal(got, seen);
}

static void test_table__passwords_are_not_shown(void **state)
{
	check_secret("auth u p", "auth (redacted) (redacted)");
	check_secret("hello 3 setname auth auth u p", "hello 3 setname auth auth (redacted) (redacted)");
	check_secret("hello 3 auth u p setname x", "hello 3 auth (redacted) (redacted) setname x");
	check_secret("acl setuser u on >p", "acl setuser (redacted) (redacted) (redacted)");
	check_secret("config set port 1 requirepass p", "config set port 1 requirepass (redacted)");
	check_secret("config get requirepass", "config get requirepass");
	check_secret("set auth p", "set auth p");
}

static void check_range(const char *name, int first, int last, int step)
{
	const struct cmd *cmd = cmd_find(cmd_text(name));

	assert_non_null(cmd);
	assert_int_equal(cmd->key_first, first);
	assert_int_equal(cmd->key_last, last);
	assert_int_equal(cmd->key_step, step);
}

static void test_table__key_range_comes_from_specs(void **state)
{
	check_range("get", 1, 1, 1);
	check_range("del", 1, -1, 1);
	check_range("mset", 1, -1, 2);
	check_range("rename", 1, 2, 1);
	check_range("bitop", 2, -1, 1);
	check_range("object|encoding", 2, 2, 1);
	check_range("ping", 0, 0, 0);
	check_range("scan", 0, 0, 0);
}

static void test_table__keyspec_notation(void **state)
{
	struct slice rest = cmd_text("1:-1:2 OW update;3 RO access (why)");
	struct cmd_keyspec ks;

	assert_true(cmd_keyspec_next(&rest, &ks));
	assert_int_equal(ks.first, 1);
	assert_int_equal(ks.last, -1);
	assert_int_equal(ks.step, 2);
	assert_int_equal(ks.note.len, 0);
	assert_true(cmd_keyspec_next(&rest, &ks));
	assert_int_equal(ks.first, 3);
	assert_int_equal(ks.last, 0);
	assert_int_equal(ks.step, 1);
	assert_true(slice_eq(ks.note, SLICE("why")));
	assert_false(cmd_keyspec_next(&rest, &ks));
}

static void test_table__keyspec_finds_counted_keys_and_keys_behind_words(void **state)
{
	static const struct slice argv[] = {SLICE("x"), SLICE("2"), SLICE("a"), SLICE("b"), SLICE("store"), SLICE("c")};
	struct slice rest = cmd_text("1# RO access;STORE@4 OW update;LOAD@1 RO");
	struct cmd_keyspec ks;
	uint32_t from, n;

	assert_true(cmd_keyspec_next(&rest, &ks));
	assert_true(cmd_keyspec_find(&ks, 6, argv, &from, &n));
	assert_int_equal(from, 2);
	assert_int_equal(n, 2);
	assert_false(cmd_keyspec_find(&ks, 3, argv, &from, &n));
	assert_true(cmd_keyspec_next(&rest, &ks));
	assert_true(cmd_keyspec_find(&ks, 6, argv, &from, &n));
	assert_int_equal(from, 5);
	assert_int_equal(n, 1);
	assert_true(cmd_keyspec_next(&rest, &ks));
	assert_true(cmd_keyspec_find(&ks, 6, argv, &from, &n));
	assert_int_equal(n, 0);
}

static void test_table__argument_notation(void **state)
{
	struct slice rest = cmd_text("key.key1 ip:port=ADDR@6.2.0~7.0.0?*& x{=NX|b.tok=C}?");
	struct cmd_docarg a;

	assert_true(cmd_docarg_next(&rest, &a));
	assert_int_equal(a.type, ARG_KEY);
	assert_int_equal(a.key_spec, 1);
	assert_true(cmd_docarg_next(&rest, &a));
	assert_int_equal(a.type, ARG_STRING);
	assert_true(slice_eq(a.name, SLICE("ip:port")));
	assert_true(slice_eq(a.token, SLICE("ADDR")));
	assert_true(slice_eq(a.since, SLICE("6.2.0")));
	assert_true(slice_eq(a.deprecated, SLICE("7.0.0")));
	assert_true(a.optional && a.multiple && a.multiple_token);
	assert_true(cmd_docarg_next(&rest, &a));
	assert_int_equal(a.type, ARG_ONEOF);
	assert_true(a.optional);
	struct slice inner = a.inner;
	assert_true(cmd_docarg_next(&inner, &a));
	assert_int_equal(a.type, ARG_PURE_TOKEN);
	assert_true(slice_eq(a.token, SLICE("NX")));
	assert_true(cmd_docarg_next(&inner, &a));
	assert_true(slice_eq(a.name, SLICE("b")));
	assert_true(slice_eq(a.token, SLICE("C")));
	assert_false(cmd_docarg_next(&inner, &a));
	assert_false(cmd_docarg_next(&rest, &a));
	assert_int_equal(rest.len, 0);
}

static void test_table__broken_argument_is_refused(void **state)
{
	static const char *const broken[] = {"a.what", "a{b", "a(b}", "a?x"};
	struct cmd_docarg a;

	for (size_t i = 0; i < RP_ARRAY_LEN(broken); i++) {
		struct slice rest = cmd_text(broken[i]);
		assert_false(cmd_docarg_next(&rest, &a));
		assert_int_not_equal(rest.len, 0);
	}
}

static void bound(struct cmd_ctx *c)
{
	reply_int(c->out, 42);
}

static void test_table__control_row_runs_what_was_bound(void **state)
{
	struct harness *h = harness_create(1);

	expect(h, "CONFIG REWRITE", "-ERR 'config|rewrite' is not available here");
	cmd_bind("config|rewrite", bound);
	expect(h, "CONFIG REWRITE", ":42");
	harness_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table__every_row_is_complete),
		cmocka_unit_test(test_table__names_are_unique),
		cmocka_unit_test(test_table__ids_and_parents),
		cmocka_unit_test(test_table__passwords_are_not_shown),
		cmocka_unit_test(test_table__key_range_comes_from_specs),
		cmocka_unit_test(test_table__keyspec_notation),
		cmocka_unit_test(test_table__keyspec_finds_counted_keys_and_keys_behind_words),
		cmocka_unit_test(test_table__argument_notation),
		cmocka_unit_test(test_table__broken_argument_is_refused),
		cmocka_unit_test(test_table__control_row_runs_what_was_bound),
	};
	harness_eal("test_table");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
