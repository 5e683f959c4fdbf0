/* Where a request's keys are: for routing, COMMAND GETKEYS and the journal. */
#include "base/num.h"
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

uint32_t cmd_cursor_shard(const struct cmd_env *env, uint32_t argc, const struct slice *argv)
{
	uint64_t cursor;

	if (argc < 2 || !num_parse_u64(argv[1], &cursor))
		return 0;
	uint64_t shard = cursor >> CURSOR_INDEX_BITS;
	return shard < env->nstores ? (uint32_t)shard : 0;
}
