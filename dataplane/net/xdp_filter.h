/* What the XDP program (tools/bpf/redpoll.bpf.c) takes off an interface; its read-only data, written before it is
 * loaded. Shared with the program: types of linux/types.h only. */
#pragma once

#include <linux/types.h>

#define XDP_FILTER_ADDRS 16 /* of each family */

struct xdp_filter {
	__u32 nv4, nv6;
	/* 0: the kernel has these addresses too; ours are TCP to `port` and to the ports from `first` to `last`, and
	 * the errors "too big" about segments from there. 1: the addresses are ours alone; TCP, ICMP, ARP and neighbour
	 * discovery for them come to us. */
	__u32 exclusive;
	__u32 unread;      /* what becomes of a frame of ours that arrives on a queue without a socket: an XDP action */
	__u16 port;        /* network order */
	__u16 vlan;        /* 802.1Q identifier that frames must carry; 0: untagged ones */
	__u16 first, last; /* host order; where connections that we open leave from; last 0: none do */
	__u32 v4[XDP_FILTER_ADDRS]; /* network order */
	__u32 v6[XDP_FILTER_ADDRS][4];
};
