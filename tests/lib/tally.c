/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: a store that has lost something promised, or made up something, ends the test. */

#include "tests/lib/tally.h"

#include <inttypes.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/tree_model.h"

static struct key tally_key(const struct tally *tally)
{
	return key_make(ZONE_STATE, 0, 0, tally->id);
}

int tally_put(struct txn *txn, const struct tally *tally, uint64_t *ret_nr)
{
	*ret_nr = tally->nr + 1;
	return txn_put(txn, tally_key(tally), ret_nr, sizeof(*ret_nr));
}

int tally_wait(struct tally *tally, uint64_t nr, uint64_t seq)
{
	int err = txn_wait_durable(tally->store->fs, seq);

	if (!err)
		tally->durable_nr = max_u64(tally->durable_nr, nr);
	return err;
}

struct tally_read {
	const struct tally *tally;
	uint64_t nr;
};

static int tally_body(struct txn *txn, void *arg)
{
	struct tally_read *read = arg;
	struct item item;
	int err;

	err = txn_get(txn, tally_key(read->tally), &item);
	if (!err)
		memcpy(&read->nr, item.val, sizeof(read->nr));
	return err;
}

void tally_mounted(struct tally *tally, bool crash)
{
	struct tally_read read = { tally, 0 };
	int err = txn_read(tally->store->fs, tally_body, &read);

	CHECK(err == 0 || err == -ENOENT);
	if (read.nr < tally->durable_nr || read.nr > tally->nr)
		tree_fail("%" PRIu64 " operations are there; %" PRIu64 " were promised, %" PRIu64 " made", read.nr,
			  tally->durable_nr, tally->nr);
	CHECK(crash || read.nr == tally->nr);
	tally->lost += tally->nr - read.nr;
	tally->nr = tally->base_nr = tally->durable_nr = read.nr;
}
