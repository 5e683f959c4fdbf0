/* What the handlers of geo commands share. */
#pragma once

#include "cmd/zset_args.h"
#include "store/geo.h"

/* Each writes Redis's error and returns false if the words make no sense. */
bool geo_arg_point(struct cmd_ctx *c, uint32_t i, struct geo_point *p); /* arguments i and i + 1 */
bool geo_arg_unit(struct cmd_ctx *c, uint32_t i, double *metres);
/* Metres with four decimals, in the client's unit. */
void geo_reply_distance(struct cmd_ctx *c, double metres, double unit);
void geo_reply_point(struct cmd_ctx *c, struct geo_point p);
