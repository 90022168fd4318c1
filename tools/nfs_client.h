/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_NFS_CLIENT_H
#define LAMINA_TOOLS_NFS_CLIENT_H

/*
 * A client as a server knows it: its identity (RFC 8881, 2.4), its client id, its callback service.  Its sessions are
 * tools/nfs_session.h.
 *
 * Here and in nfs_session.h and nfs_file.h functions return 0, a negative errno if there was no usable answer
 * (nfs_conn.h, nfs_compound.h), or an nfsstat4, which is positive.
 */

#include "tools/nfs_callback.h"
#include "tools/nfs_compound.h"

struct nfs_identity {
	char owner[NFS4_OPAQUE_LIMIT]; /* co_ownerid */
	uint32_t owner_len;
	char verifier[NFS4_VERIFIER_SIZE];
	bool has_impl; /* eia_client_impl_id: */
	const char *impl_domain;
	const char *impl_name;
	nfstime4 impl_date;
	uint32_t flags; /* EXCHGID4_FLAG_* */
	uint32_t minorversion;
	struct nfs_cred cred;
};

struct nfs_client {
	struct reactor *reactor;
	struct nfs_identity identity;
	struct nfs_callback callback;
	uint64_t timeout_ns; /* of all that is sent for it */
	/* From EXCHANGE_ID: */
	uint64_t clientid;
	uint32_t sequenceid; /* for the next CREATE_SESSION */
	uint32_t flags;
	uint64_t server_minor;
	char server_major[NFS4_OPAQUE_LIMIT];
	uint32_t server_major_len;
	char server_scope[NFS4_OPAQUE_LIMIT];
	uint32_t server_scope_len;
	char server_name[256]; /* nii_name, cut; "": it did not say */
};

/* An identity nobody else has: owner and verifier from the reactor's dice, minor version 1, user 0. */
struct nfs_identity nfs_identity_random(struct reactor *r) MUST_CHECK;
void nfs_identity_set_owner(struct nfs_identity *identity, const char *owner);

void nfs_client_init(struct nfs_client *client, struct reactor *r, const struct nfs_identity *identity);
/* Its sessions are closed, its connections too. */
void nfs_client_release(struct nfs_client *client);

/* As nfs_conn_open(), with the client's callback service. */
FIBER_FN int nfs_client_connect(struct nfs_client *client, struct net *net, const struct sock_addr *addr,
				struct nfs_conn **ret_conn) MUST_CHECK;

/* The identity's compound begins in @c: minor version, user, time. */
void nfs_client_begin(const struct nfs_client *client, struct nfs_compound *c);
/* EXCHANGE_ID's arguments as the identity has them; they point into it. */
EXCHANGE_ID4args nfs_client_exchange_args(struct nfs_client *client) MUST_CHECK;
/* RFC 8881, 18.35; what the server answers is kept. */
FIBER_FN int nfs_client_exchange_id(struct nfs_client *client, struct nfs_conn *conn) MUST_CHECK;
/* RFC 8881, 18.50, without a session. */
FIBER_FN int nfs_client_destroy(struct nfs_client *client, struct nfs_conn *conn) MUST_CHECK;

#endif
