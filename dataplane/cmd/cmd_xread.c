/* Streams: XREAD and XREADGROUP. */
#include "cmd/xread_priv.h"

#define READ_INLINE 4 /* streams that need no allocation */

static bool refuse(struct cmd_ctx *c, const char *err)
{
	reply_error(c->out, err);
	return false;
}

static bool parse_id(struct cmd_ctx *c, uint32_t at, struct xread_one *one)
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

static bool find_one(struct cmd_ctx *c, const struct xread_args *a, uint32_t i, struct xread_one *one)
{
	bool wrong;

	*one = (struct xread_one){.key = c->argv[a->keys + i]};
	if (!cmd_holds(c, one->key))
		return true;
	one->st = cmd_store(c, one->key);
	one->s = a->for_group ? stream_use_key(c, one->key, &wrong) : stream_read_key(c, one->key, &wrong);
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

static bool group_has_new(const struct xread_one *one)
{
	return one->mode == READ_NEW && one->s->length > 0 &&
	       stream_id_cmp(stream_last_entry(one->s), one->g->last_id) > 0;
}

/* Do entries that are pending stand where new ones will? Only if the group was set back. */
static bool pending_ahead(const struct stream_group *g)
{
	return g->pel.count > 0 && stream_id_cmp(stream_pending_at(btree_last(&g->pel))->id, g->last_id) > 0;
}

static bool reserve(const struct stream_group *g, struct btree *pel, struct heap *h, uint64_t want)
{
	uint32_t n = (uint32_t)RP_MIN(want, (uint64_t)UINT32_MAX);

	return pending_ahead(g) ? btree_reserve(pel, h, n) : btree_reserve_behind(pel, h, n);
}

static bool prepare_pending(struct xread_one *one, uint64_t most)
{
	struct heap *h = store_heap(one->st);
	uint64_t n = stream_count_above(one->s, one->g->last_id, RP_MIN(most, (uint64_t)UINT32_MAX));

	/* one stream may stand there several times */
	one->g->want += n;
	one->con->want += n;
	if (!reserve(one->g, &one->g->pel, h, one->g->want) || !reserve(one->g, &one->con->pel, h, one->con->want))
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

static bool prepare_one(struct cmd_ctx *c, const struct xread_args *a, struct xread_one *one)
{
	struct slice name = c->argv[a->group + 1];

	if (one->mode == READ_NOTHING)
		return true;
	one->con = stream_consumer_find(one->g, name);
	if (one->con == NULL) {
		one->con = stream_consumer_add(one->g, store_heap(one->st), name, store_clock_ms(one->st));
		if (one->con == NULL)
			return false;
		one->made = true;
	}
	return a->noack || !group_has_new(one) || prepare_pending(one, a->count);
}

static void drop_spare(struct xread_one *one)
{
	while (one->spare != NULL) {
		struct stream_pending *p = one->spare;

		one->spare = p->next;
		heap_free(store_heap(one->st), p);
	}
}

static void give_back(struct xread_one *one)
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

static void undo(struct xread_one *ones, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		give_back(&ones[i]);
	for (uint32_t i = 0; i < n; i++)
		if (ones[i].made)
			stream_consumer_remove(ones[i].g, store_heap(ones[i].st), ones[i].con);
}

/* ---- replies ------------------------------------------------------------------------------------------------- */

/* The entry becomes, or is again, pending for the consumer. */
static void deliver(struct cmd_ctx *c, struct xread_one *one, struct stream_id id)
{
	struct heap *h = store_heap(one->st);
	struct stream_pending *p = stream_pending_find(one->g, id);

	if (p == NULL) {
		p = one->spare;
		one->spare = p->next;
		*p = (struct stream_pending){.id = id};
		stream_pending_insert(one->g, h, p);
	}
	p->at_ms = one->con->active_ms = store_clock_ms(one->st);
	p->deliveries = 1;
	stream_pending_give(p, h, one->con);
	stream_effect_claim(c, one->st, one->key, one->g, p);
}

static uint64_t reply_new(struct cmd_ctx *c, const struct xread_args *a, struct xread_one *one, struct reply *out)
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

static uint64_t reply_history(const struct xread_args *a, struct xread_one *one, struct reply *out)
{
	struct stream_id from = one->after;
	uint64_t n = 0;

	stream_id_next(&from);
	struct btree_pos pos = stream_pending_from(&one->con->pel, from);
	for (; n < a->count && !out->failed && pos.leaf != NULL; btree_next(&pos), n++) {
		struct stream_pending *p = stream_pending_at(pos);

		if (stream_reply_entry_at(out, one->s, p->id)) {
			p->at_ms = store_clock_ms(one->st);
			p->deliveries++;
			continue;
		}
		reply_array(out, 2);
		stream_reply_id(out, p->id);
		reply_null_array(out);
	}
	return n;
}

/* [key, entries]. false: nothing to say of it. */
static bool reply_one(struct cmd_ctx *c, const struct xread_args *a, struct xread_one *one, struct reply *out)
{
	struct reply entries;

	if (one->made)
		stream_consumer_made(c, one->st, one->key, one->g, one->con);
	if (one->con != NULL)
		one->con->seen_ms = store_clock_ms(one->st);
	if (one->mode == READ_NOTHING || (one->mode == READ_NEW && !xread_has_new(one)))
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

static void reply_all(struct cmd_ctx *c, const struct xread_args *a, struct xread_one *ones)
{
	struct reply sub;
	uint64_t n = 0;

	c->effect_done |= a->for_group;
	reply_sub_begin(c->out, &sub);
	for (uint32_t i = 0; i < a->n; i++)
		n += reply_one(c, a, &ones[i], &sub);
	if (n == 0)
		xread_wait(c, a, ones);
	else
		reply_sub_end(c->out, &sub, c->out->proto > 2 ? REPLY_MAP : REPLY_ARRAY, n);
}

static void read_streams(struct cmd_ctx *c, const struct xread_args *a, struct xread_one *ones)
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
	struct xread_args a = {.count = UINT64_MAX, .for_group = for_group};
	struct xread_one few[READ_INLINE], *ones = few;

	if (!xread_args(c, &a))
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
