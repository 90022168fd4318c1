/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_RESERVER_H
#define LAMINA_DEV_RESERVER_H

/*
 * Persistent reservations of one device, as one initiator (SCSI: I_T nexus; NVMe: host identifier) sees and makes
 * them: SPC-4 chapter 5.13, NVMe base specification chapter 8.19.  A seam: SCSI by SG_IO, NVMe by libnvme, emulated
 * ones for plain files (dev/reserver_file.c), simulated ones in tests/sim.
 *
 * All functions may wait; commands that block run in helper threads.  Keys are never 0.  What a command has done is
 * known only from reserver_read(): targets exist that answer success and do nothing.
 */

#include "dev/identity.h"

struct reactor;
struct reserver;

#define RESERVER_KEYS_MAX 8192u /* that are read back; a device with more is -E2BIG */

struct reserver_key {
	uint64_t key;	  /* 0: a host that is registered without one (see dev/reserver_nvme.h) */
	bool holder;	  /* has the reservation */
	bool has_host;	  /* the device tells whose it is: */
	uint8_t host[16]; /* NVMe host identifier, or the end of a SCSI TransportID */
};

/* What a device says. */
struct reserver_view {
	uint32_t generation;
	bool reserved;
	enum reservation_type type;
	uint64_t holder; /* its key; 0: none, or all registrants */
	unsigned int nr_keys;
	struct reserver_key *keys; /* registered ones, one for each path; reserver_view_release() */
};

struct reserver_ops {
	FIBER_FN int (*enlist)(struct reserver *res, uint64_t key);
	FIBER_FN int (*resign)(struct reserver *res, uint64_t key);
	FIBER_FN int (*reserve)(struct reserver *res, uint64_t key, enum reservation_type type);
	FIBER_FN int (*release)(struct reserver *res, uint64_t key, enum reservation_type type);
	FIBER_FN int (*preempt)(struct reserver *res, uint64_t key, uint64_t victim, enum reservation_type type,
				bool abort);
	FIBER_FN int (*view)(struct reserver *res, struct reserver_view *ret_view);
	void (*shut)(struct reserver *res);
};

struct reserver {
	const struct reserver_ops *ops;
	struct reactor *reactor;
	bool is_emulated;    /* of a plain file: only Lamina's own programs respect them */
	bool may_be_keyless; /* hosts may be registered without a key: struct reserver_key */
	unsigned int types;  /* RESERVATION_BIT()s that the device can do; 0: it does not tell */
	char name[128];	     /* of the device, for messages */
};

/*
 * Register @key for this initiator, in place of whatever key it had (REGISTER AND IGNORE EXISTING KEY with APTPL;
 * NVMe IEKEY and CPTPL).  0; -EBUSY: reservation conflict; -EOPNOTSUPP: the device has no reservations; -EIO.
 */
FIBER_FN int reserver_register(struct reserver *res, uint64_t key) MUST_CHECK;
/* Give up @key, and a reservation held with it. -EBUSY: it is not registered. */
FIBER_FN int reserver_unregister(struct reserver *res, uint64_t key) MUST_CHECK;
/* Reserve, registered with @key.  0 also if it is held by it already; -EBUSY: another holds one. */
FIBER_FN int reserver_reserve(struct reserver *res, uint64_t key, enum reservation_type type) MUST_CHECK;
/*
 * Give up the reservation, which is of @type, and stay registered with @key: nobody holds one then.  0 also if
 * another holds it, and nothing has happened; -EBUSY: @key is not registered.
 */
FIBER_FN int reserver_release(struct reserver *res, uint64_t key, enum reservation_type type) MUST_CHECK;
/*
 * Registered with @key, take away the registration of @victim, and its reservation if it has one (then it is ours,
 * of @type); with @abort its commands in the device end first.  -EBUSY: no such key, or @key is not registered.
 */
FIBER_FN int reserver_preempt(struct reserver *res, uint64_t key, uint64_t victim, enum reservation_type type,
			      bool abort) MUST_CHECK;
/*
 * The same, while nobody holds a reservation, of all hosts that have no key.  While there is one of all registrants:
 * of everybody but us, and the reservation is ours, of @type.
 */
FIBER_FN int reserver_preempt_keyless(struct reserver *res, uint64_t key, enum reservation_type type, bool abort)
	MUST_CHECK;
/* Read keys and reservation back. */
FIBER_FN int reserver_read(struct reserver *res, struct reserver_view *ret_view) MUST_CHECK;
void reserver_view_release(struct reserver_view *view);
bool reserver_view_has(const struct reserver_view *view, uint64_t key) MUST_CHECK;
/* NULL is allowed. Changes nothing on the device. */
void reserver_close(struct reserver *res);

/*
 * For the open device @fd, which may be closed afterwards, by what @identity says it is: SCSI or NVMe.
 * -EOPNOTSUPP: anything else, or a partition (reservations are of whole devices), or without reservations.
 *
 * Each command ends within 15 s, also where a target or its driver hangs; -EIO then, and what it did, or will do when
 * it comes back, is not known.  -EPERM: the kernel wants a more privileged user; -EUCLEAN: the device's answer is
 * nonsense; -ENOSPC: it has no room for one more registration.
 */
int reserver_open(struct reactor *r, int fd, const struct identity *identity, const char *name,
		  struct reserver **ret_res) MUST_CHECK;

/*
 * Emulated, for a plain file at @path, so that all can be tried out without hardware: keys and reservation lie in
 * "PATH.reservations", which this makes, and initiator @host (1 to 15 characters) is a name that the caller chooses.
 * Survives crashes of everybody (not a power cut).  Up to 168 hosts (-ENOSPC).  -EUCLEAN: that file is damaged, and
 * the log says what to do; -EOPNOTSUPP: @path is no plain file.  Commands are -EIO after 10 s if a program was
 * stopped in the middle of its I/O.
 */
int reserver_file_open(struct reactor *r, const char *path, const char *host, struct reserver **ret_res) MUST_CHECK;

struct blkdev;
/*
 * The file at @path as @host reaches it: every read and write happens while the reservations allow it, and is -EBADE
 * (reservation conflict) otherwise; a preempt waits for what is under way.  Each request in a helper thread.
 */
int reserver_file_blkdev(struct reactor *r, const char *path, const char *host, struct blkdev **ret_dev) MUST_CHECK;

#endif
