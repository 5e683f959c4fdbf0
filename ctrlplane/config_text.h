/* Lines of redpoll.conf. Private to the configuration. */
#pragma once

#include "base/defs.h"

#define CONFIG_LINE_WORDS 512

/* A line taken apart into words: separated by white space; "..." knows \n \r \t \b \a \xHH and \c, '...' knows \'; a
 * closing quote ends the word. */
struct config_line {
	int nwords; /* 0: empty or a comment */
	struct slice word[CONFIG_LINE_WORDS];
	char text[32768]; /* what the words point into */
};

/* Returns NULL, or what is wrong with the line. */
const char *config_line_split(struct config_line *l, struct slice line);

/* Puts temp, which is synced, in path's place, and makes that last. 0, or -1 with errno. */
int config_file_put(const char *temp, const char *path);

/* Appends one word in quotes if it needs them; buf has 4 * value.len + 3 bytes. Returns the length. */
size_t config_word_quote(struct slice value, char *buf);
