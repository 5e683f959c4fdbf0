#include "rig.h"
#include "tests/eal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint32_t transport_room(void *t)
{
	return ((struct rig_conn *)t)->room;
}

static void transport_send(void *t, struct rte_mbuf *chain, size_t bytes)
{
	struct rig_conn *c = t;
	size_t seen = 0;
	for (struct rte_mbuf *m = chain; m != NULL; m = m->next) {
		assert_int_equal(m->nb_segs, 1);
		assert_true(m->data_len > 0);
		assert_true(c->out_len + m->data_len < RIG_OUT);
		memcpy(c->out + c->out_len, rte_pktmbuf_mtod(m, void *), m->data_len);
		c->out_len += m->data_len;
		seen += m->data_len;
	}
	assert_int_equal(seen, bytes);
	if (c->room != UINT32_MAX)
		c->room = c->room > bytes ? c->room - (uint32_t)bytes : 0;
	rte_pktmbuf_free(chain);
}

static void transport_consumed(void *t, uint32_t bytes)
{
	((struct rig_conn *)t)->consumed += bytes;
}

static void transport_close(void *t)
{
	struct rig_conn *c = t;
	c->closed = true;
	session_gone(c->session);
}

static void transport_abort(void *t)
{
	struct rig_conn *c = t;
	c->aborted = true;
}

static const struct session_transport transport = {
	.send = transport_send,
	.room = transport_room,
	.consumed = transport_consumed,
	.close = transport_close,
	.abort = transport_abort,
};

void rig_eal(const char *program)
{
	assert_int_equal(test_eal(program, "192"), 0);
	cmd_table_init();
}

static void no_slow(void *ctx, const struct cmd_ctx *c, uint64_t us)
{
}

static void make_host(struct rig *r, uint32_t i, struct err *e)
{
	struct heap_params hp = {"test", 256 << 20, 0};
	r->heap[i] = heap_create(&hp, e);
	assert_non_null(r->heap[i]);
	r->host[i] = aligned_alloc(RP_CACHE_LINE, RTE_ALIGN_CEIL(sizeof *r->host[i], RP_CACHE_LINE));
	struct session_host_params p = {.self = i,
					.own = i < r->n ? (int32_t)i : -1,
					.nstores = r->n,
					.stores = r->stores,
					.slot_map = r->slot_map,
					.bus = r->bus,
					.leases = r->leases,
					.mbufs = r->pool,
					.heap = r->heap[i],
					.conf = &r->conf,
					.durable = &r->clock,
					.max_sessions = RIG_CONNS,
					.shared = &r->shared,
					.first_client_id = i + 1,
					.client_id_step = r->n + 1,
					.seed = i,
					.tsc_hz = 1000000000,
					.ops = {.slow = no_slow}};
	assert_int_equal(host_init(r->host[i], &p, e), 0);
}

struct rig *rig_create(uint32_t workers, uint64_t seed)
{
	struct err e = {""};
	struct rig *r = aligned_alloc(RP_CACHE_LINE, RTE_ALIGN_CEIL(sizeof *r, RP_CACHE_LINE));
	assert_non_null(r);
	memset(r, 0, sizeof *r);
	r->n = workers;
	rng_init(&r->rng, seed);
	r->now = (struct clock_now){.mono_us = 1000000, .wall_us = 1700000000000000};
	r->conf = (struct dp_conf){.databases = 16,
				   .max_bulk = 512 << 20,
				   .query_buffer_bytes = 1 << 30,
				   .maxclients = RIG_CONNS,
				   .slowlog_us = -1,
				   .debug_command = CMD_ALLOW_YES,
				   .types = {.list_max_listpack_size = -2,
					     .zset_max_listpack_entries = 128,
					     .zset_max_listpack_value = 64,
					     .stream_node_max_bytes = 4096,
					     .stream_node_max_entries = 100}};
	r->bus = msg_bus_create(workers, &e);
	r->leases = lease_table_create(r->bus, workers);
	r->pool = rte_pktmbuf_pool_create("rig", 16383, 64, BUF_PRIV_BYTES, BUF_DATA_BYTES, SOCKET_ID_ANY);
	assert_non_null(r->pool);
	r->pool_full = rte_mempool_avail_count(r->pool);
	for (uint32_t s = 0; s < RP_SLOTS; s++)
		r->slot_map[s] = (uint16_t)(s * workers / RP_SLOTS);
	for (uint32_t i = 0; i < workers; i++) {
		struct heap_params hp = {"shard", 256 << 20, 0};
		r->shard_heap[i] = heap_create(&hp, &e);
		struct store_params sp = {.shard = i,
					  .databases = 16,
					  .hash_seed = 7,
					  .index_initial = 1024,
					  .heap = r->shard_heap[i],
					  .journal = &r->journal[i]};
		r->stores[i] = store_create(&sp, &e);
		assert_non_null(r->stores[i]);
	}
	for (uint32_t i = 0; i <= workers; i++)
		make_host(r, i, &e);
	return r;
}

void rig_journal(struct rig *r, size_t bytes)
{
	struct err e = {""};

	for (uint32_t i = 0; i < r->n; i++) {
		struct journal_ring *ring = journal_ring_create(bytes, i, r->shard_heap[i], &e);
		assert_non_null(ring);
		journal_attach(&r->journal[i], ring);
		store_set_gates(r->stores[i], calloc(1, sizeof(struct store_gates)));
	}
}

static void journal_close(struct rig *r)
{
	for (uint32_t i = 0; i < r->n; i++) {
		struct journal_ring *ring = r->journal[i].ring;
		journal_attach(&r->journal[i], NULL);
		journal_ring_destroy(ring);
		free(store_gates(r->stores[i]));
		store_set_gates(r->stores[i], NULL);
	}
}

void rig_destroy(struct rig *r)
{
	for (uint32_t i = 0; i < RIG_CONNS; i++)
		if (r->conn[i].used && !r->conn[i].closed && !r->conn[i].aborted)
			rig_drop(&r->conn[i]);
	rig_settle(r);
	journal_close(r);
	assert_int_equal(r->shared.clients, 0);
	for (uint32_t i = 0; i < r->n; i++)
		watch_fini(r->stores[i]); /* links of those who gave up hold memory of their homes */
	for (uint32_t i = 0; i <= r->n; i++) {
		struct heap_stats hs;
		assert_int_equal(msg_in_use(r->bus, i), 0);
		host_fini(r->host[i]);
		free(r->host[i]);
		heap_poll(r->heap[i], UINT32_MAX);
		heap_stats_get(r->heap[i], &hs);
		if (i == r->n)
			assert_int_equal(hs.blocks, 0);
	}
	for (uint32_t i = 0; i < r->n; i++) {
		store_flush(r->stores[i], UINT32_MAX);
		while (store_poll(r->stores[i], 1000) != 0)
			;
		store_destroy(r->stores[i]);
	}
	for (uint32_t i = 0; i <= r->n; i++) {
		struct heap_stats hs;
		/* Values received as blobs live in the heap of their receiver until now. */
		heap_poll(r->heap[i], UINT32_MAX);
		heap_stats_get(r->heap[i], &hs);
		assert_int_equal(hs.blocks, 0);
		heap_destroy(r->heap[i]);
	}
	for (uint32_t i = 0; i < r->n; i++)
		heap_destroy(r->shard_heap[i]);
	assert_int_equal(rte_mempool_avail_count(r->pool), r->pool_full);
	rte_mempool_free(r->pool);
	lease_table_destroy(r->leases);
	msg_bus_destroy(r->bus);
	for (uint32_t i = 0; i < RIG_CONNS; i++)
		free(r->conn[i].out);
	free(r);
}

struct rig_conn *rig_open(struct rig *r, uint32_t home)
{
	for (uint32_t i = 0; i < RIG_CONNS; i++) {
		struct rig_conn *c = &r->conn[i];
		if (c->used)
			continue;
		*c = (struct rig_conn){.rig = r, .used = true, .room = UINT32_MAX, .out = malloc(RIG_OUT)};
		c->session = session_open(r->host[home], &transport, c, 1448);
		assert_non_null(c->session);
		return c;
	}
	fail_msg("no connection left");
	return NULL;
}

void rig_send_cut(struct rig_conn *c, const void *data, size_t len, size_t cut)
{
	const char *p = data;
	while (len > 0) {
		size_t n = RP_MIN(RP_MIN(len, cut), 1448);
		struct rte_mbuf *m = buf_alloc(c->rig->pool);
		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), p, n);
		session_input(c->session, m);
		p += n;
		len -= n;
	}
}

void rig_send(struct rig_conn *c, const char *text)
{
	rig_send_cut(c, text, strlen(text), 1448);
}

void rig_ask(struct rig_conn *c, const char *fmt, ...)
{
	char line[4096], body[16384], head[32], *save = NULL;
	uint32_t n = 0;
	size_t len = 0;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vsnprintf(line, sizeof line, fmt, ap) < (int)sizeof line);
	va_end(ap);
	for (char *w = strtok_r(line, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save), n++)
		len += (size_t)snprintf(body + len, sizeof body - len, "$%zu\r\n%s\r\n", strlen(w), w);
	snprintf(head, sizeof head, "*%u\r\n", n);
	rig_send(c, head);
	rig_send_cut(c, body, len, 1448);
}

uint32_t rig_step(struct rig *r, uint32_t i)
{
	host_set_now(r->host[i], &r->now);
	uint32_t work = host_poll(r->host[i]) + host_poll_messages(r->host[i]);
	work += msg_flush(r->bus, i);
	return work + heap_poll(r->heap[i], 64);
}

void rig_settle(struct rig *r)
{
	/* Steps in random order, then sweeps over all: a lease passes through several hosts without any of them calling
	 * it work. */
	for (uint32_t i = 0; i < 64; i++)
		rig_step(r, (uint32_t)rng_below(&r->rng, r->n + 1));
	for (uint32_t quiet = 0; quiet < 8; quiet++)
		for (uint32_t i = 0; i <= r->n; i++)
			if (rig_step(r, i) != 0)
				quiet = 0;
}

void rig_advance_us(struct rig *r, uint64_t us)
{
	r->now.mono_us += us;
	r->now.wall_us += (int64_t)us;
}

void rig_drop(struct rig_conn *c)
{
	if (!c->closed)
		session_gone(c->session);
	c->closed = true;
}

void rig_expect_at(struct rig_conn *c, const char *text, const char *file, int line)
{
	c->out[c->out_len] = '\0';
	if (c->out_len != strlen(text) || memcmp(c->out, text, c->out_len) != 0) {
		print_error("expected: %s\n     got: %s\n", text, c->out);
		_fail(file, line);
	}
	c->out_len = 0;
}
