/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Clients of layouts that mean no good, or are out of their minds: they get errors, what they take is bounded (I11),
 * and nobody else is harmed: in each test a well-behaved client works on beside them.
 */

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/dice.h"
#include "tests/lib/pnfs_test.h"

#define B   PNFS_BLOCK
#define RD  LAYOUTIOMODE4_READ
#define RW  LAYOUTIOMODE4_RW
#define ANY LAYOUTIOMODE4_ANY

/* The good one, with a file of its own. */
struct citizen {
	struct pnfs_peer *peer;
	struct pnfs_peer_file f;
	uint64_t at; /* blocks written so far */
};

static FIBER_FN void citizen_open(struct nfs_test *t, struct citizen *z)
{
	*z = (struct citizen){ .peer = pnfs_peer_new(t, NULL, NULL) };
	pnfs_peer_open(z->peer, "good", &z->f);
}

/* It does what it always does, and at once. */
static FIBER_FN void citizen_works(struct nfs_test *t, struct citizen *z)
{
	pnfs_peer_get(&z->f, RW, z->at * B, 4 * B, 4 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&z->f, z->at * B, 4 * B, 'g'), 0);
	pnfs_peer_commit_range(&z->f, z->at * B, 4 * B);
	z->at += 4;
	pnfs_peer_expect(&z->f, 0, z->at * B, 'g');
	NFS_CHECK_EQ(t, z->peer->nr_recalls, 0);
}

static uint64_t odd_number(struct dice *dice)
{
	static const uint64_t edges[] = { 0,
					  1,
					  511,
					  512,
					  4095,
					  4096,
					  4097,
					  1ull << 31,
					  1ull << 32,
					  (1ull << 62) - 1,
					  1ull << 63,
					  UINT64_MAX - 4096,
					  UINT64_MAX - 1,
					  UINT64_MAX };

	if (dice_below(dice, 4) == 0)
		return dice_roll(dice) >> dice_below(dice, 64);
	return edges[dice_below(dice, ARRAY_SIZE(edges))];
}

/* Any numbers at all in all three operations: answers, and nothing that was never granted becomes readable. */
static FIBER_FN void test_absurd_ranges(struct nfs_test *t)
{
	struct pnfs_peer *bad = pnfs_peer_new(t, NULL, NULL);
	struct dice dice = dice_seed(7);
	struct pnfs_peer_file f;
	struct citizen z;

	citizen_open(t, &z);
	pnfs_peer_open(bad, "bad", &f);
	for (unsigned int i = 0; i < 400; i++) {
		struct nfs_range range = { odd_number(&dice), odd_number(&dice) };
		struct nfs_layoutcommit commit = { .type = LAYOUT4_SCSI,
						   .stateid = f.has_layout ? f.layout : f.open.stateid,
						   .offset = odd_number(&dice),
						   .length = odd_number(&dice),
						   .has_last = dice_below(&dice, 2),
						   .last = odd_number(&dice),
						   .ranges = &range,
						   .nr = 1 };
		struct nfs_layoutreturn ret = { .type = LAYOUT4_SCSI,
						.iomode = (layoutiomode4)dice_below(&dice, 5),
						.how = LAYOUTRETURN4_FILE,
						.offset = odd_number(&dice),
						.length = odd_number(&dice),
						.stateid = commit.stateid };
		struct nfs_compound *c = &t->c;

		(void)pnfs_peer_ask(&f, (layoutiomode4)(1 + dice_below(&dice, 2)), odd_number(&dice),
				    odd_number(&dice), odd_number(&dice));
		(void)pnfs_peer_try_commit(&f, &commit);
		nfs_session_begin(bad->s.session, c);
		nfs_op_putfh(c, &f.open.fh);
		nfs_op_layoutreturn(c, &ret);
		NFS_IS(t, nfs_session_send(bad->s.session, c), 0);
		f.has_layout = false;
		if (i % 40 == 0)
			citizen_works(t, &z);
	}
	pnfs_peer_free(bad);
	pnfs_peer_free(z.peer);
}

/* All that belongs to somebody else is refused, and stays his. */
static FIBER_FN void test_stateids_of_others(struct nfs_test *t)
{
	struct pnfs_peer *bad = pnfs_peer_new(t, NULL, NULL);
	struct nfs_range range = { 0, 4 * B };
	struct nfs_layoutcommit commit = {
		.type = LAYOUT4_SCSI, .length = PNFS_ALL, .has_last = true, .last = 1 << 30, .ranges = &range, .nr = 1
	};
	struct pnfs_peer_file f;
	struct citizen z;
	uint64_t size;

	citizen_open(t, &z);
	citizen_works(t, &z);
	size = pnfs_peer_size(&z.f);
	pnfs_peer_open(bad, "good", &f);
	f.layout = z.f.layout;
	f.has_layout = true;
	commit.stateid = z.f.layout;
	for (uint32_t seqid = 0; seqid < 8; seqid++) {
		commit.stateid.seqid = f.layout.seqid = seqid;
		pnfs_peer_commit_as(&f, &commit, NFS4ERR_BAD_STATEID);
		pnfs_peer_return(&f, ANY, 0, PNFS_ALL, NFS4ERR_BAD_STATEID);
		NFS_IS(t, (int)pnfs_peer_ask(&f, RW, 0, B, B), NFS4ERR_BAD_STATEID);
		NFS_CHECK_EQ(t, nfs_state_test(&bad->s, &f.layout), NFS4ERR_BAD_STATEID);
	}
	NFS_CHECK_EQ(t, pnfs_peer_size(&z.f), size);
	NFS_CHECK_EQ(t, nfs_state_test(&z.peer->s, &z.f.layout), NFS4_OK);
	pnfs_peer_free(bad);
	pnfs_peer_free(z.peer);
}

/* In a loop: get, give everything back, and again. */
static FIBER_FN void test_returns_of_everything(struct nfs_test *t)
{
	struct pnfs_peer *bad = pnfs_peer_new(t, NULL, NULL);
	struct nfs_layoutreturn ret = { .type = LAYOUT4_SCSI, .iomode = ANY, .how = LAYOUTRETURN4_ALL };
	struct nfs_compound *c = &t->c;
	struct pnfs_peer_file f;
	struct citizen z;

	citizen_open(t, &z);
	citizen_works(t, &z);
	pnfs_peer_open(bad, "bad", &f);
	for (unsigned int i = 0; i < 300; i++) {
		f.has_layout = false;
		if (i % 3 == 0)
			pnfs_peer_get(&f, RW, (uint64_t)i * B, B, B, NFS4_OK);
		ret.how = i % 2 ? LAYOUTRETURN4_ALL : LAYOUTRETURN4_FSID;
		nfs_session_begin(bad->s.session, c);
		nfs_op_putfh(c, &f.open.fh);
		for (unsigned int j = 0; j < 8; j++)
			nfs_op_layoutreturn(c, &ret);
		NFS_SEND_IN(t, bad->s.session, c, NFS4_OK);
		NFS_CHECK_EQ(t, nfs_state_test(&z.peer->s, &z.f.layout), NFS4_OK);
	}
	citizen_works(t, &z);
	pnfs_peer_free(bad);
	pnfs_peer_free(z.peer);
}

/* Every other block of a file: at some number of runs it is refused more, and goes through the server. */
static FIBER_FN void test_thousands_of_small_grants(struct nfs_test *t)
{
	struct pnfs_peer *bad = pnfs_peer_new(t, NULL, NULL), *second = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g;
	nfsstat4 status = NFS4_OK;
	struct citizen z;
	uint64_t i;

	citizen_open(t, &z);
	pnfs_peer_open(bad, "bad", &f);
	/* Who is not alone is granted what he asks for and no more. */
	pnfs_peer_open(second, "bad", &g);
	for (i = 0; i < 5000 && !status; i++)
		status = pnfs_peer_ask(&f, RW, 2 * i * B, B, B);
	NFS_CHECK(t, i > 1000 && i < 5000);
	NFS_CHECK(t, status == NFS4ERR_BADLAYOUT || status == NFS4ERR_LAYOUTTRYLATER ||
			     status == NFS4ERR_LAYOUTUNAVAILABLE);
	citizen_works(t, &z);
	pnfs_peer_put(&g, 2 * i * B, 100, 'g');
	/* What it has it still has, and giving it back makes room. */
	pnfs_peer_commit_range(&f, 0, B);
	pnfs_peer_return(&f, ANY, 0, 1000 * B, NFS4_OK);
	pnfs_peer_get(&f, RW, 0, B, B, NFS4_OK);
	citizen_works(t, &z);
	pnfs_peer_free(bad);
	pnfs_peer_free(second);
	pnfs_peer_free(z.peer);
}

/* More files than a client may have layouts of (main() has set 200). */
static FIBER_FN void test_layouts_of_many_files(struct nfs_test *t)
{
	struct pnfs_peer *bad = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;
	nfsstat4 status = NFS4_OK;
	unsigned int i;
	char name[16];
	struct citizen z;

	citizen_open(t, &z);
	for (i = 0; i < 300 && !status; i++) {
		snprintf(name, sizeof(name), "b%u", i);
		pnfs_peer_open(bad, name, &f);
		status = pnfs_peer_ask(&f, RW, 0, B, B);
		bad->files = NULL;
	}
	NFS_CHECK_EQ(t, i, 201);
	NFS_CHECK(t, status == NFS4ERR_LAYOUTTRYLATER || status == NFS4ERR_LAYOUTUNAVAILABLE);
	pnfs_peer_put(&f, 0, 100, 'b');
	citizen_works(t, &z);
	pnfs_peer_free(bad);
	pnfs_peer_free(z.peer);
}

/* Ten clients that hold a file for reading, and one that cuts it over and over. */
static FIBER_FN void test_recall_storm(struct nfs_test *t)
{
	struct pnfs_peer *readers[10], *cutter = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file *files = calloc(10, sizeof(*files)), f; /* more than a fiber's stack has */
	struct citizen z;

	NFS_CHECK(t, files != NULL);
	citizen_open(t, &z);
	pnfs_peer_open(cutter, "bad", &f);
	for (unsigned int i = 0; i < 10; i++) {
		readers[i] = pnfs_peer_new(t, NULL, NULL);
		readers[i]->manner = i % 2 ? PNFS_RETURNS : PNFS_NO_MATCH;
		pnfs_peer_open(readers[i], "bad", &files[i]);
	}
	for (unsigned int round = 0; round < 8; round++) {
		pnfs_peer_put(&f, 0, 16 * B, (uint8_t)round);
		for (unsigned int i = 0; i < 10; i++) {
			while (readers[i]->nr_returning)
				fiber_sleep_ns(1000000);
			NFS_IS(t, (int)pnfs_peer_insist(&files[i], RD, 0, 16 * B, 30), NFS4_OK);
		}
		pnfs_peer_set_size(&f, round * B, NFS4_OK);
		citizen_works(t, &z);
	}
	for (unsigned int i = 0; i < 10; i++) {
		NFS_CHECK(t, readers[i]->nr_recalls >= 8);
		pnfs_peer_free(readers[i]);
	}
	free(files);
	pnfs_peer_free(cutter);
	pnfs_peer_free(z.peer);
}

/* Wait for a layout as @f's holder, while the good one works and @bad stays alive, at most @seconds. */
static FIBER_FN nfsstat4 wait_among_others(struct nfs_test *t, struct pnfs_peer_file *f, struct citizen *z,
					   struct pnfs_peer *bad, unsigned int seconds)
{
	nfsstat4 status = NFS4ERR_DELAY;

	for (unsigned int i = 0; i < seconds && status != NFS4_OK; i += 5) {
		status = pnfs_peer_insist(f, RW, 0, B, 5);
		citizen_works(t, z);
		if (bad)
			NFS_IS(t, nfs_session_ping(bad->s.session), 0);
	}
	return status;
}

/* It says that it will return, for ever.  It is cut off, told so, and may come back. */
static FIBER_FN void who_keeps_is_fenced(struct nfs_test *t, enum pnfs_manner manner,
					 const struct sim_reserve_faults *faults)
{
	struct pnfs_peer *bad = pnfs_peer_new(t, NULL, NULL), *next = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g;
	struct citizen z;

	citizen_open(t, &z);
	citizen_works(t, &z);
	bad->manner = manner;
	pnfs_peer_open(bad, "f", &f);
	pnfs_peer_open(next, "f", &g);
	pnfs_peer_get(&f, RW, 0, 4 * B, 4 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 4 * B, 'b'), 0);
	sim_reserve_set_faults(nfs_test_reserve(t, 0), faults);
	NFS_IS(t, (int)wait_among_others(t, &g, &z, bad, 150), NFS4_OK);
	/* From here on nothing of the other reaches the device. */
	NFS_IS(t, pnfs_peer_dev_write(&g, 0, B, 'n'), 0);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, B, 'z'), -EBADE);
	pnfs_peer_commit_range(&g, 0, B);
	pnfs_peer_expect(&g, 0, B, 'n');
	NFS_CHECK(t, nfs_state_test(&bad->s, &f.layout) != NFS4_OK);
	NFS_CHECK(t, bad->s.session->status_seen &
			     (SEQ4_STATUS_RECALLABLE_STATE_REVOKED | SEQ4_STATUS_EXPIRED_SOME_STATE_REVOKED |
			      SEQ4_STATUS_ADMIN_STATE_REVOKED | SEQ4_STATUS_EXPIRED_ALL_STATE_REVOKED));
	pnfs_peer_free(bad);
	pnfs_peer_free(next);
	pnfs_peer_free(z.peer);
}

static FIBER_FN void test_who_never_returns(struct nfs_test *t)
{
	who_keeps_is_fenced(t, PNFS_SAYS_OK, &(struct sim_reserve_faults){ 0 });
}

static FIBER_FN void test_who_says_delay_for_ever(struct nfs_test *t)
{
	who_keeps_is_fenced(t, PNFS_SAYS_DELAY, &(struct sim_reserve_faults){ 0 });
}

/* With a target that says success and does nothing. */
static FIBER_FN void test_fence_by_a_target_that_lies(struct nfs_test *t)
{
	who_keeps_is_fenced(t, PNFS_SAYS_OK, &(struct sim_reserve_faults){ .preempt_lies = true });
}

static FIBER_FN void test_fence_by_a_target_that_hangs(struct nfs_test *t)
{
	who_keeps_is_fenced(t, PNFS_SAYS_OK, &(struct sim_reserve_faults){ .preempt_abort_hangs = true });
}

/* Nothing fences: nobody gets the blocks, however long it takes; everything else goes on (I3, I4). */
static FIBER_FN void test_fence_that_cannot_be_proved(struct nfs_test *t)
{
	struct sim_reserve_faults faults = { .preempt_fails = true, .preempt_abort_hangs = true };
	struct pnfs_peer *bad = pnfs_peer_new(t, NULL, NULL), *next = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g;
	struct citizen z;

	citizen_open(t, &z);
	citizen_works(t, &z);
	bad->manner = PNFS_SAYS_OK;
	pnfs_peer_open(bad, "f", &f);
	pnfs_peer_open(next, "f", &g);
	pnfs_peer_get(&f, RW, 0, 4 * B, 4 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 4 * B, 'b'), 0);
	sim_reserve_set_faults(nfs_test_reserve(t, 0), &faults);
	NFS_CHECK(t, wait_among_others(t, &g, &z, bad, 200) != NFS4_OK);
	NFS_CHECK(t, sim_reserve_has_key(nfs_test_reserve(t, 0), bad->key[0]));
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 4 * B, 'c'), 0);
	faults = (struct sim_reserve_faults){ 0 };
	sim_reserve_set_faults(nfs_test_reserve(t, 0), &faults);
	NFS_IS(t, (int)wait_among_others(t, &g, &z, bad, 200), NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 4 * B, 'd'), -EBADE);
	pnfs_peer_free(bad);
	pnfs_peer_free(next);
	pnfs_peer_free(z.peer);
}

/* It holds a file, is silent, and the file is removed by another: its blocks are nobody's until it is cut off (I3).
 */
static FIBER_FN void test_blocks_of_a_silent_client(struct nfs_test *t)
{
	struct pnfs_peer *bad = pnfs_peer_new(t, NULL, NULL), *next = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g;
	unsigned int seconds = 0;

	bad->manner = PNFS_SAYS_DELAY;
	pnfs_peer_make(bad, "f", 64 << 20, 'b', &f);
	pnfs_peer_get(&f, RW, 0, 4 * B, 4 * B, NFS4_OK);
	pnfs_peer_close(&f, NFS4_OK);
	nfs_state_remove(&next->s, "f");
	pnfs_peer_open(next, "g", &g);
	/* All the space there is, until the device refuses the old holder. */
	while (pnfs_peer_dev_write(&f, 0, B, (uint8_t)seconds) == 0 && seconds < 200) {
		if (pnfs_peer_ask(&g, RW, (uint64_t)seconds << 20, 1 << 20, 1 << 20) == NFS4_OK) {
			uint64_t first = g.got.extents[0].bex_storage_offset,
				 ours = f.got.extents[0].bex_storage_offset;

			NFS_CHECK(t, ours + 4 * B <= first || ours >= first + g.got.extents[0].bex_length);
		}
		fiber_sleep_ns(NSEC_PER_SEC);
		NFS_IS(t, nfs_session_ping(t->session), 0);
		seconds++;
	}
	pnfs_peer_free(bad);
	pnfs_peer_free(next);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_absurd_ranges, "RFC 8881, 18.42.3, 18.43.3, 18.44.3"),
	NFS_TEST(test_stateids_of_others, "RFC 8881, 8.2.4"),
	NFS_TEST(test_returns_of_everything, "RFC 8881, 18.44.3"),
	NFS_TEST(test_thousands_of_small_grants, "RFC 8881, 18.43.3"),
	NFS_TEST(test_layouts_of_many_files, "RFC 8881, 18.43.3"),
	NFS_TEST(test_recall_storm, "RFC 8881, 12.5.5"),
	NFS_TEST(test_who_never_returns, "RFC 8881, 12.5.5.2"),
	NFS_TEST(test_who_says_delay_for_ever, "RFC 8881, 20.3.4"),
	NFS_TEST(test_fence_by_a_target_that_lies, "RFC 8154, 2.4.10"),
	NFS_TEST(test_fence_by_a_target_that_hangs, "RFC 8154, 2.4.10"),
	NFS_TEST(test_fence_that_cannot_be_proved, "RFC 8154, 2.4.10"),
	NFS_TEST(test_blocks_of_a_silent_client, "RFC 8881, 12.7.2"),
};

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_SCSI);
	nfs_test_limits = "buffer_bytes = \"64M\"; layouts_per_client = 200;";
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
