/* Users under construction: made, changed and described by the control thread before they are published as snapshots
 * (cmd/acl.h). No function here touches a user that was published.
 *
 * A change is: acl_user_clone() or acl_user_create(), acl_user_set() for each rule, acl_user_settle(), then
 * acl_table_with() and ctrl_publish_users().
 */
#pragma once

#include "base/err.h"
#include "cmd/acl.h"
#include "ctrlplane/ctrl_text.h"

/* A user as SETUSER makes him: off, no passwords, no keys, no commands; all channels if acl-pubsub-default says so.
 * NULL: out of memory. The name is copied. */
struct acl_user *acl_user_create(struct slice name, bool all_channels);
/* The default user before anybody changed him: everything, without a password. */
struct acl_user *acl_user_create_default(void);
struct acl_user *acl_user_clone(const struct acl_user *u);
void acl_user_destroy(struct acl_user *u);

/* Applies one rule ("on", ">secret", "~pattern", "+@read", "(+get ~x)", ...). all_channels: acl-pubsub-default.
 * -1 with Redis's reason in *e; the user is then of no further use but to be destroyed. */
int acl_user_set(struct acl_user *u, struct slice rule, bool all_channels, struct err *e);
#define ACL_BAD_MAX 256
/* Several, with words of a selector in parentheses still apart. On failure *e is the reason, `bad` the rule, cut (or
 * the word where a parenthesis opens that nothing closes: then *e is empty). */
int acl_user_set_all(struct acl_user *u, uint32_t n, const struct slice *rule, bool all_channels, char bad[ACL_BAD_MAX],
		     struct err *e);
/* requirepass: this password only, or none needed if it is empty. */
int acl_user_set_password(struct acl_user *u, struct slice password, struct err *e);
/* After the last rule. */
void acl_user_settle(struct acl_user *u);
/* Nothing that would break a line of an ACL file. */
bool acl_name_ok(struct slice name);

/* "user NAME on ... ~keys &channels +commands (selectors)", without a newline. */
void acl_user_describe(const struct acl_user *u, struct text *t);
void acl_hash_describe(const uint8_t hash[ACL_HASH_BYTES], struct text *t);
/* The parts of a selector as GETUSER gives them. */
void acl_selector_keys(const struct acl_selector *s, struct text *t);
void acl_selector_channels(const struct acl_selector *s, struct text *t);
void acl_selector_commands(const struct acl_selector *s, struct text *t);
/* The i-th flag of GETUSER's list, NULL at the end of the list; *set: the user has it. */
const char *acl_user_flag(const struct acl_user *u, uint32_t i, bool *set);

/* ---- tables ---- */

/* The old table with u put in, in place of a user of the same name if there is one. NULL: out of memory. */
struct acl_table *acl_table_with(const struct acl_table *t, struct acl_user *u);
/* Without the user of that name, who is there. */
struct acl_table *acl_table_without(const struct acl_table *t, struct slice name);

/* A file of "user ..." lines. The default user is added if the file has none. -1: *e says what is wrong, line by line
 * for people; *out is then not set. */
int acl_file_load(const char *path, bool all_channels, struct acl_table **out, struct err *e);
/* Puts the user of one "user NAME rule..." line, as words behind "user", into *t (replaced). Names stand once; the
 * default user may be there already if `first_default`. */
int acl_file_line(struct acl_table **t, uint32_t n, const struct slice *word, bool all_channels, bool *first_default,
		  struct err *e);
/* Writes the file anew beside the old one and puts it in its place. -1 with errno's reason in *e. */
int acl_file_save(const char *path, const struct acl_table *t, struct err *e);
/* Frees a table and all its users. */
void acl_table_destroy(struct acl_table *t);
