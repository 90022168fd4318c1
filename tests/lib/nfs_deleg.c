/* SPDX-License-Identifier: Apache-2.0 */

/* Hooks for the client library's callback service: they count, and answer as the test says. */

#include "tests/lib/nfs_deleg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "proto/wire_attr.h"
#include "tests/lib/nfs_test_start.h"

void nfs_deleg_configure(const char *which)
{
	static char text[1024];

	snprintf(text, sizeof(text), "delegations = \"%s\";\n%s", which, nfs_test_exports);
	nfs_test_exports = text;
}

static FIBER_FN nfsstat4 nfs_deleg_recalled(void *owner, const struct nfs_cb_argop4 *arg, struct nfs_cb_resop4 *res)
{
	struct nfs_deleg *d = owner;
	nfsstat4 status;

	d->nr_recalls++;
	d->recalled = arg->nfs_cb_argop4_u.opcbrecall;
	d->recalled.fh.nfs_fh4_val = NULL;
	if (!d->returns)
		return d->recall;
	d->is_returning = true;
	nfs_session_begin(d->s.session, &d->c);
	nfs_op_putfh(&d->c, &d->f.fh);
	nfs_op_delegreturn(&d->c, &d->stateid);
	status = nfs_session_send(d->s.session, &d->c) || d->c.status ? NFS4ERR_SERVERFAULT : NFS4_OK;
	d->is_returning = false;
	return status;
}

static FIBER_FN nfsstat4 nfs_deleg_asked(void *owner, const struct nfs_cb_argop4 *arg, struct nfs_cb_resop4 *res)
{
	static uint8_t bytes[64];
	struct fattr4 *fattr = &res->nfs_cb_resop4_u.opcbgetattr.CB_GETATTR4res_u.resok4.obj_attributes;
	struct nfs_deleg *d = owner;
	struct wire_attrs attrs = { .mask = arg->nfs_cb_argop4_u.opcbgetattr.attr_request };

	d->nr_getattrs++;
	if (d->getattr)
		return d->getattr;
	attrs.change = d->change;
	attrs.size = d->size;
	return wire_attrs_encode(&attrs, &attrs.mask, bytes, sizeof(bytes), fattr) ? NFS4ERR_SERVERFAULT : NFS4_OK;
}

FIBER_FN struct nfs_deleg *nfs_deleg_open(struct nfs_test *t, bool other, uint32_t access)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0666 };
	struct nfs_open open = {
		.name = "f", .access = access, .creates = true, .mode = UNCHECKED4, .attrs = &attrs
	};
	struct nfs_deleg *d = calloc(1, sizeof(*d));
	struct nfs_test_client *tc = t->client_of;
	struct nfs_callback_hook *hooks;
	open_delegation4 *got;

	if (t->is_external)
		nfs_test_skip(t, "which delegations it gives is its own affair");
	NFS_CHECK(t, d != NULL);
	d->s = nfs_state_first(t);
	if (other)
		d->s = nfs_state_other(t, &tc);
	d->client = &tc->client;
	nfs_compound_init(&d->c);
	d->c.minorversion = t->c.minorversion;
	hooks = tc->client.callback.hooks;
	hooks[OP_CB_RECALL] = (struct nfs_callback_hook){ nfs_deleg_recalled, d };
	hooks[OP_CB_GETATTR] = (struct nfs_callback_hook){ nfs_deleg_asked, d };
	d->f = nfs_state_open(&d->s, NULL, &open, NFS4_OK);
	got = &d->f.ok.delegation;
	if (got->delegation_type == OPEN_DELEGATE_READ)
		d->stateid = got->open_delegation4_u.read.stateid;
	else if (got->delegation_type == OPEN_DELEGATE_WRITE)
		d->stateid = got->open_delegation4_u.write.stateid;
	return d;
}

FIBER_FN struct nfs_deleg *nfs_deleg_get(struct nfs_test *t, bool other, open_delegation_type4 type)
{
	uint32_t access = type == OPEN_DELEGATE_READ ? OPEN4_SHARE_ACCESS_READ | OPEN4_SHARE_ACCESS_WANT_READ_DELEG
						     : OPEN4_SHARE_ACCESS_BOTH | OPEN4_SHARE_ACCESS_WANT_WRITE_DELEG;
	struct nfs_deleg *d = nfs_deleg_open(t, other, access);
	struct nfs_compound *c = &t->c;
	struct wire_attrs attrs;
	uint32_t at;

	NFS_CHECK_EQ(t, d->f.ok.delegation.delegation_type, type);
	nfs_session_begin(d->s.session, c);
	nfs_op_putfh(c, &d->f.fh);
	at = nfs_op_getattr(c, NFS_ATTRS(FATTR4_CHANGE, FATTR4_SIZE));
	NFS_SEND_IN(t, d->s.session, c, NFS4_OK);
	NFS_IS(t, nfs_op_got_attrs(c, at, &attrs), 0);
	d->change = attrs.change;
	d->size = attrs.size;
	return d;
}

FIBER_FN void nfs_deleg_free(struct nfs_deleg *d)
{
	/* Who wanted the file may have it before we are told that it is returned. */
	while (d->is_returning)
		fiber_sleep_ns(1000000);
	memset(d->client->callback.hooks, 0, sizeof(d->client->callback.hooks));
	nfs_compound_release(&d->c);
	free(d);
}

FIBER_FN void nfs_deleg_return(struct nfs_deleg *d, const struct nfs_fh *fh, nfsstat4 want)
{
	struct nfs_compound *c = &d->s.t->c;

	nfs_session_begin(d->s.session, c);
	nfs_op_putfh(c, fh ? fh : &d->f.fh);
	nfs_op_delegreturn(c, &d->stateid);
	NFS_SEND_IN(d->s.t, d->s.session, c, want);
}
