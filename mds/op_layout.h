/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_OP_LAYOUT_H
#define LAMINA_MDS_OP_LAYOUT_H

/* What the operations about layouts share (mds/op_layout.c). */

#include "mds/deleg.h"
#include "mds/layout.h"
#include "proto/wire_pnfs.h"

/* NFS4ERR_UNKNOWN_LAYOUTTYPE: nobody has that; _LAYOUTUNAVAILABLE: not for c->fh. */
nfsstat4 layout_check_type(const struct compound *c, layouttype4 type, enum layout_kind *ret_kind) MUST_CHECK;
layouttype4 layout_wire_type(enum layout_kind kind) MUST_CHECK;
/* Whether it is a layout's, by its looks. */
bool layout_is_stateid(const struct stateid4 *stateid) MUST_CHECK;
/* Another layout may be in memory (I11). */
bool layout_is_room(const struct mds *mds, const struct client *client) MUST_CHECK;
/* The reservation key of the client's host; the compound's reply waits for it to be durable. */
FIBER_FN nfsstat4 layout_client_key(struct compound *c, uint64_t *ret_key) MUST_CHECK;
/* Whether @client has @file open, or delegated; with @write, for writing. */
bool layout_is_open(const struct file *file, const struct client *client, bool write) MUST_CHECK;

/*
 * Before a WRITE of @count bytes at @off through the server, by @inode as it was found: what lies between the end of
 * file and @off becomes part of the file, if all of it is the client's own to write and may be written already, or
 * can't be had back before the WRITE (layout_is_told()); in that case @count bytes more, if they are its own too.
 */
FIBER_FN nfsstat4 layout_imply_commit(struct compound *c, const struct inode *inode, uint64_t off, uint32_t count)
	MUST_CHECK;

#endif
