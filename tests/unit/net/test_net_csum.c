#include "world.h"
#include "base/rng.h"
#include "net/csum.h"

static void test_net_csum__equals_reference_for_every_length(void **state)
{
	uint8_t data[300];
	struct rng r;
	rng_init(&r, 1);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rng_next(&r);
	for (size_t off = 0; off < 9; off++)
		for (size_t len = 0; len + off <= sizeof(data); len++)
			assert_int_equal(csum_fold(csum_add(0, data + off, len)), rte_raw_cksum(data + off, len));
}

static void test_net_csum__all_ones_does_not_overflow(void **state)
{
	static uint8_t data[65536];
	memset(data, 0xff, sizeof(data));
	assert_int_equal(csum_fold(csum_add(0, data, sizeof(data))), 0xffff);
	assert_int_equal(csum_fold(csum_add(UINT64_C(0xffffffffffff), data, sizeof(data))), 0xffff);
}

/* Segments of odd lengths: the bytes behind them sit in the other half of a word. */
static void test_net_csum__chain_cut_anywhere(void **state)
{
	struct world *w = *state;
	uint8_t data[200];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 13 + 1);
	for (uint16_t a = 0; a < 20; a++) {
		for (uint16_t b = 1; b < 20; b++) {
			struct rte_mbuf *m[3];
			uint16_t len[3] = {a, b, (uint16_t)(sizeof(data) - a - b)}, off = 0;
			for (int i = 0; i < 3; i++) {
				m[i] = buf_alloc(w->pool);
				memcpy(rte_pktmbuf_append(m[i], len[i]), data + off, len[i]);
				off += len[i];
			}
			rte_pktmbuf_chain(m[0], m[1]);
			rte_pktmbuf_chain(m[0], m[2]);
			for (uint32_t from = 0; from < 25; from++)
				assert_int_equal(csum_fold(csum_add_mbuf(0, m[0], from, 150)),
						 rte_raw_cksum(data + from, 150));
			rte_pktmbuf_free(m[0]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_net_csum__equals_reference_for_every_length),
		cmocka_unit_test(test_net_csum__all_ones_does_not_overflow),
		cmocka_unit_test_setup_teardown(test_net_csum__chain_cut_anywhere, world_setup, world_teardown),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
