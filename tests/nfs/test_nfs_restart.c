/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A restart that nobody notices: the server is killed while a request is on its way, being executed, or being
 * answered, at several moments; the client connects again, sends the same bytes, and gets what it would have got.
 */

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/nfs_raw.h"
#include "tests/lib/nfs_state.h"

#define ROUNDS 8

/* Crash while t->c is in flight in the test's session, and later with each round; its answer comes after all. */
static FIBER_FN void send_and_crash(struct nfs_test *t, unsigned int round)
{
	NFS_IS(t, nfs_session_start(t->session, &t->c), 0);
	fiber_sleep_ns(round * 60000ull);
	nfs_test_restart(t);
	nfs_conn_drop(t->conn);
	NFS_IS(t, nfs_session_wait(t->session, &t->c), 0);
}

static FIBER_FN void crash(struct nfs_test *t)
{
	nfs_test_restart(t);
	nfs_conn_drop(t->conn);
}

static FIBER_FN void test_session_goes_on(struct nfs_test *t)
{
	for (int i = 0; i < 3; i++) {
		crash(t);
		NFS_IS(t, nfs_session_ping(t->session), 0);
	}
}

static FIBER_FN void test_handles_stay(struct nfs_test *t)
{
	struct wire_attrs before, after;

	NFS_IS(t,
	       nfs_file_getattr(t->session, &t->dir, NFS_ATTRS(FATTR4_FILEID, FATTR4_CHANGE, FATTR4_FSID), &before),
	       0);
	crash(t);
	NFS_IS(t, nfs_file_getattr(t->session, &t->dir, NFS_ATTRS(FATTR4_FILEID, FATTR4_CHANGE, FATTR4_FSID), &after),
	       0);
	NFS_CHECK_EQ(t, before.fileid, after.fileid);
	NFS_CHECK_EQ(t, before.change, after.change);
	NFS_CHECK_EQ(t, before.fsid.major, after.fsid.major);
}

static FIBER_FN void test_open_stays(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open open = nfs_state_make(&s, "f", NULL);

	crash(t);
	nfs_state_write(&s, &open.fh, &open.stateid, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_state_test(&s, &open.stateid), NFS4_OK);
	nfs_state_close(&s, &open.fh, &open.stateid, NFS4_OK);
}

static FIBER_FN void test_share_stays(struct nfs_test *t)
{
	struct nfs_test_client *tc;
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, &tc);
	struct nfs_open open = { .name = "f", .creates = true, .deny = OPEN4_SHARE_DENY_BOTH };

	nfs_state_open(&s, NULL, &open, NFS4_OK);
	crash(t);
	nfs_conn_drop(tc->conn);
	nfs_state_share(&other, "f", NULL, NFS_OPEN_READ, 0, NFS4ERR_SHARE_DENIED);
}

static FIBER_FN void test_lock_stays(struct nfs_test *t)
{
	struct nfs_test_client *tc;
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, &tc);
	struct nfs_state_open mine = nfs_state_make(&s, "f", NULL), theirs = nfs_state_make(&other, "f", NULL);
	struct nfs_lock lock = { .type = WRITE_LT, .offset = 10, .length = 20 };
	stateid4 stateid = nfs_state_lock_first(&s, &mine, &lock, NFS4_OK);

	crash(t);
	nfs_conn_drop(tc->conn);
	nfs_state_lock_first(&other, &theirs, &lock, NFS4ERR_DENIED);
	nfs_state_unlock(&s, &mine.fh, &stateid, 10, 20, NFS4_OK);
	nfs_state_lock_first(&other, &theirs, &lock, NFS4_OK);
}

/* What is new is not refused, as it would be in a grace period. */
static FIBER_FN void test_no_grace(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open open;
	struct nfs_lock lock = { .type = WRITE_LT, .length = 1 };

	crash(t);
	open = nfs_state_make(&s, "new", NULL);
	nfs_state_lock_first(&s, &open, &lock, NFS4_OK);
	nfs_state_write(&s, &open.fh, &open.stateid, NFS4_OK);
	nfs_state_remove(&s, "new");
}

static FIBER_FN void test_new_client_without_grace(struct nfs_test *t)
{
	struct nfs_state other;

	crash(t);
	other = nfs_state_other(t, NULL);
	nfs_state_make(&other, "new", NULL);
}

/* It has finished reclaiming in its first life; it cannot again, and needs not. */
static FIBER_FN void test_reclaim_complete_stays(struct nfs_test *t)
{
	crash(t);
	nfs_session_begin(t->session, &t->c);
	nfs_op_reclaim_complete(&t->c, false);
	NFS_SEND(t, &t->c, NFS4ERR_COMPLETE_ALREADY);
}

static FIBER_FN void test_mkdir_once(struct nfs_test *t)
{
	struct nfs_fh fh, got;
	char name[16];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint32_t at;

		snprintf(name, sizeof(name), "d%u", i);
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &t->dir);
		nfs_op_mkdir(&t->c, name, 0755);
		at = nfs_op_getfh(&t->c);
		send_and_crash(t, i);
		/* Twice would be NFS4ERR_EXIST.  The handle comes from what follows the change. */
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
		NFS_IS(t, nfs_op_got_fh(&t->c, at, &got), 0);
		NFS_IS(t, nfs_file_walk(t->session, &t->dir, name, &fh), 0);
		NFS_CHECK(t, got.len == fh.len && memcmp(got.bytes, fh.bytes, fh.len) == 0);
	}
}

static FIBER_FN void test_rename_once(struct nfs_test *t)
{
	struct nfs_fh fh;

	NFS_IS(t, nfs_file_mkdir(t->session, &t->dir, "n0", 0755, &fh), 0);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		char from[16], to[16];

		snprintf(from, sizeof(from), "n%u", i);
		snprintf(to, sizeof(to), "n%u", i + 1);
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &t->dir);
		nfs_op_savefh(&t->c);
		nfs_op_rename(&t->c, from, to);
		send_and_crash(t, i);
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
		NFS_IS(t, nfs_file_walk(t->session, &t->dir, to, &fh), 0);
		NFS_IS(t, nfs_file_walk(t->session, &t->dir, from, &fh), NFS4ERR_NOENT);
	}
}

static FIBER_FN void test_remove_once(struct nfs_test *t)
{
	struct nfs_fh fh;
	change_info4 change;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint32_t at;

		NFS_IS(t, nfs_file_mkdir(t->session, &t->dir, "victim", 0755, &fh), 0);
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &t->dir);
		at = nfs_op_remove(&t->c, "victim");
		send_and_crash(t, i);
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
		NFS_IS(t, nfs_op_got_change(&t->c, at, &change), 0);
		NFS_CHECK(t, change.before < change.after);
	}
}

static FIBER_FN void test_link_once(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open open = nfs_state_make(&s, "f", NULL);
	char name[16];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "l%u", i);
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &open.fh);
		nfs_op_savefh(&t->c);
		nfs_op_putfh(&t->c, &t->dir);
		nfs_op_link(&t->c, name);
		send_and_crash(t, i);
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
		NFS_CHECK_EQ(t, nfs_state_getattr(&s, &open.fh, NFS_ATTRS(FATTR4_NUMLINKS)).numlinks, i + 2);
	}
}

static FIBER_FN void test_open_once(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_open open = { .creates = true, .mode = GUARDED4 };
	OPEN4resok ok;
	struct nfs_fh fh;
	char name[16];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint32_t at, fh_at;

		snprintf(name, sizeof(name), "f%u", i);
		open.name = name;
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &t->dir);
		at = nfs_op_open(&t->c, &open);
		fh_at = nfs_op_getfh(&t->c);
		send_and_crash(t, i);
		/* Twice would be NFS4ERR_EXIST; the state id that was answered is good. */
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
		NFS_IS(t, nfs_op_got_open(&t->c, at, &ok), 0);
		NFS_IS(t, nfs_op_got_fh(&t->c, fh_at, &fh), 0);
		nfs_state_write(&s, &fh, &ok.stateid, NFS4_OK);
		nfs_state_close(&s, &fh, &ok.stateid, NFS4_OK);
	}
}

static FIBER_FN void test_lock_once(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open open = nfs_state_make(&s, "f", NULL);
	struct nfs_lock lock = { .type = WRITE_LT, .length = 4 };
	stateid4 stateid = nfs_state_lock_first(&s, &open, &lock, NFS4_OK), got;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint32_t at;

		lock.offset = 100 * (i + 1);
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &open.fh);
		at = nfs_op_lock(&t->c, &stateid, &lock);
		send_and_crash(t, i);
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
		NFS_IS(t, nfs_op_got_stateid(&t->c, at, &got), 0);
		/* One step each, also for the lock that was asked for twice. */
		NFS_CHECK_EQ(t, got.seqid, stateid.seqid + 1);
		stateid = got;
	}
}

static FIBER_FN void test_close_once(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct nfs_state_open open = nfs_state_make(&s, "f", NULL);

		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &open.fh);
		nfs_op_close(&t->c, &open.stateid);
		send_and_crash(t, i);
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
		NFS_CHECK_EQ(t, nfs_state_test(&s, &open.stateid), NFS4ERR_BAD_STATEID);
	}
}

static FIBER_FN void test_setattr_once(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open open = nfs_state_make(&s, "f", NULL);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_SIZE) };

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t before = nfs_state_getattr(&s, &open.fh, NFS_ATTRS(FATTR4_CHANGE)).change;

		attrs.size = 1000 + i;
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &open.fh);
		nfs_op_setattr(&t->c, &open.stateid, &attrs);
		send_and_crash(t, i);
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
		NFS_CHECK_EQ(t, nfs_state_getattr(&s, &open.fh, NFS_ATTRS(FATTR4_SIZE)).size, 1000 + i);
		NFS_CHECK(t, nfs_state_getattr(&s, &open.fh, NFS_ATTRS(FATTR4_CHANGE)).change > before);
	}
}

static FIBER_FN void test_write_durable(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open open = nfs_state_make(&s, "f", NULL);
	READ4resok got;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		char data[16];
		uint32_t at;

		snprintf(data, sizeof(data), "round %u", i);
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &open.fh);
		nfs_op_write(&t->c, &open.stateid, 5000 * i, FILE_SYNC4, data, sizeof(data));
		send_and_crash(t, 2 * i);
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
		crash(t);
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &open.fh);
		at = nfs_op_read(&t->c, &open.stateid, 5000 * i, sizeof(data));
		NFS_SEND(t, &t->c, NFS4_OK);
		NFS_IS(t, nfs_op_got_read(&t->c, at, &got), 0);
		NFS_CHECK(t, got.data.data_len == sizeof(data) && memcmp(got.data.data_val, data, sizeof(data)) == 0);
	}
}

/* A change in the middle: what follows is done after the crash, with the file handle that the change left. */
static FIBER_FN void test_change_in_the_middle(struct nfs_test *t)
{
	struct wire_attrs attrs;
	char name[16];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint32_t dir_at, new_at;

		snprintf(name, sizeof(name), "m%u", i);
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &t->dir);
		nfs_op_savefh(&t->c);
		nfs_op_mkdir(&t->c, name, 0711);
		new_at = nfs_op_getattr(&t->c, NFS_ATTRS(FATTR4_MODE, FATTR4_FILEID));
		nfs_op_restorefh(&t->c);
		dir_at = nfs_op_getattr(&t->c, NFS_ATTRS(FATTR4_TYPE, FATTR4_NUMLINKS));
		send_and_crash(t, i);
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
		NFS_IS(t, nfs_op_got_attrs(&t->c, new_at, &attrs), 0);
		NFS_CHECK_EQ(t, attrs.mode, 0711);
		NFS_IS(t, nfs_op_got_attrs(&t->c, dir_at, &attrs), 0);
		NFS_CHECK_EQ(t, attrs.numlinks, i + 3);
	}
}

static FIBER_FN void test_many_changes(struct nfs_test *t)
{
	struct nfs_fh fh;
	char name[32];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &t->dir);
		/* Each in the one before, then the last is renamed in its own directory. */
		for (unsigned int j = 0; j < 8; j++) {
			snprintf(name, sizeof(name), "%u.%u", i, j);
			nfs_op_mkdir(&t->c, name, 0755);
		}
		nfs_op_lookupp(&t->c);
		nfs_op_savefh(&t->c);
		nfs_op_rename(&t->c, name, "last");
		nfs_op_remove(&t->c, "last");
		send_and_crash(t, 2 * i);
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
		NFS_CHECK_EQ(t, t->c.nr_results, 13);
		snprintf(name, sizeof(name), "%u.0/%u.1/%u.2/%u.3", i, i, i, i);
		NFS_IS(t, nfs_file_walk(t->session, &t->dir, name, &fh), 0);
	}
}

/* The current state id, too, is what it was. */
static FIBER_FN void test_current_stateid(struct nfs_test *t)
{
	struct nfs_open open = { .creates = true, .mode = GUARDED4 };
	struct wire_attrs attrs;
	struct nfs_fh fh;
	char name[16];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		open.name = name;
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &t->dir);
		nfs_op_open(&t->c, &open);
		nfs_op_write(&t->c, &nfs_stateid_current, 0, FILE_SYNC4, "bytes", 5);
		nfs_op_close(&t->c, &nfs_stateid_current);
		send_and_crash(t, 2 * i);
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
		NFS_IS(t, nfs_file_walk(t->session, &t->dir, name, &fh), 0);
		NFS_IS(t, nfs_file_getattr(t->session, &fh, NFS_ATTRS(FATTR4_SIZE), &attrs), 0);
		NFS_CHECK_EQ(t, attrs.size, 5);
	}
}

/* The compound fails behind its change: again so, and the change is not done twice. */
static FIBER_FN void test_failure_behind_change(struct nfs_test *t)
{
	char name[16];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint32_t at;

		snprintf(name, sizeof(name), "x%u", i);
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &t->dir);
		at = nfs_op_mkdir(&t->c, name, 0755);
		nfs_op_lookup(&t->c, "nothing");
		send_and_crash(t, i);
		NFS_CHECK_EQ(t, t->c.status, NFS4ERR_NOENT);
		NFS_OP_IS(t, &t->c, at, NFS4_OK);
	}
}

static FIBER_FN void test_twice_while_it_resumes(struct nfs_test *t)
{
	struct nfs_conn *second = nfs_test_connect(t, t->client_of);

	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_mkdir(&t->c, "once", 0755);
	nfs_op_getfh(&t->c);
	NFS_SEND(t, &t->c, NFS4_OK);
	nfs_raw_crash(t, t->conn);
	nfs_conn_drop(second);
	NFS_IS(t, nfs_conn_reconnect(second), 0);
	NFS_IS(t, nfs_compound_duplicate(&t->c, second), 0);
	nfs_raw_again(t, t->conn, NFS4_OK);
	nfs_raw_again(t, second, NFS4_OK);
	nfs_conn_close(second);
}

/* Answered before the crash; whoever asks again, gets the same. */
static FIBER_FN void test_replay_of_answered(struct nfs_test *t)
{
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_mkdir(&t->c, "once", 0755);
	NFS_SEND(t, &t->c, NFS4_OK);
	for (int i = 0; i < 3; i++) {
		nfs_raw_crash(t, t->conn);
		nfs_raw_again(t, t->conn, NFS4_OK);
	}
	nfs_raw_again(t, t->conn, NFS4_OK);
}

static FIBER_FN void test_false_retry_after_crash(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	CREATE_SESSION4resok s = nfs_raw_session(t, tc->conn, &tc->client.identity);

	nfs_raw_begin(t, s.csr_sessionid, 0, 1);
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_mkdir(&t->c, "once", 0755);
	NFS_SEND_OVER(t, tc->conn, &t->c, NFS4_OK);
	nfs_raw_crash(t, tc->conn);
	nfs_raw_begin(t, s.csr_sessionid, 0, 1);
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_mkdir(&t->c, "twice", 0755);
	NFS_SEND_OVER(t, tc->conn, &t->c, NFS4ERR_SEQ_FALSE_RETRY);
	nfs_raw_sequence(t, tc->conn, s.csr_sessionid, 0, 2, NFS4_OK);
}

/* Requests that change nothing leave no trace; the client goes on with its number. */
static FIBER_FN void test_number_of_reader(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	CREATE_SESSION4resok s = nfs_raw_session(t, tc->conn, &tc->client.identity);

	for (uint32_t i = 1; i <= 20; i++)
		nfs_raw_sequence(t, tc->conn, s.csr_sessionid, 0, i, NFS4_OK);
	nfs_raw_crash(t, tc->conn);
	nfs_raw_sequence(t, tc->conn, s.csr_sessionid, 0, 21, NFS4_OK);
	nfs_raw_sequence(t, tc->conn, s.csr_sessionid, 0, 23, NFS4ERR_SEQ_MISORDERED);
	nfs_raw_sequence(t, tc->conn, s.csr_sessionid, 0, 22, NFS4_OK);
}

/* Numbers go from 2^32 - 1 to 0. */
static FIBER_FN void test_number_wraps(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	CREATE_SESSION4resok s = nfs_raw_session(t, tc->conn, &tc->client.identity);
	static const uint32_t leaps[] = { 0x7ffffff0, 0xffffffdf, 0xfffffffe };

	for (size_t i = 0; i < ARRAY_SIZE(leaps); i++) {
		nfs_raw_begin(t, s.csr_sessionid, 0, leaps[i]);
		nfs_raw_crash(t, tc->conn);
		nfs_raw_begin(t, s.csr_sessionid, 0, leaps[i]);
		nfs_op_putfh(&t->c, &t->dir);
		nfs_op_setattr(&t->c, &nfs_stateid_anonymous,
			       &(struct wire_attrs){ .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0700 });
		NFS_SEND_OVER(t, tc->conn, &t->c, NFS4_OK);
	}
	nfs_raw_sequence(t, tc->conn, s.csr_sessionid, 0, 0xffffffff, NFS4_OK);
	nfs_raw_sequence(t, tc->conn, s.csr_sessionid, 0, 0, NFS4_OK);
	nfs_raw_sequence(t, tc->conn, s.csr_sessionid, 0, 0, NFS4_OK);
	nfs_raw_sequence(t, tc->conn, s.csr_sessionid, 0, 1, NFS4_OK);
	nfs_raw_sequence(t, tc->conn, s.csr_sessionid, 0, 0, NFS4ERR_SEQ_MISORDERED);
}

static FIBER_FN void test_lease_goes_on(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other;
	struct nfs_open open = { .name = "f", .creates = true, .deny = OPEN4_SHARE_DENY_BOTH };

	nfs_state_open(&s, NULL, &open, NFS4_OK);
	fiber_sleep_ns(25000000000);
	nfs_test_restart(t);
	/* The lease begins anew with the server: 25 seconds of silence before it do not count. */
	fiber_sleep_ns(25000000000);
	other = nfs_state_other(t, NULL);
	nfs_state_share(&other, "f", NULL, NFS_OPEN_READ, 0, NFS4ERR_SHARE_DENIED);
	nfs_conn_drop(t->conn);
	NFS_IS(t, nfs_session_ping(t->session), 0);
}

static FIBER_FN void test_callbacks_come_back(struct nfs_test *t)
{
	struct nfs_test_client *holder = nfs_test_client(t, NULL);
	struct nfs_state waits = nfs_state_first(t), holds = waits;
	struct nfs_lock lock = { .type = WRITEW_LT, .length = 5 };
	struct nfs_callback_event *event;
	struct nfs_state_open held, wanted;
	stateid4 stateid;

	holds.session = holder->session;
	crash(t);
	nfs_conn_drop(holder->conn);
	held = nfs_state_make(&holds, "f", NULL);
	wanted = nfs_state_make(&waits, "f", NULL);
	stateid = nfs_state_lock_first(&holds, &held, &lock, NFS4_OK);
	nfs_state_lock_first(&waits, &wanted, &lock, NFS4ERR_DENIED);
	nfs_state_unlock(&holds, &held.fh, &stateid, 0, 5, NFS4_OK);
	NFS_IS(t, nfs_callback_wait(&t->client->callback, OP_CB_NOTIFY_LOCK, nfs_test_in_ms(t, 5000), &event), 0);
	nfs_callback_done(event);
}

static FIBER_FN void test_path_down_until_bound(struct nfs_test *t)
{
	nfs_raw_crash(t, t->conn);
	nfs_raw_begin(t, t->session->sessionid, 5, 1);
	NFS_SEND_OVER(t, t->conn, &t->c, NFS4_OK);
	NFS_CHECK(t, (nfs_raw_sequence_got(t).sr_status_flags & SEQ4_STATUS_CB_PATH_DOWN) != 0);
	nfs_raw_bind(t, t->conn, t->session->sessionid, CDFC4_FORE_OR_BOTH, NFS4_OK);
	nfs_raw_begin(t, t->session->sessionid, 5, 2);
	NFS_SEND_OVER(t, t->conn, &t->c, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_raw_sequence_got(t).sr_status_flags, 0);
}

static FIBER_FN void test_orphan_lives_while_open(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open open = nfs_state_make(&s, "f", NULL);

	nfs_state_write(&s, &open.fh, &open.stateid, NFS4_OK);
	nfs_state_remove(&s, "f");
	crash(t);
	nfs_state_read(&s, &open.fh, &open.stateid, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_state_getattr(&s, &open.fh, NFS_ATTRS(FATTR4_NUMLINKS)).numlinks, 0);
	nfs_state_close(&s, &open.fh, &open.stateid, NFS4_OK);
}

static FIBER_FN void test_write_verifier_changes(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open open = nfs_state_make(&s, "f", NULL);
	WRITE4resok before, after;
	uint32_t at;

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &open.fh);
	at = nfs_op_write(&t->c, &open.stateid, 0, UNSTABLE4, "x", 1);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_write(&t->c, at, &before), 0);
	crash(t);
	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &open.fh);
	at = nfs_op_write(&t->c, &open.stateid, 0, UNSTABLE4, "x", 1);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_write(&t->c, at, &after), 0);
	NFS_CHECK(t, memcmp(before.writeverf, after.writeverf, sizeof(before.writeverf)) != 0);
}

/*
 * A client is destroyed, since it was started anew, while requests of its old life run on; then comes a crash.  They
 * leave nothing behind that has no owner: the server starts.
 */
static FIBER_FN void destroyed_under_way(struct nfs_test *t, unsigned int round)
{
	struct nfs_test_client *tc = nfs_test_client(t, NULL), *anew;
	struct nfs_state s = nfs_state_first(t);
	struct nfs_identity identity = tc->client.identity;
	struct nfs_compound c[4];
	struct nfs_state_open open;
	static char data[256 << 10];

	s.session = tc->session;
	open = nfs_state_make(&s, "f", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		nfs_compound_init(&c[i]);
		nfs_session_begin(tc->session, &c[i]);
		c[i].resends = false;
		nfs_op_putfh(&c[i], &open.fh);
		nfs_op_write(&c[i], &open.stateid, i * sizeof(data), FILE_SYNC4, data, sizeof(data));
		nfs_op_reclaim_complete(&c[i], false);
	}
	identity.verifier[0] ^= 1;
	anew = nfs_test_client_bare(t, &identity);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		NFS_IS(t, nfs_session_start(tc->session, &c[i]), 0);
	fiber_sleep_ns(round * 100000ull);
	nfs_raw_session(t, anew->conn, &identity);
	fiber_sleep_ns(round * 300000ull);
	nfs_test_restart(t);
	nfs_conn_drop(tc->conn);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		(void)!nfs_session_wait(tc->session, &c[i]);
		nfs_compound_release(&c[i]);
	}
	nfs_conn_drop(t->conn);
}

static FIBER_FN void test_client_destroyed_under_way(struct nfs_test *t)
{
	for (unsigned int i = 0; i < 10; i++)
		destroyed_under_way(t, i);
}

/* Behind a session without a back channel, which gets one and loses it with the server. */
static FIBER_FN void test_back_channel_added(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	struct nfs_raw_id id = nfs_raw_exchange(t, tc->conn, &tc->client.identity, NFS4_OK);
	CREATE_SESSION4args args = nfs_raw_create_args(&id);
	CREATE_SESSION4resok s;

	args.csa_flags = 0;
	s = nfs_raw_create(t, tc->conn, NULL, &args, NFS4_OK);
	nfs_raw_bind(t, tc->conn, s.csr_sessionid, CDFC4_BACK_OR_BOTH, NFS4_OK);
	nfs_raw_crash(t, tc->conn);
	nfs_raw_sequence(t, tc->conn, s.csr_sessionid, 0, 1, NFS4_OK);
	NFS_CHECK(t, (nfs_raw_sequence_got(t).sr_status_flags & SEQ4_STATUS_CB_PATH_DOWN) != 0);
	nfs_raw_bind(t, tc->conn, s.csr_sessionid, CDFC4_BACK_OR_BOTH, NFS4_OK);
	nfs_raw_sequence(t, tc->conn, s.csr_sessionid, 0, 2, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_raw_sequence_got(t).sr_status_flags, 0);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_session_goes_on, "RFC 8881, 2.10.6.5"),
	NFS_TEST(test_handles_stay, "RFC 8881, 4.2.2"),
	NFS_TEST(test_open_stays, "RFC 8881, 8.4.2"),
	NFS_TEST(test_share_stays, "RFC 8881, 9.7"),
	NFS_TEST(test_lock_stays, "RFC 8881, 9.1"),
	NFS_TEST(test_no_grace, "RFC 8881, 8.4.2.1"),
	NFS_TEST(test_new_client_without_grace, "RFC 8881, 8.4.2.1"),
	NFS_TEST(test_reclaim_complete_stays, "RFC 8881, 18.51.3"),
	NFS_TEST(test_mkdir_once, "RFC 8881, 2.10.6.5"),
	NFS_TEST(test_rename_once, "RFC 8881, 2.10.6.5"),
	NFS_TEST(test_remove_once, "RFC 8881, 2.10.6.5"),
	NFS_TEST(test_link_once, "RFC 8881, 2.10.6.5"),
	NFS_TEST(test_open_once, "RFC 8881, 2.10.6.5"),
	NFS_TEST(test_lock_once, "RFC 8881, 2.10.6.5"),
	NFS_TEST(test_close_once, "RFC 8881, 2.10.6.5"),
	NFS_TEST(test_setattr_once, "RFC 8881, 2.10.6.5"),
	NFS_TEST(test_write_durable, "RFC 8881, 18.32.3"),
	NFS_TEST(test_change_in_the_middle, "RFC 8881, 2.10.6.5"),
	NFS_TEST(test_many_changes, "RFC 8881, 2.10.6.5"),
	NFS_TEST(test_current_stateid, "RFC 8881, 16.2.3.1.2, 2.10.6.5"),
	NFS_TEST(test_failure_behind_change, "RFC 8881, 2.10.6.5"),
	NFS_TEST(test_twice_while_it_resumes, "RFC 8881, 2.10.6.2"),
	NFS_TEST(test_replay_of_answered, "RFC 8881, 2.10.6.5"),
	NFS_TEST(test_false_retry_after_crash, "RFC 8881, 2.10.6.1.3.1"),
	NFS_TEST(test_number_of_reader, "RFC 8881, 2.10.6.1"),
	NFS_TEST(test_number_wraps, "RFC 8881, 2.10.6.1"),
	NFS_TEST(test_lease_goes_on, "RFC 8881, 8.3"),
	NFS_TEST(test_callbacks_come_back, "RFC 8881, 2.10.3.1"),
	NFS_TEST(test_path_down_until_bound, "RFC 8881, 18.46.3"),
	NFS_TEST(test_orphan_lives_while_open, "RFC 8881, 18.25.4"),
	NFS_TEST(test_write_verifier_changes, "RFC 8881, 18.32.3"),
	NFS_TEST(test_client_destroyed_under_way, "RFC 8881, 18.35.4, case 5"),
	NFS_TEST(test_back_channel_added, "RFC 8881, 18.34.3"),
};

NFS_TEST_MAIN(cases)
