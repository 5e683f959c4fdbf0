/* Every handler that needs no server around it, with arguments of all kinds: right and wrong words, numbers at their
 * ends, keys of every type. Checked beside memory errors: each request has exactly one well-formed reply, leaves
 * nothing behind but what its keys hold, and in the end the keys hold nothing either.
 *
 * An input is three bytes (limits of compact forms, seed, protocol) and lines of words between blanks. A byte from 0x80
 * on stands for a word of the table below; at the beginning of a line it and the next one choose a command.
 */
#include <stdlib.h>
#include <string.h>

#include "store/events.h"
#include "cmd_world.h"

#define HEAD      3
#define LINES_MAX 60
#define WORDS_MAX 24
#define WORD_MAX  70000

static struct fz_cmds world;

static const char *const words[128] = {
	/* keys, by the types that begin() gives them */
	"s",
	"n",
	"l",
	"L",
	"h",
	"H",
	"t",
	"T",
	"i",
	"z",
	"Z",
	"x",
	"p",
	"g",
	"nokey",
	"dst",
	"{a}1",
	"{a}2",
	/* numbers */
	"0",
	"1",
	"-1",
	"2",
	"3",
	"5",
	"10",
	"-10",
	"100",
	"4294967295",
	"4294967296",
	"9223372036854775807",
	"-9223372036854775808",
	"9223372036854775808",
	"1.5",
	"-0",
	"inf",
	"-inf",
	"nan",
	"1e308",
	"0x10",
	"(1",
	"[a",
	"(b",
	"+",
	"-",
	"*",
	"$",
	">",
	"1-1",
	"5-0",
	"0-0",
	"18446744073709551615-18446744073709551615",
	"99999999999999",
	"1700000001",
	"1700000000500",
	/* members and values */
	"a",
	"b",
	"c",
	"f1",
	"m5",
	"",
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	"a*",
	"?",
	"[a-",
	"c1",
	"13.361389",
	"38.115556",
	"u8",
	"i64",
	"#1",
	/* options */
	"WITHSCORES",
	"WITHVALUES",
	"LIMIT",
	"BYSCORE",
	"BYLEX",
	"REV",
	"NX",
	"XX",
	"GT",
	"LT",
	"CH",
	"INCR",
	"EX",
	"PX",
	"KEEPTTL",
	"GET",
	"COUNT",
	"MATCH",
	"TYPE",
	"FIELDS",
	"BEFORE",
	"LEFT",
	"RIGHT",
	"WEIGHTS",
	"AGGREGATE",
	"MAX",
	"STORE",
	"BY",
	"ASC",
	"DESC",
	"ALPHA",
	"MAXLEN",
	"~",
	"STREAMS",
	"GROUP",
	"NOACK",
	"MKSTREAM",
	"FORCE",
	"JUSTID",
	"IDLE",
	"FULL",
	"REPLACE",
	"FROMMEMBER",
	"BYRADIUS",
	"BYBOX",
	"km",
	"OVERFLOW",
	"WITHDIST",
	"BLOCK",
	"RANK",
	"ABSTTL",
	"MINID",
	"BIT",
	"AND",
	"hash*->f1",
};

static struct slice word_of(uint8_t b)
{
	const char *w = words[b & 0x7f];

	return w != NULL ? (struct slice){w, strlen(w)} : SLICE("x");
}

/* ---- an input's words ---- */

/* What stands for itself and for the table's words, put together in a block of its own. */
static struct slice expand(const uint8_t *p, size_t len)
{
	char *out = malloc(WORD_MAX);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		struct slice w = p[i] & 0x80 ? word_of(p[i]) : (struct slice){(const char *)&p[i], 1};
		if (n + w.len > WORD_MAX)
			break;
		memcpy(out + n, w.ptr, w.len);
		n += w.len;
	}
	out = realloc(out, n ? n : 1);
	return (struct slice){out, n};
}

/* The name of a command, and of its subcommand if it is one. */
static uint32_t put_command(struct slice *argv, uint32_t id)
{
	const char *name = cmd_at(id % cmd_count)->name, *bar = strchr(name, '|');
	size_t first = bar != NULL ? (size_t)(bar - name) : strlen(name);

	argv[0] = expand((const uint8_t *)name, first);
	if (bar == NULL)
		return 1;
	argv[1] = expand((const uint8_t *)bar + 1, strlen(bar + 1));
	return 2;
}

static uint32_t split(const uint8_t *line, size_t len, struct slice *argv)
{
	uint32_t argc = 0;
	const uint8_t *end = line + len;

	if (len >= 2 && line[0] & 0x80) {
		argc = put_command(argv, (line[0] & 0x7fu) << 8 | line[1]);
		line += 2 + (len > 2 && line[2] == ' ');
	}
	while (line < end && argc < WORDS_MAX) {
		const uint8_t *blank = memchr(line, ' ', (size_t)(end - line));
		size_t n = (size_t)((blank != NULL ? blank : end) - line);
		argv[argc++] = expand(line, n);
		line += n + 1;
	}
	return argc;
}

/* ---- replies ---- */

/* Takes one value with all that is in it off *p. */
static void take_value(const char **p, const char *end)
{
	uint64_t todo = 1;

	while (todo-- > 0) {
		const char *line = *p, *eol = memchr(line, '\r', (size_t)(end - line));
		rp_assert(eol != NULL && eol + 1 < end && eol[1] == '\n');
		long long n = strtoll(line + 1, NULL, 10);
		*p = eol + 2;
		switch (*line) {
		case '$':
		case '=':
		case '!':
			if (n < 0)
				break;
			rp_assert(end - *p >= n + 2 && memcmp(*p + n, "\r\n", 2) == 0);
			*p += n + 2;
			break;
		case '*':
		case '~':
		case '>':
			todo += n > 0 ? (uint64_t)n : 0;
			break;
		case '%':
			todo += 2 * (uint64_t)n;
			break;
		default:
			rp_assert(strchr("+-:_,#(", *line) != NULL);
		}
	}
}

static void check_reply(const struct fz_answer *a)
{
	const char *p = a->p;

	if (a->failed)
		return;
	if (a->waiting) {
		rp_assert(a->len == 0);
		return;
	}
	rp_assert(a->len > 0);
	take_value(&p, a->p + a->len);
	rp_assert(p == a->p + a->len);
}

/* ---- requests ---- */

/* The others need a server: its control thread, its scripts, its channels, more than one client. */
static bool runs_here(uint32_t argc, const struct slice *argv)
{
	const struct cmd *cmd = cmd_lookup(argc, argv);

	if (cmd == NULL)
		return true; /* refused */
	if (cmd->flags & (CMD_F_PUBSUB | CMD_F_NO_AUTH) || cmd->fn == NULL)
		return false;
	return cmd->route == CMD_KEYS || cmd->route == CMD_ALL || cmd->route == CMD_CURSOR ||
	       (cmd->route == CMD_HOME && !(cmd->flags & CMD_F_NOSCRIPT));
}

static void request(uint32_t argc, const struct slice *argv)
{
	if (argc == 0 || argv[0].len == 0 || !runs_here(argc, argv))
		return;
	struct fz_answer a = fz_cmds_run(&world, argc, argv);
	check_reply(&a);
	free(a.p);
	fz_cmds_expect_clean(&world);
	if (world.client.db >= world.conf.databases)
		abort();
}

static void line(const uint8_t *p, size_t len)
{
	struct slice argv[WORDS_MAX + 2];
	uint32_t argc = split(p, len, argv);

	request(argc, argv);
	for (uint32_t i = 0; i < argc; i++)
		free((void *)argv[i].ptr);
}

/* Keys of all types, small and large. */
static void fill(void)
{
	static const char *const lines[] = {
		"SET s hello",
		"SET n 42",
		"RPUSH l a b c",
		"RPUSH L a b c 1 2 3 \xba \xba m5 m5",
		"HSET h f1 1 a b",
		"HSET H f1 1 a b c 2 m5 \xba b 5 m5 x",
		"SADD t a b",
		"SADD T a b c m5 \xba 1 2 3 4 5",
		"SADD i 1 2 3",
		"ZADD z 1 a 2 b",
		"ZADD Z 1 a 2 b 3 c 5 m5 inf \xba -inf f1",
		"XADD x 1-1 f1 a",
		"XADD x 5-0 f1 b c c",
		"XGROUP CREATE x c1 0",
		"XREADGROUP GROUP c1 a COUNT 1 STREAMS x >",
		"PFADD p a b c",
		"GEOADD g 13.361389 38.115556 a 15.087269 37.502669 b",
	};

	for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++)
		line((const uint8_t *)lines[i], strlen(lines[i]));
}

static uint64_t blocks_now(void)
{
	struct heap_stats st;

	heap_stats_get(world.heap, &st);
	return st.blocks;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fz_cmds_open(&world, "cmd");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t blocks = blocks_now();

	if (size <= HEAD)
		return 0;
	fz_cmds_begin(&world, data[0], data[1], data[2] & 1 ? 3 : 2);
	fill();
	const uint8_t *p = data + HEAD, *end = data + size;
	for (uint32_t i = 0; p < end && i < LINES_MAX; i++) {
		const uint8_t *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl != NULL ? nl : end) - p);
		line(p, n);
		fz_cmds_advance(&world, data[1] * 1000u);
		p += n + 1;
	}
	store_flush(world.store, UINT32_MAX);
	while (events_first(world.store) != NULL) /* its word for those who track */
		events_pop(world.store);
	while (store_poll(world.store, 1000) > 0)
		;
	rp_assert(blocks_now() == blocks);
	return 0;
}
