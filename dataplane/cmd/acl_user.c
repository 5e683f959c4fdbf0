/* Users as clients meet them: found by name, logged in by password. */
#include <sha256.h>

#include "cmd/acl.h"

_Static_assert(ACL_HASH_BYTES == SHA256_DIGEST_LENGTH, "passwords are kept as SHA-256");

static int compare_names(struct slice a, struct slice b)
{
	size_t n = RP_MIN(a.len, b.len);
	int d = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;

	return d != 0 ? d : (a.len > b.len) - (a.len < b.len);
}

const struct acl_user *acl_find(const struct acl_table *t, struct slice name)
{
	uint32_t lo = 0, hi = t != NULL ? t->n : 0;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int d = compare_names(name, t->user[mid]->name);
		if (d == 0)
			return t->user[mid];
		if (d < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

void acl_hash(struct slice password, uint8_t out[ACL_HASH_BYTES])
{
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, (const uint8_t *)password.ptr, password.len);
	SHA256Final(out, &ctx);
}

bool acl_password_is(const struct acl_user *u, struct slice password)
{
	uint8_t given[ACL_HASH_BYTES];
	bool found = false;

	if (u->flags & ACL_U_NOPASS)
		return true;
	if (password.len > ACL_PASSWORD_MAX)
		return false;
	acl_hash(password, given);
	for (uint32_t i = 0; i < u->nhashes; i++) {
		uint8_t diff = 0;
		for (uint32_t b = 0; b < ACL_HASH_BYTES; b++)
			diff |= (uint8_t)(given[b] ^ u->hashes[i][b]);
		found |= diff == 0;
	}
	return found;
}

void acl_client_become(struct client *cl, const struct acl_user *u, bool authenticated)
{
	cl->user = u;
	cl->flags &= ~(CLIENT_F_AUTH | CLIENT_F_FREE | CLIENT_F_NO_ALIEN_KEYS);
	if (!authenticated)
		return;
	cl->flags |= CLIENT_F_AUTH;
	if (u == NULL || u->flags & ACL_U_FREE)
		cl->flags |= CLIENT_F_FREE;
}

void acl_client_reset(struct client *cl, const struct acl_table *t)
{
	const struct acl_user *u = acl_find(t, SLICE("default"));

	acl_client_become(cl, u, u == NULL || (u->flags & ACL_U_NOPASS && u->flags & ACL_U_ON));
}

void acl_user_hold(const struct acl_user *u)
{
	if (u != NULL)
		__atomic_fetch_add(&((struct acl_user *)u)->refs, 1, __ATOMIC_RELAXED);
}

void acl_user_drop(const struct acl_user *u)
{
	if (u != NULL)
		__atomic_fetch_sub(&((struct acl_user *)u)->refs, 1, __ATOMIC_RELEASE);
}
