/* Files in memory, with what a disk would keep apart from what a process sees: a test makes calls fail, and takes the
 * power away.
 *
 * What was written is on the disk after a sync of the file. Creations, renames and removals are after a sync of the
 * directory. Without, power loss keeps any prefix of the unsynced bytes, and torn bytes in the last block of it.
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
/* The n-th call from now fails with `err` (positive errno), and those after it until `until` more have; 0: none. Writes
 * may end short before. */
void mem_files_fail(struct mem_files *m, uint64_t n, int err, uint64_t until);
/* What is read afterwards is what the disk kept. Nothing can be written any more. */
void mem_files_power_loss(struct mem_files *m);
/* Contents of a file; NULL: there is none. */
const char *mem_files_get(struct mem_files *m, const char *path, size_t *len);
