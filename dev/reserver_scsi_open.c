/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reserver of a SCSI device: commands by SG_IO, in helper threads.  Promise: each command ends, by a timeout if
 * the device does not answer; what has become of it then, only reading back tells.
 *
 * A device of several paths passes SG_IO to one of them, whichever.  That does for all but registrations.
 */
#include <fcntl.h>
#include <linux/pr.h>
#include <scsi/sg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dev/log.h"
#include "dev/reserver_int.h"
#include "dev/reserver_scsi.h"

#define TIMEOUT_MS 10000
#define WAIT_MS	   15000 /* drivers exist that hang all the same */

struct sg_port {
	struct scsi_port port;
	int fd;
};

struct scsi_reserver {
	struct reserver_blocking base;
	int fd;
	bool all_paths;
};

static int sg_answer(const struct sg_io_hdr *hdr, unsigned int len, struct scsi_answer *ret_answer)
{
	/* Of the driver's only "there is sense data" is no failure. */
	if (hdr->host_status != 0 || (hdr->driver_status & 0xf & ~0x8) != 0)
		return -EIO;
	if (hdr->resid < 0 || (unsigned int)hdr->resid > len)
		return -EIO;
	ret_answer->status = hdr->status & 0x7e;
	ret_answer->got = len - (unsigned int)hdr->resid;
	ret_answer->sense_len = hdr->sb_len_wr;
	return 0;
}

static int sg_command(struct scsi_port *port, const uint8_t cdb[SCSI_PR_CDB_LEN], bool out, uint8_t *buf,
		      unsigned int len, struct scsi_answer *ret_answer)
{
	uint8_t command[SCSI_PR_CDB_LEN];
	struct sg_io_hdr hdr = {
		.interface_id = 'S',
		.dxfer_direction = out ? SG_DXFER_TO_DEV : SG_DXFER_FROM_DEV,
		.cmd_len = sizeof(command),
		.mx_sb_len = sizeof(ret_answer->sense),
		.dxfer_len = len,
		.dxferp = buf,
		.cmdp = command,
		.sbp = ret_answer->sense,
		.timeout = TIMEOUT_MS,
	};

	memcpy(command, cdb, sizeof(command));
	if (ioctl(container_of(port, struct sg_port, port)->fd, SG_IO, &hdr) != 0)
		return -errno;
	return sg_answer(&hdr, len, ret_answer);
}

/* The kernel's answer is an error, or the status of the path that failed. */
static int register_paths(int fd, uint64_t old, uint64_t key)
{
	struct pr_registration reg = { .old_key = old, .new_key = key, .flags = old ? 0 : PR_FL_IGNORE_KEY };
	int status = ioctl(fd, IOC_PR_REGISTER, &reg);

	if (status < 0)
		return -errno;
	if (status == SCSI_RESERVATION_CONFLICT)
		return -EBUSY;
	return status == 0 ? 0 : -EIO;
}

static int scsi_register(const struct scsi_reserver *s, struct scsi_port *port, uint64_t key)
{
	int err;

	if (s->all_paths)
		return register_paths(s->fd, 0, key);
	err = scsi_pr_register(port, key);
	if (!err && port->forgets)
		log_warn("%s does not keep reservations through a loss of its power; after one, fenced clients can "
			 "reach it until Lamina has registered again",
			 s->base.res.name);
	return err;
}

/* Who preempts himself loses the registrations of his other paths. */
static int scsi_preempt(const struct scsi_reserver *s, struct scsi_port *port, const struct reserver_command *cmd)
{
	int err = scsi_pr_preempt(port, cmd->key, cmd->victim, cmd->type, cmd->abort);

	return !err && s->all_paths && cmd->victim == cmd->key ? register_paths(s->fd, 0, cmd->key) : err;
}

static int scsi_run(const struct reserver_blocking *b, const struct reserver_command *cmd)
{
	const struct scsi_reserver *s = container_of(b, const struct scsi_reserver, base);
	struct sg_port sg = { .port.command = sg_command, .fd = s->fd };

	switch (cmd->what) {
	case RESERVER_REGISTER:
		return scsi_register(s, &sg.port, cmd->key);
	case RESERVER_UNREGISTER:
		return s->all_paths ? register_paths(s->fd, cmd->key, 0) : scsi_pr_unregister(&sg.port, cmd->key);
	case RESERVER_RESERVE:
		return scsi_pr_reserve(&sg.port, cmd->key, cmd->type);
	case RESERVER_RELEASE:
		return scsi_pr_release(&sg.port, cmd->key, cmd->type);
	case RESERVER_PREEMPT:
		return scsi_preempt(s, &sg.port, cmd);
	case RESERVER_VIEW:
		return scsi_pr_view(&sg.port, cmd->view);
	}
	return -EINVAL;
}

static void scsi_end(struct reserver_blocking *b)
{
	struct scsi_reserver *s = container_of(b, struct scsi_reserver, base);

	close(s->fd);
	free(s);
}

int reserver_scsi_open(struct reactor *r, int fd, bool all_paths, const char *name, struct reserver **ret_res)
{
	struct scsi_reserver *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	/* Its own: a command that hangs may come back after the caller has closed his. */
	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (s->fd < 0) {
		int err = -errno;

		free(s);
		return err;
	}
	reserver_blocking_init(&s->base, r, name);
	s->base.run = scsi_run;
	s->base.end = scsi_end;
	s->base.wait_ms = WAIT_MS;
	s->all_paths = all_paths;
	*ret_res = &s->base.res;
	return 0;
}
