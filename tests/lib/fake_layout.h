/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_FAKE_LAYOUT_H
#define LAMINA_TESTS_LIB_FAKE_LAYOUT_H

/*
 * The fake server with one file and one device, and layouts of it: block n of the file lies at FAKE_LAYOUT_AT + n on
 * a disk in memory.  It grants what it is asked for, whoever asks, and does what the test orders otherwise.
 */

#include "tests/lib/fake_world.h"
#include "tests/lib/mem_disk.h"
#include "tests/sim/sim_reserve.h"
#include "tools/pnfs.h"

#define FAKE_LAYOUT_BLOCK  4096u
#define FAKE_LAYOUT_BLOCKS 64u
#define FAKE_LAYOUT_AT	   (256u * 4096u)
#define FAKE_LAYOUT_KEY	   0x5eedu

struct fake_layout {
	struct fake_world *world;
	struct pnfs_host host;
	struct mem_disk disk;
	struct sim_reserve *reserve;
	struct reserver *server_reserver;
	struct blkdev *server_dev;
	/* The file. */
	uint64_t size;
	bool written[FAKE_LAYOUT_BLOCKS];
	uint64_t moved; /* bytes: so much further on it lies in new layouts */
	/* The layout stateid, and what to do. */
	char other;
	uint32_t seqid;
	bool return_on_close;
	nfsstat4 get_status; /* of the next nr_get_status LAYOUTGETs */
	unsigned int nr_get_status;
	nfsstat4 commit_status; /* of the next nr_commit_status */
	unsigned int nr_commit_status;
	bool leaves_layout;    /* LAYOUTRETURNs are answered as if the layout were still there */
	bool lacks_byte;       /* the next LAYOUTGET's reply ends too early */
	uint64_t get_delay_ns; /* of the next LAYOUTGET, after it was granted */
	nfsstat4 test_status;  /* what TEST_STATEID says */
	/* What came. */
	LAYOUTGET4args get;
	LAYOUTRETURN4args ret;
	LAYOUTCOMMIT4args commit; /* without its body */
	uint32_t nr_ranges;	  /* of the last LAYOUTCOMMIT */
	/* Answers point here. */
	uint8_t body[PNFS_DEVICES_MAX * 64];
	layout4 layout;
	uint8_t attrs[64];
	nfsstat4 test_result;
	referring_call_list4 *refers; /* what callbacks refer to; NULL: nothing */
	uint32_t cb_sequence;	      /* of the next callback in slot 0 */
};

/* Run @test in a new world: a session, a pNFS host on it, the disk reserved by the server. */
void fake_layout_run(void (*test)(struct fake_layout *f));
/* Open the file. */
FIBER_FN struct pnfs_file fake_layout_open(struct fake_layout *f);
/* CB_LAYOUTRECALL of [@off, @off + @len) with this stateid: the status; 0xffff: no answer. */
FIBER_FN uint32_t fake_layout_recall(struct fake_layout *f, char other, uint32_t seqid, uint64_t off, uint64_t len);
/* Any other callback. */
FIBER_FN uint32_t fake_layout_call(struct fake_layout *f, const struct nfs_cb_argop4 *op);

#endif
