/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_FUZZ_H
#define LAMINA_TESTS_LIB_FUZZ_H

/*
 * What the fuzzers share.  The seeds in tests/fuzz/corpus are made by the fuzzers themselves: with
 * LAMINA_FUZZ_SEEDS=DIRECTORY in the environment a fuzzer writes its seeds there and ends.
 */

#include <stddef.h>
#include <stdint.h>

/* The entry points that libFuzzer calls. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The directory for seeds; NULL: fuzz. */
const char *fuzz_seed_dir(void);
/* Write one seed, or end the program with a message. */
void fuzz_seed_write(const char *name, const void *data, size_t size);

/* Input that is taken piece by piece; what is missing at its end is zeros. */
struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

uint8_t fuzz_u8(struct fuzz_input *in);
uint16_t fuzz_u16(struct fuzz_input *in);
uint64_t fuzz_u64(struct fuzz_input *in);
/* At most @max bytes into @buf; returns how many there were. */
size_t fuzz_bytes(struct fuzz_input *in, void *buf, size_t max);

/* End the run: what the comment says does not hold. */
#define fuzz_require(cond)                                                                                           \
	do {                                                                                                         \
		if (!(cond))                                                                                         \
			__builtin_trap();                                                                            \
	} while (0)

#endif
