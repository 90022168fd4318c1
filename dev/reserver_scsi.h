/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_RESERVER_SCSI_H
#define LAMINA_DEV_RESERVER_SCSI_H

/*
 * Persistent reservations by SCSI commands (SPC-4, 6.16 and 6.17), over any way to send them, so that a test can be
 * the target.  All of it blocks.  The parsers are pure functions over bytes that a device sent: any bytes are fine.
 */

#include "dev/reserver.h"

#define SCSI_SENSE_MAX		  64u
#define SCSI_PR_CDB_LEN		  10u

#define SCSI_GOOD		  0x00
#define SCSI_CHECK_CONDITION	  0x02
#define SCSI_BUSY		  0x08
#define SCSI_RESERVATION_CONFLICT 0x18
#define SCSI_TASK_SET_FULL	  0x28
#define SCSI_TASK_ABORTED	  0x40

struct scsi_answer {
	uint8_t status;
	unsigned int got; /* bytes of data that came */
	unsigned int sense_len;
	uint8_t sense[SCSI_SENSE_MAX];
};

struct scsi_port {
	/* Send @cdb with @len bytes to the device (@out) or from it.  0: there is an answer; else negative errno. */
	int (*command)(struct scsi_port *port, const uint8_t cdb[SCSI_PR_CDB_LEN], bool out, uint8_t *buf,
		       unsigned int len, struct scsi_answer *ret_answer);
	bool forgets; /* the last registration was refused with APTPL, and made without */
};

/* What these return is told in dev/reserver.h; also -EUCLEAN: what the device answers can't be understood. */
int scsi_pr_register(struct scsi_port *port, uint64_t key) MUST_CHECK;
int scsi_pr_unregister(struct scsi_port *port, uint64_t key) MUST_CHECK;
int scsi_pr_reserve(struct scsi_port *port, uint64_t key, enum reservation_type type) MUST_CHECK;
int scsi_pr_release(struct scsi_port *port, uint64_t key, enum reservation_type type) MUST_CHECK;
int scsi_pr_preempt(struct scsi_port *port, uint64_t key, uint64_t victim, enum reservation_type type, bool abort)
	MUST_CHECK;
int scsi_pr_view(struct scsi_port *port, struct reserver_view *ret_view) MUST_CHECK;

/*
 * What @answer means: 0; -EBUSY (reservation conflict); -EAGAIN: not done, send it again; -EINVAL, -EOPNOTSUPP: it
 * does not like or know the command; -ENOSPC: no room for one more registration; -EIO.
 */
int scsi_answer_error(const struct scsi_answer *answer) MUST_CHECK;

/*
 * Answers to PERSISTENT RESERVE IN.  -EUCLEAN: it is none; -EMSGSIZE: there is more than these @len bytes; -E2BIG;
 * -ENOMEM.
 */
int scsi_parse_full_status(const uint8_t *data, size_t len, struct reserver_view *ret_view) MUST_CHECK;
/* Keys only. */
int scsi_parse_keys(const uint8_t *data, size_t len, struct reserver_view *ret_view) MUST_CHECK;
/* Adds the reservation to a view of keys.  -ESTALE: its generation is another. */
int scsi_parse_reservation(const uint8_t *data, size_t len, struct reserver_view *view) MUST_CHECK;

/*
 * The real device.  @all_paths: it is one of the device mapper's, over several paths, each of which is an initiator
 * of its own; keys are then registered through the kernel, which does it on every path.
 */
int reserver_scsi_open(struct reactor *r, int fd, bool all_paths, const char *name, struct reserver **ret_res)
	MUST_CHECK;

#endif
