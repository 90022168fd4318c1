/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_SIM_RESERVE_H
#define LAMINA_TESTS_SIM_RESERVE_H

/*
 * Persistent reservations of a simulated disk, and the disk as each host reaches it: a block device and a reserver
 * for each initiator over one and the same disk.  Keys and reservation survive power cuts (APTPL).
 *
 * A request waits a little in the device; then it is refused with -EBADE (reservation conflict) if its initiator may
 * not, or goes on to the disk, whose time it takes.  A command that takes a registration away waits for what the
 * victim has in the disk, so afterwards nothing of it happens any more; a preempt with abort also ends what the
 * victim has in flight (each such request has happened, or not, and may have an error in either case).
 *
 * A host is its name: what is attached twice by one name is one initiator.  Everything random comes from the seed.
 *
 * It can be as bad as real targets are: see struct sim_reserve_faults.
 */

#include "dev/blkdev.h"
#include "dev/reserver.h"

struct sim_reserve;

struct sim_reserve_faults {
	/*
	 * A preempt, with abort or not, by the holder of a reservation that is not of all registrants answers success
	 * and leaves the victim registered; by another registrant, or while nobody holds it, it works (an NVMe
	 * target).
	 */
	bool preempt_lies;
	/* PREEMPT AND ABORT never answers: it does nothing, and fails with -EIO after 1 s of virtual time. */
	bool preempt_abort_hangs;
	bool preempt_fails; /* and so does PREEMPT: nothing fences */
	/* PREEMPT does not wait for what the victim has in the disk, which happens later (SPC-4 allows it). */
	bool preempt_leaves_in_flight;
	/*
	 * Who unregisters stays registered, with key 0, and cannot register (Linux's NVMe target, and how its NVMe
	 * initiator unregisters).
	 */
	bool unregister_keeps_host;
	uint32_t error_ppm; /* any command: -EIO, done or not done */
};

/* Nobody is registered at first.  @seed: of delays and faults. */
int sim_reserve_open(struct reactor *r, uint64_t seed, const char *name, struct sim_reserve **ret_sr) MUST_CHECK;
/* All that was opened through it is closed. */
void sim_reserve_close(struct sim_reserve *sr);
void sim_reserve_set_faults(struct sim_reserve *sr, const struct sim_reserve_faults *faults);
bool sim_reserve_has_key(const struct sim_reserve *sr, uint64_t key);
/* Conflicts so far: requests of hosts that were refused. */
uint64_t sim_reserve_conflicts(const struct sim_reserve *sr);

/*
 * @disk (which stays the caller's: the simulated disk, or in another life another of the same media) as initiator
 * @host (1 to 15 characters) reaches it.  Both live on @disk's reactor, and are closed with blkdev_close() and
 * reserver_close(): before or after @disk, with requests in flight only if the disk has lost its power.  Two hosts
 * that write one place at a time need a disk with allow_overlap.
 */
int sim_reserve_attach(struct sim_reserve *sr, const char *host, struct blkdev *disk, struct blkdev **ret_dev,
		       struct reserver **ret_res) MUST_CHECK;

#endif
