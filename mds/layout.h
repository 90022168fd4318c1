/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_LAYOUT_H
#define LAMINA_MDS_LAYOUT_H

/*
 * Layouts (RFC 8881, 12; RFC 8154; RFC 5663): one state for each client and file, with what it grants
 * (layout/grant.h).  Items, as opens are: written in the transaction of the change and mirrored here, so they survive
 * kill -9.
 *
 * In the life of a layout (drawn in docs/layout.md):
 *   held     the client may use what is granted
 *   recalled something is in the way of another; a fiber (mds/layout_recall.c) asks for it
 *   lost     its holder did not give it back, or is gone: revoked (state.revoked), and its grants still bind until
 *            the holder is verifiably fenced (I3, I4); then it is forgotten, or, while the client is known, stays
 *            without grants until FREE_STATEID
 */

#include "layout/device.h"
#include "layout/fence.h"
#include "layout/grant.h"
#include "layout/quirk.h"
#include "mds/file.h"
#include "mds/state.h"
#include "mds/state_record.h"

/* A request that a recall refers to (RFC 8881, 2.10.6.3). */
struct layout_call {
	sessionid4 session;
	uint32_t slot, seqid;
};
#define LAYOUT_CALLS 4u

/* What its holder says that it has returned, and is to prove that it keeps nothing of (layout_recall.h). */
enum layout_returned {
	LAYOUT_NOT_RETURNED,
	LAYOUT_PART_RETURNED, /* or all, after a start */
	LAYOUT_ALL_RETURNED,
};

struct layout {
	struct state state;
	struct file *file; /* NULL: its grants are gone */
	struct list by_file;
	uint64_t ino, generation;
	enum layout_kind kind;
	uint8_t fh[FH_SIZE]; /* the handle by which the client knows the file */
	uint64_t key;	     /* of the client's host (layout/fence.h) */
	bool return_on_close;
	struct grants grants;
	uint64_t recall_ns; /* for how long it has been asked for, also in the lives of the server before this one */
	enum layout_returned returned;
	/* In memory only: */
	bool recalled;	  /* a fiber is about it */
	bool is_old;	  /* of before the start: nobody knows any more whether it was recalled */
	uint64_t told_ns; /* since then the client has said that it will return this; 0: no */
	uint64_t told_first, told_end;
	bool is_ahead;			 /* it was granted more than was asked for while others had the file too */
	uint64_t asked_first, asked_end; /* blocks: by the last LAYOUTGET that was granted */
	uint32_t nr_gets; /* LAYOUTGETs that were answered, and their replies perhaps not received: the last are */
	struct layout_call gets[LAYOUT_CALLS];
	uint32_t nr_unwritten; /* pages that the holder ever got unwritten; saturated, and so after a start */
	uint64_t recall_first, recall_end; /* blocks that are wanted back */
};

/* mds.layouts: what the server has besides them. */
struct layouts {
	struct layout_devices devices;
	struct fence *fence;	/* NULL: no layouts are granted */
	struct wait_queue gone; /* grants were given up */
	uint64_t nr;		/* layouts in memory */
	uint64_t started_ns;
	unsigned int nr_recalls;  /* fibers */
	struct list recalls;	  /* struct recall that wait for one of them (layout_recall.c) */
	struct list lost;	  /* struct lost_host: hosts to be fenced (layout_lost.c), with */
	unsigned int nr_fencers;  /* fibers */
	unsigned int nr_settling; /* fibers */
	struct wait_queue lost_work;
	/* Holder of what clients lost that are gone or know of it: in no table, its id is 0. */
	struct client *nobody;
	unsigned int kinds; /* bits that are offered at all */
	bool growing;	    /* a device is being added */
	struct {
		uint64_t gets, commits, returns, recalls, revoked, fences, lates, conflicts, errors;
	} counts;
};

/* One that is in no table yet; NULL: no memory. */
struct layout *layout_alloc(struct client *client);
void layout_free(struct layout *layout);
/*
 * In a body: its items as @number, with @seqid, @grants and @revoked.  LAYOUT_LOG(runs).  Fewer runs than before are
 * fine: @nr_before says how many were written last (0: it is new).
 */
#define LAYOUT_RUNS_PER_ITEM 128u
#define LAYOUT_LOG(runs)                                                                                             \
	(20u + (uint32_t)sizeof(struct record_layout) +                                                              \
	 ((runs) / LAYOUT_RUNS_PER_ITEM + 2u) * (20u + LAYOUT_RUNS_PER_ITEM * GRANT_DISK_SIZE))
int layout_write(struct txn *txn, const struct layout *layout, uint64_t number, uint32_t seqid,
		 const struct grants *grants, unsigned int nr_before, nfsstat4 revoked) MUST_CHECK;
/* In a body: delete its items. */
int layout_delete(struct txn *txn, const struct layout *layout) MUST_CHECK;
/* In memory, after the transaction: into all tables (@spare as in file_get()); out of its file. Wakes layouts.gone.
 */
void layout_add(struct mds *mds, struct layout *layout, struct file **spare);
void layout_detach(struct mds *mds, struct layout *layout);
/* Its grants are these now (taken over, the old ones are freed); wakes layouts.gone. */
void layout_set_grants(struct mds *mds, struct layout *layout, struct grants *grants);

/*
 * The layout that @stateid means, of @c's client and file: an older seqid is as good as the newest, since LAYOUTGETs
 * and LAYOUTCOMMITs of a client run side by side (RFC 8881, 12.5.3; client rule 8).  NFS4ERR_BAD_STATEID, or what a
 * revoked one says.
 */
nfsstat4 layout_find(const struct compound *c, const struct stateid4 *stateid, struct layout **ret_layout) MUST_CHECK;

/*
 * Whether its holder may use it, as far as it has said: what it has returned may be remembered for it, and have to be
 * proved.
 */
static inline bool layout_is_held(const struct layout *layout)
{
	return layout->returned != LAYOUT_ALL_RETURNED && grants_have(&layout->grants, GRANT_HELD);
}

/* @client's layout of @file (may be NULL), or NULL. */
struct layout *layout_of(const struct file *file, const struct client *client);
/* A layout of @file but not of @but (may be NULL) with one of @bits in [@first, @end); NULL: none. */
struct layout *layout_conflict(const struct file *file, const struct client *but, uint64_t first, uint64_t end,
			       uint32_t bits);

/*
 * layout_settle.c.  Blocks [@first, @end) that the layout with this @number has only as GRANT_LATE are given up: what
 * was reserved for it and not written is given back, then the grants go, and the layout with its last one.  Nothing
 * happens if it has gone meanwhile.
 */
FIBER_FN int layout_settle(struct mds *mds, uint64_t number, uint64_t first, uint64_t end) MUST_CHECK;
/* The same for all of it, in a fiber of its own. */
void layout_settle_later(struct mds *mds, uint64_t number);
/* At the start: what was left of the life before, in a fiber. */
int layout_settle_start(struct mds *mds) MUST_CHECK;
/* @client has closed @ino: if it was the last time, what is only late is settled, and what returns on close ends. */
void layout_closed(struct mds *mds, struct client *client, uint64_t ino);

/* At the start, after state_load(): -EUCLEAN: items contradict each other. */
FIBER_FN int layout_load(struct mds *mds) MUST_CHECK;
/* At the end, before state_unload(). */
void layout_unload(struct mds *mds);

/* layout_start.c: devices, keys, fences; before and after all else of the server. */
FIBER_FN int layout_start(struct mds *mds, const struct layout_source *sources, unsigned int nr, struct why *why)
	MUST_CHECK;
/* The server is about to stop: who waits for a fence or for layouts to go is woken. */
void layout_interrupt(struct mds *mds);
FIBER_FN void layout_stop(struct mds *mds);
/* All types that some export lets somebody have. */
unsigned int layout_kinds_wanted(const struct config *config) MUST_CHECK;
/* Types that this peer gets for files of @fh's export, by bits of enum layout_kind. */
unsigned int layout_kinds_of(const struct compound *c, const struct fh *fh) MUST_CHECK;

#endif
