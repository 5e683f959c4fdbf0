/* How a pool of packet buffers keeps those that no thread has: DPDK's ring; for ThreadSanitizer, which does not see
 * into DPDK's libraries, a stack under a lock that it knows, so that who takes a buffer is seen to come after who gave
 * it back.
 */
#include "mem/buf.h"

#ifdef __SANITIZE_THREAD__
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct spare {
	pthread_mutex_t lock;
	unsigned n;
	void *at[];
};

static int spare_alloc(struct rte_mempool *mp)
{
	struct spare *s = calloc(1, sizeof *s + mp->size * sizeof s->at[0]);

	if (s == NULL)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	mp->pool_data = s;
	return 0;
}

static void spare_free(struct rte_mempool *mp)
{
	free(mp->pool_data);
}

static int spare_put(struct rte_mempool *mp, void *const *at, unsigned n)
{
	struct spare *s = mp->pool_data;

	pthread_mutex_lock(&s->lock);
	memcpy(s->at + s->n, at, n * sizeof at[0]);
	s->n += n;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int spare_get(struct rte_mempool *mp, void **at, unsigned n)
{
	struct spare *s = mp->pool_data;

	pthread_mutex_lock(&s->lock);
	bool ok = s->n >= n;
	if (ok) {
		s->n -= n;
		memcpy(at, s->at + s->n, n * sizeof at[0]);
	}
	pthread_mutex_unlock(&s->lock);
	return ok ? 0 : -ENOBUFS;
}

static unsigned spare_count(const struct rte_mempool *mp)
{
	struct spare *s = mp->pool_data;

	pthread_mutex_lock(&s->lock);
	unsigned n = s->n;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static const struct rte_mempool_ops ops = {.name = "tsan",
					   .alloc = spare_alloc,
					   .free = spare_free,
					   .enqueue = spare_put,
					   .dequeue = spare_get,
					   .get_count = spare_count};
RTE_MEMPOOL_REGISTER_OPS(ops)

const char *buf_pool_ops(void)
{
	return ops.name;
}

#else

const char *buf_pool_ops(void)
{
	return NULL;
}
#endif
