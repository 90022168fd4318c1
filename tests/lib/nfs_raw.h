/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_NFS_RAW_H
#define LAMINA_TESTS_LIB_NFS_RAW_H

/* Clients, sessions and slots by hand: one request a call, with the status that it must have. */

#include "tests/lib/nfs_test.h"

/* What EXCHANGE_ID answered. */
struct nfs_raw_id {
	uint64_t clientid;
	uint32_t sequenceid;
	uint32_t flags;
};

/* EXCHANGE_ID over @conn as @identity says; zeros unless it succeeds. */
FIBER_FN struct nfs_raw_id nfs_raw_exchange(struct nfs_test *t, struct nfs_conn *conn,
					    const struct nfs_identity *identity, nfsstat4 want);

/* What a client usually asks for, with a back channel. */
CREATE_SESSION4args nfs_raw_create_args(const struct nfs_raw_id *id) MUST_CHECK;
/* CREATE_SESSION over @conn by user 0, or @cred; zeros unless it succeeds. */
FIBER_FN CREATE_SESSION4resok nfs_raw_create(struct nfs_test *t, struct nfs_conn *conn, const struct nfs_cred *cred,
					     const CREATE_SESSION4args *args, nfsstat4 want);
/* A session with all defaults of a new client, or of one that is known. */
FIBER_FN CREATE_SESSION4resok nfs_raw_session(struct nfs_test *t, struct nfs_conn *conn,
					      const struct nfs_identity *identity);

/* t->c begins with this SEQUENCE; cachethis is set. */
void nfs_raw_begin(struct nfs_test *t, const char *sessionid, uint32_t slot, uint32_t seqid);
/* As if it had other slots in use, too. */
void nfs_raw_begin_highest(struct nfs_test *t, const char *sessionid, uint32_t slot, uint32_t seqid,
			   uint32_t highest);
/* Without sa_cachethis. */
void nfs_raw_begin_uncached(struct nfs_test *t, const char *sessionid, uint32_t slot, uint32_t seqid);
/* A lone SEQUENCE over @conn. */
FIBER_FN void nfs_raw_sequence(struct nfs_test *t, struct nfs_conn *conn, const char *sessionid, uint32_t slot,
			       uint32_t seqid, nfsstat4 want);
/* What the SEQUENCE of t->c answered. */
SEQUENCE4resok nfs_raw_sequence_got(struct nfs_test *t);
/* Send the same bytes again over @conn: the answer in t->c, whose status must be @want. */
FIBER_FN void nfs_raw_again(struct nfs_test *t, struct nfs_conn *conn, nfsstat4 want);

FIBER_FN void nfs_raw_destroy_session(struct nfs_test *t, struct nfs_conn *conn, const char *sessionid,
				      nfsstat4 want);
FIBER_FN void nfs_raw_destroy_client(struct nfs_test *t, struct nfs_conn *conn, uint64_t clientid, nfsstat4 want);
/* BIND_CONN_TO_SESSION; returns the directions that were granted. */
FIBER_FN uint32_t nfs_raw_bind(struct nfs_test *t, struct nfs_conn *conn, const char *sessionid,
			       channel_dir_from_client4 dir, nfsstat4 want);

/* The server is killed and started again, and @conn made again. */
FIBER_FN void nfs_raw_crash(struct nfs_test *t, struct nfs_conn *conn);

#endif
