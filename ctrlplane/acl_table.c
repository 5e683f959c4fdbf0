/* Tables of users, ordered by name: a changed one is a new one that shares the users that stay. */
#include <stdlib.h>

#include "ctrlplane/acl_user.h"

static struct acl_table *table_new(uint32_t n)
{
	struct acl_table *t = malloc(sizeof *t + n * sizeof t->user[0]);

	if (t != NULL)
		t->n = n;
	return t;
}

static int order(struct slice a, struct slice b)
{
	int d = memcmp(a.ptr, b.ptr, RP_MIN(a.len, b.len));

	return d != 0 ? d : (a.len > b.len) - (a.len < b.len);
}

struct acl_table *acl_table_with(const struct acl_table *t, struct acl_user *u)
{
	uint32_t n = t != NULL ? t->n : 0, at = 0;

	while (at < n && order(t->user[at]->name, u->name) < 0)
		at++;
	bool same = at < n && slice_eq(t->user[at]->name, u->name);
	struct acl_table *next = table_new(n + !same);
	if (next == NULL)
		return NULL;
	for (uint32_t i = 0; i < at; i++)
		next->user[i] = t->user[i];
	next->user[at] = u;
	for (uint32_t i = at + same; i < n; i++)
		next->user[i + !same] = t->user[i];
	return next;
}

struct acl_table *acl_table_without(const struct acl_table *t, struct slice name)
{
	struct acl_table *next = table_new(t->n - 1);
	uint32_t n = 0;

	if (next == NULL)
		return NULL;
	for (uint32_t i = 0; i < t->n; i++)
		if (!slice_eq(t->user[i]->name, name))
			next->user[n++] = t->user[i];
	return next;
}

void acl_table_destroy(struct acl_table *t)
{
	for (uint32_t i = 0; t != NULL && i < t->n; i++)
		acl_user_destroy((struct acl_user *)t->user[i]);
	free(t);
}
