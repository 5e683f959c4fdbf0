#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"
#include "tests/eal.h"

#define HEAP_BYTES (64ul << 20)
#define POOL_BUFS  2047
#define LOG_TEXT   65536
#define WORDS_MAX  8192
#define START_WALL 1700000000000000ll

void harness_eal(const char *program)
{
	if (test_eal(program, "192") != 0)
		abort();
	cmd_table_init();
}

/* Appends to a log; what does not fit is cut. */
static void log_add(char *log, const char *before, const char *text, size_t len)
{
	size_t n = strlen(log);

	snprintf(log + n, LOG_TEXT - n, "%s%.*s", n ? before : "", (int)len, text);
}

static void log_event(void *ctx, struct store *s, uint32_t cls, const char *name, uint32_t db, struct slice key)
{
	struct harness *h = ctx;

	if (cls & (EVENT_NEW | EVENT_KEY_MISS))
		return;
	log_add(h->events, " ", name, strlen(name));
	log_add(h->events, ":", key.ptr, key.len);
}

static void log_effect(void *ctx, struct journal_unit *unit, uint32_t db, uint32_t argc, const struct slice *argv)
{
	struct harness *h = ctx;

	for (uint32_t i = 0; i < argc; i++)
		log_add(h->effects, i ? " " : "; ", argv[i].ptr, argv[i].len);
}

static struct heap *heap_new(const char *name, size_t bytes)
{
	struct err e = {""};
	struct heap_params hp = {.name = name, .reserve_bytes = bytes};
	struct heap *heap = heap_create(&hp, &e);

	assert_non_null(heap);
	return heap;
}

static void store_new(struct harness *h, uint32_t i, size_t heap_bytes)
{
	struct err e = {""};

	h->heaps[i] = heap_new("shard", heap_bytes);
	h->journal[i] = (struct journal){.ctx = h, .emit = log_effect};
	struct store_params sp = {.shard = i,
				  .databases = h->conf.databases,
				  .hash_seed = 42 + i,
				  .index_initial = 1024,
				  .heap = h->heaps[i],
				  .hooks = {.ctx = h, .event = log_event},
				  .journal = &h->journal[i]};
	h->stores[i] = store_create(&sp, &e);
	if (h->stores[i] == NULL)
		fail_msg("store_create: %s", e.text);
}

static void now_set(struct harness *h)
{
	for (uint32_t i = 0; i < h->env.nstores; i++)
		store_set_now(h->stores[i], h->now.wall_us);
}

struct harness *harness_create(uint32_t nstores)
{
	return harness_create_large(nstores, HEAP_BYTES);
}

struct harness *harness_create_large(uint32_t nstores, size_t heap_bytes)
{
	struct harness *h = calloc(1, sizeof *h);

	h->conf = (struct dp_conf){.databases = 16,
				   .max_bulk = 512ull << 20,
				   .slowlog_us = -1,
				   .types = HARNESS_TYPE_LIMITS,
				   .debug_command = CMD_ALLOW_YES};
	h->now = (struct clock_now){.mono_us = 1000000, .wall_us = START_WALL};
	h->client = (struct client){.id = 7, .flags = CLIENT_F_AUTH, .proto = 2, .last_cmd = -1};
	pool_init(&h->client_texts, sizeof(struct client_text), 1);
	h->reply = malloc(HARNESS_TEXT);
	h->events = calloc(1, LOG_TEXT);
	h->effects = calloc(1, LOG_TEXT);
	for (uint32_t i = 0; i < nstores; i++)
		store_new(h, i, heap_bytes);
	for (uint32_t slot = 0; slot < RP_SLOTS; slot++)
		h->slot_map[slot] = (uint16_t)(slot % nstores);
	h->own = heap_new("own", HEAP_BYTES);
	h->pool = rte_pktmbuf_pool_create("harness", POOL_BUFS, 0, BUF_PRIV_BYTES, BUF_DATA_BYTES, 0);
	assert_non_null(h->pool);
	h->pool_full = rte_mempool_avail_count(h->pool);
	h->env = (struct cmd_env){.stores = h->stores,
				  .nstores = nstores,
				  .slot_map = h->slot_map,
				  .conf = &h->conf,
				  .heap = h->own,
				  .now = &h->now,
				  .client_texts = &h->client_texts,
				  .stats = calloc(cmd_count, sizeof(struct cmd_stat))};
	rng_init(&h->env.rng, 1);
	now_set(h);
	return h;
}

static void heap_drop(struct heap *heap)
{
	struct heap_stats st;

	while (heap_poll(heap, 1000) > 0)
		;
	heap_stats_get(heap, &st);
	assert_int_equal(st.blocks, 0);
	heap_destroy(heap);
}

void harness_destroy(struct harness *h)
{
	pool_fini(&h->client_texts);
	assert_int_equal(rte_mempool_avail_count(h->pool), h->pool_full);
	rte_mempool_free(h->pool);
	for (uint32_t i = 0; i < h->env.nstores; i++) {
		store_flush(h->stores[i], UINT32_MAX);
		while (store_poll(h->stores[i], 1000) > 0)
			;
		store_destroy(h->stores[i]);
		heap_drop(h->heaps[i]);
	}
	heap_drop(h->own);
	free(h->env.stats);
	free(h->reply);
	free(h->events);
	free(h->effects);
	free(h);
}

void harness_advance_ms(struct harness *h, int64_t ms)
{
	h->now.wall_us += ms * 1000;
	h->now.mono_us += (uint64_t)ms * 1000;
	now_set(h);
}

static size_t append(struct harness *h, size_t n, const char *ptr, size_t len)
{
	assert_true(n + len < HARNESS_TEXT);
	memcpy(h->reply + n, ptr, len);
	return n + len;
}

/* The wire bytes, each CRLF a blank, the last one left out. */
static void reply_text(struct harness *h, struct rte_mbuf *head, size_t bytes)
{
	size_t n = 0, out = 0;

	for (struct rte_mbuf *m = head; m != NULL; m = m->next) {
		struct buf_ref *ref = &buf_priv(m)->ref;
		if (ref->blob != NULL)
			n = append(h, n, ref->blob->data + ref->off, ref->len);
		else
			n = append(h, n, rte_pktmbuf_mtod(m, char *), rte_pktmbuf_data_len(m));
	}
	assert_int_equal(n, bytes);
	for (size_t i = 0; i < n; i++)
		if (h->reply[i] == '\r' && i + 1 < n && h->reply[i + 1] == '\n') {
			h->reply[out++] = ' ';
			i++;
		} else {
			h->reply[out++] = h->reply[i];
		}
	h->reply_len = out ? out - 1 : 0;
	h->reply[h->reply_len] = '\0';
}

static void execute(struct harness *h, const struct cmd *cmd, uint32_t argc, struct slice *argv, struct reply *r)
{
	bool home = cmd->route == CMD_HOME || cmd->route == CMD_ALL;
	struct cmd_ctx c = {.cmd = cmd,
			    .argc = argc,
			    .argv = argv,
			    .out = r,
			    .env = &h->env,
			    .client = home ? &h->client : NULL,
			    .client_id = h->client.id,
			    .client_flags = h->client.flags,
			    .db = h->client.db,
			    .rng = &h->env.rng,
			    .deny_block = h->deny_block,
			    .held = h->held};

	cmd_run(&c);
	h->dirty = c.dirty;
	h->hold_us = c.hold_us;
	h->block = c.block;
	if (c.block.on)
		reply_status(r, "waits");
	heap_free(h->own, c.block.words);
	h->client.last_cmd = cmd->id;
}

const char *run_args(struct harness *h, uint32_t argc, const struct slice *argv)
{
	struct reply r;
	struct slice args[WORDS_MAX];
	size_t bytes;

	assert_true(argc <= WORDS_MAX);
	memcpy(args, argv, argc * sizeof *argv);
	reply_init(&r, h->pool, 1460, h->client.proto);
	r.muted = h->client.flags & (CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT);
	h->client.flags &= ~CLIENT_F_SKIP_NEXT;
	const struct cmd *cmd = cmd_admit(&h->env, &h->client, argc, args, &r);
	if (cmd != NULL)
		execute(h, cmd, argc, args, &r);
	assert_false(r.failed);
	struct rte_mbuf *head = reply_take(&r, &bytes);
	reply_text(h, head, bytes);
	if (head != NULL)
		buf_chain_free(head, h->own);
	return h->reply;
}

static char unescape(const char **p)
{
	static const char from[] = "nrt", to[] = "\n\r\t";
	char ch = *(*p)++;
	const char *known = ch ? strchr(from, ch) : NULL;

	if (ch == 'x') {
		char hex[3] = {(*p)[0], (*p)[1], 0};
		*p += 2;
		return (char)strtoul(hex, NULL, 16);
	}
	return known ? to[known - from] : ch;
}

/* Cuts `line` into words whose bytes go to `text`. */
static uint32_t split(const char *line, char *text, struct slice *words)
{
	uint32_t n = 0;

	for (;;) {
		while (*line == ' ')
			line++;
		if (!*line)
			return n;
		bool quoted = *line == '"';
		char *begin = text;
		line += quoted;
		while (*line && *line != (quoted ? '"' : ' '))
			if (quoted && *line == '\\') {
				line++;
				*text++ = unescape(&line);
			} else {
				*text++ = *line++;
			}
		line += quoted;
		assert_true(n < WORDS_MAX);
		words[n++] = (struct slice){begin, (size_t)(text - begin)};
	}
}

const char *run(struct harness *h, const char *line)
{
	/* No more than are needed: under ASan a large block costs two system calls. */
	struct slice *words = malloc((strlen(line) / 2 + 1) * sizeof *words);
	char *text = malloc(strlen(line) + 1);
	uint32_t argc = split(line, text, words);
	const char *reply = run_args(h, argc, words);

	free(text);
	free(words);
	return reply;
}

const char *runf(struct harness *h, const char *fmt, ...)
{
	char line[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	return run(h, line);
}

void harness_expect_log(char *log, const char *want, const char *file, int line)
{
	_assert_string_equal(log, want, file, line);
	log[0] = '\0';
}
