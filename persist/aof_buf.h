/* Bytes on their way to a file: grows as it must, up to what its filler bounds. Control thread. */
#pragma once

#include "base/defs.h"

struct aof_buf {
	char *data;
	size_t len, cap;
};

/* Room for n more bytes at data + len. false: out of memory. */
bool aof_buf_room(struct aof_buf *b, size_t n);
/* Appends. false: out of memory, nothing appended. */
bool aof_buf_put(struct aof_buf *b, const void *data, size_t len);
/* A command as RESP. */
bool aof_buf_command(struct aof_buf *b, uint32_t argc, const struct slice *argv);
void aof_buf_fini(struct aof_buf *b);
