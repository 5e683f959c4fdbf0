/* See pubsub.h. */
#include "pubsub.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHANNEL "bench"
#define DIGITS  16         /* of a message's number; its payload begins with them */
#define AHEAD   (32 << 20) /* bytes of deliveries that publishers may be ahead of the subscribers, all together */

const char pubsub_subscribe[] = "*2\r\n$9\r\nSUBSCRIBE\r\n$5\r\n" CHANNEL "\r\n";
static const char confirmation[] = "*3\r\n$9\r\nsubscribe\r\n$5\r\n" CHANNEL "\r\n:1\r\n";

void pubsub_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("PUBLISH: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

uint32_t pubsub_count(const char *word, uint32_t most)
{
	char *end;
	unsigned long v = strtoul(word, &end, 10);

	if (*end != '\0' || v == 0 || v > most)
		pubsub_die("%s is no number from 1 to %u", word, most);
	return (uint32_t)v;
}

double pubsub_now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void pubsub_init(struct pubsub_load *l, uint32_t subscribers, uint32_t publishers, uint32_t depth, uint32_t payload)
{
	*l = (struct pubsub_load){
		.subscribers = subscribers, .publishers = publishers, .depth = depth, .payload = payload};
	if (payload < DIGITS)
		pubsub_die("a payload has at least %d bytes", DIGITS);
	l->head_len = (uint32_t)sprintf(l->head, "*3\r\n$7\r\nmessage\r\n$5\r\n" CHANNEL "\r\n$%u\r\n", payload);
	l->frame_len = l->head_len + payload + 2;
	l->answer_len = (uint32_t)sprintf(l->answer, ":%u\r\n", subscribers);
}

static void number(char *out, uint64_t v)
{
	for (int i = DIGITS; i-- > 0; v /= 10)
		out[i] = (char)('0' + v % 10);
}

static bool too_far_ahead(const struct pubsub_load *l)
{
	return (l->published * l->subscribers - l->delivered) * l->frame_len > AHEAD;
}

size_t pubsub_next(struct pubsub_load *l, struct pubsub_conn *c, char *out)
{
	char *p = out;

	if (l->stopped || c->under_way >= l->depth || too_far_ahead(l))
		return 0;
	p += sprintf(p, "*3\r\n$7\r\nPUBLISH\r\n$5\r\n" CHANNEL "\r\n$%u\r\n", l->payload);
	memset(p, 'x', l->payload);
	number(p, l->published++);
	p += l->payload;
	memcpy(p, "\r\n", 2);
	c->under_way++;
	return (size_t)(p + 2 - out);
}

/* All answers are alike. */
static void take_answers(struct pubsub_load *l, struct pubsub_conn *c, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != l->answer[c->have])
			pubsub_die("not answered with %.*s", (int)l->answer_len - 2, l->answer);
		if (++c->have < l->answer_len)
			continue;
		c->have = 0;
		c->messages++;
		c->under_way--;
		l->answered++;
	}
}

static void check_frame(const struct pubsub_load *l, struct pubsub_conn *c, const char *frame)
{
	char want[DIGITS];

	number(want, c->messages);
	if (memcmp(frame, l->head, l->head_len) != 0)
		pubsub_die("not a message: %.*s", (int)l->head_len, frame);
	if (l->publishers == 1 && memcmp(frame + l->head_len, want, DIGITS) != 0)
		pubsub_die("message %.*s came where %.*s should", DIGITS, frame + l->head_len, DIGITS, want);
	c->messages++;
}

/* Puts what came in part together with what it needs to be `len` bytes. false: it is still a part. */
static bool fill_part(struct pubsub_conn *c, uint32_t len, const char **p, size_t *n)
{
	size_t k = len - c->have < *n ? len - c->have : *n;

	memcpy(c->part + c->have, *p, k);
	c->have += (uint32_t)k;
	*p += k;
	*n -= k;
	return c->have == len;
}

static void take_frames(struct pubsub_load *l, struct pubsub_conn *c, const char *p, size_t n)
{
	uint64_t before = c->messages;

	if (c->have > 0) {
		if (!fill_part(c, l->frame_len, &p, &n))
			return;
		check_frame(l, c, c->part);
		c->have = 0;
	}
	for (; n >= l->frame_len; p += l->frame_len, n -= l->frame_len)
		check_frame(l, c, p);
	memcpy(c->part, p, n);
	c->have = (uint32_t)n;
	l->delivered += c->messages - before;
}

void pubsub_take(struct pubsub_load *l, struct pubsub_conn *c, const char *p, size_t n)
{
	if (c->publisher) {
		take_answers(l, c, p, n);
		return;
	}
	if (!c->confirmed) {
		if (!fill_part(c, sizeof confirmation - 1, &p, &n))
			return;
		if (memcmp(c->part, confirmation, sizeof confirmation - 1) != 0)
			pubsub_die("SUBSCRIBE is answered with %.*s", (int)c->have, c->part);
		c->confirmed = true;
		c->have = 0;
		l->confirmed++;
	}
	take_frames(l, c, p, n);
}

bool pubsub_complete(const struct pubsub_load *l)
{
	return l->answered == l->published && l->delivered == l->published * l->subscribers;
}

bool pubsub_goes_on(struct pubsub_load *l, double passed, double seconds)
{
	l->stopped |= passed >= seconds;
	if (passed > seconds + PUBSUB_PATIENCE_S)
		pubsub_die("%lu deliveries are missing", l->published * l->subscribers - l->delivered);
	return !l->stopped || !pubsub_complete(l);
}

void pubsub_report(const struct pubsub_load *l, struct pubsub_conn *(*get)(void *ctx, uint32_t i), void *ctx,
		   double seconds)
{
	for (uint32_t i = 0; i < l->subscribers; i++) {
		const struct pubsub_conn *c = get(ctx, i);
		if (c->messages != l->published || c->have != 0)
			pubsub_die("subscriber %u has %lu messages of %lu", i, c->messages, l->published);
	}
	printf("{\"published\": %lu, \"delivered\": %lu, \"seconds\": %.3f, \"deliveries_per_s\": %.0f}\n",
	       l->published, l->delivered, seconds, (double)l->delivered / seconds);
}
