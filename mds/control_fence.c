/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lamina fence` and `lamina unfence`.  Promises: the answer has the keys that the devices say after it, and calls
 * nothing proved that is not; a fence goes on if who asked for it has left.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "extent/txn.h"
#include "mds/client.h"
#include "mds/control_int.h"
#include "mds/layout_recall_int.h"

#define WAIT_NS	  (6 * NSEC_PER_SEC) /* CONTROL_SECONDS less what looking at the devices takes */
#define KEY_MARK  0x4c4dULL	     /* in front of every key; no client's id has it (layout/fence_key.c) */
#define KEY_SHIFT 48

struct fence_job {
	struct mds *mds;
	uint64_t key;
	bool force;
	char address[SOCK_ADDR_TEXT_MAX];
	unsigned int refs;
	bool done;
	int err;
	struct wait_queue ended;
};

static void job_put(struct fence_job *job)
{
	if (--job->refs == 0)
		free(job);
}

/* ---- whom ---- */

struct key_job {
	const struct client *client;
	uint64_t key;
};

static int key_body(struct txn *txn, void *arg)
{
	struct key_job *job = arg;

	return fence_key(txn, job->client->owner, job->client->owner_len, &job->key);
}

/* @text is a client's id or a key.  NULL, or what is wrong. */
static FIBER_FN const char *find_host(struct mds *mds, const char *text, uint64_t *ret_key,
				      char address[SOCK_ADDR_TEXT_MAX])
{
	static const struct txn_options opt = { .name = "key", .log_max = FENCE_LOG_KEY };
	struct key_job job = { .key = 0 };
	struct client *client;
	char *end = NULL;
	uint64_t id;
	int err;

	if (!mds->layouts)
		return "this server has no layouts";
	errno = 0;
	id = text ? strtoull(text, &end, 16) : 0;
	if (!text || errno || end == text || *end)
		return "this is neither the id of a client nor a key";
	snprintf(address, SOCK_ADDR_TEXT_MAX, "-");
	if (id >> KEY_SHIFT == KEY_MARK) {
		*ret_key = id;
		return NULL;
	}
	client = client_find(mds, id);
	if (!client)
		return "there is no client with this id; `lamina status` shows the keys of those that are fenced";
	job.client = client;
	if (client->peer[0])
		snprintf(address, SOCK_ADDR_TEXT_MAX, "%s", client->peer);
	client_hold(client);
	err = txn_run(mds->fs, &opt, key_body, &job, NULL);
	client_drop(mds, client);
	if (err)
		return strerror(-err);
	*ret_key = job.key;
	return NULL;
}

/* ---- fence ---- */

static unsigned int kinds_to_cut(const struct layouts *layouts)
{
	return layouts->kinds ? layouts->kinds : layouts->devices.offers;
}

/* What it held is freed by who looks after lost layouts. */
static void give_up(struct mds *mds, const struct fence_job *job)
{
	uint64_t number = layout_lost_next(mds, job->key, NULL);
	struct state *state = number ? state_lookup(mds, number, STATE_LAYOUT) : NULL;

	if (state)
		layout_lost_add(mds, container_of(state, struct layout, state), job->address);
}

static FIBER_FN void fence_main(void *arg)
{
	struct fence_job *job = arg;
	struct mds *mds = job->mds;
	struct fence *fence = mds->layouts->fence;
	enum fence_proof proof;

	job->err = fence_hold(fence, job->key, true);
	if (!job->err)
		job->err = layout_revoke_key(mds, job->key);
	if (!job->err)
		job->err = fence_client(fence, job->key, kinds_to_cut(mds->layouts), job->address, &proof);
	if (job->err == -EBUSY && job->force)
		job->err = fence_vouch(fence, job->key);
	give_up(mds, job);
	job->done = true;
	wait_queue_wake_all(&job->ended);
	job_put(job);
	mds->nr_fibers--;
	wait_queue_wake_all(&mds->idle);
}

static FIBER_FN void answer_state(struct mds *mds, uint64_t key, struct control_out *out)
{
	struct json_object *o = json_object_new_object();
	struct fence_entry e = { .key = key };
	bool seen = false;

	if (!fence_entry_of(mds->layouts->fence, key, &e))
		e.state = FENCE_NONE;
	control_fill_fence(o, &e);
	control_add_devices(o, mds, key, &seen);
	control_add_bool(o, "registered", seen);
	control_out_json(out, o);
	json_object_put(o);
}

static FIBER_FN void fence_run(struct mds *mds, uint64_t key, const char *address, bool force,
			       struct control_out *out)
{
	uint64_t deadline = reactor_now_ns(mds->reactor) + WAIT_NS;
	struct fence_job *job = calloc(1, sizeof(*job));
	int err = job ? 0 : -ENOMEM;

	if (!err) {
		*job = (struct fence_job){ .mds = mds, .key = key, .force = force, .refs = 2 };
		snprintf(job->address, sizeof(job->address), "%s", address);
		wait_queue_init(&job->ended);
		err = mds->stopping ? -ESHUTDOWN : fiber_spawn(mds->reactor, "fence", fence_main, job, NULL);
	}
	if (err) {
		free(job);
		control_out_error(out, strerror(-err));
		return;
	}
	mds->nr_fibers++;
	while (!job->done) {
		if (wait_queue_wait_until(&job->ended, deadline))
			break;
	}
	err = job->done ? job->err : 0;
	job_put(job);
	if (err == -ENOENT)
		control_out_error(out, "no host has this key");
	else if (err && err != -EBUSY)
		control_out_error(out, strerror(-err));
	else
		answer_state(mds, key, out);
}

FIBER_FN void control_fence(struct mds *mds, const char *client, bool force, struct control_out *out)
{
	char address[SOCK_ADDR_TEXT_MAX];
	uint64_t key = 0;
	const char *why = find_host(mds, client, &key, address);

	if (why) {
		control_out_error(out, why);
		return;
	}
	log_warn("key 0x%016" PRIx64 " at %s is fenced, as asked on the control socket%s", key, address,
		 force ? "; somebody vouches for it" : "");
	fence_run(mds, key, address, force, out);
}

/* ---- unfence ---- */

FIBER_FN void control_unfence(struct mds *mds, const char *client, bool force, struct control_out *out)
{
	struct fence *fence = mds->layouts->fence;
	char address[SOCK_ADDR_TEXT_MAX];
	uint64_t key = 0;
	const char *why = find_host(mds, client, &key, address);
	int err = 0;

	if (!why && fence_state_of(fence, key) == FENCE_NONE)
		why = "it is not fenced";
	else if (!why && !force && (fence_state_of(fence, key) == FENCE_BEGUN || fence_is_busy(fence, key)))
		why = "its fence is not proved, so it may still write to what it held; ask with --force if it shall "
		      "not "
		      "be fenced any more";
	else if (!why && !force && layout_lost_next(mds, key, NULL) != 0)
		why = "what it held is not free yet; ask again, or with --force";
	if (!why)
		err = fence_hold(fence, key, false);
	if (!why && !err)
		err = fence_lift(fence, key);
	if (err)
		why = strerror(-err);
	if (why)
		control_out_error(out, why);
	else
		answer_state(mds, key, out);
}
