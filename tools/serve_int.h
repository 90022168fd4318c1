/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_SERVE_INT_H
#define LAMINA_TOOLS_SERVE_INT_H

/* What the files of `lamina serve` share. */

#include "dev/blkdev.h"
#include "dev/fiber_sync.h"
#include "dev/reactor.h"
#include "extent/format.h"
#include "extent/why.h"

struct config;
struct control_grow;
struct control_grown;
struct fs;
struct mds;
struct serve_sources;

/* What systemd is told, if it wants to know. */
struct notify {
	struct reactor *reactor;
	const struct mds *mds;
	struct reactor_timer timer;
	uint64_t every_ns; /* 0: nothing is told regularly */
	bool watchdog;
	char status[256]; /* as last told */
};

/* Ready: begin to tell how @mds is, until notify_stop(). */
void notify_start(struct notify *n, struct reactor *r, const struct mds *mds);
/* Harmless without notify_start(). */
void notify_stop(struct notify *n);

struct serve {
	const struct config *config;
	bool discard_state;
	uint64_t begin_ns;
	struct reactor *reactor;
	struct wait_queue stopped;
	bool stop; /* somebody wants us to end */
	/* Of the configuration, then those that were added: */
	struct blkdev *devs[VOLUME_DEVICES_MAX];
	char *paths[VOLUME_DEVICES_MAX];
	unsigned int nr_devs;
	bool growing;		       /* the next one is being looked at */
	struct serve_sources *sources; /* NULL: none yet */
	struct fs *fs;
	struct net *net;
	struct mds *mds;
	struct control *control; /* NULL: there is none */
	struct notify notify;
};

/* serve.c: @path as the device behind the others, which counts only when nr_devs is raised; the log says errors. */
FIBER_FN int serve_open_device(struct serve *s, const char *path, bool waits, struct why *why) MUST_CHECK;
void serve_close_device(struct serve *s, unsigned int index);

/* serve_grow.c: as in struct control_options; @arg is the struct serve. */
FIBER_FN int serve_grow(void *arg, const struct control_grow *ask, struct control_grown *ret_grown, struct why *why)
	MUST_CHECK;

/* The log's account of what is served now, and what was found. */
void report_start(const struct serve *s);

#endif
