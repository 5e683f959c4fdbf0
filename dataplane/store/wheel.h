/* Expiry wheel of one database of one shard: a hierarchical timing wheel (Varghese & Lauck) over struct obj_expiry, 1
 * ms ticks. Owner: holder of the shard. */
#pragma once

#include "store/object.h"

struct wheel;

struct wheel *wheel_create(struct heap *h, int64_t now_ms); /* NULL: out of memory */
void wheel_destroy(struct wheel *w, struct heap *h);        /* objects are left alone */
/* Forgets all entries without touching them. */
void wheel_reset(struct wheel *w);
/* o has OBJ_F_EXPIRE with at_ms set. */
void wheel_insert(struct wheel *w, struct object *o);
void wheel_remove(struct wheel *w, struct object *o);
/* o was copied to a new address while linked (old memory still readable). */
void wheel_moved(struct wheel *w, struct object *from, struct object *to);
/* Takes out the next object whose time is <= now_ms, or NULL. Advances by at most `budget` steps of work (decremented).
 */
struct object *wheel_pop_due(struct wheel *w, int64_t now_ms, uint32_t *budget);
/* One of those that are due first, or NULL if there is none. */
struct object *wheel_peek(const struct wheel *w);
/* Earliest possible next due time in ms (a lower bound), INT64_MAX if empty: for an idle worker's sleep. */
int64_t wheel_next_ms(const struct wheel *w);
uint64_t wheel_count(const struct wheel *w);
