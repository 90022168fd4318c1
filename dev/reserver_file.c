/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reserver of a plain file.  Promise: a command has changed the file's reservations in one step when it returns,
 * or not at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/reserver_int.h"
#include "dev/reserver_sidecar.h"

struct file_reserver {
	struct reserver_blocking base;
	char host[SIDECAR_HOST_LEN];
	char path[];
};

/* What a victim has under way holds the file shared, so it is over when this comes in: with abort or without. */
static int change(struct sidecar *side, const char *host, const struct reserver_command *cmd)
{
	switch (cmd->what) {
	case RESERVER_REGISTER:
		return sidecar_register(side, host, cmd->key);
	case RESERVER_UNREGISTER:
		return sidecar_unregister(side, host, cmd->key);
	case RESERVER_RESERVE:
		return sidecar_reserve(side, host, cmd->key, cmd->type);
	case RESERVER_RELEASE:
		return sidecar_release(side, host, cmd->key, cmd->type);
	case RESERVER_PREEMPT:
		return sidecar_preempt(side, host, cmd->key, cmd->victim, cmd->type);
	default:
		return -EINVAL;
	}
}

static int fill_view(const struct sidecar *side, struct reserver_view *ret_view)
{
	struct reserver_view v = { .generation = side->generation, .reserved = side->reserved, .nr_keys = side->nr };

	v.keys = calloc(side->nr ? side->nr : 1, sizeof(v.keys[0]));
	if (!v.keys)
		return -ENOMEM;
	if (side->reserved) {
		v.type = side->type;
		v.holder = side->holder < side->nr ? side->hosts[side->holder].key : 0;
	}
	for (uint32_t i = 0; i < side->nr; i++) {
		v.keys[i].key = side->hosts[i].key;
		v.keys[i].holder = sidecar_holds(side, i);
		v.keys[i].has_host = true;
		memcpy(v.keys[i].host, side->hosts[i].name, sizeof(v.keys[i].host));
	}
	*ret_view = v;
	return 0;
}

static int file_run(const struct reserver_blocking *b, const struct reserver_command *cmd)
{
	const struct file_reserver *f = container_of(b, const struct file_reserver, base);
	bool look = cmd->what == RESERVER_VIEW;
	struct sidecar side;
	int fd = -1;
	int err = sidecar_open(f->path, look ? SIDECAR_SHARED : SIDECAR_ALONE, &fd, &side);

	if (err)
		return err;
	err = look ? fill_view(&side, cmd->view) : change(&side, f->host, cmd);
	if (!err && !look)
		err = sidecar_store(fd, &side);
	close(fd);
	return err;
}

static void file_end(struct reserver_blocking *b)
{
	free(container_of(b, struct file_reserver, base));
}

static int make_sidecar(const char *path)
{
	struct sidecar side;
	struct stat st;
	int fd = -1, err;

	if (stat(path, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EOPNOTSUPP;
	err = sidecar_open(path, SIDECAR_MAKE, &fd, &side);
	if (!err)
		close(fd);
	return err;
}

int reserver_file_open(struct reactor *r, const char *path, const char *host, struct reserver **ret_res)
{
	struct file_reserver *f;
	int err;

	if (!sidecar_name_is_good(host))
		return -EINVAL;
	err = make_sidecar(path);
	if (err)
		return err;
	f = calloc(1, sizeof(*f) + strlen(path) + 1);
	if (!f)
		return -ENOMEM;
	reserver_blocking_init(&f->base, r, path);
	f->base.run = file_run;
	f->base.end = file_end;
	f->base.res.is_emulated = true;
	f->base.res.types = RESERVATION_REGISTRANTS_ONLY | RESERVATION_BIT(RESERVATION_WRITE_EXCLUSIVE) |
			    RESERVATION_BIT(RESERVATION_EXCLUSIVE_ACCESS) |
			    RESERVATION_BIT(RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS) |
			    RESERVATION_BIT(RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS);
	snprintf(f->host, sizeof(f->host), "%s", host);
	memcpy(f->path, path, strlen(path) + 1);
	*ret_res = &f->base.res;
	return 0;
}
