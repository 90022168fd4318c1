/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_DICE_H
#define LAMINA_TESTS_LIB_DICE_H

/* Random numbers of randomised tests: all from one seed, which a failing run has printed. */

#include <stdint.h>

struct dice {
	uint64_t state;
};

/* LAMINA_SEED from the environment, or @otherwise.  Prints it. */
struct dice dice_seed(uint64_t otherwise);
uint64_t dice_roll(struct dice *dice);
/* Below @below > 0. */
uint64_t dice_below(struct dice *dice, uint64_t below);
void dice_fill(struct dice *dice, void *buf, uint64_t len);

#endif
