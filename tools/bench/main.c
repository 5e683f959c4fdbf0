/* redpoll-bench: a load generator for Redis servers over DPDK. */
#include <stdlib.h>

#include "run.h"

int main(int argc, char **argv)
{
	struct options o;
	struct err e = {""};

	if (options_parse(&o, argc, argv, &e) < 0) {
		fprintf(stderr, "redpoll-bench: %s\n", e.text);
		return EXIT_FAILURE;
	}
	if (o.help || o.version) {
		if (o.help)
			options_usage(stdout);
		else
			printf("redpoll-bench " REDPOLL_VERSION "\n");
		return EXIT_SUCCESS;
	}
	return bench_run(&o);
}
