/* A packet pool, a heap and a stream fed in pieces, for the tests of resp/. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "resp/parser.h"

extern struct rte_mempool *fx_pool;
extern struct heap *fx_heap;

/* cmocka group setup and teardown; the latter fails if a buffer or a block was lost. */
int fx_setup(void **state);
int fx_teardown(void **state);

size_t fx_heap_used(void);
/* One buffer holding these bytes. */
struct rte_mbuf *fx_buf(const void *data, size_t len);
/* Pushes the bytes in buffers of at most `piece` bytes. */
void fx_push(struct bufq *q, const void *data, size_t len, size_t piece);
