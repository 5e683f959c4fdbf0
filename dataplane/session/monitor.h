/* MONITOR. Whoever runs or sends away a command for a client posts it to the homes of those who watch, before it runs
 * (what may change the client itself, and EXEC, when it has run); scripts' commands come from the script thread.
 *
 * Lines carry the time-stamp counter, and a monitor's home sorts by it: it shows what it had at its last look once it
 * has looked at everybody's posts again, since whatever came before in time has arrived by then. So each client's
 * commands stand in its order, a script's behind the EVAL that ran it, and what somebody did after he saw another's
 * effect behind that.
 */
#pragma once

#include "session/pubsub.h"

/* A client of this home watches from now on. false: out of memory. */
bool monitor_begin(struct session_host *h, struct client *cl);
void monitor_end(struct session_listener *l);
/* Once per iteration: does anybody watch? */
void monitor_look(struct session_host *h);
/* from: NULL for a script. Only while h->monitored. */
void monitor_tell(struct session_host *h, const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t db,
		  const struct endpoint *from);

/* ---- from the post ---- */
void monitor_take(struct session_host *h, const struct post_entry *e);
/* Shows what is due. Returns how many lines. */
uint32_t monitor_flush(struct session_host *h);
void monitor_drop(struct pubsub *ps);
