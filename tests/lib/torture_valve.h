/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_TORTURE_VALVE_H
#define LAMINA_TESTS_LIB_TORTURE_VALVE_H

/*
 * A disk as a machine reaches it that may die while the disk and other machines live on: a block device before
 * another one.  Some requests wait a little before they are on their way.  When the valve is shut, those never reach
 * the disk, others do; and nobody hears of any of them any more.
 */

#include "dev/blkdev.h"

struct torture_valve;

/* @inner stays the caller's; @seed of the delays. */
struct torture_valve *torture_valve_new(struct blkdev *inner, uint64_t seed);
/* Nothing is in flight. */
void torture_valve_free(struct torture_valve *valve);
struct blkdev *torture_valve_dev(struct torture_valve *valve);
/* All that is submitted or completes from now on is -ENODEV. */
void torture_valve_shut(struct torture_valve *valve);
/* The same by itself, when @nth requests more that change something were submitted. */
void torture_valve_shut_at(struct torture_valve *valve, uint64_t nth);
bool torture_valve_is_shut(const struct torture_valve *valve);
/* A new life, in front of @inner.  Nothing is in flight. */
void torture_valve_reset(struct torture_valve *valve, struct blkdev *inner);
unsigned int torture_valve_in_flight(const struct torture_valve *valve);

#endif
