/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The switch for x86-64 (System V): callee-saved registers, MXCSR and the x87 control word go onto the old stack,
 * and come back from the new one.  struct first_frame in fiber_switch.c knows this layout.
 *
 * Shadow stacks (CET): a return after a switch would not match the processor's shadow stack.  This object therefore
 * does not carry the note that declares it fit for them; the linker then leaves the mark out of the whole program
 * and the C library does not turn shadow stacks on for it.  Indirect branch tracking is served by endbr64.
 */

#ifdef __x86_64__

	.text

	/* void fiber_switch_stack(void **save_sp, void *to_sp) */
	.globl	fiber_switch_stack
	.hidden	fiber_switch_stack
	.type	fiber_switch_stack, @function
	.p2align 4
fiber_switch_stack:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	.size	fiber_switch_stack, . - fiber_switch_stack

	/* The first return goes here: r12(r13).  Nobody called us, and unwinders are told so. */
	.globl	fiber_switch_start
	.hidden	fiber_switch_start
	.type	fiber_switch_start, @function
	.p2align 4
fiber_switch_start:
	.cfi_startproc
	.cfi_undefined %rip
	endbr64
	xorl	%ebp, %ebp
	andq	$-16, %rsp
	movq	%r13, %rdi
	call	*%r12
	ud2
	.cfi_endproc
	.size	fiber_switch_start, . - fiber_switch_start

#endif

	.section .note.GNU-stack, "", %progbits
