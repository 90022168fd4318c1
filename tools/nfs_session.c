/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: a slot is used by one request at a time, its sequence number grows by one with each request that the
 * server has taken and not otherwise; a request that is sent again is the same to the last byte.
 */

#include "tools/nfs_session.h"

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tools/nfs_op.h"

#define RETRY_MIN_NS (10 * 1000000ull)
#define RETRY_MAX_NS (1000 * 1000000ull)

void nfs_session_begin(const struct nfs_session *session, struct nfs_compound *c)
{
	nfs_client_begin(session->client, c);
}

/* RFC 8881, 2.10.6.1: no slot above what the server wants, but always the first. */
static bool session_may_use(const struct nfs_session *session, uint32_t slot)
{
	return slot < session->nr_slots && (slot == 0 || slot <= session->target_highest) &&
	       (slot == 0 || slot <= session->channel.fore_target);
}

static bool session_find_slot(struct nfs_session *session, uint32_t *ret_slot)
{
	for (uint32_t i = 0; session_may_use(session, i); i++)
		if (!session->slots[i].is_busy) {
			session->slots[i].is_busy = true;
			*ret_slot = i;
			return true;
		}
	return false;
}

FIBER_FN int nfs_session_slot_take(struct nfs_session *session, uint64_t deadline_ns, uint32_t *ret_slot)
{
	int err = 0;

	while (session->is_stopped || !session_find_slot(session, ret_slot)) {
		if (err)
			return err;
		if (session->is_stopped)
			return -ECONNRESET;
		err = wait_queue_wait_until(&session->slot_came, deadline_ns);
	}
	return 0;
}

void nfs_session_slot_give(struct nfs_session *session, uint32_t slot)
{
	session->slots[slot].is_busy = false;
	wait_queue_wake_one(&session->slot_came);
}

void nfs_session_slot_used(struct nfs_session *session, uint32_t slot)
{
	session->slots[slot].sequenceid++;
}

SEQUENCE4args nfs_session_sequence(const struct nfs_session *session, uint32_t slot)
{
	SEQUENCE4args args = { .sa_sequenceid = session->slots[slot].sequenceid,
			       .sa_slotid = slot,
			       .sa_highest_slotid = slot,
			       .sa_cachethis = TRUE };

	memcpy(args.sa_sessionid, session->sessionid, sizeof(args.sa_sessionid));
	for (uint32_t i = slot + 1; i < session->nr_slots; i++)
		if (session->slots[i].is_busy)
			args.sa_highest_slotid = i;
	return args;
}

static struct nfs_session_conn *session_pick(struct nfs_session *session, struct nfs_conn *via)
{
	struct nfs_session_conn *sc;

	for (uint32_t i = 0; i < session->nr_conns; i++) {
		sc = &session->conns[session->next_conn++ % session->nr_conns];
		if (via ? sc->conn == via : sc->dir != CDFC4_BACK)
			return sc;
	}
	return NULL;
}

static FIBER_FN int session_bind(struct nfs_session *session, struct nfs_conn *conn, channel_dir_from_client4 dir)
{
	struct nfs_compound c;
	int err;

	nfs_compound_init(&c);
	nfs_session_begin(session, &c);
	nfs_op_bind_conn(&c, session->sessionid, dir);
	err = nfs_compound_send(&c, conn);
	if (!err)
		err = (int)c.status;
	nfs_compound_release(&c);
	return err;
}

/* Only the back channel needs it: the fore channel takes any connection (RFC 8881, 2.10.3.1). */
static FIBER_FN int session_ready(struct nfs_session *session, struct nfs_session_conn *sc)
{
	struct nfs_conn *conn = sc->conn;
	uint64_t generation;
	int err = 0;

	if (!nfs_conn_is_up(conn))
		err = nfs_conn_reconnect(conn);
	if (err || sc->bound_generation == nfs_conn_generation(conn))
		return err;
	fiber_mutex_lock(&session->bind_lock);
	generation = nfs_conn_generation(conn);
	if (sc->conn == conn && sc->bound_generation != generation) {
		if (sc->dir != CDFC4_FORE)
			err = session_bind(session, conn, sc->dir);
		/* A server that refuses tells more with SEQUENCE's status. */
		if (err >= 0)
			sc->bound_generation = generation;
	}
	fiber_mutex_unlock(&session->bind_lock);
	return err < 0 ? err : 0;
}

static bool is_over(struct nfs_session *session, uint64_t deadline_ns)
{
	return session->is_stopped || reactor_now_ns(session->client->reactor) >= deadline_ns;
}

void nfs_session_stop(struct nfs_session *session)
{
	session->is_stopped = true;
	for (uint32_t i = 0; i < session->nr_conns; i++)
		nfs_conn_drop(session->conns[i].conn);
	wait_queue_wake_all(&session->slot_came);
}

/* Get the request to the server: the first time, or once more after the connection broke. */
static FIBER_FN int session_push(struct nfs_session *session, struct nfs_compound *c, bool is_again)
{
	uint64_t pause = RETRY_MIN_NS;
	struct nfs_session_conn *sc;
	SEQUENCE4args args;
	int err;

	for (;;) {
		sc = session_pick(session, c->via);
		if (!sc)
			return -ENOTCONN;
		c->sent_via = sc->conn;
		err = session_ready(session, sc);
		c->generation = nfs_conn_generation(c->sent_via);
		if (!err && is_again) {
			err = nfs_compound_again(c, c->sent_via);
		} else if (!err) {
			args = nfs_session_sequence(session, c->slot);
			args.sa_cachethis = c->cachethis;
			err = nfs_compound_start(c, c->sent_via, &args);
			is_again = c->head_len > 0;
		}
		if (!err || !c->resends || nfs_conn_is_up(c->sent_via) || err == -ESHUTDOWN ||
		    is_over(session, c->deadline_ns))
			return err;
		fiber_sleep_ns(pause);
		pause = min_u64(2 * pause, RETRY_MAX_NS);
	}
}

/* The server's word on the slot, from a SEQUENCE that it has answered. */
static int session_take(struct nfs_session *session, uint32_t slot, const SEQUENCE4resok *ok)
{
	if (memcmp(ok->sr_sessionid, session->sessionid, sizeof(ok->sr_sessionid)) != 0 || ok->sr_slotid != slot ||
	    ok->sr_sequenceid != session->slots[slot].sequenceid)
		return -EPROTO;
	session->slots[slot].sequenceid++;
	session->target_highest = ok->sr_target_highest_slotid;
	session->status_flags = ok->sr_status_flags;
	session->status_seen |= ok->sr_status_flags;
	session->answered_ns = reactor_now_ns(session->client->reactor);
	wait_queue_wake_all(&session->slot_came);
	return 0;
}

static int session_finish(struct nfs_session *session, struct nfs_compound *c, int err)
{
	struct nfs_slot *slot = &session->slots[c->slot];

	if (err)
		slot->is_in_doubt = true;
	else if (!c->has_sequence)
		slot->is_in_doubt = false;
	else if (c->sequence.sr_status == NFS4_OK)
		err = session_take(session, c->slot, &c->sequence.SEQUENCE4res_u.sr_resok4);
	else if (c->sequence.sr_status == NFS4ERR_RETRY_UNCACHED_REP)
		slot->sequenceid++;
	nfs_session_slot_give(session, c->slot);
	c->session = NULL;
	return err;
}

FIBER_FN static int session_probe(struct nfs_session *session, uint32_t slot, uint64_t deadline_ns);

FIBER_FN int nfs_session_start(struct nfs_session *session, struct nfs_compound *c)
{
	int err;

	c->deadline_ns = nfs_compound_deadline(c, session->client->reactor);
	err = c->err ? c->err : nfs_session_slot_take(session, c->deadline_ns, &c->slot);
	if (err)
		return err;
	c->head_len = 0;
	if (session->slots[c->slot].is_in_doubt)
		err = session_probe(session, c->slot, c->deadline_ns);
	if (!err)
		err = session_push(session, c, false);
	if (err) {
		/* Part of it may have left. */
		session->slots[c->slot].is_in_doubt |= c->head_len > 0;
		nfs_session_slot_give(session, c->slot);
		return err;
	}
	c->session = session;
	return 0;
}

FIBER_FN int nfs_session_wait(struct nfs_session *session, struct nfs_compound *c)
{
	bool is_broken;
	int err;

	assert(c->session == session);
	for (;;) {
		err = nfs_compound_wait(c, c->deadline_ns);
		is_broken = !nfs_conn_is_up(c->sent_via) || nfs_conn_generation(c->sent_via) != c->generation;
		if (!err || !is_broken || !c->resends || c->reply_len > 0 || err == -ESHUTDOWN ||
		    is_over(session, c->deadline_ns))
			break;
		err = session_push(session, c, true);
		if (err)
			break;
	}
	return session_finish(session, c, err);
}

FIBER_FN int nfs_session_send(struct nfs_session *session, struct nfs_compound *c)
{
	int err = nfs_session_start(session, c);

	return err ? err : nfs_session_wait(session, c);
}

/*
 * Nobody knows whether the server has executed the slot's last request.  A SEQUENCE with its number tells: either it
 * is taken as new, or as a retry of something else (RFC 8881, 2.10.6.1.3.1), and both use the number up.
 */
static FIBER_FN int probe_once(struct nfs_session *session, uint32_t slot, struct nfs_compound *c)
{
	int err;

	nfs_session_begin(session, c);
	c->slot = slot;
	c->checks = false;
	err = session_push(session, c, false);
	if (!err)
		err = nfs_compound_wait(c, c->deadline_ns);
	if (err)
		return err;
	if (!c->has_sequence)
		return c->status ? (int)c->status : -EPROTO;
	return (int)c->sequence.sr_status;
}

static FIBER_FN int session_probe(struct nfs_session *session, uint32_t slot, uint64_t deadline_ns)
{
	uint64_t pause = RETRY_MIN_NS;
	struct nfs_compound c;
	int err;

	nfs_compound_init(&c);
	c.deadline_ns = deadline_ns;
	while ((err = probe_once(session, slot, &c)) == NFS4ERR_DELAY && !is_over(session, deadline_ns)) {
		fiber_sleep_ns(pause);
		pause = min_u64(2 * pause, RETRY_MAX_NS);
	}
	nfs_compound_release(&c);
	if (err < 0)
		return err;
	/* Other failures concern the session, and whoever comes next sees them. */
	if (err == NFS4_OK || err == NFS4ERR_RETRY_UNCACHED_REP || err == NFS4ERR_SEQ_FALSE_RETRY) {
		session->slots[slot].is_in_doubt = false;
		session->slots[slot].sequenceid++;
	}
	return 0;
}

FIBER_FN int nfs_session_ping(struct nfs_session *session)
{
	struct nfs_compound c;
	int err;

	nfs_compound_init(&c);
	nfs_session_begin(session, &c);
	err = nfs_session_send(session, &c);
	if (!err)
		err = (int)c.status;
	nfs_compound_release(&c);
	return err;
}

FIBER_FN int nfs_session_add_conn(struct nfs_session *session, struct nfs_conn *conn, channel_dir_from_client4 dir)
{
	int err = session->nr_conns < NFS_SESSION_CONNS_MAX ? session_bind(session, conn, dir) : -ENOSPC;

	if (err)
		return err;
	if (session->nr_conns >= NFS_SESSION_CONNS_MAX)
		return -ENOSPC;
	session->conns[session->nr_conns++] = (struct nfs_session_conn){ conn, dir, nfs_conn_generation(conn) };
	return 0;
}

void nfs_session_remove_conn(struct nfs_session *session, struct nfs_conn *conn)
{
	for (uint32_t i = 0; i < session->nr_conns; i++)
		if (session->conns[i].conn == conn) {
			session->conns[i] = session->conns[--session->nr_conns];
			return;
		}
}

static FIBER_FN void renew_fiber(void *arg)
{
	struct nfs_session *session = arg;
	struct reactor *r = session->client->reactor;
	uint64_t due, now;
	int err = 0;

	/* Out of reach, or refused: the next turn is a period away. */
	while (!session->renewer_ends && err != -ESHUTDOWN) {
		now = reactor_now_ns(r);
		due = session->answered_ns + session->renew_ns;
		if (due > now) {
			if (wait_queue_wait_until(&session->renew_end, due) == 0)
				break;
			continue;
		}
		err = nfs_session_ping(session);
		session->answered_ns = max_u64(session->answered_ns, now);
	}
}

int nfs_session_renew_start(struct nfs_session *session, uint64_t every_ns)
{
	assert(!session->renewer);
	session->renew_ns = every_ns;
	session->renewer_ends = false;
	return fiber_spawn(session->client->reactor, "nfs renew", renew_fiber, session, &session->renewer);
}

FIBER_FN void nfs_session_renew_stop(struct nfs_session *session)
{
	if (!session->renewer)
		return;
	session->renewer_ends = true;
	wait_queue_wake_all(&session->renew_end);
	fiber_join(session->renewer);
	session->renewer = NULL;
}
