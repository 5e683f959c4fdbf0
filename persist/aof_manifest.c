#include "persist/aof_manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "persist/aof_buf.h"

#define MANIFEST_MAX (1u << 20) /* bytes */

void aof_manifest_fini(struct aof_manifest *m)
{
	free(m->file);
	*m = (struct aof_manifest){NULL};
}

bool aof_manifest_add(struct aof_manifest *m, const char *file, uint64_t seq, char type)
{
	if (m->n == AOF_FILES_MAX || strlen(file) >= AOF_NAME_MAX)
		return false;
	if (m->n == m->cap) {
		struct aof_file *p = realloc(m->file, (m->cap + 16) * sizeof *p);
		if (p == NULL)
			return false;
		m->file = p;
		m->cap += 16;
	}
	struct aof_file *a = &m->file[m->n++];
	snprintf(a->name, sizeof a->name, "%s", file);
	a->seq = seq;
	a->type = type;
	if (type == 'b')
		m->base_seq = RP_MAX(m->base_seq, seq);
	if (type == 'i')
		m->incr_seq = RP_MAX(m->incr_seq, seq);
	return true;
}

const struct aof_file *aof_manifest_base(const struct aof_manifest *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (m->file[i].type == 'b')
			return &m->file[i];
	return NULL;
}

const struct aof_file *aof_manifest_last_incr(const struct aof_manifest *m)
{
	const struct aof_file *last = NULL;

	for (uint32_t i = 0; i < m->n; i++)
		if (m->file[i].type == 'i')
			last = &m->file[i];
	return last;
}

void aof_manifest_retire(struct aof_manifest *m, const struct aof_file *keep)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (&m->file[i] != keep && (m->file[i].type == 'b' || m->file[i].type == 'i'))
			m->file[i].type = 'h';
}

bool aof_manifest_copy(const struct aof_manifest *m, struct aof_manifest *to)
{
	*to = *m;
	to->cap = m->n;
	to->file = malloc(RP_MAX(m->n, 1u) * sizeof *to->file);
	if (to->file == NULL) {
		*to = (struct aof_manifest){NULL};
		return false;
	}
	if (m->n != 0)
		memcpy(to->file, m->file, m->n * sizeof *to->file);
	return true;
}

static const char *in_dir(const char *dir, const char *name, const char *suffix, char *buf, size_t cap)
{
	snprintf(buf, cap, "%s/%s%s", dir, name, suffix);
	return buf;
}

uint32_t aof_manifest_clean(struct file_sys *f, const char *dir, struct aof_manifest *m)
{
	uint32_t kept = 0, gone = 0;
	char path[2 * AOF_NAME_MAX];

	for (uint32_t i = 0; i < m->n; i++) {
		if (m->file[i].type != 'h') {
			m->file[kept++] = m->file[i];
			continue;
		}
		int rc = f->ops->unlink(f, in_dir(dir, m->file[i].name, "", path, sizeof path));
		if (rc == 0 || rc == -ENOENT)
			gone++;
		else /* another time */
			m->file[kept++] = m->file[i];
	}
	m->n = kept;
	return gone;
}

/* ---- text ---- */

/* Two hexadecimal digits; below zero: not. */
static int hex_byte(const char *p)
{
	int high = num_hex_digit(p[0]), low = num_hex_digit(p[1]);

	return high < 0 ? high : low < 0 ? low : high * 16 + low;
}

/* A word, or one in double quotes with Redis's escapes. Returns what follows it, NULL if there is none. */
static const char *next_word(const char *p, const char *end, char *out, size_t cap)
{
	size_t n = 0;
	bool quoted;

	while (p < end && *p == ' ')
		p++;
	if (p == end)
		return NULL;
	quoted = *p == '"';
	for (p += quoted; p < end && (quoted ? *p != '"' : *p != ' '); p++) {
		char c = *p;
		if (quoted && c == '\\' && end - p > 3 && p[1] == 'x' && hex_byte(p + 2) >= 0) {
			c = (char)hex_byte(p + 2);
			p += 3;
		} else if (quoted && c == '\\' && p + 1 < end) {
			c = *++p;
		}
		if (n + 1 == cap)
			return NULL;
		out[n++] = c;
	}
	out[n] = '\0';
	if (quoted)
		return p < end ? p + 1 : NULL;
	return p;
}

struct line {
	char file[AOF_NAME_MAX], type;
	uint64_t seq;
	bool has_file, has_seq, has_type;
};

static bool parse_line(const char *p, const char *end, struct line *l)
{
	char key[32], value[AOF_NAME_MAX];

	*l = (struct line){.type = 0};
	while ((p = next_word(p, end, key, sizeof key)) != NULL) {
		p = next_word(p, end, value, sizeof value);
		if (p == NULL)
			return false;
		if (strcasecmp(key, "file") == 0) {
			memcpy(l->file, value, sizeof l->file);
			l->has_file = value[0] != '\0' && strchr(value, '/') == NULL;
		} else if (strcasecmp(key, "seq") == 0) {
			l->has_seq = num_parse_u64((struct slice){value, strlen(value)}, &l->seq);
		} else if (strcasecmp(key, "type") == 0) {
			l->type = value[0];
			l->has_type = strchr("bih", value[0]) != NULL && value[0] != '\0' && value[1] == '\0';
		}
	}
	return l->has_file && l->has_seq && l->has_type;
}

static int refuse(struct err *e, const char *path, uint32_t line, const char *why)
{
	err_set(e, "%s line %u: %s; restore the manifest or the whole directory from a backup", path, line, why);
	return -1;
}

static int take_line(const char *path, uint32_t no, const char *p, const char *end, struct aof_manifest *m,
		     struct err *e)
{
	struct line l;

	if (end > p && end[-1] == '\r')
		end--;
	if (end == p || *p == '#')
		return 0;
	if (!parse_line(p, end, &l))
		return refuse(e, path, no, "no line of a manifest (file NAME seq NUMBER type b|i|h)");
	if (l.type == 'b' && aof_manifest_base(m) != NULL)
		return refuse(e, path, no, "a second base file");
	const struct aof_file *last = aof_manifest_last_incr(m);
	if (l.type == 'i' && last != NULL && l.seq <= last->seq)
		return refuse(e, path, no, "incremental files out of order");
	if (!aof_manifest_add(m, l.file, l.seq, l.type))
		return refuse(e, path, no, "too many files");
	return 0;
}

static int parse_lines(const char *path, const char *p, size_t len, struct aof_manifest *m, struct err *e)
{
	uint32_t no = 1;

	for (const char *end = p + len; p < end; no++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl != NULL ? nl : end;
		if (take_line(path, no, p, stop, m, e) != 0)
			return -1;
		p = stop + (nl != NULL);
	}
	return m->n != 0 ? 0 : refuse(e, path, 1, "it is empty");
}

int aof_manifest_parse(const char *path, const char *text, size_t len, struct aof_manifest *m, struct err *e)
{
	*m = (struct aof_manifest){NULL};
	int rc = parse_lines(path, text, len, m, e);
	if (rc != 0)
		aof_manifest_fini(m);
	return rc;
}

static int read_small(struct file_sys *f, const char *path, struct aof_buf *b)
{
	int fd = f->ops->open(f, path, O_RDONLY | O_CLOEXEC, 0);
	ssize_t n = 1;

	if (fd < 0)
		return fd;
	while (n > 0 && b->len < MANIFEST_MAX) {
		if (!aof_buf_room(b, 4096)) {
			n = -ENOMEM;
			break;
		}
		n = f->ops->read(f, fd, b->data + b->len, 4096, b->len);
		b->len += n > 0 ? (size_t)n : 0;
	}
	f->ops->close(f, fd);
	return n < 0 ? (int)n : 0;
}

int aof_manifest_load(struct file_sys *f, const char *dir, const char *name, struct aof_manifest *m, struct err *e)
{
	char path[2 * AOF_NAME_MAX];
	struct aof_buf b = {NULL};

	*m = (struct aof_manifest){NULL};
	in_dir(dir, name, ".manifest", path, sizeof path);
	int r = read_small(f, path, &b);
	if (r == 0)
		r = aof_manifest_parse(path, b.data, b.len, m, e);
	else if (r != -ENOENT)
		r = file_err(e, "read", path, r);
	aof_buf_fini(&b);
	return r;
}

static bool needs_quotes(const char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || strchr("\"\\'", *name) != NULL)
			return true;
	return false;
}

static bool put_line(struct aof_buf *b, const struct aof_file *a)
{
	char line[2 * AOF_NAME_MAX + 64], *p = line;
	bool q = needs_quotes(a->name);

	p += sprintf(p, "file %s", q ? "\"" : "");
	for (const char *n = a->name; *n; n++) {
		if (q && (*n == '"' || *n == '\\'))
			*p++ = '\\';
		*p++ = *n;
	}
	p += sprintf(p, "%s seq %lu type %c\n", q ? "\"" : "", (unsigned long)a->seq, a->type);
	return aof_buf_put(b, line, (size_t)(p - line));
}

bool aof_manifest_text(const struct aof_manifest *m, struct aof_buf *b)
{
	static const char order[] = "bhi"; /* as Redis writes them */
	bool ok = true;

	for (const char *t = order; *t; t++)
		for (uint32_t i = 0; i < m->n; i++)
			if (m->file[i].type == *t)
				ok &= put_line(b, &m->file[i]);
	return ok;
}

int aof_manifest_store(struct file_sys *f, const char *dir, const char *name, const struct aof_manifest *m,
		       struct err *e)
{
	char path[2 * AOF_NAME_MAX], temp[2 * AOF_NAME_MAX];
	struct aof_buf b = {NULL};

	in_dir(dir, name, ".manifest", path, sizeof path);
	snprintf(temp, sizeof temp, "%s/temp-%s.manifest", dir, name);
	int r = aof_manifest_text(m, &b) ? file_sys_replace(f, path, temp, b.data, b.len, e)
					 : err_set(e, "out of memory for the manifest");
	aof_buf_fini(&b);
	return r;
}
