/* Streams: XADD, XTRIM, XDEL, XLEN, XSETID. */
#include "cmd/handlers.h"
#include "cmd/stream_cmd.h"

/* ---- arguments of XADD and XTRIM ----------------------------------------------------------------------------- */

struct add_args {
	struct stream_trim trim;
	bool trims, no_make;
	bool id_given, any_seq; /* "*", or "ms-*" */
	struct stream_id id;
	uint32_t id_at; /* argument */
	int64_t limit;  /* -1: not given */
};

static bool refuse(struct cmd_ctx *c, const char *err)
{
	reply_error(c->out, err);
	return false;
}

/* MAXLEN or MINID at argument *i, which becomes its last. */
static bool trim_arg(struct cmd_ctx *c, uint32_t *i, bool by_id, struct add_args *a)
{
	uint32_t at = *i + 1;
	int64_t n;

	if (a->trims)
		return refuse(c, "ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
	a->trims = true;
	a->trim.by_id = by_id;
	if (at + 1 < c->argc) {
		a->trim.approx = slice_eq(c->argv[at], SLICE("~"));
		at += a->trim.approx || slice_eq(c->argv[at], SLICE("="));
	}
	*i = at;
	if (by_id)
		return stream_arg_id(c, at, &a->trim.min_id);
	if (!cmd_arg_i64(c, at, &n))
		return false;
	a->trim.max_length = (uint64_t)n;
	return n >= 0 || refuse(c, "ERR The MAXLEN argument must be >= 0.");
}

static bool limit_arg(struct cmd_ctx *c, uint32_t i, struct add_args *a)
{
	if (!cmd_arg_i64(c, i, &a->limit))
		return false;
	return a->limit >= 0 || refuse(c, "ERR The LIMIT argument must be >= 0.");
}

/* The option at argument *i, which becomes its last. The id of XADD ends the options. */
static bool add_option(struct cmd_ctx *c, uint32_t *i, bool add, struct add_args *a)
{
	bool more = *i + 1 < c->argc;

	if (more && cmd_arg_is(c, *i, "maxlen"))
		return trim_arg(c, i, false, a);
	if (more && cmd_arg_is(c, *i, "minid"))
		return trim_arg(c, i, true, a);
	if (more && cmd_arg_is(c, *i, "limit"))
		return limit_arg(c, ++*i, a);
	if (!add) {
		cmd_err_syntax(c);
		return false;
	}
	if (cmd_arg_is(c, *i, "nomkstream")) {
		a->no_make = true;
		return true;
	}
	a->id_at = *i;
	a->id_given = !slice_eq(c->argv[*i], SLICE("*"));
	if (!a->id_given || stream_id_parse(c->argv[*i], STREAM_ID_NEW, 0, &a->id, &a->any_seq))
		return true;
	return refuse(c, "ERR Invalid stream ID specified as stream command argument");
}

#define LIMIT_NODES   100 /* removed by one approximate trimming */
#define LIMIT_DEFAULT 10000
#define LIMIT_MAX     1000000

static bool limit_rules(struct cmd_ctx *c, struct add_args *a)
{
	uint64_t entries = c->env->conf->types.stream_node_max_entries;

	if (a->limit > 0 && !a->trims)
		return refuse(c, "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
	if (a->limit >= 0 && !a->trim.approx)
		return refuse(c, "ERR syntax error, LIMIT cannot be used without the special ~ option");
	if (a->limit >= 0)
		a->trim.limit = (uint64_t)a->limit;
	else if (a->trim.approx)
		a->trim.limit = entries == 0 ? LIMIT_DEFAULT : RP_MIN(entries, LIMIT_MAX / LIMIT_NODES) * LIMIT_NODES;
	return true;
}

static bool add_args(struct cmd_ctx *c, bool add, struct add_args *a)
{
	*a = (struct add_args){.limit = -1};
	for (uint32_t i = 2; i < c->argc && a->id_at == 0; i++)
		if (!add_option(c, &i, add, a))
			return false;
	if (!add && !a->trims && a->limit <= 0)
		return refuse(c, "ERR syntax error, XTRIM must be called with a trimming strategy");
	return limit_rules(c, a);
}

/* ---- XADD ---------------------------------------------------------------------------------------------------- */

/* The threshold that does exactly what an approximate trimming did. */
static struct slice exact_threshold(const struct stream *s, const struct stream_trim *t, char text[STREAM_ID_CHARS])
{
	if (!t->by_id)
		return (struct slice){text, num_format_u64(text, s->length)};
	return (struct slice){text, stream_id_format(text, s->length > 0 ? s->first_id : t->min_id)};
}

#define ADD_HEAD 5 /* words before the id: XADD key MAXLEN = n */

/* With the id that was given, and trimming exactly. The new words stand in place of the old ones for the call. */
static void add_effect(struct cmd_ctx *c, struct store *st, const struct stream *s, const struct add_args *a)
{
	char id[STREAM_ID_CHARS], threshold[STREAM_ID_CHARS];
	struct slice saved[ADD_HEAD + 1];
	uint32_t head = a->trim.approx ? ADD_HEAD : a->id_at, from = a->id_at - head, keep = RP_MIN(head, ADD_HEAD);
	struct slice *w = c->argv + from, *first = c->argv + a->id_at - keep;

	if (a->id_given && !a->any_seq && !a->trim.approx)
		return;
	c->effect_done = true;
	if (!journal_on(store_journal(st)))
		return;
	memcpy(saved, first, (keep + 1) * sizeof *saved);
	if (a->trim.approx) {
		struct slice words[ADD_HEAD] = {SLICE("XADD"), c->argv[1],
						a->trim.by_id ? SLICE("MINID") : SLICE("MAXLEN"), SLICE("="),
						exact_threshold(s, &a->trim, threshold)};
		memcpy(w, words, sizeof words);
	}
	c->argv[a->id_at] = (struct slice){id, stream_id_format(id, s->last_id)};
	cmd_effect(c, st, c->argc - from, w);
	memcpy(first, saved, (keep + 1) * sizeof *saved);
}

/* The id that the entry gets. NULL, or what is wrong. */
static const char *add_id(struct cmd_ctx *c, struct store *st, const struct stream *s, const struct add_args *a,
			  struct stream_id *id)
{
	static const char too_small[] =
		"ERR The ID specified in XADD is equal or smaller than the target stream top item";
	uint64_t now = (uint64_t)store_clock_ms(st);
	struct stream_id next = s->last_id;

	if (!stream_id_next(&next))
		return "ERR The stream has exhausted the last possible ID, unable to add more items";
	if (!a->id_given) {
		*id = now > s->last_id.ms ? (struct stream_id){now, 0} : next;
		return NULL;
	}
	*id = a->id;
	if (a->any_seq && id->ms == s->last_id.ms) {
		*id = next;
		return id->ms == a->id.ms ? NULL : too_small;
	}
	return stream_id_cmp(*id, s->last_id) > 0 ? NULL : too_small;
}

static bool add_entry(struct cmd_ctx *c, struct store *st, struct stream *s, const struct add_args *a)
{
	struct stream_id id;
	const char *err = add_id(c, st, s, a, &id);
	uint32_t first = a->id_at + 1;

	if (err != NULL)
		return refuse(c, err);
	switch (stream_append(s, store_heap(st), id, (c->argc - first) / 2, c->argv + first, &c->env->conf->types)) {
	case STREAM_ADDED:
		return true;
	case STREAM_TOO_LARGE:
		return refuse(c, "ERR Elements are too large to be stored");
	default:
		cmd_err_oom(c);
		return false;
	}
}

/* The key's stream with the new entry in it. NULL: the error was written, nothing changed. */
static struct stream *add_to_new(struct cmd_ctx *c, struct store *st, const struct add_args *a)
{
	struct stream *s = stream_create(store_heap(st));

	if (s == NULL) {
		cmd_err_oom(c);
		return NULL;
	}
	if (!add_entry(c, st, s, a)) {
		stream_destroy(s, store_heap(st));
		return NULL;
	}
	if (store_add_payload(st, c->db, c->argv[1], ENC_STREAM, &s->p, STORE_NO_EXPIRE) != NULL)
		return s;
	stream_destroy(s, store_heap(st));
	cmd_err_oom(c);
	return NULL;
}

/* All that there is goes in slices, like a key. */
static uint64_t trim(struct store *st, struct stream *s, const struct stream_trim *t)
{
	bool all = !t->by_id && t->max_length == 0 && t->limit == 0;
	struct stream *cut = all ? stream_cut(s, store_heap(st)) : NULL;

	if (cut == NULL)
		return stream_trim(s, store_heap(st), t);
	uint64_t n = cut->length;
	store_release(st, &cut->p);
	return n;
}

static void added(struct cmd_ctx *c, struct store *st, struct stream *s, const struct add_args *a)
{
	stream_reply_id(c->out, s->last_id);
	store_event(st, EVENT_STREAM, "xadd", c->db, c->argv[1]);
	c->dirty++;
	if (a->trims && trim(st, s, &a->trim) > 0)
		store_event(st, EVENT_STREAM, "xtrim", c->db, c->argv[1]);
	add_effect(c, st, s, a);
}

void cmd_xadd(struct cmd_ctx *c)
{
	struct store *st = cmd_store(c, c->argv[1]);
	struct add_args a;
	bool wrong;

	if (!add_args(c, true, &a))
		return;
	if (a.id_at == 0 || c->argc - a.id_at < 3 || (c->argc - a.id_at) % 2 == 0) {
		cmd_err_arity(c);
		return;
	}
	if (a.id_given && !a.any_seq && stream_id_is_zero(a.id)) {
		refuse(c, "ERR The ID specified in XADD must be greater than 0-0");
		return;
	}
	struct stream *s = stream_write_key(c, c->argv[1], &wrong);
	if (wrong)
		return;
	if (s == NULL && a.no_make) {
		reply_null(c->out);
		return;
	}
	if (s == NULL)
		s = add_to_new(c, st, &a);
	else if (add_entry(c, st, s, &a))
		store_changed(st, c->db, c->argv[1]);
	else
		s = NULL;
	if (s != NULL)
		added(c, st, s, &a);
}

/* ---- XTRIM, XDEL, XLEN, XSETID ------------------------------------------------------------------------------- */

void cmd_xtrim(struct cmd_ctx *c)
{
	struct store *st = cmd_store(c, c->argv[1]);
	char threshold[STREAM_ID_CHARS];
	struct add_args a;
	bool wrong;

	if (!add_args(c, false, &a))
		return;
	struct stream *s = stream_write_key(c, c->argv[1], &wrong);
	if (wrong)
		return;
	uint64_t gone = s == NULL ? 0 : trim(st, s, &a.trim);
	reply_int(c->out, (int64_t)gone);
	if (gone == 0)
		return;
	store_changed(st, c->db, c->argv[1]);
	store_event(st, EVENT_STREAM, "xtrim", c->db, c->argv[1]);
	c->dirty += (uint32_t)gone;
	if (a.trim.approx)
		cmd_effect(c, st, 5,
			   (struct slice[]){SLICE("XTRIM"), c->argv[1], a.trim.by_id ? SLICE("MINID") : SLICE("MAXLEN"),
					    SLICE("="), exact_threshold(s, &a.trim, threshold)});
}

static uint32_t delete_all(struct cmd_ctx *c, struct stream *s, struct heap *h)
{
	uint32_t n = 0;

	for (uint32_t i = 2; i < c->argc; i++) {
		struct stream_id id;

		stream_id_parse(c->argv[i], STREAM_ID_STRICT, 0, &id, NULL);
		if (!stream_delete(s, h, id))
			continue;
		n++;
		if (stream_id_cmp(id, s->max_deleted) > 0)
			s->max_deleted = id;
	}
	if (n > 0)
		stream_update_first(s);
	return n;
}

void cmd_xdel(struct cmd_ctx *c)
{
	struct store *st = cmd_store(c, c->argv[1]);
	struct stream_id id;
	bool wrong;
	struct stream *s = stream_write_key(c, c->argv[1], &wrong);

	if (wrong)
		return;
	for (uint32_t i = 2; s != NULL && i < c->argc; i++)
		if (!stream_arg_id(c, i, &id))
			return;
	uint32_t n = s == NULL ? 0 : delete_all(c, s, store_heap(st));
	if (n > 0) {
		store_changed(st, c->db, c->argv[1]);
		store_event(st, EVENT_STREAM, "xdel", c->db, c->argv[1]);
	}
	c->dirty += n;
	reply_int(c->out, n);
}

void cmd_xlen(struct cmd_ctx *c)
{
	bool wrong;
	const struct stream *s = stream_read_key(c, c->argv[1], &wrong);

	if (!wrong)
		reply_int(c->out, s == NULL ? 0 : (int64_t)s->length);
}

struct setid_args {
	struct stream_id id, max_deleted; /* 0-0: not given */
	int64_t added;                    /* -1: not given */
};

static bool setid_args(struct cmd_ctx *c, struct setid_args *a)
{
	*a = (struct setid_args){.added = -1};
	if (!stream_arg_id(c, 2, &a->id))
		return false;
	for (uint32_t i = 3; i < c->argc; i += 2) {
		bool more = i + 1 < c->argc;
		if (more && cmd_arg_is(c, i, "entriesadded")) {
			if (!cmd_arg_i64(c, i + 1, &a->added))
				return false;
			if (a->added < 0)
				return refuse(c, "ERR entries_added must be positive");
		} else if (more && cmd_arg_is(c, i, "maxdeletedid")) {
			if (!stream_arg_id(c, i + 1, &a->max_deleted))
				return false;
			if (stream_id_cmp(a->id, a->max_deleted) < 0)
				return refuse(c, "ERR The ID specified in XSETID is smaller than the provided "
						 "max_deleted_entry_id");
		} else {
			cmd_err_syntax(c);
			return false;
		}
	}
	return true;
}

static const char *setid_refused(const struct stream *s, const struct setid_args *a)
{
	if (stream_id_cmp(a->id, s->max_deleted) < 0)
		return "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id";
	if (s->length > 0 && stream_id_cmp(a->id, stream_last_entry(s)) < 0)
		return "ERR The ID specified in XSETID is smaller than the target stream top item";
	if (s->length > 0 && a->added >= 0 && s->length > (uint64_t)a->added)
		return "ERR The entries_added specified in XSETID is smaller than the target stream length";
	return NULL;
}

void cmd_xsetid(struct cmd_ctx *c)
{
	struct setid_args a;
	bool wrong;

	if (!setid_args(c, &a))
		return;
	struct stream *s = stream_write_key(c, c->argv[1], &wrong);
	if (wrong)
		return;
	if (s == NULL) {
		cmd_err_no_key(c);
		return;
	}
	const char *err = setid_refused(s, &a);
	if (err != NULL) {
		refuse(c, err);
		return;
	}
	s->last_id = a.id;
	if (a.added >= 0)
		s->added = (uint64_t)a.added;
	if (!stream_id_is_zero(a.max_deleted))
		s->max_deleted = a.max_deleted;
	store_event(cmd_store(c, c->argv[1]), EVENT_STREAM, "xsetid", c->db, c->argv[1]);
	c->dirty++;
	reply_ok(c->out);
}
