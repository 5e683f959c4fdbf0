/* From options to results: which tests, one after another, and their report. */
#pragma once

#include "options.h"

/* Exit status. */
int bench_run(const struct options *o);
