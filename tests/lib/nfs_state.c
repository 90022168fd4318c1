/* SPDX-License-Identifier: Apache-2.0 */

/* Sends compounds of one operation on opens or locks and ends the test if the status is not what it must be. */

#include "tests/lib/nfs_state.h"

#include <string.h>

struct nfs_state nfs_state_first(struct nfs_test *t)
{
	return (struct nfs_state){ .t = t, .session = t->session, .dir = t->dir };
}

FIBER_FN struct nfs_state nfs_state_other(struct nfs_test *t, struct nfs_test_client **ret_client)
{
	struct nfs_test_client *other = nfs_test_client(t, NULL);

	if (ret_client)
		*ret_client = other;
	return (struct nfs_state){ .t = t, .session = other->session, .dir = t->dir };
}

static struct nfs_compound *nfs_state_begin(struct nfs_state *s, const struct nfs_fh *fh)
{
	struct nfs_compound *c = &s->t->c;

	nfs_session_begin(s->session, c);
	c->cred = s->cred;
	if (fh)
		nfs_op_putfh(c, fh);
	return c;
}

FIBER_FN static void nfs_state_send(struct nfs_state *s, nfsstat4 want)
{
	NFS_SEND_IN(s->t, s->session, &s->t->c, want);
}

FIBER_FN struct nfs_state_open nfs_state_open(struct nfs_state *s, const struct nfs_fh *fh,
					      const struct nfs_open *open, nfsstat4 want)
{
	struct nfs_compound *c = nfs_state_begin(s, fh ? fh : &s->dir);
	struct nfs_state_open got = { 0 };
	uint32_t at = nfs_op_open(c, open), fh_at = nfs_op_getfh(c);

	nfs_state_send(s, want);
	if (want)
		return got;
	NFS_IS(s->t, nfs_op_got_open(c, at, &got.ok), 0);
	NFS_IS(s->t, nfs_op_got_fh(c, fh_at, &got.fh), 0);
	got.stateid = got.ok.stateid;
	return got;
}

FIBER_FN struct nfs_state_open nfs_state_make(struct nfs_state *s, const char *name, const char *owner)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0666 };
	struct nfs_open open = { .name = name, .owner = owner, .creates = true, .mode = UNCHECKED4, .attrs = &attrs };

	return nfs_state_open(s, NULL, &open, NFS4_OK);
}

FIBER_FN struct nfs_state_open nfs_state_share(struct nfs_state *s, const char *name, const char *owner,
					       uint32_t access, uint32_t deny, nfsstat4 want)
{
	struct nfs_open open = { .name = name, .owner = owner, .access = access, .deny = deny };

	return nfs_state_open(s, NULL, &open, want);
}

FIBER_FN void nfs_state_close(struct nfs_state *s, const struct nfs_fh *fh, const stateid4 *stateid, nfsstat4 want)
{
	nfs_op_close(nfs_state_begin(s, fh), stateid);
	nfs_state_send(s, want);
}

/* The stateid that the operation with index @at gave, if it was to. */
static stateid4 nfs_state_got(struct nfs_state *s, uint32_t at, nfsstat4 want)
{
	stateid4 stateid = { 0 };

	if (!want)
		NFS_IS(s->t, nfs_op_got_stateid(&s->t->c, at, &stateid), 0);
	return stateid;
}

FIBER_FN stateid4 nfs_state_downgrade(struct nfs_state *s, const struct nfs_fh *fh, const stateid4 *stateid,
				      uint32_t access, uint32_t deny, nfsstat4 want)
{
	uint32_t at = nfs_op_open_downgrade(nfs_state_begin(s, fh), stateid, access, deny);

	nfs_state_send(s, want);
	return nfs_state_got(s, at, want);
}

FIBER_FN void nfs_state_write(struct nfs_state *s, const struct nfs_fh *fh, const stateid4 *stateid, nfsstat4 want)
{
	nfs_op_write(nfs_state_begin(s, fh), stateid, 0, UNSTABLE4, "data", 4);
	nfs_state_send(s, want);
}

FIBER_FN void nfs_state_read(struct nfs_state *s, const struct nfs_fh *fh, const stateid4 *stateid, nfsstat4 want)
{
	nfs_op_read(nfs_state_begin(s, fh), stateid, 0, 16);
	nfs_state_send(s, want);
}

FIBER_FN void nfs_state_setattr(struct nfs_state *s, const struct nfs_fh *fh, const struct wire_attrs *attrs,
				nfsstat4 want)
{
	nfs_op_setattr(nfs_state_begin(s, fh), &nfs_stateid_anonymous, attrs);
	nfs_state_send(s, want);
}

FIBER_FN struct wire_attrs nfs_state_getattr(struct nfs_state *s, const struct nfs_fh *fh, struct bitmap4 asked)
{
	struct nfs_compound *c = nfs_state_begin(s, fh);
	uint32_t at = nfs_op_getattr(c, asked);
	struct wire_attrs attrs = { 0 };

	nfs_state_send(s, NFS4_OK);
	NFS_IS(s->t, nfs_op_got_attrs(c, at, &attrs), 0);
	return attrs;
}

FIBER_FN void nfs_state_remove(struct nfs_state *s, const char *name)
{
	nfs_op_remove(nfs_state_begin(s, &s->dir), name);
	nfs_state_send(s, NFS4_OK);
}

FIBER_FN stateid4 nfs_state_lock_first(struct nfs_state *s, const struct nfs_state_open *open,
				       const struct nfs_lock *lock, nfsstat4 want)
{
	uint32_t at = nfs_op_lock_first(nfs_state_begin(s, &open->fh), &open->stateid, lock);

	nfs_state_send(s, want);
	return nfs_state_got(s, at, want);
}

FIBER_FN stateid4 nfs_state_lock(struct nfs_state *s, const struct nfs_fh *fh, const stateid4 *stateid,
				 const struct nfs_lock *lock, nfsstat4 want)
{
	uint32_t at = nfs_op_lock(nfs_state_begin(s, fh), stateid, lock);

	nfs_state_send(s, want);
	return nfs_state_got(s, at, want);
}

FIBER_FN stateid4 nfs_state_unlock(struct nfs_state *s, const struct nfs_fh *fh, const stateid4 *stateid,
				   uint64_t off, uint64_t len, nfsstat4 want)
{
	struct nfs_lock lock = { .type = READ_LT, .offset = off, .length = len };
	uint32_t at = nfs_op_locku(nfs_state_begin(s, fh), stateid, &lock);

	nfs_state_send(s, want);
	return nfs_state_got(s, at, want);
}

FIBER_FN void nfs_state_lockt(struct nfs_state *s, const struct nfs_fh *fh, const struct nfs_lock *lock,
			      nfsstat4 want, LOCK4denied *ret_denied)
{
	struct nfs_compound *c = nfs_state_begin(s, fh);
	uint32_t at = nfs_op_lockt(c, lock);
	const struct nfs_resop4 *res;

	nfs_state_send(s, want);
	if (want != NFS4ERR_DENIED || !ret_denied)
		return;
	res = nfs_compound_result(c, at, OP_LOCKT);
	NFS_CHECK(s->t, res != NULL);
	*ret_denied = res->nfs_resop4_u.oplockt.LOCKT4res_u.denied;
	ret_denied->owner.owner.owner_val = NULL;
}

FIBER_FN nfsstat4 nfs_state_test(struct nfs_state *s, const stateid4 *stateid)
{
	struct nfs_compound *c = nfs_state_begin(s, NULL);
	uint32_t at = nfs_op_test_stateid(c, stateid, 1);
	const TEST_STATEID4resok *ok;
	const struct nfs_resop4 *res;

	nfs_state_send(s, NFS4_OK);
	res = nfs_compound_result(c, at, OP_TEST_STATEID);
	NFS_CHECK(s->t, res != NULL);
	ok = &res->nfs_resop4_u.optest_stateid.TEST_STATEID4res_u.tsr_resok4;
	NFS_CHECK_EQ(s->t, ok->tsr_status_codes.tsr_status_codes_len, 1);
	return ok->tsr_status_codes.tsr_status_codes_val[0];
}

FIBER_FN void nfs_state_free(struct nfs_state *s, const stateid4 *stateid, nfsstat4 want)
{
	nfs_op_free_stateid(nfs_state_begin(s, NULL), stateid);
	nfs_state_send(s, want);
}

bool nfs_state_same(const stateid4 *a, const stateid4 *b)
{
	return memcmp(a->other, b->other, sizeof(a->other)) == 0;
}

stateid4 nfs_state_seqid(const stateid4 *stateid, uint32_t seqid)
{
	stateid4 changed = *stateid;

	changed.seqid = seqid;
	return changed;
}
