/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: equal numbers give equal transactions; different ones differ somewhere. */

#include "tests/lib/sample_txn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extent/record.h"
#include "tests/lib/dice.h"

/* Most have one to four small changes, some have many large ones. */
static uint32_t changes_of(struct dice *dice)
{
	return 1 + (uint32_t)dice_below(dice, dice_below(dice, 20) == 0 ? 40 : 4);
}

static struct record_change change_of(struct dice *dice, uint64_t seq, unsigned int life, uint32_t i)
{
	struct record_change c = { .key = { seq, (uint64_t)life << 32 | i }, .op = CHANGE_DELETE };

	if (dice_below(dice, 8) > 0) {
		c.op = CHANGE_PUT;
		c.len = (uint16_t)dice_below(dice, dice_below(dice, 10) == 0 ? ITEM_VALUE_MAX + 1 : 300);
	}
	return c;
}

static struct dice dice_of(uint64_t seq, unsigned int life)
{
	return (struct dice){ seq * 1000003 + life };
}

static void fill_value(uint8_t *val, const struct record_change *c)
{
	memset(val, (int)((c->key.hi * 7 + c->key.lo) % 255), c->len);
}

size_t sample_txn_size(uint64_t seq, unsigned int life)
{
	struct dice dice = dice_of(seq, life);
	uint32_t nr = changes_of(&dice);
	size_t size = 0;

	for (uint32_t i = 0; i < nr; i++)
		size += record_change_size(change_of(&dice, seq, life, i).len);
	return size;
}

uint32_t sample_txn_write(void *at, uint64_t seq, unsigned int life)
{
	struct dice dice = dice_of(seq, life);
	uint32_t nr = changes_of(&dice);
	uint8_t val[ITEM_VALUE_MAX];
	uint8_t *pos = at;

	for (uint32_t i = 0; i < nr; i++) {
		struct record_change c = change_of(&dice, seq, life, i);

		fill_value(val, &c);
		c.val = val;
		pos += record_change_write(pos, &c);
	}
	return nr;
}

FIBER_FN int sample_txn_add(struct journal *j, unsigned int life, uint64_t *ret_seq)
{
	/* The number, and with it the size, may have moved on while waiting. */
	for (;;) {
		uint64_t seq = journal_next_seq(j);
		size_t size = sample_txn_size(seq, life);
		int err = journal_wait_room(j, size);

		if (err)
			return err;
		if (journal_next_seq(j) != seq)
			continue;
		*ret_seq = journal_commit(j, size, sample_txn_write(journal_begin(j), seq, life));
		return *ret_seq == seq ? 0 : -EPROTO;
	}
}

static unsigned int life_of(const struct sample_check *check, uint64_t seq)
{
	unsigned int life = check->nr_lives - 1;

	while (life > 0 && seq < check->first_seq[life])
		life--;
	return life;
}

int sample_check_txn(void *arg, uint64_t seq, const void *changes, size_t len, uint32_t nr)
{
	struct sample_check *check = arg;
	unsigned int life = life_of(check, seq);
	size_t size = sample_txn_size(seq, life);
	uint8_t *want;
	bool same;

	if (seq != check->last_seq + 1 || len != size) {
		fprintf(stderr, "transaction %" PRIu64 " of %zu bytes comes after %" PRIu64 "\n", seq, len,
			check->last_seq);
		return -EPROTO;
	}
	want = malloc(size);
	if (!want)
		return -ENOMEM;
	same = sample_txn_write(want, seq, life) == nr && memcmp(want, changes, size) == 0;
	free(want);
	if (!same) {
		fprintf(stderr, "transaction %" PRIu64 " is not what life %u wrote\n", seq, life);
		return -EPROTO;
	}
	check->last_seq = seq;
	return 0;
}
