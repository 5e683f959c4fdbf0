/* Between the files that make up the control thread itself. */
#pragma once

#include "ctrlplane/ctrl.h"

/* boot.c: everything that stands before the loop runs, in order; each names its mend in *e. */
int boot(struct ctrl *c, struct err *e);
void boot_undo(struct ctrl *c);
/* The data path's settings out of the configuration. */
void boot_dp_conf(struct ctrl *c);

/* ctrl_debug.c: 40 random hex digits. */
void ctrl_make_id(char id[41]);

/* boot_net.c: the addresses and gateways in use; rings of packets between workers; what the kernel has that would be in
 * our way. */
int boot_addresses(struct ctrl *c, struct err *e);
int boot_steering(struct ctrl *c, struct err *e);
void boot_steering_undo(struct ctrl *c);
void boot_net_warnings(const struct ctrl *c);

/* ctrl_users.c: the users that the configuration asks for; down again. */
int boot_users(struct ctrl *c, struct err *e);
void boot_users_undo(struct ctrl *c);

/* memory_plan.c */
struct memory_plan {
	bool huge;
	size_t eal, shard_reserve, shard_huge;
	uint32_t mbufs;
};

int memory_plan_make(const struct ctrl *c, struct memory_plan *m, struct err *e);

/* upcalls.c */
struct worker_upcalls upcalls_table(void);
/* The control thread's own commands that were slow; ctx: struct ctrl *. */
void upcalls_own_slow(void *ctx, const struct cmd_ctx *c, uint64_t us);
void upcalls_told(void *ctx, struct msg *m, const struct client *cl);
void upcalls_own_denied(void *ctx, const struct acl_denial *d);
