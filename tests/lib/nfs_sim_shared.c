/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What all fibers of all clients share: records that only who holds a lock may change, and the sign, a file whose
 * attributes anybody changes while others look.
 *
 * Promises that are checked: a lock has one holder, unless that was silent for a lease; what was written under it is
 * what the next one reads; a change attribute never stands for two states and never goes back, across crashes too.
 */

#include <stdio.h>
#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/nfs_sim_int.h"
#include "tools/nfs_status.h"

#define RECORD_BYTES  300
#define RECORD_OFF(i) ((i)*4096 + 3900) /* across blocks */
#define LOCK_TRIES    12

static void record_bytes(uint8_t *bytes, uint32_t value)
{
	home_pattern(bytes, RECORD_BYTES, value);
	memcpy(bytes, &value, sizeof(value));
}

/* Whether the server may have taken away what this client had since @since. */
static bool was_silent(const struct sim_client *client, uint64_t since)
{
	return client->gap_ns >= since || sim_now(client->sim) - client->heard_ns >= SIM_LEASE_S * NSEC_PER_SEC;
}

struct lock_job {
	struct sim_fiber *f;
	struct sim_record *record;
	unsigned int nr;
	struct nfs_file file;
	stateid4 lock;
	uint64_t opened_ns;
	uint64_t since; /* the lock was asked for */
	char owner[16];
};

/* After a failure that a silent client has to expect: give up what is left. */
static FIBER_FN void lock_lost(struct lock_job *job, int got)
{
	struct sim_fiber *f = job->f;
	struct sim_record *r = job->record;

	if (got < 0)
		return;
	if ((got != NFS4ERR_EXPIRED && got != NFS4ERR_BAD_STATEID && got != NFS4ERR_ADMIN_REVOKED) ||
	    !was_silent(f->client, job->opened_ns))
		sim_fail(f->sim, f, "lock", "%s, though the client was never silent for a lease",
			 nfs_status_name((uint32_t)got));
	f->sim->report.lost_locks++;
	if (r->holder == f)
		r->holder = NULL;
	r->pending[f->nr] = 0;
	nfs_op_free_stateid(sim_begin(f, NULL), &job->lock);
	(void)!sim_send(f);
	nfs_op_close(sim_begin(f, &job->file.fh), &job->file.stateid);
	got = sim_send(f);
	nfs_op_free_stateid(sim_begin(f, NULL), &job->file.stateid);
	if (got > 0)
		(void)!sim_send(f);
}

static FIBER_FN bool lock_open(struct lock_job *job)
{
	struct sim_fiber *f = job->f;
	struct nfs_open open = { .owner = job->owner, .name = NULL };
	uint32_t at;

	snprintf(job->owner, sizeof(job->owner), "L%u", f->nr);
	job->file.fh = f->sim->lock_fh;
	job->opened_ns = sim_now(f->sim);
	at = nfs_op_open(sim_begin(f, &f->sim->lock_fh), &open);
	if (!sim_expect(f, NFS4_OK))
		return false;
	if (nfs_op_got_stateid(&f->c, at, &job->file.stateid))
		sim_fail(f->sim, f, "answer", "no stateid");
	return true;
}

/* Granted: was it free? */
static void lock_granted(struct lock_job *job)
{
	struct sim_record *r = job->record;
	struct sim_fiber *before = r->holder;

	if (before && before != job->f && r->incarnation == before->client->incarnation && !before->client->crashed &&
	    !was_silent(before->client, job->since)) {
		/* An answer of long ago: it was granted, and taken away while nobody could tell. */
		if (was_silent(job->f->client, job->since))
			return;
		sim_fail(job->f->sim, job->f, "lock", "granted, but %s holds it", before->name);
	}
	r->holder = job->f;
	r->incarnation = job->f->client->incarnation;
}

/* 1: granted; 0: not; negative: the client crashed. */
static FIBER_FN int lock_take(struct lock_job *job)
{
	struct nfs_lock lock = {
		.type = WRITE_LT, .offset = RECORD_OFF(job->nr), .length = RECORD_BYTES, .owner = job->owner
	};
	struct sim_fiber *f = job->f;
	uint64_t patience = sim_roll(f, 3) ? 40 * SIM_MS : 10 * NSEC_PER_SEC;
	uint32_t at;
	int got;

	for (unsigned int i = 0; i < LOCK_TRIES; i++) {
		at = nfs_op_lock_first(sim_begin(f, &job->file.fh), &job->file.stateid, &lock);
		job->since = sim_now(f->sim);
		got = sim_send(f);
		if (got == NFS4_OK) {
			if (nfs_op_got_stateid(&f->c, at, &job->lock))
				sim_fail(f->sim, f, "answer", "no stateid");
			lock_granted(job);
			return 1;
		}
		if (got < 0)
			return got;
		if (got != NFS4ERR_DENIED) {
			lock_lost(job, got);
			return -ENOLCK;
		}
		fiber_sleep_ns(sim_roll(f, patience));
	}
	return 0;
}

static FIBER_FN bool lock_read(struct lock_job *job)
{
	struct sim_fiber *f = job->f;
	struct sim_record *r = job->record;
	uint8_t want[RECORD_BYTES];
	uint32_t at, value;
	READ4resok ok;
	bool known;
	int got;

	at = nfs_op_read(sim_begin(f, &job->file.fh), &job->lock, RECORD_OFF(job->nr), RECORD_BYTES);
	got = sim_send(f);
	if (got) {
		lock_lost(job, got);
		return false;
	}
	if (nfs_op_got_read(&f->c, at, &ok) || ok.data.data_len != RECORD_BYTES)
		sim_fail(f->sim, f, "record", "record %u is shorter", job->nr);
	memcpy(&value, ok.data.data_val, sizeof(value));
	record_bytes(want, value);
	if (memcmp(want, ok.data.data_val, sizeof(want)) != 0)
		sim_fail(f->sim, f, "record", "record %u is torn", job->nr);
	/* Taken away meanwhile: then somebody else may have written. */
	if (r->holder != f)
		return true;
	known = value == r->value;
	for (unsigned int i = 0; i < SIM_ALL_MAX; i++)
		known |= value && value == r->pending[i];
	if (!known)
		sim_fail(f->sim, f, "record", "record %u is %u, not %u", job->nr, value, r->value);
	r->value = value;
	memset(r->pending, 0, sizeof(r->pending));
	return true;
}

static FIBER_FN bool lock_write(struct lock_job *job)
{
	struct sim_fiber *f = job->f;
	struct sim_record *r = job->record;
	uint32_t value = ++f->sim->next_value;
	uint8_t bytes[RECORD_BYTES];
	int got;

	record_bytes(bytes, value);
	r->pending[f->nr] = value;
	nfs_op_write(sim_begin(f, &job->file.fh), &job->lock, RECORD_OFF(job->nr), FILE_SYNC4, bytes, sizeof(bytes));
	got = sim_send(f);
	if (got) {
		lock_lost(job, got);
		return false;
	}
	if (r->holder == f) {
		r->value = value;
		memset(r->pending, 0, sizeof(r->pending));
	}
	return true;
}

static FIBER_FN void lock_give(struct lock_job *job)
{
	struct nfs_lock lock = { .type = WRITE_LT, .offset = RECORD_OFF(job->nr), .length = RECORD_BYTES };
	struct sim_fiber *f = job->f;
	int got;

	/* From the sending on somebody else may have it. */
	if (job->record->holder == f)
		job->record->holder = NULL;
	nfs_op_locku(sim_begin(f, &job->file.fh), &job->lock, &lock);
	got = sim_send(f);
	if (got)
		lock_lost(job, got);
	else {
		nfs_op_close(sim_begin(f, &job->file.fh), &job->file.stateid);
		got = sim_send(f);
		if (got)
			lock_lost(job, got);
	}
}

static FIBER_FN void step_record(struct sim_fiber *f)
{
	struct lock_job job = { .f = f, .nr = (unsigned int)sim_roll(f, SIM_RECORDS) };
	int got;

	job.record = &f->sim->records[job.nr];
	snprintf(f->doing, sizeof(f->doing), "record %u under its lock", job.nr);
	if (!lock_open(&job))
		return;
	got = lock_take(&job);
	if (got < 0)
		return;
	if (got == 0) {
		nfs_op_close(sim_begin(f, &job.file.fh), &job.file.stateid);
		got = sim_send(f);
		if (got)
			lock_lost(&job, got);
		return;
	}
	for (uint64_t n = sim_roll(f, 3); n > 0; n--)
		if (!lock_read(&job) || !lock_write(&job))
			return;
	if (sim_roll(f, 4) == 0)
		fiber_sleep_ns(sim_roll(f, sim_roll(f, 2) ? 30 * SIM_MS : 20 * NSEC_PER_SEC));
	if (lock_read(&job))
		lock_give(&job);
}

/* The sign */

static void sign_seen(struct sim_fiber *f, const struct wire_attrs *attrs, uint64_t at_least)
{
	struct nfs_sim *sim = f->sim;
	struct sim_sign *s;
	unsigned int i;

	if (attrs->change < at_least)
		sim_fail(sim, f, "change", "the sign's change attribute went back from %llu to %llu",
			 (unsigned long long)at_least, (unsigned long long)attrs->change);
	if (attrs->change > sim->sign_last)
		sim->sign_last = attrs->change;
	for (i = 0; i < sim->nr_signs && sim->signs[i].change != attrs->change; i++)
		;
	s = &sim->signs[i];
	if (i == sim->nr_signs) {
		if (sim->nr_signs < SIM_SIGNS)
			sim->signs[sim->nr_signs++] = (struct sim_sign){ attrs->change, attrs->mode, attrs->size };
		return;
	}
	if (s->mode != attrs->mode || s->size != attrs->size)
		sim_fail(sim, f, "change",
			 "the sign's change attribute %llu stands for mode %o size %llu and for mode %o size %llu",
			 (unsigned long long)s->change, s->mode, (unsigned long long)s->size, attrs->mode,
			 (unsigned long long)attrs->size);
}

static FIBER_FN void step_sign(struct sim_fiber *f)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = (uint32_t)sim_roll(f, 01000) };
	bool sets = sim_roll(f, 2);
	uint64_t at_least = f->sim->sign_last;
	uint32_t at;

	snprintf(f->doing, sizeof(f->doing), "%s the sign", sets ? "changing" : "looking at");
	sim_begin(f, &f->sim->sign_fh);
	if (sets) {
		if (sim_roll(f, 2)) {
			attrs.mask = NFS_ATTRS(FATTR4_SIZE);
			attrs.size = sim_roll(f, 1000000);
		}
		nfs_op_setattr(&f->c, &nfs_stateid_anonymous, &attrs);
	}
	at = nfs_op_getattr(&f->c, sim_asked);
	if (!sim_expect(f, NFS4_OK))
		return;
	attrs = sim_attrs(f, at);
	sign_seen(f, &attrs, at_least);
}

FIBER_FN void sim_shared_step(struct sim_fiber *f)
{
	switch (sim_roll(f, 8)) {
	case 0:
	case 1:
		return step_record(f);
	case 2:
	case 3:
	case 4:
		for (uint64_t n = 1 + sim_roll(f, 6); n > 0 && !f->client->crashed; n--)
			step_sign(f);
		return;
	case 5:
		return sim_pool_list(f);
	default:
		return sim_pool_step(f);
	}
}

FIBER_FN void sim_shared_recover(struct sim_fiber *f)
{
	/* Opens and locks are gone with the client; what was being written stays in doubt. */
	for (unsigned int i = 0; i < SIM_RECORDS; i++)
		if (f->sim->records[i].holder == f)
			f->sim->records[i].holder = NULL;
	sim_pool_recover(f);
}

static FIBER_FN struct nfs_fh make_file(struct sim_fiber *f, const char *name)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0666 };
	struct nfs_open open = { .name = name, .owner = "setup", .creates = true, .mode = GUARDED4, .attrs = &attrs };
	struct nfs_file file = { 0 };
	uint8_t bytes[RECORD_BYTES];
	uint32_t at, at_fh;

	at = nfs_op_open(sim_begin(f, &f->sim->root), &open);
	at_fh = nfs_op_getfh(&f->c);
	if (!sim_expect(f, NFS4_OK) || nfs_op_got_stateid(&f->c, at, &file.stateid))
		sim_fail(f->sim, f, "setup", "no %s", name);
	file.fh = sim_fh(f, at_fh);
	record_bytes(bytes, 0);
	for (unsigned int i = 0; i < SIM_RECORDS && strcmp(name, "records") == 0; i++) {
		nfs_op_write(sim_begin(f, &file.fh), &file.stateid, RECORD_OFF(i), FILE_SYNC4, bytes, sizeof(bytes));
		if (!sim_expect(f, NFS4_OK))
			sim_fail(f->sim, f, "setup", "no record");
	}
	nfs_op_close(sim_begin(f, &file.fh), &file.stateid);
	if (!sim_expect(f, NFS4_OK))
		sim_fail(f->sim, f, "setup", "no CLOSE");
	return file.fh;
}

FIBER_FN void sim_shared_setup(struct sim_fiber *f)
{
	uint32_t at;

	snprintf(f->doing, sizeof(f->doing), "setup");
	nfs_op_putrootfh(sim_begin(f, NULL));
	at = nfs_op_getfh(&f->c);
	if (!sim_expect(f, NFS4_OK))
		sim_fail(f->sim, f, "setup", "no root");
	f->sim->root = sim_fh(f, at);
	f->sim->lock_fh = make_file(f, "records");
	f->sim->sign_fh = make_file(f, "sign");
	sim_pool_setup(f);
}
