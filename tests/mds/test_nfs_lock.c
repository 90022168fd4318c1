/* SPDX-License-Identifier: Apache-2.0 */
/* LOCK, LOCKT, LOCKU, and CB_NOTIFY_LOCK for who waits. */

#include <string.h>

#include "tests/lib/nfs_state.h"

#define R	   OPEN4_SHARE_ACCESS_READ
#define W	   OPEN4_SHARE_ACCESS_WRITE
#define RW	   OPEN4_SHARE_ACCESS_BOTH

#define TO_THE_END UINT64_MAX

static struct nfs_lock range(nfs_lock_type4 type, uint64_t off, uint64_t len)
{
	return (struct nfs_lock){ .type = type, .offset = off, .length = len };
}

static struct nfs_lock range_of(const char *owner, nfs_lock_type4 type, uint64_t off, uint64_t len)
{
	return (struct nfs_lock){ .type = type, .offset = off, .length = len, .owner = owner };
}

/* Two clients with the file "f" open for reading and writing. */
struct two {
	struct nfs_state a, b;
	struct nfs_test_client *other; /* b's */
	struct nfs_state_open f, g;    /* as a and b have it open */
};

FIBER_FN static struct two two_open(struct nfs_test *t)
{
	struct two w = { .a = nfs_state_first(t) };

	w.b = nfs_state_other(t, &w.other);
	w.f = nfs_state_make(&w.a, "f", NULL);
	w.g = nfs_state_share(&w.b, "f", NULL, RW, 0, NFS4_OK);
	return w;
}

FIBER_FN static stateid4 take(struct nfs_state *s, const struct nfs_state_open *open, nfs_lock_type4 type,
			      uint64_t off, uint64_t len)
{
	struct nfs_lock lock = range(type, off, len);

	return nfs_state_lock_first(s, open, &lock, NFS4_OK);
}

/* Whether b could have the range. */
FIBER_FN static void probe(struct two *w, nfs_lock_type4 type, uint64_t off, uint64_t len, nfsstat4 want)
{
	struct nfs_lock lock = range(type, off, len);

	nfs_state_lockt(&w->b, &w->g.fh, &lock, want, NULL);
}

FIBER_FN static void test_lock_first_seqid(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	stateid4 lock = take(&s, &f, WRITE_LT, 0, 10);

	NFS_CHECK_EQ(t, lock.seqid, 1);
	NFS_CHECK(t, !nfs_state_same(&lock, &f.stateid));
}

FIBER_FN static void test_lock_again_counts(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	stateid4 first = take(&s, &f, WRITE_LT, 0, 10), second;
	struct nfs_lock lock = range(WRITE_LT, 100, 10);

	second = nfs_state_lock(&s, &f.fh, &first, &lock, NFS4_OK);
	NFS_CHECK(t, nfs_state_same(&first, &second));
	NFS_CHECK_EQ(t, second.seqid, 2);
	nfs_state_lock(&s, &f.fh, &first, &lock, NFS4ERR_OLD_STATEID);
}

FIBER_FN static void test_write_lock_excludes(struct nfs_test *t)
{
	struct two w = two_open(t);
	struct nfs_lock read = range(READ_LT, 5, 1), write = range(WRITE_LT, 9, 10);

	take(&w.a, &w.f, WRITE_LT, 0, 10);
	nfs_state_lock_first(&w.b, &w.g, &read, NFS4ERR_DENIED);
	nfs_state_lock_first(&w.b, &w.g, &write, NFS4ERR_DENIED);
	write.offset = 10;
	nfs_state_lock_first(&w.b, &w.g, &write, NFS4_OK);
}

FIBER_FN static void test_read_locks_share(struct nfs_test *t)
{
	struct two w = two_open(t);

	take(&w.a, &w.f, READ_LT, 0, 10);
	take(&w.b, &w.g, READ_LT, 0, 10);
	probe(&w, WRITE_LT, 0, 10, NFS4ERR_DENIED);
}

FIBER_FN static void test_denied_says_who(struct nfs_test *t)
{
	struct two w = two_open(t);
	struct nfs_lock lock = range(READ_LT, 0, TO_THE_END);
	LOCK4denied denied;

	take(&w.a, &w.f, WRITE_LT, 100, 50);
	nfs_state_lockt(&w.b, &w.g.fh, &lock, NFS4ERR_DENIED, &denied);
	NFS_CHECK_EQ(t, denied.offset, 100);
	NFS_CHECK_EQ(t, denied.length, 50);
	NFS_CHECK_EQ(t, denied.locktype, WRITE_LT);
	NFS_CHECK_EQ(t, denied.owner.owner.owner_len, strlen("locker"));
}

FIBER_FN static void test_denied_to_the_end(struct nfs_test *t)
{
	struct two w = two_open(t);
	struct nfs_lock lock = range(WRITE_LT, 500, 1);
	LOCK4denied denied;

	take(&w.a, &w.f, READ_LT, 100, TO_THE_END);
	nfs_state_lockt(&w.b, &w.g.fh, &lock, NFS4ERR_DENIED, &denied);
	NFS_CHECK_EQ(t, denied.offset, 100);
	NFS_CHECK_EQ(t, denied.length, TO_THE_END);
	NFS_CHECK_EQ(t, denied.locktype, READ_LT);
}

FIBER_FN static void test_lockt_free(struct nfs_test *t)
{
	struct two w = two_open(t);

	probe(&w, WRITE_LT, 0, TO_THE_END, NFS4_OK);
	take(&w.a, &w.f, WRITE_LT, 0, 10);
	probe(&w, WRITE_LT, 10, TO_THE_END, NFS4_OK);
}

FIBER_FN static void test_lockt_own_locks_are_no_conflict(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	struct nfs_lock mine = range(WRITE_LT, 0, 10), other = range_of("else", WRITE_LT, 0, 10);

	take(&s, &f, WRITE_LT, 0, 10);
	nfs_state_lockt(&s, &f.fh, &mine, NFS4_OK, NULL);
	nfs_state_lockt(&s, &f.fh, &other, NFS4ERR_DENIED, NULL);
}

FIBER_FN static void test_lockt_without_open(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), b = nfs_state_other(t, NULL);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	struct nfs_lock lock = range(WRITE_LT, 0, 10);

	take(&s, &f, READ_LT, 0, 1);
	nfs_state_lockt(&b, &f.fh, &lock, NFS4ERR_DENIED, NULL);
}

FIBER_FN static void test_lockt_directory(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_lock lock = range(WRITE_LT, 0, 10);

	nfs_state_lockt(&s, &s.dir, &lock, NFS4ERR_ISDIR, NULL);
}

FIBER_FN static void test_zero_length(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	struct nfs_lock lock = range(WRITE_LT, 5, 0);

	nfs_state_lock_first(&s, &f, &lock, NFS4ERR_INVAL);
	nfs_state_lockt(&s, &f.fh, &lock, NFS4ERR_INVAL, NULL);
}

FIBER_FN static void test_beyond_the_last_byte(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	struct nfs_lock lock = range(WRITE_LT, UINT64_MAX - 5, 10);
	stateid4 stateid;

	nfs_state_lock_first(&s, &f, &lock, NFS4ERR_INVAL);
	nfs_state_lockt(&s, &f.fh, &lock, NFS4ERR_INVAL, NULL);
	lock.length = 5;
	stateid = nfs_state_lock_first(&s, &f, &lock, NFS4_OK);
	nfs_state_unlock(&s, &f.fh, &stateid, UINT64_MAX - 5, 10, NFS4ERR_INVAL);
}

FIBER_FN static void test_to_the_end_from_anywhere(struct nfs_test *t)
{
	struct two w = two_open(t);

	take(&w.a, &w.f, WRITE_LT, UINT64_MAX, TO_THE_END);
	probe(&w, WRITE_LT, 0, UINT64_MAX - 1, NFS4_OK);
	probe(&w, WRITE_LT, 0, TO_THE_END, NFS4ERR_DENIED);
}

FIBER_FN static void test_lock_needs_the_open_mode(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	struct nfs_lock read = range(READ_LT, 0, 1), write = range(WRITE_LT, 0, 1);

	nfs_state_close(&s, &f.fh, &f.stateid, NFS4_OK);
	f = nfs_state_share(&s, "f", "a", R, 0, NFS4_OK);
	nfs_state_lock_first(&s, &f, &write, NFS4ERR_OPENMODE);
	nfs_state_lock_first(&s, &f, &read, NFS4_OK);
	f = nfs_state_share(&s, "f", "b", W, 0, NFS4_OK);
	write.owner = read.owner = "second";
	write.offset = 5;
	nfs_state_lock_first(&s, &f, &read, NFS4ERR_OPENMODE);
	nfs_state_lock_first(&s, &f, &write, NFS4_OK);
}

FIBER_FN static void test_unlock_all(struct nfs_test *t)
{
	struct two w = two_open(t);
	stateid4 lock = take(&w.a, &w.f, WRITE_LT, 10, 10), after;

	after = nfs_state_unlock(&w.a, &w.f.fh, &lock, 0, TO_THE_END, NFS4_OK);
	NFS_CHECK(t, nfs_state_same(&lock, &after));
	NFS_CHECK_EQ(t, after.seqid, lock.seqid + 1);
	probe(&w, WRITE_LT, 0, TO_THE_END, NFS4_OK);
}

FIBER_FN static void test_unlock_splits(struct nfs_test *t)
{
	struct two w = two_open(t);
	stateid4 lock = take(&w.a, &w.f, WRITE_LT, 0, 100);

	nfs_test_differs(t, "a server may answer NFS4ERR_LOCK_RANGE");
	nfs_state_unlock(&w.a, &w.f.fh, &lock, 40, 20, NFS4_OK);
	probe(&w, WRITE_LT, 40, 20, NFS4_OK);
	probe(&w, WRITE_LT, 39, 1, NFS4ERR_DENIED);
	probe(&w, WRITE_LT, 60, 1, NFS4ERR_DENIED);
}

FIBER_FN static void test_unlock_nothing(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	stateid4 lock = take(&s, &f, WRITE_LT, 0, 10);

	nfs_state_unlock(&s, &f.fh, &lock, 100, 10, NFS4_OK);
}

FIBER_FN static void test_locks_of_an_owner_merge(struct nfs_test *t)
{
	struct two w = two_open(t);
	stateid4 lock = take(&w.a, &w.f, WRITE_LT, 0, 10);
	struct nfs_lock next = range(WRITE_LT, 20, 10), between = range(WRITE_LT, 10, 10), all = range(READ_LT, 5, 1);
	LOCK4denied denied;

	lock = nfs_state_lock(&w.a, &w.f.fh, &lock, &next, NFS4_OK);
	nfs_state_lock(&w.a, &w.f.fh, &lock, &between, NFS4_OK);
	nfs_test_differs(t, "how ranges are told apart is the server's business");
	nfs_state_lockt(&w.b, &w.g.fh, &all, NFS4ERR_DENIED, &denied);
	NFS_CHECK_EQ(t, denied.offset, 0);
	NFS_CHECK_EQ(t, denied.length, 30);
}

FIBER_FN static void test_downgrade_in_the_middle(struct nfs_test *t)
{
	struct two w = two_open(t);
	stateid4 lock = take(&w.a, &w.f, WRITE_LT, 0, 100);
	struct nfs_lock down = range(READ_LT, 30, 10);

	nfs_state_lock(&w.a, &w.f.fh, &lock, &down, NFS4_OK);
	probe(&w, READ_LT, 30, 10, NFS4_OK);
	probe(&w, WRITE_LT, 30, 10, NFS4ERR_DENIED);
	probe(&w, READ_LT, 29, 1, NFS4ERR_DENIED);
	probe(&w, READ_LT, 40, 1, NFS4ERR_DENIED);
}

FIBER_FN static void test_upgrade(struct nfs_test *t)
{
	struct two w = two_open(t);
	stateid4 lock = take(&w.a, &w.f, READ_LT, 0, 100);
	struct nfs_lock up = range(WRITE_LT, 0, 100);

	nfs_state_lock(&w.a, &w.f.fh, &lock, &up, NFS4_OK);
	probe(&w, READ_LT, 0, 1, NFS4ERR_DENIED);
}

FIBER_FN static void test_upgrade_denied_keeps_what_is_held(struct nfs_test *t)
{
	struct two w = two_open(t);
	stateid4 lock = take(&w.a, &w.f, READ_LT, 0, 100);
	struct nfs_lock up = range(WRITE_LT, 0, 100);

	take(&w.b, &w.g, READ_LT, 50, 1);
	nfs_state_lock(&w.a, &w.f.fh, &lock, &up, NFS4ERR_DENIED);
	probe(&w, WRITE_LT, 0, 1, NFS4ERR_DENIED);
	/* What was refused did not count either. */
	nfs_state_unlock(&w.a, &w.f.fh, &lock, 0, 100, NFS4_OK);
}

FIBER_FN static void test_two_owners_of_a_client(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	struct nfs_lock a = range_of("a", WRITE_LT, 0, 10), b = range_of("b", WRITE_LT, 5, 10);

	nfs_state_lock_first(&s, &f, &a, NFS4_OK);
	nfs_state_lock_first(&s, &f, &b, NFS4ERR_DENIED);
	b.offset = 10;
	nfs_state_lock_first(&s, &f, &b, NFS4_OK);
}

FIBER_FN static void test_one_owner_through_two_opens(struct nfs_test *t)
{
	struct two w = two_open(t);
	struct nfs_state_open second = nfs_state_share(&w.a, "f", "second", RW, 0, NFS4_OK);
	stateid4 lock;

	take(&w.a, &w.f, WRITE_LT, 0, 10);
	lock = take(&w.a, &second, WRITE_LT, 5, 10);
	nfs_state_unlock(&w.a, &w.f.fh, &lock, 0, TO_THE_END, NFS4_OK);
	probe(&w, WRITE_LT, 0, TO_THE_END, NFS4_OK);
}

FIBER_FN static void test_close_gives_locks_up(struct nfs_test *t)
{
	struct two w = two_open(t);
	stateid4 lock = take(&w.a, &w.f, WRITE_LT, 0, 10);

	nfs_test_differs(t, "a server may answer NFS4ERR_LOCKS_HELD");
	nfs_state_close(&w.a, &w.f.fh, &w.f.stateid, NFS4_OK);
	probe(&w, WRITE_LT, 0, 10, NFS4_OK);
	nfs_state_unlock(&w.a, &w.f.fh, &lock, 0, 10, NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_free_lock_stateid(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	stateid4 lock = take(&s, &f, WRITE_LT, 0, 10);

	nfs_state_free(&s, &lock, NFS4ERR_LOCKS_HELD);
	lock = nfs_state_unlock(&s, &f.fh, &lock, 0, 10, NFS4_OK);
	nfs_state_free(&s, &lock, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_state_test(&s, &lock), NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_io_with_a_lock_stateid(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	stateid4 lock = take(&s, &f, WRITE_LT, 0, 10);

	nfs_state_write(&s, &f.fh, &lock, NFS4_OK);
	nfs_state_read(&s, &f.fh, &lock, NFS4_OK);
}

FIBER_FN static void test_open_stateid_is_no_lock(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	struct nfs_lock lock = range(WRITE_LT, 0, 1);

	nfs_state_lock(&s, &f.fh, &f.stateid, &lock, NFS4ERR_BAD_STATEID);
	nfs_state_unlock(&s, &f.fh, &f.stateid, 0, 1, NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_lock_stateid_of_another_file(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL), g = nfs_state_make(&s, "g", NULL);
	stateid4 lock = take(&s, &f, WRITE_LT, 0, 10);

	nfs_state_unlock(&s, &g.fh, &lock, 0, 10, NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_lock_type_out_of_range(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	struct nfs_lock lock = range((nfs_lock_type4)7, 0, 10);

	nfs_test_differs(t, "NFS4ERR_BADXDR is as good");
	nfs_state_lock_first(&s, &f, &lock, NFS4ERR_INVAL);
}

FIBER_FN static void test_reclaim_without_grace(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	struct nfs_lock lock = range(WRITE_LT, 0, 10);

	lock.reclaim = true;
	nfs_state_lock_first(&s, &f, &lock, NFS4ERR_NO_GRACE);
}

FIBER_FN static void test_lock_and_use_it_at_once(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	struct nfs_lock lock = range(WRITE_LT, 0, 10);

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &f.fh);
	nfs_op_lock_first(&t->c, &f.stateid, &lock);
	nfs_op_write(&t->c, &nfs_stateid_current, 0, UNSTABLE4, "data", 4);
	nfs_op_locku(&t->c, &nfs_stateid_current, &lock);
	NFS_SEND(t, &t->c, NFS4_OK);
}

FIBER_FN static void test_many_ranges(struct nfs_test *t)
{
	struct two w = two_open(t);
	stateid4 lock = take(&w.a, &w.f, WRITE_LT, 0, 1);

	for (unsigned int i = 1; i < 200; i++) {
		struct nfs_lock next = range(WRITE_LT, 2 * i, 1);

		lock = nfs_state_lock(&w.a, &w.f.fh, &lock, &next, NFS4_OK);
	}
	probe(&w, READ_LT, 199, 1, NFS4_OK);
	probe(&w, READ_LT, 200, 1, NFS4ERR_DENIED);
	nfs_state_unlock(&w.a, &w.f.fh, &lock, 0, TO_THE_END, NFS4_OK);
	probe(&w, WRITE_LT, 0, TO_THE_END, NFS4_OK);
}

FIBER_FN static void test_close_with_many_ranges(struct nfs_test *t)
{
	struct two w = two_open(t);
	stateid4 lock = take(&w.a, &w.f, WRITE_LT, 0, 1);

	for (unsigned int i = 1; i < 300; i++) {
		struct nfs_lock next = range(WRITE_LT, 2 * i, 1);

		lock = nfs_state_lock(&w.a, &w.f.fh, &lock, &next, NFS4_OK);
	}
	nfs_test_differs(t, "a server may answer NFS4ERR_LOCKS_HELD");
	nfs_state_close(&w.a, &w.f.fh, &w.f.stateid, NFS4_OK);
	probe(&w, WRITE_LT, 0, TO_THE_END, NFS4_OK);
}

/* Waiting */

/* b waits for a's lock on [0, 10), which goes by @unlock. */
FIBER_FN static void wait_for(struct nfs_test *t, nfs_lock_type4 held, nfs_lock_type4 wanted,
			      FIBER_FN void (*unlock)(struct two *w, const stateid4 *lock))
{
	struct two w = two_open(t);
	stateid4 lock = take(&w.a, &w.f, held, 0, 10);
	struct nfs_lock want = range(wanted, 5, 1);
	struct nfs_callback_event *event;
	const struct nfs_cb_argop4 *arg;
	const CB_NOTIFY_LOCK4args *args;

	nfs_state_lock_first(&w.b, &w.g, &want, NFS4ERR_DENIED);
	nfs_test_differs(t, "without OPEN4_RESULT_MAY_NOTIFY_LOCK it does not");
	unlock(&w, &lock);
	NFS_IS(t, nfs_callback_wait(&w.other->client.callback, OP_CB_NOTIFY_LOCK, nfs_test_in_ms(t, 5000), &event),
	       0);
	arg = nfs_callback_arg(event, OP_CB_NOTIFY_LOCK);
	NFS_CHECK(t, arg != NULL);
	args = &arg->nfs_cb_argop4_u.opcbnotify_lock;
	NFS_CHECK_EQ(t, args->cnla_fh.nfs_fh4_len, w.g.fh.len);
	NFS_CHECK(t, memcmp(args->cnla_fh.nfs_fh4_val, w.g.fh.bytes, w.g.fh.len) == 0);
	NFS_CHECK_EQ(t, args->cnla_lock_owner.clientid, w.other->client.clientid);
	NFS_CHECK_EQ(t, args->cnla_lock_owner.owner.owner_len, strlen("locker"));
	nfs_callback_done(event);
	nfs_state_lock_first(&w.b, &w.g, &want, NFS4_OK);
}

FIBER_FN static void by_unlock(struct two *w, const stateid4 *lock)
{
	nfs_state_unlock(&w->a, &w->f.fh, lock, 0, 10, NFS4_OK);
}

FIBER_FN static void by_close(struct two *w, const stateid4 *lock)
{
	nfs_state_close(&w->a, &w->f.fh, &w->f.stateid, NFS4_OK);
}

FIBER_FN static void by_downgrade(struct two *w, const stateid4 *lock)
{
	struct nfs_lock down = range(READ_LT, 0, 10);

	nfs_state_lock(&w->a, &w->f.fh, lock, &down, NFS4_OK);
}

FIBER_FN static void test_notify_after_unlock(struct nfs_test *t)
{
	wait_for(t, WRITE_LT, WRITEW_LT, by_unlock);
}

FIBER_FN static void test_notify_after_close(struct nfs_test *t)
{
	wait_for(t, WRITE_LT, WRITEW_LT, by_close);
}

FIBER_FN static void test_notify_after_downgrade(struct nfs_test *t)
{
	wait_for(t, WRITE_LT, READW_LT, by_downgrade);
}

FIBER_FN static void test_no_notify_unasked(struct nfs_test *t)
{
	struct two w = two_open(t);
	stateid4 lock = take(&w.a, &w.f, WRITE_LT, 0, 10);
	struct nfs_lock want = range(WRITE_LT, 5, 1);
	struct nfs_callback_event *event;

	nfs_state_lock_first(&w.b, &w.g, &want, NFS4ERR_DENIED);
	nfs_state_unlock(&w.a, &w.f.fh, &lock, 0, 10, NFS4_OK);
	NFS_IS(t, nfs_callback_wait(&w.other->client.callback, OP_CB_NOTIFY_LOCK, nfs_test_in_ms(t, 300), &event),
	       -ETIMEDOUT);
}

FIBER_FN static void test_no_notify_while_still_denied(struct nfs_test *t)
{
	struct two w = two_open(t);
	stateid4 lock = take(&w.a, &w.f, WRITE_LT, 0, 10);
	struct nfs_lock want = range(WRITEW_LT, 5, 1);
	struct nfs_callback_event *event;

	nfs_state_lock_first(&w.b, &w.g, &want, NFS4ERR_DENIED);
	nfs_state_unlock(&w.a, &w.f.fh, &lock, 0, 5, NFS4_OK);
	NFS_IS(t, nfs_callback_wait(&w.other->client.callback, OP_CB_NOTIFY_LOCK, nfs_test_in_ms(t, 300), &event),
	       -ETIMEDOUT);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_lock_first_seqid, "RFC 8881, 8.2.2"),
	NFS_TEST(test_lock_again_counts, "RFC 8881, 8.2.2"),
	NFS_TEST(test_write_lock_excludes, "RFC 8881, 18.10.3"),
	NFS_TEST(test_read_locks_share, "RFC 8881, 18.10.3"),
	NFS_TEST(test_denied_says_who, "RFC 8881, 18.11.3"),
	NFS_TEST_DIFFERS(test_denied_to_the_end, "RFC 8881, 18.11.3",
			 "it says length 0 instead of all ones, against 18.10.3"),
	NFS_TEST(test_lockt_free, "RFC 8881, 18.11.3"),
	NFS_TEST(test_lockt_own_locks_are_no_conflict, "RFC 8881, 18.11.4"),
	NFS_TEST(test_lockt_without_open, "RFC 8881, 18.11.4"),
	NFS_TEST(test_lockt_directory, "RFC 8881, 18.11.4"),
	NFS_TEST(test_zero_length, "RFC 8881, 18.10.3"),
	NFS_TEST_DIFFERS(test_beyond_the_last_byte, "RFC 8881, 18.10.3",
			 "it has 63 bits for locks, and says NFS4ERR_INVAL"),
	NFS_TEST_DIFFERS(test_to_the_end_from_anywhere, "RFC 8881, 18.10.3",
			 "it has 63 bits for locks, and says NFS4ERR_INVAL"),
	NFS_TEST(test_lock_needs_the_open_mode, "RFC 8881, 18.10.3"),
	NFS_TEST(test_unlock_all, "RFC 8881, 18.12.3"),
	NFS_TEST(test_unlock_splits, "RFC 8881, 18.12.4"),
	NFS_TEST(test_unlock_nothing, "RFC 8881, 18.12.3"),
	NFS_TEST(test_locks_of_an_owner_merge, "RFC 8881, 9.2"),
	NFS_TEST(test_downgrade_in_the_middle, "RFC 8881, 9.3"),
	NFS_TEST(test_upgrade, "RFC 8881, 9.3"),
	NFS_TEST(test_upgrade_denied_keeps_what_is_held, "RFC 8881, 9.3"),
	NFS_TEST(test_two_owners_of_a_client, "RFC 8881, 9.1.1"),
	NFS_TEST_DIFFERS(test_one_owner_through_two_opens, "RFC 8881, 9.1.1",
			 "it lets a lock-owner have one open only"),
	NFS_TEST_DIFFERS(test_close_gives_locks_up, "RFC 8881, 18.2.3", "a server may answer NFS4ERR_LOCKS_HELD"),
	NFS_TEST(test_free_lock_stateid, "RFC 8881, 18.38.3"),
	NFS_TEST(test_io_with_a_lock_stateid, "RFC 8881, 9.1.2"),
	NFS_TEST_DIFFERS(test_open_stateid_is_no_lock, "RFC 8881, 8.2.4", "it takes an open stateid in LOCKU"),
	NFS_TEST(test_lock_stateid_of_another_file, "RFC 8881, 8.2.4"),
	NFS_TEST(test_lock_type_out_of_range, "RFC 8881, 18.10.3"),
	NFS_TEST(test_reclaim_without_grace, "RFC 8881, 8.4.2.1"),
	NFS_TEST(test_lock_and_use_it_at_once, "RFC 8881, 16.2.3.1.2"),
	NFS_TEST(test_many_ranges, "RFC 8881, 18.12.3"),
	NFS_TEST_DIFFERS(test_close_with_many_ranges, "RFC 8881, 18.2.3", "a server may answer NFS4ERR_LOCKS_HELD"),
	NFS_TEST_DIFFERS(test_notify_after_unlock, "RFC 8881, 20.11", "CB_NOTIFY_LOCK is optional"),
	NFS_TEST_DIFFERS(test_notify_after_close, "RFC 8881, 20.11",
			 "CB_NOTIFY_LOCK is optional, and a server may answer NFS4ERR_LOCKS_HELD"),
	NFS_TEST_DIFFERS(test_notify_after_downgrade, "RFC 8881, 20.11", "CB_NOTIFY_LOCK is optional"),
	NFS_TEST(test_no_notify_unasked, "RFC 8881, 20.11"),
	NFS_TEST(test_no_notify_while_still_denied, "RFC 8881, 20.11"),
};

NFS_TEST_MAIN(cases)
