/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_SIM_REACTOR_H
#define LAMINA_TESTS_SIM_REACTOR_H

/*
 * A reactor whose time, chance and run order come from one seed.
 *
 * The clock starts at one second and moves only when the reactor says so: a little each time a fiber is picked (so
 * that a fiber which polls the clock ends), and to the next timer when nothing else is to do, now and then also
 * earlier, while fibers still want to run.  Which runnable fiber runs next is drawn.  Work for the helper pool runs
 * by itself at a random later time.  Nothing of it depends on addresses, the host's clock or its load: a seed repeats
 * a run exactly, and the trace hash proves it.
 *
 * If reactor_run() waits for something and there is neither a runnable fiber nor a timer nor work, nothing will ever
 * happen again: the parked fibers are listed and the test aborts.
 */

#include "dev/reactor.h"

/* Never fails.  reactor_close() ends it, and discards its fibers wherever they stand. */
struct reactor *sim_reactor_new(uint64_t seed);

/* Of all that was drawn, with the time it was drawn at. */
uint64_t sim_reactor_trace_hash(const struct reactor *r);
/* Count something of the test's own into the trace. */
void sim_reactor_trace(struct reactor *r, uint64_t event);

#endif
