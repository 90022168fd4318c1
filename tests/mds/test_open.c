/* SPDX-License-Identifier: Apache-2.0 */
/* Share reservations: which downgrades are allowed, and who is in whose way, against the definitions. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mds/open.h"
#include "tests/lib/dice.h"

#define COMBOS 12u /* access 1 to 3, deny 0 to 3 */
#define OPENS  6u

static uint8_t combo_access(unsigned int i)
{
	return (uint8_t)(1 + i % 3);
}

static uint8_t combo_deny(unsigned int i)
{
	return (uint8_t)(i / 3);
}

/* Whether some of the OPENs in @made add up to exactly @access and @deny (RFC 8881, 18.18.3). */
static bool some_add_up(unsigned int made, uint8_t access, uint8_t deny)
{
	for (unsigned int some = 1; some < 1u << COMBOS; some++) {
		uint8_t a = 0, d = 0;

		if (some & ~made)
			continue;
		for (unsigned int i = 0; i < COMBOS; i++) {
			if (some & 1u << i) {
				a |= combo_access(i);
				d |= combo_deny(i);
			}
		}
		if (a == access && d == deny)
			return true;
	}
	return false;
}

static void test_downgrade(void **state)
{
	struct dice dice = dice_seed(1);

	for (unsigned int n = 0; n < 300; n++) {
		unsigned int made = 1 + (unsigned int)dice_below(&dice, (1u << COMBOS) - 1);
		struct open_share share = { 0 }, left;

		made &= (unsigned int)dice_roll(&dice) | 1u << dice_below(&dice, COMBOS);
		for (unsigned int i = 0; i < COMBOS; i++)
			if (made & 1u << i)
				share = open_share_union(&share, combo_access(i), combo_deny(i));
		for (unsigned int i = 0; i < COMBOS && made; i++) {
			bool may = open_share_downgrade(&share, combo_access(i), combo_deny(i), &left);

			assert_int_equal(may, some_add_up(made, combo_access(i), combo_deny(i)));
			if (!may)
				continue;
			assert_int_equal(left.access, combo_access(i));
			assert_int_equal(left.deny, combo_deny(i));
			/* Nothing was gained. */
			assert_int_equal(left.combos & ~share.combos, 0);
		}
	}
}

static void count(struct file *file, const struct open_share *share)
{
	for (int i = 0; i < 2; i++) {
		file->nr_access[i] += share->access >> i & 1;
		file->nr_deny[i] += share->deny >> i & 1;
	}
}

static void test_conflict(void **state)
{
	struct dice dice = dice_seed(1);

	for (unsigned int n = 0; n < 20000; n++) {
		struct file *file = file_alloc();
		struct open *opens[OPENS], *but, *found;
		struct client client = { .id = 1 };
		uint8_t access = (uint8_t)dice_below(&dice, 4), deny = (uint8_t)dice_below(&dice, 4);
		unsigned int nr = (unsigned int)dice_below(&dice, OPENS + 1);
		bool want = false;

		assert_non_null(file);
		for (unsigned int i = 0; i < nr; i++) {
			opens[i] = open_alloc(&client, "o", 1);
			assert_non_null(opens[i]);
			opens[i]->share.access = (uint8_t)(1 + dice_below(&dice, 3));
			opens[i]->share.deny = dice_below(&dice, 3) ? 0 : (uint8_t)dice_below(&dice, 4);
			list_add_tail(&opens[i]->by_file, &file->opens);
			count(file, &opens[i]->share);
		}
		but = nr > 0 && dice_below(&dice, 2) ? opens[dice_below(&dice, nr)] : NULL;
		for (unsigned int i = 0; i < nr; i++)
			want |= opens[i] != but && (opens[i]->share.deny & access || opens[i]->share.access & deny);
		found = open_conflict(file, access, deny, but);
		assert_int_equal(found != NULL, want);
		assert_true(!found || found != but);
		for (unsigned int i = 0; i < nr; i++)
			free(opens[i]);
		free(file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_downgrade),
		cmocka_unit_test(test_conflict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
