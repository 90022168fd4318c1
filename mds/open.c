/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Opens in memory and as items, and the arithmetic of share reservations.  For each file the numbers of opens with
 * each right and each denial are kept, so that an OPEN without a conflict looks at no other open.
 */

#include "mds/open.h"

#include <stdlib.h>
#include <string.h>

struct open *open_alloc(struct client *client, const void *owner, uint32_t owner_len)
{
	struct open *open = calloc(1, sizeof(*open) + OPEN_KEY_HEAD + owner_len);

	if (!open)
		return NULL;
	open->state.kind = STATE_OPEN;
	open->state.client = client;
	list_init(&open->state.by_client);
	list_init(&open->by_file);
	list_init(&open->holders);
	open->owner_len = owner_len;
	memcpy(open->key + 8, &client->id, sizeof(client->id));
	if (owner_len > 0)
		memcpy(open->key + OPEN_KEY_HEAD, owner, owner_len);
	return open;
}

void open_set_file(struct open *open, uint64_t ino, uint64_t generation)
{
	open->ino = ino;
	open->generation = generation;
	memcpy(open->key, &ino, sizeof(ino));
}

struct open *open_find(const struct mds *mds, const struct open *key)
{
	struct open *open;

	HASH_FIND(hh, mds->opens, key->key, OPEN_KEY_HEAD + key->owner_len, open);
	return open;
}

int open_write(struct txn *txn, const struct open *open, uint64_t number, uint32_t seqid,
	       const struct open_share *share, nfsstat4 revoked)
{
	struct {
		struct record_open head;
		uint8_t owner[NFS4_OPAQUE_LIMIT];
	} rec = { 0 };

	assert(open->owner_len <= NFS4_OPAQUE_LIMIT);
	rec.head.ino = le64_make(open->ino);
	rec.head.generation = le64_make(open->generation);
	rec.head.seqid = le32_make(seqid);
	rec.head.revoked = le32_make(revoked);
	rec.head.access = share->access;
	rec.head.deny = share->deny;
	rec.head.combos = le16_make(share->combos);
	rec.head.exclusive = open->exclusive;
	memcpy(rec.head.verifier, open->verifier, sizeof(rec.head.verifier));
	memcpy(rec.owner, open_owner(open), open->owner_len);
	return txn_put(txn, record_key(open->state.client->id, RECORD_OPEN, number), &rec,
		       sizeof(rec.head) + open->owner_len);
}

/* Count @share in the file's numbers, or no more. */
static void open_count(struct file *file, const struct open_share *share, int delta)
{
	for (int i = 0; i < 2; i++) {
		if (share->access & 1u << i)
			file->nr_access[i] += (unsigned int)delta;
		if (share->deny & 1u << i)
			file->nr_deny[i] += (unsigned int)delta;
	}
}

void open_add(struct mds *mds, struct open *open, struct file **spare)
{
	open->file = file_get(mds, open->ino, open->generation, spare);
	open->file->nr_opens++;
	list_add_tail(&open->by_file, &open->file->opens);
	open_count(open->file, &open->share, 1);
	HASH_ADD_KEYPTR(hh, mds->opens, open->key, OPEN_KEY_HEAD + open->owner_len, open);
	state_add(mds, &open->state);
	mds->nr_opens++;
	open->state.client->nr_opens++;
}

void open_set_share(struct open *open, const struct open_share *share)
{
	open_count(open->file, &open->share, -1);
	open->share = *share;
	open_count(open->file, &open->share, 1);
}

void open_detach(struct mds *mds, struct open *open)
{
	struct file *file = open->file;

	assert(list_is_empty(&open->holders));
	open_count(file, &open->share, -1);
	list_del(&open->by_file);
	HASH_DELETE(hh, mds->opens, open);
	open->file = NULL;
	mds->nr_opens--;
	open->state.client->nr_opens--;
	file_drop_open(mds, file);
}

static uint16_t open_combo(uint8_t access, uint8_t deny)
{
	return (uint16_t)(1u << (access | deny << 2));
}

struct open_share open_share_union(const struct open_share *a, uint8_t access, uint8_t deny)
{
	return (struct open_share){ a->access | access, a->deny | deny, a->combos | open_combo(access, deny) };
}

bool open_share_downgrade(const struct open_share *share, uint8_t access, uint8_t deny, struct open_share *ret_share)
{
	struct open_share left = { 0 };

	/* All OPENs that fit under what remains: if these do not add up to it, no fewer of them do. */
	for (uint8_t i = 0; i < 16; i++) {
		uint8_t a = i & 3, d = i >> 2;

		if (share->combos & 1u << i && !(a & ~access) && !(d & ~deny))
			left = open_share_union(&left, a, d);
	}
	if (left.access != access || left.deny != deny)
		return false;
	*ret_share = left;
	return true;
}

static bool open_in_the_way(const struct open_share *share, uint8_t access, uint8_t deny)
{
	return share->deny & access || share->access & deny;
}

struct open *open_conflict(const struct file *file, uint8_t access, uint8_t deny, const struct open *but)
{
	bool any = false;

	for (int i = 0; i < 2; i++) {
		if (access & 1u << i)
			any |= file->nr_deny[i] > (but && but->share.deny & 1u << i ? 1u : 0u);
		if (deny & 1u << i)
			any |= file->nr_access[i] > (but && but->share.access & 1u << i ? 1u : 0u);
	}
	if (!any)
		return NULL;
	list_for_each (pos, &file->opens) {
		struct open *open = list_entry(pos, struct open, by_file);

		assert(pos->next);
		if (open != but && open_in_the_way(&open->share, access, deny))
			return open;
	}
	return NULL;
}

struct open *open_of_verifier(const struct file *file, const uint8_t verifier[NFS4_VERIFIER_SIZE])
{
	list_for_each (pos, &file->opens) {
		struct open *open = list_entry(pos, struct open, by_file);

		if (open->exclusive && memcmp(open->verifier, verifier, NFS4_VERIFIER_SIZE) == 0)
			return open;
	}
	return NULL;
}
