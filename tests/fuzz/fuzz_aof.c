/* Append-only files and manifests of arbitrary bytes. Checked beside memory errors: what the scanner gives lies in what
 * it was given, it keeps no more words than bytes can hold, and the front part of a file says what the whole says, up
 * to where it is cut; the end of the stream is found within it. A manifest that is taken is written and read back the
 * same. */
#include <stdlib.h>

#include "base/hash.h"
#include "fuzz.h"
#include "persist/aof_manifest.h"
#include "persist/aof_tail.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return 0;
}

struct outcome {
	uint64_t commands, digest;
	enum aof_scan_end end;
	size_t from;
};

static struct outcome scan(const char *data, size_t len, uint64_t most)
{
	struct outcome o = {.end = AOF_SCAN_COMMAND};
	struct aof_scan s;
	struct err e = {""};

	aof_scan_init(&s, data, len, 0);
	while (o.commands < most && (o.end = aof_scan_next(&s, &e)) == AOF_SCAN_COMMAND) {
		o.commands++;
		rp_assert(s.argc > 0 && s.at <= len && s.from < s.at);
		for (uint32_t i = 0; i < s.argc; i++) {
			rp_assert(s.argv[i].ptr >= data && s.argv[i].ptr + s.argv[i].len + 2 <= data + s.at);
			o.digest = hash64(s.argv[i].ptr, s.argv[i].len, o.digest + s.argc);
		}
	}
	rp_assert(s.cap <= 2 * (len / 5 + 16));
	rp_assert(o.end != AOF_SCAN_NOMEM && (o.end != AOF_SCAN_BAD || e.text[0] != '\0'));
	o.from = s.from;
	aof_scan_fini(&s);
	return o;
}

static void scan_parts(const char *data, size_t len, size_t cut)
{
	/* A copy of just that size: a look beyond it is seen. */
	char *part = malloc(cut + 1);
	memcpy(part, data, cut);
	char *exact = realloc(part, cut > 0 ? cut : 1);
	struct outcome front = scan(exact, cut, UINT64_MAX), whole = scan(data, len, front.commands);
	rp_assert(whole.commands == front.commands && whole.digest == front.digest);
	if (front.end == AOF_SCAN_CUT || front.end == AOF_SCAN_END)
		rp_assert(front.from <= cut);
	free(exact);
}

/* No look goes beyond what is there. */
static void tail(const char *data, size_t len)
{
	struct aof_tail t;
	struct err e = {""};
	size_t end = SIZE_MAX;

	aof_tail_init(&t, data, len, 0);
	while (aof_tail_step(&t))
		;
	enum aof_tail_end found = aof_tail_find(&t, &end, &e);
	rp_assert(end <= len);
	rp_assert((found != AOF_TAIL_BAD_COMMAND && found != AOF_TAIL_BAD_FRAME) || e.text[0] != '\0');
	rp_assert(found != AOF_TAIL_WHOLE || end >= t.commands);
	aof_tail_fini(&t);
}

static void manifest(const char *data, size_t len)
{
	struct aof_manifest m, again;
	struct aof_buf text = {NULL};
	struct err e = {""};

	if (aof_manifest_parse("fuzz", data, len, &m, &e) != 0) {
		rp_assert(e.text[0] != '\0');
		return;
	}
	rp_assert(aof_manifest_text(&m, &text));
	if (aof_manifest_parse("again", text.data, text.len, &again, &e) == 0) {
		rp_assert(again.n == m.n);
		aof_manifest_fini(&again);
	}
	aof_buf_fini(&text);
	aof_manifest_fini(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 3;

	if (size < 3)
		return 0;
	if (data[0] & 1) {
		manifest(text, size - 3);
		return 0;
	}
	scan(text, size - 3, UINT64_MAX);
	tail(text, size - 3);
	scan_parts(text, size - 3, (size_t)(data[1] | data[2] << 8) % (size - 2));
	return 0;
}
