/* What DUMP and FUNCTION DUMP answer with: RDB's bytes, the version (2 bytes) and a CRC-64 (8 bytes) behind them. */
#include "base/crc64.h"
#include "store/rdb/rdb.h"

#define FOOTER 10

void rdb_put_footer(struct rdb_out *w, uint16_t version)
{
	rdb_put_raw(w, &version, sizeof version);
	uint64_t crc = crc64(0, w->p, w->failed ? 0 : w->len);
	rdb_put_raw(w, &crc, sizeof crc);
}

bool rdb_payload_open(struct slice p, struct slice *body)
{
	uint16_t version;
	uint64_t crc;

	if (p.len < FOOTER)
		return false;
	memcpy(&version, p.ptr + p.len - FOOTER, sizeof version);
	memcpy(&crc, p.ptr + p.len - sizeof crc, sizeof crc);
	*body = (struct slice){p.ptr, p.len - FOOTER};
	return version <= RDB_VERSION_READ && crc64(0, p.ptr, p.len - sizeof crc) == crc;
}
