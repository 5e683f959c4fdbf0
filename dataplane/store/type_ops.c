#include "store/aggregate.h"

const struct obj_type_ops *obj_type_ops(enum obj_type t)
{
	static const struct obj_type_ops *const ops[OBJ_TYPES] = {0};

	return ops[t];
}
