/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Remembers who waits for a lock, at most LOCK_WAITS_MAX in all and each for LOCK_WAIT_NS; the oldest makes room.
 * Whoever is called is forgotten: if somebody else was faster, it asks and is denied again.
 */

#include "mds/lock_wait.h"

#include <stdlib.h>
#include <string.h>

#include "dev/reactor.h"
#include "mds/backchannel.h"

struct lock_wait {
	struct list by_file;
	struct list by_mds;
	uint64_t client;
	uint64_t expires_ns;
	uint64_t first, last;
	bool write;
	uint8_t fh[FH_SIZE];
	uint32_t owner_len;
	uint8_t owner[];
};

static void lock_wait_free(struct mds *mds, struct lock_wait *wait)
{
	list_del(&wait->by_file);
	list_del(&wait->by_mds);
	mds->nr_lock_waits--;
	free(wait);
}

static void lock_wait_expire(struct mds *mds)
{
	uint64_t now = reactor_now_ns(mds->reactor);

	if (!mds->lock_waits.next)
		list_init(&mds->lock_waits);
	while (!list_is_empty(&mds->lock_waits)) {
		struct lock_wait *wait = list_first_entry(&mds->lock_waits, struct lock_wait, by_mds);

		if (wait->expires_ns > now && mds->nr_lock_waits < LOCK_WAITS_MAX)
			return;
		lock_wait_free(mds, wait);
	}
}

void lock_wait_add(struct mds *mds, struct file *file, const struct fh *fh, const struct lock_owner *owner,
		   uint64_t first, uint64_t last, bool write)
{
	struct lock_wait *wait;

	lock_wait_cancel(mds, file, owner);
	lock_wait_expire(mds);
	wait = calloc(1, sizeof(*wait) + owner->owner_len);
	if (!wait)
		return;
	wait->client = owner->client->id;
	wait->expires_ns = reactor_now_ns(mds->reactor) + LOCK_WAIT_NS;
	wait->first = first;
	wait->last = last;
	wait->write = write;
	fh_encode(mds, fh, wait->fh);
	wait->owner_len = owner->owner_len;
	if (owner->owner_len > 0)
		memcpy(wait->owner, owner->owner, owner->owner_len);
	list_add_tail(&wait->by_file, &file->waits);
	list_add_tail(&wait->by_mds, &mds->lock_waits);
	mds->nr_lock_waits++;
}

void lock_wait_cancel(struct mds *mds, struct file *file, const struct lock_owner *owner)
{
	list_for_each_safe (pos, &file->waits) {
		struct lock_wait *wait = list_entry(pos, struct lock_wait, by_file);

		if (wait->client == owner->client->id && wait->owner_len == owner->owner_len &&
		    memcmp(wait->owner, owner->owner, owner->owner_len) == 0)
			lock_wait_free(mds, wait);
	}
}

static void lock_wait_call(struct mds *mds, struct client *client, struct lock_wait *wait)
{
	struct nfs_cb_argop4 op = { .argop = OP_CB_NOTIFY_LOCK };
	CB_NOTIFY_LOCK4args *args = &op.nfs_cb_argop4_u.opcbnotify_lock;

	args->cnla_fh.nfs_fh4_len = FH_SIZE;
	args->cnla_fh.nfs_fh4_val = (char *)wait->fh;
	args->cnla_lock_owner.clientid = client->id;
	args->cnla_lock_owner.owner.owner_len = wait->owner_len;
	args->cnla_lock_owner.owner.owner_val = (char *)wait->owner;
	backchannel_notify(mds, client, &op);
}

void lock_wait_wake(struct mds *mds, struct file *file)
{
	list_for_each_safe (pos, &file->waits) {
		struct lock_wait *wait = list_entry(pos, struct lock_wait, by_file);
		struct client *client = client_find(mds, wait->client);
		struct lock_owner owner = { client, wait->owner, wait->owner_len };

		if (client && lock_conflict(file, &owner, wait->first, wait->last, wait->write))
			continue;
		if (client && wait->expires_ns > reactor_now_ns(mds->reactor))
			lock_wait_call(mds, client, wait);
		lock_wait_free(mds, wait);
	}
}

void lock_wait_forget(struct mds *mds, struct file *file)
{
	list_for_each_safe (pos, &file->waits)
		lock_wait_free(mds, list_entry(pos, struct lock_wait, by_file));
}
