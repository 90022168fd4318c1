/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: a key is registered with a device before any I/O to it and taken away at a clean end; a device has one
 * entry however often it is named; all fibers have ended before the host's memory is given back.
 */

#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "tools/pnfs_int.h"

#define PATIENCE_NS (10 * NSEC_PER_SEC)
#define RETRY_NS    NSEC_PER_SEC
#define PAGE	    4096
/* What a reply with a device is on the wire besides its body. */
#define DEVICE_OVERHEAD 512
#define ADDR_MEMORY	(1 << 20)

int pnfs_host_open(struct pnfs_host *host, struct nfs_session *session, layouttype4 type, struct pnfs_finder finder)
{
	if (type != LAYOUT4_SCSI && type != LAYOUT4_BLOCK_VOLUME)
		return -EINVAL;
	*host = (struct pnfs_host){ .session = session,
				    .type = type,
				    .finder = finder,
				    .page = PAGE,
				    .patience_ns = PATIENCE_NS,
				    .retry_ns = RETRY_NS };
	list_init(&host->inodes);
	fiber_mutex_init(&host->device_lock);
	wait_queue_init(&host->changed);
	pnfs_recall_open(host);
	return 0;
}

static FIBER_FN void device_close(struct pnfs_device *device, bool clean)
{
	int err = 0;

	if (clean && device->registered)
		err = reserver_unregister(device->reserver, device->key);
	/* Preempted before: there is nothing to take away. */
	if (err && err != -EBUSY)
		log_warn("pnfs: the key of %s could not be unregistered: %s",
			 device->dev ? device->dev->info.name : "a device", strerror(-err));
	if (device->is_borrowed)
		return;
	blkdev_close(device->dev);
	reserver_close(device->reserver);
}

FIBER_FN void pnfs_host_close(struct pnfs_host *host, bool clean)
{
	host->is_closing = true;
	pnfs_recall_close(host);
	wait_queue_wake_all(&host->changed);
	while (host->nr_fibers > 0)
		wait_queue_wait(&host->changed);
	assert(list_is_empty(&host->inodes));
	for (unsigned int i = 0; i < host->nr_devices; i++)
		device_close(&host->devices[i], clean);
	host->nr_devices = 0;
}

FIBER_FN void pnfs_host_forget(struct pnfs_host *host)
{
	list_for_each (pos, &host->inodes)
		pnfs_inode_forget(list_entry(pos, struct pnfs_inode, by_host));
	fiber_mutex_lock(&host->device_lock);
	for (unsigned int i = 0; i < host->nr_devices; i++) {
		host->devices[i].known = false;
		host->devices[i].registered = false;
	}
	fiber_mutex_unlock(&host->device_lock);
}

/* The key that the device's logical unit is reserved with; 0: none. */
static uint64_t addr_key(const struct pnfs_block_deviceaddr4 *addr)
{
	for (unsigned int i = 0; i < addr->bda_volumes.bda_volumes_len; i++) {
		const struct pnfs_block_volume4 *volume = &addr->bda_volumes.bda_volumes_val[i];

		if (volume->type == PNFS_SCSI_VOLUME_BASE)
			return volume->pnfs_block_volume4_u.sv_base_info.sbv_pr_key;
	}
	return 0;
}

/* Find it, or find it again: the way to it stays that of the first time. */
static FIBER_FN int device_take(struct pnfs_host *host, const struct pnfs_block_deviceaddr4 *addr,
				struct pnfs_device *device)
{
	struct pnfs_device found = { 0 };
	int err = 0;

	device->key = addr_key(addr);
	if (!device->dev) {
		err = host->finder.find(host->finder.owner, host->type, addr, &found);
		if (err)
			return err;
		device->dev = found.dev;
		device->reserver = found.reserver;
		device->is_borrowed = found.is_borrowed;
	}
	device->known = true;
	return 0;
}

static FIBER_FN int device_decode(struct pnfs_host *host, const GETDEVICEINFO4resok *ok, struct bitmap4 asked,
				  struct pnfs_device *device)
{
	const device_addr4 *body = &ok->gdir_device_addr;
	struct pnfs_block_deviceaddr4 addr;
	struct wire_arena arena;
	int err;

	if (body->da_layout_type != host->type) {
		log_err("pnfs: GETDEVICEINFO answers with another layout type");
		return -EBADMSG;
	}
	/* Linux then keeps no device for longer than one use. */
	if (memcmp(&ok->gdir_notification, &asked, sizeof(asked)) != 0)
		log_warn("pnfs: GETDEVICEINFO does not answer with the notifications that were asked for");
	wire_arena_init(&arena, ADDR_MEMORY);
	err = wire_device_decode(host->type, body->da_addr_body.da_addr_body_val, body->da_addr_body.da_addr_body_len,
				 &arena, &addr);
	if (err)
		log_err("pnfs: GETDEVICEINFO answers with an address that is none");
	else
		err = device_take(host, &addr, device);
	wire_arena_release(&arena);
	return err;
}

static FIBER_FN int device_ask(struct pnfs_host *host, struct pnfs_device *device)
{
	struct bitmap4 notify = NFS_ATTRS(NOTIFY_DEVICEID4_CHANGE, NOTIFY_DEVICEID4_DELETE);
	struct nfs_session *session = host->session;
	uint32_t maxcount = session->fore.ca_maxresponsesize;
	GETDEVICEINFO4resok ok;
	struct nfs_compound c;
	uint32_t at;
	int err;

	nfs_compound_init(&c);
	nfs_session_begin(session, &c);
	c.cachethis = false;
	at = nfs_op_getdeviceinfo(&c, host->type, device->id,
				  maxcount > 2 * DEVICE_OVERHEAD ? maxcount - DEVICE_OVERHEAD : maxcount, notify);
	err = nfs_file_send(session, &c);
	if (!err)
		err = nfs_op_got_device(&c, at, &ok);
	if (!err)
		err = device_decode(host, &ok, notify, device);
	else if (err == -ENODATA)
		log_warn("pnfs: no GETDEVICEINFO: status %d", (int)c.status);
	nfs_compound_release(&c);
	return err;
}

/* RFC 8154, 2.4.10: the key before the first I/O. */
static FIBER_FN int device_register(struct pnfs_device *device)
{
	int err;

	if (!device->key || device->registered)
		return 0;
	if (!device->reserver)
		return -EOPNOTSUPP;
	err = reserver_register(device->reserver, device->key);
	device->registered = err == 0;
	return err;
}

static struct pnfs_device *device_find(struct pnfs_host *host, const char id[NFS4_DEVICEID4_SIZE])
{
	for (unsigned int i = 0; i < host->nr_devices; i++)
		if (memcmp(host->devices[i].id, id, NFS4_DEVICEID4_SIZE) == 0)
			return &host->devices[i];
	return NULL;
}

static FIBER_FN int device_ready(struct pnfs_host *host, struct pnfs_device *device)
{
	int err = 0;

	if (pnfs_now(host) < device->bad_until)
		return -ENODEV;
	if (!device->known)
		err = device_ask(host, device);
	if (!err)
		err = device_register(device);
	if (!err)
		return 0;
	log_warn("pnfs: a device cannot be used: %s", strerror(-err));
	device->bad_until = pnfs_now(host) + host->retry_ns;
	return -ENODEV;
}

FIBER_FN int pnfs_device_get(struct pnfs_host *host, const char id[NFS4_DEVICEID4_SIZE], unsigned int *ret_index)
{
	struct pnfs_device *device;
	int err;

	fiber_mutex_lock(&host->device_lock);
	device = device_find(host, id);
	if (!device && host->nr_devices < PNFS_DEVICES_MAX) {
		device = &host->devices[host->nr_devices++];
		*device = (struct pnfs_device){ 0 };
		memcpy(device->id, id, NFS4_DEVICEID4_SIZE);
	}
	err = device ? device_ready(host, device) : -ENODEV;
	fiber_mutex_unlock(&host->device_lock);
	if (!err)
		*ret_index = (unsigned int)(device - host->devices);
	return err;
}

struct job {
	struct pnfs_inode *inode;
	FIBER_FN void (*work)(struct pnfs_inode *inode);
};

static FIBER_FN void job_fiber(void *arg)
{
	struct job *job = arg;
	struct pnfs_host *host = job->inode->host;

	job->work(job->inode);
	pnfs_inode_put(job->inode);
	free(job);
	host->nr_fibers--;
	wait_queue_wake_all(&host->changed);
}

int pnfs_spawn(struct pnfs_inode *inode, void (*fn)(struct pnfs_inode *inode))
{
	struct pnfs_host *host = inode->host;
	struct job *job = malloc(sizeof(*job));
	int err;

	if (!job)
		return -ENOMEM;
	*job = (struct job){ inode, fn };
	err = fiber_spawn(host->session->client->reactor, "pnfs give back", job_fiber, job, NULL);
	if (err) {
		free(job);
		return err;
	}
	inode->refs++;
	host->nr_fibers++;
	return 0;
}

void pnfs_inode_put(struct pnfs_inode *inode)
{
	if (--inode->refs > 0)
		return;
	list_del(&inode->by_host);
	pnfs_extents_clear(inode);
	pnfs_kept_clear(inode);
	free(inode);
}
