/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recognises what is on a device, by libblkid and by our own label.  It promises to name everything found, not only
 * the first, and to tell "nothing" from "could not look".
 */
#include "dev/probe.h"

#include <blkid.h>
#include <ctype.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid.h>

#include "dev/le.h"

#define SIGNATURES_MAX 8
#define LABEL_SIZE_MAX 65536u
#define VALUE_MAX      80

PRINTF_FMT(2, 3) static void append(struct probe_result *res, const char *fmt, ...)
{
	size_t used = strlen(res->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(res->text + used, sizeof(res->text) - used, fmt, ap);
	va_end(ap);
}

/* Begin the next thing found. */
static void begin(struct probe_result *res)
{
	if (res->found)
		append(res, "; ");
	res->found = true;
}

/* Text from the device, made harmless. */
static void clean(char *to, size_t size, const char *from, size_t len)
{
	size_t n = 0;

	while (n + 1 < size && n < len && from[n]) {
		unsigned char c = (unsigned char)from[n];

		to[n++] = iscntrl(c) ? '?' : (char)c;
	}
	to[n] = '\0';
}

static bool get_value(blkid_probe probe, const char *name, char *buf)
{
	const char *value;
	size_t len;

	if (blkid_probe_lookup_value(probe, name, &value, &len) != 0 || len == 0)
		return false;
	clean(buf, VALUE_MAX, value, len);
	return true;
}

static const char *usage_name(const char *usage)
{
	if (strcmp(usage, "filesystem") == 0)
		return " file system";
	if (strcmp(usage, "raid") == 0)
		return ", a member of a RAID or volume group";
	if (strcmp(usage, "crypto") == 0)
		return ", an encrypted container";
	return "";
}

static void describe_signature(blkid_probe probe, struct probe_result *res)
{
	char value[VALUE_MAX], usage[VALUE_MAX] = "";

	if (get_value(probe, "PTTYPE", value)) {
		begin(res);
		append(res, "%s partition table", value);
		if (get_value(probe, "PTUUID", value))
			append(res, ", uuid %s", value);
	} else if (get_value(probe, "TYPE", value)) {
		(void)get_value(probe, "USAGE", usage);
		begin(res);
		append(res, "%s%s", value, usage_name(usage));
		if (get_value(probe, "LABEL", value))
			append(res, ", label %s", value);
		if (get_value(probe, "UUID", value))
			append(res, ", uuid %s", value);
	}
}

/* Also what fails its checksum is somebody's data. */
static int configure(blkid_probe probe, int fd)
{
	if (blkid_probe_set_device(probe, fd, 0, 0) != 0 || blkid_probe_enable_superblocks(probe, 1) != 0 ||
	    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_DEFAULT | BLKID_SUBLKS_USAGE |
							     BLKID_SUBLKS_BADCSUM | BLKID_SUBLKS_MAGIC) != 0 ||
	    blkid_probe_enable_partitions(probe, 1) != 0 ||
	    blkid_probe_set_partitions_flags(probe, BLKID_PARTS_FORCE_GPT | BLKID_PARTS_MAGIC) != 0)
		return -EIO;
	return 0;
}

/* @res NULL: what is found is wiped. */
static int probe_foreign(int fd, struct probe_result *res)
{
	blkid_probe probe = blkid_new_probe();
	int rc = 0;
	int err;

	if (!probe)
		return -ENOMEM;
	err = configure(probe, fd);
	for (unsigned int i = 0; !err && rc == 0 && i < SIGNATURES_MAX; i++) {
		rc = blkid_do_probe(probe);
		if (rc < 0 || (rc == 0 && !res && blkid_do_wipe(probe, 0) != 0))
			err = -EIO;
		else if (rc == 0 && res)
			describe_signature(probe, res);
	}
	blkid_free_probe(probe);
	return err;
}

int probe_wipe(int fd)
{
	int err = probe_foreign(fd, NULL);

	if (!err && fsync(fd) != 0)
		err = -errno;
	return err;
}

static int get_size(int fd, uint64_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISBLK(st.st_mode))
		*ret_size = (uint64_t)st.st_size;
	else if (ioctl(fd, BLKGETSIZE64, ret_size) != 0)
		return -errno;
	return 0;
}

static int read_label(int fd, uint64_t off, uint8_t *buf, size_t len)
{
	ssize_t n = pread(fd, buf, len, (off_t)off);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static bool is_label(const struct probe_own *own, const uint8_t *label)
{
	struct le64 magic;

	memcpy(&magic, label + own->magic_off, sizeof(magic));
	return le64_get(magic) == own->magic;
}

static void describe_own(const struct probe_own *own, const uint8_t *label, const char *note,
			 struct probe_result *res)
{
	char text[VALUE_MAX];

	begin(res);
	res->is_own = true;
	append(res, "%s%s", own->what, note);
	if (own->name_len > 0 && label[own->name_off] != '\0') {
		clean(text, sizeof(text), (const char *)label + own->name_off, own->name_len);
		append(res, ", name %s", text);
	}
	if (own->uuid_off > 0) {
		uuid_unparse_lower(label + own->uuid_off, text);
		append(res, ", uuid %s", text);
	}
}

/* A label at the start, or only its copy at the end. */
static int probe_labels(int fd, const struct probe_own *own, uint64_t size, uint8_t *label, struct probe_result *res)
{
	int err = read_label(fd, 0, label, own->label_size);

	if (err)
		return err;
	if (is_label(own, label)) {
		describe_own(own, label, "", res);
		return 0;
	}
	err = read_label(fd, round_down_u64(size, own->label_size) - own->label_size, label, own->label_size);
	if (!err && is_label(own, label))
		describe_own(own, label, " (only the copy of its label at the end is left)", res);
	return err;
}

static int probe_own_volume(int fd, const struct probe_own *own, struct probe_result *res)
{
	uint8_t *label;
	uint64_t size;
	int err = get_size(fd, &size);

	if (err)
		return err;
	if (size < own->label_size)
		return 0;
	label = malloc(own->label_size);
	if (!label)
		return -ENOMEM;
	err = probe_labels(fd, own, size, label, res);
	free(label);
	return err;
}

int probe_fd(int fd, const struct probe_own *own, struct probe_result *ret_result)
{
	struct probe_result res = { 0 };
	int err = 0;

	/* Another host may have written since these pages were read. */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (own) {
		assert(is_power_of_2_u64(own->label_size) && own->label_size <= LABEL_SIZE_MAX);
		assert(own->magic_off + sizeof(uint64_t) <= own->label_size);
		assert(own->name_off + own->name_len <= own->label_size && own->uuid_off + 16 <= own->label_size);
		err = probe_own_volume(fd, own, &res);
	}
	if (!err)
		err = probe_foreign(fd, &res);
	if (err)
		return err;
	*ret_result = res;
	return 0;
}

int probe_path(const char *path, const struct probe_own *own, struct probe_result *ret_result)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? -errno : probe_fd(fd, own, ret_result);

	if (fd >= 0)
		close(fd);
	return err;
}

int probe_wipe_path(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int err = fd < 0 ? -errno : probe_wipe(fd);

	if (fd >= 0)
		close(fd);
	return err;
}
