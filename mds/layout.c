/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Layouts in memory and as items.  Promise: what is in memory is what is in the store, so a restarted server knows of
 * every block that a client may still use.
 */

#include "mds/layout.h"

#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "mds/reaper.h"

static_assert(GRANTS_MAX / LAYOUT_RUNS_PER_ITEM < 1u << RECORD_GRANTS_PART_BITS, "parts");
static_assert(LAYOUT_RUNS_PER_ITEM * GRANT_DISK_SIZE <= ITEM_VALUE_MAX, "runs");

struct layout *layout_alloc(struct client *client)
{
	struct layout *layout = calloc(1, sizeof(*layout));

	if (!layout)
		return NULL;
	layout->state.kind = STATE_LAYOUT;
	layout->state.client = client;
	list_init(&layout->state.by_client);
	list_init(&layout->by_file);
	grants_init(&layout->grants);
	return layout;
}

void layout_free(struct layout *layout)
{
	if (!layout)
		return;
	grants_release(&layout->grants);
	free(layout);
}

static unsigned int nr_parts(unsigned int runs)
{
	return (runs + LAYOUT_RUNS_PER_ITEM - 1) / LAYOUT_RUNS_PER_ITEM;
}

static struct key part_key(const struct layout *layout, uint64_t number, unsigned int part)
{
	return record_key(layout->state.client->id, RECORD_GRANTS, record_grants_off(number, part));
}

static int layout_put_part(struct txn *txn, const struct layout *layout, uint64_t number, const struct grants *grants,
			   unsigned int part)
{
	uint8_t bytes[LAYOUT_RUNS_PER_ITEM * GRANT_DISK_SIZE];
	unsigned int first = part * LAYOUT_RUNS_PER_ITEM, nr = grants->nr - first;

	if (nr > LAYOUT_RUNS_PER_ITEM)
		nr = LAYOUT_RUNS_PER_ITEM;
	for (unsigned int i = 0; i < nr; i++)
		grant_encode(&grants->v[first + i], bytes + (size_t)i * GRANT_DISK_SIZE);
	return txn_put(txn, part_key(layout, number, part), bytes, (size_t)nr * GRANT_DISK_SIZE);
}

static int layout_delete_parts(struct txn *txn, const struct layout *layout, uint64_t number, unsigned int from,
			       unsigned int end)
{
	int err = 0;

	for (unsigned int part = from; part < end && !err; part++)
		err = txn_delete(txn, part_key(layout, number, part));
	return err;
}

/* Who has given back what was wanted has all the time again when something else is. */
static uint16_t recall_time(const struct layout *layout, const struct grants *grants)
{
	if (layout->recalled && !grants_find(grants, layout->recall_first, layout->recall_end, GRANT_HELD))
		return 0;
	return (uint16_t)min_u64(layout->recall_ns / RECORD_LAYOUT_RECALL_NS, UINT16_MAX);
}

int layout_write(struct txn *txn, const struct layout *layout, uint64_t number, uint32_t seqid,
		 const struct grants *grants, unsigned int nr_before, nfsstat4 revoked)
{
	struct record_layout rec = {
		.ino = le64_make(layout->ino),
		.generation = le64_make(layout->generation),
		.key = le64_make(layout->key),
		.seqid = le32_make(seqid),
		.revoked = le32_make(revoked),
		.nr_grants = le32_make(grants->nr),
		.kind = (uint8_t)layout->kind,
		.flags = (layout->return_on_close ? RECORD_LAYOUT_RETURN_ON_CLOSE : 0) |
			 (layout->returned != LAYOUT_NOT_RETURNED ? RECORD_LAYOUT_RETURNED : 0),
		.recall_time = le16_make(recall_time(layout, grants)),
	};
	int err;

	static_assert(sizeof(rec.fh) == sizeof(layout->fh), "handle");
	memcpy(rec.fh, layout->fh, sizeof(rec.fh));
	err = txn_put(txn, record_key(layout->state.client->id, RECORD_LAYOUT, number), &rec, sizeof(rec));
	for (unsigned int part = 0; part < nr_parts(grants->nr) && !err; part++)
		err = layout_put_part(txn, layout, number, grants, part);
	return err ? err : layout_delete_parts(txn, layout, number, nr_parts(grants->nr), nr_parts(nr_before));
}

int layout_delete(struct txn *txn, const struct layout *layout)
{
	uint64_t number = layout->state.number;
	int err = txn_delete(txn, record_key(layout->state.client->id, RECORD_LAYOUT, number));

	return err ? err : layout_delete_parts(txn, layout, number, 0, nr_parts(layout->grants.nr));
}

void layout_add(struct mds *mds, struct layout *layout, struct file **spare)
{
	layout->file = file_get(mds, layout->ino, layout->generation, spare);
	layout->file->nr_layouts++;
	list_add_tail(&layout->by_file, &layout->file->layouts);
	state_add(mds, &layout->state);
	mds->layouts->nr++;
	layout->state.client->nr_layouts++;
}

void layout_detach(struct mds *mds, struct layout *layout)
{
	struct file *file = layout->file;
	uint64_t ino = layout->ino;

	list_del(&layout->by_file);
	layout->file = NULL;
	mds->layouts->nr--;
	layout->state.client->nr_layouts--;
	grants_release(&layout->grants);
	file_drop_layout(mds, file);
	/* It may have been all that kept a file without a name. */
	if (!file_find(mds, ino))
		reaper_consider(mds, ino);
	wait_queue_wake_all(&mds->layouts->gone);
	wait_queue_wake_all(&mds->deleg_gone);
}

void layout_set_grants(struct mds *mds, struct layout *layout, struct grants *grants)
{
	grants_release(&layout->grants);
	layout->grants = *grants;
	grants_init(grants);
	wait_queue_wake_all(&mds->layouts->gone);
	wait_queue_wake_all(&mds->deleg_gone);
}

nfsstat4 layout_find(const struct compound *c, const struct stateid4 *stateid, struct layout **ret_layout)
{
	struct stateid4 newest = *stateid;
	struct state *state = NULL;
	struct layout *layout;
	nfsstat4 status;

	newest.seqid = 0;
	status = state_find(c, &newest, STATE_LAYOUT, &state);
	if (status)
		return status;
	layout = container_of(state, struct layout, state);
	if (c->fh.kind != FH_FILE || layout->ino != c->fh.ino || layout->generation != c->fh.generation)
		return NFS4ERR_BAD_STATEID;
	/* One that is still to come. */
	if (stateid->seqid != 0 && (int32_t)(stateid->seqid - state->seqid) > 0)
		return NFS4ERR_BAD_STATEID;
	*ret_layout = layout;
	return NFS4_OK;
}

struct layout *layout_of(const struct file *file, const struct client *client)
{
	struct layout *layout;

	if (!file || file->nr_layouts == 0)
		return NULL;
	list_for_each (pos, &file->layouts) {
		layout = list_entry(pos, struct layout, by_file);
		if (layout->state.client == client && !layout->state.revoked)
			return layout;
	}
	return NULL;
}

struct layout *layout_conflict(const struct file *file, const struct client *but, uint64_t first, uint64_t end,
			       uint32_t bits)
{
	if (!file || file->nr_layouts == 0)
		return NULL;
	list_for_each (pos, &file->layouts) {
		struct layout *layout = list_entry(pos, struct layout, by_file);

		/* What was revoked of it binds the client itself too. */
		if ((layout->state.client != but || layout->state.revoked) &&
		    grants_find(&layout->grants, first, end, bits))
			return layout;
	}
	return NULL;
}

/* Loading */

struct layout_load {
	struct mds *mds;
	struct client *client;
	struct key from, last;
	bool found;
	uint64_t number;
	struct record_layout rec;
	struct grant runs[GRANTS_MAX];
	unsigned int nr;
};

static int layout_load_part(struct txn *txn, struct layout_load *w, unsigned int part, unsigned int nr_all)
{
	struct key key = record_key(w->client->id, RECORD_GRANTS, record_grants_off(w->number, part));
	struct item item;
	int err;

	err = txn_get(txn, key, &item);
	if (err)
		return err == -ENOENT ? -EUCLEAN : err;
	if (item.len == 0 || item.len % GRANT_DISK_SIZE || item.len / GRANT_DISK_SIZE > nr_all - w->nr)
		return -EUCLEAN;
	for (size_t at = 0; at < item.len; at += GRANT_DISK_SIZE) {
		struct grant *run = &w->runs[w->nr];

		err = grant_decode((const uint8_t *)item.val + at, run);
		if (err || (w->nr > 0 && run->blk < run[-1].blk + run[-1].nr))
			return -EUCLEAN;
		w->nr++;
	}
	return 0;
}

static int layout_load_body(struct txn *txn, void *arg)
{
	struct layout_load *w = arg;
	struct item item;
	uint32_t nr;
	int err;

	w->found = false;
	w->nr = 0;
	err = txn_next(txn, w->from, w->last, &item);
	if (err)
		return err == -ENOENT ? 0 : err;
	if (item.len != sizeof(w->rec))
		return -EUCLEAN;
	memcpy(&w->rec, item.val, sizeof(w->rec));
	w->number = key_off(item.key);
	nr = le32_get(w->rec.nr_grants);
	if (w->number >> RECORD_LAYOUT_NUMBER_BITS || nr > GRANTS_MAX)
		return -EUCLEAN;
	for (unsigned int part = 0; w->nr < nr; part++) {
		err = layout_load_part(txn, w, part, nr);
		if (err)
			return err;
	}
	w->found = true;
	return 0;
}

static bool layout_load_clashes(const struct layout_load *w, const struct file *file)
{
	if (!file)
		return false;
	for (unsigned int i = 0; i < w->nr; i++) {
		const struct grant *run = &w->runs[i];
		uint32_t bits = run->bits & GRANT_RW ? GRANT_HELD : run->bits & GRANT_READ ? GRANT_RW : 0;

		if (bits && layout_conflict(file, w->client, run->blk, run->blk + run->nr, bits))
			return true;
	}
	return false;
}

static int layout_load_fill(const struct layout_load *w, struct layout *layout)
{
	layout->state.number = w->number;
	layout->state.seqid = le32_get(w->rec.seqid);
	layout->state.revoked = le32_get(w->rec.revoked) != 0;
	layout->state.revoked_status = le32_get(w->rec.revoked);
	layout->ino = le64_get(w->rec.ino);
	layout->generation = le64_get(w->rec.generation);
	layout->key = le64_get(w->rec.key);
	layout->kind = w->rec.kind;
	layout->return_on_close = w->rec.flags & RECORD_LAYOUT_RETURN_ON_CLOSE;
	layout->returned = w->rec.flags & RECORD_LAYOUT_RETURNED ? LAYOUT_PART_RETURNED : LAYOUT_NOT_RETURNED;
	layout->recall_ns = le16_get(w->rec.recall_time) * RECORD_LAYOUT_RECALL_NS;
	layout->is_old = true;
	layout->nr_unwritten = UINT32_MAX;
	memcpy(layout->fh, w->rec.fh, sizeof(layout->fh));
	if (w->nr == 0)
		return 0;
	layout->grants.v = calloc(w->nr, sizeof(*layout->grants.v));
	if (!layout->grants.v)
		return -ENOMEM;
	memcpy(layout->grants.v, w->runs, w->nr * sizeof(*w->runs));
	layout->grants.nr = layout->grants.max = w->nr;
	return 0;
}

static int layout_load_enter(const struct layout_load *w)
{
	struct file *file = file_find(w->mds, le64_get(w->rec.ino)), *spare = file_alloc();
	struct layout *layout = layout_alloc(w->client);
	bool bad = (w->rec.kind != LAYOUT_SCSI && w->rec.kind != LAYOUT_BLOCK) ||
		   w->rec.flags & ~(RECORD_LAYOUT_RETURN_ON_CLOSE | RECORD_LAYOUT_RETURNED) ||
		   state_lookup(w->mds, w->number, STATE_ANY) || layout_load_clashes(w, file) ||
		   (file && file->generation != le64_get(w->rec.generation)) ||
		   (!le32_get(w->rec.revoked) && (w->nr == 0 || layout_of(file, w->client)));
	int err = bad ? -EUCLEAN : layout && spare ? layout_load_fill(w, layout) : -ENOMEM;

	if (err) {
		layout_free(layout);
	} else if (w->nr > 0) {
		layout_add(w->mds, layout, &spare);
	} else {
		/* Revoked, its holder fenced; the client has yet to be told. */
		state_add(w->mds, &layout->state);
	}
	free(spare);
	return err;
}

FIBER_FN static int layout_load_client(struct layout_load *w)
{
	int err;

	w->from = record_key(w->client->id, RECORD_LAYOUT, 0);
	w->last = record_key(w->client->id, RECORD_LAYOUT, KEY_LOW_MAX);
	do {
		err = txn_read(w->mds->fs, layout_load_body, w);
		if (!err && w->found)
			err = layout_load_enter(w);
		if (w->found)
			w->from = record_key(w->client->id, RECORD_LAYOUT, w->number + 1);
	} while (!err && w->found);
	return err;
}

FIBER_FN int layout_load(struct mds *mds)
{
	struct layout_load *w = calloc(1, sizeof(*w));
	struct client *client, *next;
	int err = 0;

	if (!w)
		return -ENOMEM;
	w->mds = mds;
	HASH_ITER (hh, mds->clients, client, next) {
		w->client = client;
		err = layout_load_client(w);
		if (err)
			break;
	}
	if (!err && mds->layouts) {
		w->client = mds->layouts->nobody;
		err = layout_load_client(w);
	}
	free(w);
	if (err == -EUCLEAN)
		log_err("layouts of a client contradict each other");
	return err;
}

static void layout_unload_client(struct mds *mds, struct client *client)
{
	list_for_each_safe (pos, &client->states) {
		struct state *state = list_entry(pos, struct state, by_client);
		struct layout *layout = container_of(state, struct layout, state);

		if (state->kind != STATE_LAYOUT)
			continue;
		if (layout->file)
			layout_detach(mds, layout);
		state_remove(mds, state);
		layout_free(layout);
	}
}

void layout_unload(struct mds *mds)
{
	struct client *client, *next;

	HASH_ITER (hh, mds->clients, client, next)
		layout_unload_client(mds, client);
	if (mds->layouts && mds->layouts->nobody)
		layout_unload_client(mds, mds->layouts->nobody);
}
