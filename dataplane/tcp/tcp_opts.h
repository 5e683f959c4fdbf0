/* TCP options on the wire: RFC 9293 section 3.2 (MSS), RFC 7323 (window scale, timestamps), RFC 2018 (SACK). */
#pragma once

#include "base/defs.h"

#define TCP_WSCALE_MAX   14 /* RFC 7323 section 2.3 */
#define TCP_OPT_TS_BYTES 12 /* NOP NOP and the timestamp option: what every segment but SYN carries */
#define TCP_OPT_MAX      40
#define TCP_SACK_BLOCKS  4 /* what 40 bytes hold */

enum {
	TCP_OPT_HAS_MSS = 1,
	TCP_OPT_HAS_WSCALE = 2,
	TCP_OPT_HAS_TS = 4,
	TCP_OPT_HAS_SACK_OK = 8,
};

/* Sequence numbers [start, end). */
struct tcp_block {
	uint32_t start, end;
};

struct tcp_opts {
	uint8_t has; /* TCP_OPT_HAS_* */
	uint8_t wscale;
	uint16_t mss;
	uint32_t tsval, tsecr;
	uint32_t nblocks; /* SACK blocks */
	struct tcp_block block[TCP_SACK_BLOCKS];
};

/* Options of a header. Unknown ones are skipped; the scale is clamped to 14. False: a length that does not fit. */
bool tcp_opts_parse(const uint8_t *p, uint32_t len, struct tcp_opts *o);
/* Writes the options of a SYN; returns their bytes, a multiple of 4. */
uint32_t tcp_opts_emit_syn(uint8_t *p, const struct tcp_opts *o);
/* Writes the aligned timestamp option: TCP_OPT_TS_BYTES. */
void tcp_opts_emit_ts(uint8_t *p, uint32_t tsval, uint32_t tsecr);
/* Writes NOP NOP and n SACK blocks; returns their bytes: 4 + 8 n. */
uint32_t tcp_opts_emit_sack(uint8_t *p, const struct tcp_block *b, uint32_t n);
/* The aligned timestamp option and nothing else? Fills tsval and tsecr: the usual case without a loop. */
bool tcp_opts_parse_ts_only(const uint8_t *p, uint32_t len, struct tcp_opts *o);
