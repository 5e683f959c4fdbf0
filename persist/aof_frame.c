#include "persist/aof_frame.h"

#include <stdio.h>

#include "base/crc64.h"
#include "base/num.h"

#define MARK_BYTES   (sizeof AOF_FRAME_MARK - 1)
#define LENGTH_CHARS 12
#define CRC_CHARS    16

_Static_assert(MARK_BYTES + LENGTH_CHARS + 1 + CRC_CHARS + 2 == AOF_FRAME_HEAD, "the head as aof_frame.h shows it");

bool aof_frame_open(struct aof_buf *b)
{
	if (!aof_buf_room(b, AOF_FRAME_HEAD))
		return false;
	b->len += AOF_FRAME_HEAD;
	return true;
}

bool aof_frame_close(struct aof_buf *b)
{
	char head[AOF_FRAME_HEAD + 1];
	size_t n = b->len - AOF_FRAME_HEAD;

	if (!aof_buf_room(b, 1))
		return false;
	snprintf(head, sizeof head, AOF_FRAME_MARK "%012lx:%016lx\r\n", (unsigned long)n,
		 (unsigned long)crc64(0, b->data + AOF_FRAME_HEAD, n));
	memcpy(b->data, head, AOF_FRAME_HEAD);
	b->data[b->len] = '#';
	return true;
}

/* n hexadecimal digits at p. */
static bool take_hex(const char *p, uint32_t n, uint64_t *v)
{
	*v = 0;
	for (uint32_t i = 0; i < n; i++) {
		int d = num_hex_digit(p[i]);
		if (d < 0)
			return false;
		*v = *v << 4 | (uint64_t)d;
	}
	return true;
}

bool aof_frame_parse(const char *data, size_t len, size_t at, struct aof_frame *f)
{
	const char *p = data + at;
	uint64_t n;

	if (len - at < AOF_FRAME_HEAD || memcmp(p, AOF_FRAME_MARK, MARK_BYTES) != 0 ||
	    !take_hex(p + MARK_BYTES, LENGTH_CHARS, &n) || p[MARK_BYTES + LENGTH_CHARS] != ':' ||
	    !take_hex(p + MARK_BYTES + LENGTH_CHARS + 1, CRC_CHARS, &f->crc) ||
	    memcmp(p + AOF_FRAME_HEAD - 2, "\r\n", 2) != 0)
		return false;
	f->head = at;
	f->from = at + AOF_FRAME_HEAD;
	f->end = f->from + n;
	return true;
}

bool aof_frame_whole(const char *data, size_t len, const struct aof_frame *f)
{
	return f->end <= len && crc64(0, data + f->from, f->end - f->from) == f->crc;
}
