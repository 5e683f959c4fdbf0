#include "expect.h"

#include <strings.h>

/* A word of n bytes; first: it begins a group. */
static bool add(struct expect *x, bool first, const char *word, size_t n)
{
	if (x->nwords == EXPECT_WORDS || n > EXPECT_TYPES)
		return false;
	if (first)
		x->group[x->ngroups++].first = x->nwords;
	else
		x->group[x->ngroups - 1].elements++;
	memcpy(x->word[x->nwords++], word, n);
	x->elements |= !first;
	x->values |= *word == 'v';
	return true;
}

bool expect_init(struct expect *x, const char *text)
{
	bool first = true;

	memset(x, 0, sizeof *x);
	for (const char *p = text; *(p += strspn(p, " "));) {
		size_t n = strcspn(p, " ");
		if (*p == ';')
			first = true;
		else if (add(x, first, p, n))
			first = false;
		else
			return false;
		p += n;
	}
	return true;
}

/* ---- a command of the user's own ---- */

static uint32_t command_len(const char *const *words, uint32_t n)
{
	uint32_t k = 0;

	while (k < n && strcmp(words[k], ";") != 0)
		k++;
	return k;
}

static bool is(const char *const *words, uint32_t n, const char *name)
{
	return n == 1 && strcasecmp(words[0], name) == 0;
}

static bool is_get(const char *const *words, uint32_t n)
{
	return n == 2 && strcasecmp(words[0], "GET") == 0 && strcmp(words[1], "key:__rand_int__") == 0;
}

/* What stands between MULTI and EXEC: true if that is all there is, and each command is one of the kind. */
static bool transaction_of(const char *const *words, uint32_t nwords, bool gets, uint32_t *commands)
{
	uint32_t n = command_len(words, nwords), i = n + 1;

	*commands = 0;
	if (!is(words, n, "MULTI"))
		return false;
	for (; i < nwords; i += n + 1, ++*commands) {
		n = command_len(words + i, nwords - i);
		if (is(words + i, n, "EXEC"))
			return i + n >= nwords;
		if (is(words + i, n, "DISCARD") || (gets && !is_get(words + i, n)))
			return false;
	}
	return false;
}

static bool expect_transaction(struct expect *x, uint32_t commands, bool values)
{
	bool fits = add(x, true, "+", 1);

	for (uint32_t i = 0; i < commands && fits; i++)
		fits = add(x, true, "+", 1);
	fits = fits && add(x, true, "*", 1);
	for (uint32_t i = 0; i < commands && values && fits; i++)
		fits = add(x, false, i == 0 ? "v" : "$", 1); /* only the first key is remembered */
	return fits;
}

void expect_own(struct expect *x, const char *const *words, uint32_t nwords, bool loaded)
{
	uint32_t commands;

	memset(x, 0, sizeof *x);
	if (loaded && is_get(words, nwords)) {
		add(x, true, "v", 1);
		return;
	}
	bool gets = loaded && transaction_of(words, nwords, true, &commands);
	if (!gets && !transaction_of(words, nwords, false, &commands))
		return;
	if (!expect_transaction(x, commands, gets))
		memset(x, 0, sizeof *x);
}
