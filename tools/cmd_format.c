/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lamina format`: make an empty volume.  Promises: a device that holds something is left alone unless --force is
 * given; nothing is written before all devices have been looked at.
 */

#include <fcntl.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "dev/probe.h"
#include "dev/reactor.h"
#include "extent/fs.h"
#include "tools/cmd.h"
#include "tools/device_report.h"
#include "tools/volume.h"

struct format_args {
	struct fs_format_options opt;
	uint64_t file_size; /* 0: files must be there */
	bool force;
	bool dry_run;
	bool json;
	bool quiet;
};

static void format_help(FILE *out)
{
	fputs("usage: lamina format [OPTION...] DEVICE...\n"
	      "\n"
	      "Make an empty volume on block devices or plain files; the first one gets the journal.\n"
	      "\n"
	      "  -n, --name NAME          name of the volume, at most 64 bytes\n"
	      "  -s, --size SIZE          make DEVICE a plain file of this size if it does not exist\n"
	      "  -j, --journal-size SIZE  size of the journal (default: 1/32 of the first device, 1M to 256M)\n"
	      "  -c, --chunk-size SIZE    unit in which metadata grows, a power of two, 1M to 256M\n"
	      "  -f, --force              overwrite what the devices hold\n"
	      "      --dry-run            look at the devices and say what would be done\n"
	      "      --json               report as JSON\n"
	      "  -q, --quiet              no report\n"
	      "  -h, --help               this text\n"
	      "\n"
	      "SIZE is in bytes, or with K, M, G, T in powers of 1024.\n"
	      "Exit codes: 0 done, 1 failed or refused, 2 called wrongly; with 2 nothing was touched.\n",
	      out);
}

static bool format_size(const char *option, const char *text, uint64_t *ret_size)
{
	int err = size_parse(text, ret_size);

	if (!err && *ret_size > 0)
		return true;
	fprintf(stderr, "lamina format: --%s: '%s' is not a size; give bytes or a number with K, M, G or T\n", option,
		text);
	return false;
}

enum {
	OPT_DRY_RUN = 256,
	OPT_JSON,
};

/* CMD_OK: go on; else the exit code, in *@ret_exit, with false. */
static bool format_parse(int argc, char **argv, struct format_args *args, int *ret_exit)
{
	static const struct option options[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "size", required_argument, NULL, 's' },
		{ "journal-size", required_argument, NULL, 'j' },
		{ "chunk-size", required_argument, NULL, 'c' },
		{ "force", no_argument, NULL, 'f' },
		{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	bool ok = true;
	int c;

	*ret_exit = CMD_USAGE;
	while (ok && (c = getopt_long(argc, argv, "n:s:j:c:fqh", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			ok = strlen(optarg) <= LABEL_NAME_LEN;
			if (!ok)
				fprintf(stderr, "lamina format: the name is longer than %u bytes\n", LABEL_NAME_LEN);
			else
				memcpy(args->opt.name, optarg, strlen(optarg));
			break;
		case 's':
			ok = format_size("size", optarg, &args->file_size);
			break;
		case 'j':
			ok = format_size("journal-size", optarg, &args->opt.journal_size);
			break;
		case 'c':
			ok = format_size("chunk-size", optarg, &args->opt.chunk_size);
			break;
		case 'f':
			args->force = true;
			break;
		case OPT_DRY_RUN:
			args->dry_run = true;
			break;
		case OPT_JSON:
			args->json = true;
			break;
		case 'q':
			args->quiet = true;
			break;
		case 'h':
			format_help(stdout);
			*ret_exit = CMD_OK;
			return false;
		default:
			fputs("lamina format: `lamina format --help` shows the usage\n", stderr);
			ok = false;
		}
	}
	if (ok && optind == argc) {
		fputs("lamina format: name at least one device; `lamina format --help` shows the usage\n", stderr);
		ok = false;
	}
	return ok;
}

/* Make @path a plain file of @size bytes if there is nothing. */
static bool format_make_file(const char *path, uint64_t size)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	int err = 0;

	if (fd < 0 && errno == EEXIST)
		return true;
	if (fd < 0) {
		fprintf(stderr, "lamina format: %s: cannot be created: %s\n", path, strerror(errno));
		return false;
	}
	if (ftruncate(fd, (off_t)size))
		err = errno;
	close(fd);
	if (err)
		fprintf(stderr, "lamina format: %s: cannot get %llu bytes: %s\n", path, (unsigned long long)size,
			strerror(err));
	return !err;
}

/* What is on @path.  False: it could not be found out, as was said. */
static bool format_look(const char *path, struct probe_result *ret_result)
{
	int err = probe_path(path, &label_probe, ret_result);

	if (err)
		fprintf(stderr, "lamina format: %s: cannot be looked at: %s\n", path, strerror(-err));
	return !err;
}

/* Whether all of @paths may be overwritten; says why not. */
static bool format_may(char *const *paths, unsigned int nr, const struct format_args *args)
{
	bool may = true;

	for (unsigned int i = 0; i < nr; i++) {
		struct probe_result result = { .found = false };

		if (!format_look(paths[i], &result)) {
			may = false;
		} else if (result.found && !args->force) {
			fprintf(stderr, "lamina format: %s holds: %s; --force overwrites it\n", paths[i],
				result.text);
			may = false;
		} else if (result.found && !args->quiet && !args->json) {
			printf("%s: %s: %s\n", paths[i], args->dry_run ? "would overwrite" : "overwriting",
			       result.text);
		}
	}
	return may;
}

static void format_json(const struct fs *fs, const struct fs_stats *stats, const struct volume *v)
{
	struct json_object *root = json_object_new_object(), *devs = json_object_new_array();
	char uuid[UUID_STR_LEN];

	uuid_unparse(fs_uuid(fs), uuid);
	json_object_object_add(root, "name", json_object_new_string(fs_name(fs)));
	json_object_object_add(root, "uuid", json_object_new_string(uuid));
	json_object_object_add(root, "free_bytes", json_object_new_uint64(stats->free_blocks << DADDR_BLOCK_SHIFT));
	json_object_object_add(root, "journal_bytes", json_object_new_uint64(stats->journal_size));
	json_object_object_add(root, "metadata_bytes",
			       json_object_new_uint64(stats->metadata_blocks << DADDR_BLOCK_SHIFT));
	for (unsigned int i = 0; i < v->nr; i++) {
		struct json_object *dev = json_object_new_object();

		json_object_object_add(dev, "path", json_object_new_string(v->devs[i]->info.name));
		json_object_object_add(dev, "bytes", json_object_new_uint64(v->devs[i]->info.size));
		json_object_array_add(devs, dev);
	}
	json_object_object_add(root, "devices", devs);
	puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY));
	json_object_put(root);
}

static void format_report(const struct fs *fs, const struct fs_stats *stats, const struct volume *v)
{
	char uuid[UUID_STR_LEN], a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX], c[SIZE_TEXT_MAX];

	uuid_unparse(fs_uuid(fs), uuid);
	printf("volume    %s%s%s\n", fs_name(fs), *fs_name(fs) ? "  " : "", uuid);
	for (unsigned int i = 0; i < v->nr; i++)
		printf("device    %s  %s\n", v->devs[i]->info.name, size_text(v->devs[i]->info.size, a));
	printf("space     %s free, journal %s, metadata %s to begin with\n",
	       size_text(stats->free_blocks << DADDR_BLOCK_SHIFT, a), size_text(stats->journal_size, b),
	       size_text(stats->metadata_blocks << DADDR_BLOCK_SHIFT, c));
}

/* The report is of what a mount finds: so the volume has proved that it can be mounted. */
FIBER_FN static int format_show(struct volume *v, const struct format_args *args)
{
	struct fs_mount_options opt = { .read_only = true };
	struct fs_stats stats;
	struct why why;
	struct fs *fs;
	int err = fs_mount(v->r, v->devs, v->nr, &opt, &fs, &why);

	if (err) {
		fprintf(stderr, "lamina format: the new volume cannot be mounted: %s\n", why.text);
		return CMD_FAILED;
	}
	fs_stats(fs, &stats);
	if (args->json)
		format_json(fs, &stats, v);
	else if (!args->quiet)
		format_report(fs, &stats, v);
	fs_abandon(fs);
	return CMD_OK;
}

/* What other programs would still find beside the new labels. */
static bool format_wipe(const struct volume *v)
{
	for (unsigned int i = 0; i < v->nr; i++) {
		const char *path = v->devs[i]->info.name;
		int err = probe_wipe_path(path);

		if (!err)
			continue;
		fprintf(stderr, "lamina format: %s: what it holds cannot be wiped: %s\n", path, strerror(-err));
		return false;
	}
	return true;
}

FIBER_FN static int format_volume(struct volume *v, void *arg)
{
	const struct format_args *args = arg;
	struct why why;

	if (args->dry_run) {
		char text[SIZE_TEXT_MAX];

		for (unsigned int i = 0; i < v->nr; i++)
			printf("%s: would become device %u of a volume (%s)\n", v->devs[i]->info.name, i + 1,
			       size_text(v->devs[i]->info.size, text));
		return CMD_OK;
	}
	if (args->force && !format_wipe(v))
		return CMD_FAILED;
	if (fs_format(v->r, v->devs, v->nr, &args->opt, &why)) {
		fprintf(stderr, "lamina format: %s\n", why.text);
		return CMD_FAILED;
	}
	return format_show(v, args);
}

int cmd_format(int argc, char **argv)
{
	struct format_args args = { .force = false };
	int exit_code;
	unsigned int nr;

	if (!format_parse(argc, argv, &args, &exit_code))
		return exit_code;
	nr = (unsigned int)(argc - optind);
	for (unsigned int i = 0; i < nr && args.file_size && !args.dry_run; i++)
		if (!format_make_file(argv[optind + (int)i], args.file_size))
			return CMD_FAILED;
	if (!format_may(argv + optind, nr, &args))
		return CMD_FAILED;
	return volume_run("format", argv + optind, nr, BLKFILE_EXCLUSIVE, CMD_FAILED, format_volume, &args);
}
