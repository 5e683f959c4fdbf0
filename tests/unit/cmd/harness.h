/* Runs commands on in-memory stores, without sessions or threads.
 *
 *   struct harness *h = harness_create(4);          4 shards, time stands still
 *   expect(h, "SET a 1 PX 100", "+OK");
 *   harness_advance_ms(h, 100);
 *   expect(h, "GET a", "$-1");
 *   expect_events(h, "set:a expire:a");             what store_event() said since the last call
 *   harness_destroy(h);                             fails if a buffer or a heap block is missing
 *
 * A line is words between blanks; "..." holds blanks and \n \r \t \" \\ \xHH. A reply is its bytes on the wire with
 * each CRLF turned into a blank, the last one left out: "*2 $1 a :1".
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/cmd.h"

#define HARNESS_STORES 8
#define HARNESS_TEXT   (1 << 20)

/* The directives' defaults; a test may change h->conf.types. */
#define HARNESS_TYPE_LIMITS                                                                                    \
	{                                                                                                      \
		.list_max_listpack_size = -2, .hash_max_listpack_entries = 512, .hash_max_listpack_value = 64, \
		.set_max_intset_entries = 512, .set_max_listpack_entries = 128, .set_max_listpack_value = 64,  \
		.zset_max_listpack_entries = 128, .zset_max_listpack_value = 64, .hll_sparse_max_bytes = 3000, \
		.stream_node_max_bytes = 4096, .stream_node_max_entries = 100                                  \
	}

struct harness {
	struct cmd_env env;
	struct dp_conf conf;
	struct clock_now now;
	struct client client;
	struct pool client_texts;
	struct heap *heaps[HARNESS_STORES], *own;
	struct store *stores[HARNESS_STORES];
	struct journal journal[HARNESS_STORES];
	uint16_t slot_map[RP_SLOTS];
	struct rte_mempool *pool;
	unsigned pool_full;
	uint32_t dirty;         /* of the last command */
	uint64_t hold_us;       /* of the last command */
	struct cmd_block block; /* of the last command; its reply is "+waits" if it is on */
	bool deny_block;        /* for the next commands, as are: */
	uint64_t held;
	size_t reply_len; /* of the last reply, as bytes in reply[] */
	char *reply;      /* HARNESS_TEXT bytes */
	char *events;     /* "name:key name:key" since the last expect_events(), but for "new" and "keymiss" */
	char *effects;    /* "WORD word; WORD word" since the last expect_effects() */
};

/* Once per test program, before everything else. */
void harness_eal(const char *program);
struct harness *harness_create(uint32_t nstores);
/* With other heaps than the usual 64 MiB. */
struct harness *harness_create_large(uint32_t nstores, size_t heap_bytes);
void harness_destroy(struct harness *h);
void harness_advance_ms(struct harness *h, int64_t ms);

/* The reply as text; valid until the next call. */
const char *run(struct harness *h, const char *line);
const char *run_args(struct harness *h, uint32_t argc, const struct slice *argv);
/* printf into the line first. */
const char *runf(struct harness *h, const char *fmt, ...) RP_PRINTF(2, 3);

#define expect(h, line, reply)  assert_string_equal(run(h, line), reply)
#define expect_events(h, text)  harness_expect_log((h)->events, text, __FILE__, __LINE__)
#define expect_effects(h, text) harness_expect_log((h)->effects, text, __FILE__, __LINE__)
/* The last command made so many changes. */
#define expect_dirty(h, n) assert_int_equal((h)->dirty, n)

/* Compares and empties. */
void harness_expect_log(char *log, const char *want, const char *file, int line);
