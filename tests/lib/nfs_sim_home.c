/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: plain rules of POSIX on plain memory; nothing here knows of servers. */

#include "tests/lib/nfs_sim_home.h"

#include <stdio.h>
#include <string.h>

#include "dev/base.h"

const char *home_name(unsigned int name)
{
	static const char *const names[HOME_NAMES] = { "n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9" };

	return names[name];
}

unsigned int home_dir_of(unsigned int name)
{
	return name >= HOME_UPPER;
}

int home_free_inode(const struct home *h)
{
	for (int i = 0; i < HOME_INODES; i++)
		if (!h->inodes[i].type)
			return i;
	return -1;
}

int home_find_open(const struct home *h, unsigned int inode, unsigned int owner)
{
	for (int i = 0; i < HOME_OPENS; i++)
		if (h->opens[i].used && h->opens[i].inode == inode && h->opens[i].owner == owner)
			return i;
	return -1;
}

int home_free_open(const struct home *h)
{
	for (int i = 0; i < HOME_OPENS; i++)
		if (!h->opens[i].used)
			return i;
	return -1;
}

bool home_is_open(const struct home *h, unsigned int inode)
{
	for (unsigned int i = 0; i < HOME_OPENS; i++)
		if (h->opens[i].used && h->opens[i].inode == inode)
			return true;
	return false;
}

bool home_denies(const struct home *h, unsigned int inode, unsigned int owner, uint32_t access, uint32_t deny)
{
	for (unsigned int i = 0; i < HOME_OPENS; i++) {
		const struct home_open *o = &h->opens[i];

		if (o->used && o->inode == inode && o->owner != owner && ((o->deny & access) || (o->access & deny)))
			return true;
	}
	return false;
}

void home_settle(struct home *h, unsigned int inode)
{
	struct home_inode *in = &h->inodes[inode];

	if (in->type && (in->type == NF4DIR ? in->nlink < 2 : in->nlink == 0) && !home_is_open(h, inode))
		in->type = 0;
}

void home_touch(struct home_inode *inode)
{
	inode->change_is = HOME_MORE;
}

void home_unname(struct home *h, unsigned int name)
{
	unsigned int inode = h->names[name] - 1;

	h->names[name] = 0;
	h->inodes[inode].nlink -= h->inodes[inode].type == NF4DIR ? 2 : 1;
	home_touch(&h->inodes[inode]);
	home_settle(h, inode);
}

void home_forget_opens(struct home *h)
{
	memset(h->opens, 0, sizeof(h->opens));
	for (unsigned int i = 0; i < HOME_INODES; i++)
		home_settle(h, i);
}

void home_set_size(struct home_inode *inode, uint64_t size)
{
	if (size < inode->size)
		memset(inode->bytes + size, 0, inode->size - size);
	inode->size = size;
}

void home_pattern(void *bytes, uint64_t len, uint64_t seed)
{
	uint8_t *at = bytes;

	for (uint64_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		at[i] = (uint8_t)(seed >> 56 | 1);
	}
}

static char why[300];

static bool change_fits(enum home_change is, uint64_t known, uint64_t seen)
{
	return is == HOME_EXACT ? seen == known : is == HOME_MORE ? seen > known : seen >= known;
}

static const char *inode_differs(const char *name, const struct home_inode *h, const struct home_inode *s)
{
	if (h->type != s->type || h->mode != s->mode || h->nlink != s->nlink)
		snprintf(why, sizeof(why), "%s: type, mode, links are %u, %o, %u, not %u, %o, %u", name, s->type,
			 s->mode, s->nlink, h->type, h->mode, h->nlink);
	else if (h->fileid && (h->fileid != s->fileid || h->fh.len != s->fh.len ||
			       memcmp(h->fh.bytes, s->fh.bytes, s->fh.len) != 0))
		snprintf(why, sizeof(why), "%s: is inode %llu, not %llu, or has another handle", name,
			 (unsigned long long)s->fileid, (unsigned long long)h->fileid);
	else if (h->fileid && !change_fits(h->change_is, h->change, s->change))
		snprintf(why, sizeof(why), "%s: its change attribute is %llu, not %llu%s", name,
			 (unsigned long long)s->change, (unsigned long long)h->change,
			 h->change_is == HOME_EXACT ? "" : " or more");
	else if (h->type == NF4LNK && h->target != s->target)
		snprintf(why, sizeof(why), "%s: links to %u, not %u", name, s->target, h->target);
	else if (h->type == NF4REG && h->size != s->size)
		snprintf(why, sizeof(why), "%s: its size is %llu, not %llu", name, (unsigned long long)s->size,
			 (unsigned long long)h->size);
	else if (h->type == NF4REG && memcmp(h->bytes, s->bytes, h->size) != 0)
		snprintf(why, sizeof(why), "%s: other contents", name);
	else if (memcmp(h->xattrs, s->xattrs, sizeof(h->xattrs)) != 0)
		snprintf(why, sizeof(why), "%s: xattrs are %u and %u, not %u and %u", name, s->xattrs[0],
			 s->xattrs[1], h->xattrs[0], h->xattrs[1]);
	else
		return NULL;
	return why;
}

/* Names are of one inode if and only if the model says so. */
static const char *twins_differ(const struct home *h, const struct home_seen *seen)
{
	for (unsigned int a = 0; a < HOME_NAMES; a++)
		for (unsigned int b = 0; b < a; b++) {
			if (!h->names[a] || !h->names[b])
				continue;
			if ((h->names[a] == h->names[b]) == (seen->inodes[a].fileid == seen->inodes[b].fileid))
				continue;
			snprintf(why, sizeof(why), "%s and %s: one inode, or two?", home_name(a), home_name(b));
			return why;
		}
	return NULL;
}

const char *home_differs(const struct home *h, const struct home_seen *seen)
{
	for (unsigned int d = 0; d < 2; d++)
		if (!change_fits(h->dirs[d].change_is, h->dirs[d].change, seen->dirs[d].change)) {
			snprintf(why, sizeof(why), "directory %u: its change attribute is %llu, not %llu (%d)", d,
				 (unsigned long long)seen->dirs[d].change, (unsigned long long)h->dirs[d].change,
				 h->dirs[d].change_is);
			return why;
		}
	for (unsigned int i = 0; i < HOME_NAMES; i++) {
		const char *text;

		if (seen->there[i] != (h->names[i] != 0)) {
			snprintf(why, sizeof(why), "%s: is %sthere", home_name(i), seen->there[i] ? "" : "not ");
			return why;
		}
		text = seen->there[i] ? inode_differs(home_name(i), &h->inodes[h->names[i] - 1], &seen->inodes[i])
				      : NULL;
		if (text)
			return text;
	}
	return twins_differ(h, seen);
}

void home_adopt(struct home *h, const struct home_seen *seen)
{
	for (unsigned int d = 0; d < 2; d++) {
		h->dirs[d].change = seen->dirs[d].change;
		h->dirs[d].change_is = HOME_EXACT;
	}
	for (unsigned int i = 0; i < HOME_NAMES; i++) {
		struct home_inode *inode;

		if (!seen->there[i])
			continue;
		inode = &h->inodes[h->names[i] - 1];
		inode->fileid = seen->inodes[i].fileid;
		inode->fh = seen->inodes[i].fh;
		inode->change = seen->inodes[i].change;
		inode->change_is = HOME_EXACT;
	}
}
