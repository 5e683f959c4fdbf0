/* ACL. */
#include <errno.h>
#include <stdlib.h>

#include "ctrlplane/acl_log.h"
#include "ctrlplane/acl_user.h"
#include "ctrlplane/ctrl.h"

#define GENPASS_BITS_MAX 4096

static bool all_channels(const struct ctrl *c)
{
	return c->config.acl_pubsub_default == CONFIG_ALL_CHANNELS;
}

/* Answers with the text as a bulk string. */
static void reply_bulk_text(struct reply *r, struct text *t)
{
	if (t->failed)
		reply_error(r, "ERR out of memory for the answer");
	else
		reply_bulk(r, t->buf != NULL ? t->buf : "", t->len);
	text_free(t);
}

static void err_memory(struct cmd_ctx *c)
{
	reply_error(c->out, "ERR out of memory for users");
}

/* ---- SETUSER, DELUSER ---- */

static void ctrl_acl_setuser(struct cmd_ctx *c)
{
	struct ctrl *ctl = ctrl_of(c);
	const struct acl_user *old = acl_find(ctl->users, c->argv[2]);
	char bad[ACL_BAD_MAX];
	struct err why;

	if (!acl_name_ok(c->argv[2])) {
		reply_error(c->out, "ERR Usernames can't contain spaces or null characters");
		return;
	}
	struct acl_user *u = old != NULL ? acl_user_clone(old) : acl_user_create(c->argv[2], all_channels(ctl));
	if (u == NULL) {
		err_memory(c);
		return;
	}
	if (acl_user_set_all(u, c->argc - 3, c->argv + 3, all_channels(ctl), bad, &why)) {
		if (why.text[0] == '\0')
			reply_errorf(c->out, "ERR Unmatched parenthesis in acl selector starting at '%s'.", bad);
		else
			reply_errorf(c->out, "ERR Error in ACL SETUSER modifier '%s': %s", bad, why.text);
		acl_user_destroy(u);
		return;
	}
	acl_user_settle(u);
	struct acl_table *next = acl_table_with(ctl->users, u);
	if (next == NULL) {
		acl_user_destroy(u);
		err_memory(c);
		return;
	}
	ctrl_publish_users(ctl, next, c->client_id);
	reply_ok(c->out);
}

static void ctrl_acl_deluser(struct cmd_ctx *c)
{
	struct ctrl *ctl = ctrl_of(c);
	int64_t deleted = 0;

	for (uint32_t i = 2; i < c->argc; i++) {
		if (slice_eq(c->argv[i], SLICE("default"))) {
			reply_error(c->out, "ERR The 'default' user cannot be removed");
			return;
		}
		if (acl_find(ctl->users, c->argv[i]) == NULL)
			continue;
		struct acl_table *next = acl_table_without(ctl->users, c->argv[i]);
		if (next == NULL) {
			err_memory(c);
			return;
		}
		ctrl_publish_users(ctl, next, c->client_id);
		deleted++;
	}
	reply_int(c->out, deleted);
}

/* ---- GETUSER, LIST, USERS ---- */

static void reply_selector(struct reply *r, const struct acl_selector *s)
{
	static const struct {
		const char *name;
		void (*describe)(const struct acl_selector *s, struct text *t);
	} parts[] = {
		{"commands", acl_selector_commands}, {"keys", acl_selector_keys}, {"channels", acl_selector_channels}};

	for (size_t i = 0; i < RP_ARRAY_LEN(parts); i++) {
		struct text t = {.buf = NULL};
		parts[i].describe(s, &t);
		reply_bulk_str(r, parts[i].name);
		reply_bulk_text(r, &t);
	}
}

static void reply_flags(struct reply *r, const struct acl_user *u)
{
	const char *flag;
	uint64_t n = 0;
	bool set;

	for (uint32_t i = 0; (flag = acl_user_flag(u, i, &set)) != NULL; i++)
		n += set;
	reply_set(r, n);
	for (uint32_t i = 0; (flag = acl_user_flag(u, i, &set)) != NULL; i++)
		if (set)
			reply_bulk_str(r, flag);
}

static void ctrl_acl_getuser(struct cmd_ctx *c)
{
	const struct acl_user *u = acl_find(ctrl_of(c)->users, c->argv[2]);
	struct reply *r = c->out;

	if (u == NULL) {
		reply_null(r);
		return;
	}
	reply_map(r, 6);
	reply_bulk_str(r, "flags");
	reply_flags(r, u);
	reply_bulk_str(r, "passwords");
	reply_array(r, u->nhashes);
	for (uint32_t i = 0; i < u->nhashes; i++) {
		struct text t = {.buf = NULL};
		acl_hash_describe(u->hashes[i], &t);
		reply_bulk_text(r, &t);
	}
	reply_selector(r, &u->selectors[0]);
	reply_bulk_str(r, "selectors");
	reply_array(r, u->nselectors - 1);
	for (uint32_t i = 1; i < u->nselectors; i++) {
		reply_map(r, 3);
		reply_selector(r, &u->selectors[i]);
	}
}

static void ctrl_acl_list(struct cmd_ctx *c)
{
	const struct acl_table *t = ctrl_of(c)->users;

	reply_array(c->out, t->n);
	for (uint32_t i = 0; i < t->n; i++) {
		struct text line = {.buf = NULL};
		acl_user_describe(t->user[i], &line);
		reply_bulk_text(c->out, &line);
	}
}

static void ctrl_acl_users(struct cmd_ctx *c)
{
	const struct acl_table *t = ctrl_of(c)->users;

	reply_array(c->out, t->n);
	for (uint32_t i = 0; i < t->n; i++)
		reply_bulk_slice(c->out, t->user[i]->name);
}

/* ---- CAT, GENPASS, DRYRUN ---- */

static void err_subcommand(struct cmd_ctx *c)
{
	reply_errorf(c->out, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try ACL HELP.",
		     (int)RP_MIN(c->argv[1].len, 128u), c->argv[1].ptr);
}

static void ctrl_acl_cat(struct cmd_ctx *c)
{
	uint32_t bit, category = c->argc == 3 ? cmd_category(c->argv[2]) : 0;
	const char *name;
	struct reply sub;
	uint64_t n = 0;

	if (c->argc > 3) {
		err_subcommand(c);
		return;
	}
	if (c->argc == 3 && category == 0) {
		reply_errorf(c->out, "ERR Unknown category '%.*s'", (int)RP_MIN(c->argv[2].len, 128u), c->argv[2].ptr);
		return;
	}
	reply_sub_begin(c->out, &sub);
	for (uint32_t i = 0; c->argc == 2 && (name = cmd_category_name(i, &bit)) != NULL; i++, n++)
		reply_bulk_str(&sub, name);
	for (uint32_t i = 0; i < cmd_count; i++) {
		const struct cmd *cmd = cmd_at(i);
		if (!(cmd_categories(cmd) & category) || cmd->flags & CMD_F_HIDDEN)
			continue;
		reply_bulk_str(&sub, cmd->name);
		n++;
	}
	reply_sub_end(c->out, &sub, REPLY_ARRAY, n);
}

static void ctrl_acl_genpass(struct cmd_ctx *c)
{
	char hex[GENPASS_BITS_MAX / 4 + 1];
	uint8_t random[GENPASS_BITS_MAX / 8];
	int64_t bits = 256;

	if (c->argc > 3) {
		err_subcommand(c);
		return;
	}
	if (c->argc == 3 && !cmd_arg_i64(c, 2, &bits))
		return;
	if (bits <= 0 || bits > GENPASS_BITS_MAX) {
		reply_error(c->out, "ERR ACL GENPASS argument must be the number of bits for the output password, a "
				    "positive number up to 4096");
		return;
	}
	uint32_t chars = (uint32_t)(bits + 3) / 4;
	rng_system(random, (chars + 1) / 2);
	for (uint32_t i = 0; i < chars; i++)
		hex[i] = "0123456789abcdef"[random[i / 2] >> (i % 2 * 4) & 15];
	reply_bulk(c->out, hex, chars);
}

static void ctrl_acl_dryrun(struct cmd_ctx *c)
{
	const struct acl_user *u = acl_find(ctrl_of(c)->users, c->argv[2]);
	const struct slice *argv = c->argv + 3;
	uint32_t argc = c->argc - 3, arg;
	char text[ACL_TEXT_MAX];

	if (u == NULL) {
		reply_errorf(c->out, "ERR User '%.*s' not found", (int)RP_MIN(c->argv[2].len, 128u), c->argv[2].ptr);
		return;
	}
	const struct cmd *cmd = cmd_lookup(argc, argv);
	if (cmd == NULL) {
		reply_errorf(c->out, "ERR Command '%.*s' not found", (int)RP_MIN(argv[0].len, 128u), argv[0].ptr);
		return;
	}
	if (!cmd_arity_ok(cmd, argc)) {
		reply_errorf(c->out, "ERR wrong number of arguments for '%s' command", cmd->name);
		return;
	}
	enum acl_verdict v = acl_check(u, cmd, argc, argv, &arg);
	if (v == ACL_OK)
		reply_ok(c->out);
	else
		reply_bulk_str(c->out, acl_refusal(v, u, cmd, argv[arg], true, text));
}

/* ---- LOG ---- */

static void ctrl_acl_log(struct cmd_ctx *c)
{
	struct ctrl *ctl = ctrl_of(c);
	int64_t count = 10;

	if (c->argc > 3) {
		err_subcommand(c);
		return;
	}
	if (c->argc == 3 && cmd_arg_is(c, 2, "reset")) {
		acl_log_reset(ctl->acl_log);
		reply_ok(c->out);
		return;
	}
	if (c->argc == 3 && !cmd_arg_i64(c, 2, &count))
		return;
	acl_log_reply(ctl->acl_log, (uint64_t)RP_MAX(count, 0), &ctl->now, c->out);
}

/* ---- the file ---- */

static bool has_file(struct cmd_ctx *c)
{
	if (ctrl_of(c)->config.aclfile[0] != '\0')
		return true;
	reply_error(c->out,
		    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via "
		    "the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration "
		    "file set) in order to store users in the Redis configuration.");
	return false;
}

static void ctrl_acl_save(struct cmd_ctx *c)
{
	const struct ctrl *ctl = ctrl_of(c);
	struct err e;

	if (!has_file(c))
		return;
	if (acl_file_save(ctl->config.aclfile, ctl->users, &e) == 0) {
		reply_ok(c->out);
		return;
	}
	log_write(LOG_WARNING, "ACL SAVE: cannot write %s: %s", ctl->config.aclfile, e.text);
	reply_error(c->out, "ERR There was an error trying to save the ACLs. Please check the server logs for more "
			    "information");
}

static void ctrl_acl_load(struct cmd_ctx *c)
{
	struct ctrl *ctl = ctrl_of(c);
	struct acl_table *next;
	struct err e;

	if (!has_file(c))
		return;
	if (acl_file_load(ctl->config.aclfile, all_channels(ctl), &next, &e)) {
		reply_errorf(c->out,
			     "ERR %s. WARNING: ACL errors detected, no change to the previously active ACL "
			     "rules was performed",
			     e.text);
		return;
	}
	ctrl_publish_users(ctl, next, c->client_id);
	reply_ok(c->out);
}

void ctrl_bind_acl(void)
{
	cmd_bind("acl|setuser", ctrl_acl_setuser);
	cmd_bind("acl|deluser", ctrl_acl_deluser);
	cmd_bind("acl|getuser", ctrl_acl_getuser);
	cmd_bind("acl|list", ctrl_acl_list);
	cmd_bind("acl|users", ctrl_acl_users);
	cmd_bind("acl|cat", ctrl_acl_cat);
	cmd_bind("acl|genpass", ctrl_acl_genpass);
	cmd_bind("acl|dryrun", ctrl_acl_dryrun);
	cmd_bind("acl|log", ctrl_acl_log);
	cmd_bind("acl|save", ctrl_acl_save);
	cmd_bind("acl|load", ctrl_acl_load);
}
