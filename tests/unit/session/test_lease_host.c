/* Leases as sessions share them (session/leasing.c): those that go along with another one's, and shards that are held
 * on for what else the batch brings. test_lease_explore.c has the protocol below, state by state; here the hosts
 * themselves run, which cannot be searched by state. So a window of WINDOW steps is played in every order, at several
 * places of a run whose other steps go round; a step is an iteration of a worker, or the next client's requests come
 * in.
 *
 * Requests are transactions that increment one counter on each shard of a set, so what they are answered says in which
 * order they ran on each shard. Each run must
 *
 *   - end with everything answered, though every host that has nothing to do sleeps until it is woken (no lost
 * wake-up);
 *   - have changed, in each step, nothing but shards that the host owns or has been granted (no double owner);
 *   - have had one order of all transactions, which is each session's own where they share a shard;
 *   - leave every shard with its owner, and nobody who leads or keeps.
 */
#include "rig.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "session/session_priv.h"

#define SHARDS  3
#define CLIENTS 4
#define EACH    3 /* requests of a client, at most */
#define WINDOW  5
#define HOSTS   (SHARDS + 1) /* the last one is the control thread's: it keeps no shards */
#define ACTIONS (HOSTS + 1)

struct client_plan {
	uint8_t home;
	uint8_t set[EACH]; /* shards of each request; 0: no more */
};

struct ran {
	uint8_t client, set;
	int64_t at[SHARDS]; /* which one it was there */
};

struct world {
	struct rig *r;
	struct rig_conn *conn[CLIENTS];
	char key[SHARDS][8];
	int64_t base[SHARDS]; /* increments of the runs before */
	uint32_t sent;        /* clients */
	bool asleep[SHARDS + 1];
	bool changed[SHARDS];    /* in this step */
	uint64_t followed, held; /* steps after which somebody goes along, or something ran on shards held on */
};

static void name_keys(struct world *w)
{
	uint32_t found = 0;

	for (uint32_t i = 0; found != 7; i++) {
		char name[8];
		snprintf(name, sizeof name, "k%u", i);
		uint32_t shard = cmd_shard_of(&w->r->host[0]->env, (struct slice){name, strlen(name)});
		if (!(found >> shard & 1))
			strcpy(w->key[shard], name);
		found |= 1u << shard;
	}
}

static void send_next(struct world *w, const struct client_plan *plan)
{
	char text[512];
	uint32_t i = w->sent;
	int n = 0;

	if (i == CLIENTS)
		return;
	for (uint32_t k = 0; k < EACH && plan[i].set[k] != 0; k++) {
		n += sprintf(text + n, "MULTI\r\n");
		for (uint32_t s = 0; s < SHARDS; s++)
			if (plan[i].set[k] >> s & 1)
				n += sprintf(text + n, "INCR %s\r\n", w->key[s]);
		n += sprintf(text + n, "EXEC\r\n");
	}
	rig_send(w->conn[i], text);
	w->sent++;
}

/* ---- running ---- */

static void note_change(void *changed, struct journal_unit *unit, uint32_t db, uint32_t argc, const struct slice *argv)
{
	*(bool *)changed = true;
}

/* Of those that its sessions have asked for; the own one may be the last that is missing, and granted in this step. */
static uint64_t granted(const struct session_host *h)
{
	uint64_t set = 0;

	for (const struct session *s = h->waiting[WAIT_LEASE]; s != NULL; s = s->wait_next) {
		const struct lease *l = &s->parked->lease;
		if (l->submitted && l->waiting <= (h->own >= 0 && l->shards >> h->own & 1))
			set |= l->shards;
	}
	return set;
}

static uint32_t step(struct world *w, uint32_t host)
{
	struct session_host *h = w->r->host[host];
	uint64_t may = granted(h);

	memset(w->changed, 0, sizeof w->changed);
	uint32_t work = rig_step(w->r, host);
	if (h->own >= 0 && !h->own_leased)
		may |= 1ull << h->own;
	for (uint32_t s = 0; s < SHARDS; s++)
		assert_true(!w->changed[s] || may >> s & 1);
	w->held += h->nheld > 0;
	for (const struct session *s = h->waiting[WAIT_LEASE]; s != NULL; s = s->wait_next)
		w->followed += session_follows(s);
	h->nheld = 0;
	return work;
}

static bool woken(struct world *w, uint32_t endpoint)
{
	struct pollfd fd = {.fd = msg_event_fd(w->r->bus, endpoint), .events = POLLIN};
	return poll(&fd, 1, 0) == 1;
}

/* As worker_idle(). */
static bool nothing_to_do(struct world *w, uint32_t host)
{
	return host_quiet(w->r->host[host]) && host_inbox_quiet(w->r->host[host]);
}

/* Everybody in turn, those who sleep not, until all do. */
static void until_all_sleep(struct world *w)
{
	for (uint32_t quiet = 0, rounds = 0; quiet <= SHARDS;) {
		assert_true(rounds++ < 10000);
		for (uint32_t i = 0; i <= SHARDS; i++, quiet++) {
			if (w->asleep[i] && !woken(w, i))
				continue;
			if (w->asleep[i])
				msg_awake(w->r->bus, i);
			w->asleep[i] = false;
			quiet = 0;
			if (step(w, i) != 0)
				continue;
			msg_sleeping(w->r->bus, i);
			w->asleep[i] = nothing_to_do(w, i);
			if (!w->asleep[i])
				msg_awake(w->r->bus, i);
		}
	}
	for (uint32_t i = 0; i < HOSTS; i++) {
		msg_awake(w->r->bus, i);
		w->asleep[i] = false;
	}
}

static void act(struct world *w, const struct client_plan *plan, uint32_t action)
{
	if (action < HOSTS)
		step(w, action);
	else
		send_next(w, plan);
}

/* ---- what became of it ---- */

static const char *past(const char *p, const char *text)
{
	if (strncmp(p, text, strlen(text)) != 0)
		fail_msg("not %s: %s", text, p);
	return p + strlen(text);
}

static uint32_t answers(struct world *w, const struct client_plan *plan, uint32_t client, struct ran *to)
{
	struct rig_conn *c = w->conn[client];
	const char *p = c->out;
	char head[8];
	uint32_t n = 0;

	c->out[c->out_len] = '\0';
	for (uint32_t k = 0; k < EACH && plan[client].set[k] != 0; k++) {
		to[n] = (struct ran){(uint8_t)client, plan[client].set[k], {0}};
		p = past(p, "+OK\r\n");
		for (int s = __builtin_popcount(to[n].set); s > 0; s--)
			p = past(p, "+QUEUED\r\n");
		snprintf(head, sizeof head, "*%d\r\n", __builtin_popcount(to[n].set));
		p = past(p, head);
		for (uint32_t s = 0; s < SHARDS; s++)
			if (to[n].set >> s & 1)
				to[n].at[s] = strtol(past(p, ":"), (char **)&p, 10) - w->base[s], p += 2;
		n++;
	}
	assert_int_equal(*p, '\0');
	c->out_len = 0;
	return n;
}

static bool before(const struct ran *a, const struct ran *b)
{
	if (a->client == b->client && a < b && (a->set & b->set) != 0)
		return true;
	for (uint32_t s = 0; s < SHARDS; s++)
		if ((a->set & b->set) >> s & 1 && a->at[s] < b->at[s])
			return true;
	return false;
}

/* Is there an order in which all come after those who were before them? */
static void check_order(const struct ran *ran, uint32_t n)
{
	uint32_t left = (1u << n) - 1;

	while (left != 0) {
		uint32_t first = n;
		for (uint32_t i = 0; i < n && first == n; i++) {
			bool free = left >> i & 1;
			for (uint32_t k = 0; k < n && free; k++)
				free = k == i || !(left >> k & 1) || !before(&ran[k], &ran[i]);
			first = free ? i : n;
		}
		assert_true(first < n);
		left &= ~(1u << first);
	}
}

static void check(struct world *w, const struct client_plan *plan)
{
	struct ran ran[CLIENTS * EACH];
	uint32_t n = 0;

	for (uint32_t i = 0; i < CLIENTS; i++)
		n += answers(w, plan, i, ran + n);
	check_order(ran, n);
	for (uint32_t s = 0; s < SHARDS; s++) {
		uint32_t seen = 0, all = 0;
		for (uint32_t i = 0; i < n; i++)
			if (ran[i].set >> s & 1) {
				assert_in_range(ran[i].at[s], 1, CLIENTS * EACH);
				seen |= 1u << ran[i].at[s];
				all++;
			}
		assert_int_equal(seen, (2u << all) - 2); /* 1 .. all, each once */
		w->base[s] += all;
		assert_true(lease_shard_quiet(w->r->leases, s));
		assert_int_equal(w->r->host[s]->nled, 0);
		assert_int_equal(w->r->host[s]->kept.shards, 0);
	}
}

/* The window stands behind so many steps that go round. */
static void play(struct world *w, const struct client_plan *plan, uint32_t offset, uint32_t order)
{
	w->sent = 0;
	send_next(w, plan);
	send_next(w, plan);
	for (uint32_t i = 0; i < offset; i++)
		act(w, plan, i % HOSTS);
	for (uint32_t i = 0; i < WINDOW; i++, order /= ACTIONS)
		act(w, plan, order % ACTIONS);
	while (w->sent < CLIENTS)
		send_next(w, plan);
	until_all_sleep(w);
	check(w, plan);
}

static void test_lease__sessions_share_them_in_every_order(void **state)
{
	static const struct client_plan plans[][CLIENTS] = {
		{{0, {7, 3}}, {0, {3, 1, 6}}, {1, {6, 7}}, {2, {4, 5}}}, /* goes along; others want some of it */
		{{0, {7, 7, 7}}, {0, {7, 3}}, {0, {6, 5}}, {1, {7}}},    /* one home has nearly all */
		{{0, {3, 6}}, {1, {6, 5}}, {2, {5, 3}}, {2, {5, 7}}},    /* a ring */
		{{3, {7, 3}}, {3, {3, 6}}, {0, {7, 2}}, {3, {6, 1}}},
		{{0, {7, 7}}, {0, {2, 6, 7}}, {0, {4, 5}}, {1, {6, 1}}}, /* what was sent away before comes first */
	};
	uint32_t orders = 1;

	for (uint32_t i = 0; i < WINDOW; i++)
		orders *= ACTIONS;
	for (uint32_t p = 0; p < RP_ARRAY_LEN(plans); p++) {
		struct world w = {.r = rig_create(SHARDS, 1)};
		name_keys(&w);
		for (uint32_t i = 0; i < SHARDS; i++)
			w.r->journal[i] = (struct journal){.emit = note_change, .ctx = &w.changed[i]};
		for (uint32_t i = 0; i < CLIENTS; i++)
			w.conn[i] = rig_open(w.r, plans[p][i].home);
		for (uint32_t offset = 0; offset <= 16; offset += 4)
			for (uint32_t order = 0; order < orders; order++)
				play(&w, plans[p], offset, order);
		print_message("plan %u: %lu steps with followers, %lu on shards held on\n", p, w.followed, w.held);
		assert_true(w.followed > 100 && (w.held > 100 || plans[p][0].home == SHARDS));
		rig_destroy(w.r);
	}
}

static void sleeps(struct world *w, uint32_t host)
{
	for (uint32_t rounds = 0; rig_step(w->r, host) != 0;)
		assert_true(rounds++ < 100);
	msg_sleeping(w->r->bus, host);
	assert_true(nothing_to_do(w, host));
}

static void wakes(struct world *w, uint32_t host)
{
	assert_true(woken(w, host));
	msg_awake(w->r->bus, host);
	assert_false(nothing_to_do(w, host));
}

static void expect_busy(struct rig_conn *c)
{
	assert_true(c->out_len > 5);
	assert_memory_equal(c->out, "-BUSY", 5);
	c->out_len = 0;
}

static void test_lease__while_its_shard_is_away_a_host_sleeps_until_it_is_back_or_called_busy(void **state)
{
	struct world w = {.r = rig_create(SHARDS, 1)};
	struct lease l = {0};

	name_keys(&w);
	struct rig_conn *home = rig_open(w.r, 0), *other = rig_open(w.r, 1);
	assert_true(lease_try_submit(w.r->leases, &l, 1, SHARDS));
	rig_step(w.r, 0); /* its own turn, before a lease has one */
	rig_step(w.r, 0);
	assert_true(lease_granted(&l));
	rig_ask(home, "INCR %s", w.key[0]);
	rig_ask(other, "INCR %s", w.key[0]);
	rig_step(w.r, 1);
	sleeps(&w, 0); /* with a request in its ring */
	lease_set_busy(w.r->leases, LEASE_BUSY_SCRIPT, 1);
	wakes(&w, 0);
	rig_settle(w.r);
	expect_busy(home);
	expect_busy(other);
	sleeps(&w, 0);
	lease_set_busy(w.r->leases, LEASE_BUSY_NOT, 0);
	rig_ask(home, "INCR %s", w.key[0]);
	rig_ask(other, "INCR %s", w.key[0]);
	rig_step(w.r, 1);
	sleeps(&w, 0);
	lease_release(w.r->leases, &l, ~0ull);
	wakes(&w, 0);
	rig_settle(w.r);
	assert_int_equal(home->out_len + other->out_len, 8);
	home->out_len = other->out_len = 0;
	rig_destroy(w.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lease__sessions_share_them_in_every_order),
		cmocka_unit_test(test_lease__while_its_shard_is_away_a_host_sleeps_until_it_is_back_or_called_busy),
	};
	rig_eal("test_lease_host");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
