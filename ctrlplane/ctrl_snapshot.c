/* A snapshot's file: the shards' streams of chunks become one, at the pace of the disk. */

#include "base/crc64.h"
#include "ctrlplane/ctrl_persist.h"
#include "ctrlplane/ctrl_stats.h"
#include "ctrlplane/script/script_thread.h"

#define BUFFER_BYTES ((size_t)1 << 20) /* of the file's writer */
#define BUFFERS      3
#define WALK_BYTES   ((size_t)512 * 1024) /* of each shard's walk under way */
#define ROUND_BYTES  ((size_t)256 << 10)  /* taken in one call */
#define BLOB_PACK_MAX                                                                                  \
	((size_t)1 << 20) /* longer strings are not compressed: the control thread is needed elsewhere \
			   */
#define SCRIPT_LONG_US 2000
#define SPIN_US        2000
#define SPIN_ALONE_US \
	200 /* who gives the CPU away gets it back milliseconds later, and all shards would stand still until then */
#define HELD_BUDGET  4096
#define PERCENT_STEP 10

static struct snapshot *snapshot_of(const struct ctrl *c)
{
	return &c->persist->snapshot;
}

bool ctrl_snapshot_running(const struct ctrl *c)
{
	return snapshot_of(c)->state != SNAPSHOT_IDLE;
}

/* ---- its end ---- */

static void add_stats(struct snap_stats *to, const struct snap_stats *st)
{
	to->keys += STAT_LOAD(st->keys);
	to->before += STAT_LOAD(st->before);
	to->inline_large += STAT_LOAD(st->inline_large);
	to->slices += STAT_LOAD(st->slices);
	to->waits += STAT_LOAD(st->waits);
	uint64_t most = STAT_LOAD(st->slice_max_cycles);
	to->slice_max_cycles = RP_MAX(to->slice_max_cycles, most);
}

void ctrl_snapshot_stats(const struct ctrl *c, struct snap_stats *out, uint64_t flying[SNAP_STREAMS])
{
	const struct snapshot *s = snapshot_of(c);

	*out = s->state == SNAPSHOT_IDLE ? s->total : (struct snap_stats){0};
	memset(flying, 0, SNAP_STREAMS * sizeof *flying);
	for (uint32_t i = 0; i < c->nworkers; i++) {
		if (s->snap[i] == NULL)
			continue;
		add_stats(out, snap_stats_get(s->snap[i]));
		for (int st = 0; st < SNAP_STREAMS; st++)
			flying[st] += snap_flying_bytes(s->snap[i], (enum snap_stream)st);
	}
}

static void over(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);
	struct err err = s->err;

	uint64_t flying[SNAP_STREAMS];

	ctrl_snapshot_stats(c, &s->total, flying);
	s->bytes = file_writer_bytes(s->w);
	for (uint32_t i = 0; i < c->nworkers; i++) {
		snap_destroy(s->snap[i]);
		s->snap[i] = NULL;
	}
	file_writer_destroy(s->w);
	s->w = NULL;
	rdb_out_fini(&s->out);
	s->state = SNAPSHOT_IDLE;
	s->order.done(s->order.ctx, err.text[0] != '\0' ? &err : NULL);
}

static void give_up(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);

	if (s->state == SNAPSHOT_GIVING_UP)
		return;
	if (s->state == SNAPSHOT_WRITING)
		for (uint32_t i = 0; i < c->nworkers; i++)
			snap_cancel(s->snap[i]);
	s->state = SNAPSHOT_GIVING_UP;
}

void ctrl_snapshot_drop(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);

	if (s->state == SNAPSHOT_IDLE)
		return;
	if (s->chunk != NULL)
		snap_chunk_done(s->snap[s->chunk_of], s->chunk_stream, s->chunk);
	s->chunk = NULL;
	err_set(&s->err, "the server ends");
	over(c);
}

void ctrl_snapshot_cancel(struct ctrl *c, const char *why)
{
	struct snapshot *s = snapshot_of(c);

	if (s->state == SNAPSHOT_IDLE || s->state == SNAPSHOT_GIVING_UP)
		return;
	err_set(&s->err, "%s", why);
	s->cancelled = true;
	if (s->state == SNAPSHOT_LEASING && !s->lease.submitted)
		over(c);
	else if (s->state != SNAPSHOT_LEASING)
		give_up(c);
}

/* ---- the epoch ---- */

static void put_sizes(struct ctrl *c, struct rdb_out *w)
{
	for (uint32_t db = 0; db < store_databases(c->stores[0]); db++) {
		uint64_t keys = 0, expires = 0;
		for (uint32_t i = 0; i < c->nworkers; i++) {
			keys += store_count(c->stores[i], db);
			expires += store_expires(c->stores[i], db);
		}
		if (keys == 0)
			continue;
		rdb_put_selectdb(w, db);
		rdb_put_resizedb(w, keys, expires);
		snapshot_of(c)->keys_total += keys;
	}
}

static bool has_field_times(const struct ctrl *c)
{
	for (uint32_t i = 0; i < c->nworkers; i++)
		if (store_field_timers(c->stores[i]) > 0)
			return true;
	return false;
}

static void put_head(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);
	struct rdb_head h = {.version = has_field_times(c) ? RDB_VERSION_TTL : RDB_VERSION,
			     .redis_ver = cmd_redis_version,
			     .ctime_s = c->now.wall_us / 1000000,
			     .used_mem = ctrl_used_memory(c),
			     .aof_base = s->order.aof_base,
			     .functions = &c->persist->functions};

	rdb_out_init(&s->out, c->heap, c->config.rdbcompression);
	rdb_put_head(&s->out, &h);
	put_sizes(c, &s->out);
	s->part[0] = (struct snapshot_part){s->out.p, s->out.failed ? 0 : s->out.len};
	s->nparts = 1;
	s->at_part = 0;
}

/* All shards are held, for as short as can be. */
static void epoch(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);

	struct clock_now begin, end;

	clock_read(&c->clock, &begin);
	if (s->order.epoch != NULL)
		s->order.epoch(s->order.ctx);
	put_head(c);
	for (uint32_t i = 0; i < c->nworkers; i++)
		store_snap_begin(c->stores[i], s->snap[i]);
	s->state = SNAPSHOT_WRITING;
	clock_read(&c->clock, &end);
	s->held_us = end.mono_us - begin.mono_us;
}

static uint32_t poll_lease(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);

	/* Behind a script that takes long all shards would stand and wait for it, not only its own. */
	if (!s->lease.submitted && script_thread_run_us(c->script) > SCRIPT_LONG_US)
		return 0;
	if (!s->lease.submitted && !lease_try_submit(c->leases, &s->lease, c->host.all_shards, msg_bus_control(c->bus)))
		return 1;
	/* The workers hand over within microseconds, unless a lease before ours is long. */
	uint64_t until = c->now.mono_us + SPIN_US, nap_from = c->now.mono_us + SPIN_ALONE_US;
	while (!lease_granted(&s->lease)) {
		struct clock_now now;
		clock_read(&c->clock, &now);
		if (now.mono_us > until)
			return 0;
		if (now.mono_us > nap_from)
			ctrl_nap();
	}
	if (s->err.text[0] == '\0')
		epoch(c);
	lease_release(c->leases, &s->lease, c->host.all_shards);
	if (s->err.text[0] != '\0')
		over(c);
	return 1;
}

/* ---- chunks ---- */

/* The next chunk, in turn of the shards; of a stream that is open only its own. */
static bool next_chunk(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);

	if (s->open) {
		s->chunk = snap_take(s->snap[s->chunk_of], s->chunk_stream);
		return s->chunk != NULL;
	}
	for (uint32_t k = 0; k < c->nworkers; k++) {
		uint32_t i = (s->turn + k) % c->nworkers;
		/* States before writes first: writers may wait for their room. */
		for (int st = SNAP_STREAMS - 1; st >= 0; st--) {
			s->chunk = snap_take(s->snap[i], (enum snap_stream)st);
			if (s->chunk == NULL)
				continue;
			s->chunk_of = i;
			s->chunk_stream = (enum snap_stream)st;
			s->turn = i + 1;
			return true;
		}
	}
	return false;
}

/* A string by reference: compressed, or as it is behind its length. */
static void add_blob(struct snapshot *s, const struct blob *b)
{
	struct slice bytes = {b->data, b->len};

	s->out.len = 0;
	if (b->len <= BLOB_PACK_MAX) {
		rdb_put_string(&s->out, bytes);
		s->part[s->nparts++] = (struct snapshot_part){s->out.p, s->out.len};
		return;
	}
	rdb_put_len(&s->out, b->len);
	s->part[s->nparts++] = (struct snapshot_part){s->out.p, s->out.len};
	s->part[s->nparts++] = (struct snapshot_part){(const uint8_t *)b->data, b->len};
}

static void begin_chunk(struct snapshot *s)
{
	s->part[0] = (struct snapshot_part){s->chunk->data, s->chunk->len};
	s->nparts = 1;
	s->at_part = 0;
	s->open = s->chunk->open;
	if (s->chunk->blob != NULL)
		add_blob(s, s->chunk->blob);
}

static void chunk_done(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);

	s->keys_done += s->chunk->keys;
	snap_chunk_done(s->snap[s->chunk_of], s->chunk_stream, s->chunk);
	s->chunk = NULL;
	msg_kick(c->bus, s->chunk_of); /* it may have slept for want of room */
}

/* Everything of part[] that the file takes now. True: all of it. */
static bool put_parts(struct ctrl *c, size_t *budget)
{
	struct snapshot *s = snapshot_of(c);

	for (; s->at_part < s->nparts; s->at_part++) {
		struct snapshot_part *p = &s->part[s->at_part];
		while (p->len > 0) {
			size_t n = file_writer_put(s->w, p->p, RP_MIN(p->len, BUFFER_BYTES), c->now.mono_us);
			if (n == 0)
				return false;
			if (c->config.rdbchecksum && !s->tail)
				s->crc = crc64(s->crc, p->p, n);
			p->p += n;
			p->len -= n;
			*budget -= RP_MIN(*budget, n);
		}
	}
	return true;
}

static bool shards_ended(const struct ctrl *c)
{
	for (uint32_t i = 0; i < c->nworkers; i++)
		if (!snap_ended(snapshot_of(c)->snap[i]))
			return false;
	return true;
}

static void put_tail(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);
	uint8_t eof = RDB_OP_EOF;

	s->crc = c->config.rdbchecksum ? crc64(s->crc, &eof, 1) : 0;
	s->out.len = 0;
	rdb_put_u8(&s->out, eof);
	rdb_put_raw(&s->out, &s->crc, sizeof s->crc);
	s->part[0] = (struct snapshot_part){s->out.p, s->out.len};
	s->nparts = 1;
	s->at_part = 0;
	s->tail = true;
}

static void say_progress(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);
	uint32_t percent = s->keys_total > 0 ? (uint32_t)(s->keys_done * 100 / s->keys_total) : 0;

	if (percent < s->said_percent + PERCENT_STEP || percent >= 100)
		return;
	s->said_percent = percent - percent % PERCENT_STEP;
	log_write(LOG_VERBOSE, "snapshot: %u%% of %lu keys, %lu MB", s->said_percent, (unsigned long)s->keys_total,
		  (unsigned long)(file_writer_bytes(s->w) >> 20));
}

static bool any_failed(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);

	for (uint32_t i = 0; i < c->nworkers; i++)
		if (snap_failed(s->snap[i]))
			return true;
	return s->out.failed;
}

/* Returns work done. */
static uint32_t pump(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);
	size_t budget = ROUND_BYTES;

	while (budget > 0) {
		size_t before = budget;
		if (!put_parts(c, &budget))
			return before != budget;
		if (s->chunk != NULL)
			chunk_done(c);
		if (s->tail) {
			file_writer_end(s->w);
			s->state = SNAPSHOT_ENDING;
			return 1;
		}
		/* Ended first: what was pushed before that is then seen. */
		bool ended = shards_ended(c);
		if (next_chunk(c)) {
			begin_chunk(s);
			budget -= RP_MIN(budget, (size_t)1);
		} else if (ended && any_failed(c)) {
			return 1;
		} else if (ended) {
			put_tail(c);
		} else {
			return budget < ROUND_BYTES;
		}
	}
	return 1;
}

static uint32_t poll_writing(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);
	uint32_t work = s->state == SNAPSHOT_WRITING ? pump(c) : 0;
	say_progress(c);
	bool shard_failed = s->state == SNAPSHOT_WRITING && any_failed(c);

	switch (file_writer_poll(s->w, c->now.mono_us)) {
	case FILE_WRITER_DONE:
		over(c);
		return 1;
	case FILE_WRITER_FAILED:
		err_set(&s->err, "%s", file_writer_error(s->w));
		break;
	case FILE_WRITER_BUSY:
		if (!shard_failed)
			return work;
		err_set(&s->err, "no memory for the snapshot's buffers; raise maxmemory, or free memory");
		break;
	}
	if (s->state == SNAPSHOT_ENDING)
		over(c);
	else
		give_up(c);
	return 1;
}

/* What still comes is dropped, until the shards have ended. */
static uint32_t poll_giving_up(struct ctrl *c)
{
	struct snapshot *s = snapshot_of(c);
	bool ended = shards_ended(c);

	if (s->chunk != NULL)
		chunk_done(c);
	for (uint32_t i = 0; i < c->nworkers; i++)
		for (int st = 0; st < SNAP_STREAMS; st++)
			for (struct snap_chunk *k; (k = snap_take(s->snap[i], (enum snap_stream)st)) != NULL;)
				snap_chunk_done(s->snap[i], (enum snap_stream)st, k);
	if (ended)
		over(c);
	return ended;
}

uint32_t ctrl_snapshot_poll(struct ctrl *c)
{
	switch (snapshot_of(c)->state) {
	case SNAPSHOT_IDLE:
		return 0;
	case SNAPSHOT_LEASING:
		return poll_lease(c);
	case SNAPSHOT_WRITING:
	case SNAPSHOT_ENDING:
		return poll_writing(c);
	case SNAPSHOT_GIVING_UP:
		return poll_giving_up(c);
	}
	return 0;
}

/* ---- its beginning ---- */

static bool make_snaps(struct ctrl *c)
{
	const struct config *cf = &c->config;
	struct snap_params p = {.compress = cf->rdbcompression,
				.before_max_bytes = cf->snapshot_buffer / c->nworkers,
				.walk_max_bytes = WALK_BYTES};

	if (c->dp.evict == EVICT_ALLKEYS_LFU || c->dp.evict == EVICT_VOLATILE_LFU)
		p.clock = SNAP_CLOCK_LFU;
	else if (c->dp.evict == EVICT_ALLKEYS_LRU || c->dp.evict == EVICT_VOLATILE_LRU)
		p.clock = SNAP_CLOCK_LRU;
	for (uint32_t i = 0; i < c->nworkers; i++)
		if ((snapshot_of(c)->snap[i] = snap_create(&p)) == NULL)
			return false;
	return true;
}

static int prepare(struct ctrl *c, const struct snapshot_order *o, struct err *e)
{
	struct snapshot *s = snapshot_of(c);
	struct file_writer_params p = {.path = s->path,
				       .temp = s->temp,
				       .buffer_bytes = BUFFER_BYTES,
				       .buffers = BUFFERS,
				       .direct = c->config.snapshot_direct,
				       .rate_bytes = c->config.snapshot_bandwidth};

	if (s->state != SNAPSHOT_IDLE)
		return err_set(e, "a snapshot is being written already; wait for its end");
	memset(s, 0, sizeof *s);
	s->order = *o;
	snprintf(s->path, sizeof s->path, "%s", o->path);
	snprintf(s->temp, sizeof s->temp, "%s", o->temp);
	s->started_us = c->now.mono_us;
	s->w = file_writer_create(c->persist->files, &p, e);
	if (s->w == NULL)
		return -1;
	if (make_snaps(c))
		return 0;
	for (uint32_t i = 0; i < c->nworkers; i++) {
		snap_destroy(s->snap[i]);
		s->snap[i] = NULL;
	}
	file_writer_destroy(s->w);
	return err_set(e, "out of memory for a snapshot; free memory");
}

int ctrl_snapshot_start(struct ctrl *c, const struct snapshot_order *o, struct err *e)
{
	if (prepare(c, o, e) != 0)
		return -1;
	snapshot_of(c)->state = SNAPSHOT_LEASING;
	return 0;
}

/* ---- with all shards held ---- */

static void held_done(void *ctx, const struct err *e)
{
	struct err *out = ctx;

	if (e != NULL)
		*out = *e;
}

int ctrl_snapshot_held(struct ctrl *c, const char *path, const char *temp, struct err *e)
{
	struct err failed = {""};
	struct snapshot_order o = {.path = path, .temp = temp, .ctx = &failed, .done = held_done};

	if (prepare(c, &o, e) != 0)
		return -1;
	epoch(c);
	while (ctrl_snapshot_running(c)) {
		clock_read(&c->clock, &c->now);
		uint32_t work = file_sys_poll(c->persist->files) + ctrl_snapshot_poll(c);
		for (uint32_t i = 0; i < c->nworkers; i++) {
			store_set_now(c->stores[i], c->now.wall_us);
			work += store_snap_poll(c->stores[i], UINT64_MAX);
			if (store_snap_active(c->stores[i])) /* remains of flushed databases are part of it */
				work += store_poll(c->stores[i], HELD_BUDGET);
		}
		if (work == 0)
			file_sys_wait(c->persist->files);
	}
	if (failed.text[0] == '\0')
		return 0;
	*e = failed;
	return -1;
}
