/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at a device and judges what it can be used for.  Nothing on the device changes and nobody is kept from using
 * it.
 */
#include "tools/device_report.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "extent/format.h"

const struct probe_own label_probe = {
	.what = "Lamina volume",
	.magic = LABEL_MAGIC,
	.magic_off = offsetof(struct disk_label, magic),
	.label_size = LABEL_SIZE,
	.name_off = offsetof(struct disk_label, volume_name),
	.name_len = LABEL_NAME_LEN,
	.uuid_off = offsetof(struct disk_label, volume_uuid),
};

static void refuse(struct device_report *report, const char *why_not, const char *what_to_do)
{
	report->scsi_layouts = false;
	report->why_not = why_not;
	report->what_to_do = what_to_do;
}

static bool judge_kind(struct device_report *report)
{
	if (report->identity.kind == IDENTITY_FILE)
		refuse(report, "it is a plain file, which clients cannot reach",
		       "good for trying out: clients then read and write through the server");
	else if (report->identity.kind == IDENTITY_OTHER)
		refuse(report, "it is neither a SCSI disk nor an NVMe namespace",
		       "export it by a SCSI or NVMe target with persistent reservations, and use it from there; or "
		       "turn "
		       "on layouts of the block type, which cannot fence a client");
	else if (report->identity.is_partition)
		refuse(report, "it is a partition, and clients know devices only as a whole",
		       "give the whole device");
	else if (report->limits.read_only)
		refuse(report, "it is read-only", "make it writable");
	else
		return true;
	return false;
}

static bool judge_designator(struct device_report *report)
{
	if (identity_layout_designator(&report->identity))
		return true;
	if (report->identity.kind == IDENTITY_NVME)
		refuse(report, "the namespace has neither NGUID nor EUI-64 to name it by",
		       "set its NGUID at the target (nvmet: device_nguid)");
	else
		refuse(report, "it has no designator that Linux clients take (NAA, or EUI-64 of 8 or 16 bytes)",
		       "set a unit serial number or an NAA name at the target");
	return false;
}

static bool judge_reservations(struct device_report *report)
{
	const struct reservation_caps *caps = &report->identity.reservations;

	if (!caps->supported)
		refuse(report, "it has no persistent reservations, so a client could not be fenced off",
		       report->identity.kind == IDENTITY_NVME
			       ? "turn them on at the target (nvmet: resv_enable; SPDK: ptpl_file)"
			       : "turn them on at the target, or use a target that has them");
	else if (caps->types_known && !(caps->types & RESERVATION_REGISTRANTS_ONLY))
		refuse(report, "its reservations have no type for registrants only",
		       "use a target or firmware that has one");
	else
		return true;
	return false;
}

static bool is_local(const char *transport)
{
	return strcmp(transport, "pcie") == 0 || strcmp(transport, "ata") == 0 || strcmp(transport, "usb") == 0;
}

void device_report_judge(struct device_report *report)
{
	report->scsi_layouts = false;
	report->why_not = NULL;
	report->what_to_do = NULL;
	if (!judge_kind(report) || !judge_designator(report) || !judge_reservations(report))
		return;
	report->scsi_layouts = true;
	if (is_local(report->identity.transport))
		report->what_to_do = "it hangs on this host alone, it seems: clients must reach the same device";
}

static void look_at_use(struct device_report *report)
{
	int fd;

	if (!report->limits.is_block)
		return;
	fd = open(report->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_EXCL);
	if (fd >= 0) {
		close(fd);
		return;
	}
	report->in_use = errno == EBUSY;
	if (report->in_use)
		blklimits_explain(report->path, -EBUSY, report->in_use_by, sizeof(report->in_use_by));
}

void device_report_make(const char *path, struct device_report *ret_report)
{
	struct device_report *report = ret_report;
	int fd;

	*report = (struct device_report){ 0 };
	snprintf(report->path, sizeof(report->path), "%s", path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	report->err = fd < 0 ? -errno : blklimits_get(fd, &report->limits);
	if (!report->err)
		report->err = identity_read(fd, &report->identity);
	if (report->err) {
		blklimits_explain(path, report->err, report->message, sizeof(report->message));
	} else {
		report->probe_err = probe_fd(fd, &label_probe, &report->content);
		look_at_use(report);
		device_report_judge(report);
	}
	if (fd >= 0)
		close(fd);
}
