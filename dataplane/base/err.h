/* Errors. A bug asserts (base/defs.h); the system's is a negative errno; a client's is a RESP error and a
 * counter. What boot or configuration must tell a person is one sentence with the mend, kept here. */
#pragma once

#include "base/defs.h"

struct err {
	char text[512]; /* one sentence, NUL-terminated, empty if none */
};

/* Formats the sentence. Returns -1 so that `return err_set(e, ...)` reads well. */
int err_set(struct err *e, const char *fmt, ...) RP_PRINTF(2, 3);
