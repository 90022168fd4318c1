/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: each function adds its one operation, saying what the caller said and nothing of its own. */

#include "tools/nfs_op.h"

#include <string.h>

#define ATTRS_ROOM 4096

const stateid4 nfs_stateid_anonymous = { 0 };
const stateid4 nfs_stateid_bypass = { NFS4_UINT32_MAX, { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 } };
const stateid4 nfs_stateid_current = { 1, { 0 } };
const stateid4 nfs_stateid_invalid = { NFS4_UINT32_MAX, { 0 } };

/* The encoders' pointers serve both directions; encoding does not write through them. */
static char *unconst(const void *bytes)
{
	return (char *)(uintptr_t)bytes;
}

struct nfs_str nfs_str(const char *text)
{
	return (struct nfs_str){ text, text ? (uint32_t)strlen(text) : 0 };
}

static component4 component(struct nfs_str name)
{
	return (component4){ name.len, unconst(name.bytes) };
}

static component4 named(const char *name)
{
	return component(nfs_str(name));
}

static state_owner4 state_owner(uint64_t clientid, const char *owner, const char *otherwise)
{
	struct nfs_str str = nfs_str(owner ? owner : otherwise);

	return (state_owner4){ .clientid = clientid, .owner = { str.len, unconst(str.bytes) } };
}

struct bitmap4 nfs_op_attr_set(const uint32_t *attrs, size_t nr)
{
	struct bitmap4 map = { 0 };

	for (size_t i = 0; i < nr; i++)
		wire_bitmap_set(&map, attrs[i]);
	return map;
}

/* The attributes as they go on the wire; if that fails, so does the compound. */
static fattr4 fattr(struct nfs_compound *c, const struct wire_attrs *attrs)
{
	struct fattr4 ret = { 0 };
	int err = attrs ? -EMSGSIZE : 0;

	for (uint32_t size = ATTRS_ROOM; err == -EMSGSIZE && size <= NFS4_ATTRLIST_MAX; size *= 4) {
		void *buf = wire_arena_alloc(&c->args_arena, size);

		err = buf ? wire_attrs_encode(attrs, &attrs->mask, buf, size, &ret) : -ENOMEM;
	}
	if (err && !c->err)
		c->err = err;
	return ret;
}

uint32_t nfs_op_plain(struct nfs_compound *c, uint32_t op)
{
	struct nfs_argop4 arg = { .argop = (nfs_opnum4)op };

	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_putrootfh(struct nfs_compound *c)
{
	return nfs_op_plain(c, OP_PUTROOTFH);
}

uint32_t nfs_op_putpubfh(struct nfs_compound *c)
{
	return nfs_op_plain(c, OP_PUTPUBFH);
}

uint32_t nfs_op_putfh(struct nfs_compound *c, const struct nfs_fh *fh)
{
	struct nfs_argop4 arg = { .argop = OP_PUTFH };

	arg.nfs_argop4_u.opputfh.object = (nfs_fh4){ fh->len, unconst(fh->bytes) };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_getfh(struct nfs_compound *c)
{
	return nfs_op_plain(c, OP_GETFH);
}

uint32_t nfs_op_savefh(struct nfs_compound *c)
{
	return nfs_op_plain(c, OP_SAVEFH);
}

uint32_t nfs_op_restorefh(struct nfs_compound *c)
{
	return nfs_op_plain(c, OP_RESTOREFH);
}

uint32_t nfs_op_lookup_str(struct nfs_compound *c, struct nfs_str name)
{
	struct nfs_argop4 arg = { .argop = OP_LOOKUP };

	arg.nfs_argop4_u.oplookup.objname = component(name);
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_lookup(struct nfs_compound *c, const char *name)
{
	return nfs_op_lookup_str(c, nfs_str(name));
}

uint32_t nfs_op_lookupp(struct nfs_compound *c)
{
	return nfs_op_plain(c, OP_LOOKUPP);
}

uint32_t nfs_op_access(struct nfs_compound *c, uint32_t access)
{
	struct nfs_argop4 arg = { .argop = OP_ACCESS };

	arg.nfs_argop4_u.opaccess.access = access;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_getattr(struct nfs_compound *c, struct bitmap4 attrs)
{
	struct nfs_argop4 arg = { .argop = OP_GETATTR };

	arg.nfs_argop4_u.opgetattr.attr_request = attrs;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_setattr(struct nfs_compound *c, const stateid4 *stateid, const struct wire_attrs *attrs)
{
	struct nfs_argop4 arg = { .argop = OP_SETATTR };

	arg.nfs_argop4_u.opsetattr = (SETATTR4args){ .stateid = *stateid, .obj_attributes = fattr(c, attrs) };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_verify(struct nfs_compound *c, const struct wire_attrs *attrs)
{
	struct nfs_argop4 arg = { .argop = OP_VERIFY };

	arg.nfs_argop4_u.opverify.obj_attributes = fattr(c, attrs);
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_nverify(struct nfs_compound *c, const struct wire_attrs *attrs)
{
	struct nfs_argop4 arg = { .argop = OP_NVERIFY };

	arg.nfs_argop4_u.opnverify.obj_attributes = fattr(c, attrs);
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_create_str(struct nfs_compound *c, nfs_ftype4 type, struct nfs_str name, struct nfs_str target,
			   specdata4 dev, const struct wire_attrs *attrs)
{
	struct nfs_argop4 arg = { .argop = OP_CREATE };
	CREATE4args *create = &arg.nfs_argop4_u.opcreate;

	create->objtype.type = type;
	if (type == NF4LNK)
		create->objtype.createtype4_u.linkdata = (linktext4){ target.len, unconst(target.bytes) };
	else if (type == NF4BLK || type == NF4CHR)
		create->objtype.createtype4_u.devdata = dev;
	create->objname = component(name);
	create->createattrs = fattr(c, attrs);
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_create(struct nfs_compound *c, nfs_ftype4 type, const char *name, const struct wire_attrs *attrs)
{
	return nfs_op_create_str(c, type, nfs_str(name), nfs_str(NULL), (specdata4){ 0 }, attrs);
}

uint32_t nfs_op_mkdir(struct nfs_compound *c, const char *name, uint32_t mode)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = mode };

	return nfs_op_create(c, NF4DIR, name, &attrs);
}

uint32_t nfs_op_symlink(struct nfs_compound *c, const char *name, const char *target)
{
	return nfs_op_create_str(c, NF4LNK, nfs_str(name), nfs_str(target), (specdata4){ 0 }, NULL);
}

uint32_t nfs_op_readlink(struct nfs_compound *c)
{
	return nfs_op_plain(c, OP_READLINK);
}

uint32_t nfs_op_remove(struct nfs_compound *c, const char *name)
{
	struct nfs_argop4 arg = { .argop = OP_REMOVE };

	arg.nfs_argop4_u.opremove.target = named(name);
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_rename(struct nfs_compound *c, const char *from, const char *to)
{
	struct nfs_argop4 arg = { .argop = OP_RENAME };

	arg.nfs_argop4_u.oprename = (RENAME4args){ named(from), named(to) };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_link(struct nfs_compound *c, const char *name)
{
	struct nfs_argop4 arg = { .argop = OP_LINK };

	arg.nfs_argop4_u.oplink.newname = named(name);
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_readdir(struct nfs_compound *c, const struct nfs_readdir *readdir)
{
	struct nfs_argop4 arg = { .argop = OP_READDIR };
	READDIR4args *args = &arg.nfs_argop4_u.opreaddir;

	*args = (READDIR4args){ .cookie = readdir->cookie,
				.dircount = readdir->dircount,
				.maxcount = readdir->maxcount,
				.attr_request = readdir->attrs };
	memcpy(args->cookieverf, readdir->verifier, sizeof(args->cookieverf));
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_secinfo(struct nfs_compound *c, const char *name)
{
	struct nfs_argop4 arg = { .argop = OP_SECINFO };

	arg.nfs_argop4_u.opsecinfo.name = named(name);
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_secinfo_no_name(struct nfs_compound *c, secinfo_style4 style)
{
	struct nfs_argop4 arg = { .argop = OP_SECINFO_NO_NAME };

	arg.nfs_argop4_u.opsecinfo_no_name = style;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_open(struct nfs_compound *c, const struct nfs_open *open)
{
	struct nfs_argop4 arg = { .argop = OP_OPEN };
	OPEN4args *args = &arg.nfs_argop4_u.opopen;
	createhow4 *how = &args->openhow.openflag4_u.how;

	args->seqid = open->seqid;
	args->share_access = open->access ? open->access : (uint32_t)NFS_OPEN_BOTH;
	args->share_deny = open->deny;
	args->owner = state_owner(open->clientid, open->owner, "owner");
	if (open->creates) {
		args->openhow.opentype = OPEN4_CREATE;
		how->mode = open->mode;
		if (open->mode == EXCLUSIVE4) {
			memcpy(how->createhow4_u.createverf, open->verifier, NFS4_VERIFIER_SIZE);
		} else if (open->mode == EXCLUSIVE4_1) {
			memcpy(how->createhow4_u.ch_createboth.cva_verf, open->verifier, NFS4_VERIFIER_SIZE);
			how->createhow4_u.ch_createboth.cva_attrs = fattr(c, open->attrs);
		} else {
			how->createhow4_u.createattrs = fattr(c, open->attrs);
		}
	}
	args->claim.claim = open->name ? CLAIM_NULL : CLAIM_FH;
	if (open->name)
		args->claim.open_claim4_u.file = named(open->name);
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_close(struct nfs_compound *c, const stateid4 *stateid)
{
	struct nfs_argop4 arg = { .argop = OP_CLOSE };

	arg.nfs_argop4_u.opclose.open_stateid = *stateid;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_open_downgrade(struct nfs_compound *c, const stateid4 *stateid, uint32_t access, uint32_t deny)
{
	struct nfs_argop4 arg = { .argop = OP_OPEN_DOWNGRADE };

	arg.nfs_argop4_u.opopen_downgrade = (OPEN_DOWNGRADE4args){ *stateid, 0, access, deny };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_read(struct nfs_compound *c, const stateid4 *stateid, uint64_t offset, uint32_t count)
{
	struct nfs_argop4 arg = { .argop = OP_READ };

	arg.nfs_argop4_u.opread = (READ4args){ *stateid, offset, count };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_write(struct nfs_compound *c, const stateid4 *stateid, uint64_t offset, stable_how4 stable,
		      const void *bytes, uint32_t len)
{
	struct nfs_argop4 arg = { .argop = OP_WRITE };

	arg.nfs_argop4_u.opwrite = (WRITE4args){ *stateid, offset, stable, { len, unconst(bytes) } };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_commit(struct nfs_compound *c, uint64_t offset, uint32_t count)
{
	struct nfs_argop4 arg = { .argop = OP_COMMIT };

	arg.nfs_argop4_u.opcommit = (COMMIT4args){ offset, count };
	return nfs_compound_add(c, &arg);
}

static uint32_t add_lock(struct nfs_compound *c, const struct nfs_lock *lock, const locker4 *locker)
{
	struct nfs_argop4 arg = { .argop = OP_LOCK };

	arg.nfs_argop4_u.oplock = (LOCK4args){ lock->type, lock->reclaim, lock->offset, lock->length, *locker };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_lock_first(struct nfs_compound *c, const stateid4 *open_stateid, const struct nfs_lock *lock)
{
	locker4 locker = { .new_lock_owner = TRUE };

	locker.locker4_u.open_owner.open_stateid = *open_stateid;
	locker.locker4_u.open_owner.lock_owner = state_owner(lock->clientid, lock->owner, "locker");
	return add_lock(c, lock, &locker);
}

uint32_t nfs_op_lock(struct nfs_compound *c, const stateid4 *lock_stateid, const struct nfs_lock *lock)
{
	locker4 locker = { .new_lock_owner = FALSE };

	locker.locker4_u.lock_owner.lock_stateid = *lock_stateid;
	return add_lock(c, lock, &locker);
}

uint32_t nfs_op_lockt(struct nfs_compound *c, const struct nfs_lock *lock)
{
	struct nfs_argop4 arg = { .argop = OP_LOCKT };

	arg.nfs_argop4_u.oplockt = (LOCKT4args){ lock->type, lock->offset, lock->length,
						 state_owner(lock->clientid, lock->owner, "locker") };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_locku(struct nfs_compound *c, const stateid4 *lock_stateid, const struct nfs_lock *lock)
{
	struct nfs_argop4 arg = { .argop = OP_LOCKU };

	arg.nfs_argop4_u.oplocku = (LOCKU4args){ lock->type, 0, *lock_stateid, lock->offset, lock->length };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_exchange_id(struct nfs_compound *c, const EXCHANGE_ID4args *args)
{
	struct nfs_argop4 arg = { .argop = OP_EXCHANGE_ID };

	arg.nfs_argop4_u.opexchange_id = *args;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_create_session(struct nfs_compound *c, const CREATE_SESSION4args *args)
{
	struct nfs_argop4 arg = { .argop = OP_CREATE_SESSION };

	arg.nfs_argop4_u.opcreate_session = *args;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_sequence(struct nfs_compound *c, const SEQUENCE4args *args)
{
	struct nfs_argop4 arg = { .argop = OP_SEQUENCE };

	arg.nfs_argop4_u.opsequence = *args;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_test_stateid(struct nfs_compound *c, const stateid4 *stateids, uint32_t nr)
{
	struct nfs_argop4 arg = { .argop = OP_TEST_STATEID };

	arg.nfs_argop4_u.optest_stateid.ts_stateids.ts_stateids_len = nr;
	arg.nfs_argop4_u.optest_stateid.ts_stateids.ts_stateids_val = (stateid4 *)(uintptr_t)stateids;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_free_stateid(struct nfs_compound *c, const stateid4 *stateid)
{
	struct nfs_argop4 arg = { .argop = OP_FREE_STATEID };

	arg.nfs_argop4_u.opfree_stateid.fsa_stateid = *stateid;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_reclaim_complete(struct nfs_compound *c, bool one_fs)
{
	struct nfs_argop4 arg = { .argop = OP_RECLAIM_COMPLETE };

	arg.nfs_argop4_u.opreclaim_complete.rca_one_fs = one_fs;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_destroy_session(struct nfs_compound *c, const char sessionid[NFS4_SESSIONID_SIZE])
{
	struct nfs_argop4 arg = { .argop = OP_DESTROY_SESSION };

	memcpy(arg.nfs_argop4_u.opdestroy_session.dsa_sessionid, sessionid, NFS4_SESSIONID_SIZE);
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_destroy_clientid(struct nfs_compound *c, uint64_t clientid)
{
	struct nfs_argop4 arg = { .argop = OP_DESTROY_CLIENTID };

	arg.nfs_argop4_u.opdestroy_clientid.dca_clientid = clientid;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_bind_conn(struct nfs_compound *c, const char sessionid[NFS4_SESSIONID_SIZE],
			  channel_dir_from_client4 dir)
{
	struct nfs_argop4 arg = { .argop = OP_BIND_CONN_TO_SESSION };

	memcpy(arg.nfs_argop4_u.opbind_conn_to_session.bctsa_sessid, sessionid, NFS4_SESSIONID_SIZE);
	arg.nfs_argop4_u.opbind_conn_to_session.bctsa_dir = dir;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_delegreturn(struct nfs_compound *c, const stateid4 *stateid)
{
	struct nfs_argop4 arg = { .argop = OP_DELEGRETURN };

	arg.nfs_argop4_u.opdelegreturn.deleg_stateid = *stateid;
	return nfs_compound_add(c, &arg);
}
