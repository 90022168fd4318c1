/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: what is sent is what the caller said, and ends the test if its answer has another status. */

#include "tests/lib/nfs_raw.h"

#include <string.h>

#include "tools/nfs_callback.h"

static struct nfs_compound *raw_begin(struct nfs_test *t, const struct nfs_cred *cred)
{
	nfs_compound_begin(&t->c);
	t->c.minorversion = t->minorversion;
	t->c.cred = cred ? *cred : (struct nfs_cred){ 0 };
	return &t->c;
}

FIBER_FN struct nfs_raw_id nfs_raw_exchange(struct nfs_test *t, struct nfs_conn *conn,
					    const struct nfs_identity *identity, nfsstat4 want)
{
	EXCHANGE_ID4args args = { .eia_flags = identity->flags };
	const EXCHANGE_ID4resok *ok;
	struct nfs_raw_id id = { 0 };

	memcpy(args.eia_clientowner.co_verifier, identity->verifier, sizeof(identity->verifier));
	args.eia_clientowner.co_ownerid.co_ownerid_len = identity->owner_len;
	args.eia_clientowner.co_ownerid.co_ownerid_val = (char *)(uintptr_t)identity->owner;
	nfs_op_exchange_id(raw_begin(t, &identity->cred), &args);
	NFS_SEND_OVER(t, conn, &t->c, want);
	if (want)
		return id;
	ok = &nfs_compound_result(&t->c, 0, OP_EXCHANGE_ID)->nfs_resop4_u.opexchange_id.EXCHANGE_ID4res_u.eir_resok4;
	id = (struct nfs_raw_id){ ok->eir_clientid, ok->eir_sequenceid, ok->eir_flags };
	return id;
}

CREATE_SESSION4args nfs_raw_create_args(const struct nfs_raw_id *id)
{
	static callback_sec_parms4 sec = { .cb_secflavor = AUTH_NONE };
	CREATE_SESSION4args args = {
		.csa_clientid = id->clientid,
		.csa_sequence = id->sequenceid,
		.csa_flags = CREATE_SESSION4_FLAG_CONN_BACK_CHAN,
		.csa_cb_program = NFS_CALLBACK_PROGRAM,
		.csa_fore_chan_attrs = { .ca_maxrequestsize = 65536,
					 .ca_maxresponsesize = 65536,
					 .ca_maxresponsesize_cached = 4096,
					 .ca_maxoperations = 16,
					 .ca_maxrequests = 8 },
		.csa_back_chan_attrs = { .ca_maxrequestsize = 4096,
					 .ca_maxresponsesize = 4096,
					 .ca_maxresponsesize_cached = 4096,
					 .ca_maxoperations = 8,
					 .ca_maxrequests = 4 },
		.csa_sec_parms = { 1, &sec },
	};

	return args;
}

FIBER_FN CREATE_SESSION4resok nfs_raw_create(struct nfs_test *t, struct nfs_conn *conn, const struct nfs_cred *cred,
					     const CREATE_SESSION4args *args, nfsstat4 want)
{
	const struct nfs_resop4 *res;

	nfs_op_create_session(raw_begin(t, cred), args);
	NFS_SEND_OVER(t, conn, &t->c, want);
	if (want)
		return (CREATE_SESSION4resok){ 0 };
	res = nfs_compound_result(&t->c, 0, OP_CREATE_SESSION);
	NFS_CHECK(t, res != NULL);
	return res->nfs_resop4_u.opcreate_session.CREATE_SESSION4res_u.csr_resok4;
}

FIBER_FN CREATE_SESSION4resok nfs_raw_session(struct nfs_test *t, struct nfs_conn *conn,
					      const struct nfs_identity *identity)
{
	struct nfs_raw_id id = nfs_raw_exchange(t, conn, identity, NFS4_OK);
	CREATE_SESSION4args args = nfs_raw_create_args(&id);

	return nfs_raw_create(t, conn, &identity->cred, &args, NFS4_OK);
}

static void begin(struct nfs_test *t, const char *sessionid, uint32_t slot, uint32_t seqid, uint32_t highest,
		  bool cachethis)
{
	SEQUENCE4args args = {
		.sa_sequenceid = seqid, .sa_slotid = slot, .sa_highest_slotid = highest, .sa_cachethis = cachethis
	};

	memcpy(args.sa_sessionid, sessionid, sizeof(args.sa_sessionid));
	nfs_op_sequence(raw_begin(t, NULL), &args);
}

void nfs_raw_begin(struct nfs_test *t, const char *sessionid, uint32_t slot, uint32_t seqid)
{
	begin(t, sessionid, slot, seqid, slot, true);
}

void nfs_raw_begin_highest(struct nfs_test *t, const char *sessionid, uint32_t slot, uint32_t seqid, uint32_t highest)
{
	begin(t, sessionid, slot, seqid, highest, true);
}

void nfs_raw_begin_uncached(struct nfs_test *t, const char *sessionid, uint32_t slot, uint32_t seqid)
{
	begin(t, sessionid, slot, seqid, slot, false);
}

FIBER_FN void nfs_raw_sequence(struct nfs_test *t, struct nfs_conn *conn, const char *sessionid, uint32_t slot,
			       uint32_t seqid, nfsstat4 want)
{
	nfs_raw_begin(t, sessionid, slot, seqid);
	NFS_SEND_OVER(t, conn, &t->c, want);
}

SEQUENCE4resok nfs_raw_sequence_got(struct nfs_test *t)
{
	const struct nfs_resop4 *res = nfs_compound_result(&t->c, 0, OP_SEQUENCE);

	NFS_CHECK(t, res != NULL);
	NFS_CHECK_EQ(t, res->nfs_resop4_u.opsequence.sr_status, NFS4_OK);
	return res->nfs_resop4_u.opsequence.SEQUENCE4res_u.sr_resok4;
}

FIBER_FN void nfs_raw_again(struct nfs_test *t, struct nfs_conn *conn, nfsstat4 want)
{
	NFS_IS(t, nfs_compound_again(&t->c, conn), 0);
	NFS_IS(t, nfs_compound_wait(&t->c, nfs_test_in_ms(t, 30000)), 0);
	NFS_IS(t, (int)t->c.status, (int)want);
}

FIBER_FN void nfs_raw_destroy_session(struct nfs_test *t, struct nfs_conn *conn, const char *sessionid, nfsstat4 want)
{
	nfs_op_destroy_session(raw_begin(t, NULL), sessionid);
	NFS_SEND_OVER(t, conn, &t->c, want);
}

FIBER_FN void nfs_raw_destroy_client(struct nfs_test *t, struct nfs_conn *conn, uint64_t clientid, nfsstat4 want)
{
	nfs_op_destroy_clientid(raw_begin(t, NULL), clientid);
	NFS_SEND_OVER(t, conn, &t->c, want);
}

FIBER_FN uint32_t nfs_raw_bind(struct nfs_test *t, struct nfs_conn *conn, const char *sessionid,
			       channel_dir_from_client4 dir, nfsstat4 want)
{
	const struct nfs_resop4 *res;

	nfs_op_bind_conn(raw_begin(t, NULL), sessionid, dir);
	NFS_SEND_OVER(t, conn, &t->c, want);
	if (want)
		return 0;
	res = nfs_compound_result(&t->c, 0, OP_BIND_CONN_TO_SESSION);
	NFS_CHECK(t, res != NULL);
	return res->nfs_resop4_u.opbind_conn_to_session.BIND_CONN_TO_SESSION4res_u.bctsr_resok4.bctsr_dir;
}

FIBER_FN void nfs_raw_crash(struct nfs_test *t, struct nfs_conn *conn)
{
	nfs_test_restart(t);
	nfs_conn_drop(conn);
	NFS_IS(t, nfs_conn_reconnect(conn), 0);
}
