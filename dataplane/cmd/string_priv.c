#include "cmd/string_priv.h"

#include "base/num.h"

struct object *string_peek(struct cmd_ctx *c, struct store *s, struct slice key, bool *wrong)
{
	struct object *o = store_peek(s, c->db, key);
	*wrong = o != NULL && o->type != OBJ_STRING;
	if (rp_unlikely(*wrong)) {
		cmd_err_wrongtype(c);
		return NULL;
	}
	return o;
}

struct object *string_commit(struct cmd_ctx *c, struct store *s, struct slice key, struct object *o)
{
	return o != NULL ? store_write(s, c->db, key) : NULL;
}

void string_reply(struct reply *out, const struct object *o)
{
	if (o->enc == ENC_INT)
		reply_bulk_i64(out, obj_int(o));
	else if (rp_unlikely(o->flags & OBJ_F_BLOB))
		reply_bulk_blob(out, obj_blob(o));
	else
		reply_bulk(out, obj_value(o), o->vlen);
}

void string_reply_part(struct cmd_ctx *c, const struct object *o, struct slice part)
{
	struct blob *whole = obj_blob(o), *b;

	if (part.len < REPLY_REF_MIN) {
		reply_bulk_slice(c->out, part);
		return;
	}
	if (whole != NULL && part.len == whole->len) {
		reply_bulk_blob(c->out, whole);
		return;
	}
	b = blob_create(c->env->heap, part.len);
	if (b == NULL) {
		cmd_err_oom(c);
		return;
	}
	memcpy(b->data, part.ptr, part.len);
	b->len = part.len;
	reply_bulk_blob(c->out, b);
	blob_unref(b, c->env->heap);
}

bool string_put(struct cmd_ctx *c, struct store *s, struct slice key, uint32_t vi, int64_t expire_at_ms)
{
	struct slice v = c->argv[vi];
	struct blob *b = NULL;

	if (rp_unlikely(v.len >= RESP_BIG_BULK) && c->req != NULL)
		b = resp_request_take_blob(c->req, vi);
	if (rp_likely(store_set_string(s, c->db, key, v, b, expire_at_ms) != NULL))
		return true;
	if (b != NULL) {
		blob_unref(b, c->env->heap);
		c->argv[vi] = SLICE(""); /* its bytes are gone: nobody may look at them later */
	}
	cmd_err_oom(c);
	return false;
}

uint64_t string_max(const struct cmd_ctx *c)
{
	return rp_unlikely(c->client_flags & CLIENT_F_REPLAY) ? INT64_MAX : c->env->conf->max_bulk;
}

bool string_size_ok(struct cmd_ctx *c, uint64_t size, uint64_t add)
{
	uint64_t total;

	if (rp_likely(!__builtin_add_overflow(size, add, &total) && total <= string_max(c)))
		return true;
	reply_error(c->out, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
	return false;
}

void string_effect_set(struct cmd_ctx *c, struct store *s, struct slice key, struct slice value, int64_t expire_at_ms)
{
	char at[NUM_I64_CHARS];
	struct slice words[5] = {SLICE("SET"), key, value};
	uint32_t n = 3;

	if (!journal_on(store_journal(s)))
		return;
	if (expire_at_ms == STORE_KEEP_TTL) {
		words[n++] = SLICE("KEEPTTL");
	} else if (expire_at_ms != STORE_NO_EXPIRE) {
		words[n++] = SLICE("PXAT");
		words[n++] = (struct slice){at, num_format_i64(at, expire_at_ms)};
	}
	cmd_effect(c, s, n, words);
}

void string_effect_del(struct cmd_ctx *c, struct store *s, struct slice key)
{
	struct slice words[] = {SLICE("DEL"), key};

	cmd_effect(c, s, RP_ARRAY_LEN(words), words);
}

void string_hold(struct string_held *h, const struct object *o)
{
	struct slice v;
	char buf[NUM_I64_CHARS];

	h->found = o != NULL;
	h->blob = NULL;
	if (o == NULL)
		return;
	if (o->flags & OBJ_F_BLOB) {
		h->blob = blob_ref(obj_blob(o));
		return;
	}
	v = obj_string(o, buf);
	rp_assert(v.len <= sizeof h->bytes);
	memcpy(h->bytes, v.ptr, v.len);
	h->len = v.len;
}

void string_held_reply(struct reply *out, const struct string_held *h)
{
	if (!h->found)
		reply_null(out);
	else if (h->blob != NULL)
		reply_bulk_blob(out, h->blob);
	else
		reply_bulk(out, h->bytes, h->len);
}

void string_held_drop(struct string_held *h, struct store *s)
{
	if (h->found && h->blob != NULL)
		blob_unref(h->blob, store_heap(s));
}
