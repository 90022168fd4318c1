/* SPDX-License-Identifier: Apache-2.0 */
/* What delegations are recalled for, what happens while they are, and what the server asks who has one. */

#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/nfs_deleg.h"

#define R  OPEN4_SHARE_ACCESS_READ
#define W  OPEN4_SHARE_ACCESS_WRITE
#define RW OPEN4_SHARE_ACCESS_BOTH

/* A client with a delegation of "f", and another one. */
struct pair {
	struct nfs_test *t;
	struct nfs_deleg *d;
	struct nfs_state other;
};

FIBER_FN static struct pair pair_of(struct nfs_test *t, open_delegation_type4 type)
{
	struct pair p = { .t = t, .d = nfs_deleg_get(t, false, type) };

	p.other = nfs_state_other(t, NULL);
	return p;
}

/* Time passes, and both renew their leases. */
FIBER_FN static void wait_for(struct pair *p, unsigned int seconds)
{
	for (unsigned int i = 0; i < seconds; i += 10) {
		fiber_sleep_ns(10 * NSEC_PER_SEC);
		NFS_IS(p->t, nfs_session_ping(p->d->s.session), 0);
		NFS_IS(p->t, nfs_session_ping(p->other.session), 0);
	}
}

/* OPENs */

FIBER_FN static void test_open_waits_for_the_return(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	p.d->returns = true;
	nfs_state_share(&p.other, "f", NULL, W, 0, NFS4_OK);
	NFS_CHECK_EQ(t, p.d->nr_recalls, 1);
	NFS_CHECK(t, memcmp(&p.d->recalled.stateid, &p.d->stateid, sizeof(stateid4)) == 0);
	NFS_CHECK(t, !p.d->recalled.truncate);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_open_is_put_off(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_WRITE);

	for (int i = 0; i < 3; i++) {
		nfs_state_share(&p.other, "f", NULL, R, 0, NFS4ERR_DELAY);
		fiber_sleep_ns(NSEC_PER_SEC);
	}
	NFS_CHECK_EQ(t, p.d->nr_recalls, 1);
	/* Until then it is good. */
	nfs_state_write(&p.d->s, &p.d->f.fh, &p.d->stateid, NFS4_OK);
	nfs_deleg_return(p.d, NULL, NFS4_OK);
	nfs_state_share(&p.other, "f", NULL, R, 0, NFS4_OK);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_recall_that_is_refused_comes_again(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	/* As when the answer with the delegation had not come yet (10.2.1). */
	p.d->recall = NFS4ERR_BAD_STATEID;
	nfs_state_share(&p.other, "f", NULL, W, 0, NFS4ERR_DELAY);
	p.d->returns = true;
	fiber_sleep_ns(2 * NSEC_PER_SEC);
	nfs_state_share(&p.other, "f", NULL, W, 0, NFS4_OK);
	NFS_CHECK_EQ(t, p.d->nr_recalls, 2);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_readers_do_not_disturb_readers(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	nfs_state_share(&p.other, "f", NULL, R, OPEN4_SHARE_DENY_WRITE, NFS4_OK);
	NFS_CHECK_EQ(t, p.d->nr_recalls, 0);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_denial_of_reading(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	nfs_state_close(&p.d->s, &p.d->f.fh, &p.d->f.stateid, NFS4_OK);
	nfs_state_share(&p.other, "f", NULL, R, OPEN4_SHARE_DENY_READ, NFS4ERR_DELAY);
	NFS_CHECK_EQ(t, p.d->nr_recalls, 1);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_own_open_is_no_conflict(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	nfs_state_share(&p.d->s, "f", "b", RW, 0, NFS4_OK);
	NFS_CHECK_EQ(t, p.d->nr_recalls, 0);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_open_that_truncates(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_SIZE), .size = 0 };
	struct nfs_open open = { .name = "f", .access = R, .creates = true, .mode = UNCHECKED4, .attrs = &attrs };

	nfs_state_open(&p.other, NULL, &open, NFS4ERR_DELAY);
	NFS_CHECK_EQ(t, p.d->nr_recalls, 1);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_who_may_not_open_recalls_nothing(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_WRITE);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0600 };

	nfs_state_setattr(&p.d->s, &p.d->f.fh, &attrs, NFS4_OK);
	p.other.cred = (struct nfs_cred){ .uid = 1000, .gid = 1000 };
	nfs_state_share(&p.other, "f", NULL, R, 0, NFS4ERR_ACCESS);
	NFS_CHECK_EQ(t, p.d->nr_recalls, 0);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_all_readers_are_recalled(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);
	struct nfs_deleg *b = nfs_deleg_get(t, true, OPEN_DELEGATE_READ);

	p.d->returns = b->returns = true;
	nfs_state_share(&p.other, "f", NULL, W, 0, NFS4_OK);
	NFS_CHECK_EQ(t, p.d->nr_recalls, 1);
	NFS_CHECK_EQ(t, b->nr_recalls, 1);
	nfs_deleg_free(p.d);
	nfs_deleg_free(b);
}

FIBER_FN static void test_none_soon_after_a_recall(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);
	uint32_t want = R | OPEN4_SHARE_ACCESS_WANT_READ_DELEG;
	struct nfs_state_open f;

	p.d->returns = true;
	f = nfs_state_share(&p.other, "f", NULL, W, 0, NFS4_OK);
	nfs_state_close(&p.other, &f.fh, &f.stateid, NFS4_OK);
	f = nfs_state_share(&p.d->s, "f", NULL, want, 0, NFS4_OK);
	NFS_CHECK_EQ(t, f.ok.delegation.delegation_type, OPEN_DELEGATE_NONE_EXT);
	NFS_CHECK_EQ(t, f.ok.delegation.open_delegation4_u.od_whynone.ond_why, WND4_CONTENTION);
	wait_for(&p, 20);
	f = nfs_state_share(&p.d->s, "f", NULL, want, 0, NFS4_OK);
	NFS_CHECK_EQ(t, f.ok.delegation.delegation_type, OPEN_DELEGATE_READ);
	nfs_deleg_free(p.d);
}

/* Other operations */

FIBER_FN static void begin(struct pair *p, const struct nfs_fh *fh)
{
	nfs_session_begin(p->other.session, &p->t->c);
	nfs_op_putfh(&p->t->c, fh);
}

/* What was put together is told to come again, and recalls the delegation; afterwards it is done. */
FIBER_FN static void is_put_off(struct pair *p, FIBER_FN void (*again)(struct pair *p))
{
	NFS_SEND_IN(p->t, p->other.session, &p->t->c, NFS4ERR_DELAY);
	NFS_CHECK_EQ(p->t, p->d->nr_recalls, 1);
	nfs_deleg_return(p->d, NULL, NFS4_OK);
	again(p);
	NFS_SEND_IN(p->t, p->other.session, &p->t->c, NFS4_OK);
	nfs_deleg_free(p->d);
}

FIBER_FN static void put_mode(struct pair *p)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0640 };

	begin(p, &p->d->f.fh);
	nfs_op_setattr(&p->t->c, &nfs_stateid_anonymous, &attrs);
}

FIBER_FN static void test_setattr_of_the_mode(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	put_mode(&p);
	is_put_off(&p, put_mode);
}

FIBER_FN static void put_size(struct pair *p)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_SIZE), .size = 7 };

	begin(p, &p->d->f.fh);
	nfs_op_setattr(&p->t->c, &nfs_stateid_anonymous, &attrs);
}

FIBER_FN static void test_setattr_of_the_size(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	put_size(&p);
	is_put_off(&p, put_size);
}

FIBER_FN static void put_remove(struct pair *p)
{
	begin(p, &p->other.dir);
	nfs_op_remove(&p->t->c, "f");
}

FIBER_FN static void test_remove(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	put_remove(&p);
	is_put_off(&p, put_remove);
}

FIBER_FN static void put_rename(struct pair *p, const char *from, const char *to)
{
	begin(p, &p->other.dir);
	nfs_op_plain(&p->t->c, OP_SAVEFH);
	nfs_op_rename(&p->t->c, from, to);
}

FIBER_FN static void put_rename_over(struct pair *p)
{
	put_rename(p, "g", "f");
}

FIBER_FN static void test_rename_over_it(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	nfs_state_make(&p.other, "g", NULL);
	put_rename_over(&p);
	is_put_off(&p, put_rename_over);
}

FIBER_FN static void put_rename_of(struct pair *p)
{
	put_rename(p, "f", "g");
}

FIBER_FN static void test_rename_of_it(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	put_rename_of(&p);
	is_put_off(&p, put_rename_of);
}

FIBER_FN static void put_link(struct pair *p)
{
	begin(p, &p->d->f.fh);
	nfs_op_plain(&p->t->c, OP_SAVEFH);
	nfs_op_putfh(&p->t->c, &p->other.dir);
	nfs_op_link(&p->t->c, "g");
}

FIBER_FN static void test_link(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	put_link(&p);
	is_put_off(&p, put_link);
}

FIBER_FN static void put_write(struct pair *p)
{
	begin(p, &p->d->f.fh);
	nfs_op_write(&p->t->c, &nfs_stateid_anonymous, 0, FILE_SYNC4, "data", 4);
}

FIBER_FN static void test_write_without_an_open(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	put_write(&p);
	is_put_off(&p, put_write);
}

FIBER_FN static void put_read(struct pair *p)
{
	begin(p, &p->d->f.fh);
	nfs_op_read(&p->t->c, &nfs_stateid_anonymous, 0, 16);
}

FIBER_FN static void test_read_without_an_open(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_WRITE);

	put_read(&p);
	is_put_off(&p, put_read);
}

FIBER_FN static void test_read_beside_a_read_delegation(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	nfs_state_read(&p.other, &p.d->f.fh, &nfs_stateid_anonymous, NFS4_OK);
	NFS_CHECK_EQ(t, p.d->nr_recalls, 0);
	nfs_deleg_free(p.d);
}

FIBER_FN static void put_allocate(struct pair *p)
{
	begin(p, &p->d->f.fh);
	nfs_op_allocate(&p->t->c, &nfs_stateid_anonymous, 0, 10);
}

FIBER_FN static void test_allocate(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	put_allocate(&p);
	is_put_off(&p, put_allocate);
}

FIBER_FN static void put_clone(struct pair *p)
{
	struct nfs_copy copy = { .src = nfs_stateid_anonymous, .dst = nfs_stateid_anonymous };

	begin(p, &p->d->f.fh);
	nfs_op_plain(&p->t->c, OP_SAVEFH);
	nfs_op_putfh(&p->t->c, &p->d->f.fh);
	nfs_op_clone(&p->t->c, &copy);
}

FIBER_FN static void test_clone_from_it(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_WRITE);

	put_clone(&p);
	NFS_SEND_IN(t, p.other.session, &t->c, NFS4ERR_DELAY);
	NFS_CHECK_EQ(t, p.d->nr_recalls, 1);
	nfs_deleg_free(p.d);
}

FIBER_FN static void put_xattr(struct pair *p)
{
	begin(p, &p->d->f.fh);
	nfs_op_setxattr(&p->t->c, SETXATTR4_EITHER, "name", "value", 5);
}

FIBER_FN static void test_setxattr(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	put_xattr(&p);
	is_put_off(&p, put_xattr);
}

/* What is not returned */

FIBER_FN static void test_not_returned(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	nfs_state_share(&p.other, "f", NULL, W, 0, NFS4ERR_DELAY);
	wait_for(&p, 20);
	nfs_state_read(&p.d->s, &p.d->f.fh, &p.d->stateid, NFS4_OK);
	wait_for(&p, 20);
	nfs_state_share(&p.other, "f", NULL, W, 0, NFS4_OK);
	nfs_state_read(&p.d->s, &p.d->f.fh, &p.d->stateid, NFS4ERR_DELEG_REVOKED);
	NFS_CHECK(t, p.d->s.session->status_flags & SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
	NFS_CHECK(t, !(p.d->s.session->status_flags & SEQ4_STATUS_EXPIRED_SOME_STATE_REVOKED));
	NFS_CHECK_EQ(t, nfs_state_test(&p.d->s, &p.d->stateid), NFS4ERR_DELEG_REVOKED);
	nfs_deleg_return(p.d, NULL, NFS4ERR_DELEG_REVOKED);
	/* Its open has nothing to do with it. */
	nfs_state_read(&p.d->s, &p.d->f.fh, &p.d->f.stateid, NFS4_OK);
	nfs_state_free(&p.d->s, &p.d->stateid, NFS4_OK);
	NFS_IS(t, nfs_session_ping(p.d->s.session), 0);
	NFS_CHECK_EQ(t, p.d->s.session->status_flags, 0);
	NFS_CHECK_EQ(t, nfs_state_test(&p.d->s, &p.d->stateid), NFS4ERR_BAD_STATEID);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_silent_client(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_WRITE);

	for (int i = 0; i < 4; i++) {
		fiber_sleep_ns(10 * NSEC_PER_SEC);
		NFS_IS(t, nfs_session_ping(p.other.session), 0);
	}
	/* At once, and it is not even asked. */
	nfs_state_share(&p.other, "f", NULL, RW, 0, NFS4_OK);
	NFS_CHECK_EQ(t, p.d->nr_recalls, 0);
	NFS_CHECK_EQ(t, nfs_state_test(&p.d->s, &p.d->stateid), NFS4ERR_DELEG_REVOKED);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_silent_client_that_nobody_minds(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_WRITE);

	for (int i = 0; i < 4; i++) {
		fiber_sleep_ns(10 * NSEC_PER_SEC);
		NFS_IS(t, nfs_session_ping(p.other.session), 0);
	}
	nfs_state_write(&p.d->s, &p.d->f.fh, &p.d->stateid, NFS4_OK);
	nfs_deleg_free(p.d);
}

/* CB_GETATTR */

FIBER_FN static struct wire_attrs ask(struct pair *p)
{
	return nfs_state_getattr(&p->other, &p->d->f.fh, NFS_ATTRS(FATTR4_CHANGE, FATTR4_SIZE, FATTR4_TIME_MODIFY));
}

FIBER_FN static void test_getattr_of_an_unchanged_file(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_WRITE);
	struct wire_attrs attrs = ask(&p);

	NFS_CHECK_EQ(t, p.d->nr_getattrs, 1);
	NFS_CHECK_EQ(t, attrs.change, p.d->change);
	NFS_CHECK_EQ(t, attrs.size, p.d->size);
	NFS_CHECK_EQ(t, p.d->nr_recalls, 0);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_getattr_of_a_changed_file(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_WRITE);
	struct wire_attrs first, second;

	p.d->change++;
	p.d->size = 12345;
	first = ask(&p);
	NFS_CHECK_EQ(t, first.size, 12345);
	NFS_CHECK(t, first.change >= p.d->change);
	/* Whether it has changed since, the server does not learn: it must look so (10.4.3). */
	second = ask(&p);
	NFS_CHECK(t, second.change > first.change);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_getattr_change_survives_a_restart(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_WRITE);
	struct wire_attrs attrs;

	p.d->change++;
	attrs = ask(&p);
	nfs_test_restart(t);
	nfs_deleg_return(p.d, NULL, NFS4_OK);
	NFS_CHECK(t, ask(&p).change >= attrs.change);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_getattr_that_the_holder_refuses(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_WRITE);

	p.d->getattr = NFS4ERR_BADHANDLE;
	begin(&p, &p.d->f.fh);
	nfs_op_getattr(&t->c, NFS_ATTRS(FATTR4_SIZE));
	NFS_SEND_IN(t, p.other.session, &t->c, NFS4ERR_DELAY);
	NFS_CHECK_EQ(t, p.d->nr_recalls, 1);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_getattr_of_something_else(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_WRITE);

	nfs_state_getattr(&p.other, &p.d->f.fh, NFS_ATTRS(FATTR4_MODE, FATTR4_OWNER));
	nfs_state_getattr(&p.d->s, &p.d->f.fh, NFS_ATTRS(FATTR4_SIZE));
	NFS_CHECK_EQ(t, p.d->nr_getattrs, 0);
	nfs_deleg_free(p.d);
}

FIBER_FN static void test_getattr_beside_a_read_delegation(struct nfs_test *t)
{
	struct pair p = pair_of(t, OPEN_DELEGATE_READ);

	ask(&p);
	NFS_CHECK_EQ(t, p.d->nr_getattrs, 0);
	nfs_deleg_free(p.d);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_open_waits_for_the_return, "RFC 8881, 10.4"),
	NFS_TEST(test_open_is_put_off, "RFC 8881, 10.4"),
	NFS_TEST(test_recall_that_is_refused_comes_again, "RFC 8881, 10.2.1"),
	NFS_TEST(test_readers_do_not_disturb_readers, "RFC 8881, 10.4"),
	NFS_TEST(test_denial_of_reading, "RFC 8881, 10.4"),
	NFS_TEST(test_own_open_is_no_conflict, "RFC 8881, 10.4"),
	NFS_TEST(test_open_that_truncates, "RFC 8881, 10.4"),
	NFS_TEST(test_who_may_not_open_recalls_nothing, "RFC 8881, 10.4"),
	NFS_TEST(test_all_readers_are_recalled, "RFC 8881, 10.4"),
	NFS_TEST(test_none_soon_after_a_recall, "RFC 8881, 10.2"),
	NFS_TEST(test_setattr_of_the_mode, "RFC 8881, 10.4"),
	NFS_TEST(test_setattr_of_the_size, "RFC 8881, 10.4"),
	NFS_TEST(test_remove, "RFC 8881, 18.25.4"),
	NFS_TEST(test_rename_over_it, "RFC 8881, 18.26.4"),
	NFS_TEST(test_rename_of_it, "RFC 8881, 18.26.4"),
	NFS_TEST(test_link, "RFC 8881, 10.4"),
	NFS_TEST(test_write_without_an_open, "RFC 8881, 9.1.2"),
	NFS_TEST(test_read_without_an_open, "RFC 8881, 9.1.2"),
	NFS_TEST(test_read_beside_a_read_delegation, "RFC 8881, 9.1.2"),
	NFS_TEST(test_allocate, "RFC 7862, 15.1"),
	NFS_TEST(test_clone_from_it, "RFC 7862, 15.13"),
	NFS_TEST(test_setxattr, "RFC 8276, 8.4.2"),
	NFS_TEST(test_not_returned, "RFC 8881, 10.4.5"),
	NFS_TEST(test_silent_client, "RFC 8881, 8.4.3"),
	NFS_TEST(test_silent_client_that_nobody_minds, "RFC 8881, 8.4.3"),
	NFS_TEST(test_getattr_of_an_unchanged_file, "RFC 8881, 10.4.3"),
	NFS_TEST(test_getattr_of_a_changed_file, "RFC 8881, 10.4.3"),
	NFS_TEST(test_getattr_change_survives_a_restart, "RFC 8881, 10.4.3"),
	NFS_TEST(test_getattr_that_the_holder_refuses, "RFC 8881, 10.4.3"),
	NFS_TEST(test_getattr_of_something_else, "RFC 8881, 10.4.3"),
	NFS_TEST(test_getattr_beside_a_read_delegation, "RFC 8881, 10.4.3"),
};

int main(int argc, char **argv)
{
	nfs_deleg_configure("write");
	return nfs_test_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
