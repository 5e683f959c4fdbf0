/* Rules about keys and channels, and what selectors are made of. */
#include <ctype.h>
#include <stdlib.h>

#include "ctrlplane/acl_priv.h"

int acl_err_syntax(struct err *e)
{
	return err_set(e, "Syntax error");
}

int acl_err_memory(struct err *e)
{
	return err_set(e, "out of memory");
}

struct slice acl_text_copy(struct slice s)
{
	char *p = malloc(s.len + 1);

	if (p == NULL)
		return (struct slice){NULL, 0};
	if (s.len > 0)
		memcpy(p, s.ptr, s.len);
	p[s.len] = '\0';
	return (struct slice){p, s.len};
}

void *acl_array_push(void **array, uint32_t *n, size_t size)
{
	char *p = realloc(*array, (*n + 1) * size);

	if (p == NULL)
		return NULL;
	*array = p;
	p += *n * size;
	memset(p, 0, size);
	++*n;
	return p;
}

static void patterns_clear(struct acl_pattern **list, uint32_t *n)
{
	for (uint32_t i = 0; i < *n; i++)
		free((char *)(*list)[i].text.ptr);
	free(*list);
	*list = NULL;
	*n = 0;
}

static bool patterns_copy(struct acl_pattern **to, uint32_t *nto, const struct acl_pattern *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct acl_pattern *p = acl_array_push((void **)to, nto, sizeof *p);
		if (p == NULL)
			return false;
		p->perms = from[i].perms;
		p->text = acl_text_copy(from[i].text);
		if (p->text.ptr == NULL)
			return false;
	}
	return true;
}

void acl_selector_init(struct acl_selector *s, bool all_channels)
{
	*s = (struct acl_selector){.flags = all_channels ? ACL_S_ALL_CHANNELS : 0};
}

void acl_selector_fini(struct acl_selector *s)
{
	patterns_clear(&s->keys, &s->nkeys);
	patterns_clear(&s->channels, &s->nchannels);
	for (uint32_t i = 0; i < s->nfirst_args; i++)
		free((char *)s->first_args[i].word.ptr);
	free(s->first_args);
	free((char *)s->rules.ptr);
	*s = (struct acl_selector){.flags = 0};
}

bool acl_selector_copy(struct acl_selector *to, const struct acl_selector *from)
{
	*to = (struct acl_selector){.flags = from->flags};
	memcpy(to->commands, from->commands, sizeof to->commands);
	if (!patterns_copy(&to->keys, &to->nkeys, from->keys, from->nkeys) ||
	    !patterns_copy(&to->channels, &to->nchannels, from->channels, from->nchannels))
		return false;
	for (uint32_t i = 0; i < from->nfirst_args; i++) {
		struct acl_first_arg *a = acl_array_push((void **)&to->first_args, &to->nfirst_args, sizeof *a);
		if (a == NULL)
			return false;
		a->cmd = from->first_args[i].cmd;
		a->word = acl_text_copy(from->first_args[i].word);
		if (a->word.ptr == NULL)
			return false;
	}
	to->rules = acl_text_copy(from->rules);
	return to->rules.ptr != NULL;
}

static bool has_space(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (isspace((unsigned char)s.ptr[i]) || s.ptr[i] == '\0')
			return true;
	return false;
}

/* A pattern that is there already gets the permissions as well. */
static int pattern_add(struct acl_pattern **list, uint32_t *n, struct slice text, uint32_t perms, struct err *e)
{
	if (has_space(text))
		return acl_err_syntax(e);
	for (uint32_t i = 0; i < *n; i++)
		if (slice_eq((*list)[i].text, text)) {
			(*list)[i].perms |= perms;
			return 0;
		}
	struct slice copy = acl_text_copy(text);
	struct acl_pattern *p = copy.ptr != NULL ? acl_array_push((void **)list, n, sizeof *p) : NULL;
	if (p == NULL) {
		free((char *)copy.ptr);
		return acl_err_memory(e);
	}
	*p = (struct acl_pattern){copy, perms};
	return 0;
}

/* Takes "%R~", "%RW~", ... off *rule; without a '~' the pattern is empty. 0: it makes no sense. */
static uint32_t take_perms(struct slice *rule)
{
	uint32_t perms = 0;
	size_t i = 1;

	for (; i < rule->len && rule->ptr[i] != '~'; i++) {
		char ch = rule->ptr[i];
		uint32_t bit = ch == 'r' || ch == 'R' ? ACL_READ : ch == 'w' || ch == 'W' ? ACL_WRITE : 0;
		if (bit == 0 || perms & bit)
			return 0;
		perms |= bit;
	}
	i += i < rule->len;
	rule->ptr += i;
	rule->len -= i;
	return perms;
}

static int key_add(struct acl_selector *s, struct slice rule, struct err *e)
{
	uint32_t perms = ACL_READ | ACL_WRITE;

	if (s->flags & ACL_S_ALL_KEYS)
		return err_set(e, "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does "
				  "not have any effect. Try 'resetkeys' to start with an empty list of patterns");
	if (rule.ptr[0] == '%') {
		perms = take_perms(&rule);
		if (perms == 0)
			return acl_err_syntax(e);
	} else {
		rule.ptr++;
		rule.len--;
	}
	return pattern_add(&s->keys, &s->nkeys, rule, perms, e);
}

static int channel_add(struct acl_selector *s, struct slice rule, struct err *e)
{
	if (s->flags & ACL_S_ALL_CHANNELS)
		return err_set(e, "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and "
				  "does not have any effect. Try 'resetchannels' to start with an empty list of "
				  "channels");
	return pattern_add(&s->channels, &s->nchannels, (struct slice){rule.ptr + 1, rule.len - 1},
			   ACL_READ | ACL_WRITE, e);
}

int acl_selector_set(struct acl_selector *s, struct slice rule, struct err *e)
{
	bool all_keys = slice_is(rule, "allkeys") || slice_is(rule, "~*");
	bool all_channels = slice_is(rule, "allchannels") || slice_is(rule, "&*");

	if (all_keys || slice_is(rule, "resetkeys")) {
		s->flags = all_keys ? s->flags | ACL_S_ALL_KEYS : s->flags & ~ACL_S_ALL_KEYS;
		patterns_clear(&s->keys, &s->nkeys);
		return 0;
	}
	if (all_channels || slice_is(rule, "resetchannels")) {
		s->flags = all_channels ? s->flags | ACL_S_ALL_CHANNELS : s->flags & ~ACL_S_ALL_CHANNELS;
		patterns_clear(&s->channels, &s->nchannels);
		return 0;
	}
	if (rule.len > 0 && (rule.ptr[0] == '~' || rule.ptr[0] == '%'))
		return key_add(s, rule, e);
	if (rule.len > 0 && rule.ptr[0] == '&')
		return channel_add(s, rule, e);
	return acl_commands_set(s, rule, e);
}
