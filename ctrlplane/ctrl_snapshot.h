/* Snapshots as the rest of the control plane uses them: SAVE, BGSAVE and save points, the base file of the append-only
 * file. Control thread; one at a time. Loading: ctrl_load.h.
 */
#pragma once

#include "ctrlplane/ctrl.h"
#include "persist/file_sys.h"
#include "persist/rdb_file.h"

struct snapshot_order {
	const char *path, *temp; /* relative to `dir`, in one directory */
	bool aof_base;
	void *ctx;
	/* While all shards are held and nobody writes: what happens before is in the file, what follows is not. May not
	 * wait. NULL: nothing to do. */
	void (*epoch)(void *ctx);
	/* The end: e is NULL, or says why there is no file. The snapshot is over then; another may be ordered. */
	void (*done)(void *ctx, const struct err *e);
};

/* Starts when all shards could be leased. -1 with *e: one is under way, or its file cannot be made. */
int ctrl_snapshot_start(struct ctrl *c, const struct snapshot_order *o, struct err *e);
bool ctrl_snapshot_running(const struct ctrl *c);
/* Ends it without a file; done() is called with an error that says `why`. */
void ctrl_snapshot_cancel(struct ctrl *c, const char *why);
