/* Histories: what many clients asked, what they were answered, and what was there in the end.
 *
 * Every write makes a version of its key that nobody else makes, so that whoever reads it names the write:
 *
 *   counter   INCR: the value is the number of the version
 *   list      a token at its end, by RPUSH or LMOVE: the list that is left in the end tells their order
 *   register  a token that takes the place of another one, which the same atomic step was shown (SET .. GET; MGET and
 *             MSET, GET and DEL and SET, or GETDEL and SET, or GET and RENAME in one EXEC)
 *   pair      two keys, always written together by MSET, which tells nothing of what was there
 *
 * history_play() runs workers, the control thread and the script thread in an order drawn from the seed; some of them
 * stand still for a while. history_wrong() says why no order of the operations explains it.
 */
#pragma once

#include "rig.h"

#define COUNTERS  5
#define REGISTERS 4
#define LISTS     3
#define KEYS      (COUNTERS + REGISTERS + LISTS + 2)

#define CLIENTS     9
#define ROUNDS      40 /* requests of each; a transaction is one */
#define TOUCHED     12
#define WANTED      24
#define OPS_MAX     (CLIENTS * ROUNDS * 3)
#define VERSIONS    2048
#define TOKENS_MAX  8192
#define HISTORY_WHY 200

enum key_kind {
	KEY_COUNTER,
	KEY_REGISTER,
	KEY_LIST,
	KEY_PAIR
};

struct touch {
	uint8_t key;
	bool write;
	/* What it was answered; 0: there was none; -1: that tells nothing. A read: the counter's value, or a token. A
	 * write: the counter's value, the list's length, or the token that a register had before. */
	int64_t seen;
	bool length;      /* a read of a list that saw its length instead of the last token */
	uint32_t token;   /* that it wrote */
	uint32_t version; /* history_wrong(): that it read or made */
};

/* What its replies are, behind those of MULTI and of what is queued. */
struct want {
	enum {
		WANT_VALUE, /* a number or a bulk: what touch[at] saw, but for `less` */
		WANT_LAST,  /* an array of one bulk or none: likewise */
		WANT_ARRAY, /* the head of an array of `at` */
		WANT_TOKEN, /* a bulk of this number */
		WANT_ANY    /* a line */
	} what;
	uint32_t at;
	int32_t less;
};

struct op {
	struct touch touch[TOUCHED];
	struct want want[WANTED];
	uint32_t n, wants;
	uint32_t client;
	uint32_t asked, answered; /* step */
	uint32_t queued;          /* commands of the transaction */
	bool exec, aborted;
	bool watched; /* EXEC; the two operations before it read what its own touches change */
};

struct history {
	struct op op[OPS_MAX];
	uint32_t n;
	uint32_t tokens;                   /* given out: 1 .. tokens */
	int64_t value[KEYS];               /* in the end; of a list: its length */
	uint32_t list[LISTS][VERSIONS];    /* its tokens in the end */
	uint32_t aborted, ran, begun_anew; /* transactions that watched; scripts */
};

static inline enum key_kind key_kind(uint32_t key)
{
	if (key < COUNTERS)
		return KEY_COUNTER;
	if (key < COUNTERS + REGISTERS)
		return KEY_REGISTER;
	return key < COUNTERS + REGISTERS + LISTS ? KEY_LIST : KEY_PAIR;
}

void history_play(struct history *h, uint32_t workers, uint64_t seed);
/* NULL: there is an order. Else why there is none, until the next call. Fills in versions. */
const char *history_wrong(struct history *h);

/* A script thread beside the rig's hosts. Its clock stands still: nothing hangs on real time. */
struct script_thread *history_scripts_start(struct rig *r, struct heap **heap);
void history_scripts_stop(struct script_thread *t, struct heap *heap);
