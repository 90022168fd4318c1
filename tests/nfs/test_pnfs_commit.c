/* SPDX-License-Identifier: Apache-2.0 */

/* LAYOUTCOMMIT (RFC 8881, 18.42; RFC 8154, 2.3.2): exactly what is named, at once, and never twice to anybody's harm.
 */

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/pnfs_test.h"

#define B  PNFS_BLOCK
#define RD LAYOUTIOMODE4_READ
#define RW LAYOUTIOMODE4_RW

/* A peer with a layout of the first @blocks of a new file, all written to the device with 'x', nothing committed. */
static FIBER_FN struct pnfs_peer *peer_with_written(struct nfs_test *t, uint64_t blocks,
						    struct pnfs_peer_file *ret_file)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);

	pnfs_peer_open(peer, "f", ret_file);
	pnfs_peer_get(ret_file, RW, 0, blocks * B, blocks * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(ret_file, 0, blocks * B, 'x'), 0);
	return peer;
}

static struct nfs_layoutcommit commit_of(const struct pnfs_peer_file *f, const struct nfs_range *ranges, uint32_t nr)
{
	return (struct nfs_layoutcommit){
		.type = LAYOUT4_SCSI, .stateid = f->layout, .length = PNFS_ALL, .ranges = ranges, .nr = nr
	};
}

/* The size says nothing about what was written: between and behind the named ranges there are zeros (I2). */
static FIBER_FN void test_the_list_is_exact(struct nfs_test *t)
{
	static const struct nfs_range ranges[] = { { 2 * B, B }, { 6 * B, 2 * B } };
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 16, &f);

	pnfs_peer_commit(&f, ranges, 2, 12 * B - 1, NFS4_OK);
	NFS_CHECK_EQ(t, pnfs_peer_size(&f), 12 * B);
	pnfs_peer_expect(&f, 0, 2 * B, 0);
	pnfs_peer_expect(&f, 2 * B, B, 'x');
	pnfs_peer_expect(&f, 3 * B, 3 * B, 0);
	pnfs_peer_expect(&f, 6 * B, 2 * B, 'x');
	pnfs_peer_expect(&f, 8 * B, 4 * B, 0);
	pnfs_peer_free(peer);
}

/* A list of nothing, also without a new size: an fsync after an overwrite. */
static FIBER_FN void test_empty_list(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 4, &f);
	uint64_t change = pnfs_peer_change(&f);

	pnfs_peer_commit(&f, NULL, 0, PNFS_ALL, NFS4_OK);
	NFS_CHECK_EQ(t, pnfs_peer_size(&f), 0);
	pnfs_peer_commit(&f, NULL, 0, 4 * B - 1, NFS4_OK);
	NFS_CHECK_EQ(t, pnfs_peer_size(&f), 4 * B);
	NFS_CHECK(t, pnfs_peer_change(&f) > change);
	pnfs_peer_expect(&f, 0, 4 * B, 0);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_it_never_shrinks(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 8, &f);
	struct nfs_range range = { 0, B };

	pnfs_peer_commit_range(&f, 0, 8 * B);
	pnfs_peer_commit(&f, &range, 1, 99, NFS4_OK);
	pnfs_peer_commit(&f, NULL, 0, 0, NFS4_OK);
	NFS_CHECK_EQ(t, pnfs_peer_size(&f), 8 * B);
	pnfs_peer_expect(&f, 0, 8 * B, 'x');
	pnfs_peer_free(peer);
}

/* The last byte need not end a block; what the client left behind it does not show when the file grows. */
static FIBER_FN void test_size_within_a_block(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 2, &f);
	struct nfs_range range = { 0, 2 * B };

	peer->manner = PNFS_RETURNS;
	pnfs_peer_commit(&f, &range, 1, B + 9, NFS4_OK);
	NFS_CHECK_EQ(t, pnfs_peer_size(&f), B + 10);
	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_set_size(&f, 4 * B, NFS4_OK);
	pnfs_peer_expect(&f, 0, B + 10, 'x');
	pnfs_peer_expect(&f, B + 10, 3 * B - 10, 0);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_repeated_split_and_reordered(struct nfs_test *t)
{
	static const struct nfs_range all[] = { { 0, 2 * B }, { 2 * B, 2 * B }, { 6 * B, 2 * B } };
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 8, &f);

	pnfs_peer_commit(&f, &all[2], 1, 8 * B - 1, NFS4_OK);
	pnfs_peer_commit(&f, &all[0], 1, 2 * B - 1, NFS4_OK);
	pnfs_peer_commit(&f, all, 3, 8 * B - 1, NFS4_OK);
	pnfs_peer_commit(&f, all, 3, 8 * B - 1, NFS4_OK);
	NFS_CHECK_EQ(t, pnfs_peer_size(&f), 8 * B);
	pnfs_peer_expect(&f, 0, 4 * B, 'x');
	pnfs_peer_expect(&f, 4 * B, 2 * B, 0);
	pnfs_peer_expect(&f, 6 * B, 2 * B, 'x');
	pnfs_peer_free(peer);
}

/* Ranges that overlap each other, in falling order. */
static FIBER_FN void test_odd_lists(struct nfs_test *t)
{
	static const struct nfs_range odd[] = {
		{ 4 * B, 2 * B }, { 3 * B, 2 * B }, { 0, B }, { 0, B }, { 5 * B, B }
	};
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 8, &f);

	pnfs_peer_commit(&f, odd, 5, 6 * B - 1, NFS4_OK);
	pnfs_peer_expect(&f, 0, B, 'x');
	pnfs_peer_expect(&f, B, 2 * B, 0);
	pnfs_peer_expect(&f, 3 * B, 3 * B, 'x');
	pnfs_peer_free(peer);
}

/* Many ranges in one list: more than one transaction, and than Linux sends. */
static FIBER_FN void test_long_list(struct nfs_test *t)
{
	struct nfs_range *ranges = calloc(2000, sizeof(*ranges));
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 4000, &f);

	NFS_CHECK(t, ranges != NULL);
	for (uint64_t i = 0; i < 2000; i++)
		ranges[i] = (struct nfs_range){ 2 * i * B, B };
	pnfs_peer_commit(&f, ranges, 2000, 4000 * B - 1, NFS4_OK);
	free(ranges);
	for (uint64_t i = 0; i < 4000; i += 37)
		pnfs_peer_expect(&f, i * B, B, i % 2 ? 0 : 'x');
	pnfs_peer_free(peer);
}

/* Nothing of a commit that names what the client does not have happens, not even what it has. */
static FIBER_FN void test_ranges_that_were_never_granted(struct nfs_test *t)
{
	static const struct nfs_range bad[][2] = {
		{ { 0, B }, { 1000000 * B, B } },
		{ { 0, B }, { 7 * B, 2000000 * B } },
		{ { 0, B }, { PNFS_ALL - 2 * B + 1, B } },
		{ { 0, B }, { B + 1, B } },
		{ { 0, B }, { B, 100 } },
	};
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 8, &f);
	struct pnfs_peer *other = pnfs_peer_new(t, NULL, NULL);
	uint64_t change = pnfs_peer_change(&f);
	struct pnfs_peer_file theirs;

	pnfs_peer_open(other, "f", &theirs);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct nfs_layoutcommit commit = commit_of(&f, bad[i], 2);
		nfsstat4 status;

		commit.has_last = true;
		commit.last = 8 * B - 1;
		status = pnfs_peer_try_commit(&f, &commit);
		NFS_CHECK(t, status != NFS4_OK && status != NFS4ERR_DELAY && status != NFS4ERR_BADLAYOUT);
	}
	NFS_CHECK_EQ(t, pnfs_peer_size(&f), 0);
	NFS_CHECK_EQ(t, pnfs_peer_change(&f), change);
	pnfs_peer_set_size(&theirs, 8 * B, NFS4_OK);
	pnfs_peer_expect(&theirs, 0, 8 * B, 0);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* A layout for reading commits nothing. */
static FIBER_FN void test_of_a_read_layout(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct nfs_range range = { 0, B };
	struct nfs_layoutcommit commit;
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_set_size(&f, 4 * B, NFS4_OK);
	pnfs_peer_get(&f, RD, 0, 4 * B, 4 * B, NFS4_OK);
	commit = commit_of(&f, &range, 1);
	NFS_CHECK(t, pnfs_peer_try_commit(&f, &commit) != NFS4_OK);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_bad_arguments(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 4, &f);
	struct nfs_range range = { 0, B };
	struct nfs_layoutcommit commit = commit_of(&f, &range, 1);

	/* The last byte is outside of the range. */
	commit.offset = B;
	commit.length = B;
	commit.has_last = true;
	commit.last = 3 * B;
	pnfs_peer_commit_as(&f, &commit, NFS4ERR_INVAL);
	commit.last = 0;
	pnfs_peer_commit_as(&f, &commit, NFS4ERR_INVAL);
	commit.offset = PNFS_ALL;
	commit.length = 10;
	pnfs_peer_commit_as(&f, &commit, NFS4ERR_INVAL);
	commit = commit_of(&f, &range, 1);
	commit.has_mtime = true;
	commit.mtime.nseconds = 1000000000;
	pnfs_peer_commit_as(&f, &commit, NFS4ERR_INVAL);
	commit = commit_of(&f, &range, 1);
	commit.type = LAYOUT4_NFSV4_1_FILES;
	commit.body = "";
	NFS_CHECK(t, pnfs_peer_try_commit(&f, &commit) != NFS4_OK);
	commit = commit_of(&f, &range, 1);
	commit.reclaim = true;
	pnfs_peer_commit_as(&f, &commit, NFS4ERR_NO_GRACE);
	NFS_CHECK_EQ(t, pnfs_peer_size(&f), 0);
	pnfs_peer_free(peer);
}

/* Bodies whose length is not that of their list, or whose ranges are nonsense. */
static FIBER_FN void test_malformed_bodies(struct nfs_test *t)
{
	static const struct {
		uint32_t len;
		uint8_t bytes[24];
	} bad[] = {
		{ 3, { 0 } },
		{ 4, { 0, 0, 0, 1 } },
		{ 5, { 0 } },
		{ 19, { 0, 0, 0, 1 } },
		{ 21, { 0, 0, 0, 1 } },
		{ 20, { 0, 0, 0, 1 } }, /* length 0 */
		{ 4, { 255, 255, 255, 255 } },
		{ 20, { 0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 240, 0, 0, 0, 0, 0, 0, 0, 32, 0 } },
	};
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 4, &f);
	struct nfs_layoutcommit commit = commit_of(&f, NULL, 0);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		nfsstat4 status;

		commit.body = bad[i].bytes;
		commit.body_len = bad[i].len;
		status = pnfs_peer_try_commit(&f, &commit);
		NFS_CHECK(t, status == NFS4ERR_BADXDR || status == NFS4ERR_INVAL);
	}
	pnfs_peer_free(peer);
}

static FIBER_FN void test_commit_stateids(struct nfs_test *t)
{
	struct pnfs_peer_file f, theirs, g;
	struct pnfs_peer *peer = peer_with_written(t, 4, &f);
	struct pnfs_peer *other = pnfs_peer_new(t, NULL, NULL);
	struct nfs_range range = { 0, B };
	struct nfs_layoutcommit commit = commit_of(&f, &range, 1);

	pnfs_peer_open(other, "other", &theirs);
	pnfs_peer_get(&theirs, RW, 0, B, B, NFS4_OK);
	commit.stateid = theirs.layout;
	pnfs_peer_commit_as(&f, &commit, NFS4ERR_BAD_STATEID);
	/* Ours, sent by another client. */
	pnfs_peer_open(other, "f", &g);
	commit.stateid = f.layout;
	pnfs_peer_commit_as(&g, &commit, NFS4ERR_BAD_STATEID);
	commit.stateid = f.open.stateid;
	pnfs_peer_commit_as(&f, &commit, NFS4ERR_BAD_STATEID);
	commit.stateid = nfs_stateid_anonymous;
	pnfs_peer_commit_as(&f, &commit, NFS4ERR_BAD_STATEID);
	/* seqid 0: the newest. */
	commit.stateid = nfs_state_seqid(&f.layout, 0);
	pnfs_peer_commit_as(&f, &commit, NFS4_OK);
	pnfs_peer_expect(&g, 0, 0, 0);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* A client that returns first and commits then (seen in the field): taken, while nobody else had the blocks. */
static FIBER_FN void test_late_commit(struct nfs_test *t)
{
	static const struct nfs_range range = { 0, 4 * B };
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 4, &f);

	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	NFS_CHECK(t, !f.has_layout);
	pnfs_peer_commit(&f, &range, 1, 4 * B - 1, NFS4_OK);
	NFS_CHECK_EQ(t, pnfs_peer_size(&f), 4 * B);
	pnfs_peer_expect(&f, 0, 4 * B, 'x');
	pnfs_peer_free(peer);
}

/* Not any more when somebody else was given the blocks, who wrote there. */
static FIBER_FN void test_too_late_commit(struct nfs_test *t)
{
	struct nfs_range range = { 0, 4 * B };
	struct pnfs_peer_file f, theirs;
	struct pnfs_peer *peer = peer_with_written(t, 4, &f);
	struct pnfs_peer *other = pnfs_peer_new(t, NULL, NULL);
	struct nfs_layoutcommit commit = commit_of(&f, &range, 1);
	nfsstat4 status;

	pnfs_peer_open(other, "f", &theirs);
	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	NFS_IS(t, (int)pnfs_peer_insist(&theirs, RW, 0, 4 * B, 5), NFS4_OK);
	status = pnfs_peer_try_commit(&f, &commit);
	NFS_CHECK(t, status != NFS4_OK && status != NFS4ERR_BADLAYOUT && status != NFS4ERR_DELAY);
	NFS_IS(t, pnfs_peer_dev_write(&theirs, 0, B, 'o'), 0);
	pnfs_peer_commit_range(&theirs, 0, B);
	pnfs_peer_expect(&f, 0, B, 'o');
	pnfs_peer_set_size(&f, 4 * B, NFS4_OK);
	pnfs_peer_expect(&f, B, 3 * B, 0);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* With the server's own writes it is the same. */
static FIBER_FN void test_late_commit_after_a_truncation(struct nfs_test *t)
{
	struct nfs_range range = { 0, 4 * B };
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 4, &f);
	struct nfs_layoutcommit commit = commit_of(&f, &range, 1);

	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_set_size(&f, 100, NFS4_OK);
	pnfs_peer_set_size(&f, 0, NFS4_OK);
	NFS_CHECK(t, pnfs_peer_try_commit(&f, &commit) != NFS4_OK);
	pnfs_peer_set_size(&f, 4 * B, NFS4_OK);
	pnfs_peer_expect(&f, 0, 4 * B, 0);
	pnfs_peer_free(peer);
}

/* stat by others, and by the writer, after a commit: size, times and change move together. */
static FIBER_FN void test_attributes_after_a_commit(struct nfs_test *t)
{
	struct bitmap4 asked =
		NFS_ATTRS(FATTR4_CHANGE, FATTR4_SIZE, FATTR4_TIME_MODIFY, FATTR4_TIME_METADATA, FATTR4_SPACE_USED);
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 4, &f);
	struct nfs_range range = { 0, 4 * B };
	struct nfs_layoutcommit commit = commit_of(&f, &range, 1);
	struct nfs_state s = nfs_state_first(t);
	struct wire_attrs before, after;

	before = nfs_state_getattr(&s, &f.open.fh, asked);
	fiber_sleep_ns(50000000);
	commit.has_last = true;
	commit.last = 4 * B - 1;
	pnfs_peer_commit_as(&f, &commit, NFS4_OK);
	after = nfs_state_getattr(&s, &f.open.fh, asked);
	NFS_CHECK_EQ(t, after.size, 4 * B);
	NFS_CHECK(t, after.change > before.change);
	NFS_CHECK(t, memcmp(&after.time_modify, &before.time_modify, sizeof(after.time_modify)) != 0);
	NFS_CHECK(t, memcmp(&after.time_metadata, &before.time_metadata, sizeof(after.time_metadata)) != 0);
	NFS_CHECK(t, after.space_used >= 4 * B);
	commit.has_mtime = true;
	commit.mtime = (nfstime4){ after.time_modify.seconds + 100, 5 };
	pnfs_peer_commit_as(&f, &commit, NFS4_OK);
	before = nfs_state_getattr(&s, &f.open.fh, asked);
	NFS_CHECK_EQ(t, before.time_modify.seconds, commit.mtime.seconds);
	NFS_CHECK_EQ(t, before.time_modify.nseconds, 5);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_the_answer_tells_the_size(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 4, &f);
	struct nfs_range range = { 0, 4 * B };
	struct nfs_layoutcommit commit = commit_of(&f, &range, 1);
	struct nfs_compound *c = &t->c;
	const struct nfs_resop4 *res;
	uint32_t at;

	commit.has_last = true;
	commit.last = 2 * B - 1;
	for (unsigned int i = 0; i < 2; i++) {
		const newsize4 *size;

		nfs_session_begin(peer->s.session, c);
		nfs_op_putfh(c, &f.open.fh);
		at = nfs_op_layoutcommit(c, &commit);
		NFS_SEND_IN(t, peer->s.session, c, NFS4_OK);
		res = nfs_compound_result(c, at, OP_LAYOUTCOMMIT);
		NFS_CHECK(t, res != NULL);
		size = &res->nfs_resop4_u.oplayoutcommit.LAYOUTCOMMIT4res_u.locr_resok4.locr_newsize;
		NFS_CHECK_EQ(t, size->ns_sizechanged, i == 0);
		if (size->ns_sizechanged)
			NFS_CHECK_EQ(t, size->newsize4_u.ns_size, 2 * B);
	}
	pnfs_peer_free(peer);
}

/* I14: before the answer the devices are flushed, also for a list of nothing. */
static FIBER_FN void test_the_cache_is_flushed(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 4, &f);
	uint64_t before;

	pnfs_peer_commit_range(&f, 0, 4 * B);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 4 * B, 'y'), 0);
	before = sim_disk_stats(nfs_test_disk(t, 0)).flushes;
	pnfs_peer_commit(&f, NULL, 0, PNFS_ALL, NFS4_OK);
	NFS_CHECK(t, sim_disk_stats(nfs_test_disk(t, 0)).flushes > before);
	/* And a power cut proves it. */
	nfs_test_restart(t);
	nfs_conn_drop(peer->tc->conn);
	pnfs_peer_expect(&f, 0, 4 * B, 'y');
	pnfs_peer_free(peer);
}

/* It may be the last thing before the server dies: then it happened, or the client sends it again. */
static FIBER_FN void test_commit_across_a_kill(struct nfs_test *t)
{
	struct pnfs_peer_file f;
	struct pnfs_peer *peer = peer_with_written(t, 8, &f);
	struct nfs_compound *c = &t->c;

	for (unsigned int i = 0; i < 8; i++) {
		struct nfs_range range = { i * B, B };
		struct nfs_layoutcommit commit = commit_of(&f, &range, 1);

		commit.has_last = true;
		commit.last = (i + 1) * B - 1;
		nfs_session_begin(peer->s.session, c);
		nfs_op_putfh(c, &f.open.fh);
		nfs_op_layoutcommit(c, &commit);
		NFS_IS(t, nfs_session_start(peer->s.session, c), 0);
		fiber_sleep_ns(i * 200000ull);
		nfs_test_restart(t);
		nfs_conn_drop(peer->tc->conn);
		NFS_IS(t, nfs_session_wait(peer->s.session, c), 0);
		NFS_IS(t, (int)c->status, NFS4_OK);
		NFS_CHECK_EQ(t, pnfs_peer_size(&f), (i + 1) * B);
	}
	pnfs_peer_free(peer);
}

/* Between the client's write and its LAYOUTCOMMIT a reader sees zeros, never what the disk had (I2). */
static FIBER_FN void test_nobody_sees_what_is_not_committed(struct nfs_test *t)
{
	struct pnfs_peer_file f, theirs;
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL), *other = pnfs_peer_new(t, NULL, NULL);

	pnfs_peer_make(peer, "old", 4 << 20, 's', &f);
	nfs_state_remove(&peer->s, "old");
	pnfs_peer_close(&f, NFS4_OK);
	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_open(other, "f", &theirs);
	pnfs_peer_get(&f, RW, 0, 1 << 20, 1 << 20, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 1 << 19, 'x'), 0);
	pnfs_peer_commit(&f, NULL, 0, (1 << 20) - 1, NFS4_OK);
	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_close(&f, NFS4_OK);
	pnfs_peer_expect(&theirs, 0, 1 << 20, 0);
	pnfs_peer_get(&theirs, RD, 0, 1 << 20, 1 << 20, NFS4_OK);
	for (uint32_t i = 0; i < theirs.got.nr; i++)
		NFS_CHECK_EQ(t, theirs.got.extents[i].bex_state, PNFS_BLOCK_NONE_DATA);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_the_list_is_exact, "RFC 8154, 2.3.2"),
	NFS_TEST(test_empty_list, "RFC 8881, 18.42.3"),
	NFS_TEST(test_it_never_shrinks, "RFC 8881, 18.42.3"),
	NFS_TEST(test_size_within_a_block, "RFC 8154, 2.3.4"),
	NFS_TEST(test_repeated_split_and_reordered, "RFC 8881, 18.42.3"),
	NFS_TEST(test_odd_lists, "RFC 8154, 2.3.2"),
	NFS_TEST(test_long_list, "RFC 8154, 2.3.2"),
	NFS_TEST(test_ranges_that_were_never_granted, "RFC 8154, 2.3.2"),
	NFS_TEST(test_of_a_read_layout, "RFC 8154, 2.3.2"),
	NFS_TEST(test_bad_arguments, "RFC 8881, 18.42.3"),
	NFS_TEST(test_malformed_bodies, "RFC 8154, 2.3.2"),
	NFS_TEST(test_commit_stateids, "RFC 8881, 12.5.3"),
	NFS_TEST(test_late_commit, "RFC 8881, 18.42.3; client rule 8"),
	NFS_TEST(test_too_late_commit, "RFC 8881, 18.42.3; client rule 8"),
	NFS_TEST(test_late_commit_after_a_truncation, "RFC 8881, 18.42.3; client rule 8"),
	NFS_TEST(test_attributes_after_a_commit, "RFC 8881, 12.5.4"),
	NFS_TEST(test_the_answer_tells_the_size, "RFC 8881, 18.42.3"),
	NFS_TEST(test_the_cache_is_flushed, "RFC 8881, 18.42.3"),
	NFS_TEST(test_commit_across_a_kill, "RFC 8881, 2.10.6"),
	NFS_TEST(test_nobody_sees_what_is_not_committed, "RFC 8154, 2.3.1"),
};

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_SCSI);
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
