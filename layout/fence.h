/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_LAYOUT_FENCE_H
#define LAMINA_LAYOUT_FENCE_H

/*
 * Keys and fences (design decision 10: a fence is proved).
 *
 * Every client host has one reservation key, for all devices and for ever (docs/layout.md says why): an item in
 * ZONE_STATE, found by the client's owner string.  The server registers its own key on every device and holds a
 * registrants-only reservation, so whoever is not registered cannot write; clients register the key that
 * GETDEVICEINFO names.
 *
 * A fence: the client's key is preempted on every device, its commands aborted, and the keys read back.  Only if it
 * is nowhere any more is the client fenced; another way is tried where the device says success and has not done it.
 * What is begun and what is proved are items, so a restart goes on where a crash was.
 *
 * Errors of fence_client(), fence_vouch() and fence_lift() besides those said there: -ENOENT, no host has this key;
 * -ENOMEM; the store's.
 */

#include "extent/txn.h"
#include "extent/why.h"
#include "layout/device.h"

struct fence; /* the keeper of keys and fences */
struct reactor;

enum fence_state {
	FENCE_NONE,
	FENCE_BEGUN, /* not proved: what the client could reach may still change under its hands */
	FENCE_PROVED,
};

enum fence_proof {
	FENCE_BY_NOTHING,
	FENCE_BY_KEYS,	  /* read back on every device: not registered there */
	FENCE_BY_COMMAND, /* the administrator's command said so (layouts of the block type) */
	FENCE_BY_TIME,	  /* layouts of the block type without a command: lease and largest I/O time have passed */
	FENCE_BY_ADMIN,	  /* "lamina fence --force": a person vouches */
};

struct fence_options {
	enum reservation_type type; /* EXCLUSIVE_ACCESS_ or WRITE_EXCLUSIVE_REGISTRANTS_ONLY */
	const char
		*command; /* for layouts of the block type; NULL: none.  Run as COMMAND ADDRESS KEY (hexadecimal) */
	uint64_t block_wait_ns; /* FENCE_BY_TIME */
	/*
	 * Where a host's commands could not be aborted with its registration: how long those that the device had
	 * begun may still last.  0: no time at all.
	 */
	uint64_t drain_ns;
	/*
	 * How often the devices are looked at: a target that was restarted may have lost the reservation, and a
	 * fenced host may have registered by itself (twelve times as often while one is).  0: never.
	 */
	uint64_t watch_ns;
};

/*
 * Register and reserve on all @devices that have a reserver, load keys and fences.  A device where that fails stops
 * being offered for LAYOUT_SCSI, and says why (@devices->v[].why_not_scsi); the server goes on without.  Errors: the
 * store's, -ENOMEM.
 */
FIBER_FN int fence_open(struct reactor *r, struct fs *fs, struct layout_devices *devices,
			const struct fence_options *opt, struct fence **ret_fence, struct why *why) MUST_CHECK;
/* The reservation stays on the devices. No fence_client() is under way.  NULL is allowed. */
FIBER_FN void fence_close(struct fence *fence);
/* The server stops: calls of fence_client() that wait for a time or a command end with -ESHUTDOWN, not proved. */
void fence_interrupt(struct fence *fence);

/*
 * Before the volume's label can be read: a device whose reservation is of an earlier start, perhaps on another host,
 * lets only registered hosts read.  If it is a Lamina server's, register with its key.  0, also if nothing had to be
 * done; errors of dev/reserver.h.
 */
FIBER_FN int fence_rejoin(struct reserver *res) MUST_CHECK;

/* The same for a device that is to be added to @fence's volume: of this volume's server only. */
FIBER_FN int fence_rejoin_own(const struct fence *fence, struct reserver *res) MUST_CHECK;

/*
 * A device that layout_device_propose() has put behind the others: register and reserve as at the start, if it is
 * offered for LAYOUT_SCSI.  An error is said in @why, and nothing is left of it there.
 */
FIBER_FN int fence_admit(struct fence *fence, unsigned int index, struct why *why) MUST_CHECK;
/* It was not added after all. */
FIBER_FN void fence_dismiss(struct fence *fence, unsigned int index);

/*
 * The key of the host with owner string @owner, in a body (log: FENCE_LOG_KEY): made if there is none.  The owners
 * that a Linux host has for its mounts of versions 4.1 and 4.2 are one host's: on NVMe a second key would be a
 * conflict.  -ENOBUFS: FENCE_KEYS_MAX hosts have keys, or so.
 */
#define FENCE_KEYS_MAX	65536u
#define FENCE_OWNER_MAX 1024u
#define FENCE_LOG_KEY	(20u + 32u + FENCE_OWNER_MAX)
int fence_key(struct txn *txn, const void *owner, size_t len, uint64_t *ret_key) MUST_CHECK;
/* The server's own, the same for ever on this volume. */
uint64_t fence_own_key(const struct fence *fence);

/*
 * Before a host learns its key for device @index: there is room for it.  An NVMe target of Linux keeps a host that
 * has unregistered, without a key, and lets it register no other (see layout/fence_keyless.c).
 */
FIBER_FN void fence_welcome(struct fence *fence, unsigned int index);

/*
 * Fence the host with @key, which may hold layouts of @kinds (bits); @address is for people and the command.  0: it
 * is proved, durably, and *@ret_proof says by what.  -EBUSY: it could not be proved now (log and fence_describe() say
 * why), the state stays FENCE_BEGUN, call again.  Calls for the same key wait for each other.
 */
FIBER_FN int fence_client(struct fence *fence, uint64_t key, unsigned int kinds, const char *address,
			  enum fence_proof *ret_proof) MUST_CHECK;
/* A person vouches that the host is cut off. */
FIBER_FN int fence_vouch(struct fence *fence, uint64_t key) MUST_CHECK;
/*
 * The host is back and clean: it may register and get layouts again. -ENOENT: it was not fenced; -EPERM: a person
 * fenced it, and only a person lifts that.
 */
FIBER_FN int fence_lift(struct fence *fence, uint64_t key) MUST_CHECK;
/* A person's fence, or no longer: before fence_client(), and before fence_lift(). */
FIBER_FN int fence_hold(struct fence *fence, uint64_t key, bool held) MUST_CHECK;
enum fence_state fence_state_of(const struct fence *fence, uint64_t key) MUST_CHECK;
/* Whether fence_client() is at work on it: its state will soon be another. */
bool fence_is_busy(const struct fence *fence, uint64_t key) MUST_CHECK;

/* For status and start report. */
struct fence_entry {
	uint64_t key;
	enum fence_state state;
	enum fence_proof proof;
	uint64_t since_ns; /* wall clock */
	unsigned int tries;
	bool held;	  /* a person fenced it */
	uint64_t took_ns; /* from the decision to the proof; 0: not proved */
	char why[128];	  /* not proved: what stands against it */
	char owner[128];  /* as clients call themselves, without what cannot be shown */
};
/* The entry number @i, in no order; false: there are no more. */
bool fence_entry(const struct fence *fence, unsigned int i, struct fence_entry *ret_entry);
/* The one of @key; false: it is not fenced. */
bool fence_entry_of(const struct fence *fence, uint64_t key, struct fence_entry *ret_entry);
/* Read the keys of device @index now. For "lamina status" and "lamina fence", which prove what they say.  -ENODEV: it
 * has no reservations. */
FIBER_FN int fence_read_device(struct fence *fence, unsigned int index, struct reserver_view *ret_view) MUST_CHECK;

#endif
