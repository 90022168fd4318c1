/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: bytes go by an extent only while it is held, or through the server, which then sees all that was written
 * before; no page is written of which a part is not known; a write that returned 0 is in the next commit, or that
 * commit says that it is lost.
 */

#include <string.h>

#include "dev/log.h"
#include "tools/pnfs_int.h"

#define THROUGH_SERVER 1000000 /* neither errno nor nfsstat4 */
#define LAYOUT_TRIES   16

/* One call of pnfs_read() or pnfs_write() on its way. */
struct io {
	struct pnfs_file *file;
	struct pnfs_inode *inode;
	struct pnfs_host *host;
	bool write;
	struct pnfs_extent e; /* as it was when the I/O began */
	uint64_t first, end;  /* whole pages in it */
	uint64_t drops;
};

/* Linux gives these to the application; all others send it through the server. */
static bool get_is_fatal(int status)
{
	switch (status) {
	case NFS4ERR_BADIOMODE:
	case NFS4ERR_UNKNOWN_LAYOUTTYPE:
	case NFS4ERR_IO:
	case NFS4ERR_ACCESS:
	case NFS4ERR_NOSPC:
	case NFS4ERR_DQUOT:
	case NFS4ERR_STALE:
	case NFS4ERR_ROFS:
	case NFS4ERR_FBIG:
		return true;
	default:
		return pnfs_is_revoked(status);
	}
}

static bool get_asks_again(int status)
{
	return status == NFS4ERR_LAYOUTTRYLATER || status == NFS4ERR_RECALLCONFLICT ||
	       status == NFS4ERR_RETURNCONFLICT || status == NFS4ERR_DELAY || status == NFS4ERR_GRACE ||
	       status == NFS4ERR_OLD_STATEID;
}

/* LAYOUTGET until there is an answer that is one, or patience is at its end. */
static FIBER_FN int get_patiently(struct io *io, const struct nfs_layoutget *get)
{
	uint64_t deadline = pnfs_now(io->host) + io->host->patience_ns, pause = PNFS_PAUSE_MIN_NS;
	int err;

	pnfs_inode_pin(io->inode);
	for (;;) {
		err = pnfs_inode_get(io->inode, &io->file->nfs.stateid, get);
		if (!get_asks_again(err) || pnfs_now(io->host) + pause > deadline)
			break;
		fiber_sleep_ns(pause);
		pause = min_u64(2 * pause, PNFS_PAUSE_MAX_NS);
	}
	pnfs_inode_unpin(io->inode);
	return err;
}

/* What a LAYOUTGET's end means for the I/O: 0: look again; THROUGH_SERVER; an error. */
static FIBER_FN int get_judge(struct io *io, int err)
{
	if (err == 0 || (err < 0 && err != -ENODEV && err != -EAGAIN && err != -ETIMEDOUT))
		return err;
	if (get_is_fatal(err))
		return err;
	if (err == NFS4ERR_LAYOUTUNAVAILABLE || err == -ENODEV)
		io->inode->direct_after = pnfs_now(io->host) + io->host->retry_ns;
	/* A layout that is of no use keeps others away. */
	if (err == -ENODEV)
		err = pnfs_inode_give_back(io->inode);
	return err < 0 && err != -ETIMEDOUT && err != -EAGAIN ? err : THROUGH_SERVER;
}

static struct pnfs_extent *usable(struct io *io)
{
	struct pnfs_extent *e = pnfs_extent_find(io->inode, io->first);

	if ((io->inode->recalled || io->inode->returning) && !io->host->faults.writes_late)
		return NULL;
	return e && (!io->write || pnfs_extent_is_rw(e)) ? e : NULL;
}

/*
 * The extent at io->first, which is then held until io_end(): 0.  THROUGH_SERVER: there is none.
 */
static FIBER_FN int io_begin(struct io *io)
{
	struct nfs_layoutget get = { .type = io->host->type,
				     .iomode = io->write ? LAYOUTIOMODE4_RW : LAYOUTIOMODE4_READ,
				     .offset = io->first,
				     .length = max_u64(io->end - io->first, io->host->ask_ahead) };
	struct pnfs_extent *e;
	int err = 0;

	get.length = min_u64(get.length, NFS4_UINT64_MAX - 1 - get.offset);
	get.minlength = min_u64(io->host->page, get.length);
	if (!io->write)
		get.minlength =
			io->inode->size > get.offset ? min_u64(get.minlength, io->inode->size - get.offset) : 0;
	for (int i = 0; i < LAYOUT_TRIES; i++) {
		e = usable(io);
		if (e) {
			io->e = *e;
			io->drops = io->inode->drops;
			io->end = min_u64(io->end, pnfs_extent_end(e));
			io->inode->busy++;
			return 0;
		}
		if (pnfs_now(io->host) < io->inode->direct_after)
			return THROUGH_SERVER;
		err = get_judge(io, get_patiently(io, &get));
		if (err)
			return err;
	}
	return THROUGH_SERVER;
}

static void io_end(struct io *io)
{
	if (--io->inode->busy == 0)
		wait_queue_wake_all(&io->inode->idle);
}

/* The device refused, or has an error: all goes through the server for a while. */
static FIBER_FN void device_failed(struct io *io, int error)
{
	struct pnfs_device *device = &io->host->devices[io->e.device];
	int err;

	log_warn("pnfs: %s of a file at a device failed: %s", io->write ? "writing" : "reading", strerror(-error));
	io->inode->direct_after = device->bad_until = pnfs_now(io->host) + io->host->retry_ns;
	device->known = false;
	if (error == -EBADE)
		device->registered = false;
	err = pnfs_inode_give_back(io->inode);
	/* Of one that writes late: it has learned now. */
	if (!io->inode->has_layout)
		pnfs_inode_drop(io->inode, 0, NFS4_UINT64_MAX);
	if (err)
		log_warn("pnfs: the layout of a device that failed could not be returned: %d", err);
}

/* Whole sectors by way of a buffer that a device takes. */
static FIBER_FN int extent_move(struct blkdev *dev, bool write, uint64_t at, void *buf, size_t len)
{
	bool is_aligned = is_aligned_u64((uintptr_t)buf, 4096);
	void *own = is_aligned ? buf : blkdev_buf_alloc(len);
	int err;

	if (!own)
		return -ENOMEM;
	if (write && !is_aligned)
		memcpy(own, buf, len);
	err = write ? blkdev_write(dev, at, own, len) : blkdev_read(dev, at, own, len);
	if (!err && !write && !is_aligned)
		memcpy(buf, own, len);
	if (!is_aligned)
		blkdev_buf_free(own);
	return err;
}

static FIBER_FN int device_move(struct pnfs_host *host, unsigned int index, bool write, uint64_t at, void *buf,
				size_t len)
{
	struct blkdev *dev = index < host->nr_devices ? host->devices[index].dev : NULL;
	int err = dev ? extent_move(dev, write, at, buf, len) : -ENODEV;

	if (err == -EBADE)
		host->counts.conflicts++;
	return err;
}

FIBER_FN int pnfs_extent_io(struct pnfs_host *host, const struct pnfs_extent *extent, bool write, uint64_t off,
			    void *buf, size_t len)
{
	if (len == 0 || !is_aligned_u64(off | len, 512) || off < extent->off ||
	    len > extent->len - (off - extent->off) || extent->state == PNFS_BLOCK_NONE_DATA)
		return -EINVAL;
	return device_move(host, extent->device, write, extent->device_off + (off - extent->off), buf, len);
}

/* What the file has in these whole sectors of the extent. */
static FIBER_FN int extent_show(struct io *io, uint64_t off, void *buf, size_t len)
{
	const struct pnfs_extent *e = &io->e;

	if (pnfs_extent_has_data(e))
		return pnfs_extent_io(io->host, e, false, off, buf, len);
	if (e->cow)
		return device_move(io->host, e->device, false, e->source_off + (off - e->off), buf, len);
	memset(buf, 0, len);
	return 0;
}

/* A page of which only a part will be written; what lies behind the end of the file is zeros. */
static FIBER_FN int page_fill(struct io *io, uint64_t page, uint8_t *buf)
{
	uint64_t size = io->inode->size;
	int err = 0;

	if (page < size)
		err = extent_show(io, page, buf, io->host->page);
	if (!err && size < page + io->host->page)
		memset(buf + (size > page ? size - page : 0), 0, io->host->page - (size > page ? size - page : 0));
	return err;
}

static FIBER_FN int write_pages(struct io *io, uint64_t off, const void *bytes, size_t len)
{
	uint64_t page = io->host->page, tail = io->end - page;
	uint8_t *buf = blkdev_buf_alloc(io->end - io->first);
	int err = 0;

	if (!buf)
		return -ENOMEM;
	if (off > io->first || off + len < io->first + page)
		err = page_fill(io, io->first, buf);
	if (!err && off + len < io->end && tail > io->first)
		err = page_fill(io, tail, buf + (tail - io->first));
	if (!err) {
		memcpy(buf + (off - io->first), bytes, len);
		err = pnfs_extent_io(io->host, &io->e, true, io->first, buf, io->end - io->first);
	}
	blkdev_buf_free(buf);
	return err;
}

/* Written: it is in the next commit.  -EAGAIN: the extents went meanwhile, and so it counts for nothing. */
static int write_note(struct io *io, uint64_t off, size_t len)
{
	struct pnfs_inode *inode = io->inode;
	int err;

	if (io->drops != inode->drops)
		return -EAGAIN;
	err = pnfs_extents_wrote(inode, io->first, io->end);
	if (err)
		return err;
	inode->writes++;
	inode->grown++;
	inode->needs_commit = true;
	inode->last = inode->has_last ? max_u64(inode->last, off + len - 1) : off + len - 1;
	inode->has_last = true;
	inode->size = max_u64(inode->size, off + len);
	io->host->counts.direct_writes++;
	io->host->counts.direct_bytes_written += len;
	return 0;
}

/* The server's blocks are not ours to mix with what is not committed. */
static FIBER_FN int write_through(struct io *io, uint64_t off, const void *bytes, size_t len)
{
	int err = pnfs_inode_commit(io->inode);

	if (err < 0)
		return err;
	io->host->counts.server_writes++;
	err = nfs_file_write(&io->file->nfs, off, bytes, len, FILE_SYNC4);
	if (err)
		return err;
	io->inode->grown++;
	io->inode->size = max_u64(io->inode->size, off + len);
	return 0;
}

static bool is_device_error(int err)
{
	return err == -EBADE || err == -EIO || err == -ENODEV || err == -ENXIO || err == -EINVAL || err == -EROFS ||
	       err == -ENOSPC || err == -EOPNOTSUPP;
}

/* Some bytes from @off on: *@ret_len. */
static FIBER_FN int write_some(struct io *io, uint64_t off, const void *bytes, size_t len, size_t *ret_len)
{
	uint64_t page = io->host->page;
	int err;

	io->first = round_down_u64(off, page);
	io->end = min_u64(round_up_u64(off + len, page), io->first + PNFS_IO_MAX);
	*ret_len = min_u64(off + len, io->end) - off;
	err = io_begin(io);
	if (err == THROUGH_SERVER)
		return write_through(io, off, bytes, *ret_len);
	if (err)
		return err;
	*ret_len = min_u64(off + len, io->end) - off;
	err = write_pages(io, off, bytes, *ret_len);
	if (!err)
		err = write_note(io, off, *ret_len);
	io_end(io);
	if (!is_device_error(err))
		return err;
	device_failed(io, err);
	return write_through(io, off, bytes, *ret_len);
}

/* Whole pages may be written side by side; a part of a page needs all that it reads to stay. */
static FIBER_FN void write_enter(struct pnfs_inode *inode, bool exclusive)
{
	inode->exclusive_waits += exclusive;
	while (inode->exclusive || (exclusive ? inode->writers > 0 : inode->exclusive_waits > 0))
		wait_queue_wait(&inode->idle);
	inode->exclusive_waits -= exclusive;
	inode->exclusive = exclusive;
	inode->writers++;
}

static void write_leave(struct pnfs_inode *inode)
{
	inode->writers--;
	inode->exclusive = false;
	wait_queue_wake_all(&inode->idle);
}

FIBER_FN int pnfs_write(struct pnfs_file *file, uint64_t off, const void *buf, size_t len)
{
	struct io io = { .file = file, .inode = file->inode, .host = file->host, .write = true };
	unsigned int again = 0;
	size_t part;
	int err = 0;

	if (off > INT64_MAX || len > INT64_MAX - off - file->host->page)
		return -EFBIG;
	write_enter(io.inode, !is_aligned_u64(off | len, file->host->page));
	while (len > 0 && !err) {
		err = write_some(&io, off, buf, len, &part);
		if (err == -EAGAIN && ++again < LAYOUT_TRIES) {
			err = 0;
			continue;
		}
		off += part;
		buf = (const char *)buf + part;
		len -= part;
	}
	write_leave(io.inode);
	return err;
}

static FIBER_FN int read_pages(struct io *io, uint64_t off, void *bytes, size_t len)
{
	uint8_t *buf;
	int err;

	if (off == io->first && off + len == io->end)
		return extent_show(io, off, bytes, len);
	buf = blkdev_buf_alloc(io->end - io->first);
	if (!buf)
		return -ENOMEM;
	err = extent_show(io, io->first, buf, io->end - io->first);
	if (!err)
		memcpy(bytes, buf + (off - io->first), len);
	blkdev_buf_free(buf);
	return err;
}

static FIBER_FN int read_through(struct io *io, uint64_t off, void *bytes, size_t len, size_t *ret_len)
{
	int err = pnfs_inode_commit(io->inode);
	bool eof;

	if (err < 0)
		return err;
	io->host->counts.server_reads++;
	return nfs_file_read(&io->file->nfs, off, bytes, len, ret_len, &eof);
}

static FIBER_FN int read_some(struct io *io, uint64_t off, void *bytes, size_t len, size_t *ret_len)
{
	uint64_t page = io->host->page;
	int err;

	io->first = round_down_u64(off, page);
	io->end = min_u64(round_up_u64(off + len, page), io->first + PNFS_IO_MAX);
	*ret_len = min_u64(off + len, io->end) - off;
	err = io_begin(io);
	if (err == THROUGH_SERVER)
		return read_through(io, off, bytes, *ret_len, ret_len);
	if (err)
		return err;
	*ret_len = min_u64(off + len, io->end) - off;
	err = read_pages(io, off, bytes, *ret_len);
	if (!err && io->drops != io->inode->drops)
		err = -EAGAIN;
	io_end(io);
	if (!err) {
		io->host->counts.direct_reads++;
		io->host->counts.direct_bytes_read += *ret_len;
	}
	if (!is_device_error(err))
		return err;
	device_failed(io, err);
	return read_through(io, off, bytes, *ret_len, ret_len);
}

/* How much of it the file has: what seems to lie behind its end is asked for. */
static FIBER_FN int read_clip(struct io *io, uint64_t off, size_t *len)
{
	int err = 0;

	if (off + *len > io->inode->size)
		err = pnfs_revalidate(io->file);
	if (!err)
		*len = off < io->inode->size ? min_u64(*len, io->inode->size - off) : 0;
	return err;
}

FIBER_FN int pnfs_read(struct pnfs_file *file, uint64_t off, void *buf, size_t len, size_t *ret_len)
{
	struct io io = { .file = file, .inode = file->inode, .host = file->host };
	unsigned int again = 0;
	size_t done = 0, part = 1;
	int err;

	if (off > INT64_MAX || len > INT64_MAX - off - file->host->page)
		return -EFBIG;
	err = read_clip(&io, off, &len);
	while (done < len && !err && part > 0) {
		err = read_some(&io, off + done, (char *)buf + done, len - done, &part);
		if (err == -EAGAIN && ++again < LAYOUT_TRIES)
			err = 0;
		else if (!err)
			done += part;
	}
	if (!err)
		*ret_len = done;
	return err;
}

FIBER_FN int pnfs_look(struct pnfs_file *file, uint64_t off, size_t len)
{
	struct io io = { .file = file, .inode = file->inode, .host = file->host };
	int err;

	if (off > INT64_MAX || len > INT64_MAX - off - file->host->page)
		return -EFBIG;
	io.first = round_down_u64(off, file->host->page);
	io.end = round_up_u64(off + len, file->host->page);
	err = io_begin(&io);
	if (!err)
		io_end(&io);
	return err == THROUGH_SERVER ? 0 : err;
}
