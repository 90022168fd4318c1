/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_OPS_H
#define LAMINA_MDS_OPS_H

/* The table of operations: what mds/compound.c needs to know of each.  Handlers are declared here and nowhere else.
 */

#include "mds/compound.h"

#define OP_NEEDS_FH    1u  /* a current file handle: else NFS4ERR_NOFILEHANDLE */
#define OP_NEEDS_SAVED 2u  /* and a saved one */
#define OP_CHANGES     4u  /* may change something: only begun when its result surely fits */
#define OP_NO_SESSION  8u  /* may be without SEQUENCE, as the only operation (RFC 8881, 2.10.2) */
#define OP_MINOR_2     16u /* not in 4.1 */

struct op {
	/* May switch. NULL: not served, NFS4ERR_NOTSUPP. */
	FIBER_FN nfsstat4 (*execute)(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res);
	unsigned int flags;
	uint32_t result_max; /* OP_CHANGES: bytes of the longest result on the wire */
};

/* NULL: no such operation. */
const struct op *op_find(uint32_t number) MUST_CHECK;

#define OP_HANDLER(name)                                                                                             \
	FIBER_FN nfsstat4 op_##name(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)        \
		MUST_CHECK

/* op_fh.c */
OP_HANDLER(putfh);
OP_HANDLER(putrootfh);
OP_HANDLER(getfh);
OP_HANDLER(savefh);
OP_HANDLER(restorefh);
/* op_client.c */
OP_HANDLER(exchange_id);
OP_HANDLER(destroy_clientid);
OP_HANDLER(reclaim_complete);
/* op_session.c */
OP_HANDLER(create_session);
OP_HANDLER(destroy_session);
OP_HANDLER(bind_conn_to_session);
OP_HANDLER(backchannel_ctl);
/* op_open.c */
OP_HANDLER(open);
OP_HANDLER(open_downgrade);
OP_HANDLER(close);
/* op_lock.c */
OP_HANDLER(lock);
OP_HANDLER(lockt);
OP_HANDLER(locku);
/* op_stateid.c */
OP_HANDLER(free_stateid);
OP_HANDLER(test_stateid);
/* op_deleg.c */
OP_HANDLER(delegreturn);
OP_HANDLER(delegpurge);
/* op_attr.c */
OP_HANDLER(access);
OP_HANDLER(getattr);
OP_HANDLER(setattr);
OP_HANDLER(verify);
OP_HANDLER(nverify);
/* op_dir.c */
OP_HANDLER(lookup);
OP_HANDLER(lookupp);
OP_HANDLER(readdir);
OP_HANDLER(readlink);
OP_HANDLER(secinfo);
OP_HANDLER(secinfo_no_name);
/* op_name.c */
OP_HANDLER(create);
OP_HANDLER(link);
OP_HANDLER(remove);
OP_HANDLER(rename);
/* op_io.c */
OP_HANDLER(read);
OP_HANDLER(write);
OP_HANDLER(commit);
OP_HANDLER(io_advise);
/* op_sparse.c */
OP_HANDLER(allocate);
OP_HANDLER(deallocate);
OP_HANDLER(seek);
OP_HANDLER(read_plus);
/* op_copy.c */
OP_HANDLER(clone);
OP_HANDLER(copy);
OP_HANDLER(offload_status);
OP_HANDLER(offload_cancel);
/* op_device.c */
OP_HANDLER(getdeviceinfo);
OP_HANDLER(getdevicelist);
/* op_layoutget.c, op_layoutcommit.c, op_layoutreturn.c, op_layoutreport.c */
OP_HANDLER(layouterror);
OP_HANDLER(layoutstats);
OP_HANDLER(layoutget);
OP_HANDLER(layoutcommit);
OP_HANDLER(layoutreturn);
/* op_xattr.c */
OP_HANDLER(getxattr);
OP_HANDLER(setxattr);
OP_HANDLER(listxattrs);
OP_HANDLER(removexattr);

#endif
