/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The switch for arm64 (AAPCS64): x19 to x30, the low halves of v8 to v15 and FPCR go onto the old stack, and come
 * back from the new one.  struct first_frame in fiber_switch.c knows this layout.
 *
 * A signed return address is signed with its own stack pointer, so pointer authentication survives the switch.
 * Guarded control stacks (GCS) would not: as on x86-64 this object does not declare itself fit for them, and so they
 * stay off for the whole program.  "hint #34" is "bti c", a landing place for indirect branches.
 */

#ifdef __aarch64__

	.text

	/* void fiber_switch_stack(void **save_sp, void *to_sp) */
	.globl	fiber_switch_stack
	.hidden	fiber_switch_stack
	.type	fiber_switch_stack, %function
	.p2align 4
fiber_switch_stack:
	.cfi_startproc
	hint	#34
	sub	sp, sp, #176
	.cfi_adjust_cfa_offset 176
	stp	d8, d9, [sp, #0]
	stp	d10, d11, [sp, #16]
	stp	d12, d13, [sp, #32]
	stp	d14, d15, [sp, #48]
	stp	x19, x20, [sp, #64]
	stp	x21, x22, [sp, #80]
	stp	x23, x24, [sp, #96]
	stp	x25, x26, [sp, #112]
	stp	x27, x28, [sp, #128]
	stp	x29, x30, [sp, #144]
	.cfi_rel_offset x29, 144
	.cfi_rel_offset x30, 152
	mrs	x9, fpcr
	str	x9, [sp, #160]
	mov	x9, sp
	str	x9, [x0]
	mov	sp, x1
	ldr	x9, [sp, #160]
	msr	fpcr, x9
	ldp	d8, d9, [sp, #0]
	ldp	d10, d11, [sp, #16]
	ldp	d12, d13, [sp, #32]
	ldp	d14, d15, [sp, #48]
	ldp	x19, x20, [sp, #64]
	ldp	x21, x22, [sp, #80]
	ldp	x23, x24, [sp, #96]
	ldp	x25, x26, [sp, #112]
	ldp	x27, x28, [sp, #128]
	ldp	x29, x30, [sp, #144]
	add	sp, sp, #176
	.cfi_adjust_cfa_offset -176
	.cfi_restore x29
	.cfi_restore x30
	ret
	.cfi_endproc
	.size	fiber_switch_stack, . - fiber_switch_stack

	/* The first return goes here: x19(x20).  Nobody called us, and unwinders are told so. */
	.globl	fiber_switch_start
	.hidden	fiber_switch_start
	.type	fiber_switch_start, %function
	.p2align 4
fiber_switch_start:
	.cfi_startproc
	.cfi_undefined x30
	hint	#34
	mov	x29, xzr
	mov	x30, xzr
	mov	x0, x20
	blr	x19
	brk	#0
	.cfi_endproc
	.size	fiber_switch_start, . - fiber_switch_start

#endif

	.section .note.GNU-stack, "", %progbits
