// SPDX-License-Identifier: Apache-2.0
/*
 * Asynchronous copies when the server starts.  Promises: each goes on behind what its item says was done, or its end
 * is told again; an item that makes no sense is damage (-EUCLEAN), nothing is guessed (I12).
 */

#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "mds/client.h"
#include "mds/copy.h"
#include "mds/state_record.h"

struct load_work {
	struct client *client;
	unsigned int nr;
	bool damaged;
	uint64_t numbers[COPY_ASYNC_MAX];
	struct record_copy recs[COPY_ASYNC_MAX];
};

static int load_body(struct txn *txn, void *arg)
{
	struct load_work *w = arg;
	struct key from = record_key(w->client->id, RECORD_COPY, 0);
	struct key last = record_key(w->client->id, RECORD_COPY, KEY_LOW_MAX);
	struct item item;
	int err;

	w->nr = 0;
	w->damaged = false;
	while (!(err = txn_next(txn, from, last, &item))) {
		w->damaged |= w->nr == COPY_ASYNC_MAX || item.len != sizeof(w->recs[0]);
		if (w->damaged)
			return 0;
		w->numbers[w->nr] = key_off(item.key);
		memcpy(&w->recs[w->nr++], item.val, sizeof(w->recs[0]));
		from = key_next(item.key);
	}
	return err == -ENOENT ? 0 : err;
}

static struct data_range range_of(const struct record_copy_range *rec)
{
	return (struct data_range){ le64_get(rec->ino), le64_get(rec->generation), le64_get(rec->off) };
}

static bool range_is_possible(const struct data_range *range, uint64_t len)
{
	return len <= INODE_SIZE_MAX && range->off <= INODE_SIZE_MAX - len;
}

static int load_one(struct mds *mds, struct client *client, uint64_t number, const struct record_copy *rec)
{
	struct data_range src = range_of(&rec->src), dst = range_of(&rec->dst);
	uint64_t len = le64_get(rec->len), done = le64_get(rec->done), written = le64_get(rec->written);
	struct copy_job job;
	struct copy *copy;
	int err;

	if (rec->finished > 1 || done > len || written > done || !range_is_possible(&src, len) ||
	    !range_is_possible(&dst, len))
		return -EUCLEAN;
	err = copy_job_init(&job, mds->fs, &src, &dst, len);
	if (err)
		return err;
	job.done = done;
	job.written = written;
	err = copy_make(mds, client, &job, &copy);
	if (err) {
		copy_job_release(&job);
		return err;
	}
	copy->number = number;
	memcpy(copy->fh, rec->fh, sizeof(copy->fh));
	copy->finished = rec->finished;
	copy->status = le32_get(rec->status);
	copy_go(copy, true);
	return 0;
}

static FIBER_FN int load_client(struct mds *mds, struct load_work *w, unsigned int *nr)
{
	int err = txn_read(mds->fs, load_body, w);

	if (!err && (w->damaged || *nr + w->nr > COPY_ASYNC_MAX))
		err = -EUCLEAN;
	for (unsigned int i = 0; !err && i < w->nr; i++)
		err = load_one(mds, w->client, w->numbers[i], &w->recs[i]);
	*nr += w->nr;
	return err;
}

FIBER_FN int copy_load(struct mds *mds)
{
	struct load_work *w = calloc(1, sizeof(*w));
	struct client *client, *next;
	unsigned int nr = 0;
	int err = 0;

	if (!w)
		return -ENOMEM;
	HASH_ITER (hh, mds->clients, client, next) {
		w->client = client;
		err = load_client(mds, w, &nr);
		if (err)
			break;
	}
	if (err == -EUCLEAN)
		log_err("the copies of client %lx are damaged", (unsigned long)client->id);
	free(w);
	return err;
}
