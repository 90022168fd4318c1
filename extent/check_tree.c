/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every block of the tree: it lies in a chunk, no two references lead to it, its bitmap says so, it is what the
 * reference says (address, epoch, level, checksum, order), and its keys lie between those of its parent.  And what
 * the bitmaps call used is in the tree.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "extent/check_int.h"
#include "extent/fs_int.h"
#include "extent/node.h"

struct check_walk {
	struct check *ck;
	uint64_t *seen[VOLUME_CHUNKS_MAX]; /* a bit for each tree block, like chunk->used */
	int broken;			   /* the first error of reading; the walk goes on beside it */
};

/* A reference as its parent knows it. */
struct check_ref {
	uint64_t daddr;
	uint64_t epoch;
	unsigned int level;
	struct key first; /* keys of the block are >= this */
	struct key last;  /* and <= this */
};

/* The block, pinned. */
FIBER_FN static int check_block_get(struct fs *fs, const struct check_ref *ref, struct block **ret_block)
{
	struct block *b;
	int err;

	for (;;) {
		err = block_get(fs, ref->daddr, ref->epoch, ref->level, &b);
		if (err && err != -ERESTART)
			return err;
		block_pin(b);
		if (!err) {
			*ret_block = b;
			return 0;
		}
		err = block_wait(b);
		block_unpin(b);
		if (err)
			return err;
	}
}

/* Note that we came to @daddr; false: it is no tree block, or we were there before. */
static bool check_tree_visit(struct check_walk *w, uint64_t daddr)
{
	struct chunks *cs = &w->ck->fs->chunks;
	uint64_t at, bit;
	struct chunk *c;

	if (!check_range_is_valid(w->ck, daddr, BLOCK_DADDRS) || !chunk_cached(cs, daddr)) {
		check_error(w->ck, "the tree refers to block %#" PRIx64 ", which is not in a metadata chunk", daddr);
		return false;
	}
	if (!chunk_block_is_used(cs, daddr))
		check_error(w->ck, "tree block %#" PRIx64 " is free in its bitmap", daddr);
	c = cs->chunk[cs->by_place[daddr_dev(daddr)][daddr_block(daddr) >> cs->chunk_shift] - 1];
	at = (daddr - c->daddr - CHUNK_HEADER_DADDRS) / BLOCK_DADDRS;
	bit = 1ULL << at % 64;
	if (w->seen[c->index][at / 64] & bit) {
		check_error(w->ck, "the tree refers to block %#" PRIx64 " twice", daddr);
		return false;
	}
	w->seen[c->index][at / 64] |= bit;
	return true;
}

static void check_tree_keys(struct check_walk *w, const struct check_ref *ref, const void *data)
{
	unsigned int nr = node_nr(data);

	if (!nr) {
		if (ref->level || key_cmp(ref->first, KEY_MIN) || key_cmp(ref->last, KEY_MAX))
			check_warning(w->ck, "tree block %#" PRIx64 " is empty", ref->daddr);
		return;
	}
	if (key_cmp(node_key(data, 0), ref->first) < 0 || key_cmp(node_key(data, nr - 1), ref->last) > 0)
		check_error(w->ck, "tree block %#" PRIx64 " holds keys that its parent places elsewhere", ref->daddr);
}

static struct key check_key_before(struct key k)
{
	k.hi -= !k.lo;
	k.lo--;
	return k;
}

FIBER_FN static void check_tree_block(struct check_walk *w, const struct check_ref *ref)
{
	struct block *b;
	int err;

	if (!check_tree_visit(w, ref->daddr))
		return;
	err = check_block_get(w->ck->fs, ref, &b);
	if (err) {
		check_error(w->ck, "tree block %#" PRIx64 " cannot be used: %s", ref->daddr, strerror(-err));
		w->broken = w->broken ? w->broken : err;
		return;
	}
	w->ck->res.tree_blocks++;
	check_advance(w->ck, 1);
	check_tree_keys(w, ref, b->data);
	if (ref->level == 0)
		w->ck->res.items += node_nr(b->data);
	for (unsigned int i = 0; ref->level && i < node_nr(b->data); i++) {
		struct check_ref child = { .level = ref->level - 1,
					   .first = node_key(b->data, i),
					   .last = i + 1 < node_nr(b->data)
							   ? check_key_before(node_key(b->data, i + 1))
							   : ref->last };

		inner_child(b->data, i, &child.daddr, &child.epoch);
		check_tree_block(w, &child);
	}
	block_unpin(b);
}

/* Blocks that a bitmap calls used and the walk has not met. */
static void check_tree_unused(struct check_walk *w)
{
	struct chunks *cs = &w->ck->fs->chunks;

	for (unsigned int i = 0; i < cs->nr && !w->broken; i++) {
		unsigned int lost = 0;

		assert(w->seen[i]);
		for (unsigned int word = 0; word < (cs->chunk[i]->nr_blocks + 63) / 64; word++)
			lost += (unsigned int)__builtin_popcountll(cs->chunk[i]->used[word] & ~w->seen[i][word]);
		if (lost)
			check_error(w->ck,
				    "%u tree blocks of metadata chunk %u are marked used, but are not in the tree",
				    lost, i);
	}
}

int check_tree(struct check *ck)
{
	struct check_ref root = { ck->fs->root.daddr, ck->fs->root.epoch, ck->fs->root.level, KEY_MIN, KEY_MAX };
	struct check_walk *w = calloc(1, sizeof(*w));
	unsigned int nr = 0;
	int err = 0;

	if (!w)
		return -ENOMEM;
	w->ck = ck;
	for (; nr < ck->fs->chunks.nr && !err; nr++) {
		w->seen[nr] = calloc((ck->fs->chunks.chunk[nr]->nr_blocks + 63) / 64, sizeof(uint64_t));
		err = w->seen[nr] ? 0 : -ENOMEM;
	}
	if (!err) {
		check_tree_block(w, &root);
		check_tree_unused(w);
		err = w->broken;
	}
	while (nr)
		free(w->seen[--nr]);
	free(w);
	return err;
}
