/* The table itself, and what is derived from it once at boot: ids, parents, key ranges. */
#include "cmd/acl.h"
#include "cmd/handlers.h"
#include "cmd/table.h"

/* The words of the rows' flag columns. */
enum {
	WRITE = CMD_F_WRITE,
	READONLY = CMD_F_READONLY,
	DENYOOM = CMD_F_DENYOOM,
	ADMIN = CMD_F_ADMIN,
	NOSCRIPT = CMD_F_NOSCRIPT,
	LOADING = CMD_F_LOADING,
	NO_ASYNC_LOADING = CMD_F_NO_ASYNC_LOADING,
	STALE = CMD_F_STALE,
	FAST = CMD_F_FAST,
	NO_AUTH = CMD_F_NO_AUTH,
	NO_MULTI = CMD_F_NO_MULTI,
	SKIP_SLOWLOG = CMD_F_SKIP_SLOWLOG,
	PUBSUB = CMD_F_PUBSUB,
	MAY_REPLICATE = CMD_F_MAY_REPLICATE,
	BLOCKING = CMD_F_BLOCKING,
	MOVABLE_KEYS = CMD_F_MOVABLE_KEYS,
	ALLOW_BUSY = CMD_F_ALLOW_BUSY,
	NO_MANDATORY_KEYS = CMD_F_NO_MANDATORY_KEYS,
	SKIP_MONITOR = CMD_F_SKIP_MONITOR,
	SUBCOMMANDS = CMD_F_CONTAINER,
	HIDDEN = CMD_F_HIDDEN,
	PROTECTED = CMD_F_PROTECTED,
};

#define ROW(name_, arity_, flags_, cats_, route_, fn_, since_, group_, summary_, complexity_, ...) \
	{.name = name_,                                                                            \
	 .arity = arity_,                                                                          \
	 .flags = (flags_),                                                                        \
	 .acl = (cats_),                                                                           \
	 .route = route_,                                                                          \
	 .fn = fn_,                                                                                \
	 .doc = &(const struct cmd_doc){                                                           \
		 .since = since_, .group = group_, .summary = summary_, .complexity = complexity_, ##__VA_ARGS__}},

#define CMD(name, arity, flags, cats, route, fn, ...) ROW(name, arity, flags, cats, CMD_##route, fn, __VA_ARGS__)
#define CONTAINER(name, arity, flags, cats, ...) \
	ROW(name, arity, (flags) | SUBCOMMANDS, cats, CMD_HOME, NULL, __VA_ARGS__)
#define CONTROL(name, arity, flags, cats, ...)  ROW(name, arity, flags, cats, CMD_CONTROL, NULL, __VA_ARGS__)
#define SCRIPTED(name, arity, flags, cats, ...) ROW(name, arity, flags, cats, CMD_SCRIPT, NULL, __VA_ARGS__)

/* Written by cmd_table_init() and cmd_bind() at boot, constant afterwards. */
static struct cmd table[] = {
#include "cmd/table.def"
};

const uint32_t cmd_count = RP_ARRAY_LEN(table);
const char cmd_redis_version[] = "7.2.4";

const struct cmd *cmd_at(uint32_t id)
{
	rp_assert(id < cmd_count);
	return &table[id];
}

const char *cmd_own_name(const struct cmd *cmd)
{
	const char *bar = strchr(cmd->name, '|');

	return bar ? bar + 1 : cmd->name;
}

const struct cmd *cmd_sub_next(const struct cmd *parent, const struct cmd *after)
{
	uint32_t next = (uint32_t)(after ? after : parent)->id + 1;

	return next < cmd_count && table[next].parent == parent->id ? &table[next] : NULL;
}

/* The legacy range that COMMAND INFO prints and most routing needs: specs that follow each other make one range. */
static void key_range_derive(struct cmd *cmd)
{
	struct slice rest = cmd_text(cmd->doc->specs);
	struct cmd_keyspec ks;

	while (cmd_keyspec_next(&rest, &ks)) {
		if (ks.unknown || ks.counted || ks.word.len > 0 || (cmd->key_first && ks.first != cmd->key_last + 1))
			break;
		if (!cmd->key_first) {
			cmd->key_first = ks.first;
			cmd->key_step = ks.step;
		}
		cmd->key_last = ks.last < 0 ? ks.last : ks.first + ks.last;
	}
}

void cmd_table_init(void)
{
	int16_t container = -1;

	for (uint32_t i = 0; i < cmd_count; i++) {
		struct cmd *cmd = &table[i];
		bool sub = strchr(cmd->name, '|') != NULL;

		cmd->id = (int16_t)i;
		cmd->parent = sub ? container : -1;
		cmd->key_first = cmd->key_last = cmd->key_step = 0;
		cmd->getkeys = cmd->doc->getkeys;
		cmd->wide = cmd->doc->wide;
		cmd->member = cmd->doc->member;
		if (cmd->flags & CMD_F_CONTAINER)
			container = (int16_t)i;
		key_range_derive(cmd);
	}
	cmd_lookup_init();
	cmd_run_init();
	acl_keys_init();
}

static bool bound_later(const struct cmd *cmd)
{
	return cmd->route == CMD_CONTROL || cmd->route == CMD_SCRIPT;
}

void cmd_bind(const char *name, cmd_fn fn)
{
	const struct cmd *cmd = cmd_find(cmd_text(name));

	rp_assert(cmd != NULL && bound_later(cmd));
	table[cmd->id].fn = fn;
}

uint32_t cmd_categories(const struct cmd *cmd)
{
	static const struct {
		uint32_t flag, cats;
	} implied[] = {
		{CMD_F_WRITE, CAT_WRITE},   {CMD_F_READONLY, CAT_READ},
		{CMD_F_PUBSUB, CAT_PUBSUB}, {CMD_F_ADMIN, CAT_ADMIN | CAT_DANGEROUS},
		{CMD_F_FAST, CAT_FAST},     {CMD_F_BLOCKING, CAT_BLOCKING},
	};
	uint32_t cats = cmd->acl;

	for (size_t i = 0; i < RP_ARRAY_LEN(implied); i++)
		if (cmd->flags & implied[i].flag)
			cats |= implied[i].cats;
	if (cmd->acl & CAT_SCRIPTING) /* who may read may not run whatever script reads */
		cats &= ~(uint32_t)CAT_READ;
	return cats & CAT_FAST ? cats : cats | CAT_SLOW;
}

static bool args_readable(struct slice text, int depth)
{
	struct cmd_docarg arg;

	if (depth > 8)
		return false;
	while (cmd_docarg_next(&text, &arg))
		if ((arg.type >= ARG_ONEOF) != (arg.inner.len > 0) || (arg.type == ARG_PURE_TOKEN && !arg.token.len) ||
		    !args_readable(arg.inner, depth + 1))
			return false;
	return text.len == 0;
}

/* Key positions where the route looks for keys, none where it could not do them justice. Commands on channels and
 * scripts may have some, for clients to read. */
static bool keys_suit_route(const struct cmd *cmd)
{
	bool keyed = cmd->key_first > 0 || cmd->getkeys;

	switch ((enum cmd_route)cmd->route) {
	case CMD_KEYS:
	case CMD_HOME_KEYS:
		return keyed;
	case CMD_CHANNEL:
	case CMD_SCRIPT:
		return true;
	case CMD_HOME:
		return !keyed || cmd->flags & CMD_F_PUBSUB;
	default:
		return !keyed;
	}
}

static bool row_complete(const struct cmd *cmd)
{
	const struct cmd_doc *doc = cmd->doc;
	bool container = cmd->flags & CMD_F_CONTAINER;
	struct slice specs = cmd_text(doc->specs), name = cmd_text(cmd->name);
	struct cmd_keyspec ks;

	if (!name.len || name.len > 48 || cmd->arity == 0 || !*doc->since || !*doc->group || !*doc->summary ||
	    !*doc->complexity)
		return false;
	if (cmd_find(name) != cmd)
		return false;
	if (strchr(cmd->name, '|') && cmd->parent < 0)
		return false;
	if (container && !cmd_sub_next(cmd, NULL))
		return false;
	if (cmd->fn == NULL && !container && !bound_later(cmd))
		return false;
	if (!keys_suit_route(cmd))
		return false;
	while (cmd_keyspec_next(&specs, &ks))
		;
	return specs.len == 0 && args_readable(cmd_text(doc->args), 0);
}

const char *cmd_table_check(void)
{
	for (uint32_t i = 0; i < cmd_count; i++)
		if (!row_complete(&table[i]))
			return table[i].name;
	return NULL;
}
