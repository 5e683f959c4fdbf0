/* The ACL file: one "user NAME rule..." line for each user. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctrlplane/acl_user.h"
#include "ctrlplane/config_text.h"

/* Puts u, of which *t knows no other but an older state, into *t. */
static int put(struct acl_table **t, struct acl_user *u, struct err *e)
{
	const struct acl_user *old = acl_find(*t, u->name);
	struct acl_table *next = acl_table_with(*t, u);

	if (next == NULL) {
		acl_user_destroy(u);
		return err_set(e, "out of memory for users");
	}
	if (old != NULL)
		acl_user_destroy((struct acl_user *)old);
	free(*t);
	*t = next;
	return 0;
}

int acl_file_line(struct acl_table **t, uint32_t n, const struct slice *word, bool all_channels, bool *first_default,
		  struct err *e)
{
	char bad[ACL_BAD_MAX];
	struct err why;

	if (n == 0 || !acl_name_ok(word[0]))
		return err_set(e, "a user needs a name without blanks, as in 'user alice on >secret ~* +@all'");
	bool is_default = slice_eq(word[0], SLICE("default"));
	if (acl_find(*t, word[0]) != NULL && !(is_default && *first_default))
		return err_set(e, "Duplicate user '%.*s' found", (int)RP_MIN(word[0].len, 64u), word[0].ptr);
	if (is_default)
		*first_default = false;
	struct acl_user *u = acl_user_create(word[0], all_channels);
	if (u == NULL)
		return err_set(e, "out of memory for users");
	if (acl_user_set_all(u, n - 1, word + 1, all_channels, bad, &why)) {
		acl_user_destroy(u);
		if (why.text[0] == '\0')
			return err_set(e, "Unmatched parenthesis in selector definition at '%.100s'", bad);
		return err_set(e, "Error in applying operation '%.60s': %.160s", bad, why.text);
	}
	acl_user_settle(u);
	return put(t, u, e);
}

static int load_line(struct acl_table **t, struct slice text, bool all_channels, bool *first_default, struct err *e)
{
	/* A line may be longer than one of redpoll.conf: words here need no quotes, since blanks are in none. */
	uint32_t n = 0, cap = 0;
	struct slice *word = NULL;
	int rc;

	for (size_t i = 0; i < text.len;) {
		size_t len = 0;
		while (i + len < text.len && !strchr(" \t\r\n", text.ptr[i + len]))
			len++;
		if (len > 0 && n == cap) {
			cap = cap ? 2 * cap : 32;
			struct slice *more = realloc(word, cap * sizeof *word);
			if (more == NULL) {
				free(word);
				return err_set(e, "out of memory for users");
			}
			word = more;
		}
		if (len > 0)
			word[n++] = (struct slice){text.ptr + i, len};
		i += len + 1;
	}
	if (n == 0 || word[0].ptr[0] == '#')
		rc = 0;
	else if (n < 2 || !slice_is(word[0], "user"))
		rc = err_set(e, "should start with user keyword followed by username");
	else
		rc = acl_file_line(t, n - 1, word + 1, all_channels, first_default, e);
	free(word);
	return rc;
}

static int load_lines(FILE *f, const char *path, bool all_channels, struct acl_table **t, struct err *e)
{
	bool first_default = false;
	char *text = NULL;
	size_t cap = 0;
	ssize_t len;
	struct err why;
	int rc = 0;

	for (int line = 1; rc == 0 && (len = getline(&text, &cap, f)) >= 0; line++)
		if (load_line(t, (struct slice){text, (size_t)len}, all_channels, &first_default, &why))
			rc = err_set(e, "%s:%d: %.180s", path, line, why.text);
	free(text);
	if (rc == 0 && ferror(f))
		rc = err_set(e, "Error reading the ACL file '%s': %s", path, strerror(errno));
	return rc;
}

int acl_file_load(const char *path, bool all_channels, struct acl_table **out, struct err *e)
{
	struct acl_table *t = NULL;
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return err_set(e, "Error loading ACLs, opening file '%s': %s", path, strerror(errno));
	int rc = load_lines(f, path, all_channels, &t, e);
	fclose(f);
	if (rc == 0 && acl_find(t, SLICE("default")) == NULL) {
		struct acl_user *u = acl_user_create_default();
		rc = u == NULL ? err_set(e, "out of memory for users") : put(&t, u, e);
	}
	if (rc != 0) {
		acl_table_destroy(t);
		return -1;
	}
	*out = t;
	return 0;
}

static int write_users(FILE *out, const struct acl_table *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		struct text line = {.buf = NULL};
		acl_user_describe(t->user[i], &line);
		bool failed = line.failed || fprintf(out, "%s\n", line.buf) < 0;
		text_free(&line);
		if (failed)
			return -1;
	}
	return fflush(out) || fsync(fileno(out)) ? -1 : 0;
}

int acl_file_save(const char *path, const struct acl_table *t, struct err *e)
{
	char temp[1024];
	int n = snprintf(temp, sizeof temp, "%s.XXXXXX", path);
	int fd = n < (int)sizeof temp ? mkstemp(temp) : -1;
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (out == NULL) {
		if (fd >= 0) {
			close(fd);
			unlink(temp);
		}
		return err_set(e, "%s", strerror(errno));
	}
	struct stat st; /* who may read it stays as its owner has set it */
	int failed = stat(path, &st) == 0 && fchmod(fd, st.st_mode & 0777) != 0;
	failed = write_users(out, t) || failed;
	failed = fclose(out) || failed;
	if (!failed && config_file_put(temp, path) == 0)
		return 0;
	err_set(e, "%s", strerror(errno));
	unlink(temp);
	return -1;
}
