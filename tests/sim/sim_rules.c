/* Trouble by rule, not luck: exactly one thing goes wrong, and the repair must be the right one. */
#include "stage.h"

#include <stdlib.h>

int main(void)
{
	static const struct scene *const all[] = {scenes_losses, scenes_wire, scenes_host, scenes_ends};
	struct stage *st = calloc(1, sizeof(*st));
	int failed = 0;

	wire_eal_init("sim_rules");
	struct rte_mempool *tx = wire_pool("rules_tx", STAGE_BUFS), *rx = wire_pool("rules_rx", STAGE_BUFS);
	for (uint32_t i = 0; i < RP_ARRAY_LEN(all); i++) {
		for (const struct scene *sc = all[i]; sc->name != NULL; sc++)
			failed += !stage_play(st, sc, tx, rx);
	}
	free(st);
	return failed != 0;
}
