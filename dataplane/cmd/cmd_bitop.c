/* BITOP: the bitwise combination of strings, each perhaps in another shard. */
#include "cmd/bitmap_priv.h"
#include "cmd/handlers.h"

#include "base/num.h"

#define BITOP_FAN   16          /* sources combined in one pass over the result */
#define BITOP_CHUNK (32 * 1024) /* bytes of the result worked on while they are in the nearest cache */

static bool bitop_parse(struct cmd_ctx *c, enum bits_op *op)
{
	static const char *const words[] = {
		[BITS_AND] = "and", [BITS_OR] = "or", [BITS_XOR] = "xor", [BITS_NOT] = "not"};

	for (size_t i = 0; i < RP_ARRAY_LEN(words); i++) {
		if (!cmd_arg_is(c, 1, words[i]))
			continue;
		*op = (enum bits_op)i;
		if (*op == BITS_NOT && c->argc != 4) {
			reply_error(c->out, "ERR BITOP NOT must be called with a single source key.");
			return false;
		}
		return true;
	}
	cmd_err_syntax(c);
	return false;
}

/* Length of the longest source. false: one is no string. */
static bool bitop_len(struct cmd_ctx *c, size_t *len)
{
	*len = 0;
	for (uint32_t i = 3; i < c->argc; i++) {
		bool wrong = false;
		const struct object *o = cmd_read_string(c, c->argv[i], &wrong);
		if (wrong)
			return false;
		if (o != NULL)
			*len = RP_MAX(*len, obj_string_len(o));
	}
	return true;
}

/* Bytes off..off+len of the result, from sources that end where they end and go on with zeros. */
static void bitop_chunk(enum bits_op op, uint8_t *dst, size_t off, size_t len, const struct slice *src, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		size_t have = src[i].len > off ? RP_MIN(src[i].len - off, len) : 0;
		if (have > 0)
			bits_combine(op, dst, src[i].ptr + off, have);
		if (op == BITS_AND)
			memset(dst + have, 0, len - have);
	}
}

static void bitop_compute(struct cmd_ctx *c, enum bits_op op, uint8_t *dst, size_t len)
{
	struct slice src[BITOP_FAN];
	char buf[BITOP_FAN][NUM_I64_CHARS];

	memset(dst, op == BITS_AND ? 0xff : 0, len);
	for (uint32_t first = 3; first < c->argc; first += BITOP_FAN) {
		uint32_t n = RP_MIN(c->argc - first, BITOP_FAN);
		for (uint32_t i = 0; i < n; i++) {
			struct slice key = c->argv[first + i];
			const struct object *o = store_peek(cmd_store(c, key), c->db, key);
			src[i] = o != NULL ? obj_string(o, buf[i]) : SLICE("");
		}
		for (size_t off = 0; off < len; off += BITOP_CHUNK)
			bitop_chunk(op, dst + off, off, RP_MIN(len - off, BITOP_CHUNK), src, n);
	}
}

/* OBJECT ENCODING answers "raw" for a result, whatever it looks like. */
static struct object *bitop_set_small(struct cmd_ctx *c, struct store *s, enum bits_op op, size_t len)
{
	struct slice key = c->argv[2];
	uint8_t bytes[OBJ_INLINE_MAX];
	struct object *o;

	bitop_compute(c, op, bytes, len);
	o = store_set_string(s, c->db, key, (struct slice){(char *)bytes, len}, NULL, STORE_NO_EXPIRE);
	if (o != NULL && o->enc == ENC_EMBSTR)
		o->enc = ENC_RAW;
	else if (o != NULL && o->enc == ENC_INT)
		store_string_edit(s, c->db, key, &o, len); /* out of memory: the value is right as it is */
	return o;
}

static struct object *bitop_set_large(struct cmd_ctx *c, struct store *s, enum bits_op op, size_t len)
{
	struct blob *b = blob_create(store_heap(s), len);
	struct object *o;

	if (b == NULL)
		return NULL;
	bitop_compute(c, op, (uint8_t *)b->data, len);
	b->len = len;
	o = store_set_string(s, c->db, c->argv[2], (struct slice){b->data, len}, b, STORE_NO_EXPIRE);
	if (o == NULL)
		blob_unref(b, store_heap(s));
	return o;
}

/* The sources of other shards are not in this shard's journal, so replaying the command could read other values. */
static void bitop_effect(struct cmd_ctx *c, struct store *s, const struct object *o)
{
	char buf[NUM_I64_CHARS];

	if (c->env->nstores == 1)
		return;
	if (o != NULL)
		string_effect_set(c, s, c->argv[2], obj_string(o, buf), STORE_NO_EXPIRE);
	else
		string_effect_del(c, s, c->argv[2]);
}

void cmd_bitop(struct cmd_ctx *c)
{
	struct slice key = c->argv[2];
	struct store *s = cmd_store(c, key);
	struct object *o = NULL;
	enum bits_op op;
	size_t len;

	if (!bitop_parse(c, &op) || !bitop_len(c, &len))
		return;
	if (len > 0) {
		o = len <= OBJ_INLINE_MAX ? bitop_set_small(c, s, op, len) : bitop_set_large(c, s, op, len);
		if (o == NULL) {
			cmd_err_oom(c);
			return;
		}
		store_event(s, EVENT_STRING, "set", c->db, key);
	} else if (store_delete(s, c->db, key)) {
		store_event(s, EVENT_GENERIC, "del", c->db, key);
	} else {
		reply_int(c->out, 0);
		return;
	}
	bitop_effect(c, s, o);
	c->dirty++;
	reply_int(c->out, (int64_t)len);
}
