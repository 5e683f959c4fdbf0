/* Prints the table of commands as text; tools/write_commands_doc makes docs/commands.md of it. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cmd/table.h"

static const char *const groups[] = {"string",     "bitmap",       "list",        "hash",       "set",
				     "sorted-set", "stream",       "hyperloglog", "geo",        "generic",
				     "pubsub",     "transactions", "scripting",   "connection", "server"};

/* Every command of Redis 7.2; of containers that are missing altogether only the container. */
static const char redis[] =
	"acl append asking auth bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop bitpos blmove blmpop "
	"blpop brpop brpoplpush bzmpop bzpopmax bzpopmin client client|caching client|getname client|getredir "
	"client|help client|id client|info client|kill client|list client|no-evict client|no-touch client|pause "
	"client|reply client|setinfo client|setname client|tracking client|trackinginfo client|unblock "
	"client|unpause cluster command command|count command|docs command|getkeys command|getkeysandflags "
	"command|help command|info command|list config config|get config|help config|resetstat config|rewrite "
	"config|set copy dbsize debug decr decrby del discard dump echo eval eval_ro evalsha evalsha_ro exec "
	"exists expire expireat expiretime failover fcall fcall_ro flushall flushdb function geoadd geodist "
	"geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro geosearch geosearchstore "
	"get getbit getdel getex getrange getset hdel hello hexists hget hgetall hincrby hincrbyfloat hkeys hlen "
	"hmget hmset hrandfield hscan hset hsetnx hstrlen hvals incr incrby incrbyfloat info keys lastsave "
	"latency latency|doctor latency|graph latency|help latency|histogram latency|history latency|latest "
	"latency|reset lcs lindex linsert llen lmove lmpop lolwut lpop lpos lpush lpushx lrange lrem lset ltrim "
	"memory memory|doctor memory|help memory|malloc-stats memory|purge memory|stats memory|usage mget "
	"migrate module monitor move mset msetnx multi object object|encoding object|freq object|help "
	"object|idletime object|refcount persist pexpire pexpireat pexpiretime pfadd pfcount pfdebug pfmerge "
	"pfselftest ping psetex psubscribe psync pttl publish pubsub punsubscribe quit randomkey readonly "
	"readwrite rename renamenx replconf replicaof reset restore restore-asking role rpop rpoplpush rpush "
	"rpushx sadd save scan scard script sdiff sdiffstore select set setbit setex setnx setrange shutdown "
	"sinter sintercard sinterstore sismember slaveof slowlog slowlog|get slowlog|help slowlog|len "
	"slowlog|reset smembers smismember smove sort sort_ro spop spublish srandmember srem sscan ssubscribe "
	"strlen subscribe substr sunion sunionstore sunsubscribe swapdb sync time touch ttl type unlink "
	"unsubscribe unwatch wait waitaof watch xack xadd xautoclaim xclaim xdel xgroup xgroup|create "
	"xgroup|createconsumer xgroup|delconsumer xgroup|destroy xgroup|help xgroup|setid xinfo xinfo|consumers "
	"xinfo|groups xinfo|help xinfo|stream xlen xpending xrange xread xreadgroup xrevrange xsetid xtrim zadd "
	"zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore zlexcount zmpop zmscore zpopmax "
	"zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex "
	"zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion "
	"zunionstore";

static const char *where(const struct cmd *c)
{
	switch ((enum cmd_route)c->route) {
	case CMD_HOME:
		return "client's worker";
	case CMD_KEYS:
		return "keys' shard(s)";
	case CMD_ALL:
		return "all shards";
	case CMD_CURSOR:
		return "cursor's shard";
	case CMD_CONTROL:
		return "control thread";
	case CMD_HOME_KEYS:
		return "client's worker, holding the keys' shard(s)";
	case CMD_CHANNEL:
		return "channel's worker";
	case CMD_SCRIPT:
		return "script thread";
	}
	return "";
}

static void print_row(const struct cmd *c)
{
	char name[64];
	snprintf(name, sizeof name, "%s", c->name);
	for (char *p = name; *p != '\0'; p++)
		*p = *p == '|' ? ' ' : (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
	printf("| `%s` | %s | %s | %s | %s |\n", name, c->doc->since, where(c), c->doc->complexity, c->doc->summary);
}

/* What Redis has and the table has not. */
static void print_missing(void)
{
	struct slice rest = {redis, sizeof redis - 1};

	printf("\n## of Redis 7.2, not there yet\n\n`unknown command`, as for any other name.\n\n");
	while (rest.len > 0) {
		const char *blank = memchr(rest.ptr, ' ', rest.len);
		size_t len = blank != NULL ? (size_t)(blank - rest.ptr) : rest.len;
		if (cmd_find((struct slice){rest.ptr, len}) == NULL) {
			printf("- `");
			for (size_t i = 0; i < len; i++)
				putchar(rest.ptr[i] == '|' ? ' ' : toupper(rest.ptr[i]));
			printf("`\n");
		}
		len += blank != NULL;
		rest = (struct slice){rest.ptr + len, rest.len - len};
	}
}

int main(void)
{
	cmd_table_init();
	printf("# Commands\n\n"
	       "Generated from `dataplane/cmd/table.def`. A command that is not here does not exist in `COMMAND` and "
	       "answers "
	       "`unknown command`.\n\n"
	       "*Where*: a command whose keys lie on one shard runs on that shard's worker; on several, it runs under "
	       "a lease of "
	       "them all, so it is atomic. *Differs*: numbers of the differences from Redis 7.2 at the end.\n");
	for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
		printf("\n## %s\n\n| command | since | where | complexity | what |\n|---|---|---|---|---|\n",
		       groups[g]);
		for (uint32_t i = 0; i < cmd_count; i++) {
			const struct cmd *c = cmd_at(i);
			if (strcmp(c->doc->group, groups[g]) == 0 && !(c->flags & (CMD_F_HIDDEN | CMD_F_CONTAINER)))
				print_row(c);
		}
	}
	printf("\n## of our own, not shown by COMMAND\n\n| command | since | where | complexity | what "
	       "|\n|---|---|---|---|---|\n");
	for (uint32_t i = 0; i < cmd_count; i++)
		if ((cmd_at(i)->flags & CMD_F_HIDDEN) && !(cmd_at(i)->flags & CMD_F_CONTAINER))
			print_row(cmd_at(i));
	print_missing();
	return 0;
}
