/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GETDEVICEINFO and GETDEVICELIST (RFC 8881, 18.40, 18.41; RFC 5663, 2.2; RFC 8154, 2.1).  Promises: a client gets
 * the same answer for a device at all times, its key included, and the key is durable before it is told.
 *
 * A fenced client gets none: with the key it would register again.  NFS4ERR_ACCESS, which would say it best, is not
 * among the errors of GETDEVICEINFO (15.2), and NFS4ERR_DELAY would have it wait for ever: so for it there is no such
 * device, NFS4ERR_NOENT, and it reads and writes through the server.  While the fence is under way it is told to come
 * again.
 */

#include <string.h>

#include "dev/sock.h"
#include "mds/client.h"
#include "mds/conn.h"
#include "mds/layout.h"
#include "mds/ops.h"
#include "mds/status.h"
#include "proto/wire_bitmap.h"
#include "proto/wire_pnfs.h"

#define BODY_MAX 640u /* bytes of a device address of ours: a designator, or two UUIDs */

static unsigned int kind_of(layouttype4 type)
{
	switch (type) {
	case LAYOUT4_SCSI:
		return LAYOUT_SCSI;
	case LAYOUT4_BLOCK_VOLUME:
		return LAYOUT_BLOCK;
	default:
		return 0;
	}
}

/*
 * Whether some export lets this peer have layouts of that type.  Who gets none is told no key either: with one it
 * could write to the devices.
 */
static bool is_offered(const struct compound *c, layouttype4 type)
{
	const struct config *config = c->mds->config;
	unsigned int kind = kind_of(type);

	if (!c->mds->layouts || !(c->mds->layouts->kinds & kind))
		return false;
	for (unsigned int i = 0; i < config->nr_exports; i++) {
		const struct export_rule *rule = export_rule_for(&config->exports[i], &c->conn->sock->peer.ss);

		if (rule && (rule->layouts & kind))
			return true;
	}
	return false;
}

struct info_job {
	struct compound *c;
	const struct GETDEVICEINFO4args *args;
	struct GETDEVICEINFO4res *res;
	const struct layout_device *device;
	nfsstat4 status; /* why the body gave up */
	char body[BODY_MAX];
};

static int encode_scsi(struct info_job *job, uint64_t key, uint32_t *ret_len)
{
	const struct designator *d = &job->device->designator;
	struct pnfs_block_volume4 volume = { .type = PNFS_SCSI_VOLUME_BASE };
	struct pnfs_scsi_base_volume_info4 *base = &volume.pnfs_block_volume4_u.sv_base_info;
	const struct pnfs_block_deviceaddr4 addr = { .bda_volumes = { 1, &volume } };

	base->sbv_code_set = (enum pnfs_scsi_code_set)d->code_set;
	base->sbv_designator_type = (enum pnfs_scsi_designator_type)d->type;
	base->sbv_designator.sbv_designator_len = d->len;
	base->sbv_designator.sbv_designator_val = (char *)(uintptr_t)d->bytes;
	base->sbv_pr_key = key;
	return wire_device_encode(LAYOUT4_SCSI, &addr, job->body, sizeof(job->body), ret_len);
}

static int encode_block(struct info_job *job, uint32_t *ret_len)
{
	struct layout_signature sig;
	struct pnfs_block_sig_component4 part;
	struct pnfs_block_volume4 volume = { .type = PNFS_BLOCK_VOLUME_SIMPLE };
	struct pnfs_block_simple_volume_info4 *simple = &volume.pnfs_block_volume4_u.bv_simple_info;
	const struct pnfs_block_deviceaddr4 addr = { .bda_volumes = { 1, &volume } };

	layout_device_signature(job->c->mds->fs, job->device, &sig);
	part.bsc_sig_offset = (int64_t)sig.off;
	part.bsc_contents.bsc_contents_len = sig.len;
	part.bsc_contents.bsc_contents_val = (char *)sig.bytes;
	simple->bsv_ds.bsv_ds_len = 1;
	simple->bsv_ds.bsv_ds_val = &part;
	return wire_device_encode(LAYOUT4_BLOCK_VOLUME, &addr, job->body, sizeof(job->body), ret_len);
}

/*
 * Bits for changes and deletions of devices are granted as asked, though no such notice is ever sent: a device keeps
 * its id and address for ever.  Linux caches a device only if it got the bits that it asked for
 * (fs/nfs/nfs4proc.c, _nfs4_proc_getdeviceinfo).
 */
static struct bitmap4 notifications(const struct bitmap4 *asked)
{
	struct bitmap4 known = { 0 };

	wire_bitmap_set(&known, NOTIFY_DEVICEID4_CHANGE);
	wire_bitmap_set(&known, NOTIFY_DEVICEID4_DELETE);
	return wire_bitmap_and(asked, &known);
}

/* The result, with @len bytes of body.  NFS4ERR_TOOSMALL, with what would do. */
static nfsstat4 info_fill(struct info_job *job, uint32_t len)
{
	struct GETDEVICEINFO4resok *ok = &job->res->GETDEVICEINFO4res_u.gdir_resok4;
	count4 size;

	ok->gdir_device_addr.da_layout_type = job->args->gdia_layout_type;
	ok->gdir_device_addr.da_addr_body.da_addr_body_val = job->body;
	ok->gdir_device_addr.da_addr_body.da_addr_body_len = len;
	ok->gdir_notification = notifications(&job->args->gdia_notify_types);
	size = (count4)wire_size(GETDEVICEINFO4resok, ok);
	/* 0 asks for no address, only for the notifications to be as said (18.40.3). */
	if (job->args->gdia_maxcount == 0) {
		ok->gdir_device_addr.da_addr_body.da_addr_body_len = 0;
		return NFS4_OK;
	}
	if (size <= job->args->gdia_maxcount)
		return NFS4_OK;
	memset(&job->res->GETDEVICEINFO4res_u, 0, sizeof(job->res->GETDEVICEINFO4res_u));
	job->res->GETDEVICEINFO4res_u.gdir_mincount = size;
	return NFS4ERR_TOOSMALL;
}

static nfsstat4 fenced(const struct mds *mds, uint64_t key)
{
	const struct fence *fence = mds->layouts->fence;

	if (fence_is_busy(fence, key))
		return NFS4ERR_DELAY;
	return fence_state_of(fence, key) == FENCE_NONE ? NFS4_OK : NFS4ERR_NOENT;
}

static int info_body(struct txn *txn, void *arg)
{
	struct info_job *job = arg;
	struct compound *c = job->c;
	uint64_t key = 0;
	uint32_t len = 0;
	int err = fence_key(txn, c->client->owner, c->client->owner_len, &key);

	if (err)
		return err;
	job->status = fenced(c->mds, key);
	if (job->status)
		return -EACCES;
	err = job->args->gdia_layout_type == LAYOUT4_SCSI ? encode_scsi(job, key, &len) : encode_block(job, &len);
	if (err)
		return err;
	job->status = info_fill(job, len);
	return job->status ? -EACCES : 0;
}

FIBER_FN nfsstat4 op_getdeviceinfo(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	static const struct txn_options opt = { .name = "device info", .log_max = FENCE_LOG_KEY };
	const struct GETDEVICEINFO4args *args = &arg->nfs_argop4_u.opgetdeviceinfo;
	struct info_job *job;
	int err;

	if (!is_offered(c, args->gdia_layout_type))
		return NFS4ERR_UNKNOWN_LAYOUTTYPE;
	/* It holds the body, which the result points to. */
	job = wire_arena_alloc(&c->arena, sizeof(*job));
	if (!job)
		return NFS4ERR_DELAY;
	job->c = c;
	job->args = args;
	job->res = &res->nfs_resop4_u.opgetdeviceinfo;
	job->device = layout_device_find(&c->mds->layouts->devices, (const uint8_t *)args->gdia_device_id);
	if (!job->device)
		return NFS4ERR_NOENT;
	if (args->gdia_layout_type == LAYOUT4_SCSI)
		fence_welcome(c->mds->layouts->fence, (unsigned int)(job->device - c->mds->layouts->devices.v));
	err = compound_run(c, &opt, info_body, job);
	if (err && job->status)
		return job->status;
	/* Without a key there is no device for this client: it reads and writes through the server. */
	if (err == -ENOBUFS || err == -EROFS)
		return NFS4ERR_NOENT;
	return nfs_status(err);
}

/* Cookies count devices, from 1. */
FIBER_FN nfsstat4 op_getdevicelist(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct GETDEVICELIST4args *args = &arg->nfs_argop4_u.opgetdevicelist;
	struct GETDEVICELIST4resok *ok = &res->nfs_resop4_u.opgetdevicelist.GETDEVICELIST4res_u.gdlr_resok4;
	const struct layout_devices *devices;
	deviceid4 *ids;
	uint32_t first, nr;

	if (!is_offered(c, args->gdla_layout_type) || !(layout_kinds_of(c, &c->fh) & kind_of(args->gdla_layout_type)))
		return NFS4ERR_UNKNOWN_LAYOUTTYPE;
	devices = &c->mds->layouts->devices;
	/* Devices come behind the others and never go, so every cookie of this volume is good. */
	if (args->gdla_cookie && memcmp(args->gdla_cookieverf, c->mds->volume_tag, NFS4_VERIFIER_SIZE) != 0)
		return NFS4ERR_NOT_SAME;
	if (args->gdla_cookie > devices->nr)
		return NFS4ERR_BAD_COOKIE;
	if (args->gdla_maxdevices == 0)
		return NFS4ERR_INVAL;
	first = (uint32_t)args->gdla_cookie;
	nr = (uint32_t)min_u64(args->gdla_maxdevices, devices->nr - first);
	ids = wire_arena_alloc(&c->arena, (nr + 1) * sizeof(*ids));
	if (!ids)
		return NFS4ERR_DELAY;
	for (uint32_t i = 0; i < nr; i++)
		memcpy(ids[i], devices->v[first + i].id, NFS4_DEVICEID4_SIZE);
	ok->gdlr_cookie = first + nr;
	memcpy(ok->gdlr_cookieverf, c->mds->volume_tag, NFS4_VERIFIER_SIZE);
	ok->gdlr_deviceid_list.gdlr_deviceid_list_len = nr;
	ok->gdlr_deviceid_list.gdlr_deviceid_list_val = ids;
	ok->gdlr_eof = first + nr == devices->nr;
	return NFS4_OK;
}
