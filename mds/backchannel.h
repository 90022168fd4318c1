/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_BACKCHANNEL_H
#define LAMINA_MDS_BACKCHANNEL_H

/*
 * Callbacks (RFC 8881, 2.10.3.1, 20): CB_COMPOUND with CB_SEQUENCE and one operation, on a connection that is bound
 * for it, in a free slot of the backchannel; resent on another connection when one breaks.
 */

#include "mds/client.h"
#include "mds/session.h"
#include "proto/nfs4.h"

struct conn;

/*
 * Call the client and wait for its answer, until reactor time @deadline_ns.  *@ret_status: the operation's status (or
 * that of CB_SEQUENCE, or of the compound).  -ENOTCONN: no session of the client has a connection for callbacks;
 * -ETIMEDOUT; -EPROTO: its answer is malformed; -EMSGSIZE: the client takes no request of that size; -ENOMEM; the
 * volume's errors, for the slot's number is made durable first.  Any session of the client that has a path is taken.
 */
FIBER_FN int backchannel_call(struct mds *mds, struct client *client, const struct nfs_cb_argop4 *op,
			      uint64_t deadline_ns, nfsstat4 *ret_status) MUST_CHECK;
/*
 * The same of something that is about requests whose replies the client may not have seen yet: it is told which, and
 * waits for them (csa_referring_call_lists: 2.10.6.3, 20.9.3).
 */
#define BACKCHANNEL_REFS_MAX 16u
struct backchannel_refs {
	unsigned int nr;
	struct backchannel_ref {
		sessionid4 session;
		uint32_t slot, seqid;
	} v[BACKCHANNEL_REFS_MAX];
};
FIBER_FN int backchannel_call_after(struct mds *mds, struct client *client, const struct nfs_cb_argop4 *op,
				    const struct backchannel_refs *refs, uint64_t deadline_ns, nfsstat4 *ret_status)
	MUST_CHECK;
/*
 * The same for CB_GETATTR of change and size: after NFS4_OK *@ret_attrs has what was told.
 */
struct backchannel_attrs {
	bool is_whole; /* both were told */
	uint64_t change, size;
};
FIBER_FN int backchannel_getattr(struct mds *mds, struct client *client, const struct nfs_cb_argop4 *op,
				 uint64_t deadline_ns, nfsstat4 *ret_status, struct backchannel_attrs *ret_attrs)
	MUST_CHECK;
/* backchannel_call() in a fiber of its own: nobody waits, a failure is counted.  @op is copied. */
void backchannel_notify(struct mds *mds, struct client *client, const struct nfs_cb_argop4 *op);

/* Whether a callback could be sent now. */
bool backchannel_has_path(const struct client *client) MUST_CHECK;

/* Of a new session that asked for callbacks (cb attributes are in it).  -ENOMEM. */
int backchannel_init(struct mds *mds, struct session *session) MUST_CHECK;
void backchannel_release(struct session *session);
/* At the start: number @seqid of slot @slot may have been sent before.  -EUCLEAN: it has no such slot. */
int backchannel_load_number(struct session *session, uint32_t slot, uint32_t seqid) MUST_CHECK;
/* A reply with this xid came on @conn: @msg lives during the call only.  False: nobody waits for it. */
bool backchannel_reply(struct conn *conn, uint32_t xid, const void *msg, uint32_t len);
/* @conn is gone: who waits on it tries elsewhere. */
void backchannel_conn_gone(struct conn *conn);
/* SEQ4_STATUS_CB_PATH_DOWN, _CB_PATH_DOWN_SESSION and _BACKCHANNEL_FAULT, as things stand. */
uint32_t backchannel_status_flags(const struct client *client, const struct session *session);

#endif
