/* Libraries of functions for snapshots and loads. */
#pragma once

#include "base/err.h"
#include "msg/msg.h"

/* All libraries' texts one after the other; p is malloc's. */
struct script_texts {
	char *p;
	size_t len, cap;
	bool failed; /* out of memory */
};
struct script_text_load {
	struct slice text;
	bool replace, ok;
	struct err err;
};

/* FUNCTION RESTORE of a file. */
struct script_text_restore {
	struct slice payload, policy; /* policy.ptr NULL: none */
	bool ok;
	struct err err;
};

/* Calls for the script thread; arg[0] is one of the above. */
void script_texts_gather(void *owner, struct msg *m);
void script_text_load(void *owner, struct msg *m);
/* arg[0]: struct slice *, the name of a library that goes, if there is one. */
void script_text_delete(void *owner, struct msg *m);
void script_text_restore(void *owner, struct msg *m);
void script_texts_clear(void *owner, struct msg *m);
/* The text at *at, which moves on. False: there is none. */
bool script_texts_next(const struct script_texts *x, size_t *at, struct slice *text);
