/* SPDX-License-Identifier: Apache-2.0 */
/* What clients are told of the devices of a volume, and which types of layout each offers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dev/blkdev.h"
#include "layout/device.h"
#include "tests/lib/store.h"

#define DISKS 3
#define ALL   (DISKS + 1) /* with one that is added */

struct world {
	struct store store;
	struct identity identity[ALL];
	struct reserver reserver[ALL];
	struct layout_source sources[ALL];
	struct layout_devices devices;
};

/* LUs as they should be. */
static void world_sources(struct world *w)
{
	for (unsigned int i = 0; i < ALL; i++) {
		w->identity[i] = (struct identity){ .kind = IDENTITY_SCSI, .nr_designators = 1 };
		w->identity[i].designators[0] =
			(struct designator){ .type = DESIGNATOR_NAA, .code_set = CODE_SET_BINARY, .len = 16 };
		memset(w->identity[i].designators[0].bytes, (int)(0x60 + i), 16);
		w->identity[i].reservations = (struct reservation_caps){ .supported = true };
		w->reserver[i] = (struct reserver){ .is_emulated = false };
		/* Sources come in any order. */
		w->sources[i < DISKS ? DISKS - 1 - i : i] = (struct layout_source){ .dev = w->store.devs[i],
										    .identity = &w->identity[i],
										    .reserver = &w->reserver[i] };
	}
}

static void reopen(struct world *w, unsigned int nr)
{
	layout_devices_close(&w->devices);
	assert_int_equal(layout_devices_open(w->store.fs, w->sources, nr, &w->devices), 0);
}

static FIBER_FN void offers_main(struct store *s, void *arg)
{
	struct world *w = container_of(s, struct world, store);

	store_format(s);
	assert_int_equal(store_mount(s), 0);
	world_sources(w);
	reopen(w, DISKS);
	assert_int_equal(w->devices.nr, DISKS);
	assert_int_equal(w->devices.offers, LAYOUT_SCSI);
	for (unsigned int i = 0; i < DISKS; i++) {
		const struct layout_device *d = &w->devices.v[i];

		assert_int_equal(d->index, i);
		assert_memory_equal(d->id, fs_device_uuid(s->fs, i), LAYOUT_DEVICE_ID_LEN);
		assert_ptr_equal(d->reserver, &w->reserver[i]);
		assert_int_equal(d->designator.bytes[1], 0x60 + i);
		assert_string_equal(d->why_not_scsi, "");
		assert_ptr_equal(layout_device_find(&w->devices, d->id), d);
	}
	assert_null(layout_device_find(&w->devices, (const uint8_t *)"no such device!!"));

	/* One that cannot: none gets a reservation, and each says why. */
	w->identity[1].is_partition = true;
	reopen(w, DISKS);
	assert_int_equal(w->devices.offers, LAYOUT_BLOCK);
	assert_non_null(strstr(w->devices.v[1].why_not_scsi, "partition"));
	assert_non_null(strstr(w->devices.v[0].why_not_scsi, "another device"));
	w->identity[1].is_partition = false;
	w->identity[1].nr_designators = 0;
	reopen(w, DISKS);
	assert_non_null(strstr(w->devices.v[1].why_not_scsi, "no name"));
	w->identity[1].nr_designators = 1;
	w->identity[1].reservations.types_known = true;
	w->identity[1].reservations.types = RESERVATION_BIT(RESERVATION_EXCLUSIVE_ACCESS);
	reopen(w, DISKS);
	assert_non_null(strstr(w->devices.v[1].why_not_scsi, "registrants only"));
	w->identity[1].reservations.types = RESERVATION_REGISTRANTS_ONLY;
	reopen(w, DISKS);
	assert_int_equal(w->devices.offers, LAYOUT_SCSI);
	/* Of one nothing is known; of all. */
	reopen(w, DISKS - 1);
	assert_int_equal(w->devices.offers, LAYOUT_BLOCK);
	w->sources[0].reserver = NULL;
	reopen(w, DISKS);
	assert_non_null(strstr(w->devices.v[DISKS - 1].why_not_scsi, "fenced"));
	reopen(w, 0);
	assert_int_equal(w->devices.offers, LAYOUT_BLOCK);
	layout_devices_close(&w->devices);
	store_unmount(s);
}

static void test_offers(void **state)
{
	const struct store_config cfg = { .nr_disks = DISKS, .nr_spare = 1 };
	struct world w = { .devices = { .nr = 0 } };

	store_init(&w.store, &cfg);
	store_run(&w.store, offers_main, NULL);
	store_release(&w.store);
}

static FIBER_FN void expect_refused(struct world *w, const char *text)
{
	struct why why = { "" };

	assert_int_equal(layout_device_propose(&w->devices, w->store.devs[DISKS], &w->sources[DISKS], &why), -EINVAL);
	if (!strstr(why.text, text))
		fail_msg("\"%s\" does not say \"%s\"", why.text, text);
	assert_int_equal(w->devices.nr, DISKS);
}

static FIBER_FN void added_main(struct store *s, void *arg)
{
	struct world *w = container_of(s, struct world, store);
	const struct layout_device *first, *d;
	struct why why = { "" };

	store_format(s);
	assert_int_equal(store_mount(s), 0);
	world_sources(w);
	assert_ptr_equal(w->sources[DISKS].dev, s->devs[DISKS]);
	reopen(w, DISKS);
	/* What would take layouts from all. */
	w->identity[DISKS].is_partition = true;
	expect_refused(w, "partition");
	w->identity[DISKS].is_partition = false;
	w->sources[DISKS].reserver = NULL;
	expect_refused(w, "fenced");
	w->sources[DISKS].reserver = &w->reserver[DISKS];
	/* One of the others lost it: then nobody can tell what the volume would offer after a start. */
	layout_device_withdraw(&w->devices, 1, "it is ill");
	expect_refused(w, "must be repaired first");
	reopen(w, DISKS);
	assert_int_equal(layout_device_propose(&w->devices, s->devs[DISKS], &w->sources[DISKS], &why), 0);
	assert_int_equal(w->devices.v[DISKS].offers, LAYOUT_SCSI);
	assert_int_equal(w->devices.nr, DISKS);
	/* In a volume without reservations the new one gets none either. */
	reopen(w, 0);
	assert_int_equal(w->devices.offers, LAYOUT_BLOCK);
	assert_int_equal(layout_device_propose(&w->devices, s->devs[DISKS], &w->sources[DISKS], &why), 0);
	first = &w->devices.v[0];
	assert_int_equal(store_grow(s), 0);
	layout_device_adopt(&w->devices, s->fs, &w->sources[DISKS]);
	assert_int_equal(w->devices.nr, ALL);
	assert_int_equal(w->devices.offers, LAYOUT_BLOCK);
	d = layout_device_find(&w->devices, fs_device_uuid(s->fs, DISKS));
	assert_ptr_equal(d, &w->devices.v[DISKS]);
	assert_ptr_equal(first, &w->devices.v[0]);
	assert_int_equal(d->offers, LAYOUT_BLOCK);
	assert_non_null(strstr(d->why_not_scsi, "another device"));
	/* As after a start. */
	reopen(w, ALL);
	assert_int_equal(w->devices.offers, LAYOUT_SCSI);
	layout_devices_close(&w->devices);
	store_unmount(s);
}

static void test_added(void **state)
{
	const struct store_config cfg = { .nr_disks = DISKS, .nr_spare = 1 };
	struct world w = { .devices = { .nr = 0 } };

	store_init(&w.store, &cfg);
	store_run(&w.store, added_main, NULL);
	store_release(&w.store);
}

/* What it names stays when all else in the label changes, and is on the device itself. */
static FIBER_FN void signature_main(struct store *s, void *arg)
{
	struct layout_devices devices = { .nr = 0 };
	struct layout_signature sig = { .len = 0 };
	uint8_t *label = blkdev_buf_alloc(LABEL_SIZE);
	struct reserver emulated = { .is_emulated = true };
	struct layout_source source = { .reserver = &emulated };

	store_format(s);
	assert_int_equal(store_mount(s), 0);
	assert_int_equal(layout_devices_open(s->fs, NULL, 0, &devices), 0);
	layout_device_signature(s->fs, &devices.v[0], &sig);
	assert_true(sig.len >= 16 && sig.len <= LAYOUT_SIGNATURE_MAX && sig.len % 4 == 0);
	assert_int_equal(blkdev_read(s->devs[0], 0, label, LABEL_SIZE), 0);
	assert_memory_equal(label + sig.off, sig.bytes, sig.len);
	layout_devices_close(&devices);

	/* A plain file gets a name that no target gives. */
	source.dev = fs_device(s->fs, 0);
	assert_int_equal(layout_devices_open(s->fs, &source, 1, &devices), 0);
	assert_int_equal(devices.offers, LAYOUT_SCSI);
	assert_int_equal(devices.v[0].designator.type, DESIGNATOR_NAA);
	assert_int_equal(devices.v[0].designator.len, 16);
	assert_int_equal(devices.v[0].designator.bytes[0] >> 4, 6);
	assert_memory_equal(devices.v[0].designator.bytes + 1, devices.v[0].id + 1, 15);
	layout_devices_close(&devices);
	blkdev_buf_free(label);
	store_unmount(s);
}

static void test_signature(void **state)
{
	const struct store_config cfg = { .nr_disks = 1 };
	struct store s;

	store_init(&s, &cfg);
	store_run(&s, signature_main, NULL);
	store_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_added),
		cmocka_unit_test(test_signature),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
