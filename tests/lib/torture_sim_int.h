/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_TORTURE_SIM_INT_H
#define LAMINA_TESTS_LIB_TORTURE_SIM_INT_H

/* What the files of tests/lib/torture_sim*.c share. */

#include "extent/fs.h"
#include "layout/device.h"
#include "mds/server.h"
#include "tests/lib/dice.h"
#include "tests/lib/torture_sim.h"
#include "tests/lib/torture_valve.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_reactor.h"
#include "tests/sim/sim_reserve.h"
#include "tools/torture.h"

#define TORTURE_SIM_DISKS_MAX 3
#define TORTURE_SIM_LEASE_S   20
#define TORTURE_SIM_END_NS    (100000 * NSEC_PER_SEC)
#define SIM_MS		      UINT64_C(1000000)

struct torture_sim;

struct torture_sim_disk {
	struct sim_disk *disk;
	struct blkdev *base; /* the disk itself */
	struct sim_reserve *sr;
	struct sim_reserve_faults faults; /* for ever */
	/* As the server reaches it: */
	struct blkdev *path;
	struct reserver *reserver;
	struct torture_valve *valve;
	struct identity identity;
};

struct torture_sim_host {
	struct torture_sim *sim;
	unsigned int nr;
	struct net *net; /* NULL: it has crashed */
};

struct torture_sim_report {
	uint64_t hash;
	struct torture_report torture;
	uint64_t kills, outages, restarts, crashes, cuts, resets, holds, unfenced, grown;
	uint64_t conflicts;			   /* requests that a disk refused */
	uint64_t grants, recalls, revoked, fences; /* by the server's own count */
};

struct torture_sim {
	uint64_t seed;
	struct dice dice;
	struct reactor *r;
	unsigned int nr_disks; /* of the volume; it may get another one */
	unsigned int nr_all;
	bool growing; /* a fiber is about it */
	struct torture_sim_disk disks[TORTURE_SIM_DISKS_MAX];
	struct sim_net *net;
	struct net *server_host;
	struct sock_addr addr;
	struct config *config;
	struct fs_mount_options mount;
	struct fs *fs;
	struct mds *mds;
	struct torture_sim_host hosts[TORTURE_HOSTS_MAX];
	struct torture_options opt;
	struct torture *torture;
	struct fiber *chaos; /* NULL: none */
	bool is_calm;	     /* wanted */
	struct wait_queue calm;
	struct torture_sim_report report;
};

void torture_sim_fail(const struct torture_sim *sim, const char *check, const char *fmt, ...) PRINTF_FMT(3, 4)
	__attribute__((noreturn));
FIBER_FN void torture_sim_attach(struct torture_sim *sim);

/* torture_sim_chaos.c */
FIBER_FN void torture_sim_mount(struct torture_sim *sim);
FIBER_FN void torture_sim_serve(struct torture_sim *sim);
FIBER_FN void torture_sim_check(struct torture_sim *sim);
FIBER_FN void torture_sim_stop(struct torture_sim *sim);
FIBER_FN void torture_sim_chaos(void *arg);

#endif
