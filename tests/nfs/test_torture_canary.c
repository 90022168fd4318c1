/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Does the torture tester see what it is there to see?  Each canary is a bug that a server of layouts can have,
 * planted by letting the linker put a function of ours in the place of one of the server's or the store's; for each
 * of them one of the first seeds must fail, by a finding that is meant for it.  As tests/nfs/test_nfs_canary.c does.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "extent/data.h"
#include "layout/fence.h"
#include "layout/fill.h"
#include "mds/layout.h"
#include "mds/layout_recall.h"
#include "mds/mds.h"
#include "mds/state.h"
#include "tests/lib/torture_sim.h"

#define SEEDS 60

static enum canary {
	CANARY_NONE,
	CANARY_EARLY,
	CANARY_COMMIT_BEYOND,
	CANARY_COMMIT_NOTHING,
	CANARY_COMMIT_SIZE,
	CANARY_TWO_WRITERS,
	CANARY_UNASKED,
	CANARY_SEQID,
	CANARY_UNPROVED,
	CANARY_FLUSH,
	CANARY_FORGOTTEN,
	CANARY_READABLE,
	CANARY_UNREADABLE,
	CANARY_MISPLACED,
} canary;

FIBER_FN int __real_txn_wait_durable(struct fs *fs, uint64_t seq) MUST_CHECK;
FIBER_FN int __wrap_txn_wait_durable(struct fs *fs, uint64_t seq) MUST_CHECK;
int __real_data_commit_layout(struct txn *txn, const struct data_layout_commit *commit, struct inode *ret_inode)
	MUST_CHECK;
int __wrap_data_commit_layout(struct txn *txn, const struct data_layout_commit *commit, struct inode *ret_inode)
	MUST_CHECK;
nfsstat4 __real_layout_check(struct mds *mds, const struct client *client, uint64_t ino, uint64_t first, uint64_t end,
			     uint64_t more_end, enum layout_clash clash) MUST_CHECK;
nfsstat4 __wrap_layout_check(struct mds *mds, const struct client *client, uint64_t ino, uint64_t first, uint64_t end,
			     uint64_t more_end, enum layout_clash clash) MUST_CHECK;
nfsstat4 __real_layout_check_op(struct compound *c, uint64_t ino, uint64_t first, uint64_t end,
				enum layout_clash clash) MUST_CHECK;
nfsstat4 __wrap_layout_check_op(struct compound *c, uint64_t ino, uint64_t first, uint64_t end,
				enum layout_clash clash) MUST_CHECK;
uint32_t __real_state_next_seqid(uint32_t seqid);
uint32_t __wrap_state_next_seqid(uint32_t seqid);
FIBER_FN int __real_fence_client(struct fence *fence, uint64_t key, unsigned int kinds, const char *address,
				 enum fence_proof *ret_proof) MUST_CHECK;
FIBER_FN int __wrap_fence_client(struct fence *fence, uint64_t key, unsigned int kinds, const char *address,
				 enum fence_proof *ret_proof) MUST_CHECK;
FIBER_FN int __real_data_flush_devices(struct fs *fs) MUST_CHECK;
FIBER_FN int __wrap_data_flush_devices(struct fs *fs) MUST_CHECK;
FIBER_FN int __real_layout_load(struct mds *mds) MUST_CHECK;
FIBER_FN int __wrap_layout_load(struct mds *mds) MUST_CHECK;
int __real_fill_run(struct txn *txn, struct inode *inode, struct fill *fill) MUST_CHECK;
int __wrap_fill_run(struct txn *txn, struct inode *inode, struct fill *fill) MUST_CHECK;

/* Replies leave before what they say is durable (I1). */
FIBER_FN int __wrap_txn_wait_durable(struct fs *fs, uint64_t seq)
{
	return canary == CANARY_EARLY ? 0 : __real_txn_wait_durable(fs, seq);
}

/* More becomes readable than was written, or nothing (I2); or the size stays. */
int __wrap_data_commit_layout(struct txn *txn, const struct data_layout_commit *commit, struct inode *ret_inode)
{
	struct data_layout_commit other = *commit;
	struct data_commit_run run;

	if (canary == CANARY_COMMIT_BEYOND && commit->nr == 1) {
		run = commit->runs[0];
		run.nr += run.blk % 4;
		other.runs = &run;
	}
	if (canary == CANARY_COMMIT_NOTHING)
		other.nr = 0;
	if (canary == CANARY_COMMIT_SIZE)
		other.has_size = false;
	return __real_data_commit_layout(txn, &other, ret_inode);
}

/* Nobody looks who else has a layout before one is granted (I4). */
nfsstat4 __wrap_layout_check(struct mds *mds, const struct client *client, uint64_t ino, uint64_t first, uint64_t end,
			     uint64_t more_end, enum layout_clash clash)
{
	return canary == CANARY_TWO_WRITERS ? NFS4_OK
					    : __real_layout_check(mds, client, ino, first, end, more_end, clash);
}

/* Nor before the server itself changes something (I15). */
nfsstat4 __wrap_layout_check_op(struct compound *c, uint64_t ino, uint64_t first, uint64_t end,
				enum layout_clash clash)
{
	return canary == CANARY_UNASKED ? NFS4_OK : __real_layout_check_op(c, ino, first, end, clash);
}

/* Recalls and grants have the number of the last one. */
uint32_t __wrap_state_next_seqid(uint32_t seqid)
{
	return canary == CANARY_SEQID && seqid > 0 ? seqid : __real_state_next_seqid(seqid);
}

/* A fence is believed, not proved; it was not even tried. */
FIBER_FN int __wrap_fence_client(struct fence *fence, uint64_t key, unsigned int kinds, const char *address,
				 enum fence_proof *ret_proof)
{
	if (canary != CANARY_UNPROVED)
		return __real_fence_client(fence, key, kinds, address, ret_proof);
	*ret_proof = FENCE_BY_KEYS;
	return 0;
}

/* LAYOUTCOMMIT forgets the device's cache (I14). */
FIBER_FN int __wrap_data_flush_devices(struct fs *fs)
{
	return canary == CANARY_FLUSH ? 0 : __real_data_flush_devices(fs);
}

/* A restart forgets layouts. */
FIBER_FN int __wrap_layout_load(struct mds *mds)
{
	return canary == CANARY_FORGOTTEN ? 0 : __real_layout_load(mds);
}

/* Unwritten blocks are granted as readable, or written ones as unwritten (I2); or an extent tells the wrong place. */
int __wrap_fill_run(struct txn *txn, struct inode *inode, struct fill *fill)
{
	int err = __real_fill_run(txn, inode, fill);

	for (unsigned int i = 0; !err && i < fill->nr; i++) {
		struct fill_extent *e = &fill->extents[i];

		if (canary == CANARY_READABLE && e->state == FILL_INVALID)
			e->state = FILL_READ_WRITE;
		else if (canary == CANARY_UNREADABLE && e->state == FILL_READ_WRITE)
			e->state = FILL_INVALID;
		else if (canary == CANARY_MISPLACED && e->state == FILL_READ && e->nr > 4)
			e->daddr++;
	}
	return err;
}

static enum canary planted;

static void plant(void)
{
	canary = planted;
}

static void test_none(void **state)
{
	planted = CANARY_NONE;
	sim_seeds_test_harmless(&torture_sim_kind, plant, 5);
}

#define CANARY(name, which, checks)                                                                                  \
	static void name(void **state)                                                                               \
	{                                                                                                            \
		planted = which;                                                                                     \
		sim_seeds_test_caught(&torture_sim_kind, plant, SEEDS, checks);                                      \
	}

CANARY(test_early, CANARY_EARLY, "[lost][stale][io][fence][misplaced]")
CANARY(test_commit_beyond, CANARY_COMMIT_BEYOND, "[stale][misplaced][io][lost]")
CANARY(test_commit_nothing, CANARY_COMMIT_NOTHING, "[lost]")
CANARY(test_commit_size, CANARY_COMMIT_SIZE, "[lost]")
CANARY(test_two_writers, CANARY_TWO_WRITERS, "[lost][stale][late]")
CANARY(test_unasked, CANARY_UNASKED, "[lost][stale][misplaced][late]")
CANARY(test_seqid, CANARY_SEQID, "[io][fence][lost]")
CANARY(test_unproved, CANARY_UNPROVED, "[late][lost][stale]")
CANARY(test_flush, CANARY_FLUSH, "[lost][stale][misplaced]")
CANARY(test_forgotten, CANARY_FORGOTTEN, "[lost][stale][io][fence]")
CANARY(test_readable, CANARY_READABLE, "[stale][misplaced][io]")
CANARY(test_unreadable, CANARY_UNREADABLE, "[lost]")
CANARY(test_misplaced, CANARY_MISPLACED, "[misplaced][stale][lost]")

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),	      cmocka_unit_test(test_early),
		cmocka_unit_test(test_commit_beyond), cmocka_unit_test(test_commit_nothing),
		cmocka_unit_test(test_commit_size),   cmocka_unit_test(test_two_writers),
		cmocka_unit_test(test_unasked),	      cmocka_unit_test(test_seqid),
		cmocka_unit_test(test_unproved),      cmocka_unit_test(test_flush),
		cmocka_unit_test(test_forgotten),     cmocka_unit_test(test_readable),
		cmocka_unit_test(test_unreadable),    cmocka_unit_test(test_misplaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
