/* DEBUG HTSTATS, HTSTATS-KEY, LISTPACK, QUICKLIST: how keys and values are stored. */
#include <stdio.h>

#include "cmd/handlers.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/zset.h"

#define STATS_TEXT 512

static size_t table_text(char *buf, size_t cap, uint64_t buckets, uint64_t elements)
{
	if (elements == 0)
		return (size_t)snprintf(buf, cap,
					"Hash table 0 stats (main hash table):\nNo stats available for empty "
					"dictionaries\n");
	return (size_t)snprintf(buf, cap,
				"Hash table 0 stats (main hash table):\n table size: %lu\n number of elements: %lu\n",
				buckets, elements);
}

/* Expiry hangs in a wheel of time, which has no buckets: its number of keys is all there is to say. */
void cmd_debug_htstats(struct cmd_ctx *c)
{
	uint64_t keys = 0, buckets = 0, expires = 0;
	char text[STATS_TEXT];
	int64_t db;

	if (!cmd_arg_i64(c, 2, &db))
		return;
	if (db < 0 || db >= (int64_t)c->env->conf->databases) {
		reply_error(c->out, "ERR Out of range database");
		return;
	}
	for (uint32_t i = 0; i < c->env->nstores; i++) {
		struct store *s = c->env->stores[i];
		keys += store_count(s, (uint32_t)db);
		expires += store_expires(s, (uint32_t)db);
		buckets += index_buckets(store_index(s, (uint32_t)db));
	}
	size_t n = (size_t)snprintf(text, sizeof text, "[Dictionary HT]\n");
	n += table_text(text + n, sizeof text - n, buckets, keys);
	n += (size_t)snprintf(text + n, sizeof text - n, "[Expires HT]\n");
	n += table_text(text + n, sizeof text - n, expires, expires);
	reply_verbatim(c->out, (struct slice){text, n}, "txt");
}

void cmd_debug_htstats_key(struct cmd_ctx *c)
{
	const struct object *o = store_peek(cmd_store(c, c->argv[2]), c->db, c->argv[2]);
	const struct htab *t = NULL;
	char text[STATS_TEXT];

	if (o == NULL) {
		cmd_err_no_key(c);
		return;
	}
	if (!obj_is_compact(o) && o->type == OBJ_SET)
		t = &((const struct set_table *)obj_payload(o))->t;
	else if (!obj_is_compact(o) && o->type == OBJ_ZSET)
		t = &((const struct zset *)obj_payload(o))->tab;
	else if (o->type == OBJ_HASH)
		t = hash_htab(o);
	if (t == NULL) {
		reply_error(c->out, "ERR The value stored at the specified key is not represented using an hash table");
		return;
	}
	size_t n = table_text(text, sizeof text, t->buckets, t->count);
	reply_verbatim(c->out, (struct slice){text, n}, "txt");
}

/* The key's value; NULL: there is none, and that is answered. */
static const struct object *value_at(struct cmd_ctx *c, uint32_t arg)
{
	const struct object *o = store_peek(cmd_store(c, c->argv[arg]), c->db, c->argv[arg]);

	if (o == NULL)
		cmd_err_no_key(c);
	return o;
}

void cmd_debug_listpack(struct cmd_ctx *c)
{
	const struct object *o = value_at(c, 2);
	char text[96];

	if (o == NULL)
		return;
	if (o->enc != ENC_LISTPACK) {
		reply_error(c->out, "ERR Not a listpack encoded object.");
		return;
	}
	struct slice lp = obj_compact(o);
	snprintf(text, sizeof text, "Listpack of %lu elements in %zu bytes",
		 (unsigned long)lp_count((const uint8_t *)lp.ptr), lp.len);
	reply_status(c->out, text);
}

void cmd_debug_quicklist(struct cmd_ctx *c)
{
	const struct object *o = value_at(c, 2);
	char text[128];

	if (o == NULL)
		return;
	if (o->type != OBJ_LIST || obj_is_compact(o)) {
		reply_error(c->out, "ERR Not a quicklist encoded object.");
		return;
	}
	struct list_chain_stats st = list_chain_stats(o);
	snprintf(text, sizeof text, "Quicklist of %lu elements in %u nodes of %lu bytes together",
		 (unsigned long)st.elements, st.nodes, (unsigned long)st.bytes);
	reply_status(c->out, text);
}
