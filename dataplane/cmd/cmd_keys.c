/* Where a request's keys are: for routing, COMMAND GETKEYS and the journal. */
#include "base/num.h"
#include "cmd/cursor.h"
#include "cmd/table.h"

static bool find_behind_word(const struct cmd_keyspec *ks, uint32_t argc, const struct slice *argv, uint32_t *from)
{
	char word[16] = {0};

	memcpy(word, ks->word.ptr, RP_MIN(ks->word.len, sizeof word - 1));
	for (uint32_t i = (uint32_t)ks->first; i + 1 < argc; i++)
		if (slice_is(argv[i], word)) {
			*from = i + 1;
			return true;
		}
	return false;
}

bool cmd_keyspec_find(const struct cmd_keyspec *ks, uint32_t argc, const struct slice *argv, uint32_t *from,
		      uint32_t *count)
{
	int64_t first = ks->first, last, n;

	if (ks->unknown) {
		*count = 0;
		return true;
	}
	if (ks->word.len > 0) {
		*count = find_behind_word(ks, argc, argv, from);
		if (*count > 0 && ks->last < 0)
			*count = (argc - *from) / (uint32_t)RP_MAX(ks->limit, 1);
		return true;
	}
	if (ks->counted) {
		if (first >= argc || !num_parse_i64(argv[first], &n) || n < 1 || n >= argc - first)
			return false;
		*from = (uint32_t)first + 1;
		*count = (uint32_t)n;
		return true;
	}
	last = ks->last < 0 ? (int64_t)argc + ks->last : first + ks->last;
	*from = (uint32_t)first;
	*count = last >= first ? (uint32_t)((last - first) / ks->step + 1) : 0;
	return last < argc;
}

int cmd_getkeys_by_specs(const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t *idx, uint32_t cap)
{
	struct slice rest = cmd_text(cmd->doc->specs);
	struct cmd_keyspec ks;
	uint32_t n = 0, from, count;

	while (cmd_keyspec_next(&rest, &ks)) {
		if (!cmd_keyspec_find(&ks, argc, argv, &from, &count))
			return -1;
		for (uint32_t i = 0; i < count; i++, n++)
			if (n < cap)
				idx[n] = from + i * (uint32_t)ks.step;
	}
	return (int)n;
}

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
