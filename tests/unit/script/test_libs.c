/* cjson, cmsgpack, struct, bit beside redis-server 7.0. */
#include "rig.h"

static const struct rig_row rows[] = {
#include "libs.def"
};

static void test_script_libs__as_redis(void **state)
{
	struct rig *r = rig_create(1);

	rig_table(r, rows, RP_ARRAY_LEN(rows));
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_script_libs__as_redis),
	};

	harness_eal("test_script_libs");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
