#include "cmd/stream_cmd.h"

/* ---- ids as texts -------------------------------------------------------------------------------------------- */

#define ID_TEXT_MAX 127

bool stream_id_parse(struct slice text, enum stream_id_form form, uint64_t seq, struct stream_id *id, bool *any_seq)
{
	if (any_seq != NULL)
		*any_seq = false;
	if (text.len == 0 || text.len > ID_TEXT_MAX)
		return false;
	text.len = strnlen(text.ptr, text.len); /* as Redis: up to a NUL */
	if (text.len == 1 && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
		*id = text.ptr[0] == '-' ? STREAM_ID_MIN : STREAM_ID_MAX;
		return form == STREAM_ID_INTERVAL;
	}
	const char *dash = memchr(text.ptr, '-', text.len);
	size_t head = dash != NULL ? (size_t)(dash - text.ptr) : text.len;
	id->seq = seq;
	if (!num_parse_u64((struct slice){text.ptr, head}, &id->ms))
		return false;
	if (dash == NULL)
		return true;
	struct slice tail = {dash + 1, text.len - head - 1};
	if (form == STREAM_ID_NEW && slice_eq(tail, SLICE("*"))) {
		id->seq = 0;
		*any_seq = true;
		return true;
	}
	return num_parse_u64(tail, &id->seq);
}

static bool bad_id(struct cmd_ctx *c)
{
	reply_error(c->out, "ERR Invalid stream ID specified as stream command argument");
	return false;
}

bool stream_arg_id(struct cmd_ctx *c, uint32_t i, struct stream_id *id)
{
	return stream_id_parse(c->argv[i], STREAM_ID_STRICT, 0, id, NULL) || bad_id(c);
}

static bool range_end(struct cmd_ctx *c, uint32_t i, uint64_t seq, struct stream_id *id, bool *ex)
{
	struct slice text = c->argv[i];

	*ex = text.len > 1 && text.ptr[0] == '(';
	if (*ex)
		text = (struct slice){text.ptr + 1, text.len - 1};
	return stream_id_parse(text, *ex ? STREAM_ID_STRICT : STREAM_ID_INTERVAL, seq, id, NULL) || bad_id(c);
}

bool stream_arg_from(struct cmd_ctx *c, uint32_t i, struct stream_id *from)
{
	bool ex;

	if (!range_end(c, i, 0, from, &ex))
		return false;
	if (!ex || stream_id_next(from))
		return true;
	reply_error(c->out, "ERR invalid start ID for the interval");
	return false;
}

bool stream_arg_range(struct cmd_ctx *c, uint32_t lo, uint32_t hi, struct stream_id *from, struct stream_id *to)
{
	bool ex;

	if (!stream_arg_from(c, lo, from) || !range_end(c, hi, UINT64_MAX, to, &ex))
		return false;
	if (!ex || stream_id_prev(to))
		return true;
	reply_error(c->out, "ERR invalid end ID for the interval");
	return false;
}

size_t stream_id_format(char buf[STREAM_ID_CHARS], struct stream_id id)
{
	size_t n = num_format_u64(buf, id.ms);

	buf[n++] = '-';
	return n + num_format_u64(buf + n, id.seq);
}

/* ---- keys ---------------------------------------------------------------------------------------------------- */

static struct stream *expect(struct cmd_ctx *c, struct object *o, bool *wrong)
{
	*wrong = o != NULL && o->type != OBJ_STREAM;
	if (rp_unlikely(*wrong)) {
		cmd_err_wrongtype(c);
		return NULL;
	}
	return stream_of(o);
}

struct stream *stream_read_key(struct cmd_ctx *c, struct slice key, bool *wrong)
{
	return expect(c, cmd_read(c, key), wrong);
}

struct stream *stream_write_key(struct cmd_ctx *c, struct slice key, bool *wrong)
{
	return expect(c, store_write_quiet(cmd_store(c, key), c->db, key), wrong);
}

struct stream *stream_use_key(struct cmd_ctx *c, struct slice key, bool *wrong)
{
	store_look(cmd_store(c, key), c->db, key);
	return stream_write_key(c, key, wrong);
}

#define ERROR_NAME_MAX 512 /* bytes of a name that an error repeats */

void stream_err_no_group(struct cmd_ctx *c, struct slice key, struct slice group, const char *where)
{
	reply_errorf(c->out, "NOGROUP No such key '%.*s' or consumer group '%.*s'%s",
		     (int)RP_MIN(key.len, (size_t)ERROR_NAME_MAX), key.ptr,
		     (int)RP_MIN(group.len, (size_t)ERROR_NAME_MAX), group.ptr, where);
}

struct stream_group *stream_write_group(struct cmd_ctx *c, struct stream **s)
{
	bool wrong;

	*s = stream_use_key(c, c->argv[1], &wrong);
	if (wrong)
		return NULL;
	struct stream_group *g = *s == NULL ? NULL : stream_group_find(*s, c->argv[2]);
	if (g == NULL)
		stream_err_no_group(c, c->argv[1], c->argv[2], "");
	return g;
}

/* ---- replies ------------------------------------------------------------------------------------------------- */

void stream_reply_id(struct reply *r, struct stream_id id)
{
	char text[STREAM_ID_CHARS];

	reply_bulk(r, text, stream_id_format(text, id));
}

void stream_reply_entry(struct reply *r, struct stream_entry *e)
{
	struct stream_pair p;

	reply_array(r, 2);
	stream_reply_id(r, e->id);
	reply_array(r, 2 * (uint64_t)e->pairs);
	while (e->pairs > 0) {
		stream_pair_next(e, &p);
		reply_bulk_slice(r, p.name);
		reply_bulk_slice(r, p.value);
	}
}

bool stream_reply_entry_at(struct reply *r, const struct stream *s, struct stream_id id)
{
	struct stream_iter it;
	struct stream_entry e;

	stream_iter_begin(&it, s, id, id, false);
	if (!stream_iter_next(&it, &e))
		return false;
	stream_reply_entry(r, &e);
	return true;
}

/* ---- effects ------------------------------------------------------------------------------------------------- */

void stream_effect_claim(struct cmd_ctx *c, struct store *st, struct slice key, const struct stream_group *g,
			 const struct stream_pending *p)
{
	char id[STREAM_ID_CHARS], last[STREAM_ID_CHARS], at[NUM_I64_CHARS], n[NUM_I64_CHARS];

	c->effect_done = true;
	if (!journal_on(store_journal(st)))
		return;
	struct slice words[] = {SLICE("XCLAIM"),
				key,
				g->name,
				p->consumer->name,
				SLICE("0"),
				{id, stream_id_format(id, p->id)},
				SLICE("TIME"),
				{at, num_format_i64(at, p->at_ms)},
				SLICE("RETRYCOUNT"),
				{n, num_format_u64(n, p->deliveries)},
				SLICE("FORCE"),
				SLICE("JUSTID"),
				SLICE("LASTID"),
				{last, stream_id_format(last, g->last_id)}};
	cmd_effect(c, st, RP_ARRAY_LEN(words), words);
}

void stream_effect_setid(struct cmd_ctx *c, struct store *st, struct slice key, const struct stream_group *g)
{
	char id[STREAM_ID_CHARS], n[NUM_I64_CHARS];

	c->effect_done = true;
	if (!journal_on(store_journal(st)))
		return;
	struct slice words[] = {SLICE("XGROUP"),
				SLICE("SETID"),
				key,
				g->name,
				{id, stream_id_format(id, g->last_id)},
				SLICE("ENTRIESREAD"),
				{n, num_format_i64(n, g->entries_read)}};
	cmd_effect(c, st, RP_ARRAY_LEN(words), words);
}

void stream_consumer_made(struct cmd_ctx *c, struct store *st, struct slice key, const struct stream_group *g,
			  const struct stream_consumer *con)
{
	struct slice words[] = {SLICE("XGROUP"), SLICE("CREATECONSUMER"), key, g->name, con->name};

	cmd_effect(c, st, RP_ARRAY_LEN(words), words);
	store_event(st, EVENT_STREAM, "xgroup-createconsumer", c->db, key);
	c->dirty++;
}
