/* What must hold of every connection after each iteration, whatever the network and the peer do. */
#pragma once

#include "tcp/tcp_priv.h"

/* NULL, or which law is broken. */
const char *law_conn(const struct tcp_conn *c);

/* Of a connection that has just had its turn to send. */
const char *law_flow(const struct tcp_conn *c);
/* Deadlines of a connection, and since when they have been these. One that is set when its time is over already fires
 * with the next tick. */
struct law_clock {
	uint64_t deadline[TCP_TIMERS], since_us[TCP_TIMERS];
};
/* Of instances whose timers have just been polled at the time that they had asked for: nothing is late. */
const char *law_on_time(const struct tcp_conn *c, struct law_clock *k);
const char *law_time_wait(const struct tcp *t);
