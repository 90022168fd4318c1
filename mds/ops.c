/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of operations.  Promises: what is not in it is not served, and its answer is NFS4ERR_NOTSUPP;
 * docs/protocol.md says the same (a test compares them).
 */

#include "mds/ops.h"

#define FH    OP_NEEDS_FH
#define SAVED OP_NEEDS_SAVED
#define CHG   OP_CHANGES
#define ALONE OP_NO_SESSION

/* Results that change something: two change_info4, stateids and a bitmap; of LOCK the holder of a conflicting lock.
 */
#define SMALL 256u
#define LARGE 1280u
/* A layout of as many extents as there can be. */
#define LAYOUT 4352u

#define OP(NUMBER, name, flag, max)                                                                                  \
	[OP_##NUMBER] = {                                                                                            \
		.execute = op_##name,                                                                                \
		.flags = (flag),                                                                                     \
		.result_max = (max),                                                                                 \
	}

static const struct op ops[OP_REMOVEXATTR + 1] = {
	OP(PUTFH, putfh, 0, 0),
	OP(PUTROOTFH, putrootfh, 0, 0),
	OP(PUTPUBFH, putrootfh, 0, 0), /* the same directory */
	OP(GETFH, getfh, FH, 0),
	OP(SAVEFH, savefh, FH, 0),
	OP(RESTOREFH, restorefh, SAVED, 0),
	OP(EXCHANGE_ID, exchange_id, ALONE, 0),
	OP(DESTROY_CLIENTID, destroy_clientid, ALONE, 0),
	OP(RECLAIM_COMPLETE, reclaim_complete, CHG, SMALL),
	OP(CREATE_SESSION, create_session, ALONE, 0),
	OP(DESTROY_SESSION, destroy_session, ALONE, 0),
	OP(BIND_CONN_TO_SESSION, bind_conn_to_session, ALONE, 0),
	OP(BACKCHANNEL_CTL, backchannel_ctl, CHG, SMALL),
	OP(OPEN, open, FH | CHG, SMALL),
	OP(OPEN_DOWNGRADE, open_downgrade, FH | CHG, SMALL),
	OP(CLOSE, close, FH | CHG, SMALL),
	OP(LOCK, lock, FH | CHG, LARGE),
	OP(LOCKT, lockt, FH, LARGE),
	OP(LOCKU, locku, FH | CHG, SMALL),
	OP(FREE_STATEID, free_stateid, CHG, SMALL),
	OP(TEST_STATEID, test_stateid, 0, 0),
	OP(DELEGRETURN, delegreturn, FH | CHG, SMALL),
	OP(DELEGPURGE, delegpurge, 0, 0),
	OP(ACCESS, access, FH, 0),
	OP(GETATTR, getattr, FH, 0),
	OP(SETATTR, setattr, FH | CHG, SMALL),
	OP(VERIFY, verify, FH, 0),
	OP(NVERIFY, nverify, FH, 0),
	OP(LOOKUP, lookup, FH, 0),
	OP(LOOKUPP, lookupp, FH, 0),
	OP(READDIR, readdir, FH, 0),
	OP(READLINK, readlink, FH, 0),
	OP(SECINFO, secinfo, FH, 0),
	OP(SECINFO_NO_NAME, secinfo_no_name, FH, 0),
	OP(CREATE, create, FH | CHG, SMALL),
	OP(LINK, link, FH | SAVED | CHG, SMALL),
	OP(REMOVE, remove, FH | CHG, SMALL),
	OP(RENAME, rename, FH | SAVED | CHG, SMALL),
	OP(READ, read, FH, 0),
	OP(WRITE, write, FH | CHG, SMALL),
	OP(COMMIT, commit, FH, 0),
	OP(IO_ADVISE, io_advise, FH, 0),
	OP(ALLOCATE, allocate, FH | CHG, SMALL),
	OP(DEALLOCATE, deallocate, FH | CHG, SMALL),
	OP(SEEK, seek, FH, 0),
	OP(READ_PLUS, read_plus, FH, 0),
	OP(CLONE, clone, FH | SAVED | CHG, SMALL),
	OP(COPY, copy, FH | SAVED | CHG, SMALL),
	OP(OFFLOAD_STATUS, offload_status, FH, 0),
	OP(OFFLOAD_CANCEL, offload_cancel, FH | CHG, SMALL),
	OP(GETDEVICEINFO, getdeviceinfo, CHG, LARGE),
	OP(GETDEVICELIST, getdevicelist, FH, 0),
	OP(LAYOUTGET, layoutget, FH | CHG, LAYOUT),
	OP(LAYOUTCOMMIT, layoutcommit, FH | CHG, SMALL),
	OP(LAYOUTRETURN, layoutreturn, CHG, SMALL),
	OP(LAYOUTERROR, layouterror, FH, 0),
	OP(LAYOUTSTATS, layoutstats, FH, 0),
	OP(GETXATTR, getxattr, FH, 0),
	OP(SETXATTR, setxattr, FH | CHG, SMALL),
	OP(LISTXATTRS, listxattrs, FH, 0),
	OP(REMOVEXATTR, removexattr, FH | CHG, SMALL),
};

const struct op *op_find(uint32_t number)
{
	return number < ARRAY_SIZE(ops) ? &ops[number] : NULL;
}
