/* Redis's glob. Every token but '*' takes exactly one byte of text, so going back only to the last star seen finds a
 * match if there is one: at most pattern x text steps. */
#include "base/glob.h"

static inline uint8_t fold_case(uint8_t c, bool nocase)
{
	return nocase && c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Matches c against the set whose '[' is at p; stores the byte after the set to *after. An unterminated set ends with
 * the pattern, as in Redis. */
static bool match_set(const char *p, const char *end, uint8_t c, bool nocase, const char **after)
{
	bool hit = false, negate = false;
	p++;
	if (p < end && *p == '^') {
		negate = true;
		p++;
	}
	c = fold_case(c, nocase);
	for (; p < end && *p != ']'; p++) {
		if (*p == '\\' && end - p >= 2) {
			p++;
			hit |= fold_case((uint8_t)*p, nocase) == c;
		} else if (end - p >= 3 && p[1] == '-') {
			uint8_t lo = fold_case((uint8_t)p[0], nocase), hi = fold_case((uint8_t)p[2], nocase);
			if (lo > hi) {
				uint8_t t = lo;
				lo = hi;
				hi = t;
			}
			p += 2;
			hit |= c >= lo && c <= hi;
		} else {
			hit |= fold_case((uint8_t)*p, nocase) == c;
		}
	}
	*after = p < end ? p + 1 : end;
	return hit != negate;
}

/* Matches the token at p (not a star) against c. */
static bool match_token(const char *p, const char *end, uint8_t c, bool nocase, const char **after)
{
	switch (*p) {
	case '?':
		*after = p + 1;
		return true;
	case '[':
		return match_set(p, end, c, nocase, after);
	case '\\':
		if (end - p >= 2)
			p++;
		break;
	}
	*after = p + 1;
	return fold_case((uint8_t)*p, nocase) == fold_case(c, nocase);
}

bool glob_match(struct slice pattern, struct slice text, bool nocase)
{
	const char *p = pattern.ptr, *pend = p + pattern.len;
	const char *s = text.ptr, *send = s + text.len;
	if (text.len == 0) /* Redis's matcher never enters its loop */
		return pattern.len == 0;
	const char *star = NULL, *resume = NULL; /* pattern after the last star; text where it is tried next */

	while (s < send) {
		const char *after;
		if (p < pend && *p == '*') {
			star = ++p;
			resume = s;
		} else if (p < pend && match_token(p, pend, (uint8_t)*s, nocase, &after)) {
			p = after;
			s++;
		} else if (star) {
			p = star;
			s = ++resume;
		} else {
			return false;
		}
	}
	while (p < pend && *p == '*')
		p++;
	return p == pend;
}
