/* Deliveries of PUBLISH through the kernel: see pubsub.h.
 *
 *   pubsub_load HOST PORT SUBSCRIBERS PUBLISHERS DEPTH BYTES SECONDS   prints one line of JSON
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "pubsub.h"

#define READ_BYTES (256 << 10)

struct conn {
	struct pubsub_conn is;
	int fd;
};

struct load {
	struct pubsub_load is;
	struct conn *conn; /* subscribers first */
	uint32_t n;
	int epoll;
	char *read_buf, *send_buf;
};

static int dial(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *ai;
	int one = 1;

	if (getaddrinfo(host, port, &hints, &ai) != 0)
		pubsub_die("%s is no address", host);
	int fd = socket(ai->ai_family, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen) != 0)
		pubsub_die("cannot connect to %s port %s: %s", host, port, strerror(errno));
	freeaddrinfo(ai);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

static void write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
		if (k < 0)
			pubsub_die("sending: %s", strerror(errno));
		p += k;
		n -= (size_t)k;
	}
}

static void open_all(struct load *l, const char *host, const char *port)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = l->n + 64 < files.rlim_max ? l->n + 64 : files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	l->epoll = epoll_create1(0);
	for (uint32_t i = 0; i < l->n; i++) {
		struct conn *c = &l->conn[i];
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
		c->is.publisher = i >= l->is.subscribers;
		c->fd = dial(host, port);
		if (!c->is.publisher)
			write_all(c->fd, pubsub_subscribe, strlen(pubsub_subscribe));
		fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
		if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
			pubsub_die("epoll: %s", strerror(errno));
	}
}

static void publish(struct load *l, struct conn *c)
{
	char *p = l->send_buf;
	size_t n;

	while ((n = pubsub_next(&l->is, &c->is, p)) > 0)
		p += n;
	/* What is under way is little: it fits into the socket. */
	if (p != l->send_buf)
		write_all(c->fd, l->send_buf, (size_t)(p - l->send_buf));
}

static void serve(struct load *l, struct conn *c)
{
	ssize_t n = recv(c->fd, l->read_buf, READ_BYTES, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		pubsub_die("the server closed a connection: %s", n < 0 ? strerror(errno) : "end of file");
	pubsub_take(&l->is, &c->is, l->read_buf, (size_t)n);
}

static void iterate(struct load *l)
{
	struct epoll_event ev[256];
	int n = epoll_wait(l->epoll, ev, 256, 100);

	for (int i = 0; i < n; i++)
		serve(l, ev[i].data.ptr);
}

/* Returns the seconds from the first PUBLISH to the last delivery. */
static double run(struct load *l, double seconds)
{
	while (l->is.confirmed < l->is.subscribers)
		iterate(l);
	double begin = pubsub_now_s(), passed = 0;
	while (pubsub_goes_on(&l->is, passed, seconds)) {
		for (uint32_t i = l->is.subscribers; i < l->n; i++)
			publish(l, &l->conn[i]);
		iterate(l);
		passed = pubsub_now_s() - begin;
	}
	return passed;
}

static struct pubsub_conn *get(void *ctx, uint32_t i)
{
	return &((struct load *)ctx)->conn[i].is;
}

int main(int argc, char **argv)
{
	struct load l = {.n = 0};

	if (argc != 8)
		pubsub_die("usage: HOST PORT SUBSCRIBERS PUBLISHERS DEPTH BYTES SECONDS");
	pubsub_init(&l.is, pubsub_count(argv[3], 20000), pubsub_count(argv[4], 1000), pubsub_count(argv[5], 512),
		    pubsub_count(argv[6], 128));
	l.n = l.is.subscribers + l.is.publishers;
	l.conn = calloc(l.n, sizeof *l.conn);
	l.read_buf = malloc(READ_BYTES);
	l.send_buf = malloc((size_t)l.is.depth * PUBSUB_REQUEST_MAX);
	if (l.conn == NULL || l.read_buf == NULL || l.send_buf == NULL)
		pubsub_die("out of memory");
	open_all(&l, argv[1], argv[2]);
	double took = run(&l, strtod(argv[7], NULL));
	pubsub_report(&l.is, get, &l, took);
	return 0;
}
