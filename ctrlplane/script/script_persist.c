/* Libraries on their way into files and out of them. What is here runs on the script thread, as calls of the control
 * thread, which waits. */
#include <stdlib.h>

#include "ctrlplane/script/script_persist.h"
#include "ctrlplane/script/script_thread_priv.h"

static bool add(struct script_texts *x, struct slice text)
{
	size_t need = x->len + sizeof text.len + text.len;

	if (need > x->cap) {
		size_t cap = RP_MAX(need, x->cap * 2);
		char *p = realloc(x->p, cap);
		if (p == NULL)
			return false;
		x->p = p;
		x->cap = cap;
	}
	memcpy(x->p + x->len, &text.len, sizeof text.len);
	memcpy(x->p + x->len + sizeof text.len, text.ptr, text.len);
	x->len = need;
	return true;
}

void script_texts_gather(void *owner, struct msg *m)
{
	struct script_thread *t = owner;
	struct script_texts *x = m->arg[0];

	for (const struct script_library *l = script_library_first(t->libraries); l != NULL; l = l->next)
		x->failed |= !add(x, l->text);
}

bool script_texts_next(const struct script_texts *x, size_t *at, struct slice *text)
{
	if (*at >= x->len)
		return false;
	memcpy(&text->len, x->p + *at, sizeof text->len);
	text->ptr = x->p + *at + sizeof text->len;
	*at += sizeof text->len + text->len;
	return true;
}

void script_text_load(void *owner, struct msg *m)
{
	struct script_thread *t = owner;
	struct script_text_load *x = m->arg[0];
	char name[SCRIPT_NAME_MAX], why[SCRIPT_WHY_MAX];

	x->ok = script_library_load(t->libraries, x->text, x->replace, false, name, why);
	if (!x->ok)
		err_set(&x->err, "a library of functions: %s", why);
}

void script_text_delete(void *owner, struct msg *m)
{
	struct script_thread *t = owner;
	const struct slice *name = m->arg[0];

	script_library_delete(t->libraries, *name);
}

void script_text_restore(void *owner, struct msg *m)
{
	struct script_thread *t = owner;
	struct script_text_restore *x = m->arg[0];
	char why[SCRIPT_WHY_MAX];

	x->ok = script_restore(t, x->payload, x->policy, t->host.heap, why);
	if (!x->ok)
		err_set(&x->err, "libraries of functions: %s", why);
}

void script_texts_clear(void *owner, struct msg *m)
{
	struct script_thread *t = owner;

	script_libraries_flush(t->libraries);
}
