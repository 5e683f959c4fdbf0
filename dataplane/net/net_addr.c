/* Addresses as text. */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/num.h"
#include "net/net.h"

static bool prefix_parse(const char *text, uint8_t max, uint8_t *out)
{
	unsigned v = 0;
	size_t n = strlen(text);
	if (n == 0 || n > 3)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		v = v * 10 + (unsigned)(*text - '0');
	}
	*out = (uint8_t)v;
	return v <= max;
}

bool net_addr_parse(const char *text, struct net_addr *out, uint8_t *prefix_len)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);

	if (n >= sizeof(host) || (slash && !prefix_len))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &out->v4) == 1)
		out->family = 4;
	else if (inet_pton(AF_INET6, host, out->v6) == 1)
		out->family = 6;
	else
		return false;
	uint8_t max = out->family == 4 ? 32 : 128;
	if (slash)
		return prefix_parse(slash + 1, max, prefix_len);
	if (prefix_len)
		*prefix_len = max;
	return true;
}

/* By hand: each accepted client's address is formatted on its worker. */
static size_t format_v4(const uint8_t *octet, char *buf)
{
	size_t n = 0;
	for (uint32_t i = 0; i < 4; i++) {
		if (i > 0)
			buf[n++] = '.';
		n += num_format_u64(buf + n, octet[i]);
	}
	return n;
}

size_t net_addr_format(const struct net_addr *a, char *buf, size_t cap)
{
	if (cap == 0)
		return 0;
	if (a->family == 4 && cap >= INET_ADDRSTRLEN)
		return format_v4(a->v6, buf);
	if (!inet_ntop(a->family == 6 ? AF_INET6 : AF_INET, a->v6, buf, (socklen_t)cap))
		buf[0] = '\0';
	return strlen(buf);
}
