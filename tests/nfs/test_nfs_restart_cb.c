// SPDX-License-Identifier: Apache-2.0
/*
 * Callbacks over restarts (RFC 8881, 2.10.6.1): the server remembers how far the numbers of the backchannel's slots
 * went, so that it never has a reason to say SEQ4_STATUS_BACKCHANNEL_FAULT, upon which clients make new sessions.
 */
#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tests/lib/nfs_state.h"

#define MSEC	 1000000ull
#define RESTARTS 40

static const struct nfs_lock lock = { .type = WRITEW_LT, .length = 5 };

/* A file that one client locks and another waits for. */
struct scene {
	struct nfs_state mine, theirs;
	struct nfs_test_client *other;
	struct nfs_state_open f, g;
	stateid4 stateid; /* of the lock */
};

static FIBER_FN struct scene scene_open(struct nfs_test *t)
{
	struct scene s = { .mine = nfs_state_first(t) };

	s.theirs = nfs_state_other(t, &s.other);
	s.f = nfs_state_make(&s.mine, "f", NULL);
	s.g = nfs_state_make(&s.theirs, "f", NULL);
	s.stateid = nfs_state_lock_first(&s.mine, &s.f, &lock, NFS4_OK);
	return s;
}

/* The other client asks for the lock, and is to be told when it is free. */
static FIBER_FN void wait_for_it(struct scene *s)
{
	nfs_callback_clear(&s->other->client.callback);
	nfs_state_lock_first(&s->theirs, &s->g, &lock, NFS4ERR_DENIED);
	s->stateid = nfs_state_unlock(&s->mine, &s->f.fh, &s->stateid, 0, 5, NFS4_OK);
}

static FIBER_FN void is_told(struct nfs_test *t, struct scene *s)
{
	struct nfs_callback_event *event;

	NFS_IS(t, nfs_callback_wait(&s->other->client.callback, OP_CB_NOTIFY_LOCK, nfs_test_in_ms(t, 5000), &event),
	       0);
	nfs_callback_done(event);
}

static FIBER_FN void lock_again(struct nfs_test *t, struct scene *s)
{
	s->stateid = nfs_state_lock(&s->mine, &s->f.fh, &s->stateid, &lock, NFS4_OK);
	NFS_IS(t, nfs_session_ping(s->other->session), 0);
	NFS_CHECK_EQ(t, s->other->session->status_seen & SEQ4_STATUS_BACKCHANNEL_FAULT, 0);
}

static FIBER_FN void test_callbacks_go_on(struct nfs_test *t)
{
	struct scene s = scene_open(t);

	for (unsigned int i = 0; i < 3; i++) {
		wait_for_it(&s);
		is_told(t, &s);
		lock_again(t, &s);
		nfs_test_restart(t);
	}
	NFS_CHECK_EQ(t, s.other->client.callback.stats.refused, 0);
}

/* Killed while a callback is on its way, at any moment of it: before it is sent, before it is answered, or after. */
static FIBER_FN void test_killed_while_calling(struct nfs_test *t)
{
	struct scene s = scene_open(t);

	for (unsigned int i = 0; i < RESTARTS; i++) {
		wait_for_it(&s);
		fiber_sleep_ns(reactor_random(t->reactor) % (2 * MSEC));
		nfs_test_restart(t);
		lock_again(t, &s);
		wait_for_it(&s);
		is_told(t, &s);
		lock_again(t, &s);
	}
	NFS_CHECK_EQ(t, s.other->client.callback.stats.refused, 0);
	NFS_CHECK(t, s.other->client.callback.stats.compounds >= RESTARTS);
}

static FIBER_FN nfsstat4 slowly(void *owner, const struct nfs_cb_argop4 *arg, struct nfs_cb_resop4 *ret_res)
{
	fiber_sleep_ns(300 * MSEC);
	return NFS4_OK;
}

/* The client is still busy with a callback of before the restart. */
static FIBER_FN void test_client_is_slow(struct nfs_test *t)
{
	struct scene s = scene_open(t);

	s.other->client.callback.hooks[OP_CB_NOTIFY_LOCK] = (struct nfs_callback_hook){ slowly, NULL };
	for (unsigned int i = 0; i < 5; i++) {
		wait_for_it(&s);
		is_told(t, &s);
		nfs_test_restart(t);
		lock_again(t, &s);
		wait_for_it(&s);
		is_told(t, &s);
		lock_again(t, &s);
	}
	NFS_CHECK_EQ(t, s.other->session->status_seen & SEQ4_STATUS_BACKCHANNEL_FAULT, 0);
}

/* 18.37: a session's numbers go with it, and the next session begins anew. */
static FIBER_FN void test_session_goes(struct nfs_test *t)
{
	struct scene s = scene_open(t);

	for (unsigned int i = 0; i < 3; i++) {
		wait_for_it(&s);
		is_told(t, &s);
		lock_again(t, &s);
		NFS_IS(t, nfs_session_close(s.other->session), 0);
		s.other->session = NULL;
		nfs_test_restart(t);
		nfs_conn_drop(s.other->conn);
		NFS_IS(t, nfs_conn_reconnect(s.other->conn), 0);
		NFS_IS(t, nfs_session_open(&s.other->client, s.other->conn, NULL, &s.other->session), 0);
		s.theirs.session = s.other->session;
	}
	wait_for_it(&s);
	is_told(t, &s);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST_DIFFERS(test_callbacks_go_on, "RFC 8881, 2.10.6.1", "CB_NOTIFY_LOCK is optional"),
	NFS_TEST_DIFFERS(test_killed_while_calling, "RFC 8881, 2.10.6.1", "CB_NOTIFY_LOCK is optional"),
	NFS_TEST_DIFFERS(test_client_is_slow, "RFC 8881, 20.9.3", "CB_NOTIFY_LOCK is optional"),
	NFS_TEST_DIFFERS(test_session_goes, "RFC 8881, 18.37", "CB_NOTIFY_LOCK is optional"),
};

NFS_TEST_MAIN(cases)
