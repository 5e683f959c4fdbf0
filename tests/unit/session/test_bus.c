/* The rings between all endpoints, and where the routes lead. */
#include "rig.h"

#include "session/session_priv.h"

static uint32_t ran, came_back;

static void count_run(void *owner, struct msg *m)
{
	ran++;
	m->arg[1] = (void *)(uintptr_t)(m->owner + 100);
}

static void count_back(void *owner, struct msg *m)
{
	assert_int_equal((uintptr_t)m->arg[1], m->owner + 100);
	came_back++;
}

static struct msg *call(struct msg_bus *bus, uint32_t from, uint32_t to)
{
	struct msg *m = msg_get(bus, from);
	assert_non_null(m);
	m->kind = MSG_CALL;
	m->owner = (uint8_t)to;
	m->fn = count_run;
	m->arg[3] = NULL;
	msg_send(bus, m);
	return m;
}

static void test_bus__calls_go_from_everybody_to_everybody(void **state)
{
	struct err e;
	struct msg_bus *bus = msg_bus_create(3, &e);
	uint32_t n = msg_bus_endpoints(bus);
	assert_int_equal(n, 5);
	assert_int_equal(msg_bus_control(bus), 3);
	assert_int_equal(msg_bus_script(bus), 4);
	for (uint32_t from = 0; from < n; from++) {
		for (uint32_t to = 0; to < n; to++)
			call(bus, from, to);
		assert_int_equal(msg_flush(bus, from), n);
	}
	for (uint32_t to = 0; to < n; to++) {
		struct msg *m[8];
		uint32_t seen = 0;
		assert_true(msg_pending(bus, to, true));
		assert_int_equal(msg_take_calls(bus, to, m, 8), n);
		for (uint32_t i = 0; i < n; i++) {
			assert_int_equal(m[i]->owner, to);
			seen |= 1u << m[i]->home;
			msg_reply(bus, m[i]);
		}
		assert_int_equal(seen, (1u << n) - 1);
		msg_flush(bus, to);
	}
	for (uint32_t home = 0; home < n; home++) {
		struct msg *m[8];
		assert_int_equal(msg_take_done(bus, home, m, 8), n);
		for (uint32_t i = 0; i < n; i++)
			msg_put(bus, m[i]);
		assert_int_equal(msg_in_use(bus, home), 0);
	}
	msg_bus_destroy(bus);
}

static void test_bus__whole_pool_fits_into_one_call_ring_in_order(void **state)
{
	struct err e;
	struct msg_bus *bus = msg_bus_create(1, &e);
	struct msg *m, *sent[MSG_POOL_SIZE];
	uint32_t n = 0, got = 0;
	while ((m = msg_get(bus, 0)) != NULL) {
		m->kind = MSG_CMD_FREE;
		m->owner = (uint8_t)msg_bus_script(bus);
		sent[n++] = m;
		msg_send(bus, m);
	}
	assert_int_equal(n, MSG_POOL_SIZE - 1);
	msg_flush(bus, 0);
	while (msg_take_calls(bus, msg_bus_script(bus), &m, 1) == 1)
		assert_ptr_equal(m, sent[got++]);
	assert_int_equal(got, n);
	msg_bus_destroy(bus);
}

/* A home that sends without pause must not keep the others' calls from being taken. */
static void test_bus__calls_are_taken_from_all_homes_in_turn(void **state)
{
	struct err e;
	struct msg_bus *bus = msg_bus_create(2, &e);
	struct msg *m[1];
	uint32_t until = 0;
	for (uint32_t i = 0; i < 100; i++)
		call(bus, 0, 1);
	call(bus, 3, 1);
	msg_flush(bus, 0);
	msg_flush(bus, 3);
	do {
		assert_int_equal(msg_take_calls(bus, 1, m, 1), 1);
		until++;
	} while (m[0]->home != 3);
	assert_true(until <= 8);
	msg_bus_destroy(bus);
}

static void test_bus__call_runs_while_the_shard_is_leased_and_comes_back(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct lease l = {0};
	ran = came_back = 0;
	assert_true(lease_try_submit(r->leases, &l, 2, 0));
	for (uint32_t i = 0; i < 3; i++)
		rig_step(r, 1);
	assert_true(lease_granted(&l));
	call(r->bus, 0, 1)->back = count_back;
	rig_settle(r);
	assert_int_equal(ran, 1);
	assert_int_equal(came_back, 1);
	lease_release(r->leases, &l, ~0ull);
	rig_destroy(r);
}

/* Inside a batch nothing of what came back may touch sessions: it waits for the next iteration. */
static void test_bus__back_waits_for_the_end_of_the_batch(void **state)
{
	struct rig *r = rig_create(2, 1);
	ran = came_back = 0;
	for (uint32_t i = 0; i < 3; i++)
		call(r->bus, 0, 1)->back = count_back;
	msg_flush(r->bus, 0);
	rig_step(r, 1);
	assert_int_equal(ran, 3);
	assert_int_equal(host_poll_done(r->host[0], true), 3);
	assert_int_equal(came_back, 0);
	rig_step(r, 0);
	assert_int_equal(came_back, 3);
	rig_destroy(r);
}

static void note_ran(void *owner, struct msg *m)
{
	if (m->arg[0] != NULL)
		*(uint32_t *)m->arg[0] = ran;
	ran++;
}

static void send_as_worker(struct msg_bus *bus, enum msg_kind kind, uint32_t *asked_after)
{
	struct msg *m = msg_get(bus, 0);

	assert_non_null(m);
	m->kind = (uint8_t)kind;
	m->owner = (uint8_t)msg_bus_control(bus);
	m->fn = note_ran;
	m->arg[0] = asked_after;
	m->arg[3] = NULL;
	msg_send(bus, m);
}

/* While the control thread has looked at its calls and not yet at its requests, a worker tells it much, then asks. */
static uint32_t asked_after;

static void tell_then_ask(void *owner, struct msg *m)
{
	struct msg_bus *bus = m->arg[1];

	for (uint32_t i = 0; i < 3 * RP_MAX_BURST; i++)
		send_as_worker(bus, MSG_CALL, NULL);
	msg_flush(bus, 0);
	send_as_worker(bus, MSG_CALL_SHARD, &asked_after);
	send_as_worker(bus, MSG_CALL, NULL);
	msg_flush(bus, 0);
}

static void test_bus__control_thread_was_told_all_before_it_is_asked(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct msg *m = msg_get(r->bus, 1);

	ran = asked_after = 0;
	m->kind = MSG_CALL;
	m->owner = (uint8_t)msg_bus_control(r->bus);
	m->fn = tell_then_ask;
	m->arg[1] = r->bus;
	m->arg[3] = NULL;
	msg_send(r->bus, m);
	msg_flush(r->bus, 1);
	rig_settle(r);
	assert_in_range(asked_after, 3 * RP_MAX_BURST, 3 * RP_MAX_BURST + 1);
	assert_int_equal(ran, 3 * RP_MAX_BURST + 2);
	rig_destroy(r);
}

/* CONFIG SET is answered when every host has taken its configuration in, and the next command relies on that. */
static void test_conf__clock_of_a_shard_is_in_force_when_its_host_has_taken_it_in(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct dp_conf conf = r->conf;
	uint32_t of_k = cmd_shard_of(&r->host[0]->env, SLICE("k"));
	struct rig_conn *here = rig_open(r, of_k), *there = rig_open(r, 1 - of_k);

	conf.lfu = true;
	conf.lfu_decay_min = 1;
	for (uint32_t i = 0; i <= 2; i++)
		host_set_conf(r->host[i], &conf);
	rig_ask(there, "SET k v");
	rig_settle(r);
	rig_expect(there, "+OK\r\n");
	rig_ask(here, "OBJECT FREQ k");
	rig_settle(r);
	rig_expect(here, ":5\r\n");
	rig_destroy(r);
}

static enum route_to route(const struct rig *r, uint32_t home, const struct cmd *cmd, const char *name,
			   const char *second, uint32_t *owner, uint64_t *shards)
{
	struct slice argv[3] = {SLICE("x"), {name, strlen(name)}, {second, second != NULL ? strlen(second) : 0}};
	struct resp_request req = {.argc = second != NULL ? 3 : 2, .argv = argv};
	return route_request(r->host[home], cmd, &req, owner, shards);
}

static void test_route__home_keys_never_leave_home(void **state)
{
	struct rig *r = rig_create(4, 1);
	const struct cmd cmd = {
		.name = "x", .arity = -2, .route = CMD_HOME_KEYS, .key_first = 1, .key_last = -1, .key_step = 1};
	uint32_t owner;
	uint64_t shards = 0;
	uint32_t of_a = cmd_shard_of(&r->host[0]->env, SLICE("a")), of_b = cmd_shard_of(&r->host[0]->env, SLICE("b"));
	assert_int_not_equal(of_a, of_b);
	assert_int_equal(route(r, of_a, &cmd, "a", NULL, &owner, &shards), ROUTE_OWN);
	assert_int_equal(route(r, of_b, &cmd, "a", NULL, &owner, &shards), ROUTE_LEASE);
	assert_int_equal(shards, 1ull << of_a);
	assert_int_equal(route(r, 4, &cmd, "a", "b", &owner, &shards), ROUTE_LEASE);
	assert_int_equal(shards, 1ull << of_a | 1ull << of_b);
	rig_destroy(r);
}

static void test_route__channel_lies_where_a_key_of_its_name_would(void **state)
{
	struct rig *r = rig_create(4, 1);
	const struct cmd cmd = {.name = "x", .arity = 3, .route = CMD_CHANNEL};
	uint32_t owner = 99, of = cmd_shard_of(&r->host[0]->env, SLICE("news"));
	uint64_t shards;
	assert_int_equal(route(r, of, &cmd, "news", "m", &owner, &shards), ROUTE_HERE);
	assert_int_equal(route(r, 4, &cmd, "news", "m", &owner, &shards), ROUTE_FREE);
	assert_int_equal(owner, of);
	assert_int_equal(route(r, 4, &cmd, "news", NULL, &owner, &shards), ROUTE_HERE); /* to be told its arity */
	rig_destroy(r);
}

static void test_route__script_goes_to_its_thread(void **state)
{
	struct rig *r = rig_create(2, 1);
	const struct cmd cmd = {.name = "x", .arity = -2, .route = CMD_SCRIPT};
	uint32_t owner = 99;
	uint64_t shards;
	for (uint32_t home = 0; home <= 2; home++) {
		assert_int_equal(route(r, home, &cmd, "text", "0", &owner, &shards), ROUTE_FREE);
		assert_int_equal(owner, msg_bus_script(r->bus));
	}
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bus__calls_go_from_everybody_to_everybody),
		cmocka_unit_test(test_bus__whole_pool_fits_into_one_call_ring_in_order),
		cmocka_unit_test(test_bus__calls_are_taken_from_all_homes_in_turn),
		cmocka_unit_test(test_bus__call_runs_while_the_shard_is_leased_and_comes_back),
		cmocka_unit_test(test_bus__back_waits_for_the_end_of_the_batch),
		cmocka_unit_test(test_bus__control_thread_was_told_all_before_it_is_asked),
		cmocka_unit_test(test_conf__clock_of_a_shard_is_in_force_when_its_host_has_taken_it_in),
		cmocka_unit_test(test_route__home_keys_never_leave_home),
		cmocka_unit_test(test_route__channel_lies_where_a_key_of_its_name_would),
		cmocka_unit_test(test_route__script_goes_to_its_thread),
	};
	rig_eal("test_bus");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
