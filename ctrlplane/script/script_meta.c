/* See script_meta.h. */
#include "ctrlplane/script/script_meta.h"

#include <ctype.h>
#include <stdio.h>

static const struct {
	const char *name;
	uint32_t flag;
} flag_names[] = {{"no-writes", SCRIPT_NO_WRITES},
		  {"allow-oom", SCRIPT_ALLOW_OOM},
		  {"allow-stale", SCRIPT_ALLOW_STALE},
		  {"no-cluster", SCRIPT_NO_CLUSTER},
		  {"allow-cross-slot-keys", SCRIPT_ALLOW_CROSS_SLOT}};

uint32_t script_flag_by_name(struct slice name, bool any_case)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(flag_names); i++)
		if (slice_eq(name, (struct slice){flag_names[i].name, strlen(flag_names[i].name)}) ||
		    (any_case && slice_is(name, flag_names[i].name)))
			return flag_names[i].flag;
	return 0;
}

const char *script_flag_name(uint32_t flag)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(flag_names); i++)
		if (flag_names[i].flag == flag)
			return flag_names[i].name;
	return NULL;
}

bool script_name_ok(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.ptr[i]) && name.ptr[i] != '_')
			return false;
	return name.len > 0;
}

/* Takes a word off the line; quotes around all of it go. false: none is left. */
static bool take_word(struct slice *line, struct slice *word)
{
	while (line->len > 0 && isspace((unsigned char)*line->ptr))
		*line = (struct slice){line->ptr + 1, line->len - 1};
	if (line->len == 0)
		return false;
	char quote = *line->ptr == '"' || *line->ptr == '\'' ? *line->ptr : '\0';
	size_t from = quote != '\0', n = from;
	while (n < line->len && (quote != '\0' ? line->ptr[n] != quote : !isspace((unsigned char)line->ptr[n])))
		n++;
	*word = (struct slice){line->ptr + from, n - from};
	if (n < line->len && quote != '\0')
		n++;
	*line = (struct slice){line->ptr + n, line->len - n};
	return true;
}

static bool has_prefix(struct slice word, const char *prefix, struct slice *rest)
{
	size_t n = strlen(prefix);

	if (word.len < n || memcmp(word.ptr, prefix, n) != 0)
		return false;
	*rest = (struct slice){word.ptr + n, word.len - n};
	return true;
}

static bool starts_shebang(struct slice text)
{
	return text.len >= 2 && text.ptr[0] == '#' && text.ptr[1] == '!';
}

/* false: there is no second line. */
static bool split(struct slice text, struct slice *line, struct slice *body)
{
	const char *nl = memchr(text.ptr, '\n', text.len);

	if (nl == NULL)
		return false;
	*line = (struct slice){text.ptr, (size_t)(nl - text.ptr)};
	*body = (struct slice){nl, text.len - line->len};
	return true;
}

static bool why_is(char *why, const char *text, struct slice word)
{
	snprintf(why, SCRIPT_WHY_MAX, "ERR %s%.*s", text, (int)RP_MIN(word.len, (size_t)256), word.ptr);
	return false;
}

/* "a,b": nothing at all is no flag, but an empty one among others is an error. */
static bool take_flags(struct slice list, uint32_t *flags, char *why)
{
	while (list.len > 0) {
		const char *comma = memchr(list.ptr, ',', list.len);
		size_t n = comma != NULL ? (size_t)(comma - list.ptr) : list.len;
		struct slice name = {list.ptr, n};
		uint32_t flag = script_flag_by_name(name, false);
		if (flag == 0)
			return why_is(why, "Unexpected flag in script shebang: ", name);
		*flags |= flag;
		if (comma == NULL)
			break;
		list = (struct slice){comma + 1, list.len - n - 1};
		if (list.len == 0)
			return why_is(why, "Unexpected flag in script shebang: ", list);
	}
	return true;
}

bool script_meta_eval(struct slice text, struct slice *body, uint32_t *flags, char why[SCRIPT_WHY_MAX])
{
	struct slice line, word, rest;

	*body = text;
	*flags = SCRIPT_COMPAT;
	if (!starts_shebang(text))
		return true;
	*flags = 0;
	if (!split(text, &line, body))
		return why_is(why, "Invalid script shebang", SLICE(""));
	take_word(&line, &word);
	if (!slice_eq(word, SLICE("#!lua")))
		return why_is(why, "Unexpected engine in script shebang: ", word);
	while (take_word(&line, &word)) {
		if (!has_prefix(word, "flags=", &rest))
			return why_is(why, "Unknown lua shebang option: ", word);
		if (!take_flags(rest, flags, why))
			return false;
	}
	return true;
}

bool script_meta_library(struct slice text, struct slice *body, char name[SCRIPT_NAME_MAX], char why[SCRIPT_WHY_MAX])
{
	struct slice line, word, rest, none = {"", 0};
	bool named = false;

	if (!starts_shebang(text))
		return why_is(why, "Missing library metadata", none);
	if (!split(text, &line, body))
		return why_is(why, "Invalid library metadata", none);
	take_word(&line, &word);
	word = (struct slice){word.ptr + 2, word.len - 2};
	if (!slice_is(word, "lua")) {
		snprintf(why, SCRIPT_WHY_MAX, "ERR Engine '%.*s' not found", (int)RP_MIN(word.len, (size_t)256),
			 word.ptr);
		return false;
	}
	while (take_word(&line, &word)) {
		if (!has_prefix(word, "name=", &rest))
			return why_is(why, "Invalid metadata value given: ", word);
		if (named)
			return why_is(why, "Invalid metadata value, name argument was given multiple times", none);
		named = true;
		if (!script_name_ok(rest) || rest.len >= SCRIPT_NAME_MAX)
			return why_is(why,
				      "Library names can only contain letters, numbers, or underscores(_) and must be "
				      "at least one character long",
				      none);
		memcpy(name, rest.ptr, rest.len);
		name[rest.len] = '\0';
	}
	return named || why_is(why, "Library name was not given", none);
}
