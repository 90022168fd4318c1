/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What Linux keeps of a layout that it has returned (docs/clients.md, client rule 10).
 *
 * Promise: kept extents are used where a later layout covers them, and only there; the oldest wins over all that came
 * after it.  As in Linux, those for writing and those for reading know nothing of each other.
 */

#include <stdlib.h>
#include <string.h>

#include "tools/pnfs_int.h"

struct pieces {
	struct pnfs_extent *v;
	unsigned int nr, max;
};

static int pieces_add(struct pieces *pieces, const struct pnfs_extent *e)
{
	unsigned int max = pieces->max ? 2 * pieces->max : 16;
	struct pnfs_extent *v = pieces->v;

	if (pieces->nr == PNFS_EXTENTS_MAX)
		return -E2BIG;
	if (pieces->nr == pieces->max) {
		v = realloc(v, max * sizeof(*v));
		if (!v)
			return -ENOMEM;
		pieces->v = v;
		pieces->max = max;
	}
	v[pieces->nr++] = *e;
	return 0;
}

/* What is kept at @off, or NULL.  *@end comes down to where that ends. */
static const struct pnfs_extent *kept_at(const struct pnfs_kept *kept, bool is_rw, uint64_t off, uint64_t *end)
{
	const struct pnfs_extent *found = NULL;

	for (unsigned int i = 0; i < kept->nr; i++) {
		const struct pnfs_extent *e = &kept->v[i];

		if (pnfs_extent_is_rw(e) != is_rw || pnfs_extent_end(e) <= off)
			continue;
		if (e->off <= off)
			found = e;
		*end = min_u64(*end, e->off <= off ? pnfs_extent_end(e) : e->off);
	}
	return found;
}

/* @e in pieces: where something is kept that instead, if @shows_kept; else without it. */
static int pieces_of(struct pieces *pieces, const struct pnfs_kept *kept, const struct pnfs_extent *e,
		     bool shows_kept)
{
	uint64_t off = e->off, end;
	int err = 0;

	for (; off < pnfs_extent_end(e) && !err; off = end) {
		const struct pnfs_extent *old;
		struct pnfs_extent piece;

		end = pnfs_extent_end(e);
		old = kept_at(kept, pnfs_extent_is_rw(e), off, &end);
		piece = pnfs_extent_part(old ? old : e, off, end);
		if (!old || shows_kept)
			err = pieces_add(pieces, &piece);
	}
	return err;
}

void pnfs_kept_take(struct pnfs_inode *inode)
{
	struct pieces pieces = { 0 };
	int err = 0;

	for (unsigned int i = 0; i < inode->kept.nr && !err; i++)
		err = pieces_add(&pieces, &inode->kept.v[i]);
	for (unsigned int i = 0; i < inode->nr && !err; i++)
		/* Else its commit failed, and that it is lost is said. */
		if (!inode->extents[i].written)
			err = pieces_of(&pieces, &inode->kept, &inode->extents[i], false);
	pnfs_kept_clear(inode);
	/* Without memory nothing is kept: as a client that is better than Linux. */
	if (!err)
		inode->kept = (struct pnfs_kept){ pieces.v, pieces.nr };
	else
		free(pieces.v);
}

int pnfs_kept_add(struct pnfs_inode *inode, const struct pnfs_extent *v, unsigned int nr)
{
	struct pieces pieces = { 0 };
	int err = 0;

	if (inode->kept.nr == 0)
		return pnfs_extents_add(inode, v, nr);
	inode->host->counts.kept_meet++;
	for (unsigned int i = 0; i < nr && !err; i++)
		err = pieces_of(&pieces, &inode->kept, &v[i], true);
	if (!err)
		err = pnfs_extents_add(inode, pieces.v, pieces.nr);
	free(pieces.v);
	return err;
}

void pnfs_kept_clear(struct pnfs_inode *inode)
{
	free(inode->kept.v);
	inode->kept = (struct pnfs_kept){ 0 };
}

void pnfs_inode_pin(struct pnfs_inode *inode)
{
	inode->pins++;
}

void pnfs_inode_unpin(struct pnfs_inode *inode)
{
	if (--inode->pins == 0 && inode->kept.nr > 0 && inode->nr == 0 && !inode->recalled && !inode->returning)
		pnfs_inode_forget(inode);
}
