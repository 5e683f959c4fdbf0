/* Transactions, as the command table sees them: the session keeps what is queued and watched, so it does the work. */
#pragma once

struct cmd_ctx;

struct tx_ops {
	void (*multi)(struct cmd_ctx *c);
	void (*exec)(struct cmd_ctx *c);
	void (*discard)(struct cmd_ctx *c);
	void (*watch)(struct cmd_ctx *c);
	void (*unwatch)(struct cmd_ctx *c);
	void (*reset)(struct cmd_ctx *c); /* for RESET: as DISCARD and UNWATCH, without an answer */
};
