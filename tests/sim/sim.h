/* Whole connections over a bad wire, made from one seed.
 *
 * sim_choose.c makes the parameters from the seed, sim_users.c is who uses the connections, sim_ends.c lets them end
 * badly, sim_run.c plays and looks at the laws. A run depends on nothing but its seed.
 */
#pragma once

#include "law_cwnd.h"
#include "laws.h"
#include "wire.h"

#define SIM_PORT        6379
#define SIM_CLIENT_PORT 1000 /* and the following */
#define SIM_MAX_PAIRS   4
#define SIM_TX_BUFS     16383
#define SIM_RX_BUFS     8191
#define SIM_LIMIT_US    (4000ULL * 1000000)
#define SIM_POOLS       4

/* What happens to all connections of a run. */
enum sim_end {
	SIM_END_NORMAL,
	SIM_END_DARK,   /* from some time on nothing passes any more, both ways or one way */
	SIM_END_GONE,   /* one end disappears without a word */
	SIM_END_REBOOT, /* and comes back, and knows nothing */
	SIM_END_ABORT,  /* users reset their connections, or refuse them */
	SIM_ENDS,
};

struct side {
	struct law_cwnd law; /* first: it is looked for through tcp_user() */
	struct law_clock clock;
	struct tcp_conn *c;
	struct pair *pair;
	int end; /* 0: client */
	uint64_t to_send, sent;
	uint64_t received, held;
	uint64_t expect;
	uint64_t pause_at, pause_us, paused_until; /* after so many bytes nothing is sent for a while */
	uint64_t abort_at;                         /* reset when so many bytes were sent or received; 0: never */
	uint32_t syns;
	bool opened, peer_closed, closed, close_called;
	uint32_t cwnd, in_flight; /* after the last iteration */
	uint16_t mss;
	enum tcp_close_reason why;
};

struct pair {
	struct sim *sim;
	uint32_t id;
	uint64_t bad_us; /* when it met its bad end; 0: not yet */
	struct side side[2];
};

/* What is made once for all runs, and must be whole after each. */
struct sim_world {
	struct rte_mempool *tx[2], *rx[2];
	struct heap *values; /* what is sent without a copy */
	void *hog[SIM_POOLS][SIM_TX_BUFS];
	uint32_t hogged[SIM_POOLS];
};

/* What a long series must have met to mean anything, beside TCP's own counters. */
struct sim_sum {
	struct tcp_counters tcp;
	uint64_t spoilt, tx_full, rx_dropped, shed, mss_lowered, mss_raised, pauses;
	uint64_t ends[SIM_ENDS], closed[TCP_CLOSED_NOMEM + 1];
	uint64_t longest_us[SIM_ENDS]; /* from the bad event until all had ended */
};

struct sim {
	uint64_t seed;
	struct rng rng;
	struct wire w;
	struct sim_world *world;
	struct tcp_params p[2];
	struct wire_params wp;
	uint32_t pairs;
	struct pair pair[SIM_MAX_PAIRS];
	struct law_tally tally[2];
	uint32_t chunk_max, read_ppm;
	bool starve;    /* buffers run out now and then */
	bool broken;    /* the device of end 0 spoils what it cuts into segments */
	bool leisurely; /* users pause */
	bool linger;    /* users keep their connections */
	bool refuse;    /* the server's user takes none */
	enum sim_end end;
	int victim; /* of GONE and REBOOT */
	bool gone;
	struct tcp_counters former; /* of the victim's first life */
	uint64_t end_us;            /* when it happens */
	uint64_t back_us;           /* REBOOT */
	uint64_t mss_lowered, mss_raised, pauses;
	const char *failed;
};

/* sim_choose.c */
void sim_choose(struct sim *s, uint64_t seed);
uint8_t sim_stream_byte(uint32_t pair, int from, uint64_t off);

/* sim_users.c */
void sim_ops(struct sim *s, struct tcp_ops *ops);
void sim_open_all(struct sim *s);
/* What users do in an iteration. */
void sim_work(void *ctx);
void sim_release(struct sim_world *w);
/* Nobody wants anything for a while: all pause, or have gone. */
bool sim_all_paused(const struct sim *s);

/* sim_ends.c */
void sim_choose_end(struct sim *s);
/* When its time has come. */
void sim_end_happens(struct sim *s);
void sim_add_counters(struct tcp_counters *sum, const struct tcp_counters *n);
/* After that: has everybody had the time that it takes at most? */
void sim_check_bound(struct sim *s);
/* How each ended, and whether it was right so. */
void sim_check_reasons(struct sim *s);

/* sim_run.c */
static inline void sim_fail(struct sim *s, const char *why)
{
	if (s->failed == NULL)
		s->failed = why;
}
/* Nobody has a connection any more. */
bool sim_over(const struct sim *s);
void sim_world_init(struct sim_world *w);
void sim_world_fini(struct sim_world *w);
/* Plays a seed and adds to *sum. False: s->failed says what is wrong. */
bool sim_run(struct sim *s, struct sim_world *world, uint64_t seed, struct sim_sum *sum);
void sim_tell(const struct sim *s);
