/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_DATA_PARTY_H
#define LAMINA_TESTS_DATA_PARTY_H

/* Two files, two holders of layouts, and one who works on the files through the server and asks what is in the way.
 */

#include "tests/lib/data_holder.h"

struct party {
	struct data_holders all;
	struct data_asker server, a, b;
	struct data_also also;
	struct data_file f, g;
	uint8_t buf[16 * DADDR_BLOCK_SIZE];
	struct inode inode;
	uint64_t seq;
	bool durable;
};

/* To be freed; its files are "f" and "g" of @s. */
FIBER_FN struct party *party_new(struct store *s);

/* Through the server, of file f; @p->also.guard is asked. */
FIBER_FN int party_put(struct party *p, uint64_t off, uint32_t len) MUST_CHECK; /* 's' */
FIBER_FN int party_resize(struct party *p, uint64_t size) MUST_CHECK;
FIBER_FN int party_allocate(struct party *p, uint64_t off, uint64_t len) MUST_CHECK;
FIBER_FN int party_deallocate(struct party *p, uint64_t off, uint64_t len) MUST_CHECK;
FIBER_FN int party_share(struct party *p, struct data_file *src, uint64_t src_off, struct data_file *dst,
			 uint64_t off, uint64_t len) MUST_CHECK;

/* A holder writes @nr blocks full of @byte from @blk on. */
FIBER_FN void party_scribble(struct party *p, struct data_asker *who, uint64_t blk, uint64_t nr, uint8_t byte);
/* And commits them, and a size. */
FIBER_FN int party_commit(struct party *p, struct data_asker *who, uint64_t blk, uint64_t nr, uint64_t size)
	MUST_CHECK;
/* Bytes [@off, @end) of the file are @byte. */
FIBER_FN void party_expect(struct party *p, uint64_t off, uint64_t end, uint8_t byte);

#endif
