/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lamina bench store (and the way to lamina bench nfs, in cmd_bench_nfs.c): how fast the store is, beside the bare
 * device and beside other stores doing the same work in the same minutes.  Makes files of its own and removes them;
 * touches a device only if it is named.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev/log.h"
#include "tools/bench.h"
#include "tools/bench_nfs.h"
#include "tools/cmd.h"

static const char usage_text[] = "usage: lamina bench store [OPTION...]\n"
				 "       lamina bench nfs [OPTION...] [WORK...]\n"
				 "\n"
				 "  --dir DIR       make the files there (default: the current directory)\n"
				 "  --size SIZE     size of the volume's image file (default 1T, sparse)\n"
				 "  --seconds S     measure each load so long in each round (default 1)\n"
				 "  --repeats N     rounds; medians are reported (default 5)\n"
				 "  --files N       load so many files before measuring (default 1000000)\n"
				 "  --only PARTS    of raw,store,peers,space,mount,growth; separated by commas\n"
				 "  --busy          measure once more with a busy process on each processor\n"
				 "  --full          mount and growth up to 10 million (default 1 million)\n"
				 "  --json          results as JSON\n"
				 "  --plot PREFIX   write PREFIX.dat and PREFIX.gp, for gnuplot\n"
				 "  --help\n"
				 "\n"
				 "`lamina bench nfs --help` shows the options of the other.\n";

enum {
	OPT_HELP = 256,
	OPT_DIR,
	OPT_SIZE,
	OPT_SECONDS,
	OPT_REPEATS,
	OPT_FILES,
	OPT_ONLY,
	OPT_BUSY,
	OPT_LIMIT,
	OPT_FULL,
	OPT_JSON,
	OPT_PLOT
};

static int parse_number(const char *text, double max, double *ret_value)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	double value = strtod(text, &end);

	if (end == text)
		return -EINVAL;
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		end++;
		for (const char *u = units; u <= unit; u++)
			value *= 1024;
	}
	if (*end || !(value > 0) || value > max)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int parse_parts(char *text, unsigned int *ret_parts)
{
	static const char *const names[] = { "raw", "store", "peers", "space", "mount", "growth" };
	unsigned int parts = 0;

	for (char *save = NULL, *part = strtok_r(text, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
		unsigned int i = 0;

		while (i < ARRAY_SIZE(names) && strcmp(names[i], part) != 0)
			i++;
		if (i == ARRAY_SIZE(names))
			return -EINVAL;
		parts |= 1u << i;
	}
	*ret_parts = parts;
	return parts ? 0 : -EINVAL;
}

static int apply_option(struct bench_options *opt, int c, char *arg)
{
	double value = 0;
	int err = 0;

	switch (c) {
	case OPT_DIR:
		opt->dir = arg;
		return 0;
	case OPT_SIZE:
		err = parse_number(arg, 1e16, &value);
		opt->size = (uint64_t)value & ~0xfffULL;
		return err;
	case OPT_SECONDS:
		return parse_number(arg, 3600, &opt->seconds);
	case OPT_REPEATS:
		err = parse_number(arg, BENCH_REPEATS_MAX, &value);
		opt->repeats = (unsigned int)value;
		return err;
	case OPT_FILES:
		err = parse_number(arg, 1e9, &value);
		opt->files = (uint64_t)value;
		return err;
	case OPT_ONLY:
		return parse_parts(arg, &opt->parts);
	case OPT_BUSY:
		opt->busy = true;
		return 0;
	case OPT_LIMIT:
		err = parse_number(arg, 1e9, &value);
		opt->limit = (uint64_t)value;
		return err;
	case OPT_FULL:
		opt->limit = 10000000;
		return 0;
	case OPT_JSON:
		opt->json = true;
		return 0;
	case OPT_PLOT:
		opt->plot = arg;
		return 0;
	default:
		return -EINVAL;
	}
}

static int parse_options(int argc, char **argv, struct bench_options *opt)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, OPT_HELP },
		{ "dir", required_argument, NULL, OPT_DIR },
		{ "size", required_argument, NULL, OPT_SIZE },
		{ "seconds", required_argument, NULL, OPT_SECONDS },
		{ "repeats", required_argument, NULL, OPT_REPEATS },
		{ "files", required_argument, NULL, OPT_FILES },
		{ "only", required_argument, NULL, OPT_ONLY },
		{ "busy", no_argument, NULL, OPT_BUSY },
		{ "limit", required_argument, NULL, OPT_LIMIT },
		{ "full", no_argument, NULL, OPT_FULL },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "plot", required_argument, NULL, OPT_PLOT },
		{ NULL, 0, NULL, 0 },
	};
	int c, which;

	while ((c = getopt_long(argc, argv, "", options, &which)) != -1) {
		if (c == OPT_HELP) {
			fputs(usage_text, stdout);
			exit(CMD_OK);
		}
		if (c == '?')
			return -EINVAL;
		if (apply_option(opt, c, optarg) < 0) {
			fprintf(stderr, "lamina bench: --%s does not take '%s'\n", options[which].name, optarg);
			return -EINVAL;
		}
	}
	if (optind + 1 != argc || strcmp(argv[optind], "store") != 0) {
		fputs("lamina bench: say what to measure: lamina bench store, or lamina bench nfs\n", stderr);
		return -EINVAL;
	}
	return 0;
}

int cmd_bench(int argc, char **argv)
{
	struct bench_options opt = {
		.dir = ".",
		.size = 1ULL << 40,
		.seconds = 1,
		.repeats = 5,
		.files = 1000000,
		.limit = 1000000,
		.parts = BENCH_ALL,
	};
	int err;

	if (argc > 1 && strcmp(argv[1], "nfs") == 0)
		return cmd_bench_nfs(argc, argv);
	if (parse_options(argc, argv, &opt) < 0)
		return CMD_USAGE;
	log_set_level(LOG_LEVEL_WARN);
	err = bench_store_all(&opt);
	if (err)
		fprintf(stderr, "lamina bench: %s\n", strerror(-err));
	return err ? CMD_FAILED : CMD_OK;
}
