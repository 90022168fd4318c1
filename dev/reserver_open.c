/* SPDX-License-Identifier: Apache-2.0 */
/* Which kind of reservations a device has. */
#include "dev/reserver_nvme.h"
#include "dev/reserver_scsi.h"

int reserver_open(struct reactor *r, int fd, const struct identity *identity, const char *name,
		  struct reserver **ret_res)
{
	const struct reservation_caps *caps = &identity->reservations;
	struct reserver *res = NULL;
	int err = -EOPNOTSUPP;

	if (!caps->supported || identity->is_partition)
		return -EOPNOTSUPP;
	if (identity->kind == IDENTITY_SCSI)
		err = reserver_scsi_open(r, fd, name, &res);
	else if (identity->kind == IDENTITY_NVME)
		err = reserver_nvme_open(r, fd, name, &res);
	if (err)
		return err;
	res->types = caps->types_known ? caps->types : 0;
	*ret_res = res;
	return 0;
}
