/* Values of directives: text to field and back. Private to the configuration. */
#pragma once

#include "ctrlplane/config.h"

/* Parses text into the field at `field`. `append`: a list keeps what it has. -1 with Redis's reason in *e; the field
 * is then unchanged. */
int config_value_parse(const struct config_option *o, void *field, struct slice text, bool append, struct err *e);

enum config_style {
	CONFIG_STYLE_GET,  /* as CONFIG GET answers: bytes as a plain number */
	CONFIG_STYLE_FILE, /* as a person writes: bytes with a unit where it divides */
};

/* buf has CONFIG_VALUE_MAX bytes. Returns the length. */
size_t config_value_format(const struct config_option *o, const void *field, enum config_style style, char *buf);

/* Takes the next word of *rest, separated by spaces. false: none left. */
bool config_word_next(struct slice *rest, struct slice *word);
