#include "store/aggregate.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/stream.h"
#include "store/zset.h"

const struct obj_type_ops *obj_type_ops(enum obj_type t)
{
	static const struct obj_type_ops *const ops[OBJ_TYPES] = {
		[OBJ_HASH] = &hash_type_ops, [OBJ_LIST] = &list_type_ops, [OBJ_SET] = &set_type_ops,
		[OBJ_STREAM] = &stream_ops,  [OBJ_ZSET] = &zset_ops,
	};

	return ops[t];
}
