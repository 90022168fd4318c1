/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reserver of an NVMe namespace: commands through libnvme, in helper threads.  Promise: each command ends, by a
 * timeout if the device does not answer; what has become of it then, only reading back tells.
 */
#include <fcntl.h>
#include <libnvme.h>
#include <stdlib.h>
#include <unistd.h>

#include "dev/log.h"
#include "dev/reserver_int.h"
#include "dev/reserver_nvme.h"

#define TIMEOUT_MS 10000
#define WAIT_MS	   15000 /* drivers exist that hang all the same */

struct ns_port {
	struct nvme_port port;
	int fd;
	uint32_t nsid;
};

struct nvme_reserver {
	struct reserver_blocking base;
	int fd;
	uint32_t nsid;
};

static int ns_register(const struct ns_port *ns, const struct nvme_pr *cmd)
{
	struct nvme_resv_register_args args = {
		.crkey = cmd->current_key,
		.nrkey = cmd->other_key,
		.args_size = sizeof(args),
		.fd = ns->fd,
		.timeout = TIMEOUT_MS,
		.nsid = ns->nsid,
		.rrega = cmd->action,
		.cptpl = cmd->cptpl,
		.iekey = cmd->ignore_key,
	};

	return nvme_resv_register(&args);
}

static int ns_acquire(const struct ns_port *ns, const struct nvme_pr *cmd)
{
	struct nvme_resv_acquire_args args = {
		.crkey = cmd->current_key,
		.nrkey = cmd->other_key,
		.args_size = sizeof(args),
		.fd = ns->fd,
		.timeout = TIMEOUT_MS,
		.nsid = ns->nsid,
		.rtype = cmd->type,
		.racqa = cmd->action,
		.iekey = cmd->ignore_key,
	};

	return nvme_resv_acquire(&args);
}

static int ns_release(const struct ns_port *ns, const struct nvme_pr *cmd)
{
	struct nvme_resv_release_args args = {
		.crkey = cmd->current_key,
		.args_size = sizeof(args),
		.fd = ns->fd,
		.timeout = TIMEOUT_MS,
		.nsid = ns->nsid,
		.rtype = cmd->type,
		.rrela = cmd->action,
		.iekey = cmd->ignore_key,
	};

	return nvme_resv_release(&args);
}

static int ns_report(const struct ns_port *ns, const struct nvme_pr *cmd)
{
	struct nvme_resv_report_args args = {
		.report = (void *)cmd->buf,
		.args_size = sizeof(args),
		.fd = ns->fd,
		.timeout = TIMEOUT_MS,
		.nsid = ns->nsid,
		.len = cmd->len,
		.eds = cmd->extended,
	};

	return nvme_resv_report(&args);
}

static int ns_command(struct nvme_port *port, const struct nvme_pr *cmd)
{
	const struct ns_port *ns = container_of(port, struct ns_port, port);
	int status = -1;

	errno = EIO;
	switch (cmd->what) {
	case NVME_PR_REGISTER:
		status = ns_register(ns, cmd);
		break;
	case NVME_PR_ACQUIRE:
		status = ns_acquire(ns, cmd);
		break;
	case NVME_PR_RELEASE:
		status = ns_release(ns, cmd);
		break;
	case NVME_PR_REPORT:
		status = ns_report(ns, cmd);
		break;
	}
	if (status < 0)
		return errno > 0 ? -errno : -EIO;
	return status;
}

static int register_key(const struct reserver_blocking *b, struct nvme_port *port, uint64_t key)
{
	int err = nvme_pr_register(port, key);

	if (!err && port->forgets)
		log_warn("%s does not keep reservations through a loss of its power; after one, fenced clients can "
			 "reach it until Lamina has registered again",
			 b->res.name);
	return err;
}

static int nvme_run(const struct reserver_blocking *b, const struct reserver_command *cmd)
{
	const struct nvme_reserver *n = container_of(b, const struct nvme_reserver, base);
	struct ns_port ns = { .port.command = ns_command, .fd = n->fd, .nsid = n->nsid };

	switch (cmd->what) {
	case RESERVER_REGISTER:
		return register_key(b, &ns.port, cmd->key);
	case RESERVER_UNREGISTER:
		return nvme_pr_unregister(&ns.port, cmd->key);
	case RESERVER_RESERVE:
		return nvme_pr_reserve(&ns.port, cmd->key, cmd->type);
	case RESERVER_RELEASE:
		return nvme_pr_release(&ns.port, cmd->key, cmd->type);
	case RESERVER_PREEMPT:
		return nvme_pr_preempt(&ns.port, cmd->key, cmd->victim, cmd->type, cmd->abort);
	case RESERVER_VIEW:
		return nvme_pr_view(&ns.port, cmd->view);
	}
	return -EINVAL;
}

static void nvme_end(struct reserver_blocking *b)
{
	struct nvme_reserver *n = container_of(b, struct nvme_reserver, base);

	close(n->fd);
	free(n);
}

int reserver_nvme_open(struct reactor *r, int fd, const char *name, struct reserver **ret_res)
{
	struct nvme_reserver *n;
	uint32_t nsid;

	if (nvme_get_nsid(fd, &nsid) != 0)
		return -EOPNOTSUPP;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	/* Its own: a command that hangs may come back after the caller has closed his. */
	n->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (n->fd < 0) {
		int err = -errno;

		free(n);
		return err;
	}
	reserver_blocking_init(&n->base, r, name);
	n->base.run = nvme_run;
	n->base.end = nvme_end;
	n->base.wait_ms = WAIT_MS;
	n->base.res.may_be_keyless = true;
	n->nsid = nsid;
	*ret_res = &n->base.res;
	return 0;
}
