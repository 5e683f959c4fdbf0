/* Between ctrl.c and boot.c. */
#pragma once

#include "ctrlplane/ctrl.h"

/* boot.c: everything that stands before the loop runs, in order; each names its mend in *e. */
int boot(struct ctrl *c, struct err *e);
void boot_undo(struct ctrl *c);
/* The data path's settings out of the configuration. */
void boot_dp_conf(struct ctrl *c);
