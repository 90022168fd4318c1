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
	uint64_t gets, commits, returns, recalls;
	uint64_t recalls_matched;					   /* it had something */
	uint64_t direct_reads, direct_writes, server_reads, server_writes; /* calls */
	uint64_t direct_bytes_read, direct_bytes_written;
	uint64_t conflicts; /* reservation conflicts: the device refused */
};

struct pnfs_host {
	struct nfs_session *session;
	layouttype4 type;
	struct pnfs_finder finder;
	uint32_t page;	     /* bytes: I/O is whole pages (4096) */
	uint64_t ask_ahead;  /* bytes that a LAYOUTGET asks for at least (0: as much as the I/O needs) */
	bool honours_ranges; /* gives back just what a recall names; false: as Linux, the whole file */
	struct pnfs_faults faults;
	struct pnfs_counts counts;
	struct pnfs_device devices[PNFS_DEVICES_MAX];
	unsigned int nr_devices;
	struct list files; /* struct pnfs_file.by_host */
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

struct pnfs_file {
	struct pnfs_host *host;
	struct nfs_file nfs; /* open */
	bool has_layout;
	stateid4 layout; /* layout stateid */
	bool return_on_close;
	struct pnfs_extent *extents;
	unsigned int nr, max;
	uint64_t size; /* as this client knows it */
	bool has_last; /* something was written through the device since the last commit: */
	uint64_t last; /* its last byte */
	bool needs_commit;
	unsigned int busy; /* device I/O in flight: a recall waits for it */
	bool recalled, returning;
	struct wait_queue idle;
	struct list by_host;
};

/* The callbacks of @session's client are answered for this host from here on.  @type: LAYOUT4_SCSI or _BLOCK_VOLUME.
 */
int pnfs_host_open(struct pnfs_host *host, struct nfs_session *session, layouttype4 type, struct pnfs_finder finder)
	MUST_CHECK;
/* Unregisters its keys if @clean; else as a host that crashed. */
FIBER_FN void pnfs_host_close(struct pnfs_host *host, bool clean);
/* Everything is forgotten, as when the server has revoked all: layouts, devices, registrations. */
FIBER_FN void pnfs_host_forget(struct pnfs_host *host);

/* As nfs_file_open(). */
FIBER_FN int pnfs_open(struct pnfs_host *host, const struct nfs_fh *dir, const struct nfs_open *open,
		       struct pnfs_file *ret_file) MUST_CHECK;
/* Commit, return what is to be returned on close, CLOSE, forget. */
FIBER_FN int pnfs_close(struct pnfs_file *file) MUST_CHECK;
/* As a host that crashed: nothing is sent. */
FIBER_FN void pnfs_abandon(struct pnfs_file *file);

/*
 * Bytes of a file, by layouts where it can be, else through the server.  Offsets and lengths of what goes to devices
 * are whole pages; other writes read the page first, as a page cache would.
 */
FIBER_FN int pnfs_read(struct pnfs_file *file, uint64_t off, void *buf, size_t len, size_t *ret_len) MUST_CHECK;
FIBER_FN int pnfs_write(struct pnfs_file *file, uint64_t off, const void *buf, size_t len) MUST_CHECK;
/* LAYOUTCOMMIT of all that was written; what was written is durable and visible to others afterwards (fsync). */
FIBER_FN int pnfs_commit(struct pnfs_file *file) MUST_CHECK;
/* LAYOUTRETURN of the whole file, after pnfs_commit(). */
FIBER_FN int pnfs_return(struct pnfs_file *file) MUST_CHECK;

/* The steps. */
/* LAYOUTGET: at least [@off, @off + @min) of [@off, @off + @len); extents are added.  An nfsstat4 as it is answered.
 */
FIBER_FN int pnfs_get(struct pnfs_file *file, layoutiomode4 iomode, uint64_t off, uint64_t len, uint64_t min)
	MUST_CHECK;
/* The extent at @off, or NULL. */
struct pnfs_extent *pnfs_extent_at(struct pnfs_file *file, uint64_t off);
/* Device I/O by this extent, whatever has become of it: bytes relative to the file. */
FIBER_FN int pnfs_extent_io(struct pnfs_host *host, const struct pnfs_extent *extent, bool write, uint64_t off,
			    void *buf, size_t len) MUST_CHECK;

#endif
