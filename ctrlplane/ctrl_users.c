/* The users in force: made at boot, handed to every thread that has clients, freed when nobody refers to them. */
#include <stdlib.h>

#include "ctrlplane/acl_log.h"
#include "ctrlplane/acl_user.h"
#include "ctrlplane/config_text.h"
#include "ctrlplane/config_value.h"
#include "ctrlplane/ctrl_client.h"
#include "ctrlplane/ctrl_priv.h"

/* ---- boot ---- */

static int users_from_lines(struct ctrl *c, struct err *e)
{
	bool first_default = true;
	struct err why;

	for (const struct config_user *u = c->config.users; u != NULL; u = u->next)
		if (acl_file_line(&c->users, u->nwords, u->word, c->config.acl_pubsub_default == CONFIG_ALL_CHANNELS,
				  &first_default, &why))
			return err_set(e, "user '%.64s' of the configuration: %.300s", u->nwords ? u->word[0].ptr : "",
				       why.text);
	return 0;
}

static struct acl_table *default_table(const struct config *cf, struct err *e)
{
	struct acl_user *u = acl_user_create_default();
	struct slice password = {cf->requirepass, strlen(cf->requirepass)};
	struct acl_table *t = NULL;

	if (u != NULL && acl_user_set_password(u, password, e) == 0)
		t = acl_table_with(NULL, u);
	if (t == NULL) {
		if (u != NULL)
			acl_user_destroy(u);
		err_set(e, "out of memory for users");
	}
	return t;
}

int boot_users(struct ctrl *c, struct err *e)
{
	const struct config *cf = &c->config;

	c->acl_log = acl_log_create();
	if (c->acl_log == NULL)
		return err_set(e, "out of memory at boot");
	if (cf->aclfile[0] != '\0') {
		if (cf->users != NULL)
			return err_set(e, "there are 'user' lines in the configuration beside an aclfile; move them "
					  "into that file, or remove 'aclfile'");
		return acl_file_load(cf->aclfile, cf->acl_pubsub_default == CONFIG_ALL_CHANNELS, &c->users, e);
	}
	c->users = default_table(cf, e);
	return c->users == NULL ? -1 : users_from_lines(c, e);
}

void boot_users_undo(struct ctrl *c)
{
	acl_table_destroy(c->users);
	for (struct acl_user *u = c->retired, *next; u != NULL; u = next) {
		next = u->next;
		acl_user_destroy(u);
	}
	acl_log_destroy(c->acl_log);
}

/* ---- publication ---- */

static void take_users(void *owner, struct msg *m)
{
	struct worker *w = owner;
	host_set_users(&w->host, m->arg[0]);
}

struct visit_call {
	uint32_t from;
	uint64_t me;
};

static void visit_slice(void *owner, struct msg *m)
{
	struct worker *w = owner;
	struct visit_call *v = m->arg[0];

	v->from = host_visit_users(&w->host, v->from, CLIENT_SLICE, v->me);
}

static void visit_host(struct ctrl *c, uint32_t i, uint64_t me)
{
	struct visit_call v = {0, me};

	do {
		if (i < c->nworkers)
			ctrl_call_one(c, i, visit_slice, &v);
		else
			v.from = host_visit_users(&c->host, v.from, CLIENT_SLICE, me);
	} while (v.from != 0);
}

static void retire(struct ctrl *c, struct acl_table *old)
{
	for (uint32_t i = 0; i < old->n; i++) {
		struct acl_user *u = (struct acl_user *)old->user[i];
		if (acl_find(c->users, u->name) == u)
			continue;
		u->next = c->retired;
		c->retired = u;
	}
	free(old);
}

void ctrl_publish_users(struct ctrl *c, struct acl_table *next, uint64_t me)
{
	struct acl_table *old = c->users;

	c->users = next;
	host_set_users(&c->host, next);
	ctrl_call_all(c, take_users, next);
	for (uint32_t i = 0; i <= c->nworkers; i++)
		visit_host(c, i, me);
	retire(c, old);
	ctrl_poll_users(c);
}

void ctrl_poll_users(struct ctrl *c)
{
	struct acl_user **at = &c->retired;

	while (*at != NULL) {
		struct acl_user *u = *at;
		if (__atomic_load_n(&u->refs, __ATOMIC_ACQUIRE) != 0) {
			at = &u->next;
			continue;
		}
		*at = u->next;
		acl_user_destroy(u);
	}
}

int ctrl_set_requirepass(struct ctrl *c, struct err *e)
{
	struct slice password = {c->config.requirepass, strlen(c->config.requirepass)};
	struct acl_user *u = acl_user_clone(acl_find(c->users, SLICE("default")));
	struct acl_table *next = NULL;

	if (u != NULL && acl_user_set_password(u, password, e) == 0)
		next = acl_table_with(c->users, u);
	if (next == NULL) {
		if (u != NULL)
			acl_user_destroy(u);
		return err_set(e, "out of memory for users");
	}
	ctrl_publish_users(c, next, 0);
	return 0;
}

/* ---- lines for CONFIG REWRITE ---- */

/* Words in quotes where the configuration file needs them. NULL: out of memory. */
static char *quoted_line(const struct text *t)
{
	char *line = malloc(4 * t->len + 3), *quoted = malloc(4 * t->len + 3);
	struct slice rest = {t->buf, t->len}, word;
	size_t n = 0;

	while (line != NULL && quoted != NULL && config_word_next(&rest, &word)) {
		size_t len = config_word_quote(word, quoted);
		if (n > 0)
			line[n++] = ' ';
		memcpy(line + n, quoted, len);
		n += len;
	}
	if (line != NULL)
		line[n] = '\0';
	if (quoted == NULL) {
		free(line);
		line = NULL;
	}
	free(quoted);
	return line;
}

/* What the configuration would make without a line needs none. */
static bool is_plain_default(const struct ctrl *c, const struct text *line)
{
	struct err e;
	struct acl_table *plain = default_table(&c->config, &e);
	struct text t = {.buf = NULL};

	if (plain == NULL)
		return false;
	acl_user_describe(plain->user[0], &t);
	bool same = t.buf != NULL && strcmp(t.buf, line->buf) == 0;
	text_free(&t);
	acl_table_destroy(plain);
	return same;
}

char **ctrl_users_lines(const struct ctrl *c)
{
	char **lines = calloc(c->users->n + 1, sizeof *lines);
	uint32_t n = 0;

	for (uint32_t i = 0; lines != NULL && c->config.aclfile[0] == '\0' && i < c->users->n; i++) {
		struct text t = {.buf = NULL};
		acl_user_describe(c->users->user[i], &t);
		bool left_out = !t.failed && is_plain_default(c, &t);
		char *line = t.failed || left_out ? NULL : quoted_line(&t);
		text_free(&t);
		if (left_out)
			continue;
		if (line == NULL) {
			ctrl_users_lines_free(lines);
			return NULL;
		}
		lines[n++] = line;
	}
	return lines;
}

void ctrl_users_lines_free(char **lines)
{
	for (uint32_t i = 0; lines[i] != NULL; i++)
		free(lines[i]);
	free(lines);
}
