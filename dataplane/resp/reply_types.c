/* RESP2 and RESP3 texts. Short ones are written straight into the window; where that is too small they are put together
 * on the stack and split over buffers. */
#include "resp/reply_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/num.h"

#define HEADER_CHARS (1 + NUM_I64_CHARS + 2)
#define ERROR_CHARS  1024

static inline char *put_crlf(char *p)
{
	memcpy(p, "\r\n", 2);
	return p + 2;
}

/* Lengths below ten are most of them. */
static inline char *put_header(char *p, char mark, uint64_t v)
{
	p[0] = mark;
	if (rp_likely(v < 10)) {
		p[1] = (char)('0' + v);
		return put_crlf(p + 2);
	}
	return put_crlf(p + 1 + num_format_u64(p + 1, v));
}

static void write_header(struct reply *r, char mark, uint64_t v)
{
	char buf[HEADER_CHARS], *p = reply_window(r, HEADER_CHARS);
	if (rp_likely(p != NULL))
		reply_advance(r, put_header(p, mark, v));
	else
		reply_raw_split(r, buf, (size_t)(put_header(buf, mark, v) - buf));
}

void reply_raw(struct reply *r, const void *data, size_t len)
{
	char *p = reply_window(r, len);
	if (rp_likely(p != NULL)) {
		if (len > 0) {
			memcpy(p, data, len);
			reply_advance(r, p + len);
		}
	} else {
		reply_raw_split(r, data, len);
	}
}

void reply_status(struct reply *r, const char *text)
{
	reply_raw(r, "+", 1);
	reply_raw(r, text, strlen(text));
	reply_raw(r, "\r\n", 2);
}

void reply_ok(struct reply *r)
{
	reply_raw(r, "+OK\r\n", 5);
}

static void write_line_safe(struct reply *r, struct slice text)
{
	while (text.len > 0 && (text.ptr[text.len - 1] == '\r' || text.ptr[text.len - 1] == '\n'))
		text.len--;
	while (text.len > 0) {
		size_t n = 0;
		while (n < text.len && text.ptr[n] != '\r' && text.ptr[n] != '\n')
			n++;
		reply_raw(r, text.ptr, n);
		if (n < text.len)
			reply_raw(r, " ", 1);
		n = RP_MIN(n + 1, text.len);
		text = (struct slice){text.ptr + n, text.len - n};
	}
	reply_raw(r, "\r\n", 2);
}

void reply_error_slice(struct reply *r, struct slice text)
{
	r->error = true;
	if (r->errors != NULL)
		error_stats_count(r->errors, text);
	reply_raw(r, "-", 1);
	write_line_safe(r, text);
}

void reply_error(struct reply *r, const char *text)
{
	reply_error_slice(r, (struct slice){text, strlen(text)});
}

void reply_errorf(struct reply *r, const char *fmt, ...)
{
	char buf[ERROR_CHARS];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	reply_error(r, buf);
}

void reply_int(struct reply *r, int64_t v)
{
	if (rp_likely(v >= 0)) {
		write_header(r, ':', (uint64_t)v);
		return;
	}
	char buf[HEADER_CHARS] = ":";
	char *end = put_crlf(buf + 1 + num_format_i64(buf + 1, v));
	reply_raw(r, buf, (size_t)(end - buf));
}

void reply_bulk(struct reply *r, const void *data, size_t len)
{
	char *p = reply_window(r, HEADER_CHARS + len + 2);
	if (rp_likely(p != NULL)) {
		p = put_header(p, '$', len);
		if (len > 0)
			memcpy(p, data, len);
		reply_advance(r, put_crlf(p + len));
		return;
	}
	write_header(r, '$', len);
	reply_raw(r, data, len);
	reply_raw(r, "\r\n", 2);
}

void reply_bulk_str(struct reply *r, const char *text)
{
	reply_bulk(r, text, strlen(text));
}

void reply_bulk_slice(struct reply *r, struct slice s)
{
	reply_bulk(r, s.ptr, s.len);
}

void reply_bulk_i64(struct reply *r, int64_t v)
{
	char buf[NUM_I64_CHARS];
	reply_bulk(r, buf, num_format_i64(buf, v));
}

void reply_bulk_blob(struct reply *r, struct blob *b)
{
	if (b->len < REPLY_REF_MIN) {
		reply_bulk(r, b->data, b->len);
		return;
	}
	write_header(r, '$', b->len);
	reply_blob_ref(r, b);
	reply_raw(r, "\r\n", 2);
}

void reply_null(struct reply *r)
{
	if (r->proto == 3)
		reply_raw(r, "_\r\n", 3);
	else
		reply_raw(r, "$-1\r\n", 5);
}

void reply_null_array(struct reply *r)
{
	if (r->proto == 3)
		reply_raw(r, "_\r\n", 3);
	else
		reply_raw(r, "*-1\r\n", 5);
}

void reply_double(struct reply *r, double v)
{
	char buf[1 + NUM_DOUBLE_CHARS + 2];
	size_t len = num_format_double(buf + 1, v);
	if (r->proto == 3) {
		buf[0] = ',';
		put_crlf(buf + 1 + len);
		reply_raw(r, buf, len + 3);
	} else {
		reply_bulk(r, buf + 1, len);
	}
}

void reply_bool(struct reply *r, bool v)
{
	if (r->proto == 3)
		reply_raw(r, v ? "#t\r\n" : "#f\r\n", 4);
	else
		reply_raw(r, v ? ":1\r\n" : ":0\r\n", 4);
}

void reply_bignum(struct reply *r, struct slice digits)
{
	if (r->proto != 3) {
		reply_bulk_slice(r, digits);
		return;
	}
	reply_raw(r, "(", 1);
	reply_raw(r, digits.ptr, digits.len);
	reply_raw(r, "\r\n", 2);
}

void reply_verbatim(struct reply *r, struct slice text, const char ext[3])
{
	if (r->proto != 3) {
		reply_bulk_slice(r, text);
		return;
	}
	write_header(r, '=', text.len + 4);
	reply_raw(r, ext, 3);
	reply_raw(r, ":", 1);
	reply_raw(r, text.ptr, text.len);
	reply_raw(r, "\r\n", 2);
}

void reply_array(struct reply *r, uint64_t n)
{
	write_header(r, '*', n);
}

void reply_map(struct reply *r, uint64_t pairs)
{
	if (r->proto == 3)
		write_header(r, '%', pairs);
	else
		write_header(r, '*', pairs * 2);
}

void reply_set(struct reply *r, uint64_t n)
{
	write_header(r, r->proto == 3 ? '~' : '*', n);
}

void reply_push(struct reply *r, uint64_t n)
{
	write_header(r, r->proto == 3 ? '>' : '*', n);
}

void reply_attribute(struct reply *r, uint64_t pairs)
{
	if (r->proto == 3)
		write_header(r, '|', pairs);
}
