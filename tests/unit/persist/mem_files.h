/* Files in memory, with what a disk would keep apart from what a process sees: a test makes calls fail, and takes the
 * power away.
 *
 * What was written is on the disk after a sync of the file, or with the write if that says so (dsync); without, power
 * loss keeps any sectors of what was overwritten, any prefix of what was added, and torn bytes in the last block of it.
 * Writes under way are such writes. The file system takes so many bytes of a write at once as the seed says, and calls
 * that all of it, as a kernel does. Creations, renames and removals are on the disk after a sync of the
 * directory; without, the first few of them are, in their order, and so may a name whose file's bytes are not.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "persist/file_sys.h"

struct mem_files;

struct mem_files *mem_files_create(uint64_t seed);
struct file_sys *mem_files_sys(struct mem_files *m);
void mem_files_destroy(struct mem_files *m);
/* Calls so far that can fail. */
uint64_t mem_files_calls(const struct mem_files *m);
/* From now on operations take so long by that clock, and end in that order; without, they end in any order, each at one
 * of the next calls that ask. */
void mem_files_clock(struct mem_files *m, const uint64_t *now_us, uint64_t write_us, uint64_t sync_us);
/* When the next one ends; UINT64_MAX: none is under way. */
uint64_t mem_files_ends_us(const struct mem_files *m);
/* The n-th call from now fails with `err` (positive errno), and those after it until `until` more have; 0: none. Writes
 * may end short before. */
void mem_files_fail(struct mem_files *m, uint64_t n, int err, uint64_t until);
/* O_DIRECT is taken at open, and refused (EINVAL) by every write that begins before file_sys_ops.buffered(). */
void mem_files_refuse_direct(struct mem_files *m);
/* The process ends: nothing can be changed any more. */
void mem_files_kill(struct mem_files *m);
/* Likewise, and what is read afterwards is what the disk kept. */
void mem_files_power_loss(struct mem_files *m);
/* Another process. Nobody has an operation under way. */
void mem_files_again(struct mem_files *m);
/* An unlink has failed: more may be there than should. */
bool mem_files_remains(const struct mem_files *m);
/* The names that there are, from 0 on; NULL: no more. */
const char *mem_files_name(const struct mem_files *m, uint32_t i);
/* Contents of a file; NULL: there is none. */
const char *mem_files_get(struct mem_files *m, const char *path, size_t *len);
