/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: what supported_attrs names can be asked for, or set where it is settable, and nothing else; the same state
 * always gives the same bytes.
 *
 * Not offered: ACLs (rights are mode bits), quotas, named attributes, and of layouts layout_hint and mdsthreshold:
 * whether to use a layout is the client's affair.
 */

#include "mds/attr.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "extent/fs.h"
#include "mds/client.h"
#include "mds/config.h"
#include "mds/layout.h"
#include "mds/mds.h"

#define INODES_PER_BLOCK 8 /* what files_free assumes of free space: an inode with its name takes some 300 bytes */

/* Supported in both minor versions. */
static const uint8_t attrs_of_1[] = {
	FATTR4_SUPPORTED_ATTRS,
	FATTR4_TYPE,
	FATTR4_FH_EXPIRE_TYPE,
	FATTR4_CHANGE,
	FATTR4_SIZE,
	FATTR4_LINK_SUPPORT,
	FATTR4_SYMLINK_SUPPORT,
	FATTR4_NAMED_ATTR,
	FATTR4_FSID,
	FATTR4_UNIQUE_HANDLES,
	FATTR4_LEASE_TIME,
	FATTR4_RDATTR_ERROR,
	FATTR4_ACLSUPPORT,
	FATTR4_CANSETTIME,
	FATTR4_CASE_INSENSITIVE,
	FATTR4_CASE_PRESERVING,
	FATTR4_CHOWN_RESTRICTED,
	FATTR4_FILEHANDLE,
	FATTR4_FILEID,
	FATTR4_FILES_AVAIL,
	FATTR4_FILES_FREE,
	FATTR4_FILES_TOTAL,
	FATTR4_HOMOGENEOUS,
	FATTR4_MAXFILESIZE,
	FATTR4_MAXLINK,
	FATTR4_MAXNAME,
	FATTR4_MAXREAD,
	FATTR4_MAXWRITE,
	FATTR4_MODE,
	FATTR4_NO_TRUNC,
	FATTR4_NUMLINKS,
	FATTR4_OWNER,
	FATTR4_OWNER_GROUP,
	FATTR4_RAWDEV,
	FATTR4_SPACE_AVAIL,
	FATTR4_SPACE_FREE,
	FATTR4_SPACE_TOTAL,
	FATTR4_SPACE_USED,
	FATTR4_TIME_ACCESS,
	FATTR4_TIME_ACCESS_SET,
	FATTR4_TIME_CREATE,
	FATTR4_TIME_DELTA,
	FATTR4_TIME_METADATA,
	FATTR4_TIME_MODIFY,
	FATTR4_TIME_MODIFY_SET,
	FATTR4_MOUNTED_ON_FILEID,
	FATTR4_FS_LAYOUT_TYPES,
	FATTR4_LAYOUT_BLKSIZE,
	FATTR4_SUPPATTR_EXCLCREAT,
	FATTR4_OPEN_ARGUMENTS, /* it tells of 4.1's OPEN as well */
};
/* And from 4.2 on. */
static const uint8_t attrs_of_2[] = {
	FATTR4_CLONE_BLKSIZE,
	FATTR4_CHANGE_ATTR_TYPE,
	FATTR4_MODE_UMASK,
	FATTR4_XATTR_SUPPORT,
};

static void bits_set(struct bitmap4 *map, const uint8_t *bits, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		wire_bitmap_set(map, bits[i]);
}

struct attr_maps {
	bool made;
	struct bitmap4 supported, settable, creatable, exclcreat, write_only;
};

/* They are asked for with every attribute list, so made once for each minor version. */
static const struct attr_maps *maps_of(const struct compound *c)
{
	static struct attr_maps maps[2];
	struct attr_maps *m = &maps[c->minor >= 2];
	struct bitmap4 readable, writable;

	if (m->made)
		return m;
	readable = wire_attr_readable();
	writable = wire_attr_settable();
	bits_set(&m->supported, attrs_of_1, sizeof(attrs_of_1));
	if (c->minor >= 2)
		bits_set(&m->supported, attrs_of_2, sizeof(attrs_of_2));
	m->write_only = wire_bitmap_without(&writable, &readable);
	m->creatable = wire_bitmap_and(&m->supported, &writable);
	m->settable = m->creatable;
	wire_bitmap_clear(&m->settable, FATTR4_MODE_UMASK); /* RFC 8275, 4.1.1: only where something is made */
	/* These two keep the verifier of an exclusive create. */
	m->exclcreat = m->creatable;
	wire_bitmap_clear(&m->exclcreat, FATTR4_TIME_ACCESS_SET);
	wire_bitmap_clear(&m->exclcreat, FATTR4_TIME_MODIFY_SET);
	m->made = true;
	return m;
}

struct bitmap4 attr_supported(const struct compound *c)
{
	return maps_of(c)->supported;
}

struct bitmap4 attr_settable(const struct compound *c)
{
	return maps_of(c)->settable;
}

struct bitmap4 attr_creatable(const struct compound *c)
{
	return maps_of(c)->creatable;
}

struct bitmap4 attr_exclcreat(const struct compound *c)
{
	return maps_of(c)->exclcreat;
}

static nfs_ftype4 type_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return NF4DIR;
	case S_IFBLK:
		return NF4BLK;
	case S_IFCHR:
		return NF4CHR;
	case S_IFLNK:
		return NF4LNK;
	case S_IFSOCK:
		return NF4SOCK;
	case S_IFIFO:
		return NF4FIFO;
	default:
		return NF4REG;
	}
}

static struct nfstime4 time_of(struct inode_time t)
{
	return (struct nfstime4){ .seconds = t.sec, .nseconds = t.nsec };
}

static uint64_t le64_of(const uint8_t bytes[8])
{
	uint64_t x = 0;

	for (int i = 7; i >= 0; i--)
		x = x << 8 | bytes[i];
	return x;
}

/* READ and WRITE carry at most so much: a power of two, since clients cut files into such pieces. */
static uint64_t io_max(uint64_t message_bytes)
{
	uint64_t limit = min_u64(min_u64(DATA_IO_MAX, NFS4_DATA_MAX), message_bytes);
	uint64_t max = DADDR_BLOCK_SIZE;

	while (max * 2 <= limit)
		max *= 2;
	return max;
}

/* RFC 9754, 3: what OPEN understands. */
static void fill_open_arguments(struct open_arguments4 *oa)
{
	static const uint8_t access[] = { OPEN4_SHARE_ACCESS_READ, OPEN4_SHARE_ACCESS_WRITE,
					  OPEN4_SHARE_ACCESS_BOTH };
	static const uint8_t deny[] = { OPEN4_SHARE_DENY_NONE, OPEN4_SHARE_DENY_READ, OPEN4_SHARE_DENY_WRITE,
					OPEN4_SHARE_DENY_BOTH };
	static const uint8_t want[] = { OPEN_ARGS_SHARE_ACCESS_WANT_ANY_DELEG, OPEN_ARGS_SHARE_ACCESS_WANT_NO_DELEG,
					OPEN_ARGS_SHARE_ACCESS_WANT_CANCEL };
	static const uint8_t claim[] = { CLAIM_NULL, CLAIM_PREVIOUS, CLAIM_FH, CLAIM_DELEGATE_CUR,
					 CLAIM_DELEG_CUR_FH };
	static const uint8_t create[] = { UNCHECKED4, GUARDED4, EXCLUSIVE4, EXCLUSIVE4_1 };

	bits_set(&oa->oa_share_access, access, sizeof(access));
	bits_set(&oa->oa_share_deny, deny, sizeof(deny));
	bits_set(&oa->oa_share_access_want, want, sizeof(want));
	bits_set(&oa->oa_open_claim, claim, sizeof(claim));
	bits_set(&oa->oa_create_mode, create, sizeof(create));
}

/* What is the same for every object. */
static void fill_server(const struct compound *c, struct wire_attrs *a)
{
	const struct config *config = c->mds->config;

	a->supported_attrs = attr_supported(c);
	a->fh_expire_type = FH4_PERSISTENT;
	a->link_support = TRUE;
	a->symlink_support = TRUE;
	a->named_attr = FALSE;
	a->unique_handles = TRUE;
	a->lease_time = (uint32_t)config->lease_seconds;
	a->rdattr_error = NFS4_OK;
	a->aclsupport = 0;
	a->cansettime = TRUE;
	a->case_insensitive = FALSE;
	a->case_preserving = TRUE;
	a->chown_restricted = TRUE;
	a->homogeneous = TRUE;
	a->maxfilesize = INODE_SIZE_MAX;
	a->maxlink = INODE_NLINK_MAX;
	a->maxname = 255;
	a->maxread = io_max(config->limits.response_bytes);
	a->maxwrite = io_max(config->limits.request_bytes);
	a->no_trunc = TRUE;
	a->time_delta = (struct nfstime4){ .seconds = 0, .nseconds = 1 };
	a->suppattr_exclcreat = attr_exclcreat(c);
	a->clone_blksize = DADDR_BLOCK_SIZE;
	/* It rises with every change, though not always by one: one request may be several changes. */
	a->change_attr_type = NFS4_CHANGE_TYPE_IS_MONOTONIC_INCR;
	a->xattr_support = TRUE;
	if (wire_bitmap_test(&a->mask, FATTR4_OPEN_ARGUMENTS))
		fill_open_arguments(&a->open_arguments);
}

static void fill_space(const struct compound *c, struct wire_attrs *a)
{
	struct fs_stats s;

	fs_stats(c->mds->fs, &s);
	a->space_total = s.total_blocks * DADDR_BLOCK_SIZE;
	a->space_free = s.free_blocks * DADDR_BLOCK_SIZE;
	a->space_avail = a->space_free;
	a->files_free = s.free_blocks * INODES_PER_BLOCK;
	a->files_avail = a->files_free;
	a->files_total = s.inodes + a->files_free;
}

/*
 * Clients ask once for each fsid, at its root, and take the first type that they have a driver for; without a block
 * size of at most their page they use no layouts at all (Linux: set_pnfs_layoutdriver, bl_set_layoutdriver).
 */
static void fill_layouts(const struct compound *c, const struct fh *fh, struct attr_mem *mem, struct wire_attrs *a)
{
	unsigned int kinds = layout_kinds_of(c, fh), nr = 0;

	if (kinds & LAYOUT_SCSI)
		mem->layout_types[nr++] = LAYOUT4_SCSI;
	if (kinds & LAYOUT_BLOCK)
		mem->layout_types[nr++] = LAYOUT4_BLOCK_VOLUME;
	a->fs_layout_types.fattr4_fs_layout_types_val = mem->layout_types;
	a->fs_layout_types.fattr4_fs_layout_types_len = nr;
	a->layout_blksize = DADDR_BLOCK_SIZE;
}

static void fill_owner(uint32_t id, char text[12], utf8string *ret_string)
{
	int len = snprintf(text, 12, "%" PRIu32, id);

	ret_string->utf8string_val = text;
	ret_string->utf8string_len = (u_int)len;
}

static void fill_inode(const struct attr_of *of, struct attr_mem *mem, struct wire_attrs *a)
{
	const struct inode *inode = &of->inode;

	a->type = type_of(inode->mode);
	a->change = inode->change;
	a->size = inode->size;
	a->fileid = inode->ino;
	a->mode = inode->mode & 07777;
	a->numlinks = inode->nlink;
	fill_owner(inode->uid, mem->owner, &a->owner);
	fill_owner(inode->gid, mem->group, &a->owner_group);
	a->rawdev = (struct specdata4){ .specdata1 = inode->rdev_major, .specdata2 = inode->rdev_minor };
	a->space_used = inode->blocks * DADDR_BLOCK_SIZE;
	a->time_access = time_of(inode->atime);
	a->time_create = time_of(inode->btime);
	a->time_metadata = time_of(inode->ctime);
	a->time_modify = time_of(inode->mtime);
	a->mounted_on_fileid = of->mounted_on ? of->mounted_on : inode->ino;
}

/*
 * A node of the pseudo file system can change only with the configuration, so with a start of the server: that is the
 * time of all its times, and its change attribute.
 */
static nfsstat4 fill_node(const struct compound *c, const struct fh *fh, struct attr_mem *mem, struct wire_attrs *a)
{
	const struct export_node *node = export_node_by_id(c->mds->exports, fh->ino);
	uint64_t ns = c->mds->started_ns;
	struct inode_time started = inode_time_of(ns);
	struct attr_of of = { .inode = { .mode = S_IFDIR | 0555,
					 .change = ns,
					 .atime = started,
					 .mtime = started,
					 .ctime = started,
					 .btime = started } };

	if (!node)
		return NFS4ERR_STALE;
	of.inode.ino = node->id;
	of.inode.nlink = 2 + node->nr_children;
	of.inode.size = node->nr_children;
	fill_inode(&of, mem, a);
	return NFS4_OK;
}

static bool asks_for_space(const struct bitmap4 *asked)
{
	static const uint8_t bits[] = { FATTR4_FILES_AVAIL, FATTR4_FILES_FREE, FATTR4_FILES_TOTAL,
					FATTR4_SPACE_AVAIL, FATTR4_SPACE_FREE, FATTR4_SPACE_TOTAL };

	for (size_t i = 0; i < sizeof(bits); i++) {
		if (wire_bitmap_test(asked, bits[i]))
			return true;
	}
	return false;
}

static bool asks_for_any(const struct bitmap4 *asked, const struct bitmap4 *of)
{
	struct bitmap4 both = wire_bitmap_and(asked, of);

	return !wire_bitmap_is_empty(&both);
}

nfsstat4 attr_get(const struct compound *c, const struct attr_of *of, const struct bitmap4 *asked,
		  struct attr_mem *mem, struct wire_attrs *ret_attrs)
{
	const struct attr_maps *maps = maps_of(c);
	struct wire_attrs *a = ret_attrs;

	if (asks_for_any(asked, &maps->write_only))
		return NFS4ERR_INVAL;
	memset(a, 0, sizeof(*a));
	a->mask = wire_bitmap_and(asked, &maps->supported);
	fill_server(c, a);
	if (asks_for_space(asked))
		fill_space(c, a);
	/* One file system for each export, and one for what leads to them. */
	a->fsid.major = le64_of(c->mds->volume_tag);
	a->fsid.minor = of->fh.kind == FH_FILE ? of->fh.export->id : 0;
	fill_layouts(c, &of->fh, mem, a);
	fh_encode(c->mds, &of->fh, mem->fh);
	a->filehandle.nfs_fh4_val = (char *)mem->fh;
	a->filehandle.nfs_fh4_len = FH_SIZE;
	if (of->fh.kind != FH_FILE)
		return fill_node(c, &of->fh, mem, a);
	fill_inode(of, mem, a);
	return NFS4_OK;
}

nfsstat4 attr_encode(const struct compound *c, const struct attr_of *of, const struct bitmap4 *asked, void *buf,
		     uint32_t size, struct fattr4 *ret_fattr)
{
	struct wire_attrs attrs;
	struct attr_mem mem;
	nfsstat4 status;

	status = attr_get(c, of, asked, &mem, &attrs);
	if (status)
		return status;
	return wire_attrs_encode(&attrs, asked, buf, size, ret_fattr) ? NFS4ERR_TOOSMALL : NFS4_OK;
}

nfsstat4 attr_encode_error(nfsstat4 error, void *buf, uint32_t size, struct fattr4 *ret_fattr)
{
	struct wire_attrs attrs = { .rdattr_error = error };

	wire_bitmap_set(&attrs.mask, FATTR4_RDATTR_ERROR);
	return wire_attrs_encode(&attrs, &attrs.mask, buf, size, ret_fattr) ? NFS4ERR_TOOSMALL : NFS4_OK;
}
