/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Builds the first frame of a fiber in the form that the switch expects.  What a switch keeps is what the processor's
 * calling convention says a called function must keep, and the floating point control words; signal masks are not
 * touched, as all fibers of a thread share one.
 */

#include "dev/fiber_switch.h"

#ifdef LAMINA_UCONTEXT

/* makecontext() hands over ints only, so the two pointers travel in halves. */
static void context_entry(unsigned int fn_hi, unsigned int fn_lo, unsigned int arg_hi, unsigned int arg_lo)
{
	void (*entry)(void *arg) = (void (*)(void *))(uintptr_t)((uint64_t)fn_hi << 32 | fn_lo);

	entry((void *)(uintptr_t)((uint64_t)arg_hi << 32 | arg_lo));
}

void fiber_context_init(struct fiber_context *ctx, void *low, size_t size, void (*entry)(void *arg), void *arg)
{
	uint64_t fn_bits = (uintptr_t)entry;
	uint64_t arg_bits = (uintptr_t)arg;
	int err = getcontext(&ctx->uc);

	assert(!err);
	ctx->uc.uc_stack.ss_sp = low;
	ctx->uc.uc_stack.ss_size = size;
	ctx->uc.uc_link = NULL;
	makecontext(&ctx->uc, (void (*)(void))context_entry, 4, (unsigned int)(fn_bits >> 32), (unsigned int)fn_bits,
		    (unsigned int)(arg_bits >> 32), (unsigned int)arg_bits);
}

void fiber_context_switch(struct fiber_context *from, struct fiber_context *to)
{
	int err = swapcontext(&from->uc, &to->uc);

	assert(!err);
}

#else

void fiber_switch_stack(void **save_sp, void *to_sp);
void fiber_switch_start(void);

/* What fiber_switch_stack() pops, lowest address first. */
struct first_frame {
#ifdef __x86_64__
	uint32_t mxcsr;
	uint32_t x87_control; /* its low 16 bits */
	void *r15;
	void *r14;
	void *r13; /* argument */
	void *r12; /* function */
	void *rbx;
	void *rbp;
	void (*ret)(void);
	uint64_t alignment[2];
#else
	uint64_t d8_d15[8];
	void *x19; /* function */
	void *x20; /* argument */
	void *x21_x28[8];
	void *x29;
	void (*x30)(void);
	uint64_t fpcr;
	uint64_t alignment;
#endif
};

#ifdef __x86_64__
static void first_frame_init(struct first_frame *frame, void (*entry)(void *arg), void *arg)
{
	uint32_t mxcsr;
	uint16_t x87_control;

	__asm__("stmxcsr %0" : "=m"(mxcsr));
	__asm__("fnstcw %0" : "=m"(x87_control));
	*frame = (struct first_frame){
		.mxcsr = mxcsr,
		.x87_control = x87_control,
		.r13 = arg,
		.r12 = (void *)(uintptr_t)entry,
		.ret = fiber_switch_start,
	};
}
#else
static void first_frame_init(struct first_frame *frame, void (*entry)(void *arg), void *arg)
{
	uint64_t fpcr;

	__asm__("mrs %0, fpcr" : "=r"(fpcr));
	*frame = (struct first_frame){
		.x19 = (void *)(uintptr_t)entry,
		.x20 = arg,
		.x30 = fiber_switch_start,
		.fpcr = fpcr,
	};
}
#endif

void fiber_context_init(struct fiber_context *ctx, void *low, size_t size, void (*entry)(void *arg), void *arg)
{
	struct first_frame *frame = (struct first_frame *)(void *)((char *)low + size - sizeof(*frame));

	static_assert(sizeof(*frame) % 16 == 0, "the stack pointer stays aligned");
	assert(((uintptr_t)low | size) % 16 == 0);
	first_frame_init(frame, entry, arg);
	ctx->sp = frame;
}

void fiber_context_switch(struct fiber_context *from, struct fiber_context *to)
{
	fiber_switch_stack(&from->sp, to->sp);
}

#endif
