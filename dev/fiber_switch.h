/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_FIBER_SWITCH_H
#define LAMINA_DEV_FIBER_SWITCH_H

/*
 * The bare change of stacks, below fibers: no states, no queues, no sanitizers.  x86-64 and arm64 do it in a few
 * instructions of assembly (fiber_switch_*.S); any other processor, or a build with LAMINA_UCONTEXT, goes through
 * swapcontext(), which costs a system call.
 */

#include "dev/base.h"

#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(LAMINA_UCONTEXT)
#define LAMINA_UCONTEXT
#endif

#ifdef LAMINA_UCONTEXT
#include <ucontext.h>
#endif

/* Where an execution that does not run now will go on. */
struct fiber_context {
#ifdef LAMINA_UCONTEXT
	ucontext_t uc;
#else
	void *sp;
#endif
};

/*
 * Make @ctx start @entry(@arg) on the stack [@low, @low + @size) when it is first switched to.  @entry must never
 * return.  Both ends of the stack are aligned to 16 bytes.
 */
void fiber_context_init(struct fiber_context *ctx, void *low, size_t size, void (*entry)(void *arg), void *arg);

/* Save the running execution in @from and go on with @to; returns when somebody switches to @from. */
void fiber_context_switch(struct fiber_context *from, struct fiber_context *to);

#endif
