// SPDX-License-Identifier: Apache-2.0
/*
 * CLONE and COPY with CB_OFFLOAD (RFC 7862, 15.13, 15.2, 16.1) as a client sees them, and what callbacks do when
 * something breaks (RFC 8881, 2.10.6).  tests/mds/test_op_clone.c, test_op_copy.c and test_backchannel.c have more.
 */
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/nfs_test.h"

/* Longer than what one synchronous COPY does. */
#define LONG_COPY ((17u << 20) + 5)

struct pair {
	struct nfs_file f, g;
};

static FIBER_FN struct pair two_files(struct nfs_test *t, uint32_t len)
{
	struct pair p;
	char *buf = malloc(len + 1);

	NFS_CHECK(t, buf != NULL);
	for (uint32_t i = 0; i <= len; i++)
		buf[i] = (char)(i % 251);
	NFS_IS(t, nfs_file_create(t->session, &t->dir, "f", &p.f), 0);
	NFS_IS(t, nfs_file_create(t->session, &t->dir, "g", &p.g), 0);
	NFS_IS(t, nfs_file_write(&p.f, 0, buf, len, UNSTABLE4), 0);
	NFS_IS(t, nfs_file_commit(&p.f), 0);
	free(buf);
	return p;
}

/* @g at 0 holds what @f does at @off. */
static FIBER_FN void same(struct nfs_test *t, struct nfs_file *g, uint64_t off, uint32_t len)
{
	char *buf = malloc(len);
	size_t got;
	bool eof;

	NFS_CHECK(t, buf != NULL);
	NFS_IS(t, nfs_file_read(g, 0, buf, len, &got, &eof), 0);
	NFS_CHECK_EQ(t, got, len);
	for (uint32_t i = 0; i < len; i++)
		NFS_CHECK(t, buf[i] == (char)((off + i) % 251));
	free(buf);
}

static void begin(struct nfs_test *t, const struct pair *p)
{
	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &p->f.fh);
	nfs_op_savefh(&t->c);
	nfs_op_putfh(&t->c, &p->g.fh);
}

static FIBER_FN COPY4resok copy_ok(struct nfs_test *t, const struct pair *p, uint64_t off, uint64_t len, bool sync)
{
	struct nfs_copy copy = { p->f.stateid, p->g.stateid, off, 0, len, sync };
	const struct nfs_resop4 *res;
	uint32_t at;

	begin(t, p);
	at = nfs_op_copy(&t->c, &copy);
	NFS_SEND(t, &t->c, NFS4_OK);
	res = nfs_compound_result(&t->c, at, OP_COPY);
	NFS_CHECK(t, res != NULL);
	return res->nfs_resop4_u.opcopy.COPY4res_u.cr_resok4;
}

static FIBER_FN void test_clone_all(struct nfs_test *t)
{
	struct pair p = two_files(t, 10000);
	struct nfs_copy copy = { p.f.stateid, p.g.stateid, 0, 0, 0, false };

	begin(t, &p);
	nfs_op_clone(&t->c, &copy);
	NFS_SEND(t, &t->c, NFS4_OK);
	same(t, &p.g, 0, 10000);
	NFS_IS(t, nfs_file_write(&p.f, 0, "other", 5, FILE_SYNC4), 0);
	same(t, &p.g, 0, 10000);
}

static FIBER_FN void test_clone_not_aligned(struct nfs_test *t)
{
	struct pair p = two_files(t, 10000);
	struct nfs_copy copy = { p.f.stateid, p.g.stateid, 100, 0, 4096, false };

	begin(t, &p);
	nfs_op_clone(&t->c, &copy);
	NFS_SEND(t, &t->c, NFS4ERR_INVAL);
}

static FIBER_FN void test_clone_without_source(struct nfs_test *t)
{
	struct pair p = two_files(t, 4096);
	struct nfs_copy copy = { p.f.stateid, p.g.stateid, 0, 0, 4096, false };

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &p.g.fh);
	nfs_op_clone(&t->c, &copy);
	NFS_SEND(t, &t->c, NFS4ERR_NOFILEHANDLE);
}

static FIBER_FN void test_copy_sync(struct nfs_test *t)
{
	struct pair p = two_files(t, 100000);
	COPY4resok ok = copy_ok(t, &p, 7, 90000, true);

	NFS_CHECK_EQ(t, ok.cr_response.wr_count, 90000);
	NFS_CHECK_EQ(t, ok.cr_response.wr_callback_id.wr_callback_id_len, 0);
	same(t, &p.g, 7, 90000);
}

static FIBER_FN void test_copy_beyond(struct nfs_test *t)
{
	struct pair p = two_files(t, 1000);
	struct nfs_copy copy = { p.f.stateid, p.g.stateid, 1, 0, 1000, true };

	begin(t, &p);
	nfs_op_copy(&t->c, &copy);
	NFS_SEND(t, &t->c, NFS4ERR_INVAL);
}

static FIBER_FN void test_copy_wrong_mode(struct nfs_test *t)
{
	struct nfs_open how = { .access = NFS_OPEN_READ, .name = "g" };
	struct pair p = two_files(t, 1000);
	struct nfs_copy copy = { p.f.stateid, p.g.stateid, 0, 0, 1000, true };
	struct nfs_file r;

	NFS_IS(t, nfs_file_close(&p.g), 0);
	NFS_IS(t, nfs_file_open(t->session, &t->dir, &how, &r), 0);
	copy.dst = r.stateid;
	begin(t, &p);
	nfs_op_copy(&t->c, &copy);
	NFS_SEND(t, &t->c, NFS4ERR_OPENMODE);
}

/* Begin one that ends later. */
static FIBER_FN stateid4 copy_begin(struct nfs_test *t, const struct pair *p)
{
	COPY4resok ok = copy_ok(t, p, 1, LONG_COPY - 1, false);

	if (ok.cr_response.wr_callback_id.wr_callback_id_len == 0)
		nfs_test_skip(t, "the server copies all at once");
	return ok.cr_response.wr_callback_id.wr_callback_id_val[0];
}

static FIBER_FN struct nfs_callback_event *offload(struct nfs_test *t, const stateid4 *stateid)
{
	struct nfs_callback_event *event;
	const struct nfs_cb_argop4 *arg;

	NFS_IS(t, nfs_callback_wait(&t->client->callback, OP_CB_OFFLOAD, nfs_test_in_ms(t, 20000), &event), 0);
	arg = nfs_callback_arg(event, OP_CB_OFFLOAD);
	NFS_CHECK(t, !memcmp(arg->nfs_cb_argop4_u.opcboffload.coa_stateid.other, stateid->other, 12));
	NFS_CHECK_EQ(t, arg->nfs_cb_argop4_u.opcboffload.coa_offload_info.coa_status, NFS4_OK);
	return event;
}

static FIBER_FN void test_copy_async(struct nfs_test *t)
{
	struct pair p = two_files(t, LONG_COPY);
	stateid4 stateid = copy_begin(t, &p);

	nfs_callback_done(offload(t, &stateid));
	same(t, &p.g, 1, LONG_COPY - 1);
}

/* The connection breaks instead of an answer: the callback comes again, as the same request. */
static FIBER_FN void test_offload_resent(struct nfs_test *t)
{
	struct pair p = two_files(t, LONG_COPY);
	struct nfs_callback_event *event;
	stateid4 stateid;

	t->client->callback.fault = (struct nfs_callback_fault){ .nr = 1, .drops = true };
	stateid = copy_begin(t, &p);
	while (t->client->callback.fault.nr > 0)
		fiber_sleep_ns(1000000);
	NFS_IS(t, nfs_session_ping(t->session), 0);
	event = offload(t, &stateid);
	NFS_CHECK_EQ(t, event->sequence.csa_sequenceid, 1);
	nfs_callback_done(event);
}

static FIBER_FN void test_offload_delayed(struct nfs_test *t)
{
	struct pair p = two_files(t, LONG_COPY);
	stateid4 stateid;

	t->client->callback.fault = (struct nfs_callback_fault){ .nr = 2, .sequence = NFS4ERR_DELAY };
	stateid = copy_begin(t, &p);
	nfs_callback_done(offload(t, &stateid));
}

static FIBER_FN void test_offload_cancel(struct nfs_test *t)
{
	struct pair p = two_files(t, LONG_COPY);
	stateid4 stateid = copy_begin(t, &p);
	uint32_t at;

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &p.g.fh);
	nfs_op_offload_cancel(&t->c, &stateid);
	at = nfs_op_offload_status(&t->c, &stateid);
	NFS_IS(t, nfs_session_send(t->session, &t->c), 0);
	NFS_OP_IS(t, &t->c, at, NFS4ERR_BAD_STATEID);
}

static FIBER_FN void test_offload_unknown(struct nfs_test *t)
{
	struct pair p = two_files(t, 10);

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &p.g.fh);
	nfs_op_offload_status(&t->c, &p.g.stateid);
	NFS_SEND(t, &t->c, NFS4ERR_BAD_STATEID);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST_DIFFERS(test_clone_all, "RFC 7862, 15.13.3", "CLONE is optional"),
	NFS_TEST_DIFFERS(test_clone_not_aligned, "RFC 7862, 15.13.3", "CLONE is optional"),
	NFS_TEST_DIFFERS(test_clone_without_source, "RFC 7862, 15.13.3", "CLONE is optional"),
	NFS_TEST_DIFFERS(test_copy_sync, "RFC 7862, 15.2.3", "COPY is optional"),
	NFS_TEST_DIFFERS(test_copy_beyond, "RFC 7862, 15.2.3", "COPY is optional"),
	NFS_TEST_DIFFERS(test_copy_wrong_mode, "RFC 7862, 15.2.3", "COPY is optional"),
	NFS_TEST_DIFFERS(test_copy_async, "RFC 7862, 16.1.3", "COPY is optional"),
	NFS_TEST_DIFFERS(test_offload_resent, "RFC 7862, 16.1; RFC 8881, 2.10.6.2", "COPY is optional"),
	NFS_TEST_DIFFERS(test_offload_delayed, "RFC 7862, 16.1; RFC 8881, 20.9.3", "COPY is optional"),
	NFS_TEST_DIFFERS(test_offload_cancel, "RFC 7862, 15.8.3", "COPY is optional"),
	NFS_TEST_DIFFERS(test_offload_unknown, "RFC 7862, 15.9.3", "COPY is optional"),
};

NFS_TEST_MAIN(cases)
