/* Shared by stream*.c and the RDB's reader of streams: the inside of nodes and groups. */
#pragma once

#include "store/stream.h"

#define STREAM_DELETED     1 /* flags of an entry */
#define STREAM_SAME_FIELDS 2

/* Bytes that a node has beyond its listpack: its counters grow by less. */
#define STREAM_NODE_SLACK 8

/* An edit of a node's listpack, which may move the node. */
struct stream_edit {
	struct cbuf b; /* first: its reserve finds the rest */
	struct stream *s;
	struct heap *h;
	struct stream_node *n;
};
void stream_edit_begin(struct stream_edit *e, struct stream *s, struct heap *h, struct stream_node *n);
/* A node with room for `cap` bytes, its listpack empty, in no stream yet. */
struct stream_node *stream_node_create(struct heap *h, struct stream_id first, size_t cap);
/* Into the tree, as the last one. false: out of memory. */
bool stream_node_link(struct stream *s, struct heap *h, struct stream_node *n);
int stream_node_probe(const void *ctx, const void *ptr); /* ctx: struct stream_id */

/* All but entries_off. */
void stream_master_head(const uint8_t *lp, struct stream_master *m);
void stream_master_read(const uint8_t *lp, struct stream_master *m);
/* The entry whose flags stand at off; returns where the next one begins, 0 at the end. */
size_t stream_entry_read(const struct stream_node *n, const struct stream_master *m, size_t off,
			 struct stream_entry *e);

/* Frees what the group has and the group itself, in slices. */
bool stream_group_drain(struct heap *h, struct stream_group *g, uint32_t *budget);
bool stream_groups_drain(struct heap *h, struct stream *s, uint32_t *budget);
bool stream_groups_clone(struct heap *h, struct stream *to, const struct stream *from);
size_t stream_groups_bytes(const struct stream *s);
void stream_groups_init(struct btree *t);
