#include "nomem.h"

#include <stdio.h>
#include <stdlib.h>

#include "mem/heap_priv.h"

#define TRIES 600 /* more allocations than any command makes */
#define DIGEST                                                                                                \
	"DEBUG DIGEST" /* whatever form values have, and order: both may take memory that can be done without \
			*/

void nomem_init(struct nomem *m, struct harness *h, const char *const *questions,
		void (*make)(struct harness *h, const void *value))
{
	*m = (struct nomem){.h = h, .make = make, .questions = questions};
	m->before = malloc(NOMEM_TEXT);
	m->after = malloc(NOMEM_TEXT);
	m->done = malloc(NOMEM_TEXT);
	m->reply = malloc(HARNESS_TEXT);
}

void nomem_fini(struct nomem *m, unsigned refusals, unsigned own_refusals)
{
	free(m->before);
	free(m->after);
	free(m->done);
	free(m->reply);
	if (m->refusals < refusals || m->own_refusals < own_refusals)
		fail_msg("refused only %u times for want of a shard's memory, %u of the thread's", m->refusals,
			 m->own_refusals);
}

static void look(const struct nomem *m, char *text)
{
	size_t n = 0;

	text[0] = '\0';
	for (const char *const *q = m->questions; *q != NULL; q++) {
		n += (size_t)snprintf(text + n, NOMEM_TEXT - n, "%s: %s\n", *q, run(m->h, *q));
		assert_true(n < NOMEM_TEXT);
	}
}

/* Dice fall alike each time. */
static void prepare(const struct nomem *m, const void *value)
{
	rng_init(&m->h->env.rng, 1);
	m->make(m->h, value);
	look(m, m->before);
	m->h->events[0] = m->h->effects[0] = '\0';
}

static void expect_same(const char *what, uint64_t n, const char *got, const char *want)
{
	if (strcmp(got, want) != 0)
		fail_msg("'%s' without allocation %lu: it is\n%.3000s\nand not\n%.3000s", what, (unsigned long)n, got,
			 want);
}

/* LCS has words of its own for it, as in Redis. */
static bool is_refusal(const char *reply)
{
	return strncmp(reply, "-OOM", 4) == 0 || strncmp(reply, "-ERR Insufficient memory", 24) == 0;
}

/* false: it did not want an n-th allocation. */
static bool once(struct nomem *m, struct heap *heap, uint64_t n, const void *value, uint32_t argc,
		 const struct slice *argv, const char *what)
{
	struct harness *h = m->h;

	prepare(m, value);
	heap_fail_after(heap, n);
	bool refused = is_refusal(run_args(h, argc, argv));
	bool wanted = heap->fail_in == 1;
	uint32_t dirty = h->dirty;
	heap_fail_after(heap, 0);
	if (!refused)
		expect_same(what, n, h->reply, m->reply);
	if (refused) {
		*(heap == h->own ? &m->own_refusals : &m->refusals) += 1;
		assert_int_equal(dirty, 0);
		expect_events(h, "");
		expect_effects(h, "");
	}
	if (refused) {
		look(m, m->after);
		expect_same(what, n, m->after, m->before);
	} else {
		expect_same(what, n, run(h, DIGEST), m->done);
	}
	return wanted;
}

/* With all the memory that it wants. */
static void at_best(struct nomem *m, const void *value, uint32_t argc, const struct slice *argv, const char *what)
{
	prepare(m, value);
	run_args(m->h, argc, argv);
	memcpy(m->reply, m->h->reply, m->h->reply_len + 1);
	if (is_refusal(m->reply))
		fail_msg("'%s' never succeeds", what);
	snprintf(m->done, NOMEM_TEXT, "%s", run(m->h, DIGEST));
}

void nomem_sweep_args(struct nomem *m, const void *value, uint32_t argc, const struct slice *argv, const char *what)
{
	at_best(m, value, argc, argv, what);
	for (uint32_t i = 0; i <= m->h->env.nstores; i++) {
		struct heap *heap = i < m->h->env.nstores ? m->h->heaps[i] : m->h->own;
		for (uint64_t n = 1; once(m, heap, n, value, argc, argv, what); n++)
			if (n == TRIES)
				fail_msg("'%s' never succeeds", what);
	}
}

void nomem_sweep(struct nomem *m, const void *value, const char *line)
{
	struct slice argv[64];
	uint32_t argc = 0;

	for (const char *p = line; *p != '\0'; argc++) {
		size_t len = strcspn(p, " ");
		assert_true(argc < RP_ARRAY_LEN(argv));
		argv[argc] = (struct slice){p, len};
		p += len + (p[len] == ' ');
	}
	nomem_sweep_args(m, value, argc, argv, line);
}
