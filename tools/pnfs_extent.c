/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: extents are in order and do not overlap; a change that fails leaves them as they were.  Old ones win over
 * new ones, as in the Linux client, so a server that changes what is granted is found out and not followed.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "tools/pnfs_int.h"

bool pnfs_extent_is_rw(const struct pnfs_extent *e)
{
	return e->state == PNFS_BLOCK_READWRITE_DATA || e->state == PNFS_BLOCK_INVALID_DATA;
}

bool pnfs_extent_has_data(const struct pnfs_extent *e)
{
	return e->state == PNFS_BLOCK_READWRITE_DATA || e->state == PNFS_BLOCK_READ_DATA ||
	       (e->state == PNFS_BLOCK_INVALID_DATA && e->written);
}

/* The first that ends behind @off. */
static unsigned int extents_from(const struct pnfs_inode *inode, uint64_t off)
{
	unsigned int low = 0, high = inode->nr;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (pnfs_extent_end(&inode->extents[mid]) <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct pnfs_extent *pnfs_extent_find(struct pnfs_inode *inode, uint64_t off)
{
	unsigned int i = extents_from(inode, off);

	return i < inode->nr && inode->extents[i].off <= off ? &inode->extents[i] : NULL;
}

/* Room for @more. */
static int extents_reserve(struct pnfs_inode *inode, unsigned int more)
{
	unsigned int max = inode->max ? inode->max : 16;
	struct pnfs_extent *v;

	if (more > PNFS_EXTENTS_MAX || inode->nr + more > PNFS_EXTENTS_MAX)
		return -E2BIG;
	while (max < inode->nr + more)
		max *= 2;
	if (max == inode->max)
		return 0;
	v = realloc(inode->extents, max * sizeof(*v));
	if (!v)
		return -ENOMEM;
	inode->extents = v;
	inode->max = max;
	return 0;
}

struct pnfs_extent pnfs_extent_part(const struct pnfs_extent *e, uint64_t off, uint64_t end)
{
	struct pnfs_extent part = *e;

	part.off = off;
	part.len = end - off;
	if (e->state != PNFS_BLOCK_NONE_DATA)
		part.device_off += off - e->off;
	if (e->cow)
		part.source_off += off - e->off;
	return part;
}

/* The caller has reserved it. */
static void extents_insert(struct pnfs_inode *inode, unsigned int at, const struct pnfs_extent *e)
{
	assert(inode->nr < inode->max);
	memmove(&inode->extents[at + 1], &inode->extents[at], (inode->nr - at) * sizeof(*e));
	inode->extents[at] = *e;
	inode->nr++;
}

static void extents_remove(struct pnfs_inode *inode, unsigned int at, unsigned int nr)
{
	memmove(&inode->extents[at], &inode->extents[at + nr], (inode->nr - at - nr) * sizeof(inode->extents[0]));
	inode->nr -= nr;
}

/* So that none goes across @at: one more at most, which the caller has reserved. */
static void extents_split(struct pnfs_inode *inode, uint64_t at)
{
	unsigned int i = extents_from(inode, at);
	struct pnfs_extent *e = &inode->extents[i], tail;

	if (i == inode->nr || e->off >= at)
		return;
	tail = pnfs_extent_part(e, at, pnfs_extent_end(e));
	e->len = at - e->off;
	extents_insert(inode, i + 1, &tail);
}

static bool extents_continue(const struct pnfs_extent *a, const struct pnfs_extent *b)
{
	if (pnfs_extent_end(a) != b->off || a->state != b->state || a->written != b->written || a->cow != b->cow)
		return false;
	if (a->state == PNFS_BLOCK_NONE_DATA)
		return true;
	return a->device == b->device && a->device_off + a->len == b->device_off &&
	       (!a->cow || a->source_off + a->len == b->source_off);
}

/* Neighbours that are alike become one, in and around [@off, @end). */
static void extents_merge(struct pnfs_inode *inode, uint64_t off, uint64_t end)
{
	unsigned int i = extents_from(inode, off), to;

	i = i > 0 ? i - 1 : 0;
	to = i;
	if (i >= inode->nr)
		return;
	for (i++; i < inode->nr; i++) {
		if (extents_continue(&inode->extents[to], &inode->extents[i]))
			inode->extents[to].len += inode->extents[i].len;
		else if (inode->extents[to].off > end)
			break;
		else
			inode->extents[++to] = inode->extents[i];
	}
	extents_remove(inode, to + 1, i - to - 1);
}

/* Where the bytes that @e shows at @off lie; false: it shows zeros, or they are not there yet. */
static bool extent_place(const struct pnfs_extent *e, uint64_t off, uint64_t *ret_device_off)
{
	if (pnfs_extent_has_data(e))
		*ret_device_off = e->device_off + (off - e->off);
	else if (e->cow)
		*ret_device_off = e->source_off + (off - e->off);
	else
		return false;
	return true;
}

/*
 * Whether the server goes on saying the same of the bytes that both cover: nothing may change under a layout that is
 * granted (I15).  A hole may have become space that is not written, and that is all.
 */
static bool extents_agree(const struct pnfs_extent *old, const struct pnfs_extent *e)
{
	uint64_t off = max_u64(old->off, e->off), was = 0, is = 0;
	bool had = extent_place(old, off, &was), has = extent_place(e, off, &is);

	if (old->state != PNFS_BLOCK_NONE_DATA && e->state != PNFS_BLOCK_NONE_DATA && old->device != e->device)
		return false;
	/* What this client wrote and did not commit is not known to the server: only the space must be the same. */
	if (pnfs_extent_is_rw(old) && pnfs_extent_is_rw(e) &&
	    old->device_off + (off - old->off) != e->device_off + (off - e->off))
		return false;
	if (old->written)
		return true;
	return had ? has && was == is : true;
}

static int extents_check(const struct pnfs_inode *inode, const struct pnfs_extent *e)
{
	/* Linux would not see it: what becomes of the data tells. */
	if (inode->kept.nr > 0)
		return 0;
	for (unsigned int i = extents_from(inode, e->off);
	     i < inode->nr && inode->extents[i].off < pnfs_extent_end(e); i++) {
		const struct pnfs_extent *old = &inode->extents[i];

		if (extents_agree(old, e))
			continue;
		log_err("pnfs: the server changed a file under a layout: [%" PRIu64 ", +%" PRIu64
			") of state %d lay at %" PRIu64 " of device %u, now [%" PRIu64 ", +%" PRIu64
			") of state %d lies at %" PRIu64 " of device %u",
			old->off, old->len, (int)old->state, old->device_off, old->device, e->off, e->len,
			(int)e->state, e->device_off, e->device);
		inode->host->counts.bad_layouts++;
		return -EBADMSG;
	}
	return 0;
}

/* Add @e where there is nothing.  One more for each gap at most. */
static void extents_fill(struct pnfs_inode *inode, const struct pnfs_extent *e)
{
	uint64_t off = e->off, end = pnfs_extent_end(e);

	while (off < end) {
		unsigned int i = extents_from(inode, off);
		uint64_t next = i < inode->nr ? min_u64(inode->extents[i].off, end) : end;

		if (next > off) {
			struct pnfs_extent part = pnfs_extent_part(e, off, next);

			extents_insert(inode, i, &part);
			off = next;
		} else {
			off = pnfs_extent_end(&inode->extents[i]);
		}
	}
}

/* What is only for reading makes room for @e, which is for writing too. */
static void extents_make_room(struct pnfs_inode *inode, const struct pnfs_extent *e)
{
	unsigned int i;

	extents_split(inode, e->off);
	extents_split(inode, pnfs_extent_end(e));
	i = extents_from(inode, e->off);
	while (i < inode->nr && inode->extents[i].off < pnfs_extent_end(e)) {
		if (pnfs_extent_is_rw(&inode->extents[i]))
			i++;
		else
			extents_remove(inode, i, 1);
	}
}

int pnfs_extents_add(struct pnfs_inode *inode, const struct pnfs_extent *v, unsigned int nr)
{
	unsigned int more = 0;
	int err = 0;

	for (unsigned int i = 0; i < nr && !err; i++) {
		more += 3 + extents_from(inode, pnfs_extent_end(&v[i])) - extents_from(inode, v[i].off);
		err = extents_check(inode, &v[i]);
	}
	if (!err)
		err = extents_reserve(inode, more);
	if (err)
		return err;
	for (unsigned int i = 0; i < nr; i++) {
		if (pnfs_extent_is_rw(&v[i]))
			extents_make_room(inode, &v[i]);
		extents_fill(inode, &v[i]);
	}
	if (nr > 0)
		extents_merge(inode, v[0].off, pnfs_extent_end(&v[nr - 1]));
	return 0;
}

int pnfs_extents_cut(struct pnfs_inode *inode, uint64_t off, uint64_t end)
{
	int err = extents_reserve(inode, 2);
	unsigned int i;

	if (err)
		return err;
	extents_split(inode, off);
	extents_split(inode, end);
	i = extents_from(inode, off);
	extents_remove(inode, i, extents_from(inode, end) - i);
	return 0;
}

int pnfs_extents_wrote(struct pnfs_inode *inode, uint64_t off, uint64_t end)
{
	int err = extents_reserve(inode, 2);

	if (err)
		return err;
	extents_split(inode, off);
	extents_split(inode, end);
	for (unsigned int i = extents_from(inode, off); i < inode->nr && inode->extents[i].off < end; i++)
		if (inode->extents[i].state == PNFS_BLOCK_INVALID_DATA) {
			inode->extents[i].written = true;
			inode->extents[i].cow = false;
		}
	extents_merge(inode, off, end);
	return 0;
}

unsigned int pnfs_extents_written(const struct pnfs_inode *inode, uint64_t from, struct nfs_range *ranges,
				  unsigned int max)
{
	unsigned int nr = 0;

	for (unsigned int i = extents_from(inode, from); i < inode->nr; i++) {
		const struct pnfs_extent *e = &inode->extents[i];

		if (e->state != PNFS_BLOCK_INVALID_DATA || !e->written)
			continue;
		if (nr > 0 && ranges[nr - 1].offset + ranges[nr - 1].length == e->off) {
			ranges[nr - 1].length += e->len;
			continue;
		}
		if (nr == max)
			break;
		ranges[nr++] = (struct nfs_range){ e->off, e->len };
	}
	return nr;
}

void pnfs_extents_committed(struct pnfs_inode *inode, const struct nfs_range *ranges, unsigned int nr)
{
	for (unsigned int r = 0; r < nr; r++) {
		uint64_t off = ranges[r].offset, end = off + ranges[r].length;

		/* Then they are committed again some day. */
		if (extents_reserve(inode, 2))
			return;
		extents_split(inode, off);
		extents_split(inode, end);
		for (unsigned int i = extents_from(inode, off); i < inode->nr && inode->extents[i].off < end; i++) {
			if (!inode->extents[i].written)
				continue;
			inode->extents[i].state = PNFS_BLOCK_READWRITE_DATA;
			inode->extents[i].written = false;
		}
		extents_merge(inode, off, end);
	}
}

void pnfs_extents_clear(struct pnfs_inode *inode)
{
	free(inode->extents);
	inode->extents = NULL;
	inode->nr = inode->max = 0;
}
