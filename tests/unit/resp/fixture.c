#include "tests/unit/resp/fixture.h"
#include "tests/eal.h"

#include <stdio.h>
#include <unistd.h>

struct rte_mempool *fx_pool;
struct heap *fx_heap;

int fx_setup(void **state)
{
	if (test_eal("resp_test", "128") != 0)
		return -1;
	fx_pool = rte_pktmbuf_pool_create("p", 16383, 0, BUF_PRIV_BYTES, BUF_DATA_BYTES, 0);
	fx_heap = heap_create(&(struct heap_params){.name = "test", .reserve_bytes = (size_t)1 << 30}, NULL);
	return fx_pool && fx_heap ? 0 : -1;
}

int fx_teardown(void **state)
{
	bool lost = rte_mempool_in_use_count(fx_pool) != 0 || fx_heap_used() != 0;
	heap_destroy(fx_heap);
	rte_eal_cleanup();
	return lost ? -1 : 0;
}

size_t fx_heap_used(void)
{
	struct heap_stats s;
	heap_stats_get(fx_heap, &s);
	return s.used_bytes;
}

struct rte_mbuf *fx_buf(const void *data, size_t len)
{
	struct rte_mbuf *m = buf_alloc(fx_pool);
	assert_non_null(m);
	char *p = rte_pktmbuf_append(m, (uint16_t)len);
	assert_non_null(p);
	memcpy(p, data, len);
	return m;
}

void fx_push(struct bufq *q, const void *data, size_t len, size_t piece)
{
	for (size_t off = 0; off < len; off += piece)
		bufq_push(q, fx_buf((const char *)data + off, RP_MIN(piece, len - off)));
}
