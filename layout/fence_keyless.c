/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts that are registered without a key.  Linux's NVMe initiator unregisters by replacing its key with 0; Linux's
 * NVMe target (6.13 to 7.2) takes that for a key: the host stays registered, may read and write, and its next
 * registration is a conflict.  Which host it is, the report says by its host identifier only.
 *
 * Promises: nobody else loses his registration; a host that was fenced before can't write meanwhile.
 *
 * The target lets a preempt of key 0 through only while there is no reservation, and then takes away all those
 * without a key; under a reservation of all registrants it takes away everybody but us (base specification, 7.2).
 * So either the reservation is released for a moment, in which everybody could write: only while no other host is
 * fenced.  Or, where nobody else is registered, the reservation becomes one of all registrants first: then there is
 * no such moment.
 */
#include "layout/fence_int.h"

#include <stdlib.h>
#include <string.h>

#include "dev/log.h"

/* A host that has been seen with a key on some device. */
struct fence_seen {
	UT_hash_handle hh; /* fence.seen, by host */
	uint8_t host[sizeof(((struct reserver_key *)NULL)->host)];
	uint64_t key; /* 0: with several */
};

static struct fence_seen *seen_find(const struct fence *fence, const uint8_t *host)
{
	struct fence_seen *seen = NULL;

	HASH_FIND(hh, fence->seen, host, sizeof(seen->host), seen);
	return seen;
}

/* Without memory, and beyond as many as have keys, a host is not remembered: then it may be any. */
static void seen_add(struct fence *fence, const struct reserver_key *k)
{
	struct fence_seen *seen = HASH_COUNT(fence->seen) < FENCE_KEYS_MAX ? calloc(1, sizeof(*seen)) : NULL;

	if (!seen)
		return;
	memcpy(seen->host, k->host, sizeof(seen->host));
	seen->key = k->key;
	HASH_ADD(hh, fence->seen, host, sizeof(seen->host), seen);
}

void fence_learn(struct fence *fence, const struct reserver_view *view)
{
	for (unsigned int i = 0; i < view->nr_keys; i++) {
		const struct reserver_key *k = &view->keys[i];
		struct fence_seen *seen;

		if (!k->key || !k->has_host)
			continue;
		seen = seen_find(fence, k->host);
		if (!seen)
			seen_add(fence, k);
		else if (seen->key != k->key)
			seen->key = 0;
	}
}

void fence_forget(struct fence *fence)
{
	struct fence_seen *seen, *next;

	HASH_ITER (hh, fence->seen, seen, next) {
		HASH_DEL(fence->seen, seen);
		free(seen);
	}
}

uint64_t fence_key_of(const struct fence *fence, const struct reserver_key *k)
{
	const struct fence_seen *seen = k->has_host ? seen_find(fence, k->host) : NULL;

	return k->key ? k->key : seen ? seen->key : 0;
}

/* Who has been seen with this key has one host identifier, and that is another's. */
static bool seen_elsewhere(const struct fence *fence, uint64_t key)
{
	for (const struct fence_seen *seen = fence->seen; seen; seen = seen->hh.next) {
		if (seen->key == key)
			return true;
	}
	return false;
}

bool fence_may_be(const struct fence *fence, const struct reserver_key *k, uint64_t victim)
{
	uint64_t key = fence_key_of(fence, k);

	return k->key == 0 && (key == victim || (key == 0 && !seen_elsewhere(fence, victim)));
}

/* ---- taking them away ---- */

struct census {
	unsigned int keyless, others;
	bool reserved;
	enum reservation_type type;
};

static FIBER_FN int census_read(struct fence *fence, struct reserver *res, struct census *ret_census)
{
	struct reserver_view view = { 0 };
	int err = reserver_read(res, &view);

	if (err)
		return err;
	fence_learn(fence, &view);
	*ret_census = (struct census){ .reserved = view.reserved, .type = view.type };
	for (unsigned int i = 0; i < view.nr_keys; i++) {
		ret_census->keyless += view.keys[i].key == 0;
		ret_census->others += view.keys[i].key != 0 && view.keys[i].key != fence->own_key;
	}
	reserver_view_release(&view);
	return 0;
}

/* *@aborted becomes false where what they have in the device may go on. */
static FIBER_FN int drop_now(struct fence *fence, struct reserver *res, bool *aborted)
{
	int err = -EIO;

	if (*aborted)
		err = reserver_preempt_keyless(res, fence->own_key, fence->opt.type, true);
	*aborted &= err == 0;
	return err ? reserver_preempt_keyless(res, fence->own_key, fence->opt.type, false) : 0;
}

static FIBER_FN int drop_released(struct fence *fence, struct reserver *res, struct census *now, bool *aborted)
{
	int err = now->reserved ? reserver_release(res, fence->own_key, now->type) : 0;

	if (!err)
		err = census_read(fence, res, now);
	/* Preempted under a reservation of all registrants, everybody would be gone. */
	if (!err && now->reserved)
		err = -EBUSY;
	return err ? err : drop_now(fence, res, aborted);
}

static FIBER_FN int drop_all(struct fence *fence, struct reserver *res, struct census *now, bool *aborted)
{
	enum reservation_type all = fence_type_of_all(fence->opt.type);
	int err = 0;

	if (now->type != all)
		err = reserver_preempt(res, fence->own_key, fence->own_key, all, false);
	if (!err)
		err = census_read(fence, res, now);
	if (!err && (now->type != all || now->others > 0))
		err = -EBUSY;
	return err ? err : drop_now(fence, res, aborted);
}

FIBER_FN int fence_drop_keyless(struct fence *fence, unsigned int index, const struct fence_host *but, bool *aborted,
				struct why *why)
{
	struct reserver *res = fence->devices->v[index].reserver;
	bool others_fenced = fence_has_other(fence, but);
	struct census now = { 0 };
	int err = census_read(fence, res, &now), back;

	if (err || now.keyless == 0)
		return err;
	if (others_fenced && now.others > 0)
		return why_set(
			why, -EBUSY,
			"%s: a host without a key is registered, and cannot be taken away while others are fenced",
			res->name);
	err = others_fenced ? drop_all(fence, res, &now, aborted) : drop_released(fence, res, &now, aborted);
	/* Reserved again, whatever failed. */
	back = fence_admit_self(fence, index, why);
	if (back)
		return back;
	if (!err)
		err = census_read(fence, res, &now);
	if (!err && now.keyless > 0)
		err = -EBUSY;
	return err ? why_set(why, err, "%s: a host without a key stays registered: %s", res->name, strerror(-err))
		   : 0;
}

FIBER_FN void fence_welcome(struct fence *fence, unsigned int index)
{
	struct reserver *res = index < fence->devices->nr ? fence->devices->v[index].reserver : NULL;
	struct why why = { "" };
	bool aborted = false; /* nor need it be: they have left */

	if (!res || !res->may_be_keyless)
		return;
	fiber_mutex_lock(&fence->devs[index].mutex);
	if (fence_drop_keyless(fence, index, NULL, &aborted, &why))
		log_warn("%s; it may get no layouts", why.text);
	fiber_mutex_unlock(&fence->devs[index].mutex);
}
