/* Sleeping until a packet comes where the driver offers no interrupt: the sockets of net_af_packet and net_af_xdp are
 * descriptors that can be waited for, only DPDK 22.11 does not hand them out. They are found among those of the
 * process. A wrong guess would cost nothing but a late look: whoever sleeps does so for a bounded time. */
#include "net/port_priv.h"

#include <dirent.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>

static bool is_of_device(int fd, int domain, unsigned ifindex)
{
	struct sockaddr_ll at = {0};
	socklen_t len = sizeof domain, at_len = sizeof at;
	int its = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &its, &len) != 0 || its != domain)
		return false;
	/* A socket of AF_XDP does not tell where it is bound. */
	return domain != AF_PACKET ||
	       (getsockname(fd, (struct sockaddr *)&at, &at_len) == 0 && (unsigned)at.sll_ifindex == ifindex);
}

static int ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* In the order of their numbers, which is that of their making. Returns how many there are. */
static uint32_t sockets_of(int domain, unsigned ifindex, int *fds, uint32_t cap)
{
	DIR *d = opendir("/proc/self/fd");
	uint32_t n = 0;

	for (struct dirent *de; d != NULL && (de = readdir(d)) != NULL;) {
		int fd = de->d_name[0] == '.' ? -1 : atoi(de->d_name);
		if (fd < 0 || !is_of_device(fd, domain, ifindex))
			continue;
		if (n < cap)
			fds[n] = fd;
		n++;
	}
	if (d != NULL)
		closedir(d);
	if (n <= cap)
		qsort(fds, n, sizeof *fds, ascending);
	return n;
}

void port_wake_find(struct port *p)
{
	int fds[RP_MAX_WORKERS];
	int domain = p->dev.kind == PORT_AF_PACKET ? AF_PACKET : p->dev.kind == PORT_AF_XDP ? AF_XDP : -1;

	for (uint32_t q = 0; q < RP_MAX_WORKERS; q++)
		p->q[q].wake_fd = -1;
	if (domain < 0 || sockets_of(domain, if_nametoindex(p->dev.arg), fds, RP_MAX_WORKERS) != p->info.nqueues)
		return;
	/* libxdp opens and closes other descriptors in between, so with several queues the order says nothing. */
	if (domain == AF_XDP && p->info.nqueues > 1)
		return;
	for (uint32_t q = 0; q < p->info.nqueues; q++)
		p->q[q].wake_fd = fds[q];
}
