/* SPDX-License-Identifier: Apache-2.0 */
/* The torture tester's own eyes: what it calls right, and what it calls which kind of wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/sim_reactor.h"
#include "tools/torture_int.h"
#include "tools/torture_tcp.h"

struct bench {
	struct torture_options opt;
	struct torture_report report;
	struct torture t;
	struct torture_file file;
	uint8_t block[TORTURE_BLOCK];
};

static struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->opt.seed = 5;
	b->t.opt = &b->opt;
	b->t.report = &b->report;
	b->t.r = sim_reactor_new(1);
	b->file.id = 3;
	assert_int_equal(torture_model_init(&b->file, 8), 0);
	return b;
}

static void bench_free(struct bench *b)
{
	torture_model_release(&b->file);
	reactor_close(b->t.r);
	free(b);
}

static struct torture_change *begin(struct bench *b, uint64_t gen, uint64_t open)
{
	struct torture_change *change = torture_change_begin(&b->t, &b->file, 2, 1, gen, open);

	assert_non_null(change);
	return change;
}

static void ack(struct bench *b, uint64_t gen)
{
	torture_change_ack(&b->t, begin(b, gen, 1));
}

static void stamp(struct bench *b, uint32_t file, uint32_t blk, uint64_t gen)
{
	struct torture_stamp s = { .file = file, .off = (uint64_t)blk * TORTURE_BLOCK, .gen = gen, .seed = 5 };

	torture_stamp_block(b->block, &s);
}

/* What block 2 is called when it is as in b->block; "": fine. */
static const char *judge(struct bench *b)
{
	struct torture_look look;

	b->report.nr_findings = 0;
	b->file.blks[2].is_known = false;
	torture_look_begin(&b->t, &b->file, &look);
	torture_look_judge(&b->t, &b->file, &look, 2, 1, b->block, "somebody", "reads");
	torture_look_end(&b->file, &look);
	return b->report.nr_findings ? b->report.findings[0].what : "";
}

static void test_zeros_are_fine_until_something_is_acknowledged(void **state)
{
	struct bench *b = bench_new();
	struct torture_change *change;

	assert_string_equal(judge(b), "");
	change = begin(b, 7, 1);
	assert_string_equal(judge(b), "");
	stamp(b, 3, 2, 7);
	assert_string_equal(judge(b), "");
	torture_change_wrote(&b->t, change);
	memset(b->block, 0, sizeof(b->block));
	assert_string_equal(judge(b), "");
	torture_change_ack(&b->t, change);
	assert_string_equal(judge(b), "lost");
	bench_free(b);
}

static void test_each_kind_of_wrong(void **state)
{
	struct bench *b = bench_new();

	ack(b, 7);
	ack(b, 8);
	stamp(b, 3, 2, 8);
	assert_string_equal(judge(b), "");
	stamp(b, 3, 2, 7);
	assert_string_equal(judge(b), "lost");
	stamp(b, 3, 1, 8);
	assert_string_equal(judge(b), "misplaced");
	stamp(b, 4, 2, 8);
	assert_string_equal(judge(b), "stale");
	stamp(b, 3, 2, 8);
	b->block[4095] ^= 1;
	assert_string_equal(judge(b), "torn");
	ack(b, 0);
	stamp(b, 3, 2, 8);
	assert_string_equal(judge(b), "stale");
	b->t.lates[b->t.nr_lates++] = 9;
	stamp(b, 3, 2, 9);
	assert_string_equal(judge(b), "late");
	bench_free(b);
}

static void test_what_failed_may_be_there_until_it_is_overwritten(void **state)
{
	struct bench *b = bench_new();
	struct torture_change *failed;

	ack(b, 7);
	failed = begin(b, 8, 1);
	torture_change_failed(&b->t, failed);
	stamp(b, 3, 2, 7);
	assert_string_equal(judge(b), "");
	stamp(b, 3, 2, 8);
	assert_string_equal(judge(b), "");
	ack(b, 9);
	assert_string_equal(judge(b), "lost");
	bench_free(b);
}

static void test_writes_at_the_same_time_may_end_in_any_order(void **state)
{
	struct bench *b = bench_new();
	struct torture_change *one = begin(b, 7, 1), *two = begin(b, 8, 2);

	torture_change_ack(&b->t, two);
	torture_change_ack(&b->t, one);
	stamp(b, 3, 2, 7);
	assert_string_equal(judge(b), "");
	stamp(b, 3, 2, 8);
	assert_string_equal(judge(b), "");
	bench_free(b);
}

static void test_who_began_to_read_before_may_see_the_old(void **state)
{
	struct bench *b = bench_new();
	struct torture_look look;

	ack(b, 7);
	torture_look_begin(&b->t, &b->file, &look);
	ack(b, 8);
	stamp(b, 3, 2, 7);
	torture_look_judge(&b->t, &b->file, &look, 2, 1, b->block, "somebody", "reads");
	torture_look_end(&b->file, &look);
	assert_int_equal(b->report.nr_findings, 0);
	assert_string_equal(judge(b), "lost");
	bench_free(b);
}

static void test_a_clone_has_what_its_source_had(void **state)
{
	struct bench *b = bench_new();
	struct torture_change *change;

	torture_change_ack(&b->t, torture_change_begin(&b->t, &b->file, 5, 1, 7, 1));
	change = torture_change_clone(&b->t, &b->file, 2, 1, &b->file, 5);
	assert_non_null(change);
	torture_change_ack(&b->t, change);
	stamp(b, 3, 5, 7);
	assert_string_equal(judge(b), "");
	stamp(b, 3, 2, 7);
	assert_string_equal(judge(b), "lost");
	bench_free(b);
}

static void test_names_of_works(void **state)
{
	uint64_t works = 0;

	assert_int_equal(torture_works_parse("private,storm", &works), 0);
	assert_int_equal(works, 1u << TORTURE_PRIVATE | 1u << TORTURE_STORM);
	assert_int_equal(torture_works_parse("", &works), -EINVAL);
	assert_int_equal(torture_works_parse("private,", &works), -EINVAL);
	assert_int_equal(torture_works_parse("privat", &works), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeros_are_fine_until_something_is_acknowledged),
		cmocka_unit_test(test_each_kind_of_wrong),
		cmocka_unit_test(test_what_failed_may_be_there_until_it_is_overwritten),
		cmocka_unit_test(test_writes_at_the_same_time_may_end_in_any_order),
		cmocka_unit_test(test_who_began_to_read_before_may_see_the_old),
		cmocka_unit_test(test_a_clone_has_what_its_source_had),
		cmocka_unit_test(test_names_of_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
