/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: a run ends, whatever the server does; and at its end every file that is there was read back twice. */

#include "tools/torture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tools/torture_int.h"

#define SLEEP_NS	(30 * TORTURE_NS_PER_MS)
#define READ_BACK_TRIES 3u

uint64_t torture_now(const struct torture *t)
{
	return reactor_now_ns(t->r);
}

/* SplitMix64. */
static uint64_t dice_next(uint64_t *dice)
{
	uint64_t x = *dice += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint64_t torture_roll(uint64_t *dice, uint64_t below)
{
	return (uint64_t)(((unsigned __int128)dice_next(dice) * below) >> 64);
}

void torture_trace(struct torture *t, uint64_t event)
{
	uint64_t x = t->report->hash ^ event;

	t->report->hash = dice_next(&x);
}

void torture_die(void)
{
	fprintf(stderr, "lamina-torture: no memory, or too many fibers\n");
	abort();
}

static uint64_t *count_of(struct torture_report *report, const char *what)
{
	static const char *const names[] = { "lost", "stale", "misplaced", "torn", "io", "fence", "late" };
	uint64_t *const counts[] = { &report->lost, &report->stale, &report->misplaced, &report->torn,
				     &report->io,   &report->fence, &report->late };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(what, names[i]) == 0)
			return counts[i];
	return &report->io;
}

void torture_find(struct torture *t, const char *what, const char *fmt, ...)
{
	struct torture_report *report = t->report;
	struct torture_finding *finding;
	va_list args;

	(*count_of(report, what))++;
	if (report->nr_findings >= TORTURE_FINDINGS_MAX)
		return;
	finding = &report->findings[report->nr_findings++];
	snprintf(finding->what, sizeof(finding->what), "%s", what);
	snprintf(finding->text, sizeof(finding->text), "%.3f s: ", (double)torture_now(t) / 1e9);
	va_start(args, fmt);
	vsnprintf(finding->text + strlen(finding->text), sizeof(finding->text) - strlen(finding->text), fmt, args);
	va_end(args);
}

bool torture_is_clean(const struct torture_report *report)
{
	return report->lost + report->stale + report->misplaced + report->torn + report->io + report->fence +
		       report->late ==
	       0;
}

struct torture_file *torture_file_new(struct torture *t, enum torture_work work, const char *name)
{
	struct torture_file *file;

	if (t->nr_files >= TORTURE_FILES_MAX)
		return NULL;
	file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->id = t->nr_files + 1;
	file->work = work;
	snprintf(file->name, sizeof(file->name), "%s", name);
	if (torture_model_init(file, (uint32_t)(t->opt->file_bytes / TORTURE_BLOCK))) {
		free(file);
		return NULL;
	}
	t->files[t->nr_files++] = file;
	return file;
}

/* Disasters. */

unsigned int torture_nr_hosts(const struct torture *t)
{
	return t->nr_hosts;
}

bool torture_is_running(const struct torture *t)
{
	return t->is_running;
}

void torture_crash(struct torture *t, unsigned int host, uint64_t down_ns)
{
	struct torture_host *h = &t->hosts[host];

	h->down_until_ns = torture_now(t) + down_ns;
	torture_host_lose(h, 0, NULL);
	if (t->world->crashed)
		t->world->crashed(t->world->owner, host);
}

void torture_excuse(struct torture *t, unsigned int host)
{
	struct torture_host *h = &t->hosts[host];

	torture_host_excuse(h, 4 * h->lease_ns);
}

FIBER_FN void torture_power_off(struct torture *t)
{
	t->has_power = false;
	for (unsigned int i = 0; i < t->nr_hosts; i++)
		torture_crash(t, i, 0);
	for (unsigned int i = 0; i < t->nr_hosts; i++)
		while (t->hosts[i].is_up && !t->hosts[i].is_ended)
			wait_queue_wait(&t->changed);
}

void torture_power_on(struct torture *t)
{
	t->has_power = true;
	wait_queue_wake_all(&t->changed);
}

/* The fibers. */

static bool is_time(const struct torture_fiber *f)
{
	const struct torture_options *opt = f->t->opt;

	return torture_now(f->t) >= opt->end_ns || (opt->steps && f->steps >= opt->steps);
}

static FIBER_FN void fiber_main(void *arg)
{
	struct torture_fiber *f = arg;
	struct torture_host *host = f->host;
	struct torture *t = f->t;

	while (!is_time(f)) {
		if (!torture_host_check(host))
			continue;
		f->steps++;
		torture_step(f);
		if (t->opt->sleeps)
			fiber_sleep_ns(torture_roll(&f->dice, SLEEP_NS));
		else
			fiber_yield();
	}
	host->nr_done++;
	wait_queue_wake_all(&host->changed);
	t->nr_working--;
	wait_queue_wake_all(&t->changed);
}

static FIBER_FN bool read_back_once(struct torture_fiber *f, struct torture_file *file, bool by_server)
{
	struct torture_open *open = torture_open_get(f->host, file, false);
	uint32_t nr;
	bool ok = open != NULL;

	for (uint32_t first = 0; ok && first < file->nr_blks; first += nr) {
		nr = (uint32_t)min_u64(TORTURE_RUN_MAX, file->nr_blks - first);
		ok = by_server ? torture_do_server_read(f, open, first, nr) : torture_do_read(f, open, first, nr);
		f->t->report->blocks += ok ? nr : 0;
	}
	if (open)
		torture_open_put(open, ok);
	return ok;
}

/*
 * A host may hear only now of what was taken from it before, and begins anew then, perhaps by another of its fibers;
 * more often is a fault.
 */
static FIBER_FN void host_read_back(struct torture_fiber *f, struct torture_file *file, bool by_server)
{
	struct torture_host *host = f->host;
	bool ok = read_back_once(f, file, by_server);

	for (unsigned int i = 0; !ok && i < READ_BACK_TRIES; i++) {
		host->nr_guests--;
		wait_queue_wake_all(&host->changed);
		torture_host_await(host);
		host->nr_guests++;
		ok = read_back_once(f, file, by_server);
	}
	f->t->report->files += ok;
	if (!ok)
		torture_find(f->t, "io", "%s could not read file %u back", host->name, file->id);
}

/* All that is there, by somebody else than who wrote it, through layouts and through the server. */
static FIBER_FN void read_back_main(void *arg)
{
	struct torture_fiber *f = arg;
	struct torture *t = f->t;

	for (uint32_t i = 0; i < t->nr_files; i++) {
		struct torture_file *file = t->files[i];

		if (file->is_gone || !file->fh.len)
			continue;
		if (i % t->nr_hosts == f->host->nr)
			host_read_back(f, file, false);
		if ((i + 1) % t->nr_hosts == f->host->nr)
			host_read_back(f, file, true);
	}
	f->host->nr_guests--;
	t->nr_working--;
	wait_queue_wake_all(&f->host->changed);
	wait_queue_wake_all(&t->changed);
}

static FIBER_FN void fibers_run(struct torture *t, void (*fn)(void *arg), unsigned int per_host)
{
	t->nr_working = 0;
	for (unsigned int i = 0; i < t->nr_hosts; i++)
		for (unsigned int j = 0; j < (per_host ? per_host : t->hosts[i].nr_bufs); j++) {
			t->nr_working++;
			if (per_host)
				t->hosts[i].nr_guests++;
			else
				t->hosts[i].nr_fibers++;
			if (fiber_spawn(t->r, "torture", fn, &t->hosts[i].fibers[j], NULL))
				torture_die();
		}
	while (t->nr_working > 0)
		wait_queue_wait(&t->changed);
}

static FIBER_FN void read_back(struct torture *t)
{
	for (unsigned int i = 0; i < t->nr_hosts; i++) {
		struct torture_host *host = &t->hosts[i];

		/* Those that did wrong have stopped. */
		host->is_bad = false;
		torture_host_await(host);
		host->nr_guests++;
		torture_open_close_all(host);
		host->nr_guests--;
		wait_queue_wake_all(&host->changed);
		torture_host_await(host);
	}
	fibers_run(t, read_back_main, 1);
}

static FIBER_FN void progress_main(void *arg)
{
	struct torture *t = arg;
	uint64_t begin = torture_now(t), steps = 0;
	const struct torture_report *r = t->report;
	char line[160];

	while (!t->is_over) {
		fiber_sleep_ns(NSEC_PER_SEC);
		snprintf(line, sizeof(line),
			 "%4.0f s %8llu steps %7llu/s %8.1f MB written %8.1f MB read %4llu reconnects %4u findings",
			 (double)(torture_now(t) - begin) / 1e9, (unsigned long long)r->steps,
			 (unsigned long long)(r->steps - steps), (double)r->bytes_written / 1e6,
			 (double)r->bytes_read / 1e6, (unsigned long long)r->reconnects, r->nr_findings);
		steps = r->steps;
		t->world->progress(t->world->owner, line);
	}
}

/* Set-up and end. */

static void host_init(struct torture *t, unsigned int i)
{
	struct torture_host *host = &t->hosts[i];

	host->t = t;
	host->nr = i;
	snprintf(host->name, sizeof(host->name), "host %u", i);
	host->is_bad = (t->works & (1ull << TORTURE_MISBEHAVE)) && t->nr_hosts > 1 &&
		       (t->nr_hosts < 4 ? i == t->nr_hosts - 1 : i % 4 == 3);
	host->nr_bufs = host->is_bad ? 1 : t->opt->fibers;
	list_init(&host->opens);
	list_init(&host->doubts);
	wait_queue_init(&host->changed);
	host->fibers = calloc(host->nr_bufs, sizeof(*host->fibers));
	if (!host->fibers)
		torture_die();
	for (unsigned int j = 0; j < host->nr_bufs; j++) {
		struct torture_fiber *f = &host->fibers[j];

		f->t = t;
		f->host = host;
		f->nr = j;
		snprintf(f->name, sizeof(f->name), "host %u fiber %u", i, j);
		f->dice = dice_next(&t->dice);
		f->buf = blkdev_buf_alloc(TORTURE_RUN_MAX * TORTURE_BLOCK);
		if (!f->buf)
			torture_die();
	}
}

static FIBER_FN int make_dir(struct torture *t)
{
	struct torture_host *host = &t->hosts[0];
	struct nfs_fh parent;
	int err = nfs_file_walk(host->session, NULL, t->world->path, &parent);

	snprintf(t->dir_name, sizeof(t->dir_name), "torture-%016llx", (unsigned long long)t->opt->seed);
	if (!err)
		err = nfs_file_mkdir(host->session, &parent, t->dir_name, 0777, &t->dir);
	t->dir_is_made = !err;
	return err;
}

static FIBER_FN int remove_dir(struct torture *t)
{
	struct torture_host *host = &t->hosts[0];
	struct nfs_fh parent;
	int err = nfs_file_walk(host->session, NULL, t->world->path, &parent);

	return err ? err : nfs_file_remove_tree(host->session, &parent, t->dir_name);
}

static void make_shared(struct torture *t)
{
	static const enum torture_work works[] = { TORTURE_DISJOINT, TORTURE_OVERLAP, TORTURE_APPEND,
						   TORTURE_TRUNCATE, TORTURE_READERS, TORTURE_STORM };

	for (size_t i = 0; i < ARRAY_SIZE(works); i++)
		if (t->works & (1ull << works[i]))
			t->shared[works[i]] = torture_file_new(t, works[i], torture_work_name(works[i]));
}

static FIBER_FN void work_run(struct torture *t)
{
	make_shared(t);
	t->is_running = true;
	if (t->world->begin)
		t->world->begin(t->world->owner, t);
	fibers_run(t, fiber_main, 0);
	t->is_running = false;
	if (t->world->calm_down)
		t->world->calm_down(t->world->owner);
	for (unsigned int i = 0; i < t->nr_hosts; i++)
		t->hosts[i].nr_fibers = t->hosts[i].nr_done = 0;
	read_back(t);
}

/* Their main fibers bring them up. */
static FIBER_FN int hosts_start(struct torture *t, struct why *why)
{
	char text[64];
	int err;

	for (unsigned int i = 0; i < t->nr_hosts; i++) {
		err = fiber_spawn(t->r, "torture host", torture_host_main, &t->hosts[i], NULL);
		if (err) {
			t->nr_hosts = i;
			return why_set(why, err, "no fiber for a host: %s", strerror(-err));
		}
	}
	for (unsigned int i = 0; i < t->nr_hosts; i++)
		while (!t->hosts[i].is_up && t->report->io == 0)
			(void)!wait_queue_wait_until(&t->hosts[i].changed, torture_now(t) + NSEC_PER_SEC);
	if (t->report->io > 0)
		return why_set(why, -ENOTCONN, "%s", t->report->findings[0].text);
	err = make_dir(t);
	if (err)
		return why_set(why, err < 0 ? err : -EIO, "no directory for the test in '%s': %s", t->world->path,
			       torture_error(err, text));
	return 0;
}

static FIBER_FN void hosts_end(struct torture *t)
{
	t->is_over = true;
	for (unsigned int i = 0; i < t->nr_hosts; i++)
		wait_queue_wake_all(&t->hosts[i].changed);
	for (unsigned int i = 0; i < t->nr_hosts; i++)
		while (!t->hosts[i].is_ended)
			wait_queue_wait(&t->changed);
}

static void torture_free(struct torture *t, unsigned int nr_hosts)
{
	for (uint32_t i = 0; i < t->nr_files; i++) {
		torture_model_release(t->files[i]);
		free(t->files[i]);
	}
	for (unsigned int i = 0; i < nr_hosts; i++) {
		for (unsigned int j = 0; j < t->hosts[i].nr_bufs; j++)
			blkdev_buf_free(t->hosts[i].fibers[j].buf);
		free(t->hosts[i].fibers);
	}
	free(t->hosts);
	free(t->files);
	free(t);
}

static FIBER_FN int run_all(struct torture *t, struct why *why)
{
	struct fiber *progress = NULL;
	char text[64];
	int err = hosts_start(t, why), removed;

	if (!err && t->world->progress)
		err = fiber_spawn(t->r, "torture progress", progress_main, t, &progress);
	if (!err) {
		work_run(t);
		if (t->opt->removes && torture_is_clean(t->report)) {
			removed = remove_dir(t);
			if (removed)
				torture_find(t, "io", "removing the files: %s", torture_error(removed, text));
		}
	}
	hosts_end(t);
	if (progress)
		fiber_join(progress);
	return err;
}

static int options_check(const struct torture_options *opt, struct why *why)
{
	if (opt->hosts < 1 || opt->hosts > TORTURE_HOSTS_MAX)
		return why_set(why, -EINVAL, "1 to %u hosts", TORTURE_HOSTS_MAX);
	if (opt->fibers < 1 || opt->fibers > TORTURE_FIBERS_MAX)
		return why_set(why, -EINVAL, "1 to %u fibers for each host", TORTURE_FIBERS_MAX);
	if (opt->file_bytes < 64 * TORTURE_BLOCK || opt->file_bytes > UINT64_C(1) << 30)
		return why_set(why, -EINVAL, "files of 256 KiB to 1 GiB");
	if (opt->works >> TORTURE_WORKS)
		return why_set(why, -EINVAL, "there is no such work");
	return 0;
}

FIBER_FN int torture_run(const struct torture_options *opt, const struct torture_world *world,
			 struct torture_report *ret_report, struct why *why)
{
	uint64_t all = (1ull << TORTURE_WORKS) - 1, begin = reactor_now_ns(world->reactor);
	struct torture *t;
	int err = options_check(opt, why);

	if (err)
		return err;
	memset(ret_report, 0, sizeof(*ret_report));
	t = calloc(1, sizeof(*t));
	if (!t)
		return why_set(why, -ENOMEM, "no memory");
	*t = (struct torture){
		.opt = opt, .world = world, .report = ret_report, .r = world->reactor, .dice = opt->seed
	};
	t->works = opt->works ? opt->works : all;
	t->nr_hosts = opt->hosts;
	t->has_power = true;
	wait_queue_init(&t->changed);
	t->hosts = calloc(opt->hosts, sizeof(*t->hosts));
	t->files = calloc(TORTURE_FILES_MAX, sizeof(*t->files));
	if (!t->hosts || !t->files)
		torture_die();
	for (unsigned int i = 0; i < opt->hosts; i++)
		host_init(t, i);
	err = run_all(t, why);
	ret_report->virtual_ns = torture_now(t) - begin;
	torture_free(t, opt->hosts);
	return err;
}
