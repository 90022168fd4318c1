/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_PROTO_WIRE_PNFS_H
#define LAMINA_PROTO_WIRE_PNFS_H

/*
 * The opaque bodies of block and SCSI layouts, for both sides: layouts (loc_body), commits (lou_body) and device
 * addresses (da_addr_body).  @type is always LAYOUT4_BLOCK_VOLUME or LAYOUT4_SCSI; any other is -EINVAL.
 *
 * Lists are walked in place and so need no memory however long they are.  A body must be exactly as long as its count
 * says.
 */

#include "proto/pnfs_block.h"
#include "proto/wire_xdr.h"

/* Bytes of a body: the count, then one of these each. */
#define WIRE_EXTENT_SIZE 44
#define WIRE_RANGE_SIZE	 16
#define WIRE_LIST_HEAD	 4

/* How many extents fit into a layout's body of @bytes (loga_maxcount, less what counts besides). */
static inline uint32_t wire_extents_fit(uint32_t bytes)
{
	return bytes < WIRE_LIST_HEAD ? 0 : (bytes - WIRE_LIST_HEAD) / WIRE_EXTENT_SIZE;
}

/* A list that is being read. */
struct wire_extents_in {
	struct wire_dec dec;
	bool is_ranges; /* a SCSI commit */
	uint32_t nr;	/* how many there are */
	uint32_t next;
};

/* -EBADMSG: the body's length is not that of a list; -EINVAL: @type. */
int wire_layout_open(struct wire_extents_in *in, layouttype4 type, const void *body, uint32_t len) MUST_CHECK;
int wire_commit_open(struct wire_extents_in *in, layouttype4 type, const void *body, uint32_t len) MUST_CHECK;
/*
 * The next extent.  Of a range that a SCSI commit names only file offset and length are there, the state is
 * PNFS_BLOCK_READWRITE_DATA and the rest 0.  -ENOENT: that was the last; -EBADMSG: a state that there is not;
 * -EINVAL: length 0, or beyond 2^64 in file or volume.  Alignment is not looked at.
 */
int wire_extents_next(struct wire_extents_in *in, struct pnfs_block_extent4 *ret_extent) MUST_CHECK;

/* A list that is being written. */
struct wire_extents_out {
	struct wire_enc enc;
	bool is_ranges;
	uint32_t nr;
};

/* Into the @size bytes at @body.  -EMSGSIZE: not even an empty list fits; -EINVAL: @type. */
int wire_layout_begin(struct wire_extents_out *out, layouttype4 type, void *body, uint32_t size) MUST_CHECK;
int wire_commit_begin(struct wire_extents_out *out, layouttype4 type, void *body, uint32_t size) MUST_CHECK;
/* -EMSGSIZE: does not fit; nothing written. */
int wire_extents_add(struct wire_extents_out *out, const struct pnfs_block_extent4 *extent) MUST_CHECK;
/* Bytes of the body. */
uint32_t wire_extents_end(struct wire_extents_out *out) MUST_CHECK;

/*
 * Whether the volumes are a tree whose root is the last: a volume is made only of volumes before it; slices and
 * stripes are not empty; sets have members; @type has such volumes; an LU can be told by something.
 */
bool wire_device_is_sound(layouttype4 type, const struct pnfs_block_deviceaddr4 *addr) MUST_CHECK;
/* Arrays lie in @arena, contents in the body.  -EBADMSG: malformed or not sound; -ENOBUFS, -ENOMEM: @arena. */
int wire_device_decode(layouttype4 type, const void *body, uint32_t len, struct wire_arena *arena,
		       struct pnfs_block_deviceaddr4 *ret_addr) MUST_CHECK;
/*
 * @addr is sound.  -EMSGSIZE: does not fit into @size bytes; what it needs is wire_size(pnfs_block_deviceaddr4,
 * addr), for gdir_mincount.
 */
int wire_device_encode(layouttype4 type, const struct pnfs_block_deviceaddr4 *addr, void *body, uint32_t size,
		       uint32_t *ret_len) MUST_CHECK;

#endif
