/* Records of a snapshot, and the queues that they leave in. */
#include <stdlib.h>

#include "store/snap_priv.h"

/* ---- queues: a list whose first chunk is always one that was taken ----------------------------------------------- */

static bool buffer_begin(struct snap *n, struct snap_queue *q)
{
	rdb_out_init(&q->w, n->heap, n->p.compress);
	q->w.p = heap_alloc(n->heap, SNAP_CHUNK_BYTES);
	if (q->w.p == NULL) {
		q->w.failed = true;
		return false;
	}
	q->w.cap = SNAP_CHUNK_BYTES;
	q->w.len = sizeof(struct snap_chunk);
	q->keys = 0;
	return true;
}

bool snap_queue_init(struct snap *n, enum snap_stream st)
{
	struct snap_queue *q = &n->q[st];

	q->db = STORE_NO_DB;
	return buffer_begin(n, q);
}

void snap_queue_fini(struct snap *n, enum snap_stream st)
{
	rdb_out_fini(&n->q[st].w);
}

static void push(struct snap *n, struct snap_queue *q, struct snap_chunk *k)
{
	k->next = NULL;
	k->heap = n->heap;
	__atomic_store_n(&q->sent_bytes, q->sent_bytes + k->cost_bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&q->tail->next, k, __ATOMIC_RELEASE);
	q->tail = k;
	n->pushed++;
}

/* Takes the buffer away as a chunk. */
static struct snap_chunk *buffer_take(struct snap_queue *q)
{
	struct snap_chunk *k = (struct snap_chunk *)q->w.p;

	*k = (struct snap_chunk){.len = (uint32_t)(q->w.len - sizeof *k), .keys = q->keys, .cost_bytes = q->w.cap};
	return k;
}

void snap_flush(struct snap *n, enum snap_stream st, bool open)
{
	struct snap_queue *q = &n->q[st];

	if (q->w.failed) {
		snap_fail(n);
		return;
	}
	if (q->w.len == sizeof(struct snap_chunk) && !q->open)
		return;
	struct snap_chunk *k = buffer_take(q);
	k->open = q->open = open;
	push(n, q, k);
	if (!buffer_begin(n, q))
		snap_fail(n);
}

void snap_fail(struct snap *n)
{
	__atomic_store_n(&n->failed, 1, __ATOMIC_RELEASE);
	n->settling = true;
}

/* A long string leaves by reference: nobody changes a blob that somebody else refers to. */
static void flush_blob(struct snap *n, enum snap_stream st, struct blob *b)
{
	struct snap_queue *q = &n->q[st];

	if (q->w.failed) {
		snap_fail(n);
		return;
	}
	struct snap_chunk *k = buffer_take(q);
	k->blob = blob_ref(b);
	k->cost_bytes += b->len;
	push(n, q, k);
	if (!buffer_begin(n, q))
		snap_fail(n);
}

/* ---- records --------------------------------------------------------------------------------------------------- */

static void put_use(struct snap *n, struct rdb_out *w, const struct object *o)
{
	if (n->p.clock == SNAP_CLOCK_LRU) {
		rdb_put_u8(w, RDB_OP_IDLE);
		rdb_put_len(w, obj_idle_s(n->s, o));
	} else if (n->p.clock == SNAP_CLOCK_LFU) {
		rdb_put_u8(w, RDB_OP_FREQ);
		rdb_put_u8(w, obj_lfu_freq(n->s, o));
	}
}

/* All that stands before the value. */
static void put_front(struct snap *n, struct snap_queue *q, const struct object *o, uint32_t db)
{
	struct rdb_out *w = &q->w;

	if (q->db != db) {
		rdb_put_u8(w, RDB_OP_SELECTDB);
		rdb_put_len(w, db);
		q->db = db;
	}
	if (o->flags & OBJ_F_EXPIRE) {
		rdb_put_u8(w, RDB_OP_EXPIRETIME_MS);
		rdb_put_i64(w, obj_expiry(o)->at_ms);
	}
	if (n->p.clock != SNAP_CLOCK_NONE)
		put_use(n, w, o);
	rdb_put_u8(w, rdb_type_of(o));
	rdb_put_string(w, obj_key(o));
	q->keys++;
	snap_count(&n->stats.keys, 1);
}

void snap_put(struct snap *n, enum snap_stream st, const struct object *o, uint32_t db)
{
	struct snap_queue *q = &n->q[st];
	struct blob *b = o->type == OBJ_STRING ? obj_blob(o) : NULL;

	put_front(n, q, o, db);
	if (rp_unlikely(b != NULL && b->len > SNAP_BLOB_MIN)) {
		flush_blob(n, st, b);
		q->db = STORE_NO_DB;
		return;
	}
	rdb_put_body(&q->w, o);
	if (rp_unlikely(q->w.len >= SNAP_CHUNK_FULL)) {
		snap_flush(n, st, false);
		/* Streams of other shards stand between two chunks: each says its database anew. */
		q->db = STORE_NO_DB;
	}
}

/* ---- large values ---------------------------------------------------------------------------------------------- */

void snap_put_begin(struct snap *n, const struct object *o, uint32_t db)
{
	struct snap_queue *q = &n->q[SNAP_WALK];

	put_front(n, q, o, db);
	rdb_slices_begin(&n->big, &q->w, o);
	n->big_o = o;
}

bool snap_put_more(struct snap *n, uint64_t until_tsc)
{
	struct snap_queue *q = &n->q[SNAP_WALK];
	bool whole = rdb_slices_next(&n->big, &q->w, until_tsc, SNAP_CHUNK_FULL);

	/* Streams of other shards wait for the end of one that is open. */
	if (q->w.len >= SNAP_CHUNK_FULL || q->w.failed || (whole && q->open)) {
		snap_flush(n, SNAP_WALK, !whole);
		if (whole)
			q->db = STORE_NO_DB;
	}
	return whole;
}

/* ---- control thread -------------------------------------------------------------------------------------------- */

struct snap *snap_create(const struct snap_params *p)
{
	struct snap *n = aligned_alloc(RP_CACHE_LINE, (sizeof *n + RP_CACHE_LINE - 1) & ~(size_t)(RP_CACHE_LINE - 1));

	if (n == NULL)
		return NULL;
	memset(n, 0, sizeof *n);
	n->p = *p;
	for (int st = 0; st < SNAP_STREAMS; st++) {
		n->q[st].head = n->q[st].tail = calloc(1, sizeof(struct snap_chunk));
		if (n->q[st].head == NULL) {
			snap_destroy(n);
			return NULL;
		}
	}
	return n;
}

/* The first one was the control thread's own. */
static void chunk_free(struct snap_chunk *k)
{
	if (k->blob != NULL)
		blob_unref(k->blob, NULL);
	if (k->heap != NULL)
		heap_free_remote(k->heap, k);
	else
		free(k);
}

void snap_destroy(struct snap *n)
{
	if (n == NULL)
		return;
	for (int st = 0; st < SNAP_STREAMS; st++) {
		for (struct snap_chunk *k = n->q[st].head, *next; k != NULL; k = next) {
			next = k->next;
			chunk_free(k);
		}
	}
	free(n);
}

struct snap_chunk *snap_take(struct snap *n, enum snap_stream st)
{
	return __atomic_load_n(&n->q[st].head->next, __ATOMIC_ACQUIRE);
}

void snap_chunk_done(struct snap *n, enum snap_stream st, struct snap_chunk *k)
{
	struct snap_queue *q = &n->q[st];

	__atomic_store_n(&q->taken_bytes, q->taken_bytes + k->cost_bytes, __ATOMIC_RELAXED);
	if (k->blob != NULL) {
		blob_unref(k->blob, NULL);
		k->blob = NULL;
	}
	chunk_free(q->head);
	q->head = k;
}

bool snap_ended(const struct snap *n)
{
	return __atomic_load_n(&n->ended, __ATOMIC_ACQUIRE) != 0;
}

bool snap_failed(const struct snap *n)
{
	return __atomic_load_n(&n->failed, __ATOMIC_ACQUIRE) != 0;
}

void snap_cancel(struct snap *n)
{
	__atomic_store_n(&n->cancel, 1, __ATOMIC_RELAXED);
}

uint64_t snap_flying_bytes(const struct snap *n, enum snap_stream st)
{
	/* Taken first: it never runs ahead of what was sent. */
	uint64_t taken = __atomic_load_n(&n->q[st].taken_bytes, __ATOMIC_RELAXED);

	return __atomic_load_n(&n->q[st].sent_bytes, __ATOMIC_RELAXED) - taken;
}

const struct snap_stats *snap_stats_get(const struct snap *n)
{
	return &n->stats;
}
