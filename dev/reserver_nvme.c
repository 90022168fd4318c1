/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVMe reservations: which commands are sent, and what the answers mean.  Promise: every byte of an answer is looked
 * at only inside of what came.
 */
#include "dev/reserver_nvme.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "dev/reserver_int.h"

#define RREGA_REGISTER	    0
#define RREGA_UNREGISTER    1
#define RREGA_REPLACE	    2
#define RACQA_ACQUIRE	    0
#define RACQA_PREEMPT	    1
#define RACQA_PREEMPT_ABORT 2
#define RRELA_RELEASE	    0
#define CPTPL_NO_CHANGE	    0
#define CPTPL_PERSIST	    3

#define STATUS_MASK	    0x7ffu /* code and its type */
#define STATUS_OPCODE	    0x001u
#define STATUS_FIELD	    0x002u
#define STATUS_HOST_FORMAT  0x018u /* the other format of the report, please */
#define STATUS_INTERRUPTED  0x021u
#define STATUS_NOT_READY    0x082u
#define STATUS_CONFLICT	    0x083u
#define STATUS_TYPE_PATH    0x300u
#define STATUS_TYPE_MASK    0x700u

#define REPORT_HEADER	    24u
#define REPORT_HEADER_EXT   64u
#define REPORT_ENTRY	    24u
#define REPORT_ENTRY_EXT    64u
#define REPORT_FIRST_LEN    4096u
#define REPORT_LEN_MAX	    (REPORT_HEADER_EXT + RESERVER_KEYS_MAX * REPORT_ENTRY_EXT)

#define TRIES_MAX	    8
#define RETRY_MS	    20

static uint64_t le_at(const uint8_t *p, unsigned int bytes)
{
	uint64_t x = 0;

	while (bytes-- > 0)
		x = x << 8 | p[bytes];
	return x;
}

/* SCSI's 5 to 8 are NVMe's 3 to 6. */
unsigned int nvme_type_of(enum reservation_type type)
{
	static const uint8_t types[] = { 0, 1, 0, 2, 0, 3, 4, 5, 6 };

	return (unsigned int)type < sizeof(types) ? types[type] : 0;
}

enum reservation_type nvme_type_to(unsigned int rtype)
{
	static const uint8_t types[] = { 0, 1, 3, 5, 6, 7, 8 };

	return rtype < sizeof(types) ? types[rtype] : 0;
}

int nvme_status_error(unsigned int status)
{
	switch (status & STATUS_MASK) {
	case 0:
		return 0;
	case STATUS_CONFLICT:
		return -EBUSY;
	case STATUS_OPCODE:
		return -EOPNOTSUPP;
	case STATUS_FIELD:
	case STATUS_HOST_FORMAT:
		return -EINVAL;
	case STATUS_INTERRUPTED:
	case STATUS_NOT_READY:
		return -EAGAIN;
	default:
		return (status & STATUS_TYPE_MASK) == STATUS_TYPE_PATH ? -EAGAIN : -EIO;
	}
}

/* Send until it is answered for good. */
static int send(struct nvme_port *port, const struct nvme_pr *cmd)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		int err = port->command(port, cmd);

		if (err > 0)
			err = nvme_status_error((unsigned int)err);
		if (err != -EAGAIN)
			return err;
		(void)poll(NULL, 0, RETRY_MS);
	}
	return -EIO;
}

static int not_supported(int err)
{
	return err == -EINVAL ? -EOPNOTSUPP : err;
}

/* Changes */

static int send_register(struct nvme_port *port, unsigned int action, uint64_t key)
{
	struct nvme_pr cmd = {
		.what = NVME_PR_REGISTER,
		.action = action,
		.ignore_key = true,
		.cptpl = CPTPL_PERSIST,
		.other_key = key,
	};
	int err = send(port, &cmd);

	port->forgets = false;
	if (err != -EINVAL && err != -EOPNOTSUPP)
		return err;
	cmd.cptpl = CPTPL_NO_CHANGE;
	err = send(port, &cmd);
	port->forgets = err == 0;
	return err;
}

/* Who is registered with another key may not register, whatever IEKEY says, but may replace it. */
int nvme_pr_register(struct nvme_port *port, uint64_t key)
{
	int err = send_register(port, RREGA_REGISTER, key);

	if (err == -EBUSY)
		err = send_register(port, RREGA_REPLACE, key);
	return not_supported(err);
}

int nvme_pr_unregister(struct nvme_port *port, uint64_t key)
{
	struct nvme_pr cmd = { .what = NVME_PR_REGISTER, .action = RREGA_UNREGISTER, .current_key = key };

	return not_supported(send(port, &cmd));
}

static int send_acquire(struct nvme_port *port, unsigned int action, uint64_t key, uint64_t other,
			enum reservation_type type)
{
	struct nvme_pr cmd = {
		.what = NVME_PR_ACQUIRE,
		.action = action,
		.type = nvme_type_of(type),
		.current_key = key,
		.other_key = other,
	};

	return not_supported(send(port, &cmd));
}

int nvme_pr_reserve(struct nvme_port *port, uint64_t key, enum reservation_type type)
{
	return send_acquire(port, RACQA_ACQUIRE, key, 0, type);
}

int nvme_pr_release(struct nvme_port *port, uint64_t key, enum reservation_type type)
{
	struct nvme_pr cmd = {
		.what = NVME_PR_RELEASE,
		.action = RRELA_RELEASE,
		.type = nvme_type_of(type),
		.current_key = key,
	};

	return send(port, &cmd);
}

int nvme_pr_preempt(struct nvme_port *port, uint64_t key, uint64_t victim, enum reservation_type type, bool abort)
{
	return send_acquire(port, abort ? RACQA_PREEMPT_ABORT : RACQA_PREEMPT, key, victim, type);
}

/* Reading back */

static void parse_entry(const uint8_t *e, bool extended, struct reserver_key *k)
{
	k->holder = e[2] & 1;
	k->key = le_at(e + (extended ? 8 : 16), 8);
	memcpy(k->host, e + (extended ? 16 : 8), extended ? 16 : 8);
	k->has_host = true;
}

static int parse_type(unsigned int rtype, struct reserver_view *v)
{
	if (rtype == 0)
		return 0;
	v->type = nvme_type_to(rtype);
	if (!reservation_type_is_known(v->type))
		return -EUCLEAN;
	v->reserved = true;
	return 0;
}

static void find_holder(struct reserver_view *v)
{
	bool all = reservation_of_all_registrants(v->type);

	for (unsigned int i = 0; i < v->nr_keys; i++) {
		struct reserver_key *k = &v->keys[i];

		k->holder = v->reserved && (all || k->holder);
		if (k->holder && !all)
			v->holder = k->key;
	}
}

int nvme_parse_report(const uint8_t *data, size_t len, bool extended, struct reserver_view *ret_view)
{
	size_t header = extended ? REPORT_HEADER_EXT : REPORT_HEADER;
	size_t entry = extended ? REPORT_ENTRY_EXT : REPORT_ENTRY;
	struct reserver_view v = { 0 };
	unsigned int nr;
	int err;

	if (len < header)
		return -EUCLEAN;
	v.generation = (uint32_t)le_at(data, 4);
	nr = (unsigned int)le_at(data + 5, 2);
	err = parse_type(data[4], &v);
	if (err)
		return err;
	if (nr > RESERVER_KEYS_MAX)
		return -E2BIG;
	if (nr > (len - header) / entry)
		return -EMSGSIZE;
	v.keys = calloc(nr ? nr : 1, sizeof(v.keys[0]));
	if (!v.keys)
		return -ENOMEM;
	for (; v.nr_keys < nr; v.nr_keys++)
		parse_entry(data + header + v.nr_keys * entry, extended, &v.keys[v.nr_keys]);
	find_holder(&v);
	*ret_view = v;
	return 0;
}

static int read_report_of(struct nvme_port *port, uint32_t len, bool extended, struct reserver_view *ret_view)
{
	struct nvme_pr cmd = { .what = NVME_PR_REPORT, .extended = extended, .len = len };
	int err;

	cmd.buf = aligned_alloc(4096, (len + 4095) / 4096 * 4096);
	if (!cmd.buf)
		return -ENOMEM;
	memset(cmd.buf, 0, len);
	err = send(port, &cmd);
	if (!err)
		err = nvme_parse_report(cmd.buf, len, extended, ret_view);
	free(cmd.buf);
	return err;
}

/* Ask for as much as most devices have to say, and then for more: a device may not take the largest length. */
static int read_report(struct nvme_port *port, bool extended, struct reserver_view *ret_view)
{
	for (uint32_t len = REPORT_FIRST_LEN;; len *= 4) {
		uint32_t ask = (uint32_t)min_u64(len, REPORT_LEN_MAX);
		int err = read_report_of(port, ask, extended, ret_view);

		if (err != -EMSGSIZE)
			return err;
		if (ask == REPORT_LEN_MAX)
			return -E2BIG;
	}
}

int nvme_pr_view(struct nvme_port *port, struct reserver_view *ret_view)
{
	int err = read_report(port, true, ret_view);

	if (err == -EINVAL || err == -EOPNOTSUPP)
		err = read_report(port, false, ret_view);
	return not_supported(err);
}
