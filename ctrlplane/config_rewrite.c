/* CONFIG REWRITE. What the file says by itself is loaded into a second struct config; a directive whose value is the
 * same there keeps its lines as they are, one that differs has its first line replaced and its others dropped, and one
 * that differs and has no line is appended. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctrlplane/config_text.h"
#include "ctrlplane/config_value.h"

#define APPENDED "# Appended by CONFIG REWRITE"

struct rewrite {
	const struct config *now;
	const char *const *users;
	bool users_written;
	struct config *file;
	bool *written; /* per row: has a line in the new file */
	bool headed;   /* the new file has the line APPENDED */
	FILE *out;
};

static bool differs(const struct rewrite *r, const struct config_option *o)
{
	char a[CONFIG_VALUE_MAX], b[CONFIG_VALUE_MAX];

	config_format(r->now, o, a);
	config_format(r->file, o, b);
	return strcmp(a, b) != 0;
}

static void put_directive(struct rewrite *r, const struct config_option *o)
{
	char value[CONFIG_VALUE_MAX], quoted[4 * CONFIG_VALUE_MAX + 3];
	size_t len = config_value_format(o, (const char *)r->now + o->offset, CONFIG_STYLE_FILE, value);
	bool words = o->type == CONFIG_ADDRESSES || o->type == CONFIG_IPS || o->type == CONFIG_OUTPUT;

	if (words && len)
		fprintf(r->out, "%s %s\n", o->name, value);
	else
		fprintf(r->out, "%s %.*s\n", o->name, (int)config_word_quote((struct slice){value, len}, quoted),
			quoted);
	r->written[o - config_at(0)] = true;
}

static void put_users(struct rewrite *r)
{
	for (uint32_t i = 0; !r->users_written && r->users[i] != NULL; i++)
		fprintf(r->out, "%s\n", r->users[i]);
	r->users_written = true;
}

static void put_line(struct rewrite *r, const char *text, size_t len)
{
	struct config_line line;
	const struct config_option *o = NULL;

	if (config_line_split(&line, (struct slice){text, len}) == NULL && line.nwords) {
		o = config_find(line.word[0]);
		if (slice_is(line.word[0], "user")) {
			put_users(r);
			return;
		}
	}
	if (o && differs(r, o)) {
		if (!r->written[o - config_at(0)])
			put_directive(r, o);
		return;
	}
	if (o)
		r->written[o - config_at(0)] = true;
	r->headed = r->headed || strncmp(text, APPENDED, strlen(APPENDED)) == 0;
	fwrite(text, 1, len, r->out);
	if (len && text[len - 1] != '\n')
		fputc('\n', r->out);
}

static int put_all(struct rewrite *r, FILE *in)
{
	char *text = NULL;
	size_t cap = 0;
	ssize_t len;

	while ((len = getline(&text, &cap, in)) >= 0)
		put_line(r, text, (size_t)len);
	free(text);
	for (uint32_t i = 0; i < config_count(); i++) {
		if (r->written[i] || !differs(r, config_at(i)))
			continue;
		if (!r->headed)
			fprintf(r->out, "\n" APPENDED "\n");
		r->headed = true;
		put_directive(r, config_at(i));
	}
	put_users(r);
	return ferror(in) ? -1 : 0;
}

/* Writes the new file beside the old one and puts it in its place at once, so that a crash leaves one of the two. */
static int replace(struct rewrite *r, const char *path)
{
	char temp[CONFIG_STRING_MAX + 16];
	struct stat st;
	int fd, failed = -1;
	FILE *in = fopen(path, "re");

	if (!in)
		return -1;
	snprintf(temp, sizeof(temp), "%s.XXXXXX", path);
	fd = mkstemp(temp);
	if (fd < 0) {
		fclose(in);
		return -1;
	}
	r->out = fdopen(fd, "w");
	if (r->out && fstat(fileno(in), &st) == 0 && fchmod(fd, st.st_mode & 0777) == 0)
		failed = put_all(r, in) || fflush(r->out) || ferror(r->out) || fsync(fd);
	if (r->out)
		failed = fclose(r->out) || failed;
	else
		close(fd);
	fclose(in);
	if (!failed && config_file_put(temp, path) == 0)
		return 0;
	int saved = errno;
	unlink(temp);
	errno = saved;
	return -1;
}

static int rewrite(struct rewrite *r, const char *path, struct err *e)
{
	config_init(r->file);
	if (config_load_file(r->file, path, e))
		return -1;
	if (replace(r, path))
		return err_set(e, "%s", strerror(errno));
	return 0;
}

int config_rewrite(const struct config *c, const char *const *users, struct err *e)
{
	struct rewrite r = {.now = c, .users = users};
	int rc = -1;

	if (c->file[0] == '\0')
		return err_set(e, "The server is running without a config file");
	r.file = malloc(sizeof(*r.file));
	r.written = calloc(config_count(), sizeof(*r.written));
	if (r.file && r.written)
		rc = rewrite(&r, c->file, e);
	else
		err_set(e, "out of memory");
	if (r.file)
		config_users_free(r.file);
	free(r.file);
	free(r.written);
	return rc;
}
