/* SPDX-License-Identifier: Apache-2.0 */
/* Promises: everything that was opened is closed again, whatever happened. */

#include "tools/volume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/blklimits.h"
#include "dev/log.h"
#include "dev/reactor.h"

#define MESSAGE_MAX 1024

struct volume_job {
	struct volume v;
	const char *command;
	char *const *paths;
	unsigned int nr;
	unsigned int flags;
	int failed;
	int (*fn)(struct volume *v, void *arg);
	void *arg;
};

static int volume_open(struct volume_job *job)
{
	struct volume *v = &job->v;

	for (v->nr = 0; v->nr < job->nr; v->nr++) {
		int err = blkfile_open(v->r, job->paths[v->nr], job->flags, &v->devs[v->nr]);

		if (err) {
			char text[MESSAGE_MAX];

			blklimits_explain(job->paths[v->nr], err, text, sizeof(text));
			fprintf(stderr, "lamina %s: %s\n", job->command, text);
			return err;
		}
	}
	return 0;
}

FIBER_FN static int volume_main(void *arg)
{
	struct volume_job *job = arg;
	int exit_code = job->failed;

	if (!volume_open(job))
		exit_code = job->fn(&job->v, job->arg);
	for (unsigned int i = 0; i < job->v.nr; i++)
		blkdev_close(job->v.devs[i]);
	return exit_code;
}

int volume_run(const char *command, char *const *paths, unsigned int nr, unsigned int flags, int failed,
	       int (*fn)(struct volume *v, void *arg), void *arg)
{
	struct volume_job job = {
		.command = command, .paths = paths, .nr = nr, .flags = flags, .failed = failed, .fn = fn, .arg = arg
	};
	int err, exit_code;

	if (nr > VOLUME_DEVICES_MAX) {
		fprintf(stderr, "lamina %s: a volume has at most %u devices\n", command, VOLUME_DEVICES_MAX);
		return failed;
	}
	/* What is merely good to know belongs in a server's log, not between a command's lines. */
	log_set_level(LOG_LEVEL_WARN);
	err = reactor_open(NULL, &job.v.r);
	if (err) {
		fprintf(stderr, "lamina %s: asynchronous I/O cannot be set up: %s\n", command, strerror(-err));
		return failed;
	}
	exit_code = reactor_run(job.v.r, volume_main, &job);
	reactor_close(job.v.r);
	return exit_code;
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	const char *unit;
	char *end;
	uint64_t n;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	unit = *end ? strchr(units, *end & ~0x20) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
		if (strcmp(end, "iB") == 0)
			end += 2;
	}
	if (*end)
		return -EINVAL;
	if (n > (1ULL << 62) >> shift)
		return -ERANGE;
	*ret_bytes = n << shift;
	return 0;
}

const char *size_text(uint64_t bytes, char buf[SIZE_TEXT_MAX])
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned int unit = 0;
	double n = (double)bytes;

	while (n >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		n /= 1024;
		unit++;
	}
	snprintf(buf, SIZE_TEXT_MAX, n == (double)(uint64_t)n ? "%.0f %s" : "%.1f %s", n, units[unit]);
	return buf;
}
