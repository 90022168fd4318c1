/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: a value that the rules in tools/torture_int.h allow is never called wrong, and one that they don't allow
 * always is, except in a block whose list of values is full (nobody writes there then).
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/torture_int.h"

int torture_model_init(struct torture_file *file, uint32_t nr_blks)
{
	file->nr_blks = nr_blks;
	list_init(&file->reads);
	wait_queue_init(&file->queue);
	file->blks = calloc(nr_blks, sizeof(*file->blks));
	return file->blks ? 0 : -ENOMEM;
}

void torture_model_release(struct torture_file *file)
{
	for (uint32_t i = 0; file->blks && i < file->nr_blks; i++)
		free(file->blks[i].v);
	free(file->blks);
	file->blks = NULL;
}

/* A block that was never touched has no list: zeros. */
static bool blk_room(struct torture_blk *b, unsigned int more)
{
	struct torture_chance *v;
	bool is_new = b->nr == 0;
	unsigned int want = b->nr + more + is_new;

	if (want > b->max) {
		want = (want + 3) & ~3u;
		v = realloc(b->v, want * sizeof(*v));
		if (!v)
			return false;
		b->v = v;
		b->max = want;
	}
	if (is_new)
		b->v[b->nr++] = (struct torture_chance){ 0 };
	return true;
}

/* The oldest reader who is at it. */
static uint64_t oldest_look(const struct torture_file *file)
{
	/* In order of their beginning. */
	return list_is_empty(&file->reads) ? TORTURE_NEVER
					   : container_of(file->reads.next, struct torture_look, link)->begin;
}

static void blk_bury(struct torture_blk *b, uint64_t oldest)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < b->nr; i++)
		if (!b->v[i].dead || b->v[i].dead > oldest)
			b->v[kept++] = b->v[i];
	b->nr = kept;
}

bool torture_model_has_room(const struct torture_file *file, uint32_t first, uint32_t nr)
{
	for (uint32_t i = first; i < first + nr; i++)
		if (file->blks[i].nr >= TORTURE_CHANCES_MAX)
			return false;
	return true;
}

static struct torture_change *change_alloc(struct torture *t, struct torture_file *file, uint32_t first, uint32_t nr)
{
	struct torture_change *change = calloc(1, sizeof(*change));

	if (!change)
		return NULL;
	change->file = file;
	change->first = first;
	change->nr = nr;
	change->begin = ++t->seq;
	list_init(&change->link);
	return change;
}

struct torture_change *torture_change_begin(struct torture *t, struct torture_file *file, uint32_t first, uint32_t nr,
					    uint64_t gen, uint64_t open)
{
	struct torture_change *change = change_alloc(t, file, first, nr);

	if (!change)
		return NULL;
	change->gen = gen;
	for (uint32_t i = first; i < first + nr; i++) {
		struct torture_blk *b = &file->blks[i];

		blk_bury(b, oldest_look(file));
		if (!blk_room(b, 1))
			torture_die();
		b->v[b->nr++] = (struct torture_chance){ .gen = gen,
							 .file = file->id,
							 .blk = i,
							 .begin = change->begin,
							 .wrote = TORTURE_NEVER,
							 .end = TORTURE_NEVER,
							 .open = open };
	}
	return change;
}

struct torture_change *torture_change_clone(struct torture *t, struct torture_file *file, uint32_t first, uint32_t nr,
					    const struct torture_file *src, uint32_t src_first)
{
	struct torture_change *change = change_alloc(t, file, first, nr);

	if (!change)
		return NULL;
	for (uint32_t i = 0; i < nr; i++) {
		struct torture_blk *b = &file->blks[first + i];
		const struct torture_blk *from = &src->blks[src_first + i];
		struct torture_chance zeros = { 0 }, value;

		blk_bury(b, oldest_look(file));
		for (unsigned int k = 0; k < from->nr || k == 0; k++) {
			value = from->nr ? from->v[k] : zeros;
			if (value.dead)
				continue;
			value.begin = change->begin;
			value.wrote = value.end = TORTURE_NEVER;
			value.open = 0;
			if (!blk_room(b, 1))
				torture_die();
			b->v[b->nr++] = value;
		}
	}
	return change;
}

static void change_mark(struct torture *t, struct torture_change *change, bool is_end)
{
	uint64_t now = ++t->seq;

	for (uint32_t i = change->first; i < change->first + change->nr; i++) {
		struct torture_blk *b = &change->file->blks[i];

		for (unsigned int k = 0; k < b->nr; k++)
			if (b->v[k].begin == change->begin) {
				b->v[k].wrote = b->v[k].wrote == TORTURE_NEVER ? now : b->v[k].wrote;
				if (is_end)
					b->v[k].end = now;
			}
	}
}

void torture_change_wrote(struct torture *t, struct torture_change *change)
{
	change_mark(t, change, false);
}

static bool is_over(const struct torture_chance *old, const struct torture_chance *by)
{
	if (old->begin == by->begin)
		return false;
	return old->end < by->begin || (old->open && old->open == by->open && old->wrote < by->begin);
}

void torture_change_ack(struct torture *t, struct torture_change *change)
{
	uint64_t now;

	change_mark(t, change, true);
	now = ++t->seq;
	for (uint32_t i = change->first; i < change->first + change->nr; i++) {
		struct torture_blk *b = &change->file->blks[i];
		const struct torture_chance *by = NULL;

		for (unsigned int k = 0; k < b->nr; k++)
			if (b->v[k].begin == change->begin)
				by = &b->v[k];
		for (unsigned int k = 0; by && k < b->nr; k++)
			if (!b->v[k].dead && is_over(&b->v[k], by))
				b->v[k].dead = now;
		blk_bury(b, oldest_look(change->file));
	}
	list_del(&change->link);
	free(change);
}

void torture_change_failed(struct torture *t, struct torture_change *change)
{
	change_mark(t, change, true);
	list_del(&change->link);
	free(change);
}

void torture_look_begin(struct torture *t, struct torture_file *file, struct torture_look *look)
{
	look->begin = ++t->seq;
	list_add_tail(&look->link, &file->reads);
}

void torture_look_end(struct torture_file *file, struct torture_look *look)
{
	list_del(&look->link);
}

static bool sector_is_fine(const struct torture *t, const struct torture_file *file, const struct torture_look *look,
			   uint32_t blk, uint32_t off, enum torture_bytes what, const struct torture_stamp *stamp)
{
	const struct torture_blk *b = &file->blks[blk];

	if (b->nr == 0)
		return what == TORTURE_ZEROS;
	for (unsigned int k = 0; k < b->nr; k++) {
		const struct torture_chance *v = &b->v[k];

		if (v->dead && v->dead <= look->begin)
			continue;
		if (what == TORTURE_ZEROS
			    ? v->gen == 0
			    : what == TORTURE_STAMPED && v->gen == stamp->gen && v->file == stamp->file &&
				      stamp->off == (uint64_t)v->blk * TORTURE_BLOCK + off &&
				      stamp->seed == t->opt->seed)
			return true;
	}
	return false;
}

static bool is_late(const struct torture *t, uint64_t gen)
{
	for (unsigned int i = 0; i < t->nr_lates && i < ARRAY_SIZE(t->lates); i++)
		if (t->lates[i] == gen)
			return true;
	return false;
}

/* Whether nothing but zeros may be there. */
static bool is_cut(const struct torture_blk *b)
{
	for (unsigned int k = 0; k < b->nr; k++)
		if (!b->v[k].dead && b->v[k].gen)
			return false;
	return true;
}

static const char *sector_class(const struct torture *t, const struct torture_file *file, uint32_t blk, uint32_t off,
				enum torture_bytes what, const struct torture_stamp *stamp)
{
	if (what == TORTURE_ZEROS)
		return "lost";
	if (what == TORTURE_TORN)
		return "torn";
	if (stamp->seed != t->opt->seed)
		return "stale";
	if (is_late(t, stamp->gen))
		return "late";
	if (stamp->file != file->id || is_cut(&file->blks[blk]))
		return "stale";
	return stamp->off == (uint64_t)blk * TORTURE_BLOCK + off ? "lost" : "misplaced";
}

static void say_chances(const struct torture_blk *b, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (unsigned int k = 0; k < b->nr && k < 4 && len < size; k++)
		if (!b->v[k].dead)
			len += (size_t)snprintf(text + len, size - len, " %llu%s", (unsigned long long)b->v[k].gen,
						b->v[k].end == TORTURE_NEVER ? " (under way)" : "");
}

static void sector_find(struct torture *t, const struct torture_file *file, uint32_t blk, uint32_t off,
			enum torture_bytes what, const struct torture_stamp *stamp, const char *who, const char *how)
{
	char want[96], got[96] = "zeros";

	if (what == TORTURE_TORN)
		snprintf(got, sizeof(got), "bytes that nobody wrote");
	else if (what == TORTURE_STAMPED)
		snprintf(got, sizeof(got), "write %llu of file %u at %llu by host %u", (unsigned long long)stamp->gen,
			 stamp->file, (unsigned long long)stamp->off, stamp->writer);
	say_chances(&file->blks[blk], want, sizeof(want));
	torture_find(t, sector_class(t, file, blk, off, what, stamp), "%s %s file %u (%s) at %llu: %s, not write%s",
		     who, how, file->id, torture_work_name(file->work), (unsigned long long)blk * TORTURE_BLOCK + off,
		     got, want[0] ? want : " 0 (zeros)");
}

void torture_look_judge(struct torture *t, struct torture_file *file, const struct torture_look *look, uint32_t first,
			uint32_t nr, const void *bytes, const char *who, const char *how)
{
	struct torture_stamp stamp = { 0 };
	enum torture_bytes what;

	for (uint32_t i = 0; i < nr; i++) {
		const uint8_t *block = (const uint8_t *)bytes + (size_t)i * TORTURE_BLOCK;
		struct torture_blk *b = &file->blks[first + i];

		for (uint32_t off = 0; off < TORTURE_BLOCK && !b->is_known; off += TORTURE_SECTOR) {
			what = torture_stamp_look(block + off, &stamp);
			if (sector_is_fine(t, file, look, first + i, off, what, &stamp))
				continue;
			sector_find(t, file, first + i, off, what, &stamp, who, how);
			b->is_known = true;
		}
	}
}
