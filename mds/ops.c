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
};

const struct op *op_find(uint32_t number)
{
	return number < ARRAY_SIZE(ops) ? &ops[number] : NULL;
}
