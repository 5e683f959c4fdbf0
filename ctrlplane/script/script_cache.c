/* See script_cache.h. */
#include "ctrlplane/script/script_cache.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "ctrlplane/script/script_priv.h"

#define BUCKETS_FIRST 64

struct script_cache {
	struct script_engine *engine;
	struct script **bucket;
	uint64_t mask;
	uint64_t count, bytes; /* the engine's thread writes, anybody reads relaxed */
};

struct script_cache *script_cache_create(struct script_engine *e)
{
	struct script_cache *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->engine = e;
	c->mask = BUCKETS_FIRST - 1;
	c->bucket = calloc(BUCKETS_FIRST, sizeof *c->bucket);
	if (c->bucket == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

void script_cache_destroy(struct script_cache *c)
{
	if (c == NULL)
		return;
	script_cache_flush(c);
	free(c->bucket);
	free(c);
}

/* Bits of a digest are as good as random. */
static uint64_t place(const struct script_cache *c, const uint8_t digest[SHA1_BYTES])
{
	uint64_t h;

	memcpy(&h, digest, sizeof h);
	return h & c->mask;
}

struct script *script_cache_get(const struct script_cache *c, const uint8_t digest[SHA1_BYTES])
{
	struct script *s = c->bucket[place(c, digest)];

	while (s != NULL && memcmp(s->digest, digest, SHA1_BYTES) != 0)
		s = s->next;
	return s;
}

struct script *script_cache_find(const struct script_cache *c, struct slice sha)
{
	uint8_t digest[SHA1_BYTES];

	if (sha.len != 2 * SHA1_BYTES)
		return NULL;
	for (int i = 0; i < SHA1_BYTES; i++) {
		int hi = num_hex_digit(sha.ptr[2 * i]), lo = num_hex_digit(sha.ptr[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return NULL;
		digest[i] = (uint8_t)(hi << 4 | lo);
	}
	return script_cache_get(c, digest);
}

static void grow(struct script_cache *c)
{
	uint64_t mask = c->mask * 2 + 1;
	struct script **bucket = calloc(mask + 1, sizeof *bucket);

	if (bucket == NULL)
		return; /* longer chains do as well */
	for (uint64_t i = 0; i <= c->mask; i++) {
		for (struct script *s = c->bucket[i], *next; s != NULL; s = next) {
			uint64_t h;
			next = s->next;
			memcpy(&h, s->digest, sizeof h);
			s->next = bucket[h & mask];
			bucket[h & mask] = s;
		}
	}
	free(c->bucket);
	c->bucket = bucket;
	c->mask = mask;
}

/* A reference may need memory, of which there may be none: it is taken under a pcall. */
static int take_ref(lua_State *L)
{
	int *ref = lua_touserdata(L, 1);

	lua_settop(L, 2);
	*ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

/* Leaves nothing on the stack. */
static bool compile(struct script_engine *e, struct script *s, struct slice body, char *why)
{
	bool ok;
	size_t len;
	char *fixed = script_source_fix(body, &len, &ok);
	int status = ok ? luaL_loadbufferx(e->L, fixed != NULL ? fixed : body.ptr, len, "@user_script", "t")
			: LUA_ERRMEM;

	free(fixed);
	if (status == LUA_OK) {
		lua_pushcfunction(e->L, take_ref);
		lua_insert(e->L, -2);
		lua_pushlightuserdata(e->L, &s->code.ref);
		lua_insert(e->L, -2);
		status = lua_pcall(e->L, 2, 0, 0);
	}
	if (status != LUA_OK) {
		snprintf(why, SCRIPT_WHY_MAX, "ERR Error compiling script (new function): %s",
			 ok ? lua_tostring(e->L, -1) : "not enough memory");
		if (ok)
			lua_pop(e->L, 1);
		return false;
	}
	return true;
}

static size_t script_bytes(const struct script *s)
{
	return sizeof *s + s->code.source.len + sizeof(struct script *);
}

static void count(struct script_cache *c, const struct script *s, int64_t sign)
{
	__atomic_store_n(&c->count, c->count + (uint64_t)sign, __ATOMIC_RELAXED);
	__atomic_store_n(&c->bytes, c->bytes + (uint64_t)(sign * (int64_t)script_bytes(s)), __ATOMIC_RELAXED);
}

struct script *script_cache_add(struct script_cache *c, struct slice text, const uint8_t digest[SHA1_BYTES],
				char why[SCRIPT_WHY_MAX])
{
	struct slice body;
	uint32_t flags;

	if (!script_meta_eval(text, &body, &flags, why))
		return NULL;
	struct script *s = malloc(sizeof *s + text.len);
	if (s == NULL) {
		snprintf(why, SCRIPT_WHY_MAX, "ERR not enough memory for this script");
		return NULL;
	}
	memset(s, 0, sizeof *s);
	memcpy(s->text, text.ptr, text.len);
	memcpy(s->digest, digest, SHA1_BYTES);
	sha1_hex(digest, s->sha);
	s->code = (struct script_code){.flags = flags, .name = s->sha, .source = {s->text, text.len}};
	if (!compile(c->engine, s, body, why)) {
		free(s);
		return NULL;
	}
	if (c->count > c->mask)
		grow(c);
	uint64_t at = place(c, digest);
	s->next = c->bucket[at];
	c->bucket[at] = s;
	count(c, s, 1);
	return s;
}

void script_cache_flush(struct script_cache *c)
{
	for (uint64_t i = 0; i <= c->mask; i++) {
		for (struct script *s = c->bucket[i], *next; s != NULL; s = next) {
			next = s->next;
			luaL_unref(c->engine->L, LUA_REGISTRYINDEX, s->code.ref);
			count(c, s, -1);
			free(s);
		}
		c->bucket[i] = NULL;
	}
	lua_gc(c->engine->L, LUA_GCCOLLECT);
}

uint64_t script_cache_count(const struct script_cache *c)
{
	return __atomic_load_n(&c->count, __ATOMIC_RELAXED);
}

uint64_t script_cache_bytes(const struct script_cache *c)
{
	return __atomic_load_n(&c->bytes, __ATOMIC_RELAXED);
}
