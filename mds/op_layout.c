/* SPDX-License-Identifier: Apache-2.0 */

/* Types, keys and limits of layouts, for all operations about them. */

#include "mds/op_layout.h"

#include "mds/config.h"
#include "mds/open.h"
#include "mds/status.h"

nfsstat4 layout_check_type(const struct compound *c, layouttype4 type, enum layout_kind *ret_kind)
{
	if (type == LAYOUT4_SCSI)
		*ret_kind = LAYOUT_SCSI;
	else if (type == LAYOUT4_BLOCK_VOLUME)
		*ret_kind = LAYOUT_BLOCK;
	else
		return NFS4ERR_UNKNOWN_LAYOUTTYPE;
	return layout_kinds_of(c, &c->fh) & *ret_kind ? NFS4_OK : NFS4ERR_LAYOUTUNAVAILABLE;
}

layouttype4 layout_wire_type(enum layout_kind kind)
{
	return kind == LAYOUT_SCSI ? LAYOUT4_SCSI : LAYOUT4_BLOCK_VOLUME;
}

bool layout_is_stateid(const struct stateid4 *stateid)
{
	return state_kind_of(stateid) == STATE_LAYOUT;
}

bool layout_is_room(const struct mds *mds, const struct client *client)
{
	const struct config_limits *l = &mds->config->limits;

	return mds->layouts->nr < l->layouts && client->nr_layouts < l->layouts_per_client;
}

struct key_work {
	const struct client *client;
	uint64_t key;
};

static int key_body(struct txn *txn, void *arg)
{
	struct key_work *w = arg;

	return fence_key(txn, w->client->owner, w->client->owner_len, &w->key);
}

FIBER_FN nfsstat4 layout_client_key(struct compound *c, uint64_t *ret_key)
{
	struct txn_options opt = { .name = "reservation key", .log_max = FENCE_LOG_KEY };
	struct key_work w = { .client = c->client };
	uint64_t seq = 0;
	int err = 0;

	if (c->client->key == 0) {
		err = txn_run(c->mds->fs, &opt, key_body, &w, &seq);
		if (err)
			return nfs_status(err);
		compound_did(c, seq);
		c->client->key = w.key;
	}
	*ret_key = c->client->key;
	return NFS4_OK;
}

bool layout_is_open(const struct file *file, const struct client *client, bool write)
{
	const struct deleg *deleg;

	if (!file)
		return false;
	list_for_each (pos, &file->opens) {
		const struct open *open = list_entry(pos, struct open, by_file);

		if (open->state.client == client && (!write || open->share.access & OPEN4_SHARE_ACCESS_WRITE))
			return true;
	}
	deleg = deleg_of(file, client);
	return deleg && (!write || deleg->write);
}
