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
 */

#include "tests/lib/sim_seeds.h"

#define TORTURE_SIM_GROWS 10000 /* seed */

extern const struct sim_kind torture_sim_kind;

#endif
