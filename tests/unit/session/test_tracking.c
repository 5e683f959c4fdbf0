/* Client-side caching over several workers: what is told, to whom, and never before the reply that it is about. */
#include "rig.h"

#include <stdio.h>

#include "session/session_priv.h"
#include "session/tracking.h"
#include "store/watch.h"

#define INVALID(k) ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\n" k "\r\n"
#define ALL_GONE   ">2\r\n$10\r\ninvalidate\r\n_\r\n"

static struct rig_conn *resp3(struct rig *r, uint32_t home)
{
	struct rig_conn *c = rig_open(r, home);
	rig_ask(c, "HELLO 3");
	rig_settle(r);
	c->out_len = 0;
	return c;
}

/* What CLIENT TRACKING does on its way through the threads. */
static void track(struct rig_conn *c, struct tracking_wish w)
{
	struct rig *r = c->rig;
	w.on = true;
	w.client_id = c->session->cl.id;
	struct session_host *h = r->host[client_home(r->host[0], w.client_id)];
	assert_ptr_equal(h, c->session->host);
	tracking_check(h, &w);
	assert_string_equal(w.error, "");
	for (uint32_t i = 0; (w.flags & TRACK_BCAST) && i < r->n; i++)
		for (uint32_t k = 0; k < w.nprefixes; k++)
			assert_true(pubsub_prefix_change(r->host[i], h->self, w.prefix[k], 1));
	tracking_set(h, &w);
	assert_string_equal(w.error, "");
}

static void tell(struct rig_conn *c, const char *line)
{
	rig_ask(c, "%s", line);
	rig_settle(c->rig);
	c->out_len = 0;
}

static void test_tracking__a_read_key_is_told_once_when_it_changes(void **state)
{
	for (uint32_t workers = 1; workers <= 8; workers *= 2) {
		struct rig *r = rig_create(workers, workers);
		struct rig_conn *c = resp3(r, workers / 2), *w = rig_open(r, workers);
		track(c, (struct tracking_wish){0});
		tell(w, "MSET a 1 b 2");
		tell(c, "MGET a b");
		tell(w, "SET x 1");
		rig_expect(c, "");
		tell(w, "SET a 2");
		rig_expect(c, INVALID("a"));
		tell(w, "SET a 3");
		rig_expect(c, "");
		tell(w, "DEL b");
		rig_expect(c, INVALID("b"));
		rig_destroy(r);
	}
}

static void test_tracking__expiry_and_flush_are_told(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *c = resp3(r, 0), *w = rig_open(r, 1);
	track(c, (struct tracking_wish){0});
	tell(w, "SET a 1 PX 10");
	tell(c, "GET a");
	rig_advance_us(r, 50000);
	rig_settle(r);
	for (uint32_t i = 0; i < r->n; i++)
		while (store_poll(r->stores[i], 1000) != 0)
			;
	rig_settle(r);
	rig_expect(c, INVALID("a"));
	tell(w, "SET b 1");
	tell(c, "GET b");
	tell(w, "FLUSHALL");
	rig_expect(c, ALL_GONE);
	tell(w, "SET b 1");
	rig_expect(c, "");
	rig_destroy(r);
}

/* The note of a flush is still on its way when somebody who knows of it begins to track. */
static void test_tracking__a_flush_is_not_told_to_who_began_after_it(void **state)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct rig *r = rig_create(4, seed);
		struct rig_conn *w = rig_open(r, 1), *c = resp3(r, 2), *before = resp3(r, 3);
		track(before, (struct tracking_wish){0});
		rig_ask(w, "FLUSHALL");
		while (w->out_len == 0)
			rig_step(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		track(c, (struct tracking_wish){0});
		rig_settle(r);
		rig_expect(c, "");
		rig_expect(before, ALL_GONE);
		rig_destroy(r);
	}
}

static void test_tracking__noloop_spares_the_writer(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *c = resp3(r, 0), *w = resp3(r, 1);
	track(c, (struct tracking_wish){.flags = TRACK_NOLOOP});
	track(w, (struct tracking_wish){0});
	for (int i = 0; i < 2; i++) {
		tell(c, "GET a");
		tell(w, "GET a");
		rig_ask(i == 0 ? c : w, "SET a 1");
		rig_settle(r);
		rig_expect(c, i == 0 ? "+OK\r\n" : INVALID("a"));
		w->out[w->out_len] = '\0';
		assert_non_null(strstr(w->out, INVALID("a")));
		w->out_len = 0;
	}
	rig_destroy(r);
}

static void test_tracking__optin_and_optout_heed_client_caching(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *in = resp3(r, 0), *out = resp3(r, 1), *w = rig_open(r, 1);
	track(in, (struct tracking_wish){.flags = TRACK_OPTIN});
	track(out, (struct tracking_wish){.flags = TRACK_OPTOUT});
	tell(in, "GET a");
	tell(in, "CLIENT CACHING YES");
	tell(in, "GET b");
	tell(out, "GET a");
	tell(out, "CLIENT CACHING NO");
	tell(out, "GET b");
	tell(w, "MSET a 1 b 1");
	rig_expect(in, INVALID("b"));
	rig_expect(out, INVALID("a"));
	rig_destroy(r);
}

static void test_tracking__bcast_tells_of_every_key_with_a_prefix(void **state)
{
	for (uint32_t workers = 1; workers <= 4; workers *= 2) {
		struct rig *r = rig_create(workers, 1);
		struct rig_conn *c = resp3(r, 0), *w = rig_open(r, workers);
		struct slice prefix[2] = {SLICE("a"), SLICE("b")};
		track(c, (struct tracking_wish){.flags = TRACK_BCAST, .prefix = prefix, .nprefixes = 2});
		tell(w, "SET a 1");
		rig_expect(c, INVALID("a"));
		tell(w, "SET c 1");
		rig_expect(c, "");
		tell(w, "DEL a");
		rig_expect(c, INVALID("a"));
		tracking_off(listener_of(c->session));
		tell(w, "SET b 1");
		rig_expect(c, "");
		for (uint32_t i = 0; i < workers; i++)
			assert_int_equal(pubsub_owner_names(r->host[i]->channels, PUBSUB_PREFIX), 0);
		rig_destroy(r);
	}
}

static void test_tracking__redirect_reaches_another_home_and_tells_when_it_is_broken(void **state)
{
	struct rig *r = rig_create(4, 1);
	struct rig_conn *c = resp3(r, 0), *to = rig_open(r, 3), *w = rig_open(r, 1);
	struct tracking_wish wish = {.redirect = to->session->cl.id};
	tell(to, "SUBSCRIBE __redis__:invalidate");
	assert_non_null(session_by_id(r->host[3], wish.redirect));
	track(c, wish);
	tell(c, "GET a");
	tell(w, "SET a 1");
	rig_expect(to, "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\na\r\n");
	rig_expect(c, "");
	tell(w, "FLUSHALL");
	rig_expect(to, "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n");
	rig_drop(to);
	rig_settle(r);
	tell(c, "GET a");
	tell(w, "SET a 1");
	c->out[c->out_len] = '\0';
	assert_non_null(strstr(c->out, ">2\r\n$21\r\ntracking-redir-broken\r\n:"));
	c->out_len = 0;
	rig_destroy(r);
}

/* Whoever got the old value is told afterwards that it is old. */
static void test_tracking__invalidation_never_overtakes_the_reply(void **state)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct rig *r = rig_create(4, seed);
		struct rig_conn *c = resp3(r, (uint32_t)(seed % 5)), *w = rig_open(r, (uint32_t)(seed / 5 % 5));
		track(c, (struct tracking_wish){0});
		tell(w, "MSET a 0 b 0 c 0");
		rig_ask(c, "GET b");
		rig_ask(c, "GET a");
		rig_ask(c, "GET c");
		for (uint64_t i = rng_below(&r->rng, 12); i > 0; i--)
			rig_step(r, (uint32_t)rng_below(&r->rng, 5));
		rig_ask(w, "SET a 1");
		rig_settle(r);
		c->out[c->out_len] = '\0';
		const char *push = strstr(c->out, INVALID("a"));
		const char *old = strstr(c->out, "$1\r\n0\r\n$1\r\n0\r\n$1\r\n0\r\n");
		if (push != NULL)
			assert_true(old == c->out && push > old);
		else
			assert_non_null(strstr(c->out, "$1\r\n0\r\n$1\r\n1\r\n$1\r\n0\r\n"));
		c->out_len = w->out_len = 0;
		rig_destroy(r);
	}
}

static void test_tracking__what_a_waiting_reader_is_given_is_tracked(void **state)
{
	for (uint32_t workers = 1; workers <= 4; workers *= 2) {
		struct rig *r = rig_create(workers, workers);
		struct rig_conn *c = resp3(r, workers / 2), *w = rig_open(r, workers);
		track(c, (struct tracking_wish){0});
		tell(c, "XREAD BLOCK 0 STREAMS a b $ $");
		tell(w, "XADD a 1-1 f v");
		c->out[c->out_len] = '\0'; /* the entry, and that what it had read before is no more */
		assert_non_null(strstr(c->out, "$3\r\n1-1\r\n"));
		assert_non_null(strstr(c->out, INVALID("a")));
		c->out_len = 0;
		tell(w, "XADD a 2-1 f v");
		rig_expect(c, INVALID("a"));
		tell(w, "XADD b 1-1 f v");
		rig_expect(c, INVALID("b"));
		rig_destroy(r);
	}
}

static void test_tracking__table_is_bounded(void **state)
{
	struct rig *r = rig_create(1, 1);
	r->conf.tracking_max_keys = 10;
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	struct rig_conn *c = resp3(r, 0);
	track(c, (struct tracking_wish){0});
	for (int i = 0; i < 50; i++) {
		rig_ask(c, "GET key%d", i);
		rig_settle(r);
	}
	assert_true(watch_tracked_keys(r->stores[0]) <= 10);
	c->out[c->out_len] = '\0';
	int told = 0;
	for (char *p = c->out; (p = strstr(p, "invalidate")) != NULL; p++)
		told++;
	assert_true(told >= 40);
	c->out_len = 0;
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tracking__a_read_key_is_told_once_when_it_changes),
		cmocka_unit_test(test_tracking__expiry_and_flush_are_told),
		cmocka_unit_test(test_tracking__a_flush_is_not_told_to_who_began_after_it),
		cmocka_unit_test(test_tracking__noloop_spares_the_writer),
		cmocka_unit_test(test_tracking__optin_and_optout_heed_client_caching),
		cmocka_unit_test(test_tracking__bcast_tells_of_every_key_with_a_prefix),
		cmocka_unit_test(test_tracking__redirect_reaches_another_home_and_tells_when_it_is_broken),
		cmocka_unit_test(test_tracking__invalidation_never_overtakes_the_reply),
		cmocka_unit_test(test_tracking__what_a_waiting_reader_is_given_is_tracked),
		cmocka_unit_test(test_tracking__table_is_bounded),
	};
	rig_eal("test_tracking");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
