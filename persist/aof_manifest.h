/* The files of an append-only file, as Redis 7 lays them out: one directory (appenddirname) with a base file, which is
 * a snapshot, the incremental files that follow it, and a manifest that names them in order.
 *
 *   appendonlydir/appendonly.aof.2.base.rdb
 *   appendonlydir/appendonly.aof.2.incr.aof
 *   appendonlydir/appendonly.aof.manifest
 *       file appendonly.aof.2.base.rdb seq 2 type b
 *       file appendonly.aof.2.incr.aof seq 2 type i
 *
 * Files of type h are of the past: they are removed when the manifest that calls them so is on the disk.
 * Owner: the control thread. All calls wait for the disk.
 */
#pragma once

#include "persist/aof_buf.h"
#include "persist/file_sys.h"

#define AOF_NAME_MAX  512
#define AOF_FILES_MAX 1024

struct aof_file {
	char name[AOF_NAME_MAX];
	uint64_t seq;
	char type; /* b, i or h */
};

struct aof_manifest {
	struct aof_file *file; /* in the manifest's order */
	uint32_t n, cap;
	uint64_t base_seq, incr_seq; /* the highest so far */
};

void aof_manifest_fini(struct aof_manifest *m);
/* Reads DIR/NAME.manifest. 0; -ENOENT if there is none; -1 with *e: it makes no sense, and where. */
int aof_manifest_load(struct file_sys *f, const char *dir, const char *name, struct aof_manifest *m, struct err *e);
/* The text of a manifest; path: for errors. 0, or -1 with *e. *m is then to be given back with aof_manifest_fini(). */
int aof_manifest_parse(const char *path, const char *text, size_t len, struct aof_manifest *m, struct err *e);
/* The text that says it. false: out of memory. */
bool aof_manifest_text(const struct aof_manifest *m, struct aof_buf *b);
/* Puts it in its place, whole. 0, or -1 or FILE_NOT_SYNCED with *e. */
int aof_manifest_store(struct file_sys *f, const char *dir, const char *name, const struct aof_manifest *m,
		       struct err *e);
/* false: out of memory, or too many files. */
bool aof_manifest_add(struct aof_manifest *m, const char *file, uint64_t seq, char type);
const struct aof_file *aof_manifest_base(const struct aof_manifest *m);
const struct aof_file *aof_manifest_last_incr(const struct aof_manifest *m);
/* The base and the incremental files before `keep` become history. */
void aof_manifest_retire(struct aof_manifest *m, const struct aof_file *keep);
/* *to: another one that says the same. false: out of memory. */
bool aof_manifest_copy(const struct aof_manifest *m, struct aof_manifest *to);
/* Removes files of type h from the disk, and those that are gone from *m. Returns how many. */
uint32_t aof_manifest_clean(struct file_sys *f, const char *dir, struct aof_manifest *m);
