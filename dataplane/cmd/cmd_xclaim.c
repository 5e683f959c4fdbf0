/* Streams: XCLAIM and XAUTOCLAIM: pending entries change their consumer. */
#include "cmd/handlers.h"
#include "cmd/stream_cmd.h"

/* Words: COMMAND key group consumer min-idle-time ... */
struct claim {
	struct store *st;
	struct heap *h;
	struct stream *s;
	struct stream_group *g;
	struct stream_consumer *con;
	struct stream_pending *spare; /* made beforehand */
	bool made;                    /* the consumer is new */
	uint32_t room;                /* XAUTOCLAIM: entries that may become the consumer's */
	int64_t min_idle, now;
	/* options */
	uint32_t first, last;    /* ids: arguments from first to before last */
	int64_t at_ms, attempts; /* -1: not given */
	bool force, just_id;
	struct stream_id last_id;
};

static bool option_number(struct cmd_ctx *c, uint32_t i, int64_t *out, const char *err)
{
	return cmd_arg_i64_in(c, i, INT64_MIN, INT64_MAX, out, err);
}

static bool claim_option(struct cmd_ctx *c, uint32_t *i, struct claim *x)
{
	bool more = *i + 1 < c->argc;

	if (cmd_arg_is(c, *i, "force")) {
		x->force = true;
	} else if (cmd_arg_is(c, *i, "justid")) {
		x->just_id = true;
	} else if (more && cmd_arg_is(c, *i, "idle")) {
		if (!option_number(c, ++*i, &x->at_ms, "ERR Invalid IDLE option argument for XCLAIM"))
			return false;
		x->at_ms = (int64_t)((uint64_t)x->now - (uint64_t)x->at_ms);
	} else if (more && cmd_arg_is(c, *i, "time")) {
		return option_number(c, ++*i, &x->at_ms, "ERR Invalid TIME option argument for XCLAIM");
	} else if (more && cmd_arg_is(c, *i, "retrycount")) {
		return option_number(c, ++*i, &x->attempts, "ERR Invalid RETRYCOUNT option argument for XCLAIM");
	} else if (more && cmd_arg_is(c, *i, "lastid")) {
		return stream_arg_id(c, ++*i, &x->last_id);
	} else {
		reply_errorf(c->out, "ERR Unrecognized XCLAIM option '%.*s'", (int)RP_MIN(c->argv[*i].len, 512u),
			     c->argv[*i].ptr);
		return false;
	}
	return true;
}

static bool claim_args(struct cmd_ctx *c, struct claim *x)
{
	struct stream_id id;
	uint32_t i = x->first;

	if (!option_number(c, 4, &x->min_idle, "ERR Invalid min-idle-time argument for XCLAIM"))
		return false;
	while (i < c->argc && stream_id_parse(c->argv[i], STREAM_ID_STRICT, 0, &id, NULL))
		i++;
	x->last = i;
	for (; i < c->argc; i++)
		if (!claim_option(c, &i, x))
			return false;
	/* a time that makes no sense is now */
	if (x->at_ms < 0 || x->at_ms > x->now)
		x->at_ms = x->now;
	return true;
}

/* ---- what can fail comes first ------------------------------------------------------------------------------- */

static bool prepare_consumer(struct cmd_ctx *c, struct claim *x, uint64_t n)
{
	x->con = stream_consumer_find(x->g, c->argv[3]);
	if (x->con == NULL) {
		x->con = stream_consumer_add(x->g, x->h, c->argv[3], x->now);
		if (x->con == NULL)
			return false;
		x->made = true;
	}
	return btree_reserve(&x->con->pel, x->h, (uint32_t)RP_MIN(n, (uint64_t)UINT32_MAX));
}

/* FORCE: entries that are not pending yet. */
static bool prepare_forced(struct cmd_ctx *c, struct claim *x)
{
	struct stream_id id;
	uint32_t n = 0;

	for (uint32_t i = x->first; x->force && i < x->last; i++) {
		stream_id_parse(c->argv[i], STREAM_ID_STRICT, 0, &id, NULL);
		if (stream_pending_find(x->g, id) != NULL || !stream_has(x->s, id))
			continue;
		struct stream_pending *p = stream_pending_create(x->h, id);
		if (p == NULL)
			return false;
		p->next = x->spare;
		x->spare = p;
		n++;
	}
	return n == 0 || btree_reserve(&x->g->pel, x->h, n);
}

static void give_back(struct claim *x, uint64_t reserved)
{
	while (x->spare != NULL) {
		struct stream_pending *p = x->spare;

		x->spare = p->next;
		heap_free(x->h, p);
	}
	if (reserved <= STREAM_SPARE_MAX)
		return;
	btree_trim(&x->g->pel, x->h);
	if (x->con != NULL)
		btree_trim(&x->con->pel, x->h);
}

static void no_memory(struct cmd_ctx *c, struct claim *x, uint64_t reserved)
{
	give_back(x, reserved);
	if (x->made)
		stream_consumer_remove(x->g, x->h, x->con);
	cmd_err_oom(c);
}

static void begin(struct cmd_ctx *c, struct claim *x)
{
	c->effect_done = true;
	if (x->made)
		stream_consumer_made(c, x->st, c->argv[1], x->g, x->con);
	x->con->seen_ms = x->now;
}

/* ---- claiming ------------------------------------------------------------------------------------------------ */

/* The entry is no more: nobody waits for it any longer. */
static void forget(struct cmd_ctx *c, struct claim *x, struct stream_pending *p)
{
	stream_effect_claim(c, x->st, c->argv[1], x->g, p);
	stream_pending_drop(x->g, x->h, p);
	c->dirty++;
}

static bool idle_enough(const struct claim *x, const struct stream_pending *p)
{
	return x->min_idle <= 0 || stream_idle_ms(x->now, p->at_ms) >= x->min_idle;
}

static void take(struct cmd_ctx *c, struct claim *x, struct stream_pending *p, struct reply *out)
{
	p->at_ms = x->at_ms;
	if (x->attempts >= 0)
		p->deliveries = (uint64_t)x->attempts;
	else if (!x->just_id)
		p->deliveries++;
	stream_pending_give(p, x->h, x->con);
	if (x->just_id)
		stream_reply_id(out, p->id);
	else
		stream_reply_entry_at(out, x->s, p->id);
	x->con->active_ms = x->now;
	stream_effect_claim(c, x->st, c->argv[1], x->g, p);
	c->dirty++;
}

/* true: it is the consumer's now. */
static bool claim_one(struct cmd_ctx *c, struct claim *x, struct stream_id id, struct reply *out)
{
	struct stream_pending *p = stream_pending_find(x->g, id);

	if (!stream_has(x->s, id)) {
		if (p != NULL)
			forget(c, x, p);
		return false;
	}
	if (p == NULL && !x->force)
		return false;
	if (p != NULL && !idle_enough(x, p))
		return false;
	if (p == NULL) {
		p = x->spare;
		x->spare = p->next;
		*p = (struct stream_pending){.id = id, .at_ms = x->now, .deliveries = 1};
		stream_pending_insert(x->g, x->h, p);
	}
	take(c, x, p, out);
	return true;
}

static void claim_all(struct cmd_ctx *c, struct claim *x)
{
	bool raised = stream_id_cmp(x->last_id, x->g->last_id) > 0;
	struct stream_id id;
	struct reply sub;
	uint64_t n = 0;

	if (raised)
		x->g->last_id = x->last_id;
	begin(c, x);
	uint32_t before = c->dirty;
	reply_sub_begin(c->out, &sub);
	for (uint32_t i = x->first; i < x->last; i++) {
		stream_id_parse(c->argv[i], STREAM_ID_STRICT, 0, &id, NULL);
		n += claim_one(c, x, id, &sub);
	}
	reply_sub_end(c->out, &sub, REPLY_ARRAY, n);
	/* the effects of claims say the last id, too */
	if (raised && c->dirty == before) {
		stream_effect_setid(c, x->st, c->argv[1], x->g);
		c->dirty++;
	}
}

static bool claim_open(struct cmd_ctx *c, struct claim *x)
{
	x->g = stream_write_group(c, &x->s);
	return x->g != NULL;
}

static void claim_init(struct cmd_ctx *c, struct claim *x)
{
	*x = (struct claim){.st = cmd_store(c, c->argv[1]), .first = 5, .attempts = -1, .at_ms = -1};
	x->h = store_heap(x->st);
	x->now = store_clock_ms(x->st);
}

void cmd_xclaim(struct cmd_ctx *c)
{
	struct claim x;

	claim_init(c, &x);
	if (!claim_open(c, &x) || !claim_args(c, &x))
		return;
	uint32_t n = x.last - x.first;
	if (!prepare_consumer(c, &x, n) || !prepare_forced(c, &x)) {
		no_memory(c, &x, n);
		return;
	}
	claim_all(c, &x);
	give_back(&x, n);
}

/* ---- XAUTOCLAIM ---------------------------------------------------------------------------------------------- */

#define AUTO_COUNT    100
#define AUTO_ATTEMPTS 10 /* entries looked at for each to claim */
#define AUTO_MAX      (INT64_MAX / (int64_t)sizeof(struct stream_id))
#define AUTO_STEP     1000 /* entries that memory is taken for at once */

static bool auto_args(struct cmd_ctx *c, struct claim *x, struct stream_id *from, int64_t *count)
{
	if (!option_number(c, 4, &x->min_idle, "ERR Invalid min-idle-time argument for XAUTOCLAIM") ||
	    !stream_arg_from(c, 5, from))
		return false;
	for (uint32_t i = 6; i < c->argc; i++) {
		if (i + 1 < c->argc && cmd_arg_is(c, i, "count")) {
			if (!cmd_arg_i64_in(c, ++i, 1, AUTO_MAX, count, "ERR COUNT must be > 0"))
				return false;
		} else if (cmd_arg_is(c, i, "justid")) {
			x->just_id = true;
		} else {
			cmd_err_syntax(c);
			return false;
		}
	}
	x->at_ms = x->now;
	return true;
}

/* false: out of memory. */
static bool room_for_one(struct claim *x)
{
	if (x->room == 0) {
		if (!btree_reserve(&x->con->pel, x->h, AUTO_STEP))
			return false;
		x->room = AUTO_STEP;
	}
	x->room--;
	return true;
}

/* Claims from `from` on. The reply says first where the next call should begin, 0-0 at the end. Where memory ends
 * after the first step, that is as good a place as any. */
static void auto_claim(struct cmd_ctx *c, struct claim *x, struct stream_id from, int64_t count)
{
	int64_t attempts = count * AUTO_ATTEMPTS;
	struct btree_pos pos = stream_pending_from(&x->g->pel, from);
	struct reply claimed, gone;
	uint64_t taken = 0, lost = 0;
	struct stream_id next = STREAM_ID_MIN;

	reply_sub_begin(c->out, &claimed);
	reply_sub_begin(c->out, &gone);
	for (; attempts > 0 && count > 0 && pos.leaf != NULL; attempts--) {
		struct stream_pending *p = stream_pending_at(pos);
		struct stream_id id = p->id;

		if (!stream_has(x->s, id)) {
			forget(c, x, p);
			stream_reply_id(&gone, id);
			lost++;
			count--;
			pos = stream_pending_from(&x->g->pel, id); /* the one behind it */
			continue;
		}
		if (idle_enough(x, p)) {
			if (!room_for_one(x))
				break;
			take(c, x, p, &claimed);
			taken++;
			count--;
		}
		btree_next(&pos);
	}
	if (pos.leaf != NULL)
		next = stream_pending_at(pos)->id;
	reply_array(c->out, 3);
	stream_reply_id(c->out, next);
	reply_sub_end(c->out, &claimed, REPLY_ARRAY, taken);
	reply_sub_end(c->out, &gone, REPLY_ARRAY, lost);
}

void cmd_xautoclaim(struct cmd_ctx *c)
{
	struct claim x;
	struct stream_id from;
	int64_t count = AUTO_COUNT;

	claim_init(c, &x);
	if (!auto_args(c, &x, &from, &count) || !claim_open(c, &x))
		return;
	uint64_t n = RP_MIN((uint64_t)count, x.g->pel.count);
	x.room = (uint32_t)RP_MIN(n, (uint64_t)AUTO_STEP);
	if (!prepare_consumer(c, &x, x.room)) {
		no_memory(c, &x, n);
		return;
	}
	begin(c, &x);
	auto_claim(c, &x, from, count);
	give_back(&x, n);
}
