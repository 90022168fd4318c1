/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_SIM_CRASH_H
#define LAMINA_TESTS_SIM_CRASH_H

/*
 * The crash test: power cuts at every write of a workload, and at every write of the recovery from them.
 *
 * One run of a workload (crash_load.h) on simulated disks is recorded.  At every point of the recording (sim_tape.h
 * says why these are all that matter) the power is cut, several times with different survivors; the volume is
 * mounted; and what is in it must be, item for item, the state after some commit, not older than the last that was
 * promised durable and not newer than the last there was.
 *
 * That recovery, some more transactions and a checkpoint after it are recorded too, and cut at each of their points;
 * the volume must then be in the recovered state or one that came after it.
 *
 * While it is being formatted a volume need not mount, but if it does it must be the new one.
 */

#include "dev/base.h"

struct crash_config {
	uint64_t seed;
	unsigned int draws;	 /* cuts at each point; 0: 2 */
	unsigned int deep_every; /* one recovery of so many is itself cut at its every point; 0: each */
	/*
	 * "POINT[.DRAW[.POINT]]": only this cut, or of a second cut the first and the point in the recovery.  NULL:
	 * all.
	 */
	const char *only;
	const char *dump; /* write the first bad image to files of this name with .0, .1; NULL: don't */
};

struct crash_report {
	uint64_t commits;
	uint64_t checkpoints;
	uint64_t rounds;      /* of the journal's ring, completed */
	uint64_t points;      /* of the workload */
	uint64_t states;      /* after a first cut */
	uint64_t deep_states; /* after a second cut */
	uint64_t torn;	      /* recoveries that found an unfinished record */
	uint64_t behind;      /* states older than the newest commit: something unpromised was lost */
	uint64_t hash;	      /* of everything that happened: equal for equal seeds */
	bool failed;
	char at[64];	 /* POINT.DRAW[.POINT] of the failure, for crash_config.only */
	char what[1024]; /* the failure in words */
};

void crash_run(const struct crash_config *cfg, struct crash_report *ret_report);

#endif
