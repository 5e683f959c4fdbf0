/* Libraries of functions: FUNCTION LOAD, FCALL. */
#pragma once

#include "ctrlplane/script/script_meta.h"

struct script_function {
	struct script_code code; /* code.name is its name */
	struct script_library *library;
	char *description; /* NULL: none */
	bool known, wide;  /* as in struct script */
	struct script_function *next_of_library, *next;
};

struct script_library {
	char name[SCRIPT_NAME_MAX];
	struct slice text;
	struct script_function *functions; /* in the order of registration */
	uint32_t nfunctions;
	struct script_library *next;
};

struct script_libraries;

struct script_libraries *script_libraries_create(struct script_engine *e);
void script_libraries_destroy(struct script_libraries *l);
/* Runs the library's text, which registers its functions; bounded: in the time that a client's has for it. The name is
 * left in `name`. false: `why` has the error reply's text, and nothing has changed. */
bool script_library_load(struct script_libraries *l, struct slice text, bool replace, bool bounded,
			 char name[SCRIPT_NAME_MAX], char why[SCRIPT_WHY_MAX]);
bool script_library_delete(struct script_libraries *l, struct slice name);
void script_libraries_flush(struct script_libraries *l);
const struct script_library *script_library_first(const struct script_libraries *l);
/* Case-insensitive, as Redis. */
struct script_function *script_function_find(const struct script_libraries *l, struct slice name);
/* FUNCTION RESTORE is all or nothing: it takes all libraries out, loads others, and then puts the former ones back in
 * their place, drops them, or adds them to the new ones (replace: but for those of the same name). When that is
 * impossible, script_libraries_merge() puts them back and says why. */
struct script_library *script_libraries_take(struct script_libraries *l);
void script_libraries_put(struct script_libraries *l, struct script_library *before);
void script_libraries_drop(struct script_libraries *l, struct script_library *before);
bool script_libraries_merge(struct script_libraries *l, struct script_library *before, bool replace,
			    char why[SCRIPT_WHY_MAX]);
/* Any thread: snapshots. */
uint64_t script_libraries_count(const struct script_libraries *l);
uint64_t script_functions_count(const struct script_libraries *l);
uint64_t script_libraries_bytes(const struct script_libraries *l);
