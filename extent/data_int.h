/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_DATA_INT_H
#define LAMINA_EXTENT_DATA_INT_H

/* What the files data*.c share: locks of ranges, blocks on their way, device I/O, space.  Nobody else's business. */

#include <sys/uio.h>

#include "dev/fiber_sync.h"
#include "extent/data.h"

struct fs;

#define DATA_LOCK_BUCKETS 256
#define DATA_TRIMS_MAX	  256
#define DATA_BOUNCE_MAX	  (64u << 20) /* bytes of buffers of all calls together */
#define DATA_STEPS	  32	      /* of a map in one transaction */

struct data_state {
	struct list locks[DATA_LOCK_BUCKETS];
	struct fiber_sem bounce;
	/* Inodes to be trimmed; more than fit are found in the list of orphans. */
	uint64_t trims[DATA_TRIMS_MAX];
	unsigned int nr_trims;
	bool trim_all;
	bool trimming; /* there is a fiber that trims */
	bool stopping;
	struct wait_queue trimmed; /* trimming has become false */
	struct list flushes;	   /* calls of data_flush_devices() that no flush under way serves */
	bool flushing;
	uint64_t (*limbo)(void *arg, uint64_t ino); /* NULL: nothing goes to limbo */
	void *limbo_arg;
};

void data_state_init(struct data_state *state);

/*
 * Locks of ranges of files (data_lock.c), in 4 KiB blocks.  One call takes all its locks at once; they do not hinder
 * each other, and each waits for those that other calls began to wait for before: so nobody waits in a circle, and
 * nobody starves.  The caller's memory, nothing can fail.
 */
struct data_lock {
	uint64_t ino;
	uint64_t first, end;
	bool shared;
	/* The lock's */
	struct list link;
	uint64_t nr_before; /* locks in its way */
	struct wait_queue granted;
};

/* @locks[0..nr): at most two. */
FIBER_FN void data_lock_take(struct fs *fs, struct data_lock *locks, unsigned int nr);
void data_lock_give(struct fs *fs, struct data_lock *locks, unsigned int nr);

/* A run of blocks as data_look() finds it. */
struct data_run {
	uint64_t blk;
	uint64_t nr;
	enum map_state state; /* of the data map, whose blocks readers get */
	uint64_t daddr;	      /* in the data map; not of a hole */
	uint64_t target;      /* where the next write goes, unless lacks_space */
	bool in_place;	      /* the write goes where readers look */
	bool lacks_space;     /* map_alloc() first */
};

/* What one instant shows of an inode and of blocks [first, end) of its maps. */
struct data_look {
	uint64_t ino;
	uint64_t generation;
	uint64_t first, end;
	struct inode inode;
	struct data_run *runs;
	unsigned int nr, max;
	uint64_t reached; /* the runs say all of [first, reached); it is end where no more than DATA_LOOK_RUNS are
			     needed */
};

/* A run for each block of the longest transfer, wherever that begins. */
#define DATA_LOOK_RUNS (DATA_IO_MAX / DADDR_BLOCK_SIZE + 1)

/*
 * -ENOMEM; the range may be empty.  data_look_release() in any case after success.  Blocks that wait for a trim are
 * holes.
 */
int data_look_init(struct data_look *look, uint64_t ino, uint64_t generation, uint64_t first, uint64_t end)
	MUST_CHECK;
void data_look_release(struct data_look *look);
/* -ESTALE, -EISDIR; -EINVAL: no regular file. */
FIBER_FN int data_look(struct fs *fs, struct data_look *look) MUST_CHECK;
/* The inode, if it is a regular file's: errors as data_look(). */
int data_get_file(struct txn *txn, uint64_t ino, uint64_t generation, struct inode *ret_inode) MUST_CHECK;

/*
 * Memory for the blocks [first, end) of a transfer of @len bytes from @off on (data_image.c): the caller's buffer
 * where it is aligned well enough, blocks of our own else and where only a part of a block is meant.
 */
#define DATA_IMAGE_PARTS 3
struct data_image {
	uint64_t first, end;
	uint64_t off;
	uint32_t len;
	uint8_t *buf;
	struct iovec part[DATA_IMAGE_PARTS]; /* in order, whole blocks */
	bool own[DATA_IMAGE_PARTS];
	unsigned int nr;
	uint64_t bounce; /* bytes of our own */
};

/* @buf NULL: zeros to write.  Our own blocks are zeros at first.  -ENOMEM. */
FIBER_FN int data_image_init(struct fs *fs, struct data_image *image, uint64_t off, uint32_t len, void *buf)
	MUST_CHECK;
void data_image_release(struct fs *fs, struct data_image *image);
/* Between the caller's buffer and our own blocks. */
void data_image_copy_in(struct data_image *image);
void data_image_copy_out(struct data_image *image);
/* Zeros at bytes [@off, @end) of the file, as far as they lie in the image. */
void data_image_zero(struct data_image *image, uint64_t off, uint64_t end);
/* The memory of @nr blocks from @blk on; returns how many parts. */
unsigned int data_image_iov(const struct data_image *image, uint64_t blk, uint64_t nr,
			    struct iovec ret_iov[DATA_IMAGE_PARTS]);

/*
 * Device I/O (data_io.c) of @runs, which lie in @image; bounded in flight.  After an error the first one is returned,
 * when nothing is in flight any more.
 */
/* Written runs are read, others left alone. */
FIBER_FN int data_io_read(struct fs *fs, const struct data_run *runs, unsigned int nr, struct data_image *image)
	MUST_CHECK;
/*
 * To their targets.  Durable unless the target is in place and @durable false.  *@ret_durable: all of it is.
 */
FIBER_FN int data_io_write(struct fs *fs, const struct data_run *runs, unsigned int nr, struct data_image *image,
			   bool durable, bool *ret_durable) MUST_CHECK;
/* Zeros at the targets of @runs, durably; by the devices themselves where they can. */
FIBER_FN int data_io_zero(struct fs *fs, const struct data_run *runs, unsigned int nr) MUST_CHECK;
/* All devices. */
FIBER_FN int data_io_flush(struct fs *fs) MUST_CHECK;
/* Until blocks that are free or alone now are so after a crash, too: else their old owner would see what is written.
 */
FIBER_FN int data_io_wait_freed(struct fs *fs) MUST_CHECK;
/* The largest logical sector of the devices. */
uint32_t data_io_align(const struct fs *fs);

/*
 * Space (data_space.c), for the range of @look up to reached, which is locked exclusively.
 *
 * Blocks for all that lacks them.  -ENOSPC and other errors: what was taken is given back.  -EAGAIN: a trim is in the
 * way.
 */
FIBER_FN int data_space_take(struct fs *fs, const struct data_look *look) MUST_CHECK;
/* Give back what data_space_take() took for @runs, as they were before that, and nobody has written since. */
FIBER_FN void data_space_undo(struct fs *fs, uint64_t ino, uint64_t generation, const struct data_run *runs,
			      unsigned int nr);

/* Limbo (data_limbo.c): the tag for what leaves the map of @ino now.  Does not switch. */
uint64_t data_limbo_tag(struct fs *fs, uint64_t ino);

/* What else there is to be asked before blocks [@first, @end) are touched; nothing is for an empty range. */
static inline int data_guard_ask(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end,
				 enum data_touch touch)
{
	return guard && first < end ? guard->check(guard, ino, first, end, touch) : 0;
}

static inline const struct data_guard *data_also_guard(const struct data_also *also)
{
	return also ? also->guard : NULL;
}

/* Trims (data_trim.c) */
/* Trim @ino soon, in the background. */
void data_trim_later(struct fs *fs, uint64_t ino);
/* End the background work where it stands. */
FIBER_FN void data_trim_stop(struct fs *fs);

/*
 * Write zeros (data_write.c) to bytes [@off, @off + @len) of one block, which is locked exclusively, where it is
 * written. With @tail they are the dirty tail, and it is clean afterwards.
 */
FIBER_FN int data_write_zeros(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t off, uint32_t len, bool tail)
	MUST_CHECK;
/*
 * Make the dirty tail of @inode, if it has one, zeros; @guard is asked.  The block of its end is locked exclusively.
 * -EAGAIN: the end of file has moved.
 */
FIBER_FN int data_write_zero_tail(struct fs *fs, const struct inode *inode, const struct data_guard *guard)
	MUST_CHECK;
/*
 * Make the file fit to grow: no trim under way, no dirty tail, nothing written behind the end; @guard is asked, and
 * of tail and what is behind the one goes also where it objects to the other.  Blocks [@lock_first, @lock_end) are
 * locked exclusively.  -EAGAIN: that is not enough, or not any more: the block of the end of file, and with
 * INODE_DIRTY_BEHIND all up to DATA_END.
 */
FIBER_FN int data_write_clean_tail(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t lock_first,
				   uint64_t lock_end, const struct data_guard *guard) MUST_CHECK;

/* Run the caller's part of a transaction (NULL: none); @inode is written already, and as it leaves it afterwards. */
int data_also_run(struct txn *txn, const struct data_also *also, struct inode *inode) MUST_CHECK;

static inline uint64_t data_blk_up(uint64_t bytes)
{
	return (bytes >> DADDR_BLOCK_SHIFT) + !is_aligned_u64(bytes, DADDR_BLOCK_SIZE);
}

#endif
