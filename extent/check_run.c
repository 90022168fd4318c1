/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check as a whole: its passes in order, how it reads items, and what it does with findings.  A tree that cannot
 * be read through ends it, since every later pass would only repeat that.
 */
#include "extent/check_run.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "extent/check_int.h"
#include "extent/fs_int.h"

#define CHECK_MEMORY_DEFAULT (128u << 20)
#define CHECK_BATCH_ITEMS    256
#define CHECK_BATCH_BYTES    (64u << 10)

/* Items are copied out in batches, since a body may run again and must not switch. */
struct check_batch {
	struct key from, last;
	bool end;
	unsigned int nr;
	size_t used;
	struct item items[CHECK_BATCH_ITEMS];
	uint8_t bytes[CHECK_BATCH_BYTES];
};

PRINTF_FMT(3, 0) static void check_say(struct check *ck, enum check_severity severity, const char *fmt, va_list ap)
{
	char sentence[512];

	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	if (severity == CHECK_ERROR)
		ck->res.errors++;
	else
		ck->res.warnings++;
	if (ck->opt->report)
		ck->opt->report(ck->opt->arg, severity, sentence);
}

void check_error(struct check *ck, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	check_say(ck, CHECK_ERROR, fmt, ap);
	va_end(ap);
}

void check_warning(struct check *ck, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	check_say(ck, CHECK_WARNING, fmt, ap);
	va_end(ap);
}

void check_advance(struct check *ck, uint64_t by)
{
	ck->done = min_u64(ck->done + by, ck->total);
	if (ck->opt->progress)
		ck->opt->progress(ck->opt->arg, ck->done, ck->total);
}

bool check_range_is_valid(const struct check *ck, uint64_t daddr, uint64_t len)
{
	const struct super_device *dev;

	if (daddr > KEY_LOW_MAX || daddr_dev(daddr) >= ck->fs->nr_devs)
		return false;
	dev = &ck->fs->device[daddr_dev(daddr)];
	return len > 0 && daddr_block(daddr) >= dev->first_block && daddr_block(daddr) < dev->end_block &&
	       len <= dev->end_block - daddr_block(daddr);
}

static int check_batch_body(struct txn *txn, void *arg)
{
	struct check_batch *b = arg;
	struct key from = b->from;
	struct item it;
	int err;

	b->nr = 0;
	b->used = 0;
	b->end = false;
	while (b->nr < CHECK_BATCH_ITEMS && b->used + ITEM_VALUE_MAX <= CHECK_BATCH_BYTES) {
		err = txn_next(txn, from, b->last, &it);
		if (err == -ENOENT)
			b->end = true;
		if (err)
			return err == -ENOENT ? 0 : err;
		memcpy(&b->bytes[b->used], it.val, it.len);
		b->items[b->nr++] = (struct item){ it.key, &b->bytes[b->used], it.len };
		b->used += it.len;
		from = it.key;
		from.lo++;
		from.hi += !from.lo;
	}
	return 0;
}

int check_scan(struct check *ck, struct key from, struct key last,
	       int (*fn)(struct check *ck, const struct item *item, void *arg), void *arg)
{
	struct check_batch *b = malloc(sizeof(*b));
	int err = 0;

	if (!b)
		return -ENOMEM;
	b->from = from;
	b->last = last;
	b->end = false;
	while (!err && !b->end) {
		err = txn_read(ck->fs, check_batch_body, b);
		if (err) {
			check_error(ck, "items behind %" PRIx64 ":%" PRIx64 " cannot be read: %s", b->from.hi,
				    b->from.lo, strerror(-err));
			break;
		}
		for (unsigned int i = 0; i < b->nr && !err; i++)
			err = fn(ck, &b->items[i], arg);
		check_advance(ck, b->nr);
		if (b->nr) {
			b->from = b->items[b->nr - 1].key;
			b->from.lo++;
			b->from.hi += !b->from.lo;
		}
	}
	free(b);
	return err;
}

struct check_look {
	struct key key;
	bool there;
};

static int check_has_body(struct txn *txn, void *arg)
{
	struct check_look *look = arg;
	struct item it;
	int err;

	err = txn_get(txn, look->key, &it);
	look->there = !err;
	return err == -ENOENT ? 0 : err;
}

int check_has(struct check *ck, struct key key, bool *ret_there)
{
	struct check_look look = { .key = key };
	int err;

	err = txn_read(ck->fs, check_has_body, &look);
	if (err) {
		check_error(ck, "the item %" PRIx64 ":%" PRIx64 " cannot be read: %s", key.hi, key.lo,
			    strerror(-err));
		return err;
	}
	*ret_there = look.there;
	return 0;
}

static void check_counter(struct check *ck, const char *what, uint64_t counted, uint64_t noted)
{
	if (counted != noted)
		check_error(ck, "the volume counts %" PRIu64 " %s, but there are %" PRIu64, noted, what, counted);
}

static void check_counters(struct check *ck)
{
	struct fs_stats stats;

	fs_stats(ck->fs, &stats);
	check_counter(ck, "items", ck->res.items, stats.items);
	check_counter(ck, "inodes", ck->res.inodes, stats.inodes);
	check_counter(ck, "free blocks", ck->res.free_blocks, stats.free_blocks);
	check_counter(ck, "blocks in limbo", ck->res.limbo_blocks, stats.limbo_blocks);
}

int check_run(struct fs *fs, const struct check_options *opt, struct check_result *ret_result)
{
	struct check ck = { .fs = fs, .opt = opt, .memory = opt->memory ? opt->memory : CHECK_MEMORY_DEFAULT };
	struct fs_stats stats;
	int err;

	fs_stats(fs, &stats);
	ck.total = stats.tree_blocks + stats.items * (check_space_passes(&ck) + check_names_passes(&ck));
	err = check_tree(&ck);
	if (!err)
		err = check_space(&ck);
	if (!err)
		err = check_names(&ck);
	if (!err)
		check_counters(&ck);
	check_advance(&ck, ck.total); /* an estimate until here */
	*ret_result = ck.res;
	return err;
}
