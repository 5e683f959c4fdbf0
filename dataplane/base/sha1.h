/* SHA-1 (FIPS 180-4): names of scripts. Not for secrets. */
#pragma once

#include "base/defs.h"

#define SHA1_BYTES 20

void sha1(struct slice data, uint8_t out[SHA1_BYTES]);
/* 40 lower-case digits and a NUL. */
void sha1_hex(const uint8_t digest[SHA1_BYTES], char out[SHA1_BYTES * 2 + 1]);
