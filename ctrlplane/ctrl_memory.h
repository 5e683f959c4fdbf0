/* Figures about memory that INFO and MEMORY share. */
#pragma once

#include "ctrlplane/ctrl_stats.h"
#include "ctrlplane/ctrl_text.h"

struct memory_figures {                     /* bytes */
	uint64_t used;                      /* what maxmemory counts */
	uint64_t dataset;                   /* keys and values */
	uint64_t overhead;                  /* the rest of `used` */
	uint64_t clients;                   /* heaps of the threads */
	uint64_t heap_used, heap_committed; /* all heaps, without index tables */
	uint64_t peak, resident;
};

void memory_figures(const struct ctrl *c, struct memory_figures *m);
/* Resident memory of the process, hugepages included; 0: unknown. */
uint64_t memory_resident(void);
/* a / b, 0 for b = 0. */
double memory_ratio(uint64_t a, uint64_t b);
/* What MEMORY DOCTOR says of such figures. */
void memory_advise(const struct memory_figures *m, uint64_t maxmemory, uint64_t faults_inline, struct text *t);
