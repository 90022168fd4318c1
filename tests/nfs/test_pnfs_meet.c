/* SPDX-License-Identifier: Apache-2.0 */

/* Layouts and everything else that is done to a file (RFC 8881, 12.5.5, 12.5.6): what meets is recalled first (I15).
 */

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/pnfs_test.h"

#define B   PNFS_BLOCK
#define RD  LAYOUTIOMODE4_READ
#define RW  LAYOUTIOMODE4_RW
#define ANY LAYOUTIOMODE4_ANY

/* @a has a layout for writing of a file of 16 blocks of 'a', @b has it open. */
struct meeting {
	struct pnfs_peer *a, *b;
	struct pnfs_peer_file fa, fb;
};

static FIBER_FN void meeting_open(struct nfs_test *t, struct meeting *m)
{
	m->a = pnfs_peer_new(t, NULL, NULL);
	m->b = pnfs_peer_new(t, NULL, NULL);
	m->a->manner = PNFS_RETURNS;
	pnfs_peer_open(m->a, "f", &m->fa);
	pnfs_peer_open(m->b, "f", &m->fb);
	pnfs_peer_put(&m->fa, 0, 16 * B, 'a');
	pnfs_peer_get(&m->fa, RW, 0, 16 * B, 16 * B, NFS4_OK);
}

static FIBER_FN void meeting_close(struct meeting *m)
{
	pnfs_peer_free(m->a);
	pnfs_peer_free(m->b);
}

static FIBER_FN void test_write_of_another(struct nfs_test *t)
{
	struct meeting m;

	meeting_open(t, &m);
	NFS_IS(t, pnfs_peer_dev_write(&m.fa, 0, 4 * B, 'd'), 0);
	pnfs_peer_put(&m.fb, 2 * B, B, 'b');
	NFS_CHECK_EQ(t, m.a->nr_recalls, 1);
	pnfs_peer_settle(m.a);
	NFS_CHECK(t, !m.fa.has_layout);
	pnfs_peer_expect(&m.fb, 0, 2 * B, 'd');
	pnfs_peer_expect(&m.fb, 2 * B, B, 'b');
	pnfs_peer_expect(&m.fb, 3 * B, B, 'd');
	pnfs_peer_expect(&m.fb, 4 * B, 12 * B, 'a');
	meeting_close(&m);
}

/* Elsewhere in the file nobody is in the way. */
static FIBER_FN void test_write_beside_a_layout(struct nfs_test *t)
{
	struct meeting m;
	uint64_t end;

	meeting_open(t, &m);
	end = m.fa.got.off + m.fa.got.len;
	pnfs_peer_put(&m.fb, end + B, B, 'b');
	NFS_CHECK_EQ(t, m.a->nr_recalls, 0);
	pnfs_peer_expect(&m.fa, end + B, B, 'b');
	meeting_close(&m);
}

/* Blocks that are the file's and readable are read where they are. */
static FIBER_FN void test_read_of_another(struct nfs_test *t)
{
	struct meeting m;

	meeting_open(t, &m);
	pnfs_peer_expect(&m.fb, 0, 16 * B, 'a');
	NFS_IS(t, pnfs_peer_dev_write(&m.fa, 0, B, 'd'), 0);
	pnfs_peer_commit(&m.fa, NULL, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_expect(&m.fb, 0, B, 'd');
	meeting_close(&m);
}

static FIBER_FN void test_truncation_by_another(struct nfs_test *t)
{
	struct meeting m;

	meeting_open(t, &m);
	pnfs_peer_set_size(&m.fb, 4 * B + 7, NFS4_OK);
	NFS_CHECK_EQ(t, m.a->nr_recalls, 1);
	NFS_CHECK_EQ(t, pnfs_peer_size(&m.fa), 4 * B + 7);
	pnfs_peer_set_size(&m.fb, 8 * B, NFS4_OK);
	pnfs_peer_expect(&m.fb, 4 * B + 7, 4 * B - 7, 0);
	meeting_close(&m);
}

/* OPEN with size 0, of the holder itself, who does not return anything before (client rule 11). */
static FIBER_FN void test_rule_11_open_with_truncation(struct nfs_test *t)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_SIZE), .size = 0 };
	struct nfs_open open = { .name = "f", .creates = true, .mode = UNCHECKED4, .attrs = &attrs };
	struct nfs_compound *c = &t->c;
	struct meeting m;

	meeting_open(t, &m);
	nfs_session_begin(m.a->s.session, c);
	nfs_op_putfh(c, &t->dir);
	nfs_op_open(c, &open);
	NFS_IS(t, nfs_file_send(m.a->s.session, c), 0);
	NFS_IS(t, (int)c->status, NFS4_OK);
	NFS_CHECK_EQ(t, m.a->nr_recalls, 1);
	NFS_CHECK_EQ(t, pnfs_peer_size(&m.fb), 0);
	meeting_close(&m);
}

/* ALLOCATE over holes that somebody was promised, COPY into a layout. */
static FIBER_FN void test_allocate_and_copy(struct nfs_test *t)
{
	struct nfs_compound *c = &t->c;
	struct pnfs_peer_file g;
	struct nfs_copy copy;
	struct meeting m;

	meeting_open(t, &m);
	nfs_session_begin(m.b->s.session, c);
	nfs_op_putfh(c, &m.fb.open.fh);
	nfs_op_allocate(c, &m.fb.open.stateid, 8 * B, 64 * B);
	NFS_IS(t, nfs_file_send(m.b->s.session, c), 0);
	NFS_IS(t, (int)c->status, NFS4_OK);
	pnfs_peer_settle(m.a);
	pnfs_peer_get(&m.fa, RW, 0, 16 * B, 16 * B, NFS4_OK);
	pnfs_peer_open(m.b, "g", &g);
	pnfs_peer_put(&g, 0, 8 * B, 'g');
	copy = (struct nfs_copy){
		.src = g.open.stateid, .dst = m.fb.open.stateid, .count = 8 * B, .synchronous = true
	};
	nfs_session_begin(m.b->s.session, c);
	nfs_op_putfh(c, &g.open.fh);
	nfs_op_savefh(c);
	nfs_op_putfh(c, &m.fb.open.fh);
	nfs_op_copy(c, &copy);
	NFS_IS(t, nfs_file_send(m.b->s.session, c), 0);
	NFS_IS(t, (int)c->status, NFS4_OK);
	NFS_CHECK(t, m.a->nr_recalls >= 1);
	pnfs_peer_expect(&m.fb, 0, 8 * B, 'g');
	pnfs_peer_expect(&m.fb, 8 * B, 8 * B, 'a');
	meeting_close(&m);
}

/* To be the source of CLONE changes the state of its blocks, too: they are shared from then on. */
static FIBER_FN void test_source_of_a_clone(struct nfs_test *t)
{
	struct pnfs_peer_file g;
	struct meeting m;

	meeting_open(t, &m);
	NFS_IS(t, pnfs_peer_dev_write(&m.fa, 0, 16 * B, 'd'), 0);
	pnfs_peer_open(m.b, "g", &g);
	pnfs_peer_clone(&m.fb, &g, NFS4_OK);
	NFS_CHECK_EQ(t, m.a->nr_recalls, 1);
	pnfs_peer_expect(&g, 0, 16 * B, 'd');
	pnfs_peer_settle(m.a);
	pnfs_peer_get(&m.fa, RW, 0, 4 * B, 4 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&m.fa, 0, 4 * B, 'e'), 0);
	pnfs_peer_commit_range(&m.fa, 0, 4 * B);
	pnfs_peer_expect(&g, 0, 16 * B, 'd');
	pnfs_peer_expect(&m.fa, 0, 4 * B, 'e');
	pnfs_peer_expect(&m.fa, 4 * B, 12 * B, 'd');
	meeting_close(&m);
}

/* A file without a name, which its holder still has open, lives on (I8); with the last CLOSE its space is free. */
static FIBER_FN void test_remove_by_another(struct nfs_test *t)
{
	struct meeting m;

	meeting_open(t, &m);
	pnfs_peer_close(&m.fb, NFS4_OK);
	nfs_state_remove(&m.b->s, "f");
	NFS_IS(t, pnfs_peer_dev_write(&m.fa, 0, 4 * B, 'u'), 0);
	pnfs_peer_commit(&m.fa, NULL, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_expect(&m.fa, 0, 4 * B, 'u');
	pnfs_peer_expect(&m.fa, 4 * B, 12 * B, 'a');
	pnfs_peer_close(&m.fa, NFS4_OK);
	meeting_close(&m);
}

/* RENAME over a file of which somebody has a layout and no open: its blocks are freed when he has given it back. */
static FIBER_FN void test_rename_over_a_layout(struct nfs_test *t)
{
	struct pnfs_peer_file g;
	struct meeting m;

	meeting_open(t, &m);
	pnfs_peer_open(m.b, "g", &g);
	pnfs_peer_put(&g, 0, B, 'g');
	pnfs_peer_return(&m.fa, ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_get(&m.fa, RD, 0, 16 * B, 16 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_expect(&m.fa, 0, 16 * B, 'a'), 0);
	nfs_state_close(&m.a->s, &m.fa.open.fh, &m.fa.open.stateid, NFS4_OK);
	pnfs_peer_close(&m.fb, NFS4_OK);
	NFS_IS(t, nfs_file_rename(m.b->s.session, &t->dir, "g", &t->dir, "f"), 0);
	for (unsigned int i = 0; i < 100 && m.fa.has_layout; i++)
		fiber_sleep_ns(100000000);
	NFS_CHECK(t, !m.fa.has_layout);
	NFS_CHECK_EQ(t, m.a->nr_recalls, 1);
	pnfs_peer_expect(&g, 0, B, 'g');
	meeting_close(&m);
}

/* Two writers, a block each in turn, in one file: neither is ever recalled. */
static FIBER_FN void test_interleaved_writers(struct nfs_test *t)
{
	struct meeting m;

	meeting_open(t, &m);
	pnfs_peer_return(&m.fa, ANY, 0, PNFS_ALL, NFS4_OK);
	for (uint64_t i = 0; i < 64; i++) {
		struct pnfs_peer_file *f = i % 2 ? &m.fa : &m.fb;

		pnfs_peer_get(f, RW, i * B, B, B, NFS4_OK);
		NFS_IS(t, pnfs_peer_dev_write(f, i * B, B, i % 2 ? 'x' : 'y'), 0);
		pnfs_peer_commit_range(f, i * B, B);
	}
	NFS_CHECK_EQ(t, m.a->nr_recalls + m.b->nr_recalls, 0);
	for (uint64_t i = 0; i < 64; i++)
		pnfs_peer_expect(&m.fa, i * B, B, i % 2 ? 'x' : 'y');
	meeting_close(&m);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_write_of_another, "RFC 8881, 12.5.5"),
	NFS_TEST(test_write_beside_a_layout, "RFC 8881, 12.5.4"),
	NFS_TEST(test_read_of_another, "RFC 8881, 12.5.4"),
	NFS_TEST(test_truncation_by_another, "RFC 8881, 12.5.5"),
	NFS_TEST(test_rule_11_open_with_truncation, "RFC 8881, 12.5.5; client rule 11"),
	NFS_TEST(test_allocate_and_copy, "RFC 7862, 15.1, 15.2"),
	NFS_TEST(test_source_of_a_clone, "RFC 7862, 15.13"),
	NFS_TEST(test_remove_by_another, "RFC 8881, 18.25.4"),
	NFS_TEST(test_rename_over_a_layout, "RFC 8881, 18.26.4"),
	NFS_TEST(test_interleaved_writers, "RFC 8881, 12.5.4"),
};

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_SCSI);
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
