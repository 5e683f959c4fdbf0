/* Values of directives and relations between them. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "ctrlplane/config.h"

static struct config conf;
static struct err err;

static int setup(void **state)
{
	config_init(&conf);
	err.text[0] = '\0';
	return 0;
}

static struct slice str(const char *s)
{
	return (struct slice){s, strlen(s)};
}

static const char *get(const char *name)
{
	static char value[CONFIG_VALUE_MAX];
	const struct config_option *o = config_find(str(name));

	assert_non_null(o);
	config_format(&conf, o, value);
	return value;
}

static void accepts(const char *name, const char *value, const char *shown)
{
	assert_int_equal(config_set(&conf, str(name), str(value), true, &err), 0);
	assert_string_equal(get(name), shown);
}

static void refuses(const char *name, const char *value, const char *why)
{
	struct config before = conf;

	assert_int_equal(config_set(&conf, str(name), str(value), true, &err), -1);
	assert_string_equal(err.text, why);
	assert_memory_equal(&before, &conf, sizeof(conf));
}

static void test_config__defaults_pass_the_check(void **state)
{
	assert_int_equal(config_check(&conf, &err), 0);
	assert_int_equal(conf.port, 6379);
	assert_int_equal(conf.idle, CONFIG_IDLE_POLL);
	assert_int_equal(conf.maxmemory_policy, CONFIG_NOEVICTION);
	assert_int_equal(conf.tcp_rto_min_us, 5000);
	assert_int_equal(conf.proto_max_bulk_len, 512u << 20);
}

static void test_config__every_row_is_complete(void **state)
{
	for (uint32_t i = 0; i < config_count(); i++) {
		const struct config_option *o = config_at(i);
		assert_true(o->help[0] && o->help[strlen(o->help) - 1] == '.');
		assert_ptr_equal(config_find(str(o->name)), o);
		if (o->type == CONFIG_INT || o->type == CONFIG_MEMORY || o->type == CONFIG_DURATION)
			assert_true(o->lo < o->hi);
		if (o->type == CONFIG_ENUM)
			assert_non_null(o->words);
	}
}

static void test_config__numbers_have_bounds(void **state)
{
	accepts("port", "0", "0");
	accepts("PORT", "65535", "65535");
	refuses("port", "65536", "argument must be between 0 and 65535 inclusive");
	refuses("port", "12a", "argument couldn't be parsed into an integer");
	refuses("port", "", "argument couldn't be parsed into an integer");
	accepts("slowlog-log-slower-than", "-1", "-1");
}

static void test_config__memory_units(void **state)
{
	accepts("maxmemory", "1k", "1000");
	accepts("maxmemory", "1kb", "1024");
	accepts("maxmemory", "3MB", "3145728");
	accepts("maxmemory", "2g", "2000000000");
	accepts("maxmemory", "2Gb", "2147483648");
	accepts("maxmemory", "9223372036854775807", "9223372036854775807");
	refuses("maxmemory", "9223372036854775808", "argument must be a memory value");
	refuses("maxmemory", "99999999999gb", "argument must be a memory value");
	refuses("maxmemory", "-1", "argument must be a memory value");
	refuses("maxmemory", "5%", "argument must be a memory value");
	accepts("maxmemory-clients", "5%", "5%");
	accepts("maxmemory-clients", "100%", "100%");
	accepts("maxmemory-clients", "0%", "0");
	accepts("maxmemory-clients", "5kb", "5120");
	refuses("maxmemory-clients", "101%", "percentage argument must be less or equal to 100");
	refuses("maxmemory-clients", "-5%", "argument must be a memory or percent value");
	refuses("maxmemory-clients", "5.5%", "argument must be a memory or percent value");
	refuses("maxmemory-clients", "%", "argument must be a memory or percent value");
	refuses("maxmemory", "1tb", "argument must be a memory value");
	refuses("maxmemory", "mb", "argument must be a memory value");
}

/* The store's lengths of names have 32 bits. */
static void test_config__no_argument_is_longer_than_a_name_may_be(void **state)
{
	accepts("proto-max-bulk-len", "4294967295", "4294967295");
	refuses("proto-max-bulk-len", "4gb", "argument must be between 1048576 and 4294967295 inclusive");
}

static void test_config__durations_name_their_unit(void **state)
{
	accepts("tcp-rto-min", "5000us", "5ms");
	accepts("tcp-rto-min", "2s", "2s");
	accepts("arp-age", "2min", "2min");
	accepts("arp-age", "90s", "90s");
	accepts("tcp-delayed-ack", "0", "0s");
	refuses("tcp-rto-min", "5", "argument must be a duration with its unit: us, ms, s, min or h, as in 5ms");
	refuses("tcp-rto-min", "5us", "argument must be between 1ms and 1min inclusive");
}

static void test_config__words(void **state)
{
	accepts("maxmemory-policy", "AllKeys-LFU", "allkeys-lfu");
	assert_int_equal(conf.maxmemory_policy, CONFIG_ALLKEYS_LFU);
	refuses("loglevel", "loud",
		"argument(s) must be one of the following: debug, verbose, notice, warning, nothing");
	refuses("idle", "pol", "argument(s) must be one of the following: poll, adaptive");
	accepts("checksum-offload", "NO", "no");
	refuses("checksum-offload", "maybe", "argument must be 'yes' or 'no'");
}

static void test_config__addresses(void **state)
{
	accepts("address", "10.0.0.1/24 192.168.1.1/32", "10.0.0.1/24 192.168.1.1/32");
	assert_int_equal(conf.address.n, 2);
	assert_int_equal(conf.address.addr[0].v4, htonl(0x0a000001));
	assert_int_equal(conf.address.addr[1].prefix_len, 32);
	refuses("address", "10.0.0.1",
		"'10.0.0.1' is not an IP address with its prefix length, as in 10.0.0.1/24 or 2001:db8::1/64");
	refuses("address", "10.0.0.1/24 10.0.0.256/24",
		"'10.0.0.256/24' is not an IP address with its prefix length, as in 10.0.0.1/24 or 2001:db8::1/64");
	refuses("address", "10.0.0.1/33",
		"'10.0.0.1/33' is not an IP address with its prefix length, as in 10.0.0.1/24 or 2001:db8::1/64");
	accepts("gateway", "10.0.0.254", "10.0.0.254");
	accepts("gateway", "", "");
	static const char one_of_each[] =
		"argument must be an IPv4 address, an IPv6 address or one of each, as in 10.0.0.254 fe80::1";
	refuses("gateway", "router", one_of_each);
	refuses("gateway", "10.0.0.254 10.0.0.253", one_of_each);
	refuses("gateway", "::", one_of_each);
	accepts("gateway", "fe80::1", "fe80::1");
	accepts("gateway", "fe80::1 10.0.0.254", "10.0.0.254 fe80::1");
	accepts("address", "10.0.0.1/24 2001:DB8:0::1/64", "10.0.0.1/24 2001:db8::1/64");
	assert_int_equal(conf.address.addr[1].family, 6);
	assert_int_equal(conf.address.addr[1].prefix_len, 64);
	refuses("address", "2001:db8::1/129",
		"'2001:db8::1/129' is not an IP address with its prefix length, as in 10.0.0.1/24 or 2001:db8::1/64");
}

static void test_config__cpu_lists(void **state)
{
	accepts("cores", "1,3-5", "1,3,4,5");
	assert_int_equal(conf.cores.n, 4);
	accepts("cores", "1 2", "1,2");
	accepts("cores", "", "");
	refuses("cores", "3-1", "argument must be a list of CPUs, as in 1,2-3");
	refuses("cores", "1-", "argument must be a list of CPUs, as in 1,2-3");
	refuses("cores", "a", "argument must be a list of CPUs, as in 1,2-3");
	refuses("cores", "0-64", "there may be at most 64 CPUs");
}

static void test_config__output_limits_by_class(void **state)
{
	accepts("client-output-buffer-limit", "normal 1kb 2 3",
		"normal 1024 2 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
	accepts("client-output-buffer-limit", "replica 0 0 0 pubsub 1 1 1", "normal 1024 2 3 slave 0 0 0 pubsub 1 1 1");
	refuses("client-output-buffer-limit", "master 1 1 1",
		"Invalid client class specified in buffer limit configuration.");
	refuses("client-output-buffer-limit", "normal 1 1", "Wrong number of arguments in buffer limit configuration.");
	refuses("client-output-buffer-limit", "normal 1 1 x",
		"Error in hard, soft or soft_seconds setting in buffer limit configuration.");
}

static void test_config__event_classes(void **state)
{
	accepts("notify-keyspace-events", "KEA", "AKE");
	accepts("notify-keyspace-events", "Eg$x", "g$xE");
	accepts("notify-keyspace-events", "", "");
	refuses("notify-keyspace-events", "KQ", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
}

static void test_config__save_points(void **state)
{
	accepts("save", "", "");
	accepts("save", "900 1", "900 1");
	accepts("save", "  900 1   300 0 ", "900 1 300 0");
	refuses("save", "900", "Invalid save parameters");
	refuses("save", "900 1 300", "Invalid save parameters");
	refuses("save", "0 1", "Invalid save parameters");
	refuses("save", "900 -1", "Invalid save parameters");
	refuses("save", "x 1", "Invalid save parameters");
	refuses("save", "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"there may be at most 16 save points");
}

static void test_config__what_is_not_there_is_refused(void **state)
{
	accepts("cluster-enabled", "no", "no");
	refuses("cluster-enabled", "yes", "There is no cluster mode: only no is accepted.");
}

static void test_config__fixed_at_run_time(void **state)
{
	assert_int_equal(config_set(&conf, str("port"), str("1"), false, &err), -1);
	assert_string_equal(err.text, "can't set immutable config");
	assert_int_equal(config_set(&conf, str("maxmemory"), str("1gb"), false, &err), 0);
	assert_int_equal(conf.maxmemory, 1 << 30);
}

static void test_config__strings_are_bounded(void **state)
{
	char longest[CONFIG_STRING_MAX + 1];

	memset(longest, 'x', sizeof(longest));
	longest[CONFIG_STRING_MAX - 1] = '\0';
	accepts("requirepass", longest, longest);
	longest[CONFIG_STRING_MAX - 1] = 'x';
	longest[CONFIG_STRING_MAX] = '\0';
	refuses("requirepass", longest, "argument must be shorter than 512 bytes");
	assert_int_equal(config_set(&conf, str("requirepass"), SLICE("a\0b"), true, &err), -1);
}

static void test_config__unknown_names_get_a_suggestion(void **state)
{
	refuses("portt", "1", "unknown directive 'portt'; did you mean 'port'?");
	refuses("maxmemorypolicy", "1", "unknown directive 'maxmemorypolicy'; did you mean 'maxmemory-policy'?");
	refuses("zzzzzzzzzz", "1", "unknown directive 'zzzzzzzzzz'; redpoll.conf explains all there are");
}

static void count_visit(void *ctx, uint32_t number, const char *name, const char *value)
{
	if (strcmp(name, "maxmemory") == 0)
		assert_string_equal(value, "0");
	++*(int *)ctx;
}

static void test_config__get_by_glob(void **state)
{
	int n = 0;

	assert_int_equal(config_get(&conf, SLICE("MAXmemory*"), count_visit, &n), 5);
	assert_int_equal(n, 5);
	assert_true(config_get(&conf, SLICE("*"), count_visit, &n) > config_count()); /* older names too */
	assert_int_equal(config_get(&conf, SLICE("nothing-like-it"), count_visit, &n), 0);
}

static void test_config__older_names_mean_the_same(void **state)
{
	int n = 0;

	assert_int_equal(config_set(&conf, SLICE("hash-max-ziplist-entries"), SLICE("77"), true, &err), 0);
	assert_int_equal(conf.hash_max_listpack_entries, 77);
	assert_int_equal(config_get(&conf, SLICE("hash-max-ziplist-*"), count_visit, &n), 2);
	assert_ptr_equal(config_find(SLICE("list-max-ziplist-size")), config_find(SLICE("list-max-listpack-size")));
}

static void check_fails(const char *part)
{
	assert_int_equal(config_check(&conf, &err), -1);
	assert_non_null(strstr(err.text, part));
	config_init(&conf);
}

static void test_config__relations(void **state)
{
	accepts("address", "", "");
	assert_int_equal(config_check(&conf, &err), 0);
	assert_int_equal(config_addresses(&conf).n, 1);
	accepts("device", "af_xdp:eth0", "af_xdp:eth0");
	assert_int_equal(config_check(&conf, &err), 0);
	assert_int_equal(config_addresses(&conf).n, 0);
	config_init(&conf);
	accepts("gateway", "10.78.0.1", "10.78.0.1");
	check_fails("the gateway is in none of our networks");
	accepts("gateway", "10.77.0.1", "10.77.0.1");
	assert_int_equal(config_check(&conf, &err), 0);
	accepts("gateway", "fe80::1", "fe80::1");
	check_fails("the gateway is in none of our networks");
	accepts("address", "2001:db8::1/64", "2001:db8::1/64");
	accepts("gateway", "fe80::1", "fe80::1");
	assert_int_equal(config_check(&conf, &err), 0);
	accepts("gateway", "2001:db8:0:1::1", "2001:db8:0:1::1");
	check_fails("the gateway is in none of our networks");
	accepts("address", "2001:db8::1/64 2001:db8::1/48", "2001:db8::1/64 2001:db8::1/48");
	check_fails("an address is named twice");
	accepts("address", "2001:db8::1/64", "2001:db8::1/64");
	accepts("mtu", "1000", "1000");
	check_fails("mtu 1000 is too small for IPv6");
	accepts("cores", "1,2", "1,2");
	check_fails("cores names 2 CPUs for 1 workers");
	accepts("tcp-rto-min", "2s", "2s");
	accepts("tcp-rto-max", "1s", "1s");
	check_fails("tcp-rto-min is above tcp-rto-max");
	accepts("mtu", "100", "100");
	check_fails("mtu 100 is too small");
	accepts("admin-bind", "localhost", "localhost");
	check_fails("admin-bind 'localhost' is not an IP address");
	accepts("port", "0", "0");
	accepts("admin-port", "0", "0");
	check_fails("nothing would listen");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(test_config__##name, setup)
	const struct CMUnitTest tests[] = {
		T(defaults_pass_the_check),
		T(every_row_is_complete),
		T(numbers_have_bounds),
		T(memory_units),
		T(no_argument_is_longer_than_a_name_may_be),
		T(durations_name_their_unit),
		T(words),
		T(addresses),
		T(cpu_lists),
		T(output_limits_by_class),
		T(event_classes),
		T(save_points),
		T(what_is_not_there_is_refused),
		T(fixed_at_run_time),
		T(strings_are_bounded),
		T(unknown_names_get_a_suggestion),
		T(get_by_glob),
		T(older_names_mean_the_same),
		T(relations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
