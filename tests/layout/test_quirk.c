/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of clients by what they say of themselves. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "layout/quirk.h"

static void is(const char *impl, uint32_t page, uint32_t block, uint32_t scsi, bool whole)
{
	struct quirk q = quirk_of(impl);

	if (q.page_size != page || q.commit_max_block != block || q.commit_max_scsi != scsi ||
	    q.whole_file_recalls != whole || !q.why)
		fail_msg("\"%s\": page %u, %u/%u, %s recalls", impl, q.page_size, q.commit_max_block,
			 q.commit_max_scsi, q.whole_file_recalls ? "whole" : "exact");
}

static void test_linux_by_release(void **state)
{
	is("Linux 6.1.0-13-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1 (2023-09-29) x86_64", 4096, 93, 255, true);
	is("Linux 6.16.9 #1 SMP x86_64", 4096, 93, 255, true);
	is("Linux 6.17.0 #1 SMP x86_64", 4096, 0, 0, true);
	is("Linux 7.2.0-rc1 #1 SMP x86_64", 4096, 0, 0, true);
	is("Linux 5.19.0 #1 x86_64", 4096, 93, 255, true);
}

static void test_linux_by_machine(void **state)
{
	is("Linux 7.0.0 #1 SMP aarch64", 65536, 0, 0, true);
	is("Linux 7.0.0 #1 SMP ppc64le", 65536, 0, 0, true);
	is("Linux 7.0.0 #1 SMP s390x", 4096, 0, 0, true);
	is("Linux 7.0.0 #1 SMP something_new", 65536, 0, 0, true);
	is("Linux 7.0.0 #1 SMP x86_64 ", 65536, 0, 0, true);
}

static void test_what_cannot_be_read(void **state)
{
	is("Linux ", 65536, 93, 255, true);
	is("Linux x86_64", 65536, 93, 255, true);
	is("Linux 6 x86_64", 65536, 93, 255, true);
	is("Linux 99999999999999.1 x86_64", 65536, 93, 255, true);
	is("Linux6.17 x86_64", 65536, 93, 255, true);
}

static void test_others(void **state)
{
	is("", 65536, 93, 255, true);
	is("FreeBSD 15.0 amd64", 65536, 93, 255, true);
	is("lamina client 0.1.0", 4096, 0, 0, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linux_by_release),
		cmocka_unit_test(test_linux_by_machine),
		cmocka_unit_test(test_what_cannot_be_read),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
