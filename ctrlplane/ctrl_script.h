/* The script thread and the rest of the control plane. Control thread only. */
#pragma once

#include "ctrlplane/ctrl_info.h"
#include "ctrlplane/ctrl_priv.h"
#include "ctrlplane/script/script_thread.h"

#define SCRIPT_HEAP_RESERVE (8ull << 30) /* address space */

/* Boot. host: as for the control thread's host; what differs is filled in. */
int ctrl_script_boot(struct ctrl *c, struct session_host_params *host, struct err *e);
void ctrl_script_undo(struct ctrl *c);
/* After the configuration has changed. */
void ctrl_script_configure(struct ctrl *c);
/* The server stops, perhaps: waits until the script that runs has ended, with others served meanwhile. -1 with *e:
 * it has not within shutdown-timeout. */
int ctrl_script_await(struct ctrl *c, struct err *e);
/* While the server stops: must it wait for a script that has written? */
bool ctrl_script_lasts(struct ctrl *c);
