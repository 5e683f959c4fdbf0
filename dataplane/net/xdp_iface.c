/* What the kernel knows of an interface: addresses and the default route. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/route.h>
#include <stdio.h>

#include "net/xdp.h"

const char *xdp_device_iface(const char *device)
{
	static const char word[] = "af_xdp:";
	return device && strncmp(device, word, sizeof(word) - 1) == 0 ? device + sizeof(word) - 1 : NULL;
}

static bool from_sockaddr(const struct sockaddr *sa, struct net_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (sa && sa->sa_family == AF_INET) {
		out->family = 4;
		out->v4 = ((const struct sockaddr_in *)sa)->sin_addr.s_addr;
	} else if (sa && sa->sa_family == AF_INET6) {
		out->family = 6;
		memcpy(out->v6, &((const struct sockaddr_in6 *)sa)->sin6_addr, sizeof(out->v6));
	}
	return out->family != 0;
}

static uint8_t prefix_len(const struct net_addr *mask)
{
	uint32_t n = mask->family == 4 ? 4 : 16;
	uint8_t len = 0;
	for (uint32_t i = 0; i < n; i++)
		len += (uint8_t)__builtin_popcount(mask->v6[i]);
	return len;
}

uint32_t xdp_iface_addrs(const char *ifname, struct net_ifaddr *out, uint32_t cap)
{
	struct ifaddrs *all;
	uint32_t n = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (const struct ifaddrs *i = all; i && n < cap; i = i->ifa_next) {
		struct net_addr mask;
		if (strcmp(i->ifa_name, ifname) != 0 || !from_sockaddr(i->ifa_addr, &out[n].addr) ||
		    out[n].addr.family != 4 || !from_sockaddr(i->ifa_netmask, &mask))
			continue;
		out[n++].prefix_len = prefix_len(&mask);
	}
	freeifaddrs(all);
	return n;
}

bool xdp_kernel_has(const struct net_addr *a)
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		struct net_addr has;
		found = from_sockaddr(i->ifa_addr, &has) && net_addr_eq(&has, a);
	}
	freeifaddrs(all);
	return found;
}

bool xdp_iface_gateway(const char *ifname, struct net_addr *out)
{
	char line[256], name[32];
	unsigned dest, via, flags, mask, best = UINT32_MAX;
	int metric;
	FILE *f = fopen("/proc/net/route", "r");

	memset(out, 0, sizeof(*out));
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%31s %x %x %x %*d %*d %d %x", name, &dest, &via, &flags, &metric, &mask) != 6 ||
		    strcmp(name, ifname) != 0 || dest != 0 || mask != 0 || !(flags & RTF_GATEWAY) ||
		    (unsigned)metric >= best)
			continue;
		best = (unsigned)metric;
		*out = (struct net_addr){.family = 4, .v4 = via};
	}
	if (f)
		fclose(f);
	return out->family != 0;
}
