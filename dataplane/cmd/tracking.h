/* Client-side caching as the handlers see it; session/tracking.c does it. */
#pragma once

#include "cmd/cmd.h"

/* client_listens.tracking */
#define TRACK_ON      (1u << 0)
#define TRACK_BCAST   (1u << 1)
#define TRACK_OPTIN   (1u << 2)
#define TRACK_OPTOUT  (1u << 3)
#define TRACK_NOLOOP  (1u << 4)
#define TRACK_CACHING (1u << 5) /* CLIENT CACHING was said for the command that comes next */
#define TRACK_BROKEN  (1u << 6) /* who it redirects to has gone */

/* Joins the keys that a command has read to c->track. */
void cmd_track_keys(struct cmd_ctx *c);
