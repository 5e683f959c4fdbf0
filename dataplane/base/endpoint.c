#include "base/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>

size_t endpoint_format(const struct endpoint *e, char *buf, size_t cap)
{
	char ip[INET6_ADDRSTRLEN] = "";

	buf[0] = '\0';
	if (e->family == 0 || inet_ntop(e->family == 4 ? AF_INET : AF_INET6, e->ip, ip, sizeof ip) == NULL)
		return 0;
	int n = snprintf(buf, cap, e->family == 4 ? "%s:%u" : "[%s]:%u", ip, e->port);
	return RP_MIN((size_t)n, cap - 1);
}
