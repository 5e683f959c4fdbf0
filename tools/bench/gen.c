#include "gen.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY_WORD   "__rand_int__"
#define VALUE_WORD "__data__"

_Static_assert(sizeof(KEY_WORD) - 1 == GEN_KEY_DIGITS, "the digits take the place of the word");

static void put_digits(char *out, uint64_t v)
{
	static const char pair[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
				   "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
				   "8081828384858687888990919293949596979899";
	for (int i = GEN_KEY_DIGITS - 2; i >= 0; i -= 2) {
		memcpy(out + i, pair + v % 100 * 2, 2);
		v /= 100;
	}
}

static inline uint64_t value_seed(uint64_t key)
{
	uint64_t x = (key + 1) * 0x9e3779b97f4a7c15u;
	return x ^ x >> 29;
}

/* Word k of a value: printable, and different for neighbours. */
static inline uint64_t value_word(uint64_t seed, uint64_t k)
{
	return ((seed + k * 0xd6e8feb86659fd93u) >> 2 & 0x3f3f3f3f3f3f3f3fu) + 0x3030303030303030u;
}

void gen_value(char *out, uint64_t key, uint64_t off, size_t len)
{
	uint64_t seed = value_seed(key), k = off / 8;
	size_t i = 0;

	for (; i + 8 <= len; i += 8) {
		uint64_t w = value_word(seed, k++);
		memcpy(out + i, &w, 8);
	}
	if (i < len) {
		uint64_t w = value_word(seed, k);
		memcpy(out + i, &w, len - i);
	}
}

bool gen_value_is(const char *bytes, uint64_t key, uint64_t off, size_t len)
{
	char want[1024 + 8];

	while (len > 0) {
		size_t skip = off % 8, n = RP_MIN(len, sizeof want - skip);
		gen_value(want, key, off - skip, n + skip);
		if (memcmp(bytes, want + skip, n) != 0)
			return false;
		bytes += n;
		off += n;
		len -= n;
	}
	return true;
}

uint64_t gen_write(const struct gen *g, struct keys *k, char *out)
{
	uint64_t first = 0, key = 0;
	bool drawn = false;

	memcpy(out, g->bytes, g->len);
	for (uint32_t i = 0; i < g->nslots; i++) {
		const struct gen_slot *s = &g->slot[i];
		if (s->value) {
			gen_value(out + s->off, key, 0, g->value_len);
			continue;
		}
		key = keys_draw(k);
		put_digits(out + s->off, key);
		first = drawn ? first : key;
		drawn = true;
	}
	return first;
}

/* Length of a word after its placeholders are filled in. */
static size_t filled_len(const struct gen *g, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = word; (p = strstr(p, VALUE_WORD)) != NULL; p += sizeof(VALUE_WORD) - 1)
		n += g->value_len - (sizeof(VALUE_WORD) - 1);
	return n;
}

static int add_slot(struct gen *g, size_t off, bool value, struct err *e)
{
	if (g->nslots == GEN_MAX_SLOTS)
		return err_set(e, "the command has more than %d placeholders: use fewer", GEN_MAX_SLOTS);
	g->slot[g->nslots++] = (struct gen_slot){.off = (uint32_t)off, .value = value};
	return 0;
}

/* Appends a word to the template and notes where its placeholders are. */
static int put_word(struct gen *g, const char *word, struct err *e)
{
	g->len += (uint32_t)sprintf(g->bytes + g->len, "$%zu\r\n", filled_len(g, word));
	while (*word) {
		char *to = g->bytes + g->len;
		if (strncmp(word, KEY_WORD, sizeof(KEY_WORD) - 1) == 0) {
			if (add_slot(g, g->len, false, e) < 0)
				return -1;
			put_digits(to, 0);
			g->len += GEN_KEY_DIGITS;
			word += sizeof(KEY_WORD) - 1;
		} else if (strncmp(word, VALUE_WORD, sizeof(VALUE_WORD) - 1) == 0) {
			if (add_slot(g, g->len, true, e) < 0)
				return -1;
			gen_value(to, 0, 0, g->value_len);
			g->len += g->value_len;
			word += sizeof(VALUE_WORD) - 1;
		} else {
			*to = *word++;
			g->len++;
		}
	}
	g->len += (uint32_t)sprintf(g->bytes + g->len, "\r\n");
	return 0;
}

/* A value whose key is always the same stands in the template already. */
static void drop_constant_values(struct gen *g)
{
	uint32_t k = 0;
	bool key = false;

	for (uint32_t i = 0; i < g->nslots; i++) {
		key |= !g->slot[i].value;
		if (key)
			g->slot[k++] = g->slot[i];
	}
	g->nslots = k;
}

/* Up to the next `;` or the end. */
static uint32_t command_words(const char *const *words, uint32_t nwords)
{
	uint32_t n = 0;

	while (n < nwords && strcmp(words[n], ";") != 0)
		n++;
	return n;
}

static int put_command(struct gen *g, const char *const *words, uint32_t nwords, struct err *e)
{
	g->replies++;
	g->len += (uint32_t)sprintf(g->bytes + g->len, "*%u\r\n", nwords);
	for (uint32_t i = 0; i < nwords; i++)
		if (put_word(g, words[i], e) < 0)
			return -1;
	return 0;
}

int gen_init(struct gen *g, const char *const *words, uint32_t nwords, uint32_t value_len, struct err *e)
{
	size_t total = 32;

	memset(g, 0, sizeof *g);
	g->value_len = value_len;
	for (uint32_t i = 0; i < nwords; i++)
		total += filled_len(g, words[i]) + 32;
	if (total > GEN_MAX_BYTES)
		return err_set(e, "a request of %zu bytes is more than %u: lower -d", total, GEN_MAX_BYTES);
	g->bytes = malloc(total);
	if (g->bytes == NULL)
		return err_set(e, "out of memory for a request of %zu bytes: lower -d", total);
	for (uint32_t i = 0, n; i < nwords; i += n + 1) {
		n = command_words(words + i, nwords - i);
		if (put_command(g, words + i, n, e) < 0) {
			gen_fini(g);
			return -1;
		}
	}
	drop_constant_values(g);
	return 0;
}

int gen_init_raw(struct gen *g, const char *text, struct err *e)
{
	memset(g, 0, sizeof *g);
	g->bytes = strdup(text);
	if (g->bytes == NULL)
		return err_set(e, "out of memory for a request");
	g->len = (uint32_t)strlen(text);
	g->replies = 1;
	return 0;
}

void gen_fini(struct gen *g)
{
	free(g->bytes);
	memset(g, 0, sizeof *g);
}
