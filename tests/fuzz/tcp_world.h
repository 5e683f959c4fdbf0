/* One net and one TCP instance in virtual time, their user, and eight peers on the wire: the stage of fuzz_tcp.
 *
 * Every byte of a stream is a function of its sequence number, so that both what the user gets and what leaves for the
 * wire can be checked at any place.
 */
#pragma once

#include "fuzz.h"
#include "mem/heap.h"
#include "tcp/tcp_priv.h"

#define TW_SLOTS     8 /* tuples: bit 0: opened by us, bit 2: IPv6 */
#define TW_USERS     32
#define TW_BURST     16
#define TW_HELD      64
#define TW_POOL      383
#define TW_PORT      6379
#define TW_PEER_PORT 4000 /* and the number of the slot */

/* What the user does inside of the callbacks. */
enum {
	TW_REFUSE = 1 << 0,
	TW_ABORT_ACCEPTED = 1 << 1,
	TW_ABORT_RECEIVED = 1 << 2,
	TW_CLOSE_RECEIVED = 1 << 3,
	TW_CLOSE_PEER_CLOSED = 1 << 4,
	TW_ABORT_PEER_CLOSED = 1 << 5,
	TW_SEND_OPENED = 1 << 6,
	TW_KEEP_RECEIVED = 1 << 7,
	TW_CONNECT_CLOSED = 1 << 8,
	TW_SEND_READY = 1 << 9,
	TW_ABORT_READY = 1 << 10,
	TW_ECHO_RECEIVED = 1 << 11,
	TW_CLOSE_OPENED = 1 << 12,
};

/* A connection as its user knows it. */
struct tw_user {
	struct tcp_conn *c; /* NULL: free */
	uint32_t received, held;
	bool opened, peer_closed;
};

/* The peer's side of a tuple, as far as it can be seen on the wire. */
struct tw_slot {
	uint32_t seq;  /* behind the last segment to us */
	uint32_t sent; /* behind the last segment of ours */
	uint32_t tsval;
	uint32_t edge;     /* of our receive window */
	uint32_t edge_irs; /* of the connection whose it is */
	bool edge_known;
};

struct tcp_world {
	struct rte_mempool *pool;
	struct heap *values; /* of what is sent without a copy */
	struct net *net;
	struct tcp *tcp;
	struct tcp_params tp;
	struct clock_now now;
	uint16_t vlan, mtu;
	uint32_t reactions;
	bool raw;        /* strange bytes may be in the streams */
	bool tx_hold;    /* the device keeps what it took */
	bool mute_peers; /* they do not answer ARP and ND */
	bool hello4, hello6;
	struct tw_user user[TW_USERS];
	struct tw_slot slot[TW_SLOTS];
	struct rte_mbuf *burst[TW_BURST];
	uint32_t nburst;
	struct rte_mbuf *held[TW_HELD];
	uint32_t nheld;
	void *hog[TW_POOL];
	uint32_t nhog;
	struct fz_sent sent; /* not cleared */
};

/* config: 16 bits, see tcp_world.c. */
void tw_begin(struct tcp_world *w, struct rte_mempool *pool, struct heap *values, uint16_t config, uint8_t limits);
/* Lets every connection end with a silent peer, then checks that all is given back. */
void tw_end(struct tcp_world *w);
/* What one iteration of a worker does behind the input. */
void tw_pump(struct tcp_world *w);
void tw_advance(struct tcp_world *w, uint64_t us);
void tw_check(struct tcp_world *w);

void tw_key(const struct tcp_world *w, uint32_t slot, struct tcp_key *k);
/* Connection, TIME_WAIT record (see tcp_entry_is_tw()) or NULL. */
void *tw_entry(struct tcp_world *w, uint32_t slot);
uint16_t tw_local_port(uint32_t slot);
/* A frame that waits for tw_deliver(). */
void tw_put(struct tcp_world *w, const uint8_t *frame, uint32_t len, uint32_t split);
void tw_deliver(struct tcp_world *w);
uint8_t tw_rx_byte(uint32_t seq);

void tw_connect(struct tcp_world *w, uint32_t slot);
void tw_send(struct tcp_world *w, struct tw_user *u, uint32_t bytes, uint32_t bufs);
void tw_send_value(struct tcp_world *w, struct tw_user *u, uint32_t bytes, uint32_t skip);
void tw_consume(struct tw_user *u, uint32_t bytes);
void tw_hog(struct tcp_world *w, uint32_t leave);
void tw_unhog(struct tcp_world *w);
void tw_unhold(struct tcp_world *w);
