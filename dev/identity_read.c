/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks a device who it is: SCSI by SG_IO, NVMe through libnvme, the transport from sysfs.  A question that is not
 * answered leaves its part of the identity empty; nothing here changes the device.
 */
#include "dev/identity.h"

#include <glob.h>
#include <libnvme.h>
#include <scsi/sg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "dev/sysfs.h"

#define SCSI_TIMEOUT_MS	  10000
#define SCSI_INQUIRY	  0x12
#define SCSI_PR_IN	  0x5e
#define PR_IN_READ_KEYS	  0
#define PR_IN_REPORT_CAPS 2
#define PAGE_MAX	  4096u
#define NVME_DATA_LEN	  4096u

/* SCSI */

static int send_inquiry(struct identity_scsi *scsi, int page, uint8_t *buf, unsigned int len)
{
	uint8_t cdb[6] = { SCSI_INQUIRY, page >= 0, page >= 0 ? (uint8_t)page : 0, (uint8_t)(len >> 8),
			   (uint8_t)len };

	return scsi->command(scsi, cdb, sizeof(cdb), buf, len);
}

static int send_pr_in(struct identity_scsi *scsi, uint8_t action, uint8_t *buf, unsigned int len)
{
	uint8_t cdb[10] = { SCSI_PR_IN, action, [7] = (uint8_t)(len >> 8), [8] = (uint8_t)len };

	return scsi->command(scsi, cdb, sizeof(cdb), buf, len);
}

/* Old targets know READ KEYS but not REPORT CAPABILITIES. */
static void read_scsi_reservations(struct identity_scsi *scsi, struct reservation_caps *caps)
{
	uint8_t buf[PAGE_MAX] = { 0 };
	int n = send_pr_in(scsi, PR_IN_REPORT_CAPS, buf, 8);

	if (n > 0)
		(void)!identity_parse_pr_caps(buf, (size_t)n, caps);
	n = send_pr_in(scsi, PR_IN_READ_KEYS, buf, sizeof(buf));
	if (n > 0)
		(void)!identity_parse_pr_keys(buf, (size_t)n, caps);
}

int identity_read_scsi(struct identity_scsi *scsi, struct identity *id)
{
	uint8_t buf[PAGE_MAX] = { 0 };
	int n = send_inquiry(scsi, -1, buf, 96);

	if (n < 0 || identity_parse_inquiry(buf, (size_t)n, id) != 0)
		return -ENOTTY;
	id->kind = IDENTITY_SCSI;
	n = send_inquiry(scsi, 0x80, buf, 255);
	if (n > 0)
		(void)!identity_parse_vpd80(buf, (size_t)n, id);
	n = send_inquiry(scsi, 0x83, buf, sizeof(buf));
	if (n > 0)
		(void)!identity_parse_vpd83(buf, (size_t)n, id);
	read_scsi_reservations(scsi, &id->reservations);
	return 0;
}

struct sg_device {
	struct identity_scsi scsi;
	int fd;
};

static int sg_command(struct identity_scsi *scsi, const uint8_t *cdb, unsigned int cdb_len, uint8_t *buf,
		      unsigned int len)
{
	uint8_t sense[32], command[16];
	struct sg_io_hdr hdr = {
		.interface_id = 'S',
		.dxfer_direction = SG_DXFER_FROM_DEV,
		.cmd_len = (unsigned char)cdb_len,
		.mx_sb_len = sizeof(sense),
		.dxfer_len = len,
		.dxferp = buf,
		.cmdp = command,
		.sbp = sense,
		.timeout = SCSI_TIMEOUT_MS,
	};

	assert(cdb_len <= sizeof(command));
	memcpy(command, cdb, cdb_len);
	if (ioctl(container_of(scsi, struct sg_device, scsi)->fd, SG_IO, &hdr) != 0)
		return -errno;
	if ((hdr.info & SG_INFO_OK_MASK) != SG_INFO_OK)
		return -EIO;
	if (hdr.resid < 0 || (unsigned int)hdr.resid > len)
		return -EIO;
	return (int)(len - (unsigned int)hdr.resid);
}

/* NVMe */

/* Also the descriptors: a namespace may have its NGUID only there. */
static int read_nvme(int fd, struct identity *id)
{
	_Alignas(8) uint8_t data[NVME_DATA_LEN] = { 0 };
	uint32_t nsid;

	static_assert(sizeof(struct nvme_id_ns) == NVME_DATA_LEN, "Identify");
	static_assert(sizeof(struct nvme_id_ctrl) == NVME_DATA_LEN, "Identify");
	if (nvme_get_nsid(fd, &nsid) != 0)
		return -ENOTTY;
	id->kind = IDENTITY_NVME;
	if (nvme_identify_ns(fd, nsid, (void *)data) == 0)
		(void)!identity_parse_nvme_ns(data, sizeof(data), id);
	memset(data, 0, sizeof(data));
	if (nvme_identify_ns_descs(fd, nsid, (void *)data) == 0)
		(void)!identity_parse_nvme_descs(data, sizeof(data), id);
	memset(data, 0, sizeof(data));
	if (nvme_identify_ctrl(fd, (void *)data) == 0)
		(void)!identity_parse_nvme_ctrl(data, sizeof(data), id);
	return 0;
}

/* With multipathing the namespace hangs below the subsystem, and each path's controller has a transport. */
static void read_nvme_transport(const struct sysfs_block *sys, char *buf, size_t len)
{
	char pattern[SYSFS_PATH_MAX + 32];
	glob_t found = { 0 };

	if (sysfs_read_text(sys->disk, "device/transport", buf, len) == 0)
		return;
	snprintf(pattern, sizeof(pattern), "%s/device/nvme*/transport", sys->disk);
	if (glob(pattern, 0, NULL, &found) == 0) {
		*strrchr(found.gl_pathv[0], '/') = '\0';
		(void)!sysfs_read_text(found.gl_pathv[0], "transport", buf, len);
	}
	globfree(&found);
}

/* The whole */

static void read_sysfs(const struct sysfs_block *sys, struct identity *id)
{
	id->is_partition = sys->is_partition;
	if (id->kind == IDENTITY_NVME)
		read_nvme_transport(sys, id->transport, sizeof(id->transport));
	else
		snprintf(id->transport, sizeof(id->transport), "%s", identity_transport_of(sys->dir));
	if (id->serial[0] == '\0')
		(void)!sysfs_read_text(sys->disk, "serial", id->serial, sizeof(id->serial));
}

int identity_read(int fd, struct identity *ret_identity)
{
	struct sg_device sg = { .scsi.command = sg_command, .fd = fd };
	struct identity *id = ret_identity;
	struct sysfs_block sys;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	*id = (struct identity){ .kind = IDENTITY_FILE };
	if (!S_ISBLK(st.st_mode))
		return 0;
	id->kind = IDENTITY_OTHER;
	if (read_nvme(fd, id) != 0)
		(void)!identity_read_scsi(&sg.scsi, id);
	if (sysfs_block_find(st.st_rdev, &sys) == 0)
		read_sysfs(&sys, id);
	return 0;
}
