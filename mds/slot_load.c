/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots from their items, when the server starts.  Promises: only a record that is whole and makes sense is taken;
 * file handles in it mean what they meant, or the request is answered as one whose reply was not kept.
 */

#include <stdlib.h>
#include <string.h>

#include "mds/client_record.h"
#include "mds/session.h"

struct reader {
	const uint8_t *at;
	uint32_t left;
};

static bool take(struct reader *r, void *to, uint32_t len)
{
	if (r->left < len)
		return false;
	memcpy(to, r->at, len);
	r->at += len;
	r->left -= len;
	return true;
}

/*
 * A handle was checked against the peer's address when it came in.  There is no peer here: whoever repeats the
 * request is who sent it, and the rule is found again then.
 */
static bool take_fh(struct reader *r, struct slot_fh *ret)
{
	ret->is_set = true;
	return take(r, ret->bytes, FH_SIZE);
}

/* All parts are there: take the record apart. */
static int slot_open(struct slot *slot)
{
	struct reader r = { slot->reply, slot->reply_len };
	uint32_t flags = slot->load_flags;

	if (flags & RECORD_SLOT_UNCACHED) {
		slot->state = SLOT_UNCACHED;
		free(slot->reply);
		slot->reply = NULL;
		slot->reply_len = 0;
		return 0;
	}
	slot->has_stateid = (flags & RECORD_SLOT_STATEID) != 0;
	slot->has_saved_stateid = (flags & RECORD_SLOT_SAVED_STATEID) != 0;
	if (((flags & RECORD_SLOT_FH) && !take_fh(&r, &slot->fh)) ||
	    ((flags & RECORD_SLOT_SAVED_FH) && !take_fh(&r, &slot->saved_fh)) ||
	    (slot->has_stateid && !take(&r, &slot->stateid, sizeof(slot->stateid))) ||
	    (slot->has_saved_stateid && !take(&r, &slot->saved_stateid, sizeof(slot->saved_stateid))) ||
	    r.left % 4 != 0)
		return -EUCLEAN;
	memmove(slot->reply, r.at, r.left);
	slot->reply_len = r.left;
	slot->state = SLOT_PARTIAL;
	return 0;
}

static int slot_load_head(struct slot *slot, const struct item *item)
{
	const struct record_slot *rec = item->val;
	uint32_t len;

	if (item->len < sizeof(*rec))
		return -EUCLEAN;
	len = le32_get(rec->len);
	if (len > RECORD_SLOT_BYTES_MAX || le32_get(rec->nr_done) == 0)
		return -EUCLEAN;
	slot->reply = malloc(len ? len : 1);
	if (!slot->reply)
		return -ENOMEM;
	slot->seqid = le32_get(rec->seqid);
	slot->nr_done = le32_get(rec->nr_done);
	slot->digest = le64_get(rec->digest);
	slot->nr_parts = le16_get(rec->nr_parts);
	slot->load_flags = le16_get(rec->flags);
	slot->load_len = len;
	slot->state = SLOT_UNCACHED;
	return 0;
}

int slot_load(struct mds *mds, struct session *session, uint32_t nr, unsigned int part, const struct item *item)
{
	struct slot *slot = &session->slots[nr];
	const uint8_t *bytes = item->val;
	uint32_t len = (uint32_t)item->len;
	int err;

	if (part == 0) {
		err = slot_load_head(slot, item);
		if (err)
			return err;
		bytes += sizeof(struct record_slot);
		len -= (uint32_t)sizeof(struct record_slot);
	}
	if (!slot->reply || part >= slot->nr_parts || len > slot->load_len - slot->reply_len)
		return -EUCLEAN;
	memcpy(slot->reply + slot->reply_len, bytes, len);
	slot->reply_len += len;
	if (part + 1 < slot->nr_parts)
		return 0;
	return slot->reply_len == slot->load_len ? slot_open(slot) : -EUCLEAN;
}
