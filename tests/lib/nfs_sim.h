/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_NFS_SIM_H
#define LAMINA_TESTS_LIB_NFS_SIM_H

/*
 * Our server and several clients in one process, all of it from one seed: simulated disks, network and time.
 *
 * Each client has fibers, and each fiber a home: a directory of its own with a model beside it that says to the byte
 * and the change attribute what must be there, through all that happens.  Besides there is what all share: records
 * under locks, a directory where names come and go, a file whose attributes many set and many look at.  Meanwhile
 * the server is killed with a power cut and started again, connections break, hosts are cut off for shorter and
 * longer than the lease, clients crash and come back, requests are sent twice, disks are slow.
 *
 * A check that fails prints seed, virtual time, who, doing what, and the name of the check in brackets, and ends the
 * process with NFS_SIM_FAILED.  nfs_sim_fork() does it in a child.
 */

#include <stdbool.h>
#include <stdint.h>

#define NFS_SIM_FAILED 3

struct nfs_sim_report {
	uint64_t hash; /* of all that happened: the same for the same seed */
	uint64_t virtual_ns;
	uint64_t steps;	   /* operations of fibers, with their checks */
	uint64_t requests; /* that were answered */
	uint64_t kills;	   /* of the server */
	uint64_t restarts; /* the same, in peace */
	uint64_t crashes;  /* of clients */
	uint64_t cuts, resets, holds;
	uint64_t duplicates, drops; /* of requests */
	uint64_t replays, resumed;  /* that the server answered from a slot; that it went on with after a restart */
	uint64_t chains;	    /* of several changes in one compound */
	uint64_t lost_locks;	    /* taken from silent clients */
};

/* Run @seed in this process, which ends if a check fails. */
void nfs_sim_run(uint64_t seed, struct nfs_sim_report *ret_report);

/*
 * Run it in a child and wait.  False: it failed or died.  @before, which may be NULL, is called in the child first;
 * @ret_check (may be NULL), at least NFS_SIM_TEXT bytes, gets its last words.
 */
#define NFS_SIM_TEXT 512
bool nfs_sim_fork(uint64_t seed, void (*before)(void), struct nfs_sim_report *ret_report, char *ret_check);
/* The seeds @first .. @first + @nr - 1, two at a time; returns how many failed, having said how. */
uint64_t nfs_sim_many(uint64_t first, uint64_t nr);

#endif
