/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_MDS_IO_LAB_H
#define LAMINA_TESTS_MDS_IO_LAB_H

/*
 * The operations on files' contents over a real store, without server and network: each is run with arguments as
 * decoded, and its result is encoded and decoded again.  What compounds, states, file handles and callbacks are to
 * them is played here, and a test can play otherwise (lab.io_status and the like).  To be included once in a test
 * program.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "extent/format.h"
#include "extent/name.h"
#include "mds/backchannel.h"
#include "mds/client.h"
#include "mds/copy.h"
#include "mds/detour.h"
#include "mds/mds.h"
#include "mds/op_layout.h"
#include "mds/ops.h"
#include "mds/state.h"
#include "mds/status.h"
#include "tests/lib/check.h"
#include "tests/lib/data_file.h"

#define BLK	  DADDR_BLOCK_SIZE
#define MIB	  (1u << 20)
#define LAB_REPLY (6u * MIB)
#define LAB_USER  1000u

static struct lab {
	struct store *store;
	struct mds mds;
	struct config config;
	struct client client;
	struct cred cred;
	struct fh fh, saved_fh; /* for the next operation */
	uint32_t reply_max;	/* bytes of the next reply; 0: LAB_REPLY */
	uint64_t waits;		/* until when the last reply would have waited */
	bool changed;		/* the last reply would be kept */
	bool recorded;		/* the last operation's result went with its change */
	/* How the others play */
	nfsstat4 io_status; /* of state_check_io() */
	bool owner_may;
	enum state_access asked;
	nfsstat4 may_change;
	bool has_path; /* for callbacks */
	nfsstat4 cb_status;
	int cb_err;
	unsigned int nr_callbacks;
	struct CB_OFFLOAD4args cb; /* the last one */
	/* The last reply */
	uint8_t reply[LAB_REPLY];
	struct wire_arena arena;
	struct nfs_resop4 res;
} lab;

/* What the operations call. */

FIBER_FN int compound_read(struct compound *c, uint64_t ino, int (*body)(struct txn *txn, void *arg), void *arg)
{
	return txn_read(c->mds->fs, body, arg);
}

void compound_saw(struct compound *c, uint64_t ino)
{
}

void compound_did(struct compound *c, uint64_t seq)
{
	c->wait_seq = max_u64(c->wait_seq, seq);
}

static int lab_also_body(struct txn *txn, const struct inode *inode, void *arg)
{
	struct compound_also *a = arg;

	lab.recorded = true;
	return a->fill ? a->fill(txn, inode, a->arg) : 0;
}

void compound_also_init(struct compound_also *a, struct compound *c,
			int (*fill)(struct txn *txn, const struct inode *inode, void *arg), void *arg)
{
	*a = (struct compound_also){ .also = { .body = lab_also_body, .arg = a, .log_max = COMPOUND_NOTE_LOG },
				     .c = c,
				     .fill = fill,
				     .arg = arg };
}

FIBER_FN int compound_run(struct compound *c, const struct txn_options *opt, int (*body)(struct txn *txn, void *arg),
			  void *arg)
{
	lab.recorded = true;
	return txn_run(c->mds->fs, opt, body, arg, NULL);
}

nfsstat4 compound_may_change(const struct compound *c, const struct fh *fh)
{
	return lab.may_change;
}

struct cred compound_cred(const struct compound *c, const struct fh *fh)
{
	return lab.cred;
}

nfsstat4 compound_stateid(const struct compound *c, const struct stateid4 *arg, struct stateid4 *ret_stateid)
{
	*ret_stateid = *arg;
	return NFS4_OK;
}

FIBER_FN nfsstat4 state_check_io(struct compound *c, const struct stateid4 *stateid, enum state_access access,
				 bool *ret_owner_may)
{
	lab.asked = access;
	*ret_owner_may = lab.owner_may;
	return lab.io_status;
}

void state_stateid(const struct mds *mds, enum state_kind kind, uint64_t number, uint32_t seqid,
		   struct stateid4 *ret_stateid)
{
	*ret_stateid = (struct stateid4){ .seqid = seqid };
	memcpy(ret_stateid->other, &number, sizeof(number));
}

void fh_encode(const struct mds *mds, const struct fh *fh, uint8_t ret_bytes[FH_SIZE])
{
	memset(ret_bytes, 0, FH_SIZE);
	memcpy(ret_bytes, &fh->ino, sizeof(fh->ino));
}

bool fh_equal(const struct fh *a, const struct fh *b)
{
	return a->ino == b->ino;
}

void client_hold(struct client *client)
{
	client->nr_in_use++;
}

void client_drop(struct mds *mds, struct client *client)
{
	client->nr_in_use--;
}

/* Nobody has layouts. */
static int lab_guard_check(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end,
			   enum data_touch touch)
{
	return 0;
}

void layout_guard_init_own(struct layout_guard *guard, struct mds *mds, bool quiet)
{
	*guard = (struct layout_guard){ .guard.check = lab_guard_check, .mds = mds, .quiet = quiet };
}

FIBER_FN nfsstat4 layout_imply_commit(struct compound *c, const struct inode *inode, uint64_t off, uint32_t count)
{
	return NFS4_OK;
}

bool backchannel_has_path(const struct client *client)
{
	return lab.has_path;
}

FIBER_FN int backchannel_call(struct mds *mds, struct client *client, const struct nfs_cb_argop4 *op,
			      uint64_t deadline_ns, nfsstat4 *ret_status)
{
	CHECK_EQ(op->argop, OP_CB_OFFLOAD);
	lab.cb = op->nfs_cb_argop4_u.opcboffload;
	lab.nr_callbacks++;
	fiber_yield();
	if (lab.cb_err)
		return lab.cb_err;
	*ret_status = lab.cb_status;
	return 0;
}

nfsstat4 nfs_status(int err)
{
	switch (err) {
	case 0:
		return NFS4_OK;
	case -ESTALE:
		return NFS4ERR_STALE;
	case -ENOSPC:
		return NFS4ERR_NOSPC;
	case -EIO:
		return NFS4ERR_IO;
	case -EINVAL:
		return NFS4ERR_INVAL;
	default:
		CHECK_EQ(err, -EFBIG);
		return NFS4ERR_FBIG;
	}
}

/* Running operations. */

/* Run it with lab.fh and lab.saved_fh; lab.res is what a client would have read, if the status is NFS4_OK. */
static inline FIBER_FN nfsstat4 lab_run(FIBER_FN nfsstat4 (*lab_op)(struct compound *c, const struct nfs_argop4 *arg,
								    struct nfs_resop4 *res),
					const struct nfs_argop4 *arg)
{
	static struct compound c;
	struct wire_compound_in in = { .tag = (char *)(uintptr_t) "", .nr = 1 };
	struct wire_dec dec;
	nfsstat4 status;

	c = (struct compound){ .mds = &lab.mds, .client = &lab.client, .fh = lab.fh, .saved_fh = lab.saved_fh };
	wire_arena_init(&c.arena, 1 << 16);
	wire_enc_init(&c.enc, lab.reply, lab.reply_max ? lab.reply_max : LAB_REPLY);
	CHECK_EQ(wire_results_begin(&c.out, &c.enc, &in), 0);
	c.res.resop = (nfs_opnum4)arg->argop;
	lab.recorded = false;
	status = lab_op(&c, arg, &c.res);
	CHECK_EQ(c.fh.ino, lab.fh.ino);
	CHECK_EQ(c.saved_fh.ino, lab.saved_fh.ino);
	lab.waits = c.wait_seq;
	lab.changed = c.changed;
	if (status == NFS4_OK) {
		CHECK_EQ(wire_results_add(&c.out, &c.res), 0);
		wire_results_end(&c.out, status);
		wire_arena_release(&lab.arena);
		wire_arena_init(&lab.arena, 1 << 16);
		wire_dec_init(&dec, lab.reply, wire_enc_pos(&c.enc), &lab.arena);
		CHECK_EQ(wire_results_open(&in, &dec), 0);
		CHECK_EQ(wire_results_next(&in, &lab.res), 0);
		CHECK_EQ(wire_dec_left(&dec), 0);
	}
	wire_arena_release(&c.arena);
	return status;
}

static inline struct fh lab_fh(const struct data_file *f)
{
	return (struct fh){ .kind = FH_FILE, .ino = f->ino, .generation = f->generation };
}

static inline FIBER_FN nfsstat4 lab_read(struct data_file *f, uint64_t off, uint32_t count, struct READ4resok *ret_ok)
{
	struct nfs_argop4 arg = { .argop = OP_READ };
	nfsstat4 status;

	arg.nfs_argop4_u.opread = (READ4args){ .offset = off, .count = count };
	lab.fh = lab_fh(f);
	status = lab_run(op_read, &arg);
	*ret_ok = lab.res.nfs_resop4_u.opread.READ4res_u.resok4;
	return status;
}

static inline FIBER_FN nfsstat4 lab_write(struct data_file *f, uint64_t off, const void *bytes, uint32_t len,
					  stable_how4 stable, struct WRITE4resok *ret_ok)
{
	struct nfs_argop4 arg = { .argop = OP_WRITE };
	nfsstat4 status;

	arg.nfs_argop4_u.opwrite = (WRITE4args){ .offset = off, .stable = stable };
	arg.nfs_argop4_u.opwrite.data.data_len = len;
	arg.nfs_argop4_u.opwrite.data.data_val = (char *)(uintptr_t)bytes;
	lab.fh = lab_fh(f);
	status = lab_run(op_write, &arg);
	*ret_ok = lab.res.nfs_resop4_u.opwrite.WRITE4res_u.resok4;
	return status;
}

/* Bytes that tell where they are, so that nothing can lie in another's place. */
static inline void lab_pattern(uint8_t *buf, size_t len, uint64_t from)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(1 + (from + i) % 199 + (from + i) / 4096 % 3);
}

static inline FIBER_FN void lab_fill(struct data_file *f, uint64_t off, uint64_t len, uint64_t from)
{
	uint8_t *buf = malloc(MIB);

	CHECK(buf);
	for (uint64_t done = 0; done < len; done += MIB) {
		uint32_t part = (uint32_t)min_u64(MIB, len - done);

		lab_pattern(buf, part, from + done);
		data_file_write(f, off + done, buf, part, DATA_DURABLE);
	}
	free(buf);
}

static inline FIBER_FN void lab_expect(struct data_file *f, uint64_t off, uint64_t len, uint64_t from)
{
	uint8_t *buf = malloc(2 * MIB);

	CHECK(buf);
	for (uint64_t done = 0; done < len; done += MIB) {
		uint32_t part = (uint32_t)min_u64(MIB, len - done);

		lab_pattern(buf + MIB, part, from + done);
		CHECK_EQ(data_file_read(f, off + done, buf, part), part);
		CHECK(!memcmp(buf, buf + MIB, part));
	}
	free(buf);
}

static inline FIBER_FN void lab_chmod(struct data_file *f, uint32_t mode, uint32_t uid)
{
	struct inode_attrs attrs = { .mask = INODE_SET_MODE | INODE_SET_UID, .mode = mode, .uid = uid };
	struct inode inode;
	uint64_t seq;

	CHECK_EQ(data_setattr(f->store->fs, f->ino, f->generation, &attrs, NULL, &inode, &seq), 0);
}

/* What is no regular file. */
struct lab_odd {
	const char *name;
	struct name_create how;
	struct inode inode;
};

static int lab_odd_body(struct txn *txn, void *arg)
{
	struct lab_odd *odd = arg;
	struct name_at at = { INO_ROOT, odd->name, strlen(odd->name) };
	struct name_result res;
	int err = name_create(txn, &at, &odd->how, &res);

	odd->inode = res.inode;
	return err;
}

static inline FIBER_FN struct data_file lab_odd(struct store *s, uint32_t type)
{
	struct lab_odd odd = { .name = "odd", .how = { .mode = type | 0777 } };

	if (type == S_IFLNK) {
		odd.how.target = "target";
		odd.how.target_len = 6;
	}
	CHECK_EQ(txn_run(s->fs, NULL, lab_odd_body, &odd, NULL), 0);
	return (struct data_file){ s, odd.inode.ino, odd.inode.generation };
}

struct lab_case {
	FIBER_FN void (*lab_body)(struct store *s);
};

static FIBER_FN void lab_main(struct store *s, void *arg)
{
	const struct lab_case *test = arg;

	memset(&lab, 0, sizeof(lab));
	lab.store = s;
	lab.config.lease_seconds = 10;
	lab.mds.reactor = s->r;
	lab.mds.fs = s->fs;
	lab.mds.config = &lab.config;
	lab.mds.started_ns = reactor_wall_ns(s->r);
	memcpy(lab.mds.write_verifier, "verifier", 8);
	wait_queue_init(&lab.mds.idle);
	list_init(&lab.mds.detours);
	list_init(&lab.client.by_detour);
	lab.owner_may = true;
	lab.has_path = true;
	test->lab_body(s);
	while (lab.mds.nr_fibers > 0)
		fiber_sleep_ns(NSEC_PER_SEC / 100);
	CHECK_EQ(lab.client.nr_in_use, 0);
	CHECK(!lab.mds.copies);
	wire_arena_release(&lab.arena);
	HASH_CLEAR(hh, lab.mds.clients);
}

static void lab_test(void **state)
{
	struct store_config cfg = { .seed = 1, .disk_size = 128ull << 20 };

	data_file_run(&cfg, lab_main, *state);
}

#define LAB_TEST(fn)                                                                                                 \
	{                                                                                                            \
		.name = #fn, .test_func = lab_test, .initial_state = &(struct lab_case)                              \
		{                                                                                                    \
			fn                                                                                           \
		}                                                                                                    \
	}

/* The three kinds of things that have no contents of this sort (RFC 8881, 18.22.3), and the pseudo file system. */
static inline FIBER_FN void lab_check_types(struct store *s, FIBER_FN nfsstat4 (*lab_one)(struct data_file *f))
{
	static const struct {
		uint32_t type;
		nfsstat4 status;
	} kinds[] = {
		{ S_IFLNK, NFS4ERR_SYMLINK },
		{ S_IFIFO, NFS4ERR_WRONG_TYPE },
	};
	struct data_file root = { s, INO_ROOT, data_file_generation(s, INO_ROOT) };
	struct data_file gone = data_file_new(s, "gone");

	CHECK_EQ(lab_one(&root), NFS4ERR_ISDIR);
	gone.generation++;
	CHECK_EQ(lab_one(&gone), NFS4ERR_STALE);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct data_file f = lab_odd(s, kinds[i].type);

		CHECK_EQ(lab_one(&f), kinds[i].status);
		data_file_unlink(s, "odd");
	}
}

#endif
