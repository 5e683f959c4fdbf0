/* Users as ACL LIST, ACL GETUSER and the ACL file have them. */
#include "ctrlplane/acl_user.h"

void acl_selector_keys(const struct acl_selector *s, struct text *t)
{
	if (s->flags & ACL_S_ALL_KEYS)
		text_add(t, "~*");
	for (uint32_t i = 0; i < s->nkeys; i++) {
		const struct acl_pattern *p = &s->keys[i];
		text_add(t, "%s%s%.*s", i ? " " : "",
			 p->perms == ACL_READ    ? "%R~"
			 : p->perms == ACL_WRITE ? "%W~"
						 : "~",
			 (int)p->text.len, p->text.ptr);
	}
}

void acl_selector_channels(const struct acl_selector *s, struct text *t)
{
	if (s->flags & ACL_S_ALL_CHANNELS)
		text_add(t, "&*");
	for (uint32_t i = 0; i < s->nchannels; i++)
		text_add(t, "%s&%.*s", i ? " " : "", (int)s->channels[i].text.len, s->channels[i].text.ptr);
}

void acl_selector_commands(const struct acl_selector *s, struct text *t)
{
	text_add(t, s->flags & ACL_S_FUTURE ? "+@all" : "-@all");
	if (s->rules.len > 0)
		text_add(t, " %.*s", (int)s->rules.len, s->rules.ptr);
}

static void describe_selector(const struct acl_selector *s, struct text *t)
{
	acl_selector_keys(s, t);
	if (s->flags & ACL_S_ALL_KEYS || s->nkeys > 0)
		text_add(t, " ");
	if (!(s->flags & ACL_S_ALL_CHANNELS))
		text_add(t, "resetchannels ");
	acl_selector_channels(s, t);
	if (s->flags & ACL_S_ALL_CHANNELS || s->nchannels > 0)
		text_add(t, " ");
	acl_selector_commands(s, t);
}

const char *acl_user_flag(const struct acl_user *u, uint32_t i, bool *set)
{
	static const struct {
		const char *name;
		uint32_t bit;
		bool when;
	} flags[] = {{"on", ACL_U_ON, true},
		     {"off", ACL_U_ON, false},
		     {"nopass", ACL_U_NOPASS, true},
		     {"skip-sanitize-payload", ACL_U_SKIP_SANITIZE, true},
		     {"sanitize-payload", ACL_U_SANITIZE, true}};

	if (i >= RP_ARRAY_LEN(flags))
		return NULL;
	*set = (u->flags & flags[i].bit) != 0 ? flags[i].when : !flags[i].when;
	return flags[i].name;
}

void acl_hash_describe(const uint8_t hash[ACL_HASH_BYTES], struct text *t)
{
	for (uint32_t i = 0; i < ACL_HASH_BYTES; i++)
		text_add(t, "%02x", hash[i]);
}

void acl_user_describe(const struct acl_user *u, struct text *t)
{
	const char *flag;
	bool set;

	text_add(t, "user %.*s", (int)u->name.len, u->name.ptr);
	for (uint32_t i = 0; (flag = acl_user_flag(u, i, &set)) != NULL; i++)
		if (set)
			text_add(t, " %s", flag);
	for (uint32_t i = 0; i < u->nhashes; i++) {
		text_add(t, " #");
		acl_hash_describe(u->hashes[i], t);
	}
	for (uint32_t i = 0; i < u->nselectors; i++) {
		text_add(t, i ? " (" : " ");
		describe_selector(&u->selectors[i], t);
		text_add(t, i ? ")" : "");
	}
}
