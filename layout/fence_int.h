/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_LAYOUT_FENCE_INT_H
#define LAMINA_LAYOUT_FENCE_INT_H

/* What the files of the fence share. */

#include <stdatomic.h>
#include <xxhash.h>

#define HASH_FUNCTION(key, len, hashv) ((hashv) = (unsigned int)XXH3_64bits(key, len))
#include <uthash.h>

#include "dev/fiber_sync.h"
#include "layout/fence.h"
#include "layout/fence_record.h"

/* A host that is fenced, or was since the start. */
struct fence_host {
	UT_hash_handle hh; /* fence.hosts, by entry.key */
	struct fence_entry entry;
	bool undrained; /* its commands may outlive its registration: see struct disk_fence_key */
	bool is_back;	/* the watch has found its key on a device */
	bool busy;	/* somebody changes its state: others wait */
	struct wait_queue idle;
};

struct fence_seen;

struct fence_device {
	struct fiber_mutex mutex; /* one changes its reservations at a time */
	bool is_ill;		  /* the watch has said so */
};

struct fence {
	struct reactor *reactor;
	struct fs *fs;
	struct layout_devices *devices;
	struct fence_options opt;
	char *command; /* opt's */
	uint64_t own_key;
	struct fence_host *hosts;
	struct fence_device *devs;    /* by index */
	struct fence_seen *seen;      /* hosts that had a key (fence_keyless.c) */
	struct fiber *watcher;	      /* NULL: there is none */
	struct wait_queue interrupts; /* woken when the server stops */
	atomic_bool stopping;	      /* helper threads look at it */
};

/* fence_key.c */
uint64_t fence_key_own(const uint8_t volume_uuid[UUID_LEN]) MUST_CHECK;
/* Whether @key is a server's own, of some volume. */
bool fence_key_is_own(uint64_t key) MUST_CHECK;
/* In bodies. The place of @key's item; -ENOENT: it is no host's key. */
int fence_key_place(const struct fs *fs, uint64_t key, uint64_t *ret_place) MUST_CHECK;
/* Set the item's state to @host's; -ENOENT: there is no item. */
int fence_key_save(struct txn *txn, const struct fence_host *host) MUST_CHECK;
#define FENCE_LOG_SAVE FENCE_LOG_KEY
/* What an item says; its key is fence_key_at(its place). -EUCLEAN. */
int fence_key_decode(const struct fs *fs, const struct item *item, struct fence_host *ret_host) MUST_CHECK;
/* The item of @key. */
int fence_key_load(struct txn *txn, uint64_t key, struct fence_host *ret_host) MUST_CHECK;

/* fence_cut.c: one device. */
/* Be registered, and hold a reservation that shuts out who is not.  -EBUSY: it can't be had, as @why says. */
FIBER_FN int fence_admit_self(struct fence *fence, unsigned int index, struct why *why) MUST_CHECK;
/*
 * Take the host's registration away.  0: it is not registered, and nothing of it is at work in the device, or, where
 * *@drain is true then, will be when fence.opt.drain_ns have passed.  *@drain before: it may be so from an earlier
 * try.
 */
FIBER_FN int fence_cut(struct fence *fence, unsigned int index, struct fence_host *host, bool *drain, struct why *why)
	MUST_CHECK;

/* The type that shuts out the same hosts as @type, and has no single holder. */
enum reservation_type fence_type_of_all(enum reservation_type type);

/* fence_keyless.c: hosts that gave up their key and are registered all the same. */
/* Remember whose keys are whose. */
void fence_learn(struct fence *fence, const struct reserver_view *view);
void fence_forget(struct fence *fence);
/* The key of @k, or the one that its host had; 0: it is not known, or it had several. */
uint64_t fence_key_of(const struct fence *fence, const struct reserver_key *k);
/* Whether @k has no key, and may be the host that had @victim. */
bool fence_may_be(const struct fence *fence, const struct reserver_key *k, uint64_t victim);
/*
 * Take away the registrations of all hosts without a key, with the device's mutex.  With *@aborted their commands end
 * first; where that fails it becomes false.  -EBUSY: not now, since others than @but are fenced, or the device does
 * not do it; @why says so.
 */
FIBER_FN int fence_drop_keyless(struct fence *fence, unsigned int index, const struct fence_host *but, bool *aborted,
				struct why *why) MUST_CHECK;

/* fence.c */
FIBER_FN int fence_save(struct fence *fence, struct fence_host *host) MUST_CHECK;
/* 0 after @ns; -ESHUTDOWN: the server stops. */
FIBER_FN int fence_wait(struct fence *fence, uint64_t ns) MUST_CHECK;
/* Whether another host than @but is fenced. */
bool fence_has_other(const struct fence *fence, const struct fence_host *but) MUST_CHECK;

/*
 * Whether the server still is registered, and its reservation there: if not, make it so.  Fenced hosts that are
 * registered get is_back.  With the device's mutex.
 */
FIBER_FN int fence_look(struct fence *fence, unsigned int index, struct why *why) MUST_CHECK;

/* fence_watch.c: look at all devices every opt.watch_ns, in a fiber that ends when fence_interrupt() was called. */
int fence_watch_start(struct fence *fence) MUST_CHECK;
FIBER_FN void fence_watch_stop(struct fence *fence);

/* fence_hook.c: 0: the command has ended with exit code 0. */
FIBER_FN int fence_hook(struct fence *fence, const char *address, uint64_t key, struct why *why) MUST_CHECK;

#endif
