/* redpoll.conf, the command line and CONFIG REWRITE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "ctrlplane/config.h"
#include "ctrlplane/config_text.h"

static struct config conf;
static struct err err;
static char dir[] = "/tmp/redpoll-test-XXXXXX";

static int make_dir(void **state)
{
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int remove_dir(void **state)
{
	return chdir("/") || rmdir(dir);
}

static int setup(void **state)
{
	config_init(&conf);
	return 0;
}

static int teardown(void **state)
{
	unlink("t.conf");
	unlink("u.conf");
	return 0;
}

static const char *const no_users[] = {NULL};

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *path, const char *text)
{
	char buf[8192];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	buf[fread(buf, 1, sizeof(buf) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(buf, text);
}

static void load(const char *text)
{
	put("t.conf", text);
	if (config_load_file(&conf, "t.conf", &err))
		fail_msg("%s", err.text);
}

static void load_fails(const char *text, const char *why)
{
	put("t.conf", text);
	assert_int_equal(config_load_file(&conf, "t.conf", &err), -1);
	assert_string_equal(err.text, why);
}

static int load_args(int argc, const char **argv)
{
	return config_load_args(&conf, argc, (char **)argv, &err);
}

static void test_config_file__directives_and_comments(void **state)
{
	load("# a comment\n\n   \t\r\n  port 7000\r\nMAXCLIENTS 5\n   # port 1\ndir '/a b'");
	assert_int_equal(conf.port, 7000);
	assert_int_equal(conf.maxclients, 5);
	assert_string_equal(conf.dir, "/a b");
}

static void test_config_file__quotes_and_escapes(void **state)
{
	load("requirepass \"a\\x41\\n\\t\\\"\\\\\\q\"\n");
	assert_string_equal(conf.requirepass, "aA\n\t\"\\q");
	load("requirepass 'it\\'s \\x41'\n");
	assert_string_equal(conf.requirepass, "it's \\x41");
	load("requirepass \"\"\n");
	assert_string_equal(conf.requirepass, "");
}

static void test_config_file__errors_name_file_and_line(void **state)
{
	load_fails("\nportt 1\n", "t.conf:2: unknown directive 'portt'; did you mean 'port'?");
	load_fails("port x\n", "t.conf:1: port 'x': argument couldn't be parsed into an integer");
	load_fails("port\n", "t.conf:1: 'port' needs a value; the default is '6379'");
	load_fails("port 1 # one\n", "t.conf:1: 'port' takes one value but got 3; put it in quotes, and comments on a "
				     "line of their own");
	load_fails("dir \"x\n", "t.conf:1: the quotes are not balanced; close them, with a space behind");
	load_fails("dir \"x\"y\n", "t.conf:1: the quotes are not balanced; close them, with a space behind");
	assert_int_equal(config_load_file(&conf, "none.conf", &err), -1);
	assert_string_equal(err.text, "cannot read the configuration file 'none.conf': No such file or directory; give "
				      "the path of a readable file");
	assert_int_equal(config_load_file(&conf, "/", &err), -1);
}

static void test_config_file__addresses_collect(void **state)
{
	load("address 10.0.0.1/24\naddress 10.0.1.1/24 10.0.2.1/24\n");
	assert_int_equal(conf.address.n, 3);
	const char *argv[] = {"redpoll", "t.conf", "--address", "10.9.0.1/8", "--port", "1", NULL};
	assert_int_equal(load_args(6, argv), 0);
	assert_int_equal(conf.address.n, 1);
	assert_int_equal(conf.port, 1);
}

static void test_config_file__includes(void **state)
{
	put("u.conf", "port 7001\nworkers 4\n");
	load("port 7000\ninclude u.conf\nworkers 2\n");
	assert_int_equal(conf.port, 7001);
	assert_int_equal(conf.workers, 2);
	put("u.conf", "\nport x\n");
	load_fails("include u.conf\n", "u.conf:2: port 'x': argument couldn't be parsed into an integer");
	load_fails("include t.conf\n", "t.conf:1: files include each other too deeply; remove an 'include'");
	assert_int_equal(config_load_file(&conf, "t.conf", &err), -1);
}

static void args_fail(const char *why, int argc, const char **argv)
{
	assert_int_equal(load_args(argc, argv), -1);
	assert_string_equal(err.text, why);
}

static void test_config_args__values_up_to_the_next_directive(void **state)
{
	const char *argv[] = {
		"redpoll", "--slowlog-log-slower-than", "-1", "--address", "10.0.0.1/8", "10.0.0.2/8", "--save", ""};
	assert_int_equal(load_args(8, argv), 0);
	assert_int_equal(conf.slowlog_log_slower_than, -1);
	assert_int_equal(conf.address.n, 2);
	assert_string_equal(conf.file, "");
}

static void test_config_args__users_and_includes_as_in_a_file(void **state)
{
	const char *argv[] = {"redpoll", "--user", "alice", "on", "--include", "u.conf", "--port", "1"};

	put("u.conf", "port 7001\nworkers 4\n");
	assert_int_equal(load_args(8, argv), 0);
	assert_non_null(conf.users);
	assert_int_equal(conf.users->nwords, 2);
	assert_int_equal(conf.workers, 4);
	assert_int_equal(conf.port, 1);
	config_users_free(&conf);
}

static void test_config_args__errors(void **state)
{
	args_fail("command line: unknown directive 'prot'; did you mean 'port'?", 3,
		  (const char *[]){"redpoll", "--prot", "1"});
	args_fail("command line: 'port' needs a value; the default is '6379'", 2,
		  (const char *[]){"redpoll", "--port"});
	args_fail("cannot read the configuration file 'x': No such file or directory; give the path of a readable file",
		  2, (const char *[]){"redpoll", "x"});
	args_fail("command line: port '99999': argument must be between 0 and 65535 inclusive", 3,
		  (const char *[]){"redpoll", "--port", "99999"});
}

static void rewrite(const char *before, const char *name, const char *value, const char *after)
{
	config_init(&conf);
	load(before);
	assert_int_equal(config_set(&conf, (struct slice){name, strlen(name)}, (struct slice){value, strlen(value)},
				    false, &err),
			 0);
	assert_int_equal(config_rewrite(&conf, no_users, &err), 0);
	assert_file("t.conf", after);
}

static void test_config_rewrite__keeps_what_is_the_same(void **state)
{
	rewrite("# top\nmaxmemory  1GB\n\nport 7000", "maxmemory", "1073741824",
		"# top\nmaxmemory  1GB\n\nport 7000\n");
}

static void test_config_rewrite__changes_in_place(void **state)
{
	rewrite("timeout 1\n# c\ntimeout 2\nport 1\n", "timeout", "9", "timeout 9\n# c\nport 1\n");
	rewrite("maxmemory 1\n", "maxmemory", "3145728", "maxmemory 3mb\n");
	rewrite("maxmemory 1\n", "maxmemory", "0", "maxmemory 0\n");
}

static void test_config_rewrite__appends_under_one_heading(void **state)
{
	rewrite("port 1\n", "timeout", "9", "port 1\n\n# Appended by CONFIG REWRITE\ntimeout 9\n");
	rewrite("port 1\n\n# Appended by CONFIG REWRITE\ntimeout 9\n", "maxclients", "7",
		"port 1\n\n# Appended by CONFIG REWRITE\ntimeout 9\nmaxclients 7\n");
}

static void test_config_rewrite__quotes_read_back(void **state)
{
	rewrite("port 1\n", "requirepass", "a \"b\"\\\n",
		"port 1\n\n# Appended by CONFIG REWRITE\nrequirepass "
		"\"a \\\"b\\\"\\\\\\x0a\"\n");
	config_init(&conf);
	assert_int_equal(config_load_file(&conf, "t.conf", &err), 0);
	assert_string_equal(conf.requirepass, "a \"b\"\\\n");
}

static void test_config_rewrite__needs_a_file(void **state)
{
	assert_int_equal(config_rewrite(&conf, no_users, &err), -1);
	assert_string_equal(err.text, "The server is running without a config file");
	load("port 1\n");
	unlink("t.conf");
	assert_int_equal(config_rewrite(&conf, no_users, &err), -1);
}

static void test_config_rewrite__other_lists_and_limits(void **state)
{
	rewrite("client-output-buffer-limit normal 1mb 0 0\n", "client-output-buffer-limit", "pubsub 1kb 0 5",
		"client-output-buffer-limit normal 1mb 0 0 slave 256mb 64mb 60 pubsub 1kb 0 5\n");
}

/* redpoll.conf in the root: each directive exactly once, with its default. */
static void test_redpoll_conf__is_the_table(void **state)
{
	FILE *f = fopen(CONF_FILE, "r");
	char text[1024], shipped[CONFIG_VALUE_MAX], def[CONFIG_VALUE_MAX];
	unsigned *seen = calloc(config_count(), sizeof(*seen));
	static struct config_line line;
	struct config fresh;

	assert_non_null(f);
	while (fgets(text, sizeof(text), f)) {
		assert_null(config_line_split(&line, (struct slice){text, strlen(text)}));
		if (line.nwords == 0)
			continue;
		const struct config_option *o = config_find(line.word[0]);
		assert_non_null(o);
		seen[o - config_at(0)]++;
	}
	fclose(f);
	if (config_load_file(&conf, CONF_FILE, &err))
		fail_msg("%s", err.text);
	config_init(&fresh);
	for (uint32_t i = 0; i < config_count(); i++) {
		if (seen[i] != 1)
			fail_msg("%s is there %u times", config_at(i)->name, seen[i]);
		config_format(&conf, config_at(i), shipped);
		config_format(&fresh, config_at(i), def);
		assert_string_equal(shipped, def);
	}
	free(seen);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(config_file__directives_and_comments),
		T(config_file__quotes_and_escapes),
		T(config_file__errors_name_file_and_line),
		T(config_file__addresses_collect),
		T(config_file__includes),
		T(config_args__values_up_to_the_next_directive),
		T(config_args__users_and_includes_as_in_a_file),
		T(config_args__errors),
		T(config_rewrite__keeps_what_is_the_same),
		T(config_rewrite__changes_in_place),
		T(config_rewrite__appends_under_one_heading),
		T(config_rewrite__quotes_read_back),
		T(config_rewrite__needs_a_file),
		T(config_rewrite__other_lists_and_limits),
		T(redpoll_conf__is_the_table),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
