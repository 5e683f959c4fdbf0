/* Address and port of one end of a connection, as text only for people. */
#pragma once

#include "base/defs.h"

struct endpoint {
	uint8_t ip[16]; /* 4 or 16 bytes of it */
	uint16_t port;  /* host order */
	uint8_t family; /* 4, 6; 0: none */
};

#define ENDPOINT_TEXT_MAX 64
/* "ip:port", "[ip]:port" for IPv6, an empty text for none; NUL-terminated, returns its length. cap: ENDPOINT_TEXT_MAX
 * is enough. */
size_t endpoint_format(const struct endpoint *e, char *buf, size_t cap);
