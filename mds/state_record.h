/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_STATE_RECORD_H
#define LAMINA_MDS_STATE_RECORD_H

/*
 * The server's state on disk: items of ZONE_STATE (extent/item.h).  obj is the client's id, so that all of a client
 * lies together; obj 0 is the server's own.  Values are these structs, followed by what they say; docs/format.md
 * describes them.
 */

#include "dev/le.h"
#include "extent/item.h"
#include "proto/nfs4.h"

enum record_type {
	RECORD_SERVER = 1,  /* obj 0, off 0 */
	RECORD_CLIENT = 2,  /* off 0; struct record_client, the owner's bytes, the implementation's text */
	RECORD_SESSION = 3, /* off = session number */
	RECORD_SLOT = 4,  /* off = session number: 36 | slot: 12 | part: 8; struct record_slot in part 0, the results'
			     bytes */
	RECORD_OPEN = 5,  /* off = state number; struct record_open, the owner's bytes */
	RECORD_LOCKS = 6, /* off = state number; struct record_locks, the owner's bytes: a lock stateid */
	RECORD_LOCK = 7,  /* off = number of the range; struct record_lock */
	RECORD_LAYOUT = 8,   /* off = state number; struct record_layout */
	RECORD_CALLBACK = 9, /* off = session number: 48 | slot: 8; struct record_callback */
	RECORD_DELEG = 10,   /* off = state number; struct record_deleg */
	RECORD_COPY = 11,    /* off = state number; struct record_copy */
	RECORD_GRANTS = 12,  /* off = state number: 50 | part: 6; runs of layout/grant.h, 16 bytes each */
	RECORD_KEY = 13,     /* obj 0, off = place in the table of keys (layout/fence.h); struct disk_fence_key */
};

struct record_open {
	struct le64 ino;
	struct le64 generation;
	struct le32 seqid;
	struct le32 revoked; /* nfsstat4 that every use gets; 0: none */
	uint8_t access;	     /* OPEN4_SHARE_ACCESS_... */
	uint8_t deny;
	struct le16 combos; /* struct open_share */
	uint8_t exclusive;  /* 1: made the file with verifier */
	uint8_t zero[7];
	uint8_t verifier[NFS4_VERIFIER_SIZE];
};

struct record_locks {
	struct le64 open; /* state number */
	struct le32 seqid;
	struct le32 revoked;
};

struct record_lock {
	struct le64 holder; /* state number of RECORD_LOCKS */
	struct le64 first;
	struct le64 last; /* the last byte, not the one behind */
	uint8_t write;
	uint8_t zero[7];
};

struct record_deleg {
	struct le64 ino;
	struct le64 generation;
	struct le64 change;  /* of the file when it was given */
	struct le32 revoked; /* as in struct record_open */
	uint8_t write;
	uint8_t zero[3];
	uint8_t fh[32]; /* the file handle that the client has */
};

struct record_copy_range {
	struct le64 ino;
	struct le64 generation;
	struct le64 off;
};

/* An asynchronous COPY. */
struct record_copy {
	struct record_copy_range src, dst;
	struct le64 len;
	struct le64 done; /* bytes, from the front, on stable storage */
	struct le64
		written; /* up to there the destination is as long as it should be: behind it only holes were made */
	struct le32 status; /* nfsstat4 at its end */
	uint8_t finished;
	uint8_t zero[3];
	uint8_t fh[32]; /* of the destination, as the client knows it */
};

static_assert(sizeof(struct record_copy) == 112, "copy");

struct record_layout {
	struct le64 ino;
	struct le64 generation;
	struct le64 key; /* of the client's host, on the devices */
	struct le32 seqid;
	struct le32 revoked; /* as in struct record_open */
	struct le32 nr_grants;
	uint8_t kind; /* enum layout_kind */
	uint8_t flags;
	struct le16 recall_time; /* how long it has been asked for, in units of RECORD_LAYOUT_RECALL_NS */
	uint8_t fh[32];		 /* the file handle that the client has */
};

#define RECORD_LAYOUT_RECALL_NS 100000000ull
/* record_layout.flags */
#define RECORD_LAYOUT_RETURN_ON_CLOSE 1u
#define RECORD_LAYOUT_RETURNED	      2u

static_assert(sizeof(struct record_layout) == 72, "layout");

#define RECORD_GRANTS_PART_BITS	  6
#define RECORD_LAYOUT_NUMBER_BITS (KEY_BITS_LOW - RECORD_GRANTS_PART_BITS)

static inline uint64_t record_grants_off(uint64_t number, unsigned int part)
{
	return number << RECORD_GRANTS_PART_BITS | part;
}

static inline struct key record_key(uint64_t client, enum record_type type, uint64_t off)
{
	return key_make(ZONE_STATE, client, (uint8_t)type, off);
}

#endif
