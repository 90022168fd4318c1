/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of a transfer.  Devices want whole aligned blocks, callers have any bytes anywhere: in between is copied
 * exactly as much as needs it.  The buffers of all calls together are bounded.
 */

#include <string.h>

#include "extent/fs_int.h"

static uint64_t image_blocks(const struct data_image *image)
{
	return image->end - image->first;
}

/* Cut into what is partial at the front, whole in the middle, partial at the back. */
static void image_plan_direct(struct data_image *image, uint64_t mid, uint64_t mid_end)
{
	uint64_t first = image->first << DADDR_BLOCK_SHIFT, end = image->end << DADDR_BLOCK_SHIFT;
	uint64_t cut[] = { first, mid, mid_end, end };

	for (unsigned int i = 0; i < DATA_IMAGE_PARTS; i++) {
		if (cut[i] == cut[i + 1])
			continue;
		image->part[image->nr] =
			(struct iovec){ i == 1 ? image->buf + (mid - image->off) : NULL, cut[i + 1] - cut[i] };
		image->own[image->nr++] = i != 1;
	}
}

static void image_plan(const struct fs *fs, struct data_image *image)
{
	uint64_t mid = round_up_u64(image->off, DADDR_BLOCK_SIZE);
	uint64_t mid_end = round_down_u64(image->off + image->len, DADDR_BLOCK_SIZE);

	if (image->buf && mid < mid_end &&
	    is_aligned_u64((uintptr_t)image->buf + (mid - image->off), data_io_align(fs))) {
		image_plan_direct(image, mid, mid_end);
		return;
	}
	image->part[0] = (struct iovec){ NULL, image_blocks(image) << DADDR_BLOCK_SHIFT };
	image->own[0] = true;
	image->nr = 1;
}

int data_image_init(struct fs *fs, struct data_image *image, uint64_t off, uint32_t len, void *buf)
{
	assert(len > 0);
	*image = (struct data_image){
		.first = off >> DADDR_BLOCK_SHIFT, .end = data_blk_up(off + len), .off = off, .len = len, .buf = buf
	};
	image_plan(fs, image);
	for (unsigned int i = 0; i < image->nr; i++)
		if (image->own[i])
			image->bounce += image->part[i].iov_len;
	if (image->bounce)
		fiber_sem_take(&fs->data.bounce, image->bounce);
	for (unsigned int i = 0; i < image->nr; i++) {
		if (!image->own[i])
			continue;
		image->part[i].iov_base = blkdev_buf_alloc(image->part[i].iov_len);
		if (!image->part[i].iov_base) {
			data_image_release(fs, image);
			return -ENOMEM;
		}
	}
	return 0;
}

void data_image_release(struct fs *fs, struct data_image *image)
{
	for (unsigned int i = 0; i < image->nr; i++)
		if (image->own[i])
			blkdev_buf_free(image->part[i].iov_base);
	if (image->bounce)
		fiber_sem_give(&fs->data.bounce, image->bounce);
	image->nr = 0;
	image->bounce = 0;
}

/* Bytes [off, end) of the file in part @i, whose first byte is byte *@pos of the file; true if there are any. */
static bool image_overlap(const struct data_image *image, unsigned int i, uint64_t pos, uint64_t *off, uint64_t *end)
{
	*off = max_u64(*off, pos);
	*end = min_u64(*end, pos + image->part[i].iov_len);
	return *off < *end;
}

static void image_copy(struct data_image *image, bool in)
{
	uint64_t pos = image->first << DADDR_BLOCK_SHIFT;

	for (unsigned int i = 0; i < image->nr; pos += image->part[i++].iov_len) {
		uint64_t off = image->off, end = image->off + image->len;
		uint8_t *mem = image->part[i].iov_base;

		if (!image->own[i] || !image_overlap(image, i, pos, &off, &end))
			continue;
		if (!in)
			memcpy(image->buf + (off - image->off), mem + (off - pos), end - off);
		else if (image->buf)
			memcpy(mem + (off - pos), image->buf + (off - image->off), end - off);
		else
			memset(mem + (off - pos), 0, end - off);
	}
}

void data_image_copy_in(struct data_image *image)
{
	image_copy(image, true);
}

void data_image_copy_out(struct data_image *image)
{
	image_copy(image, false);
}

void data_image_zero(struct data_image *image, uint64_t off, uint64_t end)
{
	uint64_t pos = image->first << DADDR_BLOCK_SHIFT;

	for (unsigned int i = 0; i < image->nr; pos += image->part[i++].iov_len) {
		uint64_t from = off, to = end;

		if (image_overlap(image, i, pos, &from, &to))
			memset((uint8_t *)image->part[i].iov_base + (from - pos), 0, to - from);
	}
}

unsigned int data_image_iov(const struct data_image *image, uint64_t blk, uint64_t nr,
			    struct iovec ret_iov[DATA_IMAGE_PARTS])
{
	uint64_t pos = image->first << DADDR_BLOCK_SHIFT;
	unsigned int n = 0;

	assert(blk >= image->first && nr > 0 && blk + nr <= image->end);
	for (unsigned int i = 0; i < image->nr; pos += image->part[i++].iov_len) {
		uint64_t off = blk << DADDR_BLOCK_SHIFT, end = (blk + nr) << DADDR_BLOCK_SHIFT;

		if (image_overlap(image, i, pos, &off, &end))
			ret_iov[n++] = (struct iovec){ (uint8_t *)image->part[i].iov_base + (off - pos), end - off };
	}
	return n;
}
