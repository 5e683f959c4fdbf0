/* FUNCTION DUMP and RESTORE: each library as an RDB file has it, with the version and a CRC-64 behind the last. */
#include "ctrlplane/script/script_thread_priv.h"
#include "store/rdb/rdb.h"

#define RDB_FUNCTION 245 /* opcode: the text of a library follows */

static void script_cmd_function_dump(struct cmd_ctx *c)
{
	const struct script_library *lib = script_library_first(script_thread_of(c)->libraries);
	struct rdb_out w;

	rdb_out_init(&w, c->env->heap, true);
	for (; lib != NULL; lib = lib->next) {
		rdb_put_u8(&w, RDB_FUNCTION);
		rdb_put_string(&w, lib->text);
	}
	rdb_put_footer(&w, RDB_VERSION);
	if (w.failed)
		cmd_err_oom(c);
	else
		reply_bulk(c->out, w.p, w.len);
	rdb_out_fini(&w);
}

/* ---- FUNCTION RESTORE ---- */

enum restore_policy {
	RESTORE_APPEND,
	RESTORE_REPLACE,
	RESTORE_FLUSH
};

/* word.ptr NULL: none was given. */
static bool policy_of(struct slice word, enum restore_policy *policy)
{
	*policy = RESTORE_APPEND;
	if (word.ptr == NULL || slice_is(word, "append"))
		return true;
	if (slice_is(word, "replace"))
		*policy = RESTORE_REPLACE;
	else if (slice_is(word, "flush"))
		*policy = RESTORE_FLUSH;
	else
		return false;
	return true;
}

/* Loads all libraries of the payload beside none. */
static bool load_all(struct script_thread *t, struct rdb_in *in, char *why)
{
	char name[SCRIPT_NAME_MAX];

	while (in->p < in->end) {
		struct rdb_str s;
		if (rdb_get_u8(in) != RDB_FUNCTION) {
			strcpy(why, "ERR given type is not a function");
			return false;
		}
		if (!rdb_get_string(in, &s)) {
			strcpy(why, "ERR failed loading functions payload");
			return false;
		}
		bool ok = script_library_load(t->libraries, s.s, false, true, name, why);
		rdb_str_free(in, &s);
		if (!ok)
			return false;
	}
	return true;
}

bool script_restore(struct script_thread *t, struct slice p, struct slice word, struct heap *heap, char *why)
{
	enum restore_policy policy;
	struct slice body;

	if (!policy_of(word, &policy)) {
		strcpy(why, "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
		return false;
	}
	if (!rdb_payload_open(p, &body)) {
		strcpy(why, "ERR DUMP payload version or checksum are wrong");
		return false;
	}
	struct rdb_in in = {.p = (const uint8_t *)body.ptr, .end = (const uint8_t *)body.ptr + body.len, .heap = heap};
	struct script_library *before = script_libraries_take(t->libraries);
	bool ok = load_all(t, &in, why);
	if (!ok)
		script_libraries_put(t->libraries, before);
	else if (policy == RESTORE_FLUSH)
		script_libraries_drop(t->libraries, before);
	else
		ok = script_libraries_merge(t->libraries, before, policy == RESTORE_REPLACE, why);
	return ok;
}

static void script_cmd_function_restore(struct cmd_ctx *c)
{
	struct slice word = c->argc == 4 ? c->argv[3] : (struct slice){NULL, 0};
	char why[SCRIPT_WHY_MAX];

	if (c->argc > 4) {
		reply_errorf(c->out,
			     "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try FUNCTION HELP.",
			     (int)c->argv[1].len, c->argv[1].ptr);
	} else if (!script_restore(script_thread_of(c), c->argv[2], word, c->env->heap, why)) {
		reply_error(c->out, why);
	} else {
		script_libraries_changed(c, false);
		reply_ok(c->out);
	}
}

void script_bind_dump(void)
{
	cmd_bind("function|dump", script_cmd_function_dump);
	cmd_bind("function|restore", script_cmd_function_restore);
}
