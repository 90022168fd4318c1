/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of each device besides how to read it: its name at the target, and its reservations.  Promises: what
 * cannot be found out costs layouts, not the start; a device that an earlier server reserved can be read afterwards.
 */
#include "tools/serve_source.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev/log.h"
#include "dev/reactor.h"
#include "layout/device.h"
#include "layout/fence.h"
#include "mds/config.h"
#include "mds/layout.h"
#include "mds/mds.h"
#include "tools/serve_int.h"

#define EMULATED_HOST "server" /* one for all servers: they have the file one after the other */

struct serve_source {
	int fd; /* for reservations; -1: not open */
	struct identity identity;
};

struct ask {
	int fd;
	struct identity *identity;
};

/* In a helper thread: a bad path takes long. */
static int ask_identity(void *arg)
{
	struct ask *ask = arg;

	return identity_read(ask->fd, ask->identity);
}

static int open_reserver(struct serve *s, unsigned int i, struct serve_source *own, struct reserver **ret_res)
{
	const char *path = s->devs[i]->info.name;
	bool is_real = own->identity.kind == IDENTITY_SCSI || own->identity.kind == IDENTITY_NVME;

	/* A partition's reservations would be those of the whole disk. */
	if (is_real && !own->identity.is_partition)
		return reserver_open(s->reactor, own->fd, &own->identity, path, ret_res);
	if (own->identity.kind == IDENTITY_FILE && s->config->file_reservations)
		return reserver_file_open(s->reactor, path, EMULATED_HOST, ret_res);
	return -EOPNOTSUPP;
}

static FIBER_FN void source_open(struct serve *s, unsigned int i, bool is_next)
{
	struct serve_source *own = &s->sources->own[i];
	struct layout_source *source = &s->sources->v[i];
	const char *path = s->paths[i];
	struct ask ask = { .identity = &own->identity };
	int err;

	source->dev = s->devs[i];
	own->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	ask.fd = own->fd;
	err = own->fd < 0 ? -errno : reactor_call(s->reactor, ask_identity, &ask);
	if (err) {
		log_warn("device %s: what it is cannot be found out: %s", path, strerror(-err));
		return;
	}
	source->identity = &own->identity;
	err = open_reserver(s, i, own, &source->reserver);
	/* Another volume's server must not be joined by mistake. */
	if (!err && is_next)
		err = fence_rejoin_own(s->mds->layouts->fence, source->reserver);
	else if (!err)
		err = fence_rejoin(source->reserver);
	if (err && err != -EOPNOTSUPP)
		log_warn("device %s: its reservations cannot be used: %s", path, strerror(-err));
}

FIBER_FN int sources_open(struct serve *s)
{
	s->sources = calloc(1, sizeof(*s->sources));
	if (!s->sources)
		return -ENOMEM;
	s->sources->own = calloc(VOLUME_DEVICES_MAX, sizeof(*s->sources->own));
	if (!s->sources->own) {
		free(s->sources);
		s->sources = NULL;
		return -ENOMEM;
	}
	s->sources->nr = s->nr_devs;
	for (unsigned int i = 0; i < VOLUME_DEVICES_MAX; i++)
		s->sources->own[i].fd = -1;
	for (unsigned int i = 0; i < s->nr_devs; i++)
		source_open(s, i, false);
	return 0;
}

FIBER_FN void source_open_next(struct serve *s, unsigned int index)
{
	source_open(s, index, true);
}

void source_close(struct serve *s, unsigned int index)
{
	struct serve_source *own = &s->sources->own[index];

	reserver_close(s->sources->v[index].reserver);
	if (own->fd >= 0)
		close(own->fd);
	s->sources->v[index] = (struct layout_source){ 0 };
	*own = (struct serve_source){ .fd = -1 };
}

void sources_close(struct serve *s)
{
	struct serve_sources *sources = s->sources;

	if (!sources)
		return;
	for (unsigned int i = 0; i < sources->nr; i++)
		source_close(s, i);
	free(sources->own);
	free(sources);
	s->sources = NULL;
}
