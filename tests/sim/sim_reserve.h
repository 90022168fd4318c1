/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_SIM_RESERVE_H
#define LAMINA_TESTS_SIM_RESERVE_H

/*
 * Persistent reservations of a simulated disk, and the disk as each host reaches it: a block device and a reserver
 * for each initiator over one and the same disk.  Keys and reservation survive power cuts (APTPL).  A request whose
 * initiator may not is -EBADE when it would have taken effect; a preempt with abort ends what the victim has in
 * flight (each such request has happened, or not, and never will afterwards).
 *
 * It can be as bad as real targets are: see struct sim_reserve_faults.
 */

#include "dev/blkdev.h"
#include "dev/reserver.h"

struct sim_reserve;

struct sim_reserve_faults {
	bool preempt_lies; /* PREEMPT by the holder answers success and leaves the victim registered (an NVMe target)
			    */
	bool preempt_abort_hangs; /* PREEMPT AND ABORT never answers; it fails with -EIO after 1 s of virtual time */
	bool preempt_fails;	  /* and so does PREEMPT: nothing fences */
	uint32_t error_ppm;	  /* any command: -EIO, done or not done */
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
 * @host reaches it.  Both are closed with blkdev_close() and reserver_close().
 */
int sim_reserve_attach(struct sim_reserve *sr, const char *host, struct blkdev *disk, struct blkdev **ret_dev,
		       struct reserver **ret_res) MUST_CHECK;

#endif
