/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flushes that are shared.  A flush serves those who came before it began; who comes while one is under way waits for
 * the next, together with all others who do.  The first of them makes it, so nobody flushes for ever for others.
 */

#include "extent/fs_int.h"

struct flush_call {
	struct list link;
	struct wait_queue wake; /* done, or its turn to flush */
	bool done;
	int err;
};

FIBER_FN static void flush_round(struct fs *fs)
{
	struct data_state *state = &fs->data;
	struct list served;
	int err;

	list_init(&served);
	list_splice_tail(&state->flushes, &served);
	err = data_io_flush(fs);
	while (!list_is_empty(&served)) {
		struct flush_call *call = list_first_entry(&served, struct flush_call, link);

		list_del(&call->link);
		call->err = err;
		call->done = true;
		wait_queue_wake_all(&call->wake);
	}
	state->flushing = !list_is_empty(&state->flushes);
	if (state->flushing)
		wait_queue_wake_all(&list_first_entry(&state->flushes, struct flush_call, link)->wake);
}

int data_flush_devices(struct fs *fs)
{
	struct data_state *state = &fs->data;
	struct flush_call call = { .done = false };

	wait_queue_init(&call.wake);
	list_add_tail(&call.link, &state->flushes);
	if (state->flushing) {
		wait_queue_wait(&call.wake);
		if (call.done)
			return call.err;
	}
	state->flushing = true;
	flush_round(fs);
	return call.err;
}
