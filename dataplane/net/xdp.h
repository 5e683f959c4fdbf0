/* One NIC for the kernel and us: our XDP program on a kernel interface, and what the kernel knows of that interface.
 * Control thread.
 *
 * The program is attached through a BPF link whose only reference is a descriptor of this process: however the
 * process ends, the kernel takes the program off the interface.
 */
#pragma once

#include "net/net.h"

struct bpf_object;
struct xdp;
struct xdp_filter;

struct xdp_params {
	const char *ifname;
	const struct net_ifaddr *addrs;
	uint32_t naddrs;
	uint16_t tcp_port;              /* host order */
	uint16_t vlan;                  /* frames must carry this identifier; 0: no tag */
	uint16_t first_port, last_port; /* host order; connections that we open leave from these; 0: we open none */
};

/* The program with this filter, loaded but not attached; NULL with errno. For bpf_object__close(). */
struct bpf_object *xdp_load(const struct xdp_filter *filter);
/* Loads the program and attaches it, in the driver if that can, else in the kernel's generic path. Must come before the
 * sockets are opened: libxdp adopts it. NULL with *e. */
struct xdp *xdp_attach(const struct xdp_params *p, struct err *e);
/* After the sockets are closed. */
void xdp_detach(struct xdp *x);
/* The kernel has the addresses too: it answers ARP and ICMP for them. */
bool xdp_is_shared(const struct xdp *x);
bool xdp_is_native(const struct xdp *x);

/* The interface of an `af_xdp:IFACE` device, or NULL if device is of another kind. */
const char *xdp_device_iface(const char *device);
/* Whether the kernel takes VLAN tags out of frames before the program sees them. */
bool xdp_iface_strips_vlan(const char *ifname);
/* The kernel's interface for frames of this VLAN of ifname (0: ifname itself); false, and ifname itself, if there is
 * none. */
bool xdp_iface_vlan(const char *ifname, uint16_t vlan, char *out, size_t cap);
/* The kernel's addresses on the interface; returns how many were put into out. */
uint32_t xdp_iface_addrs(const char *ifname, struct net_ifaddr *out, uint32_t cap);
/* The kernel's default routes over the interface; family 0: it has none. */
void xdp_iface_gateways(const char *ifname, struct net_addr *v4, struct net_addr *v6);
/* Does the kernel of this network namespace have the address, on whichever interface? Its name goes to ifname (may be
 * NULL, else IFNAMSIZ bytes). */
bool xdp_kernel_has(const struct net_addr *a, char *ifname);
