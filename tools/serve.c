/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a server process.  Promises: whatever was opened is closed again in the reverse order; SIGTERM and
 * SIGINT end it cleanly wherever it is, a second one at once, which loses nothing that was promised; with nothing to
 * do it makes no system calls but those of its timers.
 */
#include "tools/serve.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/blkfile.h"
#include "dev/blklimits.h"
#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/signals.h"
#include "dev/sock.h"
#include "extent/fs.h"
#include "mds/config.h"
#include "mds/control.h"
#include "mds/server.h"
#include "tools/cmd.h"
#include "tools/serve_int.h"
#include "tools/serve_source.h"

#define MESSAGE_MAX   1024
#define QUEUE_MIN     256
#define QUEUE_MAX     4096
#define FIBERS_OWN    100 /* of the store, the control socket and others that are few */
#define FILES_OWN     64
#define LET_GO_NS     (5 * NSEC_PER_SEC)
#define LET_GO_TRY_NS (20 * UINT64_C(1000000))

static const int serve_signals[] = { SIGTERM, SIGINT, SIGHUP };

/* ---- signals ---- */

static void serve_signal(void *arg, int nr)
{
	struct serve *s = arg;

	if (nr == SIGHUP) {
		log_warn("SIGHUP: the configuration is read at the start only; restart to have a new one, clients go "
			 "on "
			 "where they were");
		return;
	}
	if (s->stop) {
		log_warn("asked to stop again: ending at once; the next start replays the journal");
		_exit(CMD_FAILED);
	}
	log_info("stopping: %s", nr == SIGINT ? "SIGINT" : "SIGTERM");
	s->stop = true;
	wait_queue_wake_all(&s->stopped);
}

/* ---- the volume ---- */

/*
 * The kernel may let go of a killed server's devices a moment after the process is gone, when it has unwound the
 * requests in flight: then who @waits, waits.
 */
FIBER_FN int serve_open_device(struct serve *s, const char *path, bool waits, struct why *why)
{
	uint64_t deadline = reactor_now_ns(s->reactor) + (waits ? LET_GO_NS : 0);
	unsigned int index = s->nr_devs;
	char text[MESSAGE_MAX];
	bool said = false;
	int err;

	for (;;) {
		err = blkfile_open(s->reactor, path, BLKFILE_EXCLUSIVE, &s->devs[index]);
		if (err != -EBUSY || s->stop || reactor_now_ns(s->reactor) >= deadline)
			break;
		if (!said)
			log_info("device %s is in use; waiting a little for a server that may just be ending", path);
		said = true;
		fiber_sleep_ns(LET_GO_TRY_NS);
	}
	if (err) {
		blklimits_explain(path, err, text, sizeof(text));
		return why_set(why, err, "%s", text);
	}
	s->paths[index] = strdup(path);
	if (s->paths[index])
		return 0;
	serve_close_device(s, index);
	return why_set(why, -ENOMEM, "out of memory");
}

void serve_close_device(struct serve *s, unsigned int index)
{
	blkdev_close(s->devs[index]);
	free(s->paths[index]);
	s->devs[index] = NULL;
	s->paths[index] = NULL;
}

static FIBER_FN int serve_open_devices(struct serve *s)
{
	for (unsigned int i = 0; i < s->config->nr_devices; i++) {
		struct why why = { "" };
		int err = serve_open_device(s, s->config->devices[i], true, &why);

		if (err) {
			log_err("%s", why.text);
			return err;
		}
		s->nr_devs++;
	}
	return 0;
}

static FIBER_FN int serve_mount(struct serve *s)
{
	const struct config_store *store = &s->config->store;
	const struct fs_mount_options options = {
		.cache_bytes = store->cache_bytes,
		.dirty_bytes = store->dirty_bytes,
		.checkpoint_log_bytes = store->checkpoint_log_bytes,
		.checkpoint_ns = store->checkpoint_seconds * NSEC_PER_SEC,
		.checkpoint_depth = (unsigned int)store->checkpoint_depth,
	};
	struct why why = { "" };
	int err = serve_open_devices(s);

	if (!err)
		err = sources_open(s);
	if (err)
		return err;
	err = fs_mount(s->reactor, s->devs, s->nr_devs, &options, &s->fs, &why);
	if (err)
		log_err("the volume can't be mounted: %s", why.text[0] ? why.text : strerror(-err));
	return err;
}

static FIBER_FN int serve_unmount(struct serve *s)
{
	int err = 0;

	if (s->fs && fs_error(s->fs)) {
		log_err("the volume was read-only because of damage: %s; run \"lamina check\"", fs_error(s->fs));
		fs_abandon(s->fs);
		err = -EROFS;
	} else if (s->fs) {
		err = fs_unmount(s->fs);
		if (err)
			log_err("the last checkpoint failed: %s; nothing that was promised is lost, the next start "
				"replays the journal",
				strerror(-err));
	}
	s->fs = NULL;
	sources_close(s);
	while (s->nr_devs > 0)
		serve_close_device(s, --s->nr_devs);
	return err;
}

/* ---- serving ---- */

/* A killed server's addresses may take the same moment as its devices. */
static FIBER_FN int serve_start(struct serve *s)
{
	const struct server_options options = { .discard_state = s->discard_state,
						.sources = s->sources->v,
						.nr_sources = s->sources->nr };
	uint64_t deadline = reactor_now_ns(s->reactor) + LET_GO_NS;
	struct why why = { "" };
	int err = net_open(s->reactor, &s->net);

	if (!err)
		err = server_start(s->reactor, s->fs, s->net, s->config, &options, &s->mds, &why);
	while (err == -EADDRINUSE && !s->stop && reactor_now_ns(s->reactor) < deadline) {
		fiber_sleep_ns(LET_GO_TRY_NS);
		err = server_start(s->reactor, s->fs, s->net, s->config, &options, &s->mds, &why);
	}
	if (err) {
		log_err("the server can't start: %s", why.text[0] ? why.text : strerror(-err));
		return err;
	}
	return 0;
}

/* The directory of the control socket, if it is not there: as systemd's RuntimeDirectory makes it. */
static void control_dir(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[MESSAGE_MAX];

	if (!slash || slash == path)
		return;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		log_debug("directory %s can't be made: %s", dir, strerror(errno));
}

/* To serve is more important than to be asked how: so it comes last, and may fail. */
static FIBER_FN void serve_control(struct serve *s)
{
	const struct control_options options = {
		.mds = s->mds, .path = s->config->control, .grow = serve_grow, .grow_arg = s
	};
	uint64_t deadline = reactor_now_ns(s->reactor) + LET_GO_NS;
	int err;

	control_dir(options.path);
	err = control_start(&options, &s->control);
	while (err == -EADDRINUSE && !s->stop && reactor_now_ns(s->reactor) < deadline) {
		fiber_sleep_ns(LET_GO_TRY_NS);
		err = control_start(&options, &s->control);
	}
	if (err)
		log_warn("no control socket at %s: %s; `lamina status` can't ask this server, unless \"control\" in "
			 "its configuration names another path",
			 options.path, strerror(-err));
	else
		log_info("control socket %s", options.path);
}

static FIBER_FN void serve_stop(struct serve *s)
{
	notify_stop(&s->notify);
	control_stop(s->control);
	if (s->mds)
		server_stop(s->mds);
	if (s->net)
		net_close(s->net);
	s->control = NULL;
	s->mds = NULL;
	s->net = NULL;
}

static FIBER_FN int serve_main(void *arg)
{
	struct serve *s = arg;
	int err, unmount_err;

	err = serve_mount(s);
	if (!err && !s->stop)
		err = serve_start(s);
	if (!err && !s->stop) {
		report_start(s);
		notify_start(&s->notify, s->reactor, s->mds);
		serve_control(s);
		while (!s->stop)
			wait_queue_wait(&s->stopped);
	}
	serve_stop(s);
	unmount_err = serve_unmount(s);
	if (!err && !unmount_err)
		log_info("stopped, everything is on disk");
	return err ? err : unmount_err;
}

/* ---- the process ---- */

static int serve_reactor(struct serve *s)
{
	const struct config_limits *limits = &s->config->limits;
	uint64_t depth = limits->requests;
	uint64_t fibers = 2 * limits->connections + limits->requests + FIBERS_OWN;
	struct reactor_options options = {
		.backend = (enum reactor_backend)s->config->io,
		.max_fibers = (unsigned int)min_u64(fibers, UINT32_MAX),
	};
	int err;

	depth = depth < QUEUE_MIN ? QUEUE_MIN : depth;
	options.queue_depth = (unsigned int)min_u64(depth, QUEUE_MAX);
	err = reactor_open(&options, &s->reactor);
	if (err)
		log_err("asynchronous I/O can't be set up: %s", strerror(-err));
	return err;
}

/* A file for each connection. */
static void serve_files(const struct config *cfg)
{
	rlim_t want = (rlim_t)cfg->limits.connections + FILES_OWN;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < want)
		log_warn("the system allows %" PRIu64 " open files, too few for limits.connections = %" PRIu64
			 "; raise the limit (systemd: LimitNOFILE) or lower the setting",
			 (uint64_t)limit.rlim_cur, cfg->limits.connections);
}

/* The journal of systemd takes levels; a terminal does not want them. */
static void serve_log(const struct config *cfg)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	log_set_level((enum log_level)cfg->log_level);
	if (stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0)
		log_set_prefix(st.st_dev == dev && st.st_ino == ino);
}

int serve_run(const struct config *cfg, bool discard_state)
{
	struct serve s = { .config = cfg, .discard_state = discard_state };
	struct signals *signals = NULL;
	int err;

	serve_log(cfg);
	if (cfg->nr_devices == 0) {
		log_err("no devices: name them in the configuration (devices) or on the command line");
		return CMD_FAILED;
	}
	signals_hold(serve_signals, ARRAY_SIZE(serve_signals));
	serve_files(cfg);
	wait_queue_init(&s.stopped);
	if (serve_reactor(&s))
		return CMD_FAILED;
	s.begin_ns = reactor_now_ns(s.reactor);
	err = signals_open(s.reactor, serve_signals, ARRAY_SIZE(serve_signals), serve_signal, &s, &signals);
	if (err)
		log_err("signals can't be waited for: %s", strerror(-err));
	else
		err = reactor_run(s.reactor, serve_main, &s);
	reactor_close(s.reactor);
	signals_close(signals);
	return err ? CMD_FAILED : CMD_OK;
}
