/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A label that may hold anything decodes or is refused, and what decodes encodes to the same bytes.  The input is a
 * byte and the start of the block, the rest is zeros; unless the byte is odd the checksum is made good.
 */

#include <stdlib.h>

#include "extent/label.h"
#include "extent/sum.h"
#include "tests/lib/fuzz.h"

static void seed(const char *name, const struct label *label)
{
	static uint8_t buf[1 + LABEL_SIZE];

	label_encode(label, buf + 1);
	fuzz_seed_write(name, buf, 1 + 168);
}

static void seeds(void)
{
	struct label label = { .volume_uuid = "volume",
			       .device_uuid = "device",
			       .nr_devices = 2,
			       .device_index = 1,
			       .device_size = 1 << 24,
			       .created_sec = 1234567890,
			       .volume_name = "fuzz" };

	seed("label", &label);
	label.features.compat = 1;
	label.features.ro_compat = 2;
	memset(label.volume_name, 'x', LABEL_NAME_LEN);
	seed("features", &label);
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
	uint8_t *block = calloc(1, LABEL_SIZE), again[LABEL_SIZE];
	struct label label;
	struct why why;
	bool as_is = fuzz_u8(&in) & 1;

	fuzz_require(block);
	fuzz_bytes(&in, block, LABEL_SIZE);
	if (!as_is)
		sum_set(block, LABEL_SIZE);
	if (!label_decode(block, &label, &why)) {
		label_encode(&label, again);
		fuzz_require(feature_is_newer(&label.features) || memcmp(block, again, LABEL_SIZE) == 0);
	}
	free(block);
	return 0;
}
