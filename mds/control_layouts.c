/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document about layouts.  Promises: members keep their names, lamina-layouts(8) has them; it is made and sent
 * layout by layout, others get their turn between, and a layout that comes or goes meanwhile is in it or not.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extent/name.h"
#include "mds/control_int.h"
#include "mds/layout.h"

/* A layout, in the order in which they are told. */
struct place {
	uint64_t ino, number;
};

static const struct layout *layout_at(const struct mds *mds, uint64_t number)
{
	const struct state *state = state_lookup(mds, number, STATE_LAYOUT);

	return state ? container_of(state, struct layout, state) : NULL;
}

static const char *state_text(const struct layout *layout)
{
	if (layout->state.revoked)
		return layout->file ? "lost" : "revoked";
	if (layout->returned != LAYOUT_NOT_RETURNED)
		return "returned";
	if (layout->recalled)
		return "recalled";
	return grants_have(&layout->grants, GRANT_HELD) ? "held" : "late";
}

static const char *fence_text(const struct mds *mds, uint64_t key)
{
	switch (mds->layouts && mds->layouts->fence ? fence_state_of(mds->layouts->fence, key) : FENCE_NONE) {
	case FENCE_NONE:
		return "none";
	case FENCE_BEGUN:
		return "begun";
	case FENCE_PROVED:
		return "proved";
	}
	return "none";
}

static const char *grant_text(uint32_t bits)
{
	if (bits & GRANT_RW)
		return "write";
	return bits & GRANT_READ ? "read" : "late";
}

static void add_key(struct json_object *o, const char *name, uint64_t value)
{
	char text[19];

	snprintf(text, sizeof(text), "0x%016" PRIx64, value);
	control_add_text(o, name, text);
}

static void add_grants(struct json_object *o, const struct layout *layout)
{
	struct json_object *grants = control_add_array(o, "grants");

	for (unsigned int i = 0; i < layout->grants.nr; i++) {
		const struct grant *run = &layout->grants.v[i];
		struct json_object *g = json_object_new_object();

		control_add_u64(g, "offset", run->blk * DADDR_BLOCK_SIZE);
		control_add_u64(g, "length", run->nr * DADDR_BLOCK_SIZE);
		control_add_text(g, "mode", grant_text(run->bits));
		control_add_bool(g, "fresh", run->bits & GRANT_FRESH);
		json_object_array_add(grants, g);
	}
}

static struct json_object *layout_json(const struct mds *mds, const struct layout *layout)
{
	const struct client *client = layout->state.client;
	struct json_object *o = json_object_new_object();
	char id[17];

	control_add_u64(o, "inode", layout->ino);
	snprintf(id, sizeof(id), "%016" PRIx64, client->id);
	control_add_text(o, "client", client->id ? id : NULL);
	control_add_text(o, "address", client->peer[0] ? client->peer : NULL);
	control_add_text(o, "type", layout->kind == LAYOUT_SCSI ? "scsi" : "block");
	control_add_text(o, "state", state_text(layout));
	add_key(o, "key", layout->key);
	control_add_text(o, "fence", fence_text(mds, layout->key));
	control_add_u64(o, "seqid", layout->state.seqid);
	control_add_bool(o, "return_on_close", layout->return_on_close);
	add_grants(o, layout);
	return o;
}

static int place_cmp(const void *a, const void *b)
{
	struct place x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	if (x.ino != y.ino)
		return x.ino < y.ino ? -1 : 1;
	return x.number < y.number ? -1 : x.number > y.number;
}

/* All layouts there are now, of inode @ino unless that is 0, in order; NULL: no memory. */
static struct place *places_of(const struct mds *mds, uint64_t ino, size_t *ret_nr)
{
	size_t room = 0, nr = 0;
	struct place *places;

	for (const struct state *state = mds->states; state; state = state->hh.next)
		room += state->kind == STATE_LAYOUT;
	places = calloc(room + 1, sizeof(*places));
	if (!places)
		return NULL;
	for (const struct state *state = mds->states; state && nr < room; state = state->hh.next) {
		const struct layout *layout = container_of(state, struct layout, state);

		if (state->kind == STATE_LAYOUT && (ino == 0 || layout->ino == ino))
			places[nr++] = (struct place){ layout->ino, state->number };
	}
	qsort(places, nr, sizeof(*places), place_cmp);
	*ret_nr = nr;
	return places;
}

struct find_work {
	const char *path;
	uint64_t ino;
};

/* The path's inode, from the volume's root. */
static int find_body(struct txn *txn, void *arg)
{
	struct find_work *w = arg;
	const char *at = w->path;
	int err = 0;

	w->ino = INO_ROOT;
	while (!err) {
		struct name_result r;
		struct name_at name;

		at += strspn(at, "/");
		if (!*at)
			break;
		name = (struct name_at){ w->ino, at, strcspn(at, "/") };
		err = name_lookup(txn, &name, &r);
		w->ino = r.inode.ino;
		at += name.len;
	}
	return err;
}

static FIBER_FN int find_file(struct fs *fs, const char *file, uint64_t *ret_ino)
{
	struct find_work w = { .path = file };
	int err;

	if (strspn(file, "0123456789") == strlen(file) && *file) {
		errno = 0;
		*ret_ino = strtoull(file, NULL, 10);
		return errno || *ret_ino == 0 ? -ENOENT : 0;
	}
	err = txn_read(fs, find_body, &w);
	*ret_ino = w.ino;
	return err;
}

struct places {
	const struct mds *mds;
	const struct place *list;
};

static struct json_object *layout_element(const void *arg, size_t i)
{
	const struct places *places = arg;
	const struct layout *layout = layout_at(places->mds, places->list[i].number);

	return layout ? layout_json(places->mds, layout) : NULL;
}

FIBER_FN void control_layouts(const struct control_options *opt, const char *file, struct control_out *out)
{
	const struct mds *mds = opt->mds;
	struct places places = { .mds = mds };
	struct place *list;
	uint64_t ino = 0;
	size_t nr = 0;

	if (file && find_file(mds->fs, file, &ino) != 0) {
		control_out_error(out, "there is no such file on the volume");
		return;
	}
	list = places_of(mds, ino, &nr);
	if (!list) {
		control_out_error(out, "no memory");
		return;
	}
	places.list = list;
	control_out_text(out, "{\"layouts\":");
	control_out_list(out, nr, layout_element, &places);
	control_out_text(out, "}");
	free(list);
}
