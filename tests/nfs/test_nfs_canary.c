/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Does the simulation see what it is there to see?  Each canary is a bug of the kind that a server like this can
 * have, planted by letting the linker put a function of ours in the place of one of the server's or the store's; and
 * for each of them some of the first seeds must fail, by a check that is meant for it.
 *
 * The linker can do that only where the call crosses from one source file to another.  If a change makes a canary
 * silent, it has to find another place to sit.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "extent/data.h"
#include "extent/dir.h"
#include "extent/inode.h"
#include "extent/limbo.h"
#include "mds/compound.h"
#include "mds/lock.h"
#include "mds/reaper.h"
#include "mds/session.h"
#include "mds/state.h"
#include "tests/lib/nfs_sim.h"

#define SEEDS 100

static enum canary {
	CANARY_NONE,
	CANARY_EARLY,
	CANARY_READ_EARLY,
	CANARY_REPLAY,
	CANARY_SLOT,
	CANARY_REUSE,
	CANARY_ORPHAN_EARLY,
	CANARY_ORPHAN_LEAKED,
	CANARY_COOKIE,
	CANARY_OPENS,
	CANARY_LOCKS,
	CANARY_COMMIT,
	CANARY_IMPATIENT,
} canary;

FIBER_FN int __real_txn_wait_durable(struct fs *fs, uint64_t seq) MUST_CHECK;
FIBER_FN int __wrap_txn_wait_durable(struct fs *fs, uint64_t seq) MUST_CHECK;
uint64_t __real_fs_last_change(const struct fs *fs, uint64_t ino);
uint64_t __wrap_fs_last_change(const struct fs *fs, uint64_t ino);
FIBER_FN nfsstat4 __real_session_sequence(struct compound *c, const struct SEQUENCE4args *args,
					  struct SEQUENCE4res *res) MUST_CHECK;
FIBER_FN nfsstat4 __wrap_session_sequence(struct compound *c, const struct SEQUENCE4args *args,
					  struct SEQUENCE4res *res) MUST_CHECK;
int __real_slot_load(struct mds *mds, struct session *session, uint32_t nr, unsigned int part,
		     const struct item *item) MUST_CHECK;
int __wrap_slot_load(struct mds *mds, struct session *session, uint32_t nr, unsigned int part,
		     const struct item *item) MUST_CHECK;
uint64_t __real_txn_new_ino(struct txn *txn);
uint64_t __wrap_txn_new_ino(struct txn *txn);
int __real_inode_get_gen(struct txn *txn, uint64_t ino, uint64_t generation, struct inode *ret_inode) MUST_CHECK;
int __wrap_inode_get_gen(struct txn *txn, uint64_t ino, uint64_t generation, struct inode *ret_inode) MUST_CHECK;
int __real_orphan_reap_step(struct txn *txn, uint64_t ino, uint64_t limbo_tag, unsigned int max, bool *ret_more)
	MUST_CHECK;
int __wrap_orphan_reap_step(struct txn *txn, uint64_t ino, uint64_t limbo_tag, unsigned int max, bool *ret_more)
	MUST_CHECK;
bool __real_state_file_is_open(const struct mds *mds, uint64_t ino);
bool __wrap_state_file_is_open(const struct mds *mds, uint64_t ino);
void __real_reaper_consider(struct mds *mds, uint64_t ino);
void __wrap_reaper_consider(struct mds *mds, uint64_t ino);
int __real_dir_next(struct txn *txn, uint64_t dir, uint64_t after, struct dir_entry *ret_entry) MUST_CHECK;
int __wrap_dir_next(struct txn *txn, uint64_t dir, uint64_t after, struct dir_entry *ret_entry) MUST_CHECK;
FIBER_FN int __real_state_load(struct mds *mds) MUST_CHECK;
FIBER_FN int __wrap_state_load(struct mds *mds) MUST_CHECK;
void __real_lock_add(struct mds *mds, struct lock *lock);
void __wrap_lock_add(struct mds *mds, struct lock *lock);
FIBER_FN int __real_data_commit(struct fs *fs, uint64_t ino, uint64_t generation) MUST_CHECK;
FIBER_FN int __wrap_data_commit(struct fs *fs, uint64_t ino, uint64_t generation) MUST_CHECK;
bool __real_client_is_courteous(const struct mds *mds, const struct client *client);
bool __wrap_client_is_courteous(const struct mds *mds, const struct client *client);

/* An answer before what it tells is durable. */
FIBER_FN int __wrap_txn_wait_durable(struct fs *fs, uint64_t seq)
{
	return canary == CANARY_EARLY ? 0 : __real_txn_wait_durable(fs, seq);
}

/*
 * The same for who only looks: what others have changed is told before it is durable.  After a crash the change
 * attribute counts again from where it was, and is repeated with something else behind it.
 */
uint64_t __wrap_fs_last_change(const struct fs *fs, uint64_t ino)
{
	return canary == CANARY_READ_EARLY ? 0 : __real_fs_last_change(fs, ino);
}

/* A repeated request is executed again. */
FIBER_FN nfsstat4 __wrap_session_sequence(struct compound *c, const struct SEQUENCE4args *args,
					  struct SEQUENCE4res *res)
{
	struct session *session = session_find(c->mds, args->sa_sessionid);

	if (canary == CANARY_REPLAY && session && args->sa_slotid < session->nr_slots) {
		struct slot *slot = &session->slots[args->sa_slotid];

		if (slot->seqid == args->sa_sequenceid && slot->state == SLOT_CACHED)
			slot->seqid--;
	}
	return __real_session_sequence(c, args, res);
}

/* A restart forgets what the slots have seen. */
int __wrap_slot_load(struct mds *mds, struct session *session, uint32_t nr, unsigned int part,
		     const struct item *item)
{
	return canary == CANARY_SLOT ? 0 : __real_slot_load(mds, session, nr, part, item);
}

/* Numbers of inodes that are gone are given out again, and handles don't notice. */

#define FREED_MAX 64

static uint64_t freed[FREED_MAX];
static unsigned int nr_freed;

int __wrap_orphan_reap_step(struct txn *txn, uint64_t ino, uint64_t limbo_tag, unsigned int max, bool *ret_more)
{
	int err = __real_orphan_reap_step(txn, ino, limbo_tag, max, ret_more);

	if (!err && !*ret_more && nr_freed < FREED_MAX)
		freed[nr_freed++] = ino;
	return err;
}

uint64_t __wrap_txn_new_ino(struct txn *txn)
{
	struct inode inode;

	if (canary == CANARY_REUSE && nr_freed > 0 && inode_get_any(txn, freed[nr_freed - 1], &inode) == -ENOENT)
		return freed[--nr_freed];
	return __real_txn_new_ino(txn);
}

int __wrap_inode_get_gen(struct txn *txn, uint64_t ino, uint64_t generation, struct inode *ret_inode)
{
	int err;

	if (canary != CANARY_REUSE)
		return __real_inode_get_gen(txn, ino, generation, ret_inode);
	err = inode_get(txn, ino, ret_inode);
	return err == -ENOENT ? -ESTALE : err;
}

/* Nobody looks whether a file without a name is open. */
bool __wrap_state_file_is_open(const struct mds *mds, uint64_t ino)
{
	return canary == CANARY_ORPHAN_EARLY ? false : __real_state_file_is_open(mds, ino);
}

/* Nobody takes it apart. */
void __wrap_reaper_consider(struct mds *mds, uint64_t ino)
{
	if (canary != CANARY_ORPHAN_LEAKED)
		__real_reaper_consider(mds, ino);
}

/* Who reads on behind some cookies misses a name. */
int __wrap_dir_next(struct txn *txn, uint64_t dir, uint64_t after, struct dir_entry *ret_entry)
{
	int err = __real_dir_next(txn, dir, after, ret_entry);

	if (!err && canary == CANARY_COOKIE && after > 0 && (after >> 16) % 16 == 5)
		err = __real_dir_next(txn, dir, ret_entry->cookie, ret_entry);
	return err;
}

/* A restart forgets opens and locks, or locks alone. */

static bool is_loading;

FIBER_FN int __wrap_state_load(struct mds *mds)
{
	int err;

	if (canary == CANARY_OPENS)
		return 0;
	is_loading = true;
	err = __real_state_load(mds);
	is_loading = false;
	return err;
}

static struct lock *forgotten[4096];
static size_t nr_forgotten;

void __wrap_lock_add(struct mds *mds, struct lock *lock)
{
	/* Whoever loads it may look at it once more. */
	if (is_loading && canary == CANARY_LOCKS)
		forgotten[nr_forgotten++ % ARRAY_SIZE(forgotten)] = lock;
	else
		__real_lock_add(mds, lock);
}

/* COMMIT does nothing. */
FIBER_FN int __wrap_data_commit(struct fs *fs, uint64_t ino, uint64_t generation)
{
	return canary == CANARY_COMMIT ? 0 : __real_data_commit(fs, ino, generation);
}

/* Everybody's lease is over. */
bool __wrap_client_is_courteous(const struct mds *mds, const struct client *client)
{
	return canary == CANARY_IMPATIENT ? true : __real_client_is_courteous(mds, client);
}

static enum canary planted;

static void plant(void)
{
	canary = planted;
}

static void test_none(void **state)
{
	planted = CANARY_NONE;
	sim_seeds_test_harmless(&nfs_sim_kind, plant, 10);
}

#define CANARY(name, which, checks)                                                                                  \
	static void name(void **state)                                                                               \
	{                                                                                                            \
		planted = which;                                                                                     \
		sim_seeds_test_caught(&nfs_sim_kind, plant, SEEDS, checks);                                          \
	}

CANARY(test_early, CANARY_EARLY, "[home][result][names][change][handle]")
CANARY(test_read_early, CANARY_READ_EARLY, "[change]")
CANARY(test_replay, CANARY_REPLAY, "[result][attributes][change][names][stateid]")
CANARY(test_slot, CANARY_SLOT, "[result][attributes][change][names][stateid]")
CANARY(test_reuse, CANARY_REUSE, "[handle]")
CANARY(test_orphan_early, CANARY_ORPHAN_EARLY, "[result]")
CANARY(test_orphan_leaked, CANARY_ORPHAN_LEAKED, "[orphans]")
CANARY(test_cookie, CANARY_COOKIE, "[readdir][home]")
CANARY(test_opens, CANARY_OPENS, "[result][lock]")
CANARY(test_locks, CANARY_LOCKS, "[result][lock]")
CANARY(test_commit, CANARY_COMMIT, "[home][contents]")
CANARY(test_impatient, CANARY_IMPATIENT, "[lock]")

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),	     cmocka_unit_test(test_early),
		cmocka_unit_test(test_read_early),   cmocka_unit_test(test_replay),
		cmocka_unit_test(test_slot),	     cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_orphan_early), cmocka_unit_test(test_orphan_leaked),
		cmocka_unit_test(test_cookie),	     cmocka_unit_test(test_opens),
		cmocka_unit_test(test_locks),	     cmocka_unit_test(test_commit),
		cmocka_unit_test(test_impatient),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
