/* SPDX-License-Identifier: Apache-2.0 */

/* A record comes back as it was sealed; nothing else is taken for one; reading stays inside whatever it is given. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "extent/record.h"
#include "extent/sum.h"

static const struct record_owner owner = { .volume_uuid = "0123456789abcde", .era = 77 };

/* SplitMix64: the test's own chance, from the seed that it prints. */
static uint64_t rnd_state;

static uint64_t rnd(uint64_t bound)
{
	uint64_t z = rnd_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (z ^ z >> 31) % bound;
}

struct sample {
	uint8_t *rec;
	struct record_info info;
	uint32_t nr_changes[64];
};

/* Every change of a sample can be computed from where it stands. */
static struct record_change sample_change(uint32_t txn, uint32_t nr, const uint8_t *val)
{
	struct record_change c = { .key = { txn + 1, nr }, .op = (txn + nr) % 3 ? CHANGE_PUT : CHANGE_DELETE };

	if (c.op == CHANGE_PUT) {
		c.len = (uint16_t)((txn * 131 + nr * 17) % 400);
		c.val = val;
	}
	return c;
}

static size_t add_txn(uint8_t *at, uint32_t txn, uint32_t nr_changes, const uint8_t *val)
{
	struct disk_txn head = { .nr = le32_make(nr_changes) };
	size_t len = 0;

	for (uint32_t i = 0; i < nr_changes; i++) {
		struct record_change c = sample_change(txn, i, val);

		len += record_change_write(at + sizeof(head) + len, &c);
	}
	head.len = le32_make((uint32_t)len);
	memcpy(at, &head, sizeof(head));
	return sizeof(head) + len;
}

static const uint8_t *values(void)
{
	static uint8_t val[ITEM_VALUE_MAX];

	for (size_t i = 0; i < sizeof(val); i++)
		val[i] = (uint8_t)(i * 7 + 1);
	return val;
}

static struct sample sample_make(uint32_t nr_txns)
{
	struct sample s = { .info = { .lsn = 40960, .chain = 5, .first_seq = 100, .nr_txns = nr_txns } };
	uint8_t *body;

	assert_true(nr_txns <= ARRAY_SIZE(s.nr_changes));
	s.rec = malloc(1 << 20);
	assert_non_null(s.rec);
	memset(s.rec, 0xee, 1 << 20);
	body = s.rec + sizeof(struct disk_record);
	for (uint32_t i = 0; i < nr_txns; i++) {
		s.nr_changes[i] = 1 + (uint32_t)rnd(9);
		s.info.used += (uint32_t)add_txn(body + s.info.used, i, s.nr_changes[i], values());
	}
	s.info.size = (uint32_t)record_size(s.info.used);
	s.info.checksum = record_seal(s.rec, &owner, &s.info);
	return s;
}

static void check_info(const struct record_info *got, const struct record_info *want)
{
	assert_int_equal(got->checksum, want->checksum);
	assert_int_equal(got->lsn, want->lsn);
	assert_int_equal(got->chain, want->chain);
	assert_int_equal(got->first_seq, want->first_seq);
	assert_int_equal(got->size, want->size);
	assert_int_equal(got->used, want->used);
	assert_int_equal(got->nr_txns, want->nr_txns);
}

static void check_changes(const struct record_txn *txn, uint32_t nr_txn)
{
	struct record_changes it = record_changes(txn->changes, txn->len, txn->nr);
	struct record_change got, want;

	for (uint32_t i = 0; i < txn->nr; i++) {
		want = sample_change(nr_txn, i, values());
		assert_int_equal(record_change_next(&it, &got), 0);
		assert_int_equal(key_cmp(got.key, want.key), 0);
		assert_int_equal(got.op, want.op);
		assert_int_equal(got.len, want.len);
		if (want.len)
			assert_memory_equal(got.val, want.val, want.len);
	}
	assert_int_equal(record_change_next(&it, &got), -ENOENT);
}

static void test_round_trip(void **state)
{
	for (uint32_t nr = 1; nr <= 64; nr++) {
		struct sample s = sample_make(nr);
		struct record_info got;
		struct record_txns it;
		struct record_txn txn;

		assert_true(record_decode(s.rec, &owner, &got));
		check_info(&got, &s.info);
		assert_true(record_is_whole(s.rec, &got));
		assert_true(record_is_sound(s.rec, &got));
		for (size_t i = sizeof(struct disk_record) + got.used; i < got.size; i++)
			assert_int_equal(s.rec[i], 0);
		it = record_txns(s.rec, &got);
		for (uint32_t i = 0; i < nr; i++) {
			assert_int_equal(record_txn_next(&it, &txn), 0);
			assert_int_equal(txn.nr, s.nr_changes[i]);
			check_changes(&txn, i);
		}
		assert_int_equal(record_txn_next(&it, &txn), -ENOENT);
		free(s.rec);
	}
}

static void test_filler(void **state)
{
	struct record_info info = { .lsn = 4096, .first_seq = 9, .size = RECORD_SIZE_MAX };
	struct record_info got;
	uint8_t rec[RECORD_ALIGN]; /* nothing behind the head is touched */

	info.checksum = record_seal(rec, &owner, &info);
	assert_true(record_decode(rec, &owner, &got));
	check_info(&got, &info);
	assert_true(record_is_whole(rec, &got));
	assert_true(record_is_sound(rec, &got));
}

static void test_every_bit_counts(void **state)
{
	struct sample s = sample_make(3);
	struct record_info got;

	for (size_t bit = 0; bit < (size_t)s.info.size * 8; bit++) {
		s.rec[bit / 8] ^= (uint8_t)(1u << bit % 8);
		/* A size that grew would make us look behind the buffer of a real reader: it looks at the size first.
		 */
		if (record_decode(s.rec, &owner, &got) && got.size <= s.info.size)
			assert_false(record_is_whole(s.rec, &got));
		s.rec[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(record_decode(s.rec, &owner, &got) && record_is_whole(s.rec, &got));
	free(s.rec);
}

static void test_strangers(void **state)
{
	struct sample s = sample_make(2);
	struct record_owner other = owner;
	struct record_info got = { .lsn = 1 };

	other.era++;
	assert_false(record_decode(s.rec, &other, &got));
	other = owner;
	other.volume_uuid[15] = 'x';
	assert_false(record_decode(s.rec, &other, &got));
	assert_int_equal(got.lsn, 1);
	free(s.rec);
}

static void set_le32(uint8_t *at, uint32_t x)
{
	struct le32 v = le32_make(x);

	memcpy(at, &v, sizeof(v));
}

static void test_impossible_sizes(void **state)
{
	static const struct {
		uint32_t size, used, nr;
	} bad[] = {
		{ 0, 0, 0 },				/* nothing */
		{ 4095, 28, 1 },			/* not aligned */
		{ RECORD_SIZE_MAX + 4096, 0, 0 },	/* too large */
		{ RECORD_SIZE_MAX + 4096, 8388608, 1 }, /* too large */
		{ 4096, 4025, 1 },			/* used does not fit */
		{ 8192, 4024, 1 },			/* more padding than there would be */
		{ 4096, UINT32_MAX, 1 },		/* would wrap in 32 bits */
		{ 4096, 28, 2 },			/* two of the smallest need more */
		{ 4096, 28, 0 },			/* a filler is empty */
		{ 4096, 0, 1 },				/* and nothing else is */
	};
	struct sample s = sample_make(1);
	struct record_info got;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		set_le32(s.rec + offsetof(struct disk_record, size), bad[i].size);
		set_le32(s.rec + offsetof(struct disk_record, used), bad[i].used);
		set_le32(s.rec + offsetof(struct disk_record, nr_txns), bad[i].nr);
		assert_false(record_decode(s.rec, &owner, &got));
	}
	set_le32(s.rec + offsetof(struct disk_record, size), 4096);
	set_le32(s.rec + offsetof(struct disk_record, used), 28);
	set_le32(s.rec + offsetof(struct disk_record, nr_txns), 1);
	assert_true(record_decode(s.rec, &owner, &got));
	free(s.rec);
}

/* One transaction of one change, then one field made wrong. */
static bool one_change_is_sound(size_t off, uint8_t byte, uint32_t used)
{
	uint8_t rec[RECORD_ALIGN] = { 0 };
	uint8_t *body = rec + sizeof(struct disk_record);
	struct record_change c = { .key = { 1, 2 }, .op = CHANGE_PUT, .val = "abcd", .len = 4 };
	struct disk_txn head = { .len = le32_make(24), .nr = le32_make(1) };
	struct record_info info = { .size = RECORD_ALIGN, .used = used, .nr_txns = 1 };

	memcpy(body, &head, sizeof(head));
	record_change_write(body + sizeof(head), &c);
	if (off != SIZE_MAX)
		body[off] = byte;
	return record_is_sound(rec, &info);
}

static void test_unsound(void **state)
{
	const size_t change = sizeof(struct disk_txn);

	assert_true(one_change_is_sound(SIZE_MAX, 0, 32));
	assert_false(one_change_is_sound(SIZE_MAX, 0, 33)); /* left over */
	assert_false(one_change_is_sound(SIZE_MAX, 0, 31)); /* cut off */
	assert_false(one_change_is_sound(SIZE_MAX, 0, 7));  /* not even a head */
	assert_false(one_change_is_sound(0, 25, 32));	    /* more changes than record */
	assert_false(one_change_is_sound(0, 23, 31));	    /* cut a value */
	assert_false(one_change_is_sound(3, 0xff, 32));	    /* absurd length */
	assert_false(one_change_is_sound(4, 0, 32));	    /* no change */
	assert_false(one_change_is_sound(4, 2, 32));	    /* one too many */
	assert_false(one_change_is_sound(change + offsetof(struct disk_change, op), 0, 32));
	assert_false(one_change_is_sound(change + offsetof(struct disk_change, op), 3, 32));
	assert_false(one_change_is_sound(change + offsetof(struct disk_change, op), CHANGE_DELETE, 32));
	assert_false(one_change_is_sound(change + offsetof(struct disk_change, reserved), 1, 32));
	assert_false(one_change_is_sound(change + offsetof(struct disk_change, len), 5, 32));
	assert_false(one_change_is_sound(change + offsetof(struct disk_change, len), 3, 32));
}

/* A value longer than any item, whole otherwise. */
static void test_value_too_long(void **state)
{
	static uint8_t rec[2 * RECORD_ALIGN];
	uint8_t *body = rec + sizeof(struct disk_record);
	struct record_change c = { .key = { 1, 2 }, .op = CHANGE_PUT, .val = values(), .len = ITEM_VALUE_MAX };
	size_t len = record_change_size(ITEM_VALUE_MAX);
	struct disk_txn head = { .len = le32_make((uint32_t)len), .nr = le32_make(1) };
	struct record_info info = { .used = (uint32_t)(sizeof(head) + len), .nr_txns = 1 };
	struct le16 longer = le16_make(ITEM_VALUE_MAX + 1);

	memcpy(body, &head, sizeof(head));
	record_change_write(body + sizeof(head), &c);
	assert_true(record_is_sound(rec, &info));
	set_le32(body, (uint32_t)len + 1);
	memcpy(body + sizeof(head) + offsetof(struct disk_change, len), &longer, sizeof(longer));
	info.used++;
	assert_false(record_is_sound(rec, &info));
}

/* Random damage behind a good checksum: whatever is said about it, the sanitizers see no stray look. */
static void test_noise(void **state)
{
	for (int round = 0; round < 3000; round++) {
		struct sample s = sample_make(1 + (uint32_t)rnd(8));
		uint8_t *copy = malloc(s.info.size);
		struct record_info got;

		assert_non_null(copy);
		memcpy(copy, s.rec, s.info.size);
		for (uint64_t n = rnd(4); n > 0; n--)
			copy[sizeof(struct disk_record) + rnd(s.info.used)] = (uint8_t)rnd(256);
		sum_set(copy, s.info.size);
		assert_true(record_decode(copy, &owner, &got));
		assert_true(record_is_whole(copy, &got));
		(void)!record_is_sound(copy, &got);
		free(copy);
		free(s.rec);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),	 cmocka_unit_test(test_filler),
		cmocka_unit_test(test_every_bit_counts), cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_impossible_sizes), cmocka_unit_test(test_unsound),
		cmocka_unit_test(test_value_too_long),	 cmocka_unit_test(test_noise),
	};
	const char *seed = getenv("LAMINA_SEED");

	rnd_state = seed ? strtoull(seed, NULL, 0) : 1;
	fprintf(stderr, "LAMINA_SEED=%llu\n", (unsigned long long)rnd_state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
