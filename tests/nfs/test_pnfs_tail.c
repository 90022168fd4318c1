/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is behind the end of file, in its last block, as clients see it: bytes that were cut off never come back, and
 * who only reads that block is asked for nothing (I2; RFC 8154, 2.3.4).
 */

#include <string.h>

#include "tests/lib/pnfs_test.h"

#define B   PNFS_BLOCK
#define RD  LAYOUTIOMODE4_READ
#define RW  LAYOUTIOMODE4_RW
#define ANY LAYOUTIOMODE4_ANY

#define END (B + 512ull) /* of the file: in the middle of its second block, at a sector */
#define FAR (100ull * B)

/* A file of two blocks of 'x' was cut: behind its end lies what was there.  @b has it open, too. */
struct cut {
	struct pnfs_peer *a, *b;
	struct pnfs_peer_file fa, fb, other;
};

static FIBER_FN void cut_begin(struct nfs_test *t, struct cut *c, bool shared)
{
	c->a = pnfs_peer_new(t, NULL, NULL);
	c->b = pnfs_peer_new(t, NULL, NULL);
	c->a->manner = c->b->manner = PNFS_RETURNS;
	pnfs_peer_make(c->a, "f", 2 * B, 'x', &c->fa);
	pnfs_peer_open(c->a, "other", &c->other);
	if (shared)
		pnfs_peer_clone(&c->fa, &c->other, NFS4_OK);
	pnfs_peer_set_size(&c->fa, END, NFS4_OK);
	pnfs_peer_open(c->b, "f", &c->fb);
}

/* @byte up to the old end of file, zeros from there to FAR, and a block that was written there. */
static FIBER_FN void cut_expect(struct cut *c, uint8_t byte)
{
	pnfs_peer_expect(&c->fb, 0, B, 'x');
	pnfs_peer_expect(&c->fb, B, END - B, byte);
	pnfs_peer_expect(&c->fb, END, FAR - END, 0);
	pnfs_peer_expect(&c->fb, FAR, B, 'y');
}

static FIBER_FN void cut_end(struct cut *c)
{
	pnfs_peer_free(c->a);
	pnfs_peer_free(c->b);
}

static FIBER_FN void write_far(struct cut *c)
{
	NFS_IS(c->a->s.t, pnfs_peer_dev_write(&c->fa, FAR, B, 'y'), 0);
	pnfs_peer_commit_range(&c->fa, FAR, B);
}

/* The other one writes the last block, and the first one has a layout far behind it. */
static FIBER_FN void write_last_and_far(struct cut *c)
{
	pnfs_peer_get(&c->fb, RW, B, B, B, NFS4_OK);
	NFS_IS(c->a->s.t, pnfs_peer_dev_write(&c->fb, B, B, 'b'), 0);
	pnfs_peer_get(&c->fa, RW, FAR, B, B, NFS4_OK);
}

/* As Linux does it: it has read the last page, and writes far behind it. */
static FIBER_FN void test_reader_writes_far_behind(struct nfs_test *t)
{
	struct cut c;

	cut_begin(t, &c, false);
	pnfs_peer_get(&c.fa, RD, 0, 2 * B, B, NFS4_OK);
	pnfs_peer_get(&c.fa, RW, FAR, B, B, NFS4_OK);
	write_far(&c);
	cut_expect(&c, 'x');
	NFS_CHECK_EQ(t, c.a->nr_recalls + c.b->nr_recalls, 0);
	cut_end(&c);
}

/* The last block was another one's when the layout behind it was granted, and since then it is only read. */
static FIBER_FN void test_commit_behind_a_reader(struct nfs_test *t)
{
	struct cut c;

	cut_begin(t, &c, false);
	write_last_and_far(&c);
	pnfs_peer_return(&c.fb, ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_get(&c.fb, RD, 0, 2 * B, 2 * B, NFS4_OK);
	write_far(&c);
	cut_expect(&c, 'b');
	NFS_CHECK_EQ(t, c.a->nr_recalls + c.b->nr_recalls, 0);
	cut_end(&c);
}

/* The same, after a commit that named the block and said no size: also what is behind the end is the client's own. */
static FIBER_FN void test_commit_in_two_parts(struct nfs_test *t)
{
	struct nfs_range range = { FAR, B };
	struct cut c;

	cut_begin(t, &c, false);
	write_last_and_far(&c);
	pnfs_peer_return(&c.fb, ANY, 0, PNFS_ALL, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&c.fa, FAR, B, 'y'), 0);
	pnfs_peer_commit(&c.fa, &range, 1, PNFS_ALL, NFS4_OK);
	NFS_CHECK_EQ(t, pnfs_peer_size(&c.fb), END);
	pnfs_peer_commit(&c.fa, NULL, 0, FAR + B - 1, NFS4_OK);
	cut_expect(&c, 'b');
	cut_end(&c);
}

/* Who has it for writing answers for it: what he has written there and not committed is not touched. */
static FIBER_FN void test_commit_behind_a_writer(struct nfs_test *t)
{
	struct cut c;

	cut_begin(t, &c, false);
	write_last_and_far(&c);
	write_far(&c);
	pnfs_peer_commit(&c.fb, NULL, 0, 2 * B - 1, NFS4_OK);
	pnfs_peer_expect(&c.fb, B, B, 'b');
	pnfs_peer_expect(&c.fb, 2 * B, FAR - 2 * B, 0);
	NFS_CHECK_EQ(t, c.a->nr_recalls + c.b->nr_recalls, 0);
	cut_end(&c);
}

/* The last block itself: its reader gets it at once, and there is nothing any more behind the end. */
static FIBER_FN void test_reader_becomes_writer_of_it(struct nfs_test *t)
{
	struct cut c;

	cut_begin(t, &c, false);
	pnfs_peer_get(&c.fa, RD, 0, 2 * B, B, NFS4_OK);
	pnfs_peer_get(&c.fa, RW, B, B, B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_expect(&c.fa, B, END - B, 'x'), 0);
	NFS_IS(t, pnfs_peer_dev_expect(&c.fa, END, 2 * B - END, 0), 0);
	NFS_CHECK_EQ(t, c.a->nr_recalls, 0);
	cut_end(&c);
}

/* Growth through the server leaves those alone who read up to the old end. */
static FIBER_FN void test_growth_beside_a_reader(struct nfs_test *t)
{
	struct cut c;

	cut_begin(t, &c, false);
	pnfs_peer_get(&c.fa, RD, 0, 2 * B, B, NFS4_OK);
	pnfs_peer_set_size(&c.fb, FAR, NFS4_OK);
	pnfs_peer_put(&c.fb, FAR, B, 'y');
	cut_expect(&c, 'x');
	NFS_CHECK_EQ(t, c.a->nr_recalls, 0);
	NFS_IS(t, pnfs_peer_dev_expect(&c.fa, END, 2 * B - END, 0), 0);
	cut_end(&c);
}

/* A block that another file has too becomes another one for this: whoever reads it gives it back first. */
static FIBER_FN void shared_tail(struct nfs_test *t, bool own)
{
	struct pnfs_peer *reader;
	struct cut c;

	cut_begin(t, &c, true);
	reader = own ? c.a : c.b;
	pnfs_peer_get(own ? &c.fa : &c.fb, RD, 0, 2 * B, 2 * B, NFS4_OK);
	if (own)
		pnfs_peer_get(&c.fa, RW, FAR, B, B, NFS4ERR_RECALLCONFLICT);
	NFS_IS(t, (int)pnfs_peer_insist(&c.fa, RW, FAR, B, 10), NFS4_OK);
	pnfs_peer_settle(reader);
	NFS_CHECK_EQ(t, reader->nr_recalls, 1);
	NFS_CHECK(t, own || !c.fb.has_layout);
	write_far(&c);
	cut_expect(&c, 'x');
	pnfs_peer_expect(&c.other, 0, 2 * B, 'x');
	nfs_state_remove(&c.b->s, "f");
	nfs_state_remove(&c.b->s, "other");
	cut_end(&c);
}

static FIBER_FN void test_shared_with_a_reader(struct nfs_test *t)
{
	shared_tail(t, false);
	shared_tail(t, true);
}

/* A layout that was returned and is committed late: what it left in the last block is not taken for leftovers. */
static FIBER_FN void test_late_commit_of_it(struct nfs_test *t)
{
	static const struct nfs_range first = { 0, B }, rest = { B, 3ull * B };
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 4 * B, 4 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, B, 'x'), 0);
	pnfs_peer_commit(&f, &first, 1, 511, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 4 * B, 'x'), 0);
	pnfs_peer_return(&f, ANY, 0, PNFS_ALL, NFS4_OK);
	f.has_layout = false;
	pnfs_peer_get(&f, RW, FAR, B, B, NFS4_OK);
	pnfs_peer_commit(&f, &rest, 1, 4 * B - 1, NFS4_OK);
	pnfs_peer_expect(&f, 0, 4 * B, 'x');
	NFS_CHECK_EQ(t, peer->nr_recalls, 0);
	pnfs_peer_free(peer);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_reader_writes_far_behind, "RFC 8154, 2.3.4"),
	NFS_TEST(test_commit_behind_a_reader, "RFC 8154, 2.3.4"),
	NFS_TEST(test_commit_in_two_parts, "RFC 8154, 2.3.4"),
	NFS_TEST(test_commit_behind_a_writer, "RFC 8154, 2.3.4"),
	NFS_TEST(test_reader_becomes_writer_of_it, "RFC 8881, 12.5.5"),
	NFS_TEST(test_growth_beside_a_reader, "RFC 8881, 12.5.5"),
	NFS_TEST(test_shared_with_a_reader, "RFC 8881, 12.5.5; RFC 7862, 15.13"),
	NFS_TEST(test_late_commit_of_it, "RFC 8881, 18.42.3"),
};

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_SCSI);
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
