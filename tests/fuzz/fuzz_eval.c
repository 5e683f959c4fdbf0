/* Scripts out of arbitrary bytes. The first byte says what becomes of the rest: text, or words of a dictionary, which
 * come much farther; a script, the body of a function, or a library; and which of three shards it holds.
 *
 * Checked beside memory errors: each run ends, within its memory; its reply is whole; what it does not hold it leaves
 * alone, and one that is begun anew has done nothing; afterwards everything that scripts can reach is what it was
 * (every table, function and metatable, by identity), and a script that knows its result still gets it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "ctrlplane/script/script_cache.h"
#include "ctrlplane/script/script_call.h"
#include "ctrlplane/script/script_library.h"
#include "ctrlplane/script/script_priv.h"
#include "fuzz.h"

#define HEAP_BYTES ((size_t)64 << 20)
#define LUA_BYTES  ((size_t)8 << 20)
#define LOOKS_MAX  50 /* times 1000 instructions */
#define TEXT_MAX   8192
#define SHARDS     3
#define ALL_SHARDS ((1ull << SHARDS) - 1)
#define OBJECTS    4096 /* that scripts can reach; power of two */

/* The first byte. */
#define IN_WORDS    1u
#define IN_RESP3    2u
#define IN_FUNCTION 4u
#define IN_HELD(b)  ((b) >> 3 & 3) /* 0: all; else this shard and the first */
#define IN_LIBRARY  0xe0u          /* these and IN_FUNCTION: as it is, not as the body of a function */

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
				    "#!lua flags=no-writes\n",
				    "redis.register_function(",
				    "'f',",
				    "redis.register_function{",
				    "function_name='g',callback=",
				    "flags={'no-writes'}",
				    "string",
				    "table",
				    "math",
				    "getmetatable('')",
				    "getmetatable(redis)",
				    "rawequal",
				    "__newindex",
				    "__metatable=",
				    "__pairs=",
				    "'other'",
				    "'third'",
				    "'mget'",
				    "'flushall'",
				    "redis.acl_check_cmd",
				    "redis.set_repl",
				    "redis.REPL_NONE"};

static struct cmd_env env;
static struct dp_conf conf;
static struct clock_now now = {.mono_us = 1000000, .wall_us = 1700000000000000};
static struct pool client_texts;
static struct store *stores[SHARDS];
static struct rte_mempool *bufs;
static uint16_t slot_map[RP_SLOTS];
static struct script_call *call;
static struct script_engine *engine;
static struct script_cache *cache;
static struct script_libraries *libraries;
static uint32_t looks;
static uint64_t unharmed;

static enum script_end interrupted(void *ctx)
{
	return ++looks > LOOKS_MAX ? SCRIPT_KILLED : SCRIPT_GO_ON;
}

static void no_log(void *ctx, int level, struct slice text)
{
}

/* ---- what scripts can reach ---- */

struct walk {
	lua_State *L;
	const void *seen[OBJECTS];
	uint32_t n;
};

static bool been_at(struct walk *w, const void *p)
{
	uint64_t at = hash64(&p, sizeof p, 6);

	for (;; at++) {
		const void **place = &w->seen[at % OBJECTS];
		if (*place == p)
			return true;
		if (*place != NULL)
			continue;
		*place = p;
		rp_assert(++w->n < OBJECTS);
		return false;
	}
}

static uint64_t look(struct walk *w);

/* What each run gets anew. */
static bool is_given(lua_State *L, int key)
{
	const char *name = lua_type(L, key) == LUA_TSTRING ? lua_tostring(L, key) : "";

	return strcmp(name, "KEYS") == 0 || strcmp(name, "ARGV") == 0;
}

/* Of what the object on top leads to, in whatever order. */
static uint64_t look_into(struct walk *w)
{
	lua_State *L = w->L;
	uint64_t sum = 0;
	int at = lua_gettop(L);

	rp_assert(lua_checkstack(L, 8));
	for (int i = 1; lua_isfunction(L, at) && lua_getupvalue(L, at, i) != NULL; i++)
		sum = sum * 31 + look(w);
	if (lua_istable(L, at))
		for (lua_pushnil(L); lua_next(L, at) != 0;) {
			if (is_given(L, -2)) {
				lua_pop(L, 1);
				continue;
			}
			uint64_t both[2] = {0, look(w)};
			lua_pushvalue(L, -1);
			both[0] = look(w);
			sum += hash64(both, sizeof both, 7);
		}
	if (lua_getmetatable(L, at))
		sum = sum * 31 + look(w);
	return sum;
}

/* Pops it. */
static uint64_t look(struct walk *w)
{
	lua_State *L = w->L;
	int type = lua_type(L, -1);
	uint64_t h = (uint64_t)type;
	size_t len;

	if (type == LUA_TBOOLEAN) {
		h = hash64(&(int){lua_toboolean(L, -1)}, sizeof(int), 1);
	} else if (type == LUA_TNUMBER) {
		h = hash64(&(lua_Number){lua_tonumber(L, -1)}, sizeof(lua_Number), 2);
	} else if (type == LUA_TSTRING) {
		const char *s = lua_tolstring(L, -1, &len);
		h = hash64(s, len, 3);
	} else if (type != LUA_TNIL) {
		const void *p = lua_topointer(L, -1);
		h = hash64(&p, sizeof p, 4);
		if (!been_at(w, p))
			h += look_into(w);
	}
	lua_pop(L, 1);
	return h;
}

static uint64_t look_at_everything(void)
{
	static struct walk w;
	int roots[] = {engine->eval_globals, engine->function_globals, engine->eval_env,
		       engine->function_env, engine->load_api,         LUA_RIDX_GLOBALS};
	uint64_t sum = 0;

	memset(&w, 0, sizeof w);
	w.L = engine->L;
	script_engine_set_memory_max(engine, 0); /* the stack may have to grow */
	for (size_t i = 0; i < RP_ARRAY_LEN(roots); i++) {
		lua_rawgeti(w.L, LUA_REGISTRYINDEX, roots[i]);
		sum = sum * 31 + look(&w);
	}
	lua_pushliteral(w.L, "");
	sum = sum * 31 + look_into(&w);
	lua_pop(w.L, 1);
	script_engine_set_memory_max(engine, LUA_BYTES);
	return sum;
}

/* One function in place of another one is enough to be seen. */
static void check_the_check(void)
{
	lua_State *L = engine->L;

	unharmed = look_at_everything();
	rp_assert(look_at_everything() == unharmed);
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_getfield(L, -1, "__index");
	lua_getfield(L, -1, "lower");
	lua_getfield(L, -2, "upper");
	lua_setfield(L, -3, "lower");
	rp_assert(look_at_everything() != unharmed);
	lua_setfield(L, -2, "lower");
	lua_pop(L, 3);
	rp_assert(look_at_everything() == unharmed);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fz_eal("eval");
	cmd_table_init();
	struct heap *heap = heap_create(&(struct heap_params){.name = "shard", .reserve_bytes = HEAP_BYTES}, NULL);
	struct heap *own = heap_create(&(struct heap_params){.name = "own", .reserve_bytes = HEAP_BYTES}, NULL);
	bufs = rte_pktmbuf_pool_create("fuzz", 8191, 0, BUF_PRIV_BYTES, BUF_DATA_BYTES, 0);
	rp_assert(heap && own && bufs);
	for (uint32_t i = 0; i < SHARDS; i++) {
		struct store_params p = {
			.shard = i, .databases = 2, .hash_seed = 42, .index_initial = 64, .heap = heap};
		stores[i] = store_create(&p, NULL);
		rp_assert(stores[i]);
		store_set_now(stores[i], now.wall_us);
	}
	for (uint32_t s = 0; s < RP_SLOTS; s++)
		slot_map[s] = (uint16_t)(s * SHARDS / RP_SLOTS);
	pool_init(&client_texts, sizeof(struct client_text), 1);
	conf = (struct dp_conf){.databases = 2, .max_bulk = 1 << 20, .slowlog_us = -1};
	env = (struct cmd_env){.stores = stores,
			       .nstores = SHARDS,
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
	libraries = script_libraries_create(engine);
	rp_assert(call && engine && cache && libraries);
	check_the_check();
	return 0;
}

/* ---- running ---- */

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

static uint64_t keys_outside(uint64_t held)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < SHARDS; i++)
		for (uint32_t db = 0; db < 2; db++)
			n += held >> i & 1 ? 0 : store_count(stores[i], db);
	return n;
}

/* Returns the reply, which the caller frees. */
static char *gather(struct reply *out, size_t *len)
{
	size_t bytes;
	bool failed = out->failed;
	struct rte_mbuf *head = reply_take(out, &bytes);
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

/* Runs it on the shards that it holds, and again with all if it turns out to need them. */
static char *run_code(const struct script_code *code, uint64_t held, uint8_t proto, size_t *len)
{
	static const struct slice words_of[] = {{"k", 1}, {"other", 5}, {"7", 1}};
	struct script_args args = {.nkeys = 2, .keys = words_of, .nargs = 1, .args = words_of + 2};
	struct script_run run = {.args = &args, .held = held, .may_restart = held != ALL_SHARDS, .code = code};
	struct reply out;
	uint64_t before = keys_outside(0), outside = keys_outside(held);

	looks = 0;
	reply_init(&out, bufs, 1400, proto);
	script_call_begin(call, &run, false);
	script_engine_interrupt(engine);
	script_engine_run(engine, code, &args, &out);
	script_call_end(call);
	rp_assert(keys_outside(held) == outside);
	if (!run.restart)
		return gather(&out, len);
	rp_assert(held != ALL_SHARDS && !run.acted && !run.wrote && keys_outside(0) == before);
	reply_reset(&out, NULL);
	return run_code(code, ALL_SHARDS, proto, len);
}

static char *run_text(struct slice text, uint64_t held, uint8_t proto, size_t *len)
{
	uint8_t digest[SHA1_BYTES];
	char why[SCRIPT_WHY_MAX];

	sha1(text, digest);
	struct script *s = script_cache_get(cache, digest);
	if (s == NULL)
		s = script_cache_add(cache, text, digest, why);
	return s != NULL ? run_code(&s->code, held, proto, len) : NULL;
}

/* A library, and each of its functions twice. */
static void run_library(struct slice text, uint64_t held, uint8_t proto)
{
	char name[SCRIPT_NAME_MAX], why[SCRIPT_WHY_MAX];
	size_t len;

	if (!script_library_load(libraries, text, false, true, name, why)) {
		rp_assert(script_libraries_count(libraries) == 0 && script_libraries_bytes(libraries) == 0);
		return;
	}
	const struct script_library *l = script_library_first(libraries);
	for (const struct script_function *f = l->functions; f != NULL; f = f->next_of_library)
		for (int i = 0; i < 2; i++)
			free(run_code(&f->code, held, proto, &len));
	rp_assert(script_library_delete(libraries, (struct slice){name, strlen(name)}));
}

/* What any script may rely on, whatever ran before. */
static void check_unharmed(void)
{
	static const char canary[] =
		"return {('x'):upper(), redis.call('echo', 'e'), tostring(10 / 2), type(redis.call), #KEYS, #ARGV, "
		"rawget(_G, 'x') == nil, cjson.encode({1, {a = 0.1}}), cmsgpack.pack(1), struct.pack('>i2', 257), "
		"bit.bor(1, 2), math.floor(1.5), table.concat({1, 2}, ','), select('#', unpack({1, 2}))}";
	static char first[512];
	size_t len;

	rp_assert(lua_gettop(engine->L) == 0 && look_at_everything() == unharmed);
	char *p = run_text((struct slice){canary, sizeof canary - 1}, ALL_SHARDS, 2, &len);
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

/* The text that the input stands for. */
static struct slice text_of(const uint8_t *data, size_t size)
{
	static const char head[] = "#!lua name=x\nredis.register_function('f', function(KEYS, ARGV) ",
			  tail[] = "\nend)";
	static char text[sizeof head + TEXT_MAX + sizeof tail];
	bool library = (data[0] & IN_LIBRARY) == IN_LIBRARY;
	size_t n = 0;

	if (data[0] & IN_FUNCTION) {
		n = library ? strlen("#!lua name=x\n") : sizeof head - 1;
		memcpy(text, head, n);
	}
	if (data[0] & IN_WORDS) {
		n += spell(data + 1, size - 1, text + n);
	} else {
		memcpy(text + n, data + 1, RP_MIN(size - 1, (size_t)TEXT_MAX));
		n += RP_MIN(size - 1, (size_t)TEXT_MAX);
	}
	if (data[0] & IN_FUNCTION && !library) {
		memcpy(text + n, tail, sizeof tail - 1);
		n += sizeof tail - 1;
	}
	return (struct slice){text, n};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len;

	if (size < 2)
		return 0;
	struct slice text = text_of(data, size);
	uint8_t proto = data[0] & IN_RESP3 ? 3 : 2;
	uint64_t held = IN_HELD(data[0]) == 0 ? ALL_SHARDS : 1ull | 1ull << (IN_HELD(data[0]) - 1);
	if (data[0] & IN_FUNCTION)
		run_library(text, held, proto);
	else
		free(run_text(text, held, proto, &len));
	check_unharmed();
	script_cache_flush(cache);
	for (uint32_t i = 0; i < SHARDS; i++) {
		store_flush(stores[i], UINT32_MAX);
		while (store_poll(stores[i], 1024) > 0)
			;
	}
	return 0;
}
