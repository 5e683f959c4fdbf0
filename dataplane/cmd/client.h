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
#define CLIENT_F_ADMIN     (1u << 6) /* on the admin listener */

/* What a client said of itself. Most say nothing: it has no room in the session. */
struct client_text {
	uint8_t name_len, lib_name_len, lib_ver_len;
	char name[CLIENT_NAME_MAX + 1];
	char lib_name[64], lib_ver[64];
};

struct client {
	uint64_t id;
	uint32_t flags;
	uint32_t db;
	int64_t last_us;   /* last command */
	uint64_t commands; /* executed */
	uint64_t bytes_in, bytes_out;
	int16_t last_cmd; /* id in the table, -1 none */
	uint8_t proto;    /* 2 or 3 */
	struct endpoint addr, laddr;
	int64_t created_us;       /* monotonic */
	struct client_text *text; /* NULL: nothing; from cmd_env.client_texts */
};

/* What CLIENT LIST and CLIENT INFO print about a client: one line with its '\n', NUL-terminated. Returns its length
 * (cut at cap - 1). */
#define CLIENT_INFO_MAX 1024
size_t client_info_format(const struct client *cl, const struct clock_now *now, char *buf, size_t cap);
