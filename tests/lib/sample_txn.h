/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_SAMPLE_TXN_H
#define LAMINA_TESTS_LIB_SAMPLE_TXN_H

/*
 * Transactions for tests of the journal.  Number and contents follow from the sequence number and the life (run of
 * the journal between two crashes) that wrote it, so that a replay can be checked without remembering anything: one
 * of an earlier life in the place of a later one is found out.
 */

#include "extent/journal.h"

#define SAMPLE_LIVES_MAX 16

/* Bytes of changes of transaction @seq as written by @life. */
size_t sample_txn_size(uint64_t seq, unsigned int life);
/* Write it to @at; returns the number of changes. */
uint32_t sample_txn_write(void *at, uint64_t seq, unsigned int life);
/* Wait for room and commit the next one.  *@ret_seq is 0 on failure. */
FIBER_FN int sample_txn_add(struct journal *j, unsigned int life, uint64_t *ret_seq) MUST_CHECK;

/* What a replay has to find. */
struct sample_check {
	uint64_t last_seq;		      /* seen */
	unsigned int nr_lives;		      /* > 0 */
	uint64_t first_seq[SAMPLE_LIVES_MAX]; /* of each life */
};

/* As apply of journal_replay(): -EPROTO and a line on standard error if it is not what comes next. */
int sample_check_txn(void *check, uint64_t seq, const void *changes, size_t len, uint32_t nr);

#endif
