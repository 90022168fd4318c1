/* SPDX-License-Identifier: Apache-2.0 */

/* See the header: each call once, with everything about its outcome checked that is always true. */

#include "tests/lib/data_file.h"

#include <string.h>
#include <sys/stat.h>

#include "extent/check_run.h"
#include "extent/name.h"
#include "tests/lib/check.h"

#define SOIL_CHUNK (64u << 10)

struct run {
	void (*fn)(struct store *s, void *arg);
	void *arg;
};

FIBER_FN static void run_mounted(struct store *s, void *arg)
{
	const struct run *run = arg;

	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	run->fn(s, run->arg);
	data_file_check_volume(s);
	store_unmount(s);
}

void data_file_run(const struct store_config *cfg, void (*fn)(struct store *s, void *arg), void *arg)
{
	struct run run = { fn, arg };
	struct store s;

	store_init(&s, cfg);
	data_file_soil(&s);
	store_run(&s, run_mounted, &run);
	store_release(&s);
}

void data_file_soil(struct store *s)
{
	uint8_t buf[SOIL_CHUNK];

	memset(buf, DATA_FILE_STRANGER, sizeof(buf));
	for (unsigned int i = 0; i < s->cfg.nr_disks; i++)
		for (uint64_t off = 0; off < s->cfg.disk_size; off += sizeof(buf))
			sim_disk_poke(s->disks[i], off, buf, min_u64(sizeof(buf), s->cfg.disk_size - off));
}

static void report(void *arg, enum check_severity severity, const char *sentence)
{
	fprintf(stderr, "check: %s\n", sentence);
}

void data_file_check_volume(struct store *s)
{
	const struct check_options opt = { .report = report };
	struct check_result res;

	data_settle(s->fs);
	CHECK_EQ(check_run(s->fs, &opt, &res), 0);
	CHECK_EQ(res.errors, 0);
}

struct call {
	const char *name;
	uint64_t ino;
	struct inode inode;
};

static int new_body(struct txn *txn, void *arg)
{
	struct call *c = arg;
	struct name_create how = { .mode = S_IFREG | 0600 };
	struct name_at at = { INO_ROOT, c->name, strlen(c->name) };
	struct name_result res;
	int err = name_create(txn, &at, &how, &res);

	if (!err)
		c->inode = res.inode;
	return err;
}

struct data_file data_file_new(struct store *s, const char *name)
{
	struct call c = { .name = name };
	uint64_t seq;

	CHECK_EQ(txn_run(s->fs, NULL, new_body, &c, &seq), 0);
	CHECK_EQ(txn_wait_durable(s->fs, seq), 0);
	return (struct data_file){ s, c.inode.ino, c.inode.generation };
}

static int unlink_body(struct txn *txn, void *arg)
{
	struct call *c = arg;
	struct name_at at = { INO_ROOT, c->name, strlen(c->name) };
	struct name_result res;

	return name_unlink(txn, &at, &res);
}

void data_file_unlink(struct store *s, const char *name)
{
	struct call c = { .name = name };

	CHECK_EQ(txn_run(s->fs, NULL, unlink_body, &c, NULL), 0);
}

static int inode_body(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return inode_get(txn, c->ino, &c->inode);
}

FIBER_FN static struct inode get_inode(struct store *s, uint64_t ino)
{
	struct call c = { .ino = ino };

	CHECK_EQ(txn_read(s->fs, inode_body, &c), 0);
	return c.inode;
}

uint64_t data_file_generation(struct store *s, uint64_t ino)
{
	return get_inode(s, ino).generation;
}

struct inode data_file_inode(struct data_file *f)
{
	return get_inode(f->store, f->ino);
}

uint64_t data_file_size(struct data_file *f)
{
	return data_file_inode(f).size;
}

void data_file_write(struct data_file *f, uint64_t off, const void *buf, uint32_t len, enum data_sync sync)
{
	struct inode before = data_file_inode(f), inode;
	uint64_t seq;
	bool durable;

	CHECK_EQ(data_write(f->store->fs, f->ino, f->generation, off, buf, len, sync, NULL, &inode, &durable, &seq),
		 0);
	CHECK(inode.change > before.change);
	CHECK(inode.size >= off + len);
	CHECK(seq > 0 && seq <= fs_last_change(f->store->fs, f->ino));
	CHECK(durable || sync == DATA_UNSTABLE);
}

uint32_t data_file_read(struct data_file *f, uint64_t off, void *buf, uint32_t len)
{
	uint32_t got;
	bool eof;

	CHECK_EQ(data_read(f->store->fs, f->ino, f->generation, off, buf, len, &got, &eof), 0);
	CHECK(got <= len && (got == len || eof));
	CHECK(!memchr(buf, DATA_FILE_STRANGER, got));
	return got;
}

void data_file_truncate(struct data_file *f, uint64_t size)
{
	struct inode_attrs attrs = { .mask = INODE_SET_SIZE, .size = size };
	struct inode inode;
	uint64_t seq;

	CHECK_EQ(data_setattr(f->store->fs, f->ino, f->generation, &attrs, NULL, &inode, &seq), 0);
	CHECK_EQ(inode.size, size);
}

void data_file_sync(struct data_file *f)
{
	struct fs *fs = f->store->fs;

	CHECK_EQ(data_commit(fs, f->ino, f->generation), 0);
	CHECK_EQ(txn_wait_durable(fs, fs_last_change(fs, f->ino)), 0);
}

bool data_file_is_zero(const void *buf, size_t len)
{
	const uint8_t *p = buf;

	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}
