/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_PNFS_TEST_H
#define LAMINA_TESTS_LIB_PNFS_TEST_H

/*
 * Clients of layouts as protocol tests need them: one operation a call, with the status that it must have, and what
 * every reply must be is checked every time: client rules 2 to 6 and 12 of docs/clients.md.
 *
 * A test says what it wants in its main(), before nfs_test_main(): pnfs_test_configure().
 */

#include "dev/blkdev.h"
#include "tests/lib/nfs_state.h"
#include "tests/lib/nfs_test_start.h"
#include "tools/nfs_op_layout.h"

#define PNFS_BLOCK 4096u /* bytes */
#define PNFS_ALL   UINT64_MAX

/* Implementation ids of real clients. */
extern const char pnfs_linux_new[]; /* 4 KiB pages, any number of ranges in a commit */
extern const char pnfs_linux_old[]; /* loses ranges above 93 and 255 */
extern const char pnfs_linux_arm[]; /* its pages may have 64 KiB */

/* LAYOUT4_SCSI: devices with reservations; LAYOUT4_BLOCK_VOLUME: without, and exports with layouts of that type. */
void pnfs_test_configure(layouttype4 type);

/* How a client answers a recall. */
enum pnfs_manner {
	PNFS_NO_MATCH,	 /* NOMATCHING_LAYOUT: it has nothing any more */
	PNFS_RETURNS,	 /* OK, and returns what is named */
	PNFS_SAYS_OK,	 /* and never returns */
	PNFS_SAYS_DELAY, /* for ever */
};

struct pnfs_peer_file;

/* A client, on a host of its own. */
struct pnfs_peer {
	struct nfs_state s;
	struct nfs_test_client *tc;
	layouttype4 type;
	uint32_t page;	 /* bytes: what it is granted is a multiple of this */
	char host[16];	 /* initiator */
	uint64_t key[4]; /* by device; 0: not asked yet */
	char ids[4][NFS4_DEVICEID4_SIZE];
	bool has_id[4];
	enum pnfs_manner manner;
	struct pnfs_peer_file *files; /* for PNFS_RETURNS and seqids */
	/* What it was asked: */
	unsigned int nr_recalls;
	unsigned int nr_proofs; /* recalls of what it had returned */
	layoutrecall_type4 recall_type;
	layoutiomode4 recall_iomode;
	layoutrecall_file4 recalled; /* without the handle's bytes */
	bool recall_changed;
	unsigned int nr_returning;
	unsigned int nr_returned; /* files with is_returned */
	struct nfs_compound c;
};

/* A reply to LAYOUTGET. */
#define PNFS_EXTENTS 128u
struct pnfs_got {
	bool return_on_close;
	layoutiomode4 iomode;
	uint64_t off, len;
	uint32_t body_len;
	uint32_t nr;
	struct pnfs_block_extent4 extents[PNFS_EXTENTS];
};

/* A file that a peer has open. */
struct pnfs_peer_file {
	struct pnfs_peer *peer;
	struct nfs_state_open open;
	bool has_layout;
	bool is_returning; /* LAYOUTRETURN is on its way: recalls are put off, as Linux does */
	bool is_mute;	   /* and then for ever */
	bool is_returned;  /* all of it, though the answer said that the layout is still there (client rule 10) */
	stateid4 layout;
	struct pnfs_got got; /* the last one */
	struct pnfs_peer_file *next;
};

/* @impl NULL: pnfs_linux_new. @owner NULL: a random one.  To be freed; the harness closes its client. */
FIBER_FN struct pnfs_peer *pnfs_peer_new(struct nfs_test *t, const char *impl, const char *owner);
FIBER_FN void pnfs_peer_free(struct pnfs_peer *peer);
/* Wait until it has returned what it is about to return, and was asked whether it has. */
FIBER_FN void pnfs_peer_settle(struct pnfs_peer *peer);

/* Create it, or open it, for reading and writing. */
FIBER_FN void pnfs_peer_open(struct pnfs_peer *peer, const char *name, struct pnfs_peer_file *ret_file);
FIBER_FN void pnfs_peer_close(struct pnfs_peer_file *file, nfsstat4 want);
/* WRITE @len bytes, all @fill, through the server. */
FIBER_FN void pnfs_peer_put(struct pnfs_peer_file *file, uint64_t off, uint64_t len, uint8_t fill);
/* READ: all of them are @fill.  Less than @len there fails too. */
FIBER_FN void pnfs_peer_expect(struct pnfs_peer_file *file, uint64_t off, uint64_t len, uint8_t fill);
FIBER_FN uint64_t pnfs_peer_size(struct pnfs_peer_file *file);
FIBER_FN uint64_t pnfs_peer_change(struct pnfs_peer_file *file);
FIBER_FN void pnfs_peer_set_size(struct pnfs_peer_file *file, uint64_t size, nfsstat4 want);
/* Whole files: @to becomes as @from. */
FIBER_FN void pnfs_peer_clone(struct pnfs_peer_file *from, struct pnfs_peer_file *to, nfsstat4 want);

/* LAYOUTGET with the layout's stateid, or, if there is none, the open's.  What it got is in file->got. */
FIBER_FN void pnfs_peer_get(struct pnfs_peer_file *file, layoutiomode4 iomode, uint64_t off, uint64_t len,
			    uint64_t min, nfsstat4 want);
/* With all arguments. */
FIBER_FN void pnfs_peer_get_as(struct pnfs_peer_file *file, const struct nfs_layoutget *get, nfsstat4 want);
/* The status instead of a check. */
FIBER_FN nfsstat4 pnfs_peer_ask(struct pnfs_peer_file *file, layoutiomode4 iomode, uint64_t off, uint64_t len,
				uint64_t min);
/* As a client does it: again while the answer is to come again, at most @seconds. */
FIBER_FN nfsstat4 pnfs_peer_insist(struct pnfs_peer_file *file, layoutiomode4 iomode, uint64_t off, uint64_t len,
				   unsigned int seconds);
/* The extent of the last reply at @off that is to be written (or read, for iomode READ); NULL: none. */
const struct pnfs_block_extent4 *pnfs_got_at(const struct pnfs_got *got, uint64_t off);

/* The key and device that GETDEVICEINFO tells; registers.  Once for each device. */
FIBER_FN void pnfs_peer_register(struct pnfs_peer *peer, const char id[NFS4_DEVICEID4_SIZE]);
/* Device I/O by the extents of the last reply: whole blocks, all @fill.  0 or -EBADE (reservation conflict). */
FIBER_FN int pnfs_peer_dev_write(struct pnfs_peer_file *file, uint64_t off, uint64_t len, uint8_t fill) MUST_CHECK;
FIBER_FN int pnfs_peer_dev_expect(struct pnfs_peer_file *file, uint64_t off, uint64_t len, uint8_t fill) MUST_CHECK;

/* LAYOUTCOMMIT of @nr ranges; @last PNFS_ALL: without a last byte. */
FIBER_FN void pnfs_peer_commit(struct pnfs_peer_file *file, const struct nfs_range *ranges, uint32_t nr,
			       uint64_t last, nfsstat4 want);
FIBER_FN void pnfs_peer_commit_as(struct pnfs_peer_file *file, const struct nfs_layoutcommit *commit, nfsstat4 want);
FIBER_FN nfsstat4 pnfs_peer_try_commit(struct pnfs_peer_file *file, const struct nfs_layoutcommit *commit);
/* Of one range, up to its end. */
FIBER_FN void pnfs_peer_commit_range(struct pnfs_peer_file *file, uint64_t off, uint64_t len);
/* LAYOUTRETURN of a range.  file->has_layout is what is left. */
FIBER_FN void pnfs_peer_return(struct pnfs_peer_file *file, layoutiomode4 iomode, uint64_t off, uint64_t len,
			       nfsstat4 want);
/* A file with @len bytes, all @fill, written by a layout and committed, and the layout returned. */
FIBER_FN void pnfs_peer_make(struct pnfs_peer *peer, const char *name, uint64_t len, uint8_t fill,
			     struct pnfs_peer_file *ret_file);

#endif
