/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: pure functions of their arguments; nobody gains a right by being squashed that others do not have. */

#include "mds/cred.h"

#include <sys/stat.h>

#include "mds/export.h"

struct cred cred_anonymous(const struct export_rule *rule)
{
	return (struct cred){ .uid = rule->anon_uid, .gid = rule->anon_gid };
}

void cred_squash(const struct export_rule *rule, struct cred *cred)
{
	if (rule->squash == EXPORT_SQUASH_ALL)
		*cred = cred_anonymous(rule);
	if (rule->squash != EXPORT_SQUASH_ROOT)
		return;
	if (cred->uid == 0)
		cred->uid = rule->anon_uid;
	if (cred->gid == 0)
		cred->gid = rule->anon_gid;
	for (unsigned int i = 0; i < cred->nr_gids; i++) {
		if (cred->gids[i] == 0)
			cred->gids[i] = rule->anon_gid;
	}
}

bool cred_in_group(const struct cred *cred, uint32_t gid)
{
	assert(cred->nr_gids <= CRED_GIDS_MAX);
	if (cred->gid == gid)
		return true;
	for (unsigned int i = 0; i < cred->nr_gids; i++) {
		if (cred->gids[i] == gid)
			return true;
	}
	return false;
}

uint32_t cred_access(const struct cred *cred, uint32_t mode, uint32_t uid, uint32_t gid)
{
	if (cred->uid == 0) {
		if (S_ISDIR(mode) || (mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
			return CRED_R | CRED_W | CRED_X;
		return CRED_R | CRED_W;
	}
	if (cred->uid == uid)
		return (mode >> 6) & 7;
	if (cred_in_group(cred, gid))
		return (mode >> 3) & 7;
	return mode & 7;
}

bool cred_may_delete(const struct cred *cred, uint32_t dir_mode, uint32_t dir_uid, uint32_t file_uid)
{
	return !(dir_mode & S_ISVTX) || cred->uid == 0 || cred->uid == dir_uid || cred->uid == file_uid;
}
