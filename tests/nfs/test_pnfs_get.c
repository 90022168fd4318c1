/* SPDX-License-Identifier: Apache-2.0 */

/* LAYOUTGET (RFC 8881, 18.43; RFC 8154, 2.3): arguments, what is granted, what is refused and how. */

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/pnfs_test.h"

#define B  PNFS_BLOCK
#define RD LAYOUTIOMODE4_READ
#define RW LAYOUTIOMODE4_RW

/* A peer with a file of four blocks. */
static FIBER_FN struct pnfs_peer *peer_with_file(struct nfs_test *t, struct pnfs_peer_file *ret_file)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);

	pnfs_peer_open(peer, "f", ret_file);
	pnfs_peer_put(ret_file, 0, 4 * B, 'a');
	return peer;
}

static struct nfs_layoutget good(const struct pnfs_peer_file *f)
{
	return (struct nfs_layoutget){
		.type = LAYOUT4_SCSI, .iomode = RD, .length = 4 * B, .minlength = B, .stateid = f->open.stateid
	};
}

static FIBER_FN void test_bad_ranges(struct nfs_test *t)
{
	static const struct {
		uint64_t off, len, min;
	} bad[] = {
		{ 0, 0, 0 },
		{ 0, B, 2 * B },
		{ 0, B, PNFS_ALL },
		{ PNFS_ALL, B, B },
		{ PNFS_ALL - B, 2 * B, B },
		{ PNFS_ALL - 1, 2, 2 },
		{ B, PNFS_ALL, PNFS_ALL - 1 },
	};
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_file(t, &f);
	struct nfs_layoutget get = good(&f);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		for (int iomode = RD; iomode <= RW; iomode++) {
			get.iomode = (layoutiomode4)iomode;
			get.offset = bad[i].off;
			get.length = bad[i].len;
			get.minlength = bad[i].min;
			pnfs_peer_get_as(&f, &get, NFS4ERR_INVAL);
		}
	}
	pnfs_peer_free(peer);
}

static FIBER_FN void test_bad_iomode(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_file(t, &f);
	struct nfs_layoutget get = good(&f);

	get.iomode = LAYOUTIOMODE4_ANY;
	pnfs_peer_get_as(&f, &get, NFS4ERR_BADIOMODE);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_types_that_are_not_offered(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_file(t, &f);
	struct nfs_layoutget get = good(&f);

	get.type = LAYOUT4_NFSV4_1_FILES;
	pnfs_peer_get_as(&f, &get, NFS4ERR_UNKNOWN_LAYOUTTYPE);
	get.type = LAYOUT4_FLEX_FILES;
	pnfs_peer_get_as(&f, &get, NFS4ERR_UNKNOWN_LAYOUTTYPE);
	get.type = LAYOUT4_BLOCK_VOLUME;
	pnfs_peer_get_as(&f, &get, NFS4ERR_LAYOUTUNAVAILABLE);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_room_for_no_extent(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_file(t, &f);
	struct nfs_layoutget get = good(&f);

	for (uint32_t room = 1; room < 4 + WIRE_EXTENT_SIZE; room += 7) {
		get.maxcount = room;
		pnfs_peer_get_as(&f, &get, NFS4ERR_TOOSMALL);
	}
	get.maxcount = 256;
	pnfs_peer_get_as(&f, &get, NFS4_OK);
	pnfs_peer_free(peer);
}

/* What does not fit is left for the next LAYOUTGET, but it reaches minlength or is refused. */
static FIBER_FN void test_maxcount_cuts(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;
	struct nfs_layoutget get;

	pnfs_peer_open(peer, "f", &f);
	for (uint64_t blk = 0; blk < 64; blk += 2)
		pnfs_peer_put(&f, blk * B, B, 'a');
	get = good(&f);
	get.length = 64 * B;
	get.maxcount = 36 + 4 * WIRE_EXTENT_SIZE;
	pnfs_peer_get_as(&f, &get, NFS4_OK);
	NFS_CHECK(t, f.got.nr >= 2 && f.got.nr <= 4);
	get.minlength = 63 * B;
	NFS_CHECK(t, get.maxcount < 63 * WIRE_EXTENT_SIZE);
	pnfs_peer_get_as(&f, &get, NFS4ERR_BADLAYOUT);
	get.maxcount = 4096;
	pnfs_peer_get_as(&f, &get, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.nr, 63);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_minlength(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_file(t, &f);

	for (uint64_t min = 0; min <= 4 * B; min += 1000) {
		pnfs_peer_get(&f, RD, 0, 4 * B, min, NFS4_OK);
		pnfs_peer_get(&f, RW, 0, 4 * B, min, NFS4_OK);
	}
	/* All that there is. */
	pnfs_peer_get(&f, RD, 0, PNFS_ALL, PNFS_ALL, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.len, 4 * B);
	pnfs_peer_free(peer);
}

/* Offsets in the middle of a block: the grant begins before them. */
static FIBER_FN void test_ranges_are_rounded_outwards(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_file(t, &f);

	pnfs_peer_get(&f, RD, B + 1, B, B, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.off, B);
	NFS_CHECK(t, f.got.off + f.got.len >= 3 * B);
	pnfs_peer_get(&f, RW, 2 * B + 4095, 1, 1, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.off, 2 * B);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_read_ends_at_the_end_of_file(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;
	nfsstat4 status;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_put(&f, 0, 5 * B + 17, 'a');
	pnfs_peer_get(&f, RD, 0, 100 * B, 0, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.off + f.got.len, 6 * B);
	/* Linux sends such with minlength 0, and goes through the server. */
	status = pnfs_peer_ask(&f, RD, 6 * B, B, 0);
	NFS_CHECK(t, status == NFS4ERR_LAYOUTTRYLATER || status == NFS4ERR_BADLAYOUT);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_read_of_an_empty_file(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;
	nfsstat4 status;

	pnfs_peer_open(peer, "f", &f);
	status = pnfs_peer_ask(&f, RD, 0, B, 0);
	NFS_CHECK(t, status == NFS4ERR_LAYOUTTRYLATER || status == NFS4ERR_BADLAYOUT);
	NFS_CHECK(t, !f.has_layout);
	pnfs_peer_free(peer);
}

/* A sparse file is one extent of nothing. */
static FIBER_FN void test_read_of_a_hole(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_set_size(&f, 1000 * B, NFS4_OK);
	pnfs_peer_get(&f, RD, 0, PNFS_ALL, B, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.nr, 1);
	NFS_CHECK_EQ(t, f.got.extents[0].bex_state, PNFS_BLOCK_NONE_DATA);
	NFS_CHECK_EQ(t, f.got.len, 1000 * B);
	pnfs_peer_free(peer);
}

static uint64_t place_of(const struct pnfs_got *got, uint64_t off)
{
	const struct pnfs_block_extent4 *e = pnfs_got_at(got, off);

	return e->bex_storage_offset + (off - e->bex_file_offset);
}

/* What is allocated and not written is a hole to readers, and unwritten to writers, in the same blocks each time. */
static FIBER_FN void test_unwritten_blocks_stay_where_they_are(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;
	uint64_t at;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_set_size(&f, 16 * B, NFS4_OK);
	pnfs_peer_get(&f, RW, 0, 16 * B, 16 * B, NFS4_OK);
	at = place_of(&f.got, 3 * B);
	pnfs_peer_get(&f, RW, 3 * B, B, B, NFS4_OK);
	NFS_CHECK_EQ(t, place_of(&f.got, 3 * B), at);
	pnfs_peer_get(&f, RD, 0, 16 * B, 16 * B, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.extents[0].bex_state, PNFS_BLOCK_NONE_DATA);
	pnfs_peer_expect(&f, 0, 16 * B, 0);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_objects_that_have_no_layout(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_file(t, &f);
	struct nfs_layoutget get = good(&f);
	struct nfs_compound *c = &t->c;

	nfs_session_begin(peer->s.session, c);
	nfs_op_putfh(c, &t->dir);
	nfs_op_layoutget(c, &get);
	NFS_IS(t, nfs_session_send(peer->s.session, c), 0);
	NFS_CHECK(t, c->status == NFS4ERR_ISDIR || c->status == NFS4ERR_WRONG_TYPE || c->status == NFS4ERR_INVAL ||
			     c->status == NFS4ERR_BAD_STATEID);
	nfs_session_begin(peer->s.session, c);
	nfs_op_layoutget(c, &get);
	NFS_SEND_IN(t, peer->s.session, c, NFS4ERR_NOFILEHANDLE);
	pnfs_peer_free(peer);
}

/* What is not open for writing is not given out for writing; with the file unlinked it still is, while it is open. */
static FIBER_FN void test_open_for_reading(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_file(t, &f);
	struct nfs_layoutget get = good(&f);
	struct nfs_state_open reads;

	pnfs_peer_close(&f, NFS4_OK);
	reads = nfs_state_share(&peer->s, "f", NULL, NFS_OPEN_READ, 0, NFS4_OK);
	f.open = reads;
	get.stateid = reads.stateid;
	pnfs_peer_get_as(&f, &get, NFS4_OK);
	get.iomode = RW;
	pnfs_peer_get_as(&f, &get, NFS4ERR_OPENMODE);
	/* Nor by the layout's stateid. */
	get.stateid = f.layout;
	pnfs_peer_get_as(&f, &get, NFS4ERR_OPENMODE);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_stateids(struct nfs_test *t)
{
	struct pnfs_peer *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g, theirs;
	struct pnfs_peer *peer = peer_with_file(t, &f);
	struct nfs_layoutget get = good(&f);

	pnfs_peer_open(peer, "g", &g);
	pnfs_peer_open(other, "f", &theirs);
	get.stateid = nfs_stateid_anonymous;
	pnfs_peer_get_as(&f, &get, NFS4ERR_BAD_STATEID);
	get.stateid = nfs_stateid_bypass;
	pnfs_peer_get_as(&f, &get, NFS4ERR_BAD_STATEID);
	get.stateid = nfs_stateid_invalid;
	pnfs_peer_get_as(&f, &get, NFS4ERR_BAD_STATEID);
	get.stateid = g.open.stateid;
	pnfs_peer_get_as(&f, &get, NFS4ERR_BAD_STATEID);
	get.stateid = theirs.open.stateid;
	pnfs_peer_get_as(&f, &get, NFS4ERR_BAD_STATEID);
	get.stateid = nfs_state_seqid(&f.open.stateid, f.open.stateid.seqid + 1);
	pnfs_peer_get_as(&f, &get, NFS4ERR_BAD_STATEID);
	/* Another client's layout, and of another file. */
	pnfs_peer_get(&theirs, RD, 0, B, B, NFS4_OK);
	get.stateid = theirs.layout;
	pnfs_peer_get_as(&f, &get, NFS4ERR_BAD_STATEID);
	pnfs_peer_get(&g, RW, 0, B, B, NFS4_OK);
	get.stateid = g.layout;
	pnfs_peer_get_as(&f, &get, NFS4ERR_BAD_STATEID);
	get.stateid = f.open.stateid;
	pnfs_peer_get_as(&f, &get, NFS4_OK);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* That of a byte-range lock does, too. */
static FIBER_FN void test_lock_stateid(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_file(t, &f);
	struct nfs_lock lock = { .type = WRITE_LT, .length = B };
	struct nfs_layoutget get = good(&f);

	get.stateid = nfs_state_lock_first(&peer->s, &f.open, &lock, NFS4_OK);
	get.iomode = RW;
	pnfs_peer_get_as(&f, &get, NFS4_OK);
	pnfs_peer_free(peer);
}

/* A client may send two LAYOUTGETs at a time with the same seqid (12.5.5.2.1.4), or begin with the open's again. */
static FIBER_FN void test_older_seqids_are_good(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_file(t, &f);
	struct nfs_layoutget get = good(&f);
	stateid4 first;

	pnfs_peer_get_as(&f, &get, NFS4_OK);
	first = f.layout;
	get.stateid = first;
	pnfs_peer_get_as(&f, &get, NFS4_OK);
	get.stateid = f.open.stateid;
	pnfs_peer_get_as(&f, &get, NFS4_OK);
	NFS_CHECK_EQ(t, f.layout.seqid, 3);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_current_stateid(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct nfs_layoutget get = {
		.type = LAYOUT4_SCSI, .iomode = RW, .length = B, .minlength = B, .stateid = nfs_stateid_current
	};
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0666 };
	struct nfs_open open = { .name = "f", .creates = true, .mode = UNCHECKED4, .attrs = &attrs };
	struct nfs_layoutreturn ret = { .type = LAYOUT4_SCSI,
					.iomode = LAYOUTIOMODE4_ANY,
					.how = LAYOUTRETURN4_FILE,
					.length = PNFS_ALL,
					.stateid = nfs_stateid_current };
	struct nfs_compound *c = &t->c;

	nfs_session_begin(peer->s.session, c);
	nfs_op_putfh(c, &t->dir);
	nfs_op_open(c, &open);
	nfs_op_layoutget(c, &get);
	nfs_op_layoutreturn(c, &ret);
	NFS_SEND_IN(t, peer->s.session, c, NFS4_OK);
	pnfs_peer_free(peer);
}

/* Readers don't meet, nor do writers of different blocks, nor a reader and a writer of different blocks. */
static FIBER_FN void test_who_does_not_conflict(struct nfs_test *t)
{
	struct pnfs_peer *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, theirs;
	struct pnfs_peer *peer = peer_with_file(t, &f);

	pnfs_peer_open(other, "f", &theirs);
	pnfs_peer_get(&f, RD, 0, 4 * B, 4 * B, NFS4_OK);
	pnfs_peer_get(&theirs, RD, 0, 4 * B, 4 * B, NFS4_OK);
	pnfs_peer_get(&f, RW, 10 * B, 10 * B, 10 * B, NFS4_OK);
	pnfs_peer_get(&theirs, RW, 20 * B, 10 * B, 10 * B, NFS4_OK);
	pnfs_peer_get(&f, RW, 30 * B, 10 * B, 10 * B, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.len, 10 * B);
	NFS_CHECK_EQ(t, peer->nr_recalls + other->nr_recalls, 0);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* What is in the way is recalled, and soon it is granted, perhaps at once; what was written is not lost. */
static FIBER_FN void test_who_conflicts(struct nfs_test *t)
{
	struct pnfs_peer *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, theirs;
	struct pnfs_peer *peer = peer_with_file(t, &f);
	nfsstat4 status;

	peer->manner = PNFS_RETURNS;
	pnfs_peer_open(other, "f", &theirs);
	pnfs_peer_get(&f, RW, 0, 4 * B, 4 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 4 * B, 'n'), 0);
	status = pnfs_peer_ask(&theirs, RD, 0, 4 * B, 4 * B);
	NFS_CHECK(t, status == NFS4_OK || status == NFS4ERR_RECALLCONFLICT || status == NFS4ERR_LAYOUTTRYLATER ||
			     status == NFS4ERR_DELAY);
	NFS_IS(t, (int)pnfs_peer_insist(&theirs, RD, 0, 4 * B, 5), NFS4_OK);
	pnfs_peer_settle(peer);
	NFS_CHECK(t, !f.has_layout);
	NFS_IS(t, pnfs_peer_dev_expect(&theirs, 0, 4 * B, 'n'), 0);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* In the first request; a writer who comes later shrinks what is granted, not what was. */
static FIBER_FN void test_large_grants_for_who_is_alone(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL), *other;
	unsigned int nr = 0;
	struct pnfs_peer_file f, theirs;

	pnfs_peer_open(peer, "f", &f);
	for (uint64_t off = 0; off < 64 << 20; off = f.got.off + f.got.len, nr++)
		pnfs_peer_get(&f, RW, off, 1 << 20, B, NFS4_OK);
	NFS_CHECK(t, nr <= 8);
	other = pnfs_peer_new(t, NULL, NULL);
	pnfs_peer_open(other, "f", &theirs);
	pnfs_peer_get(&theirs, RW, 1ull << 30, B, B, NFS4_OK);
	NFS_CHECK_EQ(t, theirs.got.len, B);
	NFS_CHECK_EQ(t, peer->nr_recalls, 0);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

#define MIB (1ull << 20)

/* LAYOUTGETs of 1 MiB each, where they are needed, until it has all from @off to @end; returns how many. */
static FIBER_FN unsigned int get_all(struct pnfs_peer_file *f, layoutiomode4 iomode, uint64_t off, uint64_t end)
{
	unsigned int nr = 0;

	for (; off < end; off = f->got.off + f->got.len, nr++)
		pnfs_peer_get(f, iomode, off, MIB, B, NFS4_OK);
	return nr;
}

/* Each has all of its part soon, up to where the other one's begins (I4), and none is asked to give anything back. */
static FIBER_FN void test_writers_of_parts(struct nfs_test *t)
{
	struct pnfs_peer *low = pnfs_peer_new(t, NULL, NULL), *high = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g;

	pnfs_peer_open(low, "f", &f);
	pnfs_peer_open(high, "f", &g);
	pnfs_peer_get(&g, RW, 16 * MIB, MIB, B, NFS4_OK);
	NFS_CHECK_EQ(t, g.got.len, MIB);
	NFS_CHECK(t, get_all(&f, RW, 0, 16 * MIB) <= 4);
	NFS_CHECK_EQ(t, f.got.off + f.got.len, 16 * MIB);
	NFS_CHECK(t, get_all(&g, RW, 17 * MIB, 32 * MIB) <= 3);
	NFS_CHECK_EQ(t, low->nr_recalls + high->nr_recalls, 0);
	pnfs_peer_free(low);
	pnfs_peer_free(high);
}

static FIBER_FN void write_stripes(struct nfs_test *t, const char *impl, const char *name)
{
	struct pnfs_peer *even = pnfs_peer_new(t, impl, NULL), *odd = pnfs_peer_new(t, impl, NULL);
	struct pnfs_peer_file f, g;

	pnfs_peer_open(even, name, &f);
	pnfs_peer_open(odd, name, &g);
	for (uint64_t i = 0; i < 10; i++) {
		struct pnfs_peer_file *file = i % 2 ? &g : &f;
		uint64_t off = i * 3 * MIB, end = off + 3 * MIB;

		for (; off < end; off = file->got.off + file->got.len)
			pnfs_peer_get(file, RW, off, end - off, B, NFS4_OK);
		NFS_CHECK_EQ(t, off, end);
	}
	NFS_CHECK_EQ(t, even->nr_recalls + odd->nr_recalls, 0);
	pnfs_peer_free(even);
	pnfs_peer_free(odd);
}

/* Nobody writes what lies right behind his own: just what is asked for, also to who does not get that at once. */
static FIBER_FN void test_writers_of_stripes(struct nfs_test *t)
{
	write_stripes(t, pnfs_linux_new, "f");
	write_stripes(t, pnfs_linux_old, "g");
}

/* It is recalled, once; from then on nobody gets more of this file than he asks for. */
static FIBER_FN void test_ahead_of_what_another_wants(struct nfs_test *t)
{
	struct pnfs_peer *first = pnfs_peer_new(t, NULL, NULL), *second = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g;

	pnfs_peer_open(first, "f", &f);
	pnfs_peer_open(second, "f", &g);
	pnfs_peer_get(&f, RW, 0, MIB, B, NFS4_OK);
	pnfs_peer_get(&f, RW, MIB, MIB, B, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.len, 2 * MIB);
	NFS_IS(t, (int)pnfs_peer_insist(&g, RW, 2 * MIB, MIB, 5), NFS4_OK);
	NFS_CHECK_EQ(t, first->nr_recalls, 1);
	f.has_layout = false;
	for (uint64_t i = 0; i < 4; i++) {
		pnfs_peer_get(&g, RW, (2 + i) * MIB, MIB, B, NFS4_OK);
		NFS_CHECK_EQ(t, g.got.len, MIB);
	}
	NFS_CHECK_EQ(t, get_all(&f, RW, 10 * MIB, 14 * MIB), 4);
	NFS_CHECK_EQ(t, first->nr_recalls + second->nr_recalls, 1);
	pnfs_peer_free(first);
	pnfs_peer_free(second);
}

/* Readers of a file that nobody may write get all of it at once; beside a writer, ever more of it. */
static FIBER_FN void test_readers(struct nfs_test *t)
{
	struct pnfs_peer *first = pnfs_peer_new(t, NULL, NULL), *second = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g;

	pnfs_peer_open(first, "f", &f);
	pnfs_peer_put(&f, 32 * MIB - B, B, 'a');
	pnfs_peer_get(&f, RD, 0, MIB, B, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.len, 32 * MIB);
	pnfs_peer_open(second, "f", &g);
	NFS_CHECK(t, get_all(&g, RD, 0, 32 * MIB) <= 5);
	NFS_CHECK_EQ(t, first->nr_recalls + second->nr_recalls, 0);
	pnfs_peer_free(first);
	pnfs_peer_free(second);
}

/* All that is asked for is taken from who has it, or gave it back and has not committed it, not a page at a time. */
static FIBER_FN void test_where_another_was(struct nfs_test *t)
{
	struct pnfs_peer *first = pnfs_peer_new(t, NULL, NULL), *second = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g;
	nfsstat4 status;

	pnfs_peer_open(first, "f", &f);
	pnfs_peer_open(second, "f", &g);
	pnfs_peer_get(&f, RW, 0, 64 * B, B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 64 * B, 'f'), 0);
	pnfs_peer_return(&f, RW, 0, 64 * B, NFS4_OK);
	while ((status = pnfs_peer_ask(&g, RW, 0, 64 * B, B)) == NFS4ERR_RECALLCONFLICT)
		;
	NFS_CHECK_EQ(t, status, NFS4_OK);
	NFS_CHECK_EQ(t, g.got.len, 64 * B);
	pnfs_peer_free(first);
	pnfs_peer_free(second);
}

/* No connection for callbacks: it could not be recalled. */
static FIBER_FN void test_without_a_back_channel(struct nfs_test *t)
{
	struct nfs_session_options opt = { .has_no_back_channel = true };
	struct nfs_identity identity = nfs_test_identity(t);
	struct nfs_test_client *tc = nfs_test_client_bare(t, &identity);
	struct nfs_state s = { .t = t, .dir = t->dir };
	struct nfs_compound *c = &t->c;
	struct nfs_state_open open;
	struct nfs_layoutget get = { .type = LAYOUT4_SCSI, .iomode = RW, .length = B, .minlength = B };

	NFS_IS(t, nfs_client_exchange_id(&tc->client, tc->conn), 0);
	NFS_IS(t, nfs_session_open(&tc->client, tc->conn, &opt, &tc->session), 0);
	s.session = tc->session;
	open = nfs_state_make(&s, "f", NULL);
	get.stateid = open.stateid;
	nfs_session_begin(tc->session, c);
	nfs_op_putfh(c, &open.fh);
	nfs_op_layoutget(c, &get);
	NFS_IS(t, nfs_session_send(tc->session, c), 0);
	NFS_CHECK(t, c->status == NFS4ERR_LAYOUTTRYLATER || c->status == NFS4ERR_LAYOUTUNAVAILABLE);
}

static FIBER_FN void test_in_grace(struct nfs_test *t)
{
	struct pnfs_peer *peer;
	struct pnfs_peer_file f;
	struct nfs_test_client *tc = nfs_test_client(t, NULL);

	/* Somebody might reclaim. */
	nfs_session_discard(tc->session);
	tc->session = NULL;
	NFS_IS(t, nfs_test_kill_discard(t), 0);
	nfs_conn_drop(t->conn);
	peer = pnfs_peer_new(t, NULL, NULL);
	f = (struct pnfs_peer_file){ .peer = peer, .open.fh = t->dir };
	NFS_CHECK(t, pnfs_peer_ask(&f, RW, 0, B, B) != NFS4_OK);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_unlinked_file(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_file(t, &f);

	nfs_state_remove(&peer->s, "f");
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 4 * B, 4 * B, 'u'), 0);
	pnfs_peer_commit_range(&f, 4 * B, 4 * B);
	pnfs_peer_expect(&f, 4 * B, 4 * B, 'u');
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, B, 'v'), 0);
	pnfs_peer_close(&f, NFS4_OK);
	pnfs_peer_free(peer);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_bad_ranges, "RFC 8881, 18.43.3"),
	NFS_TEST(test_bad_iomode, "RFC 8881, 18.43.3"),
	NFS_TEST(test_types_that_are_not_offered, "RFC 8881, 18.43.3"),
	NFS_TEST(test_room_for_no_extent, "RFC 8881, 18.43.3"),
	NFS_TEST(test_maxcount_cuts, "RFC 8881, 18.43.3"),
	NFS_TEST(test_minlength, "RFC 8881, 18.43.3"),
	NFS_TEST(test_ranges_are_rounded_outwards, "RFC 8154, 2.3.1"),
	NFS_TEST(test_read_ends_at_the_end_of_file, "RFC 8154, 2.3.1"),
	NFS_TEST(test_read_of_an_empty_file, "RFC 8881, 18.43.3"),
	NFS_TEST(test_read_of_a_hole, "RFC 8154, 2.3.1"),
	NFS_TEST(test_unwritten_blocks_stay_where_they_are, "RFC 8154, 2.3.1"),
	NFS_TEST(test_objects_that_have_no_layout, "RFC 8881, 18.43.3"),
	NFS_TEST(test_open_for_reading, "RFC 8881, 18.43.3"),
	NFS_TEST(test_stateids, "RFC 8881, 12.5.3"),
	NFS_TEST(test_lock_stateid, "RFC 8881, 18.43.3"),
	NFS_TEST(test_older_seqids_are_good, "RFC 8881, 12.5.3"),
	NFS_TEST(test_current_stateid, "RFC 8881, 16.2.3.1.2"),
	NFS_TEST(test_who_does_not_conflict, "RFC 8881, 12.5.4"),
	NFS_TEST(test_who_conflicts, "RFC 8881, 18.43.3"),
	NFS_TEST(test_large_grants_for_who_is_alone, "RFC 8881, 18.43.3"),
	NFS_TEST(test_writers_of_parts, "RFC 8881, 18.43.3"),
	NFS_TEST(test_writers_of_stripes, "RFC 8881, 18.43.3"),
	NFS_TEST(test_ahead_of_what_another_wants, "RFC 8881, 18.43.3"),
	NFS_TEST(test_readers, "RFC 8881, 18.43.3"),
	NFS_TEST(test_where_another_was, "RFC 8881, 18.43.3"),
	NFS_TEST(test_without_a_back_channel, "RFC 8881, 12.5.5"),
	NFS_TEST(test_in_grace, "RFC 8881, 18.43.3"),
	NFS_TEST(test_unlinked_file, "RFC 8881, 18.43.3"),
};

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_SCSI);
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
