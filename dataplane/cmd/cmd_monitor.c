/* MONITOR. See monitor.h. */
#include "cmd/monitor.h"

#include <stdio.h>

#include "cmd/handlers.h"
#include "cmd/pubsub.h"

#define HEAD_MAX    (ENDPOINT_TEXT_MAX + 16)
#define REDACTED    "(redacted)"
#define HELLO_WORDS 32 /* looked at for a password */

size_t monitor_line_max(uint32_t argc, const struct slice *argv)
{
	size_t n = HEAD_MAX + 2;

	for (uint32_t i = 0; i < argc; i++)
		n += 3 + RP_MAX(4 * argv[i].len, sizeof REDACTED);
	return n;
}

static char escape_of(unsigned char c)
{
	switch (c) {
	case '\\':
	case '"':
		return (char)c;
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	case '\a':
		return 'a';
	case '\b':
		return 'b';
	default:
		return '\0';
	}
}

static char *put_char(char *p, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char esc = escape_of(c);

	if (rp_likely(esc == '\0' && c >= ' ' && c <= '~')) {
		*p++ = (char)c;
		return p;
	}
	*p++ = '\\';
	if (esc != '\0') {
		*p++ = esc;
		return p;
	}
	*p++ = 'x';
	*p++ = hex[c >> 4];
	*p++ = hex[c & 15];
	return p;
}

static char *put_word(char *p, struct slice s)
{
	*p++ = ' ';
	*p++ = '"';
	for (size_t i = 0; i < s.len; i++)
		p = put_char(p, (unsigned char)s.ptr[i]);
	*p++ = '"';
	return p;
}

static bool hello_secret(const struct slice *argv, uint32_t i)
{
	for (uint32_t at = 2; at < i && at < HELLO_WORDS; at++)
		if (slice_is(argv[at], "auth"))
			return i <= at + 2;
		else if (slice_is(argv[at], "setname"))
			at++;
	return false;
}

/* Is word i none that people may read? */
static bool secret(const struct cmd *cmd, const struct slice *argv, uint32_t i)
{
	if (cmd->fn == cmd_auth)
		return i > 0;
	if (cmd->fn == cmd_hello)
		return hello_secret(argv, i);
	if (!(cmd->flags & CMD_F_ADMIN) || i < 2)
		return false;
	if (strcmp(cmd->name, "acl|setuser") == 0 || strcmp(cmd->name, "acl|deluser") == 0 ||
	    strcmp(cmd->name, "acl|getuser") == 0)
		return true;
	return strcmp(cmd->name, "config|set") == 0 && i % 2 == 1 && slice_is(argv[i - 1], "requirepass");
}

struct slice monitor_word(const struct cmd *cmd, const struct slice *argv, uint32_t i)
{
	return rp_unlikely(secret(cmd, argv, i)) ? SLICE(REDACTED) : argv[i];
}

size_t monitor_line(char *buf, const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t db,
		    const struct endpoint *from)
{
	char addr[ENDPOINT_TEXT_MAX] = "lua";

	if (from != NULL)
		endpoint_format(from, addr, sizeof addr);
	char *p = buf + snprintf(buf, HEAD_MAX, "[%u %s]", db, addr);
	for (uint32_t i = 0; i < argc; i++)
		p = put_word(p, monitor_word(cmd, argv, i));
	*p++ = '\r';
	*p++ = '\n';
	return (size_t)(p - buf);
}

void cmd_monitor(struct cmd_ctx *c)
{
	if (c->deny_block) {
		reply_error(c->out, "ERR MONITOR isn't allowed for DENY BLOCKING client");
		return;
	}
	if (c->client->flags & CLIENT_F_MONITOR)
		return; /* what it sees is its answer */
	if (c->env->pubsub->monitor(c->env->host, c->client))
		reply_ok(c->out);
	else
		cmd_err_oom(c);
}
