/* SPDX-License-Identifier: Apache-2.0 */

/* Files over a scripted server: patience, short answers, directories that turn in circles. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/reactor.h"
#include "proto/wire_dir.h"
#include "tests/lib/check.h"
#include "tests/lib/fake_world.h"
#include "tools/nfs_file.h"

/* A file of bytes and a directory of numbers. */
static struct {
	unsigned int delays; /* how many answers are NFS4ERR_DELAY first */
	uint32_t part;	     /* what a READ or WRITE takes */
	uint64_t size;
	uint64_t names; /* in the directory */
	bool turns;	/* its cookies come again */
	bool is_empty;	/* no entry and no end */
	unsigned int calls;
	char bytes[10000];
	char list[4096];
} fake;

static nfsstat4 do_read(const READ4args *args, READ4resok *ok)
{
	uint64_t left = fake.size > args->offset ? fake.size - args->offset : 0;

	ok->data.data_len = (uint32_t)min_u64(min_u64(args->count, fake.part), left);
	ok->data.data_val = fake.bytes + args->offset;
	ok->eof = args->offset + ok->data.data_len >= fake.size;
	return NFS4_OK;
}

static nfsstat4 do_write(const WRITE4args *args, WRITE4resok *ok)
{
	ok->count = (uint32_t)min_u64(args->data.data_len, fake.part);
	CHECK(args->offset + ok->count <= sizeof(fake.bytes));
	memcpy(fake.bytes + args->offset, args->data.data_val, ok->count);
	fake.size = max_u64(fake.size, args->offset + ok->count);
	return NFS4_OK;
}

static nfsstat4 do_readdir(const READDIR4args *args, READDIR4resok *ok)
{
	struct wire_dir_writer writer;
	uint64_t cookie = args->cookie;

	wire_dir_begin(&writer, fake.list, sizeof(fake.list));
	for (int i = 0; i < 7 && cookie < fake.names && !fake.is_empty; i++) {
		entry4 entry = { .cookie = fake.turns && cookie == 9 ? 9 : cookie + 1,
				 .name = { 1, (char *)(uintptr_t) "n" } };

		CHECK_EQ(wire_dir_add(&writer, &entry), 0);
		cookie++;
	}
	wire_dir_end(&writer, cookie >= fake.names, &ok->reply);
	return NFS4_OK;
}

static FIBER_FN bool files(void *owner, const struct fake_call *call, const struct nfs_argop4 *arg,
			   struct nfs_resop4 *ret_res)
{
	nfsstat4 status;

	if (arg->argop != OP_READ && arg->argop != OP_WRITE && arg->argop != OP_READDIR)
		return false;
	fake.calls++;
	if (fake.delays > 0) {
		fake.delays--;
		status = NFS4ERR_DELAY;
	} else if (arg->argop == OP_READ) {
		status = do_read(&arg->nfs_argop4_u.opread, &ret_res->nfs_resop4_u.opread.READ4res_u.resok4);
	} else if (arg->argop == OP_WRITE) {
		status = do_write(&arg->nfs_argop4_u.opwrite, &ret_res->nfs_resop4_u.opwrite.WRITE4res_u.resok4);
	} else {
		status = do_readdir(&arg->nfs_argop4_u.opreaddir,
				    &ret_res->nfs_resop4_u.opreaddir.READDIR4res_u.resok4);
	}
	memcpy(&ret_res->nfs_resop4_u, &status, sizeof(status));
	return true;
}

static FIBER_FN void in_parts(struct fake_world *w)
{
	struct nfs_file file = { .session = w->session };
	char out[5000], in[6000];
	size_t got;
	bool eof;

	w->server.script = (struct fake_nfs_script){ .on_op = files };
	memset(&fake, 0, sizeof(fake));
	fake.part = 999;
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 31);
	CHECK_EQ(nfs_file_write(&file, 100, out, sizeof(out), FILE_SYNC4), 0);
	CHECK_EQ(fake.calls, 6);
	CHECK_EQ(nfs_file_read(&file, 100, in, sizeof(in), &got, &eof), 0);
	CHECK_EQ(got, sizeof(out));
	CHECK(eof);
	CHECK(memcmp(in, out, sizeof(out)) == 0);
	/* A server that takes nothing is not asked for ever. */
	fake.part = 0;
	CHECK_EQ(nfs_file_write(&file, 0, out, 10, FILE_SYNC4), -EPROTO);
	CHECK_EQ(nfs_file_read(&file, 0, in, 10, &got, &eof), -EPROTO);
}

static void test_in_parts(void **state)
{
	fake_world_run(in_parts, true);
}

static FIBER_FN void patient(struct fake_world *w)
{
	struct nfs_file file = { .session = w->session };
	char in[10];
	size_t got;
	bool eof;

	w->server.script = (struct fake_nfs_script){ .on_op = files };
	memset(&fake, 0, sizeof(fake));
	fake.delays = 3;
	CHECK_EQ(nfs_file_read(&file, 0, in, sizeof(in), &got, &eof), 0);
	CHECK_EQ(fake.calls, 4);
	/* But not for ever. */
	fake.delays = 1000000;
	w->client.timeout_ns = 5000000000;
	CHECK_EQ(nfs_file_read(&file, 0, in, sizeof(in), &got, &eof), NFS4ERR_DELAY);
}

static void test_patient(void **state)
{
	fake_world_run(patient, true);
}

static FIBER_FN int count_entry(void *owner, const entry4 *entry, const struct wire_attrs *attrs)
{
	uint64_t *nr = owner;

	++*nr;
	CHECK_EQ(entry->cookie, *nr);
	return *nr == 1000 ? 77 : 0;
}

static FIBER_FN void directories(struct fake_world *w)
{
	struct nfs_fh dir = { .len = 4 };
	struct bitmap4 none = { 0 };
	uint64_t nr = 0;

	w->server.script = (struct fake_nfs_script){ .on_op = files };
	memset(&fake, 0, sizeof(fake));
	fake.names = 50;
	CHECK_EQ(nfs_file_readdir(w->session, &dir, none, 0, (struct nfs_file_each){ count_entry, &nr }), 0);
	CHECK_EQ(nr, 50);
	nr = 0;
	fake.names = 2000;
	CHECK_EQ(nfs_file_readdir(w->session, &dir, none, 0, (struct nfs_file_each){ count_entry, &nr }), 77);
	nr = 0;
	fake.turns = true;
	CHECK_EQ(nfs_file_readdir(w->session, &dir, none, 0, (struct nfs_file_each){ count_entry, &nr }), -ELOOP);
	nr = 0;
	fake.is_empty = true;
	CHECK_EQ(nfs_file_readdir(w->session, &dir, none, 0, (struct nfs_file_each){ count_entry, &nr }), -ELOOP);
}

static void test_directories(void **state)
{
	fake_world_run(directories, true);
}

static FIBER_FN void paths(struct fake_world *w)
{
	char deep[300] = "";
	struct nfs_fh fh;

	CHECK_EQ(nfs_file_walk(w->session, NULL, "/a//b/c/", &fh), 0);
	CHECK_EQ(w->server.executed[OP_LOOKUP], 3);
	CHECK_EQ(nfs_file_walk(w->session, NULL, "", &fh), 0);
	CHECK_EQ(w->server.executed[OP_LOOKUP], 3);
	for (int i = 0; i <= NFS_FILE_PATH_MAX; i++)
		memcpy(deep + (size_t)i * 2, "/x", 3);
	CHECK_EQ(nfs_file_walk(w->session, NULL, deep, &fh), -ENAMETOOLONG);
}

static void test_paths(void **state)
{
	fake_world_run(paths, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_parts),
		cmocka_unit_test(test_patient),
		cmocka_unit_test(test_directories),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
