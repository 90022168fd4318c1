/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree of fixed height over pages of 4 KiB, with a reference count in every node and page.  What has one owner is
 * changed in place, what has more is copied first: so a fork costs one count, and a write to a fork one path.
 */
#include "tests/sim/sim_image.h"

#include <fcntl.h>
#include <unistd.h>

#include "tests/sim/sim_util.h"

#define PAGE_SHIFT   12
#define PAGE_SIZE    (1u << PAGE_SHIFT)
#define PAGE_SECTORS (PAGE_SIZE / SIM_IMAGE_SECTOR)
#define FANOUT_BITS  6
#define FANOUT	     (1u << FANOUT_BITS)

struct page {
	uint32_t refs;
	uint8_t bad; /* bit per sector */
	uint8_t data[PAGE_SIZE];
};

struct node {
	uint32_t refs;
	void *slot[FANOUT]; /* of nodes, in the lowest level of pages; NULL: zeros */
};

static_assert(PAGE_SECTORS <= 8, "bits of page.bad");

static void *get(void *p)
{
	/* Both structures begin with their count. */
	if (p)
		++*(uint32_t *)p;
	return p;
}

/* @level 0: a page. */
static void put(void *p, unsigned int level)
{
	struct node *n = p;

	if (!p || --*(uint32_t *)p > 0)
		return;
	for (unsigned int i = 0; level > 0 && i < FANOUT; i++)
		put(n->slot[i], level - 1);
	free(p);
}

/* Make *@slot the caller's own. */
static struct node *own_node(void **slot, unsigned int level)
{
	struct node *old = *slot, *n = old;

	if (old && old->refs == 1)
		return old;
	n = sim_alloc(sizeof(*n));
	n->refs = 1;
	for (unsigned int i = 0; old && i < FANOUT; i++)
		n->slot[i] = get(old->slot[i]);
	put(old, level);
	*slot = n;
	return n;
}

static struct page *own_page(void **slot)
{
	struct page *old = *slot, *p = old;

	if (old && old->refs == 1)
		return old;
	p = sim_alloc(sizeof(*p));
	if (old)
		*p = *old;
	p->refs = 1;
	put(old, 0);
	*slot = p;
	return p;
}

static unsigned int slot_of(uint64_t page, unsigned int level)
{
	return (unsigned int)(page >> (FANOUT_BITS * (level - 1))) & (FANOUT - 1);
}

static struct page *page_to_change(struct sim_image *img, uint64_t off)
{
	void **slot = &img->root;

	for (unsigned int level = img->height; level > 0; level--)
		slot = &own_node(slot, level)->slot[slot_of(off >> PAGE_SHIFT, level)];
	return own_page(slot);
}

static const struct page *page_find(const struct sim_image *img, uint64_t off)
{
	void *p = img->root;

	for (unsigned int level = img->height; level > 0 && p; level--)
		p = ((struct node *)p)->slot[slot_of(off >> PAGE_SHIFT, level)];
	return p;
}

void sim_image_init(struct sim_image *img, uint64_t size)
{
	uint64_t pages = (size >> PAGE_SHIFT) + 1;

	assert(is_aligned_u64(size, SIM_IMAGE_SECTOR));
	*img = (struct sim_image){ .size = size, .height = 1 };
	while (pages >> (FANOUT_BITS * img->height))
		img->height++;
}

void sim_image_fork(struct sim_image *dst, const struct sim_image *src)
{
	*dst = *src;
	get(dst->root);
}

void sim_image_release(struct sim_image *img)
{
	put(img->root, img->height);
	img->root = NULL;
}

static void check_range(const struct sim_image *img, uint64_t off, uint64_t len)
{
	assert(off <= img->size && len <= img->size - off);
}

/* How much of [@off, @off + @len) lies in the page of @off. */
static size_t in_page(uint64_t off, uint64_t len)
{
	return min_u64(len, PAGE_SIZE - (off & (PAGE_SIZE - 1)));
}

static uint8_t sector_mask(uint64_t off, size_t len)
{
	unsigned int first = (off & (PAGE_SIZE - 1)) / SIM_IMAGE_SECTOR;

	return (uint8_t)(((1u << (len / SIM_IMAGE_SECTOR)) - 1) << first);
}

void sim_image_write(struct sim_image *img, uint64_t off, const void *data, uint64_t len)
{
	const uint8_t *from = data;

	check_range(img, off, len);
	while (len > 0) {
		size_t n = in_page(off, len);
		struct page *p = page_to_change(img, off);

		memcpy(p->data + (off & (PAGE_SIZE - 1)), from, n);
		p->bad &= (uint8_t)~sector_mask(off, n);
		from += n;
		off += n;
		len -= n;
	}
}

/* Drop the pages [@first, @end), numbered from the start of the subtree *@slot. */
static void drop_pages(void **slot, unsigned int level, uint64_t first, uint64_t end)
{
	uint64_t span = 1ULL << (FANOUT_BITS * level), child = span >> FANOUT_BITS;
	struct node *n;

	if (!*slot || first >= end)
		return;
	if (first == 0 && end >= span) {
		put(*slot, level);
		*slot = NULL;
		return;
	}
	n = own_node(slot, level);
	for (uint64_t i = first / child; i < FANOUT && i * child < end; i++)
		drop_pages(&n->slot[i], level - 1, first > i * child ? first - i * child : 0,
			   min_u64(end - i * child, child));
}

static void zero_in_page(struct sim_image *img, uint64_t off, size_t len)
{
	struct page *p = page_to_change(img, off);

	memset(p->data + (off & (PAGE_SIZE - 1)), 0, len);
	p->bad &= (uint8_t)~sector_mask(off, len);
}

void sim_image_zero(struct sim_image *img, uint64_t off, uint64_t len)
{
	uint64_t end = off + len, first = round_up_u64(off, PAGE_SIZE), last = round_down_u64(end, PAGE_SIZE);

	check_range(img, off, len);
	if (first > last) {
		zero_in_page(img, off, len);
		return;
	}
	if (off < first)
		zero_in_page(img, off, first - off);
	if (last < end)
		zero_in_page(img, last, end - last);
	drop_pages(&img->root, img->height, first >> PAGE_SHIFT, last >> PAGE_SHIFT);
}

void sim_image_set_bad(struct sim_image *img, uint64_t off, uint64_t len)
{
	check_range(img, off, len);
	while (len > 0) {
		size_t n = in_page(off, len);

		page_to_change(img, off)->bad |= sector_mask(off, n);
		off += n;
		len -= n;
	}
}

void sim_image_flip_bit(struct sim_image *img, uint64_t off, unsigned int bit)
{
	check_range(img, off, 1);
	page_to_change(img, off)->data[off & (PAGE_SIZE - 1)] ^= (uint8_t)(1u << (bit & 7));
}

static int read_in_page(const struct page *p, uint64_t off, uint8_t *to, size_t len)
{
	int err = 0;

	memcpy(to, p->data + (off & (PAGE_SIZE - 1)), len);
	if (!p->bad)
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (!(p->bad & (1u << ((off + i) & (PAGE_SIZE - 1)) / SIM_IMAGE_SECTOR)))
			continue;
		to[i] = 0;
		err = -EIO;
	}
	return err;
}

int sim_image_read(const struct sim_image *img, uint64_t off, void *buf, uint64_t len)
{
	uint8_t *to = buf;
	int err = 0;

	check_range(img, off, len);
	while (len > 0) {
		size_t n = in_page(off, len);
		const struct page *p = page_find(img, off);

		if (!p)
			memset(to, 0, n);
		else if (read_in_page(p, off, to, n))
			err = -EIO;
		to += n;
		off += n;
		len -= n;
	}
	return err;
}

/* Every page that exists, in order. */
static int walk(void *p, unsigned int level, uint64_t first, int (*fn)(uint64_t off, const struct page *p, void *arg),
		void *arg)
{
	struct node *n = p;
	int err = 0;

	if (!p)
		return 0;
	if (level == 0)
		return fn(first << PAGE_SHIFT, p, arg);
	for (unsigned int i = 0; i < FANOUT && !err; i++)
		err = walk(n->slot[i], level - 1, first + ((uint64_t)i << (FANOUT_BITS * (level - 1))), fn, arg);
	return err;
}

static int hash_page(uint64_t off, const struct page *p, void *arg)
{
	uint64_t words[PAGE_SIZE / sizeof(uint64_t)], any = p->bad, h = off ^ p->bad;

	memcpy(words, p->data, sizeof(words));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		any |= words[i];
		h = sim_mix(h ^ words[i]) + i;
	}
	if (any)
		sim_hash_add(arg, h);
	return 0;
}

uint64_t sim_image_hash(const struct sim_image *img)
{
	uint64_t hash = img->size;

	(void)walk(img->root, img->height, 0, hash_page, &hash);
	return hash;
}

struct dump {
	int fd;
	uint64_t size;
};

static int dump_page(uint64_t off, const struct page *p, void *arg)
{
	const struct dump *d = arg;
	uint8_t data[PAGE_SIZE];
	size_t len = min_u64(PAGE_SIZE, d->size - off);
	ssize_t n;

	(void)read_in_page(p, 0, data, PAGE_SIZE);
	n = pwrite(d->fd, data, len, (off_t)off);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOSPC;
}

int sim_image_dump(const struct sim_image *img, const char *path)
{
	struct dump d = { .fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), .size = img->size };
	int err;

	if (d.fd < 0)
		return -errno;
	err = ftruncate(d.fd, (off_t)img->size) ? -errno : walk(img->root, img->height, 0, dump_page, &d);
	if (close(d.fd) && !err)
		err = -errno;
	return err;
}
