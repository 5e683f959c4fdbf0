/* Where an iteration's time goes: one iteration in STAGES_EVERY is timed stage by stage, and those that found work are
 * entered into histograms. Sampling keeps the price below a few cycles per request; LATENCY STAGES prints the result.
 *
 * The worker writes; the control thread reads relaxed.
 */
#pragma once

#include "base/clock.h"

#define STAGES_EVERY  16  /* power of two */
#define STAGE_BUCKETS 128 /* four to an octave of cycles: within 19% of the truth */

/*     name, what */
#define STAGES(X)                                                              \
	X(RX, "rx", "burst from the queue, Ethernet, ARP, IP, steering")       \
	X(TCP_IN, "tcp-in", "segments to connections, payload to sessions")    \
	X(WAITING, "waiting", "leases and requests that waited")               \
	X(PARSE, "parse", "requests out of the receive buffers, routed")       \
	X(PREFETCH, "prefetch", "keys of the batch looked up")                 \
	X(EXECUTE, "execute", "commands and their replies")                    \
	X(MESSAGES, "messages", "other threads' requests and answers to ours") \
	X(TCP_OUT, "tcp-out", "replies into segments")                         \
	X(TX, "tx", "frames to the device, messages to other threads")         \
	X(OTHER, "other", "timers and background work")                        \
	X(TOTAL, "total", "from RX burst to TX burst and what follows")

enum stage {
#define STAGE_ENUM(name, text, what) STAGE_##name,
	STAGES(STAGE_ENUM)
#undef STAGE_ENUM
	STAGE_COUNT
};

struct stage_hist {
	uint64_t n, cycles, max;
	uint32_t bucket[STAGE_BUCKETS];
};

struct stages {
	bool on;       /* this iteration is timed */
	uint32_t turn; /* iterations since the last one that was */
	uint64_t last; /* TSC of the last mark */
	uint64_t spent[STAGE_COUNT];
	struct stage_hist hist[STAGE_COUNT];
};

/* Begin of an iteration, at TSC `now`. */
static inline void stages_begin(struct stages *s, uint64_t now)
{
	s->on = (++s->turn & (STAGES_EVERY - 1)) == 0;
	s->last = now;
}

/* What happened since the last mark belongs to `stage`. */
static inline void stages_mark(struct stages *s, enum stage stage)
{
	if (rp_likely(!s->on))
		return;
	uint64_t now = clock_tsc();
	s->spent[stage] += now - s->last;
	s->last = now;
}

/* End of the iteration: enters it if it did anything. */
void stages_end(struct stages *s, bool worked);
/* The value (cycles) below which `permille` of a thousand samples lie; an upper bound of its bucket. */
uint64_t stage_percentile(const struct stage_hist *h, uint32_t permille);
/* The largest value (cycles) that bucket b counts. */
uint64_t stage_bucket_end(uint32_t b);
const char *stage_name(enum stage stage);
