/* Streams: XGROUP and XACK. */
#include "cmd/handlers.h"
#include "cmd/stream_cmd.h"
#include "store/watch.h"

/* Words: XGROUP SUBCOMMAND key group ... */
struct group_cmd {
	struct store *st;
	struct slice key, name;
	struct stream *s;       /* NULL: no such key */
	struct stream_group *g; /* NULL: no such group */
	int64_t entries_read;
	bool make; /* MKSTREAM */
};

static bool refuse(struct cmd_ctx *c, const char *err)
{
	reply_error(c->out, err);
	return false;
}

static bool bad_words(struct cmd_ctx *c)
{
	reply_errorf(c->out, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try XGROUP HELP.",
		     (int)RP_MIN(c->argv[1].len, 128u), c->argv[1].ptr);
	return false;
}

static bool group_options(struct cmd_ctx *c, struct group_cmd *x, bool create)
{
	for (uint32_t i = 5; i < c->argc; i++) {
		if (create && cmd_arg_is(c, i, "mkstream")) {
			x->make = true;
			continue;
		}
		if (!cmd_arg_is(c, i, "entriesread") || i + 1 >= c->argc)
			return bad_words(c);
		if (!cmd_arg_i64(c, ++i, &x->entries_read))
			return false;
		if (x->entries_read < 0 && x->entries_read != STREAM_READ_UNKNOWN)
			return refuse(c, "ERR value for ENTRIESREAD must be positive or -1");
	}
	return true;
}

/* Key and group; needs_group: there must be one. */
static bool group_open(struct cmd_ctx *c, struct group_cmd *x, bool needs_group)
{
	bool wrong;

	x->key = c->argv[2];
	x->name = c->argv[3];
	x->st = cmd_store(c, x->key);
	x->s = stream_write_key(c, x->key, &wrong);
	if (wrong)
		return false;
	if (x->s == NULL)
		return x->make ||
		       refuse(c, "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may "
				 "want to use the MKSTREAM option to create an empty stream automatically.");
	x->g = stream_group_find(x->s, x->name);
	if (x->g != NULL || !needs_group)
		return true;
	reply_errorf(c->out, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
		     (int)RP_MIN(x->name.len, 512u), x->name.ptr, (int)RP_MIN(x->key.len, 512u), x->key.ptr);
	return false;
}

static void group_done(struct cmd_ctx *c, const struct group_cmd *x, const char *event)
{
	store_event(x->st, EVENT_STREAM, event, c->db, x->key);
	c->dirty++;
}

static bool group_id(struct cmd_ctx *c, const struct group_cmd *x, enum stream_id_form form, struct stream_id *id)
{
	if (slice_eq(c->argv[4], SLICE("$"))) {
		*id = x->s == NULL ? STREAM_ID_MIN : x->s->last_id;
		return true;
	}
	return stream_id_parse(c->argv[4], form, 0, id, NULL) ||
	       refuse(c, "ERR Invalid stream ID specified as stream command argument");
}

/* A new key's stream that has the group. */
static bool create_key(struct cmd_ctx *c, const struct group_cmd *x, struct stream_id id)
{
	struct heap *h = store_heap(x->st);
	struct stream *s = stream_create(h);

	if (s != NULL && stream_group_add(s, h, x->name, id, x->entries_read) != NULL &&
	    store_add_payload(x->st, c->db, x->key, ENC_STREAM, &s->p, STORE_NO_EXPIRE) != NULL)
		return true;
	stream_destroy(s, h);
	return false;
}

void cmd_xgroup_create(struct cmd_ctx *c)
{
	struct group_cmd x = {.entries_read = STREAM_READ_UNKNOWN};
	struct stream_id id;

	if (!group_options(c, &x, true) || !group_open(c, &x, false))
		return;
	if (c->argc > 8) {
		bad_words(c);
		return;
	}
	if (!group_id(c, &x, STREAM_ID_STRICT, &id))
		return;
	if (x.g != NULL) {
		refuse(c, "BUSYGROUP Consumer Group name already exists");
		return;
	}
	if (x.s == NULL ? !create_key(c, &x, id)
			: stream_group_add(x.s, store_heap(x.st), x.name, id, x.entries_read) == NULL) {
		cmd_err_oom(c);
		return;
	}
	reply_ok(c->out);
	group_done(c, &x, "xgroup-create");
}

void cmd_xgroup_setid(struct cmd_ctx *c)
{
	struct group_cmd x = {.entries_read = STREAM_READ_UNKNOWN};
	struct stream_id id;

	if (!group_options(c, &x, false) || !group_open(c, &x, true))
		return;
	if (c->argc > 7) {
		bad_words(c);
		return;
	}
	if (!group_id(c, &x, STREAM_ID_INTERVAL, &id))
		return;
	x.g->last_id = id;
	x.g->entries_read = x.entries_read;
	reply_ok(c->out);
	group_done(c, &x, "xgroup-setid");
}

void cmd_xgroup_destroy(struct cmd_ctx *c)
{
	struct group_cmd x = {.g = NULL};

	if (!group_open(c, &x, false))
		return;
	reply_int(c->out, x.g != NULL);
	if (x.g == NULL)
		return;
	stream_group_remove(x.s, x.st, x.g);
	watch_recheck(x.st, c->db, x.key); /* who waits for news of it gets an error */
	group_done(c, &x, "xgroup-destroy");
}

void cmd_xgroup_createconsumer(struct cmd_ctx *c)
{
	struct group_cmd x = {.g = NULL};

	if (!group_open(c, &x, true))
		return;
	if (stream_consumer_find(x.g, c->argv[4]) != NULL) {
		reply_int(c->out, 0);
		return;
	}
	if (stream_consumer_add(x.g, store_heap(x.st), c->argv[4], store_clock_ms(x.st)) == NULL) {
		cmd_err_oom(c);
		return;
	}
	reply_int(c->out, 1);
	group_done(c, &x, "xgroup-createconsumer");
}

void cmd_xgroup_delconsumer(struct cmd_ctx *c)
{
	struct group_cmd x = {.g = NULL};

	if (!group_open(c, &x, true))
		return;
	struct stream_consumer *con = stream_consumer_find(x.g, c->argv[4]);
	reply_int(c->out, con == NULL ? 0 : (int64_t)con->pel.count);
	if (con == NULL)
		return;
	stream_consumer_remove(x.g, store_heap(x.st), con);
	group_done(c, &x, "xgroup-delconsumer");
}

/* ---- XACK ---------------------------------------------------------------------------------------------------- */

void cmd_xack(struct cmd_ctx *c)
{
	struct store *st = cmd_store(c, c->argv[1]);
	struct stream_id id;
	bool wrong;
	const struct stream *s = stream_use_key(c, c->argv[1], &wrong);
	struct stream_group *g = s == NULL ? NULL : stream_group_find(s, c->argv[2]);
	uint32_t n = 0;

	if (wrong)
		return;
	for (uint32_t i = 3; g != NULL && i < c->argc; i++)
		if (!stream_arg_id(c, i, &id))
			return;
	for (uint32_t i = 3; g != NULL && i < c->argc; i++) {
		stream_id_parse(c->argv[i], STREAM_ID_STRICT, 0, &id, NULL);
		struct stream_pending *p = stream_pending_find(g, id);
		if (p == NULL)
			continue;
		stream_pending_drop(g, store_heap(st), p);
		n++;
	}
	c->dirty += n;
	reply_int(c->out, n);
}
