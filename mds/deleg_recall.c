/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Getting delegations back (RFC 8881, 10.2, 10.4, 20.2), and asking who has one about the file's attributes (10.4.3,
 * 20.1).  Promise: what is in somebody's way is gone, returned or revoked, when a lease has passed since he asked;
 * of a silent client at once.
 *
 * Each delegation that is being recalled has a fiber, which finds it by its number, so that it may go at any time.
 */

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "mds/backchannel.h"
#include "mds/config.h"
#include "mds/drop.h"
#include "mds/layout_recall.h"
#include "mds/place.h"
#include "mds/status.h"

#define RECALLS_MAX	1024u
#define RECALL_AGAIN_NS NSEC_PER_SEC	    /* between callbacks that were not answered with NFS4_OK */
#define REQUEST_WAIT_NS (NSEC_PER_SEC / 10) /* that a request waits before it says NFS4ERR_DELAY */
#define GETATTR_WAIT_NS (2 * NSEC_PER_SEC)  /* for the answer to CB_GETATTR */
#define REFUSAL_NS	(10 * NSEC_PER_SEC) /* a file that others want is not delegated again for so long */

struct recall {
	struct mds *mds;
	struct client *client;
	uint64_t number;
	uint64_t end_ns; /* then it is revoked */
};

static struct deleg *recall_find(const struct mds *mds, uint64_t number)
{
	struct state *state = state_lookup(mds, number, STATE_DELEG);

	return state && !state->revoked ? container_of(state, struct deleg, state) : NULL;
}

static void set_fh(nfs_fh4 *fh, uint8_t bytes[FH_SIZE])
{
	fh->nfs_fh4_val = (char *)bytes;
	fh->nfs_fh4_len = FH_SIZE;
}

static FIBER_FN bool recall_call(const struct recall *r, const struct deleg *deleg)
{
	struct nfs_cb_argop4 op = { .argop = OP_CB_RECALL };
	struct CB_RECALL4args *args = &op.nfs_cb_argop4_u.opcbrecall;
	uint8_t fh[FH_SIZE];
	nfsstat4 status;

	memcpy(fh, deleg->fh, sizeof(fh));
	set_fh(&args->fh, fh);
	state_make_stateid(r->mds, &deleg->state, &args->stateid);
	/* A client that does not know it may not have got the answer yet that gave it: it is asked again. */
	return backchannel_call(r->mds, r->client, &op, r->end_ns, &status) == 0 && status == NFS4_OK;
}

struct revoke_work {
	struct drop drop;
	struct mds *mds;
	uint64_t number;
};

static int revoke_body(struct txn *txn, void *arg)
{
	struct revoke_work *w = arg;
	struct deleg *deleg = recall_find(w->mds, w->number);
	bool fits;

	drop_init(&w->drop, w->mds, NFS4ERR_DELEG_REVOKED);
	if (!deleg)
		return -ENOENT;
	fits = drop_deleg(&w->drop, deleg);
	assert(fits);
	return drop_write(txn, &w->drop);
}

static FIBER_FN void recall_revoke(const struct recall *r)
{
	struct txn_options opt = { .name = "revoke delegation", .log_max = DELEG_LOG_PUT, .frees_space = true };
	struct revoke_work *w = calloc(1, sizeof(*w));
	int err = -ENOMEM;

	if (w) {
		w->mds = r->mds;
		w->number = r->number;
		err = txn_run(r->mds->fs, &opt, revoke_body, w, NULL);
	}
	if (!err) {
		drop_apply(&w->drop);
		log_info("client %lx (%s) did not return a delegation: revoked", (unsigned long)r->client->id,
			 r->client->peer);
	} else if (err != -ENOENT) {
		log_warn("a delegation cannot be revoked: %s", strerror(-err));
	}
	free(w);
}

static FIBER_FN void recall_main(void *arg)
{
	struct recall *r = arg;
	struct mds *mds = r->mds;
	struct deleg *deleg;
	bool told = false;

	while (!mds->stopping && (deleg = recall_find(mds, r->number))) {
		uint64_t now = reactor_now_ns(mds->reactor);

		if (now >= r->end_ns || client_is_courteous(mds, r->client))
			break;
		if (!told) {
			told = recall_call(r, deleg);
			if (!recall_find(mds, r->number))
				break;
			now = reactor_now_ns(mds->reactor);
		}
		/* Whatever wakes it, it looks again. */
		if (wait_queue_wait_until(&mds->deleg_gone,
					  told ? r->end_ns : min_u64(r->end_ns, now + RECALL_AGAIN_NS)))
			continue;
	}
	if (!mds->stopping && recall_find(mds, r->number))
		recall_revoke(r);
	/* It could not be revoked: who asks next tries again. */
	deleg = recall_find(mds, r->number);
	if (deleg)
		deleg->recalled = false;
	client_drop(mds, r->client);
	free(r);
	mds->nr_recalls--;
	mds->nr_fibers--;
	wait_queue_wake_all(&mds->idle);
}

static void recall_start(struct mds *mds, struct deleg *deleg)
{
	struct recall *r;

	if (deleg->recalled || mds->stopping || mds->nr_recalls >= RECALLS_MAX)
		return;
	r = malloc(sizeof(*r));
	if (!r)
		return;
	*r = (struct recall){
		.mds = mds,
		.client = deleg->state.client,
		.number = deleg->state.number,
		.end_ns = reactor_now_ns(mds->reactor) + mds->config->lease_seconds * NSEC_PER_SEC,
	};
	if (fiber_spawn(mds->reactor, "recall", recall_main, r, NULL)) {
		free(r);
		return;
	}
	deleg->recalled = true;
	client_hold(r->client);
	mds->nr_recalls++;
	mds->nr_fibers++;
}

nfsstat4 deleg_check(struct compound *c, uint64_t ino, bool changes)
{
	struct mds *mds = c->mds;
	const struct file *file = file_find(mds, ino);

	if (!deleg_conflict(file, c->client, changes))
		return NFS4_OK;
	list_for_each (pos, &file->delegs) {
		struct deleg *deleg = list_entry(pos, struct deleg, by_file);

		if (deleg->state.client != c->client && (deleg->write || changes))
			recall_start(mds, deleg);
	}
	mds->deleg_refusals[ino % DELEG_REFUSALS] =
		(struct deleg_refusal){ ino, reactor_now_ns(mds->reactor) + REFUSAL_NS };
	c->recalling = ino;
	return NFS4ERR_DELAY;
}

/* Whether one that @c waits for is still there. */
static bool recall_is_under_way(const struct compound *c)
{
	const struct file *file = file_find(c->mds, c->recalling);

	if (layout_recall_is_under_way(c->mds, c->recalling))
		return true;
	if (!file)
		return false;
	list_for_each (pos, &file->delegs) {
		const struct deleg *deleg = list_entry(pos, struct deleg, by_file);

		if (deleg->state.client != c->client && deleg->recalled)
			return true;
	}
	return false;
}

FIBER_FN bool deleg_recall_wait(struct compound *c)
{
	uint64_t end_ns = reactor_now_ns(c->mds->reactor) + REQUEST_WAIT_NS;

	while (!c->mds->stopping && recall_is_under_way(c)) {
		if (wait_queue_wait_until(&c->mds->deleg_gone, end_ns))
			return false;
	}
	return !c->mds->stopping;
}

struct getattr_change {
	const struct fh *fh;
	struct inode_time now;
};

/* The holder has changed the file: that the server knows of it is a change of its own (10.4.3). */
static int getattr_change_body(struct txn *txn, void *arg)
{
	struct getattr_change *g = arg;
	struct inode_attrs attrs = { .mask = INODE_SET_MTIME, .mtime = g->now };
	struct inode inode;
	int err;

	err = inode_get_gen(txn, g->fh->ino, g->fh->generation, &inode);
	return err ? err : inode_setattr(txn, inode.ino, &attrs, &inode);
}

static FIBER_FN nfsstat4 getattr_change(struct compound *c, const struct fh *fh)
{
	struct txn_options opt = { .name = "delegated change", .log_max = INODE_LOG_SETATTR, .frees_space = true };
	struct getattr_change g = { .fh = fh, .now = inode_time_of(reactor_wall_ns(c->mds->reactor)) };

	return nfs_status(txn_run(c->mds->fs, &opt, getattr_change_body, &g, NULL));
}

/* Ask the holder.  0: it has told both change and size. */
static FIBER_FN int getattr_call(struct mds *mds, const struct deleg *deleg, struct backchannel_attrs *ret_attrs)
{
	struct nfs_cb_argop4 op = { .argop = OP_CB_GETATTR };
	struct CB_GETATTR4args *args = &op.nfs_cb_argop4_u.opcbgetattr;
	struct client *holder = deleg->state.client;
	uint8_t fh[FH_SIZE];
	nfsstat4 status;
	int err;

	memcpy(fh, deleg->fh, sizeof(fh));
	set_fh(&args->fh, fh);
	wire_bitmap_set(&args->attr_request, FATTR4_CHANGE);
	wire_bitmap_set(&args->attr_request, FATTR4_SIZE);
	client_hold(holder);
	err = backchannel_getattr(mds, holder, &op, reactor_now_ns(mds->reactor) + GETATTR_WAIT_NS, &status,
				  ret_attrs);
	client_drop(mds, holder);
	if (err)
		return err;
	return status == NFS4_OK && ret_attrs->is_whole ? 0 : -EPROTO;
}

static bool getattr_asks(const struct bitmap4 *asked)
{
	return wire_bitmap_test(asked, FATTR4_CHANGE) || wire_bitmap_test(asked, FATTR4_SIZE) ||
	       wire_bitmap_test(asked, FATTR4_TIME_MODIFY) || wire_bitmap_test(asked, FATTR4_TIME_METADATA);
}

FIBER_FN nfsstat4 deleg_getattr(struct compound *c, const struct bitmap4 *asked, struct attr_of *of)
{
	const struct file *file = of->fh.kind == FH_FILE ? file_find(c->mds, of->fh.ino) : NULL;
	const struct deleg *deleg = deleg_conflict(file, c->client, false);
	struct backchannel_attrs attrs = { 0 };
	uint64_t number, change;
	bool changed;
	nfsstat4 status;
	int err;

	if (!deleg || !getattr_asks(asked))
		return NFS4_OK;
	if (client_is_courteous(c->mds, deleg->state.client))
		return deleg_check(c, of->fh.ino, false);
	number = deleg->state.number;
	change = deleg->change;
	err = getattr_call(c->mds, deleg, &attrs);
	/* If it was returned meanwhile, what the client had changed is here. */
	deleg = recall_find(c->mds, number);
	if (deleg && err)
		return deleg_check(c, of->fh.ino, false);
	changed = deleg && attrs.change != change;
	status = changed ? getattr_change(c, &of->fh) : NFS4_OK;
	if (!status)
		status = place_read(c, &c->fh, of);
	if (!status && changed)
		of->inode.size = attrs.size;
	return status;
}
