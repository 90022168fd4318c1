/* SPDX-License-Identifier: Apache-2.0 */
/* The start report of `lamina serve`: what an administrator wants to find in the log afterwards, each thing once. */
#include <inttypes.h>
#include <stdio.h>

#include <uuid/uuid.h>

#include "dev/log.h"
#include "extent/fs.h"
#include "mds/config.h"
#include "mds/layout.h"
#include "mds/mds.h"
#include "tools/serve_int.h"
#include "tools/volume.h"

#define UUID_TEXT	37
#define DESIGNATOR_TEXT 80

static void report_devices(const struct serve *s)
{
	char size[SIZE_TEXT_MAX];

	for (unsigned int i = 0; i < s->nr_devs; i++) {
		const struct blkdev_info *info = &s->devs[i]->info;

		log_info("device %s: %s, %s", info->name, size_text(info->size, size),
			 info->volatile_cache ? "volatile write cache: commits flush it" : "no volatile write cache");
	}
}

/* Hexadecimal digits, as in the names of /dev/disk/by-id. */
static const char *designator_text(const struct designator *d, char text[DESIGNATOR_TEXT])
{
	int len = snprintf(text, DESIGNATOR_TEXT, "%s", d->type == DESIGNATOR_NAA ? "naa." : "eui.");

	for (unsigned int i = 0; i < d->len && len + 3 < DESIGNATOR_TEXT; i++)
		len += snprintf(text + len, (size_t)(DESIGNATOR_TEXT - len), "%02x", d->bytes[i]);
	return text;
}

/* Which types of layout there are, and what stands against the others. */
static void report_layouts(const struct serve *s)
{
	const struct layouts *layouts = s->mds->layouts;
	char name[DESIGNATOR_TEXT];

	for (unsigned int i = 0; i < layouts->devices.nr; i++) {
		const struct layout_device *d = &layouts->devices.v[i];

		if (d->offers & LAYOUT_SCSI)
			log_info("device %s: clients reach it as %s, key 0x%" PRIx64
				 " of this server is registered%s",
				 d->dev->info.name, designator_text(&d->designator, name),
				 fence_own_key(layouts->fence),
				 d->reserver->is_emulated ? "; emulated, for Lamina's own programs only" : "");
		else
			log_info("device %s: no layouts of the SCSI type: %s", d->dev->info.name, d->why_not_scsi);
	}
	if (layouts->kinds & LAYOUT_SCSI)
		log_info("layouts: SCSI type; clients read and write the devices themselves");
	else if (layouts->kinds & LAYOUT_BLOCK)
		log_warn("layouts: block type; no device can keep out a client that is cut off%s",
			 s->config->fence_command[0] ? ", only fence_command"
						     : ": the server waits, and believes its silence");
	else if (layouts->devices.offers & LAYOUT_BLOCK)
		log_info("layouts: none, clients read and write through the server; on these devices there could be "
			 "those of the block type, if an export has layouts = [ \"block\" ]");
	else
		log_info("layouts: none, clients read and write through the server");
}

static void report_addresses(const struct config *cfg)
{
	char text[SOCK_ADDR_TEXT_MAX];

	for (unsigned int i = 0; i < cfg->nr_listen; i++) {
		sock_addr_print(&cfg->listen[i], text);
		log_info("listening on %s", text);
	}
}

static void report_exports(const struct config *cfg)
{
	for (unsigned int i = 0; i < cfg->nr_exports; i++) {
		const struct export *e = &cfg->exports[i];

		log_info("export %s: directory %s of the volume, id %" PRIu32 ", %u rule%s for clients", e->pseudo,
			 e->path, e->id, e->nr_rules, e->nr_rules == 1 ? "" : "s");
	}
}

static void report_found(const struct serve *s, const struct fs_stats *stats)
{
	const struct mds *mds = s->mds;

	if (stats->replayed_txns || stats->replayed_torn)
		log_info("the last server did not stop cleanly: %" PRIu64 " transactions replayed from the journal%s",
			 stats->replayed_txns,
			 stats->replayed_torn ? ", and an unfinished record, promised to nobody, dropped" : "");
	if (s->discard_state)
		log_warn("what clients had open and locked was discarded, as asked: %u may reclaim theirs",
			 mds->nr_clients);
	else if (mds->nr_clients)
		log_info("taken over: %u clients, %u sessions, %" PRIu64 " opens, %" PRIu64 " locks", mds->nr_clients,
			 mds->nr_sessions, mds->nr_opens, mds->nr_locks);
	if (mds->in_grace)
		log_info("grace: for %" PRIu64 " s clients may reclaim, and nobody else opens or locks",
			 s->config->grace_seconds);
	if (fs_is_read_only(s->fs))
		log_warn("the volume is read-only%s%s", fs_error(s->fs) ? ": " : "",
			 fs_error(s->fs) ? fs_error(s->fs) : "");
}

void report_start(const struct serve *s)
{
	char uuid[UUID_TEXT];
	struct fs_stats stats;

	fs_stats(s->fs, &stats);
	uuid_unparse_lower(fs_uuid(s->fs), uuid);
	log_info("lamina " LAMINA_VERSION ": volume \"%s\", uuid %s, %" PRIu64 " inodes", fs_name(s->fs), uuid,
		 stats.inodes);
	report_devices(s);
	report_layouts(s);
	report_found(s, &stats);
	report_exports(s->config);
	report_addresses(s->config);
	log_info("serving, %.1f ms after the start", (double)(reactor_now_ns(s->reactor) - s->begin_ns) / 1e6);
}
