/* SORT: the order of elements, and bringing them into it: quicksort with random pivots, of the wanted range alone
 * (Hoare's Find 1961), so that no input is a bad one. */
#include "cmd/sort_priv.h"

#define SMALL 12 /* sorted by insertion */

static int compare_text(struct slice a, struct slice b)
{
	size_t n = RP_MIN(a.len, b.len);
	int d = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;

	return d != 0 ? d : (a.len > b.len) - (a.len < b.len);
}

/* As strcoll() does without a locale: a text ends at a byte of zero. */
static int compare_strings(struct slice a, struct slice b)
{
	size_t n = RP_MIN(a.len, b.len);
	int d = n > 0 ? strncmp(a.ptr, b.ptr, n) : 0;

	if (d != 0 || a.len == b.len || (n > 0 && memchr(a.ptr, '\0', n) != NULL))
		return d;
	return (a.len > n && a.ptr[n] != '\0') - (b.len > n && b.ptr[n] != '\0');
}

/* What is stored has an order of all its bytes, what is shown one for people. */
static int compare_alpha(const struct sort *t, struct slice a, struct slice b)
{
	return t->store_at ? compare_text(a, b) : compare_strings(a, b);
}

/* An element without a weight is before all others. */
static int compare_weights(const struct sort *t, const struct sort_item *a, const struct sort_item *b)
{
	if (a->weight.ptr == NULL || b->weight.ptr == NULL)
		return (a->weight.ptr != NULL) - (b->weight.ptr != NULL);
	return compare_alpha(t, a->weight, b->weight);
}

/* Equal ones of a list keep its order; that of a set is chance. */
static int compare_elements(const struct sort *t, const struct sort_item *a, const struct sort_item *b)
{
	int d = compare_alpha(t, a->s, b->s);

	return d == 0 && t->of_set ? compare_text(a->s, b->s) : d;
}

static int compare_scores(const struct sort_item *a, const struct sort_item *b)
{
	int d = (a->score > b->score) - (a->score < b->score);

	return d != 0 ? d : compare_text(a->s, b->s);
}

/* Total: equal ones stay as they were. */
static bool before(const struct sort *t, const struct sort_item *a, const struct sort_item *b)
{
	int d;

	if (!t->alpha)
		d = compare_scores(a, b);
	else
		d = t->by.ptr != NULL ? compare_weights(t, a, b) : compare_elements(t, a, b);
	if (d != 0)
		return t->desc ? d > 0 : d < 0;
	return a->at < b->at;
}

static void swap(struct sort_item *a, struct sort_item *b)
{
	struct sort_item x = *a;

	*a = *b;
	*b = x;
}

static void insertion(const struct sort *t, struct sort_item *v, uint64_t n)
{
	for (uint64_t i = 1; i < n; i++) {
		struct sort_item x = v[i];
		uint64_t k = i;
		for (; k > 0 && before(t, &x, &v[k - 1]); k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
}

/* Where the pivot, chosen at random, is at home: what is before it stands before it then. */
static uint64_t partition(const struct sort *t, struct sort_item *v, uint64_t n)
{
	uint64_t k = 0;

	swap(&v[rng_below(t->c->rng, n)], &v[n - 1]);
	for (uint64_t i = 0; i + 1 < n; i++)
		if (before(t, &v[i], &v[n - 1]))
			swap(&v[i], &v[k++]);
	swap(&v[k], &v[n - 1]);
	return k;
}

/* Positions [first, end) of v[0 .. n) get what belongs there. */
static void sort_part(const struct sort *t, struct sort_item *v, uint64_t n, uint64_t first, uint64_t end)
{
	while (n > SMALL && first < end) {
		uint64_t k = partition(t, v, n);
		if (k < n / 2) { /* the smaller part by a call of its own: they nest log n deep */
			if (first < k)
				sort_part(t, v, k, first, RP_MIN(end, k));
			v += k + 1;
			n -= k + 1;
			first = first > k ? first - k - 1 : 0;
			end = end > k + 1 ? end - k - 1 : 0;
		} else {
			if (end > k + 1)
				sort_part(t, v + k + 1, n - k - 1, first > k ? first - k - 1 : 0, end - k - 1);
			n = k;
			end = RP_MIN(end, k);
		}
	}
	if (first < end)
		insertion(t, v, n);
}

void sort_order(struct sort *t)
{
	sort_part(t, t->item, t->n, t->first, t->end);
}
