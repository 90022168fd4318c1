/* SPDX-License-Identifier: Apache-2.0 */

/* The pNFS client against a scripted server: the main road, fallbacks, recalls, fences, and faults on order. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "tests/lib/check.h"
#include "tests/lib/fake_layout.h"

#define K   4096u
#define ALL NFS4_UINT64_MAX

static char data[16 * K], back[16 * K];

static FIBER_FN void write_ok(struct pnfs_file *file, uint64_t off, size_t len)
{
	CHECK_EQ(pnfs_write(file, off, data, len), 0);
}

static FIBER_FN void read_is(struct pnfs_file *file, uint64_t off, const void *want, size_t len)
{
	size_t got = 0;

	CHECK_EQ(pnfs_read(file, off, back, len, &got), 0);
	CHECK_EQ(got, len);
	CHECK_EQ(memcmp(back, want, len), 0);
}

static uint64_t executed(const struct fake_layout *f, uint32_t op)
{
	return f->world->server.executed[op];
}

static FIBER_FN void main_road(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);

	CHECK(!sim_reserve_has_key(f->reserve, FAKE_LAYOUT_KEY));
	write_ok(&file, 0, 4 * K);
	CHECK(sim_reserve_has_key(f->reserve, FAKE_LAYOUT_KEY));
	CHECK_EQ(memcmp(f->disk.bytes + FAKE_LAYOUT_AT, data, 4 * K), 0);
	CHECK_EQ(f->get.loga_minlength, K);
	read_is(&file, 0, data, 4 * K);
	CHECK_EQ(f->size, 0);
	CHECK_EQ(pnfs_commit(&file), 0);
	CHECK_EQ(f->size, 4 * K);
	CHECK_EQ(f->nr_ranges, 1);
	CHECK_EQ(f->commit.loca_length, 4 * K);
	CHECK(f->written[3] && !f->written[4]);
	CHECK_EQ(pnfs_commit(&file), 0);
	CHECK_EQ(f->host.counts.commits, 1);
	/* In place: nothing to convert, and yet it is committed. */
	write_ok(&file, K, K);
	CHECK_EQ(pnfs_commit(&file), 0);
	CHECK_EQ(f->nr_ranges, 0);
	CHECK_EQ(f->host.counts.gets, 1);
	CHECK_EQ(executed(f, OP_GETDEVICEINFO), 1);
	CHECK_EQ(pnfs_close(&file), 0);
	CHECK_EQ(executed(f, OP_LAYOUTRETURN), 1);
	CHECK_EQ(executed(f, OP_WRITE) + executed(f, OP_READ), 0);
}

static void test_main_road(void **state)
{
	fake_layout_run(main_road);
}

/* Parts of pages: the rest is what was there, zeros where nothing was, whatever the device has behind the end. */
static FIBER_FN void parts(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);
	char want[3 * K] = { 0 };

	memset(f->disk.bytes + FAKE_LAYOUT_AT, 0xee, 8 * K);
	write_ok(&file, 100, 200);
	memcpy(want + 100, data, 200);
	read_is(&file, 0, want, 300);
	write_ok(&file, 2 * K + 10, 20);
	memcpy(want + 2 * K + 10, data, 20);
	read_is(&file, 0, want, 2 * K + 30);
	write_ok(&file, 50, K);
	memcpy(want + 50, data, K);
	read_is(&file, 0, want, 2 * K + 30);
	CHECK_EQ(pnfs_commit(&file), 0);
	CHECK_EQ(f->size, 2 * K + 30);
	/* What lies behind the end is garbage that a longer file must not show. */
	memset(f->disk.bytes + FAKE_LAYOUT_AT + 2 * K + 30, 0xee, K - 30);
	write_ok(&file, 2 * K + 100, 1);
	want[2 * K + 100] = data[0];
	read_is(&file, 0, want, 2 * K + 101);
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_parts(void **state)
{
	fake_layout_run(parts);
}

static FIBER_FN void reads(struct fake_layout *f)
{
	struct pnfs_file file;
	char zeros[K] = { 0 };
	size_t got;

	f->size = 3 * K + 5;
	f->written[1] = true;
	memcpy(f->disk.bytes + FAKE_LAYOUT_AT + K, data, K);
	file = fake_layout_open(f);
	read_is(&file, 0, zeros, K);
	CHECK_EQ(f->get.loga_iomode, LAYOUTIOMODE4_READ);
	read_is(&file, K, data, K);
	CHECK_EQ(pnfs_read(&file, 3 * K, back, K, &got), 0);
	CHECK_EQ(got, 5);
	CHECK_EQ(pnfs_read(&file, 4 * K, back, K, &got), 0);
	CHECK_EQ(got, 0);
	/* Somebody else made it longer. */
	f->size = 4 * K;
	CHECK_EQ(pnfs_read(&file, 3 * K, back, 2 * K, &got), 0);
	CHECK_EQ(got, K);
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_reads(void **state)
{
	fake_layout_run(reads);
}

static FIBER_FN void statuses(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);
	const nfsstat4 again[] = { NFS4ERR_LAYOUTTRYLATER, NFS4ERR_RECALLCONFLICT, NFS4ERR_DELAY };
	const nfsstat4 through[] = { NFS4ERR_BADLAYOUT, NFS4ERR_INVAL, NFS4ERR_LAYOUTUNAVAILABLE };

	for (unsigned int i = 0; i < ARRAY_SIZE(again); i++) {
		f->get_status = again[i];
		f->nr_get_status = 3;
		write_ok(&file, 0, K);
		CHECK_EQ(f->host.counts.direct_writes, i + 1);
		CHECK_EQ(pnfs_return(&file), 0);
	}
	f->nr_get_status = 1000;
	write_ok(&file, 0, K);
	CHECK_EQ(f->host.counts.server_writes, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(through); i++) {
		f->get_status = through[i];
		f->nr_get_status = 1;
		write_ok(&file, 0, K);
		CHECK_EQ(f->host.counts.server_writes, 2 + i);
	}
	/* That one is not asked again for a while. */
	write_ok(&file, 0, K);
	CHECK_EQ(f->host.counts.server_writes, 5);
	fiber_sleep_ns(2000000000);
	f->get_status = NFS4ERR_NOSPC;
	f->nr_get_status = 1;
	CHECK_EQ(pnfs_write(&file, 0, data, K), NFS4ERR_NOSPC);
	write_ok(&file, 0, K);
	CHECK_EQ(f->host.counts.direct_writes, 4);
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_statuses(void **state)
{
	fake_layout_run(statuses);
}

static FIBER_FN void bad_reply(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);

	f->lacks_byte = true;
	CHECK_EQ(pnfs_write(&file, 0, data, K), -EBADMSG);
	CHECK_EQ(f->host.counts.bad_layouts, 1);
	write_ok(&file, 0, K);
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_bad_reply(void **state)
{
	fake_layout_run(bad_reply);
}

static FIBER_FN void recalls(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);

	CHECK_EQ(fake_layout_recall(f, 'l', 1, 0, ALL), NFS4ERR_NOMATCHING_LAYOUT);
	write_ok(&file, 0, K);
	CHECK_EQ(pnfs_commit(&file), 0);
	CHECK_EQ(fake_layout_recall(f, 'x', 2, 0, ALL), NFS4ERR_BAD_STATEID);
	CHECK_EQ(fake_layout_recall(f, 'l', 1, 0, ALL), NFS4ERR_OLD_STATEID);
	CHECK_EQ(fake_layout_recall(f, 'l', 3, 0, ALL), NFS4ERR_DELAY);
	CHECK_EQ(fake_layout_recall(f, 'l', 2, 0, ALL), NFS4ERR_NOMATCHING_LAYOUT);
	CHECK(!file.inode->has_layout);
	CHECK(!pnfs_extent_at(&file, 0));
	CHECK_EQ(f->host.counts.returns, 0);
	/* Then it is the open's stateid again. */
	f->seqid = 2;
	f->other = 'm';
	write_ok(&file, 0, K);
	CHECK_EQ(memcmp(&f->get.loga_stateid, &file.nfs.stateid, sizeof(stateid4)), 0);
	/* Not committed: it is, and then the layout comes back. */
	write_ok(&file, 8 * K, K);
	f->seqid++;
	CHECK_EQ(fake_layout_recall(f, 'm', f->seqid, 0, ALL), NFS4_OK);
	fiber_sleep_ns(NSEC_PER_SEC);
	CHECK(f->written[8]);
	CHECK_EQ(f->host.counts.returns, 1);
	CHECK_EQ(f->ret.lora_layoutreturn.layoutreturn4_u.lr_layout.lrf_length, ALL);
	CHECK(!file.inode->has_layout);
	CHECK_EQ(f->host.counts.recalls, 6);
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_recalls(void **state)
{
	fake_layout_run(recalls);
}

static FIBER_FN void ranges(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);

	f->host.honours_ranges = true;
	write_ok(&file, 0, 8 * K);
	CHECK_EQ(pnfs_commit(&file), 0);
	f->seqid++;
	CHECK_EQ(fake_layout_recall(f, 'l', f->seqid, 2 * K, K), NFS4ERR_NOMATCHING_LAYOUT);
	CHECK(file.inode->has_layout);
	CHECK(pnfs_extent_at(&file, K) && !pnfs_extent_at(&file, 2 * K) && pnfs_extent_at(&file, 3 * K));
	write_ok(&file, 0, K);
	f->seqid++;
	CHECK_EQ(fake_layout_recall(f, 'l', f->seqid, 0, K), NFS4_OK);
	fiber_sleep_ns(NSEC_PER_SEC);
	CHECK_EQ(f->ret.lora_layoutreturn.layoutreturn4_u.lr_layout.lrf_length, K);
	CHECK_EQ(f->ret.lora_layoutreturn.layoutreturn4_u.lr_layout.lrf_stateid.seqid, f->seqid - 1);
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_ranges(void **state)
{
	fake_layout_run(ranges);
}

static bool disk_has(const struct fake_layout *f, uint64_t blk, const char *want)
{
	return memcmp(f->disk.bytes + FAKE_LAYOUT_AT + blk * K, want, K) == 0;
}

static FIBER_FN void write_ninth(void *arg)
{
	write_ok(arg, 8 * K, K);
}

static FIBER_FN void look_at_ninth(void *arg)
{
	CHECK_EQ(pnfs_look(arg, 8 * K, K), 0);
}

/* Two blocks are written, and returned for a recall while @fn waits for a layout; then the file lies elsewhere. */
static FIBER_FN struct fiber *keep(struct fake_layout *f, struct pnfs_file *file, void (*fn)(void *file))
{
	struct fiber *fiber;

	f->size = 16 * K;
	CHECK_EQ(pnfs_revalidate(file), 0);
	f->host.keeps_extents = true;
	write_ok(file, 0, 2 * K);
	f->get_status = NFS4ERR_RECALLCONFLICT;
	f->nr_get_status = 1000;
	CHECK_EQ(fiber_spawn(f->world->reactor, "waits", fn, file, &fiber), 0);
	fiber_sleep_ns(NSEC_PER_SEC / 2);
	f->seqid++;
	CHECK_EQ(fake_layout_recall(f, 'l', f->seqid, 0, ALL), NFS4_OK);
	fiber_sleep_ns(2 * NSEC_PER_SEC);
	CHECK_EQ(f->host.counts.returns, 1);
	CHECK(f->written[0] && f->written[1]);
	CHECK(!pnfs_extent_at(file, 0));
	f->moved = 32 * K;
	return fiber;
}

/* What is written goes to the old place, for as long as anything is held. */
static FIBER_FN void kept(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);
	struct fiber *fiber = keep(f, &file, write_ninth);

	CHECK(!file.inode->has_layout);
	f->nr_get_status = 0;
	fiber_join(fiber);
	CHECK(disk_has(f, 32 + 8, data));
	CHECK(!pnfs_extent_at(&file, K));
	CHECK_EQ(pnfs_write(&file, K, data + 4 * K, 2 * K), 0);
	CHECK(disk_has(f, 1, data + 4 * K) && !disk_has(f, 32 + 1, data + 4 * K));
	CHECK(!disk_has(f, 2, data + 5 * K) && disk_has(f, 32 + 2, data + 5 * K));
	/* Only where the layout is. */
	CHECK(!pnfs_extent_at(&file, 0));
	CHECK_EQ(pnfs_commit(&file), 0);
	f->seqid++;
	CHECK_EQ(fake_layout_recall(f, 'l', f->seqid, 0, ALL), NFS4ERR_NOMATCHING_LAYOUT);
	write_ok(&file, K, K);
	CHECK(disk_has(f, 32 + 1, data));
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_kept(void **state)
{
	fake_layout_run(kept);
}

/* The server does not believe the return: the stateid stays, and its recall ends what was kept. */
static FIBER_FN void kept_proof(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);
	struct fiber *fiber;

	f->leaves_layout = true;
	fiber = keep(f, &file, look_at_ninth);
	CHECK(file.inode->has_layout);
	CHECK_EQ(f->get.loga_stateid.seqid, f->seqid);
	CHECK_EQ(f->get.loga_stateid.other[0], 'l');
	f->seqid++;
	CHECK_EQ(fake_layout_recall(f, 'l', f->seqid, 0, ALL), NFS4ERR_NOMATCHING_LAYOUT);
	CHECK(!file.inode->has_layout);
	f->nr_get_status = 0;
	fiber_join(fiber);
	CHECK_EQ(f->get.loga_offset, 8 * K);
	write_ok(&file, 0, K);
	CHECK(disk_has(f, 32, data));
	CHECK_EQ(f->host.counts.kept, 1);
	CHECK_EQ(f->host.counts.kept_meet, 0);
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_kept_proof(void **state)
{
	fake_layout_run(kept_proof);
}

/* Nobody waits for a layout: nothing is kept, whatever the server says. */
static FIBER_FN void kept_not(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);

	f->leaves_layout = true;
	f->host.keeps_extents = true;
	write_ok(&file, 0, K);
	f->seqid++;
	CHECK_EQ(fake_layout_recall(f, 'l', f->seqid, 0, ALL), NFS4_OK);
	fiber_sleep_ns(NSEC_PER_SEC);
	CHECK_EQ(f->host.counts.returns, 1);
	CHECK(!file.inode->has_layout);
	f->moved = 32 * K;
	CHECK_EQ(pnfs_write(&file, 0, data + 4 * K, K), 0);
	CHECK(disk_has(f, 32, data + 4 * K) && disk_has(f, 0, data));
	CHECK_EQ(f->host.counts.kept, 0);
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_kept_not(void **state)
{
	fake_layout_run(kept_not);
}

/* A gap in the seqids: an answer that is on its way, unless the server says that it knows what this client has seen.
 */
static FIBER_FN void gap(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);
	referring_call4 call = { .rc_sequenceid = 1, .rc_slotid = 0 };
	referring_call_list4 list = { .rcl_referring_calls = { 1, &call } };

	write_ok(&file, 0, K);
	CHECK_EQ(pnfs_commit(&file), 0);
	CHECK_EQ(fake_layout_recall(f, 'l', 4, 0, ALL), NFS4ERR_DELAY);
	memcpy(list.rcl_sessionid, f->world->session->sessionid, sizeof(list.rcl_sessionid));
	f->refers = &list;
	CHECK_EQ(fake_layout_recall(f, 'l', 4, 0, ALL), NFS4ERR_NOMATCHING_LAYOUT);
	f->refers = NULL;
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_gap(void **state)
{
	fake_layout_run(gap);
}

struct recaller {
	struct fake_layout *f;
	uint32_t seqid, status;
};

static FIBER_FN void recall_later(void *arg)
{
	struct recaller *r = arg;

	fiber_sleep_ns(300000000);
	r->status = fake_layout_recall(r->f, 'l', r->seqid, 0, ALL);
}

/* A LAYOUTGET that was granted before the recall, and whose answer comes after it. */
static FIBER_FN void overtaken(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);
	struct recaller r = { .f = f, .seqid = 2 };
	struct fiber *fiber;

	write_ok(&file, 0, K);
	CHECK_EQ(pnfs_commit(&file), 0);
	CHECK_EQ(fiber_spawn(f->world->reactor, "recaller", recall_later, &r, &fiber), 0);
	f->get_delay_ns = NSEC_PER_SEC;
	f->seqid = 0;
	write_ok(&file, 8 * K, K);
	fiber_join(fiber);
	CHECK_EQ(r.status, NFS4ERR_NOMATCHING_LAYOUT);
	CHECK_EQ(f->host.counts.gets, 3);
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_overtaken(void **state)
{
	fake_layout_run(overtaken);
}

/* Another "other": all that was before is gone. */
static FIBER_FN void other_stateid(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);

	write_ok(&file, 0, K);
	CHECK_EQ(pnfs_commit(&file), 0);
	f->other = 'n';
	write_ok(&file, 8 * K, K);
	CHECK_EQ(f->host.counts.gets, 3);
	CHECK(!pnfs_extent_at(&file, 0));
	CHECK_EQ(file.inode->layout.other[0], 'n');
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_other_stateid(void **state)
{
	fake_layout_run(other_stateid);
}

/* The server fences the client off. */
static FIBER_FN void fenced(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);

	write_ok(&file, 0, K);
	CHECK_EQ(pnfs_commit(&file), 0);
	CHECK_EQ(reserver_preempt(f->server_reserver, 1, FAKE_LAYOUT_KEY,
				  RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY, true),
		 0);
	write_ok(&file, 0, K);
	CHECK_EQ(f->host.counts.conflicts, 1);
	CHECK_EQ(f->host.counts.server_writes, 1);
	CHECK_EQ(f->host.counts.returns, 1);
	CHECK_EQ(memcmp(f->disk.bytes + FAKE_LAYOUT_AT, data, K), 0);
	read_is(&file, 0, data, K);
	CHECK_EQ(f->host.counts.server_reads, 1);
	/* After a while it asks for the device again, and registers. */
	fiber_sleep_ns(2000000000);
	read_is(&file, 0, data, K);
	CHECK_EQ(f->host.counts.direct_reads, 1);
	CHECK_EQ(executed(f, OP_GETDEVICEINFO), 2);
	CHECK(sim_reserve_has_key(f->reserve, FAKE_LAYOUT_KEY));
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_fenced(void **state)
{
	fake_layout_run(fenced);
}

static FIBER_FN void revoked(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);

	write_ok(&file, 0, K);
	f->world->server.status_flags = SEQ4_STATUS_RECALLABLE_STATE_REVOKED;
	CHECK_EQ(pnfs_get(&file, LAYOUTIOMODE4_RW, 8 * K, K, K), 0);
	fiber_sleep_ns(NSEC_PER_SEC);
	f->world->server.status_flags = 0;
	CHECK_EQ(executed(f, OP_TEST_STATEID), 1);
	CHECK_EQ(executed(f, OP_FREE_STATEID), 1);
	CHECK(!file.inode->has_layout);
	CHECK_EQ(f->host.counts.lost, 1);
	/* Said once. */
	CHECK_EQ(pnfs_commit(&file), -EIO);
	CHECK_EQ(pnfs_commit(&file), 0);
	/* The same by a LAYOUTCOMMIT's answer. */
	write_ok(&file, 0, K);
	f->commit_status = NFS4ERR_BAD_STATEID;
	f->nr_commit_status = 1;
	CHECK_EQ(pnfs_commit(&file), NFS4ERR_BAD_STATEID);
	CHECK_EQ(pnfs_commit(&file), 0);
	/* And by a LAYOUTGET's. */
	write_ok(&file, 0, K);
	CHECK_EQ(pnfs_commit(&file), 0);
	f->get_status = NFS4ERR_BAD_STATEID;
	f->nr_get_status = 1;
	write_ok(&file, 9 * K, K);
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_revoked(void **state)
{
	fake_layout_run(revoked);
}

static FIBER_FN void commits(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);

	write_ok(&file, 0, K);
	write_ok(&file, 4 * K, K);
	f->commit_status = NFS4ERR_DELAY;
	f->nr_commit_status = 2;
	f->host.faults.splits_commits = true;
	CHECK_EQ(pnfs_commit(&file), 0);
	CHECK_EQ(f->host.counts.commits, 4);
	CHECK(f->written[0] && f->written[4] && !f->written[1]);
	CHECK_EQ(f->size, 5 * K);
	f->host.faults = (struct pnfs_faults){ .repeats_commits = true };
	write_ok(&file, 0, K);
	CHECK_EQ(pnfs_commit(&file), 0);
	CHECK_EQ(f->host.counts.commits, 6);
	f->host.faults = (struct pnfs_faults){ .skips_commits = true };
	write_ok(&file, 0, K);
	CHECK_EQ(pnfs_commit(&file), 0);
	CHECK_EQ(f->host.counts.commits, 6);
	f->host.faults = (struct pnfs_faults){ 0 };
	/* An error keeps them for the next time; Linux takes GRACE for success. */
	f->commit_status = NFS4ERR_IO;
	f->nr_commit_status = 1;
	CHECK_EQ(pnfs_commit(&file), NFS4ERR_IO);
	CHECK_EQ(pnfs_commit(&file), 0);
	write_ok(&file, 0, K);
	f->commit_status = NFS4ERR_GRACE;
	f->nr_commit_status = 1;
	CHECK_EQ(pnfs_commit(&file), 0);
	CHECK_EQ(f->host.counts.commits_dropped, 1);
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_commits(void **state)
{
	fake_layout_run(commits);
}

/* More ranges than one compound takes. */
static FIBER_FN void many_ranges(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);

	for (uint64_t i = 0; i < 30; i++)
		CHECK_EQ(pnfs_write(&file, 2 * i * K, data, K), 0);
	f->world->session->fore.ca_maxrequestsize = 1024 + 8 * 16;
	CHECK_EQ(pnfs_commit(&file), 0);
	for (uint64_t i = 0; i < 30; i++)
		CHECK_EQ(f->written[2 * i], true);
	CHECK_EQ(f->size, 59 * K);
	CHECK_EQ(f->host.counts.commits, 4);
	CHECK_EQ(f->commit.loca_length, 59 * K);
	f->world->session->fore.ca_maxrequestsize = 1 << 20;
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_many_ranges(void **state)
{
	fake_layout_run(many_ranges);
}

static FIBER_FN void two_opens(struct fake_layout *f)
{
	struct pnfs_file a = fake_layout_open(f), b = fake_layout_open(f);

	f->return_on_close = true;
	CHECK(a.inode == b.inode);
	write_ok(&a, 0, K);
	read_is(&b, 0, data, K);
	CHECK_EQ(f->host.counts.gets, 1);
	CHECK_EQ(pnfs_close(&a), 0);
	CHECK_EQ(executed(f, OP_LAYOUTRETURN), 0);
	read_is(&b, 0, data, K);
	CHECK_EQ(pnfs_close(&b), 0);
	CHECK_EQ(executed(f, OP_LAYOUTRETURN), 1);
	CHECK_EQ(executed(f, OP_CLOSE), 2);
	CHECK(list_is_empty(&f->host.inodes));
	/* Forgetful, or crashed. */
	f->return_on_close = false;
	f->host.is_forgetful = true;
	a = fake_layout_open(f);
	write_ok(&a, 0, K);
	CHECK_EQ(pnfs_close(&a), 0);
	a = fake_layout_open(f);
	write_ok(&a, 0, K);
	pnfs_abandon(&a);
	CHECK_EQ(executed(f, OP_LAYOUTRETURN), 1);
	CHECK_EQ(executed(f, OP_CLOSE), 3);
}

static void test_two_opens(void **state)
{
	fake_layout_run(two_opens);
}

static FIBER_FN void faults(struct fake_layout *f)
{
	struct pnfs_file file = fake_layout_open(f);

	write_ok(&file, 0, K);
	f->seqid++;
	f->host.faults = (struct pnfs_faults){ .ignores_recalls = true };
	CHECK_EQ(fake_layout_recall(f, 'l', f->seqid, 0, ALL), 0xffff);
	CHECK_EQ(fake_layout_recall(f, 'l', f->seqid, 0, ALL), 0xffff);
	f->host.faults = (struct pnfs_faults){ .delays_recalls = true };
	CHECK_EQ(fake_layout_recall(f, 'l', f->seqid, 0, ALL), NFS4ERR_DELAY);
	f->host.faults = (struct pnfs_faults){ .keeps_layouts = true };
	CHECK_EQ(fake_layout_recall(f, 'l', f->seqid, 0, ALL), NFS4_OK);
	fiber_sleep_ns(NSEC_PER_SEC);
	CHECK_EQ(f->host.counts.returns, 0);
	write_ok(&file, 0, K);
	CHECK_EQ(f->host.counts.gets, 1);
	/* It writes on by what was taken from it, until the device refuses. */
	f->host.faults = (struct pnfs_faults){ .writes_late = true };
	pnfs_host_forget(&f->host);
	write_ok(&file, 0, K);
	CHECK_EQ(f->host.counts.gets, 1);
	CHECK_EQ(f->host.counts.direct_writes, 3);
	CHECK_EQ(reserver_preempt(f->server_reserver, 1, FAKE_LAYOUT_KEY,
				  RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY, true),
		 0);
	write_ok(&file, 0, K);
	CHECK_EQ(f->host.counts.conflicts, 1);
	f->host.faults = (struct pnfs_faults){ 0 };
	CHECK_EQ(pnfs_commit(&file), -EIO);
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_faults(void **state)
{
	fake_layout_run(faults);
}

static FIBER_FN void other_callbacks(struct fake_layout *f)
{
	struct nfs_cb_argop4 any = { .argop = OP_CB_RECALL_ANY }, notify = { .argop = OP_CB_NOTIFY_DEVICEID };
	struct nfs_cb_argop4 all = { .argop = OP_CB_LAYOUTRECALL };
	notify4 change = { NFS_ATTRS(NOTIFY_DEVICEID4_CHANGE), { 24, NULL } };
	char body[24] = { 0, 0, 0, LAYOUT4_SCSI };
	struct pnfs_file file = fake_layout_open(f);

	write_ok(&file, 0, K);
	any.nfs_cb_argop4_u.opcbrecall_any.craa_type_mask = NFS_ATTRS(RCA4_TYPE_MASK_BLK_LAYOUT);
	CHECK_EQ(fake_layout_call(f, &any), NFS4_OK);
	fiber_sleep_ns(500000000);
	CHECK(file.inode->has_layout);
	any.nfs_cb_argop4_u.opcbrecall_any.craa_type_mask = NFS_ATTRS(RCA4_TYPE_MASK_FILE_LAYOUT);
	CHECK_EQ(fake_layout_call(f, &any), NFS4_OK);
	fiber_sleep_ns(500000000);
	CHECK(!file.inode->has_layout);
	CHECK_EQ(f->host.counts.returns, 1);
	memcpy(body + 4, f->host.devices[0].id, NFS4_DEVICEID4_SIZE);
	change.notify_vals.notifylist4_val = body;
	notify.nfs_cb_argop4_u.opcbnotify_deviceid.cnda_changes.cnda_changes_len = 1;
	notify.nfs_cb_argop4_u.opcbnotify_deviceid.cnda_changes.cnda_changes_val = &change;
	CHECK_EQ(fake_layout_call(f, &notify), NFS4_OK);
	write_ok(&file, 0, K);
	CHECK_EQ(executed(f, OP_GETDEVICEINFO), 2);
	/* A recall of all: committed, then gone without a return. */
	all.nfs_cb_argop4_u.opcblayoutrecall = (CB_LAYOUTRECALL4args){
		LAYOUT4_SCSI, LAYOUTIOMODE4_ANY, FALSE, { .lor_recalltype = LAYOUTRECALL4_ALL }
	};
	CHECK_EQ(fake_layout_call(f, &all), NFS4ERR_DELAY);
	fiber_sleep_ns(500000000);
	CHECK_EQ(fake_layout_call(f, &all), NFS4ERR_NOMATCHING_LAYOUT);
	CHECK_EQ(f->host.counts.returns, 1);
	CHECK_EQ(f->host.counts.lost, 0);
	CHECK_EQ(pnfs_close(&file), 0);
}

static void test_other_callbacks(void **state)
{
	fake_layout_run(other_callbacks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_main_road),	cmocka_unit_test(test_parts),
		cmocka_unit_test(test_reads),		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_bad_reply),	cmocka_unit_test(test_recalls),
		cmocka_unit_test(test_ranges),		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_overtaken),	cmocka_unit_test(test_other_stateid),
		cmocka_unit_test(test_fenced),		cmocka_unit_test(test_revoked),
		cmocka_unit_test(test_commits),		cmocka_unit_test(test_many_ranges),
		cmocka_unit_test(test_two_opens),	cmocka_unit_test(test_faults),
		cmocka_unit_test(test_other_callbacks), cmocka_unit_test(test_kept),
		cmocka_unit_test(test_kept_proof),	cmocka_unit_test(test_kept_not),
	};

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(1 + i % 251);
	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
