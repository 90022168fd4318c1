// SPDX-License-Identifier: Apache-2.0
/*
 * Asynchronous copies over restarts (RFC 7862, 4.2): a client that waits for CB_OFFLOAD does not notice that the
 * server was killed; so the copy goes on, and the callback comes.
 */
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tests/lib/nfs_test.h"

#define MSEC 1000000ull
/* Longer than what one synchronous COPY does. */
#define LONG_COPY ((20u << 20) + 5)

struct scene {
	struct nfs_file f, g;
	stateid4 stateid; /* of the copy */
};

static char byte_at(uint64_t off)
{
	return (char)(off % 251 + off / 4096);
}

static FIBER_FN struct scene scene_open(struct nfs_test *t)
{
	struct scene s = { 0 };
	char *buf;

	if (t->is_external)
		nfs_test_skip(t, "it is not ours to restart");
	buf = malloc(LONG_COPY);
	NFS_CHECK(t, buf != NULL);
	for (uint32_t i = 0; i < LONG_COPY; i++)
		buf[i] = byte_at(i);
	NFS_IS(t, nfs_file_create(t->session, &t->dir, "f", &s.f), 0);
	NFS_IS(t, nfs_file_create(t->session, &t->dir, "g", &s.g), 0);
	/* What is there is overwritten in place, and must be safe before it counts as copied. */
	memset(buf, 'x', 5 << 20);
	NFS_IS(t, nfs_file_write(&s.g, 0, buf, 5 << 20, FILE_SYNC4), 0);
	for (uint32_t i = 0; i < 5u << 20; i++)
		buf[i] = byte_at(i);
	NFS_IS(t, nfs_file_write(&s.f, 0, buf, LONG_COPY, UNSTABLE4), 0);
	NFS_IS(t, nfs_file_commit(&s.f), 0);
	free(buf);
	return s;
}

static FIBER_FN uint32_t add_copy(struct nfs_test *t, struct scene *s)
{
	struct nfs_copy copy = { s->f.stateid, s->g.stateid, 1, 0, LONG_COPY - 1, false };

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &s->f.fh);
	nfs_op_savefh(&t->c);
	nfs_op_putfh(&t->c, &s->g.fh);
	return nfs_op_copy(&t->c, &copy);
}

static void take_stateid(struct nfs_test *t, struct scene *s, uint32_t at)
{
	const struct nfs_resop4 *res = nfs_compound_result(&t->c, at, OP_COPY);
	const write_response4 *ok;

	NFS_CHECK(t, res != NULL);
	ok = &res->nfs_resop4_u.opcopy.COPY4res_u.cr_resok4.cr_response;
	NFS_CHECK_EQ(t, ok->wr_callback_id.wr_callback_id_len, 1);
	s->stateid = ok->wr_callback_id.wr_callback_id_val[0];
}

static FIBER_FN void copy_start(struct nfs_test *t, struct scene *s)
{
	uint32_t at = add_copy(t, s);

	NFS_SEND(t, &t->c, NFS4_OK);
	take_stateid(t, s, at);
}

static FIBER_FN void copy_ends(struct nfs_test *t, struct scene *s)
{
	const struct CB_OFFLOAD4args *args;
	struct nfs_callback_event *event;

	NFS_IS(t, nfs_callback_wait(&t->client->callback, OP_CB_OFFLOAD, nfs_test_in_ms(t, 60000), &event), 0);
	args = &nfs_callback_arg(event, OP_CB_OFFLOAD)->nfs_cb_argop4_u.opcboffload;
	NFS_CHECK(t, !memcmp(&args->coa_stateid, &s->stateid, sizeof(s->stateid)));
	NFS_CHECK_EQ(t, args->coa_fh.nfs_fh4_len, s->g.fh.len);
	NFS_CHECK(t, !memcmp(args->coa_fh.nfs_fh4_val, s->g.fh.bytes, s->g.fh.len));
	NFS_CHECK_EQ(t, args->coa_offload_info.coa_status, NFS4_OK);
	NFS_CHECK_EQ(t, args->coa_offload_info.offload_info4_u.coa_resok4.wr_count, LONG_COPY - 1);
	NFS_CHECK_EQ(t, args->coa_offload_info.offload_info4_u.coa_resok4.wr_committed, FILE_SYNC4);
	nfs_callback_done(event);
}

static FIBER_FN void copy_is_whole(struct nfs_test *t, struct scene *s)
{
	char *buf = malloc(LONG_COPY);
	size_t got, wrong = 0;
	bool eof;

	NFS_CHECK(t, buf != NULL);
	NFS_IS(t, nfs_file_read(&s->g, 0, buf, LONG_COPY, &got, &eof), 0);
	NFS_CHECK_EQ(t, got, LONG_COPY - 1);
	while (wrong < got && buf[wrong] == byte_at(wrong + 1))
		wrong++;
	free(buf);
	NFS_CHECK_EQ(t, wrong, LONG_COPY - 1);
}

/* OFFLOAD_STATUS; *@ret_ends: it says that it has come to its end. */
static FIBER_FN uint64_t ask(struct nfs_test *t, struct scene *s, nfsstat4 want, bool *ret_ends)
{
	const struct nfs_resop4 *res;
	const OFFLOAD_STATUS4resok *ok;
	uint32_t at;

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &s->g.fh);
	at = nfs_op_offload_status(&t->c, &s->stateid);
	NFS_SEND(t, &t->c, want);
	if (want != NFS4_OK)
		return 0;
	res = nfs_compound_result(&t->c, at, OP_OFFLOAD_STATUS);
	ok = &res->nfs_resop4_u.opoffload_status.OFFLOAD_STATUS4res_u.osr_resok4;
	*ret_ends = ok->osr_complete.osr_complete_len > 0;
	return ok->osr_count;
}

/* Killed again and again, at any moment of the copy. */
static FIBER_FN void test_killed_while_copying(struct nfs_test *t)
{
	struct scene s = scene_open(t);
	bool ends = false;

	copy_start(t, &s);
	for (unsigned int i = 0; i < 8 && t->client->callback.nr_events == 0; i++) {
		fiber_sleep_ns(reactor_random(t->reactor) % (20 * MSEC));
		nfs_test_restart(t);
		NFS_IS(t, nfs_session_ping(t->session), 0);
	}
	if (t->client->callback.nr_events == 0)
		ask(t, &s, NFS4_OK, &ends);
	copy_ends(t, &s);
	copy_is_whole(t, &s);
	NFS_CHECK_EQ(t, t->session->status_seen & SEQ4_STATUS_BACKCHANNEL_FAULT, 0);
}

/* What OFFLOAD_STATUS has told is done, also after a restart: nothing is begun anew. */
static FIBER_FN void test_goes_on_where_it_was(struct nfs_test *t)
{
	struct scene s = scene_open(t);
	uint64_t before, after = 0;
	bool ends = false;

	copy_start(t, &s);
	do {
		fiber_sleep_ns(MSEC);
		before = ask(t, &s, NFS4_OK, &ends);
	} while (before < 5u << 20 && !ends);
	NFS_CHECK(t, !ends);
	nfs_test_restart(t);
	after = ask(t, &s, NFS4_OK, &ends);
	NFS_CHECK(t, after >= before);
	copy_ends(t, &s);
	copy_is_whole(t, &s);
}

/* I6: the COPY's answer was lost; repeated it means the same copy. */
static FIBER_FN void test_copy_repeated(struct nfs_test *t)
{
	struct scene s = scene_open(t);
	uint32_t at = add_copy(t, &s);

	NFS_IS(t, nfs_session_start(t->session, &t->c), 0);
	fiber_sleep_ns(reactor_random(t->reactor) % (3 * MSEC));
	nfs_test_restart(t);
	NFS_IS(t, nfs_session_wait(t->session, &t->c), 0);
	NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
	take_stateid(t, &s, at);
	NFS_IS(t, nfs_session_ping(t->session), 0);
	copy_ends(t, &s);
	copy_is_whole(t, &s);
	fiber_sleep_ns(5000 * MSEC);
	NFS_CHECK_EQ(t, t->client->callback.nr_events, 0);
}

/* The end was reached, and the client could not be told before the server was killed. */
static FIBER_FN void test_told_after_restart(struct nfs_test *t)
{
	struct scene s = scene_open(t);
	bool ends = false;

	t->client->callback.fault = (struct nfs_callback_fault){ .nr = 1, .is_silent = true };
	copy_start(t, &s);
	while (t->client->callback.fault.nr > 0)
		fiber_sleep_ns(MSEC);
	nfs_callback_clear(&t->client->callback);
	NFS_CHECK_EQ(t, ask(t, &s, NFS4_OK, &ends), LONG_COPY - 1);
	NFS_CHECK(t, ends);
	nfs_test_restart(t);
	NFS_IS(t, nfs_session_ping(t->session), 0);
	copy_ends(t, &s);
	copy_is_whole(t, &s);
}

/* When the client has heard the end there is no copy any more, nor after a restart. */
static FIBER_FN void test_told_once(struct nfs_test *t)
{
	struct scene s = scene_open(t);

	copy_start(t, &s);
	copy_ends(t, &s);
	fiber_sleep_ns(100 * MSEC);
	nfs_test_restart(t);
	ask(t, &s, NFS4ERR_BAD_STATEID, NULL);
	fiber_sleep_ns(5000 * MSEC);
	NFS_CHECK_EQ(t, t->client->callback.nr_events, 0);
}

/* No callback comes after that; unless the end had been reached, then it comes. */
static FIBER_FN void cancel(struct nfs_test *t, struct scene *s)
{
	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &s->g.fh);
	nfs_op_offload_cancel(&t->c, &s->stateid);
	NFS_IS(t, nfs_session_send(t->session, &t->c), 0);
	if (t->c.status == NFS4ERR_COMPLETE_ALREADY)
		copy_ends(t, s);
	else
		NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
	fiber_sleep_ns(100 * MSEC);
}

/* RFC 7862, 15.8.3: cancelled is cancelled. */
static FIBER_FN void test_cancel_is_durable(struct nfs_test *t)
{
	struct scene s = scene_open(t);

	copy_start(t, &s);
	fiber_sleep_ns(MSEC);
	cancel(t, &s);
	nfs_test_restart(t);
	ask(t, &s, NFS4ERR_BAD_STATEID, NULL);
	fiber_sleep_ns(5000 * MSEC);
	NFS_CHECK_EQ(t, t->client->callback.nr_events, 0);
}

static FIBER_FN void test_cancel_after_restart(struct nfs_test *t)
{
	struct scene s = scene_open(t);

	copy_start(t, &s);
	nfs_test_restart(t);
	cancel(t, &s);
	ask(t, &s, NFS4ERR_BAD_STATEID, NULL);
	fiber_sleep_ns(5000 * MSEC);
	NFS_CHECK_EQ(t, t->client->callback.nr_events, 0);
}

/* The client goes, and its copy with it. */
static FIBER_FN void test_client_goes(struct nfs_test *t)
{
	struct scene s = scene_open(t);
	struct nfs_test_client *other = nfs_test_client(t, NULL);
	struct wire_attrs before, after;

	copy_start(t, &s);
	NFS_IS(t, nfs_file_close(&s.f), 0);
	NFS_IS(t, nfs_file_close(&s.g), 0);
	NFS_IS(t, nfs_session_close(t->session), 0);
	t->session = t->client_of->session = NULL;
	NFS_IS(t, nfs_client_destroy(t->client, t->conn), 0);
	NFS_IS(t, nfs_file_getattr(other->session, &s.g.fh, NFS_ATTRS(FATTR4_CHANGE, FATTR4_SIZE), &before), 0);
	nfs_test_restart(t);
	fiber_sleep_ns(1000 * MSEC);
	NFS_IS(t, nfs_file_getattr(other->session, &s.g.fh, NFS_ATTRS(FATTR4_CHANGE, FATTR4_SIZE), &after), 0);
	NFS_CHECK_EQ(t, before.change, after.change);
	NFS_CHECK(t, after.size < LONG_COPY - 1);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_killed_while_copying, "RFC 7862, 4.2"),
	NFS_TEST(test_goes_on_where_it_was, "RFC 7862, 15.9.3"),
	NFS_TEST(test_copy_repeated, "RFC 7862, 4.2; RFC 8881, 2.10.6.1"),
	NFS_TEST(test_told_after_restart, "RFC 7862, 16.1.3"),
	NFS_TEST(test_told_once, "RFC 7862, 16.1.3"),
	NFS_TEST(test_cancel_is_durable, "RFC 7862, 15.8.3"),
	NFS_TEST(test_cancel_after_restart, "RFC 7862, 15.8.3"),
	NFS_TEST(test_client_goes, "RFC 7862, 4.2; RFC 8881, 18.50.3"),
};

NFS_TEST_MAIN(cases)
