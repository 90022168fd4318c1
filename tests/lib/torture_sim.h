/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_TORTURE_SIM_H
#define LAMINA_TESTS_LIB_TORTURE_SIM_H

/*
 * The torture tester in the simulated world: our server, hosts with paths of their own to the disks, reservations,
 * network and time in one process and from one seed.
 *
 * Meanwhile the server is killed at any moment, also in the midst of its writes and of its recovery, and started
 * again; the disks go on for the hosts then.  At other times the power goes for all: what no flush has saved may be
 * lost, and all hosts begin anew (I14).  With seeds from TORTURE_SIM_GROWS on
 * the volume gets another disk, and the server is often killed while it adds it.  Hosts crash, are cut off for
 * shorter and longer than the lease, connections break, disks are slow.  After each kill the volume is checked as a
 * whole.
 *
 * A run in which something is wrong prints the seed and what was found, and ends the process with TORTURE_SIM_FAILED;
 * torture_sim_fork() does it in a child.
 */

#include "tools/torture.h"

#define TORTURE_SIM_FAILED 3
#define TORTURE_SIM_TEXT   1024
#define TORTURE_SIM_GROWS  10000 /* seed */

struct torture_sim_report {
	struct torture_report torture;
	uint64_t hash;
	uint64_t kills, outages, restarts, crashes, cuts, resets, holds, unfenced, grown;
	uint64_t conflicts;			   /* requests that a disk refused */
	uint64_t grants, recalls, revoked, fences; /* by the server's own count */
};

void torture_sim_run(uint64_t seed, struct torture_sim_report *ret_report);
/* As nfs_sim_fork() and nfs_sim_many(). */
bool torture_sim_fork(uint64_t seed, void (*before)(void), struct torture_sim_report *ret_report, char *ret_text);
uint64_t torture_sim_many(uint64_t first, uint64_t nr);

#endif
