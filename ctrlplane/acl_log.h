/* ACL LOG: the latest refusals, newest first, in whatever order they are told. Refusals alike within a minute are one
 * entry with a count. */
#pragma once

#include "worker/worker.h"

struct acl_log;

/* NULL: out of memory. */
struct acl_log *acl_log_create(void);
void acl_log_destroy(struct acl_log *l);
/* Copies the note. max_len: acllog-max-len. */
void acl_log_add(struct acl_log *l, const struct acl_note *n, const struct clock_now *now, uint32_t max_len);
void acl_log_reset(struct acl_log *l);
/* The newest `count` entries. */
void acl_log_reply(struct acl_log *l, uint64_t count, const struct clock_now *now, struct reply *r);
