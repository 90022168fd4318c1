/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A superblock that may hold anything decodes or is refused, and what decodes encodes to the same bytes.  The input
 * is a byte (1: the wrong slot, 2: leave the checksum as it is, else it is made good), two bytes N and N bytes of the
 * head, two bytes M and M bytes of the table of devices, and the rest for that of chunks.
 */

#include <stdlib.h>

#include "extent/sum.h"
#include "extent/super.h"
#include "tests/lib/fuzz.h"

#define HEAD_SHOWN 512u

static uint8_t block[SUPER_SIZE], again[SUPER_SIZE];
static struct super super;

static void seed(const char *name)
{
	struct disk_super *d = (void *)block;
	uint8_t buf[SUPER_SIZE + 5] = { 0 }, *p = buf + 1;
	struct le16 len = le16_make(HEAD_SHOWN);
	size_t devices = super.nr_devices * sizeof(d->devices[0]), chunks = super.nr_chunks * sizeof(d->chunks[0]);

	super_encode(&super, block);
	memcpy(p, &len, 2);
	memcpy(p + 2, block, HEAD_SHOWN);
	p += 2 + HEAD_SHOWN;
	len = le16_make((uint16_t)devices);
	memcpy(p, &len, 2);
	memcpy(p + 2, d->devices, devices);
	p += 2 + devices;
	memcpy(p, d->chunks, chunks);
	fuzz_seed_write(name, buf, (size_t)(p + chunks - buf));
}

static void seeds(void)
{
	super = (struct super){
		.volume_uuid = "volume",
		.epoch = 7,
		.root_daddr = 1280 + 8,
		.root_epoch = 7,
		.nr_devices = 1,
		.nr_chunks = 1,
		.chunk_blocks = 256,
		.txn_seq = 12345,
		.next_ino = 99,
		.journal_size = 4 << 20,
		.journal_era = 5,
		.devices = { { .uuid = "zero", .size = 64 << 20, .first_block = 1280, .end_block = 16383 },
			     { .uuid = "one", .size = 64 << 20, .first_block = 256, .end_block = 16383 } },
		.chunks = { 1280, daddr_make(1, 512), daddr_make(1, 256) },
	};
	seed("one");
	super.nr_devices = 2;
	super.nr_chunks = 3;
	super.chunk_slots[1] = 1;
	super.root_level = 2;
	seed("two");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (fuzz_seed_dir()) {
		seeds();
		exit(0);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct disk_super *d = (void *)block;
	unsigned int slot;
	struct why why;
	uint8_t how = fuzz_u8(&in);
	size_t n;

	memset(block, 0, sizeof(block));
	n = fuzz_u16(&in);
	fuzz_bytes(&in, block, min_u64(n, offsetof(struct disk_super, devices)));
	n = fuzz_u16(&in);
	fuzz_bytes(&in, d->devices, min_u64(n, sizeof(d->devices)));
	fuzz_bytes(&in, d->chunks, sizeof(d->chunks));
	slot = super_slot(le64_get(d->epoch)) ^ (how & 1);
	if ((how & 2) == 0)
		sum_set(block, SUPER_SIZE);
	if (!super_decode(block, slot, NULL, &super, &why)) {
		super_encode(&super, again);
		fuzz_require(feature_is_newer(&super.features) || memcmp(block, again, SUPER_SIZE) == 0);
	}
	return 0;
}
