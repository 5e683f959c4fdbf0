/* Sets: members in, members out, and questions about them. */
#include "cmd/handlers.h"
#include "cmd/set_cmd.h"

void cmd_sadd(struct cmd_ctx *c)
{
	struct slice key = c->argv[1];
	struct store *s = cmd_store(c, key);
	struct set_rules rules = set_cmd_rules(c);
	bool wrong;
	struct object *o = set_cmd_peek(c, s, key, &wrong);

	if (rp_unlikely(wrong))
		return;
	int64_t added = set_add(s, c->db, key, o, c->argc - 2, c->argv + 2, &rules);

	if (rp_unlikely(added == SET_NO_MEMORY)) {
		cmd_err_oom(c);
		return;
	}
	if (added > 0)
		store_event(s, EVENT_SET, "sadd", c->db, key);
	c->dirty += (uint32_t)added;
	reply_int(c->out, added);
}

static void removed_events(struct cmd_ctx *c, struct store *s, struct slice key, bool gone)
{
	store_event(s, EVENT_SET, "srem", c->db, key);
	if (gone)
		store_event(s, EVENT_GENERIC, "del", c->db, key);
}

void cmd_srem(struct cmd_ctx *c)
{
	struct slice key = c->argv[1];
	struct store *s = cmd_store(c, key);
	bool wrong, gone;
	struct object *o = set_cmd_peek(c, s, key, &wrong);
	int64_t removed = 0;

	if (wrong)
		return;
	if (o != NULL)
		removed = set_remove(s, c->db, key, o, c->argc - 2, c->argv + 2, &gone);
	if (removed == SET_NO_MEMORY) {
		cmd_err_oom(c);
		return;
	}
	if (removed > 0)
		removed_events(c, s, key, gone);
	c->dirty += (uint32_t)removed;
	reply_int(c->out, removed);
}

void cmd_sismember(struct cmd_ctx *c)
{
	bool wrong;
	const struct object *o = set_cmd_read(c, c->argv[1], &wrong);

	if (!wrong)
		reply_int(c->out, o != NULL && set_has_text(o, c->argv[2]));
}

void cmd_smismember(struct cmd_ctx *c)
{
	bool wrong;
	const struct object *o = set_cmd_read(c, c->argv[1], &wrong);

	if (wrong)
		return;
	reply_array(c->out, c->argc - 2);
	for (uint32_t i = 2; i < c->argc; i++)
		reply_int(c->out, o != NULL && set_has_text(o, c->argv[i]));
}

void cmd_scard(struct cmd_ctx *c)
{
	bool wrong;
	const struct object *o = set_cmd_read(c, c->argv[1], &wrong);

	if (!wrong)
		reply_int(c->out, o != NULL ? (int64_t)set_count(o) : 0);
}

/* The member is in `to` and no longer in `from`; *added: it was not in `to` before. false: out of memory, nothing
 * changed. */
static bool move_member(struct cmd_ctx *c, struct store *sf, struct store *st, struct object *to, bool *gone,
			bool *added)
{
	struct set_rules rules = set_cmd_rules(c);
	struct slice from = c->argv[1], m = c->argv[3];

	if (set_write(sf, c->db, from) == NULL)
		return false;
	int64_t n = set_add(st, c->db, c->argv[2], to, 1, &m, &rules);

	if (n == SET_NO_MEMORY)
		return false;
	*added = n > 0;
	rp_assert(set_remove(sf, c->db, from, store_peek(sf, c->db, from), 1, &m, gone) == 1);
	return true;
}

/* Each shard's journal gets what happened there. */
static void move_effects(struct cmd_ctx *c, struct store *sf, struct store *st, bool added)
{
	if (sf == st)
		return;
	cmd_effect(c, sf, 3, (struct slice[]){SLICE("SREM"), c->argv[1], c->argv[3]});
	if (added)
		cmd_effect(c, st, 3, (struct slice[]){SLICE("SADD"), c->argv[2], c->argv[3]});
}

void cmd_smove(struct cmd_ctx *c)
{
	struct slice from = c->argv[1], to = c->argv[2];
	struct store *sf = cmd_store(c, from), *st = cmd_store(c, to);
	bool wrong, gone, added;
	struct object *of = set_cmd_peek(c, sf, from, &wrong), *ot;

	if (of == NULL) {
		if (!wrong)
			reply_int(c->out, 0);
		return;
	}
	ot = set_cmd_peek(c, st, to, &wrong);
	if (wrong)
		return;
	if (of == ot || !set_has_text(of, c->argv[3])) {
		reply_int(c->out, of == ot && set_has_text(of, c->argv[3]));
		return;
	}
	if (!move_member(c, sf, st, ot, &gone, &added)) {
		cmd_err_oom(c);
		return;
	}
	removed_events(c, sf, from, gone);
	if (added)
		store_event(st, EVENT_SET, "sadd", c->db, to);
	move_effects(c, sf, st, added);
	c->dirty += 1 + added;
	reply_int(c->out, 1);
}
