/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: a fiber waits, the reactor does not. */
#include <stdio.h>

#include "dev/reactor.h"
#include "dev/reserver_int.h"

struct blocking_call {
	const struct reserver_blocking *b;
	struct reserver_command cmd;
};

static int run_call(void *arg)
{
	const struct blocking_call *c = arg;

	return c->b->run(c->b, &c->cmd);
}

static FIBER_FN int call_helper(struct reserver *res, const struct reserver_command *cmd)
{
	struct blocking_call c = { .b = container_of(res, struct reserver_blocking, res), .cmd = *cmd };

	return reactor_call(res->reactor, run_call, &c);
}

static FIBER_FN int blocking_enlist(struct reserver *res, uint64_t key)
{
	return call_helper(res, &(struct reserver_command){ .what = RESERVER_REGISTER, .key = key });
}

static FIBER_FN int blocking_resign(struct reserver *res, uint64_t key)
{
	return call_helper(res, &(struct reserver_command){ .what = RESERVER_UNREGISTER, .key = key });
}

static FIBER_FN int blocking_reserve(struct reserver *res, uint64_t key, enum reservation_type type)
{
	return call_helper(res, &(struct reserver_command){ .what = RESERVER_RESERVE, .key = key, .type = type });
}

static FIBER_FN int blocking_preempt(struct reserver *res, uint64_t key, uint64_t victim, enum reservation_type type,
				     bool abort)
{
	return call_helper(
		res, &(struct reserver_command){
			     .what = RESERVER_PREEMPT, .key = key, .victim = victim, .type = type, .abort = abort });
}

static FIBER_FN int blocking_view(struct reserver *res, struct reserver_view *ret_view)
{
	return call_helper(res, &(struct reserver_command){ .what = RESERVER_VIEW, .view = ret_view });
}

static void blocking_shut(struct reserver *res)
{
	struct reserver_blocking *b = container_of(res, struct reserver_blocking, res);

	b->end(b);
}

void reserver_blocking_init(struct reserver_blocking *b, struct reactor *r, const char *name)
{
	static const struct reserver_ops ops = {
		.enlist = blocking_enlist,
		.resign = blocking_resign,
		.reserve = blocking_reserve,
		.preempt = blocking_preempt,
		.view = blocking_view,
		.shut = blocking_shut,
	};

	b->res.ops = &ops;
	b->res.reactor = r;
	snprintf(b->res.name, sizeof(b->res.name), "%s", name);
}
