/* The rows' key specs, read once at boot. */
#include <stdlib.h>

#include "cmd/acl_keys.h"
#include "cmd/table.h"

#define SPECS_MAX   3
#define FOUND_KEYS  2 /* what a function of a row finds beyond two stands together */
#define VARIED_WORD 16

struct key_rule {
	struct cmd_keyspec ks;
	uint32_t perms;
	uint32_t perms_plain; /* of `variable_flags`, without any of the words */
};

struct key_rules {
	struct key_rule rule[SPECS_MAX];
	uint8_t n;
	bool found; /* by a function of the row's own: the specs do not say all */
	uint8_t channels;
	struct slice varied; /* words that make it `perms`; empty: always */
};

/* Filled once at boot by acl_keys_init(), constant afterwards. */
static struct key_rules rules[ACL_COMMANDS_MAX];

static uint32_t perms_of(struct slice flags)
{
	struct slice word;
	uint32_t perms = 0;

	while (cmd_word_next(&flags, " ", &word)) {
		if (slice_eq(word, SLICE("access")))
			perms |= ACL_READ;
		if (slice_eq(word, SLICE("insert")) || slice_eq(word, SLICE("update")) ||
		    slice_eq(word, SLICE("delete")))
			perms |= ACL_WRITE;
	}
	return perms;
}

bool acl_keys_are_not(struct slice flags)
{
	struct slice word;

	while (cmd_word_next(&flags, " ", &word))
		if (slice_eq(word, SLICE("not_key")))
			return true;
	return false;
}

static enum acl_channels channels_of(struct slice name)
{
	static const struct {
		const char *name;
		enum acl_channels how;
	} those[] = {{"subscribe", ACL_CHANNELS_NAMES},
		     {"ssubscribe", ACL_CHANNELS_NAMES},
		     {"psubscribe", ACL_CHANNELS_PATTERNS},
		     {"publish", ACL_CHANNELS_ONE},
		     {"spublish", ACL_CHANNELS_ONE}};

	for (size_t i = 0; i < RP_ARRAY_LEN(those); i++)
		if (slice_is(name, those[i].name))
			return those[i].how;
	return ACL_CHANNELS_NONE;
}

static void read_row(const struct cmd *cmd, struct key_rules *r)
{
	struct slice rest = cmd_text(cmd->doc->specs), plain = cmd_text(cmd->doc->variable);
	struct cmd_keyspec ks;

	*r = (struct key_rules){.channels = (uint8_t)channels_of(cmd_text(cmd->name)),
				.found = cmd->getkeys != NULL && cmd->getkeys != cmd_getkeys_by_specs};
	if (plain.len > 0)
		cmd_word_next(&plain, ":", &r->varied);
	while (cmd_keyspec_next(&rest, &ks)) {
		uint32_t perms = perms_of(ks.flags);
		if (acl_keys_are_not(ks.flags))
			continue;
		rp_assert(r->n < SPECS_MAX);
		r->rule[r->n++] = (struct key_rule){ks, perms, r->varied.len > 0 ? perms_of(plain) : perms};
	}
}

void acl_keys_init(void)
{
	rp_assert(cmd_count <= ACL_COMMANDS_MAX);
	for (uint32_t i = 0; i < cmd_count; i++)
		read_row(cmd_at(i), &rules[i]);
}

enum acl_channels acl_channels_of(const struct cmd *cmd)
{
	return (enum acl_channels)rules[cmd->id].channels;
}

/* Does one of the words that change what is done to the key stand behind the arguments that every request has? */
static bool is_varied(const struct key_rules *r, const struct cmd *cmd, uint32_t argc, const struct slice *argv)
{
	struct slice words = r->varied, word;
	char text[VARIED_WORD] = {0};

	while (cmd_word_next(&words, " ", &word)) {
		memcpy(text, word.ptr, RP_MIN(word.len, sizeof text - 1));
		text[RP_MIN(word.len, sizeof text - 1)] = '\0';
		for (uint32_t i = (uint32_t)abs(cmd->arity); i < argc; i++)
			if (slice_is(argv[i], text))
				return true;
	}
	return false;
}

/* The first key is that of the first spec, any other that of the last. */
static void visit_found(const struct key_rules *r, const struct cmd *cmd, uint32_t argc, const struct slice *argv,
			acl_key_fn visit, void *ctx)
{
	uint32_t idx[FOUND_KEYS];
	int n = cmd_getkeys(cmd, argc, argv, idx, FOUND_KEYS);

	for (int i = 0; i < n; i++)
		if (!visit(ctx, i < FOUND_KEYS ? idx[i] : idx[FOUND_KEYS - 1] + (uint32_t)(i - FOUND_KEYS + 1),
			   r->rule[i == 0 ? 0 : r->n - 1].perms))
			return;
}

void acl_keys_visit(const struct cmd *cmd, uint32_t argc, const struct slice *argv, acl_key_fn visit, void *ctx)
{
	const struct key_rules *r = &rules[cmd->id];
	uint32_t from[SPECS_MAX], count[SPECS_MAX];

	if (rp_unlikely(r->found)) {
		visit_found(r, cmd, argc, argv, visit, ctx);
		return;
	}
	for (uint32_t s = 0; s < r->n; s++)
		if (!cmd_keyspec_find(&r->rule[s].ks, argc, argv, &from[s], &count[s]))
			return;
	bool varied = r->varied.len == 0 || is_varied(r, cmd, argc, argv);
	for (uint32_t s = 0; s < r->n; s++)
		for (uint32_t i = 0; i < count[s]; i++)
			if (!visit(ctx, from[s] + i * (uint32_t)r->rule[s].ks.step,
				   varied ? r->rule[s].perms : r->rule[s].perms_plain))
				return;
}
