#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_mempool.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>

#include "fuzz.h"
#include "tests/eal.h"

void fz_eal(const char *name)
{
	rp_assert(test_eal(name, "64") == 0);
}

/* The free objects, first in, first out. */
struct shelf {
	uint32_t n, first, cap;
	bool poison;
	void *obj[];
};

static int shelf_alloc(struct rte_mempool *mp)
{
	struct shelf *s = calloc(1, sizeof(*s) + mp->size * sizeof(s->obj[0]));
	rp_assert(s != NULL);
	__lsan_ignore_object(s); /* EAL's memory, where the pool is, is not searched */
	s->cap = mp->size;
	mp->pool_data = s;
	return 0;
}

static void shelf_free(struct rte_mempool *mp)
{
	free(mp->pool_data);
}

static int shelf_enqueue(struct rte_mempool *mp, void *const *obj, unsigned int n)
{
	struct shelf *s = mp->pool_data;
	for (unsigned int i = 0; i < n; i++) {
		rp_assert(s->n < s->cap);
		s->obj[(s->first + s->n++) % s->cap] = obj[i];
		if (!s->poison)
			continue;
		rp_assert(!__asan_address_is_poisoned(obj[i])); /* else it is given back twice */
		ASAN_POISON_MEMORY_REGION(obj[i], mp->elt_size);
	}
	return 0;
}

static int shelf_dequeue(struct rte_mempool *mp, void **obj, unsigned int n)
{
	struct shelf *s = mp->pool_data;
	if (s->n < n)
		return -ENOBUFS;
	for (unsigned int i = 0; i < n; i++) {
		obj[i] = s->obj[s->first];
		s->first = (s->first + 1) % s->cap;
		s->n--;
		ASAN_UNPOISON_MEMORY_REGION(obj[i], mp->elt_size);
	}
	return 0;
}

static unsigned int shelf_count(const struct rte_mempool *mp)
{
	return ((const struct shelf *)mp->pool_data)->n;
}

static const struct rte_mempool_ops shelf_ops = {
	.name = "shelf",
	.alloc = shelf_alloc,
	.free = shelf_free,
	.enqueue = shelf_enqueue,
	.dequeue = shelf_dequeue,
	.get_count = shelf_count,
};

struct rte_mempool *fz_pool(const char *name, uint32_t n)
{
	static bool registered;
	if (!registered)
		rp_assert(rte_mempool_register_ops(&shelf_ops) >= 0);
	registered = true;
	struct rte_mempool *mp = rte_pktmbuf_pool_create_by_ops(name, n, 0, BUF_PRIV_BYTES, BUF_DATA_BYTES,
								SOCKET_ID_ANY, "shelf");
	rp_assert(mp != NULL);
	struct shelf *s = mp->pool_data;
	s->poison = true;
	for (uint32_t i = 0; i < s->n; i++)
		ASAN_POISON_MEMORY_REGION(s->obj[(s->first + i) % s->cap], mp->elt_size);
	return mp;
}

struct rte_mbuf *fz_frame(struct rte_mempool *pool, const void *data, uint32_t len, uint32_t split)
{
	uint32_t pieces = split % 4 + 1, each = len / pieces + 1;
	struct rte_mbuf *head = NULL;

	for (uint32_t off = 0; head == NULL || off < len; off += each) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		if (m == NULL) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		uint32_t n = RP_MIN(each, len - off);
		if (n > 0)
			memcpy(rte_pktmbuf_append(m, (uint16_t)n), (const uint8_t *)data + off, n);
		if (head == NULL)
			head = m;
		else
			rp_assert(rte_pktmbuf_chain(head, m) == 0);
	}
	return head;
}

void fz_guard(struct rte_mbuf *m, struct fz_guard *g)
{
	*g = (struct fz_guard){m, rte_pktmbuf_mtod(m, char *) + m->data_len, rte_pktmbuf_tailroom(m)};
	ASAN_POISON_MEMORY_REGION(g->end, g->len);
}

void fz_unguard(const struct fz_guard *g)
{
	if (!__asan_address_is_poisoned(g->m))
		ASAN_UNPOISON_MEMORY_REGION(g->end, g->len);
}
