/* SPDX-License-Identifier: Apache-2.0 */

/* Decoding stays inside the message and the budget, encoding below the limit, and both say so. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/nfs4.h"
#include "proto/wire_xdr.h"
#include "tests/lib/fault.h"

#define BUDGET 65536

static void test_arena_budget(void **state)
{
	struct wire_arena arena;
	uint8_t *a, *b;

	wire_arena_init(&arena, 100);
	a = wire_arena_alloc(&arena, 1);
	b = wire_arena_alloc(&arena, 80);
	assert_non_null(a);
	assert_non_null(b);
	assert_true((uintptr_t)a % 16 == 0 && (uintptr_t)b % 16 == 0);
	memset(a, 0xff, 1);
	memset(b, 0xff, 80);
	assert_false(arena.refused);
	assert_null(wire_arena_alloc(&arena, 16));
	assert_true(arena.refused);
	assert_null(wire_arena_alloc(&arena, SIZE_MAX));
	wire_arena_reset(&arena);
	a = wire_arena_alloc(&arena, 96);
	assert_non_null(a);
	for (int i = 0; i < 96; i++)
		assert_int_equal(a[i], 0);
	wire_arena_release(&arena);
}

/* What is lent is used first, comes back with a reset, and is not freed. */
static void test_arena_lent(void **state)
{
	_Alignas(16) uint8_t lent[WIRE_LENT_MIN];
	struct wire_arena arena;
	uint8_t *a, *b;

	memset(lent, 0xff, sizeof(lent));
	wire_arena_init(&arena, 1 << 20);
	wire_arena_lend(&arena, lent, sizeof(lent));
	a = wire_arena_alloc(&arena, 64);
	assert_true(a > lent && a + 64 <= lent + sizeof(lent));
	assert_int_equal(a[0] | a[63], 0);
	b = wire_arena_alloc(&arena, 1000);
	assert_non_null(b);
	assert_true(b + 1000 <= lent || b >= lent + sizeof(lent));
	wire_arena_reset(&arena);
	assert_ptr_equal(wire_arena_alloc(&arena, 64), a);
	wire_arena_release(&arena);
}

static void test_arena_grows_by_need(void **state)
{
	struct wire_arena arena;
	size_t asked = 0;

	wire_arena_init(&arena, 1 << 20);
	fault_alloc_arm(0, 0);
	assert_int_equal(fault_alloc_disarm(), 0);
	fault_alloc_arm(0, 0);
	while (asked < 1 << 20) {
		assert_non_null(wire_arena_alloc(&arena, 1024));
		asked += 1024;
	}
	/* Chunks double, so 1 MiB takes few. */
	assert_in_range(fault_alloc_disarm(), 2, 10);
	assert_null(wire_arena_alloc(&arena, 1));
	wire_arena_reset(&arena);
	fault_alloc_arm(0, 0);
	assert_non_null(wire_arena_alloc(&arena, 1024));
	assert_int_equal(fault_alloc_disarm(), 0);
	wire_arena_release(&arena);
}

static void put_words(uint8_t *buf, const uint32_t *words, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		for (int b = 0; b < 4; b++)
			buf[4 * i + b] = (uint8_t)(words[i] >> (24 - 8 * b));
	}
}

/* TEST_STATEID4args: a count, then 16 bytes each. */
static int get_stateids(const void *buf, uint32_t len, size_t budget, uint64_t fail_nth)
{
	struct wire_arena arena;
	TEST_STATEID4args args;
	struct wire_dec dec;
	int err;

	wire_arena_init(&arena, budget);
	wire_dec_init(&dec, buf, len, &arena);
	fault_alloc_arm(fail_nth, 1);
	err = wire_get(&dec, TEST_STATEID4args, &args);
	if (err == -EBADMSG || err == -ENOBUFS)
		assert_int_equal(fault_alloc_disarm(), 0);
	else
		fault_alloc_disarm();
	wire_arena_release(&arena);
	return err;
}

static void test_absurd_counts(void **state)
{
	static const uint32_t counts[] = { 3, 17, 4096, 4097, 0x7fffffff, 0x80000000, 0xffffffff };
	uint8_t buf[4 + 2 * 16] = { 0 };

	put_words(buf, (uint32_t[]){ 2 }, 1);
	assert_int_equal(get_stateids(buf, sizeof(buf), BUDGET, 0), 0);
	assert_int_equal(get_stateids(buf, sizeof(buf), 0, 0), -ENOBUFS);
	assert_int_equal(get_stateids(buf, sizeof(buf), BUDGET, 1), -ENOMEM);
	for (size_t i = 1; i < ARRAY_SIZE(counts); i++) {
		put_words(buf, &counts[i], 1);
		assert_int_equal(get_stateids(buf, sizeof(buf), SIZE_MAX / 2, 0), -EBADMSG);
	}
}

/* More elements than the bound are refused even where they are all there. */
static void test_bound_on_elements(void **state)
{
	uint8_t buf[4 * (5 + NFS4_AUTHSYS_GIDS_MAX + 1)] = { 0 };
	struct wire_arena arena;
	authsys_parms4 parms;
	struct wire_dec dec;

	for (uint32_t nr = NFS4_AUTHSYS_GIDS_MAX; nr <= NFS4_AUTHSYS_GIDS_MAX + 1; nr++) {
		put_words(buf + 16, &nr, 1);
		wire_arena_init(&arena, BUDGET);
		wire_dec_init(&dec, buf, sizeof(buf), &arena);
		assert_int_equal(wire_get(&dec, authsys_parms4, &parms), nr <= NFS4_AUTHSYS_GIDS_MAX ? 0 : -EBADMSG);
		wire_arena_release(&arena);
	}
}

static void test_bytes(void **state)
{
	/* "abc", its padding, then a string that claims one byte more than there is. */
	static const uint32_t words[] = { 3, 0x61626300, 5, 0x61626364 };
	uint8_t buf[sizeof(words)];
	struct wire_dec dec;
	uint32_t len;
	char *bytes;

	put_words(buf, words, ARRAY_SIZE(words));
	wire_dec_init(&dec, buf, sizeof(buf), NULL);
	assert_int_equal(wire_get_bytes(&dec, 3, &bytes, &len), 0);
	assert_int_equal(len, 3);
	assert_ptr_equal(bytes, buf + 4);
	assert_int_equal(wire_dec_pos(&dec), 8);
	assert_int_equal(wire_get_bytes(&dec, 100, &bytes, &len), -EBADMSG);
	wire_dec_init(&dec, buf, sizeof(buf), NULL);
	assert_int_equal(wire_get_bytes(&dec, 2, &bytes, &len), -EBADMSG);
	/* Without its padding it is truncated. */
	wire_dec_init(&dec, buf, 7, NULL);
	assert_int_equal(wire_get_bytes(&dec, 3, &bytes, &len), -EBADMSG);
	put_words(buf, (uint32_t[]){ 0xffffffff }, 1);
	wire_dec_init(&dec, buf, sizeof(buf), NULL);
	assert_int_equal(wire_get_bytes(&dec, UINT32_MAX, &bytes, &len), -EBADMSG);
}

static void test_limit(void **state)
{
	uint8_t buf[64];
	struct wire_enc enc;
	uint32_t mark;

	memset(buf, 0xaa, sizeof(buf));
	wire_enc_init(&enc, buf, 20);
	assert_int_equal(wire_put_u32(&enc, 1), 0);
	assert_int_equal(wire_put_bytes(&enc, "hello", 5), 0);
	assert_int_equal(wire_enc_pos(&enc), 16);
	assert_int_equal(wire_put_bytes(&enc, "", 1), -EMSGSIZE);
	assert_int_equal(wire_enc_pos(&enc), 16);
	assert_int_equal(wire_put_u32(&enc, 2), 0);
	assert_int_equal(wire_put_u32(&enc, 3), -EMSGSIZE);
	assert_int_equal(buf[20], 0xaa);
	/* A limit below what is there; it still holds after going back. */
	wire_enc_limit(&enc, 12);
	assert_int_equal(wire_enc_left(&enc), 0);
	wire_enc_rewind(&enc, 4);
	assert_int_equal(wire_enc_left(&enc), 8);
	assert_int_equal(wire_put_bytes(&enc, "hello", 5), -EMSGSIZE);
	assert_int_equal(wire_put_bytes(&enc, "hell", 4), 0);
	wire_enc_limit(&enc, 1000);
	assert_int_equal(wire_enc_left(&enc), 8);
	assert_int_equal(wire_enc_opaque_begin(&enc, &mark), 0);
	assert_int_equal(wire_put_u32(&enc, 7), 0);
	assert_int_equal(wire_enc_opaque_begin(&enc, &mark), -EMSGSIZE);
	wire_enc_opaque_end(&enc, mark);
	assert_memory_equal(buf, "\0\0\0\1\0\0\0\4hell\0\0\0\4\0\0\0\7", 20);
}

static void test_space(void **state)
{
	uint8_t buf[16];
	struct wire_enc enc;

	memset(buf, 0xaa, sizeof(buf));
	wire_enc_init(&enc, buf, sizeof(buf));
	assert_ptr_equal(wire_put_space(&enc, 5), buf);
	assert_memory_equal(buf, "\xaa\xaa\xaa\xaa\xaa\0\0\0\xaa", 9);
	assert_null(wire_put_space(&enc, 9));
	assert_null(wire_put_space(&enc, UINT32_MAX));
	assert_ptr_equal(wire_put_space(&enc, 8), buf + 8);
	assert_int_equal(wire_enc_left(&enc), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_budget),
		cmocka_unit_test(test_arena_lent),
		cmocka_unit_test(test_arena_grows_by_need),
		cmocka_unit_test(test_absurd_counts),
		cmocka_unit_test(test_bound_on_elements),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
