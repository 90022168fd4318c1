/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_CLIENT_RECORD_H
#define LAMINA_MDS_CLIENT_RECORD_H

/* Values of the items of clients, sessions and slots (mds/state_record.h has the keys). */

#include "extent/format.h"
#include "mds/fh.h"
#include "mds/state_record.h"

struct record_server {
	struct le32 boot; /* starts of the server, so that client ids are never used again */
	struct le32 zero;
};

#define RECORD_CLIENT_RECLAIM_COMPLETE 1u
/* Its state was discarded; it may reclaim in the grace period.  It has no session, and its id is no longer valid. */
#define RECORD_CLIENT_DISCARDED 2u
#define RECORD_CLIENT_HAS_CRED	4u
/* It had a discarded state, and may reclaim until it says that it has (mds/grace.h). */
#define RECORD_CLIENT_CAN_RECLAIM 8u

struct record_client {
	uint8_t verifier[NFS4_VERIFIER_SIZE];
	struct le32 create_seq;
	struct le32 flags;
	struct le32 exchange_flags;
	struct le32 uid;
	struct le32 gid;
	struct le16 owner_len; /* the owner follows */
	struct le16 impl_len;  /* and this text */
};

struct record_channel {
	struct le32 request_max;
	struct le32 response_max;
	struct le32 cached_max;
	struct le32 operations;
	struct le32 requests;
};

#define RECORD_SESSION_CB_SYS 1u /* callbacks with AUTH_SYS, as cb_uid and cb_gid */

struct record_session {
	struct le32 flags; /* CREATE_SESSION4_FLAG_... */
	struct le32 cb_flags;
	struct le32 cb_program;
	struct le32 cb_uid;
	struct le32 cb_gid;
	struct record_channel fore, back;
};

#define RECORD_SLOT_UNCACHED	  1u /* the results were too long to be kept */
#define RECORD_SLOT_FH		  2u /* what follows, in this order, if its flag is set */
#define RECORD_SLOT_SAVED_FH	  4u
#define RECORD_SLOT_STATEID	  8u
#define RECORD_SLOT_SAVED_STATEID 16u

struct record_slot {
	struct le32 seqid;
	struct le32 nr_done;
	struct le64 digest;
	struct le32 len; /* bytes that follow, in all parts: file handles, stateids, results */
	struct le16 nr_parts;
	struct le16 flags;
};

#define RECORD_SLOT_BYTES_MAX 9000u
#define RECORD_SLOT_PARTS_MAX 3u
static_assert(sizeof(struct record_server) == 8, "server");
static_assert(sizeof(struct record_client) == 32, "client");
static_assert(sizeof(struct record_session) == 60, "session");
static_assert(sizeof(struct record_slot) == 24, "slot");
static_assert(RECORD_SLOT_PARTS_MAX * ITEM_VALUE_MAX >= RECORD_SLOT_BYTES_MAX + sizeof(struct record_slot), "parts");

/* A slot of the backchannel. */
struct record_callback {
	struct le32 seqid; /* the last number that may have been sent */
	struct le32 zero;
};

static inline uint64_t record_callback_off(uint64_t session, uint32_t slot)
{
	return session << 8 | slot;
}

static inline uint64_t record_slot_off(uint64_t session, uint32_t slot, unsigned int part)
{
	return session << 20 | (uint64_t)slot << 8 | part;
}

#endif
