/* SPDX-License-Identifier: Apache-2.0 */

/* What protocol tests of layouts read and write: through the server, and on the devices as the extents say. */

#include <stdlib.h>
#include <string.h>

#include "tests/lib/pnfs_test.h"

#define PUT_MAX (512u << 10) /* bytes of one READ or WRITE */

FIBER_FN void pnfs_peer_put(struct pnfs_peer_file *file, uint64_t off, uint64_t len, uint8_t fill)
{
	struct nfs_file nfs = { file->peer->s.session, file->open.fh, file->open.stateid };
	uint8_t *bytes = malloc(PUT_MAX);

	NFS_CHECK(file->peer->s.t, bytes != NULL);
	memset(bytes, fill, PUT_MAX);
	for (uint64_t done = 0; done < len; done += PUT_MAX)
		NFS_IS(file->peer->s.t,
		       nfs_file_write(&nfs, off + done, bytes, min_u64(len - done, PUT_MAX), FILE_SYNC4), 0);
	free(bytes);
}

static bool all_are(const uint8_t *bytes, size_t len, uint8_t fill)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != fill)
			return false;
	return true;
}

FIBER_FN void pnfs_peer_expect(struct pnfs_peer_file *file, uint64_t off, uint64_t len, uint8_t fill)
{
	struct nfs_test *t = file->peer->s.t;
	struct nfs_file nfs = { file->peer->s.session, file->open.fh, file->open.stateid };
	uint8_t *bytes = malloc(PUT_MAX);

	NFS_CHECK(t, bytes != NULL);
	for (uint64_t done = 0; done < len; done += PUT_MAX) {
		size_t want = min_u64(len - done, PUT_MAX), got;
		bool eof;

		NFS_IS(t, nfs_file_read(&nfs, off + done, bytes, want, &got, &eof), 0);
		NFS_CHECK_EQ(t, got, want);
		NFS_CHECK(t, all_are(bytes, want, fill));
	}
	free(bytes);
}

FIBER_FN uint64_t pnfs_peer_size(struct pnfs_peer_file *file)
{
	return nfs_state_getattr(&file->peer->s, &file->open.fh, NFS_ATTRS(FATTR4_SIZE)).size;
}

FIBER_FN uint64_t pnfs_peer_change(struct pnfs_peer_file *file)
{
	return nfs_state_getattr(&file->peer->s, &file->open.fh, NFS_ATTRS(FATTR4_CHANGE)).change;
}

FIBER_FN void pnfs_peer_set_size(struct pnfs_peer_file *file, uint64_t size, nfsstat4 want)
{
	struct nfs_compound *c = &file->peer->s.t->c;
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_SIZE), .size = size };

	nfs_session_begin(file->peer->s.session, c);
	nfs_op_putfh(c, &file->open.fh);
	nfs_op_setattr(c, &file->open.stateid, &attrs);
	NFS_IS(file->peer->s.t, nfs_file_send(file->peer->s.session, c), 0);
	NFS_IS(file->peer->s.t, (int)c->status, (int)want);
	pnfs_peer_settle(file->peer);
}

FIBER_FN void pnfs_peer_clone(struct pnfs_peer_file *from, struct pnfs_peer_file *to, nfsstat4 want)
{
	struct nfs_compound *c = &to->peer->s.t->c;
	struct nfs_copy copy = { .src = from->open.stateid, .dst = to->open.stateid };

	nfs_session_begin(to->peer->s.session, c);
	nfs_op_putfh(c, &from->open.fh);
	nfs_op_savefh(c);
	nfs_op_putfh(c, &to->open.fh);
	nfs_op_clone(c, &copy);
	NFS_IS(to->peer->s.t, nfs_file_send(to->peer->s.session, c), 0);
	NFS_IS(to->peer->s.t, (int)c->status, (int)want);
	pnfs_peer_settle(to->peer);
}

/* Devices */

/* Which of the test's devices that is, by its designator or by what its signature finds on the disk. */
static unsigned int find_device(struct pnfs_peer *peer, const struct pnfs_block_volume4 *volume)
{
	struct nfs_test *t = peer->s.t;

	for (unsigned int i = 0; i < nfs_test_nr_devices(t); i++) {
		if (volume->type == PNFS_SCSI_VOLUME_BASE) {
			const pnfs_scsi_base_volume_info4 *base = &volume->pnfs_block_volume4_u.sv_base_info;
			uint8_t naa[NFS_TEST_NAA_LEN];

			nfs_test_naa(i, naa);
			NFS_CHECK_EQ(t, base->sbv_designator.sbv_designator_len, NFS_TEST_NAA_LEN);
			if (memcmp(base->sbv_designator.sbv_designator_val, naa, sizeof(naa)) == 0)
				return i;
		} else {
			const pnfs_block_sig_component4 *sig =
				volume->pnfs_block_volume4_u.bv_simple_info.bsv_ds.bsv_ds_val;
			uint8_t bytes[128];

			NFS_CHECK_EQ(t, volume->type, PNFS_BLOCK_VOLUME_SIMPLE);
			NFS_CHECK(t, sig->bsc_sig_offset >= 0 && sig->bsc_contents.bsc_contents_len <= sizeof(bytes));
			NFS_IS(t,
			       sim_disk_peek(nfs_test_disk(t, i), (uint64_t)sig->bsc_sig_offset, bytes,
					     sig->bsc_contents.bsc_contents_len),
			       0);
			if (memcmp(bytes, sig->bsc_contents.bsc_contents_val, sig->bsc_contents.bsc_contents_len) ==
			    0)
				return i;
		}
	}
	NFS_CHECK(t, !"the device is one of the volume's");
	return 0;
}

/* The device's index; its id is known afterwards. */
static FIBER_FN unsigned int learn_device(struct pnfs_peer *peer, const char id[NFS4_DEVICEID4_SIZE])
{
	struct nfs_test *t = peer->s.t;
	struct nfs_compound *c = &t->c;
	struct pnfs_block_deviceaddr4 addr;
	struct pnfs_block_volume4 *volume;
	GETDEVICEINFO4resok ok;
	unsigned int index;
	uint32_t at;

	for (index = 0; index < ARRAY_SIZE(peer->ids); index++)
		if (peer->has_id[index] && memcmp(peer->ids[index], id, NFS4_DEVICEID4_SIZE) == 0)
			return index;
	nfs_session_begin(peer->s.session, c);
	at = nfs_op_getdeviceinfo(c, peer->type, id, 4096, (struct bitmap4){ 0 });
	NFS_SEND_IN(t, peer->s.session, c, NFS4_OK);
	NFS_IS(t, nfs_op_got_device(c, at, &ok), 0);
	NFS_CHECK_EQ(t, ok.gdir_device_addr.da_layout_type, peer->type);
	NFS_IS(t,
	       wire_device_decode(peer->type, ok.gdir_device_addr.da_addr_body.da_addr_body_val,
				  ok.gdir_device_addr.da_addr_body.da_addr_body_len, &c->arena, &addr),
	       0);
	NFS_CHECK_EQ(t, addr.bda_volumes.bda_volumes_len, 1);
	volume = addr.bda_volumes.bda_volumes_val;
	index = find_device(peer, volume);
	memcpy(peer->ids[index], id, NFS4_DEVICEID4_SIZE);
	peer->has_id[index] = true;
	if (volume->type == PNFS_SCSI_VOLUME_BASE)
		peer->key[index] = volume->pnfs_block_volume4_u.sv_base_info.sbv_pr_key;
	return index;
}

FIBER_FN void pnfs_peer_register(struct pnfs_peer *peer, const char id[NFS4_DEVICEID4_SIZE])
{
	struct nfs_test *t = peer->s.t;
	struct reserver *res;
	unsigned int index;
	uint64_t known;

	for (index = 0; index < ARRAY_SIZE(peer->ids); index++)
		if (peer->has_id[index] && memcmp(peer->ids[index], id, NFS4_DEVICEID4_SIZE) == 0)
			return;
	index = learn_device(peer, id);
	known = peer->key[index];
	nfs_test_device(t, peer->host, index, &res);
	if (peer->type != LAYOUT4_SCSI)
		return;
	NFS_CHECK(t, known != 0);
	NFS_IS(t, reserver_register(res, known), 0);
}

/* One extent's part of [@off, @off + @len): where it lies and how much. */
static FIBER_FN struct blkdev *peer_place(struct pnfs_peer_file *file, const struct pnfs_block_extent4 *e,
					  uint64_t off, uint64_t *ret_daddr)
{
	struct pnfs_peer *peer = file->peer;
	struct reserver *res;

	NFS_CHECK(peer->s.t, e != NULL);
	pnfs_peer_register(peer, e->bex_vol_id);
	*ret_daddr = e->bex_storage_offset + (off - e->bex_file_offset);
	return nfs_test_device(peer->s.t, peer->host, learn_device(peer, e->bex_vol_id), &res);
}

FIBER_FN int pnfs_peer_dev_write(struct pnfs_peer_file *file, uint64_t off, uint64_t len, uint8_t fill)
{
	uint8_t *bytes = blkdev_buf_alloc(PUT_MAX);
	int err = 0;

	NFS_CHECK(file->peer->s.t, bytes != NULL);
	memset(bytes, fill, PUT_MAX);
	for (uint64_t end = off + len, now; off < end && !err; off += now) {
		const struct pnfs_block_extent4 *e = pnfs_got_at(&file->got, off);
		uint64_t daddr = 0;
		struct blkdev *dev = peer_place(file, e, off, &daddr);

		NFS_CHECK(file->peer->s.t,
			  e->bex_state == PNFS_BLOCK_READWRITE_DATA || e->bex_state == PNFS_BLOCK_INVALID_DATA);
		now = min_u64(min_u64(end, e->bex_file_offset + e->bex_length) - off, PUT_MAX);
		err = blkdev_write(dev, daddr, bytes, now);
	}
	blkdev_buf_free(bytes);
	return err;
}

FIBER_FN int pnfs_peer_dev_expect(struct pnfs_peer_file *file, uint64_t off, uint64_t len, uint8_t fill)
{
	struct nfs_test *t = file->peer->s.t;
	uint8_t *bytes = blkdev_buf_alloc(PUT_MAX);
	int err = 0;

	NFS_CHECK(t, bytes != NULL);
	for (uint64_t end = off + len, now; off < end && !err; off += now) {
		const struct pnfs_block_extent4 *e = pnfs_got_at(&file->got, off);
		uint64_t daddr = 0;
		struct blkdev *dev = peer_place(file, e, off, &daddr);

		NFS_CHECK(t, e->bex_state == PNFS_BLOCK_READWRITE_DATA || e->bex_state == PNFS_BLOCK_READ_DATA);
		now = min_u64(min_u64(end, e->bex_file_offset + e->bex_length) - off, PUT_MAX);
		err = blkdev_read(dev, daddr, bytes, now);
		if (!err)
			NFS_CHECK(t, all_are(bytes, now, fill));
	}
	blkdev_buf_free(bytes);
	return err;
}

FIBER_FN void pnfs_peer_make(struct pnfs_peer *peer, const char *name, uint64_t len, uint8_t fill,
			     struct pnfs_peer_file *ret_file)
{
	pnfs_peer_open(peer, name, ret_file);
	for (uint64_t off = 0; off < len; off = ret_file->got.off + ret_file->got.len) {
		uint64_t end;

		pnfs_peer_get(ret_file, LAYOUTIOMODE4_RW, off, len - off, peer->page, NFS4_OK);
		end = min_u64(len, ret_file->got.off + ret_file->got.len);
		NFS_IS(peer->s.t, pnfs_peer_dev_write(ret_file, off, end - off, fill), 0);
		pnfs_peer_commit_range(ret_file, off, end - off);
	}
	pnfs_peer_return(ret_file, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
}
