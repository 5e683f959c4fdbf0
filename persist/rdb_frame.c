/* What stands before and between the keys of an RDB file. */
#include <stdio.h>

#include "persist/rdb_file.h"

void rdb_put_aux(struct rdb_out *w, struct slice name, struct slice value)
{
	rdb_put_u8(w, RDB_OP_AUX);
	rdb_put_string(w, name);
	rdb_put_string(w, value);
}

static void put_aux_number(struct rdb_out *w, struct slice name, uint64_t v)
{
	char text[NUM_I64_CHARS];

	rdb_put_aux(w, name, (struct slice){text, num_format_i64(text, (int64_t)v)});
}

static bool put_function(void *arg, struct slice code)
{
	struct rdb_out *w = arg;

	rdb_put_u8(w, RDB_OP_FUNCTION2);
	rdb_put_string(w, code);
	return !w->failed;
}

void rdb_put_head(struct rdb_out *w, const struct rdb_head *h)
{
	char magic[16];

	snprintf(magic, sizeof magic, "REDIS%04u", (unsigned)h->version);
	rdb_put_raw(w, magic, RDB_HEAD_BYTES);
	rdb_put_aux(w, SLICE("redis-ver"), (struct slice){h->redis_ver, strlen(h->redis_ver)});
	put_aux_number(w, SLICE("redis-bits"), 64);
	put_aux_number(w, SLICE("ctime"), (uint64_t)h->ctime_s);
	put_aux_number(w, SLICE("used-mem"), h->used_mem);
	put_aux_number(w, SLICE("aof-base"), h->aof_base);
	if (h->functions != NULL && !h->functions->each(h->functions->ctx, put_function, w))
		w->failed = true;
}

void rdb_put_selectdb(struct rdb_out *w, uint32_t db)
{
	rdb_put_u8(w, RDB_OP_SELECTDB);
	rdb_put_len(w, db);
}

void rdb_put_resizedb(struct rdb_out *w, uint64_t keys, uint64_t expires)
{
	rdb_put_u8(w, RDB_OP_RESIZEDB);
	rdb_put_len(w, keys);
	rdb_put_len(w, expires);
}
