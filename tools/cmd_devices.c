/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lamina devices`: what block devices there are, and what each can be used for.  It only looks.
 */
#include <dirent.h>
#include <getopt.h>
#include <inttypes.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid.h>

#include "dev/sysfs.h"
#include "tools/cmd.h"
#include "tools/device_report.h"

static const char usage[] = "usage: lamina devices [--json] [DEVICE...]\n"
			    "\n"
			    "Shows every whole disk and namespace of this machine, or the devices given: size, "
			    "sectors, cache, identity,\n"
			    "reservations, what is on it, and whether it can serve layouts of the SCSI type; if not, "
			    "why, and what to do.\n"
			    "Nothing is changed.\n"
			    "\n"
			    "  -j, --json     one JSON object, for programs\n"
			    "  -h, --help     this\n"
			    "\n"
			    "Exit code: 0 all devices were looked at, 1 some could not be, 2 wrong usage.\n";

/* Names */

static const char *designator_type_name(enum designator_type type)
{
	switch (type) {
	case DESIGNATOR_NAA:
		return "naa";
	case DESIGNATOR_EUI64:
		return "eui64";
	case DESIGNATOR_T10:
		return "t10";
	default:
		return "name";
	}
}

static const char *code_set_name(enum designator_code_set code_set)
{
	return code_set == CODE_SET_BINARY ? "binary" : code_set == CODE_SET_ASCII ? "ascii" : "utf8";
}

static const char *kind_name(const struct device_report *report)
{
	static const char *const names[] = {
		[IDENTITY_FILE] = "file",
		[IDENTITY_SCSI] = "scsi",
		[IDENTITY_NVME] = "nvme",
		[IDENTITY_OTHER] = "other",
	};

	return names[report->identity.kind];
}

static const struct {
	enum reservation_type type;
	const char *name;
} reservation_names[] = {
	{ RESERVATION_WRITE_EXCLUSIVE, "write-exclusive" },
	{ RESERVATION_EXCLUSIVE_ACCESS, "exclusive-access" },
	{ RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY, "write-exclusive-registrants-only" },
	{ RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY, "exclusive-access-registrants-only" },
	{ RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS, "write-exclusive-all-registrants" },
	{ RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS, "exclusive-access-all-registrants" },
};

/* Binary as hex digits; text as it is, but for what a terminal would take for a command. */
static void designator_to_text(const struct designator *d, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < d->len && used + 3 < size; i++) {
		unsigned char c = d->bytes[i];

		if (d->code_set == CODE_SET_BINARY)
			used += (size_t)snprintf(buf + used, size - used, "%02x", c);
		else if (c != '\0')
			used += (size_t)snprintf(buf + used, size - used, "%c", c >= 0x20 && c < 0x7f ? c : '?');
	}
}

static void size_to_text(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	unsigned int unit = 0;

	while (value >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, size, value < 100 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

/* For people */

static void print_head(void)
{
	printf("%-20s %10s  %-9s  %-14s %-9s %s\n", "DEVICE", "SIZE", "SECTORS", "CACHE", "TRANSPORT",
	       "SCSI LAYOUTS");
}

static const char *cache_name(const struct blklimits *limits)
{
	if (!limits->volatile_cache)
		return "none";
	return limits->fua ? "volatile, fua" : "volatile";
}

static void print_line(const struct device_report *report)
{
	const struct blklimits *l = &report->limits;
	const char *transport = report->identity.transport;
	char size[32], sectors[32];

	size_to_text(l->size, size, sizeof(size));
	snprintf(sectors, sizeof(sectors), "%" PRIu32 "/%" PRIu32, l->logical_sector, l->physical_sector);
	printf("%-20s %10s  %-9s  %-14s %-9s %s\n", report->path, size, sectors, cache_name(l),
	       transport[0] ? transport : "-", report->scsi_layouts ? "yes" : "no");
}

static void print_detail(const char *name, const char *text)
{
	if (text && text[0])
		printf("    %-13s %s\n", name, text);
}

static void print_identity(const struct identity *id)
{
	char text[DESIGNATOR_MAX * 2 + 16];

	snprintf(text, sizeof(text), "%s%s%s", id->vendor, id->vendor[0] && id->model[0] ? " " : "", id->model);
	print_detail("model", text);
	print_detail("serial", id->serial);
	for (unsigned int i = 0; i < id->nr_designators; i++) {
		designator_to_text(&id->designators[i], text, sizeof(text));
		print_detail(designator_type_name(id->designators[i].type), text);
	}
	if (id->has_nvme_uuid) {
		uuid_unparse_lower(id->nvme_uuid, text);
		print_detail("uuid", text);
	}
}

static void print_reservations(const struct reservation_caps *caps)
{
	if (!caps->supported)
		return;
	printf("    %-13s ", "reservations");
	if (!caps->types_known)
		printf("yes, without telling which");
	for (size_t i = 0, n = 0; i < ARRAY_SIZE(reservation_names); i++) {
		if (caps->types & RESERVATION_BIT(reservation_names[i].type))
			printf("%s%s", n++ ? ", " : "", reservation_names[i].name);
	}
	if (caps->persists)
		printf("; kept through power loss");
	if (caps->keys_known)
		printf("; %" PRIu32 " keys registered", caps->nr_keys);
	putchar('\n');
}

static void print_content(const struct device_report *report)
{
	if (report->probe_err)
		printf("    %-13s could not be found out: %s\n", "holds", strerror(-report->probe_err));
	else
		print_detail("holds", report->content.found ? report->content.text : "nothing that is known");
	print_detail("in use", report->in_use ? report->in_use_by : NULL);
}

static void print_report(const struct device_report *report)
{
	if (report->err) {
		fprintf(stderr, "lamina devices: %s\n", report->message);
		return;
	}
	print_line(report);
	print_identity(&report->identity);
	print_reservations(&report->identity.reservations);
	print_content(report);
	print_detail("why not", report->why_not);
	print_detail(report->scsi_layouts ? "note" : "what to do", report->what_to_do);
}

/* For programs */

static void json_add(struct json_object *object, const char *key, struct json_object *value)
{
	json_object_object_add(object, key, value);
}

/* An unknown text is null. */
static void json_add_text(struct json_object *object, const char *key, const char *text)
{
	json_add(object, key, text && text[0] ? json_object_new_string(text) : NULL);
}

static void json_add_bool(struct json_object *object, const char *key, bool value)
{
	json_add(object, key, json_object_new_boolean(value));
}

static void json_add_limits(struct json_object *object, const struct blklimits *l)
{
	json_add(object, "size", json_object_new_uint64(l->size));
	json_add(object, "logical_sector", json_object_new_uint64(l->logical_sector));
	json_add(object, "physical_sector", json_object_new_uint64(l->physical_sector));
	json_add_bool(object, "read_only", l->read_only);
	json_add_bool(object, "partition", l->is_partition);
	json_add_bool(object, "direct_io", l->direct);
	json_add_bool(object, "volatile_cache", l->volatile_cache);
	json_add_bool(object, "fua", l->fua);
	json_add_bool(object, "discard", l->can_discard);
	json_add_bool(object, "write_zeroes", l->can_write_zeroes);
}

static struct json_object *json_of_designators(const struct identity *id)
{
	struct json_object *array = json_object_new_array();
	char text[DESIGNATOR_MAX * 2 + 16];

	for (unsigned int i = 0; i < id->nr_designators; i++) {
		const struct designator *d = &id->designators[i];
		struct json_object *object = json_object_new_object();

		designator_to_text(d, text, sizeof(text));
		json_add_text(object, "type", designator_type_name(d->type));
		json_add_text(object, "code_set", code_set_name(d->code_set));
		json_add_text(object, "value", text);
		json_add_bool(object, "layout", d == identity_layout_designator(id));
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *json_of_reservations(const struct reservation_caps *caps)
{
	struct json_object *object = json_object_new_object();
	struct json_object *types = json_object_new_array();

	json_add_bool(object, "supported", caps->supported);
	for (size_t i = 0; i < ARRAY_SIZE(reservation_names); i++) {
		if (caps->types & RESERVATION_BIT(reservation_names[i].type))
			json_object_array_add(types, json_object_new_string(reservation_names[i].name));
	}
	json_add_bool(object, "types_known", caps->types_known);
	json_add(object, "types", types);
	json_add_bool(object, "persist_through_power_loss", caps->persists);
	json_add(object, "keys", caps->keys_known ? json_object_new_uint64(caps->nr_keys) : NULL);
	return object;
}

static void json_add_identity(struct json_object *object, const struct identity *id)
{
	char uuid[40] = "";

	json_add_text(object, "vendor", id->vendor);
	json_add_text(object, "model", id->model);
	json_add_text(object, "serial", id->serial);
	json_add_text(object, "transport", id->transport);
	if (id->has_nvme_uuid)
		uuid_unparse_lower(id->nvme_uuid, uuid);
	json_add_text(object, "nvme_uuid", uuid);
	json_add(object, "designators", json_of_designators(id));
	json_add(object, "reservations", json_of_reservations(&id->reservations));
}

static struct json_object *json_of_report(const struct device_report *report)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "path", report->path);
	if (report->err) {
		json_add_text(object, "error", report->message);
		return object;
	}
	json_add_text(object, "kind", kind_name(report));
	json_add_limits(object, &report->limits);
	json_add_identity(object, &report->identity);
	json_add_text(object, "holds", report->content.text);
	json_add_bool(object, "holds_known", report->probe_err == 0);
	json_add_bool(object, "holds_lamina", report->content.is_own);
	json_add_bool(object, "in_use", report->in_use);
	json_add_bool(object, "scsi_layouts", report->scsi_layouts);
	json_add_text(object, "why_not", report->why_not);
	json_add_text(object, "what_to_do", report->what_to_do);
	return object;
}

/* Which devices */

static bool is_interesting(const char *name)
{
	char dir[SYSFS_PATH_MAX];
	uint64_t value;

	if (name[0] == '.' || strncmp(name, "zram", 4) == 0 || strncmp(name, "ram", 3) == 0 ||
	    strncmp(name, "sr", 2) == 0 || strncmp(name, "fd", 2) == 0)
		return false;
	snprintf(dir, sizeof(dir), "/sys/block/%s", name);
	if (sysfs_read_u64(dir, "hidden", &value) == 0 && value != 0)
		return false; /* one path of a multipath namespace */
	return sysfs_read_u64(dir, "size", &value) == 0 && value > 0;
}

static int keep_interesting(const struct dirent *e)
{
	return is_interesting(e->d_name);
}

/* In sysfs a slash in a name is written as an exclamation mark. */
static void name_to_path(const char *name, char *buf, size_t size)
{
	snprintf(buf, size, "/dev/%s", name);
	for (char *p = buf; *p; p++) {
		if (*p == '!')
			*p = '/';
	}
}

/* Where the reports go. */
struct output {
	struct json_object *devices; /* NULL: to people */
	unsigned int nr_failed;
};

static void show_device(struct output *out, const char *path)
{
	struct device_report report;

	device_report_make(path, &report);
	if (report.err)
		out->nr_failed++;
	if (out->devices)
		json_object_array_add(out->devices, json_of_report(&report));
	else
		print_report(&report);
}

static int show_all(struct output *out)
{
	struct dirent **names;
	char path[300];
	int nr = scandir("/sys/block", &names, keep_interesting, versionsort);

	if (nr < 0) {
		fprintf(stderr, "lamina devices: /sys/block: %s; is sysfs mounted?\n", strerror(errno));
		return CMD_FAILED;
	}
	for (int i = 0; i < nr; i++) {
		name_to_path(names[i]->d_name, path, sizeof(path));
		show_device(out, path);
		free(names[i]);
	}
	free(names);
	if (nr == 0 && !out->devices)
		puts("there is no block device here; plain files can hold a volume too (`truncate -s SIZE FILE`)");
	return CMD_OK;
}

static int show(bool json, char **paths, int nr_paths)
{
	struct output out = { .devices = json ? json_object_new_array() : NULL };
	int result = CMD_OK;

	if (!json)
		print_head();
	for (int i = 0; i < nr_paths; i++)
		show_device(&out, paths[i]);
	if (nr_paths == 0)
		result = show_all(&out);
	if (json) {
		struct json_object *top = json_object_new_object();

		json_add(top, "devices", out.devices);
		puts(json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(top);
	}
	return result == CMD_OK && out.nr_failed ? CMD_FAILED : result;
}

int cmd_devices(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return CMD_OK;
		default:
			fputs("lamina devices: `lamina devices --help` shows the usage\n", stderr);
			return CMD_USAGE;
		}
	}
	return show(json, argv + optind, argc - optind);
}
