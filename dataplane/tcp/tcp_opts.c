#include "tcp/tcp_opts.h"

#include "base/be32.h"

enum {
	KIND_END = 0,
	KIND_NOP = 1,
	KIND_MSS = 2,
	KIND_WSCALE = 3,
	KIND_SACK_OK = 4,
	KIND_SACK = 5,
	KIND_TS = 8,
};

static void parse_sack(const uint8_t *p, uint32_t len, struct tcp_opts *o)
{
	o->nblocks = RP_MIN((len - 2) / 8, (uint32_t)TCP_SACK_BLOCKS);
	for (uint32_t i = 0; i < o->nblocks; i++)
		o->block[i] = (struct tcp_block){be32_load(p + 2 + 8 * i), be32_load(p + 6 + 8 * i)};
}

static void parse_one(const uint8_t *p, uint32_t len, struct tcp_opts *o)
{
	if (p[0] == KIND_MSS && len == 4) {
		o->mss = (uint16_t)(p[2] << 8 | p[3]);
		o->has |= TCP_OPT_HAS_MSS;
	} else if (p[0] == KIND_WSCALE && len == 3) {
		o->wscale = RP_MIN(p[2], TCP_WSCALE_MAX);
		o->has |= TCP_OPT_HAS_WSCALE;
	} else if (p[0] == KIND_TS && len == 10) {
		o->tsval = be32_load(p + 2);
		o->tsecr = be32_load(p + 6);
		o->has |= TCP_OPT_HAS_TS;
	} else if (p[0] == KIND_SACK_OK && len == 2) {
		o->has |= TCP_OPT_HAS_SACK_OK;
	} else if (p[0] == KIND_SACK && len % 8 == 2) {
		parse_sack(p, len, o);
	}
}

bool tcp_opts_parse(const uint8_t *p, uint32_t len, struct tcp_opts *o)
{
	const uint8_t *end = p + len;

	o->has = 0;
	o->nblocks = 0;
	while (p < end && *p != KIND_END) {
		if (*p == KIND_NOP) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return false;
		parse_one(p, p[1], o);
		p += p[1];
	}
	return true;
}

bool tcp_opts_parse_ts_only(const uint8_t *p, uint32_t len, struct tcp_opts *o)
{
	if (len != TCP_OPT_TS_BYTES || be32_load(p) != (KIND_NOP << 24 | KIND_NOP << 16 | KIND_TS << 8 | 10))
		return false;
	o->has = TCP_OPT_HAS_TS;
	o->nblocks = 0;
	o->tsval = be32_load(p + 4);
	o->tsecr = be32_load(p + 8);
	return true;
}

void tcp_opts_emit_ts(uint8_t *p, uint32_t tsval, uint32_t tsecr)
{
	be32_store(p, KIND_NOP << 24 | KIND_NOP << 16 | KIND_TS << 8 | 10);
	be32_store(p + 4, tsval);
	be32_store(p + 8, tsecr);
}

uint32_t tcp_opts_emit_sack(uint8_t *p, const struct tcp_block *b, uint32_t n)
{
	be32_store(p, KIND_NOP << 24 | KIND_NOP << 16 | KIND_SACK << 8 | (2 + 8 * n));
	for (uint32_t i = 0; i < n; i++) {
		be32_store(p + 4 + 8 * i, b[i].start);
		be32_store(p + 8 + 8 * i, b[i].end);
	}
	return 4 + 8 * n;
}

uint32_t tcp_opts_emit_syn(uint8_t *p, const struct tcp_opts *o)
{
	uint8_t *start = p;

	if (o->has & TCP_OPT_HAS_MSS) {
		be32_store(p, KIND_MSS << 24 | 4 << 16 | o->mss);
		p += 4;
	}
	if (o->has & TCP_OPT_HAS_WSCALE) {
		be32_store(p, KIND_NOP << 24 | KIND_WSCALE << 16 | 3 << 8 | o->wscale);
		p += 4;
	}
	if (o->has & TCP_OPT_HAS_TS) {
		tcp_opts_emit_ts(p, o->tsval, o->tsecr);
		p += TCP_OPT_TS_BYTES;
	}
	if (o->has & TCP_OPT_HAS_SACK_OK) {
		be32_store(p, KIND_NOP << 24 | KIND_NOP << 16 | KIND_SACK_OK << 8 | 2);
		p += 4;
	}
	return (uint32_t)(p - start);
}
