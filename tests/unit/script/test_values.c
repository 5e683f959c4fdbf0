/* Conversions both ways, errors and Lua itself, beside redis-server 7.0. */
#include "rig.h"

static const struct rig_row rows[] = {
#include "values.def"
};

static void test_script_values__as_redis(void **state)
{
	struct rig *r = rig_create(1);

	expect(r->h, "LPUSH l 1", ":1");
	rig_table(r, rows, RP_ARRAY_LEN(rows));
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_script_values__as_redis),
	};

	harness_eal("test_script_values");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
