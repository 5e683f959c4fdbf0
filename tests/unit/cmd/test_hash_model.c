/* Hashes against a plain model: random changes, times, clocks and polls, in every form, across their borders. */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#define FIELDS 24
#define KEYS   3
#define STEPS  40000

struct model_field {
	bool there;
	int64_t value, at_ms; /* -1: no TTL */
};

static struct harness *h;
static struct model_field model[KEYS][FIELDS];
static struct rng rng;

static int setup(void **state)
{
	h = harness_create(2);
	h->conf.types.hash_max_listpack_entries = 12;
	memset(model, 0, sizeof model);
	rng_init(&rng, 4711);
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

static int64_t now_ms(void)
{
	return h->now.wall_us / 1000;
}

static bool alive(const struct model_field *f)
{
	return f->there && (f->at_ms < 0 || f->at_ms >= now_ms());
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)rng_below(&rng, n);
}

/* The four ways to ask for a TTL agree. */
static void expect_times(uint32_t k, uint32_t i)
{
	static const char *const ask[] = {"HPEXPIRETIME", "HEXPIRETIME", "HPTTL", "HTTL"};
	const struct model_field *f = &model[k][i];
	char want[64];

	for (uint32_t n = 0; n < RP_ARRAY_LEN(ask); n += 1 + below(3)) {
		int64_t t = f->at_ms - (n >= 2 ? now_ms() : 0), unit = n % 2 ? 1000 : 1;
		snprintf(want, sizeof want, "*1 :%ld", !alive(f) ? -2 : f->at_ms < 0 ? -1 : (t + unit - 1) / unit);
		assert_string_equal(runf(h, "%s k%u FIELDS 1 f%u", ask[n], k, i), want);
	}
}

static void expect_field(uint32_t k, uint32_t i)
{
	const struct model_field *f = &model[k][i];
	char want[64], value[32];

	snprintf(value, sizeof value, "%ld", f->value);
	snprintf(want, sizeof want, alive(f) ? "$%zu %s" : "$-1", strlen(value), value);
	assert_string_equal(runf(h, "HGET k%u f%u", k, i), want);
	expect_times(k, i);
}

/* The next word of a reply "$len word ...". */
static const char *next_bulk(const char *p, char *to)
{
	char *word;
	size_t len = strtoul(p + 1, &word, 10);

	assert_int_equal(*p, '$');
	assert_true(len < 32);
	memcpy(to, word + 1, len);
	to[len] = '\0';
	return word + 1 + len + (word[1 + len] == ' ');
}

/* A whole HSCAN shows each live field at least once and no other; its value unless NOVALUES says no. */
static void expect_scan(uint32_t k, bool values)
{
	uint32_t seen = 0, want = 0;
	char cursor[32] = "0", word[32], value[32];

	do {
		const char *p = runf(h, "HSCAN k%u %s COUNT %u%s", k, cursor, 1 + below(4), values ? "" : " NOVALUES");
		assert_memory_equal(p, "*2 ", 3);
		p = next_bulk(p + 3, cursor);
		for (p = strchr(p, '$'); p != NULL && *p; seen |= 1u << atoi(word + 1)) {
			p = next_bulk(p, word);
			const struct model_field *f = &model[k][atoi(word + 1)];
			assert_true(alive(f));
			if (!values)
				continue;
			p = next_bulk(p, value);
			assert_int_equal(atol(value), f->value);
		}
	} while (strcmp(cursor, "0") != 0);
	for (uint32_t i = 0; i < FIELDS; i++)
		want |= (uint32_t)alive(&model[k][i]) << i;
	assert_int_equal(seen, want);
}

static uint32_t live_count(uint32_t k)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < FIELDS; i++)
		n += alive(&model[k][i]);
	return n;
}

static void expect_all(uint32_t k)
{
	char want[32];

	for (uint32_t i = 0; i < FIELDS; i++)
		expect_field(k, i);
	snprintf(want, sizeof want, ":%u", live_count(k));
	assert_string_equal(runf(h, "HLEN k%u", k), want);
	snprintf(want, sizeof want, "*%u", live_count(k));
	runf(h, "HKEYS k%u", k);
	assert_memory_equal(h->reply, want, strlen(want));
	assert_string_equal(runf(h, "EXISTS k%u", k), live_count(k) > 0 ? ":1" : ":0");
	expect_scan(k, below(2));
}

static void set_field(uint32_t k, uint32_t i, int64_t at_ms)
{
	static const char *const conditions[] = {"", "FNX ", "FXX "};
	struct model_field *f = &model[k][i];
	int64_t v = below(2) ? below(100) : (int64_t)rng_next(&rng);
	uint32_t condition = at_ms >= 0 ? below(3) : 0;

	if (at_ms >= 0) {
		bool done = condition == 0 || alive(f) == (condition == 2);
		assert_string_equal(
			runf(h, "HSETEX k%u %sPXAT %ld FIELDS 1 f%u %ld", k, conditions[condition], at_ms, i, v),
			done ? ":1" : ":0");
		if (!done)
			return;
	} else
		runf(h, "HSET k%u f%u %ld", k, i, v);
	*f = (struct model_field){.there = at_ms < 0 || at_ms > now_ms(), .value = v, .at_ms = at_ms};
}

static void expire_field(uint32_t k, uint32_t i, int64_t at_ms)
{
	struct model_field *f = &model[k][i];
	char want[32];

	snprintf(want, sizeof want, "*2 :%d :%d",
		 !alive(f)           ? -2
		 : at_ms <= now_ms() ? 2
				     : 1,
		 !alive(f) || at_ms <= now_ms() ? -2 : 1);
	assert_string_equal(runf(h, "HPEXPIREAT k%u %ld FIELDS 2 f%u f%u", k, at_ms, i, i), want);
	if (alive(f)) {
		f->at_ms = at_ms;
		f->there = at_ms > now_ms();
	}
}

/* In seconds or milliseconds, relative or not, and on conditions. */
static void expire_field_if(uint32_t k, uint32_t i)
{
	static const char *const cmds[] = {"HPEXPIREAT", "HEXPIREAT", "HPEXPIRE", "HEXPIRE"}, *const conditions[] = {
												      "", "NX ", "XX ",
												      "GT ", "LT "};
	struct model_field *f = &model[k][i];
	uint32_t cmd = below(4), condition = below(5);
	int64_t unit = cmd % 2 ? 1000 : 1, n = cmd % 2 ? below(3) : below(200);
	char want[32];

	if (cmd < 2)
		n += now_ms() / unit - (unit == 1 ? 20 : 0);
	int64_t at_ms = n * unit + (cmd >= 2 ? now_ms() : 0), has = alive(f) ? f->at_ms : -1;
	bool holds = condition == 0 || (condition == 1 && has < 0) || (condition == 2 && has >= 0) ||
		     (condition == 3 && has >= 0 && at_ms > has) || (condition == 4 && (has < 0 || at_ms < has));
	int answer = !alive(f) ? -2 : !holds ? 0 : at_ms <= now_ms() ? 2 : 1;
	snprintf(want, sizeof want, "*1 :%d", answer);
	assert_string_equal(runf(h, "%s k%u %ld %sFIELDS 1 f%u", cmds[cmd], k, n, conditions[condition], i), want);
	if (answer > 0) {
		f->at_ms = at_ms;
		f->there = answer == 1;
	}
}

static void get_and_expire(uint32_t k, uint32_t i)
{
	struct model_field *f = &model[k][i];
	char value[64], want[96];
	bool was = alive(f), persist = below(4) == 0;
	int64_t at_ms = now_ms() + 1 + below(200);

	snprintf(value, sizeof value, "%ld", f->value);
	snprintf(want, sizeof want, was ? "*1 $%zu %s" : "*1 $-1", strlen(value), value);
	if (persist)
		assert_string_equal(runf(h, "HGETEX k%u PERSIST FIELDS 1 f%u", k, i), want);
	else if (below(2))
		assert_string_equal(runf(h, "HGETEX k%u PXAT %ld FIELDS 1 f%u", k, at_ms, i), want);
	else
		assert_string_equal(runf(h, "HGETEX k%u PX %ld FIELDS 1 f%u", k, at_ms - now_ms(), i), want);
	if (was)
		f->at_ms = persist ? -1 : at_ms;
}

static void count_field(uint32_t k, uint32_t i)
{
	struct model_field *f = &model[k][i];

	if (!alive(f))
		*f = (struct model_field){.at_ms = -1};
	f->there = true;
	f->value = (int64_t)((uint64_t)f->value % 1000) + 1;
	runf(h, "HSETEX k%u KEEPTTL FIELDS 1 f%u %ld", k, i, f->value - 1);
	runf(h, "HINCRBY k%u f%u 1", k, i);
}

static void pass_time(void)
{
	harness_advance_ms(h, below(30));
	for (uint32_t i = 0; i < h->env.nstores && below(2); i++)
		store_poll(h->stores[i], 1 + below(5));
}

static void copy_key(uint32_t k)
{
	uint32_t to = (k + 1) % KEYS;

	if (live_count(k) == 0)
		return;
	runf(h, below(2) ? "COPY k%u k%u REPLACE" : "RENAME k%u k%u", k, to);
	memcpy(model[to], model[k], sizeof model[k]);
	if (runf(h, "EXISTS k%u", k)[1] == '0')
		memset(model[k], 0, sizeof model[k]);
}

static void step(void)
{
	uint32_t k = below(KEYS), i = below(FIELDS);
	struct model_field *f = &model[k][i];

	switch (below(15)) {
	case 0:
	case 1:
		set_field(k, i, -1);
		break;
	case 2:
		set_field(k, i, now_ms() + below(200) - 5);
		break;
	case 3:
	case 4:
	case 5:
		expire_field(k, i, now_ms() + below(200) - 5);
		break;
	case 6:
		runf(h, "HPERSIST k%u FIELDS 1 f%u", k, i);
		f->at_ms = alive(f) ? -1 : f->at_ms;
		break;
	case 7:
		runf(h, below(2) ? "HDEL k%u f%u" : "HGETDEL k%u FIELDS 1 f%u", k, i);
		f->there = false;
		break;
	case 8:
		count_field(k, i);
		break;
	case 9:
		if (below(20) == 0)
			copy_key(k);
		break;
	case 10:
	case 11:
		expire_field_if(k, i);
		break;
	case 12:
		get_and_expire(k, i);
		break;
	default:
		pass_time();
	}
	h->events[0] = h->effects[0] = '\0';
}

static void test_hash__random_changes(void **state)
{
	for (int n = 0; n < STEPS; n++) {
		step();
		if (n % 16 == 0)
			expect_all(below(KEYS));
	}
}

static void test_hash__random_changes_to_tables(void **state)
{
	h->conf.types.hash_max_listpack_entries = 0;
	test_hash__random_changes(state);
}

static void test_hash__random_changes_to_listpacks(void **state)
{
	h->conf.types.hash_max_listpack_entries = 100;
	test_hash__random_changes(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hash__random_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hash__random_changes_to_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hash__random_changes_to_listpacks, setup, teardown),
	};
	harness_eal("test_hash_model");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
