/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_TORTURE_H
#define LAMINA_TOOLS_TORTURE_H

/*
 * The torture tester: many hosts in one process, each a pNFS client of its own (tools/pnfs.h), that write, read, cut,
 * clone and punch files through layouts and through the server, and know to the block what must be there.  It goes
 * through the seams only (reactor, socket, block device, reserver), so the same workloads and checks run against any
 * server over TCP (tools/torture_main.c) and in the simulated world (tests/lib/torture_sim.h).
 *
 * Every block written carries file, offset, writer and generation, and a checksum, so that what is found is told
 * apart:
 *   lost       an older generation than one that was acknowledged (or nothing)
 *   stale      contents of another file, or of before a cut: never to be shown (I2)
 *   misplaced  contents that belong elsewhere in this file
 *   torn       a checksum that does not fit
 */

#include "extent/why.h"
#include "tools/pnfs.h"

#define TORTURE_HOSTS_MAX 64

enum torture_work {
	TORTURE_PRIVATE,  /* files of one host alone */
	TORTURE_DISJOINT, /* one file, every host its stripes */
	TORTURE_OVERLAP,  /* one file, all hosts the same ranges, under byte-range locks */
	TORTURE_APPEND,
	TORTURE_TRUNCATE, /* cut and grown under layouts */
	TORTURE_CLONE,
	TORTURE_PUNCH,
	TORTURE_RENAME,
	TORTURE_UNLINK,	   /* while it is open */
	TORTURE_READERS,   /* readers against a writer: close-to-open */
	TORTURE_STORM,	   /* all hosts hold a layout of a file, which is then cut, over and over */
	TORTURE_MISBEHAVE, /* hosts that ignore recalls, answer DELAY for ever, vanish, write late */
	TORTURE_WORKS
};

struct torture_options {
	uint64_t seed;
	unsigned int hosts;  /* 1 to TORTURE_HOSTS_MAX */
	unsigned int fibers; /* of each host */
	uint64_t works;	     /* bits of enum torture_work; 0: all */
	uint64_t end_ns;     /* reactor time: then they stop, and all is read back */
	uint64_t steps;	     /* of each fiber at most; 0: any number */
	uint64_t file_bytes; /* largest size of a file (4 MiB) */
	layouttype4 type;
	uint32_t minorversion;
	bool ranges;	     /* half of the hosts honour ranges of recalls, the others are as Linux */
	bool keeps;	     /* who is as Linux keeps extents that it has returned, too */
	bool sleeps;	     /* fibers pause between steps, at random: what has to be in the simulated world */
	bool removes;	     /* what was made is removed when all is well */
	uint64_t timeout_ns; /* of a request, with all that it is sent again; 0: 60 s */
};

struct torture;

/* What the caller provides: where the hosts live. */
struct torture_world {
	struct reactor *reactor;
	/* The network of host @i and the server's address. */
	struct net *(*net)(void *owner, unsigned int host);
	struct sock_addr addr;
	char path[512]; /* the directory for the test, from the pseudo root */
	struct pnfs_finder (*finder)(void *owner, unsigned int host);
	/* A line of progress each second, for people; may be NULL. */
	void (*progress)(void *owner, const char *line);
	/* Of the simulated world; may be NULL: */
	/* Host @host has crashed: its connections end as those of a killed process. */
	void (*crashed)(void *owner, unsigned int host);
	/* Work begins. */
	void (*begin)(void *owner, struct torture *t);
	/* Work has ended; returns when no disaster will come any more and the server stands. */
	FIBER_FN void (*calm_down)(void *owner);
	void *owner;
};

struct torture_finding {
	char what[16]; /* "lost", "stale", "misplaced", "torn", "io" (an error that nothing explains), "fence" (a
			  healthy host was fenced), "late" (a write of a fenced host reached the device) */
	char text[256];
};

#define TORTURE_FINDINGS_MAX 64u

struct torture_report {
	uint64_t steps, writes, reads, bytes_written, bytes_read;
	uint64_t files, blocks; /* that were read back at the end */
	uint64_t losses;	/* times that a host had to begin anew: it crashed, or the server had given it up */
	uint64_t lost, stale, misplaced, torn, io, fence, late;
	uint64_t late_refused;	 /* late writes that the device refused, as it must */
	uint64_t misbehaved;	 /* times that a host was as bad as it could be */
	struct pnfs_counts pnfs; /* of all hosts */
	uint64_t reconnects;
	uint64_t virtual_ns;
	uint64_t hash;		  /* of all that happened, for a run in the simulated world */
	unsigned int nr_findings; /* the first ones: */
	struct torture_finding findings[TORTURE_FINDINGS_MAX];
};

/*
 * Run it.  0: it ran to its end, what it found is in *@ret_report (which says whether anything is wrong:
 * torture_is_clean()); else an error that kept it from running, said in @why.
 */
FIBER_FN int torture_run(const struct torture_options *opt, const struct torture_world *world,
			 struct torture_report *ret_report, struct why *why) MUST_CHECK;
bool torture_is_clean(const struct torture_report *report) MUST_CHECK;

/*
 * Disasters, for world->begin and whoever it starts.  A host that crashes forgets everything, and comes back by
 * itself after @down_ns.
 */
unsigned int torture_nr_hosts(const struct torture *t);
void torture_crash(struct torture *t, unsigned int host, uint64_t down_ns);
/* What happens to host @host from now on is not its fault: it is being cut off, say. */
void torture_excuse(struct torture *t, unsigned int host);
/* All hosts crash and stay down; when this returns none has a device open.  Until torture_power_on(). */
FIBER_FN void torture_power_off(struct torture *t);
void torture_power_on(struct torture *t);
/* Work is going on. */
bool torture_is_running(const struct torture *t) MUST_CHECK;
const char *torture_work_name(enum torture_work work);

#endif
