/* Checks of requests against users, on the thread of the client. */
#include <stdio.h>

#include "base/glob.h"
#include "cmd/acl_keys.h"
#include "cmd/table.h"

const struct cmd *acl_command(const struct cmd *cmd)
{
	if (!(cmd->flags & CMD_F_HIDDEN) || cmd->parent < 0)
		return cmd;
	/* A container of nothing but such rows is an ordinary command to Redis. */
	const struct cmd *parent = cmd_at((uint32_t)cmd->parent);
	return cmd_sub_next(parent, NULL)->flags & CMD_F_HIDDEN ? parent : cmd;
}

static bool same_word(struct slice a, struct slice b)
{
	return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static bool command_allowed(const struct acl_selector *s, const struct cmd *named, uint32_t argc,
			    const struct slice *argv)
{
	uint32_t id = (uint32_t)named->id, at = named->parent >= 0 ? 2 : 1;

	if (s->flags & ACL_S_ALL_COMMANDS || named->flags & CMD_F_NO_AUTH || s->commands[id / 64] >> (id % 64) & 1)
		return true;
	for (uint32_t i = 0; i < s->nfirst_args && at < argc; i++)
		if (s->first_args[i].cmd == named->id && same_word(s->first_args[i].word, argv[at]))
			return true;
	return false;
}

/* ---- keys ---- */

struct key_check {
	const struct acl_selector *s;
	const struct slice *argv;
	bool denied;
	uint32_t idx;
};

static bool key_allowed(const struct acl_selector *s, struct slice key, uint32_t perms)
{
	for (uint32_t i = 0; i < s->nkeys; i++)
		if ((s->keys[i].perms & perms) == perms && glob_match(s->keys[i].text, key, false))
			return true;
	return false;
}

static bool check_key(void *ctx, uint32_t idx, uint32_t perms)
{
	struct key_check *k = ctx;

	k->denied = !key_allowed(k->s, k->argv[idx], perms);
	k->idx = idx;
	return !k->denied;
}

/* ---- channels ---- */

/* A pattern to subscribe to must be one of the user's, to the letter: nobody can tell what it would match. */
static bool channel_allowed(const struct acl_selector *s, struct slice channel, bool pattern)
{
	if (s->flags & ACL_S_ALL_CHANNELS)
		return true;
	for (uint32_t i = 0; i < s->nchannels; i++)
		if (pattern ? slice_eq(s->channels[i].text, channel) : glob_match(s->channels[i].text, channel, false))
			return true;
	return false;
}

static bool channels_allowed(const struct acl_selector *s, const struct cmd *cmd, uint32_t argc,
			     const struct slice *argv, uint32_t *arg)
{
	enum acl_channels how = acl_channels_of(cmd);

	if (rp_likely(how == ACL_CHANNELS_NONE) || s->flags & ACL_S_ALL_CHANNELS)
		return true;
	uint32_t end = how == ACL_CHANNELS_ONE ? RP_MIN(argc, 2u) : argc;
	for (uint32_t i = 1; i < end; i++)
		if (!channel_allowed(s, argv[i], how == ACL_CHANNELS_PATTERNS)) {
			*arg = i;
			return false;
		}
	return true;
}

/* ---- requests ---- */

static enum acl_verdict check_selector(const struct acl_selector *s, const struct cmd *cmd, uint32_t argc,
				       const struct slice *argv, uint32_t *arg)
{
	struct key_check k = {.s = s, .argv = argv};

	*arg = 0;
	cmd = acl_command(cmd); /* to Redis DEBUG has no keys */
	if (!command_allowed(s, cmd, argc, argv))
		return ACL_DENIED_CMD;
	if (!(s->flags & ACL_S_ALL_KEYS)) {
		acl_keys_visit(cmd, argc, argv, check_key, &k);
		if (k.denied) {
			*arg = k.idx;
			return ACL_DENIED_KEY;
		}
	}
	return channels_allowed(s, cmd, argc, argv, arg) ? ACL_OK : ACL_DENIED_CHANNEL;
}

enum acl_verdict acl_check(const struct acl_user *u, const struct cmd *cmd, uint32_t argc, const struct slice *argv,
			   uint32_t *arg)
{
	enum acl_verdict worst = ACL_OK;
	uint32_t at;

	*arg = 0;
	if (u == NULL || u->flags & ACL_U_FREE)
		return ACL_OK;
	for (uint32_t i = 0; i < u->nselectors; i++) {
		enum acl_verdict v = check_selector(&u->selectors[i], cmd, argc, argv, &at);
		if (v == ACL_OK)
			return ACL_OK;
		/* The selector that came furthest says why. */
		if (v > worst || (v == worst && at > *arg)) {
			worst = v;
			*arg = at;
		}
	}
	return worst;
}

static bool reads_all(const struct acl_selector *s)
{
	if (s->flags & ACL_S_ALL_KEYS)
		return true;
	for (uint32_t i = 0; i < s->nkeys; i++)
		if (s->keys[i].perms & ACL_READ && slice_eq(s->keys[i].text, SLICE("*")))
			return true;
	return false;
}

bool acl_reads_all(const struct acl_user *u, const struct cmd *cmd, uint32_t argc, const struct slice *argv)
{
	uint32_t at;

	if (u == NULL || u->flags & ACL_U_FREE)
		return true;
	for (uint32_t i = 0; i < u->nselectors; i++)
		if (reads_all(&u->selectors[i]) && check_selector(&u->selectors[i], cmd, argc, argv, &at) == ACL_OK)
			return true;
	return false;
}

enum acl_verdict acl_check_client(struct client *cl, const struct cmd *cmd, uint32_t argc, const struct slice *argv,
				  uint32_t *arg)
{
	enum acl_verdict v = acl_check(cl->user, cmd, argc, argv, arg);

	if (rp_unlikely(cmd->wide != NULL)) {
		cl->flags &= ~CLIENT_F_NO_ALIEN_KEYS;
		if (!acl_reads_all(cl->user, cmd, argc, argv))
			cl->flags |= CLIENT_F_NO_ALIEN_KEYS;
	}
	return v;
}

bool acl_channel_ok(const struct acl_user *u, struct slice channel, bool pattern)
{
	if (u == NULL || u->flags & ACL_U_FREE)
		return true;
	for (uint32_t i = 0; i < u->nselectors; i++)
		if (channel_allowed(&u->selectors[i], channel, pattern))
			return true;
	return false;
}

/* ---- texts ---- */

const char *acl_refusal(enum acl_verdict v, const struct acl_user *u, const struct cmd *cmd, struct slice arg,
			bool detail, char buf[ACL_TEXT_MAX])
{
	int name = (int)RP_MIN(u->name.len, 256u), shown = (int)RP_MIN(arg.len, 512u);

	if (v == ACL_DENIED_CMD)
		snprintf(buf, ACL_TEXT_MAX, "User %.*s has no permissions to run the '%s' command", name, u->name.ptr,
			 acl_command(cmd)->name);
	else if (detail)
		snprintf(buf, ACL_TEXT_MAX, "User %.*s has no permissions to access the '%.*s' %s", name, u->name.ptr,
			 shown, arg.ptr, v == ACL_DENIED_KEY ? "key" : "channel");
	else
		snprintf(buf, ACL_TEXT_MAX, "No permissions to access a %s", v == ACL_DENIED_KEY ? "key" : "channel");
	return buf;
}

const char *acl_refusal_exec(enum acl_verdict v, char buf[ACL_TEXT_MAX])
{
	static const char *const reason[] = {
		[ACL_OK] = "no permission",
		[ACL_DENIED_CMD] = "no permission to execute the command or subcommand",
		[ACL_DENIED_KEY] = "no permission to touch the specified keys",
		[ACL_DENIED_AUTH] = "no permission",
		[ACL_DENIED_CHANNEL] = "no permission to access one of the channels used as arguments",
	};

	snprintf(buf, ACL_TEXT_MAX,
		 "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This "
		 "command is no longer allowed for the following reason: %s",
		 reason[v]);
	return buf;
}
