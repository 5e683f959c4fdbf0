/* Names to rows. */
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>

#include "harness.h"

#include "cmd/table.h"

/* A copy that ends where its memory ends, so that ASan sees a read beyond it. */
static struct slice exact(const char *s, size_t len)
{
	char *p = malloc(len ? len : 1);

	memcpy(p, s, len);
	return (struct slice){p, len};
}

static const struct cmd *lookup(const char *name, int upper)
{
	const char *bar = strchr(name, '|');
	size_t head = bar ? (size_t)(bar - name) : strlen(name);
	struct slice argv[2] = {exact(name, head), bar ? exact(bar + 1, strlen(bar + 1)) : exact("", 0)};

	for (int w = 0; w < 2; w++)
		for (size_t i = 0; i < argv[w].len; i++) {
			char *p = (char *)(uintptr_t)&argv[w].ptr[i];
			if (*p >= 'a' && *p <= 'z' && (upper == 1 || (upper == 2 && i % 2)))
				*p -= 0x20;
		}
	const struct cmd *cmd = cmd_lookup(bar ? 2 : 1, argv);
	free((void *)(uintptr_t)argv[0].ptr);
	free((void *)(uintptr_t)argv[1].ptr);
	return cmd;
}

static void test_lookup__every_name_in_any_case(void **state)
{
	for (uint32_t i = 0; i < cmd_count; i++)
		for (int upper = 0; upper < 3; upper++)
			assert_ptr_equal(lookup(cmd_at(i)->name, upper), cmd_at(i));
}

static void test_lookup__changed_by_one_byte_is_unknown(void **state)
{
	static const char other[] = {'\0', ' ', '_', '@', '[', '`', '{', '\x80', '\xff', '-'};

	for (uint32_t i = 0; i < cmd_count; i++) {
		const char *name = cmd_own_name(cmd_at(i));
		size_t len = strlen(name);
		if (cmd_at(i)->parent >= 0)
			continue;
		for (size_t at = 0; at < len; at++)
			for (size_t k = 0; k < sizeof other; k++) {
				struct slice s = exact(name, len);
				((char *)(uintptr_t)s.ptr)[at] = other[k];
				const struct cmd *cmd = cmd_lookup(1, &s);
				assert_true((cmd == NULL) == (name[at] != other[k]));
				free((void *)(uintptr_t)s.ptr);
			}
	}
}

static void test_lookup__shorter_and_longer_is_unknown(void **state)
{
	static const char *const no[] = {"",
					 "g",
					 "ge",
					 "gets",
					 "setx",
					 "expir",
					 "expiretimes",
					 "bitfield_r",
					 "a name that is much longer than any command",
					 "config|get",
					 "object|"};

	for (size_t i = 0; i < RP_ARRAY_LEN(no); i++) {
		struct slice s = exact(no[i], strlen(no[i]));
		assert_null(cmd_lookup(1, &s));
		free((void *)(uintptr_t)s.ptr);
	}
}

static void test_lookup__subcommands(void **state)
{
	assert_ptr_equal(cmd_find(SLICE("CONFIG|Get")), lookup("config|get", 0));
	assert_null(cmd_find(SLICE("config|nosuch")));
	assert_null(cmd_find(SLICE("nosuch|get")));
	assert_null(cmd_find(SLICE("get|get")));
	assert_null(cmd_find(SLICE("|get")));
	/* a container alone is itself; other commands do not look at their arguments */
	assert_string_equal(lookup("config", 0)->name, "config");
	assert_null(cmd_lookup(2, (struct slice[]){SLICE("config"), SLICE("encoding")}));
	assert_string_equal(cmd_lookup(2, (struct slice[]){SLICE("get"), SLICE("set")})->name, "get");
}

static void test_lookup__takes_nanoseconds(void **state)
{
	struct slice names[4] = {SLICE("GET"), SLICE("SET"), SLICE("incrby"), SLICE("PEXPIREAT")};
	const uint32_t rounds = 20, calls = 100000;
	uint64_t best = UINT64_MAX;
	uintptr_t sum = 0;

	for (uint32_t r = 0; r < rounds; r++) {
		uint64_t begin = rte_rdtsc();
		for (uint32_t i = 0; i < calls; i++)
			sum += (uintptr_t)cmd_lookup(1, &names[i & 3]);
		best = RP_MIN(best, rte_rdtsc() - begin);
	}
	double ns = (double)best * 1e9 / (double)rte_get_tsc_hz() / calls;
	printf("cmd_lookup: %.1f ns (%lx)\n", ns, (unsigned long)sum);
	/* generous: the machine is shared and this may be a sanitizer build */
	assert_true(ns < 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup__every_name_in_any_case),
		cmocka_unit_test(test_lookup__changed_by_one_byte_is_unknown),
		cmocka_unit_test(test_lookup__shorter_and_longer_is_unknown),
		cmocka_unit_test(test_lookup__subcommands),
		cmocka_unit_test(test_lookup__takes_nanoseconds),
	};
	harness_eal("test_lookup");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
