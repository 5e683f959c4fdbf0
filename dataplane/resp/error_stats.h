/* Error replies by their code: INFO errorstats. One thread counts, anybody reads relaxed. */
#pragma once

#include "base/defs.h"

#define ERROR_CODES    64 /* different codes counted; those beyond are in the total only */
#define ERROR_CODE_MAX 32

struct error_stats {
	uint64_t total;
	uint32_t n; /* codes in use: raised when the code is written */
	struct error_count {
		char code[ERROR_CODE_MAX]; /* constant once it counts */
		uint64_t count;
	} e[ERROR_CODES];
};

/* text: as behind the '-'; its first word is the code. */
void error_stats_count(struct error_stats *s, struct slice text);
/* What has been counted for a code; 0 if nothing. */
uint64_t error_stats_of(const struct error_stats *s, const char *code);
