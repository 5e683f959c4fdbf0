/* Commands on keys of any type: existence, names, databases. */
#include "cmd/cmd_ahead.h"
#include "cmd/handlers.h"

static void del_keys(struct cmd_ctx *c)
{
	uint32_t n = 0;
	struct cmd_ahead ahead;

	cmd_ahead_begin(&ahead, c, 1, 1);
	for (uint32_t i = 1; i < c->argc; i++) {
		struct store *s = cmd_ahead_store(&ahead, c, i);
		if (!store_delete(s, c->db, c->argv[i]))
			continue;
		store_event(s, EVENT_GENERIC, "del", c->db, c->argv[i]);
		n++;
	}
	cmd_ahead_end(&ahead, c);
	c->dirty += n;
	reply_int(c->out, n);
}

void cmd_del(struct cmd_ctx *c)
{
	del_keys(c);
}

/* The store frees in slices anyway: DEL and UNLINK are one. */
void cmd_unlink(struct cmd_ctx *c)
{
	del_keys(c);
}

typedef struct object *(*find_fn)(struct store *s, uint32_t db, struct slice key);

static void count_keys(struct cmd_ctx *c, find_fn find)
{
	uint32_t n = 0;
	struct cmd_ahead ahead;

	cmd_ahead_begin(&ahead, c, 1, 1);
	for (uint32_t i = 1; i < c->argc; i++)
		n += find(cmd_ahead_store(&ahead, c, i), c->db, c->argv[i]) != NULL;
	cmd_ahead_end(&ahead, c);
	reply_int(c->out, n);
}

void cmd_exists(struct cmd_ctx *c)
{
	count_keys(c, store_look);
}

void cmd_touch(struct cmd_ctx *c)
{
	count_keys(c, store_read);
}

void cmd_type(struct cmd_ctx *c)
{
	struct object *o = store_look(cmd_store(c, c->argv[1]), c->db, c->argv[1]);

	reply_status(c->out, o ? obj_type_name(o->type) : "none");
}

static void rename_key(struct cmd_ctx *c, bool unless_exists)
{
	struct slice from = c->argv[1], to = c->argv[2];
	struct store *sf = cmd_store(c, from), *st = cmd_store(c, to);
	bool same = slice_eq(from, to);

	if (store_peek(sf, c->db, from) == NULL) {
		cmd_err_no_key(c);
		return;
	}
	if (same || (unless_exists && store_peek(st, c->db, to))) {
		unless_exists ? reply_int(c->out, 0) : reply_ok(c->out);
		return;
	}
	if (!store_move(sf, c->db, from, st, c->db, to)) {
		cmd_err_oom(c);
		return;
	}
	store_event(sf, EVENT_GENERIC, "rename_from", c->db, from);
	store_event(st, EVENT_GENERIC, "rename_to", c->db, to);
	c->dirty++;
	unless_exists ? reply_int(c->out, 1) : reply_ok(c->out);
}

void cmd_rename(struct cmd_ctx *c)
{
	rename_key(c, false);
}

void cmd_renamenx(struct cmd_ctx *c)
{
	rename_key(c, true);
}

/* Argument i as the number of a database; writes the error otherwise. */
static bool arg_db(struct cmd_ctx *c, uint32_t i, uint32_t *db)
{
	int64_t v;

	if (!cmd_arg_i64(c, i, &v))
		return false;
	if (v < INT32_MIN || v > INT32_MAX) {
		reply_error(c->out, "ERR value is out of range, value must between -2147483648 and 2147483647");
		return false;
	}
	if (v < 0 || v >= c->env->conf->databases) {
		reply_error(c->out, "ERR DB index is out of range");
		return false;
	}
	*db = (uint32_t)v;
	return true;
}

static bool copy_options(struct cmd_ctx *c, uint32_t *db, bool *replace)
{
	*db = c->db;
	*replace = false;
	for (uint32_t i = 3; i < c->argc; i++) {
		if (cmd_arg_is(c, i, "replace")) {
			*replace = true;
		} else if (cmd_arg_is(c, i, "db") && i + 1 < c->argc) {
			if (!arg_db(c, ++i, db))
				return false;
		} else {
			cmd_err_syntax(c);
			return false;
		}
	}
	return true;
}

static bool same_place(struct cmd_ctx *c, bool same)
{
	if (same)
		reply_error(c->out, "ERR source and destination objects are the same");
	return same;
}

void cmd_copy(struct cmd_ctx *c)
{
	struct slice from = c->argv[1], to = c->argv[2];
	struct store *sf = cmd_store(c, from), *st = cmd_store(c, to);
	uint32_t db;
	bool replace;

	if (!copy_options(c, &db, &replace) || same_place(c, db == c->db && slice_eq(from, to)))
		return;
	struct object *o = cmd_read(c, from);
	if (o == NULL || (!replace && store_peek(st, db, to))) {
		reply_int(c->out, 0);
		return;
	}
	struct object *copy = store_clone(sf, o, st, db, to);
	if (copy == NULL) {
		cmd_err_oom(c);
		return;
	}
	obj_set_new(st, copy);
	store_event(st, EVENT_GENERIC, "copy_to", db, to);
	c->dirty++;
	reply_int(c->out, 1);
}

void cmd_move(struct cmd_ctx *c)
{
	struct slice key = c->argv[1];
	struct store *s = cmd_store(c, key);
	uint32_t db;

	if (!arg_db(c, 2, &db) || same_place(c, db == c->db))
		return;
	if (store_peek(s, c->db, key) == NULL || store_peek(s, db, key)) {
		reply_int(c->out, 0);
		return;
	}
	if (!store_move(s, c->db, key, s, db, key)) {
		cmd_err_oom(c);
		return;
	}
	store_event(s, EVENT_GENERIC, "move_from", c->db, key);
	store_event(s, EVENT_GENERIC, "move_to", db, key);
	c->dirty++;
	reply_int(c->out, 1);
}

void cmd_select(struct cmd_ctx *c)
{
	if (!arg_db(c, 1, &c->client->db))
		return;
	reply_ok(c->out);
}

void cmd_swapdb(struct cmd_ctx *c)
{
	int64_t a, b;

	if (!cmd_arg_i64_in(c, 1, INT32_MIN, INT32_MAX, &a, "ERR invalid first DB index") ||
	    !cmd_arg_i64_in(c, 2, INT32_MIN, INT32_MAX, &b, "ERR invalid second DB index"))
		return;
	if (a < 0 || b < 0 || a >= c->env->conf->databases || b >= c->env->conf->databases) {
		reply_error(c->out, "ERR DB index is out of range");
		return;
	}
	for (uint32_t i = 0; i < c->env->nstores; i++)
		store_swap(c->env->stores[i], (uint32_t)a, (uint32_t)b);
	c->dirty++;
	reply_ok(c->out);
}

static void flush(struct cmd_ctx *c, uint32_t db)
{
	uint64_t n = 0;

	if (c->argc > 2 || (c->argc == 2 && !cmd_arg_is(c, 1, "async") && !cmd_arg_is(c, 1, "sync"))) {
		cmd_err_syntax(c);
		return;
	}
	for (uint32_t i = 0; i < c->env->nstores; i++)
		n += store_flush(c->env->stores[i], db);
	c->dirty += (uint32_t)RP_MIN(n, UINT32_MAX);
	reply_ok(c->out);
}

void cmd_flushdb(struct cmd_ctx *c)
{
	flush(c, c->db);
}

void cmd_flushall(struct cmd_ctx *c)
{
	flush(c, UINT32_MAX);
}

void cmd_dbsize(struct cmd_ctx *c)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < c->env->nstores; i++)
		n += store_count(c->env->stores[i], c->db);
	reply_int(c->out, (int64_t)n);
}
