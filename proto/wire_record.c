/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: however the stream is cut, the same records come out; no stream takes more memory than its bytes deserve.
 */

#include "proto/wire_record.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define LAST_FRAGMENT 0x80000000u

void wire_record_init(struct wire_record *record, uint32_t size_max, uint32_t fragments_max)
{
	assert(size_max > 0);
	assert(fragments_max > 0);
	*record = (struct wire_record){ .size_max = size_max, .fragments_max = fragments_max };
}

void wire_record_release(struct wire_record *record)
{
	free(record->buf);
	wire_record_init(record, record->size_max, record->fragments_max);
}

void wire_record_drop(struct wire_record *record)
{
	uint8_t *buf = record->buf;
	uint32_t room = record->room;

	wire_record_init(record, record->size_max, record->fragments_max);
	record->buf = buf;
	record->room = room;
}

void *wire_record_take(struct wire_record *record, uint32_t *ret_len)
{
	void *buf = record->buf;

	assert(record->is_whole);
	*ret_len = record->len;
	wire_record_init(record, record->size_max, record->fragments_max);
	return buf;
}

void wire_record_mark(uint8_t head[WIRE_RECORD_MARK], uint32_t len)
{
	uint32_t word;

	assert(len <= WIRE_FRAGMENT_MAX);
	word = htonl(LAST_FRAGMENT | len);
	memcpy(head, &word, sizeof(word));
}

/* Room for more of the fragment that is being read: a part of it, if it is large and little has arrived. */
static int record_grow(struct wire_record *record)
{
	uint64_t want = max_u64(2 * (uint64_t)record->room, WIRE_RECORD_ROOM);
	uint8_t *buf;

	want = min_u64(want, (uint64_t)record->len + record->left);
	/* The next fragment may be as short as this one; most records are one fragment, and small. */
	if (!record->is_last)
		want = min_u64(max_u64(want, WIRE_RECORD_ROOM), record->size_max);
	buf = realloc(record->buf, want);
	if (!buf)
		return -ENOMEM;
	record->buf = buf;
	record->room = (uint32_t)want;
	return 0;
}

int wire_record_space(struct wire_record *record, void **ret_at, size_t *ret_len)
{
	int err;

	assert(!record->is_whole);
	if (record->left == 0) {
		*ret_at = record->head + record->head_len;
		*ret_len = WIRE_RECORD_MARK - record->head_len;
		return 0;
	}
	if (record->len == record->room) {
		err = record_grow(record);
		if (err)
			return err;
	}
	*ret_at = record->buf + record->len;
	*ret_len = min_u64(record->left, record->room - record->len);
	return 0;
}

/* The four bytes are there: another fragment begins. */
static int record_head(struct wire_record *record)
{
	uint32_t word;

	memcpy(&word, record->head, sizeof(word));
	word = ntohl(word);
	record->head_len = 0;
	record->is_last = (word & LAST_FRAGMENT) != 0;
	record->left = word & WIRE_FRAGMENT_MAX;
	if (record->left > record->size_max - record->len)
		return -EMSGSIZE;
	if (++record->nr_fragments > record->fragments_max)
		return -EPROTO;
	return 0;
}

int wire_record_filled(struct wire_record *record, size_t len)
{
	int err;

	if (record->left) {
		assert(len <= record->left);
		assert(len <= record->room - record->len);
		record->len += (uint32_t)len;
		record->left -= (uint32_t)len;
	} else {
		assert(len <= WIRE_RECORD_MARK - record->head_len);
		record->head_len += (uint32_t)len;
		if (record->head_len < WIRE_RECORD_MARK)
			return 0;
		err = record_head(record);
		if (err)
			return err;
	}
	record->is_whole = record->is_last && record->left == 0;
	return record->is_whole;
}

int wire_record_feed(struct wire_record *record, const void *bytes, size_t len, size_t *ret_used)
{
	size_t used = 0, space;
	int done = 0;
	void *at;

	while (used < len && done == 0) {
		done = wire_record_space(record, &at, &space);
		if (done < 0)
			return done;
		space = min_u64(space, len - used);
		memcpy(at, (const uint8_t *)bytes + used, space);
		used += space;
		done = wire_record_filled(record, space);
	}
	if (done < 0)
		return done;
	*ret_used = used;
	return done;
}
