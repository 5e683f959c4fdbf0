/* Between the files of cjson. */
#pragma once

#include <lua.h>

#include "base/defs.h"

/* Whatever a script sets: the C stack is as deep as the data. As many as Lua 5.1's stack has room for. */
#define CJSON_DEPTH_MAX 7990

enum cjson_invalid {
	CJSON_INVALID_OFF, /* NaN and infinities are refused */
	CJSON_INVALID_ON,
	CJSON_INVALID_NULL
};

struct cjson_conf {
	bool sparse_convert;
	int sparse_ratio, sparse_safe;
	int encode_depth, decode_depth;
	int precision; /* digits */
	bool keep_buffer;
	enum cjson_invalid encode_invalid;
	bool decode_invalid;
};

/* Of the function that runs. */
struct cjson_conf *cjson_conf(lua_State *L);
int cjson_encode(lua_State *L);
int cjson_decode(lua_State *L);
