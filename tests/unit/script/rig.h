/* Runs scripts on the stores of tests/unit/cmd/harness.h.
 *
 *   struct rig *r = rig_create(1);
 *   assert_string_equal(rig_eval(r, "return 1", "0"), ":1");
 *   rig_destroy(r);
 *
 * A reply is its bytes on the wire with each CRLF turned into a blank, the last one left out. The SHA-1 of the script
 * in an error's text is turned into SHA.
 */
#pragma once

#include "harness.h"

#include "ctrlplane/script/script_cache.h"
#include "ctrlplane/script/script_call.h"
#include "ctrlplane/script/script_library.h"

struct rig {
	struct harness *h;
	struct script_call *call;
	struct script_engine *engine;
	struct script_cache *cache;
	struct script_libraries *libraries;
	struct script_run run; /* of the last script */
	struct slice words[64];
	uint32_t nkeys, nargs;
	uint8_t proto;
	bool read_only, oom, muted, may_restart;
	uint64_t held;       /* 0: all */
	uint32_t reply_bufs; /* 0: no bound */
	uint32_t call_bufs;  /* of a command in the script; 0: no bound */
	const char *no_writes;
	enum script_end end; /* what the engine is told when it asks */
	char log[256];       /* the last line of redis.log() */
	char text[1 << 16];
};

/* A row of a table of scripts. */
struct rig_row {
	const char *script, *reply;
};

struct rig *rig_create(uint32_t nstores);
void rig_destroy(struct rig *r);
/* keys and args: words between blanks. */
const char *rig_eval_with(struct rig *r, const char *script, const char *keys, const char *args);
const char *rig_eval(struct rig *r, const char *script);
const char *rig_fcall(struct rig *r, const char *name, const char *keys, const char *args);
/* Every row, on one engine. */
void rig_table(struct rig *r, const struct rig_row *rows, size_t n);
