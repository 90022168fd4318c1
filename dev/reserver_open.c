/* SPDX-License-Identifier: Apache-2.0 */
/* Which kind of reservations a device has. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/reserver_nvme.h"
#include "dev/reserver_scsi.h"
#include "dev/sysfs.h"

/* Multipath devices are the device mapper's. */
static bool is_mapped(int fd)
{
	char path[SYSFS_PATH_MAX + 8];
	struct sysfs_block sys;
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISBLK(st.st_mode) || sysfs_block_find(st.st_rdev, &sys) != 0)
		return false;
	snprintf(path, sizeof(path), "%s/dm", sys.dir);
	return access(path, F_OK) == 0;
}

int reserver_open(struct reactor *r, int fd, const struct identity *identity, const char *name,
		  struct reserver **ret_res)
{
	const struct reservation_caps *caps = &identity->reservations;
	struct reserver *res = NULL;
	int err = -EOPNOTSUPP;

	if (!caps->supported || identity->is_partition)
		return -EOPNOTSUPP;
	if (identity->kind == IDENTITY_SCSI)
		err = reserver_scsi_open(r, fd, is_mapped(fd), name, &res);
	else if (identity->kind == IDENTITY_NVME)
		err = reserver_nvme_open(r, fd, name, &res);
	if (err)
		return err;
	res->types = caps->types_known ? caps->types : 0;
	*ret_res = res;
	return 0;
}
