/* Trains (frames that are cut into segments below us) over net_af_packet, whose driver in DPDK 22.11 knows of no
 * offload. A packet socket takes a frame of up to 64 KiB behind a virtio header (PACKET_VNET_HDR): the NIC cuts it, or
 * the kernel in front of one that cannot, and a veth hands it on as it is. Bytes are copied once on this way, from
 * where they lie. Only trains take it: of single frames the driver's ring sends a whole burst with one call. What may
 * be left in that ring, as the kernel had no memory for it, goes before a train: their order is kept.
 *
 * Like the driver we pass queueing disciplines by. On that way the kernel refuses what it would have to cut itself, as
 * it refuses everything for a moment while a NIC is full. Where that lasts, trains take the longer way from then on.
 * There other packet sockets see what is sent (the driver's get a filter against that), and single frames come before
 * trains that a discipline holds back. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_tcp.h>

#include "net/port_priv.h"

#define TRAIN_SNDBUF  (4 << 20) /* bytes on their way through the kernel, of each queue */
#define TRAIN_CUTS_HZ 1000 /* 1 / the time after which a kernel that takes none is thought not to cut on that way */

static int open_socket(const char *ifname)
{
	const int on = 1, bytes = TRAIN_SNDBUF;
	/* Without a protocol nothing is received. */
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(ifname)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)); /* fewer at a time if it is refused */
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) == 0 &&
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Frames that this host sends are not received. Best effort: input drops them as well. */
static void hide_own(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog prog = {.len = RP_ARRAY_LEN(code), .filter = code};

	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

void port_train_open(struct port *p)
{
	if (p->dev.kind != PORT_AF_PACKET || p->info.tx_train_bytes == 0)
		return;
	p->train_fds = true;
	for (uint16_t q = 0; q < p->info.nqueues; q++)
		p->q[q].train_fd = -1;
	for (uint16_t q = 0; q < p->info.nqueues; q++) {
		p->q[q].train_fd = open_socket(p->dev.arg);
		if (p->q[q].train_fd < 0) {
			port_train_close(p);
			p->info.tx_train_bytes = p->info.tx_train_bufs = 0;
			return;
		}
		if (p->q[q].wake_fd >= 0)
			hide_own(p->q[q].wake_fd);
	}
}

void port_train_close(struct port *p)
{
	for (uint16_t q = 0; p->train_fds && q < p->info.nqueues; q++)
		if (p->q[q].train_fd >= 0)
			close(p->q[q].train_fd);
	p->train_fds = false;
}

/* net_output.c leaves the length out of the pseudo header, as DPDK's drivers want it; the kernel takes it in. */
void port_train_prepare(struct rte_mbuf *m)
{
	uint32_t at = m->l2_len + m->l3_len;
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, at);
	uint32_t sum = (uint32_t)tcp->cksum + rte_cpu_to_be_16((uint16_t)(m->pkt_len - at));

	tcp->cksum = (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* A train was refused that may have been for a while. */
static void long_way(struct port_queue *q)
{
	const int off = 0;

	if (!q->train_long && q->nlate > 0 && rte_rdtsc() - q->late_tsc > rte_get_tsc_hz() / TRAIN_CUTS_HZ)
		q->train_long = setsockopt(q->train_fd, SOL_PACKET, PACKET_QDISC_BYPASS, &off, sizeof(off)) == 0;
}

bool port_train_send(struct port_queue *q, struct rte_mbuf *m)
{
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = m->ol_flags & RTE_MBUF_F_TX_IPV6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)(m->l2_len + m->l3_len + m->l4_len),
		.gso_size = m->tso_segsz,
		.csum_start = (uint16_t)(m->l2_len + m->l3_len),
		.csum_offset = offsetof(struct rte_tcp_hdr, cksum),
	};
	struct iovec iov[1 + PORT_TRAIN_BUFS + 1] = {{.iov_base = &h, .iov_len = sizeof(h)}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 1};

	for (struct rte_mbuf *s = m; s != NULL && msg.msg_iovlen < RP_ARRAY_LEN(iov); s = s->next)
		iov[msg.msg_iovlen++] = (struct iovec){.iov_base = rte_pktmbuf_mtod(s, void *), .iov_len = s->data_len};
	if (rp_unlikely(q->driver_left)) {
		sendto(q->wake_fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		q->driver_left = false;
	}
	if (rp_unlikely(sendmsg(q->train_fd, &msg, 0) < 0)) {
		if (errno == EAGAIN || errno == EINTR || (errno == ENOBUFS && !q->train_long)) {
			if (errno == ENOBUFS)
				long_way(q);
			return false;
		}
		/* Refused: lost, as on a wire. If all are, TCP finds out and makes none any more. */
		q->given_up++;
	}
	rte_pktmbuf_free(m);
	return true;
}
