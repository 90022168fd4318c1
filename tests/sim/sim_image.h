/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_SIM_IMAGE_H
#define LAMINA_TESTS_SIM_IMAGE_H

/*
 * The contents of a simulated disk: sparse, and forked at no cost.  Forks share their pages until one of them writes,
 * so a test may keep thousands of states of a disk.  Unwritten parts read as zeros.  A sector of 512 bytes can be
 * bad: it cannot be read until it is written.
 */

#include "dev/base.h"

#define SIM_IMAGE_SECTOR 512u

struct sim_image {
	uint64_t size; /* bytes, a multiple of SIM_IMAGE_SECTOR */
	unsigned int height;
	void *root;
};

void sim_image_init(struct sim_image *img, uint64_t size);
/* @dst, uninitialised, becomes a copy of @src; both are released on their own. */
void sim_image_fork(struct sim_image *dst, const struct sim_image *src);
void sim_image_release(struct sim_image *img);

/* Ranges are inside the image and, where sectors become good or bad, whole sectors. */
void sim_image_write(struct sim_image *img, uint64_t off, const void *data, uint64_t len);
void sim_image_zero(struct sim_image *img, uint64_t off, uint64_t len);
void sim_image_set_bad(struct sim_image *img, uint64_t off, uint64_t len);
void sim_image_flip_bit(struct sim_image *img, uint64_t off, unsigned int bit);
/* -EIO if a sector of the range is bad; the good ones are read all the same. */
int sim_image_read(const struct sim_image *img, uint64_t off, void *buf, uint64_t len) MUST_CHECK;

/* Of the bytes and the bad sectors; sparse or not makes no difference. */
uint64_t sim_image_hash(const struct sim_image *img);
/* Write it to a (sparse) file, for looking at it with the tools.  Bad sectors come as zeros.  Negative errno. */
int sim_image_dump(const struct sim_image *img, const char *path) MUST_CHECK;

#endif
