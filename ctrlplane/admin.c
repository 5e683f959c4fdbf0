/* The admin listener: RESP over kernel sockets on the management side. Each connection is a session of the control
 * thread's host. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/num.h"
#include "ctrlplane/ctrl.h"

#define ADMIN_SEND_BYTES    (1u << 20)   /* queued for a socket that takes no more */
#define ADMIN_RECEIVE_BYTES (256u << 10) /* held by a session that does not get on */
#define ADMIN_FILL          2048
#define ADMIN_IOV           64

struct admin_conn {
	struct admin *admin;
	struct session *session;
	struct admin_conn *next, **pprev;
	struct rte_mbuf *out_head, *out_tail;
	size_t out_bytes, held_bytes;
	uint32_t watched; /* epoll events asked for */
	int fd;
	bool closing; /* close when out is empty */
	bool dead;    /* to be freed in admin_poll() */
	bool eof;
};

struct admin {
	struct ctrl *ctrl;
	struct admin_conn *conns;
	int fd;
};

/* ---- transport ---- */

static void admin_send(void *transport, struct rte_mbuf *chain, size_t bytes)
{
	struct admin_conn *c = transport;
	if (c->out_tail != NULL)
		c->out_tail->next = chain;
	else
		c->out_head = chain;
	while (chain->next != NULL)
		chain = chain->next;
	c->out_tail = chain;
	c->out_bytes += bytes;
}

static uint32_t admin_room(void *transport)
{
	struct admin_conn *c = transport;
	return c->out_bytes < ADMIN_SEND_BYTES ? (uint32_t)(ADMIN_SEND_BYTES - c->out_bytes) : 0;
}

static void admin_consumed(void *transport, uint32_t bytes)
{
	struct admin_conn *c = transport;
	c->held_bytes -= bytes;
}

static void admin_close(void *transport)
{
	((struct admin_conn *)transport)->closing = true;
}

static void admin_abort(void *transport)
{
	struct admin_conn *c = transport;
	c->session = NULL;
	c->dead = true;
}

static const struct session_transport admin_transport = {
	.send = admin_send,
	.room = admin_room,
	.consumed = admin_consumed,
	.close = admin_close,
	.abort = admin_abort,
};

/* ---- connections ---- */

static void conn_free(struct admin_conn *c)
{
	*c->pprev = c->next;
	if (c->next != NULL)
		c->next->pprev = c->pprev;
	rte_pktmbuf_free(c->out_head);
	close(c->fd);
	free(c);
}

static void conn_lost(struct admin_conn *c)
{
	if (c->session != NULL)
		session_gone(c->session);
	c->session = NULL;
	c->dead = true;
}

static void conn_write(struct admin_conn *c)
{
	bool was_full = admin_room(c) == 0;
	while (c->out_head != NULL) {
		struct iovec iov[ADMIN_IOV];
		int n = 0;
		for (struct rte_mbuf *m = c->out_head; m != NULL && n < ADMIN_IOV; m = m->next)
			iov[n++] = (struct iovec){rte_pktmbuf_mtod(m, void *), m->data_len};
		ssize_t sent = writev(c->fd, iov, n);
		if (sent < 0) {
			if (errno == EAGAIN || errno == EINTR)
				break;
			conn_lost(c);
			return;
		}
		c->out_bytes -= (size_t)sent;
		while (sent > 0 && c->out_head != NULL) {
			struct rte_mbuf *m = c->out_head;
			if (sent < m->data_len) {
				rte_pktmbuf_adj(m, (uint16_t)sent);
				break;
			}
			sent -= m->data_len;
			c->out_head = m->next;
			m->next = NULL;
			rte_pktmbuf_free(m);
		}
	}
	if (c->out_head == NULL)
		c->out_tail = NULL;
	if (was_full && admin_room(c) > 0 && c->session != NULL)
		session_send_ready(c->session);
}

static void conn_read(struct admin_conn *c)
{
	while (c->session != NULL && !c->eof && c->held_bytes < ADMIN_RECEIVE_BYTES) {
		struct rte_mbuf *m = buf_alloc(c->admin->ctrl->host.mbufs);
		if (m == NULL)
			return; /* packets first: tried again with the next event */
		ssize_t n = read(c->fd, rte_pktmbuf_mtod(m, void *), rte_pktmbuf_tailroom(m));
		if (n > 0) {
			rte_pktmbuf_append(m, (uint16_t)n);
			c->held_bytes += (size_t)n;
			session_input(c->session, m);
			continue;
		}
		rte_pktmbuf_free(m);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n == 0) {
			c->eof = true;
			session_eof(c->session);
			return;
		}
		conn_lost(c);
	}
}

/* What epoll should tell us of this connection now. */
static void conn_watch(struct admin_conn *c)
{
	uint32_t want = 0;
	if (!c->eof && c->held_bytes < ADMIN_RECEIVE_BYTES)
		want |= EPOLLIN;
	if (c->out_head != NULL)
		want |= EPOLLOUT;
	if (want == c->watched)
		return;
	struct epoll_event ev = {.events = want, .data.ptr = c};
	epoll_ctl(c->admin->ctrl->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
	c->watched = want;
}

static void set_endpoint(struct endpoint *e, const struct sockaddr_in *a)
{
	*e = (struct endpoint){.family = 4, .port = ntohs(a->sin_port)};
	memcpy(e->ip, &a->sin_addr, sizeof a->sin_addr);
}

static bool conn_open(struct admin *a, int fd, const struct sockaddr_in *peer)
{
	struct admin_conn *c = calloc(1, sizeof *c);
	if (c == NULL)
		return false;
	c->session = session_open(&a->ctrl->host, &admin_transport, c, ADMIN_FILL);
	if (c->session == NULL) {
		static const char text[] = "-ERR max number of clients reached\r\n";
		if (write(fd, text, sizeof text - 1) < 0)
			log_write(LOG_VERBOSE, "admin client refused and gone");
		free(c);
		return false;
	}
	struct sockaddr_in self = {0};
	socklen_t len = sizeof self;
	if (getsockname(fd, (struct sockaddr *)&self, &len) == 0)
		set_endpoint(&c->session->cl.laddr, &self);
	set_endpoint(&c->session->cl.addr, peer);
	c->session->cl.flags |= CLIENT_F_ADMIN;
	if (ntohl(peer->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
		c->session->cl.flags |= CLIENT_F_LOCAL;
	c->admin = a;
	c->fd = fd;
	c->watched = EPOLLIN;
	c->next = a->conns;
	c->pprev = &a->conns;
	if (c->next != NULL)
		c->next->pprev = &c->next;
	a->conns = c;
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	epoll_ctl(a->ctrl->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
	return true;
}

static void accept_all(struct admin *a)
{
	struct sockaddr_in peer = {0};
	socklen_t len = sizeof peer;
	int fd, one = 1;
	while ((fd = accept4(a->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		if (!conn_open(a, fd, &peer))
			close(fd);
		len = sizeof peer;
	}
}

void admin_event(struct admin *a, void *ptr, uint32_t events)
{
	struct admin_conn *c = ptr;
	if (ptr == a) {
		accept_all(a);
		return;
	}
	if (c->dead)
		return;
	if ((events & EPOLLERR) || ((events & EPOLLHUP) && (c->eof || c->held_bytes >= ADMIN_RECEIVE_BYTES))) {
		conn_lost(c); /* nobody is there to read a reply, and epoll would tell us so for ever */
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP))
		conn_read(c);
	if (events & EPOLLOUT)
		conn_write(c);
}

void admin_poll(struct admin *a)
{
	for (struct admin_conn *c = a->conns, *next; c != NULL; c = next) {
		next = c->next;
		if (!c->dead && c->out_head != NULL)
			conn_write(c);
		if (!c->dead && c->closing && c->out_head == NULL)
			conn_lost(c);
		if (c->dead)
			conn_free(c);
		else
			conn_watch(c);
	}
}

/* ---- the listener ---- */

struct admin *admin_create(struct ctrl *ctrl, struct err *e)
{
	const struct config *cf = &ctrl->config;
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)cf->admin_port)};
	int one = 1;
	if (cf->admin_port == 0)
		return NULL;
	struct admin *a = calloc(1, sizeof *a);
	if (a == NULL || inet_pton(AF_INET, cf->admin_bind, &sa.sin_addr) != 1) {
		free(a);
		err_set(e, "admin-bind '%s' is no IPv4 address; use 127.0.0.1", cf->admin_bind);
		return NULL;
	}
	a->ctrl = ctrl;
	a->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(a->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = a};
	if (a->fd < 0 || bind(a->fd, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(a->fd, 128) != 0 ||
	    epoll_ctl(ctrl->epoll_fd, EPOLL_CTL_ADD, a->fd, &ev) != 0) {
		if (errno == EADDRINUSE)
			err_set(e, "admin port %d on %s is in use; choose another with admin-port, or 0 for none",
				(int)cf->admin_port, cf->admin_bind);
		else
			err_set(e, "cannot listen on %s port %d for admin clients: %s; mend admin-bind or admin-port",
				cf->admin_bind, (int)cf->admin_port, strerror(errno));
		if (a->fd >= 0)
			close(a->fd);
		free(a);
		return NULL;
	}
	return a;
}

static void kill_session(void *ctx, struct session *s)
{
	session_kill(s, false);
}

void admin_stop(struct admin *a)
{
	uint32_t from = 0;
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	do {
		from = host_visit(&a->ctrl->host, from, 1024, kill_session, NULL);
	} while (from != 0);
}

void admin_destroy(struct admin *a)
{
	for (struct admin_conn *c = a->conns, *next; c != NULL; c = next) {
		next = c->next;
		conn_free(c);
	}
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}
