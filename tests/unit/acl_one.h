/* One user, "default", who has a password and may do everything. */
#pragma once

#include "cmd/acl.h"

static inline const struct acl_table *acl_one(const char *password)
{
	static uint8_t hash[1][ACL_HASH_BYTES];
	static struct acl_user user = {
		.name = {"default", 7}, .flags = ACL_U_ON | ACL_U_FREE, .hashes = hash, .nhashes = 1};
	static struct {
		struct acl_table t;
		const struct acl_user *of[1];
	} table = {{.n = 1}, {&user}};

	acl_hash((struct slice){password, strlen(password)}, hash[0]);
	return &table.t;
}
