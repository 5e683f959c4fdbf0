/* Redis's glob patterns. */
#pragma once

#include "base/defs.h"

/* `*` `?` `[set]` `[^set]` `[a-z]` `\x`; nocase folds ASCII. Same answers as Redis's stringmatchlen, in
 * polynomial time whatever the pattern (Redis 7.2 cuts off nested stars likewise). */
bool glob_match(struct slice pattern, struct slice text, bool nocase);
