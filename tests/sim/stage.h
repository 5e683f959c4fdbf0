/* A stage for scenes by rule: one connection over a wire on which exactly what the scene says goes wrong, and the
 * repair must be the right one. End 0 opens, sends, and closes if the scene does not keep it; end 1 reads, and closes
 * when its peer has. The laws hold as everywhere.
 */
#pragma once

#include "law_cwnd.h"
#include "laws.h"
#include "wire.h"

#define STAGE_PORT    6379
#define STAGE_BUFS    1023
#define STAGE_WANTS   6
#define STAGE_START   1000000ULL /* what the clock shows when the scene begins */
#define STAGE_RTO_MAX 1000000

/* A counter of an end when the scene is over. */
struct want {
	const char *name; /* NULL: no more */
	int end;
	size_t counter;
	uint64_t least, most;
};
#define WANT(e, c, n)                                         \
	{                                                     \
#c, e, offsetof(struct tcp_counters, c), n, n \
	}
#define WANT_SOME(e, c)                                                \
	{                                                              \
#c, e, offsetof(struct tcp_counters, c), 1, UINT64_MAX \
	}

struct stage;

struct scene {
	const char *name;
	/* May be NULL: changes the parameters; decides about each segment; acts in each iteration; says what is wrong
	 * in the end. */
	void (*set)(struct stage *st);
	void (*rule)(struct stage *st, const struct wire_seg *s, struct wire_fate *f);
	void (*act)(struct stage *st);
	const char *(*check)(struct stage *st);
	uint64_t within_us; /* from connect to both closed */
	uint64_t after_us;  /* and not before */
	enum tcp_close_reason why[2];
	bool keep; /* end 0 does not close */
	bool part; /* not all bytes need arrive */
	struct want want[STAGE_WANTS];
};

struct actor {
	struct law_cwnd law; /* first: it is looked for through tcp_user() */
	struct law_clock clock;
	struct tcp_conn *c;
	bool opened, closed;
	enum tcp_close_reason why;
	uint64_t received, syns;
};

struct stage {
	const struct scene *scene;
	struct wire w;
	struct wire_params wp;
	struct tcp_params p[2];
	struct rte_mempool *tx, *rx;
	struct law_tally tally[2];
	struct actor actor[2];
	uint32_t bytes, sent; /* of end 0 */
	uint32_t hits;        /* segments that the rule has met */
	uint64_t hit_us;      /* when it met the first */
	uint32_t done;        /* for acts: how far the scene is */
	uint16_t mss;         /* of end 0, for acts to note */
	bool deaf;            /* end 1 does not read */
	bool refuses;
	bool cookies;  /* no half-open connection finds a place at end 1 */
	uint16_t port; /* that end 1 listens to */
	bool gone;
	void *hog[STAGE_BUFS];
	uint32_t hogged;
	struct rte_mempool *hog_pool;
	const char *wrong;
};

/* Each ends with an entry without a name. */
extern const struct scene scenes_losses[], scenes_wire[], scenes_host[], scenes_ends[];

bool stage_play(struct stage *st, const struct scene *sc, struct rte_mempool *tx, struct rte_mempool *rx);
/* For scenes: microseconds since the beginning; end 0 sends more; buffers go, and come back; end 1 disappears, and
 * comes back without its memory. */
uint64_t stage_us(const struct stage *st);
void stage_send(struct stage *st, uint32_t bytes);
void stage_hog(struct stage *st, struct rte_mempool *pool, uint32_t leave);
void stage_unhog(struct stage *st);
void stage_vanish(struct stage *st);
void stage_return(struct stage *st);
/* True for the first segment only that a rule asks about; or for all that leave together with it. */
bool stage_once(struct stage *st, const struct wire_seg *s);
bool stage_together(struct stage *st, const struct wire_seg *s);
