#include "tests/unit/ctrl/run.h"
#include "ctrlplane/acl_log.h"
#include "tests/eal.h"

#include <rte_mempool.h>

#define RUN_WORDS 64

struct ctrl *run_ctrl;
static struct rte_mempool *pool;

int run_setup(void **state)
{
	if (test_eal("test_ctrl", "64") != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("test_ctrl", 1023, 0, BUF_PRIV_BYTES, BUF_DATA_BYTES, SOCKET_ID_ANY);
	run_ctrl = calloc(1, sizeof *run_ctrl);
	cmd_table_init();
	config_init(&run_ctrl->config);
	run_ctrl->slowlog = slowlog_create();
	run_ctrl->acl_log = acl_log_create();
	run_ctrl->latency = latency_create();
	run_ctrl->base.cmd = calloc(cmd_count, sizeof *run_ctrl->base.cmd);
	run_ctrl->host.env.stats = calloc(cmd_count, sizeof *run_ctrl->base.cmd);
	run_ctrl->host.tsc_hz = 1000000000;
	ctrl_bind_acl();
	ctrl_bind_client();
	ctrl_bind_config();
	ctrl_bind_latency();
	ctrl_bind_server();
	ctrl_bind_slowlog();
	return pool ? 0 : -1;
}

int run_teardown(void **state)
{
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	slowlog_destroy(run_ctrl->slowlog);
	acl_log_destroy(run_ctrl->acl_log);
	latency_destroy(run_ctrl->latency);
	free(run_ctrl->base.cmd);
	free(run_ctrl->host.env.stats);
	free(run_ctrl);
	rte_mempool_free(pool);
	return rte_eal_cleanup();
}

static uint32_t split(const char *words, struct slice *argv)
{
	uint32_t n = 0;

	for (const char *p = words; *p != '\0' && n < RUN_WORDS; n++) {
		argv[n] = (struct slice){p, strcspn(p, " ")};
		p += argv[n].len;
		p += *p == ' ';
	}
	return n;
}

static const char *flatten(struct reply *r)
{
	static char out[64 * 1024];
	size_t bytes, at = 0;
	struct rte_mbuf *head = reply_take(r, &bytes);

	for (struct rte_mbuf *m = head; m != NULL; m = m->next)
		for (uint32_t i = 0; i < m->data_len && at + 1 < sizeof out; i++) {
			char ch = rte_pktmbuf_mtod(m, char *)[i];
			if (ch != '\r')
				out[at++] = ch == '\n' ? ' ' : ch;
		}
	out[at] = '\0';
	buf_chain_free(head, NULL);
	return out;
}

const char *run(const char *words, uint8_t proto)
{
	struct slice argv[RUN_WORDS];
	struct cmd_env env = {.owner = run_ctrl};
	struct reply r;
	struct cmd_ctx c = {.argc = split(words, argv), .argv = argv, .out = &r, .env = &env, .client_id = 7};

	c.cmd = cmd_lookup(c.argc, argv);
	assert_non_null(c.cmd);
	assert_true(cmd_arity_ok(c.cmd, c.argc));
	reply_init(&r, pool, 512, proto);
	c.cmd->fn(&c);
	assert_false(r.failed);
	return flatten(&r);
}
