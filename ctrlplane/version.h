/* Our own version, beside the Redis version that clients are told (cmd_redis_version). */
#pragma once

#define REDPOLL_VERSION "0.1.0"
