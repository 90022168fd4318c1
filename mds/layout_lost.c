/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lost layouts: those of hosts that did not give them back, or are gone.  Promises: the blocks stay bound, and freed
 * ones in limbo, until the host is verifiably fenced (I3, I4), however long that takes; a fence that cannot be proved
 * is tried again and again, and said to the administrator; a few fibers do it, whatever the number of hosts.
 *
 * A fence cuts a host off from all devices, so all layouts of all its clients are lost together.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "mds/layout_recall_int.h"

#define FENCERS_MAX    32u /* fibers */
#define AGAIN_FIRST_NS NSEC_PER_SEC
#define AGAIN_MAX_NS   (60 * NSEC_PER_SEC)
#define ALARM_NS       (600 * NSEC_PER_SEC) /* between two messages about one host */
#define END_YIELD      64u		    /* layouts that end between two turns of others */

/* A host that is to be fenced: there is one of a key. */
struct lost_host {
	struct list link; /* layouts.lost */
	uint64_t key;
	unsigned int kinds;
	char address[SOCK_ADDR_TEXT_MAX];
	uint64_t since_ns, next_ns, pause_ns, alarm_ns;
	bool busy;
};

static struct lost_host *lost_find(const struct layouts *layouts, uint64_t key)
{
	struct lost_host *host;

	list_for_each_entry(host, &layouts->lost, link)
	{
		if (host->key == key)
			return host;
	}
	return NULL;
}

bool layout_lost_is_under_way(const struct mds *mds, uint64_t key)
{
	return lost_find(mds->layouts, key) != NULL;
}

/* The host whose turn is next; NULL: all are being worked at, or there is none. */
static struct lost_host *lost_next(const struct layouts *layouts)
{
	struct lost_host *host, *best = NULL;

	list_for_each_entry(host, &layouts->lost, link)
	{
		if (!host->busy && (!best || host->next_ns < best->next_ns))
			best = host;
	}
	return best;
}

/* What it was that layouts of a file bind may be free now. */
static FIBER_FN void lost_end_file(struct mds *mds, uint64_t ino)
{
	int err = layout_limbo_release(mds, ino);

	if (err && err != -EROFS)
		log_warn("blocks of inode %" PRIu64 " stay in limbo for now: %s", ino, strerror(-err));
}

static FIBER_FN int lost_end_all(struct mds *mds, uint64_t key)
{
	unsigned int nr = 0;
	uint64_t number, ino;
	int err = 0;

	while (!err && !mds->stopping && (number = layout_lost_next(mds, key, &ino)) != 0) {
		err = layout_lost_end(mds, number);
		if (!err)
			lost_end_file(mds, ino);
		if (++nr % END_YIELD == 0)
			fiber_yield();
	}
	return err;
}

static void lost_alarm(struct mds *mds, struct lost_host *host, int err)
{
	uint64_t now = reactor_now_ns(mds->reactor);

	if (host->alarm_ns && now - host->alarm_ns < ALARM_NS)
		return;
	host->alarm_ns = now;
	log_err("client host %s (key 0x%016" PRIx64 ") is not proved to be cut off since %" PRIu64
		" s (%s): what it could write stays reserved; it is tried again. `lamina layouts` shows what it held",
		host->address[0] ? host->address : "of unknown address", host->key,
		(uint64_t)((now - host->since_ns) / NSEC_PER_SEC), strerror(-err));
}

static FIBER_FN int lost_fence(struct mds *mds, const struct lost_host *host)
{
	enum fence_proof proof = FENCE_BY_NOTHING;
	int err = layout_revoke_key(mds, host->key);

	if (!err)
		err = mds->layouts->fence
			      ? fence_client(mds->layouts->fence, host->key, host->kinds, host->address, &proof)
			      : -EBUSY;
	/* Another client of the host may have got something before the fence had begun. */
	if (!err)
		err = layout_revoke_key(mds, host->key);
	if (!err)
		err = lost_end_all(mds, host->key);
	return err;
}

/* One try.  True: it is done. */
static FIBER_FN bool lost_try(struct mds *mds, struct lost_host *host)
{
	int err = lost_fence(mds, host);
	uint64_t now = reactor_now_ns(mds->reactor);

	if (!err) {
		mds->layouts->counts.fences++;
		log_info("client host %s (key 0x%016" PRIx64 ") is cut off: what it held is free",
			 host->address[0] ? host->address : "of unknown address", host->key);
		return true;
	}
	if (!mds->stopping)
		lost_alarm(mds, host, err);
	host->pause_ns = host->pause_ns ? min_u64(2 * host->pause_ns, AGAIN_MAX_NS) : AGAIN_FIRST_NS;
	host->next_ns = now + host->pause_ns;
	return false;
}

static FIBER_FN void lost_worker(void *arg)
{
	struct mds *mds = arg;
	struct layouts *layouts = mds->layouts;
	struct lost_host *host;

	while (!mds->stopping && (host = lost_next(layouts))) {
		if (host->next_ns > reactor_now_ns(mds->reactor)) {
			if (wait_queue_wait_until(&layouts->lost_work, host->next_ns))
				continue;
			continue;
		}
		host->busy = true;
		if (lost_try(mds, host)) {
			list_del(&host->link);
			free(host);
		} else {
			host->busy = false;
		}
	}
	layouts->nr_fencers--;
	mds->nr_fibers--;
	wait_queue_wake_all(&mds->idle);
}

static void lost_spawn(struct mds *mds)
{
	struct layouts *layouts = mds->layouts;

	if (mds->stopping || layouts->nr_fencers >= FENCERS_MAX)
		return;
	if (fiber_spawn(mds->reactor, "fence", lost_worker, mds, NULL)) {
		if (layouts->nr_fencers == 0)
			log_err("no memory to fence a client; its blocks stay reserved until somebody wants them");
		return;
	}
	layouts->nr_fencers++;
	mds->nr_fibers++;
}

void layout_lost_add(struct mds *mds, const struct layout *layout, const char *address)
{
	struct layouts *layouts = mds->layouts;
	struct lost_host *host = lost_find(layouts, layout->key);

	if (!host) {
		host = calloc(1, sizeof(*host));
		if (!host) {
			log_err("no memory to fence a client; its blocks stay reserved until somebody wants them");
			return;
		}
		host->key = layout->key;
		host->since_ns = host->next_ns = reactor_now_ns(mds->reactor);
		list_add_tail(&host->link, &layouts->lost);
	}
	host->kinds |= layout->kind;
	if (address && address[0] && !host->address[0])
		strncpy(host->address, address, sizeof(host->address) - 1);
	if (host->busy)
		return;
	/* There is something new: it is not waited until the next try. */
	host->next_ns = reactor_now_ns(mds->reactor);
	wait_queue_wake_all(&layouts->lost_work);
	lost_spawn(mds);
}

void layout_lost_forget(struct layouts *layouts)
{
	struct lost_host *host;

	while (!list_is_empty(&layouts->lost)) {
		host = list_first_entry(&layouts->lost, struct lost_host, link);
		list_del(&host->link);
		free(host);
	}
}

/* Whether the host with @key has no more to say: nothing of it is lost, and no client has yet to learn that it was.
 */
static bool host_is_clean(const struct mds *mds, uint64_t key)
{
	const struct client *client, *next;

	if (lost_find(mds->layouts, key) || layout_lost_next(mds, key, NULL) != 0)
		return false;
	HASH_ITER (hh, mds->clients, client, next) {
		if (client->nr_layouts_revoked > 0 && layout_client_key_is(client, key))
			return false;
	}
	return true;
}

FIBER_FN bool layout_lift(struct mds *mds, uint64_t key)
{
	struct fence *fence = mds->layouts->fence;
	int err;

	if (!fence)
		return false;
	if (fence_state_of(fence, key) == FENCE_NONE)
		return true;
	if (fence_state_of(fence, key) != FENCE_PROVED || !host_is_clean(mds, key))
		return false;
	err = fence_lift(fence, key);
	if (err == -EPERM)
		return false;
	if (err && err != -ENOENT) {
		log_warn("key 0x%016" PRIx64 " stays fenced for now: %s", key, strerror(-err));
		return false;
	}
	return true;
}
