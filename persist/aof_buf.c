#include "persist/aof_buf.h"

#include <stdlib.h>

#include "base/num.h"

bool aof_buf_room(struct aof_buf *b, size_t n)
{
	size_t cap = RP_MAX(b->cap, (size_t)65536);

	if (b->cap - b->len >= n)
		return true;
	while (cap - b->len < n)
		cap *= 2;
	char *p = realloc(b->data, cap);
	if (p == NULL)
		return false;
	b->data = p;
	b->cap = cap;
	return true;
}

bool aof_buf_put(struct aof_buf *b, const void *data, size_t len)
{
	if (!aof_buf_room(b, len))
		return false;
	if (len != 0) /* or else there may be no memory yet */
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return true;
}

static void put_number(struct aof_buf *b, char kind, uint64_t v)
{
	b->data[b->len++] = kind;
	b->len += num_format_u64(b->data + b->len, v);
	memcpy(b->data + b->len, "\r\n", 2);
	b->len += 2;
}

bool aof_buf_command(struct aof_buf *b, uint32_t argc, const struct slice *argv)
{
	size_t n = NUM_I64_CHARS + 4;

	for (uint32_t i = 0; i < argc; i++)
		n += argv[i].len + NUM_I64_CHARS + 6;
	if (!aof_buf_room(b, n))
		return false;
	put_number(b, '*', argc);
	for (uint32_t i = 0; i < argc; i++) {
		put_number(b, '$', argv[i].len);
		memcpy(b->data + b->len, argv[i].ptr, argv[i].len);
		memcpy(b->data + b->len + argv[i].len, "\r\n", 2);
		b->len += argv[i].len + 2;
	}
	return true;
}

void aof_buf_fini(struct aof_buf *b)
{
	free(b->data);
	*b = (struct aof_buf){NULL};
}
