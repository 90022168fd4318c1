/* SPDX-License-Identifier: Apache-2.0 */

/* The log: levels, the sink, the bytes on standard error, and messages that try to be more than one line. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/log.h"

struct caught {
	enum log_level level;
	char msg[2 * LOG_MSG_MAX];
	unsigned int nr;
};

static void catch_msg(void *owner, enum log_level level, const char *msg)
{
	struct caught *c = owner;

	c->level = level;
	assert_true(strlen(msg) < LOG_MSG_MAX);
	memcpy(c->msg, msg, strlen(msg) + 1);
	c->nr++;
}

static int reset(void **state)
{
	log_set_sink(NULL, NULL);
	log_set_level(LOG_LEVEL_INFO);
	log_set_prefix(false);
	return 0;
}

static void test_levels(void **state)
{
	struct caught c = { 0 };

	log_set_sink(catch_msg, &c);
	log_err("disk %s: %d", "sda", 5);
	assert_string_equal(c.msg, "disk sda: 5");
	assert_int_equal(c.level, LOG_LEVEL_ERR);
	log_warn("w");
	assert_int_equal(c.level, LOG_LEVEL_WARN);
	log_info("i");
	assert_int_equal(c.level, LOG_LEVEL_INFO);
	log_debug("d");
	assert_int_equal(c.nr, 3);
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("d");
	assert_int_equal(c.nr, 4);
	assert_int_equal(c.level, LOG_LEVEL_DEBUG);
	log_set_level(LOG_LEVEL_ERR);
	log_warn("w");
	assert_int_equal(c.nr, 4);
}

static void test_errno_is_kept(void **state)
{
	struct caught c = { 0 };

	log_set_sink(catch_msg, &c);
	errno = ENOSPC;
	log_err("%d", errno);
	assert_int_equal(errno, ENOSPC);
}

static void test_hostile_names(void **state)
{
	struct caught c = { 0 };
	char *longish = malloc(3 * LOG_MSG_MAX);

	log_set_sink(catch_msg, &c);
	log_info("name %s", "x\nERROR all is lost\x1b[2J\x7f");
	assert_string_equal(c.msg, "name x?ERROR all is lost?[2J?");
	log_info("name %s", "gr\xc3\xbc\xc3\x9f"); /* other letters stay */
	assert_string_equal(c.msg, "name gr\xc3\xbc\xc3\x9f");
	memset(longish, 'x', 3 * LOG_MSG_MAX - 1);
	longish[3 * LOG_MSG_MAX - 1] = 0;
	log_info("%s", longish);
	assert_int_equal(strlen(c.msg), LOG_MSG_MAX - 1);
	assert_string_equal(c.msg + LOG_MSG_MAX - 1 - 4, "x...");
	free(longish);
}

/* What @emit writes to standard error. */
static void stderr_of(void (*emit)(void), char *buf, size_t len)
{
	int saved = dup(STDERR_FILENO);
	int fds[2];
	ssize_t got;

	assert_true(saved >= 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	emit();
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
	close(saved);
	got = read(fds[0], buf, len - 1);
	assert_true(got >= 0);
	buf[got] = 0;
	close(fds[0]);
}

static void emit_two(void)
{
	log_err("device %d is gone", 3);
	log_info("fine");
}

static void test_lines(void **state)
{
	char buf[256];

	stderr_of(emit_two, buf, sizeof(buf));
	assert_string_equal(buf, "device 3 is gone\nfine\n");
	log_set_prefix(true);
	stderr_of(emit_two, buf, sizeof(buf));
	assert_string_equal(buf, "<3>device 3 is gone\n<6>fine\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_levels, reset),
		cmocka_unit_test_teardown(test_errno_is_kept, reset),
		cmocka_unit_test_teardown(test_hostile_names, reset),
		cmocka_unit_test_teardown(test_lines, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
