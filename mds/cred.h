/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_CRED_H
#define LAMINA_MDS_CRED_H

/* Who asks, and what the bits of a mode let him do (POSIX.1-2017, 4.5).  Pure functions. */

#include "dev/base.h"

struct export_rule;

#define CRED_GIDS_MAX 16 /* as many as AUTH_SYS carries (RFC 5531, appendix A) */

struct cred {
	uint32_t uid;
	uint32_t gid;
	unsigned int nr_gids;
	uint32_t gids[CRED_GIDS_MAX];
};

/* The bits of one class in a mode. */
#define CRED_R 4u
#define CRED_W 2u
#define CRED_X 1u

/*
 * What @cred is under @rule.  Squashing root makes user 0 and group 0, also among the supplementary groups,
 * anonymous; squashing all leaves no group but the anonymous one.
 */
void cred_squash(const struct export_rule *rule, struct cred *cred);
/* The one of a call without credentials (AUTH_NONE). */
struct cred cred_anonymous(const struct export_rule *rule) MUST_CHECK;

bool cred_in_group(const struct cred *cred, uint32_t gid) MUST_CHECK;

/*
 * CRED_... bits that @cred has on something of @mode (type included, S_IFMT), @uid and @gid.  One class decides:
 * owner, else group, else others.  User 0 has all, but X on what is no directory only if somebody has it.
 */
uint32_t cred_access(const struct cred *cred, uint32_t mode, uint32_t uid, uint32_t gid) MUST_CHECK;

/*
 * Whether a sticky directory lets @cred remove or rename an entry: the directory's and the file's owner may, and user
 * 0; without S_ISVTX in @dir_mode everybody.  The right to write the directory is another question.
 */
bool cred_may_delete(const struct cred *cred, uint32_t dir_mode, uint32_t dir_uid, uint32_t file_uid) MUST_CHECK;

#endif
