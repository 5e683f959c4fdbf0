/* Scripted segment tests: one readable line per segment or action of the user, played against one TCP instance in
 * virtual time. The language is explained in docs/tcp.md.
 */
#pragma once

#include "tcp/tcp_priv.h"

#define SCRIPT_PACKETS_MAX 512

enum script_kind {
	SCRIPT_IN,     /* < a segment from the peer */
	SCRIPT_OUT,    /* > the next segment of the instance */
	SCRIPT_ACTION, /* anything else: a word and its arguments */
};

struct script_packet {
	uint8_t flags;
	uint32_t seq, len, ack; /* relative to the ISNs */
	bool has_ack, has_win, has_opts, any_tsval;
	uint16_t win, urg;
	int ecn; /* -1: not said */
	struct tcp_opts opts;
};

struct script_line {
	enum script_kind kind;
	uint64_t after_us;
	bool any_time;
	bool joined; /* a segment that arrives in one burst with the next */
	struct script_packet packet;
	char word[32];
	char arg[3][32];
};

/* In a later round of a loop: our numbers are farther by ours, the peer's by theirs. */
void script_shift(struct script_line *l, uint32_t ours, uint32_t theirs);
/* 1: filled, 0: an empty line or a comment, -1: *why says what is wrong. Changes text. */
int script_parse(char *text, struct script_line *l, const char **why);
