#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/num.h"
#include "ctrlplane/config_text.h"

/* Decodes the escape that starts at *p (a backslash with at least one byte behind it) and steps over it. */
static char unescape(const char **p, const char *end)
{
	const char *s = *p + 1;

	if (*s == 'x' && end - s > 2 && num_hex_digit(s[1]) >= 0 && num_hex_digit(s[2]) >= 0) {
		*p = s + 3;
		return (char)(num_hex_digit(s[1]) << 4 | num_hex_digit(s[2]));
	}
	*p = s + 1;
	switch (*s) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'b':
		return '\b';
	case 'a':
		return '\a';
	default:
		return *s;
	}
}

/* Takes one word at *p into *out (which advances); false: quotes are not balanced. */
static bool take_word(const char **p, const char *end, char **out)
{
	const char *s = *p;
	char quote = '\0';

	while (s < end && (quote || !isspace((unsigned char)*s))) {
		if (quote && *s == quote) {
			if (s + 1 < end && !isspace((unsigned char)s[1]))
				return false;
			quote = '\0';
			s++;
			break;
		}
		if (quote == '"' && *s == '\\' && s + 1 < end) {
			*(*out)++ = unescape(&s, end);
		} else if (quote == '\'' && *s == '\\' && s + 1 < end && s[1] == '\'') {
			*(*out)++ = '\'';
			s += 2;
		} else if (!quote && (*s == '"' || *s == '\'')) {
			quote = *s++;
		} else {
			*(*out)++ = *s++;
		}
	}
	*p = s;
	return quote == '\0';
}

const char *config_line_split(struct config_line *l, struct slice line)
{
	const char *p = line.ptr, *end = line.ptr + line.len;
	char *out = l->text;

	l->nwords = 0;
	if (line.len > sizeof(l->text))
		return "the line is too long; shorten it to 8 KiB";
	for (;;) {
		while (p < end && isspace((unsigned char)*p))
			p++;
		if (p == end || (l->nwords == 0 && *p == '#'))
			return NULL;
		if (l->nwords == CONFIG_LINE_WORDS)
			return "the line has too many words; a directive takes far fewer";
		struct slice *w = &l->word[l->nwords++];
		w->ptr = out;
		if (!take_word(&p, end, &out))
			return "the quotes are not balanced; close them, with a space behind";
		w->len = (size_t)(out - w->ptr);
	}
}

static bool is_plain(struct slice v)
{
	for (size_t i = 0; i < v.len; i++)
		if (!isgraph((unsigned char)v.ptr[i]) || strchr("\"'\\", v.ptr[i]))
			return false;
	return v.len > 0;
}

size_t config_word_quote(struct slice v, char *buf)
{
	size_t n = 0;

	if (is_plain(v)) {
		memcpy(buf, v.ptr, v.len);
		return v.len;
	}
	buf[n++] = '"';
	for (size_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.ptr[i];
		if (c == '"' || c == '\\')
			n += (size_t)sprintf(buf + n, "\\%c", c);
		else if (isprint(c))
			buf[n++] = (char)c;
		else
			n += (size_t)sprintf(buf + n, "\\x%02x", c);
	}
	buf[n++] = '"';
	return n;
}

int config_file_put(const char *temp, const char *path)
{
	char dir[4096];
	const char *slash = strrchr(path, '/');

	if (rename(temp, path) != 0)
		return -1;
	snprintf(dir, sizeof dir, "%.*s", slash == NULL || slash == path ? 1 : (int)(slash - path),
		 slash == NULL ? "." : path);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int rc = fsync(fd);
	int saved = errno;
	close(fd);
	errno = saved;
	return rc;
}
