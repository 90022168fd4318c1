/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Layout operations of protocol tests.  Promise: a reply that a real client could not use, or not safely, ends the
 * test, whatever the test is about.
 */

#include "tests/lib/pnfs_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"

const char pnfs_linux_new[] = "Linux 7.2.13-amd64 #1 SMP PREEMPT_DYNAMIC x86_64";
const char pnfs_linux_old[] = "Linux 6.12.117+deb13-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.12.117-1 x86_64";
const char pnfs_linux_arm[] = "Linux 7.2.13-64k #1 SMP PREEMPT_DYNAMIC aarch64";

static layouttype4 configured_type = LAYOUT4_SCSI;

void pnfs_test_configure(layouttype4 type)
{
	configured_type = type;
	nfs_test_has_reservations = type == LAYOUT4_SCSI;
	if (type == LAYOUT4_BLOCK_VOLUME)
		nfs_test_exports = "exports = ( { path = \"/\"; pseudo = \"/\"; id = 1;\n"
				   "  clients = ( { hosts = [ \"*\" ]; access = \"rw\"; squash = \"none\";\n"
				   "                layouts = [ \"scsi\", \"block\" ]; } ); } );\n";
}

/* Recalls */

struct pnfs_peer_duty {
	struct pnfs_peer_file *file;
	layoutiomode4 iomode;
	uint64_t off, len;
};

static void peer_set_returned(struct pnfs_peer_file *file, bool is_returned)
{
	file->peer->nr_returned += is_returned;
	file->peer->nr_returned -= file->is_returned;
	file->is_returned = is_returned;
}

/* After a LAYOUTRETURN. */
static void peer_has_left(struct pnfs_peer_file *file, const struct nfs_layoutreturn *ret,
			  const layoutreturn_stateid *left)
{
	file->has_layout = left->lrs_present;
	peer_set_returned(file, left->lrs_present && ret->iomode == LAYOUTIOMODE4_ANY && ret->offset == 0 &&
					ret->length == PNFS_ALL);
}

/* After the answer to the recall: as a client whose I/O has ended. */
static FIBER_FN void peer_return_later(void *arg)
{
	struct pnfs_peer_duty *duty = arg;
	struct pnfs_peer_file *file = duty->file;
	struct pnfs_peer *peer = file->peer;
	struct nfs_layoutreturn ret = { .type = peer->type,
					.iomode = duty->iomode,
					.how = LAYOUTRETURN4_FILE,
					.offset = duty->off,
					.length = duty->len,
					.stateid = file->layout };
	layoutreturn_stateid left;
	uint32_t at;

	fiber_sleep_ns(1000000);
	file->is_returning = true;
	nfs_session_begin(peer->s.session, &peer->c);
	nfs_op_putfh(&peer->c, &file->open.fh);
	at = nfs_op_layoutreturn(&peer->c, &ret);
	if (nfs_session_send(peer->s.session, &peer->c) == 0 && nfs_op_got_layoutreturn(&peer->c, at, &left) == 0) {
		peer_has_left(file, &ret, &left);
		if (left.lrs_present)
			file->layout = left.layoutreturn_stateid_u.lrs_stateid;
	}
	file->is_returning = false;
	peer->nr_returning--;
	free(duty);
}

static void peer_answer_ok(struct pnfs_peer_file *file, layoutiomode4 iomode)
{
	struct pnfs_peer *peer = file->peer;
	struct pnfs_peer_duty *duty = calloc(1, sizeof(*duty));

	if (!duty)
		abort();
	*duty = (struct pnfs_peer_duty){ file, iomode, peer->recalled.lor_offset, peer->recalled.lor_length };
	peer->nr_returning++;
	if (fiber_spawn(peer->s.t->reactor, "return", peer_return_later, duty, NULL))
		abort();
}

static FIBER_FN nfsstat4 pnfs_peer_recalled(void *owner, const struct nfs_cb_argop4 *arg, struct nfs_cb_resop4 *res)
{
	const CB_LAYOUTRECALL4args *recall = &arg->nfs_cb_argop4_u.opcblayoutrecall;
	struct pnfs_peer *peer = owner;
	struct pnfs_peer_file *file = peer->files;
	const layoutrecall_file4 *what = &recall->clora_recall.layoutrecall4_u.lor_layout;

	(void)res;
	while (file && recall->clora_recall.lor_recalltype == LAYOUTRECALL4_FILE &&
	       !(file->has_layout && nfs_state_same(&file->layout, &what->lor_stateid)))
		file = file->next;
	if (file && (file->is_returning || file->is_mute))
		return NFS4ERR_DELAY;
	if (file && file->is_returned) {
		peer->nr_proofs++;
		peer_set_returned(file, false);
		file->has_layout = false;
		return NFS4ERR_NOMATCHING_LAYOUT;
	}
	peer->nr_recalls++;
	peer->recall_type = recall->clora_recall.lor_recalltype;
	peer->recall_iomode = recall->clora_iomode;
	peer->recall_changed = recall->clora_changed;
	if (peer->recall_type != LAYOUTRECALL4_FILE)
		return NFS4ERR_NOMATCHING_LAYOUT;
	peer->recalled = *what;
	peer->recalled.lor_fh = (nfs_fh4){ 0 };
	if (peer->manner == PNFS_SAYS_DELAY)
		return NFS4ERR_DELAY;
	if (!file)
		return NFS4ERR_NOMATCHING_LAYOUT;
	file->layout = peer->recalled.lor_stateid;
	if (peer->manner == PNFS_NO_MATCH) {
		file->has_layout = false;
		return NFS4ERR_NOMATCHING_LAYOUT;
	}
	if (peer->manner == PNFS_RETURNS)
		peer_answer_ok(file, peer->recall_iomode);
	return NFS4_OK;
}

FIBER_FN struct pnfs_peer *pnfs_peer_new(struct nfs_test *t, const char *impl, const char *owner)
{
	static unsigned int counter;
	struct nfs_identity identity = nfs_test_identity(t);
	struct pnfs_peer *peer = calloc(1, sizeof(*peer));

	NFS_CHECK(t, peer != NULL);
	if (t->is_external)
		nfs_test_skip(t, "its devices are not ours to reach");
	identity.impl_domain = "kernel.org";
	identity.impl_name = impl ? impl : pnfs_linux_new;
	if (owner)
		nfs_identity_set_owner(&identity, owner);
	peer->tc = nfs_test_client(t, &identity);
	peer->s = (struct nfs_state){ .t = t, .session = peer->tc->session, .dir = t->dir };
	peer->type = configured_type;
	peer->page = identity.impl_name == pnfs_linux_arm ? 65536 : PNFS_BLOCK;
	snprintf(peer->host, sizeof(peer->host), "host%u", counter++ % 100000);
	nfs_compound_init(&peer->c);
	peer->c.minorversion = t->c.minorversion;
	peer->tc->client.callback.hooks[OP_CB_LAYOUTRECALL] = (struct nfs_callback_hook){ pnfs_peer_recalled, peer };
	return peer;
}

FIBER_FN void pnfs_peer_settle(struct pnfs_peer *peer)
{
	while (peer->nr_returning)
		fiber_sleep_ns(1000000);
	for (unsigned int i = 0; i < 1000 && peer->nr_returned; i++)
		fiber_sleep_ns(1000000);
}

FIBER_FN void pnfs_peer_free(struct pnfs_peer *peer)
{
	pnfs_peer_settle(peer);
	peer->tc->client.callback.hooks[OP_CB_LAYOUTRECALL] = (struct nfs_callback_hook){ 0 };
	nfs_compound_release(&peer->c);
	free(peer);
}

FIBER_FN void pnfs_peer_open(struct pnfs_peer *peer, const char *name, struct pnfs_peer_file *ret_file)
{
	*ret_file = (struct pnfs_peer_file){ .peer = peer, .next = peer->files };
	ret_file->open = nfs_state_make(&peer->s, name, NULL);
	peer->files = ret_file;
}

FIBER_FN void pnfs_peer_close(struct pnfs_peer_file *file, nfsstat4 want)
{
	struct pnfs_peer_file **at = &file->peer->files;

	nfs_state_close(&file->peer->s, &file->open.fh, &file->open.stateid, want);
	while (*at && *at != file)
		at = &(*at)->next;
	if (*at)
		*at = file->next;
}

/* LAYOUTGET */

static uint64_t extent_end(const struct pnfs_block_extent4 *e)
{
	return e->bex_file_offset + e->bex_length;
}

/* Client rules 2, 4 and 5, of one extent. */
static void check_extent(struct nfs_test *t, const struct pnfs_peer *peer, const struct pnfs_got *got,
			 const struct pnfs_block_extent4 *e)
{
	NFS_CHECK_EQ(t, e->bex_file_offset % peer->page, 0);
	NFS_CHECK_EQ(t, e->bex_length % peer->page, 0);
	NFS_CHECK(t, e->bex_length > 0);
	if (e->bex_state == PNFS_BLOCK_NONE_DATA)
		NFS_CHECK_EQ(t, e->bex_storage_offset, 0);
	else
		NFS_CHECK_EQ(t, e->bex_storage_offset % peer->page, 0);
	if (got->iomode == LAYOUTIOMODE4_READ)
		NFS_CHECK(t, e->bex_state == PNFS_BLOCK_READ_DATA || e->bex_state == PNFS_BLOCK_NONE_DATA);
	else
		NFS_CHECK(t, e->bex_state != PNFS_BLOCK_NONE_DATA);
	NFS_CHECK(t, memcmp(e->bex_vol_id, got->extents[0].bex_vol_id, NFS4_DEVICEID4_SIZE) == 0);
}

/* Client rule 3, as the Linux client looks at it. */
static void check_gapless(struct nfs_test *t, const struct pnfs_got *got)
{
	uint64_t at = got->off, invalid_end = got->off, source_end = got->off;

	NFS_CHECK_EQ(t, got->extents[0].bex_file_offset, got->off);
	for (uint32_t i = 0; i < got->nr; i++) {
		const struct pnfs_block_extent4 *e = &got->extents[i];

		if (got->iomode == LAYOUTIOMODE4_RW && e->bex_state == PNFS_BLOCK_READ_DATA) {
			NFS_CHECK(t, e->bex_file_offset <= at && e->bex_file_offset >= invalid_end &&
					     e->bex_file_offset >= source_end);
			source_end = extent_end(e);
			continue;
		}
		NFS_CHECK_EQ(t, e->bex_file_offset, at);
		at = extent_end(e);
		if (e->bex_state == PNFS_BLOCK_INVALID_DATA)
			invalid_end = at;
	}
	NFS_CHECK_EQ(t, at, got->off + got->len);
	NFS_CHECK(t, source_end <= at);
}

static void decode_layout(struct pnfs_peer_file *file, const LAYOUTGET4resok *ok)
{
	struct nfs_test *t = file->peer->s.t;
	const layout4 *layout = ok->logr_layout.logr_layout_val;
	struct pnfs_got *got = &file->got;
	struct wire_extents_in in;

	NFS_CHECK(t, ok->logr_layout.logr_layout_len == 1); /* Linux looks at no more */
	NFS_CHECK_EQ(t, layout->lo_content.loc_type, file->peer->type);
	*got = (struct pnfs_got){ .return_on_close = ok->logr_return_on_close,
				  .iomode = layout->lo_iomode,
				  .off = layout->lo_offset,
				  .len = layout->lo_length,
				  .body_len = layout->lo_content.loc_body.loc_body_len };
	NFS_IS(t, wire_layout_open(&in, file->peer->type, layout->lo_content.loc_body.loc_body_val, got->body_len),
	       0);
	NFS_CHECK(t, in.nr > 0 && in.nr <= PNFS_EXTENTS);
	for (; got->nr < in.nr; got->nr++)
		NFS_IS(t, wire_extents_next(&in, &got->extents[got->nr]), 0);
}

static void check_layout(struct pnfs_peer_file *file, const struct nfs_layoutget *get)
{
	struct nfs_test *t = file->peer->s.t;
	const struct pnfs_got *got = &file->got;
	uint32_t max = get->maxcount ? get->maxcount : 4096;

	NFS_CHECK_EQ(t, got->iomode, get->iomode);
	NFS_CHECK(t, got->len != 0 && got->len != PNFS_ALL && got->off + got->len > got->off);
	NFS_CHECK(t, got->off <= get->offset && get->offset < got->off + got->len);
	if (get->minlength != PNFS_ALL)
		NFS_CHECK(t, got->off + got->len >= get->offset + get->minlength);
	NFS_CHECK(t, got->body_len <= max);
	for (uint32_t i = 0; i < got->nr; i++)
		check_extent(t, file->peer, got, &got->extents[i]);
	check_gapless(t, got);
}

static FIBER_FN nfsstat4 send_get(struct pnfs_peer_file *file, const struct nfs_layoutget *get)
{
	struct nfs_test *t = file->peer->s.t;
	struct nfs_compound *c = &t->c;
	stateid4 before = file->layout;
	LAYOUTGET4resok ok;
	uint32_t at;

	nfs_session_begin(file->peer->s.session, c);
	c->cred = file->peer->s.cred;
	nfs_op_putfh(c, &file->open.fh);
	at = nfs_op_layoutget(c, get);
	NFS_IS(t, nfs_session_send(file->peer->s.session, c), 0);
	if (c->status)
		return c->status;
	NFS_IS(t, nfs_op_got_layout(c, at, &ok), 0);
	decode_layout(file, &ok);
	check_layout(file, get);
	/* The same state as long as there is a layout, and one more each time (RFC 8881, 12.5.3). */
	if (file->has_layout) {
		NFS_CHECK(t, nfs_state_same(&before, &ok.logr_stateid));
		NFS_CHECK_EQ(t, ok.logr_stateid.seqid, before.seqid + 1);
	}
	file->layout = ok.logr_stateid;
	file->has_layout = true;
	peer_set_returned(file, false);
	return NFS4_OK;
}

static struct nfs_layoutget get_args(const struct pnfs_peer_file *file, layoutiomode4 iomode, uint64_t off,
				     uint64_t len, uint64_t min)
{
	return (struct nfs_layoutget){ .type = file->peer->type,
				       .iomode = iomode,
				       .offset = off,
				       .length = len,
				       .minlength = min,
				       .stateid = file->has_layout ? file->layout : file->open.stateid };
}

FIBER_FN void pnfs_peer_get_as(struct pnfs_peer_file *file, const struct nfs_layoutget *get, nfsstat4 want)
{
	nfsstat4 status = send_get(file, get);

	NFS_IS(file->peer->s.t, (int)status, (int)want);
}

FIBER_FN void pnfs_peer_get(struct pnfs_peer_file *file, layoutiomode4 iomode, uint64_t off, uint64_t len,
			    uint64_t min, nfsstat4 want)
{
	struct nfs_layoutget get = get_args(file, iomode, off, len, min);

	pnfs_peer_get_as(file, &get, want);
}

FIBER_FN nfsstat4 pnfs_peer_ask(struct pnfs_peer_file *file, layoutiomode4 iomode, uint64_t off, uint64_t len,
				uint64_t min)
{
	struct nfs_layoutget get = get_args(file, iomode, off, len, min);

	return send_get(file, &get);
}

FIBER_FN nfsstat4 pnfs_peer_insist(struct pnfs_peer_file *file, layoutiomode4 iomode, uint64_t off, uint64_t len,
				   unsigned int seconds)
{
	uint64_t end = nfs_test_in_ms(file->peer->s.t, seconds * 1000ull);
	nfsstat4 status;

	for (;;) {
		status = pnfs_peer_ask(file, iomode, off, len, len);
		if (status != NFS4ERR_DELAY && status != NFS4ERR_LAYOUTTRYLATER && status != NFS4ERR_RECALLCONFLICT &&
		    status != NFS4ERR_RETURNCONFLICT && status != NFS4ERR_GRACE)
			return status;
		if (nfs_test_in_ms(file->peer->s.t, 0) >= end)
			return status;
		fiber_sleep_ns(500000000);
	}
}

const struct pnfs_block_extent4 *pnfs_got_at(const struct pnfs_got *got, uint64_t off)
{
	for (uint32_t i = 0; i < got->nr; i++) {
		const struct pnfs_block_extent4 *e = &got->extents[i];

		if (got->iomode == LAYOUTIOMODE4_RW && e->bex_state == PNFS_BLOCK_READ_DATA)
			continue;
		if (off >= e->bex_file_offset && off < extent_end(e))
			return e;
	}
	return NULL;
}

/* LAYOUTCOMMIT and LAYOUTRETURN */

FIBER_FN nfsstat4 pnfs_peer_try_commit(struct pnfs_peer_file *file, const struct nfs_layoutcommit *commit)
{
	struct nfs_test *t = file->peer->s.t;
	struct nfs_compound *c = &t->c;

	nfs_session_begin(file->peer->s.session, c);
	nfs_op_putfh(c, &file->open.fh);
	nfs_op_layoutcommit(c, commit);
	NFS_IS(t, nfs_session_send(file->peer->s.session, c), 0);
	return c->status;
}

FIBER_FN void pnfs_peer_commit_as(struct pnfs_peer_file *file, const struct nfs_layoutcommit *commit, nfsstat4 want)
{
	nfsstat4 status = pnfs_peer_try_commit(file, commit);

	NFS_IS(file->peer->s.t, (int)status, (int)want);
}

FIBER_FN void pnfs_peer_commit(struct pnfs_peer_file *file, const struct nfs_range *ranges, uint32_t nr,
			       uint64_t last, nfsstat4 want)
{
	/* The arguments that Linux sends. */
	struct nfs_layoutcommit commit = { .type = file->peer->type,
					   .stateid = file->layout,
					   .length = last == PNFS_ALL ? 0 : last + 1,
					   .has_last = last != PNFS_ALL,
					   .last = last == PNFS_ALL ? 0 : last,
					   .ranges = ranges,
					   .nr = nr };

	pnfs_peer_commit_as(file, &commit, want);
}

FIBER_FN void pnfs_peer_commit_range(struct pnfs_peer_file *file, uint64_t off, uint64_t len)
{
	struct nfs_range range = { off, len };

	pnfs_peer_commit(file, &range, 1, off + len - 1, NFS4_OK);
}

FIBER_FN void pnfs_peer_return(struct pnfs_peer_file *file, layoutiomode4 iomode, uint64_t off, uint64_t len,
			       nfsstat4 want)
{
	struct nfs_test *t = file->peer->s.t;
	struct nfs_compound *c = &t->c;
	struct nfs_layoutreturn ret = { .type = file->peer->type,
					.iomode = iomode,
					.how = LAYOUTRETURN4_FILE,
					.offset = off,
					.length = len,
					.stateid = file->layout };
	layoutreturn_stateid left;
	uint32_t at;

	file->is_returning = true;
	nfs_session_begin(file->peer->s.session, c);
	nfs_op_putfh(c, &file->open.fh);
	at = nfs_op_layoutreturn(c, &ret);
	NFS_SEND_IN(t, file->peer->s.session, c, want);
	file->is_returning = false;
	if (want)
		return;
	NFS_IS(t, nfs_op_got_layoutreturn(c, at, &left), 0);
	peer_has_left(file, &ret, &left);
	if (!left.lrs_present)
		return;
	NFS_CHECK(t, nfs_state_same(&file->layout, &left.layoutreturn_stateid_u.lrs_stateid));
	/* A recall may have been on its way at the same time. */
	if (!file->is_returned)
		NFS_CHECK_EQ(t, left.layoutreturn_stateid_u.lrs_stateid.seqid, file->layout.seqid + 1);
	file->layout = left.layoutreturn_stateid_u.lrs_stateid;
}
