// SPDX-License-Identifier: Apache-2.0
/*
 * Promises: a session's items go with it, and none is written for a session that is gone; so what is found at the
 * start has its session.
 */

#include "mds/callback_number.h"

#include <string.h>

#include "extent/txn.h"
#include "mds/backchannel.h"
#include "mds/client_record.h"

struct number_work {
	const struct mds *mds;
	char session[NFS4_SESSIONID_SIZE];
	struct key key;
	uint32_t seqid;
};

static int write_body(struct txn *txn, void *arg)
{
	const struct number_work *w = arg;
	const struct record_callback rec = { .seqid = le32_make(w->seqid) };

	if (!session_find(w->mds, w->session))
		return -ENOENT;
	return txn_put(txn, w->key, &rec, sizeof(rec));
}

FIBER_FN int callback_number_write(struct mds *mds, const struct session *session, uint32_t slot, uint32_t seqid)
{
	/* A full volume must be able to call its clients: they may free space upon it. */
	static const struct txn_options opt = { .name = "callback", .log_max = 64, .frees_space = true };
	struct number_work w = {
		.mds = mds,
		.key = record_key(session->client->id, RECORD_CALLBACK, record_callback_off(session->number, slot)),
		.seqid = seqid,
	};
	uint64_t seq;
	int err;

	memcpy(w.session, session->id, sizeof(w.session));
	err = txn_run(mds->fs, &opt, write_body, &w, &seq);
	return err ? err : txn_wait_durable(mds->fs, seq);
}

int callback_number_erase(struct txn *txn, uint64_t client, uint64_t number)
{
	struct key first = record_key(client, RECORD_CALLBACK, record_callback_off(number, 0));
	struct key last = record_key(client, RECORD_CALLBACK, record_callback_off(number + 1, 0) - 1);
	struct item item;
	int err;

	while (!(err = txn_next(txn, first, last, &item))) {
		err = txn_delete(txn, item.key);
		if (err)
			return err;
	}
	return err == -ENOENT ? 0 : err;
}

int callback_number_load(struct session *session, const struct item *item)
{
	const struct record_callback *rec = item->val;

	if (item->len != sizeof(*rec))
		return -EUCLEAN;
	return backchannel_load_number(session, key_off(item->key) & 0xff, le32_get(rec->seqid));
}
