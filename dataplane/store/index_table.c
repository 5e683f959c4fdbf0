#include <inttypes.h>
#include <stdio.h>

#include <rte_common.h>
#include <rte_hash.h>
#include <rte_malloc.h>

#include "store/index_priv.h"

#define INDEX_TABLE_MIN 64

/* rte_hash calls it with the probe on either side, and with its dummy slot 0, which is all zero. */
static int slot_cmp(const void *a, const void *b, size_t len)
{
	const struct index_slot *x = rp_container_of(a, struct index_slot, o);
	const struct index_slot *y = rp_container_of(b, struct index_slot, o);
	uintptr_t stored = (uintptr_t)x->o, probe = (uintptr_t)y->o;

	if (x->hash != y->hash || stored == 0 || probe == 0)
		return 1;
	if (stored & PROBE_MASK) {
		uintptr_t swap = stored;
		stored = probe;
		probe = swap;
	}
	switch (probe & PROBE_MASK) {
	case PROBE_OBJECT:
		return stored != probe;
	case PROBE_CANDIDATE:
		return 0;
	default:
		return !slice_eq(obj_key((const struct object *)stored),
				 *(const struct slice *)(probe & ~(uintptr_t)PROBE_MASK));
	}
}

/* We pass hashes ourselves; only rte_hash_get_key_with_position() calls this, and only on the entries of
 * slots_locate(). */
static uint32_t zero_hash(const void *key, uint32_t len, uint32_t init)
{
	return 0;
}

/* Learns where the key store is from the addresses of two entries, and checks that it is laid out as struct
 * index_slot assumes. */
static struct index_slot *slots_locate(struct rte_hash *h)
{
	struct index_slot a = {0, (struct object *)(uintptr_t)0x10}, b = {0, (struct object *)(uintptr_t)0x20};
	void *pa, *pb;

	int32_t at_a = rte_hash_add_key_with_hash(h, &a.o, 0);
	int32_t at_b = rte_hash_add_key_with_hash(h, &b.o, 0);
	rp_assert(at_a >= 0 && at_b == at_a + 1);
	rp_assert(rte_hash_get_key_with_position(h, at_a, &pa) == 0);
	rp_assert(rte_hash_get_key_with_position(h, at_b, &pb) == 0);
	rp_assert((char *)pb - (char *)pa == sizeof(struct index_slot) && *(struct object **)pb == b.o);

	struct index_slot *slots = rp_container_of(pa, struct index_slot, o);
	slots -= at_a;
	rp_assert(rte_hash_del_key_with_hash(h, &a.o, 0) == at_a);
	rp_assert(rte_hash_del_key_with_hash(h, &b.o, 0) == at_b);
	slots[at_a] = slots[at_b] = (struct index_slot){0, NULL};
	return slots;
}

struct index_table *index_table_create(const char *index_name, uint64_t seed, uint32_t entries)
{
	entries = RP_MIN(RP_MAX(entries, INDEX_TABLE_MIN), INDEX_TABLE_MAX);
	struct index_table *t = rte_zmalloc(NULL, sizeof *t, 0);
	if (t == NULL)
		return NULL;
	/* The address makes the name unique; rte_hash's rings leave 21 characters. */
	char name[RTE_HASH_NAMESIZE];
	snprintf(name, sizeof name, "%.8s.%" PRIxPTR, index_name, (uintptr_t)t);
	/* One less than a power of two: its ring of free slots would take twice the memory otherwise. */
	t->capacity = rte_align32pow2(entries) - 1;
	t->seed = seed;
	t->h = rte_hash_create(&(struct rte_hash_parameters){.name = name,
							     .entries = t->capacity,
							     .key_len = sizeof(struct object *),
							     .hash_func = zero_hash,
							     .socket_id = SOCKET_ID_ANY,
							     .extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE});
	if (t->h == NULL) {
		rte_free(t);
		return NULL;
	}
	rte_hash_set_cmp_func(t->h, slot_cmp);
	t->slots = slots_locate(t->h);
	return t;
}

void index_table_destroy(struct index_table *t)
{
	if (t == NULL)
		return;
	rte_hash_free(t->h);
	rte_free(t);
}

bool index_table_add(struct index_table *t, struct object *o, uint64_t hash)
{
	if (t->live == t->capacity)
		return false;
	struct index_slot probe = index_probe(PROBE_OBJECT, o, hash);
	if (rte_hash_add_key_with_hash_data(t->h, &probe.o, (hash_sig_t)hash, (void *)(uintptr_t)hash) != 0)
		return false;
	t->live++;
	return true;
}

int32_t index_table_position(const struct index_table *t, const struct index_slot *probe)
{
	return rte_hash_lookup_with_hash(t->h, &probe->o, (hash_sig_t)probe->hash);
}

void index_table_positions(const struct index_table *t, const struct index_slot *probe, uint32_t n, int32_t *pos)
{
	const void *key[INDEX_BULK];
	hash_sig_t sig[INDEX_BULK];

	for (uint32_t i = 0; i < n; i++) {
		key[i] = &probe[i].o;
		sig[i] = (hash_sig_t)probe[i].hash;
	}
	rte_hash_lookup_with_hash_bulk(t->h, key, sig, n, pos);
}

bool index_table_remove(struct index_table *t, const struct object *o, uint64_t hash)
{
	struct index_slot probe = index_probe(PROBE_OBJECT, o, hash);
	int32_t pos = rte_hash_del_key_with_hash(t->h, &probe.o, (hash_sig_t)hash);

	if (pos < 0)
		return false;
	/* rte_hash leaves the bytes of a free slot alone, and we walk by position. */
	index_table_forget(t, (uint32_t)pos);
	return true;
}

void index_table_forget(struct index_table *t, uint32_t pos)
{
	t->slots[pos] = (struct index_slot){0, NULL};
	t->live--;
}

struct index_table *index_table_next(const struct index_table *t)
{
	return t->next;
}

bool index_table_drain(struct index_table *t, uint32_t *budget, index_visit_fn fn, void *ctx)
{
	while (t->live > 0 && *budget > 0) {
		struct object *o = t->slots[t->pos].o;
		if (o != NULL) {
			index_table_forget(t, t->pos);
			fn(ctx, o);
		}
		t->pos++;
		--*budget;
	}
	return t->live == 0;
}
