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
 * A check that fails prints seed, virtual time, who, doing what, and the name of the check in brackets.
 */

#include "tests/lib/sim_seeds.h"

extern const struct sim_kind nfs_sim_kind;

#endif
