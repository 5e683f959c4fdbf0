/* Latency over percentile, drawn by gnuplot: the usual picture with one more nine per step to the right. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "report.h"

int plot_check(const char *file, struct err *e)
{
	if (system("command -v gnuplot >/dev/null 2>&1") != 0)
		return err_set(e, "--plot needs gnuplot, which is not installed: apt-get install gnuplot-nox");
	if (strpbrk(file, "'\n"))
		return err_set(e, "--plot: choose a file name without quotes and line breaks");
	FILE *f = fopen(file, "ab"); /* told before measuring, not after */
	if (f == NULL)
		return err_set(e, "--plot cannot write %s: %s", file, strerror(errno));
	fclose(f);
	return 0;
}

/* Points of one curve: 1 / (1 - p) and milliseconds. */
static void put_curve(FILE *f, const struct phase *p, uint32_t i)
{
	fprintf(f, "$t%u << END\n", i);
	for (double inverse = 1; inverse <= (double)p->hist->count && inverse <= 1e6; inverse *= 1.1)
		fprintf(f, "%.9g %.9g\n", inverse, (double)hist_percentile(p->hist, 100 - 100 / inverse) / 1e6);
	fprintf(f, "END\n");
}

int plot_write(const char *file, const struct phase *phases, uint32_t n, struct err *e)
{
	FILE *f = popen("gnuplot >/dev/null 2>&1", "w");

	if (f == NULL)
		return err_set(e, "gnuplot does not start: %s", strerror(errno));
	for (uint32_t i = 0; i < n; i++)
		put_curve(f, &phases[i], i);
	fprintf(f, "set terminal png size 1000,600 noenhanced\nset output '%s'\n", file);
	fprintf(f, "set title 'Latency by percentile'\nset xlabel 'percentile'\nset ylabel 'milliseconds'\n"
		   "set logscale x\nset grid\nset key left top\nset yrange [0:*]\n"
		   "set xtics ('0' 1, '50' 2, '90' 10, '99' 100, '99.9' 1000, '99.99' 1e4, '99.999' 1e5, '99.9999' "
		   "1e6)\n");
	for (uint32_t i = 0; i < n; i++) {
		fprintf(f, "%s$t%u using 1:2 with lines lw 2 title \"", i ? ", " : "plot ", i);
		for (const char *t = phases[i].title; *t && t < phases[i].title + 40; t++)
			fputc(*t < ' ' || *t == '"' || *t == '\\' || *t == '`' ? ' ' : *t, f);
		fprintf(f, "\"");
	}
	fprintf(f, "\n");
	if (pclose(f) != 0 || access(file, R_OK) != 0)
		return err_set(e, "gnuplot could not draw %s: does it know png? `gnuplot -e 'set terminal png'` tells",
			       file);
	return 0;
}
