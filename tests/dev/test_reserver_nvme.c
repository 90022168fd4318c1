/* SPDX-License-Identifier: Apache-2.0 */
/* NVMe reservations: the commands, the reports of the base specification, and a device that answers as it was told.
 */
#include "dev/reserver_nvme.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EARO	 RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY
#define KEY	 0x0102030405060708ull
#define CONFLICT 0x083
#define FIELD	 0x4002 /* invalid field, do not retry */

struct script {
	struct nvme_port port;
	int says[16];
	unsigned int said;
	struct nvme_pr asked[16];
	const uint8_t *report;
	size_t report_len;
};

static int script_command(struct nvme_port *port, const struct nvme_pr *cmd)
{
	struct script *s = container_of(port, struct script, port);
	int says = s->says[s->said];

	assert_true(s->said < 16);
	s->asked[s->said++] = *cmd;
	if (!says && cmd->what == NVME_PR_REPORT)
		memcpy(cmd->buf, s->report, s->report_len < cmd->len ? s->report_len : cmd->len);
	return says;
}

static void assert_asked(const struct script *s, unsigned int i, struct nvme_pr want)
{
	const struct nvme_pr *got = &s->asked[i];

	assert_true(i < s->said);
	assert_int_equal(got->what, want.what);
	assert_int_equal(got->action, want.action);
	assert_int_equal(got->ignore_key, want.ignore_key);
	assert_int_equal(got->cptpl, want.cptpl);
	assert_int_equal(got->type, want.type);
	assert_true(got->current_key == want.current_key && got->other_key == want.other_key);
}

static void test_commands(void **state)
{
	struct script s = { .port.command = script_command };

	assert_int_equal(nvme_pr_register(&s.port, KEY), 0);
	assert_int_equal(nvme_pr_unregister(&s.port, KEY), 0);
	assert_int_equal(nvme_pr_reserve(&s.port, KEY, EARO), 0);
	assert_int_equal(nvme_pr_preempt(&s.port, KEY, 9, EARO, false), 0);
	assert_int_equal(nvme_pr_preempt(&s.port, KEY, 9, RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY, true), 0);
	assert_asked(&s, 0,
		     (struct nvme_pr){ NVME_PR_REGISTER, 0, .ignore_key = true, .cptpl = 3, .other_key = KEY });
	assert_asked(&s, 1, (struct nvme_pr){ NVME_PR_REGISTER, 1, .current_key = KEY });
	assert_asked(&s, 2, (struct nvme_pr){ NVME_PR_ACQUIRE, 0, .type = 4, .current_key = KEY });
	assert_asked(&s, 3, (struct nvme_pr){ NVME_PR_ACQUIRE, 1, .type = 4, .current_key = KEY, .other_key = 9 });
	assert_asked(&s, 4, (struct nvme_pr){ NVME_PR_ACQUIRE, 2, .type = 3, .current_key = KEY, .other_key = 9 });
	assert_int_equal(nvme_pr_release(&s.port, KEY, EARO), 0);
	assert_asked(&s, 5, (struct nvme_pr){ NVME_PR_RELEASE, 0, .type = 4, .current_key = KEY });
	assert_int_equal(s.said, 6);
}

/* Another key is registered: it is replaced. */
static void test_replaces_key(void **state)
{
	struct script s = { .port.command = script_command, .says = { CONFLICT } };

	assert_int_equal(nvme_pr_register(&s.port, KEY), 0);
	assert_asked(&s, 1,
		     (struct nvme_pr){ NVME_PR_REGISTER, 2, .ignore_key = true, .cptpl = 3, .other_key = KEY });
}

static void test_without_persistence(void **state)
{
	struct script s = { .port.command = script_command, .says = { FIELD, CONFLICT, FIELD, 0 } };

	assert_int_equal(nvme_pr_register(&s.port, KEY), 0);
	assert_true(s.port.forgets);
	assert_asked(&s, 0,
		     (struct nvme_pr){ NVME_PR_REGISTER, 0, .ignore_key = true, .cptpl = 3, .other_key = KEY });
	assert_asked(&s, 1, (struct nvme_pr){ NVME_PR_REGISTER, 0, .ignore_key = true, .other_key = KEY });
	assert_asked(&s, 3, (struct nvme_pr){ NVME_PR_REGISTER, 2, .ignore_key = true, .other_key = KEY });
	assert_int_equal(s.said, 4);
}

static void test_errors(void **state)
{
	struct script s = { .port.command = script_command,
			    .says = { CONFLICT, FIELD, 0x4001, 0x4006, -EIO, -EPERM, 0x300, 0x021, 0 } };

	assert_int_equal(nvme_pr_reserve(&s.port, KEY, EARO), -EBUSY);
	assert_int_equal(nvme_pr_reserve(&s.port, KEY, EARO), -EOPNOTSUPP);
	assert_int_equal(nvme_pr_reserve(&s.port, KEY, EARO), -EOPNOTSUPP);
	assert_int_equal(nvme_pr_reserve(&s.port, KEY, EARO), -EIO);
	assert_int_equal(nvme_pr_reserve(&s.port, KEY, EARO), -EIO);
	assert_int_equal(nvme_pr_reserve(&s.port, KEY, EARO), -EPERM);
	assert_int_equal(nvme_pr_reserve(&s.port, KEY, EARO), 0); /* after a path error and an interruption */
	assert_int_equal(s.said, 9);
	s = (struct script){ .port.command = script_command };
	for (int i = 0; i < 16; i++)
		s.says[i] = 0x082;
	assert_int_equal(nvme_pr_reserve(&s.port, KEY, EARO), -EIO);
	s = (struct script){ .port.command = script_command, .says = { CONFLICT, CONFLICT } };
	assert_int_equal(nvme_pr_register(&s.port, KEY), -EBUSY);
}

static void test_types(void **state)
{
	for (unsigned int type = 0; type < 20; type++) {
		unsigned int rtype = nvme_type_of(type);

		if (rtype)
			assert_int_equal(nvme_type_to(rtype), type);
	}
	assert_int_equal(nvme_type_of(RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY), 3);
	assert_int_equal(nvme_type_of(EARO), 4);
	assert_int_equal(nvme_type_of(RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS), 6);
	assert_int_equal(nvme_type_to(0), 0);
	assert_int_equal(nvme_type_to(7), 0);
}

/* Two hosts, the second with two controllers: of the extended format. */
static const uint8_t extended[64 + 3 * 64] = {
	[0] = 7,   [4] = 4,   [5] = 3,	    [9] = 1, /* */
	[64] = 1,  [66] = 1,  [72] = 8,	    [73] = 7,	  [74] = 6,    [75] = 5,
	[76] = 4,  [77] = 3,  [78] = 2,	    [79] = 1,	  [80] = 0xaa, [95] = 0xab, /* */
	[128] = 2, [136] = 2, [144] = 0xba, [159] = 0xbb,			    /* */
	[192] = 3, [200] = 2, [208] = 0xba, [223] = 0xbb,
};
/* The same two in the short one. */
static const uint8_t brief[24 + 2 * 24] = {
	[0] = 7,  [4] = 4,  [5] = 2,  [24] = 1, [26] = 1, [32] = 0xaa, [39] = 0xab, [40] = 8,	 [41] = 7, [42] = 6,
	[43] = 5, [44] = 4, [45] = 3, [46] = 2, [47] = 1, [48] = 2,    [56] = 0xba, [63] = 0xbb, [64] = 2,
};

static void test_report(void **state)
{
	struct script s = { .port.command = script_command, .report = extended, .report_len = sizeof(extended) };
	struct reserver_view v;

	assert_int_equal(nvme_pr_view(&s.port, &v), 0);
	assert_true(s.asked[0].extended && s.asked[0].len == 4096);
	assert_int_equal(v.generation, 7);
	assert_true(v.reserved && v.type == EARO && v.holder == KEY && v.nr_keys == 3);
	assert_true(v.keys[0].key == KEY && v.keys[0].holder && v.keys[0].has_host);
	assert_true(v.keys[0].host[0] == 0xaa && v.keys[0].host[15] == 0xab);
	assert_true(v.keys[1].key == 2 && !v.keys[1].holder && v.keys[2].key == 2);
	assert_memory_equal(v.keys[1].host, v.keys[2].host, 16);
	reserver_view_release(&v);
}

static void test_short_report(void **state)
{
	struct script s = {
		.port.command = script_command, .says = { FIELD }, .report = brief, .report_len = sizeof(brief)
	};
	struct reserver_view v;

	assert_int_equal(nvme_pr_view(&s.port, &v), 0);
	assert_true(s.asked[0].extended && !s.asked[1].extended);
	assert_true(v.reserved && v.type == EARO && v.holder == KEY && v.nr_keys == 2);
	assert_true(v.keys[0].host[0] == 0xaa && v.keys[0].host[7] == 0xab && v.keys[0].host[15] == 0);
	assert_true(v.keys[1].key == 2 && v.keys[1].host[0] == 0xba);
	reserver_view_release(&v);
}

/* Every registrant is a holder, as the report need not say. */
static void test_all_registrants(void **state)
{
	uint8_t bytes[sizeof(extended)];
	struct reserver_view v;

	memcpy(bytes, extended, sizeof(bytes));
	bytes[4] = 6;
	assert_int_equal(nvme_parse_report(bytes, sizeof(bytes), true, &v), 0);
	assert_true(v.type == RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS && v.holder == 0);
	assert_true(v.keys[0].holder && v.keys[1].holder && v.keys[2].holder);
	reserver_view_release(&v);
	bytes[4] = 0;
	assert_int_equal(nvme_parse_report(bytes, sizeof(bytes), true, &v), 0);
	assert_true(!v.reserved && v.holder == 0 && !v.keys[0].holder);
	reserver_view_release(&v);
	bytes[4] = 7;
	assert_int_equal(nvme_parse_report(bytes, sizeof(bytes), true, &v), -EUCLEAN);
}

static void test_report_cut(void **state)
{
	for (size_t len = 0; len < sizeof(extended); len++) {
		uint8_t *copy = malloc(len ? len : 1);
		struct reserver_view v;

		memcpy(copy, extended, len);
		assert_int_equal(nvme_parse_report(copy, len, true, &v), len < 64 ? -EUCLEAN : -EMSGSIZE);
		free(copy);
	}
}

static void view_many(unsigned int nr, int want, unsigned int last_len)
{
	size_t len = 64 + (size_t)64 * nr;
	uint8_t *report = calloc(1, len);
	struct script s = { .port.command = script_command, .report = report, .report_len = len };
	struct reserver_view v = { 0 };

	report[5] = (uint8_t)nr;
	report[6] = (uint8_t)(nr >> 8);
	for (unsigned int i = 0; i < nr; i++)
		report[64 + 64 * i + 8] = 1;
	assert_int_equal(nvme_pr_view(&s.port, &v), want);
	assert_int_equal(s.asked[s.said - 1].len, last_len);
	assert_int_equal(v.nr_keys, want ? 0 : nr);
	reserver_view_release(&v);
	free(report);
}

static void test_many_keys(void **state)
{
	view_many(63, 0, 4096);
	view_many(64, 0, 16384);
	view_many(8192, 0, 64 + 8192 * 64);
	view_many(8193, -E2BIG, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_replaces_key),
		cmocka_unit_test(test_without_persistence),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_short_report),
		cmocka_unit_test(test_all_registrants),
		cmocka_unit_test(test_report_cut),
		cmocka_unit_test(test_many_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
