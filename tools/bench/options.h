/* The command line. */
#pragma once

#include <stdio.h>

#include "base/err.h"

#define OPTIONS_MANY 16

struct options_many {
	const char *text[OPTIONS_MANY];
	uint32_t n;
};

struct options {
#define FIELD_TEXT                                                          const char *
#define FIELD_COUNT                                                         uint64_t
#define FIELD_REAL                                                          double
#define FIELD_FLAG                                                          bool
#define FIELD_MANY                                                          struct options_many
#define OPTION(field, letter, word, kind, def, least, most, argument, help) FIELD_##kind field;
#include "options.def"
#undef OPTION
	const char *const *command; /* words behind the options: a command of the user's own */
	uint32_t ncommand;
};

/* 0, or -1 with *e. Texts point into argv. */
int options_parse(struct options *o, int argc, char **argv, struct err *e);
void options_usage(FILE *f);
