/* Numbers a stranger must not be able to guess: initial sequence numbers (RFC 6528) and timestamp offsets (RFC 7323
 * section 5.4). Both are the same for every connection of one tuple but for the running clock, so a reused tuple
 * continues where its predecessor stopped. */
#include "tcp/tcp_priv.h"

uint32_t tcp_isn(const struct tcp *t, const struct tcp_key *k)
{
	uint32_t clock_4us = (uint32_t)(tcp_now_us(t) / 4);
	return clock_4us + (uint32_t)hash_sip24(k, sizeof(*k), t->isn_key);
}

uint32_t tcp_ts_offset(const struct tcp *t, const struct tcp_key *k)
{
	return (uint32_t)hash_sip24(k, sizeof(*k), t->ts_key);
}
