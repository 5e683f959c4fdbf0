/* Talks to a server through hiredis: plain commands, a pipeline, binary values and the asynchronous close.
 * Prints nothing and ends with 0 if every answer was right. Usage: hiredis_client HOST PORT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#define PIPELINE 5000

static void expect(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "hiredis_client: %s\n", what);
	exit(1);
}

static void plain(redisContext *c)
{
	char value[70000];
	redisReply *r = redisCommand(c, "SET %s %s", "h:plain", "hello");

	expect(r && r->type == REDIS_REPLY_STATUS && strcmp(r->str, "OK") == 0, "SET");
	freeReplyObject(r);
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (char)(i * 31);
	r = redisCommand(c, "SET h:bin %b", value, sizeof(value));
	expect(r && r->type == REDIS_REPLY_STATUS, "SET of a binary value");
	freeReplyObject(r);
	r = redisCommand(c, "GET h:bin");
	expect(r && r->type == REDIS_REPLY_STRING && (size_t)r->len == sizeof(value) &&
		       memcmp(r->str, value, sizeof(value)) == 0,
	       "GET of a binary value");
	freeReplyObject(r);
	r = redisCommand(c, "GET h:none");
	expect(r && r->type == REDIS_REPLY_NIL, "GET of no key");
	freeReplyObject(r);
	r = redisCommand(c, "INCR h:plain");
	expect(r && r->type == REDIS_REPLY_ERROR, "INCR of a word");
	freeReplyObject(r);
	r = redisCommand(c, "MGET h:plain h:none");
	expect(r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[1]->type == REDIS_REPLY_NIL, "MGET");
	freeReplyObject(r);
}

static void pipeline(redisContext *c)
{
	redisReply *r = redisCommand(c, "DEL h:count");

	freeReplyObject(r);
	for (int i = 0; i < PIPELINE; i++)
		redisAppendCommand(c, "INCR h:count");
	for (int i = 0; i < PIPELINE; i++) {
		expect(redisGetReply(c, (void **)&r) == REDIS_OK, "a pipeline's reply");
		expect(r->type == REDIS_REPLY_INTEGER && r->integer == i + 1, "order of a pipeline's replies");
		freeReplyObject(r);
	}
}

int main(int argc, char **argv)
{
	struct timeval timeout = {.tv_sec = 10};
	redisContext *c;

	expect(argc == 3, "usage: hiredis_client HOST PORT");
	c = redisConnectWithTimeout(argv[1], atoi(argv[2]), timeout);
	expect(c && !c->err, c ? c->errstr : "out of memory");
	redisSetTimeout(c, timeout);
	plain(c);
	pipeline(c);
	redisFree(c);
	return 0;
}
