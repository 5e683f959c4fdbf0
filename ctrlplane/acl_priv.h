/* Between the files of the rules: selectors. */
#pragma once

#include "ctrlplane/acl_user.h"

/* A copy that free() frees; ptr NULL: out of memory. */
struct slice acl_text_copy(struct slice s);
/* Makes *array one longer (elements of `size` bytes, *n of them). NULL: out of memory; else the new element, zeroed. */
void *acl_array_push(void **array, uint32_t *n, size_t size);

/* Nothing allowed, but all channels if that is the default. */
void acl_selector_init(struct acl_selector *s, bool all_channels);
void acl_selector_fini(struct acl_selector *s);
bool acl_selector_copy(struct acl_selector *to, const struct acl_selector *from);
/* Applies one rule about keys, channels or commands. -1 with Redis's reason. */
int acl_selector_set(struct acl_selector *s, struct slice rule, struct err *e);
/* The same for rules about commands: + and - ones, allcommands, nocommands. */
int acl_commands_set(struct acl_selector *s, struct slice rule, struct err *e);

int acl_err_syntax(struct err *e);
int acl_err_memory(struct err *e);
