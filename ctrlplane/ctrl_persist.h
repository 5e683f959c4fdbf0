/* What the control thread has for persistence. */
#pragma once

#include "ctrlplane/ctrl_snapshot.h"
#include "persist/file_writer.h"
#include "store/snap.h"

enum snapshot_state {
	SNAPSHOT_IDLE,
	SNAPSHOT_LEASING,   /* waits for all shards */
	SNAPSHOT_WRITING,   /* shards walk, chunks are written */
	SNAPSHOT_ENDING,    /* all is written but for sync and rename */
	SNAPSHOT_GIVING_UP, /* shards end their walks */
};

struct snapshot_part { /* bytes on their way to the file */
	const uint8_t *p;
	size_t len;
};

struct snapshot {
	enum snapshot_state state;
	struct snapshot_order order;
	char path[CONFIG_STRING_MAX], temp[CONFIG_STRING_MAX];
	struct lease lease;
	bool held; /* the shards are ours before and after: DEBUG RELOAD */
	struct snap *snap[RP_MAX_WORKERS];
	struct file_writer *w;
	struct rdb_out out; /* head, tail, strings by reference */
	struct snapshot_part part[3];
	uint32_t nparts, at_part;
	struct snap_chunk *chunk; /* whose bytes are in part[] */
	uint32_t chunk_of;        /* shard */
	enum snap_stream chunk_stream;
	bool open;     /* the next chunk must be of the same stream */
	bool tail;     /* EOF and checksum are in part[] */
	uint32_t turn; /* the shard whose turn it is */
	uint64_t crc;
	uint64_t started_us;
	uint64_t keys_total, keys_done;
	uint32_t said_percent;
	struct snap_stats total; /* of the last one */
	uint64_t bytes;          /* likewise */
	uint64_t held_us;        /* how long its epoch held the shards */
	bool cancelled;          /* we gave it up ourselves: no failure */
	struct err err;
};

/* SAVE and BGSAVE: ctrl_save.c. */
struct saving {
	bool scheduled;      /* when what is under way has ended */
	bool ended;          /* the last one; who waits for it looks here */
	int64_t last_save_s; /* wall clock of the last that succeeded, or of the start */
	int64_t last_try_s;
	uint64_t changes_base, changes_begin; /* all changes at the last save, at the begin of the one under way */
	int64_t last_us;                      /* what it took; -1: none yet */
	uint64_t saves;
	bool failed;    /* the last one; one that gave way to something else is no failure */
	struct err why; /* there is no file of the last one; empty: there is */
};

/* INFO's loading_*; the loader writes, here and on the way of `polls`. */
struct loading {
	bool on;
	int64_t started_s;
	uint64_t started_us;
	uint64_t total_bytes, loaded_bytes;
	uint64_t keys, expired;
	uint64_t said_us, bar_us;
	bool bar; /* was drawn */
};

struct persist {
	struct file_sys *files;
	struct snapshot snapshot;
	struct saving saving;
	struct loading loading;
	struct rdb_functions functions;
	int lock_fd;       /* of the directory; -1: none */
	bool holding;      /* ctrl_hold_begin() */
	struct lease last; /* all shards, while the last save is written and after it */
};

/* ---- ctrl_persist.c ---- */
int ctrl_persist_init(struct ctrl *c, struct err *e);
void ctrl_persist_fini(struct ctrl *c);
/* Part of each round of the control loop. Returns work done. */
uint32_t ctrl_persist_poll(struct ctrl *c);
/* Every 100 ms. */
void ctrl_persist_tick(struct ctrl *c);
/* The directory is this process's alone to write to, from the first of these on. 0, or -1 with *e. */
int ctrl_persist_lock(struct ctrl *c, struct err *e);
void ctrl_persist_unlock(struct ctrl *c);
/* CONFIG SET dir: enters it, with the lock if there is one. 0, or -1 with *e. */
int ctrl_persist_chdir(struct ctrl *c, const char *dir, struct err *e);
/* In a command, which keeps the control thread: goes on with files and calls, sleeps a little if there is nothing. */
void ctrl_persist_wait_once(struct ctrl *c);
/* All shards, now; nobody else's lease may be waited for by the caller. */
void ctrl_lease_all(struct ctrl *c, struct lease *l);
/* Around what takes all shards for long: DEBUG RELOAD, DEBUG LOADAOF, the last save. While it waits other commands
 * come; those that would wait for shards themselves, in the middle of it, would do so for ever: ctrl_refuse_busy(). */
void ctrl_hold_begin(struct ctrl *c);
void ctrl_hold_end(struct ctrl *c);
/* In between: all shards, and no snapshot, since one that is under way is given up for `why`. */
void ctrl_hold_all(struct ctrl *c, struct lease *l, const char *why);
/* When it wants to be polled again though nothing happens (mono us); UINT64_MAX: never. */
uint64_t ctrl_persist_wake_us(const struct ctrl *c);

/* ---- ctrl_snapshot.c ---- */
uint32_t ctrl_snapshot_poll(struct ctrl *c);
/* Forgets one that is under way; nobody uses the shards any more. */
void ctrl_snapshot_drop(struct ctrl *c);
/* Of the one under way or the last one; flying: bytes under way, by stream. */
void ctrl_snapshot_stats(const struct ctrl *c, struct snap_stats *out, uint64_t flying[SNAP_STREAMS]);
/* Runs one to its end, with all shards held by the control thread. 0, or -1 with *e. */
int ctrl_snapshot_held(struct ctrl *c, const char *path, const char *temp, struct err *e);

/* ---- ctrl_functions.c ---- */
void ctrl_functions_init(struct ctrl *c);

/* ---- ctrl_save.c ---- */
/* A script has kept shards for too long: answers BUSY. ctrl_hold_begin(): says so. */
bool ctrl_refuse_busy(struct cmd_ctx *cc);
/* What is on the disk is being loaded: answers LOADING. */
bool ctrl_refuse_loading(struct cmd_ctx *cc);
void ctrl_bind_save(void); /* SAVE BGSAVE LASTSAVE DEBUG RELOAD */
void ctrl_save_tick(struct ctrl *c);
/* Changes since the last save. */
uint64_t ctrl_save_changes(const struct ctrl *c);
/* Saves now and waits for it. 0, or -1 with *e. */
int ctrl_save_now(struct ctrl *c, struct err *e);
bool ctrl_save_points(const struct ctrl *c);
/* Is the snapshot under way a save? */
bool ctrl_save_running(const struct ctrl *c);
/* Are writes to be refused because the last save failed? */
bool ctrl_save_misconf(const struct ctrl *c);
/* The last save, when the server ends: all shards are held from then on. 0, or -1 with *e, and all goes on. */
int ctrl_save_last(struct ctrl *c, struct err *e);
