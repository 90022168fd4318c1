/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_PNFS_INT_H
#define LAMINA_TOOLS_PNFS_INT_H

/* Between the files of the pNFS client; see tools/pnfs.h. */

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tools/pnfs.h"

#define PNFS_PAUSE_MIN_NS (10 * 1000000ull)
#define PNFS_PAUSE_MAX_NS (1000 * 1000000ull)
/* A layout that is being given back is waited for no longer than that: the server is far beyond its deadline. */
#define PNFS_RETURN_WAIT_NS (60 * NSEC_PER_SEC)
/* Linux asks for so many bytes of a layout. */
#define PNFS_LAYOUT_BODY_MAX 4096
#define PNFS_REPLY_EXTENTS   96
/* Of one device request, as Linux with its largest rsize and wsize. */
#define PNFS_IO_MAX (1 << 20)

/* pnfs_extent.c: no waiting, no wire. */

static inline uint64_t pnfs_extent_end(const struct pnfs_extent *e)
{
	return e->off + e->len;
}
/* Whether it comes of a layout for writing. */
bool pnfs_extent_is_rw(const struct pnfs_extent *e) MUST_CHECK;
/* Whether what a file has there lies at device_off. */
bool pnfs_extent_has_data(const struct pnfs_extent *e) MUST_CHECK;
/* The part [@off, @end) of @e, which lies in it. */
struct pnfs_extent pnfs_extent_part(const struct pnfs_extent *e, uint64_t off, uint64_t end) MUST_CHECK;
struct pnfs_extent *pnfs_extent_find(struct pnfs_inode *inode, uint64_t off);
/*
 * Add what a reply says; what is there already stays, but for extents for reading where one for writing comes.
 * -EBADMSG: the same bytes of the file now lie elsewhere, said in the log; -ENOMEM; -E2BIG: PNFS_EXTENTS_MAX.  Then
 * nothing was added.
 */
int pnfs_extents_add(struct pnfs_inode *inode, const struct pnfs_extent *v, unsigned int nr) MUST_CHECK;
/* Nothing is known of [@off, @end) any more.  -ENOMEM, -E2BIG: in the middle of an extent. */
int pnfs_extents_cut(struct pnfs_inode *inode, uint64_t off, uint64_t end) MUST_CHECK;
/* [@off, @end) was written through the device: to be committed where it was not readable. */
int pnfs_extents_wrote(struct pnfs_inode *inode, uint64_t off, uint64_t end) MUST_CHECK;
/* The written and not committed ranges from @from on, @max at most; returns how many. */
unsigned int pnfs_extents_written(const struct pnfs_inode *inode, uint64_t from, struct nfs_range *ranges,
				  unsigned int max);
/* These ranges were committed. */
void pnfs_extents_committed(struct pnfs_inode *inode, const struct nfs_range *ranges, unsigned int nr);
void pnfs_extents_clear(struct pnfs_inode *inode);

/* pnfs_kept.c: of hosts that keep extents */

/* All extents are kept, from now on. */
void pnfs_kept_take(struct pnfs_inode *inode);
/* As pnfs_extents_add(), but what is kept wins. */
int pnfs_kept_add(struct pnfs_inode *inode, const struct pnfs_extent *v, unsigned int nr) MUST_CHECK;
void pnfs_kept_clear(struct pnfs_inode *inode);
/* Around a LAYOUTGET and all its tries.  Nothing is kept longer than that without a layout. */
void pnfs_inode_pin(struct pnfs_inode *inode);
void pnfs_inode_unpin(struct pnfs_inode *inode);

/* pnfs_reply.c: the checks of a LAYOUTGET reply. */
struct pnfs_asked {
	layouttype4 type;
	layoutiomode4 iomode;
	uint64_t off, min;
	uint32_t page;
};
struct pnfs_reply {
	char device_id[NFS4_DEVICEID4_SIZE];
	bool has_device; /* false: all are holes */
	unsigned int nr;
	struct pnfs_extent extents[PNFS_REPLY_EXTENTS]; /* device not set */
};
/*
 * As the Linux client checks it, and what it does not check and suffers from.  -EBADMSG, and why in the log;
 * -ENODATA: there is no layout in it: through the server; -EAGAIN: an empty one.
 */
int pnfs_reply_check(const struct pnfs_asked *asked, const LAYOUTGET4resok *ok, struct pnfs_reply *ret_reply)
	MUST_CHECK;

/* pnfs_host.c */

/* The index of the device.  -ENODEV: it can't be reached or registered with, at the moment. */
FIBER_FN int pnfs_device_get(struct pnfs_host *host, const char id[NFS4_DEVICEID4_SIZE], unsigned int *ret_index)
	MUST_CHECK;
/* nfs_session_send(), and what the status flags of SEQUENCE make necessary.  An nfsstat4 of the compound. */
FIBER_FN int pnfs_send(struct pnfs_host *host, struct nfs_compound *c) MUST_CHECK;
static inline uint64_t pnfs_now(const struct pnfs_host *host)
{
	return reactor_now_ns(host->session->client->reactor);
}
/* Run @fn(@inode) in a fiber that pnfs_host_close() waits for; it holds the inode.  -ENOMEM, -EAGAIN. */
int pnfs_spawn(struct pnfs_inode *inode, void (*fn)(struct pnfs_inode *inode)) MUST_CHECK;
void pnfs_inode_put(struct pnfs_inode *inode);

/* pnfs_layout.c */

/* Is @a newer than @b, modulo 2^32 (RFC 8881, 12.5.3)? */
static inline bool pnfs_seqid_newer(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}
/* The layout is gone here; what was not committed is lost. */
void pnfs_inode_forget(struct pnfs_inode *inode);
/* Nothing is known of [@off, @end) any more. */
void pnfs_inode_drop(struct pnfs_inode *inode, uint64_t off, uint64_t end);
/* Wait until no device I/O is in flight. */
FIBER_FN void pnfs_inode_settle(struct pnfs_inode *inode);
/* Wait until no recall or return is under way; -ETIMEDOUT. */
FIBER_FN int pnfs_inode_calm(struct pnfs_inode *inode) MUST_CHECK;
/* As pnfs_get(), also -ENODEV: its device can't be used. */
FIBER_FN int pnfs_inode_get(struct pnfs_inode *inode, const stateid4 *open, const struct nfs_layoutget *get)
	MUST_CHECK;
/* Whether the server has said that a state is no more. */
bool pnfs_is_revoked(int status) MUST_CHECK;
/* It was revoked: forget it, and tell the server so (FREE_STATEID). */
FIBER_FN void pnfs_inode_revoked(struct pnfs_inode *inode, const stateid4 *stateid);
/* What the server says of the size, asked for when @inode->grown was @grown. */
void pnfs_inode_set_size(struct pnfs_inode *inode, uint64_t size, uint64_t grown);

/* pnfs_commit.c */

FIBER_FN int pnfs_inode_commit(struct pnfs_inode *inode) MUST_CHECK;
/*
 * LAYOUTRETURN of [@off, @end) with @stateid; nothing is known of it any more.  No I/O is in flight, and @recalled or
 * @returning keeps others away.  A negative errno: the server has not said anything.
 */
FIBER_FN int pnfs_inode_return(struct pnfs_inode *inode, stateid4 stateid, uint64_t off, uint64_t end) MUST_CHECK;
/* All in the order it must be: settle, commit, return the whole.  The first error. */
FIBER_FN int pnfs_inode_give_back(struct pnfs_inode *inode) MUST_CHECK;

/* pnfs_recall.c */

void pnfs_recall_open(struct pnfs_host *host);
void pnfs_recall_close(struct pnfs_host *host);

#endif
