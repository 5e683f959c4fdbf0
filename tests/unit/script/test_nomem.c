/* Memory runs out at every allocation of the commands that change libraries of functions: an error, and the libraries
 * as they were. The commands run here as on the script thread, without one.
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd/table.h"
#include "ctrlplane/script/script_thread_priv.h"
#include "mem/heap_priv.h"

/* ---- the C library's memory: the linker leads the calls of all our objects here ---- */

static struct {
	uint64_t in; /* 0: off; 1: now and from now on */
} fails;

static bool must_fail(void)
{
	if (fails.in == 0)
		return false;
	if (fails.in == 1)
		return true;
	fails.in--;
	return false;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t n)
{
	return must_fail() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return must_fail() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return must_fail() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
	return must_fail() ? NULL : __real_strdup(s);
}

/* ---- commands ---- */

#define TEXT_MAX    (1 << 16)
#define TRIES       2000
#define REGISTER(f) "redis.register_function{function_name='" f "',callback=function() return '" f "' end,"
#define ONE         "#!lua name=one\n" REGISTER("f") "description='says f',flags={'no-writes'}}\n" REGISTER("g") "}\n"
#define OTHER_ONE   "#!lua name=one\n" REGISTER("h") "description='says h'}\n"
#define TWO         "#!lua name=two\n" REGISTER("i") "}\n"
/* long, and worth compressing */
#define THREE                                                                                                         \
	"#!lua name=three\n"                                                                                          \
	"-- aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" \
	"local t = {} for i = 1, 20 do t[i] = {i, 'element ' .. i} end\n" REGISTER("j") "}\n" REGISTER("k") "}\n"

static struct rig *r;
static struct script_thread *thread; /* never runs */
static unsigned refusals, own_refusals;

static const char *function(uint32_t argc, const struct slice *argv)
{
	return run_args(r->h, argc, argv);
}

#define WORDS(...)    ((struct slice[]){SLICE("FUNCTION"), __VA_ARGS__})
#define FUNCTION(...) function(RP_ARRAY_LEN(WORDS(__VA_ARGS__)), WORDS(__VA_ARGS__))

static void make(void)
{
	assert_string_equal(FUNCTION(SLICE("FLUSH")), "+OK");
	assert_string_equal(FUNCTION(SLICE("LOAD"), SLICE(ONE)), "$3 one");
	assert_string_equal(FUNCTION(SLICE("LOAD"), SLICE(TWO)), "$3 two");
	r->h->effects[0] = '\0';
}

/* The libraries, and what each of their functions says. */
static void look(char *text)
{
	static const char *const names[] = {"f", "g", "h", "i", "j", "k"};
	size_t n = (size_t)snprintf(text, TEXT_MAX, "%s\n", FUNCTION(SLICE("LIST"), SLICE("WITHCODE")));

	for (size_t i = 0; i < RP_ARRAY_LEN(names); i++)
		n += (size_t)snprintf(text + n, TEXT_MAX - n, "%s\n",
				      script_function_find(r->libraries, cmd_text(names[i])) == NULL
					      ? "none"
					      : rig_fcall(r, names[i], "", ""));
	assert_true(n < TEXT_MAX);
}

/* false: it did not want an n-th allocation. own: of the thread's heap, else of the C library. */
static bool once(uint32_t argc, const struct slice *argv, bool own, uint64_t n, const char *done)
{
	static char before[TEXT_MAX], after[TEXT_MAX];
	bool wanted;

	make();
	look(before);
	if (own) {
		heap_fail_after(r->h->own, n);
		function(argc, argv);
		wanted = r->h->own->fail_in == 1;
		heap_fail_after(r->h->own, 0);
	} else {
		fails.in = n;
		function(argc, argv);
		wanted = fails.in == 1;
		fails.in = 0;
	}
	bool refused = *r->h->reply == '-';
	if (refused) {
		*(own ? &own_refusals : &refusals) += 1;
		if (strstr(r->h->reply, "memory") == NULL && strstr(r->h->reply, "failed loading") == NULL)
			fail_msg("%s without allocation %lu: %s", argv[1].ptr, (unsigned long)n, r->h->reply);
		expect_effects(r->h, "");
	}
	look(after);
	assert_string_equal(after, refused ? before : done);
	return wanted;
}

static void sweep(uint32_t argc, const struct slice *argv)
{
	static char done[TEXT_MAX];

	make();
	if (*function(argc, argv) == '-')
		fail_msg("%s: %s", argv[1].ptr, r->h->reply);
	look(done);
	for (int own = 0; own < 2; own++)
		for (uint64_t n = 1; once(argc, argv, own, n, done); n++)
			assert_true(n < TRIES);
}

#define SWEEP(...) sweep(RP_ARRAY_LEN(WORDS(__VA_ARGS__)), WORDS(__VA_ARGS__))

static void test_function_nomem__load(void **state)
{
	SWEEP(SLICE("LOAD"), SLICE(THREE));
	SWEEP(SLICE("LOAD"), SLICE("REPLACE"), SLICE(ONE));
	SWEEP(SLICE("LOAD"), SLICE("REPLACE"), SLICE(OTHER_ONE));
	assert_in_range(refusals, 100, TRIES);
}

static void test_function_nomem__delete_and_flush_need_none(void **state)
{
	SWEEP(SLICE("DELETE"), SLICE("one"));
	SWEEP(SLICE("FLUSH"));
	SWEEP(SLICE("FLUSH"), SLICE("ASYNC"));
	assert_int_equal(refusals, 0);
}

/* What DUMP says of these libraries. */
static struct slice dump_of(const char *const *texts, uint32_t n, char *to)
{
	FUNCTION(SLICE("FLUSH"));
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(*FUNCTION(SLICE("LOAD"), cmd_text(texts[i])), '$');
	const char *reply = FUNCTION(SLICE("DUMP")), *begin = strchr(reply, ' ') + 1;
	size_t len = strtoul(reply + 1, NULL, 10);
	assert_true(*reply == '$' && len < TEXT_MAX);
	memcpy(to, begin, len);
	return (struct slice){to, len};
}

static void test_function_nomem__restore(void **state)
{
	static const char *const new[] = {THREE}, *const both[] = {OTHER_ONE, THREE};
	static char bytes[2][TEXT_MAX];
	struct slice fresh = dump_of(new, 1, bytes[0]), mixed = dump_of(both, 2, bytes[1]);

	SWEEP(SLICE("RESTORE"), fresh);
	SWEEP(SLICE("RESTORE"), fresh, SLICE("FLUSH"));
	SWEEP(SLICE("RESTORE"), mixed, SLICE("REPLACE"));
	SWEEP(SLICE("RESTORE"), mixed, SLICE("FLUSH"));
	assert_in_range(refusals, 100, 4 * TRIES);
	assert_in_range(own_refusals, 4, TRIES);
}

static int set_up(void **state)
{
	r = rig_create(2);
	thread = calloc(1, sizeof *thread);
	thread->engine = r->engine;
	thread->libraries = r->libraries;
	r->h->env.owner = thread;
	refusals = own_refusals = 0;
	return 0;
}

static int tear_down(void **state)
{
	fails.in = 0;
	heap_fail_after(r->h->own, 0);
	free(thread);
	rig_destroy(r);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_function_nomem__load, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_function_nomem__delete_and_flush_need_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_function_nomem__restore, set_up, tear_down),
	};
	harness_eal("test_function_nomem");
	script_bind_function();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
