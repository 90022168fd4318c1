/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_NFS_OP_H
#define LAMINA_TOOLS_NFS_OP_H

/*
 * The operations of a compound, a function each, which returns the operation's index; and what they answered.  Where
 * a test needs something odd it fills an nfs_argop4 and calls nfs_compound_add().
 *
 * Sections are those of RFC 8881, if not said otherwise.
 */

#include "proto/wire_attr.h"
#include "proto/wire_dir.h"
#include "tools/nfs_compound.h"

/* A file handle by value. */
struct nfs_fh {
	uint32_t len;
	char bytes[NFS4_FHSIZE];
};

/* A string with its length: names may have any bytes. */
struct nfs_str {
	const char *bytes;
	uint32_t len;
};
struct nfs_str nfs_str(const char *text);

/* A set of attributes: NFS_ATTRS(FATTR4_TYPE, FATTR4_SIZE) */
#define NFS_ATTRS(...)                                                                                               \
	nfs_op_attr_set((const uint32_t[]){ __VA_ARGS__ },                                                           \
			sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))
struct bitmap4 nfs_op_attr_set(const uint32_t *attrs, size_t nr) MUST_CHECK;

/* 8.2.3: the special ones. */
extern const stateid4 nfs_stateid_anonymous;
extern const stateid4 nfs_stateid_bypass;
extern const stateid4 nfs_stateid_current;
extern const stateid4 nfs_stateid_invalid;

/* Current and saved file handle: 18.8, 18.19, 18.20, 18.21, 18.27, 18.28 */
uint32_t nfs_op_putrootfh(struct nfs_compound *c);
uint32_t nfs_op_putpubfh(struct nfs_compound *c);
uint32_t nfs_op_putfh(struct nfs_compound *c, const struct nfs_fh *fh);
uint32_t nfs_op_getfh(struct nfs_compound *c);
uint32_t nfs_op_savefh(struct nfs_compound *c);
uint32_t nfs_op_restorefh(struct nfs_compound *c);
/* 18.13, 18.14 */
uint32_t nfs_op_lookup(struct nfs_compound *c, const char *name);
uint32_t nfs_op_lookup_str(struct nfs_compound *c, struct nfs_str name);
uint32_t nfs_op_lookupp(struct nfs_compound *c);
/* 18.1, 18.7, 18.30, 18.31, 18.15; attributes are those of attrs->mask. */
uint32_t nfs_op_access(struct nfs_compound *c, uint32_t access);
uint32_t nfs_op_getattr(struct nfs_compound *c, struct bitmap4 attrs);
uint32_t nfs_op_setattr(struct nfs_compound *c, const stateid4 *stateid, const struct wire_attrs *attrs);
uint32_t nfs_op_verify(struct nfs_compound *c, const struct wire_attrs *attrs);
uint32_t nfs_op_nverify(struct nfs_compound *c, const struct wire_attrs *attrs);
/* 18.4: anything but a regular file; @target of a symbolic link, @dev of a device.  @attrs NULL: none. */
uint32_t nfs_op_create(struct nfs_compound *c, nfs_ftype4 type, const char *name, const struct wire_attrs *attrs);
uint32_t nfs_op_create_str(struct nfs_compound *c, nfs_ftype4 type, struct nfs_str name, struct nfs_str target,
			   specdata4 dev, const struct wire_attrs *attrs);
uint32_t nfs_op_mkdir(struct nfs_compound *c, const char *name, uint32_t mode);
uint32_t nfs_op_symlink(struct nfs_compound *c, const char *name, const char *target);
/* 18.24, 18.25, 18.26, 18.9: RENAME and LINK from the saved file handle. */
uint32_t nfs_op_readlink(struct nfs_compound *c);
uint32_t nfs_op_remove(struct nfs_compound *c, const char *name);
uint32_t nfs_op_rename(struct nfs_compound *c, const char *from, const char *to);
uint32_t nfs_op_link(struct nfs_compound *c, const char *name);
/* 18.23 */
struct nfs_readdir {
	uint64_t cookie;
	char verifier[NFS4_VERIFIER_SIZE];
	uint32_t dircount;
	uint32_t maxcount;
	struct bitmap4 attrs;
};
uint32_t nfs_op_readdir(struct nfs_compound *c, const struct nfs_readdir *readdir);
/* 18.29, 18.45 */
uint32_t nfs_op_secinfo(struct nfs_compound *c, const char *name);
uint32_t nfs_op_secinfo_no_name(struct nfs_compound *c, secinfo_style4 style);

/* 18.16 */
struct nfs_open {
	uint32_t access; /* OPEN4_SHARE_ACCESS_*; 0: both, and no delegation wanted */
	uint32_t deny;
	const char *owner; /* NULL: "owner" */
	const char *name;  /* CLAIM_NULL; NULL: CLAIM_FH, the current file handle */
	bool creates;
	createmode4 mode;
	const struct wire_attrs *attrs; /* of what is created; NULL: none */
	char verifier[NFS4_VERIFIER_SIZE];
	uint32_t seqid;	   /* means nothing since 4.1 */
	uint64_t clientid; /* likewise */
};
#define NFS_OPEN_READ  (OPEN4_SHARE_ACCESS_READ | OPEN4_SHARE_ACCESS_WANT_NO_DELEG)
#define NFS_OPEN_WRITE (OPEN4_SHARE_ACCESS_WRITE | OPEN4_SHARE_ACCESS_WANT_NO_DELEG)
#define NFS_OPEN_BOTH  (OPEN4_SHARE_ACCESS_BOTH | OPEN4_SHARE_ACCESS_WANT_NO_DELEG)
uint32_t nfs_op_open(struct nfs_compound *c, const struct nfs_open *open);
/* 18.2, 18.18 */
uint32_t nfs_op_close(struct nfs_compound *c, const stateid4 *stateid);
uint32_t nfs_op_open_downgrade(struct nfs_compound *c, const stateid4 *stateid, uint32_t access, uint32_t deny);
/* 18.22, 18.32, 18.3 */
uint32_t nfs_op_read(struct nfs_compound *c, const stateid4 *stateid, uint64_t offset, uint32_t count);
uint32_t nfs_op_write(struct nfs_compound *c, const stateid4 *stateid, uint64_t offset, stable_how4 stable,
		      const void *bytes, uint32_t len);
uint32_t nfs_op_commit(struct nfs_compound *c, uint64_t offset, uint32_t count);
/* 18.10, 18.11, 18.12: with the open's state id the first time, then with the lock's. */
struct nfs_lock {
	nfs_lock_type4 type;
	bool reclaim;
	uint64_t offset;
	uint64_t length;
	const char *owner; /* NULL: "locker" */
	uint64_t clientid; /* means nothing since 4.1 */
};
uint32_t nfs_op_lock_first(struct nfs_compound *c, const stateid4 *open_stateid, const struct nfs_lock *lock);
uint32_t nfs_op_lock(struct nfs_compound *c, const stateid4 *lock_stateid, const struct nfs_lock *lock);
uint32_t nfs_op_lockt(struct nfs_compound *c, const struct nfs_lock *lock);
uint32_t nfs_op_locku(struct nfs_compound *c, const stateid4 *lock_stateid, const struct nfs_lock *lock);

/* 18.35, 18.36, 18.46, 18.48, 18.38, 18.51, 18.37, 18.50, 18.34, 18.5, 18.6 */
uint32_t nfs_op_exchange_id(struct nfs_compound *c, const EXCHANGE_ID4args *args);
uint32_t nfs_op_create_session(struct nfs_compound *c, const CREATE_SESSION4args *args);
uint32_t nfs_op_sequence(struct nfs_compound *c, const SEQUENCE4args *args);
uint32_t nfs_op_test_stateid(struct nfs_compound *c, const stateid4 *stateids, uint32_t nr);
uint32_t nfs_op_free_stateid(struct nfs_compound *c, const stateid4 *stateid);
uint32_t nfs_op_reclaim_complete(struct nfs_compound *c, bool one_fs);
uint32_t nfs_op_destroy_session(struct nfs_compound *c, const char sessionid[NFS4_SESSIONID_SIZE]);
uint32_t nfs_op_destroy_clientid(struct nfs_compound *c, uint64_t clientid);
uint32_t nfs_op_bind_conn(struct nfs_compound *c, const char sessionid[NFS4_SESSIONID_SIZE],
			  channel_dir_from_client4 dir);
uint32_t nfs_op_delegreturn(struct nfs_compound *c, const stateid4 *stateid);
/* An operation without arguments, or whose arguments are all zeros. */
uint32_t nfs_op_plain(struct nfs_compound *c, uint32_t op);

/* RFC 7862, 15.1, 15.4, 15.11, 15.10, 15.13, 15.2, 15.8, 15.9 */
uint32_t nfs_op_allocate(struct nfs_compound *c, const stateid4 *stateid, uint64_t offset, uint64_t length);
uint32_t nfs_op_deallocate(struct nfs_compound *c, const stateid4 *stateid, uint64_t offset, uint64_t length);
uint32_t nfs_op_seek(struct nfs_compound *c, const stateid4 *stateid, uint64_t offset, data_content4 what);
uint32_t nfs_op_read_plus(struct nfs_compound *c, const stateid4 *stateid, uint64_t offset, uint32_t count);
/* From the saved file handle to the current. */
struct nfs_copy {
	stateid4 src;
	stateid4 dst;
	uint64_t src_offset;
	uint64_t dst_offset;
	uint64_t count;
	bool synchronous;
};
uint32_t nfs_op_clone(struct nfs_compound *c, const struct nfs_copy *copy);
uint32_t nfs_op_copy(struct nfs_compound *c, const struct nfs_copy *copy);
uint32_t nfs_op_offload_status(struct nfs_compound *c, const stateid4 *stateid);
uint32_t nfs_op_offload_cancel(struct nfs_compound *c, const stateid4 *stateid);
/* RFC 8276, 8.4 */
uint32_t nfs_op_getxattr(struct nfs_compound *c, const char *name);
uint32_t nfs_op_setxattr(struct nfs_compound *c, setxattr_option4 option, const char *name, const void *value,
			 uint32_t len);
uint32_t nfs_op_listxattrs(struct nfs_compound *c, uint64_t cookie, uint32_t maxcount);
uint32_t nfs_op_removexattr(struct nfs_compound *c, const char *name);

/*
 * What the operation with this index answered.  -ENODATA: it was not reached, did not succeed, or is another
 * operation.  What results point to lives until the compound begins anew.
 */
int nfs_op_got_fh(const struct nfs_compound *c, uint32_t index, struct nfs_fh *ret_fh) MUST_CHECK;
/* -EBADMSG, -EOPNOTSUPP: the values do not fit their mask, or attributes that nobody knows. */
int nfs_op_got_attrs(struct nfs_compound *c, uint32_t index, struct wire_attrs *ret_attrs) MUST_CHECK;
int nfs_op_got_open(const struct nfs_compound *c, uint32_t index, OPEN4resok *ret_open) MUST_CHECK;
int nfs_op_got_read(const struct nfs_compound *c, uint32_t index, READ4resok *ret_read) MUST_CHECK;
int nfs_op_got_write(const struct nfs_compound *c, uint32_t index, WRITE4resok *ret_write) MUST_CHECK;
/* Of OPEN, CLOSE, OPEN_DOWNGRADE, LOCK, LOCKU. */
int nfs_op_got_stateid(const struct nfs_compound *c, uint32_t index, stateid4 *ret_stateid) MUST_CHECK;
int nfs_op_got_readdir(const struct nfs_compound *c, uint32_t index, READDIR4resok *ret_dir) MUST_CHECK;
/* Of CREATE, OPEN, REMOVE, LINK, and RENAME's target. */
int nfs_op_got_change(const struct nfs_compound *c, uint32_t index, change_info4 *ret_change) MUST_CHECK;
/* The attributes of a READDIR entry or another fattr4. */
int nfs_op_attrs_of(struct nfs_compound *c, const struct fattr4 *fattr, struct wire_attrs *ret_attrs) MUST_CHECK;

#endif
