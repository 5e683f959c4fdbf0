/* SORT, SORT_RO. Their patterns name keys that depend on the elements, so that a request may need every shard. */
#include "cmd/handlers.h"
#include "cmd/sort_priv.h"
#include "store/zset.h"
#include "store/list.h"

#define EFFECT_VALUES 64 /* of one RPUSH in the journal */

/* ---- words ---- */

/* Words that an option takes beside itself: what may stand there must not be read as an option. */
static uint32_t option_words(struct slice word)
{
	if (slice_is(word, "limit"))
		return 2;
	return slice_is(word, "get") || slice_is(word, "by") || slice_is(word, "store");
}

int cmd_sort_keys(const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t *idx, uint32_t cap)
{
	uint32_t store_at = 0;

	for (uint32_t i = 2; i < argc; i++) {
		if (slice_is(argv[i], "store") && i + 1 < argc)
			store_at = i + 1;
		i += option_words(argv[i]);
	}
	if (cap > 0)
		idx[0] = 1;
	if (cap > 1)
		idx[1] = store_at;
	return store_at ? 2 : 1;
}

/* Does the pattern name keys of other slots than the key's? Its own tag, before the star, says where they are. */
static bool reaches_out(struct slice pattern, struct slice key)
{
	const char *star = memchr(pattern.ptr, '*', pattern.len), *open, *shut;

	if (star == NULL)
		return false;
	size_t head = (size_t)(star - pattern.ptr);

	open = memchr(pattern.ptr, '{', head);
	shut = open != NULL ? memchr(open, '}', (size_t)(star - open)) : NULL;
	return shut == NULL || shut == open + 1 || hash_slot(pattern) != hash_slot(key);
}

bool cmd_sort_wide(uint32_t argc, const struct slice *argv)
{
	for (uint32_t i = 2; i < argc; i++) {
		bool pattern = slice_is(argv[i], "get") || slice_is(argv[i], "by");
		if (pattern && i + 1 < argc && reaches_out(argv[i + 1], argv[1]))
			return true;
		i += option_words(argv[i]);
	}
	return false;
}

static bool parse_limit(struct sort *t, uint32_t i)
{
	return cmd_arg_i64(t->c, i + 1, &t->offset) && cmd_arg_i64(t->c, i + 2, &t->count);
}

/* Keys that only the elements tell nobody can check: the user must be allowed to read all. */
static bool alien_keys_ok(struct cmd_ctx *c, const char *option)
{
	if (rp_likely(!(c->client_flags & CLIENT_F_NO_ALIEN_KEYS)))
		return true;
	reply_errorf(c->out, "ERR %s option of SORT denied due to insufficient ACL permissions.", option);
	return false;
}

static bool parse_words(struct sort *t, bool may_store)
{
	struct cmd_ctx *c = t->c;

	for (uint32_t i = 2; i < c->argc; i++) {
		uint32_t left = c->argc - 1 - i;
		if (cmd_arg_is(c, i, "asc")) {
			t->desc = false;
		} else if (cmd_arg_is(c, i, "desc")) {
			t->desc = true;
		} else if (cmd_arg_is(c, i, "alpha")) {
			t->alpha = true;
		} else if (cmd_arg_is(c, i, "limit") && left >= 2) {
			if (!parse_limit(t, i))
				return false;
			i += 2;
		} else if (cmd_arg_is(c, i, "store") && left >= 1 && may_store) {
			t->store_at = ++i;
		} else if (cmd_arg_is(c, i, "by") && left >= 1) {
			t->by = c->argv[++i];
			bool constant = memchr(t->by.ptr, '*', t->by.len) == NULL;
			if (!constant && !alien_keys_ok(c, "BY"))
				return false;
			t->unsorted |= constant;
		} else if (cmd_arg_is(c, i, "get") && left >= 1) {
			if (!alien_keys_ok(c, "GET"))
				return false;
			t->gets++;
			i++;
		} else {
			cmd_err_syntax(c);
			return false;
		}
	}
	return true;
}

/* ---- results ---- */

/* Argument of the next GET after argument i. */
static uint32_t next_get(const struct cmd_ctx *c, uint32_t i)
{
	while (!cmd_arg_is(c, i, "get"))
		i += 1 + option_words(c->argv[i]);
	return i + 1;
}

static bool reply_row(struct sort *t, const struct sort_item *item)
{
	char buf[NUM_I64_CHARS];
	bool no_memory = false;
	uint32_t at = 1;

	for (uint32_t g = 0; g < t->gets; g++) {
		at = next_get(t->c, at + 1);
		struct slice v = sort_lookup(t, t->c->argv[at], item->s, buf, &no_memory);
		if (no_memory)
			return false;
		if (v.ptr != NULL)
			reply_bulk_slice(t->c->out, v);
		else
			reply_null(t->c->out);
	}
	return true;
}

static void reply_result(struct sort *t)
{
	struct cmd_ctx *c = t->c;
	struct reply all, *out = c->out;
	uint64_t n = t->end - t->first;
	bool ok = true;

	if (t->gets == 0) {
		reply_array(c->out, n);
		for (uint64_t i = t->first; i < t->end; i++)
			reply_bulk_slice(c->out, t->item[i].s);
		return;
	}
	reply_sub_begin(c->out, &all);
	c->out = &all;
	for (uint64_t i = t->first; i < t->end && ok; i++)
		ok = reply_row(t, &t->item[i]);
	c->out = out;
	if (ok) {
		reply_sub_end(c->out, &all, REPLY_ARRAY, n * t->gets);
	} else {
		reply_reset(&all, c->env->heap);
		cmd_err_oom(c);
	}
}

/* The values to store, one after the other. NULL: out of memory. */
static struct slice *collect(struct sort *t, uint32_t n)
{
	struct slice *v = heap_alloc(t->c->env->heap, n * sizeof *v);
	char buf[NUM_I64_CHARS];
	bool no_memory = v == NULL;
	uint32_t k = 0;

	for (uint64_t i = t->first; i < t->end && !no_memory; i++) {
		uint32_t at = 1;
		if (t->gets == 0)
			v[k++] = t->item[i].s;
		for (uint32_t g = 0; g < t->gets && !no_memory; g++) {
			at = next_get(t->c, at + 1);
			struct slice x = sort_lookup(t, t->c->argv[at], t->item[i].s, buf, &no_memory);
			if (x.ptr == NULL)
				x = SLICE("");
			if (x.ptr == buf)
				x = sort_keep(t, x);
			no_memory |= x.ptr == NULL;
			v[k++] = x;
		}
	}
	if (no_memory) {
		heap_free(t->c->env->heap, v);
		return NULL;
	}
	return v;
}

/* The journal gets the result, o or none: what patterns and keys of other shards gave is not in this shard's, and a
 * field that had expired is there again while the file is loaded. */
static void effect_result(struct cmd_ctx *c, struct store *s, struct slice key, const struct object *o)
{
	char buf[EFFECT_VALUES][NUM_I64_CHARS];
	struct slice words[2 + EFFECT_VALUES] = {SLICE("RPUSH"), key};
	struct list_iter it;

	cmd_effect(c, s, 2, (struct slice[]){SLICE("DEL"), key});
	if (o == NULL || !journal_on(store_journal(s)))
		return;
	list_seek(o, 0, false, &it);
	while (!it.end) {
		uint32_t n = 0;
		for (; n < EFFECT_VALUES && !it.end; n++, list_next(&it))
			words[2 + n] = list_get(&it, buf[n], NULL);
		cmd_effect(c, s, 2 + n, words);
	}
}

static void store_nothing(struct cmd_ctx *c, struct store *s, struct slice key)
{
	if (store_delete(s, c->db, key)) {
		store_event(s, EVENT_GENERIC, "del", c->db, key);
		effect_result(c, s, key, NULL);
		c->dirty++;
	}
	reply_int(c->out, 0);
}

static void store_result(struct sort *t)
{
	struct cmd_ctx *c = t->c;
	struct slice key = c->argv[t->store_at];
	struct store *s = cmd_store(c, key);
	uint64_t n = (t->end - t->first) * RP_MAX(t->gets, 1);
	struct list_ref list = {.s = s, .db = c->db, .key = key, .limit = c->env->conf->types.list_max_listpack_size};

	if (n == 0) {
		store_nothing(c, s, key);
		return;
	}
	struct slice *v = n <= UINT32_MAX ? collect(t, (uint32_t)n) : NULL;
	struct list_values values = {.v = v, .n = (uint32_t)n};

	if (v == NULL || !list_push(&list, LIST_TAIL, &values)) {
		heap_free(c->env->heap, v);
		cmd_err_oom(c);
		return;
	}
	store_event(s, EVENT_LIST, "sortstore", c->db, key);
	effect_result(c, s, key, list.o);
	heap_free(c->env->heap, v);
	c->dirty += (uint32_t)n;
	reply_int(c->out, (int64_t)n);
}

/* ---- the command ---- */

static void work(struct sort *t, const struct object *o)
{
	if (!sort_load(t, o) || (!t->unsorted && !sort_weigh(t))) {
		cmd_err_oom(t->c);
		return;
	}
	if (t->bad_score) {
		reply_error(t->c->out, "ERR One or more scores can't be converted into double");
		return;
	}
	if (!t->unsorted)
		sort_order(t);
	if (t->store_at)
		store_result(t);
	else
		reply_result(t);
}

static void sort_finish(struct sort *t)
{
	heap_free(t->c->env->heap, t->item);
	while (t->chunks != NULL) {
		struct sort_chunk *k = t->chunks;
		t->chunks = k->next;
		heap_free(t->c->env->heap, k);
	}
}

static void sort_key(struct cmd_ctx *c, bool may_store)
{
	struct sort t = {.c = c, .count = -1};

	if (!parse_words(&t, may_store))
		return;
	struct object *o = cmd_read(c, c->argv[1]);

	if (o != NULL && o->type != OBJ_LIST && o->type != OBJ_SET && o->type != OBJ_ZSET) {
		cmd_err_wrongtype(c);
		return;
	}
	if (o != NULL && o->type == OBJ_ZSET && !zset_expand(cmd_store(c, c->argv[1]), c->db, &o)) {
		cmd_err_oom(c);
		return;
	}
	if (t.unsorted && t.store_at && o != NULL && o->type == OBJ_SET) { /* what is stored must not be by chance */
		t.unsorted = false;
		t.alpha = true;
		t.by = (struct slice){NULL, 0};
	}
	t.of_set = o != NULL && o->type == OBJ_SET;
	work(&t, o);
	sort_finish(&t);
}

void cmd_sort(struct cmd_ctx *c)
{
	sort_key(c, true);
}

void cmd_sort_ro(struct cmd_ctx *c)
{
	sort_key(c, false);
}
