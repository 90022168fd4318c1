/* SPDX-License-Identifier: Apache-2.0 */

/* The twenty client rules of docs/clients.md, by number. */

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/nfs_raw.h"
#include "tests/lib/pnfs_test.h"

#define B  PNFS_BLOCK
#define RD LAYOUTIOMODE4_READ
#define RW LAYOUTIOMODE4_RW

/* Client rule 1, as a mount asks: of the root of the export. */
static FIBER_FN void test_rule_01_block_size_is_said(struct nfs_test *t)
{
	struct nfs_compound *c = &t->c;
	struct wire_attrs attrs;
	uint32_t at;

	nfs_session_begin(t->session, c);
	nfs_op_putrootfh(c);
	at = nfs_op_getattr(c, NFS_ATTRS(FATTR4_SUPPORTED_ATTRS, FATTR4_FS_LAYOUT_TYPES, FATTR4_LAYOUT_BLKSIZE));
	NFS_SEND(t, c, NFS4_OK);
	NFS_IS(t, nfs_op_got_attrs(c, at, &attrs), 0);
	NFS_CHECK(t, wire_bitmap_test(&attrs.mask, FATTR4_FS_LAYOUT_TYPES));
	NFS_CHECK(t, wire_bitmap_test(&attrs.mask, FATTR4_LAYOUT_BLKSIZE));
	NFS_CHECK(t, wire_bitmap_test(&attrs.supported_attrs, FATTR4_FS_LAYOUT_TYPES));
	NFS_CHECK(t, wire_bitmap_test(&attrs.supported_attrs, FATTR4_LAYOUT_BLKSIZE));
	NFS_CHECK_EQ(t, attrs.layout_blksize, B);
	NFS_CHECK_EQ(t, attrs.fs_layout_types.fattr4_fs_layout_types_len, 1);
	NFS_CHECK_EQ(t, attrs.fs_layout_types.fattr4_fs_layout_types_val[0], LAYOUT4_SCSI);
}

/* Of a client whose pages are larger than our blocks, too: pnfs_peer_get() checks each extent. */
static FIBER_FN void whole_pages_of(struct nfs_test *t, const char *impl)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, impl, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_put(&f, 0, 10, 'a');
	pnfs_peer_put(&f, 17 * B + 5, 2 * B, 'b');
	pnfs_peer_get(&f, RD, 0, PNFS_ALL, peer->page, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.len % peer->page, 0);
	pnfs_peer_get(&f, RW, 0, peer->page, peer->page, NFS4_OK);
	pnfs_peer_get(&f, RW, 3 * peer->page, peer->page, peer->page, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.off % peer->page, 0);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_rule_02_extents_are_whole_pages(struct nfs_test *t)
{
	whole_pages_of(t, pnfs_linux_new);
}

static FIBER_FN void test_rule_02_pages_of_64k(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, pnfs_linux_arm, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	/* Either it lies so that such a client can have it, or the client is sent through the server. */
	pnfs_peer_put(&f, 0, 10, 'a');
	if (pnfs_peer_ask(&f, RD, 0, PNFS_ALL, 10) == NFS4_OK)
		NFS_CHECK_EQ(t, f.got.len, peer->page);
	pnfs_peer_open(peer, "g", &f);
	pnfs_peer_get(&f, RW, 0, peer->page, peer->page, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.len % peer->page, 0);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, peer->page, 'x'), 0);
	pnfs_peer_commit_range(&f, 0, peer->page);
	pnfs_peer_expect(&f, 0, peer->page, 'x');
	pnfs_peer_free(peer);
}

/* Holes, data and unwritten blocks by turns, asked for at all offsets: pnfs_peer_get() looks for gaps. */
static FIBER_FN void test_rule_03_extents_are_gapless(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	for (uint64_t blk = 0; blk < 40; blk += 4)
		pnfs_peer_put(&f, blk * B, 2 * B, 'a');
	for (uint64_t blk = 0; blk < 38; blk++)
		pnfs_peer_get(&f, RD, blk * B, PNFS_ALL, B, NFS4_OK);
	for (uint64_t blk = 0; blk < 38; blk++)
		pnfs_peer_get(&f, RW, blk * B, 3 * B, B, NFS4_OK);
	pnfs_peer_free(peer);
}

static const struct pnfs_block_extent4 *extent_with(const struct pnfs_got *got, enum pnfs_block_extent_state4 state)
{
	for (uint32_t i = 0; i < got->nr; i++)
		if (got->extents[i].bex_state == state)
			return &got->extents[i];
	return NULL;
}

static FIBER_FN void test_rule_04_states_fit_the_iomode(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_put(&f, 0, B, 'a');
	pnfs_peer_put(&f, 3 * B, B, 'c');
	pnfs_peer_get(&f, RD, 0, 4 * B, B, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.nr, 3);
	NFS_CHECK_EQ(t, f.got.extents[0].bex_state, PNFS_BLOCK_READ_DATA);
	NFS_CHECK_EQ(t, f.got.extents[1].bex_state, PNFS_BLOCK_NONE_DATA);
	NFS_CHECK_EQ(t, f.got.extents[1].bex_length, 2 * B);
	NFS_CHECK_EQ(t, f.got.extents[2].bex_state, PNFS_BLOCK_READ_DATA);
	NFS_IS(t, pnfs_peer_dev_expect(&f, 3 * B, B, 'c'), 0);
	pnfs_peer_get(&f, RW, 0, 4 * B, 4 * B, NFS4_OK);
	NFS_CHECK_EQ(t, pnfs_got_at(&f.got, 0)->bex_state, PNFS_BLOCK_READWRITE_DATA);
	NFS_CHECK_EQ(t, pnfs_got_at(&f.got, B)->bex_state, PNFS_BLOCK_INVALID_DATA);
	NFS_CHECK_EQ(t, pnfs_got_at(&f.got, 2 * B)->bex_state, PNFS_BLOCK_INVALID_DATA);
	NFS_CHECK_EQ(t, pnfs_got_at(&f.got, 3 * B)->bex_state, PNFS_BLOCK_READWRITE_DATA);
	pnfs_peer_free(peer);
}

/* After CLONE: to be read where both files have it, to be written elsewhere; and each file keeps its own. */
static FIBER_FN void test_rule_04_copy_on_write_pairs(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	const struct pnfs_block_extent4 *source;
	struct pnfs_peer_file a, b;

	pnfs_peer_open(peer, "a", &a);
	pnfs_peer_open(peer, "b", &b);
	pnfs_peer_put(&a, 0, 8 * B, 'a');
	pnfs_peer_clone(&a, &b, NFS4_OK);
	pnfs_peer_get(&b, RW, 0, 8 * B, 8 * B, NFS4_OK);
	source = extent_with(&b.got, PNFS_BLOCK_READ_DATA);
	NFS_CHECK(t, source != NULL);
	NFS_CHECK_EQ(t, pnfs_got_at(&b.got, 0)->bex_state, PNFS_BLOCK_INVALID_DATA);
	NFS_CHECK(t, pnfs_got_at(&b.got, 0)->bex_storage_offset != source->bex_storage_offset);
	NFS_IS(t, pnfs_peer_dev_write(&b, 2 * B, 3 * B, 'b'), 0);
	pnfs_peer_expect(&b, 0, 8 * B, 'a');
	pnfs_peer_commit_range(&b, 2 * B, 3 * B);
	pnfs_peer_expect(&b, 0, 2 * B, 'a');
	pnfs_peer_expect(&b, 2 * B, 3 * B, 'b');
	pnfs_peer_expect(&b, 5 * B, 3 * B, 'a');
	pnfs_peer_expect(&a, 0, 8 * B, 'a');
	pnfs_peer_free(peer);
}

/* On a volume of two devices pnfs_peer_get() compares the ids of each reply; here every device has its turn. */
static FIBER_FN void test_rule_05_one_device_in_a_reply(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	bool seen[2] = { false };
	char name[16];

	for (unsigned int i = 0; i < 16; i++) {
		struct pnfs_peer_file f;

		snprintf(name, sizeof(name), "f%u", i);
		pnfs_peer_make(peer, name, 3 << 20, (uint8_t)('a' + i), &f);
		for (uint64_t off = 0; off < 3 << 20; off = f.got.off + f.got.len) {
			pnfs_peer_get(&f, RD, off, PNFS_ALL, B, NFS4_OK);
			NFS_IS(t, pnfs_peer_dev_expect(&f, f.got.off, f.got.len, (uint8_t)('a' + i)), 0);
		}
		pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
		pnfs_peer_close(&f, NFS4_OK);
		for (unsigned int d = 0; d < 2; d++)
			seen[d] |= peer->has_id[d];
	}
	NFS_CHECK(t, seen[0] && seen[1]);
	NFS_CHECK_EQ(t, peer->key[0], peer->key[1]);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_rule_06_device_info_echoes(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct nfs_compound *c = &t->c;
	GETDEVICEINFO4resok ok;
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, B, B, NFS4_OK);
	for (uint32_t notify = 0; notify < 8; notify += 2) {
		struct bitmap4 asked = { .bitmap4_len = notify != 0, .bitmap4_val = { notify } };
		uint32_t at;

		nfs_session_begin(peer->s.session, c);
		at = nfs_op_getdeviceinfo(c, LAYOUT4_SCSI, f.got.extents[0].bex_vol_id, 65536, asked);
		NFS_SEND_IN(t, peer->s.session, c, NFS4_OK);
		NFS_IS(t, nfs_op_got_device(c, at, &ok), 0);
		NFS_CHECK_EQ(t, ok.gdir_device_addr.da_layout_type, LAYOUT4_SCSI);
		NFS_CHECK_EQ(t, ok.gdir_notification.bitmap4_val[0], notify);
	}
	pnfs_peer_free(peer);
}

/* Blocks of INVALID_DATA in the last reply. */
static uint64_t unwritten(const struct pnfs_got *got)
{
	uint64_t nr = 0;

	for (uint32_t i = 0; i < got->nr; i++)
		if (got->extents[i].bex_state == PNFS_BLOCK_INVALID_DATA)
			nr += got->extents[i].bex_length / B;
	return nr;
}

/* LAYOUTGETs of @len bytes, each @step behind the one before; how many unwritten blocks they gave out in all. */
static FIBER_FN uint64_t unwritten_in(struct nfs_test *t, struct pnfs_peer_file *f, uint64_t off, uint64_t step,
				      uint64_t len, unsigned int nr)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < nr; i++, off += step) {
		if (pnfs_peer_insist(f, RW, off, len, 10) != NFS4_OK) {
			NFS_CHECK(t, false);
			return sum;
		}
		sum += unwritten(&f->got);
		/* What can be read before it is written holds nothing of others. */
		for (uint32_t n = 0; n < f->got.nr; n++)
			if (f->got.extents[n].bex_state == PNFS_BLOCK_READWRITE_DATA)
				NFS_IS(t, pnfs_peer_dev_expect(f, f->got.extents[n].bex_file_offset, B, 0), 0);
	}
	return sum;
}

/*
 * A kernel that loses what does not fit in one LAYOUTCOMMIT never has more pages to commit than that, whether it
 * writes here and there, in order, or into allocated space; another gets all it asks for in one run.
 */
static FIBER_FN void test_rule_07_unwritten_fits_one_commit(struct nfs_test *t)
{
	struct pnfs_peer *old = pnfs_peer_new(t, pnfs_linux_old, NULL), *new = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g;
	uint64_t sum;

	pnfs_peer_open(old, "far", &f);
	pnfs_peer_get(&f, RW, 100 * B, 4096 * B, B, NFS4_OK);
	NFS_CHECK(t, unwritten(&f.got) <= 255);
	pnfs_peer_open(old, "scattered", &f);
	NFS_CHECK(t, unwritten_in(t, &f, 0, 2 * B, B, 300) <= 255);
	pnfs_peer_open(old, "sparse", &f);
	pnfs_peer_set_size(&f, 4096 * B, NFS4_OK);
	NFS_CHECK(t, unwritten_in(t, &f, 0, 2 * B, B, 300) <= 255);
	pnfs_peer_open(old, "in order", &f);
	sum = unwritten_in(t, &f, 0, 128 * B, 128 * B, 1);
	NFS_CHECK(t, sum > 0);
	while (f.got.off + f.got.len < 8192 * B)
		sum += unwritten_in(t, &f, f.got.off + f.got.len, 0, 128 * B, 1);
	NFS_CHECK(t, sum <= 255);
	pnfs_peer_open(new, "g", &g);
	pnfs_peer_get(&g, RW, 0, 4096 * B, B, NFS4_OK);
	NFS_CHECK(t, g.got.len >= 4096 * B);
	NFS_CHECK_EQ(t, g.got.nr, 1);
	pnfs_peer_free(old);
	pnfs_peer_free(new);
}

/* Whatever becomes of it, never one of the answers that Linux takes for success. */
static void is_no_false_success(struct nfs_test *t, nfsstat4 status)
{
	NFS_CHECK(t, status != NFS4ERR_GRACE && status != NFS4ERR_BADLAYOUT && status != NFS4ERR_BADIOMODE &&
			     status != NFS4ERR_DELEG_REVOKED);
}

/* All state was discarded; the client comes back as it is, with a new client id. */
static FIBER_FN void discard_and_return(struct nfs_test *t, struct pnfs_peer *peer)
{
	struct nfs_identity identity = peer->tc->client.identity;

	NFS_IS(t, nfs_test_kill_discard(t), 0);
	nfs_conn_drop(peer->tc->conn);
	nfs_session_discard(peer->tc->session);
	peer->tc->session = NULL;
	peer->tc->client.callback.hooks[OP_CB_LAYOUTRECALL] = (struct nfs_callback_hook){ 0 };
	peer->tc = nfs_test_client(t, &identity);
	peer->s.session = peer->tc->session;
}

/* At once, after the return, after a restart, and after one that discarded all state. */
static FIBER_FN void test_rule_08_commit_is_never_dropped(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct nfs_range range = { 0, B };
	struct nfs_layoutcommit commit = {
		.type = LAYOUT4_SCSI, .length = B, .has_last = true, .last = B - 1, .ranges = &range, .nr = 1
	};
	struct pnfs_peer_file f;
	nfsstat4 status;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 8 * B, 'x'), 0);
	commit.stateid = f.layout;
	pnfs_peer_commit_as(&f, &commit, NFS4_OK);
	pnfs_peer_expect(&f, 0, B, 'x');
	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	range.offset = B;
	pnfs_peer_commit_as(&f, &commit, NFS4_OK);
	nfs_test_restart(t);
	nfs_conn_drop(peer->tc->conn);
	range.offset = 2 * B;
	commit.last = 3 * B - 1;
	commit.length = 3 * B;
	pnfs_peer_commit_as(&f, &commit, NFS4_OK);
	pnfs_peer_expect(&f, 0, B, 'x');
	NFS_CHECK_EQ(t, pnfs_peer_size(&f), 3 * B);
	discard_and_return(t, peer);
	status = pnfs_peer_try_commit(&f, &commit);
	is_no_false_success(t, status);
	NFS_CHECK(t, status != NFS4_OK);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_rule_08_commit_with_an_older_seqid(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct nfs_range range = { 0, B };
	struct nfs_layoutcommit commit = {
		.type = LAYOUT4_SCSI, .length = B, .has_last = true, .last = B - 1, .ranges = &range, .nr = 1
	};
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, B, B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, B, 'x'), 0);
	commit.stateid = f.layout;
	for (uint64_t i = 1; i < 5; i++)
		pnfs_peer_get(&f, RW, i * 1000 * B, B, B, NFS4_OK);
	pnfs_peer_commit_as(&f, &commit, NFS4_OK);
	pnfs_peer_expect(&f, 0, B, 'x');
	/* One that was never given is another thing. */
	commit.stateid.seqid = f.layout.seqid + 1;
	pnfs_peer_commit_as(&f, &commit, NFS4ERR_BAD_STATEID);
	pnfs_peer_free(peer);
}

/* Nothing free: the client is sent through the server, and only there it is told. */
static FIBER_FN void test_rule_09_full_volume_is_refused_softly(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g;
	nfsstat4 status = NFS4_OK;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_open(peer, "g", &g);
	for (uint64_t off = 0; !status; off = f.got.off + f.got.len)
		status = pnfs_peer_ask(&f, RW, off, 16 << 20, B);
	NFS_CHECK(t, status == NFS4ERR_LAYOUTUNAVAILABLE || status == NFS4ERR_BADLAYOUT ||
			     status == NFS4ERR_LAYOUTTRYLATER);
	status = pnfs_peer_ask(&g, RW, 0, 64 << 20, 64 << 20);
	NFS_CHECK(t, status == NFS4ERR_LAYOUTUNAVAILABLE || status == NFS4ERR_BADLAYOUT ||
			     status == NFS4ERR_LAYOUTTRYLATER);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_rule_10_whole_files_are_recalled(struct nfs_test *t)
{
	struct pnfs_peer *a = pnfs_peer_new(t, NULL, NULL), *b = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file fa, fb;

	pnfs_peer_open(a, "f", &fa);
	pnfs_peer_open(b, "f", &fb);
	pnfs_peer_get(&fa, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_IS(t, (int)pnfs_peer_insist(&fb, RW, 2 * B, B, 20), NFS4_OK);
	NFS_CHECK_EQ(t, a->nr_recalls, 1);
	NFS_CHECK_EQ(t, a->recall_type, LAYOUTRECALL4_FILE);
	NFS_CHECK_EQ(t, a->recall_iomode, LAYOUTIOMODE4_ANY);
	NFS_CHECK_EQ(t, a->recalled.lor_offset, 0);
	NFS_CHECK_EQ(t, a->recalled.lor_length, PNFS_ALL);
	/* And what it still needs it gets again, beside the other. */
	NFS_IS(t, (int)pnfs_peer_insist(&fa, RW, 4 * B, 4 * B, 20), NFS4_OK);
	NFS_CHECK_EQ(t, b->nr_recalls, 0);
	pnfs_peer_free(a);
	pnfs_peer_free(b);
}

/* Its own truncation, CLONE over it and DEALLOCATE: each time it is asked first. */
static FIBER_FN void test_rule_11_the_caller_is_recalled(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct nfs_compound *c = &t->c;
	struct pnfs_peer_file f, g;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_open(peer, "g", &g);
	pnfs_peer_put(&f, 0, 16 * B, 'f');
	pnfs_peer_put(&g, 0, 16 * B, 'g');
	pnfs_peer_get(&f, RW, 0, 16 * B, 16 * B, NFS4_OK);
	pnfs_peer_set_size(&f, 8 * B, NFS4_OK);
	NFS_CHECK_EQ(t, peer->nr_recalls, 1);
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	pnfs_peer_clone(&g, &f, NFS4_OK);
	NFS_CHECK_EQ(t, peer->nr_recalls, 2);
	pnfs_peer_get(&f, RW, 0, 16 * B, 16 * B, NFS4_OK);
	nfs_session_begin(peer->s.session, c);
	nfs_op_putfh(c, &f.open.fh);
	nfs_op_deallocate(c, &f.open.stateid, 0, 4 * B);
	NFS_IS(t, nfs_file_send(peer->s.session, c), 0);
	NFS_IS(t, (int)c->status, NFS4_OK);
	NFS_CHECK_EQ(t, peer->nr_recalls, 3);
	pnfs_peer_expect(&f, 0, 4 * B, 0);
	pnfs_peer_expect(&f, 4 * B, 12 * B, 'g');
	pnfs_peer_free(peer);
}

static FIBER_FN void test_rule_12_a_recall_raises_the_seqid(struct nfs_test *t)
{
	struct pnfs_peer *a = pnfs_peer_new(t, NULL, NULL), *b = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file fa, fb;
	stateid4 before;

	pnfs_peer_open(a, "f", &fa);
	pnfs_peer_open(b, "f", &fb);
	a->manner = PNFS_RETURNS;
	pnfs_peer_get(&fa, RW, 0, B, B, NFS4_OK);
	before = fa.layout;
	NFS_IS(t, (int)pnfs_peer_insist(&fb, RW, 0, B, 20), NFS4_OK);
	NFS_CHECK_EQ(t, a->nr_recalls, 1);
	NFS_CHECK(t, nfs_state_same(&a->recalled.lor_stateid, &before));
	NFS_CHECK_EQ(t, a->recalled.lor_stateid.seqid, before.seqid + 1);
	pnfs_peer_settle(a);
	NFS_CHECK(t, !fa.has_layout);
	pnfs_peer_free(a);
	pnfs_peer_free(b);
}

/* No LAYOUTRETURN comes, and none is waited for. */
static FIBER_FN void test_rule_12_no_matching_layout_ends_it(struct nfs_test *t)
{
	struct pnfs_peer *a = pnfs_peer_new(t, NULL, NULL), *b = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file fa, fb;

	pnfs_peer_open(a, "f", &fa);
	pnfs_peer_open(b, "f", &fb);
	pnfs_peer_get(&fa, RW, 0, B, B, NFS4_OK);
	NFS_IS(t, (int)pnfs_peer_insist(&fb, RW, 0, B, 2), NFS4_OK);
	NFS_CHECK_EQ(t, a->nr_recalls, 1);
	pnfs_peer_free(a);
	pnfs_peer_free(b);
}

static FIBER_FN void test_rule_13_return_within_close(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct nfs_layoutreturn ret = {
		.type = LAYOUT4_SCSI, .iomode = LAYOUTIOMODE4_ANY, .how = LAYOUTRETURN4_FILE, .length = PNFS_ALL
	};
	struct nfs_compound *c = &t->c;
	layoutreturn_stateid left;
	struct pnfs_peer_file f;
	uint32_t at;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	ret.stateid = f.layout;
	nfs_session_begin(peer->s.session, c);
	nfs_op_putfh(c, &f.open.fh);
	at = nfs_op_layoutreturn(c, &ret);
	nfs_op_close(c, &f.open.stateid);
	NFS_SEND_IN(t, peer->s.session, c, NFS4_OK);
	NFS_IS(t, nfs_op_got_layoutreturn(c, at, &left), 0);
	NFS_CHECK(t, !left.lrs_present);
	NFS_CHECK(t, nfs_state_test(&peer->s, &ret.stateid) != NFS4_OK);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_rule_14_the_server_says_it_gives_layouts(struct nfs_test *t)
{
	NFS_CHECK(t, t->client->flags & EXCHGID4_FLAG_USE_PNFS_MDS);
	NFS_CHECK(t, !(t->client->flags & (EXCHGID4_FLAG_USE_NON_PNFS | EXCHGID4_FLAG_USE_PNFS_DS)));
}

/* What Linux sends from EXCHANGE_ID on, and what it checks in the answers. */
static FIBER_FN void test_rule_15_what_a_mount_needs(struct nfs_test *t)
{
	struct nfs_session_options opt = { .slots = 64, .back_slots = 16, .max_ops = 8, .asks_persist = true };
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	struct nfs_compound *c = &t->c;
	CREATE_SESSION4args asked;
	struct nfs_session *s;

	NFS_IS(t, nfs_client_exchange_id(&tc->client, tc->conn), 0);
	asked = nfs_session_create_args(&tc->client, &opt);
	NFS_IS(t, nfs_session_open(&tc->client, tc->conn, &opt, &tc->session), 0);
	s = tc->session;
	NFS_CHECK(t, s->flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN);
	NFS_CHECK(t, s->fore.ca_maxoperations >= 8 && s->fore.ca_maxrequests >= 1);
	NFS_CHECK(t, s->fore.ca_maxresponsesize <= asked.csa_fore_chan_attrs.ca_maxresponsesize);
	NFS_CHECK(t, s->back.ca_maxrequestsize <= asked.csa_back_chan_attrs.ca_maxrequestsize);
	NFS_CHECK(t, s->back.ca_maxresponsesize <= asked.csa_back_chan_attrs.ca_maxresponsesize);
	NFS_CHECK(t, s->back.ca_maxoperations <= asked.csa_back_chan_attrs.ca_maxoperations);
	NFS_CHECK(t, s->back.ca_maxrequests <= asked.csa_back_chan_attrs.ca_maxrequests);
	nfs_session_begin(s, c);
	nfs_op_putrootfh(c);
	nfs_op_secinfo_no_name(c, SECINFO_STYLE4_CURRENT_FH);
	NFS_SEND_IN(t, s, c, NFS4_OK);
	nfs_session_begin(s, c);
	nfs_op_putrootfh(c);
	nfs_op_getfh(c);
	nfs_op_getattr(c, NFS_ATTRS(FATTR4_LEASE_TIME, FATTR4_FSID, FATTR4_FS_LAYOUT_TYPES));
	NFS_SEND_IN(t, s, c, NFS4_OK);
}

/* Also over kills, with what was committed and what the server wrote itself. */
static FIBER_FN void test_rule_16_change_never_goes_back(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;
	uint64_t last, change;

	pnfs_peer_open(peer, "f", &f);
	last = pnfs_peer_change(&f);
	for (uint64_t i = 0; i < 6; i++) {
		pnfs_peer_get(&f, RW, i * B, B, B, NFS4_OK);
		NFS_IS(t, pnfs_peer_dev_write(&f, i * B, B, 'x'), 0);
		pnfs_peer_commit_range(&f, i * B, B);
		change = pnfs_peer_change(&f);
		NFS_CHECK(t, change > last);
		last = change;
		nfs_test_restart(t);
		nfs_conn_drop(peer->tc->conn);
		NFS_CHECK_EQ(t, pnfs_peer_change(&f), last);
	}
	/* Overwritten in place: nothing to convert, and a change all the same. */
	NFS_IS(t, pnfs_peer_dev_write(&f, 5 * B, B, 'y'), 0);
	pnfs_peer_commit(&f, NULL, 0, 6 * B - 1, NFS4_OK);
	NFS_CHECK(t, pnfs_peer_change(&f) > last);
	NFS_CHECK_EQ(t, nfs_state_getattr(&peer->s, &f.open.fh, NFS_ATTRS(FATTR4_CHANGE_ATTR_TYPE)).change_attr_type,
		     NFS4_CHANGE_TYPE_IS_MONOTONIC_INCR);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_rule_17_names_stay(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL), *later;
	struct bitmap4 asked = NFS_ATTRS(FATTR4_FSID, FATTR4_FILEID);
	struct wire_attrs before, after;
	char id[NFS4_DEVICEID4_SIZE];
	struct pnfs_peer_file f;

	pnfs_peer_make(peer, "f", B, 'x', &f);
	pnfs_peer_get(&f, RW, 0, B, B, NFS4_OK);
	memcpy(id, f.got.extents[0].bex_vol_id, sizeof(id));
	before = nfs_state_getattr(&peer->s, &f.open.fh, asked);
	nfs_test_restart(t);
	nfs_conn_drop(peer->tc->conn);
	after = nfs_state_getattr(&peer->s, &f.open.fh, asked);
	NFS_CHECK_EQ(t, after.fileid, before.fileid);
	NFS_CHECK_EQ(t, after.fsid.major, before.fsid.major);
	NFS_CHECK_EQ(t, after.fsid.minor, before.fsid.minor);
	pnfs_peer_get(&f, RW, 0, B, B, NFS4_OK);
	NFS_CHECK(t, memcmp(id, f.got.extents[0].bex_vol_id, sizeof(id)) == 0);
	later = pnfs_peer_new(t, NULL, NULL);
	NFS_CHECK_EQ(t, later->tc->client.server_scope_len, peer->tc->client.server_scope_len);
	NFS_CHECK(t, memcmp(later->tc->client.server_scope, peer->tc->client.server_scope,
			    later->tc->client.server_scope_len) == 0);
	NFS_CHECK_EQ(t, later->tc->client.server_major_len, peer->tc->client.server_major_len);
	NFS_CHECK(t, memcmp(later->tc->client.server_major, peer->tc->client.server_major,
			    later->tc->client.server_major_len) == 0);
	pnfs_peer_free(peer);
	pnfs_peer_free(later);
}

static uint64_t key_of(const struct pnfs_peer *peer)
{
	return peer->key[0] ? peer->key[0] : peer->key[1];
}

/* By owner: another incarnation, after a restart, and after it has been forgotten. */
static FIBER_FN void test_rule_18_the_key_is_the_hosts(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, "Linux NFSv4.2 client.example"), *again, *other;
	struct pnfs_peer_file f, g;
	uint64_t key;

	pnfs_peer_make(peer, "f", B, 'x', &f);
	key = key_of(peer);
	NFS_CHECK(t, key != 0);
	nfs_test_restart(t);
	nfs_conn_drop(peer->tc->conn);
	NFS_CHECK(t, sim_reserve_has_key(nfs_test_reserve(t, peer->key[0] ? 0 : 1), key));
	again = pnfs_peer_new(t, NULL, "Linux NFSv4.2 client.example");
	pnfs_peer_make(again, "g", B, 'y', &g);
	NFS_CHECK_EQ(t, key_of(again), key);
	other = pnfs_peer_new(t, NULL, "Linux NFSv4.2 other.example");
	pnfs_peer_make(other, "h", B, 'z', &g);
	NFS_CHECK(t, key_of(other) != key && key_of(other) != 0);
	pnfs_peer_free(peer);
	pnfs_peer_free(again);
	pnfs_peer_free(other);
}

/*
 * Linux's NVMe target keeps a host that has unregistered, with key 0, and takes no other key of it; when the client
 * asks for the device again there is room for it.
 */
static FIBER_FN void test_rule_18_who_unregistered_comes_again(struct nfs_test *t)
{
	static const struct sim_reserve_faults keeps = { .unregister_keeps_host = true, .preempt_lies = true };
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, "Linux NFSv4.2 client.example");
	unsigned int index = 0;
	struct pnfs_peer_file f;
	struct reserver *res;

	pnfs_peer_make(peer, "f", B, 'x', &f);
	index = peer->key[0] ? 0 : 1;
	sim_reserve_set_faults(nfs_test_reserve(t, index), &keeps);
	nfs_test_device(t, peer->host, index, &res);
	NFS_IS(t, reserver_unregister(res, peer->key[index]), 0);
	NFS_IS(t, reserver_register(res, peer->key[index]), -EBUSY);
	peer->has_id[index] = false;
	pnfs_peer_get(&f, LAYOUTIOMODE4_RW, 0, B, B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, B, 'y'), 0);
	NFS_CHECK(t, sim_reserve_has_key(nfs_test_reserve(t, index), key_of(peer)));
	pnfs_peer_free(peer);
}

/* It is held by the server; who has not registered gets layouts, but not into the device; who has, gets in. */
static FIBER_FN void test_rule_19_reservation_is_for_registrants(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct reserver_view view;
	struct reserver *res;
	struct blkdev *dev = nfs_test_device(t, "stranger", 0, &res);
	uint8_t *block = blkdev_buf_alloc(B);
	struct pnfs_peer_file f;

	NFS_CHECK(t, block != NULL);
	memset(block, 's', B);
	NFS_IS(t, reserver_read(res, &view), 0);
	NFS_CHECK(t, view.reserved && view.nr_keys == 1);
	NFS_CHECK(t, RESERVATION_BIT(view.type) & RESERVATION_REGISTRANTS_ONLY);
	NFS_CHECK_EQ(t, view.holder, view.keys[0].key);
	reserver_view_release(&view);
	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, B, B, NFS4_OK);
	NFS_IS(t, blkdev_write(dev, f.got.extents[0].bex_storage_offset, block, B), -EBADE);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, B, 'x'), 0);
	NFS_IS(t, reserver_read(res, &view), 0);
	if (peer->key[0])
		NFS_CHECK(t, reserver_view_has(&view, peer->key[0]));
	reserver_view_release(&view);
	blkdev_buf_free(block);
	pnfs_peer_free(peer);
}

/* From a client that holds a layout of the blocks, in pieces that no device would take. */
static FIBER_FN void test_rule_20_the_server_reads_and_writes(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	peer->manner = PNFS_RETURNS;
	pnfs_peer_make(peer, "f", 4 * B, 'd', &f);
	pnfs_peer_get(&f, RW, 0, 4 * B, 4 * B, NFS4_OK);
	pnfs_peer_put(&f, 100, 1000, 's');
	pnfs_peer_expect(&f, 0, 100, 'd');
	pnfs_peer_expect(&f, 100, 1000, 's');
	pnfs_peer_expect(&f, 1100, 4 * B - 1100, 'd');
	/* A write that needs another mapping works, too, though it costs the layout. */
	pnfs_peer_put(&f, 9 * B + 1, 10, 'e');
	pnfs_peer_expect(&f, 4 * B, 5 * B + 1, 0);
	pnfs_peer_expect(&f, 9 * B + 1, 10, 'e');
	pnfs_peer_free(peer);
}

/* The page as one string, to be freed. */
static char *clients_page(struct nfs_test *t)
{
	size_t root = strlen(__FILE__) - strlen("tests/nfs/test_pnfs_rules.c"), len;
	char path[4096], *text = calloc(1, 1 << 17);
	FILE *in;

	snprintf(path, sizeof(path), "%.*sdocs/clients.md", (int)root, __FILE__);
	in = fopen(path, "r");
	NFS_CHECK(t, text && in);
	len = fread(text, 1, (1 << 17) - 1, in);
	fclose(in);
	NFS_CHECK(t, len > 0);
	return text;
}

static FIBER_FN void test_the_rules_are_in_the_docs(struct nfs_test *t);

static const struct nfs_test_case cases[] = {
	NFS_TEST_BARE(test_the_rules_are_in_the_docs, "docs/clients.md"),
	NFS_TEST(test_rule_01_block_size_is_said, "RFC 8881, 5.12.2, 5.12.4; client rule 1"),
	NFS_TEST(test_rule_02_extents_are_whole_pages, "RFC 8154, 2.3.1; client rule 2"),
	NFS_TEST(test_rule_02_pages_of_64k, "RFC 8154, 2.3.1; client rule 2"),
	NFS_TEST(test_rule_03_extents_are_gapless, "RFC 8154, 2.3.1; client rule 3"),
	NFS_TEST(test_rule_04_states_fit_the_iomode, "RFC 8154, 2.3.1; client rule 4"),
	NFS_TEST(test_rule_04_copy_on_write_pairs, "RFC 7862, 15.13; RFC 8154, 2.3.5; client rule 4"),
	NFS_TEST(test_rule_05_one_device_in_a_reply, "RFC 8881, 12.2.10; client rule 5"),
	NFS_TEST(test_rule_06_device_info_echoes, "RFC 8881, 18.40.3; client rule 6"),
	NFS_TEST(test_rule_07_unwritten_fits_one_commit, "RFC 8154, 2.3.2; client rule 7"),
	NFS_TEST(test_rule_08_commit_is_never_dropped, "RFC 8881, 18.42.3; client rule 8"),
	NFS_TEST(test_rule_08_commit_with_an_older_seqid, "RFC 8881, 12.5.3; client rule 8"),
	NFS_TEST(test_rule_09_full_volume_is_refused_softly, "RFC 8881, 18.43.3; client rule 9"),
	NFS_TEST(test_rule_10_whole_files_are_recalled, "RFC 8881, 20.3.3; client rule 10"),
	NFS_TEST(test_rule_11_the_caller_is_recalled, "RFC 7862, 15.13; RFC 8881, 12.5.5; client rule 11"),
	NFS_TEST(test_rule_12_a_recall_raises_the_seqid, "RFC 8881, 12.5.3; client rule 12"),
	NFS_TEST(test_rule_12_no_matching_layout_ends_it, "RFC 8881, 20.3.4; client rule 12"),
	NFS_TEST(test_rule_13_return_within_close, "RFC 8881, 18.44.4; client rule 13"),
	NFS_TEST(test_rule_14_the_server_says_it_gives_layouts, "RFC 8881, 13.1; client rule 14"),
	NFS_TEST(test_rule_15_what_a_mount_needs, "RFC 8881, 18.36.3; client rule 15"),
	NFS_TEST(test_rule_16_change_never_goes_back, "RFC 7862, 12.2.3; client rule 16"),
	NFS_TEST(test_rule_17_names_stay, "RFC 8881, 2.10.4; client rule 17"),
	NFS_TEST(test_rule_18_the_key_is_the_hosts, "RFC 8154, 2.4.10; client rule 18"),
	NFS_TEST(test_rule_18_who_unregistered_comes_again, "base specification 2.0, 7.3; client rule 18"),
	NFS_TEST(test_rule_19_reservation_is_for_registrants, "RFC 8154, 2.4.10; client rule 19"),
	NFS_TEST(test_rule_20_the_server_reads_and_writes, "RFC 8881, 12.4; client rule 20"),
};

/* Twenty of them, and each test of a rule is named there. */
static FIBER_FN void test_the_rules_are_in_the_docs(struct nfs_test *t)
{
	char *text = clients_page(t), name[128];

	for (unsigned int i = 1; i <= 20; i++) {
		snprintf(name, sizeof(name), "### Client rule %u: ", i);
		NFS_CHECK(t, strstr(text, name) != NULL);
		snprintf(name, sizeof(name), "`test_rule_%02u_", i);
		NFS_CHECK(t, strstr(text, name) != NULL);
	}
	for (size_t i = 1; i < ARRAY_SIZE(cases); i++) {
		snprintf(name, sizeof(name), "`%s`", cases[i].name);
		if (!strstr(text, name))
			fprintf(stderr, "%s is not in docs/clients.md\n", name);
		NFS_CHECK(t, strstr(text, name) != NULL);
	}
	free(text);
}

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_SCSI);
	nfs_test_devices = 2;
	nfs_test_device_size = 128 << 20;
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
