/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The first steps on any server: mount, create, write, read, list, lock, call back.  What each operation owes in
 * detail is in the other files of this folder.
 */

#include "dev/fiber.h"
#include "proto/wire_bitmap.h"
#include "tests/lib/nfs_test.h"

#include <stdlib.h>
#include <string.h>

static FIBER_FN void test_root_attributes(struct nfs_test *t)
{
	struct wire_attrs attrs;
	uint32_t at;

	nfs_op_putrootfh(&t->c);
	at = nfs_op_getattr(&t->c, NFS_ATTRS(FATTR4_SUPPORTED_ATTRS, FATTR4_TYPE, FATTR4_FSID, FATTR4_LEASE_TIME));
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_attrs(&t->c, at, &attrs), 0);
	NFS_CHECK_EQ(t, attrs.type, NF4DIR);
	NFS_CHECK(t, attrs.lease_time > 0);
	NFS_CHECK(t, wire_bitmap_test(&attrs.supported_attrs, FATTR4_SIZE));
}

static FIBER_FN void test_null(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);

	nfs_compound_begin(&t->c);
	t->c.rpc_proc = NFSPROC4_NULL;
	NFS_IS(t, nfs_compound_send(&t->c, tc->conn), 0);
}

static FIBER_FN void test_minor_version(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);

	nfs_compound_begin(&t->c);
	t->c.minorversion = 7;
	nfs_op_putrootfh(&t->c);
	NFS_SEND_OVER(t, tc->conn, &t->c, NFS4ERR_MINOR_VERS_MISMATCH);
	NFS_CHECK_EQ(t, t->c.nr_results, 0);
}

static FIBER_FN void test_no_session(struct nfs_test *t)
{
	nfs_op_putrootfh(&t->c);
	NFS_SEND_OVER(t, t->conn, &t->c, NFS4ERR_OP_NOT_IN_SESSION);
}

static FIBER_FN void test_write_read(struct nfs_test *t)
{
	size_t size = 3 << 20, got;
	char *out = malloc(size), *in = malloc(size);
	struct wire_attrs attrs;
	struct nfs_file file;
	bool eof;

	NFS_CHECK(t, out && in);
	for (size_t i = 0; i < size; i++)
		out[i] = (char)(i * 7 + i / 4096);
	NFS_IS(t, nfs_file_create(t->session, &t->dir, "file", &file), 0);
	NFS_IS(t, nfs_file_write(&file, 0, out, size, UNSTABLE4), 0);
	NFS_IS(t, nfs_file_commit(&file), 0);
	NFS_IS(t, nfs_file_getattr(t->session, &file.fh, NFS_ATTRS(FATTR4_SIZE, FATTR4_MODE), &attrs), 0);
	NFS_CHECK_EQ(t, attrs.size, size);
	NFS_CHECK_EQ(t, attrs.mode, 0644);
	NFS_IS(t, nfs_file_read(&file, 0, in, size, &got, &eof), 0);
	NFS_CHECK_EQ(t, got, size);
	NFS_CHECK(t, memcmp(in, out, size) == 0);
	NFS_IS(t, nfs_file_read(&file, size, in, 10, &got, &eof), 0);
	NFS_CHECK_EQ(t, got, 0);
	NFS_CHECK(t, eof);
	NFS_IS(t, nfs_file_close(&file), 0);
	free(out);
	free(in);
}

struct seen {
	unsigned int nr;
	bool names[500];
	uint64_t last_cookie;
};

static FIBER_FN int see(void *owner, const entry4 *entry, const struct wire_attrs *attrs)
{
	struct seen *seen = owner;
	char name[8] = { 0 };
	unsigned long i;

	if (entry->name.component4_len >= sizeof(name) || attrs->type != NF4DIR)
		return -EINVAL;
	memcpy(name, entry->name.component4_val, entry->name.component4_len);
	i = strtoul(name, NULL, 10);
	if (i >= 500 || seen->names[i])
		return -EEXIST;
	seen->names[i] = true;
	seen->nr++;
	return 0;
}

static FIBER_FN void test_readdir_all(struct nfs_test *t)
{
	struct seen seen = { 0 };
	char name[8];
	struct nfs_fh fh;

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "%03d", i);
		NFS_IS(t, nfs_file_mkdir(t->session, &t->dir, name, 0755, &fh), 0);
	}
	NFS_IS(t,
	       nfs_file_readdir(t->session, &t->dir, NFS_ATTRS(FATTR4_TYPE, FATTR4_FILEID), 4096,
				(struct nfs_file_each){ see, &seen }),
	       0);
	NFS_CHECK_EQ(t, seen.nr, 500);
}

static FIBER_FN void test_rename_remove(struct nfs_test *t)
{
	struct nfs_file file;
	struct nfs_fh fh, sub;
	char target[64];

	NFS_IS(t, nfs_file_create(t->session, &t->dir, "a", &file), 0);
	NFS_IS(t, nfs_file_close(&file), 0);
	NFS_IS(t, nfs_file_mkdir(t->session, &t->dir, "sub", 0755, &sub), 0);
	NFS_IS(t, nfs_file_rename(t->session, &t->dir, "a", &sub, "b"), 0);
	NFS_IS(t, nfs_file_walk(t->session, &t->dir, "a", &fh), NFS4ERR_NOENT);
	NFS_IS(t, nfs_file_walk(t->session, &t->dir, "sub/b", &fh), 0);
	NFS_IS(t, nfs_file_link(t->session, &fh, &t->dir, "c"), 0);
	NFS_IS(t, nfs_file_symlink(t->session, &t->dir, "d", "sub/b"), 0);
	NFS_IS(t, nfs_file_walk(t->session, &t->dir, "d", &fh), 0);
	NFS_IS(t, nfs_file_readlink(t->session, &fh, target, sizeof(target)), 0);
	NFS_CHECK(t, strcmp(target, "sub/b") == 0);
	NFS_IS(t, nfs_file_remove(t->session, &t->dir, "sub"), NFS4ERR_NOTEMPTY);
	NFS_IS(t, nfs_file_remove_tree(t->session, &t->dir, "sub"), 0);
	NFS_IS(t, nfs_file_walk(t->session, &t->dir, "sub", &fh), NFS4ERR_NOENT);
}

static FIBER_FN void test_lock_conflict(struct nfs_test *t)
{
	struct nfs_test_client *other = nfs_test_client(t, NULL);
	struct nfs_lock lock = { .type = WRITE_LT, .offset = 10, .length = 5 };
	struct nfs_file mine, theirs;
	stateid4 stateid;
	uint32_t at;

	NFS_IS(t, nfs_file_create(t->session, &t->dir, "f", &mine), 0);
	NFS_IS(t, nfs_file_create(other->session, &t->dir, "f", &theirs), 0);
	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &mine.fh);
	at = nfs_op_lock_first(&t->c, &mine.stateid, &lock);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_stateid(&t->c, at, &stateid), 0);
	nfs_session_begin(other->session, &t->c);
	nfs_op_putfh(&t->c, &theirs.fh);
	at = nfs_op_lock_first(&t->c, &theirs.stateid, &lock);
	NFS_SEND_IN(t, other->session, &t->c, NFS4ERR_DENIED);
	NFS_CHECK_EQ(t, nfs_compound_result(&t->c, at, OP_LOCK)->nfs_resop4_u.oplock.LOCK4res_u.denied.offset, 10);
	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &mine.fh);
	nfs_op_locku(&t->c, &stateid, &lock);
	NFS_SEND(t, &t->c, NFS4_OK);
	nfs_session_begin(other->session, &t->c);
	nfs_op_putfh(&t->c, &theirs.fh);
	nfs_op_lock_first(&t->c, &theirs.stateid, &lock);
	NFS_SEND_IN(t, other->session, &t->c, NFS4_OK);
}

static FIBER_FN void test_resend_after_break(struct nfs_test *t)
{
	struct nfs_fh fh;

	for (int i = 0; i < 5; i++) {
		char name[8];

		snprintf(name, sizeof(name), "%d", i);
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &t->dir);
		nfs_op_mkdir(&t->c, name, 0755);
		NFS_IS(t, nfs_session_start(t->session, &t->c), 0);
		nfs_conn_drop(t->conn);
		NFS_IS(t, nfs_session_wait(t->session, &t->c), 0);
		/* Executed once: twice would be NFS4ERR_EXIST. */
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
		NFS_IS(t, nfs_file_walk(t->session, &t->dir, name, &fh), 0);
	}
}

static FIBER_FN void test_replay(struct nfs_test *t)
{
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_mkdir(&t->c, "once", 0755);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_compound_again(&t->c, t->conn), 0);
	NFS_IS(t, nfs_compound_wait(&t->c, nfs_test_in_ms(t, 10000)), 0);
	NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
}

static FIBER_FN void test_two_connections(struct nfs_test *t)
{
	struct nfs_conn *second = nfs_test_connect(t, t->client_of);

	NFS_IS(t, nfs_session_add_conn(t->session, second, CDFC4_FORE), 0);
	for (int i = 0; i < 4; i++)
		NFS_IS(t, nfs_session_ping(t->session), 0);
	NFS_CHECK(t, nfs_conn_stats(second).received >= 2);
	nfs_session_remove_conn(t->session, second);
	nfs_conn_close(second);
}

/* A lock that is waited for: the server tells when it is free, if it said that it would. */
static FIBER_FN void test_notify_lock(struct nfs_test *t)
{
	struct nfs_test_client *other = nfs_test_client(t, NULL);
	struct nfs_open open = { .name = "f", .access = NFS_OPEN_BOTH };
	struct nfs_lock lock = { .type = WRITEW_LT, .length = 5 };
	struct nfs_callback_event *event;
	struct nfs_file mine;
	OPEN4resok theirs;
	stateid4 stateid;
	uint32_t at;

	NFS_IS(t, nfs_file_create(t->session, &t->dir, "f", &mine), 0);
	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &mine.fh);
	at = nfs_op_lock_first(&t->c, &mine.stateid, &lock);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_stateid(&t->c, at, &stateid), 0);
	nfs_session_begin(other->session, &t->c);
	nfs_op_putfh(&t->c, &t->dir);
	at = nfs_op_open(&t->c, &open);
	NFS_SEND_IN(t, other->session, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_open(&t->c, at, &theirs), 0);
	if (!(theirs.rflags & OPEN4_RESULT_MAY_NOTIFY_LOCK))
		nfs_test_skip(t, "the server does not notify of locks");
	nfs_session_begin(other->session, &t->c);
	nfs_op_putfh(&t->c, &mine.fh);
	nfs_op_lock_first(&t->c, &theirs.stateid, &lock);
	NFS_SEND_IN(t, other->session, &t->c, NFS4ERR_DENIED);
	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &mine.fh);
	nfs_op_locku(&t->c, &stateid, &lock);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_callback_wait(&other->client.callback, OP_CB_NOTIFY_LOCK, nfs_test_in_ms(t, 5000), &event), 0);
	nfs_callback_done(event);
}

#define WORKERS 40
#define EACH	20

struct worker {
	struct nfs_test *t;
	struct fiber *fiber;
	unsigned int number;
	int err;
};

static FIBER_FN void work(void *arg)
{
	struct worker *worker = arg;
	struct nfs_file file;
	char name[32];

	for (unsigned int i = 0; i < EACH && !worker->err; i++) {
		snprintf(name, sizeof(name), "%u.%u", worker->number, i);
		worker->err = nfs_file_create(worker->t->session, &worker->t->dir, name, &file);
		if (!worker->err)
			worker->err = nfs_file_write(&file, 0, name, sizeof(name), FILE_SYNC4);
		if (!worker->err)
			worker->err = nfs_file_close(&file);
	}
}

static FIBER_FN int count(void *owner, const entry4 *entry, const struct wire_attrs *attrs)
{
	unsigned int *nr = owner;

	*nr += attrs->size == 32;
	return 0;
}

/* Many requests in flight in one session, and the connection breaks under them. */
static FIBER_FN void test_many_at_once(struct nfs_test *t)
{
	struct worker workers[WORKERS] = { 0 };
	unsigned int nr = 0;

	for (unsigned int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .t = t, .number = i };
		NFS_IS(t, fiber_spawn(t->reactor, "worker", work, &workers[i], &workers[i].fiber), 0);
	}
	for (unsigned int i = 0; i < 5; i++) {
		fiber_sleep_ns(20000000);
		nfs_conn_drop(t->conn);
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		fiber_join(workers[i].fiber);
	for (unsigned int i = 0; i < WORKERS; i++)
		NFS_IS(t, workers[i].err, 0);
	NFS_IS(t,
	       nfs_file_readdir(t->session, &t->dir, NFS_ATTRS(FATTR4_SIZE), 0, (struct nfs_file_each){ count, &nr }),
	       0);
	NFS_CHECK_EQ(t, nr, WORKERS * EACH);
}

static FIBER_FN void test_users(struct nfs_test *t)
{
	struct wire_attrs attrs;
	struct nfs_fh fh;
	uint32_t at;

	NFS_IS(t, nfs_file_mkdir(t->session, &t->dir, "private", 0700, &fh), 0);
	nfs_session_begin(t->session, &t->c);
	t->c.cred = (struct nfs_cred){ .uid = 1001, .gid = 1001 };
	nfs_op_putfh(&t->c, &fh);
	nfs_op_mkdir(&t->c, "x", 0755);
	NFS_SEND(t, &t->c, NFS4ERR_ACCESS);
	nfs_session_begin(t->session, &t->c);
	t->c.cred = (struct nfs_cred){ .uid = 1001, .gid = 1002 };
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_mkdir(&t->c, "theirs", 0755);
	at = nfs_op_getattr(&t->c, NFS_ATTRS(FATTR4_OWNER, FATTR4_OWNER_GROUP));
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_attrs(&t->c, at, &attrs), 0);
	NFS_CHECK_EQ(t, attrs.owner.utf8string_len, 4);
	NFS_CHECK(t, memcmp(attrs.owner.utf8string_val, "1001", 4) == 0);
	NFS_CHECK(t, memcmp(attrs.owner_group.utf8string_val, "1002", 4) == 0);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_root_attributes, "RFC 8881, 5.6"),	 NFS_TEST_BARE(test_null, "RFC 8881, 16.1"),
	NFS_TEST_BARE(test_minor_version, "RFC 8881, 16.2.3"),	 NFS_TEST(test_no_session, "RFC 8881, 2.10.6.4"),
	NFS_TEST(test_write_read, "RFC 8881, 18.22, 18.32"),	 NFS_TEST(test_readdir_all, "RFC 8881, 18.23"),
	NFS_TEST(test_rename_remove, "RFC 8881, 18.25, 18.26"),	 NFS_TEST(test_lock_conflict, "RFC 8881, 18.10"),
	NFS_TEST(test_resend_after_break, "RFC 8881, 2.10.6.2"), NFS_TEST(test_replay, "RFC 8881, 2.10.6.1.3"),
	NFS_TEST(test_two_connections, "RFC 8881, 18.34"),	 NFS_TEST(test_notify_lock, "RFC 8881, 20.11"),
	NFS_TEST(test_many_at_once, "RFC 8881, 2.10.6.2"),	 NFS_TEST(test_users, "RFC 8881, 5.9"),
};

NFS_TEST_MAIN(cases)
