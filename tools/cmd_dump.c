/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `lamina dump`: what is on the disk, as text.  Promises: devices are opened read-only and nothing is written; a
 * damaged volume is shown as far as it goes.
 */

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cmd.h"
#include "tools/dump.h"

struct topic {
	const char *name;
	int min_args, max_args;
	bool needs_super;
	FIBER_FN int (*show)(struct dump *d);
};

static const struct topic topics[] = {
	{ "label", 0, 0, false, dump_label },  { "super", 0, 0, false, dump_super },
	{ "block", 1, 1, false, dump_block },  { "journal", 0, 0, true, dump_journal },
	{ "items", 0, 2, true, dump_items },   { "map", 1, 1, true, dump_map },
	{ "chunks", 0, 0, true, dump_chunks },
};

struct dump_job {
	struct dump d;
	const struct topic *topic;
};

static void dump_help(FILE *out)
{
	fputs("usage: lamina dump [OPTION...] DEVICE... TOPIC\n"
	      "\n"
	      "Show what is on the devices of a volume, without touching it.\n"
	      "\n"
	      "  label              both labels of each device\n"
	      "  super              both superblocks\n"
	      "  block ADDRESS      a tree block; ADDRESS is DEVICE-INDEX:BLOCK, as in 0:1280\n"
	      "  journal            what a mount would replay\n"
	      "  items [FROM [TO]]  items of the last checkpoint, by key, as in 'file 12 extent 40'\n"
	      "  map INODE          the map of a file, in blocks of 4096 bytes\n"
	      "  chunks             metadata chunks and how full they are\n"
	      "\n"
	      "      --replay       items, map: with the changes in the journal; needs a sound volume\n"
	      "      --json         one JSON object on each line\n"
	      "  -h, --help         this text\n"
	      "\n"
	      "Exit codes: 0 all shown, 1 something is damaged or failed, 2 called wrongly.\n",
	      out);
}

int dump_read(struct dump *d, uint64_t daddr, void *buf, size_t len)
{
	struct blkdev *dev = daddr_dev(daddr) < VOLUME_DEVICES_MAX ? d->devs[daddr_dev(daddr)] : NULL;
	uint64_t off = daddr_block(daddr) << DADDR_BLOCK_SHIFT;
	char text[DADDR_TEXT_MAX];
	int err;

	dump_daddr_text(daddr, text);
	if (!dev) {
		dump_damage(d, "address %s: device %u of the volume was not given", text, daddr_dev(daddr));
		return -ENODEV;
	}
	if (off > dev->info.size || len > dev->info.size - off) {
		dump_damage(d, "address %s lies behind the end of %s", text, dev->info.name);
		return -ENXIO;
	}
	err = blkdev_read(dev, off, buf, len);
	if (err)
		dump_damage(d, "%s: address %s cannot be read: %s", dev->info.name, text, strerror(-err));
	return err;
}

/* Put a device where its label says.  One without a label takes the first place that is left. */
FIBER_FN static void dump_place(struct dump *d, struct blkdev *dev, struct blkdev **homeless)
{
	struct label_report rep;
	struct label label;
	struct why why;
	int err = label_read(dev, &label, &rep, &why);

	if (err) {
		dump_damage(d, "%s: %s", dev->info.name, why.text);
		*homeless = dev;
		return;
	}
	if (rep.trouble.text[0])
		dump_damage(d, "%s: %s", dev->info.name, rep.trouble.text);
	if (d->uuid && memcmp(d->uuid, label.volume_uuid, UUID_LEN) != 0) {
		dump_damage(d, "%s: belongs to another volume than the devices before it; left out", dev->info.name);
		return;
	}
	if (d->devs[label.device_index]) {
		dump_damage(d, "%s: the volume's device %u was given before, as %s; left out", dev->info.name,
			    label.device_index, d->devs[label.device_index]->info.name);
		return;
	}
	memcpy(d->uuid_bytes, label.volume_uuid, UUID_LEN);
	d->uuid = d->uuid_bytes;
	d->devs[label.device_index] = dev;
}

FIBER_FN static void dump_identify(struct dump *d)
{
	struct blkdev *homeless[VOLUME_DEVICES_MAX] = { NULL };
	unsigned int place = 0;

	for (unsigned int i = 0; i < d->v->nr; i++)
		dump_place(d, d->v->devs[i], &homeless[i]);
	for (unsigned int i = 0; i < d->v->nr; i++) {
		if (!homeless[i])
			continue;
		while (d->devs[place])
			place++;
		dump_note("%s: taken for device %u of the volume", homeless[i]->info.name, place);
		d->devs[place] = homeless[i];
	}
}

FIBER_FN static void dump_find_super(struct dump *d, bool needed)
{
	struct super_report rep;
	struct why why = { "device 0 of the volume was not given" };
	int err = d->devs[0] ? super_read(d->devs[0], d->uuid, d->super, &rep, &why) : -ENODEV;

	d->has_super = !err;
	if (err && needed)
		dump_damage(d, "%s", why.text);
	else if (!err && needed && rep.trouble.text[0])
		dump_damage(d, "%s: %s", d->devs[0]->info.name, rep.trouble.text);
	if (!err && !d->uuid) {
		memcpy(d->uuid_bytes, d->super->volume_uuid, UUID_LEN);
		d->uuid = d->uuid_bytes;
	}
}

FIBER_FN static int dump_main(struct volume *v, void *arg)
{
	struct dump_job *job = arg;
	struct dump *d = &job->d;
	int exit_code;

	d->v = v;
	if (strcmp(job->topic->name, "label") != 0) {
		dump_identify(d);
		dump_find_super(d, job->topic->needs_super);
		if (job->topic->needs_super && !d->has_super)
			return CMD_FAILED;
	}
	exit_code = job->topic->show(d);
	if (fflush(stdout) || ferror(stdout)) {
		dump_note("the output could not be written");
		return CMD_FAILED;
	}
	return exit_code == CMD_OK && d->damaged ? CMD_FAILED : exit_code;
}

static const struct topic *find_topic(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(topics); i++)
		if (strcmp(topics[i].name, name) == 0)
			return &topics[i];
	return NULL;
}

/* Where the topic is among @args, behind at least one device; @nr if nowhere. */
static int topic_place(char *const *args, int nr)
{
	int i = 1;

	while (i < nr && !find_topic(args[i]))
		i++;
	return i < nr ? i : nr;
}

static int dump_usage(const char *text)
{
	fprintf(stderr, "lamina dump: %s; `lamina dump --help` shows the usage\n", text);
	return CMD_USAGE;
}

static int dump_start(struct dump_job *job, char *const *args, int nr)
{
	int at = topic_place(args, nr), exit_code;

	if (at >= nr)
		return dump_usage("name one or more devices and then what to show");
	job->topic = find_topic(args[at]);
	job->d.args = args + at + 1;
	job->d.nr_args = nr - at - 1;
	if (job->d.nr_args < job->topic->min_args)
		return dump_usage("what exactly? The topic needs an argument");
	if (job->d.nr_args > job->topic->max_args)
		return dump_usage("too many arguments behind the topic");
	job->d.super = calloc(1, sizeof(*job->d.super));
	if (!job->d.super)
		return CMD_FAILED;
	exit_code = volume_run("dump", args, (unsigned int)at, BLKFILE_READ_ONLY, CMD_FAILED, dump_main, job);
	free(job->d.super);
	return exit_code;
}

int cmd_dump(int argc, char **argv)
{
	static const struct option options[] = {
		{ "replay", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct dump_job job = { .topic = NULL };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			job.d.replay = true;
			break;
		case 'j':
			job.d.json = true;
			break;
		case 'h':
			dump_help(stdout);
			return CMD_OK;
		default:
			return dump_usage("that is no option of it");
		}
	}
	return dump_start(&job, argv + optind, argc - optind);
}
