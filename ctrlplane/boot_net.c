/* Boot of the network: our addresses, the rings between workers, and what of the kernel's set-up would be in the way.
 */
#include <net/if.h>
#include <rte_ring.h>
#include <stdlib.h>

#include "ctrlplane/ctrl_priv.h"
#include "net/xdp.h"

#define STEER_RING 1024

static struct net_addr net_addr_of(const struct config_ip *ip)
{
	struct net_addr a = {.family = ip->family};
	memcpy(a.v6, ip->v6, sizeof a.v6);
	return a;
}

/* The interface of af_xdp, or the kernel's VLAN on it, brings the addresses if none are set. */
static int interface_addresses(struct ctrl *c, const char *ifname, struct err *e)
{
	char kernels[IFNAMSIZ];
	uint16_t vlan = (uint16_t)c->config.vlan;

	if (!xdp_iface_vlan(ifname, vlan, kernels, sizeof kernels))
		return err_set(
			e,
			"device af_xdp:%s: the kernel has no interface for vlan %u on it to share; set 'address', "
			"or `ip link add link %s name %s.%u type vlan id %u`",
			ifname, vlan, ifname, ifname, vlan, vlan);
	c->naddrs = xdp_iface_addrs(kernels, c->addrs, NET_MAX_ADDRS);
	if (c->naddrs == 0)
		return err_set(e, "device af_xdp:%s: %s has no address; give it one, or set 'address'", ifname,
			       kernels);
	struct net_addr v4, v6;
	xdp_iface_gateways(kernels, &v4, &v6);
	if (c->gateway.family == 0)
		c->gateway = v4;
	if (c->gateway6.family == 0)
		c->gateway6 = v6;
	return 0;
}

int boot_addresses(struct ctrl *c, struct err *e)
{
	const struct config_addrs list = config_addresses(&c->config);

	c->gateway = net_addr_of(&c->config.gateway.v4);
	c->gateway6 = net_addr_of(&c->config.gateway.v6);
	for (uint32_t i = 0; i < list.n && i < NET_MAX_ADDRS; i++) {
		c->addrs[i].addr = net_addr_of(&list.addr[i]);
		c->addrs[i].prefix_len = list.addr[i].prefix_len;
		c->naddrs++;
	}
	return list.n == 0 ? interface_addresses(c, xdp_device_iface(c->config.device), e) : 0;
}

/* ---- steering ---- */

static struct rte_ring ***ring_matrix(uint32_t n)
{
	struct rte_ring ***m = calloc(n, sizeof *m);
	for (uint32_t i = 0; m != NULL && i < n; i++)
		if ((m[i] = calloc(n, sizeof **m)) == NULL)
			return m; /* boot_steering() sees the gap and fails; boot_undo() frees the rest */
	return m;
}

int boot_steering(struct ctrl *c, struct err *e)
{
	uint32_t n = c->nworkers;
	if (n == 1)
		return 0;
	c->steer_in = ring_matrix(n);
	c->steer_out = ring_matrix(n);
	for (uint32_t i = 0; i < n * n; i++) {
		uint32_t from = i / n, to = i % n;
		char name[RTE_RING_NAMESIZE];
		if (c->steer_in == NULL || c->steer_out == NULL || c->steer_in[to] == NULL ||
		    c->steer_out[from] == NULL)
			return err_set(e, "out of memory for steering rings; use fewer workers");
		if (from == to)
			continue;
		snprintf(name, sizeof name, "steer_%u_%u", from, to);
		c->steer_in[to][from] = c->steer_out[from][to] = rte_ring_create(name, STEER_RING, SOCKET_ID_ANY,
										 RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (c->steer_in[to][from] == NULL)
			return err_set(e, "out of memory for steering rings; raise eal-memory or use fewer workers");
	}
	return 0;
}

void boot_steering_undo(struct ctrl *c)
{
	for (uint32_t i = 0; i < c->nworkers; i++) {
		for (uint32_t k = 0; c->steer_in != NULL && c->steer_in[i] != NULL && k < c->nworkers; k++)
			rte_ring_free(c->steer_in[i][k]);
		if (c->steer_in != NULL)
			free(c->steer_in[i]);
		if (c->steer_out != NULL)
			free(c->steer_out[i]);
	}
	free(c->steer_in);
	free(c->steer_out);
}

/* ---- warnings ---- */

/* Frames of these devices never pass a kernel. */
static bool between_processes(const char *device)
{
	return strncmp(device, "memif:", 6) == 0 || strncmp(device, "vhost:", 6) == 0 ||
	       strncmp(device, "virtio-user:", 12) == 0;
}

/* Two stacks at one address: the kernel resets our connections, or keeps this machine's own clients to itself. */
static void warn_kernel_has(const struct ctrl *c, const struct net_ifaddr *a)
{
	char text[64], ifname[IFNAMSIZ];

	if (!xdp_kernel_has(&a->addr, ifname))
		return;
	net_addr_format(&a->addr, text, sizeof text);
	log_write(LOG_WARNING,
		  "the kernel has address %s too, on %s: it answers for it and resets our connections; `ip addr del "
		  "%s/%u dev %s`, or give Redpoll an address of its own with 'address'%s",
		  text, ifname, text, a->prefix_len, ifname,
		  strncmp(c->config.device, "af_packet:", 10) == 0 ? ", or share it with 'device af_xdp:IFACE'" : "");
}

void boot_net_warnings(const struct ctrl *c)
{
	const char *ifname = xdp_device_iface(c->config.device);

	if (ifname && c->config.vlan && xdp_iface_strips_vlan(ifname))
		log_write(LOG_WARNING,
			  "device af_xdp:%s: the NIC takes VLAN tags out of frames before we see them, so none of vlan "
			  "%d arrive; `ethtool -K %s rxvlan off`",
			  ifname, (int)c->config.vlan, ifname);
	if (port_info(c->port)->shared || between_processes(c->config.device))
		return;
	for (uint32_t i = 0; i < c->naddrs; i++)
		warn_kernel_has(c, &c->addrs[i]);
}
