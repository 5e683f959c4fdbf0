#include "options.h"

#include <errno.h>
#include <stdlib.h>

enum kind {
	TEXT,
	COUNT,
	REAL,
	FLAG,
	MANY
};

static const struct row {
	size_t at;
	char letter;
	const char *word;
	enum kind kind;
	const char *def;
	double least, most;
	const char *argument, *help;
} rows[] = {
#define OPTION(field, letter, word, kind, def, least, most, argument, help) \
	{offsetof(struct options, field), letter, word, kind, def, least, most, argument, help},
#include "options.def"
#undef OPTION
};

static int set_number(const struct row *r, const char *text, double *out, struct err *e)
{
	char *end;
	errno = 0;
	double v = strtod(text, &end);
	bool whole = r->kind == REAL || (v >= 0 && v == (double)(uint64_t)v);
	if (end == text || *end || errno || !(v >= r->least && v <= r->most) || !whole)
		return err_set(e, "--%s '%s': give %s between %.15g and %.15g", r->word, text,
			       r->kind == REAL ? "a number" : "a whole number", r->least, r->most);
	*out = v;
	return 0;
}

static int set(struct options *o, const struct row *r, const char *text, struct err *e)
{
	void *to = (char *)o + r->at;
	struct options_many *many = to;
	double v = 0;

	switch (r->kind) {
	case TEXT:
		*(const char **)to = text;
		return 0;
	case FLAG:
		*(bool *)to = true;
		return 0;
	case MANY:
		if (many->n == OPTIONS_MANY)
			return err_set(e, "--%s is given more than %d times", r->word, OPTIONS_MANY);
		many->text[many->n++] = text;
		return 0;
	case COUNT:
		if (set_number(r, text, &v, e) < 0)
			return -1;
		*(uint64_t *)to = (uint64_t)v;
		return 0;
	case REAL:
		return set_number(r, text, to, e);
	}
	return 0;
}

/* -x, --word, --word=value */
static const struct row *find(const char *arg, const char **value)
{
	const char *eq = strchr(arg, '=');
	size_t n = eq && arg[1] == '-' ? (size_t)(eq - arg) - 2 : strlen(arg) - 2;

	*value = eq && arg[1] == '-' ? eq + 1 : NULL;
	for (size_t i = 0; i < RP_ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		bool by_letter = r->letter && arg[1] == r->letter && arg[2] == '\0';
		bool by_word = arg[1] == '-' && strlen(r->word) == n && memcmp(arg + 2, r->word, n) == 0;
		if (by_letter || by_word)
			return r;
	}
	return NULL;
}

static int check(const struct options *o, struct err *e)
{
	if (o->help || o->version)
		return 0;
	if (!*o->device)
		return err_set(e, "no device: say which with --device, as in --device memif:/run/redpoll.sock,client");
	if (o->address.n == 0 && strncmp(o->device, "af_xdp:", 7) != 0)
		return err_set(e, "no address of our own: give one with --address, as in --address 10.0.0.2/24");
	if (!*o->host)
		return err_set(e, "no server: give its address with -h");
	if (o->csv + o->json + o->quiet > 1)
		return err_set(e, "-q, --csv and --json exclude each other");
	if (*o->user && !*o->password)
		return err_set(e, "--user needs a password: give it with -a");
	if (strcmp(o->hugepages, "auto") != 0 && strcmp(o->hugepages, "yes") != 0 && strcmp(o->hugepages, "no") != 0)
		return err_set(e, "--hugepages '%s': give auto, yes or no", o->hugepages);
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, struct err *e)
{
	int i;

	memset(o, 0, sizeof *o);
	for (size_t k = 0; k < RP_ARRAY_LEN(rows); k++)
		if (rows[k].kind != FLAG && rows[k].kind != MANY && set(o, &rows[k], rows[k].def, e) < 0)
			return -1;
	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		const char *value;
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		const struct row *r = find(argv[i], &value);
		if (r == NULL)
			return err_set(e, "unknown option %s: see --help", argv[i]);
		if (r->kind == FLAG && value)
			return err_set(e, "--%s takes no value", r->word);
		if (r->kind != FLAG && !value && ++i == argc)
			return err_set(e, "option %s needs %s", argv[i - 1], r->argument);
		if (set(o, r, value ? value : argv[i], e) < 0)
			return -1;
	}
	o->command = (const char *const *)argv + i;
	o->ncommand = (uint32_t)(argc - i);
	return check(o, e);
}

void options_usage(FILE *f)
{
	fputs("usage: redpoll-bench --device DEVICE --address A/LEN -h ADDR [options] [command with arguments]\n\n"
	      "Measures a Redis server over DPDK and a TCP stack in this process; no kernel is on the way.\n"
	      "In a command of your own __rand_int__ stands for a key's digits and __data__ for a value.\n\n",
	      f);
	for (size_t i = 0; i < RP_ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		char left[64];
		snprintf(left, sizeof left, "%s%c%s--%s %s", r->letter ? "-" : " ", r->letter ? r->letter : ' ',
			 r->letter ? ", " : "  ", r->word, r->argument);
		fprintf(f, "  %-30s %s", left, r->help);
		if (r->kind != FLAG && r->def[0] && strcmp(r->def, "0") != 0)
			fprintf(f, " (%s)", r->def);
		fputc('\n', f);
	}
	fputs("\ntests: ping (both of the next), ping_inline", f);
#define TEST(word, title, expected, command) fputs(", " word, f);
#include "tests.def"
#undef TEST
	fputs(", eval, lrange (all that begin so; LPUSHes come first)\n", f);
}
