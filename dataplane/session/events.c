/* Keyspace events: what shards noted goes out as messages, in the order in which it happened. */
#include "store/events.h"
#include "base/num.h"
#include "session/pubsub.h"
#include "session/session_priv.h"
#include "session/tracking.h"

#define CHANNEL_INLINE 512

/* "__keyspace@3__:" and what follows. */
static void publish_one(struct session_host *h, const char *space, uint32_t db, struct slice subject,
			struct slice message)
{
	char inline_buf[CHANNEL_INLINE], *buf = inline_buf;
	size_t most = strlen(space) + NUM_I64_CHARS + 8 + subject.len, n;

	if (most > sizeof inline_buf && (buf = heap_alloc(h->heap, most)) == NULL)
		return; /* as lost as a message without a subscriber */
	n = (size_t)(stpcpy(stpcpy(buf, space), "@") - buf);
	n += num_format_u64(buf + n, db);
	memcpy(buf + n, "__:", 3);
	n += 3;
	memcpy(buf + n, subject.ptr, subject.len);
	pubsub_publish(h, PUBSUB_CHANNEL, (struct slice){buf, n + subject.len}, message);
	if (buf != inline_buf)
		heap_free(h->heap, buf);
}

static void publish_event(struct session_host *h, const struct store *s, const struct store_event_note *n, uint64_t by)
{
	if (n->name == events_touched) {
		tracking_touched(h, store_shard(s), (struct slice){n->key, n->key_len}, by);
		return;
	}
	if (n->name == events_flushed) {
		tracking_flushed(h, n->stamp);
		return;
	}
	struct slice name = {n->name, strlen(n->name)}, key = {n->key, n->key_len};

	if (h->conf.events & EVENT_TO_KEYSPACE)
		publish_one(h, "__keyspace", n->db, key, name);
	if (h->conf.events & EVENT_TO_KEYEVENT)
		publish_one(h, "__keyevent", n->db, name, key);
}

/* Of those shards the one whose first event is the oldest; NULL: none has any. */
static struct store *oldest(const struct session_host *h, uint64_t shards)
{
	struct store *found = NULL;
	uint64_t stamp = UINT64_MAX;

	for (uint64_t rest = shards; rest != 0; rest &= rest - 1) {
		struct store *s = h->env.stores[__builtin_ctzll(rest)];
		const struct store_event_note *n = events_first(s);
		if (n != NULL && (found == NULL || n->stamp < stamp)) {
			found = s;
			stamp = n->stamp;
		}
	}
	return found;
}

void host_publish_events(struct session_host *h, uint64_t shards, uint64_t by)
{
	struct store *s;
	uint64_t with = 0;

	for (uint64_t rest = shards; rest != 0; rest &= rest - 1)
		if (store_notes_pending(h->env.stores[__builtin_ctzll(rest)]) & STORE_NOTE_EVENTS)
			with |= rest & -rest;
	while (rp_unlikely(with != 0) && (s = oldest(h, with)) != NULL) {
		publish_event(h, s, events_first(s), by);
		events_pop(s);
	}
}

void host_tell(struct session_host *h, uint64_t shards, uint64_t by)
{
	host_publish_events(h, shards, by);
	tracking_serve(h, shards, by);
}
