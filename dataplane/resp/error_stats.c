#include "resp/error_stats.h"

static struct slice code_of(struct slice text)
{
	const char *blank = memchr(text.ptr, ' ', text.len);
	size_t len = blank != NULL ? (size_t)(blank - text.ptr) : text.len;

	return (struct slice){text.ptr, RP_MIN(len, (size_t)ERROR_CODE_MAX - 1)};
}

static bool is_code(const struct error_count *e, struct slice code)
{
	return strncmp(e->code, code.ptr, code.len) == 0 && e->code[code.len] == '\0';
}

static void add_one(uint64_t *n)
{
	__atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
}

void error_stats_count(struct error_stats *s, struct slice text)
{
	struct slice code = code_of(text);

	add_one(&s->total);
	for (uint32_t i = 0; i < s->n; i++) {
		if (!is_code(&s->e[i], code))
			continue;
		add_one(&s->e[i].count);
		return;
	}
	if (s->n == ERROR_CODES)
		return;
	memcpy(s->e[s->n].code, code.ptr, code.len);
	s->e[s->n].count = 1;
	__atomic_store_n(&s->n, s->n + 1, __ATOMIC_RELEASE);
}

uint64_t error_stats_of(const struct error_stats *s, const char *code)
{
	uint32_t n = __atomic_load_n(&s->n, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(s->e[i].code, code) == 0)
			return __atomic_load_n(&s->e[i].count, __ATOMIC_RELAXED);
	return 0;
}
