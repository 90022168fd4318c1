/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which limbo blocks go to.  The owner of the layouts says it at the instant when blocks leave a map, so that a
 * layout which is lost and not fenced keeps everything of its file from being given out again (I3).
 */

#include "extent/fs_int.h"
#include "extent/limbo.h"

#define LIMBO_STEPS 256

void data_set_limbo(struct fs *fs, uint64_t (*tag)(void *arg, uint64_t ino), void *arg)
{
	fs->data.limbo = tag;
	fs->data.limbo_arg = arg;
}

uint64_t data_limbo_tag(struct fs *fs, uint64_t ino)
{
	return fs->data.limbo ? fs->data.limbo(fs->data.limbo_arg, ino) : LIMBO_NONE;
}

struct release {
	uint64_t tag;
	bool more;
};

static int release_body(struct txn *txn, void *arg)
{
	struct release *r = arg;

	return limbo_release(txn, r->tag, LIMBO_STEPS, &r->more);
}

int data_limbo_release(struct fs *fs, uint64_t tag)
{
	const struct txn_options opt = { .name = "limbo release",
					 .log_max = LIMBO_STEPS * LIMBO_RELEASE_LOG,
					 .frees_space = true };
	struct release r = { .tag = tag, .more = true };
	int err = 0;

	if (tag > LIMBO_TAG_MAX)
		return -EINVAL;
	while (r.more && !err)
		err = txn_run(fs, &opt, release_body, &r, NULL);
	return err;
}
