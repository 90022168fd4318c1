/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_SIM_DISK_H
#define LAMINA_TESTS_SIM_DISK_H

/*
 * A simulated disk: a block device with contents in memory that is as nasty as dev/blkdev.h allows it to be.
 *
 * The model of faults, in full:
 *
 *  Order      Requests in flight have no order: each takes a random (virtual) time.  A request takes effect in the
 *             instant of its completion.  Two that overlap, one of them changing contents, give nobody knows what on
 *             a real disk; here they abort the test unless the disk is told to allow it, and then the later
 *             completion wins.  The buffer of a write may not change while in flight: that is checked.
 *  Safe       A write is safe (no power cut undoes it) when it has completed as BLK_WRITE_DURABLE, or when a flush
 *             has completed that was submitted after the write had completed, or, on a disk without volatile
 *             cache, when it has completed.  Nothing else makes it safe: no time, no later write, no durable write
 *             elsewhere, no flush that began a moment too early.
 *  Power cut  Contents are kept per unit (config.atomic_unit, 512 bytes by default), and units know nothing of each
 *             other.  After a cut a unit holds its last safe contents, or those of any later write on it, completed
 *             or in flight, whichever: newer may survive where older is lost, in the same write and between
 *             writes.  A unit itself is never torn; with config.unreadable_ppm one that was being written may give
 *             read errors instead, until it is written again.
 *  Failed     After an error of a write each of its units is written or not.  After an error of a flush each unit
 *  requests   that it should have saved is safe, or will be lost at the next power cut even if later flushes succeed
 *             (until then reads still find it).
 *  Latent     Chosen or random sectors give -EIO until they are written again.
 *  errors
 *  Lies       Random or n-th requests: a bit of the data flips on its way to or from the media; a write goes to
 *             another place; a write is acknowledged and forgotten.  The store must find these by checksums.
 *  Discard    Leaves old contents, zeros or garbage.  Write-zeroes is a write.
 *
 * Not modelled: a unit that tears in itself, writes that damage their neighbours, a device that lies about flushes
 * (write it as a fault when a test needs it), data that rots while nobody looks (sim_disk_flip_bit does it on order).
 *
 * Everything random comes from config.seed and sim_cut.seed.
 */

#include "dev/blkdev.h"
#include "tests/sim/sim_media.h"
#include "tests/sim/sim_tape.h"

struct sim_disk;

/* Random faults, in one of a million requests (for latent errors: of reads). */
struct sim_disk_rates {
	uint32_t read_error;
	uint32_t write_error;
	uint32_t flush_error;
	uint32_t latent_error; /* the first sector of the read becomes bad */
	uint32_t bit_flip;
	uint32_t misdirected;
	uint32_t forgotten;
};

struct sim_disk_config {
	const char *name;	  /* NULL: "sim" */
	uint64_t size;		  /* bytes */
	uint32_t logical_sector;  /* bytes; 0: 512 */
	uint32_t physical_sector; /* bytes; 0: as logical */
	uint32_t atomic_unit;	  /* bytes, a multiple of 512; 0: 512 */
	bool no_volatile_cache;
	bool no_fua; /* only what its info says: a durable write is one all the same */
	bool read_only;
	bool no_discard;
	bool no_write_zeroes;
	bool allow_overlap;
	uint64_t seed;
	uint64_t latency_min_ns; /* 0: 20 us */
	uint64_t latency_max_ns; /* 0: 2 ms; one request in 32 takes up to ten times that */
	uint32_t unreadable_ppm; /* at a power cut, of the units in flight */
	struct sim_disk_rates rates;
};

/* A disk full of zeros, or with @contents (which stay the caller's).  Never fails. */
struct sim_disk *sim_disk_new(const struct sim_disk_config *cfg);
struct sim_disk *sim_disk_new_from(const struct sim_disk_config *cfg, const struct sim_image *contents);
/* Not while it is open. */
void sim_disk_free(struct sim_disk *d);

/*
 * Attach it to @r: from then on it is a block device, until blkdev_close().  The contents stay with the disk, and it
 * can be opened again.  One opener at a time.
 */
struct blkdev *sim_disk_open(struct sim_disk *d, struct reactor *r);

/* Faults on order */

#define SIM_OP(op) (1u << (op))
#define SIM_OPS_WRITES                                                                                               \
	(SIM_OP(BLK_WRITE) | SIM_OP(BLK_WRITE_DURABLE) | SIM_OP(BLK_WRITE_ZEROES) | SIM_OP(BLK_DISCARD))
#define SIM_OPS_ALL (SIM_OPS_WRITES | SIM_OP(BLK_READ) | SIM_OP(BLK_FLUSH))

enum sim_fault_kind {
	SIM_FAULT_ERROR,
	SIM_FAULT_BIT_FLIP, /* of a write for ever, of a read only in what this read returns */
	SIM_FAULT_MISDIRECTED,
	SIM_FAULT_FORGOTTEN,
};

/* Of the requests whose operation is in @ops, counted from now, those number @nth .. @nth + @times - 1. */
struct sim_fault {
	enum sim_fault_kind kind;
	unsigned int ops; /* SIM_OP() | ... */
	uint64_t nth;	  /* from 1 */
	uint64_t times;	  /* UINT64_MAX: all that follow */
	int error;	  /* of ERROR, e.g. -EIO */
	uint64_t to;	  /* of MISDIRECTED: where the data goes, bytes */
};

/* Several may be ordered at a time (up to 16 in a disk's life). */
void sim_disk_fault(struct sim_disk *d, const struct sim_fault *fault);
void sim_disk_clear_faults(struct sim_disk *d);
/* Also drops the random faults of the configuration, or sets other ones. */
void sim_disk_set_rates(struct sim_disk *d, const struct sim_disk_rates *rates);
/* Sectors that cannot be read until they are written. */
void sim_disk_set_bad(struct sim_disk *d, uint64_t off, uint64_t len);
void sim_disk_flip_bit(struct sim_disk *d, uint64_t off, unsigned int bit);

/*
 * Hold every request from now on for which @match says so: in flight, but not completing, until released.  One
 * predicate at a time; NULL holds all.
 */
void sim_disk_hold(struct sim_disk *d, bool (*match)(const struct blk_req *req, void *arg), void *arg);
/* Let the held ones go on and hold no more. */
void sim_disk_release(struct sim_disk *d);
size_t sim_disk_nr_held(const struct sim_disk *d);

/* Power */

enum sim_power {
	SIM_POWER_ON,
	SIM_POWER_SILENT, /* off, and nothing completes any more */
	SIM_POWER_ERRORS, /* off, and everything gives -ENODEV */
};

void sim_disk_power_off(struct sim_disk *d, enum sim_power how);
/*
 * The power goes in the last instant before the @nth command that changes contents (from now, 1 is the next) would
 * complete; with @flushes these count too.
 */
void sim_disk_power_off_at(struct sim_disk *d, uint64_t nth, bool flushes, enum sim_power how);
bool sim_disk_has_power(const struct sim_disk *d);

/*
 * A new disk, with power, of the same configuration but @cut->seed, holding what a power cut now (or the one that
 * was) leaves of this one.  This one stays as it is, so many cuts of one instant can be looked at.
 */
struct sim_disk *sim_disk_reboot(const struct sim_disk *d, const struct sim_cut *cut);

/* Looking at it */

struct sim_disk_stats {
	uint64_t reads, writes, durable_writes, flushes, discards, zeroes; /* submitted */
	uint64_t bytes_read, bytes_written;
	uint64_t errors; /* requests that failed */
	uint64_t lies;	 /* requests that did something else than they said */
};

struct sim_disk_stats sim_disk_stats(const struct sim_disk *d);
size_t sim_disk_nr_in_flight(const struct sim_disk *d);
/* What a reader finds, byte for byte, without being one.  -EIO: bad sectors in the range. */
int sim_disk_peek(const struct sim_disk *d, uint64_t off, void *buf, size_t len) MUST_CHECK;
void sim_disk_poke(struct sim_disk *d, uint64_t off, const void *buf, size_t len);
/* The contents that a reader finds, to fork or dump; the disk's. */
const struct sim_image *sim_disk_contents(const struct sim_disk *d);
/* Of all that happened: submissions, completions, times, results. */
uint64_t sim_disk_trace_hash(const struct sim_disk *d);
/* From now on everything that it is told to write is recorded on @tape, which must be new and outlive the disk. */
void sim_disk_record(struct sim_disk *d, struct sim_tape *tape);

#endif
