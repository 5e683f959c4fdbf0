/* Streams: entries in the order of their ids, and the groups that consume them.
 *
 * Entries stand in nodes, each a listpack in Redis's very format, so that DUMP is a copy: a master entry (count,
 * deleted, number of fields, field names, 0), then for each entry flags, its id as a difference to the node's, its
 * fields (their values only where the names are the master's), and the number of elements to go back over. A deleted
 * entry is only marked; a node goes with its last living entry. Nodes hang in a B+ tree by their id.
 *
 * A stream is always a payload, never compact, and may be empty. Owner: the holder of the shard.
 */
#pragma once

#include "base/num.h"
#include "store/aggregate.h"
#include "store/ds/btree.h"
#include "store/ds/listpack.h"

struct stream_id {
	uint64_t ms, seq;
};
#define STREAM_ID_MIN ((struct stream_id){0, 0})
#define STREAM_ID_MAX ((struct stream_id){UINT64_MAX, UINT64_MAX})

static inline int stream_id_cmp(struct stream_id a, struct stream_id b)
{
	if (a.ms != b.ms)
		return a.ms < b.ms ? -1 : 1;
	return a.seq == b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}
static inline bool stream_id_is_zero(struct stream_id id)
{
	return (id.ms | id.seq) == 0;
}
/* false: there is none behind (before) it; then it becomes the first (last) of all. */
static inline bool stream_id_next(struct stream_id *id)
{
	if (++id->seq == 0)
		id->ms++;
	return !stream_id_is_zero(*id);
}
static inline bool stream_id_prev(struct stream_id *id)
{
	bool any = !stream_id_is_zero(*id);
	if (id->seq-- == 0)
		id->ms--;
	return any;
}

/* What a payload of type stream is: groups are freed in slices, too, once nothing refers to them. */
enum stream_kind {
	STREAM_WHOLE,
	STREAM_GROUP
};

struct stream_node {
	struct stream_id first; /* its id; that of its first entry when it was made */
	uint32_t cap;           /* of lp[]; some bytes more than used: marking entries deleted never needs memory */
	uint8_t lp[];
};

struct stream {
	struct payload p;
	uint8_t kind; /* enum stream_kind */
	struct btree nodes;
	struct stream_node *last; /* NULL: none */
	uint64_t length;
	struct stream_id last_id;     /* greatest id ever given */
	struct stream_id first_id;    /* of the first entry; 0-0: empty */
	struct stream_id max_deleted; /* greatest id that XDEL removed */
	uint64_t added;               /* entries ever */
	struct btree groups;          /* of &group->name */
};
extern const struct obj_type_ops stream_ops;

static inline struct stream *stream_of(const struct object *o)
{
	return o != NULL ? rp_container_of(obj_payload(o), struct stream, p) : NULL;
}

/* ---- the stream (stream.c) ----------------------------------------------------------------------------------- */
struct stream *stream_create(struct heap *h); /* NULL: out of memory */
/* Frees all at once. */
void stream_destroy(struct stream *s, struct heap *h);

enum stream_added {
	STREAM_ADDED,
	STREAM_NO_MEMORY, /* nothing changed */
	STREAM_TOO_LARGE  /* no node holds such an entry */
};
/* words: n pairs of field and value. id is greater than last_id. */
enum stream_added stream_append(struct stream *s, struct heap *h, struct stream_id id, uint32_t n,
				const struct slice *words, const struct type_limits *lim);

struct stream_trim {
	bool by_id;     /* below min_id, else down to max_length entries */
	bool approx;    /* by whole nodes only */
	uint64_t limit; /* of entries removed; 0 none */
	uint64_t max_length;
	struct stream_id min_id;
};
/* All entries of s as a stream of their own, however many. NULL: out of memory, nothing changed. */
struct stream *stream_cut(struct stream *s, struct heap *h);
/* Returns how many entries went. */
uint64_t stream_trim(struct stream *s, struct heap *h, const struct stream_trim *t);
/* Removes an entry. max_deleted is the caller's, as is first_id: stream_update_first() when all are gone. */
bool stream_delete(struct stream *s, struct heap *h, struct stream_id id);
void stream_update_first(struct stream *s);

/* ---- reading (stream_read.c) --------------------------------------------------------------------------------- */
/* The head of a node. */
struct stream_master {
	int64_t count, deleted;
	uint32_t fields;
	size_t deleted_off, names_off;
	size_t entries_off; /* 0: none */
};
struct stream_entry {
	struct stream_id id;
	const struct stream_node *node;
	size_t flags_off;
	int64_t flags;
	uint32_t pairs; /* left */
	size_t name_off, value_off;
};
struct stream_iter {
	struct btree_pos pos;
	struct stream_id lo, hi; /* both included */
	struct stream_master m;
	const struct stream_node *node;
	size_t off; /* of the next entry: its flags or, downwards, its last element */
	bool down;
};
/* Living entries from lo to hi. The stream must not change meanwhile. */
void stream_iter_begin(struct stream_iter *it, const struct stream *s, struct stream_id lo, struct stream_id hi,
		       bool down);
bool stream_iter_next(struct stream_iter *it, struct stream_entry *e);
struct stream_pair {
	struct slice name, value;
	char name_buf[NUM_I64_CHARS], value_buf[NUM_I64_CHARS];
};
/* The next of e's e->pairs pairs. */
void stream_pair_next(struct stream_entry *e, struct stream_pair *p);
bool stream_has(const struct stream *s, struct stream_id id);
/* Greatest id of a living entry; 0-0: none. */
struct stream_id stream_last_entry(const struct stream *s);
/* Number of living entries above id, at most `most`. */
uint64_t stream_count_above(const struct stream *s, struct stream_id id, uint64_t most);

/* ---- groups (stream_group.c) --------------------------------------------------------------------------------- */
#define STREAM_READ_UNKNOWN ((int64_t)-1)

struct stream_group {
	struct payload p;
	uint8_t kind; /* enum stream_kind */
	struct slice name;
	struct stream_id last_id; /* delivered */
	int64_t entries_read;     /* or STREAM_READ_UNKNOWN */
	struct btree pel;         /* of struct stream_pending */
	struct btree consumers;   /* of &consumer->name */
	uint64_t want;            /* while a command prepares: places reserved in pel */
};
struct stream_consumer {
	struct slice name;
	int64_t seen_ms, active_ms; /* wall clock; active_ms -1: never */
	struct btree pel;           /* its own of the group's */
	uint64_t want;
};
struct stream_pending {
	struct stream_id id;
	int64_t at_ms; /* of the last delivery */
	uint64_t deliveries;
	union {
		struct stream_consumer *consumer;
		struct stream_pending *next; /* while it is in no group */
	};
};

static inline struct stream_group *stream_group_at(struct btree_pos pos)
{
	return rp_container_of(btree_ptr(pos), struct stream_group, name);
}
static inline struct stream_consumer *stream_consumer_at(struct btree_pos pos)
{
	return rp_container_of(btree_ptr(pos), struct stream_consumer, name);
}
static inline struct stream_pending *stream_pending_at(struct btree_pos pos)
{
	return btree_ptr(pos);
}

struct stream_group *stream_group_find(const struct stream *s, struct slice name);
/* No group has that name. NULL: out of memory. */
struct stream_group *stream_group_add(struct stream *s, struct heap *h, struct slice name, struct stream_id last_id,
				      int64_t entries_read);
/* Takes it out; the memory goes in slices. */
void stream_group_remove(struct stream *s, struct store *store, struct stream_group *g);
struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct slice name);
struct stream_consumer *stream_consumer_add(struct stream_group *g, struct heap *h, struct slice name, int64_t now_ms);
/* And all that is pending for it. */
void stream_consumer_remove(struct stream_group *g, struct heap *h, struct stream_consumer *con);

struct stream_pending *stream_pending_find(const struct stream_group *g, struct stream_id id);
/* First pending of a PEL (the group's or a consumer's) from id on. */
struct btree_pos stream_pending_from(const struct btree *pel, struct stream_id id);
/* NULL: out of memory. */
struct stream_pending *stream_pending_create(struct heap *h, struct stream_id id);
/* Into the group's PEL, of no consumer yet. Never fails after btree_reserve(). */
bool stream_pending_insert(struct stream_group *g, struct heap *h, struct stream_pending *p);
/* Another consumer, or the first. As above, of con->pel. */
bool stream_pending_give(struct stream_pending *p, struct heap *h, struct stream_consumer *con);
/* Out of both PELs; freed. */
void stream_pending_drop(struct stream_group *g, struct heap *h, struct stream_pending *p);

/* How many entries were ever added up to this id; STREAM_READ_UNKNOWN where deletions hide it. */
int64_t stream_rank_of(const struct stream *s, struct stream_id id);
/* g was given the entry `id`, which is above its last_id. */
void stream_group_advance(const struct stream *s, struct stream_group *g, struct stream_id id);
/* Entries that the group has not been given yet. false: not known. */
bool stream_group_lag(const struct stream *s, const struct stream_group *g, int64_t *lag);
