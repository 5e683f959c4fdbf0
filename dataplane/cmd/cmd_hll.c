/* PFADD, PFCOUNT, PFMERGE and their relatives: strings that hold a HyperLogLog. */
#include <stdio.h>

#include "base/num.h"
#include "cmd/handlers.h"
#include "store/hll.h"

/* A copy under change, and the key that it is of. */
struct hll_edit {
	struct hll h;
	struct store *s;
	struct slice key;
	struct object *o;
	uint8_t room[HLL_SPARSE_MOST];
};

static void err_corrupt(struct cmd_ctx *c)
{
	reply_error(c->out, "INVALIDOBJ Corrupted HLL object detected");
}

static bool is_hll(struct cmd_ctx *c, const struct object *o, struct slice *bytes, char *buf)
{
	if (o->type != OBJ_STRING) {
		cmd_err_wrongtype(c);
		return false;
	}
	*bytes = obj_string(o, buf);
	if (!hll_is(*bytes)) {
		reply_error(c->out, "WRONGTYPE Key is not a valid HyperLogLog string value.");
		return false;
	}
	/* Longer than any can be: its runs make no sense. */
	if (bytes->len > HLL_SPARSE_MOST) {
		err_corrupt(c);
		return false;
	}
	return true;
}

/* The key's, copied, or an empty one. false: the error is written. */
static bool edit_begin(struct cmd_ctx *c, struct hll_edit *e, struct slice key)
{
	char buf[NUM_I64_CHARS];
	struct slice bytes;

	e->s = cmd_store(c, key);
	e->key = key;
	e->o = store_peek(e->s, c->db, key);
	e->h.p = e->room;
	if (e->o == NULL) {
		hll_init(e->room);
		e->h.len = HLL_EMPTY_BYTES;
		return true;
	}
	if (!is_hll(c, e->o, &bytes, buf))
		return false;
	memcpy(e->room, bytes.ptr, bytes.len);
	e->h.len = bytes.len;
	return true;
}

/* The copy becomes the key's value. false: out of memory, nothing changed, the error is written. */
static bool edit_commit(struct cmd_ctx *c, struct hll_edit *e)
{
	struct object *o = e->o == NULL ? NULL : store_write(e->s, c->db, e->key);
	char *p = store_string_edit(e->s, c->db, e->key, &o, e->h.len);

	if (p == NULL) {
		cmd_err_oom(c);
		return false;
	}
	memcpy(p, e->h.p, e->h.len);
	return true;
}

static void changed(struct cmd_ctx *c, struct hll_edit *e, uint32_t dirty)
{
	store_event(e->s, EVENT_STRING, "pfadd", c->db, e->key);
	c->dirty += dirty;
}

/* The value turns out to be corrupt. As in Redis, what was added before that stays. */
static void add_part(struct cmd_ctx *c, struct hll_edit *e, uint32_t updated)
{
	if (updated > 0) {
		hll_uncache(e->h.p);
		if (!edit_commit(c, e))
			return;
	}
	c->dirty += updated;
	err_corrupt(c);
}

void cmd_pfadd(struct cmd_ctx *c)
{
	struct hll_edit e;
	uint32_t updated = 0;

	if (!edit_begin(c, &e, c->argv[1]))
		return;
	updated += e.o == NULL;
	for (uint32_t i = 2; i < c->argc; i++) {
		uint8_t v;
		uint32_t reg = hll_of(c->argv[i], &v);
		int n = hll_raise(&e.h, reg, v, c->env->conf->types.hll_sparse_max_bytes);
		if (n < 0) {
			add_part(c, &e, updated);
			return;
		}
		updated += (uint32_t)n;
	}
	if (updated > 0) {
		hll_uncache(e.h.p);
		if (!edit_commit(c, &e))
			return;
		changed(c, &e, updated);
	}
	reply_int(c->out, updated > 0);
}

/* The union of the keys [from, argc). false: the error is written. */
static bool merge_keys(struct cmd_ctx *c, uint32_t from, struct hll_registers *all, bool *dense)
{
	memset(all, 0, sizeof *all);
	*dense = false;
	for (uint32_t i = from; i < c->argc; i++) {
		char buf[NUM_I64_CHARS];
		struct slice bytes;
		const struct object *o = cmd_read(c, c->argv[i]);
		if (o == NULL)
			continue;
		if (!is_hll(c, o, &bytes, buf))
			return false;
		*dense |= hll_is_dense((const uint8_t *)bytes.ptr);
		if (!hll_merge(all, bytes)) {
			err_corrupt(c);
			return false;
		}
	}
	return true;
}

/* The count is kept in the key's header; if there is no memory for that, it is counted again next time. */
static void keep_count(struct cmd_ctx *c, uint64_t count)
{
	struct store *s = cmd_store(c, c->argv[1]);
	struct object *o = store_write(s, c->db, c->argv[1]);
	char *p = store_string_edit(s, c->db, c->argv[1], &o, obj_string_len(o));

	if (p == NULL)
		return;
	hll_cache((uint8_t *)p, count);
	c->dirty++;
}

void cmd_pfcount(struct cmd_ctx *c)
{
	struct hll_registers all;
	uint64_t count;
	bool dense;

	if (c->argc == 2) {
		char buf[NUM_I64_CHARS];
		struct slice bytes;
		const struct object *o = cmd_read(c, c->argv[1]);
		if (o == NULL) {
			reply_int(c->out, 0);
			return;
		}
		if (!is_hll(c, o, &bytes, buf))
			return;
		if (hll_cached((const uint8_t *)bytes.ptr, &count)) {
			reply_int(c->out, (int64_t)count);
			return;
		}
	}
	if (!merge_keys(c, 1, &all, &dense))
		return;
	count = hll_count(&all);
	if (c->argc == 2)
		keep_count(c, count);
	reply_int(c->out, (int64_t)count);
}

void cmd_pfmerge(struct cmd_ctx *c)
{
	struct hll_registers all;
	struct hll_edit e;
	bool dense;

	if (!merge_keys(c, 1, &all, &dense) || !edit_begin(c, &e, c->argv[1]))
		return;
	if (dense)
		hll_to_dense(&e.h);
	for (uint32_t reg = 0; reg < HLL_REGISTERS; reg++) {
		if (all.r[reg] != 0 && hll_raise(&e.h, reg, all.r[reg], c->env->conf->types.hll_sparse_max_bytes) < 0) {
			err_corrupt(c);
			return;
		}
	}
	hll_uncache(e.h.p);
	if (!edit_commit(c, &e))
		return;
	changed(c, &e, 1);
	reply_ok(c->out);
}

/* ---- for those who look inside ----------------------------------------------------------------------------------- */

struct decode {
	char text[8 * HLL_SPARSE_MOST]; /* "v:32,4 " of a byte */
	size_t len;
};

static void decode_run(void *ctx, char kind, uint32_t value, uint32_t len)
{
	struct decode *d = ctx;
	size_t room = sizeof d->text - d->len;
	int n = kind == 'v' ? snprintf(d->text + d->len, room, "v:%u,%u ", value, len)
			    : snprintf(d->text + d->len, room, "%c:%u ", kind, len);

	d->len = RP_MIN(d->len + (size_t)n, sizeof d->text - 1);
}

static void debug_decode(struct cmd_ctx *c, struct hll_edit *e)
{
	struct decode d = {.len = 0};

	if (hll_is_dense(e->h.p)) {
		reply_error(c->out, "ERR HLL encoding is not sparse");
		return;
	}
	hll_runs((struct slice){(char *)e->h.p, e->h.len}, decode_run, &d);
	reply_bulk(c->out, d.text, d.len > 0 ? d.len - 1 : 0);
}

/* Makes it dense, as PFDEBUG does for looking at registers. false: the error is written. */
static bool debug_dense(struct cmd_ctx *c, struct hll_edit *e, bool *was_sparse)
{
	*was_sparse = !hll_is_dense(e->h.p);
	if (!hll_to_dense(&e->h)) {
		err_corrupt(c);
		return false;
	}
	if (*was_sparse && !edit_commit(c, e))
		return false;
	c->dirty += *was_sparse;
	return true;
}

void cmd_pfdebug(struct cmd_ctx *c)
{
	struct hll_edit e;
	bool was_sparse;

	if (store_peek(cmd_store(c, c->argv[2]), c->db, c->argv[2]) == NULL) {
		reply_error(c->out, "ERR The specified key does not exist");
		return;
	}
	if (!edit_begin(c, &e, c->argv[2]))
		return;
	if (cmd_arg_is(c, 1, "getreg")) {
		struct hll_registers all = {.r = {0}};
		if (!debug_dense(c, &e, &was_sparse))
			return;
		hll_merge(&all, (struct slice){(char *)e.h.p, e.h.len});
		reply_array(c->out, HLL_REGISTERS);
		for (uint32_t i = 0; i < HLL_REGISTERS; i++)
			reply_int(c->out, all.r[i]);
	} else if (cmd_arg_is(c, 1, "decode")) {
		debug_decode(c, &e);
	} else if (cmd_arg_is(c, 1, "encoding")) {
		reply_status(c->out, hll_is_dense(e.h.p) ? "dense" : "sparse");
	} else if (cmd_arg_is(c, 1, "todense")) {
		if (debug_dense(c, &e, &was_sparse))
			reply_int(c->out, was_sparse);
	} else {
		reply_errorf(c->out, "ERR Unknown PFDEBUG subcommand '%.*s'", (int)RP_MIN(c->argv[1].len, 128u),
			     c->argv[1].ptr);
	}
}

#define SELFTEST_ELEMENTS 200000

/* Sparse and dense forms count alike, and within five standard errors of the truth. */
void cmd_pfselftest(struct cmd_ctx *c)
{
	struct hll_registers all = {.r = {0}};
	uint8_t sparse_room[HLL_SPARSE_MOST], dense_room[HLL_SPARSE_MOST];
	struct hll sparse = {sparse_room, HLL_EMPTY_BYTES}, dense = {dense_room, HLL_EMPTY_BYTES};

	hll_init(sparse_room);
	hll_init(dense_room);
	hll_to_dense(&dense);
	for (uint64_t n = 1; n <= SELFTEST_ELEMENTS; n++) {
		uint8_t v;
		uint32_t reg = hll_of((struct slice){(const char *)&n, sizeof n}, &v);
		hll_raise(&sparse, reg, v, c->env->conf->types.hll_sparse_max_bytes);
		hll_dense_raise(dense.p, reg, v);
	}
	hll_merge(&all, (struct slice){(char *)sparse.p, sparse.len});
	uint64_t a = hll_count(&all);
	all = (struct hll_registers){.r = {0}};
	hll_merge(&all, (struct slice){(char *)dense.p, dense.len});
	uint64_t b = hll_count(&all), off = b > SELFTEST_ELEMENTS ? b - SELFTEST_ELEMENTS : SELFTEST_ELEMENTS - b;
	if (a != b || off > SELFTEST_ELEMENTS / 24)
		reply_errorf(c->out, "ERR TESTFAILED sparse counts %lu, dense %lu of %d", (unsigned long)a,
			     (unsigned long)b, SELFTEST_ELEMENTS);
	else
		reply_ok(c->out);
}
