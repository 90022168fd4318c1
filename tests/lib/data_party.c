/* SPDX-License-Identifier: Apache-2.0 */

/* See the header. */

#include "tests/lib/data_party.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"

struct party *party_new(struct store *s)
{
	struct party *p = calloc(1, sizeof(*p));

	data_asker_init(&p->server, &p->all, 0);
	data_asker_init(&p->a, &p->all, 1);
	data_asker_init(&p->b, &p->all, 2);
	p->also.guard = &p->server.guard;
	p->f = data_file_new(s, "f");
	p->g = data_file_new(s, "g");
	return p;
}

int party_put(struct party *p, uint64_t off, uint32_t len)
{
	memset(p->buf, 's', sizeof(p->buf));
	return data_write(p->f.store->fs, p->f.ino, p->f.generation, off, p->buf, len, DATA_UNSTABLE, &p->also,
			  &p->inode, &p->durable, &p->seq);
}

int party_resize(struct party *p, uint64_t size)
{
	struct inode_attrs attrs = { .mask = INODE_SET_SIZE, .size = size };

	return data_setattr(p->f.store->fs, p->f.ino, p->f.generation, &attrs, &p->also, &p->inode, &p->seq);
}

int party_allocate(struct party *p, uint64_t off, uint64_t len)
{
	return data_allocate(p->f.store->fs, p->f.ino, p->f.generation, off, len, &p->also, &p->inode, &p->seq);
}

int party_deallocate(struct party *p, uint64_t off, uint64_t len)
{
	return data_deallocate(p->f.store->fs, p->f.ino, p->f.generation, off, len, &p->also, &p->inode, &p->seq);
}

int party_share(struct party *p, struct data_file *src, uint64_t src_off, struct data_file *dst, uint64_t off,
		uint64_t len)
{
	struct data_range from = { src->ino, src->generation, src_off }, to = { dst->ino, dst->generation, off };

	return data_clone(src->store->fs, &from, &to, len, &p->also, &p->inode, &p->seq);
}

void party_scribble(struct party *p, struct data_asker *who, uint64_t blk, uint64_t nr, uint8_t byte)
{
	memset(p->buf, byte, sizeof(p->buf));
	CHECK_EQ(data_holder_write(who, &p->f, blk, nr, p->buf), 0);
}

int party_commit(struct party *p, struct data_asker *who, uint64_t blk, uint64_t nr, uint64_t size)
{
	return data_holder_commit(who, &p->f, blk, nr, true, size, UINT64_MAX, &p->seq);
}

void party_expect(struct party *p, uint64_t off, uint64_t end, uint8_t byte)
{
	uint8_t *buf = malloc(end - off);

	CHECK_EQ(data_file_read(&p->f, off, buf, (uint32_t)(end - off)), end - off);
	for (uint64_t i = 0; i < end - off; i++)
		CHECK_EQ(buf[i], byte);
	free(buf);
}
