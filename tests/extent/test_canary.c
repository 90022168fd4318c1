/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the crash test see what it is there to see?  Each canary is a bug of the kind that a store like this can have,
 * planted by letting the linker put a function of ours in the place of one of the store's; and for each of them some
 * seed must fail.
 *
 * The linker can do that only where the call crosses from one source file to another.  If a change of the store makes
 * a canary silent, it has to find another place to sit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/blkdev.h"
#include "extent/chunk.h"
#include "extent/journal.h"
#include "extent/record.h"
#include "tests/sim/crash.h"
#include "tests/sim/sim_util.h"

#define SEEDS 40

static enum canary {
	CANARY_NONE,
	CANARY_NO_FLUSH,
	CANARY_SUPER_FIRST,
	CANARY_JOURNAL_VOLATILE,
	CANARY_JOURNAL_EARLY,
	CANARY_REUSE,
	CANARY_SKIP_LAST,
	CANARY_TORN,
} canary;

FIBER_FN int __real_blkdev_flush(struct blkdev *dev) MUST_CHECK;
FIBER_FN int __wrap_blkdev_flush(struct blkdev *dev) MUST_CHECK;
FIBER_FN int __real_blkdev_writev(struct blkdev *dev, uint64_t off, const struct iovec *iov, unsigned int nr)
	MUST_CHECK;
FIBER_FN int __wrap_blkdev_writev(struct blkdev *dev, uint64_t off, const struct iovec *iov, unsigned int nr)
	MUST_CHECK;
FIBER_FN int __real_blkdev_write_durable(struct blkdev *dev, uint64_t off, const void *buf, size_t len) MUST_CHECK;
FIBER_FN int __wrap_blkdev_write_durable(struct blkdev *dev, uint64_t off, const void *buf, size_t len) MUST_CHECK;
FIBER_FN int __real_journal_wait_durable(struct journal *j, uint64_t seq) MUST_CHECK;
FIBER_FN int __wrap_journal_wait_durable(struct journal *j, uint64_t seq) MUST_CHECK;
void __real_chunk_free(struct chunks *cs, uint64_t daddr, bool fresh);
void __wrap_chunk_free(struct chunks *cs, uint64_t daddr, bool fresh);
bool __real_record_is_whole(const void *rec, const struct record_info *info) MUST_CHECK;
bool __wrap_record_is_whole(const void *rec, const struct record_info *info) MUST_CHECK;
FIBER_FN int __real_journal_replay(const struct journal_config *cfg, struct journal_pos pos, uint64_t after_seq,
				   int (*apply)(void *arg, uint64_t seq, const void *changes, size_t len,
						uint32_t nr),
				   void *arg, struct journal_replay_result *ret) MUST_CHECK;
FIBER_FN int __wrap_journal_replay(const struct journal_config *cfg, struct journal_pos pos, uint64_t after_seq,
				   int (*apply)(void *arg, uint64_t seq, const void *changes, size_t len,
						uint32_t nr),
				   void *arg, struct journal_replay_result *ret) MUST_CHECK;

/* One flush of a checkpoint is missing, a single time in the life of the volume. */

#define FLUSH_MISSING 6

static unsigned int nr_flushes;

FIBER_FN int __wrap_blkdev_flush(struct blkdev *dev)
{
	return canary == CANARY_NO_FLUSH && ++nr_flushes == FLUSH_MISSING ? 0 : __real_blkdev_flush(dev);
}

/* The superblock before its blocks: these are kept here until it is written. */

#define LATE_MAX 512

static struct late {
	struct blkdev *dev;
	uint64_t off;
	size_t len;
	uint8_t *buf;
} late[LATE_MAX];
static unsigned int nr_late;

FIBER_FN int __wrap_blkdev_writev(struct blkdev *dev, uint64_t off, const struct iovec *iov, unsigned int nr)
{
	struct late *l = &late[nr_late];
	size_t len = 0;

	for (unsigned int i = 0; i < nr; i++)
		len += iov[i].iov_len;
	if (canary != CANARY_SUPER_FIRST || nr_late == LATE_MAX)
		return __real_blkdev_writev(dev, off, iov, nr);
	*l = (struct late){ .dev = dev, .off = off, .buf = blkdev_buf_alloc(len) };
	for (unsigned int i = 0; i < nr; i++) {
		memcpy(l->buf + l->len, iov[i].iov_base, iov[i].iov_len);
		l->len += iov[i].iov_len;
	}
	nr_late++;
	return 0;
}

static FIBER_FN int write_late(void)
{
	int err = 0;

	for (unsigned int i = 0; i < nr_late; i++) {
		struct late *l = &late[i];

		if (!err)
			err = blkdev_write(l->dev, l->off, l->buf, l->len);
		blkdev_buf_free(l->buf);
	}
	nr_late = 0;
	return err;
}

/* And a journal whose writes are only written, not durable. */
FIBER_FN int __wrap_blkdev_write_durable(struct blkdev *dev, uint64_t off, const void *buf, size_t len)
{
	int err;

	if (canary == CANARY_JOURNAL_VOLATILE && off >= JOURNAL_OFFSET)
		return blkdev_write(dev, off, buf, len);
	err = __real_blkdev_write_durable(dev, off, buf, len);
	if (!err && canary == CANARY_SUPER_FIRST && (off == SUPER_OFFSET(0) || off == SUPER_OFFSET(1)))
		err = write_late();
	return err;
}

/* A promise before the write. */
FIBER_FN int __wrap_journal_wait_durable(struct journal *j, uint64_t seq)
{
	return canary == CANARY_JOURNAL_EARLY ? 0 : __real_journal_wait_durable(j, seq);
}

/* A block is free as soon as the tree has left it, though the last checkpoint still needs it. */
void __wrap_chunk_free(struct chunks *cs, uint64_t daddr, bool fresh)
{
	if (canary == CANARY_REUSE && !*chunk_cached(cs, daddr))
		fresh = true;
	__real_chunk_free(cs, daddr, fresh);
}

/* A record that is torn is as good as any. */
bool __wrap_record_is_whole(const void *rec, const struct record_info *info)
{
	return canary == CANARY_TORN || __real_record_is_whole(rec, info);
}

/* Replay without the last transaction: each is applied when the next one comes. */
struct behind {
	int (*apply)(void *arg, uint64_t seq, const void *changes, size_t len, uint32_t nr);
	void *arg;
	uint64_t seq;
	uint8_t *changes;
	size_t len;
	uint32_t nr;
};

static FIBER_FN int apply_behind(void *arg, uint64_t seq, const void *changes, size_t len, uint32_t nr)
{
	struct behind *b = arg;
	int err = b->changes ? b->apply(b->arg, b->seq, b->changes, b->len, b->nr) : 0;

	b->changes = sim_realloc(b->changes, len);
	memcpy(b->changes, changes, len);
	b->seq = seq;
	b->len = len;
	b->nr = nr;
	return err;
}

FIBER_FN int __wrap_journal_replay(const struct journal_config *cfg, struct journal_pos pos, uint64_t after_seq,
				   int (*apply)(void *arg, uint64_t seq, const void *changes, size_t len,
						uint32_t nr),
				   void *arg, struct journal_replay_result *ret)
{
	struct behind b = { .apply = apply, .arg = arg };
	int err;

	if (canary != CANARY_SKIP_LAST)
		return __real_journal_replay(cfg, pos, after_seq, apply, arg, ret);
	err = __real_journal_replay(cfg, pos, after_seq, apply_behind, &b, ret);
	free(b.changes);
	return err;
}

/* The first seed that fails, 0 if none does. */
static uint64_t first_to_fail(void)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct crash_report rep;

		nr_late = 0;
		nr_flushes = 0;
		crash_run(&(struct crash_config){ .seed = seed, .draws = 1, .deep_every = 16 }, &rep);
		if (rep.failed) {
			print_message("seed %llu, %llu states: %s\n", (unsigned long long)seed,
				      (unsigned long long)(rep.states + rep.deep_states), rep.what);
			return seed;
		}
	}
	return 0;
}

/* In a process of its own: a store with a bug may also die of it. */
static bool is_caught(enum canary which)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		canary = which;
		_exit(first_to_fail() ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		print_message("it died of it\n");
	return !WIFEXITED(status) || WEXITSTATUS(status) != 1;
}

static void test_no_flush(void **state)
{
	assert_true(is_caught(CANARY_NO_FLUSH));
}

static void test_super_first(void **state)
{
	assert_true(is_caught(CANARY_SUPER_FIRST));
}

static void test_journal_volatile(void **state)
{
	assert_true(is_caught(CANARY_JOURNAL_VOLATILE));
}

static void test_journal_early(void **state)
{
	assert_true(is_caught(CANARY_JOURNAL_EARLY));
}

static void test_reuse(void **state)
{
	assert_true(is_caught(CANARY_REUSE));
}

static void test_skip_last(void **state)
{
	assert_true(is_caught(CANARY_SKIP_LAST));
}

static void test_torn(void **state)
{
	assert_true(is_caught(CANARY_TORN));
}

/* The wrappers alone are no bug. */
static void test_no_canary(void **state)
{
	struct crash_report rep;

	crash_run(&(struct crash_config){ .seed = sim_seed(1), .draws = 1, .deep_every = 16 }, &rep);
	if (rep.failed)
		fail_msg("%s", rep.what);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_canary),     cmocka_unit_test(test_no_flush),
		cmocka_unit_test(test_super_first),   cmocka_unit_test(test_journal_volatile),
		cmocka_unit_test(test_journal_early), cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_skip_last),     cmocka_unit_test(test_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
