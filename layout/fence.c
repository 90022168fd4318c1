/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper of fences.  Promises: FENCE_BEGUN is durable before anything is done to a device, FENCE_PROVED before
 * anybody is told so; a fence that cannot be proved stays begun and is said in the log; a slow device holds up no
 * other.
 */
#include "layout/fence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "extent/fs.h"
#include "layout/fence_int.h"

#define LOAD_STEP 64u

/* ---- hosts ---- */

static struct fence_host *host_find(const struct fence *fence, uint64_t key)
{
	struct fence_host *host = NULL;

	HASH_FIND(hh, fence->hosts, &key, sizeof(key), host);
	return host;
}

static int host_add(struct fence *fence, const struct fence_host *from)
{
	struct fence_host *host = calloc(1, sizeof(*host));

	if (!host)
		return -ENOMEM;
	host->entry = from->entry;
	host->undrained = from->undrained;
	wait_queue_init(&host->idle);
	HASH_ADD(hh, fence->hosts, entry.key, sizeof(host->entry.key), host);
	return 0;
}

struct load_host {
	uint64_t key;
	struct fence_host host;
};

static int load_host_body(struct txn *txn, void *arg)
{
	struct load_host *a = arg;

	memset(&a->host, 0, sizeof(a->host));
	return fence_key_load(txn, a->key, &a->host);
}

/* The host with @key for the caller alone, until host_release().  -ENOENT: there is none. */
static FIBER_FN int host_take(struct fence *fence, uint64_t key, struct fence_host **ret_host)
{
	struct fence_host *host = host_find(fence, key);

	if (!host) {
		struct load_host a = { .key = key };
		int err = txn_read(fence->fs, load_host_body, &a);

		if (err)
			return err;
		host = host_find(fence, key);
		err = host ? 0 : host_add(fence, &a.host);
		if (err)
			return err;
		host = host_find(fence, key);
	}
	/* It stays as long as the fence. */
	while (host->busy)
		wait_queue_wait(&host->idle);
	host->busy = true;
	*ret_host = host;
	return 0;
}

static void host_release(struct fence_host *host)
{
	host->busy = false;
	wait_queue_wake_one(&host->idle);
}

static int save_body(struct txn *txn, void *arg)
{
	return fence_key_save(txn, arg);
}

FIBER_FN int fence_save(struct fence *fence, struct fence_host *host)
{
	static const struct txn_options opt = { .name = "fence", .log_max = FENCE_LOG_SAVE, .frees_space = true };
	uint64_t seq = 0;
	int err = txn_run(fence->fs, &opt, save_body, host, &seq);

	return err ? err : txn_wait_durable(fence->fs, seq);
}

bool fence_has_other(const struct fence *fence, const struct fence_host *but)
{
	for (const struct fence_host *host = fence->hosts; host; host = host->hh.next) {
		if (host != but && host->entry.state != FENCE_NONE)
			return true;
	}
	return false;
}

/* ---- on all devices ---- */

struct device_job {
	struct fence *fence;
	unsigned int index;
	struct fence_host *host; /* NULL: only be there ourselves */
	bool undrained;		 /* the host was, before the first of the jobs began */
	struct fiber *fiber;
	int err;
	struct why why;
};

static FIBER_FN void device_main(void *arg)
{
	struct device_job *job = arg;
	struct fence *fence = job->fence;
	struct fiber_mutex *mutex = &fence->devs[job->index].mutex;
	bool drain = job->undrained;

	fiber_mutex_lock(mutex);
	if (job->host)
		job->err = fence_cut(fence, job->index, job->host, &drain, &job->why);
	else
		job->err = fence_admit_self(fence, job->index, &job->why);
	fiber_mutex_unlock(mutex);
	/* Meanwhile others can be fenced there, and everybody can look at it. */
	if (!job->err && drain && fence->opt.drain_ns > 0)
		job->err = fence_wait(fence, fence->opt.drain_ns);
}

/*
 * On every device that has reservations of ours, at the same time.  *@ret_jobs, one for each of *@ret_nr devices, is
 * the caller's to free.  A device that is added meanwhile is not among them: nobody is told of it who is fenced.
 */
static FIBER_FN int devices_run(struct fence *fence, struct fence_host *host, struct device_job **ret_jobs,
				unsigned int *ret_nr)
{
	struct layout_devices *devices = fence->devices;
	unsigned int nr = devices->nr;
	struct device_job *jobs = calloc(nr, sizeof(*jobs));
	bool undrained = host && host->undrained;

	if (!jobs)
		return -ENOMEM;
	for (unsigned int i = 0; i < nr; i++) {
		struct device_job *job = &jobs[i];

		*job = (struct device_job){ .fence = fence, .index = i, .host = host, .undrained = undrained };
		if (!devices->v[i].reserver)
			job->err =
				why_set(&job->why, -ENODEV, "%s has no reservations", devices->v[i].dev->info.name);
		else if (fiber_spawn(fence->reactor, "fence", device_main, job, &job->fiber))
			device_main(job);
	}
	for (unsigned int i = 0; i < nr; i++) {
		if (jobs[i].fiber)
			fiber_join(jobs[i].fiber);
	}
	*ret_jobs = jobs;
	*ret_nr = nr;
	return 0;
}

/* ---- proving ---- */

void fence_interrupt(struct fence *fence)
{
	atomic_store(&fence->stopping, true);
	wait_queue_wake_all(&fence->interrupts);
}

FIBER_FN int fence_wait(struct fence *fence, uint64_t ns)
{
	uint64_t deadline = reactor_now_ns(fence->reactor) + ns;

	while (!atomic_load(&fence->stopping)) {
		if (wait_queue_wait_until(&fence->interrupts, deadline) == -ETIMEDOUT)
			return 0;
	}
	return -ESHUTDOWN;
}

static FIBER_FN int prove_by_keys(struct fence *fence, struct fence_host *host, struct why *why)
{
	struct device_job *jobs = NULL;
	unsigned int nr = 0;
	int err = devices_run(fence, host, &jobs, &nr);

	for (unsigned int i = 0; i < nr; i++) {
		if (!jobs[i].err)
			continue;
		log_err("fence of key 0x%" PRIx64 ", \"%s\": %s", host->entry.key, host->entry.owner,
			jobs[i].why.text);
		if (!err)
			*why = jobs[i].why;
		err = jobs[i].err;
	}
	free(jobs);
	return err;
}

static FIBER_FN int prove_without_keys(struct fence *fence, const struct fence_host *host, const char *address,
				       enum fence_proof *ret_proof, struct why *why)
{
	int err;

	if (fence->command) {
		err = fence_hook(fence, address, host->entry.key, why);
		if (!err)
			*ret_proof = FENCE_BY_COMMAND;
		else
			log_err("fence of key 0x%" PRIx64 ", \"%s\": %s", host->entry.key, host->entry.owner,
				why->text);
		return err;
	}
	err = fence_wait(fence, fence->opt.block_wait_ns);
	if (!err)
		*ret_proof = FENCE_BY_TIME;
	return err;
}

static bool is_proved_without_keys(const struct fence_entry *e)
{
	return e->state == FENCE_PROVED && (e->proof == FENCE_BY_COMMAND || e->proof == FENCE_BY_TIME);
}

static FIBER_FN int prove(struct fence *fence, struct fence_host *host, unsigned int kinds, const char *address,
			  enum fence_proof *ret_proof, struct why *why)
{
	enum fence_proof proof = is_proved_without_keys(&host->entry) ? host->entry.proof : FENCE_BY_KEYS;
	int err = 0;

	if (kinds & LAYOUT_SCSI)
		err = prove_by_keys(fence, host, why);
	if (!err && (kinds & LAYOUT_BLOCK) && proof == FENCE_BY_KEYS)
		err = prove_without_keys(fence, host, address, &proof, why);
	if (!err)
		*ret_proof = proof;
	return err;
}

static FIBER_FN int host_begin(struct fence *fence, struct fence_host *host)
{
	struct fence_entry *e = &host->entry;

	if (e->state != FENCE_BEGUN) {
		e->since_ns = reactor_wall_ns(fence->reactor);
		e->tries = 0;
	}
	e->state = FENCE_BEGUN;
	e->proof = FENCE_BY_NOTHING;
	e->took_ns = 0;
	e->tries++;
	return fence_save(fence, host);
}

static FIBER_FN int host_proved(struct fence *fence, struct fence_host *host, enum fence_proof proof,
				uint64_t took_ns)
{
	struct fence_host after = *host;
	int err;

	after.entry.state = FENCE_PROVED;
	after.entry.proof = proof;
	after.entry.took_ns = max_u64(took_ns, 1);
	after.entry.why[0] = '\0';
	after.undrained = false;
	err = fence_save(fence, &after);
	if (err)
		return err;
	host->entry = after.entry;
	host->undrained = false;
	return 0;
}

static void say_not_proved(struct fence_host *host, int err, const struct why *why)
{
	struct fence_entry *e = &host->entry;

	snprintf(e->why, sizeof(e->why), "%s", why->text[0] ? why->text : strerror(-err));
	log_err("key 0x%" PRIx64
		", \"%s\", may still write to the devices: %s; its blocks stay in limbo, and the fence is "
		"tried again",
		e->key, e->owner, e->why);
}

/* With the host taken. */
static FIBER_FN int fence_host_now(struct fence *fence, struct fence_host *host, unsigned int kinds,
				   const char *address)
{
	uint64_t begin_ns = reactor_now_ns(fence->reactor);
	struct fence_entry *e = &host->entry;
	bool was_proved = e->state == FENCE_PROVED;
	enum fence_proof proof = FENCE_BY_NOTHING;
	struct why why = { "" };
	int err = 0;

	if (was_proved && e->proof == FENCE_BY_ADMIN)
		return 0;
	if (!was_proved)
		err = host_begin(fence, host);
	if (!err)
		err = prove(fence, host, kinds, address, &proof, &why);
	if (!err && !(was_proved && proof == e->proof))
		err = host_proved(fence, host, proof, reactor_now_ns(fence->reactor) - begin_ns);
	if (!err) {
		log_info("key 0x%" PRIx64 ", \"%s\" at %s, is fenced, proved in %.1f ms", e->key, e->owner, address,
			 (double)(reactor_now_ns(fence->reactor) - begin_ns) / 1e6);
		return 0;
	}
	if (err == -ESHUTDOWN || fs_is_read_only(fence->fs))
		return err;
	/* It was, and is back. */
	if (was_proved && host_begin(fence, host))
		e->state = FENCE_BEGUN;
	say_not_proved(host, err, &why);
	return -EBUSY;
}

FIBER_FN int fence_client(struct fence *fence, uint64_t key, unsigned int kinds, const char *address,
			  enum fence_proof *ret_proof)
{
	struct fence_host *host = NULL;
	int err = host_take(fence, key, &host);

	if (err)
		return err;
	err = fence_host_now(fence, host, kinds, address);
	if (!err)
		*ret_proof = host->entry.proof;
	host_release(host);
	return err;
}

FIBER_FN int fence_vouch(struct fence *fence, uint64_t key)
{
	struct fence_host *host = NULL;
	int err = host_take(fence, key, &host);

	if (err)
		return err;
	if (host->entry.state == FENCE_NONE)
		err = host_begin(fence, host);
	if (!err && host->entry.state == FENCE_BEGUN)
		err = host_proved(fence, host, FENCE_BY_ADMIN, 0);
	if (!err)
		log_warn("key 0x%" PRIx64 ", \"%s\", counts as fenced: somebody vouched for it", key,
			 host->entry.owner);
	host_release(host);
	return err;
}

FIBER_FN int fence_lift(struct fence *fence, uint64_t key)
{
	struct fence_host *host = NULL;
	struct fence_host after;
	int err = host_take(fence, key, &host);

	if (err)
		return err;
	after = *host;
	after.entry.state = FENCE_NONE;
	after.entry.proof = FENCE_BY_NOTHING;
	after.entry.since_ns = after.entry.took_ns = 0;
	after.entry.tries = 0;
	err = host->entry.state == FENCE_NONE ? -ENOENT : host->entry.held ? -EPERM : fence_save(fence, &after);
	if (!err) {
		host->entry = after.entry;
		log_info("key 0x%" PRIx64 ", \"%s\", is not fenced any more", key, host->entry.owner);
	}
	host_release(host);
	return err;
}

FIBER_FN int fence_hold(struct fence *fence, uint64_t key, bool held)
{
	struct fence_host *host = NULL;
	struct fence_host after;
	int err = host_take(fence, key, &host);

	if (err)
		return err;
	after = *host;
	after.entry.held = held;
	err = host->entry.held == held ? 0 : fence_save(fence, &after);
	if (!err)
		host->entry.held = held;
	host_release(host);
	return err;
}

enum fence_state fence_state_of(const struct fence *fence, uint64_t key)
{
	const struct fence_host *host = host_find(fence, key);

	return host ? host->entry.state : FENCE_NONE;
}

bool fence_is_busy(const struct fence *fence, uint64_t key)
{
	const struct fence_host *host = host_find(fence, key);

	return host && host->busy;
}

bool fence_entry(const struct fence *fence, unsigned int i, struct fence_entry *ret_entry)
{
	for (const struct fence_host *host = fence->hosts; host; host = host->hh.next) {
		if (host->entry.state != FENCE_NONE && i-- == 0) {
			*ret_entry = host->entry;
			return true;
		}
	}
	return false;
}

bool fence_entry_of(const struct fence *fence, uint64_t key, struct fence_entry *ret_entry)
{
	const struct fence_host *host = host_find(fence, key);

	if (!host || host->entry.state == FENCE_NONE)
		return false;
	*ret_entry = host->entry;
	return true;
}

FIBER_FN int fence_read_device(struct fence *fence, unsigned int index, struct reserver_view *ret_view)
{
	struct reserver *res = index < fence->devices->nr ? fence->devices->v[index].reserver : NULL;
	int err;

	if (!res)
		return -ENODEV;
	fiber_mutex_lock(&fence->devs[index].mutex);
	err = reserver_read(res, ret_view);
	fiber_mutex_unlock(&fence->devs[index].mutex);
	return err;
}

FIBER_FN int fence_admit(struct fence *fence, unsigned int index, struct why *why)
{
	struct device_job job = { .fence = fence, .index = index };

	assert(index == fence->devices->nr);
	if (!(fence->devices->v[index].offers & LAYOUT_SCSI))
		return 0;
	device_main(&job);
	if (job.err) {
		why_set(why, job.err, "%s", job.why.text);
		fence_dismiss(fence, index);
	}
	return job.err;
}

FIBER_FN void fence_dismiss(struct fence *fence, unsigned int index)
{
	const struct layout_device *d = &fence->devices->v[index];
	int err;

	if (!(d->offers & LAYOUT_SCSI))
		return;
	fiber_mutex_lock(&fence->devs[index].mutex);
	err = reserver_unregister(d->reserver, fence->own_key);
	fiber_mutex_unlock(&fence->devs[index].mutex);
	/* -EBUSY: it was not registered. */
	if (err && err != -EBUSY)
		log_warn("%s: the server's registration could not be given up: %s", d->reserver->name,
			 strerror(-err));
}

uint64_t fence_own_key(const struct fence *fence)
{
	return fence->own_key;
}

/* ---- start and end ---- */

struct load {
	struct fence *fence;
	uint64_t from; /* place */
	uint64_t next; /* behind what the body's last run has seen */
	struct fence_host hosts[LOAD_STEP];
	unsigned int nr;
	bool more;
};

/* The next places whose hosts are fenced. */
static int load_body(struct txn *txn, void *arg)
{
	struct key last = key_make(ZONE_STATE, 0, FENCE_RECORD_KEY, FENCE_KEYS_MAX - 1);
	struct load *a = arg;
	uint64_t from = a->from;

	a->nr = 0;
	a->next = from;
	a->more = true;
	for (unsigned int i = 0; i < 16 * LOAD_STEP && a->nr < LOAD_STEP && a->more; i++) {
		struct fence_host *host = &a->hosts[a->nr];
		struct item item;
		int err = -ENOENT;

		if (from < FENCE_KEYS_MAX)
			err = txn_next(txn, key_make(ZONE_STATE, 0, FENCE_RECORD_KEY, from), last, &item);
		a->more = err == 0;
		if (err)
			return err == -ENOENT ? 0 : err;
		memset(host, 0, sizeof(*host));
		err = fence_key_decode(a->fence->fs, &item, host);
		if (err)
			return err;
		a->nr += host->entry.state != FENCE_NONE;
		from = key_off(item.key) + 1;
		a->next = from;
	}
	return 0;
}

static FIBER_FN int load_hosts(struct fence *fence)
{
	struct load *a = calloc(1, sizeof(*a));
	int err = a ? 0 : -ENOMEM;

	if (err)
		return err;
	a->fence = fence;
	a->more = true;
	while (!err && a->more) {
		err = txn_read(fence->fs, load_body, a);
		for (unsigned int i = 0; !err && i < a->nr; i++)
			err = host_add(fence, &a->hosts[i]);
		a->from = a->next;
	}
	free(a);
	return err;
}

/* Be on all devices that offer the SCSI type; those where that fails do not offer it. */
static FIBER_FN int admit_everywhere(struct fence *fence)
{
	struct layout_devices *devices = fence->devices;
	struct device_job *jobs = NULL;
	unsigned int nr = 0;
	int err;

	if (!(devices->offers & LAYOUT_SCSI))
		return 0;
	err = devices_run(fence, NULL, &jobs, &nr);
	for (unsigned int i = 0; i < nr; i++) {
		if (!jobs[i].err)
			continue;
		log_warn("%s; layouts of the SCSI type are not given out", jobs[i].why.text);
		layout_device_withdraw(devices, i, jobs[i].why.text);
	}
	free(jobs);
	return err;
}

FIBER_FN int fence_open(struct reactor *r, struct fs *fs, struct layout_devices *devices,
			const struct fence_options *opt, struct fence **ret_fence, struct why *why)
{
	struct fence *fence = calloc(1, sizeof(*fence));
	int err = -ENOMEM;

	if (!fence)
		return why_set(why, err, "no memory for fences");
	fence->reactor = r;
	fence->fs = fs;
	fence->devices = devices;
	fence->opt = *opt;
	fence->own_key = fence_key_own(fs_uuid(fs));
	wait_queue_init(&fence->interrupts);
	fence->devs = calloc(VOLUME_DEVICES_MAX, sizeof(*fence->devs));
	fence->command = opt->command ? strdup(opt->command) : NULL;
	if (fence->devs && (fence->command || !opt->command)) {
		for (unsigned int i = 0; i < VOLUME_DEVICES_MAX; i++)
			fiber_mutex_init(&fence->devs[i].mutex);
		err = load_hosts(fence);
		if (!err)
			err = admit_everywhere(fence);
		if (!err && (devices->offers & LAYOUT_SCSI) && opt->watch_ns > 0)
			err = fence_watch_start(fence);
	}
	if (err) {
		fence_close(fence);
		return why_set(why, err, "keys and fences cannot be loaded: %s", strerror(-err));
	}
	*ret_fence = fence;
	return 0;
}

FIBER_FN void fence_close(struct fence *fence)
{
	struct fence_host *host, *next;

	if (!fence)
		return;
	fence_watch_stop(fence);
	HASH_ITER (hh, fence->hosts, host, next) {
		HASH_DEL(fence->hosts, host);
		free(host);
	}
	fence_forget(fence);
	free(fence->devs);
	free(fence->command);
	free(fence);
}
