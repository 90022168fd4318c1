/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any key with any value prints on one line, and its key reads back; any text is a key or is refused.  The input is a
 * byte that chooses; then either a key of 16 bytes and a value, or a text.
 */

#include <stdio.h>
#include <stdlib.h>

#include "extent/format.h"
#include "tests/lib/fuzz.h"

static void seed_item(const char *name, struct key key, const void *val, size_t len)
{
	uint8_t buf[512] = { 0 };
	struct le64 hi = le64_make(key.hi), lo = le64_make(key.lo);

	memcpy(buf + 1, &hi, 8);
	memcpy(buf + 9, &lo, 8);
	if (len)
		memcpy(buf + 17, val, len);
	fuzz_seed_write(name, buf, 17 + len);
}

static void seed_text(const char *name, const char *text)
{
	char buf[128];

	snprintf(buf, sizeof(buf), "\x01%s", text);
	fuzz_seed_write(name, buf, strlen(buf));
}

static void seeds(void)
{
	struct disk_chunk_item chunk = { le64_make(256) };
	struct disk_free run = { le64_make(8) };
	struct disk_shared shared = { le64_make(8), le32_make(2) };
	struct disk_extent extent = { .daddr = le64_make(1000), .len = le32_make(16), .state = EXTENT_WRITTEN };
	struct disk_inode inode = { .mode = le32_make(0100644), .trim_from = le64_make(UINT64_MAX) };
	struct {
		struct disk_dirent head;
		char name[3];
	} dirent = { { .ino = le64_make(12), .type = 8, .name_len = 3 }, "abc" };
	struct {
		struct disk_xattr head;
		char name[7];
	} xattr = { { .value_len = le32_make(1), .name_len = 6 }, "user.xV" };

	seed_item("chunk", key_make(ZONE_VOLUME, 0, ITEM_CHUNK, 3), &chunk, sizeof(chunk));
	seed_item("free-addr", key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, 100), &run, sizeof(run));
	seed_item("free-size", key_make(ZONE_FREE, 3, ITEM_FREE_SIZE, 100), NULL, 0);
	seed_item("limbo", key_make(ZONE_LIMBO, 5, ITEM_LIMBO, 200), &run, sizeof(run));
	seed_item("shared", key_make(ZONE_SHARED, 0, ITEM_SHARED, 300), &shared, sizeof(shared));
	seed_item("orphan", key_make(ZONE_ORPHAN, 0, ITEM_ORPHAN, 9), NULL, 0);
	seed_item("inode", key_make(ZONE_FILE, 12, ITEM_INODE, 0), &inode, sizeof(inode));
	seed_item("symlink", key_make(ZONE_FILE, 12, ITEM_SYMLINK, 0), "target", 6);
	seed_item("xattr", key_make(ZONE_FILE, 12, ITEM_XATTR, 0x12300), &xattr, sizeof(xattr));
	seed_item("dirent", key_make(ZONE_FILE, 12, ITEM_DIRENT, 0x4200), &dirent, sizeof(dirent));
	seed_item("extent", key_make(ZONE_FILE, 12, ITEM_EXTENT, 0), &extent, sizeof(extent));
	seed_item("state", key_make(ZONE_STATE, 12, 3, 0), "state", 5);
	seed_text("text-extent", "file 12 extent 40");
	seed_text("text-free", "free order 3 to 1:200");
	seed_text("text-raw", "zone 7 obj 0x12 type 3 at 4");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (fuzz_seed_dir()) {
		seeds();
		exit(0);
	}
	return 0;
}

static char *print(struct key key, const void *val, size_t len)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fuzz_require(out);
	item_print(out, key, val, len);
	fuzz_require(fclose(out) == 0);
	return text;
}

static void fuzz_item(struct key key, const uint8_t *val, size_t len)
{
	char *text = print(key, val, len), *end = strstr(text, ": ");
	struct key again;

	(void)!item_is_valid(key, val, len);
	fuzz_require(!strchr(text, '\n'));
	if (end)
		*end = '\0';
	fuzz_require(item_key_parse(text, &again) == 0 && key_cmp(key, again) == 0);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	char *text = calloc(1, size + 1);
	struct key key;

	fuzz_require(text);
	if (fuzz_u8(&in) == 0) {
		key.hi = fuzz_u64(&in);
		key.lo = fuzz_u64(&in);
		fuzz_item(key, in.data, in.size);
	} else {
		fuzz_bytes(&in, text, in.size);
		if (!item_key_parse(text, &key))
			fuzz_item(key, NULL, 0);
	}
	free(text);
	return 0;
}
