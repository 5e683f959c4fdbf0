/* Rules about users themselves: switches, passwords, selectors in parentheses. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctrlplane/acl_priv.h"

/* ---- making ---- */

static struct acl_selector *add_selector(struct acl_user *u)
{
	return acl_array_push((void **)&u->selectors, &u->nselectors, sizeof *u->selectors);
}

struct acl_user *acl_user_create(struct slice name, bool all_channels)
{
	struct acl_user *u = calloc(1, sizeof *u);

	if (u == NULL)
		return NULL;
	u->flags = ACL_U_SANITIZE;
	u->name = acl_text_copy(name);
	struct acl_selector *s = add_selector(u);
	if (u->name.ptr == NULL || s == NULL) {
		acl_user_destroy(u);
		return NULL;
	}
	acl_selector_init(s, all_channels);
	return u;
}

struct acl_user *acl_user_create_default(void)
{
	static const struct slice rules[] = {{"+@all", 5}, {"~*", 2}, {"&*", 2}, {"on", 2}, {"nopass", 6}};
	struct acl_user *u = acl_user_create(SLICE("default"), true);
	char bad[ACL_BAD_MAX];
	struct err e;

	if (u != NULL && acl_user_set_all(u, RP_ARRAY_LEN(rules), rules, true, bad, &e) != 0) {
		acl_user_destroy(u);
		return NULL;
	}
	if (u != NULL)
		acl_user_settle(u);
	return u;
}

static bool copy_hashes(struct acl_user *to, const struct acl_user *from)
{
	if (from->nhashes == 0)
		return true;
	to->hashes = malloc(from->nhashes * sizeof *to->hashes);
	if (to->hashes == NULL)
		return false;
	memcpy(to->hashes, from->hashes, from->nhashes * sizeof *to->hashes);
	to->nhashes = from->nhashes;
	return true;
}

struct acl_user *acl_user_clone(const struct acl_user *from)
{
	struct acl_user *u = calloc(1, sizeof *u);
	bool ok = u != NULL;

	if (!ok)
		return NULL;
	u->flags = from->flags;
	u->name = acl_text_copy(from->name);
	ok = u->name.ptr != NULL && copy_hashes(u, from);
	for (uint32_t i = 0; ok && i < from->nselectors; i++) {
		struct acl_selector *s = add_selector(u);
		ok = s != NULL && acl_selector_copy(s, &from->selectors[i]);
	}
	if (!ok) {
		acl_user_destroy(u);
		return NULL;
	}
	return u;
}

static void drop_selectors(struct acl_user *u, uint32_t keep)
{
	while (u->nselectors > keep)
		acl_selector_fini(&u->selectors[--u->nselectors]);
}

void acl_user_destroy(struct acl_user *u)
{
	drop_selectors(u, 0);
	free(u->selectors);
	free(u->hashes);
	free((char *)u->name.ptr);
	free(u);
}

void acl_user_settle(struct acl_user *u)
{
	const uint32_t all = ACL_S_ALL_KEYS | ACL_S_ALL_COMMANDS | ACL_S_ALL_CHANNELS;

	u->flags &= ~ACL_U_FREE;
	for (uint32_t i = 0; i < u->nselectors; i++)
		if ((u->selectors[i].flags & all) == all)
			u->flags |= ACL_U_FREE;
}

bool acl_name_ok(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (isspace((unsigned char)name.ptr[i]) || name.ptr[i] == '\0')
			return false;
	return true;
}

/* ---- passwords ---- */

static bool parse_hash(struct slice hex, uint8_t out[ACL_HASH_BYTES])
{
	if (hex.len != 2 * ACL_HASH_BYTES)
		return false;
	for (size_t i = 0; i < hex.len; i++) {
		char ch = hex.ptr[i];
		int digit = ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
		if (digit < 0)
			return false;
		out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] << 4 | digit : digit);
	}
	return true;
}

/* '>' and '#' add, '<' and '!' take away; the second of each is given as a hash. */
static int set_password(struct acl_user *u, struct slice rule, struct err *e)
{
	bool add = rule.ptr[0] == '>' || rule.ptr[0] == '#', hashed = rule.ptr[0] == '#' || rule.ptr[0] == '!';
	struct slice text = {rule.ptr + 1, rule.len - 1};
	uint8_t hash[ACL_HASH_BYTES];
	uint32_t at = 0;

	if (hashed && !parse_hash(text, hash))
		return err_set(e, "The password hash must be exactly 64 characters and contain only lowercase "
				  "hexadecimal characters");
	if (!hashed && text.len > ACL_PASSWORD_MAX)
		return err_set(e, "A password may have at most %d bytes", ACL_PASSWORD_MAX);
	if (!hashed)
		acl_hash(text, hash);
	while (at < u->nhashes && memcmp(u->hashes[at], hash, sizeof hash) != 0)
		at++;
	if (!add) {
		if (at == u->nhashes)
			return err_set(e, "The password you are trying to remove from the user does not exist");
		memmove(u->hashes[at], u->hashes[at + 1], (u->nhashes - at - 1) * sizeof hash);
		u->nhashes--;
		return 0;
	}
	u->flags &= ~ACL_U_NOPASS;
	if (at < u->nhashes)
		return 0;
	void *place = acl_array_push((void **)&u->hashes, &u->nhashes, sizeof hash);
	if (place == NULL)
		return acl_err_memory(e);
	memcpy(place, hash, sizeof hash);
	return 0;
}

int acl_user_set_password(struct acl_user *u, struct slice password, struct err *e)
{
	uint8_t hash[ACL_HASH_BYTES];

	u->nhashes = 0;
	u->flags &= ~ACL_U_NOPASS;
	if (password.len == 0) {
		u->flags |= ACL_U_NOPASS;
		return 0;
	}
	acl_hash(password, hash);
	void *place = acl_array_push((void **)&u->hashes, &u->nhashes, sizeof hash);
	if (place == NULL)
		return acl_err_memory(e);
	memcpy(place, hash, sizeof hash);
	return 0;
}

/* ---- rules ---- */

/* The words between the parentheses make a selector of their own. */
static int set_selector(struct acl_user *u, struct slice rule, bool all_channels, struct err *e)
{
	struct acl_selector *s = add_selector(u);
	struct slice rest = {rule.ptr + 1, rule.len - 2};

	if (s == NULL)
		return acl_err_memory(e);
	acl_selector_init(s, all_channels);
	for (size_t i = 0; i < rest.len;) {
		size_t n = 0;
		while (i + n < rest.len && !isspace((unsigned char)rest.ptr[i + n]))
			n++;
		if (n > 0 && acl_selector_set(s, (struct slice){rest.ptr + i, n}, e))
			return -1;
		i += n + 1;
	}
	return 0;
}

static void reset(struct acl_user *u, bool all_channels)
{
	drop_selectors(u, 1);
	acl_selector_fini(&u->selectors[0]);
	acl_selector_init(&u->selectors[0], all_channels);
	u->nhashes = 0;
	u->flags = ACL_U_SANITIZE;
}

static bool set_switch(struct acl_user *u, struct slice rule)
{
	static const struct {
		const char *word;
		uint32_t set, clear;
		bool passwords;
	} switches[] = {
		{"on", ACL_U_ON, 0, false},
		{"off", 0, ACL_U_ON, false},
		{"nopass", ACL_U_NOPASS, 0, true},
		{"resetpass", 0, ACL_U_NOPASS, true},
		{"sanitize-payload", ACL_U_SANITIZE, ACL_U_SKIP_SANITIZE, false},
		{"skip-sanitize-payload", ACL_U_SKIP_SANITIZE, ACL_U_SANITIZE, false},
	};

	for (size_t i = 0; i < RP_ARRAY_LEN(switches); i++)
		if (slice_is(rule, switches[i].word)) {
			u->flags = (u->flags | switches[i].set) & ~switches[i].clear;
			if (switches[i].passwords)
				u->nhashes = 0;
			return true;
		}
	return false;
}

int acl_user_set(struct acl_user *u, struct slice rule, bool all_channels, struct err *e)
{
	if (rule.len == 0 || set_switch(u, rule))
		return 0;
	if (strchr("><#!", rule.ptr[0]) != NULL && rule.ptr[0] != '\0')
		return set_password(u, rule, e);
	if (rule.ptr[0] == '(' && rule.ptr[rule.len - 1] == ')')
		return set_selector(u, rule, all_channels, e);
	if (slice_is(rule, "clearselectors")) {
		drop_selectors(u, 1);
		return 0;
	}
	if (slice_is(rule, "reset")) {
		reset(u, all_channels);
		return 0;
	}
	return acl_selector_set(&u->selectors[0], rule, e);
}

/* How many words from the first on belong to a selector; 0: nothing closes its parenthesis. A word that opens another
 * one begins anew: *from is that of the last. */
static uint32_t selector_words(uint32_t n, const struct slice *rule, uint32_t *from)
{
	*from = 0;
	if (rule[0].len == 0 || rule[0].ptr[0] != '(')
		return 1;
	for (uint32_t i = 0; i < n; i++) {
		bool shuts = rule[i].len > 0 && rule[i].ptr[rule[i].len - 1] == ')';
		if (!shuts && rule[i].len > 0 && rule[i].ptr[0] == '(')
			*from = i;
		if (shuts)
			return i + 1;
	}
	return 0;
}

/* With a blank between them. ptr NULL: out of memory. */
static struct slice join(uint32_t n, const struct slice *word)
{
	size_t len = 0, at = 0;

	for (uint32_t i = 0; i < n; i++)
		len += word[i].len + 1;
	char *p = malloc(len);
	for (uint32_t i = 0; p != NULL && i < n; i++) {
		memcpy(p + at, word[i].ptr, word[i].len);
		at += word[i].len;
		p[at++] = ' ';
	}
	return (struct slice){p, len - 1};
}

static void show(struct slice rule, char bad[ACL_BAD_MAX])
{
	snprintf(bad, ACL_BAD_MAX, "%.*s", (int)RP_MIN(rule.len, (size_t)ACL_BAD_MAX - 1), rule.ptr);
}

int acl_user_set_all(struct acl_user *u, uint32_t n, const struct slice *rule, bool all_channels, char bad[ACL_BAD_MAX],
		     struct err *e)
{
	uint32_t words, from;

	e->text[0] = '\0';
	for (uint32_t i = 0; i < n; i += words) {
		words = selector_words(n - i, rule + i, &from);
		show(rule[i + from], bad);
		if (words == 0)
			return -1;
	}
	for (uint32_t i = 0; i < n; i += words) {
		words = selector_words(n - i, rule + i, &from);
		show(rule[i], bad);
		if (words == 1) {
			if (acl_user_set(u, rule[i], all_channels, e))
				return -1;
			continue;
		}
		struct slice joined = join(words - from, rule + i + from);
		if (joined.ptr == NULL)
			return acl_err_memory(e);
		show(joined, bad);
		int failed = acl_user_set(u, joined, all_channels, e);
		free((char *)joined.ptr);
		if (failed)
			return -1;
	}
	return 0;
}
