/* The append-only file of the appliance: switched on and off, written, rewritten, loaded. Control thread.
 *
 *   OFF --- appendonly yes ---> STARTING --- the first snapshot is on the disk ---> ON --- appendonly no ---> STOPPING
 *
 * A rewrite is a snapshot, which becomes the new base file, and a new incremental file that begins at its epoch. In
 * state ON the journal is marked at the epoch: what stands before the mark goes to the old file, which is synced, then
 * the manifest names the new one. A rewrite that begins anew (STARTING, or after a sync failed) trusts no file there
 * is: the manifest names only the new base and the new incremental file, once both are good. BGREWRITEAOF in state OFF
 * makes a base file alone.
 */
#pragma once

#include "ctrlplane/ctrl.h"
#include "persist/aof_manifest.h"
#include "persist/aof_writer.h"
#include "store/gate.h"

#define AOF_PATH_MAX 1100

enum aof_state {
	AOF_LOADING, /* at boot */
	AOF_OFF,
	AOF_STARTING,
	AOF_ON,
	AOF_STOPPING
};

/* Of one shard's gates (appendfsync always). A message hides them in turn with the shard's commands, and may be long on
 * its way: a shard that is leased serves none. Who wants them shown meanwhile takes that back, and waits for nobody. */
enum aof_gates {
	AOF_GATES_HIDDEN,
	AOF_GATES_SHOWN,
	AOF_GATES_TO_HIDE, /* shown; the message is on its way */
	AOF_GATES_TO_STAY, /* shown; it is on its way, and has nothing to do any more */
	AOF_GATES_HIDING   /* for a few instructions of the shard's owner */
};

struct aof_rewrite {
	bool running;
	bool scheduled; /* asked for while a snapshot was under way */
	bool anew;      /* see above */
	bool alone;     /* there is no stream: nothing but a base file comes of it */
	bool mark_met;  /* the new incremental file is in use */
	bool based;     /* the new base file is in its place */
	bool given_up;  /* the new incremental file could not be put in use */
	uint64_t mark;  /* of the latest */
	uint64_t base_seq, incr_seq;
	int incr_fd; /* opened ahead; -1: none, or in use */
	uint64_t began_us;
	uint64_t not_before_us; /* after a failure */
	int64_t last_s;         /* seconds that the last one took; -1: none yet */
	uint64_t rewrites;      /* that succeeded */
	uint64_t failures;      /* since the last one that did */
	bool failed;            /* the last one */
};

struct aof {
	enum aof_state state;
	struct aof_writer *w;
	struct journal_ring *ring[RP_MAX_WORKERS];
	struct store_gates *gates[RP_MAX_WORKERS];
	bool detached[RP_MAX_WORKERS];  /* atomic: that worker writes to its ring no more */
	bool gated;                     /* replies wait (appendfsync always) */
	uint32_t shown[RP_MAX_WORKERS]; /* atomic: enum aof_gates of that shard; its owner ends what its message says */
	struct aof_manifest manifest;
	char dir[CONFIG_STRING_MAX], name[CONFIG_STRING_MAX];
	uint64_t closed_bytes; /* of the base and the incremental files before the one in use */
	uint64_t base_bytes;   /* of everything when the last rewrite ended */
	struct aof_rewrite rewrite;
	char why[192]; /* of the last failure */
};

/* ---- ctrl_aof.c ---- */
int ctrl_aof_init(struct ctrl *c, struct err *e);
/* Everything that was written to the journal is in the file and synced; the file is closed. When the workers are gone.
 */
void ctrl_aof_close(struct ctrl *c);
void ctrl_aof_fini(struct ctrl *c);
/* Part of each round. Returns the microseconds after which it wants to be called again; UINT64_MAX: with an event. */
uint64_t ctrl_aof_poll(struct ctrl *c);
/* Between msg_sleeping() and the sleep: effects wait for a round that nobody will wake us for again. */
bool ctrl_aof_due(const struct ctrl *c);
/* Every 100 ms. */
void ctrl_aof_tick(struct ctrl *c);
/* The configuration has changed. */
void ctrl_aof_configure(struct ctrl *c);
/* Writers must be refused: what they change would not be kept. */
bool ctrl_aof_fails(const struct ctrl *c);
/* While the control thread holds all shards: their effects go to the rings from here on. */
void aof_attach(struct ctrl *c);
/* Shows the gates on every shard, which has happened when it returns, or hides them in turn with each one's commands.
 * Waits for no shard: a transaction may ask for it. */
void aof_set_gated(struct ctrl *c, bool on);
/* Shows them while all shards are held: no command runs before it is in force. */
void aof_show_gates(struct ctrl *c);
char *aof_path(const struct aof *a, const char *file, char *buf);
void aof_incr_name(const struct aof *a, uint64_t seq, char *buf);
void aof_base_name(const struct aof *a, uint64_t seq, char *buf);
/* Bytes of all files together. */
uint64_t aof_bytes(const struct aof *a);
/* A file for the stream, new and empty: its descriptor or -1 with *e. */
int aof_create_incr(struct ctrl *c, uint64_t seq, struct err *e);
/* The directory, if it is not there. 0, or -1 with *e. */
int aof_make_dir(struct ctrl *c, struct err *e);
/* Writers are told MISCONF, or no longer. */
void aof_publish_health(struct ctrl *c);

/* ---- ctrl_aof_rewrite.c ---- */
/* Starts one, or says in *e why not. */
int aof_rewrite_start(struct ctrl *c, bool anew, struct err *e);
/* CONFIG SET appendonly yes: returns when the stream has begun. 0, or -1 with *e: it has not. */
int aof_switch_on(struct ctrl *c, struct err *e);
/* Starts what is scheduled or due; ends what is ready to. */
void aof_rewrite_poll(struct ctrl *c);
/* From the writer: everything before the mark is on the disk. */
void aof_rewrite_mark(struct ctrl *c, uint64_t mark);
void aof_rewrite_cancel(struct ctrl *c, const char *why);

/* ---- ctrl_aof_load.c ---- */
/* At boot, when the workers run: loads what there is and goes on writing behind it. 0, or -1 with *e. */
int ctrl_aof_boot(struct ctrl *c, struct err *e);
/* Loads the files of the manifest into stores that are empty and held. 0, or -1 with *e. */
int ctrl_aof_load(struct ctrl *c, struct err *e);

/* ---- ctrl_aof_info.c ---- */
void ctrl_bind_aof(void); /* BGREWRITEAOF WAITAOF DEBUG LOADAOF */
