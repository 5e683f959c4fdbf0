/* What a command may know and change of its client. Lives inside the session, belongs to the session's home thread; a
 * command that runs elsewhere sees only the copies in struct cmd_ctx. */
#pragma once

#include "base/clock.h"
#include "base/endpoint.h"

#define CLIENT_NAME_MAX 255

#define CLIENT_F_AUTH      (1u << 0) /* authenticated (or no password needed) */
#define CLIENT_F_CLOSE     (1u << 1) /* close after the replies so far are sent */
#define CLIENT_F_REPLY_OFF (1u << 2)
#define CLIENT_F_SKIP_NEXT (1u << 3) /* CLIENT REPLY SKIP: the next command's reply vanishes */
#define CLIENT_F_NO_EVICT  (1u << 4)
#define CLIENT_F_NO_TOUCH  (1u << 5)
#define CLIENT_F_ADMIN     (1u << 6)  /* on the admin listener */
#define CLIENT_F_PUBSUB    (1u << 7)  /* subscribed to something */
#define CLIENT_F_TRACKING  (1u << 8)  /* CLIENT TRACKING ON */
#define CLIENT_F_MONITOR   (1u << 9)  /* sees everybody's commands */
#define CLIENT_F_BLOCKED   (1u << 24) /* waits in BLPOP or its like, or for the end of CLIENT PAUSE */
/* Commands of an append-only file: what they say was within the limits of their time. */
#define CLIENT_F_REPLAY (1u << 25)
/* From the upper end: acl.h sets them. */
#define CLIENT_F_FREE          (1u << 31) /* authenticated, and the user may do everything */
#define CLIENT_F_LOCAL         (1u << 29) /* from a loopback address: the admin listener says so */
#define CLIENT_F_NO_ALIEN_KEYS (1u << 30) /* the SORT that comes next may read no keys but those it names */

struct acl_user;

/* What a client said of itself. Most say nothing: it has no room in the session. */
struct client_text {
	uint8_t name_len, lib_name_len, lib_ver_len;
	char name[CLIENT_NAME_MAX + 1];
	char lib_name[CLIENT_NAME_MAX + 1], lib_ver[CLIENT_NAME_MAX + 1];
};

/* What a client hears beside the replies to its requests. */
struct client_listens {
	uint32_t channels, patterns, shards; /* subscriptions */
	uint32_t tracking;                   /* TRACK_* of cmd/tracking.h */
	uint64_t redirect;                   /* client that hears of invalid keys instead; 0: none */
	uint32_t nprefixes;
	struct slice *prefixes; /* of BCAST */
};

struct tx;

/* What CLIENT LIST shows of a transaction. */
struct tx_info {
	bool open;  /* between MULTI and EXEC */
	bool dirty; /* a watched key has changed; as of the last look */
	uint32_t n; /* commands queued */
	size_t bytes;
};

struct client {
	uint64_t id;
	uint32_t flags;
	uint32_t db;
	int64_t last_us;  /* something was received or answered */
	int16_t last_cmd; /* id in the table, -1 none */
	uint8_t proto;    /* 2 or 3 */
	struct endpoint addr, laddr;
	int64_t created_us;             /* monotonic */
	struct client_text *text;       /* NULL: nothing; from cmd_env.client_texts */
	struct client_listens *listens; /* NULL: nothing; the home's */
	const struct acl_user *user;    /* NULL: there are no users (tests): may do everything */
	struct tx *tx;                  /* neither MULTI nor WATCH: NULL; the session's. Begins with a struct tx_info */
};

static inline bool client_in_multi(const struct client *cl)
{
	return cl->tx != NULL && ((const struct tx_info *)(const void *)cl->tx)->open;
}

/* Bytes that a client holds at its home. */
struct client_held {
	size_t input;     /* received and not carried out */
	size_t arguments; /* of the request under way, what lies outside of `input` */
	size_t output;    /* replies that it has not taken */
	size_t total;     /* with all else */
};

/* What CLIENT LIST and CLIENT INFO print about a client: one line with its '\n', NUL-terminated. held: NULL: unknown.
 * Returns its length (cut at cap - 1). */
#define CLIENT_INFO_MAX 2048
size_t client_info_format(const struct client *cl, const struct client_held *held, const struct clock_now *now,
			  char *buf, size_t cap);
