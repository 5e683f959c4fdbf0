/* What a row says beside struct cmd: private to cmd/. */
#pragma once

#include "cmd/cmd.h"

/* Texts in the notations of table.def; NULL where a row has none. */
struct cmd_doc {
	const char *since, *group, *summary, *complexity;
	cmd_getkeys_fn getkeys;
	cmd_wide_fn wide;
	uint8_t member;
	const char *specs;
	const char *variable;
	const char *args;
	const char *history;
	const char *tips;
	const char *doc_flags, *deprecated, *replaced_by;
};

/* One key spec. Negative last: from the last argument; else from first. */
struct cmd_keyspec {
	int first, last, step;
	int limit;          /* 2: the keys are the first half of what is there; ... */
	bool unknown;       /* nothing of the following: only the command's getkeys function, or nobody, knows */
	bool counted;       /* argument `first` is the number of keys, which follow it */
	struct slice word;  /* not empty: the key stands behind this word, which is looked for from `first` on */
	struct slice flags; /* words */
	struct slice note;  /* empty: none */
};

/* Takes the next spec off *rest. false: there is none. */
bool cmd_keyspec_next(struct slice *rest, struct cmd_keyspec *out);
/* Keys that the spec finds in a request: `count` of them from *from on, every ks->step words. false: the words make no
 * sense. */
bool cmd_keyspec_find(const struct cmd_keyspec *ks, uint32_t argc, const struct slice *argv, uint32_t *from,
		      uint32_t *count);

enum cmd_arg_type {
	ARG_STRING,
	ARG_INTEGER,
	ARG_DOUBLE,
	ARG_KEY,
	ARG_PATTERN,
	ARG_UNIX_TIME,
	ARG_PURE_TOKEN,
	ARG_ONEOF,
	ARG_BLOCK,
};

/* One argument of a command. */
struct cmd_docarg {
	struct slice name, token, since, deprecated; /* empty: none */
	struct slice inner;                          /* arguments inside ARG_ONEOF and ARG_BLOCK */
	enum cmd_arg_type type;
	int key_spec; /* -1: none */
	bool optional, multiple, multiple_token;
};

/* Takes the next argument off *rest. false: there is none, or the text is no argument (then *rest is not empty). */
bool cmd_docarg_next(struct slice *rest, struct cmd_docarg *out);

/* Takes the next piece that ends at one of `seps` off *rest, skipping empty ones. */
bool cmd_word_next(struct slice *rest, const char *seps, struct slice *out);

static inline struct slice cmd_text(const char *s)
{
	return s ? (struct slice){s, strlen(s)} : (struct slice){NULL, 0};
}

/* The next subcommand of `parent` after `after` (NULL: the first); hidden ones too. */
const struct cmd *cmd_sub_next(const struct cmd *parent, const struct cmd *after);
/* A subcommand's own word: "get" of "config|get"; the name itself for a command. */
const char *cmd_own_name(const struct cmd *cmd);

/* Builds the look-up of cmd_lookup() from the table. */
void cmd_lookup_init(void);
/* How long a cycle takes, for the histograms of cmd_run(). */
void cmd_run_init(void);
