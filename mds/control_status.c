/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status document.  Promises: the names of members stay what they are, lamina-status(8) has them; making it
 * changes nothing and costs the same however many clients there are.
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <uuid/uuid.h>

#include "dev/blkdev.h"
#include "extent/fs.h"
#include "mds/control_int.h"
#include "mds/mds.h"
#include "proto/wire_compound.h"

#define UUID_TEXT 37
#define NS	  1e9

struct status {
	const struct mds *mds;
	struct fs_stats fs;
	double uptime; /* seconds, more than 0 */
};

static void add_volume(const struct status *st, struct json_object *top)
{
	const struct fs_stats *fs = &st->fs;
	struct json_object *o = control_add_object(top, "volume");
	struct json_object *devices;
	char uuid[UUID_TEXT];

	uuid_unparse_lower(fs_uuid(st->mds->fs), uuid);
	control_add_text(o, "name", fs_name(st->mds->fs));
	control_add_text(o, "uuid", uuid);
	control_add_u64(o, "size_bytes", fs->total_blocks * DADDR_BLOCK_SIZE);
	control_add_u64(o, "free_bytes", fs->free_blocks * DADDR_BLOCK_SIZE);
	control_add_u64(o, "data_bytes",
			(fs->total_blocks - fs->free_blocks - fs->limbo_blocks - fs->metadata_blocks) *
				DADDR_BLOCK_SIZE);
	control_add_u64(o, "metadata_bytes", fs->metadata_blocks * DADDR_BLOCK_SIZE);
	control_add_u64(o, "limbo_bytes", fs->limbo_blocks * DADDR_BLOCK_SIZE);
	control_add_u64(o, "inodes", fs->inodes);
	control_add_u64(o, "orphans", fs->orphans);
	control_add_bool(o, "read_only", fs_is_read_only(st->mds->fs));
	control_add_text(o, "error", fs_error(st->mds->fs));
	devices = control_add_array(o, "devices");
	for (unsigned int i = 0; i < fs_nr_devices(st->mds->fs); i++) {
		const struct blkdev_info *info = &fs_device(st->mds->fs, i)->info;
		struct json_object *d = json_object_new_object();

		control_add_text(d, "path", info->name);
		control_add_u64(d, "size_bytes", info->size);
		control_add_bool(d, "volatile_cache", info->volatile_cache);
		json_object_array_add(devices, d);
	}
}

static void add_store(const struct status *st, struct json_object *top)
{
	const struct fs_stats *fs = &st->fs;
	const struct config_store *cfg = &st->mds->config->store;
	uint64_t durable = fs->txns > fs->txn_seq - fs->durable_seq ? fs->txns - (fs->txn_seq - fs->durable_seq) : 0;
	struct json_object *o = control_add_object(top, "journal");

	control_add_u64(o, "size_bytes", fs->journal_size);
	control_add_u64(o, "used_bytes", fs->journal_used);
	control_add_u64(o, "last_seq", fs->txn_seq);
	control_add_u64(o, "durable_seq", fs->durable_seq);
	control_add_u64(o, "writes", fs->journal_records);
	control_add_u64(o, "written_bytes", fs->journal_bytes);
	control_add_double(o, "transactions_per_write",
			   fs->journal_records ? (double)durable / (double)fs->journal_records : 0);
	control_add_u64(o, "waits_for_room", fs->journal_waits);

	o = control_add_object(top, "transactions");
	control_add_u64(o, "count", fs->txns);
	control_add_double(o, "per_second", (double)fs->txns / st->uptime);
	control_add_u64(o, "restarts", fs->restarts);
	control_add_u64(o, "undone", fs->undone);

	o = control_add_object(top, "checkpoints");
	control_add_u64(o, "count", fs->ckpt.nr);
	control_add_u64(o, "blocks", fs->ckpt.blocks);
	control_add_double(o, "last_seconds", (double)fs->ckpt.last_ns / NS);

	o = control_add_object(top, "cache");
	control_add_u64(o, "bytes", fs->cache_blocks * BLOCK_SIZE);
	control_add_u64(o, "limit_bytes", cfg->cache_bytes);
	control_add_u64(o, "dirty_bytes", fs->cache_dirty * BLOCK_SIZE);
	control_add_u64(o, "misses", fs->cache_misses);
	control_add_u64(o, "evictions", fs->cache_evictions);
}

/* A count and what it may be at most. */
static struct json_object *add_bounded(struct json_object *top, const char *name, uint64_t now, uint64_t limit)
{
	struct json_object *o = control_add_object(top, name);

	control_add_u64(o, "now", now);
	control_add_u64(o, "limit", limit);
	return o;
}

static void add_traffic(const struct status *st, struct json_object *top)
{
	const struct mds *mds = st->mds;
	const struct mds_counts *n = &mds->counts;
	const struct config_limits *limits = &mds->config->limits;
	struct json_object *o = add_bounded(top, "connections", mds->nr_conns, limits->connections);

	control_add_u64(o, "count", n->connections);
	control_add_u64(o, "refused", n->connections_refused);
	control_add_u64(o, "cut", n->connections_cut);

	o = add_bounded(top, "requests", mds->requests.limit - mds->requests.free, mds->requests.limit);
	control_add_u64(o, "count", n->requests);
	control_add_double(o, "per_second", (double)n->requests / st->uptime);
	control_add_u64(o, "replays", n->replays);
	control_add_u64(o, "resumed", n->resumed);
	control_add_u64(o, "malformed", n->refused);

	o = control_add_object(top, "operations");
	for (uint32_t op = 0; op < ARRAY_SIZE(n->ops); op++) {
		const char *name = n->ops[op] ? wire_op_name(op) : NULL;
		struct json_object *of;

		if (!name)
			continue;
		of = control_add_object(o, name);
		control_add_u64(of, "count", n->ops[op]);
		control_add_double(of, "per_second", (double)n->ops[op] / st->uptime);
	}
	control_add_u64(top, "operation_errors", n->op_errors);

	o = control_add_object(top, "callbacks");
	control_add_u64(o, "count", n->callbacks);
	control_add_u64(o, "failed", n->callbacks_failed);
}

static void add_state(const struct status *st, struct json_object *top)
{
	const struct mds *mds = st->mds;
	const struct config_limits *limits = &mds->config->limits;
	uint64_t now = reactor_now_ns(mds->reactor);
	struct json_object *o = add_bounded(top, "clients", mds->nr_clients, limits->clients);

	control_add_u64(o, "expired", mds->counts.clients_expired);
	add_bounded(top, "sessions", mds->nr_sessions, limits->clients * limits->sessions_per_client);
	add_bounded(top, "opens", mds->nr_opens, limits->opens);
	add_bounded(top, "locks", mds->nr_locks, limits->locks);
	control_add_u64(top, "delegations", mds->nr_delegs);
	add_bounded(top, "reply_cache_bytes", mds->reply_cache_bytes, limits->reply_cache_bytes);
	o = control_add_object(top, "grace");
	control_add_bool(o, "active", mds->in_grace);
	control_add_double(o, "seconds_left",
			   mds->in_grace && mds->grace_end_ns > now ? (double)(mds->grace_end_ns - now) / NS : 0);
}

/* Bytes in memory now; 0: the kernel does not tell. */
static uint64_t resident_bytes(void)
{
	uint64_t pages = 0;
	FILE *in = fopen("/proc/self/statm", "r");

	if (!in)
		return 0;
	if (fscanf(in, "%*u %" SCNu64, &pages) != 1)
		pages = 0;
	fclose(in);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void add_memory(const struct status *st, struct json_object *top)
{
	const struct config *cfg = st->mds->config;
	uint64_t bound = cfg->store.cache_bytes + cfg->limits.reply_cache_bytes + cfg->limits.buffer_bytes;
	struct json_object *o = control_add_object(top, "memory");
	struct rusage usage = { .ru_maxrss = 0 };

	/* It fails for wrong arguments only. */
	if (getrusage(RUSAGE_SELF, &usage) < 0)
		usage.ru_maxrss = 0;
	control_add_u64(o, "resident_bytes", resident_bytes());
	control_add_u64(o, "peak_bytes", (uint64_t)usage.ru_maxrss << 10);
	control_add_u64(o, "bound_bytes", bound);
	o = control_add_object(o, "bounds");
	control_add_u64(o, "cache_bytes", cfg->store.cache_bytes);
	control_add_u64(o, "reply_cache_bytes", cfg->limits.reply_cache_bytes);
	control_add_u64(o, "buffer_bytes", cfg->limits.buffer_bytes);
}

struct json_object *control_status(const struct control_options *opt)
{
	const struct mds *mds = opt->mds;
	struct status st = { .mds = mds };
	struct json_object *top = json_object_new_object();
	uint64_t wall = reactor_wall_ns(mds->reactor);
	struct json_object *listen;

	fs_stats(mds->fs, &st.fs);
	/* The wall clock may have been set back. */
	st.uptime = wall > mds->started_ns ? (double)(wall - mds->started_ns) / NS : 1e-3;
	control_add_text(top, "version", LAMINA_VERSION);
	control_add_u64(top, "pid", (uint64_t)getpid());
	control_add_double(top, "started", (double)mds->started_ns / NS);
	control_add_double(top, "uptime_seconds", st.uptime);
	control_add_text(top, "io", reactor_backend_name(mds->reactor));
	control_add_bool(top, "stopping", mds->stopping);
	listen = control_add_array(top, "listen");
	for (unsigned int i = 0; i < mds->config->nr_listen; i++) {
		char text[SOCK_ADDR_TEXT_MAX];

		sock_addr_print(&mds->config->listen[i], text);
		json_object_array_add(listen, json_object_new_string(text));
	}
	add_volume(&st, top);
	add_store(&st, top);
	add_traffic(&st, top);
	add_state(&st, top);
	add_memory(&st, top);
	control_add_detours(top, mds);
	return top;
}
