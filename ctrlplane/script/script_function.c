/* FCALL, FCALL_RO, FUNCTION LOAD, DELETE, FLUSH, LIST. */
#include "base/glob.h"
#include "base/num.h"
#include "ctrlplane/script/script_thread_priv.h"

static void call_function(struct cmd_ctx *c, bool read_only)
{
	struct script_function *f = script_function_find(script_thread_of(c)->libraries, c->argv[1]);
	int64_t nkeys;

	if (f == NULL) {
		reply_error(c->out, "ERR Function not found");
		return;
	}
	if (!num_parse_i64(c->argv[2], &nkeys)) {
		reply_error(c->out, "ERR Bad number of keys provided");
		return;
	}
	script_run_code(c, &f->code, 2, read_only, &f->wide);
	f->known = true;
}

static void script_cmd_fcall(struct cmd_ctx *c)
{
	call_function(c, false);
}

static void script_cmd_fcall_ro(struct cmd_ctx *c)
{
	call_function(c, true);
}

/* ---- FUNCTION ---- */

static void emit_load(struct cmd_ctx *c, struct slice text)
{
	struct slice words[] = {SLICE("FUNCTION"), SLICE("LOAD"), SLICE("REPLACE"), text};

	cmd_effect(c, c->env->stores[0], RP_ARRAY_LEN(words), words);
}

/* All libraries anew. */
static void emit_all(struct cmd_ctx *c)
{
	struct slice words[] = {SLICE("FUNCTION"), SLICE("FLUSH")};
	const struct script_library *lib = script_library_first(script_thread_of(c)->libraries);

	cmd_effect(c, c->env->stores[0], RP_ARRAY_LEN(words), words);
	for (; lib != NULL; lib = lib->next)
		emit_load(c, lib->text);
}

/* The effect stands in the journal of the first shard, which the command holds, in words that may come twice: a file's
 * base may have the library already. */
void script_libraries_changed(struct cmd_ctx *c, bool loaded)
{
	if (loaded)
		emit_load(c, c->argv[c->argc - 1]);
	else
		emit_all(c);
}

static void script_cmd_function_load(struct cmd_ctx *c)
{
	struct script_thread *t = script_thread_of(c);
	char name[SCRIPT_NAME_MAX], why[SCRIPT_WHY_MAX];
	bool replace = false;

	for (uint32_t i = 2; i + 1 < c->argc; i++) {
		if (!cmd_arg_is(c, i, "replace")) {
			reply_errorf(c->out, "ERR Unknown option given: %.*s", (int)RP_MIN(c->argv[i].len, (size_t)512),
				     c->argv[i].ptr);
			return;
		}
		replace = true;
	}
	if (script_memory_short(t)) {
		reply_error(c->out, "OOM command not allowed when used memory > 'maxmemory'.");
	} else if (!script_library_load(t->libraries, c->argv[c->argc - 1], replace, true, name, why)) {
		reply_error(c->out, why);
	} else {
		script_libraries_changed(c, true);
		reply_bulk_str(c->out, name);
	}
}

static void script_cmd_function_delete(struct cmd_ctx *c)
{
	if (!script_library_delete(script_thread_of(c)->libraries, c->argv[2])) {
		reply_error(c->out, "ERR Library not found");
	} else {
		script_libraries_changed(c, false);
		reply_ok(c->out);
	}
}

static void script_cmd_function_flush(struct cmd_ctx *c)
{
	if (c->argc > 3) {
		reply_errorf(c->out,
			     "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try FUNCTION HELP.",
			     (int)c->argv[1].len, c->argv[1].ptr);
	} else if (c->argc == 3 && !cmd_arg_is(c, 2, "sync") && !cmd_arg_is(c, 2, "async")) {
		reply_error(c->out, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
	} else {
		script_libraries_flush(script_thread_of(c)->libraries);
		script_libraries_changed(c, false);
		reply_ok(c->out);
	}
}

/* ---- FUNCTION LIST ---- */

static void reply_function(struct reply *r, const struct script_function *f)
{
	uint32_t flags = f->code.flags;

	reply_map(r, 3);
	reply_bulk_str(r, "name");
	reply_bulk_str(r, f->code.name);
	reply_bulk_str(r, "description");
	if (f->description != NULL)
		reply_bulk_str(r, f->description);
	else
		reply_null(r);
	reply_bulk_str(r, "flags");
	reply_set(r, (uint64_t)__builtin_popcount(flags));
	for (uint32_t flag = 1; flag <= flags; flag <<= 1)
		if (flags & flag)
			reply_status(r, script_flag_name(flag));
}

static void reply_library(struct reply *r, const struct script_library *lib, bool withcode)
{
	reply_map(r, withcode ? 4 : 3);
	reply_bulk_str(r, "library_name");
	reply_bulk_str(r, lib->name);
	reply_bulk_str(r, "engine");
	reply_bulk_str(r, "LUA");
	reply_bulk_str(r, "functions");
	reply_array(r, lib->nfunctions);
	for (const struct script_function *f = lib->functions; f != NULL; f = f->next_of_library)
		reply_function(r, f);
	if (withcode) {
		reply_bulk_str(r, "library_code");
		reply_bulk_slice(r, lib->text);
	}
}

struct list_options {
	bool withcode, filtered;
	struct slice pattern;
};

static bool list_options(struct cmd_ctx *c, struct list_options *o)
{
	*o = (struct list_options){.withcode = false};
	for (uint32_t i = 2; i < c->argc; i++) {
		if (!o->withcode && cmd_arg_is(c, i, "withcode")) {
			o->withcode = true;
		} else if (!o->filtered && cmd_arg_is(c, i, "libraryname")) {
			if (i + 1 >= c->argc) {
				reply_error(c->out, "ERR library name argument was not given");
				return false;
			}
			o->filtered = true;
			o->pattern = c->argv[++i];
		} else {
			reply_errorf(c->out, "ERR Unknown argument %.*s", (int)RP_MIN(c->argv[i].len, (size_t)512),
				     c->argv[i].ptr);
			return false;
		}
	}
	return true;
}

static void script_cmd_function_list(struct cmd_ctx *c)
{
	const struct script_library *first = script_library_first(script_thread_of(c)->libraries);
	struct list_options o;
	struct reply sub;
	uint64_t n = 0;

	if (!list_options(c, &o))
		return;
	reply_sub_begin(c->out, &sub);
	for (const struct script_library *lib = first; lib != NULL; lib = lib->next) {
		if (o.filtered && !glob_match(o.pattern, (struct slice){lib->name, strlen(lib->name)}, true))
			continue;
		reply_library(&sub, lib, o.withcode);
		n++;
	}
	reply_sub_end(c->out, &sub, REPLY_ARRAY, n);
}

void script_bind_function(void)
{
	cmd_bind("fcall", script_cmd_fcall);
	cmd_bind("fcall_ro", script_cmd_fcall_ro);
	cmd_bind("function|load", script_cmd_function_load);
	cmd_bind("function|delete", script_cmd_function_delete);
	cmd_bind("function|flush", script_cmd_function_flush);
	cmd_bind("function|list", script_cmd_function_list);
	script_bind_dump();
}
