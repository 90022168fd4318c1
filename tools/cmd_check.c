/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lamina check`: look at everything in a volume that nobody has mounted, and say what is wrong.  Promises: writes
 * nothing, not even what the journal still holds; the exit code is that of fsck(8).
 */

#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dev/reactor.h"
#include "extent/check_run.h"
#include "extent/fs.h"
#include "tools/cmd.h"
#include "tools/volume.h"

enum check_exit {
	EXIT_CLEAN = 0,
	EXIT_ERRORS = 4, /* found and left as they are */
	EXIT_FAILED = 8, /* could not be checked */
	EXIT_USAGE = 16,
};

struct check_args {
	uint64_t memory;
	bool json;
	bool quiet;
	bool bar; /* standard error is a terminal */
	uint64_t bar_shown;
	struct json_object *findings;
};

#define BAR_WIDTH 50

static void check_help(FILE *out)
{
	fputs("usage: lamina check [OPTION...] DEVICE...\n"
	      "\n"
	      "Look at everything in a volume that is not in use, and say what is wrong.  Nothing is written.\n"
	      "\n"
	      "  -m, --memory SIZE  memory for tables (default: 128M)\n"
	      "      --json         report as JSON\n"
	      "  -q, --quiet        no progress and no summary, only findings\n"
	      "  -h, --help         this text\n"
	      "\n"
	      "SIZE is in bytes, or with K, M, G, T in powers of 1024.\n"
	      "Exit codes: 0 clean, 4 errors found, 8 could not be checked, 16 called wrongly.\n",
	      out);
}

/* False: end with *@ret_exit. */
static bool check_parse(int argc, char **argv, struct check_args *args, int *ret_exit)
{
	static const struct option options[] = {
		{ "memory", required_argument, NULL, 'm' },
		{ "json", no_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*ret_exit = EXIT_USAGE;
	while ((c = getopt_long(argc, argv, "m:qh", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			if (!size_parse(optarg, &args->memory) && args->memory)
				break;
			fprintf(stderr,
				"lamina check: --memory: '%s' is not a size; give bytes or a number with K, M, G or "
				"T\n",
				optarg);
			return false;
		case 'j':
			args->json = true;
			break;
		case 'q':
			args->quiet = true;
			break;
		case 'h':
			check_help(stdout);
			*ret_exit = EXIT_CLEAN;
			return false;
		default:
			fputs("lamina check: `lamina check --help` shows the usage\n", stderr);
			return false;
		}
	}
	if (optind == argc) {
		fputs("lamina check: name all devices of the volume; `lamina check --help` shows the usage\n",
		      stderr);
		return false;
	}
	return true;
}

static void bar_clear(const struct check_args *args)
{
	if (args->bar)
		fprintf(stderr, "\r%*s\r", BAR_WIDTH + 10, "");
}

static void bar_show(void *arg, uint64_t done, uint64_t total)
{
	struct check_args *args = arg;
	uint64_t percent = total ? (uint64_t)((unsigned __int128)done * 100 / total) : 100;
	int full = (int)(percent * BAR_WIDTH / 100);

	if (!args->bar || percent == args->bar_shown)
		return;
	args->bar_shown = percent;
	fprintf(stderr, "\r[%.*s%*s] %3u %%", full, "##################################################",
		BAR_WIDTH - full, "", (unsigned int)percent);
}

static void check_finding(void *arg, enum check_severity severity, const char *sentence)
{
	struct check_args *args = arg;
	const char *word = severity == CHECK_ERROR ? "error" : "warning";

	if (args->json) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "severity", json_object_new_string(word));
		json_object_object_add(o, "text", json_object_new_string(sentence));
		json_object_array_add(args->findings, o);
		return;
	}
	bar_clear(args);
	printf("%s: %s\n", word, sentence);
	args->bar_shown = UINT64_MAX;
}

static void add_number(struct json_object *o, const char *name, uint64_t value)
{
	json_object_object_add(o, name, json_object_new_uint64(value));
}

static void check_json(struct check_args *args, const struct check_result *res, const struct fs *fs)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(fs_name(fs)));
	json_object_object_add(o, "clean", json_object_new_boolean(!res->errors));
	add_number(o, "errors", res->errors);
	add_number(o, "warnings", res->warnings);
	add_number(o, "inodes", res->inodes);
	add_number(o, "items", res->items);
	add_number(o, "tree_blocks", res->tree_blocks);
	add_number(o, "free_bytes", res->free_blocks << DADDR_BLOCK_SHIFT);
	add_number(o, "data_bytes", res->data_blocks << DADDR_BLOCK_SHIFT);
	add_number(o, "shared_bytes", res->shared_blocks << DADDR_BLOCK_SHIFT);
	add_number(o, "reserved_bytes", res->reserved_blocks << DADDR_BLOCK_SHIFT);
	add_number(o, "limbo_bytes", res->limbo_blocks << DADDR_BLOCK_SHIFT);
	add_number(o, "metadata_bytes", res->metadata_blocks << DADDR_BLOCK_SHIFT);
	json_object_object_add(o, "findings", json_object_get(args->findings));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
	json_object_put(o);
}

static void check_summary(const struct check_result *res, const struct fs *fs)
{
	char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX], c[SIZE_TEXT_MAX], d[SIZE_TEXT_MAX];

	printf("%s: %" PRIu64 " inodes, %" PRIu64 " items in %" PRIu64 " tree blocks\n", fs_name(fs), res->inodes,
	       res->items, res->tree_blocks);
	printf("data %s, free %s, limbo %s, metadata %s\n", size_text(res->data_blocks << DADDR_BLOCK_SHIFT, a),
	       size_text(res->free_blocks << DADDR_BLOCK_SHIFT, b),
	       size_text(res->limbo_blocks << DADDR_BLOCK_SHIFT, c),
	       size_text(res->metadata_blocks << DADDR_BLOCK_SHIFT, d));
	if (res->errors)
		printf("%" PRIu64 " errors\n", res->errors);
	else
		puts("clean");
}

FIBER_FN static int check_mounted(struct fs *fs, struct check_args *args)
{
	struct check_options opt = {
		.memory = args->memory, .report = check_finding, .progress = bar_show, .arg = args
	};
	struct check_result res;
	int err = check_run(fs, &opt, &res);

	bar_clear(args);
	if (args->json)
		check_json(args, &res, fs);
	else if (!args->quiet)
		check_summary(&res, fs);
	if (res.errors)
		return EXIT_ERRORS;
	if (err) {
		fprintf(stderr, "lamina check: it could not be done: %s\n", strerror(-err));
		return EXIT_FAILED;
	}
	return EXIT_CLEAN;
}

FIBER_FN static int check_volume(struct volume *v, void *arg)
{
	struct fs_mount_options opt = { .read_only = true };
	struct why why;
	struct fs *fs;
	int exit_code;
	int err = fs_mount(v->r, v->devs, v->nr, &opt, &fs, &why);

	if (err) {
		fprintf(stderr, "lamina check: %s\n", why.text);
		return err == -EUCLEAN ? EXIT_ERRORS : EXIT_FAILED;
	}
	exit_code = check_mounted(fs, arg);
	fs_abandon(fs);
	return exit_code;
}

int cmd_check(int argc, char **argv)
{
	struct check_args args = { .bar_shown = UINT64_MAX };
	int exit_code;

	if (!check_parse(argc, argv, &args, &exit_code))
		return exit_code;
	args.bar = isatty(STDERR_FILENO) && !args.quiet && !args.json;
	args.findings = json_object_new_array();
	exit_code = volume_run("check", argv + optind, (unsigned int)(argc - optind),
			       BLKFILE_READ_ONLY | BLKFILE_EXCLUSIVE, EXIT_FAILED, check_volume, &args);
	json_object_put(args.findings);
	return exit_code;
}
