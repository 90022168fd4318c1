/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_PNFS_H
#define LAMINA_TOOLS_PNFS_H

/*
 * A pNFS client of one host for block and SCSI layouts (RFC 8881, 12; RFC 5663; RFC 8154): gets layouts, reads and
 * writes the devices itself, commits, gives layouts back when they are recalled.  As the Linux client does it, with
 * whose fallbacks: what cannot go to the device goes through the server.  Each step can also be done alone, and
 * wrongly (struct pnfs_faults), for tests.
 *
 * Functions return as those of tools/nfs_client.h.
 */

#include "dev/blkdev.h"
#include "dev/reserver.h"
#include "proto/wire_pnfs.h"
#include "tools/nfs_file.h"
#include "tools/nfs_op_layout.h"

#define PNFS_DEVICES_MAX 64
#define PNFS_EXTENTS_MAX 65536u

struct pnfs_host;

/* A device as this host reaches it. */
struct pnfs_device {
	char id[NFS4_DEVICEID4_SIZE];
	struct blkdev *dev;	   /* NULL: the host has no path to it */
	struct reserver *reserver; /* NULL: none */
	uint64_t key;		   /* as GETDEVICEINFO named it; 0: none */
	bool registered;
	bool is_borrowed;   /* the finder's: pnfs_host_close() closes neither dev nor reserver */
	bool known;	    /* GETDEVICEINFO told of it, and nothing has revoked that since */
	uint64_t bad_until; /* reactor time: it is not used before */
};

/* How the host finds devices by their address: by their names, or those of a simulated world. */
struct pnfs_finder {
	/* Fill dev and reserver of @ret_device, which pnfs_host_close() closes.  -ENODEV: there is none such. */
	FIBER_FN int (*find)(void *owner, layouttype4 type, const struct pnfs_block_deviceaddr4 *addr,
			     struct pnfs_device *ret_device);
	void *owner;
};

/* What it does wrong, for tests: all 0 is a good client. */
struct pnfs_faults {
	bool ignores_recalls; /* never answers CB_LAYOUTRECALL */
	bool delays_recalls;  /* answers DELAY for ever */
	bool keeps_layouts;   /* answers OK and never returns */
	bool skips_commits;   /* LAYOUTCOMMIT is never sent */
	bool repeats_commits; /* each is sent twice */
	bool splits_commits;  /* a range each */
	bool writes_late;     /* goes on writing by extents that were recalled or revoked */
};

struct pnfs_counts {
	uint64_t gets, commits, returns, recalls;			   /* sent; came */
	uint64_t recalls_matched;					   /* it had something */
	uint64_t direct_reads, direct_writes, server_reads, server_writes; /* calls */
	uint64_t direct_bytes_read, direct_bytes_written;
	uint64_t conflicts;	  /* reservation conflicts: the device refused */
	uint64_t revoked;	  /* layouts that the server took away */
	uint64_t bad_layouts;	  /* replies that are against the rules: each a fault of the server */
	uint64_t commits_dropped; /* refused in a way that Linux takes for success (pnfs_commit()) */
	uint64_t kept;		  /* returns that left extents behind (keeps_extents), */
	uint64_t kept_meet;	  /* and layouts that came while those were there */
	uint64_t lost;		  /* layouts that went with writes that were not committed */
};

struct pnfs_host {
	struct nfs_session *session;
	layouttype4 type;
	struct pnfs_finder finder;
	uint32_t page;	     /* bytes: I/O is whole pages (4096) */
	uint64_t ask_ahead;  /* bytes that a LAYOUTGET asks for at least (0: as much as the I/O needs) */
	bool honours_ranges; /* gives back just what a recall names; false: as Linux, the whole file */
	bool is_forgetful;   /* the last close forgets a layout without LAYOUTRETURN (RFC 8881, 12.5.5.1) */
	/*
	 * As Linux: if a LAYOUTGET of the file waits while a recall is answered by a LAYOUTRETURN, the extents stay,
	 * and win over those of the next layout (docs/clients.md, client rule 10).
	 */
	bool keeps_extents;
	uint64_t patience_ns; /* how long a LAYOUTGET is tried that the server wants to be asked again (10 s) */
	uint64_t retry_ns;    /* how long a file or device that failed goes through the server (1 s; Linux: 120 s) */
	struct pnfs_faults faults;
	struct pnfs_counts counts;
	struct pnfs_device devices[PNFS_DEVICES_MAX];
	unsigned int nr_devices;
	struct list inodes; /* struct pnfs_inode.by_host */
	/* Not for callers. */
	uint64_t nr_opens, round;
	unsigned int nr_fibers; /* that give layouts back */
	bool is_closing, is_checking;
	struct fiber_mutex device_lock;
	struct wait_queue changed; /* a fiber has ended, or the host is closing */
};

/* Extents as the client keeps them: in order, not overlapping. */
struct pnfs_extent {
	uint64_t off, len; /* bytes of the file */
	uint64_t device_off;
	unsigned int device; /* index in host->devices */
	enum pnfs_block_extent_state4 state;
	bool written; /* PNFS_BLOCK_INVALID_DATA: and not yet committed */
	bool cow;     /* reads go to source_off until it is written */
	uint64_t source_off;
};

/* Not overlapping among those for writing, nor among those for reading. */
struct pnfs_kept {
	struct pnfs_extent *v;
	unsigned int nr;
};

/* A file with its layout, one for each handle: all that have it open share it. */
struct pnfs_inode {
	struct pnfs_host *host;
	struct nfs_fh fh;
	unsigned int refs;
	unsigned int opens;
	bool has_layout;
	stateid4 layout; /* layout stateid */
	bool return_on_close;
	struct pnfs_extent *extents;
	unsigned int nr, max;
	uint64_t size; /* as this client knows it */
	bool has_last; /* something was written through the device since the last commit: */
	uint64_t last; /* its last byte */
	bool needs_commit;
	uint64_t losses;   /* times that writes could not be committed and never can */
	unsigned int busy; /* device I/O in flight: a recall waits for it */
	bool recalled, returning;
	struct wait_queue idle; /* something of all this changed */
	uint64_t direct_after;	/* reactor time: through the server until then */
	struct list by_host;
	/* Not for callers. */
	stateid4 recall; /* that @recalled is about, and what it wants back: */
	uint64_t recall_off, recall_end;
	bool has_barrier;	/* @layout is what a recall said: only LAYOUTGETs that are newer count */
	uint64_t epoch;		/* grows when a recall or return begins: LAYOUTGETs sent before count no more */
	uint64_t drops;		/* grows when extents are given up: I/O by them that began before counts no more */
	uint64_t writes, grown; /* through the device; size changes that are this client's own */
	uint64_t round;		/* of the host's walk over all */
	unsigned int pending;	/* LAYOUTGETs that were answered and are not yet in the extents */
	struct pnfs_kept kept;	/* extents of before that will win over new ones */
	unsigned int pins;	/* LAYOUTGETs, with all their tries */
	bool first_get;		/* the first LAYOUTGET of a file goes alone */
	bool is_gone;		/* abandoned */
	unsigned int writers, exclusive_waits;
	bool exclusive;
	struct fiber_mutex commit_lock;
};

struct pnfs_file {
	struct pnfs_host *host;
	struct nfs_file nfs; /* open */
	struct pnfs_inode *inode;
	uint64_t losses; /* that pnfs_commit() has told of */
};

/* The callbacks of @session's client are answered for this host from here on.  @type: LAYOUT4_SCSI or _BLOCK_VOLUME.
 */
int pnfs_host_open(struct pnfs_host *host, struct nfs_session *session, layouttype4 type, struct pnfs_finder finder)
	MUST_CHECK;
/* All files are closed or abandoned.  Unregisters its keys if @clean; else as a host that crashed. */
FIBER_FN void pnfs_host_close(struct pnfs_host *host, bool clean);
/* Everything is forgotten, as when the server has revoked all: layouts, devices, registrations. */
FIBER_FN void pnfs_host_forget(struct pnfs_host *host);

/*
 * SEQUENCE says that the server took something away (SEQ4_STATUS_RECALLABLE_STATE_REVOKED): find out what, in a
 * fiber. Requests for layouts see to that themselves; for who sends others in the session.
 */
void pnfs_recall_check(struct pnfs_host *host);

/* As nfs_file_open(); with owner NULL each is an open of its own.  Attributes are fetched (close-to-open). */
FIBER_FN int pnfs_open(struct pnfs_host *host, const struct nfs_fh *dir, const struct nfs_open *open,
		       struct pnfs_file *ret_file) MUST_CHECK;
/*
 * Commit; if nobody else of this host has the file open, return the layout (as Linux does when it drops an inode, or
 * in the compound with CLOSE if the server wants that; not if the host is forgetful); CLOSE.  The file is closed
 * whatever is returned: the first error.
 */
FIBER_FN int pnfs_close(struct pnfs_file *file) MUST_CHECK;
/* As a host that crashed: nothing more is sent. */
FIBER_FN void pnfs_abandon(struct pnfs_file *file);

/*
 * Bytes of a file, by layouts where it can be, else through the server.  What goes to devices are whole pages; other
 * writes read the page first, as a page cache would.  -EBADMSG: the server sent a layout that Linux answers with EIO,
 * or that would ruin data; the log says what is wrong with it.
 */
FIBER_FN int pnfs_read(struct pnfs_file *file, uint64_t off, void *buf, size_t len, size_t *ret_len) MUST_CHECK;
FIBER_FN int pnfs_write(struct pnfs_file *file, uint64_t off, const void *buf, size_t len) MUST_CHECK;
/* As a read of these bytes begins, but nothing is read: a layout is got where none is held. */
FIBER_FN int pnfs_look(struct pnfs_file *file, uint64_t off, size_t len) MUST_CHECK;
/* The file's size, from the server: as Linux after taking a lock. */
FIBER_FN int pnfs_revalidate(struct pnfs_file *file) MUST_CHECK;
/* SETATTR of the size; to shrink a file the layout is committed and returned first, as Linux does. */
FIBER_FN int pnfs_set_size(struct pnfs_file *file, uint64_t size) MUST_CHECK;
/*
 * LAYOUTCOMMIT of all that was written; what was written is durable and visible to others afterwards (fsync).  -EIO:
 * something that was written since the last call is lost, since the layout was revoked or its commit refused; said
 * once.  NFS4ERR_GRACE, _BADLAYOUT, _BADIOMODE and _DELEG_REVOKED are taken for success, as Linux does.
 */
FIBER_FN int pnfs_commit(struct pnfs_file *file) MUST_CHECK;
/* LAYOUTRETURN of the whole file, after pnfs_commit(). */
FIBER_FN int pnfs_return(struct pnfs_file *file) MUST_CHECK;

/* The steps. */
/*
 * LAYOUTGET: at least [@off, @off + @min) of [@off, @off + @len); extents are added.  An nfsstat4 as it is answered;
 * -EBADMSG: as in pnfs_read(); -EAGAIN: recalls kept coming in between.
 */
FIBER_FN int pnfs_get(struct pnfs_file *file, layoutiomode4 iomode, uint64_t off, uint64_t len, uint64_t min)
	MUST_CHECK;
/* The extent at @off, or NULL. */
struct pnfs_extent *pnfs_extent_at(struct pnfs_file *file, uint64_t off);
/*
 * Device I/O by this extent, whatever has become of it: bytes relative to the file, whole sectors inside the extent.
 * -ENODEV: no path; -EBADE: reservation conflict.
 */
FIBER_FN int pnfs_extent_io(struct pnfs_host *host, const struct pnfs_extent *extent, bool write, uint64_t off,
			    void *buf, size_t len) MUST_CHECK;

#endif
