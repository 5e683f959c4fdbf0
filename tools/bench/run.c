#include "run.h"

#include <stdlib.h>
#include <unistd.h>

#include "report.h"

#define MAX_TESTS     64
#define MAX_WORDS     64
#define LOAD_PIPELINE 32        /* at least, of --load */
#define LOAD_BYTES    (1 << 18) /* unless that were more than this */

struct bench {
	const struct options *o;
	struct loop loop;
	struct phase phase[MAX_TESTS];
	struct gen gen[MAX_TESTS];
	struct keys keys[MAX_TESTS];
	char title[256]; /* of a command of the user's own */
	uint32_t n;
	uint32_t pipeline, request_len; /* largest */
	bool trouble;
	bool list_filled; /* or will be: some test before the next fills it for LRANGE */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = 1;
	signal(sig, SIG_DFL); /* a second one ends us at once */
}

/* ---- which tests ---- */

static struct phase *add_phase(struct bench *b, const char *title, const char *expected, struct err *e)
{
	const struct options *o = b->o;
	uint32_t i = b->n;

	if (i == MAX_TESTS) {
		err_set(e, "-t names more than %d tests", MAX_TESTS);
		return NULL;
	}
	struct phase *p = &b->phase[i];
	*p = (struct phase){.title = title,
			    .gen = &b->gen[i],
			    .keys = &b->keys[i],
			    .verify = o->verify,
			    .limit = o->seconds > 0 ? UINT64_MAX : o->requests,
			    .seconds = o->seconds,
			    .rate = o->rate,
			    .pipeline = (uint32_t)o->pipeline,
			    .hist = malloc(sizeof *p->hist)};
	keys_init(&b->keys[i], o->keyspace, o->zipf, o->seed + i);
	if (p->hist == NULL) {
		err_set(e, "out of memory for the results");
		return NULL;
	}
	hist_init(p->hist);
	b->n++;
	if (!expect_init(&p->expected, expected)) {
		err_set(e, "%s: more than %d words in '%s'", title, EXPECT_WORDS, expected);
		return NULL;
	}
	return p;
}

static int add_words(struct bench *b, const char *title, const char *expected, const char *const *words, uint32_t n,
		     struct err *e)
{
	return add_phase(b, title, expected, e) == NULL
		       ? -1
		       : gen_init(&b->gen[b->n - 1], words, n, (uint32_t)b->o->value_len, e);
}

static int add_command(struct bench *b, const char *title, const char *expected, const char *command, struct err *e)
{
	const char *words[MAX_WORDS];
	uint32_t n = 0;
	char *copy = strdup(command), *save = NULL;

	for (char *w = strtok_r(copy, " ", &save); w && n < MAX_WORDS; w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	int ret = add_words(b, title, expected, words, n, e);
	free(copy);
	return ret;
}

static int add_eval(struct bench *b, struct err *e)
{
	const char *words[] = {"EVAL", b->o->script, "1", "key:__rand_int__", "__data__"};
	return add_words(b, "EVAL", "", words, RP_ARRAY_LEN(words), e);
}

static int add_inline(struct bench *b, struct err *e)
{
	return add_phase(b, "PING_INLINE", "+", e) == NULL ? -1 : gen_init_raw(&b->gen[b->n - 1], "PING\r\n", e);
}

static int add_test(struct bench *b, const char *word, struct err *e);

/* As redis-benchmark does it: the list has as many elements as there are requests. */
static int add_list(struct bench *b, struct err *e)
{
	if (b->list_filled)
		return 0;
	b->list_filled = true;
	if (add_command(b, "LPUSH (needed to benchmark LRANGE)", ":", "LPUSH mylist __data__", e) < 0)
		return -1;
	struct phase *p = &b->phase[b->n - 1];
	p->limit = b->o->requests;
	p->seconds = p->rate = 0;
	return 0;
}

static int add_all_lrange(struct bench *b, struct err *e)
{
	static const char *const words[] = {"lrange_100", "lrange_300", "lrange_500", "lrange_600"};
	int ret = 0;

	for (size_t i = 0; i < RP_ARRAY_LEN(words) && ret == 0; i++)
		ret = add_test(b, words[i], e);
	return ret;
}

static int add_test(struct bench *b, const char *word, struct err *e)
{
	static const struct {
		const char *word, *title, *expected, *command;
	} tests[] = {
#define TEST(word, title, expected, command) {word, title, expected, command},
#include "tests.def"
#undef TEST
	};

	if (strcmp(word, "ping") == 0)
		return add_inline(b, e) < 0 ? -1 : add_test(b, "ping_mbulk", e);
	if (strcmp(word, "ping_inline") == 0)
		return add_inline(b, e);
	if (strcmp(word, "eval") == 0)
		return add_eval(b, e);
	if (strcmp(word, "lrange") == 0)
		return add_all_lrange(b, e);
	if (strncmp(word, "lrange_", 7) == 0 && add_list(b, e) < 0)
		return -1;
	for (size_t i = 0; i < RP_ARRAY_LEN(tests); i++) {
		if (strcmp(word, tests[i].word) != 0)
			continue;
		bool known = b->o->load && strcmp(word, "get") == 0;
		return add_command(b, tests[i].title, known ? "v" : tests[i].expected, tests[i].command, e);
	}
	return err_set(e, "unknown test '%s': --help lists them", word);
}

static int add_load(struct bench *b, struct err *e)
{
	if (add_command(b, "LOAD", "+", "SET key:__rand_int__ __data__", e) < 0)
		return -1;
	struct phase *p = &b->phase[b->n - 1];
	p->keys->order = KEYS_SEQUENCE;
	p->limit = b->o->keyspace;
	p->seconds = p->rate = 0;
	uint32_t few = (uint32_t)(LOAD_BYTES / b->o->value_len);
	p->pipeline = RP_MAX(p->pipeline, RP_MIN(RP_MAX(few, 1u), (uint32_t)LOAD_PIPELINE));
	return 0;
}

static int add_own(struct bench *b, struct err *e)
{
	size_t n = 0;
	for (uint32_t i = 0; i < b->o->ncommand && n < sizeof b->title; i++)
		n += (size_t)snprintf(b->title + n, sizeof b->title - n, "%s%s", i ? " " : "", b->o->command[i]);
	if (add_words(b, b->title, "", b->o->command, b->o->ncommand, e) < 0)
		return -1;
	expect_own(&b->phase[b->n - 1].expected, b->o->command, b->o->ncommand, b->o->load);
	return 0;
}

static int add_all(struct bench *b, struct err *e)
{
	char *save = NULL, *list = strdup(b->o->tests);
	int ret = b->o->load ? add_load(b, e) : 0;

	if (ret == 0 && b->o->ncommand)
		ret = add_own(b, e);
	else
		for (char *w = strtok_r(list, ",", &save); w && ret == 0; w = strtok_r(NULL, ",", &save))
			ret = add_test(b, w, e);
	free(list);
	for (uint32_t i = 0; i < b->n; i++) {
		b->pipeline = RP_MAX(b->pipeline, b->phase[i].pipeline);
		b->request_len = RP_MAX(b->request_len, b->gen[i].len);
	}
	return ret == 0 && b->n == 0 ? err_set(e, "no test: name some with -t") : ret;
}

/* ---- one after another ---- */

static void progress(void *ctx, const struct loop *l)
{
	report_progress(l, false);
}

static bool is_trouble(const struct phase *p)
{
	return p->verify && (p->wrong || p->errors || p->lost);
}

static int run_all(struct bench *b, uint32_t *ran, struct err *e)
{
	struct loop *l = &b->loop;
	bool talk = !b->o->csv && !b->o->json && isatty(STDERR_FILENO);

	l->interrupted = &interrupted;
	l->progress = talk ? progress : NULL;
	if (loop_init(l, b->o, b->pipeline, b->request_len, e) < 0 || loop_connect(l, e) < 0)
		return -1;
	report_begin(b->o);
	int ret = 0;
	for (*ran = 0; *ran < b->n && ret == 0 && !interrupted;) {
		struct phase *p = &b->phase[*ran];
		ret = loop_run(l, p, e);
		if (talk)
			report_progress(l, true);
		report_test(b->o, l, p, *ran == 0);
		b->trouble |= is_trouble(p);
		++*ran;
		if (ret == 0 && !interrupted)
			ret = loop_connect(l, e);
	}
	report_end(b->o);
	return ret;
}

static int bench_steps(struct bench *b, struct err *e)
{
	uint32_t ran = 0;

	if (*b->o->plot && plot_check(b->o->plot, e) < 0)
		return -1;
	if (add_all(b, e) < 0)
		return -1;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
	int ret = run_all(b, &ran, e);
	loop_fini(&b->loop);
	if (ret == 0 && *b->o->plot && ran > 0)
		ret = plot_write(b->o->plot, b->phase, ran, e);
	return ret;
}

int bench_run(const struct options *o)
{
	struct err e = {""};
	struct bench *b = calloc(1, sizeof *b);

	if (b == NULL) {
		fprintf(stderr, "redpoll-bench: out of memory\n");
		return EXIT_FAILURE;
	}
	b->o = o;
	int ret = bench_steps(b, &e);
	if (ret < 0)
		fprintf(stderr, "redpoll-bench: %s\n", e.text);
	bool failed = ret < 0 || b->trouble;
	for (uint32_t i = 0; i < b->n; i++) {
		free(b->phase[i].hist);
		gen_fini(&b->gen[i]);
	}
	free(b);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
