/* Name -> row. A name is three folded words and a length, a short one a single word: a look-up is a multiplication, a
 * probe of a 4 KiB table and four comparisons, or two. A subcommand's key is its own word and its container's id.
 */
#include "cmd/table.h"

#define LOOKUP_BITS  11
#define LOOKUP_SLOTS (1u << LOOKUP_BITS) /* several times the number of rows: most are found at the first probe */
#define LOOKUP_ROWS  512
#define LOOKUP_NAME  32
#define LOOKUP_SHORT 8  /* a name below that is one word, and needs a third of the work: most that are sent are */
#define LOOKUP_WHOLE 24 /* the words of a key hold so many bytes; what is longer is compared once more */

struct name_key {
	uint64_t word[3];
	uint64_t rest; /* length, and the container's id + 1: in one word, as they are compared in one */
};

/* Built once at boot by cmd_lookup_init(), constant afterwards. */
static struct {
	uint16_t slot[LOOKUP_SLOTS]; /* id + 1; 0: free */
	struct name_key key[LOOKUP_ROWS];
} lookup;

/* ASCII upper case to lower case in all eight bytes at once. */
static inline uint64_t fold_word(uint64_t x)
{
	const uint64_t ones = 0x0101010101010101ull, tops = ones << 7;
	uint64_t low7 = x & ~tops;
	uint64_t from_a = low7 + ones * (0x80 - 'A');
	uint64_t past_z = low7 + ones * (0x7f - 'Z');

	return x | ((from_a & ~past_z & ~x & tops) >> 2);
}

static inline uint64_t load_u64(const char *p)
{
	uint64_t x;
	memcpy(&x, p, sizeof x);
	return x;
}

static inline uint32_t load_u32(const char *p)
{
	uint32_t x;
	memcpy(&x, p, sizeof x);
	return x;
}

/* All of a name of 1 to LOOKUP_SHORT - 1 bytes; none beyond it is read: a slice may end where its memory ends. The
 * pieces overlap where the length is no multiple of their size; with the length they still tell every name apart. */
static inline uint64_t short_word(struct slice s)
{
	if (s.len >= 4)
		return load_u32(s.ptr) | (uint64_t)load_u32(s.ptr + s.len - 4) << 32;
	return (uint8_t)s.ptr[0] | (uint64_t)(uint8_t)s.ptr[s.len / 2] << 8 | (uint64_t)(uint8_t)s.ptr[s.len - 1] << 16;
}

static inline uint64_t rest_of(struct slice s, int32_t parent)
{
	return (uint64_t)(uint32_t)(parent + 1) << 32 | s.len;
}

static inline bool key_make(struct slice s, int32_t parent, struct name_key *k)
{
	if (s.len == 0 || s.len > LOOKUP_NAME)
		return false;
	*k = (struct name_key){.rest = rest_of(s, parent)};
	if (s.len < LOOKUP_SHORT) {
		k->word[0] = fold_word(short_word(s));
		return true;
	}
	k->word[0] = fold_word(load_u64(s.ptr));
	k->word[1] = fold_word(load_u64(s.ptr + (s.len > 16 ? 8 : 0)));
	k->word[2] = fold_word(load_u64(s.ptr + s.len - 8));
	return true;
}

static inline uint32_t slot_of(uint64_t words, uint64_t rest)
{
	words ^= rest << 57 ^ rest >> 32 << 43;
	return (uint32_t)(words * 0x9e3779b97f4a7c15ull >> (64 - LOOKUP_BITS));
}

/* Of a short name: its first word. */
static inline uint32_t key_slot(const struct name_key *k)
{
	return slot_of(k->word[0] ^ (k->word[2] << 23 | k->word[2] >> 41) ^ k->word[1] * 31, k->rest);
}

static inline uint32_t slot_after(uint32_t slot)
{
	return (slot + 1) & (LOOKUP_SLOTS - 1);
}

static inline bool key_eq(const struct name_key *a, const struct name_key *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] && a->rest == b->rest;
}

static inline const struct cmd *find_short(struct slice name, int32_t parent)
{
	uint64_t word = fold_word(short_word(name)), rest = rest_of(name, parent);

	for (uint32_t i = slot_of(word, rest); lookup.slot[i]; i = slot_after(i)) {
		const struct name_key *k = &lookup.key[lookup.slot[i] - 1u];
		if (rp_likely(k->word[0] == word && k->rest == rest))
			return cmd_at(lookup.slot[i] - 1u);
	}
	return NULL;
}

static const struct cmd *find_long(struct slice name, int32_t parent)
{
	struct name_key k;

	if (!key_make(name, parent, &k))
		return NULL;
	for (uint32_t i = key_slot(&k); lookup.slot[i]; i = slot_after(i)) {
		uint32_t id = lookup.slot[i] - 1u;
		if (rp_likely(key_eq(&lookup.key[id], &k)))
			return rp_likely(name.len <= LOOKUP_WHOLE) || slice_is(name, cmd_own_name(cmd_at(id)))
				       ? cmd_at(id)
				       : NULL;
	}
	return NULL;
}

static inline const struct cmd *find(struct slice name, int32_t parent)
{
	return rp_likely(name.len - 1 < LOOKUP_SHORT - 1) ? find_short(name, parent) : find_long(name, parent);
}

void cmd_lookup_init(void)
{
	rp_assert(cmd_count < LOOKUP_ROWS);
	memset(&lookup, 0, sizeof lookup);
	for (uint32_t id = 0; id < cmd_count; id++) {
		const struct cmd *cmd = cmd_at(id);
		struct name_key *k = &lookup.key[id];

		rp_assert(key_make(cmd_text(cmd_own_name(cmd)), cmd->parent, k));
		uint32_t i = key_slot(k);
		while (lookup.slot[i]) {
			rp_assert(!key_eq(&lookup.key[lookup.slot[i] - 1], k));
			i = slot_after(i);
		}
		lookup.slot[i] = (uint16_t)(id + 1);
	}
}

const struct cmd *cmd_lookup(uint32_t argc, const struct slice *argv)
{
	const struct cmd *cmd = find(argv[0], -1);

	if (rp_unlikely(cmd != NULL && (cmd->flags & CMD_F_CONTAINER) && argc > 1))
		return find(argv[1], cmd->id);
	return cmd;
}

const struct cmd *cmd_find(struct slice full_name)
{
	const char *bar = full_name.len ? memchr(full_name.ptr, '|', full_name.len) : NULL;
	size_t head = bar ? (size_t)(bar - full_name.ptr) : full_name.len;
	const struct cmd *cmd = find((struct slice){full_name.ptr, head}, -1);

	if (!bar || !cmd)
		return cmd;
	return find((struct slice){bar + 1, full_name.len - head - 1}, cmd->id);
}
