/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of names: every entry leads to an inode of its type, every inode has as many names as it says, every
 * directory one, in its parent, and every directory is below the root.  The inodes are gone through in windows
 * that fit in memory; for each, all entries are read first, then the inodes of the window.  A window is so many
 * inodes that are there, not so many numbers: numbers are never used again, and a damaged volume may claim any of
 * them.
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
	uint64_t ino;
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
	uint64_t lo, hi;	  /* inode numbers [lo, hi) */
	bool last;		  /* there are none behind hi */
	struct check_slot *slots; /* of those that have items, in ascending order */
	size_t nr, max;
	struct check_inode now; /* the one whose items come by; ino 0: none yet */
};

static uint64_t check_inos_window(const struct check *ck)
{
	return max_u64(ck->memory / sizeof(struct check_slot), 16);
}

uint64_t check_names_passes(const struct check *ck)
{
	/* For the progress alone, so a wrong count of a damaged volume does no harm. */
	return min_u64(ck->fs->counts.inodes / check_inos_window(ck), 1000) + 2;
}

static int check_slot_order(const void *key, const void *slot)
{
	uint64_t a = *(const uint64_t *)key, b = ((const struct check_slot *)slot)->ino;

	return a < b ? -1 : a > b;
}

static struct check_slot *check_slot(struct check_inodes *c, uint64_t ino)
{
	return bsearch(&ino, c->slots, c->nr, sizeof(*c->slots), check_slot_order);
}

static bool check_in_window(const struct check_inodes *c, uint64_t ino)
{
	return ino >= c->lo && ino < c->hi;
}

static void check_no_inode(struct check *ck, uint64_t dir, uint64_t ino)
{
	check_error(ck, "directory %" PRIu64 " names inode %" PRIu64 ", which does not exist", dir, ino);
}

static void check_no_orphan(struct check *ck, uint64_t ino)
{
	check_error(ck, "inode %" PRIu64 " is listed to be freed, but does not exist", ino);
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
	if (!check_in_window(c, le64_get(disk->ino)))
		return 0;
	s = check_slot(c, le64_get(disk->ino));
	if (!s) {
		if (le64_get(disk->ino) < ck->fs->next_ino)
			check_no_inode(ck, key_obj(it->key), le64_get(disk->ino));
		return 0;
	}
	s->mixed = s->links && s->type != disk->type;
	s->type = disk->type;
	s->links++;
	s->parent = key_obj(it->key);
	return 0;
}

static int check_orphan(struct check *ck, const struct item *it, void *arg)
{
	struct check_inodes *c = arg;
	uint64_t ino = key_off(it->key);
	struct check_slot *s = check_slot(c, ino);

	if (s)
		s->orphan = true;
	else if (c->lo == 0 && ino >= ck->fs->next_ino)
		check_error(ck, "inode %" PRIu64 " is listed to be freed, but was never made", ino);
	else if (check_in_window(c, ino) && ino < ck->fs->next_ino)
		check_no_orphan(ck, ino);
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
	const struct check_slot *root = check_slot(c, INO_ROOT);

	for (size_t i = 0; i < c->nr; i++) {
		const struct check_slot *s = &c->slots[i];

		if (s->links && !s->seen)
			check_no_inode(c->ck, s->parent, s->ino);
		if (s->orphan && !s->seen)
			check_no_orphan(c->ck, s->ino);
	}
	if (c->lo == 0 && (!root || !root->is_dir))
		check_error(c->ck, "there is no root directory");
}

/* Walk up from every directory: a way that ends in itself is cut off from the root. */
static void check_loops(struct check_inodes *c)
{
	struct check_slot *root = check_slot(c, INO_ROOT), *s;

	if (root)
		root->mark = MARK_GOOD;
	for (size_t i = 0; i < c->nr; i++) {
		if (!c->slots[i].is_dir || !c->slots[i].links)
			continue;
		for (s = &c->slots[i]; s && s->mark == MARK_NONE; s = s->links ? check_slot(c, s->parent) : NULL)
			s->mark = MARK_PATH;
		if (s && s->mark == MARK_PATH)
			check_error(c->ck, "directory %" PRIu64 " lies below itself, and cannot be reached",
				    c->slots[i].ino);
		for (s = &c->slots[i]; s && s->mark == MARK_PATH; s = s->links ? check_slot(c, s->parent) : NULL)
			s->mark = MARK_GOOD;
	}
}

/* Inodes looked up in one body. */
#define CHECK_LOT 256

/* Add the next inodes that are there to the window: some, or the last ones. */
static int check_window_body(struct txn *txn, void *arg)
{
	struct check_inodes *c = arg;
	uint64_t hi = c->hi;
	size_t nr = c->nr;
	bool last = false;

	for (unsigned int i = 0; i < CHECK_LOT && nr < c->max && !last; i++) {
		struct item item;
		int err = -ENOENT;

		if (hi <= KEY_LOW_MAX)
			err = txn_next(txn, key_make(ZONE_FILE, hi, 0, 0),
				       key_make(ZONE_FILE, KEY_LOW_MAX, 255, KEY_LOW_MAX), &item);
		if (err && err != -ENOENT)
			return err;
		last = err;
		if (last)
			break;
		c->slots[nr++] = (struct check_slot){ .ino = key_obj(item.key) };
		hi = key_obj(item.key) + 1;
	}
	c->nr = nr;
	c->last = last;
	c->hi = last ? KEY_LOW_MAX + 1 : hi;
	return 0;
}

FIBER_FN static int check_window_fill(struct check_inodes *c)
{
	int err = 0;

	c->lo = c->hi;
	c->nr = 0;
	while (!err && !c->last && c->nr < c->max)
		err = txn_read(c->ck->fs, check_window_body, c);
	if (err)
		check_error(c->ck, "the inodes behind %" PRIu64 " cannot be read: %s", c->hi, strerror(-err));
	return err;
}

FIBER_FN static int check_inodes_window(struct check_inodes *c)
{
	struct check *ck = c->ck;
	int err;

	err = check_scan(ck, key_make(ZONE_FILE, 0, 0, 0), (struct key){ (ZONE_FILE + 1ULL) << KEY_BITS_LOW, 0 },
			 check_link, c);
	if (!err)
		err = check_scan(ck, key_make(ZONE_ORPHAN, 0, 0, 0),
				 key_make(ZONE_ORPHAN, KEY_LOW_MAX, 255, KEY_LOW_MAX), check_orphan, c);
	if (!err)
		err = check_scan(ck, key_make(ZONE_FILE, c->lo, 0, 0),
				 key_make(ZONE_FILE, c->hi - 1, 255, KEY_LOW_MAX), check_inode_by, c);
	if (err)
		return err;
	check_inode_done(c);
	check_dangling(c);
	if (c->lo == 0 && c->last)
		check_loops(c);
	else if (c->last)
		check_warning(ck, "not enough memory to see that every directory is below the root");
	return 0;
}

int check_names(struct check *ck)
{
	struct check_inodes c = { .ck = ck, .max = check_inos_window(ck) };
	int err = 0;

	c.slots = malloc(c.max * sizeof(*c.slots));
	if (!c.slots)
		return -ENOMEM;
	while (!err && !c.last) {
		err = check_window_fill(&c);
		if (!err)
			err = check_inodes_window(&c);
	}
	free(c.slots);
	return err;
}
