/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_RESERVER_NVME_H
#define LAMINA_DEV_RESERVER_NVME_H

/*
 * NVMe reservations (base specification 2.0, 7.2 to 7.5 and 8.19), over any way to send the commands, so that a test
 * can be the target.  All of it blocks.  The parser is a pure function over bytes that a device sent: any bytes are
 * fine.
 *
 * A registration is a host's (by its host identifier), whatever path it came by; the report has an entry for each of
 * its controllers.  An entry with key 0 is a host that gave up its key and is registered all the same: Linux targets
 * leave that behind where a Linux client unregisters.
 */

#include "dev/reserver.h"

enum nvme_pr_what {
	NVME_PR_REGISTER,
	NVME_PR_ACQUIRE,
	NVME_PR_RELEASE,
	NVME_PR_REPORT,
};

/* Numbers as on the wire. */
struct nvme_pr {
	enum nvme_pr_what what;
	unsigned int action; /* RREGA, RACQA, RRELA */
	bool ignore_key;     /* IEKEY */
	unsigned int cptpl;
	unsigned int type; /* RTYPE */
	uint64_t current_key, other_key;
	bool extended; /* EDS */
	uint8_t *buf;  /* of a report; aligned to 8 */
	uint32_t len;  /* bytes, a multiple of 4 */
};

struct nvme_port {
	/* 0; > 0: the status field of the completion; or negative errno. */
	int (*command)(struct nvme_port *port, const struct nvme_pr *cmd);
	bool forgets; /* the last registration was refused with persistence, and made without */
};

/* What these return is told in dev/reserver.h; also -EUCLEAN: what the device answers can't be understood. */
int nvme_pr_register(struct nvme_port *port, uint64_t key) MUST_CHECK;
int nvme_pr_unregister(struct nvme_port *port, uint64_t key) MUST_CHECK;
int nvme_pr_reserve(struct nvme_port *port, uint64_t key, enum reservation_type type) MUST_CHECK;
int nvme_pr_release(struct nvme_port *port, uint64_t key, enum reservation_type type) MUST_CHECK;
int nvme_pr_preempt(struct nvme_port *port, uint64_t key, uint64_t victim, enum reservation_type type, bool abort)
	MUST_CHECK;
int nvme_pr_view(struct nvme_port *port, struct reserver_view *ret_view) MUST_CHECK;

/* RTYPE of @type, and back; 0: there is none. */
unsigned int nvme_type_of(enum reservation_type type);
enum reservation_type nvme_type_to(unsigned int rtype);

/*
 * What the status field @status of a completion means: 0; -EBUSY (reservation conflict); -EAGAIN: send it again;
 * -EINVAL, -EOPNOTSUPP: it does not like or know the command; -EIO.
 */
int nvme_status_error(unsigned int status) MUST_CHECK;

/*
 * Reservation Status data of either format.  -EUCLEAN: it is none; -EMSGSIZE: there is more than these @len bytes;
 * -E2BIG; -ENOMEM.
 */
int nvme_parse_report(const uint8_t *data, size_t len, bool extended, struct reserver_view *ret_view) MUST_CHECK;

/* The real device. */
int reserver_nvme_open(struct reactor *r, int fd, const char *name, struct reserver **ret_res) MUST_CHECK;

#endif
