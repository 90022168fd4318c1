/* SPDX-License-Identifier: Apache-2.0 */
/* Open states: share reservations, upgrade, downgrade, close, and what a stateid is good for. */

#include <string.h>

#include "tests/lib/nfs_state.h"

#define R  OPEN4_SHARE_ACCESS_READ
#define W  OPEN4_SHARE_ACCESS_WRITE
#define RW OPEN4_SHARE_ACCESS_BOTH

FIBER_FN static void test_deny_write(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, NULL);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	nfs_state_share(&s, "f", NULL, R, OPEN4_SHARE_DENY_WRITE, NFS4_OK);
	nfs_state_share(&other, "f", NULL, W, 0, NFS4ERR_SHARE_DENIED);
	nfs_state_share(&other, "f", NULL, RW, 0, NFS4ERR_SHARE_DENIED);
	nfs_state_share(&other, "f", NULL, R, 0, NFS4_OK);
}

FIBER_FN static void test_deny_what_is_open(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, NULL);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	nfs_state_share(&s, "f", NULL, W, 0, NFS4_OK);
	nfs_state_share(&other, "f", NULL, R, OPEN4_SHARE_DENY_WRITE, NFS4ERR_SHARE_DENIED);
	nfs_state_share(&other, "f", NULL, R, OPEN4_SHARE_DENY_READ, NFS4_OK);
}

FIBER_FN static void test_deny_between_owners_of_a_client(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", "a");

	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	nfs_state_share(&s, "f", "a", R, OPEN4_SHARE_DENY_BOTH, NFS4_OK);
	nfs_state_share(&s, "f", "b", R, 0, NFS4ERR_SHARE_DENIED);
}

FIBER_FN static void test_deny_ends_with_close(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, NULL);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	file = nfs_state_share(&s, "f", NULL, R, OPEN4_SHARE_DENY_BOTH, NFS4_OK);
	nfs_state_share(&other, "f", NULL, R, 0, NFS4ERR_SHARE_DENIED);
	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	nfs_state_share(&other, "f", NULL, R, 0, NFS4_OK);
}

FIBER_FN static void test_deny_stops_anonymous_io(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	file = nfs_state_share(&s, "f", NULL, RW, OPEN4_SHARE_DENY_BOTH, NFS4_OK);
	nfs_state_write(&s, &file.fh, &nfs_stateid_anonymous, NFS4ERR_LOCKED);
	nfs_state_read(&s, &file.fh, &nfs_stateid_anonymous, NFS4ERR_LOCKED);
	nfs_state_write(&s, &file.fh, &file.stateid, NFS4_OK);
}

FIBER_FN static void test_bypass_reads(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	file = nfs_state_share(&s, "f", NULL, RW, OPEN4_SHARE_DENY_BOTH, NFS4_OK);
	nfs_test_differs(t, "a server need not allow it");
	nfs_state_read(&s, &file.fh, &nfs_stateid_bypass, NFS4_OK);
	nfs_state_write(&s, &file.fh, &nfs_stateid_bypass, NFS4ERR_LOCKED);
}

FIBER_FN static void test_upgrade(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL), first, second;

	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	first = nfs_state_share(&s, "f", NULL, R, 0, NFS4_OK);
	nfs_state_write(&s, &file.fh, &first.stateid, NFS4ERR_OPENMODE);
	second = nfs_state_share(&s, "f", NULL, W, 0, NFS4_OK);
	NFS_CHECK(t, nfs_state_same(&first.stateid, &second.stateid));
	NFS_CHECK_EQ(t, second.stateid.seqid, first.stateid.seqid + 1);
	nfs_state_write(&s, &file.fh, &second.stateid, NFS4_OK);
	nfs_state_read(&s, &file.fh, &second.stateid, NFS4_OK);
}

FIBER_FN static void test_one_close_for_all_opens(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_share(&s, "f", NULL, R, 0, NFS4_OK);
	file = nfs_state_share(&s, "f", NULL, R, 0, NFS4_OK);
	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	nfs_state_close(&s, &file.fh, &file.stateid, NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_first_seqid_is_1(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);

	NFS_CHECK_EQ(t, nfs_state_make(&s, "f", NULL).stateid.seqid, 1);
}

FIBER_FN static void test_downgrade(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);
	stateid4 now;

	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	nfs_state_share(&s, "f", NULL, R, 0, NFS4_OK);
	file = nfs_state_share(&s, "f", NULL, W, 0, NFS4_OK);
	now = nfs_state_downgrade(&s, &file.fh, &file.stateid, R, 0, NFS4_OK);
	NFS_CHECK(t, nfs_state_same(&now, &file.stateid));
	NFS_CHECK_EQ(t, now.seqid, file.stateid.seqid + 1);
	nfs_state_write(&s, &file.fh, &now, NFS4ERR_OPENMODE);
}

FIBER_FN static void test_downgrade_to_what_was_never_opened(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_test_differs(t, "some keep no count of what was opened how");
	nfs_state_downgrade(&s, &file.fh, &file.stateid, R, 0, NFS4ERR_INVAL);
}

FIBER_FN static void test_downgrade_gains_nothing(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	file = nfs_state_share(&s, "f", NULL, R, 0, NFS4_OK);
	nfs_state_downgrade(&s, &file.fh, &file.stateid, RW, 0, NFS4ERR_INVAL);
	nfs_state_downgrade(&s, &file.fh, &file.stateid, R, OPEN4_SHARE_DENY_WRITE, NFS4ERR_INVAL);
	nfs_state_downgrade(&s, &file.fh, &file.stateid, 0, 0, NFS4ERR_INVAL);
}

FIBER_FN static void test_downgrade_lets_others_in(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, NULL);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	nfs_state_share(&s, "f", NULL, R, 0, NFS4_OK);
	file = nfs_state_share(&s, "f", NULL, R, OPEN4_SHARE_DENY_WRITE, NFS4_OK);
	nfs_state_share(&other, "f", NULL, W, 0, NFS4ERR_SHARE_DENIED);
	nfs_state_downgrade(&s, &file.fh, &file.stateid, R, 0, NFS4_OK);
	nfs_state_share(&other, "f", NULL, W, 0, NFS4_OK);
}

FIBER_FN static void test_close_twice(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	nfs_state_close(&s, &file.fh, &file.stateid, NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_close_returns_the_invalid_stateid(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);
	stateid4 after;
	uint32_t at;

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &file.fh);
	at = nfs_op_close(&t->c, &file.stateid);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_stateid(&t->c, at, &after), 0);
	nfs_test_differs(t, "SHOULD");
	NFS_CHECK(t, memcmp(&after, &nfs_stateid_invalid, sizeof(after)) == 0);
}

FIBER_FN static void test_close_with_seqid_0(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);
	stateid4 zero = nfs_state_seqid(&file.stateid, 0);

	nfs_state_close(&s, &file.fh, &zero, NFS4_OK);
}

FIBER_FN static void test_old_seqid(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_share(&s, "f", NULL, R, 0, NFS4_OK);
	nfs_state_close(&s, &file.fh, &file.stateid, NFS4ERR_OLD_STATEID);
}

FIBER_FN static void test_future_seqid(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);
	stateid4 future = nfs_state_seqid(&file.stateid, 7);

	nfs_state_write(&s, &file.fh, &future, NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_stateid_of_another_file(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL), g = nfs_state_make(&s, "g", NULL);

	nfs_state_write(&s, &f.fh, &g.stateid, NFS4ERR_BAD_STATEID);
	nfs_state_close(&s, &f.fh, &g.stateid, NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_stateid_of_another_client(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, NULL);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&other, &file.fh, &file.stateid, NFS4ERR_BAD_STATEID);
	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
}

FIBER_FN static void test_made_up_stateid(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);
	stateid4 made_up = file.stateid;

	made_up.other[11] ^= 1;
	nfs_state_write(&s, &file.fh, &made_up, NFS4ERR_BAD_STATEID);
	memset(&made_up, 0x5a, sizeof(made_up));
	nfs_state_write(&s, &file.fh, &made_up, NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_invalid_special_stateid(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_write(&s, &file.fh, &nfs_stateid_invalid, NFS4ERR_BAD_STATEID);
	nfs_state_close(&s, &file.fh, &nfs_stateid_anonymous, NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_write_with_a_read_open(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	file = nfs_state_share(&s, "f", NULL, R, 0, NFS4_OK);
	nfs_state_write(&s, &file.fh, &file.stateid, NFS4ERR_OPENMODE);
}

FIBER_FN static void test_read_with_a_write_open(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	file = nfs_state_share(&s, "f", NULL, W, 0, NFS4_OK);
	nfs_test_differs(t, "a server may refuse");
	nfs_state_read(&s, &file.fh, &file.stateid, NFS4_OK);
}

FIBER_FN static void test_open_outlives_the_mode(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct wire_attrs all = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0777 }, none = all;
	struct nfs_state_open file;

	none.mode = 0;
	nfs_state_setattr(&s, &s.dir, &all, NFS4_OK);
	s.cred = (struct nfs_cred){ .uid = 1000, .gid = 1000 };
	file = nfs_state_make(&s, "f", NULL);
	nfs_state_setattr(&s, &file.fh, &none, NFS4_OK);
	nfs_state_write(&s, &file.fh, &file.stateid, NFS4_OK);
	nfs_state_read(&s, &file.fh, &file.stateid, NFS4_OK);
}

FIBER_FN static void test_unlinked_lives_on(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_remove(&s, "f");
	nfs_state_write(&s, &file.fh, &file.stateid, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_state_getattr(&s, &file.fh, NFS_ATTRS(FATTR4_NUMLINKS)).numlinks, 0);
	nfs_state_read(&s, &file.fh, &file.stateid, NFS4_OK);
}

FIBER_FN static void test_unlinked_goes_with_close(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);
	nfsstat4 status = NFS4_OK;

	nfs_state_remove(&s, "f");
	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	/* It takes the server a moment. */
	for (unsigned int i = 0; i < 100 && !status; i++) {
		struct nfs_open open = { .access = R };

		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &file.fh);
		nfs_op_getattr(&t->c, NFS_ATTRS(FATTR4_SIZE));
		NFS_IS(t, nfs_session_send(t->session, &t->c), 0);
		status = t->c.status;
		if (status)
			nfs_state_open(&s, &file.fh, &open, NFS4ERR_STALE);
	}
	NFS_CHECK_EQ(t, status, NFS4ERR_STALE);
}

FIBER_FN static void test_unlinked_waits_for_the_last_close(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, NULL);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL), second;

	second = nfs_state_share(&other, "f", NULL, RW, 0, NFS4_OK);
	nfs_state_remove(&s, "f");
	nfs_state_close(&s, &file.fh, &file.stateid, NFS4_OK);
	nfs_state_write(&other, &file.fh, &second.stateid, NFS4_OK);
	nfs_state_read(&other, &file.fh, &second.stateid, NFS4_OK);
}

/* TEST_STATEID, FREE_STATEID, DELEGRETURN */

FIBER_FN static void test_test_stateid(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);
	stateid4 future = nfs_state_seqid(&file.stateid, 9);

	NFS_CHECK_EQ(t, nfs_state_test(&s, &file.stateid), NFS4_OK);
	NFS_CHECK_EQ(t, nfs_state_test(&s, &future), NFS4ERR_BAD_STATEID);
	nfs_state_share(&s, "f", NULL, R, 0, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_state_test(&s, &file.stateid), NFS4ERR_OLD_STATEID);
	NFS_CHECK_EQ(t, nfs_state_test(&s, &nfs_stateid_anonymous), NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_test_many_stateids(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);
	stateid4 three[3] = { nfs_stateid_invalid, file.stateid, nfs_stateid_bypass };
	const TEST_STATEID4resok *ok;
	const struct nfs_resop4 *res;
	uint32_t at;

	nfs_session_begin(t->session, &t->c);
	at = nfs_op_test_stateid(&t->c, three, 3);
	NFS_SEND(t, &t->c, NFS4_OK);
	res = nfs_compound_result(&t->c, at, OP_TEST_STATEID);
	NFS_CHECK(t, res != NULL);
	ok = &res->nfs_resop4_u.optest_stateid.TEST_STATEID4res_u.tsr_resok4;
	NFS_CHECK_EQ(t, ok->tsr_status_codes.tsr_status_codes_len, 3);
	NFS_CHECK_EQ(t, ok->tsr_status_codes.tsr_status_codes_val[0], NFS4ERR_BAD_STATEID);
	NFS_CHECK_EQ(t, ok->tsr_status_codes.tsr_status_codes_val[1], NFS4_OK);
	NFS_CHECK_EQ(t, ok->tsr_status_codes.tsr_status_codes_val[2], NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_free_an_open(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_state_free(&s, &file.stateid, NFS4ERR_LOCKS_HELD);
	nfs_state_free(&s, &nfs_stateid_anonymous, NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_delegreturn_of_none(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &file.fh);
	nfs_op_delegreturn(&t->c, &file.stateid);
	NFS_SEND(t, &t->c, NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_delegpurge(struct nfs_test *t)
{
	nfs_session_begin(t->session, &t->c);
	nfs_op_plain(&t->c, OP_DELEGPURGE);
	NFS_SEND(t, &t->c, NFS4ERR_NOTSUPP);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_deny_write, "RFC 8881, 9.7"),
	NFS_TEST(test_deny_what_is_open, "RFC 8881, 9.7"),
	NFS_TEST(test_deny_between_owners_of_a_client, "RFC 8881, 9.7"),
	NFS_TEST(test_deny_ends_with_close, "RFC 8881, 9.7"),
	NFS_TEST(test_deny_stops_anonymous_io, "RFC 8881, 8.2.3"),
	NFS_TEST(test_bypass_reads, "RFC 8881, 8.2.3"),
	NFS_TEST(test_upgrade, "RFC 8881, 9.9"),
	NFS_TEST_DIFFERS(test_one_close_for_all_opens, "RFC 8881, 9.9",
			 "it answers CLOSE of what is closed with NFS4_OK"),
	NFS_TEST(test_first_seqid_is_1, "RFC 8881, 8.2.2"),
	NFS_TEST_DIFFERS(test_downgrade, "RFC 8881, 18.18.3", "it writes with an open that has given writing up"),
	NFS_TEST(test_downgrade_to_what_was_never_opened, "RFC 8881, 18.18.3"),
	NFS_TEST(test_downgrade_gains_nothing, "RFC 8881, 18.18.3"),
	NFS_TEST(test_downgrade_lets_others_in, "RFC 8881, 18.18.3"),
	NFS_TEST_DIFFERS(test_close_twice, "RFC 8881, 18.2.3", "it answers CLOSE of what is closed with NFS4_OK"),
	NFS_TEST(test_close_returns_the_invalid_stateid, "RFC 8881, 18.2.4"),
	NFS_TEST(test_close_with_seqid_0, "RFC 8881, 8.2.2"),
	NFS_TEST(test_old_seqid, "RFC 8881, 8.2.2"),
	NFS_TEST(test_future_seqid, "RFC 8881, 8.2.2"),
	NFS_TEST(test_stateid_of_another_file, "RFC 8881, 8.2.4"),
	NFS_TEST_DIFFERS(test_stateid_of_another_client, "RFC 8881, 8.2.4",
			 "it takes another client's stateid in CLOSE"),
	NFS_TEST_DIFFERS(test_made_up_stateid, "RFC 8881, 8.2.4",
			 "it says NFS4ERR_STALE_STATEID, which NFSv4.1 does not have"),
	NFS_TEST(test_invalid_special_stateid, "RFC 8881, 8.2.3"),
	NFS_TEST(test_write_with_a_read_open, "RFC 8881, 9.1.2"),
	NFS_TEST(test_read_with_a_write_open, "RFC 8881, 9.1.2"),
	NFS_TEST(test_open_outlives_the_mode, "RFC 8881, 18.16.4"),
	NFS_TEST_DIFFERS(test_unlinked_lives_on, "RFC 8881, 18.16.3",
			 "without OPEN4_RESULT_PRESERVE_UNLINKED it need not"),
	NFS_TEST(test_unlinked_goes_with_close, "RFC 8881, 4.2.1"),
	NFS_TEST_DIFFERS(test_unlinked_waits_for_the_last_close, "RFC 8881, 18.16.3",
			 "without OPEN4_RESULT_PRESERVE_UNLINKED it need not"),
	NFS_TEST(test_test_stateid, "RFC 8881, 18.48.3"),
	NFS_TEST(test_test_many_stateids, "RFC 8881, 18.48.3"),
	NFS_TEST(test_free_an_open, "RFC 8881, 18.38.3"),
	NFS_TEST_DIFFERS(test_delegreturn_of_none, "RFC 8881, 18.6.3", "it has no delegations as it is set up here"),
	NFS_TEST_DIFFERS(test_delegpurge, "RFC 8881, 18.5.3", "it may support it"),
};

NFS_TEST_MAIN(cases)
