/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_NFS_OP_LAYOUT_H
#define LAMINA_TOOLS_NFS_OP_LAYOUT_H

/* Operations about layouts and devices, as those of tools/nfs_op.h (RFC 8881, 18.40 to 18.44; RFC 7862, 15.6, 15.7).
 */

#include "proto/wire_pnfs.h"
#include "tools/nfs_op.h"

struct nfs_layoutget {
	layouttype4 type;
	layoutiomode4 iomode;
	uint64_t offset, length, minlength;
	stateid4 stateid;
	uint32_t maxcount; /* 0: 4096, as Linux */
};
uint32_t nfs_op_layoutget(struct nfs_compound *c, const struct nfs_layoutget *get);

/* A run of blocks that were written, in bytes. */
struct nfs_range {
	uint64_t offset, length;
};
struct nfs_layoutcommit {
	layouttype4 type;
	stateid4 stateid;
	uint64_t offset, length;
	bool reclaim;
	bool has_last; /* loca_last_write_offset: */
	uint64_t last;
	bool has_mtime;
	nfstime4 mtime;
	const struct nfs_range *ranges; /* the body is made of them */
	uint32_t nr;
	const void *body; /* not NULL: this instead */
	uint32_t body_len;
};
/* -ENOMEM shows when the compound is sent. */
uint32_t nfs_op_layoutcommit(struct nfs_compound *c, const struct nfs_layoutcommit *commit);

struct nfs_layoutreturn {
	layouttype4 type;
	layoutiomode4 iomode;
	layoutreturn_type4 how;
	bool reclaim;
	uint64_t offset, length; /* LAYOUTRETURN4_FILE */
	stateid4 stateid;
};
uint32_t nfs_op_layoutreturn(struct nfs_compound *c, const struct nfs_layoutreturn *ret);
uint32_t nfs_op_getdeviceinfo(struct nfs_compound *c, layouttype4 type, const char id[NFS4_DEVICEID4_SIZE],
			      uint32_t maxcount, struct bitmap4 notify);
uint32_t nfs_op_getdevicelist(struct nfs_compound *c, layouttype4 type);
uint32_t nfs_op_layouterror(struct nfs_compound *c, const stateid4 *stateid, const char id[NFS4_DEVICEID4_SIZE],
			    nfsstat4 error);
uint32_t nfs_op_layoutstats(struct nfs_compound *c, const stateid4 *stateid, const char id[NFS4_DEVICEID4_SIZE]);

/* What was answered; as nfs_op_got_fh(). */
int nfs_op_got_layout(const struct nfs_compound *c, uint32_t index, LAYOUTGET4resok *ret_get) MUST_CHECK;
int nfs_op_got_layoutreturn(const struct nfs_compound *c, uint32_t index, layoutreturn_stateid *ret_stateid)
	MUST_CHECK;
int nfs_op_got_device(const struct nfs_compound *c, uint32_t index, GETDEVICEINFO4resok *ret_device) MUST_CHECK;

#endif
