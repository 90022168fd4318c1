/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers with a directory each.  A worker makes file after file, writes it, renames it, and removes the oldest, so
 * that at any moment it knows which files are there and what is in them.  Promise: an answer that does not fit this,
 * also one that would be right for a request executed twice (EXIST, NOENT), is a failure.
 */

#include "tools/demo_nfs_work.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tools/nfs_status.h"

#define FILES_KEPT 64
#define FILE_BYTES 4096
#define PAUSE_NS   1000000ull /* so that it is a load, and no race for the processor */

static int demo_fail(struct demo_nfs *demo, const char *what, int err)
{
	if (!demo->err) {
		const char *name = err < 0 ? strerror(-err) : nfs_status_name((uint32_t)err);

		snprintf(demo->why, sizeof(demo->why), "%s: %s", what, name ? name : "unknown status");
		demo->err = err < 0 ? err : -EIO;
	}
	demo->stop = true;
	return demo->err;
}

static void demo_done(struct demo_nfs *demo)
{
	demo->nr_done++;
	if (!demo->last_ns)
		demo->last_ns = reactor_now_ns(demo->reactor);
}

/* Different for every file of every worker. */
static void file_fill(const struct demo_nfs_worker *w, uint64_t i, uint8_t bytes[FILE_BYTES])
{
	memset(bytes, (int)('a' + i % 26), FILE_BYTES);
	snprintf((char *)bytes, FILE_BYTES, "worker %u, file %" PRIu64 "\n", w->number, i);
}

static FIBER_FN int work_file(struct demo_nfs_worker *w, const char **ret_what)
{
	struct nfs_open open = { .access = NFS_OPEN_BOTH, .creates = true, .mode = GUARDED4 };
	uint8_t bytes[FILE_BYTES];
	char name[32], last_name[32];
	struct nfs_file file;
	int err;

	snprintf(name, sizeof(name), "new-%" PRIu64, w->next);
	snprintf(last_name, sizeof(last_name), "file-%" PRIu64, w->next);
	file_fill(w, w->next, bytes);
	open.name = name;
	*ret_what = "create";
	err = nfs_file_open(w->session, &w->dir, &open, &file);
	if (err)
		return err;
	demo_done(w->demo);
	*ret_what = "write";
	err = nfs_file_write(&file, 0, bytes, sizeof(bytes), FILE_SYNC4);
	if (err)
		return err;
	demo_done(w->demo);
	*ret_what = "close";
	err = nfs_file_close(&file);
	if (err)
		return err;
	demo_done(w->demo);
	*ret_what = "rename";
	err = nfs_file_rename(w->session, &w->dir, name, &w->dir, last_name);
	if (err)
		return err;
	demo_done(w->demo);
	w->next++;
	if (w->next - w->first <= FILES_KEPT)
		return 0;
	*ret_what = "remove";
	snprintf(name, sizeof(name), "file-%" PRIu64, w->first);
	err = nfs_file_remove(w->session, &w->dir, name);
	if (err)
		return err;
	demo_done(w->demo);
	w->first++;
	return 0;
}

static FIBER_FN void demo_worker_main(void *arg)
{
	struct demo_nfs_worker *w = arg;
	const char *what = "create";
	char name[32];
	int err;

	snprintf(name, sizeof(name), "worker-%u", w->number);
	err = nfs_file_walk(w->session, NULL, "/", &w->dir);
	if (!err)
		err = nfs_file_mkdir(w->session, &w->dir, name, 0755, &w->dir);
	while (!err && !w->demo->stop) {
		err = work_file(w, &what);
		fiber_sleep_ns(PAUSE_NS);
	}
	if (err)
		demo_fail(w->demo, what, err);
}

static FIBER_FN int client_open(struct demo_nfs *demo, struct demo_nfs_client *c)
{
	struct nfs_identity identity = nfs_identity_random(demo->reactor);
	int err;

	identity.minorversion = 2;
	nfs_client_init(&c->client, demo->reactor, &identity);
	err = nfs_client_connect(&c->client, demo->net, &demo->addr, &c->conn);
	if (!err)
		err = nfs_client_exchange_id(&c->client, c->conn);
	if (!err)
		err = nfs_session_open(&c->client, c->conn, NULL, &c->session);
	return err ? demo_fail(demo, "connect", err) : 0;
}

FIBER_FN int demo_nfs_start(struct demo_nfs *demo)
{
	int err;

	for (unsigned int i = 0; i < DEMO_NFS_CLIENTS; i++) {
		err = client_open(demo, &demo->clients[i]);
		if (err)
			return err;
	}
	for (unsigned int i = 0; i < DEMO_NFS_WORKERS; i++) {
		struct demo_nfs_worker *w = &demo->workers[i];

		w->demo = demo;
		w->number = i;
		w->session = demo->clients[i % DEMO_NFS_CLIENTS].session;
		err = fiber_spawn(demo->reactor, "worker", demo_worker_main, w, &w->fiber);
		if (err)
			return demo_fail(demo, "a fiber", err);
		demo->nr_workers++;
	}
	return 0;
}

/* Seen in a directory. */
struct seen {
	const struct demo_nfs_worker *w;
	uint64_t nr;
};

static FIBER_FN int seen_entry(void *owner, const entry4 *entry, const struct wire_attrs *attrs)
{
	struct seen *seen = owner;
	char name[32] = "";
	uint64_t i;

	if (entry->name.component4_len >= sizeof(name))
		return -EBADMSG;
	memcpy(name, entry->name.component4_val, entry->name.component4_len);
	if (sscanf(name, "file-%" SCNu64, &i) != 1 || i < seen->w->first || i >= seen->w->next)
		return -EBADMSG;
	seen->nr++;
	return 0;
}

static FIBER_FN int verify_file(struct demo_nfs_worker *w, uint64_t i)
{
	uint8_t want[FILE_BYTES], got[FILE_BYTES];
	struct nfs_open open = { .access = NFS_OPEN_READ };
	struct nfs_file file;
	char name[32];
	size_t len = 0;
	bool eof = false;
	int err;

	snprintf(name, sizeof(name), "file-%" PRIu64, i);
	open.name = name;
	err = nfs_file_open(w->session, &w->dir, &open, &file);
	if (err)
		return err;
	err = nfs_file_read(&file, 0, got, sizeof(got), &len, &eof);
	if (!err)
		err = nfs_file_close(&file);
	if (err)
		return err;
	file_fill(w, i, want);
	if (len != FILE_BYTES || !eof || memcmp(want, got, FILE_BYTES) != 0)
		return -EBADMSG;
	w->demo->nr_verified++;
	return 0;
}

static FIBER_FN int verify_worker(struct demo_nfs_worker *w)
{
	struct seen seen = { .w = w };
	struct nfs_file_each each = { .entry = seen_entry, .owner = &seen };
	struct bitmap4 none = { 0 };
	int err = nfs_file_readdir(w->session, &w->dir, none, 0, each);

	if (!err && seen.nr != w->next - w->first)
		err = -EBADMSG;
	for (uint64_t i = w->first; !err && i < w->next; i++)
		err = verify_file(w, i);
	return err ? demo_fail(w->demo, "a directory is not as it was acknowledged", err) : 0;
}

FIBER_FN int demo_nfs_finish(struct demo_nfs *demo)
{
	int err;

	demo->stop = true;
	for (unsigned int i = 0; i < demo->nr_workers; i++)
		fiber_join(demo->workers[i].fiber);
	err = demo->err;
	for (unsigned int i = 0; !err && i < demo->nr_workers; i++)
		err = verify_worker(&demo->workers[i]);
	for (unsigned int i = 0; i < DEMO_NFS_CLIENTS; i++) {
		struct demo_nfs_client *c = &demo->clients[i];

		if (c->session && nfs_session_close(c->session) && !err)
			err = demo_fail(demo, "a session cannot be ended", -EIO);
		nfs_conn_close(c->conn);
		nfs_client_release(&c->client);
	}
	return err;
}
