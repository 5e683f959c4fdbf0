/* Runs a command of the control thread on a struct ctrl that has no workers, and shows its answer. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "ctrlplane/ctrl.h"

extern struct ctrl *run_ctrl;

int run_setup(void **state);
/* Checks that every buffer is back in its pool. */
int run_teardown(void **state);
/* `words` are separated by single spaces; a line break of the answer reads as one space. Valid until the next call. */
const char *run(const char *words, uint8_t proto);
