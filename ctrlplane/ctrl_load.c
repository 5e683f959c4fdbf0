/* Loading an RDB file: the control thread reads it, finds where its records end and whose they are; the workers make
 * keys of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctrlplane/ctrl_load.h"
#include "persist/rdb_records.h"

#define BLOCK_BYTES   ((size_t)1 << 20)
#define KEY_BYTES_MIN 3 /* of the shortest key with the shortest value */
#define BLOCKS        4
#define RECORDS       8192 /* of one shard in one block, at first */
/* The records of one shard in a block, and the call that carries them. */
struct load_portion {
	struct rdb_records r;
	struct rdb_record *rec;
	uint32_t cap;
	bool out, done; /* with its worker; back (the message sets it) */
};

struct load_block {
	uint8_t *mem;
	size_t cap, len;
	uint64_t off; /* in the file */
	struct load_portion part[RP_MAX_WORKERS];
};

struct loader {
	struct ctrl *c;
	const struct load_order *o;
	int fd;
	uint64_t size, read;
	uint64_t before; /* bytes of other files that were loaded before */
	struct rdb_scan scan;
	struct load_block block[BLOCKS];
	struct load_block *b; /* being scanned */
	size_t at;            /* scanned so far */
	uint32_t next;
	uint32_t db;
	int64_t now_ms;
	bool ended, failed;
	struct load_result *out;
	struct err *e;
	struct rng rng;
};

static int fail(struct loader *l, const char *what)
{
	if (!l->failed)
		err_set(l->e, "cannot load %s: %s", l->o->path, what);
	l->failed = true;
	return -1;
}

/* ---- portions ---- */

static void run_portion(void *owner, struct msg *m)
{
	struct worker *w = owner;
	struct rdb_records *r = m->arg[0];

	r->heap = w->heap;
	r->rng = &w->host.env.rng;
	rdb_records_load(r);
}

static bool portion_back(const struct load_portion *p)
{
	return !p->out || __atomic_load_n(&p->done, __ATOMIC_ACQUIRE);
}

/* Results are taken once. */
static void portion_take(struct loader *l, struct load_portion *p)
{
	if (!p->out)
		return;
	p->out = false;
	l->out->keys += p->r.loaded;
	l->c->persist->loading.keys += p->r.loaded;
	if (p->r.failed)
		fail(l, p->r.err.text);
}

/* Waits for the workers to be through with a block. */
static void block_wait(struct loader *l, struct load_block *b)
{
	for (uint32_t i = 0; i < l->c->nworkers; i++) {
		while (!portion_back(&b->part[i]))
			l->o->between(l->c);
		portion_take(l, &b->part[i]);
	}
}

static void portion_send(struct loader *l, struct load_block *b, uint32_t shard)
{
	struct load_portion *p = &b->part[shard];

	p->r = (struct rdb_records){.s = l->c->stores[shard],
				    .limits = &l->c->dp.types,
				    .begin = b->mem,
				    .end = b->mem + b->len,
				    .off = b->off,
				    .merge = l->o->merge,
				    .n = p->r.n,
				    .rec = p->rec};
	p->out = true;
	p->done = false;
	if (l->o->held) {
		p->r.heap = l->c->heap;
		p->r.rng = &l->rng;
		rdb_records_load(&p->r);
		p->done = true;
	} else {
		ctrl_call_begin(l->c, shard, run_portion, &p->r, &p->done);
	}
}

static void block_send(struct loader *l)
{
	for (uint32_t i = 0; i < l->c->nworkers; i++)
		if (l->b->part[i].r.n > 0 && !l->failed)
			portion_send(l, l->b, i);
}

/* ---- items ---- */

static int add_record(struct loader *l, const struct rdb_item *it)
{
	if (l->o->look)
		return 0;
	uint32_t shard = cmd_shard_of(&l->c->host.env, it->key);
	struct load_portion *p = &l->b->part[shard];

	if (it->expire_at_ms != STORE_NO_EXPIRE && it->expire_at_ms < l->now_ms && !l->o->keep_expired) {
		l->out->expired++;
		l->c->persist->loading.expired++;
		return 0;
	}
	if (p->r.n == p->cap) {
		uint32_t cap = RP_MAX(p->cap * 2, (uint32_t)RECORDS);
		struct rdb_record *rec = realloc(p->rec, cap * sizeof *rec);
		if (rec == NULL)
			return fail(l, "out of memory at its keys; free memory");
		p->rec = rec;
		p->cap = cap;
	}
	struct rdb_record *rec = &p->rec[p->r.n++];
	*rec = (struct rdb_record){
		.at = it->at, .expire_at_ms = RP_MAX(it->expire_at_ms, STORE_NO_EXPIRE), .db = l->db};
	if (it->idle_s >= 0) {
		rec->kind = RDB_USE_IDLE;
		rec->use = (uint32_t)RP_MIN(it->idle_s, (int64_t)UINT32_MAX);
	} else if (it->freq >= 0) {
		rec->kind = RDB_USE_FREQ;
		rec->use = (uint32_t)it->freq;
	}
	return 0;
}

static int select_db(struct loader *l, uint64_t db)
{
	char text[128];

	if (db < store_databases(l->c->stores[0])) {
		l->db = (uint32_t)db;
		return 0;
	}
	snprintf(text, sizeof text, "it has keys in database %lu; set databases to %lu at least", (unsigned long)db,
		 (unsigned long)db + 1);
	return fail(l, text);
}

/* Room for the keys to come, as far as they can be in the file. */
struct reserve {
	uint32_t db;
	uint64_t keys;
};

static void run_reserve(void *owner, struct msg *m)
{
	const struct reserve *r = m->arg[0];

	store_reserve(((struct worker *)owner)->store, r->db, r->keys);
}

static void reserve(struct loader *l, uint64_t keys)
{
	uint64_t most = (l->size - l->scan.off) / KEY_BYTES_MIN;
	struct reserve r = {l->db, RP_MIN(keys, most) / l->c->nworkers};

	if (l->o->look)
		return;
	if (l->o->held)
		for (uint32_t i = 0; i < l->c->nworkers; i++)
			store_reserve(l->c->stores[i], r.db, r.keys);
	else
		ctrl_call_all(l->c, run_reserve, &r);
}

static int take_function(struct loader *l, struct slice code)
{
	const struct rdb_functions *f = &l->c->persist->functions;
	struct err e = {""};

	return l->o->look || f->load(f->ctx, code, l->o->merge, &e) == 0 ? 0 : fail(l, e.text);
}

static int take_item(struct loader *l, const struct rdb_item *it)
{
	switch (it->kind) {
	case RDB_ITEM_KEY:
		return add_record(l, it);
	case RDB_ITEM_SELECTDB:
		return select_db(l, it->number);
	case RDB_ITEM_FUNCTION:
		return take_function(l, it->text);
	case RDB_ITEM_AUX:
		if (slice_eq(it->name, SLICE("aof-base")) && slice_eq(it->text, SLICE("1")))
			l->out->aof_base = true;
		return 0;
	case RDB_ITEM_END:
		l->ended = true;
		return 0;
	case RDB_ITEM_RESIZEDB:
		reserve(l, it->number);
		return 0;
	case RDB_ITEM_HEAD:
		return 0;
	}
	return 0;
}

/* ---- blocks ---- */

static bool block_grow(struct load_block *b, size_t cap)
{
	uint8_t *mem = realloc(b->mem, cap);

	if (mem == NULL)
		return false;
	b->mem = mem;
	b->cap = cap;
	return true;
}

static int read_more(struct loader *l)
{
	struct file_sys *f = l->c->persist->files;
	struct load_block *b = l->b;

	while (b->len < b->cap && l->read < l->size) {
		ssize_t n = f->ops->read(f, l->fd, b->mem + b->len, b->cap - b->len, l->read);
		if (n == -EINTR)
			continue;
		if (n < 0) {
			struct err e;
			file_err(&e, "read", l->o->path, n);
			return fail(l, e.text);
		}
		if (n == 0) {
			l->size = l->read; /* it became shorter */
			break;
		}
		b->len += (size_t)n;
		l->read += (uint64_t)n;
	}
	l->c->persist->loading.loaded_bytes = l->before + l->read;
	return 0;
}

/* The next block, beginning with what the last one's scan has left. */
static int next_block(struct loader *l)
{
	struct load_block *old = l->b, *b = &l->block[l->next++ % BLOCKS];
	size_t rest = old->len - l->at;

	rdb_scan_moved(&l->scan);
	block_send(l);
	block_wait(l, b);
	l->o->between(l->c);
	if (l->c->stop != 0)
		return fail(l, "the server was asked to stop");
	if (l->failed)
		return -1;
	/* A huge record has left a huge block behind. */
	if ((b->cap < BLOCK_BYTES || b->cap > 4 * BLOCK_BYTES) && !block_grow(b, BLOCK_BYTES))
		return fail(l, "out of memory for its blocks; free memory");
	if (rest * 2 > b->cap && !block_grow(b, rest * 2))
		return fail(l, "out of memory for a large value; free memory");
	memcpy(b->mem, old->mem + l->at, rest);
	b->len = rest;
	b->off = old->off + l->at;
	for (uint32_t i = 0; i < l->c->nworkers; i++)
		b->part[i].r.n = 0;
	l->b = b;
	l->at = 0;
	return read_more(l);
}

/* What is not whole goes on in a larger block: it grows with the bytes that are really there. */
static int more(struct loader *l)
{
	struct load_block *b = l->b;

	if (l->at > 0)
		return next_block(l);
	rdb_scan_moved(&l->scan);
	if (!block_grow(b, b->cap * 2))
		return fail(l, "out of memory for a large value; free memory");
	return read_more(l);
}

static int scan_all(struct loader *l)
{
	while (!l->ended) {
		struct rdb_item it;
		struct err e = {""};
		size_t used = 0;
		bool at_end = l->read >= l->size;

		switch (rdb_scan_next(&l->scan, l->b->mem + l->at, l->b->len - l->at, at_end, &used, &it, &e)) {
		case RDB_SCAN_BAD:
			return fail(l, e.text);
		case RDB_SCAN_MORE:
			if (more(l) != 0)
				return -1;
			break;
		case RDB_SCAN_ITEM:
			if (take_item(l, &it) != 0)
				return -1;
			l->at += used;
		}
	}
	return 0;
}

static int open_file(struct loader *l)
{
	struct file_sys *f = l->c->persist->files;
	int fd = f->ops->open(f, l->o->path, O_RDONLY | O_CLOEXEC, 0);
	int64_t size = fd < 0 ? fd : f->ops->size(f, fd);

	l->fd = fd;
	if (size < 0)
		return file_err(l->e, "read", l->o->path, size);
	l->size = (uint64_t)size;
	if (!l->o->part)
		l->c->persist->loading.total_bytes = l->size;
	return 0;
}

static void empty_all(struct loader *l)
{
	/* Nothing half-loaded: who holds the shards takes it away again. */
	if (!l->o->merge && l->o->empty != NULL)
		l->o->empty(l->c);
}

static int load(struct loader *l)
{
	l->b = &l->block[l->next++];
	if (!block_grow(l->b, BLOCK_BYTES))
		return fail(l, "out of memory for its blocks; free memory");
	if (read_more(l) != 0 || scan_all(l) != 0)
		return -1;
	rdb_scan_moved(&l->scan);
	block_send(l);
	l->out->bytes = l->scan.off;
	return 0;
}

static int close_all(struct loader *l)
{
	for (uint32_t i = 0; i < BLOCKS; i++) {
		block_wait(l, &l->block[i]);
		for (uint32_t k = 0; k < l->c->nworkers; k++)
			free(l->block[i].part[k].rec);
		free(l->block[i].mem);
	}
	rdb_scan_fini(&l->scan);
	if (l->fd >= 0)
		l->c->persist->files->ops->close(l->c->persist->files, l->fd);
	return l->failed ? -1 : 0;
}

int ctrl_load(struct ctrl *c, const struct load_order *o, struct load_result *out, struct err *e)
{
	struct loader *l = calloc(1, sizeof *l);

	*out = (struct load_result){0};
	if (l == NULL)
		return err_set(e, "cannot load %s: out of memory", o->path);
	*l = (struct loader){.c = c, .o = o, .out = out, .e = e, .now_ms = c->now.wall_us / 1000, .fd = -1};
	rng_init(&l->rng, c->now.tsc);
	rdb_scan_init(&l->scan, c->heap, c->config.rdbchecksum);
	l->before = o->part ? c->persist->loading.loaded_bytes : 0;
	if (!o->part && !o->look)
		c->persist->loading.keys = c->persist->loading.expired = 0;
	int rc = open_file(l);
	if (rc == 0)
		rc = load(l);
	c->persist->loading.loaded_bytes = l->before + out->bytes; /* what was read and follows it is another's */
	if (close_all(l) != 0)
		rc = -1;
	if (rc != 0 && !o->look)
		empty_all(l);
	free(l);
	return rc;
}
