/* What the kernel knows of an interface: addresses, VLANs and default routes. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

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
		    !from_sockaddr(i->ifa_netmask, &mask))
			continue;
		out[n++].prefix_len = prefix_len(&mask);
	}
	freeifaddrs(all);
	return n;
}

bool xdp_kernel_has(const struct net_addr *a, char *ifname)
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		struct net_addr has;
		found = from_sockaddr(i->ifa_addr, &has) && net_addr_eq(&has, a);
		if (found && ifname)
			snprintf(ifname, IFNAMSIZ, "%s", i->ifa_name);
	}
	freeifaddrs(all);
	return found;
}

bool xdp_iface_strips_vlan(const char *ifname)
{
	struct ethtool_value v = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq ifr = {.ifr_data = (void *)&v};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	memcpy(ifr.ifr_name, ifname, strnlen(ifname, IFNAMSIZ - 1));
	bool on = ioctl(fd, SIOCETHTOOL, &ifr) == 0 && (v.data & ETH_FLAG_RXVLAN);
	close(fd);
	return on;
}

bool xdp_iface_vlan(const char *ifname, uint16_t vlan, char *out, size_t cap)
{
	char line[256], name[32], on[32];
	unsigned id;
	bool found = vlan == 0;

	snprintf(out, cap, "%s", ifname);
	FILE *f = found ? NULL : fopen("/proc/net/vlan/config", "r");
	while (f && !found && fgets(line, sizeof(line), f)) {
		found = sscanf(line, "%31s | %u | %31s", name, &id, on) == 3 && id == vlan && strcmp(on, ifname) == 0;
		if (found)
			snprintf(out, cap, "%s", name);
	}
	if (f)
		fclose(f);
	return found;
}

static void gateway4(const char *ifname, struct net_addr *out)
{
	char line[256], name[32];
	unsigned dest, via, flags, mask, metric, best = UINT32_MAX;
	FILE *f = fopen("/proc/net/route", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%31s %x %x %x %*d %*d %u %x", name, &dest, &via, &flags, &metric, &mask) != 6 ||
		    strcmp(name, ifname) != 0 || dest != 0 || mask != 0 || !(flags & RTF_GATEWAY) || metric >= best)
			continue;
		best = metric;
		*out = (struct net_addr){.family = 4, .v4 = via};
	}
	if (f)
		fclose(f);
}

static bool hex_addr(const char *text, struct net_addr *out)
{
	*out = (struct net_addr){.family = 6};
	for (int i = 0; i < 16; i++)
		if (sscanf(text + 2 * i, "%2hhx", &out->v6[i]) != 1)
			return false;
	return true;
}

static void gateway6(const char *ifname, struct net_addr *out)
{
	char line[256], name[32], dest[33], via[33];
	unsigned len, flags, metric, best = UINT32_MAX;
	FILE *f = fopen("/proc/net/ipv6_route", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%32s %x %*s %*x %32s %x %*x %*x %x %31s", dest, &len, via, &metric, &flags, name) !=
			    6 ||
		    strcmp(name, ifname) != 0 || len != 0 || !(flags & RTF_GATEWAY) || metric >= best ||
		    !hex_addr(via, out))
			continue;
		best = metric;
	}
	if (f)
		fclose(f);
}

void xdp_iface_gateways(const char *ifname, struct net_addr *v4, struct net_addr *v6)
{
	memset(v4, 0, sizeof(*v4));
	memset(v6, 0, sizeof(*v6));
	gateway4(ifname, v4);
	gateway6(ifname, v6);
}
