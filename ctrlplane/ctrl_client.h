/* What the files about CLIENT share. */
#pragma once

#include "ctrlplane/ctrl.h"

#define CLIENT_SLICE 256 /* pool positions that one call to a worker looks at */

enum client_type {
	CLIENT_TYPE_NORMAL,
	CLIENT_TYPE_REPLICA,
	CLIENT_TYPE_PUBSUB,
	CLIENT_TYPE_MASTER,
	CLIENT_TYPE_UNKNOWN
};

enum client_type client_type_parse(struct slice word);
enum client_type client_type_of(const struct client *cl);

/* What CLIENT KILL looks for; a field that was not given matches every client. */
struct kill_filter {
	uint64_t id;              /* 0: any */
	struct slice addr, laddr; /* ptr NULL: any */
	enum client_type type;    /* CLIENT_TYPE_UNKNOWN: any */
	struct slice user;        /* ptr NULL: any */
	bool skip_me;
	uint64_t me;
	bool old_form; /* ip:port: the first that matches, and me too */
};

/* Reads the words. false: the error is written. */
bool kill_parse(struct cmd_ctx *c, struct kill_filter *f);
bool kill_matches(const struct kill_filter *f, const struct client *cl);
void ctrl_client_kill(struct cmd_ctx *c);
/* Every 100 ms. */
void ctrl_evict_clients(struct ctrl *c);
void ctrl_client_unblock(struct cmd_ctx *c);

void client_pause_merge(struct dp_conf *d, int64_t now_ms, int64_t until_ms, bool all);
