/* Delivering: messages from their owners to the clients of this home. The frames of consecutive messages on one channel
 * are put together once and copied into each subscriber's buffer in one piece. */
#include "base/glob.h"
#include "base/num.h"
#include "session/pubsub_priv.h"
#include "session/session_priv.h"
#include "session/tracking.h"

/* Consecutive messages on one channel: entries [first, end) with nothing between them. */
struct run {
	const struct post_entry *first;
	const void *end;
	uint32_t from;             /* their owner */
	const struct sub_name *nm; /* whose subscribers get them: the channel or a pattern */
	bool built[2];             /* images of the two protocols */
};

#define FRAME_EXTRA (4 * (NUM_I64_CHARS + 5) + 16) /* bytes of a frame beside its strings, at most */

static const char *put_kind(uint8_t of)
{
	static const char *const head[PUBSUB_KINDS] = {"3\r\n$7\r\nmessage\r\n", "4\r\n$8\r\npmessage\r\n",
						       "3\r\n$8\r\nsmessage\r\n"};
	return head[of];
}

static char *put_text(char *p, const void *text, size_t len)
{
	memcpy(p, text, len);
	return p + len;
}

static char *put_length(char *p, size_t len)
{
	*p++ = '$';
	p += num_format_u64(p, len);
	return put_text(p, "\r\n", 2);
}

static char *put_bulk(char *p, struct slice s)
{
	p = put_length(p, s.len);
	if (s.len > 0)
		p = put_text(p, s.ptr, s.len);
	return put_text(p, "\r\n", 2);
}

static size_t frame_max(const struct sub_name *nm, const struct post_entry *e)
{
	size_t pattern = nm->of == PUBSUB_PATTERN ? nm->e.len : 0;
	return FRAME_EXTRA + pattern + e->name_len + (e->blob != NULL ? e->blob->len : e->data_len);
}

static void image_build(struct image *im, const struct run *r, bool resp3)
{
	const char *head = put_kind(r->nm->of);
	size_t head_len = strlen(head);
	char *p = im->text;
	for (const struct post_entry *e = r->first; e != NULL; e = post_next(e, r->end)) {
		*p++ = resp3 ? '>' : '*';
		p = put_text(p, head, head_len);
		if (r->nm->of == PUBSUB_PATTERN)
			p = put_bulk(p, elem_name(&r->nm->e));
		p = put_bulk(p, post_name(e));
		p = put_bulk(p, post_data(e));
	}
	im->len = (uint32_t)(p - im->text);
}

static struct slice image_for(struct pubsub *ps, struct run *r, const struct session *s)
{
	bool resp3 = s->cl.proto == 3;
	struct image *im = &ps->image[resp3];
	if (!r->built[resp3]) {
		image_build(im, r, resp3);
		r->built[resp3] = true;
	}
	return (struct slice){im->text, im->len};
}

/* A frame too large for an image, piece by piece. */
static void push_large(struct session_listener *l, const struct sub_name *nm, const struct post_entry *e)
{
	char head[64], *p = head;
	*p++ = l->s->cl.proto == 3 ? '>' : '*';
	p = put_text(p, put_kind(nm->of), strlen(put_kind(nm->of)));
	if (nm->of == PUBSUB_PATTERN) {
		p = put_length(p, nm->e.len);
		push_bytes(l, (struct slice){head, (size_t)(p - head)});
		push_bytes(l, elem_name(&nm->e));
		p = put_text(head, "\r\n", 2);
	}
	p = put_length(p, e->name_len);
	push_bytes(l, (struct slice){head, (size_t)(p - head)});
	push_bytes(l, post_name(e));
	p = put_text(head, "\r\n", 2);
	p = put_length(p, post_data(e).len);
	push_bytes(l, (struct slice){head, (size_t)(p - head)});
	if (e->blob != NULL)
		push_blob(l, e->blob);
	else
		push_bytes(l, post_data(e));
	push_bytes(l, SLICE("\r\n"));
}

/* Is the run for a subscription that is not simply in force? */
static bool is_for(const struct run *r, const struct sub_seat *seat)
{
	const struct sub *sub = seat->sub;
	if (!((sub->in & ~sub->out) >> r->from & 1))
		return false;
	/* Left before it was confirmed: what came between has no place in the stream any more. */
	return seat->state == SUB_PENDING || sub->confirmed;
}

/* The run for one subscriber. */
static void push_run(struct pubsub *ps, struct run *r, const struct sub_seat *seat, bool large)
{
	struct session_listener *l = seat->l;
	struct session *s = l->s;
	if (s == NULL || s->closing || s->gone)
		return;
	bool behind = seat->state == SUB_PENDING;
	if (rp_unlikely(behind))
		push_behind_begin(l);
	if (rp_unlikely(large))
		push_large(l, r->nm, r->first);
	else
		push_bytes(l, image_for(ps, r, s));
	if (rp_unlikely(behind))
		push_behind_end(l);
}

static void deliver(struct pubsub *ps, struct run *r)
{
	const struct sub_name *nm = r->nm;
	bool large = r->first->blob != NULL || frame_max(nm, r->first) > IMAGE_BYTES;
	for (uint32_t i = 0; i < nm->n; i++) {
		if (i + 4 < nm->n)
			rte_prefetch0(nm->seat[i + 4].l);
		if (rp_likely(nm->seat[i].state == SUB_ACTIVE) || is_for(r, &nm->seat[i]))
			push_run(ps, r, &nm->seat[i], large);
	}
}

/* Everybody who listens to e's channel: the channel's subscribers, then those of each pattern. */
static void deliver_to_all(struct pubsub *ps, struct run *r, const struct sub_name *channel)
{
	if (channel != NULL) {
		r->nm = channel;
		deliver(ps, r);
	}
	const struct name_list *patterns = &ps->list[PUBSUB_PATTERN];
	for (uint32_t i = 0; i < patterns->n; i++) {
		if (!glob_match(elem_name(&patterns->at[i]->e), post_name(r->first), false))
			continue;
		r->nm = patterns->at[i];
		r->built[0] = r->built[1] = false;
		deliver(ps, r);
	}
}

/* The pattern that alone matches; *others: there are more. */
static const struct sub_name *lone_pattern(const struct pubsub *ps, struct slice channel, bool *others)
{
	const struct sub_name *found = NULL;
	*others = false;
	const struct name_list *patterns = &ps->list[PUBSUB_PATTERN];
	for (uint32_t i = 0; i < patterns->n && !*others; i++) {
		if (!glob_match(elem_name(&patterns->at[i]->e), channel, false))
			continue;
		*others = found != NULL;
		found = patterns->at[i];
	}
	return found;
}

/* How far messages on the channel of r->first can go out as one piece. */
static struct post_entry *run_end(const struct run *r, const void *end)
{
	size_t bytes = frame_max(r->nm, r->first);
	struct post_entry *e = post_next(r->first, end);
	for (; e != NULL; e = post_next(e, end)) {
		if (e->kind != POST_DELIVER || e->of != r->first->of || e->blob != NULL ||
		    !slice_eq(post_name(e), post_name(r->first)))
			break;
		bytes += frame_max(r->nm, e);
		if (bytes > IMAGE_BYTES)
			break;
	}
	return e;
}

struct post_entry *pubsub_take_messages(struct session_host *h, uint32_t from, const struct post_entry *e,
					const void *end)
{
	struct pubsub *ps = h->pubsub;
	if (e->of == PUBSUB_PREFIX) {
		tracking_take_prefixed(h, e);
		return post_next(e, end);
	}
	const struct sub_name *channel = sub_name_find(ps, (enum pubsub_kind)e->of, post_name(e));
	const struct sub_name *pattern = NULL;
	struct post_entry *next = post_next(e, end);
	bool several = false;
	if (e->of == PUBSUB_CHANNEL && ps->list[PUBSUB_PATTERN].n > 0)
		pattern = lone_pattern(ps, post_name(e), &several);
	struct run r = {
		.first = e, .end = next != NULL ? next : end, .from = from, .nm = channel != NULL ? channel : pattern};
	if (r.nm == NULL) {
		; /* all have left */
	} else if (several || (channel != NULL && pattern != NULL)) {
		/* Who listens twice hears each message twice before the next one. */
		deliver_to_all(ps, &r, channel);
	} else {
		if (e->blob == NULL && frame_max(r.nm, e) <= IMAGE_BYTES) {
			next = run_end(&r, end);
			r.end = next != NULL ? next : end;
		}
		deliver(ps, &r);
	}
	if (e->blob != NULL)
		blob_unref(e->blob, h->heap);
	return next;
}
