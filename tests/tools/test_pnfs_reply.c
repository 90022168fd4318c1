/* SPDX-License-Identifier: Apache-2.0 */

/* LAYOUTGET replies: what Linux clients take and what they do not, or suffer from. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/log.h"
#include "tests/lib/check.h"
#include "tools/pnfs_int.h"

#define K 4096u

static struct pnfs_asked asked;
static layout4 layout;
static uint8_t body[8192];
static struct wire_extents_out out;
static struct pnfs_reply reply;
static char said[LOG_MSG_MAX];

static void hear(void *owner, enum log_level level, const char *msg)
{
	strncpy(said, msg, sizeof(said) - 1);
}

static void begin(layoutiomode4 iomode, uint64_t off, uint64_t len)
{
	asked = (struct pnfs_asked){ LAYOUT4_SCSI, iomode, off, K, K };
	layout = (layout4){ off, len, iomode, { LAYOUT4_SCSI, { 0 } } };
	CHECK_EQ(wire_layout_begin(&out, LAYOUT4_SCSI, body, sizeof(body)), 0);
	said[0] = 0;
}

static void add_on(char device, uint64_t off, uint64_t len, uint64_t at, enum pnfs_block_extent_state4 state)
{
	struct pnfs_block_extent4 e = { { device }, off, len, at, state };

	CHECK_EQ(wire_extents_add(&out, &e), 0);
}

static void add(uint64_t off, uint64_t len, uint64_t at, enum pnfs_block_extent_state4 state)
{
	add_on(1, off, len, at, state);
}

static int check_now(void)
{
	LAYOUTGET4resok ok = { 0 };

	layout.lo_content.loc_body.loc_body_len = wire_extents_end(&out);
	layout.lo_content.loc_body.loc_body_val = (char *)body;
	ok.logr_layout.logr_layout_len = 1;
	ok.logr_layout.logr_layout_val = &layout;
	return pnfs_reply_check(&asked, &ok, &reply);
}

static void refused(const char *why)
{
	CHECK_EQ(check_now(), -EBADMSG);
	if (!strstr(said, why))
		fprintf(stderr, "said: %s\n", said);
	CHECK(strstr(said, why));
}

static void test_good(void **state)
{
	begin(LAYOUTIOMODE4_RW, 0, 4 * K);
	add(0, K, 10 * K, PNFS_BLOCK_READWRITE_DATA);
	add(K, 3 * K, 11 * K, PNFS_BLOCK_INVALID_DATA);
	CHECK_EQ(check_now(), 0);
	CHECK_EQ(reply.nr, 2);
	CHECK(reply.has_device);
	begin(LAYOUTIOMODE4_READ, 0, 2 * K);
	add(0, K, 10 * K, PNFS_BLOCK_READ_DATA);
	add_on(0, K, K, 0, PNFS_BLOCK_NONE_DATA);
	CHECK_EQ(check_now(), 0);
	/* Asked for reading, got writing, and more on both sides. */
	begin(LAYOUTIOMODE4_RW, 0, 4 * K);
	asked.iomode = LAYOUTIOMODE4_READ;
	asked.off = K;
	add(0, 4 * K, 10 * K, PNFS_BLOCK_READWRITE_DATA);
	CHECK_EQ(check_now(), 0);
	begin(LAYOUTIOMODE4_READ, 0, K);
	add_on(0, 0, K, 0, PNFS_BLOCK_NONE_DATA);
	CHECK_EQ(check_now(), 0);
	CHECK(!reply.has_device);
}

static void test_ranges(void **state)
{
	begin(LAYOUTIOMODE4_RW, 0, K);
	layout.lo_iomode = LAYOUTIOMODE4_READ;
	refused("asked for writing");
	begin(LAYOUTIOMODE4_RW, 0, NFS4_UINT64_MAX);
	layout.lo_offset = K;
	refused("without an end");
	begin(LAYOUTIOMODE4_RW, K, K);
	asked.off = 0;
	refused("without the first byte");
	begin(LAYOUTIOMODE4_RW, 0, K);
	asked.min = 2 * K;
	refused("shorter");
	begin(LAYOUTIOMODE4_RW, 0, K);
	layout.lo_content.loc_type = LAYOUT4_BLOCK_VOLUME;
	refused("another type");
	begin(LAYOUTIOMODE4_RW, 0, 94 * K);
	for (uint64_t i = 0; i < 94; i++)
		add(i * K, K, 2 * i * K, PNFS_BLOCK_INVALID_DATA);
	refused("larger than it may be");
}

static void test_extents(void **state)
{
	begin(LAYOUTIOMODE4_RW, 0, 2 * K);
	add(0, K, 100, PNFS_BLOCK_INVALID_DATA);
	refused("sectors");
	begin(LAYOUTIOMODE4_RW, 0, 2 * K);
	add(0, K, 512, PNFS_BLOCK_INVALID_DATA);
	refused("pages");
	begin(LAYOUTIOMODE4_RW, 0, 2 * K);
	add(0, K, 0, PNFS_BLOCK_INVALID_DATA);
	add_on(2, K, K, 0, PNFS_BLOCK_INVALID_DATA);
	refused("another device");
	begin(LAYOUTIOMODE4_RW, 0, 3 * K);
	add(0, K, 0, PNFS_BLOCK_INVALID_DATA);
	add(2 * K, K, 9 * K, PNFS_BLOCK_INVALID_DATA);
	refused("gap");
	begin(LAYOUTIOMODE4_RW, 0, 3 * K);
	add(0, 2 * K, 0, PNFS_BLOCK_INVALID_DATA);
	refused("end elsewhere");
	begin(LAYOUTIOMODE4_RW, 0, K);
	add(0, 2 * K, 0, PNFS_BLOCK_INVALID_DATA);
	refused("end elsewhere");
	begin(LAYOUTIOMODE4_RW, 0, K);
	refused("end elsewhere");
}

static void test_states(void **state)
{
	begin(LAYOUTIOMODE4_RW, 0, K);
	add(0, K, 0, PNFS_BLOCK_NONE_DATA);
	refused("a hole in a layout for writing");
	begin(LAYOUTIOMODE4_READ, 0, K);
	add(0, K, K, PNFS_BLOCK_NONE_DATA);
	refused("lies somewhere");
	begin(LAYOUTIOMODE4_READ, 0, K);
	add(0, K, 0, PNFS_BLOCK_INVALID_DATA);
	refused("for writing, in a layout for reading");
	begin(LAYOUTIOMODE4_READ, 0, K);
	add(0, K, 0, PNFS_BLOCK_READWRITE_DATA);
	refused("for writing, in a layout for reading");
}

/* Copies: the source comes before what is copied to. */
static void test_sources(void **state)
{
	begin(LAYOUTIOMODE4_RW, 0, 4 * K);
	add(K, 2 * K, 50 * K, PNFS_BLOCK_READ_DATA);
	refused("a gap before it");
	begin(LAYOUTIOMODE4_RW, 0, 4 * K);
	add(0, K, 9 * K, PNFS_BLOCK_READWRITE_DATA);
	add(K, K, 50 * K, PNFS_BLOCK_READ_DATA);
	add(K, 3 * K, 10 * K, PNFS_BLOCK_INVALID_DATA);
	CHECK_EQ(check_now(), 0);
	CHECK_EQ(reply.nr, 3);
	CHECK(!reply.extents[0].cow);
	CHECK(reply.extents[1].cow);
	CHECK_EQ(reply.extents[1].source_off, 50 * K);
	CHECK_EQ(reply.extents[1].len, K);
	CHECK(!reply.extents[2].cow);
	CHECK_EQ(reply.extents[2].off, 2 * K);
	CHECK_EQ(reply.extents[2].device_off, 11 * K);
	begin(LAYOUTIOMODE4_RW, 0, 2 * K);
	add(0, 2 * K, 10 * K, PNFS_BLOCK_INVALID_DATA);
	add(0, 2 * K, 50 * K, PNFS_BLOCK_READ_DATA);
	refused("behind what is copied to");
	begin(LAYOUTIOMODE4_RW, 0, 2 * K);
	add(0, 2 * K, 50 * K, PNFS_BLOCK_READ_DATA);
	add(0, K, 60 * K, PNFS_BLOCK_READ_DATA);
	refused("overlaps the source");
	begin(LAYOUTIOMODE4_RW, 0, K);
	add(0, 2 * K, 50 * K, PNFS_BLOCK_READ_DATA);
	add(0, K, 10 * K, PNFS_BLOCK_INVALID_DATA);
	refused("beyond the layout");
	begin(LAYOUTIOMODE4_RW, 0, K);
	add(0, K, 50 * K, PNFS_BLOCK_READ_DATA);
	add(0, K, 10 * K, PNFS_BLOCK_READWRITE_DATA);
	refused("what is written already");
}

static void test_empty(void **state)
{
	LAYOUTGET4resok ok = { 0 };

	begin(LAYOUTIOMODE4_RW, 0, K);
	CHECK_EQ(pnfs_reply_check(&asked, &ok, &reply), -ENODATA);
	ok.logr_layout.logr_layout_len = 1;
	ok.logr_layout.logr_layout_val = &layout;
	CHECK_EQ(pnfs_reply_check(&asked, &ok, &reply), -EAGAIN);
	layout.lo_content.loc_body.loc_body_val = (char *)body;
	layout.lo_content.loc_body.loc_body_len = 5;
	CHECK_EQ(pnfs_reply_check(&asked, &ok, &reply), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),   cmocka_unit_test(test_ranges),  cmocka_unit_test(test_extents),
		cmocka_unit_test(test_states), cmocka_unit_test(test_sources), cmocka_unit_test(test_empty),
	};

	log_set_sink(hear, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
