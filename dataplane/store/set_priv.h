/* What the files of sets share. */
#pragma once

#include "base/num.h"
#include "store/set.h"

static inline struct set_table *set_table_of(const struct object *o)
{
	return obj_payload(o);
}

static inline const uint8_t *set_bytes_of(const struct object *o)
{
	return (const uint8_t *)obj_compact(o).ptr;
}

/* NULL: out of memory. */
struct set_table *set_table_create(struct heap *h, uint64_t seed);
/* At once. NULL is ignored. */
void set_table_destroy(struct heap *h, struct set_table *t);
struct elem *set_elem_create(struct heap *h, struct slice name);

uint32_t set_compact_count(enum obj_enc enc, const uint8_t *p);
bool set_compact_has(enum obj_enc enc, const uint8_t *p, const struct lp_key *m);
/* m is not there, and would not change the form. false: out of memory. */
bool set_compact_add(enum obj_enc enc, struct cbuf *b, const struct lp_key *m);
/* true: it was there. */
bool set_compact_remove(enum obj_enc enc, struct cbuf *b, const struct lp_key *m);

/* A builder that goes on from o. false: out of memory. */
bool set_build_from(struct set_build *b, struct heap *heap, const struct set_rules *r, const struct object *o);
/* n more members are announced: a compact form that is not for so many ends. false: out of memory. */
bool set_build_expect(struct set_build *b, uint64_t n);
/* Takes the place of o's value. false: out of memory, nothing changed. The builder is over in either case. */
bool set_build_replace(struct set_build *b, struct store *s, uint32_t db, struct object *o);
