/* Memory runs out at every allocation of a command in turn: it is refused, and the keys are as they were.
 *
 * A sweep runs the command on keys that are made anew each time. Of one heap the n-th allocation and all after it fail,
 * for n = 1, 2, ... until the command needs no n-th. Where it answers OOM there was no change, no event and no effect,
 * and every question has the answer that it had before. Where it does without that memory, its answer and the keys are
 * what they are with it.
 */
#pragma once

#include "harness.h"

#define NOMEM_TEXT (1 << 18)

struct nomem {
	struct harness *h;
	/* Makes the keys; value: whatever the sweep was given. */
	void (*make)(struct harness *h, const void *value);
	const char *const *questions;        /* whose answers are all that a client can see; NULL: the last */
	unsigned refusals, own_refusals;     /* for want of a shard's memory, and of the thread's */
	char *before, *after, *done, *reply; /* NOMEM_TEXT bytes; nomem_sweep_args() has them */
};

void nomem_init(struct nomem *m, struct harness *h, const char *const *questions,
		void (*make)(struct harness *h, const void *value));
/* So many refusals of both kinds at least have been seen: allocations do fail. */
void nomem_fini(struct nomem *m, unsigned refusals, unsigned own_refusals);

/* The heaps of all shards in turn, then the thread's. */
void nomem_sweep(struct nomem *m, const void *value, const char *line);
void nomem_sweep_args(struct nomem *m, const void *value, uint32_t argc, const struct slice *argv, const char *what);
