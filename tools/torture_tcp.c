/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: a host reaches a device by what the server says of it, as any client would, and not by knowing better; to
 * the device every host is another one.
 */

#include "tools/torture_tcp.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/blkfile.h"
#include "dev/fiber.h"
#include "dev/reactor.h"
#include "extent/label.h"

static int device_open(struct torture_tcp_device *d, struct why *why)
{
	struct stat st;

	d->fd = open(d->path, O_RDWR | O_CLOEXEC);
	if (d->fd < 0 || fstat(d->fd, &st) < 0)
		return why_set(why, -errno, "%s: %s", d->path, strerror(errno));
	d->is_file = S_ISREG(st.st_mode);
	if (!d->is_file && !S_ISBLK(st.st_mode))
		return why_set(why, -ENOTBLK, "%s: neither a block device nor a plain file", d->path);
	return identity_read(d->fd, &d->identity);
}

int torture_tcp_open(struct torture_tcp *tcp, struct reactor *r, const char *const *paths, unsigned int nr,
		     struct why *why)
{
	int err;

	memset(tcp, 0, sizeof(*tcp));
	tcp->reactor = r;
	wait_queue_init(&tcp->calm);
	if (nr > VOLUME_DEVICES_MAX)
		return why_set(why, -E2BIG, "%u devices at most", VOLUME_DEVICES_MAX);
	for (unsigned int i = 0; i < TORTURE_HOSTS_MAX; i++)
		tcp->hosts[i] = (struct torture_tcp_host){ .tcp = tcp, .nr = i };
	err = net_open(r, &tcp->net);
	if (err)
		return why_set(why, err, "no network: %s", strerror(-err));
	for (unsigned int i = 0; !err && i < nr; i++) {
		tcp->devices[i] = (struct torture_tcp_device){ .path = paths[i], .fd = -1 };
		tcp->nr_devices++;
		err = device_open(&tcp->devices[i], why);
	}
	if (err)
		torture_tcp_close(tcp);
	return err;
}

void torture_tcp_close(struct torture_tcp *tcp)
{
	for (unsigned int i = 0; i < tcp->nr_devices; i++)
		if (tcp->devices[i].fd >= 0)
			close(tcp->devices[i].fd);
	tcp->nr_devices = 0;
	if (tcp->net)
		net_close(tcp->net);
	tcp->net = NULL;
}

/* A plain file's designator is made of the UUID in its label, but for the first byte, which says that it is a NAA. */
static bool is_by_label(const struct torture_tcp_device *d, const pnfs_scsi_base_volume_info4 *base)
{
	uint8_t block[LABEL_SIZE];
	struct label label;

	return d->is_file && pread(d->fd, block, sizeof(block), 0) == (ssize_t)sizeof(block) &&
	       label_decode(block, &label, NULL) == 0 && base->sbv_designator.sbv_designator_len == UUID_LEN &&
	       memcmp(base->sbv_designator.sbv_designator_val + 1, label.device_uuid + 1, UUID_LEN - 1) == 0;
}

static bool is_by_designator(const struct torture_tcp_device *d, const pnfs_scsi_base_volume_info4 *base)
{
	for (unsigned int i = 0; i < d->identity.nr_designators; i++) {
		const struct designator *own = &d->identity.designators[i];

		if ((int)own->type == (int)base->sbv_designator_type &&
		    own->len == base->sbv_designator.sbv_designator_len &&
		    memcmp(own->bytes, base->sbv_designator.sbv_designator_val, own->len) == 0)
			return true;
	}
	return is_by_label(d, base);
}

static bool is_by_signature(const struct torture_tcp_device *d, const pnfs_block_simple_volume_info4 *simple)
{
	uint8_t bytes[PNFS_SIGNATURE_MAX];
	off_t size = lseek(d->fd, 0, SEEK_END);

	for (u_int i = 0; i < simple->bsv_ds.bsv_ds_len; i++) {
		const pnfs_block_sig_component4 *sig = &simple->bsv_ds.bsv_ds_val[i];
		off_t at = sig->bsc_sig_offset < 0 ? size + sig->bsc_sig_offset : sig->bsc_sig_offset;
		u_int len = sig->bsc_contents.bsc_contents_len;

		if (len > sizeof(bytes) || pread(d->fd, bytes, len, at) != (ssize_t)len ||
		    memcmp(bytes, sig->bsc_contents.bsc_contents_val, len) != 0)
			return false;
	}
	return simple->bsv_ds.bsv_ds_len > 0;
}

static bool is_meant(const struct torture_tcp_device *d, const struct pnfs_block_deviceaddr4 *addr)
{
	const pnfs_block_volume4 *volume = &addr->bda_volumes.bda_volumes_val[0];

	/* Volumes that are made of others are not Lamina's. */
	if (addr->bda_volumes.bda_volumes_len != 1)
		return false;
	if (volume->type == PNFS_SCSI_VOLUME_BASE)
		return is_by_designator(d, &volume->pnfs_block_volume4_u.sv_base_info);
	return volume->type == PNFS_BLOCK_VOLUME_SIMPLE &&
	       is_by_signature(d, &volume->pnfs_block_volume4_u.bv_simple_info);
}

static int path_open(struct torture_tcp_host *host, const struct torture_tcp_device *d, layouttype4 type,
		     struct pnfs_device *ret_device)
{
	struct reactor *r = host->tcp->reactor;
	struct reserver *reserver = NULL;
	struct blkdev *dev;
	char name[16];
	int err;

	snprintf(name, sizeof(name), "torture %u", host->nr);
	/* Emulated reservations are looked at on this road only. */
	if (d->is_file)
		err = reserver_file_blkdev(r, d->path, name, &dev);
	else
		err = blkfile_open(r, d->path, 0, &dev);
	if (err)
		return err;
	if (type == LAYOUT4_SCSI)
		err = d->is_file ? reserver_file_open(r, d->path, name, &reserver)
				 : reserver_open(r, d->fd, &d->identity, d->path, &reserver);
	if (err) {
		blkdev_close(dev);
		return err;
	}
	ret_device->dev = dev;
	ret_device->reserver = reserver;
	return 0;
}

static FIBER_FN int tcp_find(void *owner, layouttype4 type, const struct pnfs_block_deviceaddr4 *addr,
			     struct pnfs_device *ret_device)
{
	struct torture_tcp_host *host = owner;

	for (unsigned int i = 0; i < host->tcp->nr_devices; i++)
		if (is_meant(&host->tcp->devices[i], addr))
			return path_open(host, &host->tcp->devices[i], type, ret_device);
	return -ENODEV;
}

static struct pnfs_finder tcp_finder(void *owner, unsigned int host)
{
	struct torture_tcp *tcp = owner;

	return (struct pnfs_finder){ .find = tcp_find, .owner = &tcp->hosts[host] };
}

static struct net *tcp_net(void *owner, unsigned int host)
{
	struct torture_tcp *tcp = owner;

	return tcp->net;
}

static FIBER_FN void killer_main(void *arg)
{
	struct torture_tcp *tcp = arg;
	uint64_t until;
	int err = 0;

	while (!err && !tcp->is_calm && torture_is_running(tcp->torture)) {
		until = reactor_now_ns(tcp->reactor) + tcp->every_ns;
		while (!tcp->is_calm && reactor_now_ns(tcp->reactor) < until)
			(void)!wait_queue_wait_until(&tcp->calm, until);
		if (tcp->is_calm || until >= tcp->until_ns)
			break;
		err = tcp->kill(tcp->owner);
		tcp->kills += !err;
	}
	if (err)
		why_set(&tcp->why, err, "killing and starting the server: %s", strerror(-err));
}

static void tcp_begin(void *owner, struct torture *t)
{
	struct torture_tcp *tcp = owner;

	tcp->torture = t;
	if (tcp->kill && fiber_spawn(tcp->reactor, "torture killer", killer_main, tcp, &tcp->killer))
		tcp->killer = NULL;
}

static FIBER_FN void tcp_calm_down(void *owner)
{
	struct torture_tcp *tcp = owner;

	tcp->is_calm = true;
	wait_queue_wake_all(&tcp->calm);
	if (tcp->killer)
		fiber_join(tcp->killer);
	tcp->killer = NULL;
}

void torture_tcp_world(struct torture_tcp *tcp, const struct sock_addr *addr, struct torture_world *ret_world)
{
	*ret_world = (struct torture_world){ .reactor = tcp->reactor,
					     .net = tcp_net,
					     .addr = *addr,
					     .finder = tcp_finder,
					     .begin = tcp_begin,
					     .calm_down = tcp_calm_down,
					     .owner = tcp };
}
