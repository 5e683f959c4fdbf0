#include "ctrlplane/acl_log.h"

#include <stdlib.h>

#define SAME_WITHIN_US 60000000
#define SAME_AMONG     10 /* newest entries that a refusal is compared with */

struct acl_entry {
	struct acl_entry *older, *newer;
	uint64_t id, count;
	bool numbered; /* id is set: the entry was shown */
	int64_t created_us, updated_us;
	enum acl_verdict why;
	enum acl_context where;
	uint16_t object_len, username_len;
	char object[ACL_NOTE_TEXT], username[ACL_NOTE_TEXT];
	char client[CLIENT_INFO_MAX];
};

struct acl_log {
	struct acl_entry *newest, *oldest;
	uint64_t next_id;
	uint32_t len;
};

struct acl_log *acl_log_create(void)
{
	return calloc(1, sizeof(struct acl_log));
}

void acl_log_destroy(struct acl_log *l)
{
	if (l != NULL)
		acl_log_reset(l);
	free(l);
}

static void unlink_entry(struct acl_log *l, struct acl_entry *e)
{
	*(e->newer != NULL ? &e->newer->older : &l->newest) = e->older;
	*(e->older != NULL ? &e->older->newer : &l->oldest) = e->newer;
	l->len--;
}

/* By time: what one worker refused may be told before what another had refused earlier. */
static void link_entry(struct acl_log *l, struct acl_entry *e)
{
	struct acl_entry *older = l->newest, *newer = NULL;

	for (; older != NULL && older->updated_us > e->updated_us; older = older->older)
		newer = older;
	e->newer = newer;
	e->older = older;
	*(newer != NULL ? &newer->older : &l->newest) = e;
	*(older != NULL ? &older->newer : &l->oldest) = e;
	l->len++;
}

/* Ids are given when somebody looks, or the entry goes: by then those of the same time have all come. */
static void number(struct acl_log *l, struct acl_entry *e)
{
	if (!e->numbered)
		e->id = l->next_id++;
	e->numbered = true;
}

static void trim(struct acl_log *l, uint32_t max_len)
{
	while (l->len > max_len) {
		struct acl_entry *e = l->oldest;
		number(l, e);
		unlink_entry(l, e);
		free(e);
	}
}

void acl_log_reset(struct acl_log *l)
{
	trim(l, 0);
}

static bool same(const struct acl_entry *e, const struct acl_note *n)
{
	return e->why == n->why && e->where == n->where && n->wall_us - e->updated_us <= SAME_WITHIN_US &&
	       slice_eq((struct slice){e->object, e->object_len}, (struct slice){n->object, n->object_len}) &&
	       slice_eq((struct slice){e->username, e->username_len}, (struct slice){n->username, n->username_len});
}

static struct acl_entry *find_same(const struct acl_log *l, const struct acl_note *n)
{
	struct acl_entry *e = l->newest;

	for (uint32_t i = 0; i < SAME_AMONG && e != NULL; i++, e = e->older)
		if (same(e, n))
			return e;
	return NULL;
}

static void set_client(struct acl_entry *e, const struct acl_note *n, const struct clock_now *now)
{
	struct client cl = client_copy_read(&n->client);
	size_t len = client_info_format(&cl, NULL, now, e->client, sizeof e->client);
	if (len > 0 && e->client[len - 1] == '\n')
		e->client[len - 1] = '\0';
}

void acl_log_add(struct acl_log *l, const struct acl_note *n, const struct clock_now *now, uint32_t max_len)
{
	struct acl_entry *e = find_same(l, n);

	if (e != NULL) {
		unlink_entry(l, e);
	} else {
		e = calloc(1, sizeof *e);
		if (e == NULL)
			return; /* the log is for people; the refusal is counted */
		e->created_us = e->updated_us = n->wall_us;
		e->why = n->why;
		e->where = n->where;
		e->object_len = n->object_len;
		e->username_len = n->username_len;
		memcpy(e->object, n->object, n->object_len);
		memcpy(e->username, n->username, n->username_len);
	}
	e->count++;
	e->created_us = RP_MIN(e->created_us, n->wall_us);
	if (n->wall_us >= e->updated_us) {
		e->updated_us = n->wall_us;
		set_client(e, n, now);
	}
	link_entry(l, e);
	trim(l, max_len);
}

static void reply_text(struct reply *r, const char *name, const char *text)
{
	reply_bulk_str(r, name);
	reply_bulk_str(r, text);
}

static void reply_number(struct reply *r, const char *name, int64_t v)
{
	reply_bulk_str(r, name);
	reply_int(r, v);
}

static void reply_entry(struct reply *r, const struct acl_entry *e, int64_t now_us)
{
	static const char *const reason[] = {"", "command", "key", "auth", "channel"};
	static const char *const context[] = {"toplevel", "lua", "multi", "module"};

	reply_map(r, 10);
	reply_number(r, "count", (int64_t)e->count);
	reply_text(r, "reason", reason[e->why]);
	reply_text(r, "context", context[e->where]);
	reply_bulk_str(r, "object");
	reply_bulk(r, e->object, e->object_len);
	reply_bulk_str(r, "username");
	reply_bulk(r, e->username, e->username_len);
	reply_bulk_str(r, "age-seconds");
	reply_double(r, (double)(now_us / 1000 - e->updated_us / 1000) / 1000);
	reply_text(r, "client-info", e->client);
	reply_number(r, "entry-id", (int64_t)e->id);
	reply_number(r, "timestamp-created", e->created_us / 1000);
	reply_number(r, "timestamp-last-updated", e->updated_us / 1000);
}

void acl_log_reply(struct acl_log *l, uint64_t count, const struct clock_now *now, struct reply *r)
{
	uint64_t n = RP_MIN(count, (uint64_t)l->len);
	const struct acl_entry *e = l->newest;

	for (struct acl_entry *old = l->oldest; old != NULL; old = old->newer)
		number(l, old);
	reply_array(r, n);
	for (; n > 0; n--, e = e->older)
		reply_entry(r, e, now->wall_us);
}
