/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lamina demo: what the store promises, shown.  A child process runs random transactions on a volume in an image file
 * and writes down in shared memory what was acknowledged; it is killed at some moment with SIGKILL; then the volume
 * is mounted, checked, and compared with what was acknowledged.  And again.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dev/blkfile.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "extent/check_run.h"
#include "tools/cmd.h"
#include "tools/demo.h"
#include "tools/demo_layouts.h"
#include "tools/demo_nfs.h"
#include "tools/volume.h"

#define DEMO_KILLS_MAX 1000
#define LET_GO_MS      5000

static const char usage_text[] =
	"usage: lamina demo [OPTION...] [nfs|layouts]\n"
	"\n"
	"Kill the store at work, or with nfs or layouts the server under its clients, and find everything again.\n"
	"\n"
	"  --file FILE   the volume's image, made for this (default lamina-demo.img)\n"
	"  --size SIZE   its size (default 64G, sparse)\n"
	"  --kills N     kill and recover so often (default 3)\n"
	"  --seconds S   let it run so long before each kill, about (default 2)\n"
	"  --seed N      of the random workload (default: chosen)\n"
	"  --keep        leave the image behind\n"
	"  --help\n";

struct demo {
	const char *file;
	uint64_t size;
	unsigned int kills;
	double seconds;
	bool keep;
	struct demo_log *log;
	/* Of the work that runs in a reactor */
	struct reactor *reactor;
	struct blkdev *dev;
	struct fs *fs;
	uint64_t mount_ns;
	struct demo_verdict verdict;
	struct fs_stats stats;
	struct check_result check;
};

static void say_why(const char *what, int err, const struct why *why)
{
	fprintf(stderr, "lamina demo: %s: %s\n", what, why && why->text[0] ? why->text : strerror(-err));
}

static FIBER_FN int mount(struct demo *d)
{
	const struct fs_mount_options options = { 0 };
	struct why why = { "" };
	uint64_t begin = reactor_now_ns(d->reactor);
	int err = fs_mount(d->reactor, &d->dev, 1, &options, &d->fs, &why);

	d->mount_ns = reactor_now_ns(d->reactor) - begin;
	if (err)
		say_why("mount", err, &why);
	return err;
}

/*
 * The kernel may let go of a killed process's file a moment after the process is gone, when it has unwound the
 * requests in flight.
 */
static int open_image(struct demo *d)
{
	int err = -EBUSY;

	for (unsigned int ms = 0; err == -EBUSY && ms < LET_GO_MS; ms += 10) {
		if (ms)
			poll(NULL, 0, 10);
		err = blkfile_open(d->reactor, d->file, BLKFILE_EXCLUSIVE, &d->dev);
	}
	return err;
}

/* Everything in here runs with the image open, in a reactor of its own. */
static int with_image(struct demo *d, int (*fn)(void *arg))
{
	int err = reactor_open(NULL, &d->reactor);

	if (err)
		return err;
	if (d->log->seed == 0)
		d->log->seed = reactor_random(d->reactor) | 1;
	err = open_image(d);
	if (!err) {
		err = reactor_run(d->reactor, fn, d);
		blkdev_close(d->dev);
	}
	reactor_close(d->reactor);
	return err;
}

static FIBER_FN int format(void *arg)
{
	const struct fs_format_options options = { .name = "demo" };
	struct why why = { "" };
	struct demo *d = arg;
	int err = fs_format(d->reactor, &d->dev, 1, &options, &why);

	if (err)
		say_why("format", err, &why);
	if (!err)
		err = mount(d);
	if (err)
		return err;
	err = demo_prepare(d->fs, d->log);
	if (err)
		fs_abandon(d->fs);
	else
		err = fs_unmount(d->fs);
	return err;
}

static FIBER_FN int work(void *arg)
{
	struct demo *d = arg;
	int err = mount(d);

	return err ? err : demo_run(d->fs, d->log, UINT64_MAX);
}

static void report_finding(void *arg, enum check_severity severity, const char *sentence)
{
	if (severity == CHECK_ERROR)
		fprintf(stderr, "lamina demo: check: %s\n", sentence);
}

static FIBER_FN int look(void *arg)
{
	const struct check_options check = { .report = report_finding };
	struct demo *d = arg;
	int err = mount(d);

	if (err)
		return err;
	err = demo_verify(d->fs, d->log, &d->verdict);
	if (!err)
		err = check_run(d->fs, &check, &d->check);
	fs_stats(d->fs, &d->stats);
	if (err) {
		fs_abandon(d->fs);
		return err;
	}
	return fs_unmount(d->fs);
}

/* Fork a process that works, let it, and kill it.  -ECHILD: it ended by itself. */
static int work_and_kill(struct demo *d, unsigned int ms)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(with_image(d, work) ? 1 : 0);
	}
	poll(NULL, 0, (int)ms);
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : -ECHILD;
}

static void print_round(const struct demo *d, unsigned int round, double seconds, uint64_t nr)
{
	const struct bench_hist *h = &d->log->hist;

	printf("%5u %8.1f %13" PRIu64 " %9.0f %8.0f %8.0f %9.1f %9" PRIu64 " %10" PRIu64 " %7" PRIu64 "\n", round,
	       seconds, nr, (double)nr / seconds, (double)bench_hist_percentile(h, 50) / 1e3,
	       (double)bench_hist_percentile(h, 99) / 1e3, (double)d->mount_ns / 1e6, d->stats.replayed_txns,
	       d->verdict.in_flight, d->verdict.files);
	fflush(stdout);
}

static int one_round(struct demo *d, unsigned int round)
{
	/* Kills fall at odd moments; the seed decides, so that rounds differ. */
	double seconds = d->seconds * (0.75 + (double)(d->log->seed / (round + 1) % 1000) / 2000);
	uint64_t before = d->verdict.acknowledged + d->verdict.in_flight;
	int err;

	bench_hist_reset(&d->log->hist);
	err = work_and_kill(d, (unsigned int)(seconds * 1000));
	if (err) {
		say_why("the working process", err, NULL);
		return err;
	}
	err = with_image(d, look);
	if (err) {
		say_why("after the kill", err, NULL);
		return err;
	}
	print_round(d, round, seconds, d->verdict.acknowledged - before);
	if (d->verdict.wrong)
		fprintf(stderr, "lamina demo: %u of %u directories are not as they were acknowledged\n",
			d->verdict.wrong, DEMO_CLIENTS);
	return d->verdict.wrong || d->check.errors ? -EUCLEAN : 0;
}

static int all_rounds(struct demo *d)
{
	int err = with_image(d, format);

	if (err) {
		say_why(d->file, err, NULL);
		return err;
	}
	printf("%u clients on %s, seed %" PRIu64 "\n\n", DEMO_CLIENTS, d->file, d->log->seed);
	printf("%5s %8s %13s %9s %8s %8s %9s %9s %10s %7s\n", "kill", "after s", "acknowledged", "per s", "p50 us",
	       "p99 us", "mount ms", "replayed", "unanswered", "files");
	for (unsigned int round = 1; !err && round <= d->kills; round++)
		err = one_round(d, round);
	if (err)
		return err;
	printf("\n%u kills, %" PRIu64 " durable transactions acknowledged, every one found again; "
	       "check: %" PRIu64 " inodes, %" PRIu64 " items, no error\n",
	       d->kills, d->verdict.acknowledged, d->check.inodes, d->check.items);
	return 0;
}

static int make_image(const struct demo *d)
{
	int fd = open(d->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int err = 0;

	if (fd < 0) {
		err = -errno;
		if (err == -EEXIST)
			fprintf(stderr, "lamina demo: %s is there already; remove it, or name another with --file\n",
				d->file);
		else
			say_why(d->file, err, NULL);
		return err;
	}
	if (ftruncate(fd, (off_t)d->size) < 0) {
		err = -errno;
		say_why(d->file, err, NULL);
		unlink(d->file);
	}
	close(fd);
	return err;
}

static int run(struct demo *d, uint64_t seed)
{
	int err;

	d->log = mmap(NULL, sizeof(*d->log), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (d->log == MAP_FAILED)
		return -errno;
	d->log->seed = seed;
	err = make_image(d);
	if (!err) {
		err = all_rounds(d);
		if (!d->keep)
			unlink(d->file);
	}
	munmap(d->log, sizeof(*d->log));
	return err;
}

static int parse_u64(const char *text, uint64_t max, uint64_t *ret_value)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value == 0 || value > max)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int apply_option(struct demo *d, uint64_t *seed, int c, char *arg)
{
	uint64_t value = 0;
	char *end;
	int err;

	switch (c) {
	case 'f':
		d->file = arg;
		return 0;
	case 's':
		return size_parse(arg, &d->size);
	case 'k':
		err = parse_u64(arg, DEMO_KILLS_MAX, &value);
		d->kills = (unsigned int)value;
		return err;
	case 't':
		d->seconds = strtod(arg, &end);
		return *end || !(d->seconds > 0) || d->seconds > 3600 ? -EINVAL : 0;
	case 'r':
		return parse_u64(arg, UINT64_MAX, seed);
	case 'K':
		d->keep = true;
		return 0;
	default:
		return -EINVAL;
	}
}

int cmd_demo(int argc, char **argv)
{
	static const struct option options[] = {
		{ "file", required_argument, NULL, 'f' },  { "size", required_argument, NULL, 's' },
		{ "kills", required_argument, NULL, 'k' }, { "seconds", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 'r' },  { "keep", no_argument, NULL, 'K' },
		{ "help", no_argument, NULL, 'h' },	   { NULL, 0, NULL, 0 },
	};
	struct demo d = { .file = "lamina-demo.img", .size = 64ULL << 30, .kills = 3, .seconds = 2 };
	uint64_t seed = 0;
	int c, which, err;

	while ((c = getopt_long(argc, argv, "", options, &which)) != -1) {
		if (c == 'h') {
			fputs(usage_text, stdout);
			return CMD_OK;
		}
		if (c == '?')
			return CMD_USAGE;
		if (apply_option(&d, &seed, c, optarg) < 0) {
			fprintf(stderr, "lamina demo: --%s does not take '%s'\n", options[which].name, optarg);
			return CMD_USAGE;
		}
	}
	if (optind + 1 == argc && (strcmp(argv[optind], "nfs") == 0 || strcmp(argv[optind], "layouts") == 0)) {
		struct demo_nfs_options nfs = {
			.file = d.file, .size = d.size, .kills = d.kills, .seconds = d.seconds, .keep = d.keep
		};

		log_set_level(LOG_LEVEL_WARN);
		err = argv[optind][0] == 'n' ? demo_nfs_run(&nfs) : demo_layouts_run(&nfs, seed);
		return err ? CMD_FAILED : CMD_OK;
	}
	if (optind != argc) {
		fprintf(stderr, "lamina demo: takes no argument like '%s'\n", argv[optind]);
		return CMD_USAGE;
	}
	log_set_level(LOG_LEVEL_WARN);
	return run(&d, seed) ? CMD_FAILED : CMD_OK;
}
