/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_NFS_TEST_START_H
#define LAMINA_TESTS_LIB_NFS_TEST_START_H

/* Where our own server comes from, for each test anew. */

#include "dev/reserver.h"
#include "tests/lib/nfs_test.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_reserve.h"

/*
 * A test that needs other exports than the whole volume at "/" says so in its main(), before nfs_test_main(): as in
 * lamina.conf(5), and the directory in which the harness makes those of the tests.
 */
extern const char *nfs_test_exports;
extern const char *nfs_test_path;
/* Likewise: what stands in the group "limits". */
extern const char *nfs_test_limits;
/*
 * Likewise: the devices of the volume, 1 unless it is set.  With reservations each is a SCSI disk that clients can be
 * given layouts of, with a NAA designator (nfs_test_naa()); without, nothing is known of it but that it is a disk.
 */
extern unsigned int nfs_test_devices;
extern unsigned int nfs_test_spares; /* and so many that are not in it until nfs_test_grow() */
extern bool nfs_test_has_reservations;
extern uint64_t nfs_test_device_size; /* bytes */

/*
 * Outside of fibers: set t->reactor, t->net, t->addr, t->path and, for the others, t->world.  -ENOSYS: there is
 * no server in this build, tests are skipped.
 */
int nfs_test_start(struct nfs_test *t) MUST_CHECK;
/* In the test's first fiber, before anybody connects: t->addr is listened to when it returns. */
FIBER_FN int nfs_test_serve(struct nfs_test *t) MUST_CHECK;
/* In a fiber: the server is killed as by -9 and started again on the same volume, at the same address. */
FIBER_FN int nfs_test_kill(struct nfs_test *t) MUST_CHECK;
/* The same, and the state of clients is discarded: a grace period follows (--discard-state). */
FIBER_FN int nfs_test_kill_discard(struct nfs_test *t) MUST_CHECK;
/* With our own server: another host, and what the server was told. */
struct config;
struct net *nfs_test_host(struct nfs_test *t, const char *addr);
const struct config *nfs_test_config(const struct nfs_test *t);
/*
 * With our own server: device @index as initiator @host (1 to 15 characters) reaches it, and its reservations (NULL:
 * it has none); both are the world's, and others after a kill.
 */
struct blkdev *nfs_test_device(struct nfs_test *t, const char *host, unsigned int index, struct reserver **ret_res);
/* The simulated reservations of device @index, for faults and for looking at keys; they survive kills. */
struct sim_reserve *nfs_test_reserve(struct nfs_test *t, unsigned int index);
/*
 * With our own server: have it add the first spare.  The errors of server_grow(), said in @ret_why (may be NULL);
 * also if the server is killed meanwhile.
 */
struct why;
FIBER_FN int nfs_test_grow(struct nfs_test *t, struct why *ret_why) MUST_CHECK;
/* Devices that the volume has now. */
unsigned int nfs_test_nr_devices(const struct nfs_test *t);
/* The simulated disk, until the next kill. */
struct sim_disk *nfs_test_disk(struct nfs_test *t, unsigned int index);
#define NFS_TEST_NAA_LEN 16
void nfs_test_naa(unsigned int index, uint8_t ret_naa[NFS_TEST_NAA_LEN]);
/* In that fiber again, when all connections are closed.  An error, said in t->why: the volume is damaged. */
FIBER_FN int nfs_test_unserve(struct nfs_test *t) MUST_CHECK;
/* Outside of fibers: free all that nfs_test_start() made, t->reactor too. */
void nfs_test_stop(struct nfs_test *t);

#endif
