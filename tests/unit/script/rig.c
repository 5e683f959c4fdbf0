#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

static void on_log(void *ctx, int level, struct slice text)
{
	struct rig *r = ctx;

	snprintf(r->log, sizeof r->log, "%d %.*s", level, (int)text.len, text.ptr);
}

static enum script_end on_interrupted(void *ctx)
{
	return ((struct rig *)ctx)->end;
}

struct rig *rig_create(uint32_t nstores)
{
	struct rig *r = calloc(1, sizeof *r);

	assert_non_null(r);
	r->h = harness_create(nstores);
	r->proto = 2;
	struct script_call_params cp = {.env = &r->h->env, .mbufs = r->h->pool};
	r->call = script_call_create(&cp);
	assert_non_null(r->call);
	struct script_ops ops = {.ctx = r->call,
				 .call = script_call_run,
				 .acl_check = script_call_acl_check,
				 .set_repl = script_call_set_repl,
				 .watch_ctx = r,
				 .log = on_log,
				 .interrupted = on_interrupted};
	r->engine = script_engine_create(&ops, 64 << 20);
	assert_non_null(r->engine);
	r->cache = script_cache_create(r->engine);
	r->libraries = script_libraries_create(r->engine);
	assert_non_null(r->cache);
	assert_non_null(r->libraries);
	return r;
}

void rig_destroy(struct rig *r)
{
	script_libraries_destroy(r->libraries);
	script_cache_destroy(r->cache);
	script_engine_destroy(r->engine);
	script_call_destroy(r->call);
	harness_destroy(r->h);
	free(r);
}

static uint32_t split(const char *text, struct slice *out, uint32_t cap)
{
	uint32_t n = 0;

	while (n < cap) {
		text += strspn(text, " ");
		size_t len = strcspn(text, " ");
		if (len == 0)
			break;
		out[n++] = (struct slice){text, len};
		text += len;
	}
	return n;
}

/* The reply as text; the script's name in it becomes SHA if it is one. */
static const char *text_of(struct rig *r, struct reply *out)
{
	size_t bytes, n = 0;
	struct rte_mbuf *head = reply_take(out, &bytes);

	for (struct rte_mbuf *m = head; m != NULL; m = m->next) {
		const struct buf_ref *ref = &buf_priv(m)->ref;
		const char *p = ref->blob != NULL ? ref->blob->data + ref->off : rte_pktmbuf_mtod(m, char *);
		size_t len = ref->blob != NULL ? ref->len : m->data_len;
		for (size_t i = 0; i < len && n + 1 < sizeof r->text; i++) {
			if (p[i] != '\n')
				r->text[n++] = p[i] == '\r' ? ' ' : p[i];
		}
	}
	buf_chain_free(head, NULL);
	r->text[n > 0 ? n - 1 : 0] = '\0';
	char *at = strstr(r->text, " script: ");
	if (at != NULL && strspn(at + 9, "0123456789abcdef") == 40)
		memmove(at + 12, at + 49, strlen(at + 49) + 1), memcpy(at + 9, "SHA", 3);
	return r->text;
}

static const char *run_code(struct rig *r, const struct script_code *code, const char *keys, const char *args)
{
	struct reply out;
	struct script_args a = {.nkeys = split(keys, r->words, 32), .keys = r->words};

	a.args = r->words + a.nkeys;
	a.nargs = split(args, r->words + a.nkeys, 32);
	r->run = (struct script_run){.code = code,
				     .args = &a,
				     .read_only = r->read_only,
				     .reply_bufs = r->call_bufs,
				     .no_writes = r->no_writes,
				     .may_restart = r->may_restart,
				     .held = r->held != 0 ? r->held : (1ull << r->h->env.nstores) - 1};
	reply_init(&out, r->h->pool, 1400, r->proto);
	out.muted = r->muted;
	if (r->reply_bufs != 0)
		out.bufs_left = r->reply_bufs;
	script_call_begin(r->call, &r->run, r->oom);
	script_engine_run(r->engine, code, &a, &out);
	script_call_end(r->call);
	return text_of(r, &out);
}

const char *rig_eval_with(struct rig *r, const char *script, const char *keys, const char *args)
{
	struct slice text = {script, strlen(script)};
	uint8_t digest[SHA1_BYTES];

	sha1(text, digest);
	struct script *s = script_cache_get(r->cache, digest);
	if (s == NULL)
		s = script_cache_add(r->cache, text, digest, r->text + 1);
	if (s == NULL) {
		r->text[0] = '-';
		return r->text;
	}
	return run_code(r, &s->code, keys, args);
}

const char *rig_eval(struct rig *r, const char *script)
{
	return rig_eval_with(r, script, "", "");
}

const char *rig_fcall(struct rig *r, const char *name, const char *keys, const char *args)
{
	struct script_function *f = script_function_find(r->libraries, (struct slice){name, strlen(name)});

	assert_non_null(f);
	return run_code(r, &f->code, keys, args);
}

void rig_table(struct rig *r, const struct rig_row *rows, size_t n)
{
	int wrong = 0;

	for (size_t i = 0; i < n; i++) {
		const char *got = rig_eval(r, rows[i].script);
		if (strcmp(got, rows[i].reply) == 0)
			continue;
		print_error("%s\n  gives %s\n  not   %s\n", rows[i].script, got, rows[i].reply);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}
