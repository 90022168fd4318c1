/* SPDX-License-Identifier: Apache-2.0 */

/* How layouts are taken back: asked for, given back or not, revoked, fenced. */

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/pnfs_test.h"

#define MIB	 (1u << 20)

#define COURTESY 3600
#define LEASE	 30 /* seconds: the configuration's, and so that of a recall */

static const char ranged[] = "Lamina test"; /* keeps the rest after a recall of a range */

/* Two clients with the same file open. */
struct pair {
	struct nfs_test *t;
	struct pnfs_peer *a, *b;
	struct pnfs_peer_file fa, fb;
};

FIBER_FN static struct pair *pair_new(struct nfs_test *t, const char *impl)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->t = t;
	p->a = pnfs_peer_new(t, impl, NULL);
	p->b = pnfs_peer_new(t, impl, NULL);
	p->a->manner = p->b->manner = PNFS_RETURNS;
	pnfs_peer_open(p->a, "f", &p->fa);
	pnfs_peer_open(p->b, "f", &p->fb);
	return p;
}

FIBER_FN static void pair_free(struct pair *p)
{
	pnfs_peer_free(p->a);
	pnfs_peer_free(p->b);
	free(p);
}

/* Time passes, and who is given renews the lease. */
FIBER_FN static void pass(struct pair *p, unsigned int seconds, bool with_a)
{
	for (unsigned int i = 0; i < seconds; i += 5) {
		fiber_sleep_ns(5 * NSEC_PER_SEC);
		NFS_IS(p->t, nfs_session_ping(p->b->s.session), 0);
		if (with_a)
			NFS_IS(p->t, nfs_session_ping(p->a->s.session), 0);
	}
}

FIBER_FN static void get_rw(struct pnfs_peer_file *file, uint64_t off, uint64_t len)
{
	pnfs_peer_get(file, LAYOUTIOMODE4_RW, off, len, len, NFS4_OK);
}

/* Bits of the reply to SEQUENCE. */
FIBER_FN static uint32_t flags_of(struct nfs_test *t, struct pnfs_peer *peer)
{
	NFS_IS(t, nfs_session_ping(peer->s.session), 0);
	return peer->s.session->status_flags;
}

FIBER_FN static uint64_t space_free(struct pair *p)
{
	return nfs_state_getattr(&p->b->s, &p->b->s.dir, NFS_ATTRS(FATTR4_SPACE_FREE)).space_free;
}

/* Recalls */

FIBER_FN static void test_layoutget_waits_for_the_return(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);
	stateid4 before;

	get_rw(&p->fa, 0, MIB);
	before = p->fa.layout;
	NFS_IS(t, (int)pnfs_peer_insist(&p->fb, LAYOUTIOMODE4_RW, 0, MIB, 5), NFS4_OK);
	NFS_CHECK_EQ(t, p->a->nr_recalls, 1);
	NFS_CHECK_EQ(t, p->a->recall_type, LAYOUTRECALL4_FILE);
	NFS_CHECK_EQ(t, p->a->recall_iomode, LAYOUTIOMODE4_ANY);
	/* Linux keeps what it knows of the rest: it is asked for all (client rule 10), by a number of its own (12).
	 */
	NFS_CHECK_EQ(t, p->a->recalled.lor_offset, 0);
	NFS_CHECK_EQ(t, p->a->recalled.lor_length, PNFS_ALL);
	NFS_CHECK(t, nfs_state_same(&before, &p->a->recalled.lor_stateid));
	NFS_CHECK_EQ(t, p->a->recalled.lor_stateid.seqid, before.seqid + 1);
	NFS_CHECK(t, !p->a->recall_changed);
	NFS_CHECK(t, !p->fa.has_layout);
	pair_free(p);
}

FIBER_FN static void test_recall_of_a_range(struct nfs_test *t)
{
	struct pair *p = pair_new(t, ranged);

	get_rw(&p->fa, 0, MIB);
	NFS_IS(t, (int)pnfs_peer_insist(&p->fb, LAYOUTIOMODE4_RW, MIB / 2, 8192, 5), NFS4_OK);
	NFS_CHECK_EQ(t, p->a->nr_recalls, 1);
	NFS_CHECK_EQ(t, p->a->recalled.lor_offset, MIB / 2);
	NFS_CHECK_EQ(t, p->a->recalled.lor_length, 8192);
	/* The rest is still there. */
	NFS_CHECK(t, p->fa.has_layout);
	get_rw(&p->fa, 0, 4096);
	NFS_CHECK_EQ(t, p->b->nr_recalls, 0);
	pair_free(p);
}

FIBER_FN static void test_no_matching_layout(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);

	p->a->manner = PNFS_NO_MATCH;
	get_rw(&p->fa, 0, MIB);
	NFS_IS(t, (int)pnfs_peer_insist(&p->fb, LAYOUTIOMODE4_RW, 0, MIB, 5), NFS4_OK);
	NFS_CHECK_EQ(t, p->a->nr_recalls, 1);
	pair_free(p);
}

FIBER_FN static void test_slow_client_keeps_all(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);

	pnfs_peer_put(&p->fa, 0, 4096, 1);
	get_rw(&p->fa, 0, 4096);
	pnfs_peer_register(p->a, p->fa.got.extents[0].bex_vol_id);
	p->a->manner = PNFS_SAYS_DELAY;
	NFS_IS(t, (int)pnfs_peer_insist(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 1), NFS4ERR_RECALLCONFLICT);
	pass(p, LEASE - 10, true);
	NFS_CHECK(t, p->a->nr_recalls > 3);
	NFS_IS(t, pnfs_peer_dev_write(&p->fa, 0, 4096, 2), 0);
	p->a->manner = PNFS_RETURNS;
	pass(p, LEASE, true);
	NFS_CHECK(t, !p->fa.has_layout);
	NFS_CHECK_EQ(t, flags_of(t, p->a) & SEQ4_STATUS_RECALLABLE_STATE_REVOKED, 0);
	NFS_CHECK(t, sim_reserve_has_key(nfs_test_reserve(t, 0), p->a->key[0]));
	get_rw(&p->fb, 0, 4096);
	pair_free(p);
}

FIBER_FN static void test_recalled_layout_gets_no_more(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);

	p->a->manner = PNFS_SAYS_OK;
	get_rw(&p->fa, 0, 4096);
	pnfs_peer_get(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 4096, NFS4ERR_RECALLCONFLICT);
	fiber_sleep_ns(NSEC_PER_SEC);
	pnfs_peer_get(&p->fa, LAYOUTIOMODE4_RW, 4096, 4096, 4096, NFS4ERR_RECALLCONFLICT);
	pnfs_peer_return(&p->fa, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	get_rw(&p->fb, 0, 4096);
	NFS_CHECK(t, p->a->nr_recalls >= 1);
	pair_free(p);
}

/*
 * Linux answers NFS4_OK while something is being written, and commits that only when the next recall comes: without
 * one two writers wait for each other until one is fenced.
 */
FIBER_FN static void test_asked_again_while_it_holds(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);

	p->a->manner = PNFS_SAYS_OK;
	get_rw(&p->fa, 0, 4096);
	pnfs_peer_get(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 4096, NFS4ERR_RECALLCONFLICT);
	fiber_sleep_ns(NSEC_PER_SEC);
	NFS_CHECK(t, p->a->nr_recalls >= 3 && p->a->nr_recalls <= 10);
	pnfs_peer_return(&p->fa, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	get_rw(&p->fb, 0, 4096);
	pair_free(p);
}

FIBER_FN static void test_readers_do_not_disturb_readers(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);

	pnfs_peer_put(&p->fa, 0, 8192, 1);
	pnfs_peer_get(&p->fa, LAYOUTIOMODE4_READ, 0, 8192, 8192, NFS4_OK);
	pnfs_peer_get(&p->fb, LAYOUTIOMODE4_READ, 0, 8192, 8192, NFS4_OK);
	NFS_CHECK_EQ(t, p->a->nr_recalls, 0);
	NFS_IS(t, (int)pnfs_peer_insist(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 5), NFS4_OK);
	NFS_CHECK_EQ(t, p->a->nr_recalls, 1);
	pair_free(p);
}

/* Two clients that always want the same block come to no harm, however long it goes on. */
FIBER_FN static void test_two_writers_of_one_block(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);

	for (unsigned int i = 0; i < 40; i++) {
		struct pnfs_peer_file *file = i % 2 ? &p->fa : &p->fb;

		NFS_IS(t, (int)pnfs_peer_insist(file, LAYOUTIOMODE4_RW, 0, 4096, 10), NFS4_OK);
		pnfs_peer_register(file->peer, file->got.extents[0].bex_vol_id);
		NFS_IS(t, pnfs_peer_dev_write(file, 0, 4096, (uint8_t)i), 0);
		pnfs_peer_commit_range(file, 0, 4096);
		pass(p, 5, true);
	}
	NFS_CHECK_EQ(t, flags_of(t, p->a) & SEQ4_STATUS_RECALLABLE_STATE_REVOKED, 0);
	NFS_CHECK_EQ(t, flags_of(t, p->b) & SEQ4_STATUS_RECALLABLE_STATE_REVOKED, 0);
	pair_free(p);
}

/* Other operations */

FIBER_FN static nfsstat4 try_write(struct pnfs_peer_file *file, uint64_t off)
{
	struct nfs_test *t = file->peer->s.t;

	nfs_session_begin(file->peer->s.session, &t->c);
	nfs_op_putfh(&t->c, &file->open.fh);
	nfs_op_write(&t->c, &file->open.stateid, off, FILE_SYNC4, "data", 4);
	NFS_IS(t, nfs_session_send(file->peer->s.session, &t->c), 0);
	return t->c.status;
}

FIBER_FN static void test_write_through_the_server(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);

	pnfs_peer_put(&p->fa, 0, 4096, 1);
	get_rw(&p->fa, 0, 4096);
	/* The holder itself may, of blocks that stay as they are. */
	NFS_IS(t, (int)try_write(&p->fa, 0), NFS4_OK);
	NFS_CHECK_EQ(t, p->a->nr_recalls, 0);
	/* It comes back soon enough for the request to wait for it. */
	NFS_IS(t, (int)try_write(&p->fb, 0), NFS4_OK);
	NFS_CHECK_EQ(t, p->a->nr_recalls, 1);
	pair_free(p);
}

FIBER_FN static void test_write_is_put_off(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);

	p->a->manner = PNFS_SAYS_OK;
	get_rw(&p->fa, 0, 4096);
	NFS_IS(t, (int)try_write(&p->fb, 0), NFS4ERR_DELAY);
	/* Elsewhere nobody minds. */
	NFS_IS(t, (int)try_write(&p->fb, 1024ull * MIB), NFS4_OK);
	pnfs_peer_return(&p->fa, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	NFS_IS(t, (int)try_write(&p->fb, 0), NFS4_OK);
	pair_free(p);
}

FIBER_FN static void test_own_truncation(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);

	pnfs_peer_put(&p->fa, 0, 8192, 1);
	get_rw(&p->fa, 0, 8192);
	pnfs_peer_set_size(&p->fa, 4096, NFS4_OK);
	NFS_CHECK_EQ(t, p->a->nr_recalls, 1);
	NFS_CHECK(t, !p->fa.has_layout);
	pair_free(p);
}

FIBER_FN static void test_clone_of_a_written_file(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);
	struct pnfs_peer_file copy;

	pnfs_peer_put(&p->fa, 0, 8192, 1);
	get_rw(&p->fa, 0, 8192);
	pnfs_peer_open(p->b, "copy", &copy);
	/* The source's blocks are shared from then on: nobody may go on writing them in place. */
	pnfs_peer_clone(&p->fb, &copy, NFS4_OK);
	NFS_CHECK_EQ(t, p->a->nr_recalls, 1);
	pair_free(p);
}

/* It lives on for who has it open, with his layout (I8); when he has closed it, nobody needs that any more. */
FIBER_FN static void test_remove(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);

	get_rw(&p->fa, 0, 4096);
	nfs_state_remove(&p->b->s, "f");
	pnfs_peer_close(&p->fb, NFS4_OK);
	fiber_sleep_ns(NSEC_PER_SEC);
	NFS_CHECK_EQ(t, p->a->nr_recalls, 0);
	get_rw(&p->fa, 0, 8192);
	pnfs_peer_close(&p->fa, NFS4_OK);
	fiber_sleep_ns(NSEC_PER_SEC);
	NFS_CHECK_EQ(t, p->a->nr_recalls, 1);
	pair_free(p);
}

FIBER_FN static void test_late_commit_ends_with_another_writer(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);
	struct nfs_range range = { 0, 4096 };

	get_rw(&p->fa, 0, 8192);
	pnfs_peer_register(p->a, p->fa.got.extents[0].bex_vol_id);
	NFS_IS(t, pnfs_peer_dev_write(&p->fa, 0, 8192, 7), 0);
	pnfs_peer_return(&p->fa, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	NFS_IS(t, (int)pnfs_peer_insist(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 5), NFS4_OK);
	NFS_CHECK_EQ(t, p->a->nr_recalls, 0);
	/* What the other has is gone for it; the rest is taken. */
	pnfs_peer_commit(&p->fa, &range, 1, 4095, NFS4ERR_INVAL);
	range.offset = 4096;
	pnfs_peer_commit(&p->fa, &range, 1, 8191, NFS4_OK);
	pair_free(p);
}

/* Referring calls */

FIBER_FN static void test_recall_names_the_layoutget(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);
	struct nfs_callback *cb = &p->a->tc->client.callback;
	struct nfs_callback_event *event;
	const CB_SEQUENCE4args *seq;

	get_rw(&p->fa, 0, 4096);
	nfs_callback_clear(cb);
	NFS_IS(t, (int)pnfs_peer_insist(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 5), NFS4_OK);
	NFS_IS(t, nfs_callback_wait(cb, OP_CB_LAYOUTRECALL, nfs_test_in_ms(t, 100), &event), 0);
	seq = &event->sequence;
	NFS_CHECK_EQ(t, seq->csa_referring_call_lists.csa_referring_call_lists_len, 1);
	NFS_CHECK(t, memcmp(seq->csa_referring_call_lists.csa_referring_call_lists_val[0].rcl_sessionid,
			    p->a->s.session->sessionid, NFS4_SESSIONID_SIZE) == 0);
	nfs_callback_done(event);
	/* Once the slot was used again the reply is known to have come. */
	p->a->manner = PNFS_RETURNS;
	NFS_IS(t, (int)pnfs_peer_insist(&p->fa, LAYOUTIOMODE4_RW, 0, 4096, 5), NFS4_OK);
	NFS_IS(t, nfs_session_ping(p->a->s.session), 0);
	nfs_callback_clear(cb);
	NFS_IS(t, (int)pnfs_peer_insist(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 5), NFS4_OK);
	NFS_IS(t, nfs_callback_wait(cb, OP_CB_LAYOUTRECALL, nfs_test_in_ms(t, 100), &event), 0);
	NFS_CHECK_EQ(t, event->sequence.csa_referring_call_lists.csa_referring_call_lists_len, 0);
	nfs_callback_done(event);
	pair_free(p);
}

/* Fences */

/* A has a block that it can write on the device; B wants it. */
FIBER_FN static struct pair *pair_with_block(struct nfs_test *t, enum pnfs_manner manner)
{
	struct pair *p = pair_new(t, NULL);

	p->a->manner = manner;
	get_rw(&p->fa, 0, 4096);
	pnfs_peer_register(p->a, p->fa.got.extents[0].bex_vol_id);
	NFS_IS(t, pnfs_peer_dev_write(&p->fa, 0, 4096, 1), 0);
	NFS_CHECK(t, sim_reserve_has_key(nfs_test_reserve(t, 0), p->a->key[0]));
	pnfs_peer_get(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 4096, NFS4ERR_RECALLCONFLICT);
	return p;
}

static bool has_key(const struct pair *p)
{
	return sim_reserve_has_key(nfs_test_reserve(p->t, 0), p->a->key[0]);
}

FIBER_FN static void test_not_returned(struct nfs_test *t)
{
	struct pair *p = pair_with_block(t, PNFS_SAYS_OK);
	struct nfs_range range = { 0, 4096 };

	pass(p, LEASE - 5, true);
	NFS_CHECK(t, has_key(p));
	pass(p, 10, true);
	NFS_CHECK(t, !has_key(p));
	NFS_IS(t, pnfs_peer_dev_write(&p->fa, 0, 4096, 2), -EBADE);
	get_rw(&p->fb, 0, 4096);
	/* The client is told, and what it does not know of is not taken for success (client rule 8). */
	NFS_CHECK(t, flags_of(t, p->a) & SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
	NFS_CHECK_EQ(t, nfs_state_test(&p->a->s, &p->fa.layout), NFS4ERR_DELEG_REVOKED);
	pnfs_peer_commit(&p->fa, &range, 1, 4095, NFS4ERR_BAD_STATEID);
	p->fa.has_layout = false;
	pnfs_peer_get(&p->fa, LAYOUTIOMODE4_RW, MIB, 4096, 4096, NFS4ERR_LAYOUTUNAVAILABLE);
	nfs_state_free(&p->a->s, &p->fa.layout, NFS4_OK);
	NFS_CHECK_EQ(t, flags_of(t, p->a) & SEQ4_STATUS_RECALLABLE_STATE_REVOKED, 0);
	get_rw(&p->fa, MIB, 4096);
	pair_free(p);
}

FIBER_FN static void test_client_that_says_delay_for_ever(struct nfs_test *t)
{
	struct pair *p = pair_with_block(t, PNFS_SAYS_DELAY);

	pass(p, LEASE + 5, true);
	NFS_CHECK(t, !has_key(p));
	get_rw(&p->fb, 0, 4096);
	pair_free(p);
}

/* Linux never frees what it lost. */
FIBER_FN static void test_revoked_layout_is_forgotten_in_time(struct nfs_test *t)
{
	struct pair *p = pair_with_block(t, PNFS_SAYS_OK);

	pass(p, LEASE + 5, true);
	NFS_CHECK(t, flags_of(t, p->a) & SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
	pass(p, 2 * LEASE, true);
	NFS_CHECK_EQ(t, flags_of(t, p->a) & SEQ4_STATUS_RECALLABLE_STATE_REVOKED, 0);
	p->fa.has_layout = false;
	get_rw(&p->fa, MIB, 4096);
	pair_free(p);
}

FIBER_FN static void test_silent_client_is_not_waited_for(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);

	get_rw(&p->fa, 0, 4096);
	pnfs_peer_register(p->a, p->fa.got.extents[0].bex_vol_id);
	/* Nobody minds, so nothing happens. */
	pass(p, 2 * LEASE, false);
	NFS_CHECK(t, has_key(p));
	NFS_IS(t, (int)pnfs_peer_insist(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 5), NFS4_OK);
	NFS_CHECK(t, !has_key(p));
	NFS_CHECK_EQ(t, p->a->nr_recalls, 0);
	pair_free(p);
}

FIBER_FN static void test_client_without_a_path(struct nfs_test *t)
{
	struct pair *p = pair_with_block(t, PNFS_SAYS_OK);

	pnfs_peer_return(&p->fa, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	/* What is late of it ends a moment later. */
	NFS_IS(t, (int)pnfs_peer_insist(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 5), NFS4_OK);
	NFS_CHECK(t, has_key(p));
	pair_free(p);
}

FIBER_FN static void test_fence_that_cannot_be_proved(struct nfs_test *t)
{
	struct sim_reserve_faults faults = { .preempt_lies = true, .preempt_fails = true };
	struct pair *p = pair_with_block(t, PNFS_SAYS_OK);

	sim_reserve_set_faults(nfs_test_reserve(t, 0), &faults);
	pass(p, 3 * LEASE, true);
	NFS_CHECK(t, has_key(p));
	/* It can still write there, so nobody else may; not by the server either, which would lose against it. */
	NFS_IS(t, pnfs_peer_dev_write(&p->fa, 0, 4096, 3), 0);
	pnfs_peer_get(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 4096, NFS4ERR_RECALLCONFLICT);
	NFS_IS(t, (int)try_write(&p->fb, 0), NFS4ERR_DELAY);
	/* But the blocks may leave the file, for limbo. */
	pnfs_peer_set_size(&p->fb, 0, NFS4_OK);
	memset(&faults, 0, sizeof(faults));
	sim_reserve_set_faults(nfs_test_reserve(t, 0), &faults);
	pass(p, 65, true);
	NFS_CHECK(t, !has_key(p));
	NFS_IS(t, (int)try_write(&p->fb, 0), NFS4_OK);
	pair_free(p);
}

FIBER_FN static void test_restart_goes_on_with_a_fence(struct nfs_test *t)
{
	struct sim_reserve_faults faults = { .preempt_lies = true, .preempt_fails = true };
	struct pair *p = pair_with_block(t, PNFS_SAYS_OK);

	sim_reserve_set_faults(nfs_test_reserve(t, 0), &faults);
	pass(p, LEASE + 5, true);
	pnfs_peer_set_size(&p->fb, 0, NFS4_OK);
	nfs_test_restart(t);
	NFS_IS(t, nfs_session_ping(p->b->s.session), 0);
	NFS_CHECK(t, has_key(p));
	pnfs_peer_get(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 4096, NFS4ERR_RECALLCONFLICT);
	memset(&faults, 0, sizeof(faults));
	sim_reserve_set_faults(nfs_test_reserve(t, 0), &faults);
	pass(p, LEASE, true);
	NFS_CHECK(t, !has_key(p));
	/* Where commands could not be ended with the registration they are given time. */
	pass(p, LEASE, true);
	get_rw(&p->fb, 0, 4096);
	/* It has been told, and perhaps for so long that it is forgotten by now. */
	NFS_CHECK(t, p->a->s.session->status_seen & SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
	pair_free(p);
}

FIBER_FN static void test_freed_before_the_fence(struct nfs_test *t)
{
	struct sim_reserve_faults faults = { .preempt_lies = true, .preempt_fails = true };
	struct pair *p = pair_with_block(t, PNFS_SAYS_OK);

	sim_reserve_set_faults(nfs_test_reserve(t, 0), &faults);
	pass(p, LEASE + 5, true);
	/* The client has understood; but nobody has seen that it cannot write. */
	nfs_state_free(&p->a->s, &p->fa.layout, NFS4_OK);
	p->fa.has_layout = false;
	NFS_CHECK_EQ(t, flags_of(t, p->a) & SEQ4_STATUS_RECALLABLE_STATE_REVOKED, 0);
	pnfs_peer_get(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 4096, NFS4ERR_RECALLCONFLICT);
	pnfs_peer_get(&p->fa, LAYOUTIOMODE4_RW, MIB, 4096, 4096, NFS4ERR_LAYOUTUNAVAILABLE);
	memset(&faults, 0, sizeof(faults));
	sim_reserve_set_faults(nfs_test_reserve(t, 0), &faults);
	pass(p, 65, true);
	NFS_CHECK(t, !has_key(p));
	get_rw(&p->fb, 0, 4096);
	get_rw(&p->fa, MIB, 4096);
	pair_free(p);
}

/* Clients that go */

FIBER_FN static void test_reboot(struct nfs_test *t)
{
	struct pnfs_peer *a = pnfs_peer_new(t, NULL, "host"), *again;
	struct pnfs_peer_file fa, fb;

	a->manner = PNFS_SAYS_OK;
	pnfs_peer_open(a, "f", &fa);
	get_rw(&fa, 0, 4096);
	pnfs_peer_register(a, fa.got.extents[0].bex_vol_id);
	again = pnfs_peer_new(t, NULL, "host");
	NFS_CHECK_EQ(t, a->nr_recalls, 0);
	fiber_sleep_ns(NSEC_PER_SEC);
	NFS_CHECK(t, !sim_reserve_has_key(nfs_test_reserve(t, 0), a->key[0]));
	pnfs_peer_open(again, "f", &fb);
	NFS_IS(t, (int)pnfs_peer_insist(&fb, LAYOUTIOMODE4_RW, 0, 4096, 5), NFS4_OK);
	pnfs_peer_register(again, fb.got.extents[0].bex_vol_id);
	NFS_IS(t, pnfs_peer_dev_write(&fb, 0, 4096, 2), 0);
	NFS_CHECK_EQ(t, a->key[0], again->key[0]);
	pnfs_peer_free(a);
	pnfs_peer_free(again);
}

/* What a client has that was silent for too long is given up, and its host cut off, though nobody wants anything. */
FIBER_FN static void test_expired_client(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);
	uint64_t before = space_free(p);

	get_rw(&p->fa, 0, 16 * MIB);
	pnfs_peer_register(p->a, p->fa.got.extents[0].bex_vol_id);
	pass(p, LEASE + COURTESY - 5, false);
	NFS_CHECK(t, has_key(p));
	pass(p, LEASE + 10, false);
	NFS_CHECK(t, !has_key(p));
	NFS_CHECK_EQ(t, p->a->nr_recalls, 0);
	NFS_CHECK(t, space_free(p) + MIB >= before);
	get_rw(&p->fb, 0, 4096);
	pair_free(p);
}

FIBER_FN static void test_destroy_clientid(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);

	get_rw(&p->fa, 0, 4096);
	pnfs_peer_close(&p->fa, NFS4_OK);
	/* Not only its session keeps it from going (18.50.3). */
	NFS_IS(t, nfs_session_close(p->a->tc->session), 0);
	p->a->tc->session = NULL;
	nfs_compound_begin(&t->c);
	nfs_op_destroy_clientid(&t->c, p->a->tc->client.clientid);
	NFS_SEND_OVER(t, p->a->tc->conn, &t->c, NFS4ERR_CLIENTID_BUSY);
	pair_free(p);
}

/* Nobody may use the blocks of a file that is gone while its dead holder might write them; then they are free. */
FIBER_FN static void test_removed_file_of_a_dead_client(struct nfs_test *t)
{
	struct pair *p = pair_new(t, NULL);
	uint64_t before, held;

	before = space_free(p);
	get_rw(&p->fa, 0, 16 * MIB);
	pnfs_peer_register(p->a, p->fa.got.extents[0].bex_vol_id);
	held = space_free(p);
	NFS_CHECK(t, held + 16 * MIB <= before);
	pnfs_peer_close(&p->fa, NFS4_OK);
	pass(p, LEASE + 5, false);
	pnfs_peer_close(&p->fb, NFS4_OK);
	nfs_state_remove(&p->b->s, "f");
	NFS_CHECK(t, has_key(p));
	fiber_sleep_ns(5 * NSEC_PER_SEC);
	NFS_CHECK(t, !has_key(p));
	NFS_CHECK(t, space_free(p) >= before);
	pair_free(p);
}

/* The mounts of versions 4.1 and 4.2 of a Linux host have one key: a fence cuts off both. */
FIBER_FN static void test_both_mounts_of_a_host(struct nfs_test *t)
{
	struct pnfs_peer *a = pnfs_peer_new(t, NULL, "Linux NFSv4.1 host");
	struct pnfs_peer *also = pnfs_peer_new(t, NULL, "Linux NFSv4.2 host");
	struct pair *p = pair_new(t, NULL);
	struct pnfs_peer_file fa, other;

	a->manner = PNFS_SAYS_OK;
	pnfs_peer_open(a, "f", &fa);
	pnfs_peer_open(also, "g", &other);
	get_rw(&fa, 0, 4096);
	get_rw(&other, 0, 4096);
	pnfs_peer_get(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 4096, NFS4ERR_RECALLCONFLICT);
	for (unsigned int i = 0; i < LEASE + 5; i += 5) {
		pass(p, 5, true);
		NFS_IS(t, nfs_session_ping(a->s.session), 0);
		NFS_IS(t, nfs_session_ping(also->s.session), 0);
	}
	get_rw(&p->fb, 0, 4096);
	NFS_CHECK(t, flags_of(t, also) & SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
	/* What one knows of is not enough for the host. */
	nfs_state_free(&a->s, &fa.layout, NFS4_OK);
	fa.has_layout = false;
	pnfs_peer_get(&fa, LAYOUTIOMODE4_RW, MIB, 4096, 4096, NFS4ERR_LAYOUTUNAVAILABLE);
	nfs_state_free(&also->s, &other.layout, NFS4_OK);
	get_rw(&fa, MIB, 4096);
	pnfs_peer_free(a);
	pnfs_peer_free(also);
	pair_free(p);
}

/* That somebody waits is in memory only: he asks again, and so it is recalled again, with a higher number. */
FIBER_FN static void test_restart_during_a_recall(struct nfs_test *t)
{
	struct pair *p = pair_with_block(t, PNFS_SAYS_OK);
	uint32_t seqid;

	fiber_sleep_ns(NSEC_PER_SEC);
	NFS_CHECK(t, p->a->nr_recalls >= 1);
	seqid = p->a->recalled.lor_stateid.seqid;
	p->a->manner = PNFS_RETURNS;
	nfs_test_restart(t);
	NFS_IS(t, nfs_session_ping(p->a->s.session), 0);
	NFS_IS(t, (int)pnfs_peer_insist(&p->fb, LAYOUTIOMODE4_RW, 0, 4096, 10), NFS4_OK);
	NFS_CHECK(t, p->a->nr_recalls >= 2);
	NFS_CHECK(t, p->a->recalled.lor_stateid.seqid > seqid);
	NFS_CHECK(t, has_key(p));
	pair_free(p);
}

/* As Linux: the commit of what it has written comes before the layout does. */
FIBER_FN static void test_commit_during_a_recall(struct nfs_test *t)
{
	struct pair *p = pair_with_block(t, PNFS_SAYS_OK);

	fiber_sleep_ns(NSEC_PER_SEC);
	pnfs_peer_commit_range(&p->fa, 0, 4096);
	pnfs_peer_return(&p->fa, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_expect(&p->fb, 0, 4096, 1);
	pair_free(p);
}

/* A client that gives back piece by piece. */
FIBER_FN static void test_return_in_pieces(struct nfs_test *t)
{
	struct pair *p = pair_new(t, ranged);

	p->a->manner = PNFS_SAYS_OK;
	get_rw(&p->fa, 0, 16384);
	pnfs_peer_get(&p->fb, LAYOUTIOMODE4_RW, 0, 8192, 8192, NFS4ERR_RECALLCONFLICT);
	pass(p, 10, true);
	pnfs_peer_return(&p->fa, LAYOUTIOMODE4_ANY, 0, 4096, NFS4_OK);
	pnfs_peer_get(&p->fb, LAYOUTIOMODE4_RW, 0, 8192, 8192, NFS4ERR_RECALLCONFLICT);
	pass(p, 10, true);
	pnfs_peer_return(&p->fa, LAYOUTIOMODE4_ANY, 4096, 4096, NFS4_OK);
	get_rw(&p->fb, 0, 8192);
	/* The rest is not bound to come back. */
	pass(p, 2 * LEASE, true);
	NFS_CHECK_EQ(t, flags_of(t, p->a) & SEQ4_STATUS_RECALLABLE_STATE_REVOKED, 0);
	pnfs_peer_return(&p->fa, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	pair_free(p);
}

/* Many at once */

FIBER_FN static void test_storm(struct nfs_test *t)
{
	enum {
		FILES = 100 /* each LAYOUTGET waits a moment; all within the time for a recall */
	};
	struct pair *p = pair_new(t, NULL);
	struct pnfs_peer_file *fa = calloc(FILES, sizeof(*fa)), *fb = calloc(FILES, sizeof(*fb));
	char name[16];

	if (!fa || !fb)
		abort();
	p->a->manner = PNFS_SAYS_OK;
	for (unsigned int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "%u", i);
		pnfs_peer_open(p->a, name, &fa[i]);
		pnfs_peer_open(p->b, name, &fb[i]);
		get_rw(&fa[i], 0, 4096);
	}
	for (unsigned int i = 0; i < FILES; i++)
		pnfs_peer_get(&fb[i], LAYOUTIOMODE4_RW, 0, 4096, 4096, NFS4ERR_RECALLCONFLICT);
	fiber_sleep_ns(NSEC_PER_SEC);
	NFS_CHECK(t, p->a->nr_recalls > 0);
	/* Others are not disturbed, and get theirs back as ever. */
	get_rw(&p->fb, 0, 4096);
	NFS_IS(t, (int)pnfs_peer_insist(&p->fa, LAYOUTIOMODE4_RW, 0, 4096, 5), NFS4_OK);
	NFS_CHECK_EQ(t, p->b->nr_recalls, 1);
	for (unsigned int i = 0; i < FILES; i++)
		pnfs_peer_return(&fa[i], LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	fiber_sleep_ns(NSEC_PER_SEC);
	for (unsigned int i = 0; i < FILES; i++)
		get_rw(&fb[i], 0, 4096);
	free(fa);
	free(fb);
	pair_free(p);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_layoutget_waits_for_the_return, "RFC 8881, 12.5.5"),
	NFS_TEST(test_recall_of_a_range, "RFC 8881, 12.5.5"),
	NFS_TEST(test_no_matching_layout, "RFC 8881, 20.3.3"),
	NFS_TEST(test_slow_client_keeps_all, "RFC 8881, 12.5.5.1"),
	NFS_TEST(test_recalled_layout_gets_no_more, "RFC 8881, 12.5.5.2"),
	NFS_TEST(test_asked_again_while_it_holds, "RFC 8881, 12.5.5"),
	NFS_TEST(test_readers_do_not_disturb_readers, "RFC 8881, 12.5.2"),
	NFS_TEST(test_two_writers_of_one_block, "RFC 8881, 12.5.5"),
	NFS_TEST(test_write_through_the_server, "RFC 8881, 12.5.5"),
	NFS_TEST(test_write_is_put_off, "RFC 8881, 12.5.5"),
	NFS_TEST(test_own_truncation, "RFC 8881, 12.5.5"),
	NFS_TEST(test_clone_of_a_written_file, "RFC 7862, 15.13"),
	NFS_TEST(test_remove, "RFC 8881, 18.25.4"),
	NFS_TEST(test_late_commit_ends_with_another_writer, "RFC 8881, 18.42"),
	NFS_TEST(test_recall_names_the_layoutget, "RFC 8881, 2.10.6.3"),
	NFS_TEST(test_not_returned, "RFC 8881, 12.5.5"),
	NFS_TEST(test_client_that_says_delay_for_ever, "RFC 8881, 20.3.4"),
	NFS_TEST(test_revoked_layout_is_forgotten_in_time, "RFC 8881, 18.46.3"),
	NFS_TEST(test_silent_client_is_not_waited_for, "RFC 8881, 8.4.3"),
	NFS_TEST(test_client_without_a_path, "RFC 8881, 12.5.5"),
	NFS_TEST(test_fence_that_cannot_be_proved, "RFC 8154, 2.4.10"),
	NFS_TEST(test_restart_goes_on_with_a_fence, "RFC 8154, 2.4.10"),
	NFS_TEST(test_freed_before_the_fence, "RFC 8881, 18.38"),
	NFS_TEST(test_reboot, "RFC 8881, 18.36.4"),
	NFS_TEST(test_expired_client, "RFC 8881, 8.3"),
	NFS_TEST(test_destroy_clientid, "RFC 8881, 18.50.3"),
	NFS_TEST(test_removed_file_of_a_dead_client, "RFC 8881, 12.7.2"),
	NFS_TEST(test_both_mounts_of_a_host, "RFC 8154, 2.4.10"),
	NFS_TEST(test_restart_during_a_recall, "RFC 8881, 12.5.5"),
	NFS_TEST(test_commit_during_a_recall, "RFC 8881, 12.5.5.2"),
	NFS_TEST(test_return_in_pieces, "RFC 8881, 12.5.5.1"),
	NFS_TEST(test_storm, "RFC 8881, 12.5.5"),
};

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_SCSI);
	return nfs_test_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
