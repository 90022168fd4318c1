/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: the same input gives the same pieces, whatever its length. */

#include "tests/lib/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/le.h"

const char *fuzz_seed_dir(void)
{
	return getenv("LAMINA_FUZZ_SEEDS");
}

void fuzz_seed_write(const char *name, const void *data, size_t size)
{
	char path[4096];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", fuzz_seed_dir(), name);
	out = fopen(path, "wb");
	if (!out || fwrite(data, 1, size, out) != size || fclose(out)) {
		perror(path);
		exit(1);
	}
}

size_t fuzz_bytes(struct fuzz_input *in, void *buf, size_t max)
{
	size_t n = in->size < max ? in->size : max;

	if (n)
		memcpy(buf, in->data, n);
	in->data += n;
	in->size -= n;
	return n;
}

uint8_t fuzz_u8(struct fuzz_input *in)
{
	uint8_t x = 0;

	fuzz_bytes(in, &x, sizeof(x));
	return x;
}

uint16_t fuzz_u16(struct fuzz_input *in)
{
	struct le16 x = { { 0 } };

	fuzz_bytes(in, &x, sizeof(x));
	return le16_get(x);
}

uint64_t fuzz_u64(struct fuzz_input *in)
{
	struct le64 x = { { 0 } };

	fuzz_bytes(in, &x, sizeof(x));
	return le64_get(x);
}
