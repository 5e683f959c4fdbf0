/* What must hold of every connection after each iteration, whatever the network and the peer do. */
#pragma once

#include "tcp/tcp_priv.h"

/* NULL, or which law is broken. */
const char *law_conn(const struct tcp_conn *c);
