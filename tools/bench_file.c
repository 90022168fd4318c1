/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a benchmark: made in one directory, under names that nothing else has, and removed again. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/bench.h"

#define OPEN_DIRS 16

static uint64_t usage;

void bench_path(const struct bench_options *opt, const char *name, char *buf, size_t len)
{
	snprintf(buf, len, "%s/bench-%s.%d", opt->dir, name, (int)getpid());
}

int bench_file_make(const char *path, uint64_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	err = ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
	close(fd);
	return err;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)remove(path);
	return 0;
}

void bench_file_remove(const char *path)
{
	(void)nftw(path, remove_one, OPEN_DIRS, FTW_DEPTH | FTW_PHYS);
}

static int add_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	if (type == FTW_F)
		usage += (uint64_t)st->st_blocks * 512;
	return 0;
}

uint64_t bench_file_usage(const char *path)
{
	usage = 0;
	(void)nftw(path, add_one, OPEN_DIRS, FTW_PHYS);
	return usage;
}
