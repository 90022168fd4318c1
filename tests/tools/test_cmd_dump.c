/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `lamina dump` on a volume in a plain file: each topic shows what is there, with and without the journal, sound and
 * damaged, as text and as JSON; and the file is the same afterwards.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>
#include <getopt.h>
#include <json-c/json.h>

#include "dev/reactor.h"
#include "extent/fs.h"
#include "extent/inode.h"
#include "extent/sum.h"
#include "extent/super.h"
#include "extent/txn.h"
#include "tools/cmd.h"
#include "tools/volume.h"

#define IMAGE_SIZE (64u << 20)
#define NR_MANY	   2000u

static char image[] = "dump-test-XXXXXX";
static char *out_text, *err_text;

/* Making the volume: inode 12 with a map in the checkpoint, inode 13 in the journal only. */

static int put_inode(struct txn *txn, uint64_t ino)
{
	struct inode inode = { .ino = ino,
			       .mode = S_IFREG | 0644,
			       .nlink = 1,
			       .size = 100000,
			       .parent = INO_ROOT,
			       .trim_from = INODE_NO_TRIM };

	return inode_put(txn, &inode);
}

static int put_extent(struct txn *txn, uint64_t ino, uint8_t type, uint64_t off, uint64_t daddr, uint8_t state)
{
	struct disk_extent e = { .daddr = le64_make(daddr), .len = le32_make(8), .state = state };

	return txn_put(txn, key_make(ZONE_FILE, ino, type, off), &e, sizeof(e));
}

static int early_body(struct txn *txn, void *arg)
{
	int err = put_inode(txn, 12);

	if (!err)
		err = put_extent(txn, 12, ITEM_EXTENT, 4, daddr_make(0, 9000), EXTENT_WRITTEN);
	if (!err)
		err = put_extent(txn, 12, ITEM_EXTENT, 12, daddr_make(0, 9100), EXTENT_UNWRITTEN);
	if (!err)
		err = put_extent(txn, 12, ITEM_COW, 4, daddr_make(0, 9200), EXTENT_UNWRITTEN);
	for (uint64_t i = 0; !err && i < NR_MANY; i++)
		err = txn_put(txn, key_make(ZONE_STATE, i, 1, 0), "a\x1b[31mb", 7);
	return err;
}

static int late_body(struct txn *txn, void *arg)
{
	int err = put_inode(txn, 13);

	return err ? err : txn_delete(txn, key_make(ZONE_FILE, 12, ITEM_COW, 4));
}

FIBER_FN static int make_volume(struct volume *v, void *arg)
{
	struct fs_format_options format = { .name = "dumped" };
	struct fs_mount_options mount = { 0 };
	struct txn_options opt = { .name = "test", .log_max = 128 << 10 };
	struct why why;
	struct fs *fs;
	uint64_t seq;

	assert_int_equal(fs_format(v->r, v->devs, v->nr, &format, &why), 0);
	assert_int_equal(fs_mount(v->r, v->devs, v->nr, &mount, &fs, &why), 0);
	assert_int_equal(txn_run(fs, &opt, early_body, NULL, &seq), 0);
	assert_int_equal(fs_unmount(fs), 0);
	assert_int_equal(fs_mount(v->r, v->devs, v->nr, &mount, &fs, &why), 0);
	assert_int_equal(txn_run(fs, &opt, late_body, NULL, &seq), 0);
	assert_int_equal(txn_wait_durable(fs, seq), 0);
	fs_abandon(fs);
	return CMD_OK;
}

static int setup(void **state)
{
	char *paths[] = { image };
	int fd = mkstemp(image);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, IMAGE_SIZE), 0);
	close(fd);
	assert_int_equal(volume_run("test", paths, 1, 0, CMD_FAILED, make_volume, NULL), CMD_OK);
	return 0;
}

static int teardown(void **state)
{
	unlink(image);
	free(out_text);
	free(err_text);
	return 0;
}

/* Running the command */

static char *slurp(FILE *in)
{
	long size = ftell(in);
	char *text = calloc(1, (size_t)size + 1);

	assert_non_null(text);
	rewind(in);
	assert_int_equal(fread(text, 1, (size_t)size, in), size);
	fclose(in);
	return text;
}

/* Let @fd write to a file of its own; the old meaning is *@ret_saved. */
static FILE *capture(int fd, int *ret_saved)
{
	FILE *tmp = tmpfile();

	assert_non_null(tmp);
	*ret_saved = dup(fd);
	assert_true(dup2(fileno(tmp), fd) >= 0);
	return tmp;
}

static char *uncapture(FILE *tmp, int fd, int saved)
{
	assert_true(dup2(saved, fd) >= 0);
	close(saved);
	fseek(tmp, 0, SEEK_END);
	return slurp(tmp);
}

static uint64_t image_sum(void)
{
	static uint8_t bytes[IMAGE_SIZE];
	FILE *in = fopen(image, "rb");

	assert_non_null(in);
	assert_int_equal(fread(bytes, 1, sizeof(bytes), in), sizeof(bytes));
	fclose(in);
	return sum_compute(bytes, sizeof(bytes));
}

/* lamina dump with these words, NULL at the end; "IMAGE" stands for the volume. */
static int dump(const char *word, ...)
{
	char *argv[16] = { (char *)(uintptr_t) "dump" };
	uint64_t before = image_sum();
	int argc = 1, saved_out, saved_err, exit_code;
	FILE *out, *err;
	va_list args;

	va_start(args, word);
	for (; word; word = va_arg(args, const char *))
		argv[argc++] = strcmp(word, "IMAGE") ? (char *)(uintptr_t)word : image;
	va_end(args);
	free(out_text);
	free(err_text);
	fflush(stdout);
	fflush(stderr);
	out = capture(STDOUT_FILENO, &saved_out);
	err = capture(STDERR_FILENO, &saved_err);
	optind = 0;
	exit_code = cmd_dump(argc, argv);
	fflush(stdout);
	fflush(stderr);
	out_text = uncapture(out, STDOUT_FILENO, saved_out);
	err_text = uncapture(err, STDERR_FILENO, saved_err);
	assert_int_equal(image_sum(), before);
	return exit_code;
}

static void assert_shows(const char *what)
{
	if (!strstr(out_text, what))
		fail_msg("output lacks \"%s\":\n%.2000s\nerrors:\n%.1000s", what, out_text, err_text);
}

static void assert_hides(const char *what)
{
	if (strstr(out_text, what))
		fail_msg("output has \"%s\":\n%.2000s", what, out_text);
}

static void assert_complains(const char *what)
{
	if (!strstr(err_text, what))
		fail_msg("errors lack \"%s\":\n%.2000s", what, err_text);
}

/* Change bytes of the image. */
static void patch(uint64_t off, const void *bytes, size_t len)
{
	int fd = open(image, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, (off_t)off), len);
	close(fd);
}

static void peek(uint64_t off, void *bytes, size_t len)
{
	int fd = open(image, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, bytes, len, (off_t)off), len);
	close(fd);
}

static uint64_t root_daddr(void)
{
	static struct disk_super slots[2];

	peek(SUPER_OFFSET(0), slots, sizeof(slots));
	return le64_get(slots[le64_get(slots[1].epoch) > le64_get(slots[0].epoch)].root.daddr);
}

/* Tests */

static void test_usage(void **state)
{
	assert_int_equal(dump(NULL, NULL), CMD_USAGE);
	assert_int_equal(dump("--help", NULL), CMD_OK);
	assert_shows("usage:");
	assert_int_equal(dump("IMAGE", NULL), CMD_USAGE);
	assert_int_equal(dump("label", NULL), CMD_USAGE);
	assert_int_equal(dump("--nonsense", "IMAGE", "label", NULL), CMD_USAGE);
	assert_int_equal(dump("IMAGE", "block", NULL), CMD_USAGE);
	assert_int_equal(dump("IMAGE", "block", "12", NULL), CMD_USAGE);
	assert_complains("'12'");
	assert_int_equal(dump("IMAGE", "map", "0", NULL), CMD_USAGE);
	assert_int_equal(dump("IMAGE", "items", "file twelve", NULL), CMD_USAGE);
	assert_complains("file 12 extent 40");
	assert_int_equal(dump("IMAGE", "label", "more", NULL), CMD_USAGE);
	assert_int_equal(dump("/nonexistent/device", "label", NULL), CMD_FAILED);
	assert_complains("/nonexistent/device");
}

static void test_heads(void **state)
{
	assert_int_equal(dump("IMAGE", "label", NULL), CMD_OK);
	assert_shows("volume_name: dumped");
	assert_shows("byte: 67104768"); /* the copy */
	assert_int_equal(dump("IMAGE", "super", NULL), CMD_OK);
	assert_shows("slot: 1");
	assert_shows("state: good");
	assert_shows("first_block");
	assert_int_equal(dump("IMAGE", "chunks", NULL), CMD_OK);
	assert_shows("state: good");
	assert_shows("used:");
}

static void test_items(void **state)
{
	assert_int_equal(dump("IMAGE", "items", NULL), CMD_OK);
	assert_shows("file 1 inode: mode 040755");
	assert_shows("file 12 extent 4: 0:9000 8 blocks written");
	assert_shows("state 1999 type 1 at 0x0: 7 bytes");
	assert_hides("file 13 ");
	assert_int_equal(dump("IMAGE", "items", "file 12 extent 12", "state 1 type 1 at 0", NULL), CMD_OK);
	assert_hides("extent 4:");
	assert_shows("extent 12:");
	assert_shows("state 1 type");
	assert_hides("state 2 type");
	assert_int_equal(dump("--replay", "IMAGE", "items", NULL), CMD_OK);
	assert_shows("file 13 inode");
	assert_shows("state 1999 type 1");
	assert_hides("file 12 cow");
}

static void test_map(void **state)
{
	assert_int_equal(dump("IMAGE", "map", "12", NULL), CMD_OK);
	assert_shows("             0            4  hole      -");
	assert_shows("             4            8  written   0:9000");
	assert_shows("            12            8  unwritten 0:9100");
	assert_shows("             4            8  cow       0:9200");
	assert_int_equal(dump("IMAGE", "map", "13", NULL), CMD_FAILED);
	assert_complains("--replay");
	assert_int_equal(dump("--replay", "IMAGE", "map", "13", NULL), CMD_OK);
	assert_shows("file 13 inode");
}

static void test_journal(void **state)
{
	assert_int_equal(dump("IMAGE", "journal", NULL), CMD_OK);
	assert_shows("put file 13 inode: mode 100644");
	assert_shows("delete file 12 cow 4");
	assert_complains("the journal ends at");
}

/* Every line of every topic is one object. */
static void test_json(void **state)
{
	static const char *const topics[] = { "label", "super", "journal", "items", "chunks" };

	for (size_t i = 0; i < ARRAY_SIZE(topics); i++) {
		unsigned int nr = 0;

		assert_int_equal(dump("--json", "IMAGE", topics[i], NULL), CMD_OK);
		for (char *save = NULL, *line = strtok_r(out_text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			json_object *o = json_tokener_parse(line), *text;

			assert_true(json_object_is_type(o, json_type_object));
			assert_false(json_object_object_get_ex(o, "text", &text));
			json_object_put(o);
			nr++;
		}
		assert_true(nr > 0);
	}
}

static void test_block(void **state)
{
	uint64_t daddr = root_daddr();
	char address[64];

	snprintf(address, sizeof(address), "0:%llu", (unsigned long long)daddr);
	assert_int_equal(dump("IMAGE", "block", address, NULL), CMD_OK);
	assert_shows("state: good");
	assert_shows("level: 1");
	assert_shows("children:");
	assert_int_equal(dump("IMAGE", "block", "0:0", NULL), CMD_FAILED);
	assert_shows("no tree block");
	assert_int_equal(dump("IMAGE", "block", "0:99999999", NULL), CMD_FAILED);
	assert_complains("behind the end");
	assert_int_equal(dump("IMAGE", "block", "1:0", NULL), CMD_FAILED);
	assert_complains("device 1");
}

/* One leaf is damaged: the others are shown. */
static void test_damaged_leaf(void **state)
{
	struct disk_node_slot slot;
	uint64_t leaf;
	uint8_t old[64], bad[64] = { 1, 2, 3 };

	peek((root_daddr() << DADDR_BLOCK_SHIFT) + sizeof(struct disk_block) + sizeof(slot), &slot, sizeof(slot));
	leaf = le64_get(slot.child.daddr) << DADDR_BLOCK_SHIFT;
	peek(leaf + 8000, old, sizeof(old));
	patch(leaf + 8000, bad, sizeof(bad));
	assert_int_equal(dump("IMAGE", "items", NULL), CMD_FAILED);
	assert_complains("the checksum is wrong");
	assert_shows("file 1 inode");
	assert_shows("state 1999 type 1");
	patch(leaf + 8000, old, sizeof(old));
	assert_int_equal(dump("IMAGE", "items", NULL), CMD_OK);
}

/* A tree that leads to the same leaf twice, under good checksums. */
static void test_leaf_twice(void **state)
{
	static uint8_t old[BLOCK_SIZE], bad[BLOCK_SIZE];
	struct disk_node_slot *slots = (void *)(bad + sizeof(struct disk_block));
	uint64_t root = root_daddr() << DADDR_BLOCK_SHIFT;

	peek(root, old, sizeof(old));
	memcpy(bad, old, sizeof(bad));
	slots[1].child = slots[0].child;
	sum_set(bad, sizeof(bad));
	patch(root, bad, sizeof(bad));
	assert_int_equal(dump("IMAGE", "items", NULL), CMD_FAILED);
	assert_complains("keys that belong elsewhere");
	assert_shows("file 1 inode");
	patch(root, old, sizeof(old));
	assert_int_equal(dump("IMAGE", "items", NULL), CMD_OK);
}

static void test_damaged_heads(void **state)
{
	uint8_t label[LABEL_SIZE], slots[2 * SUPER_SIZE], zeros[512] = { 0 };

	peek(0, label, sizeof(label));
	peek(SUPER_OFFSET(0), slots, sizeof(slots));
	patch(0, zeros, sizeof(zeros));
	assert_int_equal(dump("IMAGE", "label", NULL), CMD_FAILED);
	assert_shows("no label");
	assert_shows("volume_name: dumped");
	assert_int_equal(dump("IMAGE", "items", NULL), CMD_FAILED); /* all is shown, but something is damaged */
	assert_complains("only the copy");
	assert_shows("state 1999 type 1");
	patch(IMAGE_SIZE - LABEL_SIZE, zeros, sizeof(zeros));
	assert_int_equal(dump("IMAGE", "items", NULL), CMD_FAILED);
	assert_complains("taken for device 0");
	assert_shows("state 1999 type 1");
	patch(SUPER_OFFSET(0) + 1000, "xyz", 3);
	patch(SUPER_OFFSET(1) + 1000, "xyz", 3);
	assert_int_equal(dump("IMAGE", "items", NULL), CMD_FAILED);
	assert_complains("no superblock is good");
	assert_int_equal(dump("IMAGE", "super", NULL), CMD_FAILED);
	assert_shows("checksum is wrong");
	assert_shows("journal_lsn:");
	patch(0, label, sizeof(label));
	patch(IMAGE_SIZE - LABEL_SIZE, label, sizeof(label));
	patch(SUPER_OFFSET(0), slots, sizeof(slots));
	assert_int_equal(dump("IMAGE", "items", NULL), CMD_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usage),	   cmocka_unit_test(test_heads),
		cmocka_unit_test(test_items),	   cmocka_unit_test(test_map),
		cmocka_unit_test(test_journal),	   cmocka_unit_test(test_json),
		cmocka_unit_test(test_block),	   cmocka_unit_test(test_damaged_leaf),
		cmocka_unit_test(test_leaf_twice), cmocka_unit_test(test_damaged_heads),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
