/* Scripts out of arbitrary bytes: as text, or (the first byte says so) as words of a dictionary, which come much
 * farther. Checked beside memory errors: each run ends, within its memory; its reply is whole; afterwards the tables
 * that scripts see are what they were, and a script that knows its result still gets it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "ctrlplane/script/script_cache.h"
#include "ctrlplane/script/script_call.h"
#include "fuzz.h"

#define HEAP_BYTES ((size_t)64 << 20)
#define LUA_BYTES  ((size_t)8 << 20)
#define LOOKS_MAX  50 /* times 1000 instructions */
#define TEXT_MAX   8192

static const char *const words[] = {" ",
				    "\n",
				    "local ",
				    "function ",
				    "end ",
				    "if ",
				    "then ",
				    "else ",
				    "for ",
				    "in ",
				    "do ",
				    "while ",
				    "repeat ",
				    "until ",
				    "return ",
				    "nil ",
				    "true ",
				    "false ",
				    "not ",
				    "and ",
				    "or ",
				    "=",
				    "==",
				    "~=",
				    "<",
				    ">",
				    "+",
				    "-",
				    "*",
				    "/",
				    "%",
				    "^",
				    "..",
				    "#",
				    "(",
				    ")",
				    "{",
				    "}",
				    "[",
				    "]",
				    ",",
				    ";",
				    ".",
				    ":",
				    "'x'",
				    "\"\\q\"",
				    "1",
				    "0",
				    "2",
				    "1e308",
				    "-1",
				    "0.5",
				    "0x7fffffff",
				    "2^53",
				    "a",
				    "b",
				    "t",
				    "i",
				    "...",
				    "_G",
				    "_ENV",
				    "KEYS",
				    "ARGV",
				    "redis",
				    "redis.call",
				    "redis.pcall",
				    "'get'",
				    "'set'",
				    "'k'",
				    "'lpush'",
				    "'lrange'",
				    "'hset'",
				    "'hgetall'",
				    "'zadd'",
				    "'incr'",
				    "'del'",
				    "'eval'",
				    "'info'",
				    "redis.error_reply",
				    "redis.status_reply",
				    "redis.sha1hex",
				    "redis.setresp",
				    "redis.log",
				    "3",
				    "pcall",
				    "xpcall",
				    "error",
				    "pairs",
				    "ipairs",
				    "next",
				    "setmetatable",
				    "getmetatable",
				    "rawset",
				    "rawget",
				    "tostring",
				    "tonumber",
				    "unpack",
				    "select",
				    "type",
				    "load",
				    "loadstring",
				    "string.dump",
				    "string.rep",
				    "string.format",
				    "'%d%s%q%5.2f'",
				    "string.gsub",
				    "string.find",
				    "string.sub",
				    "string.char",
				    "string.byte",
				    "'%w*(.-)%1'",
				    "table.insert",
				    "table.remove",
				    "table.concat",
				    "table.sort",
				    "coroutine.wrap",
				    "coroutine.create",
				    "coroutine.resume",
				    "coroutine.yield",
				    "collectgarbage",
				    "'count'",
				    "cjson.encode",
				    "cjson.decode",
				    "'[1,{\"a\":null}]'",
				    "cjson.new",
				    "cjson.encode_max_depth",
				    "cmsgpack.pack",
				    "cmsgpack.unpack",
				    "'\\147\\1\\192\\161x'",
				    "struct.pack",
				    "struct.unpack",
				    "struct.size",
				    "'>i4!8dsc0b'",
				    "bit.band",
				    "bit.tohex",
				    "math.random",
				    "math.floor",
				    "math.huge",
				    "{__index=",
				    "{__gc=",
				    "{__close=",
				    "__metatable",
				    "<close>",
				    "function() ",
				    "function(...) ",
				    "goto x ",
				    "::x:: ",
				    "--[[",
				    "]]",
				    "[==[",
				    "]==]",
				    "#!lua flags=no-writes\n"};

static struct cmd_env env;
static struct dp_conf conf;
static struct clock_now now = {.mono_us = 1000000, .wall_us = 1700000000000000};
static struct pool client_texts;
static struct store *store;
static struct rte_mempool *bufs;
static uint16_t slot_map[RP_SLOTS];
static struct script_call *call;
static struct script_engine *engine;
static struct script_cache *cache;
static uint32_t looks;

static enum script_end interrupted(void *ctx)
{
	return ++looks > LOOKS_MAX ? SCRIPT_KILLED : SCRIPT_GO_ON;
}

static void no_log(void *ctx, int level, struct slice text)
{
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fz_eal("eval");
	cmd_table_init();
	struct heap *heap = heap_create(&(struct heap_params){.name = "shard", .reserve_bytes = HEAP_BYTES}, NULL);
	struct heap *own = heap_create(&(struct heap_params){.name = "own", .reserve_bytes = HEAP_BYTES}, NULL);
	bufs = rte_pktmbuf_pool_create("fuzz", 8191, 0, BUF_PRIV_BYTES, BUF_DATA_BYTES, 0);
	rp_assert(heap && own && bufs);
	struct store_params p = {.databases = 2, .hash_seed = 42, .index_initial = 64, .heap = heap};
	store = store_create(&p, NULL);
	rp_assert(store);
	store_set_now(store, now.wall_us);
	pool_init(&client_texts, sizeof(struct client_text), 1);
	conf = (struct dp_conf){.databases = 2, .max_bulk = 1 << 20, .slowlog_us = -1};
	env = (struct cmd_env){.stores = &store,
			       .nstores = 1,
			       .slot_map = slot_map,
			       .conf = &conf,
			       .heap = own,
			       .now = &now,
			       .client_texts = &client_texts,
			       .stats = calloc(cmd_count, sizeof(struct cmd_stat))};
	struct script_call_params cp = {.env = &env, .mbufs = bufs};
	call = script_call_create(&cp);
	struct script_ops ops = {.ctx = call,
				 .call = script_call_run,
				 .acl_check = script_call_acl_check,
				 .set_repl = script_call_set_repl,
				 .log = no_log,
				 .interrupted = interrupted};
	engine = script_engine_create(&ops, LUA_BYTES);
	cache = script_cache_create(engine);
	rp_assert(call && engine && cache);
	return 0;
}

/* One reply and nothing behind it. Returns where it ends. */
static const char *skip_reply(const char *p, const char *end)
{
	const char *cr = memchr(p, '\r', (size_t)(end - p));

	rp_assert(cr != NULL && cr + 1 < end && cr[1] == '\n');
	long n = atol(p + 1);
	const char *after = cr + 2;
	switch (*p) {
	case '+':
	case '-':
	case ':':
	case '_':
	case '#':
	case ',':
	case '(':
		return after;
	case '$':
	case '=':
		return n < 0 ? after : after + n + 2;
	case '%':
		n *= 2;
		/* fall through */
	case '*':
	case '~':
		for (long i = 0; i < n; i++)
			after = skip_reply(after, end);
		return after;
	default:
		rp_assert(!"a reply of no kind");
		return NULL;
	}
}

/* Runs the text; returns the reply, which the caller frees. */
static char *run_text(struct slice text, uint8_t proto, size_t *len)
{
	static const struct slice words_of[] = {{"k", 1}, {"other", 5}, {"7", 1}};
	struct script_args args = {.nkeys = 2, .keys = words_of, .nargs = 1, .args = words_of + 2};
	struct script_run run = {.args = &args, .held = 1};
	uint8_t digest[SHA1_BYTES];
	char why[SCRIPT_WHY_MAX];
	struct reply out;

	sha1(text, digest);
	struct script *s = script_cache_get(cache, digest);
	if (s == NULL)
		s = script_cache_add(cache, text, digest, why);
	if (s == NULL)
		return NULL;
	run.code = &s->code;
	looks = 0;
	reply_init(&out, bufs, 1400, proto);
	script_call_begin(call, &run, false);
	script_engine_interrupt(engine);
	script_engine_run(engine, &s->code, &args, &out);
	script_call_end(call);
	bool failed = out.failed;
	size_t bytes;
	struct rte_mbuf *head = reply_take(&out, &bytes);
	char *p = malloc(bytes + 1);
	*len = 0;
	for (struct rte_mbuf *m = head; m != NULL; m = m->next) {
		const struct buf_ref *ref = &buf_priv(m)->ref;
		size_t n = ref->blob != NULL ? ref->len : m->data_len;
		memcpy(p + *len, ref->blob != NULL ? ref->blob->data + ref->off : rte_pktmbuf_mtod(m, char *), n);
		*len += n;
	}
	p[*len] = '\0';
	buf_chain_free(head, NULL);
	if (!failed)
		rp_assert(skip_reply(p, p + *len) == p + *len);
	return p;
}

/* What any script may rely on, whatever ran before. */
static void check_unharmed(void)
{
	static const char canary[] =
		"local n = 0 for k, v in pairs(_G) do n = n + 1 end for k, v in pairs(redis) do n = n + 1 end "
		"for k, v in pairs(string) do n = n + 1 end "
		"return {n, ('x'):upper(), redis.call('echo', 'e'), tostring(10 / 2), type(redis.call), #KEYS, #ARGV, "
		"rawget(_G, 'x') == nil, cjson.encode({1})}";
	static char first[256];
	size_t len;
	char *p = run_text((struct slice){canary, sizeof canary - 1}, 2, &len);

	rp_assert(p != NULL && *p == '*');
	if (*first == '\0')
		snprintf(first, sizeof first, "%s", p);
	rp_assert(strcmp(first, p) == 0);
	free(p);
	rp_assert(script_engine_memory(engine) <= LUA_BYTES);
}

static size_t spell(const uint8_t *data, size_t size, char *text)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++) {
		const char *w = words[data[i] % RP_ARRAY_LEN(words)];
		size_t len = strlen(w);
		if (n + len + 1 > TEXT_MAX)
			break;
		memcpy(text + n, w, len);
		n += len;
		text[n++] = ' ';
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[TEXT_MAX];
	size_t len, n;

	if (size < 2)
		return 0;
	if (data[0] & 1) {
		n = spell(data + 1, size - 1, text);
	} else {
		n = RP_MIN(size - 1, sizeof text);
		memcpy(text, data + 1, n);
	}
	free(run_text((struct slice){text, n}, data[0] & 2 ? 3 : 2, &len));
	check_unharmed();
	script_cache_flush(cache);
	store_flush(store, UINT32_MAX);
	while (store_poll(store, 1024) > 0)
		;
	return 0;
}
