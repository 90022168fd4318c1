/* SPDX-License-Identifier: Apache-2.0 */

/* READDIR's list: entries come back in order, whatever their number, and the bytes are RFC 8881's linked list. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire_dir.h"

static struct entry4 entry_of(uint64_t cookie, const char *name)
{
	struct entry4 entry = { .cookie = cookie };

	entry.name.component4_val = (char *)(uintptr_t)name;
	entry.name.component4_len = (u_int)strlen(name);
	return entry;
}

static const uint8_t one_entry[] = {
	0, 0, 0, 1,		    /* an entry follows */
	0, 0, 0, 0, 0,	 0,   0, 7, /* cookie */
	0, 0, 0, 2, 'a', 'b', 0, 0, /* name */
	0, 0, 0, 0, 0,	 0,   0, 0, /* no attributes */
	0, 0, 0, 0,		    /* no entry follows */
	0, 0, 0, 1,		    /* eof */
};

static void test_vector(void **state)
{
	struct wire_dir_writer writer;
	struct wire_dir_reader reader;
	struct entry4 entry = entry_of(7, "ab");
	uint8_t room[64], buf[64];
	struct dirlist4 list;
	struct wire_enc enc;
	struct wire_dec dec;

	wire_dir_begin(&writer, room, 28);
	assert_int_equal(wire_dir_add(&writer, &entry), 0);
	assert_int_equal(wire_dir_add(&writer, &entry), -EMSGSIZE);
	wire_dir_end(&writer, true, &list);
	wire_enc_init(&enc, buf, sizeof(buf));
	assert_int_equal(wire_put(&enc, dirlist4, &list), 0);
	assert_int_equal(wire_enc_pos(&enc), sizeof(one_entry));
	assert_memory_equal(buf, one_entry, sizeof(one_entry));
	assert_int_equal(wire_size(dirlist4, &list), sizeof(one_entry));

	for (uint32_t len = 0; len < sizeof(one_entry); len++) {
		wire_dec_init(&dec, one_entry, len, NULL);
		assert_int_equal(wire_get(&dec, dirlist4, &list), -EBADMSG);
	}
	wire_dec_init(&dec, one_entry, sizeof(one_entry), NULL);
	assert_int_equal(wire_get(&dec, dirlist4, &list), 0);
	assert_true(list.eof);
	wire_dir_open(&reader, &list);
	assert_int_equal(wire_dir_next(&reader, &entry), 0);
	assert_int_equal(entry.cookie, 7);
	assert_memory_equal(entry.name.component4_val, "ab", 2);
	assert_int_equal(wire_dir_next(&reader, &entry), -ENOENT);
}

static void test_many(void **state)
{
	enum {
		NR = 100000,
		SIZE = NR * 36 + 8
	};
	uint8_t *room = malloc(SIZE), *buf = malloc(SIZE);
	struct wire_dir_writer writer;
	struct wire_dir_reader reader;
	struct dirlist4 list;
	struct entry4 entry;
	struct wire_enc enc;
	struct wire_dec dec;
	char name[16];

	assert_non_null(room);
	assert_non_null(buf);
	wire_dir_begin(&writer, room, SIZE);
	for (int i = 0; i < NR; i++) {
		snprintf(name, sizeof(name), "file%06d", i);
		entry = entry_of((uint64_t)i, name);
		assert_int_equal(wire_dir_add(&writer, &entry), 0);
	}
	wire_dir_end(&writer, false, &list);
	wire_enc_init(&enc, buf, SIZE);
	assert_int_equal(wire_put(&enc, dirlist4, &list), 0);
	wire_dec_init(&dec, buf, wire_enc_pos(&enc), NULL);
	assert_int_equal(wire_get(&dec, dirlist4, &list), 0);
	assert_false(list.eof);
	wire_dir_open(&reader, &list);
	for (uint64_t i = 0; i < NR; i++) {
		assert_int_equal(wire_dir_next(&reader, &entry), 0);
		assert_int_equal(entry.cookie, i);
	}
	assert_int_equal(wire_dir_next(&reader, &entry), -ENOENT);
	free(room);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_vector), cmocka_unit_test(test_many) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
