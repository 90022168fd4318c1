/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of names: every entry leads to an inode of its type, every inode has as many names as it says, every
 * directory one, in its parent, and every directory is below the root.  Inode numbers are gone through in windows
 * that fit in memory; for each, all entries are read first, then the inodes of the window.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "extent/check_int.h"
#include "extent/fs_int.h"
#include "extent/inode.h"

/* What entries say of an inode, and what was met of it. */
struct check_slot {
	uint64_t parent; /* of a directory: where its entry lies; once the inode is seen, what that says */
	uint32_t links;
	uint8_t type; /* DT_ of the first entry */
	bool mixed;   /* entries say different types */
	bool seen;
	bool is_dir;
	bool orphan; /* has an item in ZONE_ORPHAN */
	uint8_t mark;
};

enum {
	MARK_NONE,
	MARK_PATH, /* on the way that is being walked */
	MARK_GOOD, /* below the root, or known as bad */
};

struct check_inodes {
	struct check *ck;
	uint64_t lo, hi; /* inode numbers [lo, hi) */
	struct check_slot *slots;
	struct check_inode now; /* the one whose items come by; ino 0: none yet */
};

static uint64_t check_inos_window(const struct check *ck)
{
	return max_u64(ck->memory / sizeof(struct check_slot), 16);
}

uint64_t check_names_passes(const struct check *ck)
{
	uint64_t windows = (ck->fs->next_ino + check_inos_window(ck) - 1) / check_inos_window(ck);

	return windows + 1; /* entries for each window, and inodes once in all */
}

static struct check_slot *check_slot(struct check_inodes *c, uint64_t ino)
{
	return ino >= c->lo && ino < c->hi ? &c->slots[ino - c->lo] : NULL;
}

static int check_link(struct check *ck, const struct item *it, void *arg)
{
	const struct disk_dirent *disk = it->val;
	struct check_inodes *c = arg;
	struct check_slot *s;

	if (key_type(it->key) != ITEM_DIRENT)
		return 0;
	if (le64_get(disk->ino) >= ck->fs->next_ino && c->lo == 0)
		check_error(ck, "directory %" PRIu64 " names inode %" PRIu64 ", which was never made",
			    key_obj(it->key), le64_get(disk->ino));
	s = check_slot(c, le64_get(disk->ino));
	if (!s)
		return 0;
	s->mixed = s->links && s->type != disk->type;
	s->type = disk->type;
	s->links++;
	s->parent = key_obj(it->key);
	return 0;
}

static int check_orphan(struct check *ck, const struct item *it, void *arg)
{
	struct check_inodes *c = arg;
	struct check_slot *s = check_slot(c, key_off(it->key));

	if (s)
		s->orphan = true;
	else if (c->lo == 0 && key_off(it->key) >= ck->fs->next_ino)
		check_error(ck, "inode %" PRIu64 " is listed to be freed, but was never made", key_off(it->key));
	return 0;
}

static void check_dir_links(struct check *ck, const struct check_inode *ci, const struct check_slot *s)
{
	uint64_t parent = le64_get(ci->disk.parent);
	bool root = ci->ino == INO_ROOT;
	uint32_t want = root || !le32_get(ci->disk.nlink) ? 0 : 1;

	if (s->links != want)
		check_error(ck, "directory %" PRIu64 " has %u names, not %u", ci->ino, s->links, want);
	else if (parent != (root ? INO_ROOT : s->parent) && (root || s->links))
		check_error(ck, "directory %" PRIu64 " lies in %" PRIu64 ", but says %" PRIu64, ci->ino,
			    root ? INO_ROOT : s->parent, parent);
}

/* The inode that just went by, against what entries and orphans say of it. */
static void check_inode_links(struct check_inodes *c, const struct check_inode *ci)
{
	struct check_slot *s = check_slot(c, ci->ino);
	uint32_t mode = le32_get(ci->disk.mode), nlink = le32_get(ci->disk.nlink);
	bool work = !nlink || le64_get(ci->disk.trim_from) != INODE_NO_TRIM;

	if (!s || !ci->has_inode)
		return;
	s->seen = true;
	s->is_dir = S_ISDIR(mode);
	if (S_ISDIR(mode))
		check_dir_links(c->ck, ci, s);
	else if (s->links != nlink)
		check_error(c->ck, "inode %" PRIu64 " says %u links, but has %u names", ci->ino, nlink, s->links);
	if (s->links && (s->mixed || IFTODT(mode) != s->type))
		check_error(c->ck, "an entry calls inode %" PRIu64 " another type than it has", ci->ino);
	if (work && !s->orphan)
		check_error(c->ck, "inode %" PRIu64 " waits to be freed or cut, but is not listed for that", ci->ino);
	if (s->orphan && !work)
		check_error(c->ck, "inode %" PRIu64 " is listed to be freed or cut, but does not wait for it",
			    ci->ino);
}

static void check_inode_done(struct check_inodes *c)
{
	if (!c->now.ino)
		return;
	check_inode_end(c->ck, &c->now);
	check_inode_links(c, &c->now);
	c->now = (struct check_inode){ .ino = 0 };
}

FIBER_FN static int check_inode_by(struct check *ck, const struct item *it, void *arg)
{
	struct check_inodes *c = arg;

	if (c->now.ino != key_obj(it->key)) {
		check_inode_done(c);
		c->now.ino = key_obj(it->key);
		if (!c->now.ino || c->now.ino >= ck->fs->next_ino)
			check_error(ck, "there is an inode %" PRIu64 ", which was never made", c->now.ino);
	}
	return check_inode_item(ck, &c->now, it);
}

/* What was named but never seen. */
static void check_dangling(struct check_inodes *c)
{
	for (uint64_t ino = c->lo; ino < c->hi; ino++) {
		const struct check_slot *s = check_slot(c, ino);

		if (s->links && !s->seen)
			check_error(c->ck, "directory %" PRIu64 " names inode %" PRIu64 ", which does not exist",
				    s->parent, ino);
		if (s->orphan && !s->seen)
			check_error(c->ck, "inode %" PRIu64 " is listed to be freed, but does not exist", ino);
	}
	if (c->lo == 0 && !c->slots[INO_ROOT].is_dir)
		check_error(c->ck, "there is no root directory");
}

/* Walk up from every directory: a way that ends in itself is cut off from the root. */
static void check_loops(struct check_inodes *c)
{
	c->slots[INO_ROOT].mark = MARK_GOOD;
	for (uint64_t ino = 0; ino < c->hi; ino++) {
		struct check_slot *s = &c->slots[ino];

		if (!s->is_dir || !s->links)
			continue;
		for (; s && s->mark == MARK_NONE; s = s->links ? check_slot(c, s->parent) : NULL)
			s->mark = MARK_PATH;
		if (s && s->mark == MARK_PATH)
			check_error(c->ck, "directory %" PRIu64 " lies below itself, and cannot be reached", ino);
		for (s = &c->slots[ino]; s && s->mark == MARK_PATH; s = s->links ? check_slot(c, s->parent) : NULL)
			s->mark = MARK_GOOD;
	}
}

FIBER_FN static int check_inodes_window(struct check_inodes *c)
{
	struct check *ck = c->ck;
	bool last = c->hi >= ck->fs->next_ino;
	int err;

	err = check_scan(ck, key_make(ZONE_FILE, 0, 0, 0), (struct key){ (ZONE_FILE + 1ULL) << KEY_BITS_LOW, 0 },
			 check_link, c);
	if (!err)
		err = check_scan(ck, key_make(ZONE_ORPHAN, 0, 0, 0),
				 key_make(ZONE_ORPHAN, KEY_LOW_MAX, 255, KEY_LOW_MAX), check_orphan, c);
	if (!err) /* numbers that were never made come with the last window */
		err = check_scan(ck, key_make(ZONE_FILE, c->lo, 0, 0),
				 key_make(ZONE_FILE, last ? KEY_LOW_MAX : c->hi - 1, 255, KEY_LOW_MAX),
				 check_inode_by, c);
	if (err)
		return err;
	check_inode_done(c);
	check_dangling(c);
	if (c->lo == 0 && last)
		check_loops(c);
	else if (last)
		check_warning(ck, "not enough memory to see that every directory is below the root");
	return 0;
}

int check_names(struct check *ck)
{
	struct check_inodes c = { .ck = ck };
	uint64_t inos = min_u64(check_inos_window(ck), max_u64(ck->fs->next_ino, INO_ROOT + 1));
	int err = 0;

	c.slots = malloc(inos * sizeof(*c.slots));
	if (!c.slots)
		return -ENOMEM;
	for (c.lo = 0; c.lo < ck->fs->next_ino && !err; c.lo = c.hi) {
		c.hi = c.lo + inos;
		memset(c.slots, 0, inos * sizeof(*c.slots));
		err = check_inodes_window(&c);
	}
	free(c.slots);
	return err;
}
