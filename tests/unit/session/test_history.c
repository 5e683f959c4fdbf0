/* Histories of many clients, with 1, 2, 4 and 8 workers (history.h), and their checker (history_check.c).
 *
 * 200 seeds for each number of workers, or as many as the environment says:
 *
 *   HISTORY_SEEDS=2000 build/tests/unit/session/test_history
 *
 * HISTORY_FROM=n begins with another one than the first.
 */
#include "history.h"

#include <stdio.h>
#include <stdlib.h>

#include "ctrlplane/script/script_thread_priv.h"
#include "session/tx.h"

static struct history history;

static uint64_t setting(const char *name, uint64_t usual)
{
	const char *text = getenv(name);
	return text != NULL ? strtoull(text, NULL, 10) : usual;
}

static void check(uint32_t workers)
{
	struct history *h = &history;
	uint64_t from = setting("HISTORY_FROM", 1), seeds = setting("HISTORY_SEEDS", 200);
	uint64_t ran = 0, aborted = 0, anew = 0;
	for (uint64_t i = from; i < from + seeds; i++) {
		uint64_t seed = i * 16 + workers;
		history_play(h, workers, seed);
		const char *why = history_wrong(h);
		if (why != NULL)
			fail_msg("%u workers, seed %lu (HISTORY_FROM=%lu): %s", workers, seed, i, why);
		ran += h->ran;
		aborted += h->aborted;
		anew += h->begun_anew;
	}
	print_message(
		"%lu histories: of the transactions that watched %lu ran and %lu did not; %lu scripts begun anew\n",
		seeds, ran, aborted, anew);
	if (seeds >= 20)
		assert_true(ran > 0 && aborted > 0 && (anew > 0 || workers == 1));
}

static void test_history__one_worker(void **state)
{
	check(1);
}

static void test_history__two_workers(void **state)
{
	check(2);
}

static void test_history__four_workers(void **state)
{
	check(4);
}

static void test_history__eight_workers(void **state)
{
	check(8);
}

/* ---- the checker itself ---- */

static void refuses(const char *what)
{
	if (history_wrong(&history) == NULL)
		fail_msg("not found: %s", what);
}

static bool writes(const struct op *o)
{
	for (uint32_t i = 0; i < o->n; i++)
		if (o->touch[i].write && key_kind(o->touch[i].key) != KEY_PAIR)
			return true;
	return false;
}

/* EXEC answers null and has run: nobody else says that he wrote what is there. */
static void sees_what_was_not_to_run(struct history *h)
{
	for (uint32_t i = 0, tried = 0; i < h->n && tried < 5; i++)
		if (h->op[i].exec && !h->op[i].aborted && writes(&h->op[i])) {
			h->op[i].aborted = true;
			refuses("an EXEC that says it did not run");
			h->op[i].aborted = false;
			tried++;
		}
}

/* What was done twice, or not at all, is in the end one version more, or one less. */
static void sees_the_end(struct history *h)
{
	for (uint32_t key = 0; key < KEYS; key++) {
		h->value[key]++;
		if (key_kind(key) == KEY_LIST)
			h->list[key - COUNTERS - REGISTERS][h->value[key] - 1] =
				h->list[key - COUNTERS - REGISTERS][h->value[key] - 2];
		refuses("one version more");
		h->value[key] -= 2;
		refuses("one version less");
		h->value[key]++;
	}
}

/* A client's answers, exchanged: it saw a key fall back. */
static void sees_the_order_of_a_client(struct history *h)
{
	uint32_t tried = 0;
	for (uint32_t i = 0; i < h->n; i++)
		for (uint32_t k = i + 1; k < h->n && tried < 5; k++) {
			struct touch *a = &h->op[i].touch[0], *b = &h->op[k].touch[0];
			if (h->op[i].client != h->op[k].client || h->op[i].n != 1 || h->op[k].n != 1 || a->write ||
			    b->write || a->key != b->key || a->seen == b->seen || key_kind(a->key) == KEY_PAIR)
				continue;
			int64_t seen = a->seen;
			a->seen = b->seen;
			b->seen = seen;
			refuses("two answers exchanged");
			b->seen = a->seen;
			a->seen = seen;
			tried++;
		}
}

/* Somebody reads the value before the one that he read. Not every time that is impossible. */
static void sees_the_past(struct history *h, uint32_t *tried, uint32_t *found)
{
	for (uint32_t i = 0, some = 0; i < h->n && some < 10; i++)
		for (uint32_t k = 0; k < h->op[i].n; k++) {
			struct touch *t = &h->op[i].touch[k];
			if (h->op[i].n < 2 || t->write || t->seen < 2 || key_kind(t->key) != KEY_COUNTER)
				continue;
			t->seen -= 2;
			*found += history_wrong(h) != NULL;
			t->seen += 2;
			++*tried, some++;
		}
}

static void test_history__the_checker_sees_what_is_wrong(void **state)
{
	uint32_t found = 0, tried = 0;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		history_play(&history, 3, seed);
		assert_null(history_wrong(&history));
		sees_what_was_not_to_run(&history);
		sees_the_end(&history);
		sees_the_order_of_a_client(&history);
		sees_the_past(&history, &tried, &found);
		assert_null(history_wrong(&history));
	}
	assert_true(tried > 50 && found > tried / 2);
}

/* ---- a transaction's script and a queue that is full ---- */

#define WAITING 100 /* more scripts than the queue has room for */

struct world {
	struct rig *r;
	struct script_thread *script;
	struct heap *script_heap;
	struct rig_conn *conn[2];
};

/* The transaction of the first client has its shards, and its script is on its way; the lease of the other's scripts
 * stands behind the transaction's. */
static void crowd(struct world *w)
{
	memset(w, 0, sizeof *w);
	w->r = rig_create(2, 1);
	w->script = history_scripts_start(w->r, &w->script_heap);
	struct rig_conn *tx = w->conn[0] = rig_open(w->r, 0), *other = w->conn[1] = rig_open(w->r, 1);
	rig_send(tx, "MULTI\r\nSET a 1\r\nEVAL \"return redis.call('GET',KEYS[1])\" 1 a\r\nSET b 1\r\nEXEC\r\n");
	for (uint32_t i = 0; i < WAITING; i++)
		rig_send(other, "EVAL \"return 7\" 0\r\n");
	rig_step(w->r, 0);
	rig_step(w->r, 0);
	for (int i = 0; i < 8; i++) /* the shard has a turn of its own first */
		rig_step(w->r, 1);
	script_iterate(w->script);
	assert_true(w->script->lease.submitted);
	for (int i = 0; i < 8 && tx->session->cl.tx->away == NULL; i++)
		rig_step(w->r, 0);
	assert_non_null(tx->session->cl.tx->away);
	rig_expect(tx, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
}

static void everybody(struct world *w)
{
	for (uint32_t i = 0; i < 2000; i++)
		if (i % 4 < 3)
			rig_step(w->r, i % 4);
		else
			script_iterate(w->script);
}

static size_t count_of(const struct rig_conn *c, const char *reply)
{
	size_t n = 0;
	for (const char *p = c->out; (p = strstr(p, reply)) != NULL; p++)
		n++;
	return n;
}

static void test_scripts__one_inside_a_transaction_passes_a_full_queue(void **state)
{
	static struct world w;
	crowd(&w);
	everybody(&w);
	rig_expect(w.conn[0], "*3\r\n+OK\r\n$1\r\n1\r\n+OK\r\n");
	w.conn[1]->out[w.conn[1]->out_len] = '\0';
	assert_int_equal(count_of(w.conn[1], ":7\r\n"), WAITING);
	history_scripts_stop(w.script, w.script_heap);
	rig_destroy(w.r);
}

static void test_scripts__one_inside_a_transaction_is_not_told_that_others_are_busy(void **state)
{
	static struct world w;
	static struct script_code code;
	crowd(&w);
	w.script->current = &w.script->queue[0]; /* as if it ran, and had done so for long */
	w.script->run.code = &code;
	script_refuse_waiting(w.script);
	everybody(&w);
	rig_expect(w.conn[0], "*3\r\n+OK\r\n$1\r\n1\r\n+OK\r\n");
	w.conn[1]->out[w.conn[1]->out_len] = '\0';
	assert_int_equal(count_of(w.conn[1], ":7\r\n"), 1);
	assert_int_equal(count_of(w.conn[1], "-BUSY"), WAITING - 1);
	history_scripts_stop(w.script, w.script_heap);
	rig_destroy(w.r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_history__one_worker),
		cmocka_unit_test(test_history__two_workers),
		cmocka_unit_test(test_history__four_workers),
		cmocka_unit_test(test_history__eight_workers),
		cmocka_unit_test(test_history__the_checker_sees_what_is_wrong),
		cmocka_unit_test(test_scripts__one_inside_a_transaction_passes_a_full_queue),
		cmocka_unit_test(test_scripts__one_inside_a_transaction_is_not_told_that_others_are_busy),
	};
	rig_eal(argv[0]);
	script_bind();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
