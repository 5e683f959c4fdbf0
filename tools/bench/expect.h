/* What the replies to one request must look like, under --verify.
 *
 * Written as text: a group of words for each command of the request, `;` alone between the groups. The first word is
 * for the reply itself, the others for its elements in the order in which they come, those of nested arrays behind
 * them; where there are none elements are not judged. A word lists the types that are right by their first bytes, `_`
 * for nil;
 * `?` is any type, `v` a bulk string that is the value of the request's first key. "" judges nothing. */
#pragma once

#include "base/defs.h"

#define EXPECT_WORDS 64 /* of all groups */
#define EXPECT_TYPES 3  /* of a word */

struct expect_group {
	uint16_t first;    /* its word for the reply */
	uint16_t elements; /* words behind that */
};

struct expect {
	uint16_t ngroups, nwords;
	bool elements, values; /* some word is for an element, for a value */
	struct expect_group group[EXPECT_WORDS];
	char word[EXPECT_WORDS][EXPECT_TYPES + 1];
};

/* False: too long. */
bool expect_init(struct expect *x, const char *text);
/* For a command of the user's own, as gen_init() takes it. Of a transaction: that its commands are queued and EXEC
 * answers with an array. loaded: key:__rand_int__ has its value, so GETs of it are judged, if the request changes
 * nothing. */
void expect_own(struct expect *x, const char *const *words, uint32_t nwords, bool loaded);

/* The word for an element of the reply to command `part`; element 0: for the reply itself. NULL: it is not judged. */
static inline const char *expect_word(const struct expect *x, uint32_t part, uint32_t element)
{
	if (part >= x->ngroups || element > x->group[part].elements)
		return NULL;
	return x->word[x->group[part].first + element];
}

/* Is a reply or element of this type right? */
static inline bool expect_is(const char *word, char type, bool nil)
{
	if (*word == '?')
		return true;
	if (*word == 'v')
		return type == '$' && !nil;
	return strchr(word, nil ? '_' : type) != NULL;
}
