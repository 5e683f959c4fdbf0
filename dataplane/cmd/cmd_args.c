/* What handlers share: arguments to numbers, Redis's error texts, objects of the expected type. */
#include "base/num.h"
#include "cmd/cmd.h"

bool cmd_arg_i64(struct cmd_ctx *c, uint32_t i, int64_t *out)
{
	if (rp_likely(num_parse_i64(c->argv[i], out)))
		return true;
	reply_error(c->out, "ERR value is not an integer or out of range");
	return false;
}

bool cmd_arg_i64_in(struct cmd_ctx *c, uint32_t i, int64_t lo, int64_t hi, int64_t *out, const char *err)
{
	if (rp_likely(num_parse_i64(c->argv[i], out) && *out >= lo && *out <= hi))
		return true;
	reply_error(c->out, err);
	return false;
}

bool cmd_arg_double(struct cmd_ctx *c, uint32_t i, double *out)
{
	if (rp_likely(num_parse_double(c->argv[i], out)))
		return true;
	reply_error(c->out, "ERR value is not a valid float");
	return false;
}

void cmd_err_syntax(struct cmd_ctx *c)
{
	reply_error(c->out, "ERR syntax error");
}

void cmd_err_wrongtype(struct cmd_ctx *c)
{
	reply_error(c->out, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

void cmd_err_oom(struct cmd_ctx *c)
{
	reply_error(c->out, "OOM command not allowed when used memory > 'maxmemory'.");
}

void cmd_err_no_key(struct cmd_ctx *c)
{
	reply_error(c->out, "ERR no such key");
}

void cmd_err_arity(struct cmd_ctx *c)
{
	reply_errorf(c->out, "ERR wrong number of arguments for '%s' command", c->cmd->name);
}

struct object *cmd_read(struct cmd_ctx *c, struct slice key)
{
	struct store *s = cmd_store(c, key);

	return rp_unlikely(c->client_flags & CLIENT_F_NO_TOUCH) ? store_look(s, c->db, key) : store_read(s, c->db, key);
}

static struct object *expect_string(struct cmd_ctx *c, struct object *o, bool *wrong)
{
	*wrong = o != NULL && o->type != OBJ_STRING;
	if (rp_unlikely(*wrong)) {
		cmd_err_wrongtype(c);
		return NULL;
	}
	return o;
}

struct object *cmd_read_string(struct cmd_ctx *c, struct slice key, bool *wrong)
{
	return expect_string(c, cmd_read(c, key), wrong);
}

struct object *cmd_write_string(struct cmd_ctx *c, struct slice key, bool *wrong)
{
	return expect_string(c, store_write(cmd_store(c, key), c->db, key), wrong);
}
