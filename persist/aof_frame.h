/* What stands in an append-only file beside its commands when that is filled ahead of them (aof_ahead.h): lines that
 * begin with '#', which redis-server and redis-check-aof pass over.
 *
 *   frame  #R:<12 hex digits: bytes of its commands>:<16 hex digits: their crc64>\r\n<commands>
 *          what one write brought. Over fill, power loss leaves any of its sectors as they were, not only the last
 *          ones, and what comes of that may look like commands; the sum tells.
 *   fill   the byte at every 64th place is a '\n', the others are '#': whatever is written over its front, what is
 *          left is whole lines, short enough for redis-server's 127 bytes. Only a lone '\n' is none:
 *          aof_fill_pad(). Its pieces end a line behind a sector: what redis-server appends there is not taken for
 *          what is left of a write, which begins with one.
 *
 * All functions are pure but for the buffer that they fill.
 */
#pragma once

#include "persist/aof_buf.h"

#define AOF_FILL_LINE  64u
#define AOF_SECTOR     512u /* the least that a disk writes at once */
#define AOF_FRAME_MARK "#R:"
#define AOF_FRAME_HEAD 34u

struct aof_frame {
	size_t head, from, end; /* offsets in the file: of all of it; of its commands */
	uint64_t crc;
};

/* What fill has at that place. */
static inline char aof_fill_byte(uint64_t off)
{
	return off % AOF_FILL_LINE == AOF_FILL_LINE - 1 ? '\n' : '#';
}

/* How many '#' belong behind a stream that ends there: 1 where no more than the end of a line would be left. */
static inline size_t aof_fill_pad(uint64_t end)
{
	return aof_fill_byte(end) == '\n';
}

/* Room for the head in an empty buffer; the commands follow. false: out of memory. */
bool aof_frame_open(struct aof_buf *b);
/* The commands are there: writes the head in front of them and, beyond len, the '#' that may belong behind them. false:
 * out of memory. */
bool aof_frame_close(struct aof_buf *b);
/* The head at `at`. false: there is none. */
bool aof_frame_parse(const char *data, size_t len, size_t at, struct aof_frame *f);
/* Are its commands there, as they were written? */
bool aof_frame_whole(const char *data, size_t len, const struct aof_frame *f);
