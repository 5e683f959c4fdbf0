/* Access control: who may run which command on which keys and channels.
 *
 * A user is an immutable snapshot: the control thread builds a new one for every change (ctrlplane/acl_*.c) and hands
 * it to every thread that has clients, which then gives it to its clients of that name; the old one is freed when
 * nobody has it any more. So a check reads memory that nobody writes, without a lock.
 *
 * A client whose user may do everything has CLIENT_F_FREE: the path of a request tests that one bit. All others pass
 * acl_check() before their command is routed, when MULTI queues it and again when EXEC runs it; a script's calls are
 * checked with the user of its client.
 */
#pragma once

#include "cmd/cmd.h"

#define ACL_COMMANDS_MAX 1024
#define ACL_HASH_BYTES   32 /* SHA-256 */
#define ACL_READ         1u
#define ACL_WRITE        2u

/* Longest password that AUTH hashes and ACL SETUSER takes: a worker's time is bounded. */
#define ACL_PASSWORD_MAX (16 * 1024)

enum acl_verdict { /* in the order in which a later one tells more about the reason */
	ACL_OK,
	ACL_DENIED_CMD,
	ACL_DENIED_KEY,
	ACL_DENIED_AUTH,
	ACL_DENIED_CHANNEL
};

enum acl_context { /* where a command was refused: ACL LOG says so */
	ACL_IN_TOPLEVEL,
	ACL_IN_LUA,
	ACL_IN_MULTI,
	ACL_IN_MODULE
};

struct acl_pattern {
	struct slice text;
	uint32_t perms; /* ACL_READ | ACL_WRITE; of no meaning for channels */
};

/* Only this first argument of a command that is not allowed otherwise: "+select|0". */
struct acl_first_arg {
	int16_t cmd; /* id */
	struct slice word;
};

#define ACL_S_ALL_KEYS     (1u << 0)
#define ACL_S_ALL_COMMANDS (1u << 1)
#define ACL_S_ALL_CHANNELS (1u << 2)
#define ACL_S_FUTURE       (1u << 3) /* began with +@all: commands of later versions too */

struct acl_selector {
	uint32_t flags;
	uint64_t commands[ACL_COMMANDS_MAX / 64]; /* by id */
	struct acl_first_arg *first_args;
	struct acl_pattern *keys, *channels;
	uint32_t nfirst_args, nkeys, nchannels;
	struct slice rules; /* +... and -... words as they were given, those without effect left out */
};

#define ACL_U_ON            (1u << 0)
#define ACL_U_NOPASS        (1u << 1)
#define ACL_U_SANITIZE      (1u << 2)
#define ACL_U_SKIP_SANITIZE (1u << 3)
#define ACL_U_FREE          (1u << 4) /* may do everything */

struct acl_user {
	struct slice name;
	uint32_t flags;
	uint32_t refs; /* atomic: requests that take it beyond their client's thread; see acl_user_hold() */
	uint8_t (*hashes)[ACL_HASH_BYTES];
	uint32_t nhashes;
	struct acl_selector *selectors; /* the first is the user's own, others stood in parentheses */
	uint32_t nselectors;
	struct acl_user *next; /* control thread: what waits to be freed */
};

/* All users, ordered by name. */
struct acl_table {
	uint32_t n;
	const struct acl_user *user[];
};

/* ---- users ---- */

/* NULL: there is none of that name (case counts). t may be NULL. */
const struct acl_user *acl_find(const struct acl_table *t, struct slice name);
/* Is it his password? In a time that does not depend on where they differ. */
bool acl_password_is(const struct acl_user *u, struct slice password);
void acl_hash(struct slice password, uint8_t out[ACL_HASH_BYTES]);

/* The client acts as u from now on (NULL: as somebody who may do everything). Sets CLIENT_F_AUTH and CLIENT_F_FREE. */
void acl_client_become(struct client *cl, const struct acl_user *u, bool authenticated);
/* A new connection, or RESET: the default user, logged in if he needs no password. */
void acl_client_reset(struct client *cl, const struct acl_table *t);

/* While a request of a client is away from its client's thread (a script that runs), the user it came with must stay.
 * Any thread; NULL is allowed. */
void acl_user_hold(const struct acl_user *u);
void acl_user_drop(const struct acl_user *u);

/* ---- checks ---- */

/* May u run this request? Its command is known and its number of arguments right. NULL may everything. On refusal *arg
 * is the index of the argument that decided (0 for the command itself). Any thread. */
enum acl_verdict acl_check(const struct acl_user *u, const struct cmd *cmd, uint32_t argc, const struct slice *argv,
			   uint32_t *arg);
/* The same for a client, which it also tells what SORT needs to know (CLIENT_F_NO_ALIEN_KEYS). Its thread. */
enum acl_verdict acl_check_client(struct client *cl, const struct cmd *cmd, uint32_t argc, const struct slice *argv,
				  uint32_t *arg);
/* May u read every key, by a selector that allows this request? What SORT BY and SORT GET ask for. */
bool acl_reads_all(const struct acl_user *u, const struct cmd *cmd, uint32_t argc, const struct slice *argv);
/* May u use this channel (or subscribe to this pattern)? For clients that are subscribed when their rights change. */
bool acl_channel_ok(const struct acl_user *u, struct slice channel, bool pattern);
/* The sentence of a refusal, without "NOPERM ". `detail`: it names key and channel, as ACL DRYRUN does. Returns buf. */
#define ACL_TEXT_MAX 1024
const char *acl_refusal(enum acl_verdict v, const struct acl_user *u, const struct cmd *cmd, struct slice arg,
			bool detail, char buf[ACL_TEXT_MAX]);
/* What EXEC says of a queued command that is not allowed any more; begins with "NOPERM ". */
const char *acl_refusal_exec(enum acl_verdict v, char buf[ACL_TEXT_MAX]);
/* The command as rules and refusals name it: DEBUG SLEEP is no subcommand to Redis. */
const struct cmd *acl_command(const struct cmd *cmd);

/* Boot, after the table is complete: what the checks need of the rows' key specs. */
void acl_keys_init(void);
