/* Aggregates through hiredis: pipelines of all types whose replies come in order, nested replies, values with every
 * byte; sessions, counters and places as their users have them. Prints nothing and ends with 0 if every answer was
 * right. Usage: hiredis_data HOST PORT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#define JOBS     2000
#define SESSIONS 200
#define BIG      90000

static void expect(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "hiredis_data: %s\n", what);
	exit(1);
}

/* A command's reply, of the type. */
static redisReply *ask(redisContext *c, int type, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	redisReply *r = redisvCommand(c, format, args);
	va_end(args);
	if (r && r->type != type && r->type == REDIS_REPLY_ERROR)
		fprintf(stderr, "%s\n", r->str);
	expect(r && r->type == type, format);
	return r;
}

static void expect_integer(redisContext *c, long long value, const char *command)
{
	redisReply *r = ask(c, REDIS_REPLY_INTEGER, command);

	expect(r->integer == value, command);
	freeReplyObject(r);
}

static void expect_text(const redisReply *r, const char *text)
{
	expect(r->type == REDIS_REPLY_STRING && strcmp(r->str, text) == 0, text);
}

/* Commands of four types in one pipeline; then a worker that takes the jobs in turn. */
static void queue(redisContext *c)
{
	redisReply *r;

	for (int i = 0; i < JOBS; i++) {
		redisAppendCommand(c, "LPUSH hd:queue job%d", i);
		redisAppendCommand(c, "HSET hd:jobs job%d %d", i, i * 3);
		redisAppendCommand(c, "ZADD hd:due %d job%d", i / 2, i);
		redisAppendCommand(c, "SADD hd:kinds kind%d", i % 7);
	}
	for (int i = 0; i < 4 * JOBS; i++) {
		long long expected[] = {i / 4 + 1, 1, 1, i / 4 < 7};

		expect(redisGetReply(c, (void **)&r) == REDIS_OK && r->type == REDIS_REPLY_INTEGER,
		       "a pipeline's reply");
		expect(r->integer == expected[i % 4], "order of a pipeline's replies");
		freeReplyObject(r);
	}
	for (int i = 0; i < 100; i++) {
		char job[16];

		snprintf(job, sizeof(job), "job%d", i);
		r = ask(c, REDIS_REPLY_STRING, "LMOVE hd:queue hd:work RIGHT LEFT");
		expect_text(r, job);
		freeReplyObject(r);
		r = ask(c, REDIS_REPLY_INTEGER, "LREM hd:work 1 %s", job);
		expect(r->integer == 1, "LREM of the job at work");
		freeReplyObject(r);
	}
	expect_integer(c, 0, "EXISTS hd:work");
	expect_integer(c, JOBS - 100, "LLEN hd:queue");
	r = ask(c, REDIS_REPLY_ARRAY, "RPOP hd:queue 50");
	expect(r->elements == 50, "RPOP of fifty");
	expect_text(r->element[49], "job149");
	freeReplyObject(r);
	freeReplyObject(ask(c, REDIS_REPLY_NIL, "LPOP hd:work 1"));
}

static void board(redisContext *c)
{
	redisReply *r = ask(c, REDIS_REPLY_ARRAY, "ZRANGE hd:due 0 3 REV WITHSCORES");

	expect(r->elements == 8, "ZRANGE REV WITHSCORES");
	expect_text(r->element[0], "job1999");
	expect_text(r->element[7], "998");
	freeReplyObject(r);
	expect_integer(c, 20, "ZCOUNT hd:due (90 100");
	expect_integer(c, 10, "ZRANK hd:due job10");
	r = ask(c, REDIS_REPLY_ARRAY, "HMGET hd:jobs job7 none job1999");
	expect_text(r->element[0], "21");
	expect(r->element[1]->type == REDIS_REPLY_NIL, "HMGET of no field");
	expect_text(r->element[2], "5997");
	freeReplyObject(r);
	r = ask(c, REDIS_REPLY_STRING, "ZINCRBY hd:due 0.5 job10");
	expect_text(r, "5.5");
	freeReplyObject(r);
	expect_integer(c, 7, "SCARD hd:kinds");
	freeReplyObject(ask(c, REDIS_REPLY_ERROR, "LPUSH hd:kinds x"));
}

/* SCAN family: a reply is a cursor and a list; every element comes at least once. */
static void scan(redisContext *c)
{
	static char seen[JOBS];
	char cursor[32] = "0";
	int n = 0;

	do {
		redisReply *r = ask(c, REDIS_REPLY_ARRAY, "HSCAN hd:jobs %s COUNT 100", cursor);

		expect(r->elements == 2 && r->element[1]->type == REDIS_REPLY_ARRAY, "HSCAN");
		for (size_t i = 0; i < r->element[1]->elements; i += 2) {
			int job = atoi(r->element[1]->element[i]->str + 3);

			expect(job >= 0 && job < JOBS && atoi(r->element[1]->element[i + 1]->str) == job * 3,
			       "HSCAN's pair");
			n += !seen[job];
			seen[job] = 1;
		}
		snprintf(cursor, sizeof(cursor), "%s", r->element[0]->str);
		freeReplyObject(r);
	} while (strcmp(cursor, "0") != 0);
	expect(n == JOBS, "HSCAN returns all fields");
}

static void stream(redisContext *c)
{
	redisReply *r;

	for (int i = 0; i < 50; i++)
		freeReplyObject(ask(c, REDIS_REPLY_STRING, "XADD hd:log %d-1 n %d", i + 1, i));
	freeReplyObject(ask(c, REDIS_REPLY_STATUS, "XGROUP CREATE hd:log readers 10-1"));
	r = ask(c, REDIS_REPLY_ARRAY, "XREADGROUP GROUP readers me COUNT 5 STREAMS hd:log >");
	expect(r->elements == 1 && r->element[0]->elements == 2, "XREADGROUP's streams");
	redisReply *entry = r->element[0]->element[1]->element[4];
	expect_text(entry->element[0], "15-1");
	expect_text(entry->element[1]->element[1], "14");
	freeReplyObject(r);
	expect_integer(c, 2, "XACK hd:log readers 11-1 12-1 50-1");
	r = ask(c, REDIS_REPLY_ARRAY, "XPENDING hd:log readers");
	expect(r->elements == 4 && r->element[0]->integer == 3, "XPENDING's summary");
	expect_text(r->element[1], "13-1");
	freeReplyObject(r);
	expect_integer(c, 50, "XLEN hd:log");
}

static void binary(redisContext *c)
{
	char *value = malloc(BIG);
	redisReply *r, *dump;

	for (size_t i = 0; value && i < BIG; i++)
		value[i] = (char)(i * 31);
	expect(value != NULL, "memory");
	freeReplyObject(ask(c, REDIS_REPLY_INTEGER, "HSET hd:bin %b %b", value, (size_t)256, value, (size_t)BIG));
	freeReplyObject(ask(c, REDIS_REPLY_INTEGER, "RPUSH hd:binlist %b %b", value, (size_t)BIG, value, (size_t)1));
	dump = ask(c, REDIS_REPLY_STRING, "DUMP hd:bin");
	freeReplyObject(ask(c, REDIS_REPLY_STATUS, "RESTORE hd:copy 0 %b", dump->str, (size_t)dump->len));
	freeReplyObject(dump);
	r = ask(c, REDIS_REPLY_STRING, "HGET hd:copy %b", value, (size_t)256);
	expect((size_t)r->len == BIG && memcmp(r->str, value, BIG) == 0, "a field of every byte, restored");
	freeReplyObject(r);
	r = ask(c, REDIS_REPLY_STRING, "LINDEX hd:binlist 0");
	expect((size_t)r->len == BIG && memcmp(r->str, value, BIG) == 0, "an element of every byte");
	freeReplyObject(r);
	free(value);
}

/* Logins: a hash and a token each, which end; changed, prolonged and looked up in pipelines. */
static void sessions(redisContext *c)
{
	redisReply *r;

	for (int i = 0; i < SESSIONS; i++) {
		redisAppendCommand(c, "HSET hd:sess:%d user u%d visits %d", i, i, i);
		redisAppendCommand(c, "EXPIRE hd:sess:%d 1800", i);
		redisAppendCommand(c, "SET hd:token:%d %d EX 60", i, i);
	}
	for (int i = 0; i < 3 * SESSIONS; i++) {
		expect(redisGetReply(c, (void **)&r) == REDIS_OK, "a login's reply");
		expect(i % 3 == 2 ? r->type == REDIS_REPLY_STATUS : r->integer == (i % 3 ? 1 : 2), "a login's reply");
		freeReplyObject(r);
	}
	expect_integer(c, 12, "HINCRBY hd:sess:9 visits 3");
	r = ask(c, REDIS_REPLY_ARRAY, "HGETALL hd:sess:9");
	expect(r->elements == 4, "HGETALL of a session");
	expect_text(r->element[3], "12");
	freeReplyObject(r);
	r = ask(c, REDIS_REPLY_INTEGER, "TTL hd:sess:9");
	expect(r->integer > 1790 && r->integer <= 1800, "TTL of a session");
	freeReplyObject(r);
	r = ask(c, REDIS_REPLY_ARRAY, "MGET hd:token:0 hd:token:none hd:token:%d", SESSIONS - 1);
	expect(r->elements == 3 && r->element[1]->type == REDIS_REPLY_NIL, "MGET of tokens");
	expect_text(r->element[0], "0");
	freeReplyObject(r);
	r = ask(c, REDIS_REPLY_STRING, "GETEX hd:token:1 PERSIST");
	expect_text(r, "1");
	freeReplyObject(r);
	expect_integer(c, -1, "TTL hd:token:1");
	expect_integer(c, 1, "PEXPIRE hd:sess:8 20");
	for (int tries = 0;; tries++) {
		r = ask(c, REDIS_REPLY_INTEGER, "EXISTS hd:sess:8");
		long long there = r->integer;
		freeReplyObject(r);
		if (!there)
			break;
		expect(tries < 1000, "a session ends");
		usleep(10000);
	}
	expect_integer(c, 1, "DEL hd:sess:7 hd:sess:8");
	freeReplyObject(ask(c, REDIS_REPLY_ERROR, "HGET hd:token:1 f"));
}

static void counters(redisContext *c)
{
	redisReply *r;

	for (int i = 0; i < 500; i++) {
		redisAppendCommand(c, "INCR hd:n");
		redisAppendCommand(c, "HINCRBY hd:hits page%d %d", i % 5, i);
		redisAppendCommand(c, "PFADD hd:seen:%d user%d", i % 3, i);
		redisAppendCommand(c, "SETBIT hd:day:%d %d 1", i % 2, i / 2);
	}
	for (int i = 0; i < 4 * 500; i++) {
		expect(redisGetReply(c, (void **)&r) == REDIS_OK && r->type == REDIS_REPLY_INTEGER,
		       "a counter's reply");
		expect(i % 4 != 0 || r->integer == i / 4 + 1, "a counter counts");
		freeReplyObject(r);
	}
	r = ask(c, REDIS_REPLY_STRING, "HGET hd:hits page3");
	expect_text(r, "25050"); /* 3 + 8 + ... + 498 */
	freeReplyObject(r);
	r = ask(c, REDIS_REPLY_INTEGER, "PFCOUNT hd:seen:0 hd:seen:1 hd:seen:2");
	expect(r->integer > 480 && r->integer < 520, "PFCOUNT of three");
	freeReplyObject(r);
	expect_integer(c, 32, "BITOP AND hd:both hd:day:0 hd:day:1");
	expect_integer(c, 250, "BITCOUNT hd:both");
	r = ask(c, REDIS_REPLY_STRING, "INCRBYFLOAT hd:float 1.5");
	expect_text(r, "1.5");
	freeReplyObject(r);
}

static void geo(redisContext *c)
{
	redisReply *r;

	expect_integer(c, 3,
		       "GEOADD hd:geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.4964 41.9028 Roma");
	r = ask(c, REDIS_REPLY_STRING, "GEODIST hd:geo Palermo Catania km");
	expect_text(r, "166.2742");
	freeReplyObject(r);
	r = ask(c, REDIS_REPLY_ARRAY, "GEOSEARCH hd:geo FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHDIST");
	expect(r->elements == 2 && r->element[0]->elements == 2, "GEOSEARCH WITHDIST");
	expect_text(r->element[0]->element[0], "Catania");
	expect_text(r->element[0]->element[1], "56.4413");
	expect_text(r->element[1]->element[0], "Palermo");
	freeReplyObject(r);
	expect_integer(c, 3, "GEOSEARCHSTORE hd:near hd:geo FROMMEMBER Palermo BYBOX 900 900 km");
	r = ask(c, REDIS_REPLY_ARRAY, "GEOPOS hd:near Roma none");
	expect(r->elements == 2 && r->element[0]->elements == 2 && r->element[1]->type == REDIS_REPLY_NIL, "GEOPOS");
	freeReplyObject(r);
	r = ask(c, REDIS_REPLY_ARRAY, "GEOHASH hd:geo Palermo");
	expect_text(r->element[0], "sqc8b49rny0");
	freeReplyObject(r);
}

int main(int argc, char **argv)
{
	struct timeval timeout = {.tv_sec = 10};
	redisContext *c;

	expect(argc == 3, "usage: hiredis_data HOST PORT");
	c = redisConnectWithTimeout(argv[1], atoi(argv[2]), timeout);
	expect(c && !c->err, c ? c->errstr : "out of memory");
	redisSetTimeout(c, timeout);
	queue(c);
	board(c);
	scan(c);
	stream(c);
	binary(c);
	sessions(c);
	counters(c);
	geo(c);
	redisFree(c);
	return 0;
}
