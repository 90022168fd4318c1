/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The hosts: clients of their own with an identity that stays, and the files that they have open.
 *
 * Promise: a host that was lost begins anew only when none of its fibers is at work any more, and what it had not
 * heard the end of has ended by then.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tools/nfs_status.h"
#include "tools/torture_int.h"

#define LOOK_NS	     (100 * TORTURE_NS_PER_MS)
#define PAUSE_NS     (100 * TORTURE_NS_PER_MS)
#define TIMEOUT_NS   (60 * NSEC_PER_SEC)
#define UP_NS	     (600 * NSEC_PER_SEC)
#define LEASE_NS_MIN (2 * NSEC_PER_SEC)

const char *torture_error(int err, char text[64])
{
	snprintf(text, 64, "%s", err > 0 ? nfs_status_name((uint32_t)err) : strerror(-err));
	return text;
}

/* Two kinds of clients, by what they say they are. */
static void host_identity(struct torture_host *host, struct nfs_identity *identity)
{
	struct torture *t = host->t;
	char owner[64];

	*identity = (struct nfs_identity){ .has_impl = true, .minorversion = t->opt->minorversion };
	identity->impl_domain = host->pnfs.honours_ranges ? "lamina.invalid" : "kernel.org";
	identity->impl_name = host->pnfs.honours_ranges ? "Lamina torture " LAMINA_VERSION
							: "Linux 6.12.0 #1 SMP x86_64 (as Lamina plays it)";
	snprintf(owner, sizeof(owner), "lamina torture %016llx %s", (unsigned long long)t->opt->seed, host->name);
	nfs_identity_set_owner(identity, owner);
	memcpy(identity->verifier, &host->incarnation, sizeof(host->incarnation));
	identity->flags = EXCHGID4_FLAG_USE_PNFS_MDS;
}

static FIBER_FN int host_lease(struct torture_host *host)
{
	struct wire_attrs attrs;
	int err = nfs_file_getattr(host->session, NULL, NFS_ATTRS(FATTR4_LEASE_TIME), &attrs);

	if (!err)
		host->lease_ns = max_u64(attrs.lease_time * NSEC_PER_SEC, LEASE_NS_MIN);
	/* Whoever waits for what a bad host has waits for about a lease. */
	host->client.timeout_ns = max_u64(host->client.timeout_ns, 3 * host->lease_ns);
	return err;
}

static FIBER_FN int host_session(struct torture_host *host)
{
	struct torture *t = host->t;
	int err = nfs_conn_is_up(host->conn) ? 0 : nfs_conn_reconnect(host->conn);

	if (!err)
		err = nfs_client_exchange_id(&host->client, host->conn);
	if (!err)
		err = nfs_session_open(&host->client, host->conn, NULL, &host->session);
	if (err)
		return err;
	err = host_lease(host);
	if (!err)
		err = pnfs_host_open(&host->pnfs, host->session, t->opt->type,
				     t->world->finder(t->world->owner, host->nr));
	if (err) {
		nfs_session_discard(host->session);
		host->session = NULL;
	}
	return err;
}

static bool may_try_again(int err)
{
	return err < 0 || err == NFS4ERR_DELAY || err == NFS4ERR_GRACE || err == NFS4ERR_STALE_CLIENTID ||
	       err == NFS4ERR_BADSESSION || err == NFS4ERR_CLID_INUSE;
}

static FIBER_FN int host_connect(struct torture_host *host)
{
	struct torture *t = host->t;
	uint64_t until = torture_now(t) + UP_NS;
	int err;

	do {
		err = host->conn ? 0 : nfs_client_connect(&host->client, host->net, &t->world->addr, &host->conn);
		if (!err)
			err = host_session(host);
		if (err)
			fiber_sleep_ns(PAUSE_NS);
	} while (err && may_try_again(err) && torture_now(t) < until && !host->is_lost && t->has_power);
	return err;
}

/* What was in doubt has happened by now or never will: the server has let go of the client that sent it. */
static void host_settle(struct torture_host *host)
{
	list_for_each_safe (pos, &host->doubts)
		torture_change_failed(host->t, list_entry(pos, struct torture_change, link));
}

static void host_forget_client(struct torture_host *host)
{
	struct pnfs_counts *sum = &host->t->report->pnfs;
	const struct pnfs_counts *c = &host->pnfs.counts;

	sum->gets += c->gets;
	sum->commits += c->commits;
	sum->returns += c->returns;
	sum->recalls += c->recalls;
	sum->recalls_matched += c->recalls_matched;
	sum->direct_reads += c->direct_reads;
	sum->direct_writes += c->direct_writes;
	sum->server_reads += c->server_reads;
	sum->server_writes += c->server_writes;
	sum->direct_bytes_read += c->direct_bytes_read;
	sum->direct_bytes_written += c->direct_bytes_written;
	sum->conflicts += c->conflicts;
	sum->kept += c->kept;
	sum->kept_meet += c->kept_meet;
	memset(&host->pnfs.counts, 0, sizeof(host->pnfs.counts));
}

static FIBER_FN void host_disconnect(struct torture_host *host)
{
	uint64_t connects = host->conn ? nfs_conn_stats(host->conn).connects : 0;

	host->t->report->reconnects += connects > 1 ? connects - 1 : 0;
	nfs_conn_close(host->conn);
	nfs_client_release(&host->client);
	host->conn = NULL;
	host->session = NULL;
}

/* False: it was lost again meanwhile. */
static FIBER_FN bool host_up(struct torture_host *host)
{
	struct torture *t = host->t;
	struct nfs_identity identity;
	char text[64];
	int err;

	host->incarnation++;
	host->is_lost = host->is_silent = false;
	host->excused_ns = 0;
	host->conflicts = host->bad_layouts = 0;
	memset(&host->pnfs, 0, sizeof(host->pnfs));
	/* Half of them, when asked for. */
	host->pnfs.honours_ranges = t->opt->ranges && host->nr % 2 == 0;
	host->net = t->world->net(t->world->owner, host->nr);
	host_identity(host, &identity);
	nfs_client_init(&host->client, t->r, &identity);
	host->client.timeout_ns = t->opt->timeout_ns ? t->opt->timeout_ns : TIMEOUT_NS;
	err = host_connect(host);
	if (err) {
		if (!host->is_lost && t->has_power)
			torture_find(t, "io", "%s does not get a session: %s", host->name, torture_error(err, text));
		host_disconnect(host);
		host->is_lost = true;
		return false;
	}
	host->pnfs.honours_ranges = t->opt->ranges && host->nr % 2 == 0;
	host->pnfs.keeps_extents = t->opt->keeps && !host->pnfs.honours_ranges;
	host->pnfs.page = TORTURE_BLOCK;
	host_settle(host);
	host->is_up = true;
	wait_queue_wake_all(&host->changed);
	return true;
}

/* Its fibers have stopped. */
static FIBER_FN void host_down(struct torture_host *host, bool clean)
{
	list_for_each_safe (pos, &host->opens) {
		struct torture_open *open = list_entry(pos, struct torture_open, link);

		if (open->is_open && !clean)
			pnfs_abandon(&open->f);
		else if (open->is_open)
			(void)!pnfs_close(&open->f);
		while (!list_is_empty(&open->changes))
			list_move_tail(open->changes.next, &host->doubts);
		open->file->opens--;
		list_del(&open->link);
		free(open);
	}
	pnfs_host_close(&host->pnfs, clean);
	host_forget_client(host);
	if (!clean)
		nfs_session_discard(host->session);
	else if (nfs_session_close(host->session) == 0)
		(void)!nfs_client_destroy(&host->client, host->conn);
	host_disconnect(host);
	host->is_up = false;
}

void torture_host_excuse(struct torture_host *host, uint64_t ns)
{
	host->excused_ns = max_u64(host->excused_ns, torture_now(host->t) + ns);
}

bool torture_host_is_excused(const struct torture_host *host)
{
	return torture_now(host->t) < host->excused_ns;
}

void torture_host_lose(struct torture_host *host, int err, const char *doing)
{
	struct torture *t = host->t;
	char text[64];

	if (host->is_lost)
		return;
	if (!torture_host_is_excused(host) && !host->is_bad && doing)
		torture_find(t, "io", "%s, %s: %s", host->name, doing, torture_error(err, text));
	torture_trace(t, 77 + host->nr);
	t->report->losses++;
	host->is_lost = true;
	if (host->is_up && host->session)
		nfs_session_stop(host->session);
	wait_queue_wake_all(&host->changed);
}

/* The server says that it gave up some of what this client had. */
static void host_look_flags(struct torture_host *host)
{
	const uint32_t gone = SEQ4_STATUS_EXPIRED_ALL_STATE_REVOKED | SEQ4_STATUS_EXPIRED_SOME_STATE_REVOKED |
			      SEQ4_STATUS_ADMIN_STATE_REVOKED;

	if (!(host->session->status_flags & gone) || host->is_bad)
		return;
	if (!torture_host_is_excused(host))
		torture_find(host->t, "fence", "%s lost state (SEQUENCE says %x), and had done nothing wrong",
			     host->name, host->session->status_flags);
	torture_host_lose(host, 0, NULL);
}

/* The server may have given it up when it was not heard of for so long. */
static void host_look(struct torture_host *host)
{
	struct torture *t = host->t;
	uint64_t conflicts = host->pnfs.counts.conflicts;

	if (torture_now(t) > host->session->answered_ns + host->lease_ns / 2)
		torture_host_excuse(host, 3 * host->lease_ns);
	if (conflicts > host->conflicts && !torture_host_is_excused(host) && !host->is_bad)
		torture_find(t, "fence", "%s was fenced, and had done nothing wrong", host->name);
	host->conflicts = conflicts;
	if (host->pnfs.counts.bad_layouts > host->bad_layouts)
		torture_find(t, "io", "%s got a layout against the rules (LAMINA_LOG tells)", host->name);
	host->bad_layouts = host->pnfs.counts.bad_layouts;
	/* One answer says it, perhaps to a SEQUENCE alone, and when a lease's time is over none does any more. */
	if (!host->is_bad && (host->session->status_seen & SEQ4_STATUS_RECALLABLE_STATE_REVOKED)) {
		host->session->status_seen &= ~SEQ4_STATUS_RECALLABLE_STATE_REVOKED;
		pnfs_recall_check(&host->pnfs);
	}
	/* What it had written by them is in doubt, and nobody would tell before the next commit. */
	if (host->pnfs.counts.revoked > 0 && torture_host_is_excused(host) && !host->is_bad)
		torture_host_lose(host, 0, NULL);
	host_look_flags(host);
}

static FIBER_FN void host_tend(struct torture_host *host)
{
	struct torture *t = host->t;
	int err;

	host_look(host);
	if (host->is_silent ||
	    (nfs_conn_is_up(host->conn) && torture_now(t) < host->session->answered_ns + host->lease_ns / 4)) {
		(void)!wait_queue_wait_until(&host->changed, torture_now(t) + LOOK_NS);
		return;
	}
	err = nfs_session_ping(host->session);
	host_look(host);
	if (err && err != NFS4ERR_DELAY)
		torture_host_lose(host, err, "SEQUENCE");
}

static FIBER_FN void host_again(struct torture_host *host)
{
	struct torture *t = host->t;

	while (host->nr_stopped + host->nr_done < host->nr_fibers || host->nr_guests > 0)
		wait_queue_wait(&host->changed);
	if (host->is_up)
		host_down(host, false);
	wait_queue_wake_all(&t->changed);
	while (!t->has_power)
		wait_queue_wait(&t->changed);
	if (torture_now(t) < host->down_until_ns)
		fiber_sleep_ns(host->down_until_ns - torture_now(t));
	host->down_until_ns = 0;
	(void)host_up(host);
}

FIBER_FN void torture_host_main(void *arg)
{
	struct torture_host *host = arg;
	struct torture *t = host->t;

	while (!t->is_over) {
		if (host->is_lost || !host->is_up)
			host_again(host);
		else
			host_tend(host);
	}
	if (host->is_up)
		host_down(host, !host->is_lost);
	host_settle(host);
	host->is_ended = true;
	wait_queue_wake_all(&t->changed);
}

FIBER_FN void torture_host_await(struct torture_host *host)
{
	while (host->is_lost || !host->is_up)
		wait_queue_wait(&host->changed);
}

FIBER_FN bool torture_host_check(struct torture_host *host)
{
	if (!host->is_lost && host->is_up)
		return true;
	host->nr_stopped++;
	wait_queue_wake_all(&host->changed);
	torture_host_await(host);
	host->nr_stopped--;
	return false;
}

static struct torture_open *open_find(struct torture_host *host, const struct torture_file *file)
{
	list_for_each (pos, &host->opens) {
		struct torture_open *open = list_entry(pos, struct torture_open, link);

		if (open->file == file)
			return open;
	}
	return NULL;
}

static FIBER_FN int open_do(struct torture_open *open, bool creates)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0644 };
	struct nfs_open how = { .name = open->file->name, .attrs = &attrs };

	how.creates = creates;
	how.mode = UNCHECKED4;
	if (!creates)
		how.attrs = NULL;
	/* Without a name it is known by its handle. */
	if (open->file->by_handle && !creates)
		how.name = NULL;
	return pnfs_open(&open->host->pnfs, how.name ? &open->host->t->dir : &open->file->fh, &how, &open->f);
}

static FIBER_FN struct torture_open *open_make(struct torture_host *host, struct torture_file *file, bool creates)
{
	struct torture_open *open = calloc(1, sizeof(*open));
	char doing[80];
	int err;

	if (!open)
		torture_die();
	open->host = host;
	open->file = file;
	open->number = ++host->t->nr_opens;
	open->refs = 1;
	fiber_mutex_init(&open->lock);
	list_init(&open->changes);
	file->opens++;
	list_add_tail(&open->link, &host->opens);
	fiber_mutex_lock(&open->lock);
	err = open_do(open, creates);
	open->is_open = !err;
	open->is_failed = err != 0;
	if (!err)
		file->fh = open->f.nfs.fh;
	fiber_mutex_unlock(&open->lock);
	if (!err)
		return open;
	snprintf(doing, sizeof(doing), "OPEN of %s", file->name);
	torture_host_lose(host, err, doing);
	return NULL;
}

FIBER_FN struct torture_open *torture_open_get(struct torture_host *host, struct torture_file *file, bool creates)
{
	struct torture_open *open = open_find(host, file);

	if (host->is_lost || !host->is_up)
		return NULL;
	if (!open)
		return open_make(host, file, creates);
	open->refs++;
	/* Somebody may be opening or closing it. */
	fiber_mutex_lock(&open->lock);
	fiber_mutex_unlock(&open->lock);
	if (open->is_open && !host->is_lost)
		return open;
	open->refs--;
	return NULL;
}

bool torture_host_promises(const struct torture_host *host, uint64_t dropped)
{
	return host->pnfs.counts.commits_dropped == dropped || !(host->is_bad || torture_host_is_excused(host));
}

static FIBER_FN bool open_close(struct torture_open *open)
{
	uint64_t dropped;
	char doing[80];
	int err;

	fiber_mutex_lock(&open->lock);
	if (open->refs > 0 || !open->is_open || open->host->is_lost) {
		fiber_mutex_unlock(&open->lock);
		return false;
	}
	open->refs++;
	dropped = open->host->pnfs.counts.commits_dropped;
	err = pnfs_close(&open->f);
	if (!err && !torture_host_promises(open->host, dropped))
		err = -EIO;
	open->is_open = false;
	open->refs--;
	/* What was not committed is committed now. */
	while (!err && !list_is_empty(&open->changes))
		torture_change_ack(open->host->t, list_first_entry(&open->changes, struct torture_change, link));
	fiber_mutex_unlock(&open->lock);
	if (err) {
		snprintf(doing, sizeof(doing), "CLOSE of %s", open->file->name);
		torture_host_lose(open->host, err, doing);
		while (!list_is_empty(&open->changes))
			list_move_tail(open->changes.next, &open->host->doubts);
	}
	return true;
}

FIBER_FN void torture_open_put(struct torture_open *open, bool closes)
{
	open->refs--;
	/* A lost host's are swept when its fibers stand still. */
	if (open->refs > 0 || !closes || open->host->is_lost || !open->is_open)
		return;
	if (!open_close(open))
		return;
	/* Whoever waited for the lock looks once more, and gives up. */
	while (open->refs > 0)
		fiber_yield();
	open->file->opens--;
	list_del(&open->link);
	free(open);
}

FIBER_FN void torture_open_close_all(struct torture_host *host)
{
	struct torture_open *open, *found;

	while (!host->is_lost) {
		found = NULL;
		list_for_each_entry(open, &host->opens, link) if (!found && open->is_open && open->refs == 0) found =
			open;
		if (!found)
			return;
		found->refs++;
		torture_open_put(found, true);
	}
}
