/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a compound: every operation that can be read can be written, is as long as it says it would be, and
 * reads back as the same bytes; memory stays within the budget.  The input is a byte that says which kind of
 * compound, then the compound.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire_attr.h"
#include "proto/wire_compound.h"
#include "proto/wire_dir.h"
#include "tests/lib/fuzz.h"

#define BUDGET		  (1 << 20)
#define SIZE_MAX_COMPOUND (1 << 20)

enum kind {
	ARGS,
	RESULTS,
	CB_ARGS,
	CB_RESULTS,
	NR_KINDS
};

static uint8_t room[2][SIZE_MAX_COMPOUND + (1 << 16)];

union any_op {
	struct nfs_argop4 arg;
	struct nfs_resop4 res;
	struct nfs_cb_argop4 cb_arg;
	struct nfs_cb_resop4 cb_res;
};

static int compound_open(enum kind kind, struct wire_compound_in *in, struct wire_dec *dec)
{
	switch (kind) {
	case ARGS:
		return wire_args_open(in, dec);
	case RESULTS:
		return wire_results_open(in, dec);
	case CB_ARGS:
		return wire_cb_args_open(in, dec);
	default:
		return wire_cb_results_open(in, dec);
	}
}

static int compound_next(enum kind kind, struct wire_compound_in *in, union any_op *op)
{
	switch (kind) {
	case ARGS:
		return wire_args_next(in, &op->arg);
	case RESULTS:
		return wire_results_next(in, &op->res);
	case CB_ARGS:
		return wire_cb_args_next(in, &op->cb_arg);
	default:
		return wire_cb_results_next(in, &op->cb_res);
	}
}

static int compound_begin(enum kind kind, struct wire_compound_out *out, struct wire_enc *enc,
			  const struct wire_compound_in *like)
{
	struct wire_compound_in request = *like;

	request.tag = (char *)"tag";
	request.tag_len = 3;
	switch (kind) {
	case ARGS:
		return wire_args_begin(out, enc, "tag", 3, like->minorversion);
	case RESULTS:
		return wire_results_begin(out, enc, &request);
	case CB_ARGS:
		return wire_cb_args_begin(out, enc, "tag", 3, like->minorversion);
	default:
		return wire_cb_results_begin(out, enc, &request);
	}
}

static int compound_add(enum kind kind, struct wire_compound_out *out, const union any_op *op)
{
	switch (kind) {
	case ARGS:
		return wire_args_add(out, &op->arg);
	case RESULTS:
		return wire_results_add(out, &op->res);
	case CB_ARGS:
		return wire_cb_args_add(out, &op->cb_arg);
	default:
		return wire_cb_results_add(out, &op->cb_res);
	}
}

static size_t op_size(enum kind kind, union any_op *op)
{
	switch (kind) {
	case ARGS:
		return wire_size(nfs_argop4, &op->arg);
	case RESULTS:
		return wire_size(nfs_resop4, &op->res);
	case CB_ARGS:
		return wire_size(nfs_cb_argop4, &op->cb_arg);
	default:
		return wire_size(nfs_cb_resop4, &op->cb_res);
	}
}

static void compound_end(enum kind kind, struct wire_compound_out *out)
{
	if (kind == ARGS || kind == CB_ARGS)
		wire_args_end(out);
	else
		wire_results_end(out, NFS4_OK);
}

/* A compound of one kind with one operation. */
static void seed_op(enum kind kind, const char *prefix, uint32_t nr)
{
	static uint8_t buf[4096];
	struct wire_compound_in like = { .minorversion = 2, .nr = 1 };
	struct wire_compound_out out;
	struct wire_enc enc;
	union any_op op;
	char name[32];

	memset(&op, 0, sizeof(op));
	/* All four begin with the number. */
	memcpy(&op, &nr, sizeof(nr));
	buf[0] = kind;
	wire_enc_init(&enc, buf + 1, sizeof(buf) - 1);
	fuzz_require(compound_begin(kind, &out, &enc, &like) == 0);
	/* Where all zeros is no value there is no seed. */
	if (compound_add(kind, &out, &op))
		return;
	compound_end(kind, &out);
	snprintf(name, sizeof(name), "%s-%u", prefix, nr);
	fuzz_seed_write(name, buf, 1 + wire_compound_size(&out));
}

static void seeds(void)
{
	for (uint32_t op = OP_ACCESS; op <= OP_REMOVEXATTR; op++) {
		seed_op(ARGS, "args", op);
		seed_op(RESULTS, "results", op);
	}
	for (uint32_t op = OP_CB_GETATTR; op <= OP_CB_OFFLOAD; op++) {
		seed_op(CB_ARGS, "cb-args", op);
		seed_op(CB_RESULTS, "cb-results", op);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (fuzz_seed_dir()) {
		seeds();
		exit(0);
	}
	return 0;
}

/* Read @msg and write what was read to @to; returns how long that is, 0 if nothing can be read. */
static uint32_t copy(enum kind kind, const uint8_t *msg, size_t size, uint8_t *to, int *ret_end)
{
	struct wire_compound_out out;
	struct wire_compound_in in;
	struct wire_arena arena;
	struct wire_dec dec;
	struct wire_enc enc;
	union any_op op;
	uint32_t before;
	int err;

	wire_arena_init(&arena, BUDGET);
	wire_dec_init(&dec, msg, (uint32_t)size, &arena);
	wire_enc_init(&enc, to, sizeof(room[0]));
	err = compound_open(kind, &in, &dec);
	if (err)
		return 0;
	fuzz_require(in.nr <= size / 4);
	fuzz_require(compound_begin(kind, &out, &enc, &in) == 0);
	while ((err = compound_next(kind, &in, &op)) == 0) {
		fuzz_require(arena.used <= BUDGET);
		before = wire_compound_size(&out);
		fuzz_require(compound_add(kind, &out, &op) == 0);
		fuzz_require(wire_compound_size(&out) - before == op_size(kind, &op));
		wire_arena_reset(&arena);
	}
	fuzz_require(err == -ENOENT || err == -EBADMSG || err == -ENOBUFS || err == -EOPNOTSUPP);
	wire_arena_release(&arena);
	compound_end(kind, &out);
	*ret_end = err;
	return wire_compound_size(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	enum kind kind = fuzz_u8(&in) % NR_KINDS;
	uint32_t one, two;
	int end;

	if (in.size > SIZE_MAX_COMPOUND)
		return 0;
	one = copy(kind, in.data, in.size, room[0], &end);
	if (!one)
		return 0;
	two = copy(kind, room[0], one, room[1], &end);
	fuzz_require(end == -ENOENT && one == two && memcmp(room[0], room[1], one) == 0);
	return 0;
}
