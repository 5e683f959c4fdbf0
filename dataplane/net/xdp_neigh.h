/* Where the kernel has our addresses, it also keeps the neighbours. Workers ask for the MAC address on the way to a
 * peer through a ring each; the control thread asks the kernel by rtnetlink and answers through another. What the
 * kernel does not know yet it is made to resolve, and asked again.
 */
#pragma once

#include "net/net.h"

struct xdp_neigh;

/* On the kernel's interface for our frames (of a VLAN: the VLAN's). Control thread. NULL with *e. */
struct xdp_neigh *xdp_neigh_open(const char *ifname, uint32_t nworkers, struct err *e);
void xdp_neigh_close(struct xdp_neigh *x);
/* Worker w's rings of struct net_neigh_msg, for net_params; NULL if x is NULL. */
struct rte_ring *xdp_neigh_ask(const struct xdp_neigh *x, uint32_t w);
struct rte_ring *xdp_neigh_told(const struct xdp_neigh *x, uint32_t w);
/* Answers questions; returns how many are still open. Makes system calls only when there are some. x may be NULL.
 * Control thread, several times a second. */
uint32_t xdp_neigh_poll(struct xdp_neigh *x);
/* The MAC address of the next hop to a, if the kernel knows it now; starts its resolution. */
bool xdp_neigh_lookup(struct xdp_neigh *x, const struct net_addr *a, struct rte_ether_addr *mac);
