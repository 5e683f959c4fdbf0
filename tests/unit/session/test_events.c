/* Keyspace events over several workers: all of them, in order per key, also of leases, expiry and served clients. */
#include "rig.h"

#include <stdio.h>

#include "session/session_priv.h"
#include "store/events.h"

#define ALL_EVENTS (EVENT_TO_KEYEVENT | 0x27fcu)

static struct rig *events_rig(uint32_t workers, uint64_t seed, uint32_t classes)
{
	struct rig *r = rig_create(workers, seed);
	r->conf.events = classes;
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	return r;
}

static struct rig_conn *listener(struct rig *r, uint32_t home, const char *pattern)
{
	struct rig_conn *c = rig_open(r, home);
	rig_ask(c, "PSUBSCRIBE %s", pattern);
	rig_settle(r);
	c->out_len = 0;
	return c;
}

/* "event:key " of each message that came: lines are *4, $, pmessage, $, pattern, $, channel, $, key. */
static void heard(struct rig_conn *c, char *text)
{
	char *line[9], *save = NULL, *p = c->out;
	c->out[c->out_len] = '\0';
	for (;; p = NULL) {
		for (int i = 0; i < 9; i++, p = NULL)
			if ((line[i] = strtok_r(p, "\r\n", &save)) == NULL)
				goto out;
		text += sprintf(text, "%s:%s ", strchr(line[6], ':') + 1, line[8]);
	}
out:
	*text = '\0';
	c->out_len = 0;
}

static void expect_events(struct rig_conn *c, const char *want)
{
	char text[4096];
	rig_settle(c->rig);
	heard(c, text);
	assert_string_equal(text, want);
}

static void test_events__one_channel_tells_a_lease_over_shards_in_order(void **state)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct rig *r = events_rig(4, seed, ALL_EVENTS);
		struct rig_conn *sub = listener(r, (uint32_t)(seed % 5), "__keyevent@0__:set");
		struct rig_conn *c = rig_open(r, (uint32_t)(seed / 5 % 5));
		rig_ask(c, "MSET a 1 b 2 c 3 d 4 a 5 e 6 f 7");
		expect_events(sub, "set:a set:b set:c set:d set:a set:e set:f ");
		c->out_len = 0;
		rig_destroy(r);
	}
}

static void test_events__what_a_command_did_is_heard_in_that_order_over_channels(void **state)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct rig *r = events_rig(4, seed, ALL_EVENTS);
		struct rig_conn *sub = listener(r, (uint32_t)(seed % 5), "__key*"),
				*c = rig_open(r, (uint32_t)(seed / 5 % 5));
		char key[16], want[128];
		snprintf(key, sizeof key, "k%lu", seed);
		rig_ask(c, "SET %s v EX 100", key);
		snprintf(want, sizeof want, "set:%s expire:%s ", key, key);
		expect_events(sub, want);
		rig_ask(c, "DEL %s", key);
		rig_ask(c, "SADD %s a", key);
		rig_ask(c, "SPOP %s", key);
		snprintf(want, sizeof want, "del:%s sadd:%s spop:%s del:%s ", key, key, key, key);
		expect_events(sub, want);
		c->out_len = 0;
		rig_destroy(r);
	}
}

static void test_events__off_costs_no_note(void **state)
{
	struct rig *r = events_rig(1, 1, EVENT_GENERIC | EVENT_STRING); /* neither K nor E */
	struct rig_conn *sub = listener(r, 0, "*"), *c = rig_open(r, 0);
	rig_ask(c, "SET a 1");
	rig_step(r, 0);
	assert_int_equal(store_notes_pending(r->stores[0]), 0);
	expect_events(sub, "");
	c->out_len = 0;
	rig_destroy(r);
}

static void test_events__expiry_is_told_though_nobody_asks(void **state)
{
	struct rig *r = events_rig(2, 1, ALL_EVENTS);
	struct rig_conn *sub = listener(r, 1, "__keyevent@0__:expired"), *c = rig_open(r, 0);
	rig_ask(c, "SET a 1 PX 10");
	rig_ask(c, "SET b 1 PX 10");
	rig_settle(r);
	rig_advance_us(r, 50000);
	rig_settle(r);
	for (uint32_t i = 0; i < 2; i++)
		while (store_poll(r->stores[i], 1000) != 0)
			;
	rig_settle(r);
	char text[256];
	heard(sub, text);
	assert_true(strcmp(text, "expired:a expired:b ") == 0 || strcmp(text, "expired:b expired:a ") == 0);
	c->out_len = 0;
	rig_destroy(r);
}

static void test_events__what_a_blocked_client_takes_comes_after_what_was_put(void **state)
{
	struct rig *r = events_rig(1, 1, ALL_EVENTS);
	struct rig_conn *sub = listener(r, 1, "__keyevent@0__:*"), *waits = rig_open(r, 0), *c = rig_open(r, 0);
	rig_ask(waits, "BLPOP l 0");
	rig_settle(r);
	rig_ask(c, "RPUSH l x");
	expect_events(sub, "rpush:l lpop:l del:l ");
	c->out_len = waits->out_len = 0;
	rig_destroy(r);
}

static void test_events__long_keys_make_long_channels(void **state)
{
	struct rig *r = events_rig(2, 1, ALL_EVENTS | EVENT_TO_KEYSPACE);
	struct rig_conn *sub = listener(r, 0, "__keyspace@0__:k*"), *c = rig_open(r, 1);
	char key[2000];
	memset(key, 'k', sizeof key);
	key[sizeof key - 1] = '\0';
	rig_ask(c, "SET %s 1", key);
	rig_settle(r);
	sub->out[sub->out_len] = '\0';
	assert_non_null(strstr(sub->out, key));
	sub->out_len = c->out_len = 0;
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events__one_channel_tells_a_lease_over_shards_in_order),
		cmocka_unit_test(test_events__what_a_command_did_is_heard_in_that_order_over_channels),
		cmocka_unit_test(test_events__off_costs_no_note),
		cmocka_unit_test(test_events__expiry_is_told_though_nobody_asks),
		cmocka_unit_test(test_events__what_a_blocked_client_takes_comes_after_what_was_put),
		cmocka_unit_test(test_events__long_keys_make_long_channels),
	};
	rig_eal("test_events");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
