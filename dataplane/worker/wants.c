/* What a worker has the control thread do. */
#include "worker/worker_priv.h"
#include "cmd/monitor.h"

static struct msg *upcall(struct worker *w, msg_call_fn fn)
{
	struct msg *m = msg_get(w->bus, w->id);
	if (m == NULL)
		return NULL;
	m->kind = MSG_CALL;
	m->owner = (uint8_t)msg_bus_control(w->bus);
	m->fn = fn;
	m->arg[3] = NULL;
	return m;
}

static void name_client(struct slow_note *n, const struct client *cl)
{
	n->addr = cl->addr;
	if (cl->text != NULL)
		memcpy(n->name, cl->text->name, sizeof n->name - 1);
}

struct slow_note *slow_note_create(struct heap *h, const struct cmd_ctx *c, int64_t wall_us, uint64_t us)
{
	uint32_t argc = RP_MIN(c->argc, SLOW_ARGS);
	size_t bytes = 0;
	for (uint32_t i = 0; i < argc; i++)
		bytes += RP_MIN(monitor_word(c->cmd, c->argv, i).len, SLOW_ARG_BYTES);
	struct slow_note *n = heap_alloc(h, sizeof *n + bytes);
	if (n == NULL)
		return NULL;
	*n = (struct slow_note){.heap = h,
				.wall_us = wall_us,
				.us = us,
				.client_id = c->client_id,
				.cmd_id = c->cmd->id,
				.argc = argc,
				.argc_total = c->argc};
	if (c->client != NULL)
		name_client(n, c->client);
	char *p = n->text;
	for (uint32_t i = 0; i < argc; i++) {
		struct slice word = monitor_word(c->cmd, c->argv, i);
		size_t len = RP_MIN(word.len, SLOW_ARG_BYTES);
		n->len[i] = (uint16_t)len;
		n->cut[i] = (uint32_t)RP_MIN(word.len - len, UINT32_MAX);
		memcpy(p, word.ptr, len);
		p += len;
	}
	return n;
}

void slow_note_hang(struct msg *m, struct slow_note *n)
{
	n->next = m->slow;
	m->slow = n;
}

void slow_notes_keep(struct msg *m, uint32_t n)
{
	struct slow_note **end = &m->slow;

	for (; *end != NULL && n > 0; n--)
		end = &(*end)->next;
	for (struct slow_note *old = *end, *next; old != NULL; old = next) {
		next = old->next;
		heap_free_remote(old->heap, old);
	}
	*end = NULL;
}

struct slow_note *slow_notes_take(struct msg *m, const struct client *cl)
{
	struct slow_note *first = NULL;

	for (struct slow_note *n = m->slow, *next; n != NULL; n = next) {
		next = n->next;
		name_client(n, cl);
		n->next = first;
		first = n;
	}
	m->slow = NULL;
	return first;
}

static void tell_slow(struct worker *w, struct slow_note *n)
{
	struct msg *m = upcall(w, w->up.slow);

	if (m == NULL) {
		heap_free_remote(n->heap, n);
		return; /* the log is for people: nothing waits for it */
	}
	m->arg[0] = n;
	msg_send(w->bus, m);
}

void wants_slow(void *ctx, const struct cmd_ctx *c, uint64_t us)
{
	struct worker *w = ctx;
	struct slow_note *n = slow_note_create(w->heap, c, w->now.wall_us, us);

	if (n == NULL)
		return;
	if (w->host.serving != NULL)
		slow_note_hang(w->host.serving, n);
	else
		tell_slow(w, n);
}

static uint16_t note_text(char *to, struct slice from)
{
	uint16_t n = (uint16_t)RP_MIN(from.len, (size_t)ACL_NOTE_TEXT);

	if (n > 0)
		memcpy(to, from.ptr, n);
	return n;
}

struct acl_note *acl_note_create(struct heap *h, const struct acl_denial *d, int64_t wall_us)
{
	struct acl_note *n = heap_alloc(h, sizeof *n);

	if (n == NULL)
		return NULL;
	*n = (struct acl_note){.heap = h, .wall_us = wall_us, .why = d->why, .where = d->where};
	n->object_len = note_text(n->object, d->object);
	n->username_len = note_text(n->username, d->username);
	client_copy_make(&n->client, d->client);
	acl_user_hold(n->client.cl.user);
	return n;
}

void acl_note_hang(struct msg *m, struct acl_note *n)
{
	n->next = m->denied;
	m->denied = n;
}

struct acl_note *acl_notes_take(struct msg *m, const struct client *cl)
{
	struct acl_note *first = NULL;

	for (struct acl_note *n = m->denied, *next; n != NULL; n = next) {
		next = n->next;
		acl_user_drop(n->client.cl.user);
		client_copy_make(&n->client, cl);
		n->client.cl.last_cmd = m->cmd->id;
		acl_user_hold(n->client.cl.user);
		n->next = first;
		first = n;
	}
	m->denied = NULL;
	return first;
}

static void tell_denied(struct worker *w, struct acl_note *n)
{
	struct msg *m = upcall(w, w->up.denied);

	if (m == NULL) { /* counted all the same */
		acl_user_drop(n->client.cl.user);
		heap_free_remote(n->heap, n);
		return;
	}
	m->arg[0] = n;
	msg_send(w->bus, m);
}

void wants_denied(void *ctx, const struct acl_denial *d)
{
	struct worker *w = ctx;
	struct acl_note *n = acl_note_create(w->heap, d, w->now.wall_us);

	if (n != NULL)
		tell_denied(w, n);
}

void wants_told(void *ctx, struct msg *m, const struct client *cl)
{
	for (struct slow_note *n = slow_notes_take(m, cl), *next; n != NULL; n = next) {
		next = n->next;
		tell_slow(ctx, n);
	}
	for (struct acl_note *n = acl_notes_take(m, cl), *next; n != NULL; n = next) {
		next = n->next;
		tell_denied(ctx, n);
	}
}
