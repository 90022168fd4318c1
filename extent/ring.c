/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: whatever ring_view() gives is what the device said, and a read error is told about exactly the blocks that
 * have it: a large read that fails is repeated block by block.  Memory is bounded: a few pieces, and one buffer for
 * what lies across their borders.
 */

#include "extent/ring.h"

#include <stdlib.h>

#include "dev/fiber.h"

#define PIECE_SIZE   (1u << 20)
#define PIECE_BLOCKS (PIECE_SIZE / RECORD_ALIGN)
#define NR_PIECES    4u

struct piece {
	struct ring *ring;
	struct blk_req req;
	struct iovec iov;
	uint64_t lsn;
	size_t len;
	bool in_flight;
	bool has_bad;
	bool bad[PIECE_BLOCKS]; /* valid if has_bad */
};

struct ring {
	struct blkdev *dev;
	uint64_t off;
	uint64_t size;
	uint64_t end_lsn;
	uint64_t next_lsn;   /* not yet asked for */
	unsigned int first;  /* pieces[first], [first + 1], ... follow one another */
	unsigned int nr;     /* in use */
	struct fiber *fiber; /* that waits */
	uint8_t *joined;     /* for views across a border */
	size_t joined_size;
	struct piece pieces[NR_PIECES];
};

static uint64_t place_of(const struct ring *r, uint64_t lsn)
{
	return r->off + lsn % r->size;
}

static struct piece *piece_at(struct ring *r, unsigned int i)
{
	return &r->pieces[(r->first + i) % NR_PIECES];
}

static void piece_read_done(struct blk_req *req)
{
	struct piece *p = req->owner;

	p->in_flight = false;
	if (p->ring->fiber)
		fiber_wake(p->ring->fiber);
}

/* Pieces end at multiples of their size on the ring, and with it. */
static void piece_start(struct ring *r)
{
	struct piece *p = piece_at(r, r->nr++);
	uint64_t place = r->next_lsn % r->size;
	uint64_t len = min_u64(PIECE_SIZE - place % PIECE_SIZE, r->size - place);

	p->lsn = r->next_lsn;
	p->len = min_u64(len, r->end_lsn - r->next_lsn);
	p->has_bad = false;
	p->in_flight = true;
	p->iov.iov_len = p->len;
	p->req = (struct blk_req){
		.op = BLK_READ,
		.off = place_of(r, p->lsn),
		.len = p->len,
		.iov = &p->iov,
		.nr_iov = 1,
		.done = piece_read_done,
		.owner = p,
	};
	r->next_lsn += p->len;
	blkdev_submit(r->dev, &p->req);
}

static void read_ahead(struct ring *r)
{
	while (r->nr < NR_PIECES && r->next_lsn < r->end_lsn)
		piece_start(r);
}

FIBER_FN static void piece_wait(struct piece *p)
{
	p->ring->fiber = fiber_self();
	while (p->in_flight)
		fiber_park();
	p->ring->fiber = NULL;
}

FIBER_FN static void piece_reread(struct piece *p)
{
	struct ring *r = p->ring;
	uint8_t *buf = p->iov.iov_base;

	for (size_t at = 0; at < p->len; at += RECORD_ALIGN)
		p->bad[at / RECORD_ALIGN] =
			blkdev_read(r->dev, place_of(r, p->lsn) + at, buf + at, RECORD_ALIGN) != 0;
	p->has_bad = true;
	p->req.result = 0;
}

/* The bytes from @lsn to @end, both inside of @p. */
FIBER_FN static int piece_bytes(struct piece *p, uint64_t lsn, uint64_t end, const uint8_t **ret_bytes)
{
	piece_wait(p);
	if (p->req.result)
		piece_reread(p);
	for (uint64_t at = lsn; p->has_bad && at < end; at += RECORD_ALIGN)
		if (p->bad[(at - p->lsn) / RECORD_ALIGN])
			return -EIO;
	*ret_bytes = (const uint8_t *)p->iov.iov_base + (lsn - p->lsn);
	return 0;
}

static uint64_t piece_end(const struct piece *p)
{
	return p->lsn + p->len;
}

/* Make the piece with @lsn the first. */
FIBER_FN static struct piece *piece_with(struct ring *r, uint64_t lsn)
{
	while (r->nr > 0 && piece_end(piece_at(r, 0)) <= lsn) {
		piece_wait(piece_at(r, 0));
		r->first = (r->first + 1) % NR_PIECES;
		r->nr--;
	}
	r->next_lsn = max_u64(r->next_lsn, lsn);
	read_ahead(r);
	return piece_at(r, 0);
}

FIBER_FN static int view_joined(struct ring *r, uint64_t lsn, size_t len, const void **ret_bytes)
{
	const uint8_t *part;
	uint64_t end;
	int err;

	for (size_t done = 0; done < len; done += end - (lsn + done)) {
		struct piece *p = piece_with(r, lsn + done);

		end = min_u64(piece_end(p), lsn + len);
		err = piece_bytes(p, lsn + done, end, &part);
		if (err)
			return err;
		memcpy(r->joined + done, part, end - (lsn + done));
	}
	*ret_bytes = r->joined;
	return 0;
}

FIBER_FN int ring_view(struct ring *r, uint64_t lsn, size_t len, const void **ret_bytes)
{
	const uint8_t *bytes;
	struct piece *p;
	int err;

	assert(len > 0 && len <= r->joined_size && is_aligned_u64(lsn | len, RECORD_ALIGN));
	assert(lsn + len <= r->end_lsn);
	p = piece_with(r, lsn);
	assert(p->lsn <= lsn);
	if (lsn + len > piece_end(p))
		return view_joined(r, lsn, len, ret_bytes);
	err = piece_bytes(p, lsn, lsn + len, &bytes);
	if (!err)
		*ret_bytes = bytes;
	return err;
}

FIBER_FN static void drop_all(struct ring *r)
{
	for (unsigned int i = 0; i < r->nr; i++)
		piece_wait(piece_at(r, i));
	r->nr = 0;
}

FIBER_FN void ring_seek(struct ring *r, uint64_t lsn)
{
	drop_all(r);
	r->next_lsn = lsn;
	read_ahead(r);
}

static void ring_free(struct ring *r)
{
	for (unsigned int i = 0; i < NR_PIECES; i++)
		blkdev_buf_free(r->pieces[i].iov.iov_base);
	blkdev_buf_free(r->joined);
	free(r);
}

static bool buffers_alloc(struct ring *r)
{
	r->joined_size = min_u64(RECORD_SIZE_MAX, r->size);
	r->joined = blkdev_buf_alloc(r->joined_size);
	if (!r->joined)
		return false;
	for (unsigned int i = 0; i < NR_PIECES; i++) {
		r->pieces[i].ring = r;
		r->pieces[i].iov.iov_base = blkdev_buf_alloc(PIECE_SIZE);
		if (!r->pieces[i].iov.iov_base)
			return false;
	}
	return true;
}

int ring_open(const struct journal_config *cfg, uint64_t lsn, struct ring **ret_ring)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->dev = cfg->dev;
	r->off = cfg->off;
	r->size = cfg->size;
	r->next_lsn = lsn;
	r->end_lsn = lsn + cfg->size;
	if (!buffers_alloc(r)) {
		ring_free(r);
		return -ENOMEM;
	}
	read_ahead(r);
	*ret_ring = r;
	return 0;
}

FIBER_FN void ring_close(struct ring *r)
{
	drop_all(r);
	ring_free(r);
}
