/* How a value is stored: OBJECT, MEMORY USAGE, and DEBUG's relatives. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/handlers.h"
#include "store/list.h"
#include "store/rdb/rdb.h"

#define DEFAULT_SAMPLES       5
#define REDIS_SHARED_INTEGERS 10000
#define POLICY_NOTE \
	" Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."

/* The object of argument 2, not used by that; answers null if there is none. */
static struct object *object_arg(struct cmd_ctx *c, struct store **s)
{
	*s = cmd_store(c, c->argv[2]);
	struct object *o = store_ask(*s, c->db, c->argv[2]);
	if (o == NULL)
		reply_null(c->out);
	return o;
}

void cmd_object_encoding(struct cmd_ctx *c)
{
	struct store *s;
	struct object *o = object_arg(c, &s);

	if (o != NULL)
		reply_bulk_str(c->out, obj_enc_name(o->enc));
}

void cmd_object_freq(struct cmd_ctx *c)
{
	struct store *s;
	struct object *o = object_arg(c, &s);

	if (o == NULL)
		return;
	if (!c->env->conf->lfu)
		reply_error(c->out,
			    "ERR An LFU maxmemory policy is not selected, access frequency not tracked." POLICY_NOTE);
	else
		reply_int(c->out, obj_lfu_freq(s, o));
}

void cmd_object_idletime(struct cmd_ctx *c)
{
	struct store *s;
	struct object *o = object_arg(c, &s);

	if (o == NULL)
		return;
	if (c->env->conf->lfu)
		reply_error(c->out, "ERR An LFU maxmemory policy is selected, idle time not tracked." POLICY_NOTE);
	else
		reply_int(c->out, (int64_t)obj_idle_s(s, o));
}

/* Values are never shared between keys. But clients know Redis's integers that are, unless an eviction policy needs a
 * clock for each. */
static bool redis_would_share(const struct dp_conf *conf, const struct object *o)
{
	return o->enc == ENC_INT && obj_int(o) >= 0 && obj_int(o) < REDIS_SHARED_INTEGERS &&
	       (conf->maxmemory == 0 || conf->evict == EVICT_NONE);
}

void cmd_object_refcount(struct cmd_ctx *c)
{
	struct store *s;
	struct object *o = object_arg(c, &s);

	if (o != NULL)
		reply_int(c->out, redis_would_share(c->env->conf, o) ? INT32_MAX : 1);
}

void cmd_memory_usage(struct cmd_ctx *c)
{
	struct store *s;
	int64_t samples = DEFAULT_SAMPLES;

	for (uint32_t i = 3; i < c->argc; i += 2) {
		if (!cmd_arg_is(c, i, "samples") || i + 1 >= c->argc) {
			cmd_err_syntax(c);
			return;
		}
		if (!cmd_arg_i64(c, i + 1, &samples))
			return;
		if (samples < 0) {
			cmd_err_syntax(c);
			return;
		}
	}
	s = cmd_store(c, c->argv[2]);
	struct object *o = store_peek(s, c->db, c->argv[2]);
	if (o == NULL)
		reply_null(c->out);
	else
		reply_int(c->out, (int64_t)store_object_bytes(s, o, (uint32_t)RP_MIN(samples, UINT32_MAX)));
}

/* Bytes of the value in an RDB file. false: out of memory. */
static bool serialized_len(struct cmd_ctx *c, const struct object *o, size_t *len)
{
	struct rdb_out w;

	rdb_out_init(&w, c->env->heap, true);
	rdb_put_value(&w, o);
	*len = w.len - 1; /* without the type */
	bool ok = !w.failed;
	rdb_out_fini(&w);
	return ok;
}

void cmd_debug_object(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[2]);
	struct object *o = store_peek(s, c->db, c->argv[2]);
	char line[384];
	size_t bytes;

	if (o == NULL) {
		cmd_err_no_key(c);
		return;
	}
	if (!serialized_len(c, o, &bytes)) {
		cmd_err_oom(c);
		return;
	}
	int n = snprintf(line, sizeof line,
			 "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%u lru_seconds_idle:%lu",
			 (void *)o, obj_enc_name(o->enc), bytes, o->clock & 0xffffff,
			 c->env->conf->lfu ? 0ul : (unsigned long)obj_idle_s(s, o));
	if (o->type == OBJ_LIST && !obj_is_compact(o)) {
		struct list_chain_stats st = list_chain_stats(o);
		snprintf(line + n, sizeof line - (size_t)n,
			 " ql_nodes:%u ql_avg_node:%.2f ql_listpack_max:%d ql_compressed:0 ql_uncompressed_size:%lu",
			 st.nodes, (double)st.elements / st.nodes, st.fill, (unsigned long)st.bytes);
	}
	reply_status(c->out, line);
}

void cmd_debug_sleep(struct cmd_ctx *c)
{
	char text[64];
	size_t n = RP_MIN(c->argv[2].len, sizeof text - 1);

	memcpy(text, c->argv[2].ptr, n);
	text[n] = '\0';
	double seconds = strtod(text, NULL); /* as Redis: what is no number is 0, what is too large too */
	if (seconds > 0 && seconds * 1e6 < (double)INT64_MAX)
		c->hold_us = (uint64_t)(RP_MIN(seconds, 3600.0) * 1e6);
	reply_ok(c->out);
}
