/* Loading RDB files: at boot, for DEBUG RELOAD, as the base of an append-only file. Control thread. */
#pragma once

#include "ctrlplane/ctrl_persist.h"

struct load_result {
	uint64_t bytes;         /* where the RDB part ends, if something follows it */
	uint64_t keys, expired; /* loaded, dropped */
	bool aof_base;          /* the file says so */
};

struct load_order {
	const char *path;
	bool keep_expired; /* an append-only file follows, which may still refer to them */
	bool merge;        /* keys that are there already give way, and stay if the load fails */
	bool held;         /* the control thread holds all shards and does the work itself; else the workers do */
	bool part;         /* other files belong to the same load: how far it is, is counted over all of them */
	bool look;         /* is it a file from front to end? Nothing is loaded, nobody needs to be held */
	/* Called now and then, and while workers are busy. */
	void (*between)(struct ctrl *c);
	/* After a failure: the stores must be emptied. NULL: the process ends anyway. */
	void (*empty)(struct ctrl *c);
};
/* Nobody else uses the shards meanwhile. 0, or -1 with *e. */
int ctrl_load(struct ctrl *c, const struct load_order *o, struct load_result *out, struct err *e);

/* ---- ctrl_load_boot.c ---- */
/* Is there something to load? Then clients are told LOADING from the start. */
bool ctrl_load_wanted(const struct ctrl *c);
/* When the workers run: loads what is there. 0, or -1 with *e. */
int ctrl_load_boot(struct ctrl *c, struct err *e);
/* As ctrl_load() at boot, for a file of that name. */
int ctrl_load_rdb(struct ctrl *c, const char *path, bool keep_expired, struct load_result *out, struct err *e);
/* INFO's loading_* and the log begin and end with these. */
void ctrl_loading_begin(struct ctrl *c);
void ctrl_loading_end(struct ctrl *c);
/* Says how far it is, on a terminal and in the log, not too often. */
void ctrl_loading_say(struct ctrl *c);
