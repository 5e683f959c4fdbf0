/* Shared by the bitmap handlers. */
#pragma once

#include "cmd/bits.h"
#include "cmd/string_priv.h"

/* Argument i as a bit position; "#n" stands for n * width where width > 0. false: the error is written. */
bool bitmap_arg_offset(struct cmd_ctx *c, uint32_t i, unsigned width, uint64_t *at);
