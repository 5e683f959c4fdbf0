/* The rules of users: how they read, what they mean, what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctrlplane/acl_user.h"

#define WORDS_MAX 32

static uint32_t split(char *text, struct slice *word)
{
	uint32_t n = 0;

	for (char *save, *w = strtok_r(text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		word[n++] = (struct slice){w, strlen(w)};
	return n;
}

/* A user after these rules, or NULL with the reason. */
static struct acl_user *user_of(const char *rules, char bad[ACL_BAD_MAX], struct err *e)
{
	struct acl_user *u = acl_user_create(SLICE("t"), false);
	struct slice word[WORDS_MAX];
	char *text = strdup(rules);

	assert_non_null(u);
	int failed = acl_user_set_all(u, split(text, word), word, false, bad, e);
	free(text);
	if (failed) {
		acl_user_destroy(u);
		return NULL;
	}
	acl_user_settle(u);
	return u;
}

static struct acl_user *user(const char *rules)
{
	char bad[ACL_BAD_MAX];
	struct err e;
	struct acl_user *u = user_of(rules, bad, &e);

	if (u == NULL)
		fail_msg("%s: %s: %s", rules, bad, e.text);
	return u;
}

/* Rules, and the line of ACL LIST: redis-server 7.0's, but that sanitize-payload is a flag of every user and that rules
 * about commands stay as they were given, both since 7.2. */
static const struct {
	const char *rules, *line;
} lines[] = {
	/* clang-format off */
	{"on",
	 "user t on sanitize-payload resetchannels -@all"},
	{"on nopass",
	 "user t on nopass sanitize-payload resetchannels -@all"},
	{"on >secret",
	 "user t on sanitize-payload #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b resetchannels -@all"},
	{"on >a >b <a",
	 "user t on sanitize-payload #3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d resetchannels -@all"},
	{"nopass >x",
	 "user t off sanitize-payload #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 resetchannels -@all"},
	{">x nopass",
	 "user t off nopass sanitize-payload resetchannels -@all"},
	{"off resetpass",
	 "user t off sanitize-payload resetchannels -@all"},
	{"~a ~b ~a",
	 "user t off sanitize-payload ~a ~b resetchannels -@all"},
	{"~a allkeys",
	 "user t off sanitize-payload ~* resetchannels -@all"},
	{"allkeys resetkeys ~c",
	 "user t off sanitize-payload ~c resetchannels -@all"},
	{"%R~a %W~a",
	 "user t off sanitize-payload ~a resetchannels -@all"},
	{"%R~a %W~b %RW~c %wr~d ~e",
	 "user t off sanitize-payload %R~a %W~b ~c ~d ~e resetchannels -@all"},
	{"&a &b &a",
	 "user t off sanitize-payload resetchannels &a &b -@all"},
	{"allchannels resetchannels &c",
	 "user t off sanitize-payload resetchannels &c -@all"},
	{"+get +set",
	 "user t off sanitize-payload resetchannels -@all +get +set"},
	{"+get -get",
	 "user t off sanitize-payload resetchannels -@all -get"},
	{"+@all -get",
	 "user t off sanitize-payload resetchannels +@all -get"},
	{"+@all",
	 "user t off sanitize-payload resetchannels +@all"},
	{"-@all",
	 "user t off sanitize-payload resetchannels -@all"},
	{"allcommands nocommands",
	 "user t off sanitize-payload resetchannels -@all"},
	{"+config",
	 "user t off sanitize-payload resetchannels -@all +config"},
	{"+config|get",
	 "user t off sanitize-payload resetchannels -@all +config|get"},
	{"+config|get +config|set",
	 "user t off sanitize-payload resetchannels -@all +config|get +config|set"},
	{"+config -config|get",
	 "user t off sanitize-payload resetchannels -@all +config -config|get"},
	{"+config|get +config",
	 "user t off sanitize-payload resetchannels -@all +config"},
	{"+select|0 +select|1 +select|0",
	 "user t off sanitize-payload resetchannels -@all +select|1 +select|0"},
	{"+select|0 +select",
	 "user t off sanitize-payload resetchannels -@all +select"},
	{"+select +select|0",
	 "user t off sanitize-payload resetchannels -@all +select +select|0"},
	{"+select|0 -select",
	 "user t off sanitize-payload resetchannels -@all -select"},
	{"+@read",
	 "user t off sanitize-payload resetchannels -@all +@read"},
	{"+@read -get",
	 "user t off sanitize-payload resetchannels -@all +@read -get"},
	{"+get +@read -get",
	 "user t off sanitize-payload resetchannels -@all +@read -get"},
	{"-get +@read",
	 "user t off sanitize-payload resetchannels -@all -get +@read"},
	{"+@read -@read",
	 "user t off sanitize-payload resetchannels -@all -@read"},
	{"+@all -@dangerous",
	 "user t off sanitize-payload resetchannels +@all -@dangerous"},
	{"+@all -@dangerous +info",
	 "user t off sanitize-payload resetchannels +@all -@dangerous +info"},
	{"+@read +@write -@dangerous +config|get",
	 "user t off sanitize-payload resetchannels -@all +@read +@write -@dangerous +config|get"},
	{"+GET +Config|GET +@READ",
	 "user t off sanitize-payload resetchannels -@all +get +config|get +@read"},
	{"allkeys allchannels +@all",
	 "user t off sanitize-payload ~* &* +@all"},
	{"+@all -@all +get",
	 "user t off sanitize-payload resetchannels -@all +get"},
	{"(~a +get)",
	 "user t off sanitize-payload resetchannels -@all (~a resetchannels -@all +get)"},
	{"(~a +get) (%R~b &c +@read)",
	 "user t off sanitize-payload resetchannels -@all (~a resetchannels -@all +get) (%R~b resetchannels &c -@all +@read)"},
	{"(+@all -get) clearselectors",
	 "user t off sanitize-payload resetchannels -@all"},
	{"(allkeys allchannels allcommands)",
	 "user t off sanitize-payload resetchannels -@all (~* &* +@all)"},
	{"+get ~a &b on >p (+set ~q) reset",
	 "user t off sanitize-payload resetchannels -@all"},
	{"skip-sanitize-payload",
	 "user t off skip-sanitize-payload resetchannels -@all"},
	{"skip-sanitize-payload sanitize-payload",
	 "user t off sanitize-payload resetchannels -@all"},
	{"+debug|object",
	 "user t off sanitize-payload resetchannels -@all +debug|object"},
	{"+acl|whoami +acl|cat",
	 "user t off sanitize-payload resetchannels -@all +acl|whoami +acl|cat"},
	{"+memory -memory|usage",
	 "user t off sanitize-payload resetchannels -@all +memory -memory|usage"},
	{"+client|id -client",
	 "user t off sanitize-payload resetchannels -@all -client"},
	{"+bitfield_ro -@slow +@fast",
	 "user t off sanitize-payload resetchannels -@all +bitfield_ro -@slow +@fast"},
	/* clang-format on */
};

static void test_acl_rules__read_back_as_redis_writes_them(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++) {
		struct acl_user *u = user(lines[i].rules), *copy = acl_user_clone(u);
		struct text t = {.buf = NULL}, again = {.buf = NULL};
		acl_user_describe(u, &t);
		assert_string_equal(t.buf, lines[i].line);
		acl_user_describe(copy, &again);
		assert_string_equal(again.buf, t.buf);
		text_free(&t);
		text_free(&again);
		acl_user_destroy(u);
		acl_user_destroy(copy);
	}
}

static void test_acl_rules__their_own_text_makes_the_same_user(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++) {
		struct acl_user *u = user(lines[i].rules), *again = user(lines[i].line + strlen("user t "));
		assert_int_equal(again->nselectors, u->nselectors);
		for (uint32_t s = 0; s < u->nselectors; s++) {
			assert_memory_equal(again->selectors[s].commands, u->selectors[s].commands,
					    sizeof u->selectors[s].commands);
			assert_int_equal(again->selectors[s].nfirst_args, u->selectors[s].nfirst_args);
		}
		assert_int_equal(again->flags, u->flags);
		acl_user_destroy(u);
		acl_user_destroy(again);
	}
}

static void test_acl_rules__wrong_ones_are_told_as_redis_does(void **state)
{
	static const char unknown[] = "Unknown command or category name in ACL", syntax[] = "Syntax error",
			  hash[] = "The password hash must be exactly 64 characters and contain only lowercase "
				   "hexadecimal characters";
	static const struct {
		const char *rules, *bad, *why;
	} wrong[] = {
		{"on (", "(", ""},
		{"(+get ~a", "(+get", ""},
		{")x", ")x", syntax},
		{"(+get +foo)", "(+get +foo)", unknown},
		{"+foo", "+foo", unknown},
		{"+config|foo", "+config|foo", unknown},
		{"-select|0", "-select|0", unknown},
		{"+config|get|x", "+config|get|x", "Allowing first-arg of a subcommand is not supported"},
		{"+@foo", "+@foo", unknown},
		{"+get|", "+get|", syntax},
		{"foo", "foo", syntax},
		{"(on)", "(on)", syntax},
		{"#abc", "#abc", hash},
		{"!abc", "!abc", hash},
		{"<nope", "<nope", "The password you are trying to remove from the user does not exist"},
		{"%X~foo", "%X~foo", syntax},
		{"%RR~foo", "%RR~foo", syntax},
		{"%~foo", "%~foo", syntax},
		{"allkeys ~b", "~b",
		 "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any "
		 "effect. Try 'resetkeys' to start with an empty list of patterns"},
		{"allchannels &b", "&b",
		 "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any "
		 "effect. Try 'resetchannels' to start with an empty list of channels"},
	};
	char bad[ACL_BAD_MAX];
	struct err e;

	for (size_t i = 0; i < RP_ARRAY_LEN(wrong); i++) {
		assert_null(user_of(wrong[i].rules, bad, &e));
		assert_string_equal(bad, wrong[i].bad);
		assert_string_equal(e.text, wrong[i].why);
	}
}

/* What a user is told who asks for this; "ok", or the refusal. */
static const char *verdict(const struct acl_user *u, const char *request)
{
	static char text[ACL_TEXT_MAX];
	struct slice word[WORDS_MAX];
	char *words = strdup(request);
	uint32_t argc = split(words, word), arg;
	const struct cmd *cmd = cmd_lookup(argc, word);

	assert_non_null(cmd);
	enum acl_verdict v = acl_check(u, cmd, argc, word, &arg);
	if (v != ACL_OK)
		acl_refusal(v, u, cmd, word[arg], true, text);
	free(words);
	return v == ACL_OK ? "ok" : text;
}

static void test_acl_check__keys_by_what_is_done_to_them(void **state)
{
	static const struct {
		const char *request, *denied; /* key; NULL: allowed */
	} asked[] = {
		{"get r", NULL},
		{"get w", "w"},
		{"set w 1", NULL},
		{"set w 1 get", "w"},
		{"set rw 1 get", NULL},
		{"set r 1", "r"},
		{"exists r w rw", NULL},
		{"exists r x w", "x"},
		{"mset w 1 rw 2", NULL},
		{"mset w 1 r 2 rw 3", "r"},
		{"copy r w", NULL},
		{"copy w r", "w"},
		{"getex r", "r"},
		{"getdel rw", NULL},
		{"bitfield r get u8 0", NULL},
		{"bitfield r set u8 0 1", "r"},
		{"bitfield w set u8 0 1", "w"},
		{"zunionstore w 2 r rw", NULL},
		{"zunionstore w 2 r w", "w"},
		{"zunionstore w 9 x", NULL}, /* makes no sense: the handler says so */
		{"lmpop 1 r left", "r"},
		{"sintercard 2 r rw", NULL},
		{"sort r", NULL},
		{"sort r store w", NULL},
		{"sort r store r", "r"},
		{"georadius r 1 1 1 m", NULL},
		{"georadius r 1 1 1 m store w", NULL},
		{"georadius r 1 1 1 m storedist r", "r"},
		{"georadius r 1 1 1 m store w store r", "r"},
		{"georadius r 1 1 1 m store r storedist w", NULL},
		{"georadiusbymember r m 1 m store store asc", "store"},
		{"xread count 1 streams r w 0 0", "w"},
		{"xread streams r rw r rw w 0 0 0 0 0", "w"},
		{"xreadgroup group g streams streams r >", NULL},
		{"xreadgroup group g streams streams w >", "w"},
		{"xreadgroup count 1 group streams streams streams rw >", NULL},
		{"memory usage x", "x"},
		{"object encoding w", NULL},
		{"ping x", NULL},
	};
	struct acl_user *u = user("on nopass +@all %R~r %W~w ~rw");

	for (size_t i = 0; i < RP_ARRAY_LEN(asked); i++) {
		char want[128] = "ok";
		if (asked[i].denied != NULL)
			snprintf(want, sizeof want, "User t has no permissions to access the '%s' key",
				 asked[i].denied);
		assert_string_equal(verdict(u, asked[i].request), want);
	}
	acl_user_destroy(u);
}

static void test_acl_check__commands_and_first_arguments(void **state)
{
	static const char denied[] = "User t has no permissions to run the '%s' command";
	static const struct {
		const char *request, *denied;
	} asked[] = {
		{"get k", NULL},
		{"set k 1", "set"},
		{"config get a", NULL},
		{"config set a b", "config|set"},
		{"select 0", NULL},
		{"select 1", "select"},
		{"auth x", NULL},
		{"hello", NULL},
		{"debug object k", NULL},
		{"debug sleep 0", "debug"},
		{"memory usage k", "memory|usage"},
		{"memory doctor", NULL},
		{"CONFIG GET a", NULL},
		{"quit", NULL},
	};
	struct acl_user *u = user("on nopass ~* +get +config|get +select|0 +debug|OBJECT +memory -memory|usage");

	for (size_t i = 0; i < RP_ARRAY_LEN(asked); i++) {
		char want[128] = "ok";
		if (asked[i].denied != NULL)
			snprintf(want, sizeof want, denied, asked[i].denied);
		assert_string_equal(verdict(u, asked[i].request), want);
	}
	acl_user_destroy(u);
}

static void test_acl_check__a_selector_allows_all_of_a_request_or_nothing(void **state)
{
	struct acl_user *u = user("on nopass +get ~a (+set +get ~b) (+mget %R~c)");

	assert_string_equal(verdict(u, "get a"), "ok");
	assert_string_equal(verdict(u, "get b"), "ok");
	assert_string_equal(verdict(u, "set a 1"), "User t has no permissions to access the 'a' key");
	assert_string_equal(verdict(u, "mget c a"), "User t has no permissions to access the 'a' key");
	assert_string_equal(verdict(u, "del a"), "User t has no permissions to run the 'del' command");
	acl_user_destroy(u);
}

static void test_acl_check__channels(void **state)
{
	struct acl_user *u = user("on nopass +@all &news:* &x");

	assert_true(acl_channel_ok(u, SLICE("news:1"), false));
	assert_false(acl_channel_ok(u, SLICE("other"), false));
	assert_true(acl_channel_ok(u, SLICE("news:*"), true));
	assert_false(acl_channel_ok(u, SLICE("news:1*"), true));
	assert_true(acl_channel_ok(u, SLICE("x"), true));
	acl_user_destroy(u);
}

static void test_acl_user__free_only_if_one_selector_allows_everything(void **state)
{
	static const struct {
		const char *rules;
		bool free;
	} asked[] = {{"+@all allkeys allchannels", true},       {"+@all allkeys", false},
		     {"+@all allkeys (allchannels)", false},    {"(+@all allkeys allchannels)", true},
		     {"+@all allkeys allchannels -get", false}, {"+@all allkeys allchannels -get +get", false},
		     {"+@all %R~* allchannels", false}};

	for (size_t i = 0; i < RP_ARRAY_LEN(asked); i++) {
		struct acl_user *u = user(asked[i].rules);
		assert_int_equal((u->flags & ACL_U_FREE) != 0, asked[i].free);
		acl_user_destroy(u);
	}
}

static void test_acl_user__passwords(void **state)
{
	struct acl_user *u = user("on >one >two");
	char longest[ACL_PASSWORD_MAX + 1];

	assert_true(acl_password_is(u, SLICE("one")));
	assert_true(acl_password_is(u, SLICE("two")));
	assert_false(acl_password_is(u, SLICE("")));
	assert_false(acl_password_is(u, SLICE("One")));
	memset(longest, 'a', sizeof longest);
	assert_false(acl_password_is(u, (struct slice){longest, sizeof longest}));
	acl_user_destroy(u);
	u = user("on nopass");
	assert_true(acl_password_is(u, SLICE("whatever")));
	acl_user_destroy(u);
}

static void test_acl_table__ordered_by_name(void **state)
{
	static const char *const names[] = {"m", "b", "z", "default", "bb", "a", "zz"};
	struct acl_table *t = NULL;

	for (size_t i = 0; i < RP_ARRAY_LEN(names); i++) {
		struct slice name = {names[i], strlen(names[i])};
		struct acl_table *next = acl_table_with(t, acl_user_create(name, false));
		free(t);
		t = next;
	}
	for (uint32_t i = 1; i < t->n; i++)
		assert_true(strcmp(t->user[i - 1]->name.ptr, t->user[i]->name.ptr) < 0);
	for (size_t i = 0; i < RP_ARRAY_LEN(names); i++)
		assert_string_equal(acl_find(t, (struct slice){names[i], strlen(names[i])})->name.ptr, names[i]);
	assert_null(acl_find(t, SLICE("c")));
	assert_null(acl_find(t, SLICE("")));
	assert_null(acl_find(NULL, SLICE("a")));
	struct acl_user *gone = (struct acl_user *)acl_find(t, SLICE("bb"));
	struct acl_table *less = acl_table_without(t, SLICE("bb"));
	assert_null(acl_find(less, SLICE("bb")));
	assert_int_equal(less->n, t->n - 1);
	free(t);
	acl_user_destroy(gone);
	acl_table_destroy(less);
}

/* ---- the file ---- */

static int load(const char *text, struct acl_table **t, struct err *e)
{
	char path[] = "/tmp/redpoll-acl-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	int rc = acl_file_load(path, false, t, e);
	unlink(path);
	return rc;
}

static void test_acl_file__users_with_the_default_one_added(void **state)
{
	struct acl_table *t;
	struct err e;

	assert_int_equal(load("\n  user b on (+get ~x) >p\n# a comment\nuser a off\r\n", &t, &e), 0);
	assert_int_equal(t->n, 3);
	assert_int_equal(acl_find(t, SLICE("b"))->nselectors, 2);
	assert_true(acl_find(t, SLICE("default"))->flags & ACL_U_FREE);
	acl_table_destroy(t);
	assert_int_equal(load("user default on >p +get\n", &t, &e), 0);
	assert_int_equal(t->n, 1);
	assert_false(t->user[0]->flags & (ACL_U_FREE | ACL_U_NOPASS));
	acl_table_destroy(t);
}

static void test_acl_file__keeps_its_mode(void **state)
{
	char path[] = "/tmp/redpoll-acl-XXXXXX";
	int fd = mkstemp(path);
	struct acl_table *t;
	struct stat st;
	struct err e;

	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(acl_file_load(path, false, &t, &e), 0);
	assert_int_equal(acl_file_save(path, t, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_true(st.st_size > 0);
	acl_table_destroy(t);
	unlink(path);
	close(fd);
}

static void test_acl_file__refused_as_a_whole_with_its_line(void **state)
{
	static const struct {
		const char *text, *line, *why;
	} wrong[] = {{"user a on\nuser a off\n", ":2: ", "Duplicate user 'a' found"},
		     {"usr a on\n", ":1: ", "should start with user keyword followed by username"},
		     {"\nuser\n", ":2: ", "should start with user keyword"},
		     {"user a on +nosuch\n", ":1: ", "Error in applying operation '+nosuch': Unknown command"},
		     {"user a on (+get\n", ":1: ", "Unmatched parenthesis"}};
	struct acl_table *t;
	struct err e;

	for (size_t i = 0; i < RP_ARRAY_LEN(wrong); i++) {
		assert_int_equal(load(wrong[i].text, &t, &e), -1);
		assert_non_null(strstr(e.text, wrong[i].line));
		assert_non_null(strstr(e.text, wrong[i].why));
	}
	assert_int_equal(acl_file_load("/nonexistent/users.acl", false, &t, &e), -1);
	assert_non_null(strstr(e.text, "No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acl_rules__read_back_as_redis_writes_them),
		cmocka_unit_test(test_acl_rules__their_own_text_makes_the_same_user),
		cmocka_unit_test(test_acl_rules__wrong_ones_are_told_as_redis_does),
		cmocka_unit_test(test_acl_check__keys_by_what_is_done_to_them),
		cmocka_unit_test(test_acl_check__commands_and_first_arguments),
		cmocka_unit_test(test_acl_check__a_selector_allows_all_of_a_request_or_nothing),
		cmocka_unit_test(test_acl_check__channels),
		cmocka_unit_test(test_acl_user__free_only_if_one_selector_allows_everything),
		cmocka_unit_test(test_acl_user__passwords),
		cmocka_unit_test(test_acl_table__ordered_by_name),
		cmocka_unit_test(test_acl_file__users_with_the_default_one_added),
		cmocka_unit_test(test_acl_file__keeps_its_mode),
		cmocka_unit_test(test_acl_file__refused_as_a_whole_with_its_line),
	};
	cmd_table_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
