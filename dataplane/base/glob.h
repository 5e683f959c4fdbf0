/* Redis's glob patterns. */
#pragma once

#include "base/defs.h"

/* `*` `?` `[set]` `[^set]` `[a-z]` `\x`; nocase folds ASCII. Same answers as Redis's stringmatchlen, in
 * polynomial time whatever the pattern (Redis 7.2 cuts off nested stars likewise). So the empty text matches the empty
 * pattern only: who takes a lone star for everything asks for it before. */
bool glob_match(struct slice pattern, struct slice text, bool nocase);
