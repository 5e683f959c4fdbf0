/* What a client asks and says about itself. */
#include "../acl_one.h"
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

static void require_password(void)
{
	h->env.acl = acl_one("secret");
	acl_client_reset(&h->client, h->env.acl);
}

static void test_ping__echo_quit(void **state)
{
	expect(h, "PING", "+PONG");
	expect(h, "PING hello", "$5 hello");
	expect(h, "PING a b", "-ERR wrong number of arguments for 'ping' command");
	expect(h, "ECHO \"a b\"", "$3 a b");
	assert_false(h->client.flags & CLIENT_F_CLOSE);
	expect(h, "QUIT", "+OK");
	assert_true(h->client.flags & CLIENT_F_CLOSE);
}

static void test_hello__switches_the_protocol(void **state)
{
	expect(h, "HELLO",
	       "*14 $6 server $5 redis $7 version $5 7.2.4 $5 proto :2 $2 id :7 $4 mode $10 standalone "
	       "$4 role $6 master $7 modules *0");
	assert_memory_equal(run(h, "HELLO 3 SETNAME me"), "%7 ", 3);
	assert_int_equal(h->client.proto, 3);
	expect(h, "CLIENT GETNAME", "$2 me");
	expect(h, "GET nosuch", "_");
	assert_memory_equal(run(h, "HELLO 2"), "*14 ", 4);
	assert_int_equal(h->client.proto, 2);
}

static void test_hello__errors_change_nothing(void **state)
{
	expect(h, "HELLO 4", "-NOPROTO unsupported protocol version");
	expect(h, "HELLO x", "-ERR Protocol version is not an integer or out of range");
	expect(h, "HELLO 3 foo", "-ERR Syntax error in HELLO option 'foo'");
	expect(h, "HELLO 3 AUTH a", "-ERR Syntax error in HELLO option 'AUTH'");
	expect(h, "HELLO 3 AUTH a b", "-WRONGPASS invalid username-password pair or user is disabled.");
	expect(h, "HELLO 3 SETNAME \"a b\"",
	       "-ERR Client names cannot contain spaces, newlines or special characters.");
	assert_int_equal(h->client.proto, 2);
}

static void test_hello__must_be_authenticated(void **state)
{
	require_password();
	assert_memory_equal(run(h, "HELLO 3"), "-NOAUTH HELLO must be called", 28);
	expect(h, "HELLO 3 AUTH default wrong", "-WRONGPASS invalid username-password pair or user is disabled.");
	assert_int_equal(h->client.proto, 2);
	assert_memory_equal(run(h, "HELLO 3 AUTH default secret"), "%7 ", 3);
	assert_true(h->client.flags & CLIENT_F_AUTH);
}

static void test_auth__without_password_configured(void **state)
{
	expect(h, "AUTH a",
	       "-ERR AUTH <password> called without any password configured for the default user. Are you sure your "
	       "configuration is correct?");
	expect(h, "AUTH default x", "+OK");
	expect(h, "AUTH a b", "-WRONGPASS invalid username-password pair or user is disabled.");
	expect(h, "AUTH a b c", "-ERR syntax error");
}

static void test_auth__only_the_exact_password(void **state)
{
	static const char *const wrong[] = {"AUTH secre", "AUTH secret1",         "AUTH Secret",
					    "AUTH \"\"",  "AUTH \"secret\\x00\"", "AUTH other secret"};

	require_password();
	for (size_t i = 0; i < RP_ARRAY_LEN(wrong); i++) {
		expect(h, wrong[i], "-WRONGPASS invalid username-password pair or user is disabled.");
		assert_false(h->client.flags & CLIENT_F_AUTH);
	}
	expect(h, "AUTH secret", "+OK");
	expect(h, "AUTH default secret", "+OK");
}

static void test_reset__back_to_the_first_state(void **state)
{
	require_password();
	assert_memory_equal(run(h, "HELLO 3 AUTH default secret SETNAME me"), "%7 ", 3);
	expect(h, "SELECT 5", "+OK");
	expect(h, "CLIENT NO-EVICT on", "+OK");
	expect(h, "CLIENT REPLY OFF", "");
	expect(h, "RESET", "+RESET");
	assert_int_equal(h->client.flags, 0);
	assert_int_equal(h->client.db, 0);
	assert_int_equal(h->client.proto, 2);
	assert_int_equal(h->client.text->name_len, 0);
}

static void test_client__names(void **state)
{
	char longest[CLIENT_NAME_MAX + 2];

	expect(h, "CLIENT ID", ":7");
	expect(h, "CLIENT GETNAME", "$-1");
	expect(h, "CLIENT SETNAME \"a b\"", "-ERR Client names cannot contain spaces, newlines or special characters.");
	expect(h, "CLIENT SETNAME me", "+OK");
	expect(h, "CLIENT GETNAME", "$2 me");
	expect(h, "CLIENT SETNAME \"\"", "+OK");
	expect(h, "CLIENT GETNAME", "$-1");
	memset(longest, 'x', sizeof longest);
	longest[CLIENT_NAME_MAX] = '\0';
	assert_string_equal(runf(h, "CLIENT SETNAME %s", longest), "+OK");
	longest[CLIENT_NAME_MAX] = 'x';
	longest[CLIENT_NAME_MAX + 1] = '\0';
	assert_string_equal(runf(h, "CLIENT SETNAME %s", longest), "-ERR Client names cannot be longer than 255 bytes");
	assert_int_equal(h->client.text->name_len, CLIENT_NAME_MAX);
}

static void test_client__setinfo(void **state)
{
	expect(h, "CLIENT SETINFO lib-name redis-py", "+OK");
	expect(h, "CLIENT SETINFO LIB-VER 5.0.1", "+OK");
	expect(h, "CLIENT SETINFO LIB-VER \"5 0\"",
	       "-ERR LIB-VER cannot contain spaces, newlines or special characters.");
	char longest[CLIENT_NAME_MAX + 2] = {0};
	memset(longest, 'x', CLIENT_NAME_MAX);
	assert_string_equal(runf(h, "CLIENT SETINFO lib-name %s", longest), "+OK");
	longest[CLIENT_NAME_MAX] = 'x';
	assert_string_equal(runf(h, "CLIENT SETINFO lib-name %s", longest),
			    "-ERR lib-name cannot be longer than 255 bytes");
	expect(h, "CLIENT SETINFO lib-name redis-py", "+OK");
	expect(h, "CLIENT SETINFO foo x", "-ERR Unrecognized option 'foo'");
	assert_non_null(strstr(run(h, "CLIENT INFO"), " lib-name=redis-py lib-ver=5.0.1\n"));
}

static void test_client__info_line(void **state)
{
	h->client.addr = (struct endpoint){.ip = {10, 0, 0, 1}, .port = 1234, .family = 4};
	h->client.laddr = (struct endpoint){.ip = {10, 0, 0, 2}, .port = 6379, .family = 4};
	h->client.created_us = (int64_t)h->now.mono_us;
	h->client.last_us = (int64_t)h->now.mono_us + 3000000;
	harness_advance_ms(h, 5000);
	expect(h, "CLIENT SETNAME me", "+OK");
	expect(h, "CLIENT NO-EVICT on", "+OK");
	expect(h, "SELECT 3", "+OK");
	const char *line = run(h, "CLIENT INFO");
	line = strchr(line, ' ') + 1;
	assert_memory_equal(line,
			    "id=7 addr=10.0.0.1:1234 laddr=10.0.0.2:6379 fd=-1 name=me age=5 idle=2 flags=e db=3 ", 84);
	assert_non_null(strstr(line, " cmd=select user=default redir=-1 resp=2 lib-name= lib-ver=\n"));
}

static void test_client__info_line_is_cut_at_the_buffer(void **state)
{
	char buf[CLIENT_INFO_MAX];
	struct client_text text = {.name_len = CLIENT_NAME_MAX, .lib_name_len = 63, .lib_ver_len = 63};

	memset(text.name, 'n', CLIENT_NAME_MAX);
	memset(text.lib_name, 'l', 63);
	memset(text.lib_ver, 'v', 63);
	h->client.text = &text;
	h->client.addr = h->client.laddr = (struct endpoint){.family = 6, .port = 65535};
	memset(h->client.addr.ip, 0xfe, 16);
	size_t n = client_info_format(&h->client, NULL, &h->now, buf, sizeof buf);
	assert_int_equal(buf[n - 1], '\n');
	assert_int_equal(client_info_format(&h->client, NULL, &h->now, buf, 16), 15);
	assert_int_equal(strlen(buf), 15);
	h->client.text = NULL;
}

static void test_client__reply_modes(void **state)
{
	expect(h, "CLIENT REPLY SKIP", "");
	expect(h, "PING", "");
	expect(h, "PING", "+PONG");
	expect(h, "CLIENT REPLY OFF", "");
	expect(h, "PING", "");
	expect(h, "CLIENT REPLY SKIP", "");
	expect(h, "PING", "");
	expect(h, "CLIENT REPLY ON", "+OK");
	expect(h, "PING", "+PONG");
	expect(h, "CLIENT REPLY foo", "-ERR syntax error");
}

static void test_client__switches(void **state)
{
	expect(h, "CLIENT NO-EVICT foo", "-ERR syntax error");
	expect(h, "CLIENT NO-EVICT ON", "+OK");
	expect(h, "CLIENT NO-TOUCH on", "+OK");
	assert_int_equal(h->client.flags, CLIENT_F_AUTH | CLIENT_F_NO_EVICT | CLIENT_F_NO_TOUCH);
	expect(h, "CLIENT NO-EVICT off", "+OK");
	expect(h, "CLIENT NO-TOUCH OFF", "+OK");
	assert_int_equal(h->client.flags, CLIENT_F_AUTH);
}

static void test_time__is_the_loops(void **state)
{
	expect(h, "TIME", "*2 $10 1700000000 $1 0");
	harness_advance_ms(h, 1234);
	expect(h, "TIME", "*2 $10 1700000001 $6 234000");
	expect(h, "LOLWUT", "$17 Redis ver. 7.2.4\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_ping__echo_quit),
		T(test_hello__switches_the_protocol),
		T(test_hello__errors_change_nothing),
		T(test_hello__must_be_authenticated),
		T(test_auth__without_password_configured),
		T(test_auth__only_the_exact_password),
		T(test_reset__back_to_the_first_state),
		T(test_client__names),
		T(test_client__setinfo),
		T(test_client__info_line),
		T(test_client__info_line_is_cut_at_the_buffer),
		T(test_client__reply_modes),
		T(test_client__switches),
		T(test_time__is_the_loops),
	};
	harness_eal("test_connection");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
