/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SCSI reservations: which bytes are sent, and what the answers mean.  Promise: every byte of an answer is looked at
 * only inside of what came.
 *
 * References: SPC-4, 5.13 (persistent reservations), 6.16 (PERSISTENT RESERVE IN), 6.17 (OUT), 4.5 (sense data).
 */
#include "dev/reserver_scsi.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "dev/reserver_int.h"

#define PR_IN			       0x5e
#define PR_OUT			       0x5f

#define IN_READ_KEYS		       0
#define IN_READ_RESERVATION	       1
#define IN_READ_FULL_STATUS	       3

#define OUT_REGISTER		       0
#define OUT_RESERVE		       1
#define OUT_RELEASE		       2
#define OUT_PREEMPT		       4
#define OUT_PREEMPT_ABORT	       5
#define OUT_REGISTER_AND_IGNORE	       6

#define OUT_LEN			       24u
#define OUT_APTPL		       1u

#define IN_HEADER		       8u
#define IN_FIRST_LEN		       4096u
#define IN_LEN_MAX		       65528u /* what fits into the field */
#define FULL_DESCRIPTOR		       24u
#define RESERVATION_LEN		       16u

#define SENSE_NONE		       0x0
#define SENSE_RECOVERED		       0x1
#define SENSE_ILLEGAL_REQUEST	       0x5
#define SENSE_UNIT_ATTENTION	       0x6
#define SENSE_ABORTED		       0xb

#define ASC_INVALID_OPCODE	       0x20
#define ASC_INVALID_FIELD_IN_CDB       0x24
#define ASC_INSUFFICIENT_REGISTRATION  0x55
#define ASCQ_INSUFFICIENT_REGISTRATION 0x04

/* A unit attention for each thing that happened to the device may be waiting for us. */
#define TRIES_MAX 12
#define RETRY_MS  20

static uint32_t be16_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t be32_at(const uint8_t *p)
{
	return be16_at(p) << 16 | be16_at(p + 2);
}

static uint64_t be64_at(const uint8_t *p)
{
	return (uint64_t)be32_at(p) << 32 | be32_at(p + 4);
}

static void be64_put(uint8_t *p, uint64_t x)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(x >> (56 - 8 * i));
}

/* Answers */

struct sense {
	uint8_t key, asc, ascq;
};

/* Of fixed or descriptor format; all 0 if it is too short to say. */
static struct sense read_sense(const struct scsi_answer *a)
{
	unsigned int len = a->sense_len < SCSI_SENSE_MAX ? a->sense_len : SCSI_SENSE_MAX;
	const uint8_t *s = a->sense;
	struct sense sense = { 0xff, 0, 0 };
	uint8_t format = len > 0 ? s[0] & 0x7f : 0;

	if ((format == 0x72 || format == 0x73) && len >= 4)
		sense = (struct sense){ s[1] & 0xf, s[2], s[3] };
	else if ((format == 0x70 || format == 0x71) && len >= 3)
		sense = (struct sense){ s[2] & 0xf, len > 12 ? s[12] : 0, len > 13 ? s[13] : 0 };
	return sense;
}

static int sense_error(const struct scsi_answer *a)
{
	struct sense s = read_sense(a);

	switch (s.key) {
	case SENSE_NONE:
	case SENSE_RECOVERED:
		return 0;
	case SENSE_UNIT_ATTENTION:
	case SENSE_ABORTED:
		return -EAGAIN;
	case SENSE_ILLEGAL_REQUEST:
		if (s.asc == ASC_INSUFFICIENT_REGISTRATION && s.ascq == ASCQ_INSUFFICIENT_REGISTRATION)
			return -ENOSPC;
		return s.asc == ASC_INVALID_OPCODE || s.asc == ASC_INVALID_FIELD_IN_CDB ? -EOPNOTSUPP : -EINVAL;
	default:
		return -EIO;
	}
}

int scsi_answer_error(const struct scsi_answer *answer)
{
	switch (answer->status) {
	case SCSI_GOOD:
		return 0;
	case SCSI_CHECK_CONDITION:
		return sense_error(answer);
	case SCSI_RESERVATION_CONFLICT:
		return -EBUSY;
	case SCSI_BUSY:
	case SCSI_TASK_SET_FULL:
	case SCSI_TASK_ABORTED:
		return -EAGAIN;
	default:
		return -EIO;
	}
}

/* Send until it is answered for good. */
static int send(struct scsi_port *port, const uint8_t cdb[SCSI_PR_CDB_LEN], bool out, uint8_t *buf, unsigned int len,
		unsigned int *ret_got)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		struct scsi_answer a = { 0 };
		int err = port->command(port, cdb, out, buf, len, &a);

		if (!err)
			err = scsi_answer_error(&a);
		if (!err && ret_got)
			*ret_got = a.got < len ? a.got : len;
		if (err != -EAGAIN)
			return err;
		if (a.status != SCSI_CHECK_CONDITION)
			(void)poll(NULL, 0, RETRY_MS);
	}
	return -EIO;
}

/* Changes */

static int send_out(struct scsi_port *port, unsigned int action, unsigned int type, uint64_t key, uint64_t other,
		    bool aptpl)
{
	const uint8_t cdb[SCSI_PR_CDB_LEN] = { PR_OUT, (uint8_t)action, (uint8_t)type, [8] = OUT_LEN };
	uint8_t list[OUT_LEN] = { [20] = aptpl ? OUT_APTPL : 0 };

	be64_put(list, key);
	be64_put(list + 8, other);
	return send(port, cdb, true, list, sizeof(list), NULL);
}

static int not_supported(int err)
{
	return err == -EINVAL ? -EOPNOTSUPP : err;
}

static int send_register(struct scsi_port *port, unsigned int action, uint64_t key, uint64_t other)
{
	int err = send_out(port, action, 0, key, other, true);

	port->forgets = false;
	if (err != -EINVAL && err != -EOPNOTSUPP)
		return err;
	err = send_out(port, action, 0, key, other, false);
	port->forgets = err == 0;
	return not_supported(err);
}

int scsi_pr_register(struct scsi_port *port, uint64_t key)
{
	return send_register(port, OUT_REGISTER_AND_IGNORE, 0, key);
}

int scsi_pr_unregister(struct scsi_port *port, uint64_t key)
{
	return send_register(port, OUT_REGISTER, key, 0);
}

int scsi_pr_release(struct scsi_port *port, uint64_t key, enum reservation_type type)
{
	return send_out(port, OUT_RELEASE, type, key, 0, false);
}

int scsi_pr_preempt(struct scsi_port *port, uint64_t key, uint64_t victim, enum reservation_type type, bool abort)
{
	return not_supported(send_out(port, abort ? OUT_PREEMPT_ABORT : OUT_PREEMPT, type, key, victim, false));
}

/* Parsers */

/* The header of each answer: generation and length of the rest. */
static int read_header(const uint8_t *data, size_t len, uint32_t *ret_generation, size_t *ret_rest)
{
	if (len < IN_HEADER)
		return -EUCLEAN;
	*ret_generation = be32_at(data);
	*ret_rest = be32_at(data + 4);
	return *ret_rest > len - IN_HEADER ? -EMSGSIZE : 0;
}

/* Room for @nr keys. */
static int view_init(struct reserver_view *v, uint32_t generation, size_t nr)
{
	*v = (struct reserver_view){ .generation = generation };
	if (nr > RESERVER_KEYS_MAX)
		return -E2BIG;
	v->keys = calloc(nr ? nr : 1, sizeof(v->keys[0]));
	return v->keys ? 0 : -ENOMEM;
}

int scsi_parse_keys(const uint8_t *data, size_t len, struct reserver_view *ret_view)
{
	struct reserver_view v;
	uint32_t generation;
	size_t rest = 0;
	int err = read_header(data, len, &generation, &rest);

	if (err)
		return err;
	if (rest % 8 != 0)
		return -EUCLEAN;
	err = view_init(&v, generation, rest / 8);
	if (err)
		return err;
	for (; v.nr_keys < rest / 8; v.nr_keys++)
		v.keys[v.nr_keys].key = be64_at(data + IN_HEADER + (size_t)8 * v.nr_keys);
	*ret_view = v;
	return 0;
}

int scsi_parse_reservation(const uint8_t *data, size_t len, struct reserver_view *view)
{
	uint32_t generation;
	unsigned int type;
	size_t rest = 0;
	int err = read_header(data, len, &generation, &rest);

	if (err)
		return err == -EMSGSIZE ? -EUCLEAN : err;
	if (generation != view->generation)
		return -ESTALE;
	if (rest == 0)
		return 0;
	if (rest < RESERVATION_LEN)
		return -EUCLEAN;
	type = data[IN_HEADER + 13] & 0xf;
	if (!reservation_type_is_known(type))
		return -EUCLEAN;
	view->reserved = true;
	view->type = type;
	view->holder = reservation_of_all_registrants(type) ? 0 : be64_at(data + IN_HEADER);
	for (unsigned int i = 0; i < view->nr_keys; i++)
		view->keys[i].holder = reservation_of_all_registrants(type) || view->keys[i].key == view->holder;
	return 0;
}

/* The length of the descriptor that begins at @data; 0: it is broken. */
static size_t descriptor_len(const uint8_t *data, size_t len)
{
	uint32_t more;

	if (len < FULL_DESCRIPTOR)
		return 0;
	more = be32_at(data + 20);
	return more > len - FULL_DESCRIPTOR ? 0 : FULL_DESCRIPTOR + more;
}

/* What tells initiators apart stands at the end of a TransportID, before zeros that fill it up. */
static void copy_host(struct reserver_key *k, const uint8_t *id, size_t len)
{
	while (len > 0 && id[len - 1] == 0)
		len--;
	if (len > sizeof(k->host)) {
		id += len - sizeof(k->host);
		len = sizeof(k->host);
	}
	if (len > 0)
		memcpy(k->host, id, len);
	k->has_host = len > 0;
}

static int add_descriptor(struct reserver_view *v, const uint8_t *d, size_t len)
{
	struct reserver_key *k = &v->keys[v->nr_keys++];
	unsigned int type = d[13] & 0xf;

	k->key = be64_at(d);
	k->holder = d[12] & 1;
	copy_host(k, d + FULL_DESCRIPTOR, len - FULL_DESCRIPTOR);
	if (!k->holder)
		return 0;
	if (!reservation_type_is_known(type) || (v->reserved && v->type != type))
		return -EUCLEAN;
	v->reserved = true;
	v->type = type;
	v->holder = reservation_of_all_registrants(type) ? 0 : k->key;
	return 0;
}

int scsi_parse_full_status(const uint8_t *data, size_t len, struct reserver_view *ret_view)
{
	struct reserver_view v;
	uint32_t generation;
	size_t rest = 0, nr = 0;
	int err = read_header(data, len, &generation, &rest);

	if (err)
		return err;
	for (size_t at = 0, n; at < rest; at += n, nr++) {
		n = descriptor_len(data + IN_HEADER + at, rest - at);
		if (n == 0)
			return -EUCLEAN;
	}
	err = view_init(&v, generation, nr);
	for (size_t at = 0, n; !err && at < rest; at += n) {
		n = descriptor_len(data + IN_HEADER + at, rest - at);
		err = add_descriptor(&v, data + IN_HEADER + at, n);
	}
	if (err) {
		free(v.keys);
		return err;
	}
	*ret_view = v;
	return 0;
}

/* Reading back */

static int send_in(struct scsi_port *port, unsigned int action, uint8_t *buf, unsigned int len, unsigned int *ret_got)
{
	const uint8_t cdb[SCSI_PR_CDB_LEN] = { PR_IN,
					       (uint8_t)action, [7] = (uint8_t)(len >> 8), [8] = (uint8_t)len };

	return send(port, cdb, false, buf, len, ret_got);
}

typedef int (*parse_fn)(const uint8_t *data, size_t len, struct reserver_view *ret_view);

/* Ask for as much as most devices have to say, then for as much as can be asked for. */
static int read_in(struct scsi_port *port, unsigned int action, parse_fn parse, uint8_t *buf,
		   struct reserver_view *ret_view)
{
	unsigned int len = IN_FIRST_LEN;
	int err;

	for (;; len = IN_LEN_MAX) {
		unsigned int got = 0;

		err = send_in(port, action, buf, len, &got);
		if (err)
			return err;
		err = parse(buf, got, ret_view);
		if (err != -EMSGSIZE || len == IN_LEN_MAX)
			return err;
	}
}

/* Two commands, and nothing in between. */
static int read_keys_and_reservation(struct scsi_port *port, uint8_t *buf, struct reserver_view *ret_view)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		struct reserver_view v = { 0 };
		unsigned int got = 0;
		int err = read_in(port, IN_READ_KEYS, scsi_parse_keys, buf, &v);

		if (err)
			return err == -EMSGSIZE ? -E2BIG : err;
		err = send_in(port, IN_READ_RESERVATION, buf, IN_FIRST_LEN, &got);
		if (!err)
			err = scsi_parse_reservation(buf, got, &v);
		if (!err)
			*ret_view = v;
		else
			free(v.keys);
		if (err != -ESTALE)
			return err;
	}
	return -EIO;
}

int scsi_pr_view(struct scsi_port *port, struct reserver_view *ret_view)
{
	uint8_t *buf = calloc(1, IN_LEN_MAX);
	int err;

	if (!buf)
		return -ENOMEM;
	err = read_in(port, IN_READ_FULL_STATUS, scsi_parse_full_status, buf, ret_view);
	if (err == -EOPNOTSUPP || err == -EINVAL || err == -EMSGSIZE || err == -EUCLEAN)
		err = read_keys_and_reservation(port, buf, ret_view);
	free(buf);
	return not_supported(err);
}

/*
 * Whoever holds it with our key is us by another path, or before the last restart: a new session of the transport
 * makes a new initiator.
 */
static int is_held(struct scsi_port *port, uint64_t key, enum reservation_type type, bool *ret_held)
{
	struct reserver_view v;
	int err = scsi_pr_view(port, &v);

	if (err)
		return err;
	*ret_held =
		v.reserved && v.type == type && (v.holder == key || (v.holder == 0 && reserver_view_has(&v, key)));
	reserver_view_release(&v);
	return 0;
}

int scsi_pr_reserve(struct scsi_port *port, uint64_t key, enum reservation_type type)
{
	int err = send_out(port, OUT_RESERVE, type, key, 0, false);
	bool held = false;

	if (err == -EBUSY && is_held(port, key, type, &held) == 0 && held)
		return 0;
	return not_supported(err);
}
