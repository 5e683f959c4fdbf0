/* PUBSUB: what the owners of channels know, asked of all of them. */
#include <stdlib.h>

#include "base/glob.h"
#include "ctrlplane/ctrl.h"
#include "session/pubsub.h"

/* ---- names ---- */

#define NAMES_STEPS 256 /* chains of a table looked at in one call to a worker */

/* Names copied one after another: a length, then the bytes. */
struct names {
	char *buf;
	size_t len, cap;
	uint32_t n;
	bool failed;
	const struct slice *pattern; /* NULL: all */
};

static void names_add(void *ctx, struct slice name)
{
	struct names *out = ctx;
	uint32_t len = (uint32_t)name.len;
	if (out->failed || (out->pattern != NULL && !glob_match(*out->pattern, name, false)))
		return;
	if (out->cap - out->len < sizeof len + len) {
		size_t cap = RP_MAX(2 * out->cap, out->len + sizeof len + len + 4096);
		char *buf = realloc(out->buf, cap);
		if (buf == NULL) {
			out->failed = true;
			return;
		}
		out->buf = buf;
		out->cap = cap;
	}
	memcpy(out->buf + out->len, &len, sizeof len);
	memcpy(out->buf + out->len + sizeof len, name.ptr, len);
	out->len += sizeof len + len;
	out->n++;
}

static struct slice names_next(const struct names *in, size_t *at)
{
	uint32_t len;
	memcpy(&len, in->buf + *at, sizeof len);
	struct slice s = {in->buf + *at + sizeof len, len};
	*at += sizeof len + len;
	return s;
}

/* One slice of a worker's names. */
struct names_call {
	struct names *out;
	enum pubsub_kind of;
	uint64_t cursor;
};

static void names_slice(void *owner, struct msg *m)
{
	struct worker *w = owner;
	struct names_call *k = m->arg[0];
	for (uint32_t i = 0; i < NAMES_STEPS; i++) {
		k->cursor = pubsub_owner_scan(w->host.channels, k->of, k->cursor, names_add, k->out);
		if (k->cursor == 0)
			return;
	}
}

static int by_name(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	int c = memcmp(x->ptr, y->ptr, RP_MIN(x->len, y->len));
	return c != 0 ? c : x->len < y->len ? -1 : x->len > y->len;
}

/* A table that grows during the walk may show a name twice. */
static void names_reply(const struct names *in, struct reply *r)
{
	struct slice *all = calloc(in->n + 1, sizeof *all);
	uint32_t n = 0;
	size_t at = 0;
	if (all == NULL || in->failed) {
		reply_error(r, "OOM no memory for so many names; ask with a pattern that matches fewer");
		free(all);
		return;
	}
	for (uint32_t i = 0; i < in->n; i++)
		all[i] = names_next(in, &at);
	qsort(all, in->n, sizeof *all, by_name);
	for (uint32_t i = 0; i < in->n; i++)
		if (i == 0 || !slice_eq(all[i], all[i - 1]))
			all[n++] = all[i];
	reply_array(r, n);
	for (uint32_t i = 0; i < n; i++)
		reply_bulk_slice(r, all[i]);
	free(all);
}

static void list_names(struct cmd_ctx *c, enum pubsub_kind of)
{
	struct ctrl *ctl = ctrl_of(c);
	struct names names = {.pattern = c->argc > 2 ? &c->argv[2] : NULL};
	if (c->argc > 3) {
		reply_errorf(c->out, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try PUBSUB HELP.",
			     (int)RP_MIN(c->argv[1].len, 128u), c->argv[1].ptr);
		return;
	}
	for (uint32_t i = 0; i < ctl->nworkers; i++) {
		struct names_call k = {.out = &names, .of = of};
		do {
			ctrl_call_one(ctl, i, names_slice, &k);
		} while (k.cursor != 0);
	}
	names_reply(&names, c->out);
	free(names.buf);
}

static void ctrl_pubsub_channels(struct cmd_ctx *c)
{
	list_names(c, PUBSUB_CHANNEL);
}

static void ctrl_pubsub_shardchannels(struct cmd_ctx *c)
{
	list_names(c, PUBSUB_SHARD);
}

/* ---- counts ---- */

#define COUNT_SLICE 256 /* names asked for in one call to a worker */

struct count_call {
	const struct cmd_ctx *c;
	enum pubsub_kind of;
	uint32_t from, to;
	uint64_t count[COUNT_SLICE];
};

/* Each worker fills in the names that it owns. */
static void count_slice(void *owner, struct msg *m)
{
	struct worker *w = owner;
	struct count_call *k = m->arg[0];
	for (uint32_t i = k->from; i < k->to; i++)
		if (cmd_channel_owner(&w->host.env, k->c->argv[i]) == w->id)
			k->count[i - k->from] = pubsub_owner_subscribers(w->host.channels, k->of, k->c->argv[i]);
}

static void count_names(struct cmd_ctx *c, enum pubsub_kind of)
{
	struct count_call k = {.c = c, .of = of};
	reply_array(c->out, 2 * (uint64_t)(c->argc - 2));
	for (k.from = 2; k.from < c->argc; k.from = k.to) {
		k.to = RP_MIN(k.from + COUNT_SLICE, c->argc);
		memset(k.count, 0, sizeof k.count);
		ctrl_call_all(ctrl_of(c), count_slice, &k);
		for (uint32_t i = k.from; i < k.to; i++) {
			reply_bulk_slice(c->out, c->argv[i]);
			reply_int(c->out, (int64_t)k.count[i - k.from]);
		}
	}
}

static void ctrl_pubsub_numsub(struct cmd_ctx *c)
{
	count_names(c, PUBSUB_CHANNEL);
}

static void ctrl_pubsub_shardnumsub(struct cmd_ctx *c)
{
	count_names(c, PUBSUB_SHARD);
}

/* Every worker knows every pattern and prefix. */
uint64_t ctrl_pubsub_names(const struct ctrl *c, enum pubsub_kind of)
{
	uint64_t sum = 0;
	bool everywhere = of == PUBSUB_PATTERN || of == PUBSUB_PREFIX;
	for (uint32_t i = 0; i < (everywhere ? 1 : c->nworkers); i++)
		sum += pubsub_owner_names(c->workers[i]->host.channels, of);
	return sum;
}

static void ctrl_pubsub_numpat(struct cmd_ctx *c)
{
	reply_int(c->out, (int64_t)ctrl_pubsub_names(ctrl_of(c), PUBSUB_PATTERN));
}

void ctrl_bind_pubsub(void)
{
	cmd_bind("pubsub|channels", ctrl_pubsub_channels);
	cmd_bind("pubsub|numpat", ctrl_pubsub_numpat);
	cmd_bind("pubsub|numsub", ctrl_pubsub_numsub);
	cmd_bind("pubsub|shardchannels", ctrl_pubsub_shardchannels);
	cmd_bind("pubsub|shardnumsub", ctrl_pubsub_shardnumsub);
}
