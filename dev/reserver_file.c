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

#include "dev/reactor.h"
#include "dev/reserver.h"
#include "dev/reserver_sidecar.h"

struct file_reserver {
	struct reserver res;
	char host[SIDECAR_HOST_LEN];
	char path[];
};

enum file_command {
	FILE_REGISTER,
	FILE_UNREGISTER,
	FILE_RESERVE,
	FILE_PREEMPT,
};

/* A command, for a helper thread. */
struct file_call {
	const struct file_reserver *file;
	enum file_command command;
	uint64_t key, victim;
	enum reservation_type type;
	struct reserver_view *view;
};

static const struct file_reserver *to_file(struct reserver *res)
{
	return container_of(res, struct file_reserver, res);
}

static int change(const struct file_call *c, struct sidecar *side)
{
	const char *host = c->file->host;

	switch (c->command) {
	case FILE_REGISTER:
		return sidecar_register(side, host, c->key);
	case FILE_UNREGISTER:
		return sidecar_unregister(side, host, c->key);
	case FILE_RESERVE:
		return sidecar_reserve(side, host, c->key, c->type);
	case FILE_PREEMPT:
		return sidecar_preempt(side, host, c->key, c->victim, c->type);
	}
	return -EINVAL;
}

static int run_change(void *arg)
{
	const struct file_call *c = arg;
	struct sidecar side;
	int fd = -1;
	int err = sidecar_open(c->file->path, SIDECAR_ALONE, &fd, &side);

	if (err)
		return err;
	err = change(c, &side);
	if (!err)
		err = sidecar_store(fd, &side);
	close(fd);
	return err;
}

static FIBER_FN int file_enlist(struct reserver *res, uint64_t key)
{
	struct file_call c = { .file = to_file(res), .command = FILE_REGISTER, .key = key };

	return reactor_call(res->reactor, run_change, &c);
}

static FIBER_FN int file_resign(struct reserver *res, uint64_t key)
{
	struct file_call c = { .file = to_file(res), .command = FILE_UNREGISTER, .key = key };

	return reactor_call(res->reactor, run_change, &c);
}

static FIBER_FN int file_reserve(struct reserver *res, uint64_t key, enum reservation_type type)
{
	struct file_call c = { .file = to_file(res), .command = FILE_RESERVE, .key = key, .type = type };

	return reactor_call(res->reactor, run_change, &c);
}

/* What the victim has under way holds the file shared, so it is over when this comes in: with abort or without. */
static FIBER_FN int file_preempt(struct reserver *res, uint64_t key, uint64_t victim, enum reservation_type type,
				 bool abort)
{
	struct file_call c = {
		.file = to_file(res), .command = FILE_PREEMPT, .key = key, .victim = victim, .type = type
	};

	return reactor_call(res->reactor, run_change, &c);
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

static int run_view(void *arg)
{
	const struct file_call *c = arg;
	struct sidecar side;
	int fd = -1;
	int err = sidecar_open(c->file->path, SIDECAR_SHARED, &fd, &side);

	if (err)
		return err;
	close(fd);
	return fill_view(&side, c->view);
}

static FIBER_FN int file_view(struct reserver *res, struct reserver_view *ret_view)
{
	struct file_call c = { .file = to_file(res), .view = ret_view };

	return reactor_call(res->reactor, run_view, &c);
}

static void file_shut(struct reserver *res)
{
	free(container_of(res, struct file_reserver, res));
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
	static const struct reserver_ops ops = {
		.enlist = file_enlist,
		.resign = file_resign,
		.reserve = file_reserve,
		.preempt = file_preempt,
		.view = file_view,
		.shut = file_shut,
	};
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
	f->res = (struct reserver){ .ops = &ops, .reactor = r, .is_emulated = true };
	f->res.types = RESERVATION_REGISTRANTS_ONLY | RESERVATION_BIT(RESERVATION_WRITE_EXCLUSIVE) |
		       RESERVATION_BIT(RESERVATION_EXCLUSIVE_ACCESS) |
		       RESERVATION_BIT(RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS) |
		       RESERVATION_BIT(RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS);
	snprintf(f->res.name, sizeof(f->res.name), "%s", path);
	snprintf(f->host, sizeof(f->host), "%s", host);
	memcpy(f->path, path, strlen(path) + 1);
	*ret_res = &f->res;
	return 0;
}
