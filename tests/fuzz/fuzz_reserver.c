/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a device answers about its reservations, or a file beside a device says: the first byte chooses which. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dev/reserver_nvme.h"
#include "dev/reserver_scsi.h"
#include "dev/reserver_sidecar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_view(struct reserver_view *v)
{
	assert(v->nr_keys <= RESERVER_KEYS_MAX && v->keys);
	assert(!v->reserved || v->type != 0);
	for (unsigned int i = 0; i < v->nr_keys; i++)
		assert(reserver_view_has(v, v->keys[i].key));
	reserver_view_release(v);
}

static void fuzz_keys(const uint8_t *data, size_t size)
{
	size_t half = size / 2;
	struct reserver_view v;

	if (scsi_parse_keys(data, half, &v))
		return;
	(void)!scsi_parse_reservation(data + half, size - half, &v);
	check_view(&v);
}

static void fuzz_sense(const uint8_t *data, size_t size)
{
	struct scsi_answer a = { 0 };

	if (size < 2)
		return;
	a.status = data[0];
	a.sense_len = data[1];
	memcpy(a.sense, data + 2, min_u64(size - 2, sizeof(a.sense)));
	assert(scsi_answer_error(&a) <= 0);
	assert(nvme_status_error((unsigned int)data[0] << 8 | data[1]) <= 0);
}

/* What is taken for good stays so under any command. */
static void fuzz_sidecar(const uint8_t *data, size_t size)
{
	uint8_t bytes[SIDECAR_SIZE] = { 0 };
	const char *what = NULL;
	struct sidecar side;

	memcpy(bytes, data, min_u64(size, sizeof(bytes)));
	if (sidecar_decode(bytes, &side, &what)) {
		assert(what);
		return;
	}
	(void)!sidecar_register(&side, "fuzz", 1);
	(void)!sidecar_preempt(&side, "fuzz", 1, side.hosts[0].key, RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY);
	(void)!sidecar_reserve(&side, "fuzz", 1, RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS);
	(void)!sidecar_unregister(&side, side.hosts[side.nr / 2].name, side.hosts[side.nr / 2].key);
	(void)!sidecar_may(&side, "fuzz", true);
	sidecar_encode(&side, bytes);
	assert(sidecar_decode(bytes, &side, &what) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reserver_view v;

	if (size == 0)
		return 0;
	switch (data[0] % 6) {
	case 0:
		if (scsi_parse_full_status(data + 1, size - 1, &v) == 0)
			check_view(&v);
		break;
	case 1:
		fuzz_keys(data + 1, size - 1);
		break;
	case 2:
	case 3:
		if (nvme_parse_report(data + 1, size - 1, data[0] % 6 == 2, &v) == 0)
			check_view(&v);
		break;
	case 4:
		fuzz_sense(data + 1, size - 1);
		break;
	default:
		fuzz_sidecar(data + 1, size - 1);
		break;
	}
	return 0;
}
