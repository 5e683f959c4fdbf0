/* Bytes on the wire of every reply type, in RESP2 and RESP3, whatever the size of the segments. */
#include "tests/unit/resp/fixture.h"

#include "resp/reply.h"

static const uint16_t fills[] = {1460, 64, 7, 1};

/* Takes the chain, checks that no segment is longer than `fill`, and returns the bytes. */
static size_t flatten(struct reply *r, char *out)
{
	size_t bytes, at = 0;
	struct rte_mbuf *head = reply_take(r, &bytes);
	for (struct rte_mbuf *m = head; m; m = m->next) {
		const struct buf_ref *ref = &buf_priv(m)->ref;
		assert_int_equal(m->nb_segs, 1);
		if (ref->blob) {
			assert_int_equal(m->data_len, 0);
			memcpy(out + at, ref->blob->data + ref->off, ref->len);
			at += ref->len;
			continue;
		}
		assert_int_equal(m->data_off, BUF_TX_HEADROOM);
		assert_true(m->data_len > 0 && m->data_len <= r->fill);
		assert_int_equal(m->pkt_len, m->data_len);
		memcpy(out + at, rte_pktmbuf_mtod(m, char *), m->data_len);
		at += m->data_len;
	}
	assert_int_equal(at, bytes);
	out[at] = '\0';
	buf_chain_free(head, fx_heap);
	assert_int_equal(rte_mempool_in_use_count(fx_pool), 0);
	return at;
}

static void write_all(struct reply *r)
{
	reply_ok(r);
	reply_status(r, "PONG");
	reply_int(r, 0);
	reply_int(r, -12);
	reply_int(r, INT64_MAX);
	reply_bulk(r, "he\r\no", 5);
	reply_bulk(r, NULL, 0);
	reply_bulk_str(r, "abcdefghijkl");
	reply_bulk_i64(r, -5);
	reply_null(r);
	reply_null_array(r);
	reply_double(r, 0.1);
	reply_bool(r, true);
	reply_bool(r, false);
	reply_bignum(r, SLICE("123"));
	reply_verbatim(r, SLICE("some"), "txt");
	reply_array(r, 2);
	reply_map(r, 2);
	reply_set(r, 3);
	reply_push(r, 10);
	reply_attribute(r, 1);
	assert_false(r->error);
	reply_error(r, "ERR a\r\nb");
	reply_errorf(r, "WRONGTYPE %d", 7);
	assert_true(r->error);
}

static void test_reply__exact_bytes(void **state)
{
	static const char *const want[] = {
		"+OK\r\n+PONG\r\n:0\r\n:-12\r\n:9223372036854775807\r\n$5\r\nhe\r\no\r\n$0\r\n\r\n$"
		"12\r\nabcdefghijkl\r\n"
		"$2\r\n-5\r\n$-1\r\n*-1\r\n$3\r\n0.1\r\n:1\r\n:0\r\n$3\r\n123\r\n$4\r\nsome\r\n*2\r\n*4\r\n*3\r\n*"
		"10\r\n"
		"-ERR a  b\r\n-WRONGTYPE 7\r\n",
		"+OK\r\n+PONG\r\n:0\r\n:-12\r\n:9223372036854775807\r\n$5\r\nhe\r\no\r\n$0\r\n\r\n$"
		"12\r\nabcdefghijkl\r\n"
		"$2\r\n-5\r\n_\r\n_\r\n,0.1\r\n#t\r\n#f\r\n(123\r\n=8\r\ntxt:some\r\n*2\r\n%2\r\n~3\r\n>10\r\n|1\r\n"
		"-ERR a  b\r\n-WRONGTYPE 7\r\n"};
	for (uint8_t proto = 2; proto <= 3; proto++) {
		for (size_t i = 0; i < RP_ARRAY_LEN(fills); i++) {
			struct reply r;
			char out[4096];
			reply_init(&r, fx_pool, fills[i], proto);
			write_all(&r);
			assert_int_equal(r.bytes, strlen(want[proto - 2]));
			flatten(&r, out);
			assert_string_equal(out, want[proto - 2]);
		}
	}
}

static void test_reply__segments_are_filled(void **state)
{
	struct reply r;
	size_t bytes;
	reply_init(&r, fx_pool, 100, 2);
	for (int i = 0; i < 100; i++)
		reply_bulk(&r, "0123456789", 10);
	struct rte_mbuf *head = reply_take(&r, &bytes);
	for (struct rte_mbuf *m = head; m->next; m = m->next)
		assert_int_equal(m->data_len, 100);
	assert_int_equal(bytes, 1700);
	assert_int_equal(r.bytes, 0);
	buf_chain_free(head, fx_heap);
}

static void test_reply_bulk_blob__large_ones_are_referenced(void **state)
{
	static char out[40000];
	static const size_t sizes[] = {REPLY_REF_MIN - 1, REPLY_REF_MIN, 30000};
	for (size_t i = 0; i < RP_ARRAY_LEN(sizes); i++) {
		struct blob *b = blob_create(fx_heap, sizes[i]);
		struct reply r;
		b->len = sizes[i];
		memset(b->data, 'v', b->len);
		reply_init(&r, fx_pool, 1460, 2);
		reply_bulk_blob(&r, b);
		reply_ok(&r);
		assert_int_equal(blob_is_shared(b), sizes[i] >= REPLY_REF_MIN);
		size_t len = flatten(&r, out);
		assert_int_equal(len, sizes[i] + 8 + 2 + 5);
		assert_memory_equal(out + len - 7, "\r\n+OK\r\n", 7);
		assert_int_equal(out[8], 'v');
		assert_false(blob_is_shared(b));
		blob_unref(b, fx_heap);
	}
}

static void test_reply_sub__header_comes_first(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(fills); i++) {
		struct reply r, sub;
		char out[4096];
		reply_init(&r, fx_pool, fills[i], 3);
		reply_ok(&r);
		reply_sub_begin(&r, &sub);
		for (int k = 0; k < 3; k++)
			reply_int(&sub, k);
		reply_sub_end(&r, &sub, REPLY_SET, 3);
		reply_sub_begin(&r, &sub);
		reply_sub_end(&r, &sub, REPLY_ARRAY, 0);
		reply_ok(&r);
		flatten(&r, out);
		assert_string_equal(out, "+OK\r\n~3\r\n:0\r\n:1\r\n:2\r\n*0\r\n+OK\r\n");
	}
}

static void test_reply_splice__small_chains_share_a_segment(void **state)
{
	struct reply r, other;
	char out[4096];
	reply_init(&r, fx_pool, 1460, 2);
	for (int i = 0; i < 50; i++) {
		size_t bytes;
		reply_init(&other, fx_pool, 1460, 2);
		reply_int(&other, i % 10);
		struct rte_mbuf *tail = other.tail, *head = reply_take(&other, &bytes);
		reply_splice(&r, head, tail, bytes);
	}
	assert_ptr_equal(r.head, r.tail);
	reply_ok(&r);
	assert_int_equal(flatten(&r, out), 205);
	assert_memory_equal(out, ":0\r\n:1\r\n", 8);
}

static void test_reply__muted_writes_vanish(void **state)
{
	struct reply r, other;
	char out[64];
	size_t bytes;
	reply_init(&r, fx_pool, 1460, 2);
	reply_ok(&r);
	r.muted = true;
	reply_bulk(&r, "gone", 4);
	reply_init(&other, fx_pool, 1460, 2);
	reply_ok(&other);
	struct rte_mbuf *tail = other.tail, *head = reply_take(&other, &bytes);
	reply_splice(&r, head, tail, bytes);
	r.muted = false;
	reply_int(&r, 1);
	flatten(&r, out);
	assert_string_equal(out, "+OK\r\n:1\r\n");
}

static void test_reply__empty_pool_fails_and_keeps_what_was_written(void **state)
{
	static struct rte_mbuf *hog[16383];
	struct reply r;
	reply_init(&r, fx_pool, 10, 2);
	reply_ok(&r);
	unsigned n = 0;
	while (n < RP_ARRAY_LEN(hog) && (hog[n] = buf_alloc(fx_pool)))
		n++;
	reply_bulk(&r, "0123456789", 10);
	assert_true(r.failed);
	reply_ok(&r);
	assert_int_equal(r.bytes, 10);
	reply_reset(&r, fx_heap);
	for (unsigned i = 0; i < n; i++)
		rte_pktmbuf_free(hog[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply__exact_bytes),
		cmocka_unit_test(test_reply__segments_are_filled),
		cmocka_unit_test(test_reply_bulk_blob__large_ones_are_referenced),
		cmocka_unit_test(test_reply_sub__header_comes_first),
		cmocka_unit_test(test_reply_splice__small_chains_share_a_segment),
		cmocka_unit_test(test_reply__muted_writes_vanish),
		cmocka_unit_test(test_reply__empty_pool_fails_and_keeps_what_was_written),
	};
	return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
