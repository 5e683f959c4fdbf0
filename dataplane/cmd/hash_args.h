/* Arguments of the commands on the times of fields; not for other modules. */
#pragma once

#include "cmd/hash_cmd.h"

/* Argument i, in units of unit_ms after base_ms, as absolute milliseconds. false: the error is written. */
bool hash_arg_time(struct cmd_ctx *c, uint32_t i, int64_t unit_ms, int64_t base_ms, int64_t *at_ms);
/* FIELDS n field ... at argument i, to the end; the fields' number is *n. bad_number: the error if n makes no sense. */
bool hash_arg_fields(struct cmd_ctx *c, uint32_t i, uint32_t *n, const char *bad_number);
#define HASH_BAD_FIELDS "ERR Number of fields must be a positive integer"
/* EX, PX, EXAT or PXAT at argument i: true, and the time behind it, or *ok false with the error written. */
bool hash_arg_expiry(struct cmd_ctx *c, uint32_t i, int64_t now_ms, int64_t *at_ms, bool *ok);

/* Words of an effect in the making. */
#define HASH_WORDS_FEW 32
struct hash_words {
	struct slice *w;
	uint32_t n;
	struct slice few[HASH_WORDS_FEW];
};
/* Room for `most` words. false: the error is written. */
bool hash_words_begin(struct cmd_ctx *c, struct hash_words *x, uint32_t most);
void hash_words_end(struct cmd_ctx *c, struct hash_words *x);
