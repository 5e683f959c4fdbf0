/* Pub/Sub over several workers: confirmations, order, exact counts, slow subscribers, the end. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "session/pubsub.h"
#include "session/session_priv.h"

static void expect_after(struct rig_conn *c, const char *line, const char *want)
{
	rig_ask(c, "%s", line);
	rig_settle(c->rig);
	rig_expect(c, want);
}

static void test_pubsub__message_reaches_subscribers_on_every_home(void **state)
{
	for (uint32_t workers = 1; workers <= 8; workers *= 2) {
		struct rig *r = rig_create(workers, workers);
		struct rig_conn *sub[9], *pub = rig_open(r, workers / 2);
		for (uint32_t i = 0; i <= workers; i++) {
			sub[i] = rig_open(r, i);
			expect_after(sub[i], "SUBSCRIBE news", "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
		}
		char want[16];
		sprintf(want, ":%u\r\n", workers + 1);
		expect_after(pub, "PUBLISH news hello", want);
		for (uint32_t i = 0; i <= workers; i++)
			rig_expect(sub[i], "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
		rig_destroy(r);
	}
}

static void test_pubsub__confirmations_count_and_name(void **state)
{
	struct rig *r = rig_create(4, 1);
	struct rig_conn *c = rig_open(r, 2);
	expect_after(c, "UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
	expect_after(c, "SUBSCRIBE a b a",
		     "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
		     "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n");
	expect_after(c, "PSUBSCRIBE x*", "*3\r\n$10\r\npsubscribe\r\n$2\r\nx*\r\n:3\r\n");
	expect_after(c, "SSUBSCRIBE a", "*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n");
	assert_int_equal(c->session->cl.listens->channels, 2);
	assert_int_equal(c->session->cl.listens->patterns, 1);
	assert_int_equal(c->session->cl.listens->shards, 1);
	expect_after(c, "UNSUBSCRIBE nothing", "*3\r\n$11\r\nunsubscribe\r\n$7\r\nnothing\r\n:3\r\n");
	expect_after(c, "UNSUBSCRIBE a", "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n");
	expect_after(c, "UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n");
	expect_after(c, "PUNSUBSCRIBE", "*3\r\n$12\r\npunsubscribe\r\n$2\r\nx*\r\n:0\r\n");
	assert_true(c->session->cl.flags & CLIENT_F_PUBSUB);
	expect_after(c, "SUNSUBSCRIBE", "*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n");
	assert_false(c->session->cl.flags & CLIENT_F_PUBSUB);
	rig_destroy(r);
}

/* What is in flight behind a confirmation that waits still lies in the receive buffers: they are not given back. */
static void test_pubsub__words_behind_a_waiting_confirmation_are_kept(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *c = rig_open(r, 0);
	char key[8], channel[8];
	uint32_t n = 0;

	do
		sprintf(key, "k%u", n++);
	while (cmd_shard_of(&r->host[0]->env, (struct slice){key, strlen(key)}) != 1);
	do
		sprintf(channel, "c%u", n++);
	while (cmd_shard_of(&r->host[0]->env, (struct slice){channel, strlen(channel)}) != 1);
	rig_ask(c, "SSUBSCRIBE %s", channel);
	rig_settle(r);
	c->out_len = 0;
	rig_ask(c, "SUNSUBSCRIBE %s", channel);
	for (uint32_t step = 0; step < 5; step++)
		rig_step(r, 0);
	uint64_t before = c->consumed;
	rig_ask(c, "SET %s value", key);
	for (uint32_t step = 0; step < 5; step++)
		rig_step(r, 0); /* the other worker has not looked yet */
	assert_int_equal(c->out_len, 0);
	assert_int_equal(c->consumed, before);
	rig_settle(r);
	assert_true(c->consumed > before);
	c->out_len = 0;
	rig_ask(c, "GET %s", key);
	rig_settle(r);
	rig_expect(c, "$5\r\nvalue\r\n");
	rig_destroy(r);
}

/* Two subscriptions are answered by their owner while a request before both is still on its way to another one. */
static void test_pubsub__subscribes_again_while_the_first_confirmation_waits(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *c = rig_open(r, 0);
	char key[8], channel[2][8];
	uint32_t n = 0, found = 0;

	do
		sprintf(key, "k%u", n++);
	while (cmd_shard_of(&r->host[0]->env, (struct slice){key, strlen(key)}) != 1);
	for (; found < 2; n++) {
		sprintf(channel[found], "c%u", n);
		found += cmd_shard_of(&r->host[0]->env, (struct slice){channel[found], strlen(channel[found])}) == 0;
	}
	rig_ask(c, "GET %s", key);
	for (uint32_t i = 0; i < 2; i++) {
		rig_ask(c, "SUBSCRIBE %s", channel[i]);
		for (uint32_t step = 0; step < 10; step++)
			rig_step(r, 0);
	}
	assert_int_equal(c->out_len, 0);
	rig_settle(r);
	char want[200];
	sprintf(want,
		"$-1\r\n*3\r\n$9\r\nsubscribe\r\n$%zu\r\n%s\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$%zu\r\n%s\r\n:2\r\n",
		strlen(channel[0]), channel[0], strlen(channel[1]), channel[1]);
	rig_expect(c, want);
	rig_destroy(r);
}

static void test_pubsub__resp2_subscriber_may_say_little_else(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *c = rig_open(r, 1);
	expect_after(c, "SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
	expect_after(c, "GET x",
		     "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
		     "allowed in this context\r\n");
	expect_after(c, "PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
	expect_after(c, "PING hey", "*2\r\n$4\r\npong\r\n$3\r\nhey\r\n");
	expect_after(c, "RESET", "+RESET\r\n");
	expect_after(c, "GET x", "$-1\r\n");
	expect_after(c, "PUBLISH a gone", ":0\r\n");
	rig_destroy(r);
}

static void test_pubsub__resp3_pushes_and_goes_on_with_other_commands(void **state)
{
	struct rig *r = rig_create(4, 1);
	struct rig_conn *c = rig_open(r, 1);
	rig_ask(c, "HELLO 3");
	rig_settle(r);
	c->out_len = 0;
	expect_after(c, "SUBSCRIBE a", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
	expect_after(c, "SET x 1", "+OK\r\n");
	rig_ask(c, "PUBLISH a me");
	rig_settle(r);
	c->out[c->out_len] = '\0';
	assert_non_null(strstr(c->out, ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nme\r\n"));
	assert_non_null(strstr(c->out, ":1\r\n"));
	c->out_len = 0;
	expect_after(c, "PING", "+PONG\r\n");
	expect_after(c, "CLIENT REPLY OFF", "");
	rig_ask(c, "UNSUBSCRIBE a");
	rig_settle(r);
	rig_expect(c, ">3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n");
	rig_destroy(r);
}

static void test_pubsub__patterns_and_channel_each_bring_the_message(void **state)
{
	struct rig *r = rig_create(4, 1);
	struct rig_conn *c = rig_open(r, 3), *pub = rig_open(r, 0);
	rig_ask(c, "PSUBSCRIBE n* ne?s q*");
	rig_ask(c, "SUBSCRIBE news");
	rig_settle(r);
	c->out_len = 0;
	rig_ask(pub, "PUBLISH news 1");
	rig_ask(pub, "PUBLISH news 2");
	rig_ask(pub, "PUBLISH nil 3");
	rig_ask(pub, "SPUBLISH news 4");
	rig_settle(r);
	rig_expect(pub, ":3\r\n:3\r\n:1\r\n:0\r\n");
	c->out[c->out_len] = '\0';
	char *first = strstr(c->out, "$1\r\n1\r\n"), *second = strstr(c->out, "$1\r\n2\r\n");
	assert_non_null(first);
	for (char *p = c->out; (p = strstr(p, "$1\r\n1\r\n")) != NULL; p++)
		assert_true(p < second); /* all of the first message before the second */
	assert_non_null(strstr(c->out, "*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$3\r\nnil\r\n$1\r\n3\r\n"));
	assert_null(strstr(c->out, "$1\r\n4\r\n"));
	c->out_len = 0;
	rig_destroy(r);
}

/* What one client saw of numbered messages: they must rise on each channel. */
struct seen {
	uint64_t n;
	long last[4];
	bool in[4];
};

static void take_frames(struct rig_conn *c, struct seen *s)
{
	c->out[c->out_len] = '\0';
	for (char *p = c->out; *p != '\0';) {
		char kind[32], name[32];
		long v;
		int used = 0;
		if (sscanf(p, "*4 $8 pmessage $%*d %*s $%*d c%31s $%*d %ld%n", name, &v, &used) == 2 && used > 0) {
			strcpy(kind, "message");
		} else {
			used = 0;
			assert_true(sscanf(p, "*3 $%*d %31s $%*d %31s%n", kind, name, &used) == 2 && used > 0);
			p += used;
			if (strstr(kind, "message") != NULL)
				assert_true(sscanf(p, " $%*d %ld%n", &v, &used) == 1);
			else
				assert_true(sscanf(p, " :%ld%n", &v, &used) == 1);
			memmove(name, name + 1, strlen(name));
		}
		p += used + 2;
		int at = name[0] - '0';
		if (strcmp(kind, "message") == 0) {
			assert_true(s->in[at] || s->in[3]);
			assert_true(v > s->last[at]);
			s->last[at] = v;
			s->n++;
		} else if (strcmp(kind, "subscribe") == 0) {
			assert_false(s->in[at]);
			s->in[at] = true;
		} else if (strcmp(kind, "unsubscribe") == 0) {
			assert_true(s->in[at]);
			s->in[at] = false;
		} else {
			s->in[3] = kind[1] == 's'; /* psubscribe or punsubscribe */
		}
	}
	c->out_len = 0;
}

#define PUBLISHERS  3
#define SUBSCRIBERS 5

struct crowd {
	struct rig *r;
	struct rig_conn *sub[SUBSCRIBERS], *pub[PUBLISHERS];
	struct seen seen[SUBSCRIBERS];
	bool want[SUBSCRIBERS][4]; /* asked for last; a client waits for each answer */
	uint64_t told;             /* sum of what PUBLISH answered */
	long next[3];
};

static void sum_answers(struct crowd *w, struct rig_conn *c)
{
	c->out[c->out_len] = '\0';
	for (char *p = c->out; *p != '\0';) {
		assert_int_equal(*p, ':');
		w->told += strtoul(p + 1, &p, 10);
		p += 2;
	}
	c->out_len = 0;
}

/* A publisher of its own for each channel, so that "in order" has a meaning. */
static void crowd_publish(struct crowd *w)
{
	uint32_t at = (uint32_t)rng_below(&w->r->rng, PUBLISHERS);
	char line[64];
	sprintf(line, "PUBLISH c%u %ld", at, ++w->next[at]);
	rig_ask(w->pub[at], "%s", line);
}

/* A client that is subscribed by pattern has no channels and the other way round: every message comes once. */
static void crowd_change(struct crowd *w)
{
	uint32_t i = (uint32_t)rng_below(&w->r->rng, SUBSCRIBERS), at = (uint32_t)rng_below(&w->r->rng, 3);
	bool *want = w->want[i];
	char line[64];
	take_frames(w->sub[i], &w->seen[i]);
	for (uint32_t k = 0; k < 4; k++)
		if (want[k] != w->seen[i].in[k])
			return; /* still waits */
	if (want[3] || (!want[0] && !want[1] && !want[2] && rng_below(&w->r->rng, 2) == 0)) {
		want[3] = !want[3];
		rig_ask(w->sub[i], "%s c*", want[3] ? "PSUBSCRIBE" : "PUNSUBSCRIBE");
		return;
	}
	want[at] = !want[at];
	sprintf(line, "%s c%u", want[at] ? "SUBSCRIBE" : "UNSUBSCRIBE", at);
	rig_ask(w->sub[i], "%s", line);
}

static void test_pubsub__every_message_told_arrives_in_order_in_every_interleaving(void **state)
{
	for (uint64_t seed = 1; seed <= 150; seed++) {
		struct crowd w = {.r = rig_create(1u << seed % 4, seed)};
		uint64_t arrived = 0;
		for (uint32_t i = 0; i < SUBSCRIBERS; i++)
			w.sub[i] = rig_open(w.r, (uint32_t)rng_below(&w.r->rng, w.r->n + 1));
		for (uint32_t i = 0; i < PUBLISHERS; i++)
			w.pub[i] = rig_open(w.r, (uint32_t)rng_below(&w.r->rng, w.r->n + 1));
		for (int step = 0; step < 2000; step++) {
			if (rng_below(&w.r->rng, 3) == 0)
				crowd_publish(&w);
			if (rng_below(&w.r->rng, 4) == 0)
				crowd_change(&w);
			rig_step(w.r, (uint32_t)rng_below(&w.r->rng, w.r->n + 1));
		}
		rig_settle(w.r);
		for (uint32_t i = 0; i < PUBLISHERS; i++)
			sum_answers(&w, w.pub[i]);
		for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
			take_frames(w.sub[i], &w.seen[i]);
			arrived += w.seen[i].n;
		}
		assert_true(w.told > 100);
		assert_int_equal(arrived, w.told);
		rig_destroy(w.r);
	}
}

/* SUBSCRIBE, PUBLISH, UNSUBSCRIBE of one client in one write: each sees what stands before it. */
static void test_pubsub__own_pipeline_keeps_its_order_over_workers(void **state)
{
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct rig *r = rig_create(4, seed);
		struct rig_conn *c = rig_open(r, (uint32_t)(seed % 5));
		rig_ask(c, "HELLO 3");
		rig_settle(r);
		c->out_len = 0;
		rig_ask(c, "SET k 1");
		rig_ask(c, "SUBSCRIBE a b c");
		rig_ask(c, "PUBLISH b x");
		rig_ask(c, "UNSUBSCRIBE b");
		rig_ask(c, "PUBLISH b y");
		rig_ask(c, "PUBLISH c z");
		rig_settle(r);
		c->out[c->out_len] = '\0';
		const char *in = strstr(c->out, "$1\r\nb\r\n:2\r\n"), *x = strstr(c->out, "$1\r\nx\r\n");
		const char *out = strstr(c->out, "$11\r\nunsubscribe\r\n"), *z = strstr(c->out, "$1\r\nz\r\n");
		assert_non_null(in);
		assert_true(x != NULL && x > in);
		assert_true(out != NULL && out > x);
		assert_true(z != NULL && z > out);
		assert_null(strstr(c->out, "$1\r\ny\r\n"));
		assert_int_equal(strncmp(c->out, "+OK\r\n", 5), 0);
		c->out_len = 0;
		rig_destroy(r);
	}
}

/* Whoever hears the message finds the key written that was written before it. */
static void test_pubsub__message_comes_after_what_its_sender_wrote_before(void **state)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct rig *r = rig_create(4, seed);
		struct rig_conn *sub = rig_open(r, (uint32_t)(seed % 5)), *pub = rig_open(r, (uint32_t)(seed / 5 % 5));
		struct rig_conn *look = rig_open(r, (uint32_t)(seed / 25 % 5));
		rig_ask(sub, "SUBSCRIBE done");
		rig_settle(r);
		sub->out_len = 0;
		rig_ask(pub, "SET a 1");
		rig_ask(pub, "SET b 1");
		rig_ask(pub, "PUBLISH done x");
		while (sub->out_len == 0)
			rig_step(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		rig_ask(look, "MGET a b");
		rig_settle(r);
		rig_expect(look, "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
		sub->out_len = 0;
		rig_destroy(r);
	}
}

static void test_pubsub__subscriber_that_vanishes_is_counted_no_more(void **state)
{
	struct rig *r = rig_create(4, 5);
	struct rig_conn *pub = rig_open(r, 1);
	for (uint32_t i = 0; i < 20; i++) {
		struct rig_conn *c = rig_open(r, i % 5);
		rig_ask(c, "SUBSCRIBE a b c d e f g h");
		rig_ask(c, "PSUBSCRIBE * ?");
		rig_ask(c, "SSUBSCRIBE a");
		if (i % 2 != 0)
			rig_settle(r);
		rig_drop(c);
	}
	rig_settle(r);
	expect_after(pub, "PUBLISH a x", ":0\r\n");
	expect_after(pub, "SPUBLISH a x", ":0\r\n");
	for (uint32_t i = 0; i < r->n; i++)
		for (int of = 0; of < PUBSUB_KINDS; of++)
			assert_int_equal(pubsub_owner_names(r->host[i]->channels, (enum pubsub_kind)of), 0);
	rig_destroy(r);
}

static void fill(char *buf, size_t n, const char *head)
{
	memset(buf, 'x', n);
	size_t h = (size_t)sprintf(buf, "*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$%zu\r\n", n);
	memset(buf + h, 'v', n);
	memcpy(buf + h, head, strlen(head));
	memcpy(buf + h + n, "\r\n", 3);
}

/* Several publishers on one channel: who listens, wherever he is at home, hears the same order as all others. */
static void test_pubsub__publishers_of_one_channel_are_heard_in_one_order(void **state)
{
	static char text[20100];
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct rig *r = rig_create(1u << seed % 4, seed);
		struct rig_conn *sub[9], *pub[3];
		for (uint32_t i = 0; i <= r->n; i++) {
			sub[i] = rig_open(r, i);
			rig_ask(sub[i], "SUBSCRIBE a");
		}
		for (uint32_t i = 0; i < 3; i++)
			pub[i] = rig_open(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		rig_settle(r);
		for (uint32_t i = 0; i <= r->n; i++)
			sub[i]->out_len = 0;
		size_t want = 0;
		for (uint32_t i = 0; i < 120; i++) {
			char number[8];
			size_t len = rng_below(&r->rng, 12) == 0 ? 20000 : 6 + rng_below(&r->rng, 100);
			sprintf(number, "%06u", i);
			fill(text, len, number);
			rig_send(pub[rng_below(&r->rng, 3)], text);
			want += (size_t)snprintf(NULL, 0, "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$%zu\r\n\r\n", len) + len;
			for (uint64_t k = rng_below(&r->rng, 4); k > 0; k--)
				rig_step(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		}
		rig_settle(r);
		for (uint32_t i = 0; i <= r->n; i++) {
			assert_int_equal(sub[i]->out_len, want);
			assert_memory_equal(sub[i]->out, sub[0]->out, want);
		}
		rig_destroy(r);
	}
}

/* The first large blob that waits for a client to read. */
static const struct blob *waits(const struct rig_conn *c, size_t len)
{
	for (struct rte_mbuf *m = c->session->out_head; m != NULL; m = m->next)
		if (buf_priv(m)->ref.blob != NULL && buf_priv(m)->ref.blob->len >= len)
			return buf_priv(m)->ref.blob;
	return NULL;
}

static size_t heap_bytes(const struct rig *r)
{
	size_t n = 0;
	for (uint32_t i = 0; i <= r->n; i++)
		n += heap_used(r->heap[i]);
	return n;
}

/* Nobody has room for it: it is there once for all of them, on every home. */
static void test_pubsub__large_message_is_shared_by_all_subscribers(void **state)
{
	static char text[200100];
	for (uint32_t workers = 1; workers <= 4; workers *= 2) {
		struct rig *r = rig_create(workers, workers);
		struct rig_conn *sub[20], *pub = rig_open(r, 0);
		for (uint32_t i = 0; i < 20; i++) {
			sub[i] = rig_open(r, i % (workers + 1));
			rig_ask(sub[i], i % 2 ? "SUBSCRIBE a" : "PSUBSCRIBE a*");
		}
		rig_settle(r);
		size_t before = heap_bytes(r);
		unsigned bufs = rte_mempool_avail_count(r->pool);
		for (uint32_t i = 0; i < 20; i++) {
			sub[i]->out_len = 0;
			sub[i]->room = 0;
		}
		fill(text, 200000, "big");
		rig_send(pub, text);
		rig_settle(r);
		const struct blob *b = waits(sub[0], 200000);
		assert_non_null(b);
		for (uint32_t i = 1; i < 20; i++)
			assert_ptr_equal(waits(sub[i], 200000), b);
		assert_int_equal(b->refcnt, 20);
		assert_true(heap_bytes(r) - before <
			    200000 + 20 * 16384); /* what stands around it waits in small blobs */
		assert_true(bufs - rte_mempool_avail_count(r->pool) < 20 * 5);
		for (uint32_t i = 0; i < 20; i++) {
			sub[i]->room = UINT32_MAX;
			session_send_ready(sub[i]->session);
		}
		rig_settle(r);
		for (uint32_t i = 0; i < 20; i++)
			assert_true(sub[i]->out_len > 200000);
		assert_true(heap_bytes(r) < before + 200000);
		pub->out_len = 0;
		rig_destroy(r);
	}
}

/* Large messages go by reference, small ones are gathered: whatever the transport takes, the bytes are the same. */
static void test_pubsub__slow_reader_gets_everything_in_order(void **state)
{
	static char big[70000], want[900000];
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct rig *r = rig_create(2, seed);
		struct rig_conn *c = rig_open(r, (uint32_t)(seed % 3)), *pub = rig_open(r, 1);
		rig_ask(c, "SUBSCRIBE a");
		rig_settle(r);
		c->out_len = 0;
		c->room = (uint32_t)rng_below(&r->rng, 3000);
		size_t n = 0;
		for (int i = 0; i < 60; i++) {
			size_t len = rng_below(&r->rng, 8) == 0 ? 15000 + rng_below(&r->rng, 40000)
								: 10 + rng_below(&r->rng, 300);
			char head[16];
			sprintf(head, "%06d", i);
			fill(big, len, head);
			rig_send(pub, big);
			n += (size_t)sprintf(want + n, "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$%zu\r\n", len);
			memset(want + n, 'v', len);
			memcpy(want + n, head, 6);
			memcpy(want + n + len, "\r\n", 3);
			n += len + 2;
			if (rng_below(&r->rng, 4) == 0)
				rig_settle(r);
			if (rng_below(&r->rng, 4) == 0) {
				c->room = (uint32_t)rng_below(&r->rng, 20000);
				session_send_ready(c->session);
			}
		}
		rig_settle(r);
		c->room = UINT32_MAX;
		session_send_ready(c->session);
		rig_settle(r);
		rig_expect(c, want);
		pub->out_len = 0;
		rig_destroy(r);
	}
}

static void test_pubsub__hard_limit_cuts_the_slow_subscriber_only(void **state)
{
	struct rig *r = rig_create(2, 1);
	r->conf.output_pubsub.hard_bytes = 100000;
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	struct rig_conn *slow = rig_open(r, 0), *quick = rig_open(r, 0), *pub = rig_open(r, 1);
	rig_ask(slow, "SUBSCRIBE a");
	rig_ask(quick, "SUBSCRIBE a");
	rig_settle(r);
	slow->out_len = quick->out_len = 0;
	slow->room = 0;
	static char big[2000];
	fill(big, 1000, "");
	for (int i = 0; i < 120; i++)
		rig_send(pub, big);
	rig_settle(r);
	assert_true(slow->aborted);
	assert_int_equal(r->host[0]->count.killed_output, 1);
	assert_int_equal(quick->out_len, 120 * (1000 + strlen("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1000\r\n\r\n")));
	rig_settle(r);
	pub->out_len = quick->out_len = 0;
	expect_after(pub, "PUBLISH a x", ":1\r\n");
	quick->out_len = 0;
	rig_destroy(r);
}

/* Its messages wait for the disk, behind a reply of its own: they count as well. */
static void test_pubsub__hard_limit_counts_what_waits_for_the_disk(void **state)
{
	struct rig *r = rig_create(2, 1);
	r->conf.output_pubsub.hard_bytes = 100000;
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	rig_journal(r, 1 << 20);
	struct rig_conn *c = rig_open(r, 0), *pub = rig_open(r, 1);
	rig_ask(c, "HELLO 3");
	rig_ask(c, "SUBSCRIBE a");
	rig_settle(r);
	c->out_len = 0;
	rig_ask(c, "SET a 1");
	rig_settle(r);
	assert_non_null(c->session->gate);
	static char big[2000];
	fill(big, 1000, "");
	for (int i = 0; i < 120; i++)
		rig_send(pub, big);
	rig_settle(r);
	assert_true(c->aborted);
	assert_int_equal(r->host[0]->count.killed_output, 1);
	assert_int_equal(c->out_len, 0);
	rig_destroy(r);
}

static void test_pubsub__soft_limit_cuts_after_its_seconds(void **state)
{
	struct rig *r = rig_create(1, 1);
	r->conf.output_pubsub = (struct output_limit){.soft_bytes = 5000, .soft_s = 10};
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	struct rig_conn *c = rig_open(r, 0), *pub = rig_open(r, 0);
	rig_ask(c, "SUBSCRIBE a");
	rig_settle(r);
	c->out_len = 0;
	c->room = 0;
	static char big[2000];
	fill(big, 1000, "");
	for (int i = 0; i < 10; i++)
		rig_send(pub, big);
	rig_settle(r);
	rig_advance_us(r, 9 * 1000000);
	rig_settle(r);
	host_poll_idle(r->host[0]);
	assert_false(c->session->abort);
	/* It reads, and falls behind again: its seconds begin anew. */
	c->room = UINT32_MAX;
	session_send_ready(c->session);
	rig_settle(r);
	host_poll_idle(r->host[0]);
	c->room = 0;
	c->out_len = 0;
	for (int i = 0; i < 10; i++)
		rig_send(pub, big);
	rig_settle(r);
	rig_advance_us(r, 9 * 1000000);
	rig_settle(r);
	host_poll_idle(r->host[0]);
	assert_false(c->session->abort);
	rig_advance_us(r, 2 * 1000000);
	rig_settle(r);
	host_poll_idle(r->host[0]);
	rig_settle(r);
	assert_true(c->aborted);
	pub->out_len = 0;
	rig_destroy(r);
}

/* Of two workers. */
static void take_shards(struct rig *r, struct lease *l, uint64_t shards)
{
	assert_true(lease_try_submit(r->leases, l, shards, 2));
	for (uint32_t i = 0; i < 6; i++)
		rig_step(r, i % 2);
	assert_true(lease_granted(l));
}

static void name_key_of(const struct rig *r, uint32_t shard, char *key, size_t cap)
{
	uint32_t i = 0;
	do
		snprintf(key, cap, "k%u", i++);
	while (cmd_shard_of(&r->host[0]->env, (struct slice){key, strlen(key)}) != shard);
}

/* Nothing of it waits for a shard that somebody holds. */
static void test_pubsub__goes_on_while_the_shard_is_leased(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct lease l = {0};
	take_shards(r, &l, 3);
	struct rig_conn *c = rig_open(r, 0), *pub = rig_open(r, 1);
	expect_after(c, "SUBSCRIBE a b",
		     "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n"
		     ":2\r\n");
	expect_after(pub, "PUBLISH a 1", ":1\r\n");
	expect_after(pub, "PUBLISH b 2", ":1\r\n");
	assert_true(c->out_len > 0);
	c->out_len = 0;
	lease_release(r->leases, &l, ~0ull);
	rig_destroy(r);
}

/* A client that counts replies would take it for one. */
static void test_pubsub__no_message_comes_before_its_confirmation_or_a_reply_before_that(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct lease l = {0};
	char key[16], want[256];
	name_key_of(r, 1, key, sizeof key);
	take_shards(r, &l, 2);
	struct rig_conn *c = rig_open(r, 0), *pub = rig_open(r, 1);
	rig_ask(c, "INCR %s", key);
	rig_ask(c, "SUBSCRIBE a");
	rig_settle(r);
	expect_after(pub, "PUBLISH a 1", ":1\r\n");
	expect_after(c, "SUBSCRIBE b", "");
	lease_release(r->leases, &l, ~0ull);
	rig_settle(r);
	snprintf(want, sizeof want, "%s%s%s%s", ":1\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
		 "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n");
	rig_expect(c, want);
	expect_after(pub, "PUBLISH b 2", ":1\r\n");
	rig_expect(c, "*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$1\r\n2\r\n");
	rig_destroy(r);
}

static void test_pubsub__exec_that_subscribes_waits_for_what_its_client_asked_before(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct lease l = {0};
	char key[16], want[512];
	name_key_of(r, 1, key, sizeof key);
	struct rig_conn *c = rig_open(r, 0), *pub = rig_open(r, 1);
	rig_ask(c, "HELLO 3");
	rig_settle(r);
	c->out_len = 0;
	take_shards(r, &l, 2);
	rig_ask(c, "INCR %s", key);
	rig_ask(c, "SUBSCRIBE a");
	rig_ask(c, "GET %s", key);
	rig_ask(c, "MULTI");
	rig_ask(c, "SUBSCRIBE b");
	rig_ask(c, "EXEC");
	rig_settle(r);
	expect_after(pub, "PUBLISH b 1", ":0\r\n"); /* it has not subscribed yet */
	lease_release(r->leases, &l, ~0ull);
	rig_settle(r);
	snprintf(want, sizeof want, "%s%s%s%s%s", ":1\r\n", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n", "$1\r\n1\r\n",
		 "+OK\r\n+QUEUED\r\n", "*1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n");
	rig_expect(c, want);
	expect_after(pub, "PUBLISH b 2", ":1\r\n");
	rig_expect(c, ">3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$1\r\n2\r\n");
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pubsub__message_reaches_subscribers_on_every_home),
		cmocka_unit_test(test_pubsub__confirmations_count_and_name),
		cmocka_unit_test(test_pubsub__words_behind_a_waiting_confirmation_are_kept),
		cmocka_unit_test(test_pubsub__subscribes_again_while_the_first_confirmation_waits),
		cmocka_unit_test(test_pubsub__resp2_subscriber_may_say_little_else),
		cmocka_unit_test(test_pubsub__resp3_pushes_and_goes_on_with_other_commands),
		cmocka_unit_test(test_pubsub__patterns_and_channel_each_bring_the_message),
		cmocka_unit_test(test_pubsub__every_message_told_arrives_in_order_in_every_interleaving),
		cmocka_unit_test(test_pubsub__own_pipeline_keeps_its_order_over_workers),
		cmocka_unit_test(test_pubsub__message_comes_after_what_its_sender_wrote_before),
		cmocka_unit_test(test_pubsub__subscriber_that_vanishes_is_counted_no_more),
		cmocka_unit_test(test_pubsub__publishers_of_one_channel_are_heard_in_one_order),
		cmocka_unit_test(test_pubsub__large_message_is_shared_by_all_subscribers),
		cmocka_unit_test(test_pubsub__slow_reader_gets_everything_in_order),
		cmocka_unit_test(test_pubsub__hard_limit_cuts_the_slow_subscriber_only),
		cmocka_unit_test(test_pubsub__hard_limit_counts_what_waits_for_the_disk),
		cmocka_unit_test(test_pubsub__soft_limit_cuts_after_its_seconds),
		cmocka_unit_test(test_pubsub__goes_on_while_the_shard_is_leased),
		cmocka_unit_test(test_pubsub__no_message_comes_before_its_confirmation_or_a_reply_before_that),
		cmocka_unit_test(test_pubsub__exec_that_subscribes_waits_for_what_its_client_asked_before),
	};
	rig_eal("test_pubsub");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
