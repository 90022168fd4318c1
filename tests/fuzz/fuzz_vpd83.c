/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a device answers to a question about its identity: the first byte chooses the question. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dev/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int parse_caps(const uint8_t *data, size_t len, struct identity *id)
{
	int err = identity_parse_pr_caps(data, len, &id->reservations);

	return err ? err : identity_parse_pr_keys(data, len, &id->reservations);
}

static int (*const parsers[])(const uint8_t *data, size_t len, struct identity *id) = {
	identity_parse_vpd83,	identity_parse_vpd80,	   identity_parse_inquiry,   parse_caps,
	identity_parse_nvme_ns, identity_parse_nvme_descs, identity_parse_nvme_ctrl,
};

static void check(const struct identity *id)
{
	assert(id->nr_designators <= DESIGNATORS_MAX);
	for (unsigned int i = 0; i < id->nr_designators; i++)
		assert(id->designators[i].len > 0 && id->designators[i].len <= DESIGNATOR_MAX);
	assert(memchr(id->serial, 0, sizeof(id->serial)));
	assert(memchr(id->model, 0, sizeof(id->model)));
	(void)identity_layout_designator(id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct identity id = { 0 };

	if (size == 0)
		return 0;
	if (parsers[data[0] % ARRAY_SIZE(parsers)](data + 1, size - 1, &id) == 0)
		check(&id);
	return 0;
}
