#include <errno.h>
#include <stdlib.h>

#include "ctrlplane/config_text.h"
#include "ctrlplane/config_value.h"

#define MAX_INCLUDES 8

/* One source of directives: the file with what it includes, or the command line. The first mention of a list in it
 * replaces what was there, later ones add to it. */
struct load {
	struct config *c;
	const char *where; /* "redpoll.conf:12: " or "--port: ", for errors */
	unsigned depth;
	uint64_t *seen; /* one bit per row */
	struct err *e;
};

#define SEEN_WORDS 4 /* rows: 256 at most */

static int load_file(struct load *l, const char *path);

static int fail(struct load *l, const char *text)
{
	return err_set(l->e, "%.*s%s", 256, l->where, text);
}

/* Joins values with spaces into buf; false: too long. */
static bool join(const struct slice *v, int n, char *buf, struct slice *out)
{
	size_t len = 0;

	for (int i = 0; i < n; i++) {
		if (len + v[i].len + 1 >= CONFIG_VALUE_MAX)
			return false;
		if (i)
			buf[len++] = ' ';
		memcpy(buf + len, v[i].ptr, v[i].len);
		len += v[i].len;
	}
	*out = (struct slice){buf, len};
	return true;
}

static bool takes_many(const struct config_option *o)
{
	return o->type == CONFIG_ADDRESSES || o->type == CONFIG_IPS || o->type == CONFIG_CPUS ||
	       o->type == CONFIG_OUTPUT || o->type == CONFIG_SAVE || o->type == CONFIG_ABSENT;
}

/* One directive with its values, the name without dashes. */
static int apply(struct load *l, struct slice name, const struct slice *v, int n)
{
	const struct config_option *o = config_find(name);
	char joined[CONFIG_VALUE_MAX];
	struct slice value = {0};
	struct err why;

	if (!o) {
		config_set(l->c, name, value, true, &why);
		return fail(l, why.text);
	}
	if (n == 0)
		return err_set(l->e, "%s'%s' needs a value; the default is '%s'", l->where, o->name, o->def);
	if (n > 1 && !takes_many(o))
		return err_set(l->e,
			       "%s'%s' takes one value but got %d; put it in quotes, and comments on a line of "
			       "their own",
			       l->where, o->name, n);
	if (!join(v, n, joined, &value))
		return err_set(l->e, "%sthe value of '%s' is too long; shorten it", l->where, o->name);

	uint32_t row = (uint32_t)(o - config_at(0));
	bool again = l->seen[row / 64] >> (row % 64) & 1;
	if (config_value_parse(o, (char *)l->c + o->offset, value, again, &why))
		return err_set(l->e, "%s%s '%.*s': %s", l->where, o->name, (int)RP_MIN(value.len, 64), value.ptr,
			       why.text);
	l->seen[row / 64] |= 1ull << (row % 64);
	return 0;
}

/* A "user" line: its rules are looked at when the users are made. */
static int add_user(struct load *l, const struct slice *word, uint32_t n)
{
	struct config_user **at = &l->c->users, *u;
	size_t bytes = sizeof *u + n * sizeof u->word[0];

	for (uint32_t i = 0; i < n; i++)
		bytes += word[i].len + 1;
	u = calloc(1, bytes);
	if (u == NULL)
		return fail(l, "out of memory for users");
	char *text = (char *)&u->word[n];
	u->nwords = n;
	for (uint32_t i = 0; i < n; i++) {
		memcpy(text, word[i].ptr, word[i].len);
		u->word[i] = (struct slice){text, word[i].len};
		text += word[i].len + 1;
	}
	while (*at != NULL)
		at = &(*at)->next;
	*at = u;
	return 0;
}

void config_users_free(struct config *c)
{
	for (struct config_user *u = c->users, *next; u != NULL; u = next) {
		next = u->next;
		free(u);
	}
	c->users = NULL;
}

static int apply_words(struct load *l, struct slice name, const struct slice *v, int n)
{
	char path[CONFIG_STRING_MAX];

	if (slice_is(name, "user"))
		return add_user(l, v, (uint32_t)n);
	if (!slice_is(name, "include"))
		return apply(l, name, v, n);
	if (n != 1 || v[0].len >= sizeof(path))
		return fail(l, "'include' takes one file name");
	memcpy(path, v[0].ptr, v[0].len);
	path[v[0].len] = '\0';
	return load_file(l, path);
}

static int apply_line(struct load *l, struct slice text)
{
	struct config_line line;
	const char *wrong = config_line_split(&line, text);

	if (wrong)
		return fail(l, wrong);
	return line.nwords == 0 ? 0 : apply_words(l, line.word[0], line.word + 1, line.nwords - 1);
}

static int load_file(struct load *l, const char *path)
{
	const char *outer = l->where;
	char where[CONFIG_STRING_MAX + 32];
	char *text = NULL;
	size_t cap = 0;
	ssize_t len;
	int rc = 0;

	if (l->depth == MAX_INCLUDES)
		return fail(l, "files include each other too deeply; remove an 'include'");
	FILE *f = fopen(path, "re");
	if (!f)
		return err_set(l->e, "%scannot read the configuration file '%s': %s; give the path of a readable file",
			       outer, path, strerror(errno));
	l->depth++;
	l->where = where;
	errno = 0;
	for (int n = 1; rc == 0 && (len = getline(&text, &cap, f)) >= 0; n++) {
		snprintf(where, sizeof(where), "%.*s:%d: ", CONFIG_STRING_MAX, path, n);
		rc = apply_line(l, (struct slice){text, (size_t)len});
	}
	if (rc == 0 && ferror(f))
		rc = err_set(l->e, "cannot read the configuration file '%s': %s; give the path of a readable file",
			     path, strerror(errno));
	l->where = outer;
	l->depth--;
	free(text);
	fclose(f);
	return rc;
}

int config_load_file(struct config *c, const char *path, struct err *e)
{
	uint64_t seen[SEEN_WORDS] = {0};
	struct load l = {.c = c, .where = "", .seen = seen, .e = e};

	if (load_file(&l, path))
		return -1;
	char *full = realpath(path, NULL);
	if (!full || strlen(full) >= sizeof(c->file)) {
		free(full);
		return err_set(e, "the path of '%s' is too long; move the configuration file", path);
	}
	strcpy(c->file, full);
	free(full);
	return 0;
}

int config_load_args(struct config *c, int argc, char **argv, struct err *e)
{
	uint64_t seen[SEEN_WORDS] = {0};
	struct load l = {.c = c, .where = "", .seen = seen, .e = e};
	struct slice value[CONFIG_LINE_WORDS];
	int i = 1;

	rp_assert(config_count() <= SEEN_WORDS * 64);
	if (argc > 1 && strncmp(argv[1], "--", 2) != 0) {
		if (config_load_file(c, argv[1], e))
			return -1;
		i++;
	}
	while (i < argc) {
		const char *name = argv[i++];
		int n = 0;
		if (strncmp(name, "--", 2) != 0)
			return err_set(e, "unexpected argument '%.64s'; directives begin with --, as in --port 6379",
				       name);
		for (; i < argc && strncmp(argv[i], "--", 2) != 0; i++) {
			if (n == CONFIG_LINE_WORDS)
				return err_set(e, "%.64s has too many values", name);
			value[n++] = (struct slice){argv[i], strlen(argv[i])};
		}
		l.where = "command line: ";
		if (apply_words(&l, (struct slice){name + 2, strlen(name + 2)}, value, n))
			return -1;
	}
	return 0;
}
