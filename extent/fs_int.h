/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_FS_INT_H
#define LAMINA_EXTENT_FS_INT_H

/*
 * The inside of a mounted store, shared by block.c, btree.c, txn.c, ckpt.c, fs.c and what of data_*.c
 * reaches the devices, and by nobody else.
 */

#include "dev/reactor.h"
#include "extent/block.h"
#include "extent/chunk.h"
#include "extent/data_int.h"
#include "extent/fs.h"
#include "extent/journal.h"
#include "extent/super.h"

#define TXN_UNDO_FIRST	(64u << 10)
#define TXN_THIN_MAX	16
#define TXN_RECENT	8
#define CKPT_DEPTH_MAX	64
#define FS_CHANGES_BITS 12 /* 32 KiB */

struct fs_root {
	uint64_t daddr;
	uint64_t epoch;
	unsigned int level;
};

/* A leaf and the keys that lead to it: [lo, hi), without the end that is not given. */
struct btree_leaf {
	struct block *block;
	bool has_lo, has_hi;
	struct key lo, hi;
};

#define BTREE_FINGERS 8

/* Where a change of this transaction lies in its log. */
struct txn_recent {
	struct key key;
	size_t off;
	size_t len;
};

/* One at a time for each store: bodies don't switch. */
struct txn {
	struct fs *fs;
	bool running;
	bool changing;
	bool undoing;
	uint64_t reserve; /* metadata blocks that it must leave free */
	uint64_t wall_ns;
	/* Why -ERESTART */
	struct block *missing;
	bool need_space;
	/* Changes, as they will lie in the journal.  Replay has none. */
	uint8_t *log;
	size_t log_len;
	size_t log_max;
	uint32_t nr;
	struct txn_recent recent[TXN_RECENT];
	unsigned int nr_recent;
	/* Old values, newest last */
	uint8_t *undo;
	size_t undo_len;
	size_t undo_cap;
	/* As they were at the start */
	struct super_counts counts;
	uint64_t next_ino;
	/* Leaves that became thin: to be merged after the commit */
	struct key thin[TXN_THIN_MAX];
	unsigned int nr_thin;
};

enum ckpt_state {
	CKPT_IDLE,
	CKPT_WRITING,
};

struct ckpt {
	struct fiber *fiber;
	enum ckpt_state state;
	bool wanted;
	bool stopping;
	uint64_t done;		   /* checkpoints finished since mount, failed ones too */
	struct wait_queue work;	   /* the fiber sleeps here */
	struct wait_queue changed; /* done went up */
	struct reactor_timer timer;
	struct fs_ckpt_stats stats;
	struct super super; /* of the one being written */
};

struct fs {
	struct reactor *reactor;
	struct fs_mount_options opt;
	unsigned int nr_devs;
	struct blkdev *devs[VOLUME_DEVICES_MAX];
	struct super_device device[VOLUME_DEVICES_MAX]; /* as the next checkpoint will say */
	struct super super;				/* the last durable one */
	struct block_cache cache;
	struct chunks chunks;
	struct fs_root root;
	/* Leaves found lately; all are void when the tree's shape or a block's memory changes (btree_forget_fingers).
	 */
	struct btree_leaf fingers[BTREE_FINGERS];
	unsigned int nr_fingers, next_finger;
	uint64_t epoch;	    /* of the checkpoint that will write what is dirty now */
	bool slot_is_clean; /* nothing of an earlier life lies in the other superblock slot */
	struct super_counts counts;
	uint64_t next_ino;
	uint64_t txn_seq; /* of the last transaction in the tree */
	unsigned int nr_reading;
	struct journal *journal; /* NULL while formatting and replaying */
	struct txn txn;
	/*
	 * The last transaction that touched an item of the inodes that share an entry.  What a failed body left is a
	 * number that nobody has yet: fs_last_change() knows.
	 */
	uint64_t changes[1u << FS_CHANGES_BITS];
	uint64_t freed_seq; /* of txn_note_freed(), in the same way */
	struct data_state data;
	struct ckpt ckpt;
	struct fiber *grower;	 /* is adding a chunk */
	struct wait_queue grown; /* it has, or failed */
	int grow_result;
	uint64_t grow_retry_seq; /* no early growth before this transaction */
	bool bulk;		 /* transactions are not journaled */
	bool growing;		 /* a device is being added */
	struct fiber *holder;	 /* for that: transactions of others wait */
	struct wait_queue held;	 /* there */
	bool read_only;		 /* by option */
	bool failed;		 /* by damage or I/O error: read-only from then on (I12) */
	char error[256];	 /* the first failure */
	uint64_t nr_txns, nr_restarts, nr_undone;
	struct journal_replay_result replay; /* at mount */
	char name[LABEL_NAME_LEN + 1];
};

/* Turn @fs read-only, for the reason given (once: the first reason stays); logs it. */
void fs_fail(struct fs *fs, const char *fmt, ...) PRINTF_FMT(2, 3);
/* The same for a tree block. */
void fs_fail_block(struct fs *fs, uint64_t daddr, int err, const char *why);

/* fs.c */
/* A store in memory for @super, nothing read yet.  -ENOMEM. */
int fs_create(struct reactor *r, struct blkdev **devs, const struct super *super, const struct fs_mount_options *opt,
	      struct fs **ret_fs) MUST_CHECK;
/* Journal and checkpoint fiber are gone already.  NULL is allowed. */
FIBER_FN void fs_destroy(struct fs *fs);
void fs_journal_config(struct fs *fs, struct journal_config *ret_cfg);

/* The transaction that is running changes an item of inode @ino. */
void fs_note_change(struct fs *fs, uint64_t ino);

/* The leaves that were found lately may have gone or got other bounds. */
static inline void btree_forget_fingers(struct fs *fs)
{
	fs->nr_fingers = 0;
}

/* ckpt.c */
int ckpt_start(struct fs *fs) MUST_CHECK;
FIBER_FN void ckpt_stop(struct fs *fs);
/* Ask for a checkpoint soon. Never switches. */
void ckpt_request(struct fs *fs);
/* Wait until a checkpoint that began after this call has ended; -EIO if the store has failed. */
FIBER_FN int ckpt_wait(struct fs *fs) MUST_CHECK;
/* Write one now, in the calling fiber: for format and mount, while there is no checkpoint fiber. */
FIBER_FN int ckpt_write(struct fs *fs) MUST_CHECK;
/* Whether enough has gathered. */
void ckpt_consider(struct fs *fs);

/* txn.c */
/* Apply one change of the journal, without logging it again.  -ERESTART as in a body; txn_replay() handles it. */
FIBER_FN int txn_replay(struct fs *fs, uint64_t seq, const void *changes, size_t len) MUST_CHECK;
/* Start reading the leaf of @key if it is not in memory; waits only for the blocks above it. */
FIBER_FN void txn_prefetch(struct fs *fs, struct key key);
/* Run a body while there is no journal: format. */
FIBER_FN int txn_run_unlogged(struct fs *fs, int (*body)(struct txn *txn, void *arg), void *arg) MUST_CHECK;
void txn_release(struct fs *fs);
/*
 * From the return on until txn_unhold() no other fiber changes anything, and what this one changes is not journaled.
 * It returns in an instant in which nobody is in the middle of a change, or of adding a chunk.
 */
FIBER_FN void txn_hold(struct fs *fs);
/* What was changed since txn_hold() must be in a checkpoint, or the store have failed. */
void txn_unhold(struct fs *fs);
/* Until nobody else holds. */
FIBER_FN void txn_wait_held(struct fs *fs);

/* fs_format.c */
/* What the superblock will say of @dev, of which the bytes from @first_byte on can be given out. */
void fs_device_init(struct super_device *sd, struct reactor *r, const struct blkdev *dev, uint64_t first_byte);
/* Write the label of device @index of @nr. */
FIBER_FN int fs_label_device(struct fs *fs, unsigned int index, unsigned int nr, const struct super_device *sd,
			     struct blkdev *dev) MUST_CHECK;

/* grow.c */
/* Add a metadata chunk.  -ENOSPC: no room for one; -EROFS, -EIO. */
FIBER_FN int fs_grow_metadata(struct fs *fs) MUST_CHECK;
/* The same before it is needed, if metadata space is getting short. */
FIBER_FN void fs_grow_early(struct fs *fs);
/* Metadata blocks that only deleting may use. */
uint64_t fs_metadata_reserve(const struct fs *fs);

#endif
