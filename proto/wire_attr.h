/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_PROTO_WIRE_ATTR_H
#define LAMINA_PROTO_WIRE_ATTR_H

/*
 * File attributes (RFC 8881, 5; RFC 7862, 12; RFC 8275, 8276, 9754): between fattr4, a mask and a string of values in
 * the order of their numbers, and a struct with a field for each.
 *
 * A value can only be found by decoding all that come before it, so a bit whose attribute is not known ends all
 * decoding: it is -EOPNOTSUPP, which a server answers with NFS4ERR_ATTRNOTSUPP (5.5 and 5.6 of RFC 8881: attributes
 * that are not supported are refused in SETATTR, CREATE, OPEN, VERIFY and NVERIFY, and left out in GETATTR).
 */

#include "proto/nfs4.h"
#include "proto/wire_bitmap.h"
#include "proto/wire_xdr.h"

/* Every attribute: name, field, whether it can be read (R), set (W) or both (RW). */
#define WIRE_ATTRS(X)                                                                                                \
	X(SUPPORTED_ATTRS, supported_attrs, R)                                                                       \
	X(TYPE, type, R)                                                                                             \
	X(FH_EXPIRE_TYPE, fh_expire_type, R)                                                                         \
	X(CHANGE, change, R)                                                                                         \
	X(SIZE, size, RW)                                                                                            \
	X(LINK_SUPPORT, link_support, R)                                                                             \
	X(SYMLINK_SUPPORT, symlink_support, R)                                                                       \
	X(NAMED_ATTR, named_attr, R)                                                                                 \
	X(FSID, fsid, R)                                                                                             \
	X(UNIQUE_HANDLES, unique_handles, R)                                                                         \
	X(LEASE_TIME, lease_time, R)                                                                                 \
	X(RDATTR_ERROR, rdattr_error, R)                                                                             \
	X(ACL, acl, RW)                                                                                              \
	X(ACLSUPPORT, aclsupport, R)                                                                                 \
	X(ARCHIVE, archive, RW)                                                                                      \
	X(CANSETTIME, cansettime, R)                                                                                 \
	X(CASE_INSENSITIVE, case_insensitive, R)                                                                     \
	X(CASE_PRESERVING, case_preserving, R)                                                                       \
	X(CHOWN_RESTRICTED, chown_restricted, R)                                                                     \
	X(FILEHANDLE, filehandle, R)                                                                                 \
	X(FILEID, fileid, R)                                                                                         \
	X(FILES_AVAIL, files_avail, R)                                                                               \
	X(FILES_FREE, files_free, R)                                                                                 \
	X(FILES_TOTAL, files_total, R)                                                                               \
	X(FS_LOCATIONS, fs_locations, R)                                                                             \
	X(HIDDEN, hidden, RW)                                                                                        \
	X(HOMOGENEOUS, homogeneous, R)                                                                               \
	X(MAXFILESIZE, maxfilesize, R)                                                                               \
	X(MAXLINK, maxlink, R)                                                                                       \
	X(MAXNAME, maxname, R)                                                                                       \
	X(MAXREAD, maxread, R)                                                                                       \
	X(MAXWRITE, maxwrite, R)                                                                                     \
	X(MIMETYPE, mimetype, RW)                                                                                    \
	X(MODE, mode, RW)                                                                                            \
	X(NO_TRUNC, no_trunc, R)                                                                                     \
	X(NUMLINKS, numlinks, R)                                                                                     \
	X(OWNER, owner, RW)                                                                                          \
	X(OWNER_GROUP, owner_group, RW)                                                                              \
	X(QUOTA_AVAIL_HARD, quota_avail_hard, R)                                                                     \
	X(QUOTA_AVAIL_SOFT, quota_avail_soft, R)                                                                     \
	X(QUOTA_USED, quota_used, R)                                                                                 \
	X(RAWDEV, rawdev, R)                                                                                         \
	X(SPACE_AVAIL, space_avail, R)                                                                               \
	X(SPACE_FREE, space_free, R)                                                                                 \
	X(SPACE_TOTAL, space_total, R)                                                                               \
	X(SPACE_USED, space_used, R)                                                                                 \
	X(SYSTEM, system, RW)                                                                                        \
	X(TIME_ACCESS, time_access, R)                                                                               \
	X(TIME_ACCESS_SET, time_access_set, W)                                                                       \
	X(TIME_BACKUP, time_backup, RW)                                                                              \
	X(TIME_CREATE, time_create, RW)                                                                              \
	X(TIME_DELTA, time_delta, R)                                                                                 \
	X(TIME_METADATA, time_metadata, R)                                                                           \
	X(TIME_MODIFY, time_modify, R)                                                                               \
	X(TIME_MODIFY_SET, time_modify_set, W)                                                                       \
	X(MOUNTED_ON_FILEID, mounted_on_fileid, R)                                                                   \
	X(DIR_NOTIF_DELAY, dir_notif_delay, R)                                                                       \
	X(DIRENT_NOTIF_DELAY, dirent_notif_delay, R)                                                                 \
	X(DACL, dacl, RW)                                                                                            \
	X(SACL, sacl, RW)                                                                                            \
	X(CHANGE_POLICY, change_policy, R)                                                                           \
	X(FS_STATUS, fs_status, R)                                                                                   \
	X(FS_LAYOUT_TYPES, fs_layout_types, R)                                                                       \
	X(LAYOUT_HINT, layout_hint, W)                                                                               \
	X(LAYOUT_TYPES, layout_types, R)                                                                             \
	X(LAYOUT_BLKSIZE, layout_blksize, R)                                                                         \
	X(LAYOUT_ALIGNMENT, layout_alignment, R)                                                                     \
	X(FS_LOCATIONS_INFO, fs_locations_info, R)                                                                   \
	X(MDSTHRESHOLD, mdsthreshold, R)                                                                             \
	X(RETENTION_GET, retention_get, R)                                                                           \
	X(RETENTION_SET, retention_set, W)                                                                           \
	X(RETENTEVT_GET, retentevt_get, R)                                                                           \
	X(RETENTEVT_SET, retentevt_set, W)                                                                           \
	X(RETENTION_HOLD, retention_hold, RW)                                                                        \
	X(MODE_SET_MASKED, mode_set_masked, W)                                                                       \
	X(SUPPATTR_EXCLCREAT, suppattr_exclcreat, R)                                                                 \
	X(FS_CHARSET_CAP, fs_charset_cap, R)                                                                         \
	X(CLONE_BLKSIZE, clone_blksize, R)                                                                           \
	X(SPACE_FREED, space_freed, R)                                                                               \
	X(CHANGE_ATTR_TYPE, change_attr_type, R)                                                                     \
	X(SEC_LABEL, sec_label, RW)                                                                                  \
	X(MODE_UMASK, mode_umask, W)                                                                                 \
	X(XATTR_SUPPORT, xattr_support, R)                                                                           \
	X(OFFLINE, offline, R)                                                                                       \
	X(TIME_DELEG_ACCESS, time_deleg_access, RW)                                                                  \
	X(TIME_DELEG_MODIFY, time_deleg_modify, RW)                                                                  \
	X(OPEN_ARGUMENTS, open_arguments, R)

/* Attributes of one object; a field counts where its bit in @mask is set. */
struct wire_attrs {
	struct bitmap4 mask;
#define WIRE_ATTR_FIELD(name, field, access) fattr4_##field field;
	WIRE_ATTRS(WIRE_ATTR_FIELD)
#undef WIRE_ATTR_FIELD
};

/* The attribute's name in the RFC, in small letters; NULL: no such attribute. */
const char *wire_attr_name(uint32_t attr) MUST_CHECK;
/* All attributes that GETATTR may ask for: the others there are NFS4ERR_INVAL (RFC 8881, 5.5). */
struct bitmap4 wire_attr_readable(void) MUST_CHECK;
/* All attributes that SETATTR may set; another one there is NFS4ERR_INVAL as well. */
struct bitmap4 wire_attr_settable(void) MUST_CHECK;

/*
 * Decode what @fattr holds.  Its mask must be within @supported, which names only attributes of WIRE_ATTRS.
 * -EOPNOTSUPP: it is not; -EBADMSG: the values are not what the mask says, to the last byte; -ENOBUFS, -ENOMEM:
 * @arena.
 */
int wire_attrs_decode(const struct fattr4 *fattr, const struct bitmap4 *supported, struct wire_arena *arena,
		      struct wire_attrs *ret_attrs) MUST_CHECK;

/*
 * Encode what is both in @attrs and in @asked: the values into the @size bytes at @buf, which *@ret_fattr then points
 * into.  The same attributes always give the same bytes, so VERIFY may compare them.  -EMSGSIZE: does not fit.
 */
int wire_attrs_encode(const struct wire_attrs *attrs, const struct bitmap4 *asked, void *buf, uint32_t size,
		      struct fattr4 *ret_fattr) MUST_CHECK;

#endif
