/* Streams: the words of XREAD and XREADGROUP, and waiting for entries. */
#include "cmd/xread_priv.h"

/* ---- arguments ----------------------------------------------------------------------------------------------- */

static bool refuse(struct cmd_ctx *c, const char *err)
{
	reply_error(c->out, err);
	return false;
}

/* Where the keys are: the number of streams, or -1. */
static int find_streams(uint32_t argc, const struct slice *argv, uint32_t *first)
{
	for (uint32_t i = 1; i + 1 < argc; i++) {
		if (slice_is(argv[i], "block") || slice_is(argv[i], "count")) {
			i++;
		} else if (slice_is(argv[i], "group")) {
			i += 2;
		} else if (slice_is(argv[i], "streams")) {
			*first = i + 1;
			return (argc - i - 1) % 2 == 0 ? (int)((argc - i - 1) / 2) : -1;
		} else if (!slice_is(argv[i], "noack")) {
			return -1;
		}
	}
	return -1;
}

/* Word by word: a group, a consumer and a number may have any name. */
bool cmd_xread_may_block(uint32_t argc, const struct slice *argv)
{
	for (uint32_t i = 1; i + 1 < argc; i++) {
		if (slice_is(argv[i], "block"))
			return true;
		if (slice_is(argv[i], "streams"))
			return false;
		i += slice_is(argv[i], "group") ? 2 : slice_is(argv[i], "count") ? 1 : 0;
	}
	return false;
}

int cmd_xread_getkeys(const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t *idx, uint32_t cap)
{
	uint32_t first;
	int n = find_streams(argc, argv, &first);

	for (int i = 0; i < n; i++)
		if ((uint32_t)i < cap)
			idx[i] = first + (uint32_t)i;
	return n;
}

static bool block_arg(struct cmd_ctx *c, uint32_t i, struct xread_args *a)
{
	a->block = true;
	return cmd_arg_timeout_ms(c, i, &a->timeout_ms);
}

static bool count_arg(struct cmd_ctx *c, uint32_t i, struct xread_args *a)
{
	int64_t n;

	if (!cmd_arg_i64(c, i, &n))
		return false;
	a->count = n <= 0 ? UINT64_MAX : (uint64_t)n;
	return true;
}

static bool streams_arg(struct cmd_ctx *c, uint32_t i, struct xread_args *a)
{
	uint32_t words = c->argc - i - 1;

	a->keys = i + 1;
	a->n = words / 2;
	if (words % 2 == 0)
		return true;
	reply_errorf(c->out,
		     "ERR Unbalanced '%s' list of streams: for each stream key an ID or '%c' must be specified.",
		     c->cmd->name, a->for_group ? '>' : '$');
	return false;
}

/* The option at argument *i, which becomes its last. */
static bool read_option(struct cmd_ctx *c, uint32_t *i, struct xread_args *a)
{
	uint32_t more = c->argc - *i - 1;

	if (more >= 1 && cmd_arg_is(c, *i, "block"))
		return block_arg(c, ++*i, a);
	if (more >= 1 && cmd_arg_is(c, *i, "count"))
		return count_arg(c, ++*i, a);
	if (more >= 1 && cmd_arg_is(c, *i, "streams"))
		return streams_arg(c, *i, a);
	if (more >= 2 && cmd_arg_is(c, *i, "group")) {
		if (!a->for_group)
			return refuse(c, "ERR The GROUP option is only supported by XREADGROUP. You called XREAD "
					 "instead.");
		a->group = *i + 1;
		*i += 2;
		return true;
	}
	if (cmd_arg_is(c, *i, "noack")) {
		if (!a->for_group)
			return refuse(c, "ERR The NOACK option is only supported by XREADGROUP. You called XREAD "
					 "instead.");
		a->noack = true;
		return true;
	}
	cmd_err_syntax(c);
	return false;
}

bool xread_args(struct cmd_ctx *c, struct xread_args *a)
{
	for (uint32_t i = 1; i < c->argc && a->keys == 0; i++)
		if (!read_option(c, &i, a))
			return false;
	if (a->keys == 0) {
		cmd_err_syntax(c);
		return false;
	}
	return !a->for_group || a->group != 0 || refuse(c, "ERR Missing GROUP option for XREADGROUP");
}

/* ---- waiting ------------------------------------------------------------------------------------------------- */

static bool is_last_id(const struct cmd_ctx *c, uint32_t i)
{
	return slice_eq(c->argv[i], SLICE("$"));
}

/* "$" is what the last entry is now. The texts lie in one block. false: out of memory. */
static bool fix_last_ids(struct cmd_ctx *c, const struct xread_args *a, const struct xread_one *ones, void **words)
{
	uint32_t ids = a->keys + a->n, n = 0;

	*words = NULL;
	for (uint32_t i = 0; i < a->n; i++)
		n += is_last_id(c, ids + i);
	if (n == 0)
		return true;
	char *p = *words = heap_alloc(c->env->heap, n * STREAM_ID_CHARS);
	for (uint32_t i = 0; i < a->n && p != NULL; i++)
		if (is_last_id(c, ids + i)) {
			c->argv[ids + i] = (struct slice){p, stream_id_format(p, ones[i].after)};
			p += STREAM_ID_CHARS;
		}
	return p != NULL;
}

bool xread_has_new(struct xread_one *one)
{
	if (one->s == NULL || one->s->length == 0)
		return false;
	if (one->g != NULL)
		one->after = one->g->last_id;
	return stream_id_cmp(stream_last_entry(one->s), one->after) > 0;
}

static bool one_ready(struct cmd_ctx *c, const struct xread_args *a, uint32_t i)
{
	struct slice key = c->argv[a->keys + i];
	struct xread_one one = {.mode = READ_NEW};

	if (!cmd_holds(c, key))
		return false;
	struct object *o = store_peek(cmd_store(c, key), c->db, key);
	if (o == NULL || o->type != OBJ_STREAM)
		return a->for_group; /* its error is news */
	one.s = stream_of(o);
	if (a->for_group) {
		one.g = stream_group_find(one.s, c->argv[a->group]);
		return one.g == NULL || xread_has_new(&one);
	}
	bool any;
	return stream_id_parse(c->argv[a->keys + a->n + i], STREAM_ID_STRICT, 0, &one.after, &any) &&
	       xread_has_new(&one);
}

/* The words were read before without error, so they are again. */
static bool read_ready(struct cmd_ctx *c)
{
	struct xread_args a = {.for_group = c->cmd->fn == cmd_xreadgroup};

	if (!xread_args(c, &a))
		return false;
	for (uint32_t i = 0; i < a.n; i++)
		if (one_ready(c, &a, i))
			return true;
	return false;
}

void xread_wait(struct cmd_ctx *c, const struct xread_args *a, const struct xread_one *ones)
{
	struct cmd_block b = {.gone_too = a->for_group,
			      .type = OBJ_STREAM,
			      .first = a->keys,
			      .n = a->n,
			      .timeout_ms = a->timeout_ms,
			      .ready = read_ready};

	if (!a->block || c->deny_block)
		reply_null_array(c->out);
	else if (fix_last_ids(c, a, ones, &b.words))
		cmd_block_on(c, &b);
	else
		cmd_err_oom(c);
}
