/* Streams: XREAD and XREADGROUP. BLOCK is understood, but what is not there is not waited for. */
#include "cmd/handlers.h"
#include "cmd/stream_cmd.h"

struct read_args {
	uint64_t count;   /* UINT64_MAX: all */
	uint32_t keys, n; /* first key, number of streams; each has its id n words behind */
	uint32_t group;   /* argument; 0: XREAD */
	bool for_group;   /* XREADGROUP */
	bool noack;
};

enum read_mode {
	READ_NOTHING,
	READ_NEW,     /* above `after`, or what the group was not given yet */
	READ_HISTORY, /* what the consumer was given and has not acknowledged */
};

/* One of the streams. */
struct read_one {
	struct slice key;
	struct store *st;
	struct stream *s;
	struct stream_group *g;
	struct stream_consumer *con;
	struct stream_id after;
	struct stream_pending *spare; /* made beforehand */
	enum read_mode mode;
	bool made; /* the consumer is new */
};

#define READ_INLINE 4 /* streams that need no allocation */

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

int cmd_xread_getkeys(const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t *idx, uint32_t cap)
{
	uint32_t first;
	int n = find_streams(argc, argv, &first);

	for (int i = 0; i < n; i++)
		if ((uint32_t)i < cap)
			idx[i] = first + (uint32_t)i;
	return n;
}

static bool block_arg(struct cmd_ctx *c, uint32_t i)
{
	int64_t ms;

	if (!cmd_arg_i64_in(c, i, INT64_MIN, INT64_MAX, &ms, "ERR timeout is not an integer or out of range"))
		return false;
	if (ms < 0)
		return refuse(c, "ERR timeout is negative");
	return ms <= INT64_MAX - c->env->now->wall_us / 1000 || refuse(c, "ERR timeout is out of range");
}

static bool count_arg(struct cmd_ctx *c, uint32_t i, struct read_args *a)
{
	int64_t n;

	if (!cmd_arg_i64(c, i, &n))
		return false;
	a->count = n <= 0 ? UINT64_MAX : (uint64_t)n;
	return true;
}

static bool streams_arg(struct cmd_ctx *c, uint32_t i, struct read_args *a)
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
static bool read_option(struct cmd_ctx *c, uint32_t *i, struct read_args *a)
{
	uint32_t more = c->argc - *i - 1;

	if (more >= 1 && cmd_arg_is(c, *i, "block"))
		return block_arg(c, ++*i);
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

static bool read_args(struct cmd_ctx *c, struct read_args *a)
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

static bool parse_id(struct cmd_ctx *c, uint32_t at, struct read_one *one)
{
	one->mode = READ_NEW;
	if (slice_eq(c->argv[at], SLICE("$"))) {
		if (one->g != NULL)
			return refuse(c, "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read "
					 "the history of this consumer by specifying a proper ID, or use the > ID to "
					 "get new messages. The $ ID would just return an empty result set.");
		one->after = one->s == NULL ? STREAM_ID_MIN : one->s->last_id;
		return true;
	}
	if (slice_eq(c->argv[at], SLICE(">"))) {
		one->after = STREAM_ID_MAX;
		return one->g != NULL || refuse(c, "ERR The > ID can be specified only when calling XREADGROUP using "
						   "the GROUP <group> <consumer> option.");
	}
	if (!stream_arg_id(c, at, &one->after))
		return false;
	if (one->g != NULL && stream_id_cmp(one->after, STREAM_ID_MAX) != 0)
		one->mode = READ_HISTORY;
	return true;
}

static bool find_one(struct cmd_ctx *c, const struct read_args *a, uint32_t i, struct read_one *one)
{
	bool wrong;

	*one = (struct read_one){.key = c->argv[a->keys + i]};
	one->st = cmd_store(c, one->key);
	one->s = a->for_group ? stream_write_key(c, one->key, &wrong) : stream_read_key(c, one->key, &wrong);
	if (wrong)
		return false;
	if (a->for_group) {
		one->g = one->s == NULL ? NULL : stream_group_find(one->s, c->argv[a->group]);
		if (one->g == NULL) {
			stream_err_no_group(c, one->key, c->argv[a->group], " in XREADGROUP with GROUP option");
			return false;
		}
	}
	return parse_id(c, a->keys + a->n + i, one);
}

/* ---- XREADGROUP: everything that can fail comes first -------------------------------------------------------- */

static bool group_has_new(const struct read_one *one)
{
	return one->mode == READ_NEW && one->s->length > 0 &&
	       stream_id_cmp(stream_last_entry(one->s), one->g->last_id) > 0;
}

static bool prepare_pending(struct read_one *one, uint64_t most)
{
	struct heap *h = store_heap(one->st);
	uint64_t n = stream_count_above(one->s, one->g->last_id, RP_MIN(most, (uint64_t)UINT32_MAX));

	/* one stream may stand there several times */
	one->g->want += n;
	one->con->want += n;
	if (!btree_reserve(&one->g->pel, h, (uint32_t)RP_MIN(one->g->want, UINT32_MAX)) ||
	    !btree_reserve(&one->con->pel, h, (uint32_t)RP_MIN(one->con->want, UINT32_MAX)))
		return false;
	for (; n > 0; n--) {
		struct stream_pending *p = stream_pending_create(h, STREAM_ID_MIN);

		if (p == NULL)
			return false;
		p->next = one->spare;
		one->spare = p;
	}
	return true;
}

static bool prepare_one(struct cmd_ctx *c, const struct read_args *a, struct read_one *one)
{
	struct slice name = c->argv[a->group + 1];

	one->con = stream_consumer_find(one->g, name);
	if (one->con == NULL) {
		one->con = stream_consumer_add(one->g, store_heap(one->st), name, store_now_ms(one->st));
		if (one->con == NULL)
			return false;
		one->made = true;
	}
	return a->noack || !group_has_new(one) || prepare_pending(one, a->count);
}

static void drop_spare(struct read_one *one)
{
	while (one->spare != NULL) {
		struct stream_pending *p = one->spare;

		one->spare = p->next;
		heap_free(store_heap(one->st), p);
	}
}

static void give_back(struct read_one *one)
{
	struct heap *h = store_heap(one->st);

	drop_spare(one);
	if (one->con == NULL)
		return;
	if (one->con->want > STREAM_SPARE_MAX) {
		btree_trim(&one->g->pel, h);
		btree_trim(&one->con->pel, h);
	}
	one->g->want = one->con->want = 0;
}

static void undo(struct read_one *ones, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		give_back(&ones[i]);
	for (uint32_t i = 0; i < n; i++)
		if (ones[i].made)
			stream_consumer_remove(ones[i].g, store_heap(ones[i].st), ones[i].con);
}

/* ---- replies ------------------------------------------------------------------------------------------------- */

/* The entry becomes, or is again, pending for the consumer. */
static void deliver(struct cmd_ctx *c, struct read_one *one, struct stream_id id)
{
	struct heap *h = store_heap(one->st);
	struct stream_pending *p = stream_pending_find(one->g, id);

	if (p == NULL) {
		p = one->spare;
		one->spare = p->next;
		*p = (struct stream_pending){.id = id};
		stream_pending_insert(one->g, h, p);
	}
	p->at_ms = one->con->active_ms = store_now_ms(one->st);
	p->deliveries = 1;
	stream_pending_give(p, h, one->con);
	stream_effect_claim(c, one->st, one->key, one->g, p);
}

static uint64_t reply_new(struct cmd_ctx *c, const struct read_args *a, struct read_one *one, struct reply *out)
{
	struct stream_id from = one->after;
	struct stream_iter it;
	struct stream_entry e;
	uint64_t n = 0;

	if (!stream_id_next(&from))
		return 0;
	stream_iter_begin(&it, one->s, from, STREAM_ID_MAX, false);
	for (; n < a->count && !out->failed && stream_iter_next(&it, &e); n++) {
		stream_reply_entry(out, &e);
		if (one->g == NULL)
			continue;
		stream_group_advance(one->s, one->g, e.id);
		if (!a->noack)
			deliver(c, one, e.id);
	}
	if (one->g != NULL && n > 0)
		stream_effect_setid(c, one->st, one->key, one->g);
	return n;
}

static uint64_t reply_history(const struct read_args *a, struct read_one *one, struct reply *out)
{
	struct stream_id from = one->after;
	uint64_t n = 0;

	stream_id_next(&from);
	struct btree_pos pos = stream_pending_from(&one->con->pel, from);
	for (; n < a->count && !out->failed && pos.leaf != NULL; btree_next(&pos), n++) {
		struct stream_pending *p = stream_pending_at(pos);

		if (stream_reply_entry_at(out, one->s, p->id)) {
			p->at_ms = store_now_ms(one->st);
			p->deliveries++;
			continue;
		}
		reply_array(out, 2);
		stream_reply_id(out, p->id);
		reply_null_array(out);
	}
	return n;
}

static bool has_new(struct read_one *one)
{
	if (one->s == NULL || one->s->length == 0)
		return false;
	if (one->g != NULL)
		one->after = one->g->last_id;
	return stream_id_cmp(stream_last_entry(one->s), one->after) > 0;
}

/* [key, entries]. false: nothing to say of it. */
static bool reply_one(struct cmd_ctx *c, const struct read_args *a, struct read_one *one, struct reply *out)
{
	struct reply entries;

	if (one->made)
		stream_consumer_made(c, one->st, one->key, one->g, one->con);
	if (one->con != NULL)
		one->con->seen_ms = store_now_ms(one->st);
	if (one->mode == READ_NEW && !has_new(one))
		return false;
	if (out->proto == 2)
		reply_array(out, 2);
	reply_bulk_slice(out, one->key);
	reply_sub_begin(out, &entries);
	uint64_t n = one->mode == READ_HISTORY ? reply_history(a, one, &entries) : reply_new(c, a, one, &entries);
	reply_sub_end(out, &entries, REPLY_ARRAY, n);
	c->dirty += one->g != NULL;
	return true;
}

static void reply_all(struct cmd_ctx *c, const struct read_args *a, struct read_one *ones)
{
	struct reply sub;
	uint64_t n = 0;

	c->effect_done |= a->for_group;
	reply_sub_begin(c->out, &sub);
	for (uint32_t i = 0; i < a->n; i++)
		n += reply_one(c, a, &ones[i], &sub);
	if (n == 0)
		reply_null_array(c->out);
	else
		reply_sub_end(c->out, &sub, c->out->proto > 2 ? REPLY_MAP : REPLY_ARRAY, n);
}

static void read_streams(struct cmd_ctx *c, const struct read_args *a, struct read_one *ones)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (!find_one(c, a, i, &ones[i]))
			return;
	for (uint32_t i = 0; a->for_group && i < a->n; i++)
		if (!prepare_one(c, a, &ones[i])) {
			undo(ones, i + 1);
			cmd_err_oom(c);
			return;
		}
	reply_all(c, a, ones);
	for (uint32_t i = 0; a->for_group && i < a->n; i++)
		give_back(&ones[i]);
}

static void read_command(struct cmd_ctx *c, bool for_group)
{
	struct read_args a = {.count = UINT64_MAX, .for_group = for_group};
	struct read_one few[READ_INLINE], *ones = few;

	if (!read_args(c, &a))
		return;
	if (a.n > READ_INLINE && (ones = heap_alloc(c->env->heap, a.n * sizeof *ones)) == NULL) {
		cmd_err_oom(c);
		return;
	}
	read_streams(c, &a, ones);
	if (ones != few)
		heap_free(c->env->heap, ones);
}

void cmd_xread(struct cmd_ctx *c)
{
	read_command(c, false);
}

void cmd_xreadgroup(struct cmd_ctx *c)
{
	read_command(c, true);
}
