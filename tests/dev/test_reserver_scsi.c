/* SPDX-License-Identifier: Apache-2.0 */
/* SCSI reservations: the bytes of SPC-4's tables, and a device that answers as it was told to. */
#include "dev/reserver_scsi.h"

#include <fcntl.h>
#include <linux/pr.h>
#include <scsi/sg.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/log.h"
#include "dev/reactor.h"

#define EARO RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY
#define KEY  0x0102030405060708ull

/* A device that has its answers ready. */
struct line {
	int err; /* instead of an answer */
	struct scsi_answer answer;
	const uint8_t *data; /* answer.got bytes */
};

struct script {
	struct scsi_port port;
	struct line line[32];
	unsigned int nr, said;
	uint8_t cdb[32][SCSI_PR_CDB_LEN]; /* as it was asked */
	uint8_t list[32][24];
	unsigned int len[32];
};

static int script_command(struct scsi_port *port, const uint8_t cdb[SCSI_PR_CDB_LEN], bool out, uint8_t *buf,
			  unsigned int len, struct scsi_answer *ret_answer)
{
	struct script *s = container_of(port, struct script, port);
	const struct line *l = &s->line[s->said];

	assert_true(s->said < s->nr);
	assert_int_equal(out, cdb[0] == 0x5f);
	memcpy(s->cdb[s->said], cdb, SCSI_PR_CDB_LEN);
	s->len[s->said] = len;
	if (out)
		memcpy(s->list[s->said], buf, 24);
	s->said++;
	if (l->err)
		return l->err;
	*ret_answer = l->answer;
	if (l->data)
		memcpy(buf, l->data, len < l->answer.got ? len : l->answer.got);
	return 0;
}

static void script_init(struct script *s)
{
	*s = (struct script){ .port.command = script_command };
}

static void say(struct script *s, uint8_t status)
{
	s->line[s->nr++].answer.status = status;
}

/* Fixed format: SPC-4, table 49. */
static void say_sense(struct script *s, uint8_t key, uint8_t asc, uint8_t ascq)
{
	const uint8_t sense[18] = { 0x70, 0, key, [7] = 10, [12] = asc, [13] = ascq };
	struct line *l = &s->line[s->nr++];

	l->answer = (struct scsi_answer){ .status = SCSI_CHECK_CONDITION, .sense_len = sizeof(sense) };
	memcpy(l->answer.sense, sense, sizeof(sense));
}

static void say_data(struct script *s, const uint8_t *data, unsigned int len)
{
	s->line[s->nr].answer.got = len;
	s->line[s->nr++].data = data;
}

static void say_error(struct script *s, int err)
{
	s->line[s->nr++].err = err;
}

static void assert_asked(const struct script *s, unsigned int i, uint8_t action, uint8_t type, uint64_t key,
			 uint64_t other, uint8_t flags)
{
	const uint8_t cdb[SCSI_PR_CDB_LEN] = { 0x5f, action, type, 0, 0, 0, 0, 0, 24, 0 };
	uint8_t list[24] = { [20] = flags };

	for (int b = 0; b < 8; b++) {
		list[b] = (uint8_t)(key >> (56 - 8 * b));
		list[8 + b] = (uint8_t)(other >> (56 - 8 * b));
	}
	assert_true(i < s->said);
	assert_memory_equal(s->cdb[i], cdb, sizeof(cdb));
	assert_memory_equal(s->list[i], list, sizeof(list));
}

static void test_commands(void **state)
{
	struct script s;

	script_init(&s);
	for (int i = 0; i < 6; i++)
		say(&s, SCSI_GOOD);
	assert_int_equal(scsi_pr_register(&s.port, KEY), 0);
	assert_false(s.port.forgets);
	assert_int_equal(scsi_pr_unregister(&s.port, KEY), 0);
	assert_int_equal(scsi_pr_reserve(&s.port, KEY, EARO), 0);
	assert_int_equal(scsi_pr_preempt(&s.port, KEY, KEY + 1, EARO, false), 0);
	assert_int_equal(scsi_pr_preempt(&s.port, KEY, KEY + 1, EARO, true), 0);
	assert_asked(&s, 0, 6, 0, 0, KEY, 1);
	assert_asked(&s, 1, 0, 0, KEY, 0, 1);
	assert_asked(&s, 2, 1, 6, KEY, 0, 0);
	assert_asked(&s, 3, 4, 6, KEY, KEY + 1, 0);
	assert_asked(&s, 4, 5, 6, KEY, KEY + 1, 0);
	assert_int_equal(scsi_pr_release(&s.port, KEY, EARO), 0);
	assert_asked(&s, 5, 2, 6, KEY, 0, 0);
}

static void test_without_aptpl(void **state)
{
	struct script s;

	script_init(&s);
	say_sense(&s, 5, 0x26, 0);
	say(&s, SCSI_GOOD);
	assert_int_equal(scsi_pr_register(&s.port, KEY), 0);
	assert_true(s.port.forgets);
	assert_asked(&s, 0, 6, 0, 0, KEY, 1);
	assert_asked(&s, 1, 6, 0, 0, KEY, 0);
	/* None at all. */
	script_init(&s);
	say_sense(&s, 5, 0x20, 0);
	say_sense(&s, 5, 0x20, 0);
	assert_int_equal(scsi_pr_register(&s.port, KEY), -EOPNOTSUPP);
	assert_false(s.port.forgets);
}

static int preempt_after(struct script *s)
{
	return scsi_pr_preempt(&s->port, KEY, KEY + 1, EARO, true);
}

static void test_errors(void **state)
{
	struct script s;

	script_init(&s);
	say(&s, SCSI_RESERVATION_CONFLICT);
	say_sense(&s, 4, 0x44, 0); /* hardware error */
	say_sense(&s, 5, 0x55, 4);
	say_sense(&s, 5, 0x26, 0);
	say_sense(&s, 5, 0x24, 0);
	say_error(&s, -EIO);
	say_error(&s, -EPERM);
	say(&s, 0x30);
	assert_int_equal(preempt_after(&s), -EBUSY);
	assert_int_equal(preempt_after(&s), -EIO);
	assert_int_equal(preempt_after(&s), -ENOSPC);
	assert_int_equal(preempt_after(&s), -EOPNOTSUPP);
	assert_int_equal(preempt_after(&s), -EOPNOTSUPP);
	assert_int_equal(preempt_after(&s), -EIO);
	assert_int_equal(preempt_after(&s), -EPERM);
	assert_int_equal(preempt_after(&s), -EIO);
	assert_int_equal(s.said, 8);
}

static void test_tries_again(void **state)
{
	struct script s;

	script_init(&s);
	say_sense(&s, 6, 0x29, 0); /* power on, reset */
	say_sense(&s, 6, 0x2a, 3); /* reservations preempted */
	say(&s, SCSI_BUSY);
	say(&s, SCSI_TASK_ABORTED);
	say_sense(&s, 0xb, 0, 0);
	say_sense(&s, 1, 0, 0); /* recovered error: done */
	assert_int_equal(preempt_after(&s), 0);
	assert_int_equal(s.said, 6);
	/* Not for ever. */
	script_init(&s);
	for (int i = 0; i < 32; i++)
		say_sense(&s, 6, 0x29, 0);
	assert_int_equal(preempt_after(&s), -EIO);
	assert_true(s.said < 32);
}

static void test_sense_formats(void **state)
{
	struct scsi_answer a = { .status = SCSI_CHECK_CONDITION, .sense_len = 8, .sense = { 0x72, 6, 0x29, 0 } };

	assert_int_equal(scsi_answer_error(&a), -EAGAIN);
	memcpy(a.sense, (uint8_t[]){ 0x72, 5, 0x55, 4 }, 4);
	assert_int_equal(scsi_answer_error(&a), -ENOSPC);
	a.sense_len = 3;
	assert_int_equal(scsi_answer_error(&a), -EIO);
	memcpy(a.sense, (uint8_t[]){ 0x70, 0, 6 }, 3);
	assert_int_equal(scsi_answer_error(&a), -EAGAIN);
	a.sense_len = 0;
	assert_int_equal(scsi_answer_error(&a), -EIO);
	a.sense_len = 1000; /* more than there is room for */
	assert_int_equal(scsi_answer_error(&a), -EAGAIN);
	a.sense[0] = 0x7f;
	assert_int_equal(scsi_answer_error(&a), -EIO);
}

/* READ FULL STATUS of two initiators, the first the holder: SPC-4, tables 238 to 240. */
static const uint8_t full_status[] = {
	0,   0,	  0,   9,   0,	  0,   0,   96, /* */
	1,   2,	  3,   4,   5,	  6,   7,   8,	 0,   0,   0,	0,
	1,   6,	  0,   0,   0,	  0,   0,   1,	 0,   0,   0,	24, /* SAS */
	6,   0,	  0,   0,   0x50, 1,   2,   3,	 4,   5,   6,	7,
	0,   0,	  0,   0,   0,	  0,   0,   0,	 0,   0,   0,	0, /* */
	0,   0,	  0,   0,   0,	  0,   0,   2,	 0,   0,   0,	0,
	0,   0,	  0,   0,   0,	  0,   0,   1,	 0,   0,   0,	24, /* iSCSI */
	5,   0,	  0,   20,  'i',  'q', 'n', '.', '2', '0', '0', '1',
	'-', '0', '4', '.', 'x',  ':', 'h', 'o', 's', 't', '1', 0,
};

static void test_full_status(void **state)
{
	struct reserver_view v;
	struct script s;

	script_init(&s);
	say_data(&s, full_status, sizeof(full_status));
	assert_int_equal(scsi_pr_view(&s.port, &v), 0);
	assert_memory_equal(s.cdb[0], ((uint8_t[]){ 0x5e, 3, 0, 0, 0, 0, 0, 0x10, 0, 0 }), 10);
	assert_int_equal(v.generation, 9);
	assert_true(v.reserved && v.type == EARO && v.holder == KEY && v.nr_keys == 2);
	assert_true(v.keys[0].key == KEY && v.keys[0].holder && v.keys[0].has_host);
	assert_memory_equal(v.keys[0].host, ((uint8_t[]){ 6, 0, 0, 0, 0x50, 1, 2, 3, 4, 5, 6, 7, 0 }), 13);
	assert_true(v.keys[1].key == 2 && !v.keys[1].holder);
	assert_memory_equal(v.keys[1].host, ".2001-04.x:host1", 16);
	assert_true(reserver_view_has(&v, 2) && !reserver_view_has(&v, 3));
	reserver_view_release(&v);
}

/* Cut off anywhere it is an error, and nothing behind is read. */
static void test_full_status_cut(void **state)
{
	for (size_t len = 0; len < sizeof(full_status); len++) {
		uint8_t *copy = malloc(len ? len : 1);
		struct reserver_view v;

		memcpy(copy, full_status, len);
		assert_int_equal(scsi_parse_full_status(copy, len, &v), len < 8 ? -EUCLEAN : -EMSGSIZE);
		free(copy);
	}
}

static void check_bad(size_t at, uint8_t value)
{
	uint8_t bytes[sizeof(full_status)];
	struct reserver_view v;

	memcpy(bytes, full_status, sizeof(bytes));
	bytes[at] = value;
	assert_int_equal(scsi_parse_full_status(bytes, sizeof(bytes), &v), -EUCLEAN);
}

static void test_full_status_bad(void **state)
{
	check_bad(8 + 13, 4);	    /* no such type */
	check_bad(8 + 23, 100);	    /* a TransportID that is too long */
	check_bad(8 + 20, 0xff);    /* and much too long */
	check_bad(8 + 48 + 23, 25); /* the second one */
	check_bad(8 + 48 + 23, 23); /* leaves a byte */
	check_bad(8 + 48 + 12, 1);  /* two holders, of type 0 */
}

/* All registrants hold. */
static void test_all_registrants(void **state)
{
	uint8_t bytes[sizeof(full_status)];
	struct reserver_view v;

	memcpy(bytes, full_status, sizeof(bytes));
	bytes[8 + 13] = bytes[8 + 48 + 13] = 8;
	bytes[8 + 48 + 12] = 1;
	assert_int_equal(scsi_parse_full_status(bytes, sizeof(bytes), &v), 0);
	assert_true(v.reserved && v.type == RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS && v.holder == 0);
	assert_true(v.keys[0].holder && v.keys[1].holder);
	reserver_view_release(&v);
}

/* Tables 229 and 232. */
static const uint8_t two_keys[] = { 0, 0, 0, 5, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2 };
static const uint8_t reservation[] = { 0, 0, 0, 5, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 5, 0, 0 };
static const uint8_t no_reservation[] = { 0, 0, 0, 5, 0, 0, 0, 0 };
static const uint8_t later[] = { 0, 0, 0, 6, 0, 0, 0, 0 };

static void test_keys_and_reservation(void **state)
{
	struct reserver_view v;
	struct script s;

	script_init(&s);
	say_sense(&s, 5, 0x24, 0); /* does not know READ FULL STATUS */
	say_data(&s, two_keys, sizeof(two_keys));
	say_data(&s, later, sizeof(later)); /* something has happened in between */
	say_data(&s, two_keys, sizeof(two_keys));
	say_data(&s, reservation, sizeof(reservation));
	assert_int_equal(scsi_pr_view(&s.port, &v), 0);
	assert_memory_equal(s.cdb[1], ((uint8_t[]){ 0x5e, 0, 0, 0, 0, 0, 0, 0x10, 0, 0 }), 10);
	assert_memory_equal(s.cdb[2], ((uint8_t[]){ 0x5e, 1, 0, 0, 0, 0, 0, 0x10, 0, 0 }), 10);
	assert_true(v.reserved && v.type == RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY && v.holder == 2);
	assert_true(v.nr_keys == 2 && !v.keys[0].holder && v.keys[1].holder && !v.keys[0].has_host);
	reserver_view_release(&v);
	script_init(&s);
	say_sense(&s, 5, 0x20, 0);
	say_data(&s, two_keys, sizeof(two_keys));
	say_data(&s, no_reservation, sizeof(no_reservation));
	assert_int_equal(scsi_pr_view(&s.port, &v), 0);
	assert_true(!v.reserved && v.holder == 0 && v.nr_keys == 2);
	reserver_view_release(&v);
}

static void test_view_fails(void **state)
{
	struct reserver_view v;
	struct script s;

	script_init(&s);
	for (int i = 0; i < 3; i++)
		say_sense(&s, 5, 0x20, 0);
	say_data(&s, full_status, 4); /* nonsense, and once more */
	say_data(&s, two_keys, 7);
	say_data(&s, full_status, 4);
	say_data(&s, two_keys, sizeof(two_keys));
	say_data(&s, reservation, 20);
	say_error(&s, -EIO);
	assert_int_equal(scsi_pr_view(&s.port, &v), -EOPNOTSUPP);
	s.said = 3;
	assert_int_equal(scsi_pr_view(&s.port, &v), -EUCLEAN);
	assert_int_equal(scsi_pr_view(&s.port, &v), -EUCLEAN);
	assert_int_equal(scsi_pr_view(&s.port, &v), -EIO);
}

/* @nr keys, as many as the device has and as fit into @len. */
static uint8_t *many_keys(unsigned int nr)
{
	uint8_t *data = calloc(1, 8 + (size_t)8 * nr);
	uint32_t rest = 8 * nr;

	data[3] = 5;
	for (int i = 0; i < 4; i++)
		data[4 + i] = (uint8_t)(rest >> (24 - 8 * i));
	for (unsigned int i = 0; i < nr; i++) {
		data[8 + 8 * i + 6] = (uint8_t)((i + 1) >> 8);
		data[8 + 8 * i + 7] = (uint8_t)(i + 1);
	}
	return data;
}

static int view_many(unsigned int nr, struct reserver_view *ret_view)
{
	uint8_t *data = many_keys(nr);
	struct script s;
	int err;

	script_init(&s);
	say_sense(&s, 5, 0x20, 0);
	say_data(&s, data, 8 + 8 * nr);
	say_data(&s, data, 8 + 8 * nr);
	say_data(&s, no_reservation, sizeof(no_reservation));
	err = scsi_pr_view(&s.port, ret_view);
	assert_int_equal(s.len[1], 4096);
	assert_int_equal(s.len[2], 65528);
	free(data);
	return err;
}

static void test_many_keys(void **state)
{
	struct reserver_view v;

	assert_int_equal(view_many(3000, &v), 0);
	assert_int_equal(v.nr_keys, 3000);
	assert_true(v.keys[2999].key == 3000);
	reserver_view_release(&v);
	assert_int_equal(view_many(8190, &v), 0);
	assert_int_equal(v.nr_keys, 8190);
	reserver_view_release(&v);
	assert_int_equal(view_many(8191, &v), -E2BIG);
	assert_int_equal(view_many(20000, &v), -E2BIG);
}

static void test_reserve_again(void **state)
{
	struct script s;

	script_init(&s);
	say(&s, SCSI_RESERVATION_CONFLICT);
	say_data(&s, full_status, sizeof(full_status));
	assert_int_equal(scsi_pr_reserve(&s.port, KEY, EARO), 0);
	for (int i = 0; i < 3; i++) {
		say(&s, SCSI_RESERVATION_CONFLICT);
		say_data(&s, full_status, sizeof(full_status));
	}
	assert_int_equal(scsi_pr_reserve(&s.port, 2, EARO), -EBUSY);
	assert_int_equal(scsi_pr_reserve(&s.port, KEY, RESERVATION_EXCLUSIVE_ACCESS), -EBUSY);
	s.line[s.nr - 1].answer.got = 3;
	say_error(&s, -EIO);
	assert_int_equal(scsi_pr_reserve(&s.port, KEY, EARO), -EBUSY);
}

/* The kernel under the real device */

static struct {
	bool on;
	struct sg_io_hdr answer;
	int err;
	unsigned int nr_sg, nr_register;
	uint8_t action; /* the last */
	struct pr_registration registration;
	int register_status;
} kernel;

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

static int kernel_sg(struct sg_io_hdr *hdr)
{
	kernel.nr_sg++;
	kernel.action = hdr->cmdp[1];
	assert_int_equal(hdr->interface_id, 'S');
	assert_true(hdr->timeout > 0 && hdr->timeout <= 60000);
	if (hdr->dxfer_direction == SG_DXFER_FROM_DEV)
		memcpy(hdr->dxferp, full_status, sizeof(full_status));
	hdr->resid = hdr->dxfer_direction == SG_DXFER_FROM_DEV ? (int)(hdr->dxfer_len - sizeof(full_status)) : 0;
	if (kernel.answer.resid)
		hdr->resid = kernel.answer.resid;
	hdr->status = kernel.answer.status;
	hdr->host_status = kernel.answer.host_status;
	hdr->driver_status = kernel.answer.driver_status;
	errno = kernel.err;
	return kernel.err ? -1 : 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (!kernel.on)
		return __real_ioctl(fd, request, arg);
	if (request == SG_IO)
		return kernel_sg(arg);
	assert_int_equal(request, IOC_PR_REGISTER);
	kernel.nr_register++;
	kernel.registration = *(struct pr_registration *)arg;
	errno = EIO;
	return kernel.register_status;
}

static FIBER_FN int body_device(void *arg)
{
	struct reserver *res = arg;
	struct reserver_view v;

	assert_int_equal(reserver_register(res, KEY), 0);
	assert_int_equal(kernel.action, 6);
	assert_int_equal(reserver_read(res, &v), 0);
	assert_true(v.holder == KEY && v.nr_keys == 2);
	reserver_view_release(&v);
	assert_int_equal(reserver_unregister(res, KEY), 0);
	assert_int_equal(kernel.action, 0);
	kernel.answer.status = SCSI_RESERVATION_CONFLICT;
	assert_int_equal(reserver_preempt(res, KEY, 1, EARO, true), -EBUSY);
	assert_int_equal(kernel.action, 5);
	kernel.answer = (struct sg_io_hdr){ .host_status = 3 }; /* timeout */
	assert_int_equal(reserver_preempt(res, KEY, 1, EARO, true), -EIO);
	kernel.answer = (struct sg_io_hdr){ .driver_status = 6 };
	assert_int_equal(reserver_preempt(res, KEY, 1, EARO, true), -EIO);
	kernel.answer = (struct sg_io_hdr){ .resid = -1 };
	assert_int_equal(reserver_preempt(res, KEY, 1, EARO, true), -EIO);
	kernel.answer = (struct sg_io_hdr){ .driver_status = 8 }; /* there is sense data */
	assert_int_equal(reserver_preempt(res, KEY, 1, EARO, true), 0);
	kernel.err = EPERM;
	assert_int_equal(reserver_preempt(res, KEY, 1, EARO, true), -EPERM);
	assert_int_equal(kernel.nr_register, 0);
	return 0;
}

/* Of several paths: the kernel registers. */
static FIBER_FN int body_paths(void *arg)
{
	struct reserver *res = arg;

	assert_int_equal(reserver_register(res, KEY), 0);
	assert_true(kernel.registration.old_key == 0 && kernel.registration.new_key == KEY);
	assert_int_equal(kernel.registration.flags, PR_FL_IGNORE_KEY);
	assert_int_equal(kernel.nr_sg, 0);
	assert_int_equal(reserver_reserve(res, KEY, EARO), 0);
	assert_int_equal(reserver_preempt(res, KEY, 1, EARO, true), 0);
	assert_int_equal(kernel.nr_register, 1);
	assert_int_equal(kernel.nr_sg, 2);
	assert_int_equal(reserver_preempt(res, KEY, KEY, EARO, false), 0);
	assert_int_equal(kernel.nr_register, 2);
	assert_int_equal(reserver_unregister(res, KEY), 0);
	assert_true(kernel.registration.old_key == KEY && kernel.registration.new_key == 0);
	assert_int_equal(kernel.registration.flags, 0);
	kernel.register_status = SCSI_RESERVATION_CONFLICT;
	assert_int_equal(reserver_unregister(res, KEY), -EBUSY);
	kernel.register_status = SCSI_CHECK_CONDITION;
	assert_int_equal(reserver_register(res, KEY), -EIO);
	kernel.register_status = -1;
	assert_int_equal(reserver_register(res, KEY), -EIO);
	return 0;
}

static void run_device(bool all_paths, int (*body)(void *arg))
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct reserver *res;
	struct reactor *r;

	memset(&kernel, 0, sizeof(kernel));
	kernel.on = true;
	assert_int_equal(reactor_open(NULL, &r), 0);
	assert_int_equal(reserver_scsi_open(r, fd, all_paths, "disk", &res), 0);
	assert_int_equal(reactor_run(r, body, res), 0);
	reserver_close(res);
	reactor_close(r);
	close(fd);
	kernel.on = false;
}

static void test_device(void **state)
{
	run_device(false, body_device);
}

static void test_paths(void **state)
{
	run_device(true, body_paths);
}

/* What is no SCSI device says so, from a helper thread. */
static FIBER_FN int body_no_device(void *arg)
{
	struct reserver *res = arg;
	struct reserver_view v;

	assert_int_equal(reserver_register(res, KEY), -ENOTTY);
	assert_int_equal(reserver_unregister(res, KEY), -ENOTTY);
	assert_int_equal(reserver_reserve(res, KEY, EARO), -ENOTTY);
	assert_int_equal(reserver_preempt(res, KEY, 1, EARO, true), -ENOTTY);
	assert_int_equal(reserver_read(res, &v), -ENOTTY);
	assert_int_equal(reserver_register(res, 0), -EINVAL);
	assert_int_equal(reserver_preempt(res, KEY, 0, EARO, true), -EINVAL);
	return 0;
}

static void test_open(void **state)
{
	struct identity id = { .kind = IDENTITY_SCSI, .reservations.supported = true };
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct reserver *res;
	struct reactor *r;

	id.reservations.types_known = true;
	id.reservations.types = RESERVATION_REGISTRANTS_ONLY;
	assert_int_equal(reactor_open(NULL, &r), 0);
	assert_int_equal(reserver_open(r, fd, &id, "disk", &res), 0);
	assert_string_equal(res->name, "disk");
	assert_int_equal(res->types, RESERVATION_REGISTRANTS_ONLY);
	assert_false(res->is_emulated);
	assert_int_equal(reactor_run(r, body_no_device, res), 0);
	reserver_close(res);
	reserver_close(NULL);
	id.is_partition = true;
	assert_int_equal(reserver_open(r, fd, &id, "disk", &res), -EOPNOTSUPP);
	id = (struct identity){ .kind = IDENTITY_SCSI };
	assert_int_equal(reserver_open(r, fd, &id, "disk", &res), -EOPNOTSUPP);
	id = (struct identity){ .kind = IDENTITY_NVME, .reservations.supported = true };
	assert_int_equal(reserver_open(r, fd, &id, "disk", &res), -EOPNOTSUPP);
	id = (struct identity){ .kind = IDENTITY_OTHER, .reservations.supported = true };
	assert_int_equal(reserver_open(r, fd, &id, "disk", &res), -EOPNOTSUPP);
	reactor_close(r);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),	cmocka_unit_test(test_without_aptpl),
		cmocka_unit_test(test_errors),		cmocka_unit_test(test_tries_again),
		cmocka_unit_test(test_sense_formats),	cmocka_unit_test(test_full_status),
		cmocka_unit_test(test_full_status_cut), cmocka_unit_test(test_full_status_bad),
		cmocka_unit_test(test_all_registrants), cmocka_unit_test(test_keys_and_reservation),
		cmocka_unit_test(test_view_fails),	cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_reserve_again),	cmocka_unit_test(test_device),
		cmocka_unit_test(test_paths),		cmocka_unit_test(test_open),
	};

	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
