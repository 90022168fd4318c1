/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Fibers: their states and the two switches, loop to fiber and fiber to loop.  Promises: a fiber runs only when the
 * loop picks it; a wake is never lost; a stack goes back only after its fiber has switched away for the last time;
 * and misuse (a switch where none is allowed, an end with a mutex held) aborts at once, naming the fiber.
 */

#include <stdio.h>
#include <stdlib.h>

#include "dev/fiber.h"
#include "dev/fiber_int.h"
#include "dev/log.h"
#include "dev/reactor_int.h"

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN
#endif
#endif

#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#else
/* What the sanitizer's two calls do in other builds: nothing, but the arguments count as used. */
static inline void __sanitizer_start_switch_fiber(void **save, const void *low, size_t size)
{
}

static inline void __sanitizer_finish_switch_fiber(void *saved, const void **low, size_t *size)
{
}
#endif

static _Thread_local struct fiber *current;
static _Thread_local unsigned int no_switch_depth;

static _Noreturn void fiber_abort(const struct fiber *f, const char *what)
{
	log_err("fiber %s: %s; this is a programming error, stopping", f ? f->name : "(none)", what);
	abort();
}

/* From the fiber to the loop. */
static FIBER_FN void fiber_switch_out(struct fiber *f, enum fiber_state state)
{
	struct reactor *r = f->reactor;

	if (no_switch_depth)
		fiber_abort(f, "switches inside a section that promised not to");
	f->state = state;
	/* With NULL the sanitizer frees what it keeps for this stack. */
	__sanitizer_start_switch_fiber(state == FIBER_ENDED ? NULL : &f->asan_fake_stack, r->asan_stack_low,
				       r->asan_stack_size);
	fiber_context_switch(&f->context, &r->loop);
	__sanitizer_finish_switch_fiber(f->asan_fake_stack, &r->asan_stack_low, &r->asan_stack_size);
}

static FIBER_FN void fiber_main(void *arg)
{
	struct fiber *f = arg;

	__sanitizer_finish_switch_fiber(NULL, &f->reactor->asan_stack_low, &f->reactor->asan_stack_size);
	f->fn(f->arg);
	if (f->locks_held)
		fiber_abort(f, "ends with a mutex held");
	fiber_switch_out(f, FIBER_ENDED);
	fiber_abort(f, "runs after its end");
}

static void fiber_free(struct fiber *f)
{
	f->reactor->nr_fibers--;
	list_del(&f->all_link);
	list_del(&f->queue_link);
	if (f->stack)
		fiber_stack_put(&f->reactor->stacks, f->stack);
	free(f);
}

/* @f has switched away for the last time. */
static void fiber_reap(struct fiber *f)
{
	fiber_stack_put(&f->reactor->stacks, f->stack);
	f->stack = NULL;
	if (f->detached)
		fiber_free(f);
	else if (f->joiner)
		fiber_wake(f->joiner);
}

void fiber_resume(struct fiber *f)
{
	struct reactor *r = f->reactor;

	assert(!current);
	assert(f->state == FIBER_RUNNABLE);
	if (no_switch_depth)
		fiber_abort(f, "is started inside a section that promised not to switch");
	f->state = FIBER_RUNNING;
	current = f;
	__sanitizer_start_switch_fiber(&r->asan_fake_stack, f->stack->low, f->stack->size);
	fiber_context_switch(&r->loop, &f->context);
	__sanitizer_finish_switch_fiber(r->asan_fake_stack, NULL, NULL);
	current = NULL;
	if (f->state == FIBER_ENDED)
		fiber_reap(f);
}

void fiber_discard(struct fiber *f)
{
	assert(f != current);
	fiber_free(f);
}

int fiber_spawn(struct reactor *r, const char *name, void (*fn)(void *arg), void *arg, struct fiber **ret_fiber)
{
	struct fiber *f;
	int err;

	if (r->nr_fibers >= r->max_fibers)
		return -EAGAIN;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	err = fiber_stack_get(&r->stacks, &f->stack);
	if (err) {
		free(f);
		return err;
	}
	f->reactor = r;
	f->name = name;
	f->fn = fn;
	f->arg = arg;
	f->detached = !ret_fiber;
	fiber_context_init(&f->context, f->stack->low, f->stack->size, fiber_main, f);
	list_init(&f->queue_link);
	list_add_tail(&f->all_link, &r->fibers);
	r->nr_fibers++;
	f->state = FIBER_RUNNABLE;
	reactor_enqueue(r, f);
	if (ret_fiber)
		*ret_fiber = f;
	return 0;
}

struct fiber *fiber_self(void)
{
	return current;
}

struct reactor *fiber_reactor(void)
{
	assert(current);
	return current->reactor;
}

const char *fiber_name(const struct fiber *f)
{
	return f->name;
}

void fiber_join(struct fiber *f)
{
	assert(f != current);
	assert(!f->detached);
	assert(!f->joiner);
	while (f->state != FIBER_ENDED) {
		f->joiner = current;
		fiber_park();
	}
	fiber_free(f);
}

void fiber_yield(void)
{
	struct fiber *f = current;

	assert(f);
	reactor_enqueue(f->reactor, f);
	fiber_switch_out(f, FIBER_RUNNABLE);
}

void fiber_park(void)
{
	struct fiber *f = current;

	assert(f);
	if (!f->wake_pending)
		fiber_switch_out(f, FIBER_PARKED);
	f->wake_pending = false;
}

void fiber_wake(struct fiber *f)
{
	f->wake_pending = true;
	if (f->state != FIBER_PARKED)
		return;
	f->state = FIBER_RUNNABLE;
	reactor_enqueue(f->reactor, f);
}

struct sleeper {
	struct reactor_timer timer;
	struct fiber *fiber;
	bool over;
};

static void sleeper_fire(struct reactor_timer *t)
{
	struct sleeper *s = t->owner;

	s->over = true;
	fiber_wake(s->fiber);
}

void fiber_sleep_ns(uint64_t ns)
{
	struct sleeper s = { .fiber = current };
	uint64_t now;

	assert(current);
	now = reactor_now_ns(current->reactor);
	s.timer.fire = sleeper_fire;
	s.timer.owner = &s;
	reactor_timer_arm(current->reactor, &s.timer, ns < UINT64_MAX - now ? now + ns : UINT64_MAX);
	while (!s.over)
		fiber_park();
}

void fiber_no_switch_begin(void)
{
	no_switch_depth++;
}

void fiber_no_switch_end(void)
{
	assert(no_switch_depth > 0);
	no_switch_depth--;
}
