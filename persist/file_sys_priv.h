/* The system calls themselves, for those who implement the table. */
#pragma once

#include "persist/file_sys.h"

int posix_open(struct file_sys *f, const char *path, int flags, mode_t mode);
int posix_close(struct file_sys *f, int fd);
ssize_t posix_read(struct file_sys *f, int fd, void *buf, size_t len, uint64_t off);
int64_t posix_size(struct file_sys *f, int fd);
int posix_truncate(struct file_sys *f, int fd, uint64_t len);
int posix_buffered(struct file_sys *f, int fd);
int posix_rename(struct file_sys *f, const char *from, const char *to);
int posix_unlink(struct file_sys *f, const char *path);
int posix_mkdir(struct file_sys *f, const char *path, mode_t mode);
/* Does op at once. */
void posix_perform(struct file_op *op);

#define FILE_SYS_POSIX                                                                                                \
	.open = posix_open, .close = posix_close, .read = posix_read, .size = posix_size, .truncate = posix_truncate, \
	.buffered = posix_buffered, .rename = posix_rename, .unlink = posix_unlink, .mkdir = posix_mkdir
