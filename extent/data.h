/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_DATA_H
#define LAMINA_EXTENT_DATA_H

/*
 * File contents through the server: reads and writes of any bytes, and the changes of a map that must not meet them.
 *
 * Everything here runs in the caller's fiber and may wait for devices and for other users of the same range of the
 * same file: reads share, everything else is alone in its blocks, first come, first served.  So a block that leaves a
 * map is never freed under a read or write on its way (I3), and parts of blocks are not lost between two writes.
 * Inodes are named by number and generation; -ESTALE: there is no such inode (any more).
 *
 * No stale data (I2): a block becomes readable only when the whole of it is safe on its device, zeros where nothing
 * was written.  Parts of blocks are read, changed in memory and written.
 *
 * *@ret_seq is the transaction to wait for (txn_wait_durable) before an answer leaves; *@ret_inode the inode as that
 * transaction left it.  For reads and seeks fs_last_change() says how far to wait.
 *
 * Space is taken before anything is written.  What was taken for a call that a crash interrupts stays the file's,
 * unwritten, until it is written there, cut or deallocated; a call that fails gives it back.
 */

#include "extent/inode.h"
#include "extent/map.h"

/* Bytes of one call at most. */
#define DATA_IO_MAX (4u << 20)

/*
 * Up to @len bytes from @off into @buf.  *@ret_len: bytes read, less than @len only at the end of the file;
 * *@ret_eof: the end was reached (off + *ret_len >= size).  Holes and unwritten blocks are zeros.  -EINVAL: @len >
 * DATA_IO_MAX, or neither file nor directory; -EISDIR; -EIO and others of the device.
 */
FIBER_FN int data_read(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t off, void *buf, uint32_t len,
		       uint32_t *ret_len, bool *ret_eof) MUST_CHECK;

enum data_sync {
	DATA_UNSTABLE, /* what was written may be lost by a power cut until data_commit() */
	DATA_DURABLE,  /* on stable storage when the call returns */
};

/*
 * @body (may be NULL) runs at the end of the last transaction of a call, in its body (extent/txn.h), with @arg: an
 * error of it undoes the transaction and is returned.  It may change the inode.
 */
struct data_also {
	int (*body)(struct txn *txn, const struct inode *inode, void *arg);
	void *arg;
	size_t log_max;			/* bytes of its changes */
	const struct data_guard *guard; /* NULL: nobody is asked */
};

/*
 * Who else may use blocks of the file (layouts, I4, I15): asked with blocks [@first, @end) locked, before anything is
 * changed in them, and may not switch.  0, or -EBUSY, with which the call fails, having changed nothing there; what
 * it took is given back.  As long as the lock is held nobody gets a layout of the range (data_hold()).
 *
 * What is asked:
 *   data_write	     DATA_OVERWRITE of its blocks where all are written and not shared, else DATA_FILL; DATA_REMAP
 *		     where the file grows and something may be behind its end
 *   data_setattr    DATA_REMAP from a smaller size's block on (to DATA_END)
 *   data_allocate   DATA_REMAP of what lacks space
 *   data_deallocate DATA_REMAP of all its blocks, edges too
 *   data_clone	     DATA_REMAP of the destination, and of the source, whose blocks can't be written in place any more
 *   data_hold, data_make_readable    DATA_REMAP of what they are about to make zeros or copy, or else leave alone
 * and of whatever lets the file grow, and data_hold, where a client may have left something behind the end that must
 * not show: DATA_TAIL of the block of the old end of file, or DATA_REMAP if that is shared (INODE_DIRTY_TAIL); and of
 * what lets it grow DATA_REMAP of all blocks behind it (INODE_DIRTY_BEHIND).  Also the asker's own layout must come
 * back first then, since what it wrote there and has not committed would be zeroed.
 */
#define DATA_END UINT64_MAX /* of a range: all that follows */
enum data_touch {
	DATA_OVERWRITE, /* new contents in the same blocks, in the same state */
	DATA_FILL,	/* new contents in other blocks, or in another state */
	DATA_REMAP,	/* other blocks, or other states */
	/*
	 * Zeros behind the end of file, in the same block, in the same state: who only reads it sees no difference.
	 * In the way is who may be writing there or may still commit it.
	 */
	DATA_TAIL,
};
struct data_guard {
	int (*check)(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end,
		     enum data_touch touch);
	/*
	 * Whether anybody at all, the asker too, may be writing these blocks by a layout (GRANT_RW, not GRANT_LATE).
	 * Only a question: nothing is recalled for it.  NULL: check(DATA_REMAP) is asked instead.
	 */
	bool (*held)(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end);
	/*
	 * Whether somebody answers for what is behind the end of file in these blocks: anybody at all, the asker too,
	 * who would be in the way of DATA_TAIL.  Only a question.  NULL: whoever held() tells of.
	 */
	bool (*answers)(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end);
};

/*
 * For granting a layout: blocks [@first, @end) locked, shared for reading, or with @grow (for every layout that lets
 * its holder write) alone.  No trim is under way there.  With @grow, what the file's clients left behind its end is
 * made zeros where the range has it, unless somebody is writing there (@guard->held; @guard may be NULL): so its
 * holder may let the file grow.  The same for the block of the end of file, unless somebody answers for it
 * (@guard->answers), if the range only lies behind it: what comes back to let the file grow (data_commit_layout())
 * can ask nobody to give something up.  Then, in the body of the grant, data_hold_grant() marks that the client may
 * leave anything behind the end of file.  -EBUSY: @guard objects to another block for the end of file; errors of
 * data_look, of devices and -ENOSPC; there is nothing to unhold then.
 */
struct data_hold {
	uint64_t ino, first, end;
	uint64_t priv[16];
};
FIBER_FN int data_hold(struct fs *fs, struct data_hold *hold, uint64_t ino, uint64_t generation, uint64_t first,
		       uint64_t end, bool grow, const struct data_guard *guard) MUST_CHECK;
FIBER_FN void data_unhold(struct fs *fs, struct data_hold *hold);
/* @inode in memory: the caller puts it.  A layout for writing of [@first, @end) is granted. */
void data_hold_grant(struct inode *inode, uint64_t first, uint64_t end);

/*
 * What was written by the holder of a layout (LAYOUTCOMMIT), in a body: @nr runs of blocks become readable, exactly
 * they (I2), and with @has_size the file has at least @size bytes, all at once (I5); it never shrinks, and all may be
 * repeated.  Before, and since it was asked for, data_flush_devices() has returned: else a power cut would show what
 * the devices had before.  Change attribute, ctime and mtime follow also where there are no runs: the client has
 * overwritten something; mtime is @mtime if the client told it.  The caller has checked that the blocks are the
 * client's.
 * *@ret_inode is put already.
 *
 * Runs behind the new size become readable too: a client counts them as committed and does not name them again when
 * the size follows (it sends its size in another request, or its pages are larger than our blocks).  They are marked
 * (INODE_DIRTY_BEHIND).  Growth: whoever holds the blocks from the old end of file on for writing answers for what
 * lies between the old end and what it writes (RFC 8154, 2.3.4); so @holds is asked whether the committer does.
 *
 * -ENXIO: a hole is among the runs; -E2BIG: more than DATA_COMMIT_STEPS runs of the map (or than log_max holds);
 * -EINVAL: an empty run, one beyond MAP_BLK_MAX, or no such time; -EFBIG: INODE_SIZE_MAX; -EAGAIN: a trim is under
 * way, or what others left behind the end of file would show: data_ready_to_grow(), and again.
 */
#define DATA_COMMIT_STEPS 4096u
struct data_commit_run {
	uint64_t blk, nr;
};
struct data_layout_commit {
	uint64_t ino, generation;
	const struct data_commit_run *runs;
	unsigned int nr;
	bool has_size;
	uint64_t size;
	bool has_mtime;
	struct inode_time mtime;
	/*
	 * Whether the committer has a layout for writing of all of [@first, @end), runs or not.  Must not switch.
	 * NULL: of its runs only.
	 */
	bool (*holds)(void *arg, uint64_t first, uint64_t end);
	void *arg;
};
#define DATA_COMMIT_LOG(steps) (INODE_LOG_PUT + (steps)*MAP_CONVERT_LOG)
int data_commit_layout(struct txn *txn, const struct data_layout_commit *commit, struct inode *ret_inode) MUST_CHECK;
/*
 * So that a writer's blocks are readable before it has them, and nothing is lost where it loses its commit: all of
 * [@first, @end) that is a hole or unwritten gets zeros, and what is shared before @copy_end gets a copy of its own,
 * durably, and then it is written, in bounded transactions.  Inside data_hold(@grow) of the range and before the
 * transaction of the grant, which then finds READ_WRITE blocks; for that part of the range which the client does not
 * have yet: runs of the map of which anybody holds a part stay as they are (@guard->held; NULL: nobody), for what its
 * holder has written there and not committed would be lost.  Takes as long as the devices take to write so much, and
 * where something is copied to read it.
 *
 * Behind the end of file it leaves written blocks (INODE_DIRTY_BEHIND): growth through the server then recalls who
 * holds something there, and data_unreserve() gives them back.  -ENOSPC and others: some of the range may be written
 * already, nothing else is left.
 */
FIBER_FN int data_make_readable(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t first, uint64_t end,
				uint64_t copy_end, const struct data_guard *guard) MUST_CHECK;
/*
 * No trim is under way, and nothing that clients left behind the end of file would show when it grows.  -EBUSY:
 * @guard objects to that being zeroed (DATA_TAIL, DATA_REMAP); what it does not object to is done all the same.
 */
FIBER_FN int data_ready_to_grow(struct fs *fs, uint64_t ino, uint64_t generation, const struct data_guard *guard)
	MUST_CHECK;
/*
 * Flush the devices that have a volatile cache, so that what clients wrote before this call survives a power cut
 * (I14).  Calls at the same time share flushes.
 */
FIBER_FN int data_flush_devices(struct fs *fs) MUST_CHECK;
/*
 * Give back blocks of [@first, @end) that are reserved and not written, or written and wholly behind the end of file
 * (INODE_DIRTY_BEHIND), in bounded transactions: after a layout ended that they were taken for.  Runs of the map that
 * somebody still holds, all or in part (@guard->held; NULL: nobody), stay.
 */
FIBER_FN int data_unreserve(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t first, uint64_t end,
			    const struct data_guard *guard) MUST_CHECK;

/*
 * Blocks that leave the map of @ino go to limbo under this tag (extent/limbo.h), LIMBO_NONE: none.  Asked whenever
 * blocks may be freed, in bodies: must not switch.  @tag NULL: none.  Until it is set, all is free at once: set it
 * before anything is freed after a mount.
 */
void data_set_limbo(struct fs *fs, uint64_t (*tag)(void *arg, uint64_t ino), void *arg);
/* Free all that is in limbo under @tag, in bounded transactions. */
FIBER_FN int data_limbo_release(struct fs *fs, uint64_t tag) MUST_CHECK;

/*
 * Write @len > 0 bytes at @off; size, times and change attribute follow in the transaction that makes them readable.
 * *@ret_durable: the bytes are on stable storage, though only DATA_UNSTABLE was asked for.  -EFBIG: beyond
 * INODE_SIZE_MAX; -ENOSPC: nothing was written; -EINVAL: @len > DATA_IO_MAX; -EISDIR; -EIO: bytes that were there
 * before may be old or new, all others are zeros.
 *
 * Blocks that become readable are on their devices before that transaction; so @sync makes a difference only for
 * those that are overwritten in place.
 */
FIBER_FN int data_write(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t off, const void *buf, uint32_t len,
			enum data_sync sync, const struct data_also *also, struct inode *ret_inode, bool *ret_durable,
			uint64_t *ret_seq) MUST_CHECK;

/* Everything written to the file before this call is on stable storage when it returns 0. */
FIBER_FN int data_commit(struct fs *fs, uint64_t ino, uint64_t generation) MUST_CHECK;

/*
 * Attributes with a new size (inode_setattr()): waits for trims under way and zeroes the old tail where growth needs
 * it; then the mappings behind a smaller size are taken away, though not before this returns.  Errors of
 * inode_setattr() except -EAGAIN.  Also for attributes without a size.
 */
FIBER_FN int data_setattr(struct fs *fs, uint64_t ino, uint64_t generation, const struct inode_attrs *attrs,
			  const struct data_also *also, struct inode *ret_inode, uint64_t *ret_seq) MUST_CHECK;

/* Have blocks behind [@off, @off + @len); the size grows to its end (RFC 7862, 15.1).  -ENOSPC: nothing is changed.
 */
FIBER_FN int data_allocate(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t off, uint64_t len,
			   const struct data_also *also, struct inode *ret_inode, uint64_t *ret_seq) MUST_CHECK;
/* Make the range read as zeros and give its whole blocks back; the size stays (RFC 7862, 15.4). */
FIBER_FN int data_deallocate(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t off, uint64_t len,
			     const struct data_also *also, struct inode *ret_inode, uint64_t *ret_seq) MUST_CHECK;

/*
 * The first data (or hole) at or after @off, in bytes; the end of the file counts as a hole.  Unwritten blocks are
 * holes.  *@ret_eof: what was found is the end of the file, which for data means that none follows (RFC 7862, 15.11).
 * -ENXIO: @off is not before the end.
 */
FIBER_FN int data_seek(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t off, bool want_data,
		       uint64_t *ret_off, bool *ret_eof) MUST_CHECK;

/*
 * Share: make @len bytes at @off of (@ino) the same as those at @src_off of (@src_ino), which may be the same file.
 * Offsets, and the length unless it ends at the source's end of file and at or behind the destination's, are
 * multiples of DADDR_BLOCK_SIZE: else -EINVAL, as for overlapping ranges of one file, and a source range beyond its
 * end.  @len 0: to the source's end of file.  A crash leaves the range, from its end on, as it was.
 */
struct data_range {
	uint64_t ino;
	uint64_t generation;
	uint64_t off;
};
FIBER_FN int data_clone(struct fs *fs, const struct data_range *src, const struct data_range *dst, uint64_t len,
			const struct data_also *also, struct inode *ret_inode, uint64_t *ret_seq) MUST_CHECK;

/* Take apart an inode that has no name and no user any more, all of it.  Errors of orphan_reap_step(). */
FIBER_FN int data_reap(struct fs *fs, uint64_t ino) MUST_CHECK;
/* Finish the trim of an inode that a mount finds listed; 0 too where there is none to do or no such inode. */
FIBER_FN int data_trim(struct fs *fs, uint64_t ino) MUST_CHECK;
/* Wait until no trim is going on in the background.  Returns whether there was one. */
FIBER_FN bool data_settle(struct fs *fs);

#endif
