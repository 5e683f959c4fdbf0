/* What a server delivers of PUBLISH: subscribers of one channel and publishers, each with a number of PUBLISHes under
 * way. Every message carries its number: each subscriber must get all of them - in order, if there is one publisher -
 * and each PUBLISH must answer with the number of subscribers. This part knows bytes, not connections: pubsub_load.c
 * has kernel sockets under it, pubsub_direct.c the generator's own stack. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUBSUB_REQUEST_MAX 256 /* bytes of a PUBLISH, and of a message */
#define PUBSUB_PATIENCE_S  10  /* for the rest, at the end */

struct pubsub_conn {
	bool publisher;
	uint64_t messages; /* complete ones that a subscriber has; PUBLISHes answered */
	uint32_t under_way;
	uint32_t have; /* bytes of a frame, answer or confirmation that came in part */
	bool confirmed;
	char part[PUBSUB_REQUEST_MAX];
};

struct pubsub_load {
	uint32_t subscribers, publishers, depth, payload;
	char head[64], answer[32]; /* what a frame begins with; what a PUBLISH is answered with */
	uint32_t head_len, frame_len, answer_len;
	uint32_t confirmed; /* subscribers */
	uint64_t published, answered, delivered;
	bool stopped; /* no more is published */
};

extern const char pubsub_subscribe[]; /* the request of a subscriber */

/* Ends the program with one sentence. */
void pubsub_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* A number from 1 to `most`. */
uint32_t pubsub_count(const char *word, uint32_t most);
double pubsub_now_s(void);
void pubsub_init(struct pubsub_load *l, uint32_t subscribers, uint32_t publishers, uint32_t depth, uint32_t payload);
/* The publisher's next request, at most PUBSUB_REQUEST_MAX bytes, which counts as published. 0: none now. */
size_t pubsub_next(struct pubsub_load *l, struct pubsub_conn *c, char *out);
/* What a connection has received. */
void pubsub_take(struct pubsub_load *l, struct pubsub_conn *c, const char *p, size_t n);
/* All that was published has been answered and has arrived. */
bool pubsub_complete(const struct pubsub_load *l);
/* `passed` seconds after the first PUBLISH, of `seconds` that it is to take: is there more to do? Ends the program when
 * what was published does not arrive. */
bool pubsub_goes_on(struct pubsub_load *l, double passed, double seconds);
/* Once complete: looks at every subscriber and prints the result. get: the i-th connection. */
void pubsub_report(const struct pubsub_load *l, struct pubsub_conn *(*get)(void *ctx, uint32_t i), void *ctx,
		   double seconds);
