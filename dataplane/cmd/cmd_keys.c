/* Where a request's keys are: for routing, COMMAND GETKEYS and the journal. */
#include "cmd/cursor.h"
#include "cmd/table.h"

int cmd_getkeys(const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t *idx, uint32_t cap)
{
	if (cmd->getkeys)
		return cmd->getkeys(cmd, argc, argv, idx, cap);
	if (cmd->key_first <= 0)
		return 0;
	int64_t last = cmd->key_last < 0 ? (int64_t)argc + cmd->key_last : cmd->key_last;
	int n = 0;

	if (last >= argc)
		return -1;
	for (int64_t i = cmd->key_first; i <= last; i += cmd->key_step, n++)
		if ((uint32_t)n < cap)
			idx[n] = (uint32_t)i;
	return n;
}

/* So the empty text is 0, a sign is allowed and -1 is the largest cursor, and what follows a NUL does not count. */
bool cursor_parse(struct slice text, uint64_t *cursor)
{
	size_t len = text.len ? strnlen(text.ptr, text.len) : 0, i = 0;
	bool negative = len > 0 && text.ptr[0] == '-';
	uint64_t v = 0;

	if (len > 1 && (negative || text.ptr[0] == '+'))
		i = 1;
	for (; i < len; i++) {
		unsigned digit = (unsigned char)text.ptr[i] - '0';
		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*cursor = negative ? -v : v;
	return true;
}

uint32_t cmd_cursor_shard(const struct cmd_env *env, uint32_t argc, const struct slice *argv)
{
	uint64_t cursor;

	if (argc < 2 || !cursor_parse(argv[1], &cursor))
		return 0;
	uint64_t shard = cursor >> CURSOR_INDEX_BITS;
	return shard < env->nstores ? (uint32_t)shard : 0;
}
