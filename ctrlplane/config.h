/* Configuration: redpoll.conf, the command line, CONFIG GET/SET/REWRITE.
 *
 * One row of ctrlplane/options.def is one directive: it makes the field of struct config, its default, parser and help.
 * struct config is plain data: copy it to try changes, check the copy, then assign it.
 *
 * Order of calls: config_init(), config_load_args() (which loads the file named there), config_check(). Control thread
 * only.
 */
#pragma once

#include <stdio.h>

#include "base/defs.h"
#include "base/err.h"

#define CONFIG_STRING_MAX 512  /* a string value with its NUL */
#define CONFIG_VALUE_MAX  4096 /* any value as text with its NUL */
#define CONFIG_ADDRS_MAX  16

enum config_idle {
	CONFIG_IDLE_POLL,
	CONFIG_IDLE_ADAPTIVE
};

enum config_hugepages {
	CONFIG_HUGEPAGES_AUTO,
	CONFIG_HUGEPAGES_YES,
	CONFIG_HUGEPAGES_NO
};

enum config_channels {
	CONFIG_ALL_CHANNELS,
	CONFIG_RESET_CHANNELS
};

enum config_protected {
	CONFIG_PROTECTED_NO,
	CONFIG_PROTECTED_YES,
	CONFIG_PROTECTED_LOCAL
};

enum config_policy {
	CONFIG_VOLATILE_LRU,
	CONFIG_VOLATILE_LFU,
	CONFIG_VOLATILE_RANDOM,
	CONFIG_VOLATILE_TTL,
	CONFIG_ALLKEYS_LRU,
	CONFIG_ALLKEYS_LFU,
	CONFIG_ALLKEYS_RANDOM,
	CONFIG_NOEVICTION
};

/* An address, with its prefix length where the directive has one. */
struct config_ip {
	uint8_t family; /* 4 or 6; 0: none */
	uint8_t prefix_len;
	union {
		uint32_t v4; /* network order */
		uint8_t v6[16];
	};
};

/* At most one of each family. */
struct config_ips {
	struct config_ip v4, v6;
};

struct config_addrs {
	uint32_t n;
	struct config_ip addr[CONFIG_ADDRS_MAX];
};

struct config_cpus {
	uint32_t n; /* 0: not named */
	int cpu[RP_MAX_WORKERS];
};

enum config_client_class {
	CONFIG_CLIENT_NORMAL,
	CONFIG_CLIENT_REPLICA,
	CONFIG_CLIENT_PUBSUB,
	CONFIG_CLIENT_CLASSES
};

struct config_output {
	struct {
		uint64_t hard_bytes, soft_bytes; /* 0: none */
		uint32_t soft_s;
	} cls[CONFIG_CLIENT_CLASSES];
};

#define CONFIG_SAVE_MAX 16
struct config_save {
	uint32_t n;
	struct config_save_point {
		int64_t seconds;
		uint64_t changes;
	} point[CONFIG_SAVE_MAX];
};

#define CONFIG_FIELD_STRING(field)    char field[CONFIG_STRING_MAX];
#define CONFIG_FIELD_BOOL(field)      bool field;
#define CONFIG_FIELD_INT(field)       int64_t field;
#define CONFIG_FIELD_MEMORY(field)    uint64_t field; /* bytes */
#define CONFIG_FIELD_PORTION(field)   int64_t field;  /* bytes; below zero: so many percent */
#define CONFIG_FIELD_DURATION(field)  uint64_t field; /* microseconds */
#define CONFIG_FIELD_ENUM(field)      int field;
#define CONFIG_FIELD_ADDRESSES(field) struct config_addrs field;
#define CONFIG_FIELD_IPS(field)       struct config_ips field;
#define CONFIG_FIELD_CPUS(field)      struct config_cpus field;
#define CONFIG_FIELD_OUTPUT(field)    struct config_output field;
#define CONFIG_FIELD_EVENTS(field)    uint32_t field; /* EVENT_* of store.h, with K = 1 << 0 and E = 1 << 1 */
#define CONFIG_FIELD_SAVE(field)      struct config_save field;
#define CONFIG_FIELD_ABSENT(field)

/* A "user" line: the words behind "user". One block. */
struct config_user {
	struct config_user *next;
	uint32_t nwords;
	struct slice word[]; /* NUL-terminated, for messages */
};

struct config {
#define OPTION(field, name, type, def, bounds, flags, help) CONFIG_FIELD_##type(field)
#include "ctrlplane/options.def"
#undef OPTION
	struct config_user *users;    /* in their order; copies of the struct share them: config_users_free() once */
	char file[CONFIG_STRING_MAX]; /* absolute path of the file that was loaded; empty: none */
};

enum config_type {
	CONFIG_STRING,
	CONFIG_BOOL,
	CONFIG_INT,
	CONFIG_MEMORY,
	CONFIG_PORTION,
	CONFIG_DURATION,
	CONFIG_ENUM,
	CONFIG_ADDRESSES,
	CONFIG_IPS,
	CONFIG_CPUS,
	CONFIG_OUTPUT,
	CONFIG_EVENTS,
	CONFIG_SAVE,
	CONFIG_ABSENT
};

/* A row of the table. */
struct config_option {
	const char *name, *def, *words, *help;
	enum config_type type;
	bool fixed; /* cannot change at run time */
	size_t offset;
	int64_t lo, hi;
};

/* Sets every directive to its default. */
void config_init(struct config *c);

/* Each returns 0, or -1 with the sentence for a person: "redpoll.conf:12: unknown directive 'portt'; ...". */
int config_load_file(struct config *c, const char *path, struct err *e);
/* argv as main() got it: PROGRAM [CONFIG_FILE] [--directive value ...]...; the command line wins over the file. */
int config_load_args(struct config *c, int argc, char **argv, struct err *e);
/* The addresses to use: those that are set, or else the default; none where the device has its own (af_xdp). */
struct config_addrs config_addresses(const struct config *c);
/* At the end of the program, or of a configuration that was only looked at. */
void config_users_free(struct config *c);
/* Relations between directives. */
int config_check(const struct config *c, struct err *e);

/* Replaces one directive. Several values are one text with spaces between them. On failure *c is unchanged and *e holds
 * Redis's reason ("argument must be between 1 and 10 inclusive", "can't set immutable config", ...). The caller checks
 * the result with config_check(). */
int config_set(struct config *c, struct slice name, struct slice value, bool at_boot, struct err *e);

typedef void (*config_visit_fn)(void *ctx, uint32_t number, const char *name, const char *value);
/* Calls fn for each name of a directive that matches the glob (case-insensitive): in the table's order, then the older
 * names. `number` counts all names, below config_names(). Returns how many matched. */
uint32_t config_get(const struct config *c, struct slice pattern, config_visit_fn fn, void *ctx);

/* The rows. config_find(): NULL if there is no such directive. */
uint32_t config_count(void);
uint32_t config_names(void);
const struct config_option *config_at(uint32_t i);
const struct config_option *config_find(struct slice name);
/* The value as CONFIG GET answers it; buf has CONFIG_VALUE_MAX bytes. Returns the length. */
size_t config_format(const struct config *c, const struct config_option *o, char *buf);

/* CONFIG REWRITE: writes the loaded file anew with its comments and order; changes what differs, appends what is
 * missing. `users` are the lines that the users of now would have, one for each, NULL at the end: they stand in place
 * of the file's. */
int config_rewrite(const struct config *c, const char *const *users, struct err *e);

/* The usage text of the program, with every directive. */
void config_usage(FILE *out);
