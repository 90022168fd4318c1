/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lamina bench nfs: how fast an NFSv4.1 server is.  Without --server it measures our own, on a volume that it makes
 * for that and removes; on other servers it works in one directory, which it removes too.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "tools/bench_nfs.h"
#include "tools/cmd.h"
#include "tools/volume.h"

#define FILES_MAX    10000000
#define EXTENTS_MAX  100000000
#define FULL_EXTENTS 1000000
#define DATA_MIN     ((uint64_t)BENCH_NFS_DATA_FILES * BENCH_NFS_BLOCK_MAX)

static const char usage_text[] =
	"usage: lamina bench nfs [OPTION...] [WORK...]\n"
	"\n"
	"  --server ADDR:PORT[/PATH]  the server (default: start one of our own, on a new volume)\n"
	"  --server-pid PID           its process, if it runs here: for its processor time\n"
	"  --control SOCKET           its control socket, if it is ours: for its journal\n"
	"  --peer ADDR:PORT[/PATH]    another server, to compare with\n"
	"  --peer-pid PID\n"
	"  --dir DIR                  volumes are made there (default: the current directory)\n"
	"  --size SIZE                size of each (default 64G, sparse)\n"
	"  --minor 1|2                NFSv4.1 or NFSv4.2 (default 2)\n"
	"  --outstanding N[,N...]     requests at a time (default 1,64)\n"
	"  --sessions N[,N...]        over so many sessions (default: one for each 64 requests)\n"
	"  --dirs one|many|both       in one directory, or in 64 (default many)\n"
	"  --files N                  files to look at (default 10000)\n"
	"  --data SIZE                bytes to read and write (default 256M)\n"
	"  --seconds S                measure each load so long in each round (default 1)\n"
	"  --repeats N                rounds; medians are reported (default 5)\n"
	"  --extents N                LAYOUTGET in volumes of 1000 to so many extents (default: not measured)\n"
	"  --holders N[,N...]         recalls from so many clients (default: not measured)\n"
	"  --full                     all works, one and many directories, 1 to 256 outstanding, 1 to 64 sessions\n"
	"  --no-store                 leave out the store's own rate\n"
	"  --json                     results as JSON\n"
	"  --help\n"
	"\n"
	"Works:\n";

enum {
	OPT_HELP = 256,
	OPT_SERVER,
	OPT_SERVER_PID,
	OPT_CONTROL,
	OPT_PEER,
	OPT_PEER_PID,
	OPT_DIR,
	OPT_SIZE,
	OPT_MINOR,
	OPT_OUTSTANDING,
	OPT_SESSIONS,
	OPT_DIRS,
	OPT_FILES,
	OPT_DATA,
	OPT_SECONDS,
	OPT_REPEATS,
	OPT_EXTENTS,
	OPT_HOLDERS,
	OPT_FULL,
	OPT_NO_STORE,
	OPT_JSON
};

static void print_help(void)
{
	fputs(usage_text, stdout);
	for (unsigned int i = 0; i < bench_nfs_nr_works; i++)
		printf("  %-16s %s\n", bench_nfs_works[i].name, bench_nfs_works[i].what);
}

static int parse_u64(const char *text, uint64_t max, uint64_t *ret_value)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (end == text || *end || value == 0 || value > max || *text == '-')
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int parse_list(char *text, unsigned int max, unsigned int list[BENCH_NFS_STEPS], unsigned int *ret_nr)
{
	unsigned int nr = 0;

	for (char *save = NULL, *part = strtok_r(text, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
		uint64_t value;

		if (nr == BENCH_NFS_STEPS || parse_u64(part, max, &value))
			return -EINVAL;
		list[nr++] = (unsigned int)value;
	}
	*ret_nr = nr;
	return nr ? 0 : -EINVAL;
}

static int parse_dirs(const char *text, struct bench_nfs_options *opt)
{
	opt->one = strcmp(text, "many") != 0;
	opt->many = strcmp(text, "one") != 0;
	return opt->one && opt->many && strcmp(text, "both") != 0 ? -EINVAL : 0;
}

static int parse_seconds(const char *text, double *ret_seconds)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0) || value > 3600)
		return -EINVAL;
	*ret_seconds = value;
	return 0;
}

static void apply_full(struct bench_nfs_options *opt)
{
	static const unsigned int outstanding[] = { 1, 8, 64, 256 }, sessions[] = { 1, 8, 64 };
	static const unsigned int holders[] = { 1, 10, 1000 };

	memcpy(opt->outstanding, outstanding, sizeof(outstanding));
	memcpy(opt->sessions, sessions, sizeof(sessions));
	opt->nr_outstanding = ARRAY_SIZE(outstanding);
	opt->nr_sessions = ARRAY_SIZE(sessions);
	memcpy(opt->holders, holders, sizeof(holders));
	opt->nr_holders = ARRAY_SIZE(holders);
	opt->extents = FULL_EXTENTS;
	opt->one = opt->many = true;
}

static int apply_numbers(struct bench_nfs_options *opt, int c, char *arg)
{
	uint64_t value = 0;
	int err;

	switch (c) {
	case OPT_SERVER_PID:
		err = parse_u64(arg, INT32_MAX, &value);
		opt->pid = value;
		return err;
	case OPT_PEER_PID:
		err = parse_u64(arg, INT32_MAX, &value);
		opt->peer_pid = value;
		return err;
	case OPT_SIZE:
		err = size_parse(arg, &opt->size);
		opt->size &= ~0xfffULL;
		return err;
	case OPT_MINOR:
		err = parse_u64(arg, 2, &value);
		opt->minor = (unsigned int)value;
		return err;
	case OPT_FILES:
		return parse_u64(arg, FILES_MAX, &opt->files);
	case OPT_DATA:
		err = size_parse(arg, &opt->data);
		return err || opt->data < DATA_MIN ? -EINVAL : 0;
	case OPT_REPEATS:
		err = parse_u64(arg, BENCH_REPEATS_MAX, &value);
		opt->repeats = (unsigned int)value;
		return err;
	case OPT_OUTSTANDING:
		return parse_list(arg, BENCH_NFS_OUTSTANDING_MAX, opt->outstanding, &opt->nr_outstanding);
	case OPT_SESSIONS:
		return parse_list(arg, BENCH_NFS_SESSIONS_MAX, opt->sessions, &opt->nr_sessions);
	case OPT_HOLDERS:
		return parse_list(arg, BENCH_NFS_HOLDERS_MAX, opt->holders, &opt->nr_holders);
	case OPT_EXTENTS:
		err = parse_u64(arg, EXTENTS_MAX, &opt->extents);
		return err || opt->extents < BENCH_NFS_GROWTH_FIRST ? -EINVAL : 0;
	case OPT_SECONDS:
		return parse_seconds(arg, &opt->seconds);
	default:
		return -EINVAL;
	}
}

static int apply_option(struct bench_nfs_options *opt, int c, char *arg)
{
	switch (c) {
	case OPT_SERVER:
		opt->server = arg;
		return 0;
	case OPT_CONTROL:
		opt->control = arg;
		return 0;
	case OPT_PEER:
		opt->peer = arg;
		return 0;
	case OPT_DIR:
		opt->dir = arg;
		return 0;
	case OPT_DIRS:
		return parse_dirs(arg, opt);
	case OPT_FULL:
		apply_full(opt);
		opt->works = UINT64_MAX;
		return 0;
	case OPT_NO_STORE:
		opt->store = false;
		return 0;
	case OPT_JSON:
		opt->json = true;
		return 0;
	default:
		return apply_numbers(opt, c, arg);
	}
}

static int parse_works(char *const *names, int nr, struct bench_nfs_options *opt)
{
	if (nr > 0)
		opt->works = 0;
	for (int i = 0; i < nr; i++) {
		unsigned int j = 0;

		while (j < bench_nfs_nr_works && strcmp(bench_nfs_works[j].name, names[i]) != 0)
			j++;
		if (j == bench_nfs_nr_works) {
			fprintf(stderr, "lamina bench nfs: there is no work '%s'; --help lists them\n", names[i]);
			return -EINVAL;
		}
		opt->works |= 1ull << j;
	}
	return 0;
}

static int parse_options(int argc, char **argv, struct bench_nfs_options *opt)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, OPT_HELP },
		{ "server", required_argument, NULL, OPT_SERVER },
		{ "server-pid", required_argument, NULL, OPT_SERVER_PID },
		{ "control", required_argument, NULL, OPT_CONTROL },
		{ "peer", required_argument, NULL, OPT_PEER },
		{ "peer-pid", required_argument, NULL, OPT_PEER_PID },
		{ "dir", required_argument, NULL, OPT_DIR },
		{ "size", required_argument, NULL, OPT_SIZE },
		{ "minor", required_argument, NULL, OPT_MINOR },
		{ "outstanding", required_argument, NULL, OPT_OUTSTANDING },
		{ "sessions", required_argument, NULL, OPT_SESSIONS },
		{ "dirs", required_argument, NULL, OPT_DIRS },
		{ "files", required_argument, NULL, OPT_FILES },
		{ "data", required_argument, NULL, OPT_DATA },
		{ "seconds", required_argument, NULL, OPT_SECONDS },
		{ "repeats", required_argument, NULL, OPT_REPEATS },
		{ "extents", required_argument, NULL, OPT_EXTENTS },
		{ "holders", required_argument, NULL, OPT_HOLDERS },
		{ "full", no_argument, NULL, OPT_FULL },
		{ "no-store", no_argument, NULL, OPT_NO_STORE },
		{ "json", no_argument, NULL, OPT_JSON },
		{ NULL, 0, NULL, 0 },
	};
	int c, which;

	while ((c = getopt_long(argc, argv, "", options, &which)) != -1) {
		if (c == OPT_HELP) {
			print_help();
			exit(CMD_OK);
		}
		if (c == '?')
			return -EINVAL;
		if (apply_option(opt, c, optarg) < 0) {
			fprintf(stderr, "lamina bench nfs: --%s does not take '%s'\n", options[which].name, optarg);
			return -EINVAL;
		}
	}
	return parse_works(argv + optind, argc - optind, opt);
}

int cmd_bench_nfs(int argc, char **argv)
{
	struct bench_nfs_options opt = {
		.dir = ".",
		.size = 64ULL << 30,
		.minor = 2,
		.seconds = 1,
		.repeats = 5,
		.files = 10000,
		.data = 256ULL << 20,
		.many = true,
		.store = true,
		.nr_outstanding = 2,
		.outstanding = { 1, 64 },
	};
	int err;

	for (unsigned int i = 0; i < bench_nfs_nr_works; i++) {
		if (bench_nfs_works[i].is_default)
			opt.works |= 1ull << i;
	}
	if (parse_options(argc - 1, argv + 1, &opt) < 0)
		return CMD_USAGE;
	log_set_level(LOG_LEVEL_WARN);
	err = bench_nfs_all(&opt);
	if (err < 0)
		fprintf(stderr, "lamina bench: %s\n", strerror(-err));
	return err ? CMD_FAILED : CMD_OK;
}
