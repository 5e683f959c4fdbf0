/* COMMAND INFO: name, arity, flags, legacy key range, categories, tips, key specs, subcommands. */
#include <stdio.h>

#include "cmd/command_reply.h"

struct bit_name {
	uint32_t bit;
	const char *name;
};

/* In the order of Redis's answer. */
static const struct bit_name flag_names[] = {
	{CMD_F_WRITE, "write"},
	{CMD_F_READONLY, "readonly"},
	{CMD_F_DENYOOM, "denyoom"},
	{CMD_F_ADMIN, "admin"},
	{CMD_F_PUBSUB, "pubsub"},
	{CMD_F_NOSCRIPT, "noscript"},
	{CMD_F_BLOCKING, "blocking"},
	{CMD_F_LOADING, "loading"},
	{CMD_F_STALE, "stale"},
	{CMD_F_SKIP_MONITOR, "skip_monitor"},
	{CMD_F_SKIP_SLOWLOG, "skip_slowlog"},
	{CMD_F_ASKING, "asking"},
	{CMD_F_FAST, "fast"},
	{CMD_F_NO_AUTH, "no_auth"},
	{CMD_F_NO_MANDATORY_KEYS, "no_mandatory_keys"},
	{CMD_F_NO_ASYNC_LOADING, "no_async_loading"},
	{CMD_F_NO_MULTI, "no_multi"},
	{CMD_F_MOVABLE_KEYS, "movablekeys"},
	{CMD_F_ALLOW_BUSY, "allow_busy"},
};

static const struct bit_name category_names[] = {
	{CAT_KEYSPACE, "keyspace"},
	{CAT_READ, "read"},
	{CAT_WRITE, "write"},
	{CAT_SET, "set"},
	{CAT_SORTEDSET, "sortedset"},
	{CAT_LIST, "list"},
	{CAT_HASH, "hash"},
	{CAT_STRING, "string"},
	{CAT_BITMAP, "bitmap"},
	{CAT_HYPERLOGLOG, "hyperloglog"},
	{CAT_GEO, "geo"},
	{CAT_STREAM, "stream"},
	{CAT_PUBSUB, "pubsub"},
	{CAT_ADMIN, "admin"},
	{CAT_FAST, "fast"},
	{CAT_SLOW, "slow"},
	{CAT_BLOCKING, "blocking"},
	{CAT_DANGEROUS, "dangerous"},
	{CAT_CONNECTION, "connection"},
	{CAT_TRANSACTION, "transaction"},
	{CAT_SCRIPTING, "scripting"},
};

const char *cmd_category_name(uint32_t i, uint32_t *bit)
{
	if (i >= RP_ARRAY_LEN(category_names))
		return NULL;
	*bit = category_names[i].bit;
	return category_names[i].name;
}

uint32_t cmd_category(struct slice name)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(category_names); i++)
		if (slice_is(name, category_names[i].name))
			return category_names[i].bit;
	return 0;
}

static void reply_bits(struct reply *r, uint32_t bits, const struct bit_name *names, size_t n, const char *prefix)
{
	char text[64];
	uint32_t set = 0;

	for (size_t i = 0; i < n; i++)
		set += (bits & names[i].bit) != 0;
	reply_set(r, set);
	for (size_t i = 0; i < n; i++)
		if (bits & names[i].bit) {
			snprintf(text, sizeof text, "%s%s", prefix, names[i].name);
			reply_status(r, text);
		}
}

void command_reply_flags(struct reply *r, struct slice words, bool settled)
{
	struct slice word;
	struct reply sub;
	uint64_t n = 0;
	char text[64];

	reply_sub_begin(r, &sub);
	while (cmd_word_next(&words, " ", &word)) {
		if (settled && slice_eq(word, SLICE("variable_flags")))
			continue;
		snprintf(text, sizeof text, "%.*s", (int)word.len, word.ptr);
		reply_status(&sub, text);
		n++;
	}
	reply_sub_end(r, &sub, REPLY_SET, n);
}

static void reply_tips(struct reply *r, struct slice tips)
{
	struct slice word;
	uint64_t n = 0;

	for (struct slice rest = tips; cmd_word_next(&rest, " ", &word);)
		n++;
	reply_set(r, n);
	while (cmd_word_next(&tips, " ", &word))
		reply_bulk_slice(r, word);
}

static void reply_number(struct reply *r, const char *name, int64_t v)
{
	reply_bulk_str(r, name);
	reply_int(r, v);
}

/* One of the two steps of a spec; its `fields` follow. */
static void reply_step(struct reply *r, const char *type, uint64_t fields)
{
	reply_map(r, 2);
	reply_bulk_str(r, "type");
	reply_bulk_str(r, type);
	reply_bulk_str(r, "spec");
	reply_map(r, fields);
}

static void reply_keyspec(struct reply *r, const struct cmd_keyspec *ks)
{
	reply_map(r, ks->note.len ? 4 : 3);
	if (ks->note.len) {
		reply_bulk_str(r, "notes");
		reply_bulk_slice(r, ks->note);
	}
	reply_bulk_str(r, "flags");
	command_reply_flags(r, ks->flags, false);

	reply_bulk_str(r, "begin_search");
	if (ks->unknown) {
		reply_step(r, "unknown", 0);
		reply_bulk_str(r, "find_keys");
		reply_step(r, "unknown", 0);
		return;
	}
	reply_step(r, ks->word.len > 0 ? "keyword" : "index", ks->word.len > 0 ? 2 : 1);
	if (ks->word.len > 0) {
		reply_bulk_str(r, "keyword");
		reply_bulk_slice(r, ks->word);
	}
	reply_number(r, ks->word.len > 0 ? "startfrom" : "index", ks->first);

	reply_bulk_str(r, "find_keys");
	reply_step(r, ks->counted ? "keynum" : "range", 3);
	if (ks->counted) {
		reply_number(r, "keynumidx", 0);
		reply_number(r, "firstkey", 1);
		reply_number(r, "keystep", ks->step);
		return;
	}
	reply_number(r, "lastkey", ks->last);
	reply_number(r, "keystep", ks->step);
	reply_number(r, "limit", ks->limit);
}

static void reply_keyspecs(struct reply *r, struct slice specs)
{
	struct cmd_keyspec ks;
	uint32_t n = 0;

	for (struct slice rest = specs; cmd_keyspec_next(&rest, &ks);)
		n++;
	reply_set(r, n);
	while (cmd_keyspec_next(&specs, &ks))
		reply_keyspec(r, &ks);
}

static void reply_one(struct reply *r, const struct cmd *cmd)
{
	reply_array(r, 10);
	reply_bulk_str(r, cmd->name);
	reply_int(r, cmd->arity);
	reply_bits(r, cmd->flags, flag_names, RP_ARRAY_LEN(flag_names), "");
	reply_int(r, cmd->key_first);
	reply_int(r, cmd->key_last);
	reply_int(r, cmd->key_step);
	reply_bits(r, cmd_categories(cmd), category_names, RP_ARRAY_LEN(category_names), "@");
	reply_tips(r, cmd_text(cmd->doc->tips));
	reply_keyspecs(r, cmd_text(cmd->doc->specs));
}

void command_reply_info(struct reply *r, const struct cmd *cmd)
{
	const struct cmd *sub;
	uint32_t subs = 0;

	for (sub = NULL; (sub = cmd_sub_next(cmd, sub)) != NULL;)
		subs += !(sub->flags & CMD_F_HIDDEN);
	reply_one(r, cmd);
	/* Redis answers none as a set, some as an array */
	subs ? reply_array(r, subs) : reply_set(r, 0);
	for (sub = NULL; (sub = cmd_sub_next(cmd, sub)) != NULL;)
		if (!(sub->flags & CMD_F_HIDDEN)) {
			reply_one(r, sub);
			reply_set(r, 0);
		}
}
