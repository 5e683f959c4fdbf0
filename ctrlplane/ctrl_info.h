/* INFO's sections. Each writes its heading and its lines, ended with CR LF as Redis does. */
#pragma once

#include "ctrlplane/ctrl_stats.h"
#include "ctrlplane/ctrl_text.h"

typedef void (*info_section_fn)(const struct ctrl *c, struct text *t);

/* Which sections INFO prints; set by its arguments. */
#define INFO_SECTIONS 14
/* Takes the section's word; words that mean several are known too. An unknown one changes nothing. */
void info_choose(struct slice word, bool chosen[INFO_SECTIONS]);
/* Sections stand in a fixed order with an empty line between them. */
void info_write(const struct ctrl *c, const bool chosen[INFO_SECTIONS], struct text *t);

/* ctrl_info_server.c */
void info_server(const struct ctrl *c, struct text *t);
void info_clients(const struct ctrl *c, struct text *t);
void info_memory(const struct ctrl *c, struct text *t);
void info_persistence(const struct ctrl *c, struct text *t);
/* Its part on the append-only file. */
void info_aof(const struct ctrl *c, struct text *t);
void info_stats(const struct ctrl *c, struct text *t);
void info_replication(const struct ctrl *c, struct text *t);
void info_cpu(const struct ctrl *c, struct text *t);
void info_modules(const struct ctrl *c, struct text *t);
void info_cluster(const struct ctrl *c, struct text *t);
void info_keyspace(const struct ctrl *c, struct text *t);
/* ctrl_script.c: lines of the section about memory */
void info_scripts(const struct ctrl *c, struct text *t);
/* ctrl_info_commands.c */
void info_commandstats(const struct ctrl *c, struct text *t);
void info_errorstats(const struct ctrl *c, struct text *t);
void info_latencystats(const struct ctrl *c, struct text *t);
uint64_t info_error_replies(const struct ctrl *c);
/* CONFIG RESETSTAT. */
void info_errors_reset(struct ctrl *c);
/* ctrl_info_dataplane.c */
void info_dataplane(const struct ctrl *c, struct text *t);
