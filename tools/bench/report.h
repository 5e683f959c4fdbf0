/* Results as text (redis-benchmark's form), CSV and JSON. */
#pragma once

#include "loop.h"

void report_begin(const struct options *o);
/* One finished test. */
void report_test(const struct options *o, const struct loop *l, const struct phase *p, bool first);
void report_end(const struct options *o);
/* One line on the terminal, rewritten; clear: removes it. */
void report_progress(const struct loop *l, bool clear);

/* 0, or -1 with *e if there is no gnuplot. */
int plot_check(const char *file, struct err *e);
int plot_write(const char *file, const struct phase *phases, uint32_t n, struct err *e);
