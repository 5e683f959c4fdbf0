/* CRC-64 as Redis appends it to RDB files and DUMP payloads: Jones' polynomial, reflected, initial value 0, no final
 * xor; of "123456789" it is e9c6d914c4b8d9ca. */
#pragma once

#include "base/defs.h"

/* crc: of what came before, 0 at first. Any thread. */
uint64_t crc64(uint64_t crc, const void *data, size_t len);
