/* SPDX-License-Identifier: Apache-2.0 */

/* Labels there and back, every way they can be wrong, and which of the two copies is believed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/reactor.h"
#include "extent/label.h"
#include "extent/sum.h"
#include "tests/lib/dice.h"
#include "tests/lib/mem_disk.h"

#define DISK_SIZE (2u << 20)

static struct label sample(void)
{
	return (struct label){
		.volume_uuid = "volume of tests",
		.device_uuid = "device of tests",
		.device_index = 2,
		.nr_devices = 3,
		.device_size = DISK_SIZE,
		.created_sec = 1234567890,
		.volume_name = "Müller's volume",
	};
}

static void assert_same(const struct label *a, const struct label *b)
{
	assert_memory_equal(a->volume_uuid, b->volume_uuid, UUID_LEN);
	assert_memory_equal(a->device_uuid, b->device_uuid, UUID_LEN);
	assert_int_equal(a->device_index, b->device_index);
	assert_int_equal(a->nr_devices, b->nr_devices);
	assert_int_equal(a->device_size, b->device_size);
	assert_int_equal(a->created_sec, b->created_sec);
	assert_int_equal(a->features.compat, b->features.compat);
	assert_int_equal(a->features.ro_compat, b->features.ro_compat);
	assert_int_equal(a->features.incompat, b->features.incompat);
	assert_string_equal(a->volume_name, b->volume_name);
}

static void test_round_trip(void **state)
{
	struct label in = sample(), out;
	uint8_t block[LABEL_SIZE];

	label_encode(&in, block);
	assert_int_equal(label_decode(block, &out, NULL), 0);
	assert_same(&in, &out);
	/* The longest name has no zero behind it. */
	memset(in.volume_name, 'x', LABEL_NAME_LEN);
	in.features.compat = 4;
	in.features.ro_compat = 8;
	label_encode(&in, block);
	assert_int_equal(label_decode(block, &out, NULL), 0);
	assert_same(&in, &out);
	assert_false(feature_allows_writing(&out.features));
}

static void assert_refused(const void *block, int err, const char *what)
{
	struct label out;
	struct why why = { "" };

	assert_int_equal(label_decode(block, &out, &why), err);
	if (!strstr(why.text, what))
		fail_msg("\"%s\" does not say \"%s\"", why.text, what);
}

static void test_damage(void **state)
{
	struct label label = sample();
	uint8_t block[LABEL_SIZE] = { 0 };

	assert_refused(block, -EMEDIUMTYPE, "no label");
	label_encode(&label, block);
	for (size_t i = 8; i < LABEL_SIZE; i++) {
		bool magic = i >= 8 && i < 16;

		block[i] ^= 0x10;
		assert_refused(block, magic ? -EMEDIUMTYPE : -EBADMSG, magic ? "no label" : "checksum");
		block[i] ^= 0x10;
	}
	assert_int_equal(label_decode(block, &label, NULL), 0);
}

#define AT(field) offsetof(struct disk_label, field)

/* One field wrong under a good checksum. */
static void test_impossible(void **state)
{
	static const struct {
		size_t off, len;
		uint8_t byte;
		int err;
		const char *what;
	} cases[] = {
		{ AT(version), 1, 2, -EPROTONOSUPPORT, "version 2" },
		{ AT(feature_incompat), 1, 1, -EOPNOTSUPP, "bits 0x1" },
		{ AT(nr_devices), 1, 0, -EUCLEAN, "number of devices" },
		{ AT(nr_devices), 1, 65, -EUCLEAN, "number of devices" },
		{ AT(device_index), 1, 3, -EUCLEAN, "index" },
		{ AT(volume_uuid), 16, 0, -EUCLEAN, "identifier" },
		{ AT(device_uuid), 16, 0, -EUCLEAN, "identifier" },
		{ AT(device_size), 1, 1, -EUCLEAN, "size" },
		{ AT(device_size), 8, 0, -EUCLEAN, "size" },
		{ AT(device_size) + 7, 1, 0xff, -EUCLEAN, "size" },
		{ AT(volume_name) + 40, 1, 'x', -EUCLEAN, "name" },
		{ AT(reserved0), 1, 1, -EUCLEAN, "reserved" },
		{ AT(reserved1) + 3000, 1, 1, -EUCLEAN, "reserved" },
	};
	struct label label = sample();
	uint8_t block[LABEL_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		label_encode(&label, block);
		memset(block + cases[i].off, cases[i].byte, cases[i].len);
		sum_set(block, LABEL_SIZE);
		assert_refused(block, cases[i].err, cases[i].what);
	}
	/* A later version may have given the reserved bytes a meaning that need not concern us. */
	label.features.compat = 1;
	label_encode(&label, block);
	block[AT(reserved1)] = 1;
	sum_set(block, LABEL_SIZE);
	assert_int_equal(label_decode(block, &label, NULL), 0);
}

static void test_noise(void **state)
{
	struct dice dice = dice_seed(1);
	struct label label = sample(), out;
	uint8_t block[LABEL_SIZE], again[LABEL_SIZE];

	for (unsigned int i = 0; i < 100000; i++) {
		label_encode(&label, block);
		for (uint64_t j = dice_below(&dice, 4); j < 4; j++)
			block[8 + dice_below(&dice, 170)] = (uint8_t)dice_roll(&dice);
		sum_set(block, LABEL_SIZE);
		if (label_decode(block, &out, NULL) || feature_is_newer(&out.features))
			continue;
		label_encode(&out, again);
		assert_memory_equal(block, again, LABEL_SIZE);
	}
}

/* On a device */

struct world {
	struct reactor *reactor;
	struct mem_disk disk;
	const struct blkdev_ops *real;
	struct label label;
	struct label got;
	struct label_report rep;
	struct why why;
};

/* Reads of this byte fail. */
static uint64_t bad_off;
static void (*bad_done)(struct blk_req *req);
static struct world *bad_world;

static void fail_done(struct blk_req *req)
{
	req->result = -EIO;
	bad_done(req);
}

static void fail_submit(struct blkdev *dev, struct blk_req *req)
{
	if (req->op == BLK_READ && req->off == bad_off) {
		bad_done = req->done;
		req->done = fail_done;
	}
	bad_world->real->submit(dev, req);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	uint8_t *bytes = calloc(1, DISK_SIZE);

	assert_true(w && bytes);
	assert_int_equal(reactor_open(NULL, &w->reactor), 0);
	mem_disk_init(&w->disk, w->reactor, bytes, DISK_SIZE);
	w->label = sample();
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	reactor_close(w->reactor);
	free(w->disk.bytes);
	free(w);
	return 0;
}

FIBER_FN static int do_read(void *arg)
{
	struct world *w = arg;

	w->why.text[0] = '\0';
	return label_read(&w->disk.dev, &w->got, &w->rep, &w->why);
}

FIBER_FN static int do_write(void *arg)
{
	struct world *w = arg;

	return label_write(&w->disk.dev, &w->label);
}

FIBER_FN static int do_wipe(void *arg)
{
	struct world *w = arg;

	return label_wipe(&w->disk.dev);
}

static void test_two_copies(void **state)
{
	struct world *w = *state;
	uint8_t *first = w->disk.bytes, *copy = w->disk.bytes + DISK_SIZE - LABEL_SIZE;

	assert_int_equal(reactor_run(w->reactor, do_read, w), -EMEDIUMTYPE);
	assert_int_equal(reactor_run(w->reactor, do_write, w), 0);
	assert_int_equal(w->disk.nr_writes, 2);
	assert_int_equal(reactor_run(w->reactor, do_read, w), 0);
	assert_same(&w->got, &w->label);
	assert_string_equal(w->rep.trouble.text, "");

	first[100] ^= 1;
	assert_int_equal(reactor_run(w->reactor, do_read, w), 0);
	assert_same(&w->got, &w->label);
	assert_int_equal(w->rep.first_err, -EBADMSG);
	assert_int_equal(w->rep.copy_err, 0);
	assert_non_null(strstr(w->rep.trouble.text, "only the copy"));

	copy[100] ^= 1;
	assert_int_equal(reactor_run(w->reactor, do_read, w), -EBADMSG);
	memset(first, 0, LABEL_SIZE);
	assert_int_equal(reactor_run(w->reactor, do_read, w), -EBADMSG);

	assert_int_equal(reactor_run(w->reactor, do_write, w), 0);
	copy[100] ^= 1;
	assert_int_equal(reactor_run(w->reactor, do_read, w), 0);
	assert_int_equal(w->rep.first_err, 0);
	assert_int_equal(w->rep.copy_err, -EBADMSG);
	assert_non_null(strstr(w->rep.trouble.text, "only the first"));
}

static void test_copies_differ(void **state)
{
	struct world *w = *state;
	uint8_t old[LABEL_SIZE];

	assert_int_equal(reactor_run(w->reactor, do_write, w), 0);
	memcpy(old, w->disk.bytes, LABEL_SIZE);
	w->label.nr_devices++;
	assert_int_equal(reactor_run(w->reactor, do_write, w), 0);
	memcpy(w->disk.bytes, old, LABEL_SIZE);
	assert_int_equal(reactor_run(w->reactor, do_read, w), 0);
	assert_true(w->rep.differ);
	assert_int_equal(w->got.nr_devices, w->label.nr_devices - 1);
	assert_non_null(strstr(w->rep.trouble.text, "differ"));
}

static void test_device_size(void **state)
{
	struct world *w = *state;

	/* The device has grown: the copy stays where the volume ends. */
	w->label.device_size = DISK_SIZE / 2;
	assert_int_equal(reactor_run(w->reactor, do_write, w), 0);
	assert_memory_equal(w->disk.bytes, w->disk.bytes + DISK_SIZE / 2 - LABEL_SIZE, LABEL_SIZE);
	assert_int_equal(reactor_run(w->reactor, do_read, w), 0);
	assert_string_equal(w->rep.trouble.text, "");
	/* It has shrunk. */
	label_encode(
		&(struct label){
			.volume_uuid = "v", .device_uuid = "d", .nr_devices = 1, .device_size = 2 * DISK_SIZE },
		w->disk.bytes);
	assert_int_equal(reactor_run(w->reactor, do_read, w), -ENXIO);
	assert_non_null(strstr(w->why.text, "2097152"));
}

static void test_read_errors(void **state)
{
	static struct blkdev_ops ops;
	struct world *w = *state;

	assert_int_equal(reactor_run(w->reactor, do_write, w), 0);
	w->real = w->disk.dev.ops;
	ops = *w->real;
	ops.submit = fail_submit;
	w->disk.dev.ops = &ops;
	bad_world = w;
	bad_off = 0;
	assert_int_equal(reactor_run(w->reactor, do_read, w), 0);
	assert_int_equal(w->rep.first_err, -EIO);
	assert_same(&w->got, &w->label);
	memset(w->disk.bytes + DISK_SIZE - LABEL_SIZE, 0, LABEL_SIZE);
	assert_int_equal(reactor_run(w->reactor, do_read, w), -EIO);
	assert_non_null(strstr(w->why.text, "cannot be read"));
	w->disk.dev.ops = w->real;
}

static void test_wipe(void **state)
{
	static const uint8_t zeros[LABEL_SIZE];
	struct world *w = *state;

	w->label.device_size = DISK_SIZE / 2;
	assert_int_equal(reactor_run(w->reactor, do_write, w), 0);
	memset(w->disk.bytes + DISK_SIZE - LABEL_SIZE, 0xee, LABEL_SIZE);
	assert_int_equal(reactor_run(w->reactor, do_wipe, w), 0);
	assert_memory_equal(w->disk.bytes, zeros, LABEL_SIZE);
	assert_memory_equal(w->disk.bytes + DISK_SIZE / 2 - LABEL_SIZE, zeros, LABEL_SIZE);
	assert_memory_equal(w->disk.bytes + DISK_SIZE - LABEL_SIZE, zeros, LABEL_SIZE);
	assert_int_equal(reactor_run(w->reactor, do_read, w), -EMEDIUMTYPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_impossible),
		cmocka_unit_test(test_noise),
		cmocka_unit_test_setup_teardown(test_two_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copies_differ, setup, teardown),
		cmocka_unit_test_setup_teardown(test_device_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wipe, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
