/* Neighbour Discovery comes by multicast: to all nodes and to the group made of the last three bytes of an address
 * (RFC 4861, 2.3; RFC 2464, 7). A NIC drops what it was not told to take. */
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"
#include "net/port_priv.h"

#define GROUPS_MAX (NET_MAX_ADDRS + 2) /* all nodes, and that of the link-local address made of the MAC */

static uint32_t groups(const struct port *p, const struct net_ifaddr *addrs, uint32_t naddrs,
		       struct rte_ether_addr *out)
{
	const uint8_t *mac = p->info.mac.addr_bytes;
	uint32_t n = 0;

	for (uint32_t i = 0; i < naddrs && n < NET_MAX_ADDRS; i++) {
		const uint8_t *a = addrs[i].addr.v6;
		if (addrs[i].addr.family == 6)
			out[n++] = (struct rte_ether_addr){{0x33, 0x33, 0xff, a[13], a[14], a[15]}};
	}
	if (n == 0)
		return 0;
	out[n++] = (struct rte_ether_addr){{0x33, 0x33, 0xff, mac[3], mac[4], mac[5]}};
	out[n++] = (struct rte_ether_addr){{0x33, 0x33, 0, 0, 0, 1}};
	return n;
}

/* The kernel programs the NIC below its interface, for as long as the socket lives. */
static void join_iface(struct port *p, const struct rte_ether_addr *g, uint32_t n)
{
	p->groups_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	for (uint32_t i = 0; p->groups_fd >= 0 && i < n; i++) {
		struct packet_mreq mr = {.mr_ifindex = (int)if_nametoindex(p->dev.arg),
					 .mr_type = PACKET_MR_MULTICAST,
					 .mr_alen = RTE_ETHER_ADDR_LEN};
		memcpy(mr.mr_address, g[i].addr_bytes, RTE_ETHER_ADDR_LEN);
		setsockopt(p->groups_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mr, sizeof(mr));
	}
}

/* Virtual devices that have no filter refuse both, and take everything anyway. */
void port_groups_join(struct port *p, const struct net_ifaddr *addrs, uint32_t naddrs)
{
	struct rte_ether_addr g[GROUPS_MAX];
	uint32_t n = p->info.shared ? 0 : groups(p, addrs, naddrs, g);

	if (n == 0)
		return;
	if (p->dev.kind == PORT_AF_PACKET || p->dev.kind == PORT_AF_XDP)
		join_iface(p, g, n);
	else if (rte_eth_dev_set_mc_addr_list(p->port_id, g, n) != 0)
		rte_eth_allmulticast_enable(p->port_id);
}

void port_groups_leave(struct port *p)
{
	if (p->groups_fd >= 0)
		close(p->groups_fd);
}
