/* Boot and shutdown order; nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctrlplane/ctrl.h"

static int fail(const struct err *e)
{
	fprintf(stderr, "redpoll: %s\n", e->text);
	return EXIT_FAILURE;
}

static int write_pidfile(const char *path, struct err *e)
{
	FILE *f = fopen(path, "w");
	if (f == NULL || fprintf(f, "%d\n", (int)getpid()) < 0 || fclose(f) != 0)
		return err_set(e, "cannot write pidfile %s: choose a directory that exists and is writable", path);
	return 0;
}

/* Starts this program anew with `hugepages no`; returns only if that fails. */
static void start_on_plain_memory(int argc, char **argv, const char *started_in)
{
	char **again = calloc((size_t)argc + 3, sizeof *again);
	if (again == NULL || started_in == NULL || chdir(started_in) != 0)
		return;
	memcpy(again, argv, (size_t)argc * sizeof *again);
	static char option[] = "--hugepages", value[] = "no";
	again[argc] = option;
	again[argc + 1] = value;
	log_write(LOG_NOTICE, "the hugepages that were free are taken: starting again on plain memory");
	log_close();
	execv("/proc/self/exe", again);
	free(again);
}

int main(int argc, char **argv)
{
	static struct config config;
	struct err e = {""};
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		config_usage(stdout);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0)) {
		printf("Redpoll " REDPOLL_VERSION " (speaks as Redis %s)\n", cmd_redis_version);
		return EXIT_SUCCESS;
	}
	config_init(&config);
	if (config_load_args(&config, argc, argv, &e) != 0 || config_check(&config, &e) != 0)
		return fail(&e);
	char *program = realpath("/proc/self/exe", NULL), *started_in = getcwd(NULL, 0);
	if (chdir(config.dir) != 0) {
		err_set(&e, "cannot enter dir %s: create it or name another", config.dir);
		return fail(&e);
	}
	if (log_open(config.logfile, (enum log_level)config.loglevel) != 0) {
		err_set(&e, "cannot open logfile %s: choose a directory that exists and is writable", config.logfile);
		return fail(&e);
	}
	bool plain_may_do = false;
	struct ctrl *c = ctrl_create(&config, program != NULL ? program : argv[0], &plain_may_do, &e);
	if (c == NULL && plain_may_do)
		start_on_plain_memory(argc, argv, started_in);
	if (c == NULL)
		return fail(&e);
	int status = EXIT_FAILURE;
	if (config.pidfile[0] == '\0' || write_pidfile(config.pidfile, &e) == 0)
		status = ctrl_run(c);
	else
		fail(&e);
	ctrl_destroy(c);
	if (config.pidfile[0] != '\0')
		unlink(config.pidfile);
	log_close();
	free(program);
	free(started_in);
	return status;
}
