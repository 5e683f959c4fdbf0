/* Several session hosts in one thread, one per worker and one for the control thread, with transports that are buffers.
 * The test decides who runs when, so every interleaving can be played and replayed.
 *
 *   struct rig *r = rig_create(4, seed);
 *   struct rig_conn *c = rig_open(r, 2);            a client whose home is worker 2
 *   rig_send(c, "*1\r\n$4\r\nPING\r\n", 14);
 *   rig_settle(r);                                  everybody runs, in random order, until nobody has work
 *   ... c->out, c->out_len ...
 *   rig_destroy(r);                                 fails if a buffer, a message or a heap block is missing
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session/session.h"
#include "store/journal_ring.h"

#define RIG_WORKERS 8
#ifndef RIG_CONNS
#define RIG_CONNS 160
#endif
#ifndef RIG_OUT
#define RIG_OUT (1 << 20)
#endif

struct rig_conn {
	struct rig *rig;
	struct session *session;
	char *out;
	size_t out_len;
	uint64_t consumed;
	uint32_t room; /* what the transport says it would take; UINT32_MAX: always */
	bool closed, aborted, used;
};

struct rig {
	uint32_t n; /* workers; host[n] is the control thread's */
	struct rng rng;
	struct clock_now now;
	struct msg_bus *bus;
	struct lease_table *leases;
	struct store *stores[RIG_WORKERS];
	struct heap *shard_heap[RIG_WORKERS], *heap[RIG_WORKERS + 1];
	struct session_host *host[RIG_WORKERS + 1];
	struct journal journal[RIG_WORKERS];
	struct journal_clock clock;
	struct dp_conf conf;
	uint16_t slot_map[RP_SLOTS];
	struct session_shared shared;
	struct rte_mempool *pool;
	unsigned pool_full;
	struct rig_conn conn[RIG_CONNS];
};

void rig_eal(const char *program);
struct rig *rig_create(uint32_t workers, uint64_t seed);
void rig_destroy(struct rig *r);
struct rig_conn *rig_open(struct rig *r, uint32_t home);
/* Bytes from the client, cut into buffers of at most `cut` bytes. */
void rig_send_cut(struct rig_conn *c, const void *data, size_t len, size_t cut);
void rig_send(struct rig_conn *c, const char *text);
/* A request of the words between blanks. */
void rig_ask(struct rig_conn *c, const char *fmt, ...) RP_PRINTF(2, 3);
/* One iteration of one host. Returns its work. */
uint32_t rig_step(struct rig *r, uint32_t host);
/* From here on effects go to rings of `bytes`, and replies wait for r->clock. */
void rig_journal(struct rig *r, size_t bytes);
/* Random hosts until all are quiet. */
void rig_settle(struct rig *r);
void rig_advance_us(struct rig *r, uint64_t us);
/* The client goes away without a word. */
void rig_drop(struct rig_conn *c);
/* Compares what arrived since the last call. */
#define rig_expect(c, text) rig_expect_at(c, text, __FILE__, __LINE__)
void rig_expect_at(struct rig_conn *c, const char *text, const char *file, int line);
