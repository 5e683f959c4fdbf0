/* EAL and the drivers explain themselves in dozens of lines on the terminal. They are kept here, and of a failure the
 * one telling line is told. Process-wide, as EAL is; any thread may log, stdio's lock orders the writers. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_log.h>

#include "net/port_priv.h"

#define DIAG_BYTES 32768

static struct {
	FILE *stream;
	int saved[2]; /* the real descriptors 1 and 2 while redirected */
	int mem_fd;
	size_t len;
	char text[DIAG_BYTES + 1];
	char line[256];
} diag = {.saved = {-1, -1}, .mem_fd = -1};

/* The beginning of trouble is what explains it: when the buffer is full the rest is dropped. */
static ssize_t diag_write(void *ctx, const char *buf, size_t n)
{
	size_t k = RP_MIN(n, DIAG_BYTES - diag.len);
	memcpy(diag.text + diag.len, buf, k);
	diag.len += k;
	diag.text[diag.len] = '\0';
	return (ssize_t)n;
}

int diag_open(bool verbose)
{
	diag_clear();
	if (verbose)
		return 0;
	diag.stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = diag_write});
	if (!diag.stream)
		return -ENOMEM;
	setvbuf(diag.stream, NULL, _IONBF, 0);
	return rte_openlog_stream(diag.stream);
}

void diag_close(void)
{
	if (!diag.stream)
		return;
	rte_openlog_stream(NULL);
	fclose(diag.stream);
	diag.stream = NULL;
}

static void redirect_begin(void)
{
	diag.mem_fd = memfd_create("messages", MFD_CLOEXEC);
	if (diag.mem_fd < 0)
		return;
	fflush(stdout);
	fflush(stderr);
	for (int i = 0; i < 2; i++) {
		diag.saved[i] = fcntl(i + 1, F_DUPFD_CLOEXEC, 3);
		dup2(diag.mem_fd, i + 1);
	}
}

static void redirect_end(void)
{
	char buf[4096];
	ssize_t n;

	fflush(stdout);
	fflush(stderr);
	for (int i = 0; i < 2; i++) {
		if (diag.saved[i] >= 0) {
			dup2(diag.saved[i], i + 1);
			close(diag.saved[i]);
		} else {
			close(i + 1);
		}
		diag.saved[i] = -1;
	}
	lseek(diag.mem_fd, 0, SEEK_SET);
	while ((n = read(diag.mem_fd, buf, sizeof(buf))) > 0)
		diag_write(NULL, buf, (size_t)n);
	close(diag.mem_fd);
	diag.mem_fd = -1;
}

bool diag_redirect(bool on)
{
	if (!diag.stream || on == (diag.mem_fd >= 0))
		return false;
	if (on)
		redirect_begin();
	else
		redirect_end();
	return true;
}

void diag_clear(void)
{
	diag.len = 0;
	diag.text[0] = '\0';
}

bool diag_contains(const char *needle)
{
	return strstr(diag.text, needle) != NULL;
}

static bool line_tells(const char *line)
{
	static const char *const words[] = {"annot",     "ailed",     "rror",   "nable",      "nvalid",
					    "not found", "ermission", "larger", "not support"};
	/* Drivers miss the channel between processes and go on without it: we have one process. */
	if (strstr(line, "mp action") || strstr(line, "IPC"))
		return false;
	for (size_t i = 0; i < RP_ARRAY_LEN(words); i++)
		if (strstr(line, words[i]))
			return true;
	return false;
}

const char *diag_last_error(void)
{
	bool found = false;
	diag.line[0] = '\0';
	/* The first failure is the cause, the later ones are its echo; without one the last line has to do. */
	for (const char *p = diag.text; *p && !found;) {
		size_t n = strcspn(p, "\n");
		if (n) {
			snprintf(diag.line, sizeof(diag.line), "%.*s", (int)n, p);
			found = line_tells(diag.line);
		}
		p += n + (p[n] == '\n');
	}
	return diag.line;
}
