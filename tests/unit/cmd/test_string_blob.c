/* Big values go from the request into the store, and from there into replies, without a copy and without a leak. */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#define BIG 20000

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(1);
	return 0;
}

static int teardown(void **state)
{
	heap_fail_after(h->heaps[0], 0);
	harness_destroy(h);
	return 0;
}

/* A request as it comes from the network, from the parser on. */
struct wire {
	struct bufq q;
	struct resp_parser parser;
	struct resp_request req;
	struct slice arena[16];
};

static void wire_push(struct wire *w, const char *ptr, size_t len)
{
	for (size_t n; len > 0; ptr += n, len -= n) {
		struct rte_mbuf *m = buf_alloc(h->pool);
		assert_non_null(m);
		n = RP_MIN(len, 1460);
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), ptr, n);
		bufq_push(&w->q, m);
	}
}

static enum resp_status wire_next(struct wire *w)
{
	const struct resp_limits lim = {.max_bulk = h->conf.max_bulk};

	return resp_parser_next(&w->parser, &w->q, &lim, w->arena, RP_ARRAY_LEN(w->arena), &w->req);
}

/* `words` between blanks; a word that is one capital letter stands for BIG of it. */
static void wire_open(struct wire *w, const char *words, uint32_t argc)
{
	char *text = malloc(8 * (BIG + 32));
	size_t n = (size_t)sprintf(text, "*%u\r\n", argc);

	for (uint32_t i = 0; i < argc; i++) {
		size_t len = strcspn(words, " ");
		bool big = len == 1 && *words >= 'A' && *words <= 'Z';
		n += (size_t)sprintf(text + n, "$%zu\r\n", big ? (size_t)BIG : len);
		if (big)
			memset(text + n, *words, len = BIG);
		else
			memcpy(text + n, words, len);
		n += len;
		n += (size_t)sprintf(text + n, "\r\n");
		words += strcspn(words, " ") + 1;
	}
	bufq_init(&w->q);
	resp_parser_init(&w->parser, h->own);
	wire_push(w, text, n);
	free(text);
	assert_int_equal(wire_next(w), RESP_REQUEST);
	assert_int_equal(w->req.argc, argc);
}

static void wire_close(struct wire *w)
{
	resp_request_free(&w->req, h->own);
	resp_parser_fini(&w->parser);
	bufq_clear(&w->q);
}

/* Executes words; the reply's first bytes must be `want`. */
static void wire_run(const char *words, uint32_t argc, const char *want)
{
	struct wire w;
	struct reply r;
	size_t bytes;

	h->effects[0] = '\0'; /* the log is only so long */
	wire_open(&w, words, argc);
	reply_init(&r, h->pool, 1460, 2);
	const struct cmd *cmd = cmd_admit(&h->env, &h->client, argc, w.req.argv, &r);
	assert_non_null(cmd);
	struct cmd_ctx c = {.cmd = cmd,
			    .argc = argc,
			    .argv = w.req.argv,
			    .out = &r,
			    .env = &h->env,
			    .req = &w.req,
			    .rng = &h->env.rng};
	cmd_run(&c);
	struct rte_mbuf *head = reply_take(&r, &bytes);
	assert_non_null(head);
	assert_memory_equal(rte_pktmbuf_mtod(head, char *), want, strlen(want));
	buf_chain_free(head, h->own);
	wire_close(&w);
}

static struct blob *blob_of(const char *key)
{
	struct blob *b = obj_blob(store_peek(h->stores[0], 0, (struct slice){key, strlen(key)}));

	rp_assert(b != NULL);
	return b;
}

static void test_blob__taken_not_copied(void **state)
{
	wire_run("set k A", 3, "+OK");
	assert_ptr_equal(blob_of("k")->heap, h->own);
	assert_int_equal(blob_of("k")->refcnt, 1);
	wire_run("set k B PX 1000 GET", 6, "$20000\r\n");
	assert_int_equal(blob_of("k")->data[0], 'B');
	wire_run("getset k C", 3, "$20000\r\n");
	wire_run("setex k 10 D", 4, "+OK");
	wire_run("append fresh E", 3, ":20000");
	assert_ptr_equal(blob_of("fresh")->heap, h->own);
}

static void test_blob__given_back_when_out_of_memory(void **state)
{
	wire_run("set k A", 3, "+OK");
	heap_fail_after(h->heaps[0], 1);
	wire_run("set fresh B", 3, "-OOM");
	wire_run("msetnx one C two D", 5, "-OOM");
	heap_fail_after(h->heaps[0], 2);
	wire_run("msetnx one C two D", 5, "-OOM");
	heap_fail_after(h->heaps[0], 3);
	wire_run("mset one C k D one E two F", 9, "-OOM");
	heap_fail_after(h->heaps[0], 0);
	expect(h, "EXISTS fresh one two", ":0");
	assert_int_equal(blob_of("k")->data[BIG - 1], 'A');
}

static void test_blob__replaced_within_one_mset(void **state)
{
	char want[BIG + 64];

	wire_run("mset k A k B", 5, "+OK");
	assert_int_equal(blob_of("k")->data[0], 'B');
	assert_int_equal(strlen(h->effects), snprintf(want, sizeof want, "mset k ") + BIG + 3 + BIG);
	assert_int_equal(h->effects[7 + BIG - 1], 'A');
}

static void test_blob__writer_leaves_what_a_reply_holds(void **state)
{
	struct blob *held;

	wire_run("set k A", 3, "+OK");
	held = blob_ref(blob_of("k"));
	expect(h, "SETRANGE k 0 xyz", ":20000");
	expect(h, "SETBIT k 0 1", ":0");
	assert_int_equal(held->data[0], 'A');
	expect(h, "GETRANGE k 1 3", "$3 yzA");
	blob_unref(held, h->own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_blob__taken_not_copied, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blob__given_back_when_out_of_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blob__replaced_within_one_mset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blob__writer_leaves_what_a_reply_holds, setup, teardown),
	};
	harness_eal("test_string_blob");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
