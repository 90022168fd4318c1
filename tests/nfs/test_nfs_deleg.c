/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets a delegation, what it is good for, how it goes back, and what of it survives. */

#include "dev/fiber.h"
#include "tests/lib/nfs_deleg.h"
#include "tests/lib/nfs_test_start.h"

#define R	   OPEN4_SHARE_ACCESS_READ
#define W	   OPEN4_SHARE_ACCESS_WRITE
#define RW	   OPEN4_SHARE_ACCESS_BOTH
#define WANT_READ  OPEN4_SHARE_ACCESS_WANT_READ_DELEG
#define WANT_WRITE OPEN4_SHARE_ACCESS_WANT_WRITE_DELEG
#define WANT_ANY   OPEN4_SHARE_ACCESS_WANT_ANY_DELEG

/* Open "f" with @access, wants included, and see what comes of it. */
FIBER_FN static void given(struct nfs_test *t, uint32_t access, open_delegation_type4 type)
{
	struct nfs_deleg *d = nfs_deleg_open(t, false, access);

	NFS_CHECK_EQ(t, d->f.ok.delegation.delegation_type, type);
	nfs_deleg_free(d);
}

FIBER_FN static void refused(struct nfs_test *t, bool other, uint32_t access, why_no_delegation4 why)
{
	struct nfs_deleg *d = nfs_deleg_open(t, other, access);

	NFS_CHECK_EQ(t, d->f.ok.delegation.delegation_type, OPEN_DELEGATE_NONE_EXT);
	NFS_CHECK_EQ(t, d->f.ok.delegation.open_delegation4_u.od_whynone.ond_why, why);
	nfs_deleg_free(d);
}

FIBER_FN static void test_read_for_reading(struct nfs_test *t)
{
	given(t, R | WANT_READ, OPEN_DELEGATE_READ);
}

FIBER_FN static void test_write_for_writing(struct nfs_test *t)
{
	given(t, RW | WANT_WRITE, OPEN_DELEGATE_WRITE);
}

FIBER_FN static void test_any_for_reading(struct nfs_test *t)
{
	given(t, R | WANT_ANY, OPEN_DELEGATE_READ);
}

FIBER_FN static void test_any_for_writing(struct nfs_test *t)
{
	given(t, RW | WANT_ANY, OPEN_DELEGATE_WRITE);
}

FIBER_FN static void test_none_unasked(struct nfs_test *t)
{
	given(t, RW, OPEN_DELEGATE_NONE);
}

FIBER_FN static void test_none_if_not_wanted(struct nfs_test *t)
{
	refused(t, false, RW | OPEN4_SHARE_ACCESS_WANT_NO_DELEG, WND4_NOT_WANTED);
	refused(t, false, RW | OPEN4_SHARE_ACCESS_WANT_CANCEL, WND4_CANCELLED);
}

FIBER_FN static void test_no_write_for_reading(struct nfs_test *t)
{
	refused(t, false, R | WANT_WRITE, WND4_RESOURCE);
}

FIBER_FN static void test_what_it_says(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_WRITE);
	const open_write_delegation4 *w = &d->f.ok.delegation.open_delegation4_u.write;

	NFS_CHECK_EQ(t, w->stateid.seqid, 1);
	NFS_CHECK(t, !w->recall);
	NFS_CHECK_EQ(t, w->space_limit.limitby, NFS_LIMIT_SIZE);
	NFS_CHECK_EQ(t, w->permissions.access_mask, 0);
	NFS_CHECK(t, !nfs_state_same(&w->stateid, &d->f.stateid));
	NFS_CHECK_EQ(t, nfs_state_test(&d->s, &d->stateid), NFS4_OK);
	nfs_deleg_free(d);
}

FIBER_FN static void test_none_without_callbacks(struct nfs_test *t)
{
	struct nfs_session_options opt = { .has_no_back_channel = true };
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&s, &f.fh, &f.stateid, NFS4_OK);
	NFS_IS(t, nfs_client_exchange_id(&tc->client, tc->conn), 0);
	NFS_IS(t, nfs_session_open(&tc->client, tc->conn, &opt, &tc->session), 0);
	s.session = tc->session;
	f = nfs_state_share(&s, "f", NULL, R | WANT_READ, 0, NFS4_OK);
	NFS_CHECK_EQ(t, f.ok.delegation.delegation_type, OPEN_DELEGATE_NONE_EXT);
	NFS_CHECK_EQ(t, f.ok.delegation.open_delegation4_u.od_whynone.ond_why, WND4_RESOURCE);
}

FIBER_FN static void test_no_read_against_a_writer(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);

	nfs_state_make(&s, "f", NULL);
	refused(t, true, R | WANT_READ, WND4_CONTENTION);
}

FIBER_FN static void test_no_write_against_a_reader(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", "a");

	nfs_state_share(&s, "f", "b", R, 0, NFS4_OK);
	nfs_state_close(&s, &f.fh, &f.stateid, NFS4_OK);
	refused(t, true, RW | WANT_WRITE, WND4_CONTENTION);
}

FIBER_FN static void test_one_for_each_client(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_READ);

	refused(t, false, R | WANT_READ, WND4_RESOURCE);
	refused(t, false, RW | WANT_WRITE, WND4_NOT_SUPP_UPGRADE);
	nfs_deleg_return(d, NULL, NFS4_OK);
	nfs_deleg_free(d);
}

FIBER_FN static void test_readers_share(struct nfs_test *t)
{
	struct nfs_deleg *a = nfs_deleg_get(t, false, OPEN_DELEGATE_READ);
	struct nfs_deleg *b = nfs_deleg_get(t, true, OPEN_DELEGATE_READ);

	NFS_CHECK_EQ(t, a->nr_recalls + b->nr_recalls, 0);
	nfs_deleg_free(a);
	nfs_deleg_free(b);
}

/* Using it */

FIBER_FN static void test_io_with_a_write_delegation(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_WRITE);
	struct nfs_state_open g = nfs_state_make(&d->s, "g", NULL);

	nfs_state_write(&d->s, &d->f.fh, &d->stateid, NFS4_OK);
	nfs_state_read(&d->s, &d->f.fh, &d->stateid, NFS4_OK);
	nfs_state_close(&d->s, &d->f.fh, &d->f.stateid, NFS4_OK);
	nfs_state_write(&d->s, &d->f.fh, &d->stateid, NFS4_OK);
	nfs_state_write(&d->s, &g.fh, &d->stateid, NFS4ERR_BAD_STATEID);
	nfs_deleg_free(d);
}

FIBER_FN static void test_io_with_a_read_delegation(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_READ);

	nfs_state_read(&d->s, &d->f.fh, &d->stateid, NFS4_OK);
	nfs_state_write(&d->s, &d->f.fh, &d->stateid, NFS4ERR_OPENMODE);
	nfs_deleg_free(d);
}

FIBER_FN static void test_size_with_a_write_delegation(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_WRITE);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_SIZE), .size = 5 };

	nfs_session_begin(d->s.session, &t->c);
	nfs_op_putfh(&t->c, &d->f.fh);
	nfs_op_setattr(&t->c, &d->stateid, &attrs);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_state_getattr(&d->s, &d->f.fh, NFS_ATTRS(FATTR4_SIZE)).size, 5);
	nfs_deleg_free(d);
}

FIBER_FN static void test_no_lock_with_a_delegation(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_WRITE);
	struct nfs_lock lock = { .type = WRITE_LT, .length = 10 };
	struct nfs_state_open by = { .fh = d->f.fh, .stateid = d->stateid };

	nfs_state_lock_first(&d->s, &by, &lock, NFS4ERR_BAD_STATEID);
	nfs_deleg_free(d);
}

/* An OPEN that the client had done by itself; @by_name: CLAIM_DELEGATE_CUR instead of CLAIM_DELEG_CUR_FH. */
FIBER_FN static void claim(struct nfs_deleg *d, bool by_name, uint32_t access, nfsstat4 want)
{
	struct nfs_compound *c = &d->s.t->c;
	struct nfs_argop4 op = { .argop = OP_OPEN };
	OPEN4args *args = &op.nfs_argop4_u.opopen;
	char owner[] = "claimer", name[] = "f";

	args->share_access = access;
	args->owner.owner.owner_len = 7;
	args->owner.owner.owner_val = owner;
	args->claim.claim = by_name ? CLAIM_DELEGATE_CUR : CLAIM_DELEG_CUR_FH;
	if (by_name) {
		args->claim.open_claim4_u.delegate_cur_info.delegate_stateid = d->stateid;
		args->claim.open_claim4_u.delegate_cur_info.file.component4_val = name;
		args->claim.open_claim4_u.delegate_cur_info.file.component4_len = 1;
	} else {
		args->claim.open_claim4_u.oc_delegate_stateid = d->stateid;
	}
	nfs_session_begin(d->s.session, c);
	nfs_op_putfh(c, by_name ? &d->s.dir : &d->f.fh);
	nfs_compound_add(c, &op);
	NFS_SEND_IN(d->s.t, d->s.session, c, want);
}

FIBER_FN static void test_claim_by_handle(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_WRITE);

	claim(d, false, RW, NFS4_OK);
	nfs_deleg_return(d, NULL, NFS4_OK);
	claim(d, false, RW, NFS4ERR_BAD_STATEID);
	nfs_deleg_free(d);
}

FIBER_FN static void test_claim_by_name(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_READ);

	claim(d, true, R, NFS4_OK);
	nfs_deleg_free(d);
}

FIBER_FN static void test_claim_more_than_it_allows(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_READ);

	claim(d, false, RW, NFS4ERR_INVAL);
	nfs_deleg_free(d);
}

FIBER_FN static void test_claim_while_it_is_recalled(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_WRITE);
	struct nfs_state other = nfs_state_other(t, NULL);

	nfs_state_close(&d->s, &d->f.fh, &d->f.stateid, NFS4_OK);
	nfs_state_share(&other, "f", NULL, W, OPEN4_SHARE_DENY_BOTH, NFS4ERR_DELAY);
	claim(d, false, RW, NFS4_OK);
	nfs_deleg_return(d, NULL, NFS4_OK);
	nfs_state_share(&other, "f", NULL, W, OPEN4_SHARE_DENY_BOTH, NFS4ERR_SHARE_DENIED);
	nfs_deleg_free(d);
}

/* Giving it back */

FIBER_FN static void test_return(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_WRITE);
	struct nfs_state other = nfs_state_other(t, NULL);

	nfs_deleg_return(d, NULL, NFS4_OK);
	nfs_deleg_return(d, NULL, NFS4ERR_BAD_STATEID);
	nfs_state_share(&other, "f", NULL, RW, 0, NFS4_OK);
	NFS_CHECK_EQ(t, d->nr_recalls, 0);
	nfs_state_write(&d->s, &d->f.fh, &d->f.stateid, NFS4_OK);
	nfs_deleg_free(d);
}

FIBER_FN static void test_return_of_another_file(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_READ);
	struct nfs_state_open g = nfs_state_make(&d->s, "g", NULL);

	nfs_deleg_return(d, &g.fh, NFS4ERR_BAD_STATEID);
	nfs_deleg_return(d, NULL, NFS4_OK);
	nfs_deleg_free(d);
}

FIBER_FN static void test_return_by_somebody_else(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_READ);
	struct nfs_state other = nfs_state_other(t, NULL), own = d->s;

	d->s.session = other.session;
	nfs_deleg_return(d, NULL, NFS4ERR_BAD_STATEID);
	d->s = own;
	nfs_deleg_return(d, NULL, NFS4_OK);
	nfs_deleg_free(d);
}

FIBER_FN static void test_free_of_a_good_one(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_READ);

	nfs_state_free(&d->s, &d->stateid, NFS4ERR_LOCKS_HELD);
	nfs_deleg_free(d);
}

FIBER_FN static void test_client_in_use_while_it_has_one(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, true, OPEN_DELEGATE_WRITE);
	struct nfs_state s = nfs_state_first(t);
	struct nfs_test_client *tc = t->clients[t->nr_clients - 1];

	/* Only its sessions keep a client from going (18.50.3); with it goes what it has. */
	nfs_state_close(&d->s, &d->f.fh, &d->f.stateid, NFS4_OK);
	NFS_IS(t, nfs_session_close(tc->session), 0);
	tc->session = NULL;
	nfs_compound_begin(&t->c);
	nfs_op_destroy_clientid(&t->c, tc->client.clientid);
	NFS_SEND_OVER(t, tc->conn, &t->c, NFS4ERR_CLIENTID_BUSY);
	/* Nobody can be called back: it is revoked after a lease. */
	nfs_state_share(&s, "f", NULL, RW, 0, NFS4ERR_DELAY);
	fiber_sleep_ns(31 * NSEC_PER_SEC);
	NFS_IS(t, nfs_session_ping(t->session), 0);
	nfs_state_share(&s, "f", NULL, RW, 0, NFS4_OK);
	nfs_deleg_free(d);
}

/* Whoever has a file delegated has it, though it lost its name (I8). */
FIBER_FN static void test_keeps_a_removed_file(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_WRITE);

	nfs_state_write(&d->s, &d->f.fh, &d->stateid, NFS4_OK);
	nfs_state_close(&d->s, &d->f.fh, &d->f.stateid, NFS4_OK);
	nfs_state_remove(&d->s, "f");
	NFS_CHECK_EQ(t, d->nr_recalls, 0);
	nfs_state_read(&d->s, &d->f.fh, &d->stateid, NFS4_OK);
	nfs_deleg_return(d, NULL, NFS4_OK);
	fiber_sleep_ns(NSEC_PER_SEC);
	nfs_state_read(&d->s, &d->f.fh, &nfs_stateid_anonymous, NFS4ERR_STALE);
	nfs_deleg_free(d);
}

/* Restart */

FIBER_FN static void test_survives_a_restart(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_WRITE);
	struct nfs_state other = nfs_state_other(t, NULL);

	nfs_state_close(&d->s, &d->f.fh, &d->f.stateid, NFS4_OK);
	nfs_test_restart(t);
	nfs_state_write(&d->s, &d->f.fh, &d->stateid, NFS4_OK);
	d->returns = true;
	nfs_state_share(&other, "f", NULL, RW, 0, NFS4_OK);
	NFS_CHECK_EQ(t, d->nr_recalls, 1);
	NFS_CHECK(t, nfs_state_same(&d->recalled.stateid, &d->stateid));
	nfs_deleg_free(d);
}

FIBER_FN static void test_return_survives_a_restart(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_WRITE);

	nfs_deleg_return(d, NULL, NFS4_OK);
	nfs_test_restart(t);
	NFS_CHECK_EQ(t, nfs_state_test(&d->s, &d->stateid), NFS4ERR_BAD_STATEID);
	nfs_deleg_free(d);
}

FIBER_FN static void test_is_recalled_again_after_a_restart(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_WRITE);
	struct nfs_state other = nfs_state_other(t, NULL);

	nfs_state_share(&other, "f", NULL, R, 0, NFS4ERR_DELAY);
	NFS_CHECK_EQ(t, d->nr_recalls, 1);
	nfs_test_restart(t);
	nfs_state_read(&d->s, &d->f.fh, &d->stateid, NFS4_OK);
	d->returns = true;
	nfs_state_share(&other, "f", NULL, R, 0, NFS4_OK);
	NFS_CHECK_EQ(t, d->nr_recalls, 2);
	nfs_deleg_free(d);
}

FIBER_FN static void test_revocation_survives_a_restart(struct nfs_test *t)
{
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_WRITE);
	struct nfs_state other = nfs_state_other(t, NULL);

	nfs_state_share(&other, "f", NULL, R, 0, NFS4ERR_DELAY);
	for (int i = 0; i < 4; i++) {
		fiber_sleep_ns(10 * NSEC_PER_SEC);
		NFS_IS(t, nfs_session_ping(t->session), 0);
		NFS_IS(t, nfs_session_ping(other.session), 0);
	}
	nfs_state_share(&other, "f", NULL, R, 0, NFS4_OK);
	nfs_test_restart(t);
	nfs_state_read(&d->s, &d->f.fh, &d->stateid, NFS4ERR_DELEG_REVOKED);
	NFS_CHECK(t, d->s.session->status_flags & SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
	nfs_state_free(&d->s, &d->stateid, NFS4_OK);
	NFS_IS(t, nfs_session_ping(d->s.session), 0);
	NFS_CHECK(t, !(d->s.session->status_flags & SEQ4_STATUS_RECALLABLE_STATE_REVOKED));
	nfs_deleg_free(d);
}

/* Come back after the server forgot everything, and reclaim an open of "f" with a delegation. */
FIBER_FN static void reclaim(struct nfs_test *t, open_delegation_type4 type)
{
	struct nfs_session_options opt = { .skips_reclaim_complete = true };
	struct nfs_deleg *d = nfs_deleg_get(t, false, OPEN_DELEGATE_WRITE);
	struct nfs_argop4 op = { .argop = OP_OPEN };
	OPEN4args *args = &op.nfs_argop4_u.opopen;
	struct nfs_test_client *tc;
	char owner[] = "owner";
	OPEN4resok ok;
	uint32_t at;

	NFS_IS(t, nfs_test_kill_discard(t), 0);
	tc = nfs_test_client_bare(t, &t->client->identity);
	NFS_IS(t, nfs_client_exchange_id(&tc->client, tc->conn), 0);
	NFS_IS(t, nfs_session_open(&tc->client, tc->conn, &opt, &tc->session), 0);
	args->share_access = RW;
	args->owner.owner.owner_len = 5;
	args->owner.owner.owner_val = owner;
	args->claim.claim = CLAIM_PREVIOUS;
	args->claim.open_claim4_u.delegate_type = type;
	nfs_session_begin(tc->session, &t->c);
	nfs_op_putfh(&t->c, &d->f.fh);
	at = nfs_compound_add(&t->c, &op);
	NFS_SEND_IN(t, tc->session, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_open(&t->c, at, &ok), 0);
	NFS_CHECK_EQ(t, ok.delegation.delegation_type, type);
	nfs_deleg_free(d);
}

FIBER_FN static void test_reclaim_write(struct nfs_test *t)
{
	reclaim(t, OPEN_DELEGATE_WRITE);
}

FIBER_FN static void test_reclaim_read(struct nfs_test *t)
{
	reclaim(t, OPEN_DELEGATE_READ);
}

FIBER_FN static void test_reclaim_none(struct nfs_test *t)
{
	reclaim(t, OPEN_DELEGATE_NONE);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_read_for_reading, "RFC 8881, 18.16.3"),
	NFS_TEST(test_write_for_writing, "RFC 8881, 18.16.3"),
	NFS_TEST(test_any_for_reading, "RFC 8881, 18.16.3"),
	NFS_TEST(test_any_for_writing, "RFC 8881, 18.16.3"),
	NFS_TEST(test_none_unasked, "RFC 8881, 18.16.3"),
	NFS_TEST(test_none_if_not_wanted, "RFC 8881, 18.16.3"),
	NFS_TEST(test_no_write_for_reading, "RFC 8881, 18.16.3"),
	NFS_TEST(test_what_it_says, "RFC 8881, 18.16.3"),
	NFS_TEST(test_none_without_callbacks, "RFC 8881, 10.2"),
	NFS_TEST(test_no_read_against_a_writer, "RFC 8881, 10.4"),
	NFS_TEST(test_no_write_against_a_reader, "RFC 8881, 10.4"),
	NFS_TEST(test_one_for_each_client, "RFC 8881, 10.4"),
	NFS_TEST(test_readers_share, "RFC 8881, 10.4"),
	NFS_TEST(test_io_with_a_write_delegation, "RFC 8881, 8.2.5"),
	NFS_TEST(test_io_with_a_read_delegation, "RFC 8881, 9.1.2"),
	NFS_TEST(test_size_with_a_write_delegation, "RFC 8881, 18.30.3"),
	NFS_TEST(test_no_lock_with_a_delegation, "RFC 8881, 18.10.3"),
	NFS_TEST(test_claim_by_handle, "RFC 8881, 18.16.3"),
	NFS_TEST(test_claim_by_name, "RFC 8881, 18.16.3"),
	NFS_TEST(test_claim_more_than_it_allows, "RFC 8881, 10.4"),
	NFS_TEST(test_claim_while_it_is_recalled, "RFC 8881, 10.4.4"),
	NFS_TEST(test_return, "RFC 8881, 18.6.3"),
	NFS_TEST(test_return_of_another_file, "RFC 8881, 18.6.3"),
	NFS_TEST(test_return_by_somebody_else, "RFC 8881, 8.2.4"),
	NFS_TEST(test_free_of_a_good_one, "RFC 8881, 18.38.3"),
	NFS_TEST(test_client_in_use_while_it_has_one, "RFC 8881, 18.50.3"),
	NFS_TEST(test_keeps_a_removed_file, "RFC 8881, 18.25.4"),
	NFS_TEST(test_survives_a_restart, "RFC 8881, 10.2.1"),
	NFS_TEST(test_return_survives_a_restart, "RFC 8881, 18.6.3"),
	NFS_TEST(test_is_recalled_again_after_a_restart, "RFC 8881, 10.2.1"),
	NFS_TEST(test_revocation_survives_a_restart, "RFC 8881, 10.2.1"),
	NFS_TEST(test_reclaim_write, "RFC 8881, 10.2.1"),
	NFS_TEST(test_reclaim_read, "RFC 8881, 10.2.1"),
	NFS_TEST(test_reclaim_none, "RFC 8881, 10.2.1"),
};

int main(int argc, char **argv)
{
	nfs_deleg_configure("write");
	return nfs_test_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
