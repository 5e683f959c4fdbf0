/* DEBUG DIGEST and DIGEST-VALUE: what two servers must agree on if they hold the same data. The sums are Redis's: SHA-1
 * of the parts, combined by exclusive or where order means nothing. */
#include <arpa/inet.h>
#include <sha1.h>
#include <stdio.h>

#include "cmd/handlers.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/stream.h"
#include "store/zset.h"

#define DIGEST_STEP  1000
#define REDIS_STREAM 6 /* Redis's number of the type; of the others it is ours */

struct digest {
	uint8_t b[SHA1_DIGEST_LENGTH];
};

static void sha1_of(const void *data, size_t len, struct digest *out)
{
	SHA1_CTX ctx;

	SHA1Init(&ctx);
	SHA1Update(&ctx, data, len);
	SHA1Final(out->b, &ctx);
}

/* In any order. */
static void digest_join(struct digest *d, struct slice s)
{
	struct digest one;

	sha1_of(s.ptr, s.len, &one);
	for (size_t i = 0; i < sizeof d->b; i++)
		d->b[i] ^= one.b[i];
}

/* In this order. */
static void digest_mix(struct digest *d, struct slice s)
{
	digest_join(d, s);
	sha1_of(d->b, sizeof d->b, d);
}

static void digest_join_digest(struct digest *d, const struct digest *part)
{
	digest_join(d, (struct slice){(const char *)part->b, sizeof part->b});
}

static void mix_u32(struct digest *d, uint32_t v)
{
	uint32_t net = htonl(v);

	digest_mix(d, (struct slice){(const char *)&net, sizeof net});
}

/* ---- the types ---- */

static void add_list(struct digest *d, const struct object *o)
{
	char buf[NUM_I64_CHARS];
	struct list_iter it;

	for (list_seek(o, 0, false, &it); !it.end; list_next(&it))
		digest_mix(d, list_get(&it, buf, NULL));
}

static void add_set(struct digest *d, const struct object *o)
{
	char buf[NUM_I64_CHARS];
	struct set_iter it;
	struct lp_key m;

	set_iter_begin(&it, o);
	while (set_iter_next(&it, &m, buf))
		digest_join(d, m.s);
}

static void add_zset(struct digest *d, const struct object *o)
{
	struct zval v = zval_of(o);
	struct zitem item;
	struct ziter it;
	char score[64];

	ziter_begin(&it, v, 0, zval_count(v), false);
	while (ziter_next(&it, &item)) {
		struct digest one = {{0}};
		int n = snprintf(score, sizeof score, "%.17g", item.score);
		digest_mix(&one, item.name);
		digest_mix(&one, (struct slice){score, (size_t)n});
		digest_join_digest(d, &one);
	}
}

static void add_hash(struct digest *d, const struct object *o, int64_t now_ms)
{
	struct hash_item item;
	struct hash_iter it;

	hash_iter_begin(&it, o, now_ms);
	while (hash_iter_next(&it, &item)) {
		struct digest one = {{0}};
		digest_mix(&one, item.field);
		digest_mix(&one, item.value);
		digest_join_digest(d, &one);
	}
}

static void add_stream(struct digest *d, const struct object *o)
{
	struct stream_entry e;
	struct stream_pair p;
	struct stream_iter it;
	char id[64];

	stream_iter_begin(&it, stream_of(o), STREAM_ID_MIN, STREAM_ID_MAX, false);
	while (stream_iter_next(&it, &e)) {
		int n = snprintf(id, sizeof id, "%lu.%lu", e.id.ms, e.id.seq);
		digest_mix(d, (struct slice){id, (size_t)n});
		for (uint32_t i = 0, pairs = e.pairs; i < pairs; i++) {
			stream_pair_next(&e, &p);
			digest_mix(d, p.name);
			digest_mix(d, p.value);
		}
	}
}

static void add_object(struct digest *d, const struct object *o, int64_t now_ms)
{
	char buf[NUM_I64_CHARS];

	mix_u32(d, o->type == OBJ_STREAM ? REDIS_STREAM : o->type);
	switch ((enum obj_type)o->type) {
	case OBJ_STRING:
		digest_mix(d, obj_string(o, buf));
		break;
	case OBJ_LIST:
		add_list(d, o);
		break;
	case OBJ_SET:
		add_set(d, o);
		break;
	case OBJ_ZSET:
		add_zset(d, o);
		break;
	case OBJ_HASH:
		add_hash(d, o, now_ms);
		break;
	case OBJ_STREAM:
		add_stream(d, o);
		break;
	case OBJ_TYPES:
		break;
	}
	if (obj_expire_at(o) != -1)
		digest_join(d, SLICE("!!expire!!"));
}

/* ---- the commands ---- */

static void reply_digest(struct reply *r, const struct digest *d)
{
	char hex[2 * SHA1_DIGEST_LENGTH + 1];

	for (size_t i = 0; i < sizeof d->b; i++)
		snprintf(hex + 2 * i, 3, "%02x", d->b[i]);
	reply_status(r, hex);
}

void cmd_debug_digest_value(struct cmd_ctx *c)
{
	reply_array(c->out, c->argc - 2);
	for (uint32_t i = 2; i < c->argc; i++) {
		struct store *s = cmd_store(c, c->argv[i]);
		const struct object *o = store_peek(s, c->db, c->argv[i]);
		struct digest d = {{0}};
		if (o != NULL)
			add_object(&d, o, store_now_ms(s));
		reply_digest(c->out, &d);
	}
}

struct digest_walk {
	struct digest all;
	int64_t now_ms;
};

static void add_key(void *ctx, struct object *o)
{
	struct digest_walk *w = ctx;
	struct digest d = {{0}};

	digest_mix(&d, obj_key(o));
	add_object(&d, o, w->now_ms);
	digest_join_digest(&w->all, &d);
}

static void add_database(struct cmd_ctx *c, uint32_t db, struct digest_walk *w)
{
	uint64_t keys = 0;

	for (uint32_t i = 0; i < c->env->nstores; i++)
		keys += store_count(c->env->stores[i], db);
	if (keys == 0)
		return;
	mix_u32(&w->all, db);
	for (uint32_t i = 0; i < c->env->nstores; i++) {
		uint64_t cursor = 0;
		w->now_ms = store_now_ms(c->env->stores[i]);
		do
			store_walk(c->env->stores[i], db, &cursor, DIGEST_STEP, add_key, w);
		while (cursor != 0);
	}
}

void cmd_debug_digest(struct cmd_ctx *c)
{
	struct digest_walk w = {.now_ms = 0};

	for (uint32_t db = 0; db < c->env->conf->databases; db++)
		add_database(c, db, &w);
	reply_digest(c->out, &w.all);
}
