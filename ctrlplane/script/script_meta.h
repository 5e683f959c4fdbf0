/* The first line of a script or library: "#!lua name=NAME flags=FLAG,FLAG". */
#pragma once

#include "ctrlplane/script/script_engine.h"

#define SCRIPT_NAME_MAX 256
#define SCRIPT_WHY_MAX  512

/* Flags of an EVAL script; its text from the end of the first line on (so that line numbers stay) in *body. Without
 * such a line: SCRIPT_COMPAT and the whole text. false: `why` has the error reply's text. */
bool script_meta_eval(struct slice text, struct slice *body, uint32_t *flags, char why[SCRIPT_WHY_MAX]);
/* The same for a library: its name in `name`. */
bool script_meta_library(struct slice text, struct slice *body, char name[SCRIPT_NAME_MAX], char why[SCRIPT_WHY_MAX]);
/* 0: unknown. any_case: as functions name theirs. */
uint32_t script_flag_by_name(struct slice name, bool any_case);
const char *script_flag_name(uint32_t flag);
/* What FUNCTION's and libraries' names may be made of. */
bool script_name_ok(struct slice name);
