/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: every entry that READDIR tells is seen once in the order it is told, and a server that turns in circles is
 * found out.
 */

#include <stdlib.h>
#include <string.h>

#include "tools/nfs_file.h"

#define CHUNK	   (32 << 10)
#define NAMES_MAX  64
#define PASSES_MAX 1000000

/* One chunk's entries. */
static FIBER_FN int walk_chunk(struct nfs_compound *c, const dirlist4 *list, struct nfs_file_each each,
			       uint64_t *cookie)
{
	struct wire_dir_reader reader;
	struct wire_attrs attrs;
	entry4 entry;
	unsigned int nr = 0;
	int err;

	wire_dir_open(&reader, list);
	while ((err = wire_dir_next(&reader, &entry)) == 0) {
		if (entry.cookie == *cookie)
			return -ELOOP;
		if (nfs_op_attrs_of(c, &entry.attrs, &attrs))
			return -EPROTO;
		*cookie = entry.cookie;
		nr++;
		err = each.entry(each.owner, &entry, &attrs);
		if (err)
			return err;
	}
	if (err != -ENOENT)
		return err;
	return nr == 0 && !list->eof ? -ELOOP : 0;
}

FIBER_FN int nfs_file_readdir(struct nfs_session *session, const struct nfs_fh *dir, struct bitmap4 attrs,
			      uint32_t maxcount, struct nfs_file_each each)
{
	struct nfs_readdir args = { .attrs = attrs, .maxcount = maxcount ? maxcount : CHUNK };
	READDIR4resok ok = { 0 };
	struct nfs_compound c;
	uint32_t at;
	int err = 0;

	args.dircount = args.maxcount;
	nfs_compound_init(&c);
	while (!err && !ok.reply.eof) {
		nfs_session_begin(session, &c);
		c.cachethis = false;
		nfs_op_putfh(&c, dir);
		at = nfs_op_readdir(&c, &args);
		err = nfs_file_send(session, &c);
		if (!err)
			err = (int)c.status;
		if (!err && nfs_op_got_readdir(&c, at, &ok))
			err = -EPROTO;
		if (err)
			break;
		memcpy(args.verifier, ok.cookieverf, sizeof(args.verifier));
		err = walk_chunk(&c, &ok.reply, each, &args.cookie);
	}
	nfs_compound_release(&c);
	return err;
}

/* The first names of a directory: what was removed is not there the next time. */
struct names {
	unsigned int nr;
	struct {
		char *name;
		bool is_dir;
	} entries[NAMES_MAX];
};

static FIBER_FN int take_name(void *owner, const entry4 *entry, const struct wire_attrs *attrs)
{
	struct names *names = owner;

	if (names->nr == NAMES_MAX)
		return -EAGAIN;
	names->entries[names->nr].name = strndup(entry->name.component4_val, entry->name.component4_len);
	if (!names->entries[names->nr].name)
		return -ENOMEM;
	names->entries[names->nr++].is_dir = attrs->type == NF4DIR;
	return 0;
}

static FIBER_FN int remove_below(struct nfs_session *session, const struct nfs_fh *dir, unsigned int depth);

static FIBER_FN int remove_entry(struct nfs_session *session, const struct nfs_fh *dir, const char *name, bool is_dir,
				 unsigned int depth)
{
	struct nfs_fh fh;
	int err = 0;

	if (is_dir && depth >= NFS_FILE_PATH_MAX)
		return -ELOOP;
	if (is_dir)
		err = nfs_file_walk(session, dir, name, &fh);
	if (!err && is_dir)
		err = remove_below(session, &fh, depth + 1);
	return err ? err : nfs_file_remove(session, dir, name);
}

static FIBER_FN int remove_below(struct nfs_session *session, const struct nfs_fh *dir, unsigned int depth)
{
	struct names *names = calloc(1, sizeof(*names));
	int err = -EAGAIN;

	if (!names)
		return -ENOMEM;
	for (unsigned int pass = 0; err == -EAGAIN && pass < PASSES_MAX; pass++) {
		names->nr = 0;
		err = nfs_file_readdir(session, dir, NFS_ATTRS(FATTR4_TYPE), 0,
				       (struct nfs_file_each){ take_name, names });
		for (unsigned int i = 0; i < names->nr; i++) {
			if (!err || err == -EAGAIN) {
				int removed = remove_entry(session, dir, names->entries[i].name,
							   names->entries[i].is_dir, depth);

				err = removed ? removed : err;
			}
			free(names->entries[i].name);
		}
	}
	free(names);
	return err;
}

FIBER_FN int nfs_file_remove_tree(struct nfs_session *session, const struct nfs_fh *dir, const char *name)
{
	struct wire_attrs attrs;
	struct nfs_fh fh;
	int err = nfs_file_walk(session, dir, name, &fh);

	if (!err)
		err = nfs_file_getattr(session, &fh, NFS_ATTRS(FATTR4_TYPE), &attrs);
	return err ? err : remove_entry(session, dir, name, attrs.type == NF4DIR, 0);
}
