/* The request parser under arbitrary bytes in arbitrary pieces. Checked beside memory errors: the same bytes in one
 * piece give the same requests and the same end, and everything is returned. */
#include "base/hash.h"
#include "fuzz.h"
#include "mem/heap.h"
#include "resp/parser.h"

#define ARENA     4
#define BUF_BYTES 2048

static struct rte_mempool *pool;
static struct heap *heap;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fz_eal("resp");
	pool = fz_pool("resp", 8191);
	heap = heap_create(&(struct heap_params){.name = "fuzz", .reserve_bytes = (size_t)1 << 30}, NULL);
	rp_assert(heap != NULL);
	return 0;
}

struct outcome {
	uint64_t digest; /* of all requests */
	uint64_t count;
	enum resp_status last;
	char error[RESP_ERROR_MAX];
};

static void take_request(struct outcome *o, struct resp_request *req)
{
	rp_assert(req->argc > 0 && req->end_pos > req->begin_pos);
	o->count++;
	for (uint32_t i = 0; i < req->argc; i++) {
		struct blob *b = i & 1 ? NULL : resp_request_take_blob(req, i);
		o->digest = hash64(req->argv[i].ptr, req->argv[i].len, o->digest + req->argc);
		if (b)
			blob_unref(b, heap);
	}
	if (o->count & 1)
		rp_assert(resp_request_keep(req, heap));
	resp_request_free(req, heap);
}

static void drain(struct resp_parser *p, struct bufq *q, const struct resp_limits *lim, struct outcome *o)
{
	struct slice arena[ARENA];
	struct resp_request req;
	do {
		o->last = resp_parser_next(p, q, lim, arena, ARENA, &req);
		if (o->last == RESP_REQUEST)
			take_request(o, &req);
		if (o->last == RESP_PROTOCOL)
			resp_parser_error(p, o->error);
		bufq_release(q, resp_parser_hold_pos(p, q));
	} while (o->last == RESP_REQUEST || o->last == RESP_EMPTY);
}

/* Pieces of 1 + (x mod 2^n) bytes with x drawn from the seed; seed 0: as large as buffers are. */
static struct outcome run(const uint8_t *data, size_t size, const struct resp_limits *lim, uint8_t seed)
{
	struct outcome o = {.last = RESP_INCOMPLETE};
	struct resp_parser p;
	struct bufq q;
	uint64_t x = seed;
	bufq_init(&q);
	resp_parser_init(&p, heap);
	for (size_t off = 0; off < size && o.last == RESP_INCOMPLETE;) {
		x = hash64(&off, sizeof(off), x);
		size_t piece = seed ? 1 + (x & ((2u << seed % 11) - 1)) : BUF_BYTES;
		piece = RP_MIN(RP_MIN(piece, (size_t)BUF_BYTES), size - off);
		struct rte_mbuf *m = buf_alloc(pool);
		memcpy(rte_pktmbuf_append(m, (uint16_t)piece), data + off, piece);
		bufq_push(&q, m);
		off += piece;
		drain(&p, &q, lim, &o);
	}
	resp_parser_fini(&p);
	bufq_clear(&q);
	struct heap_stats s;
	heap_stats_get(heap, &s);
	rp_assert(s.blocks == 0 && rte_mempool_in_use_count(pool) == 0);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	const struct resp_limits lim = {.max_bulk = 1 << 20, .unauthenticated = data[1] & 1};
	struct outcome whole = run(data + 2, size - 2, &lim, 0), split = run(data + 2, size - 2, &lim, data[0]);
	rp_assert(whole.count == split.count && whole.digest == split.digest && whole.last == split.last);
	rp_assert(strcmp(whole.error, split.error) == 0);
	return 0;
}
