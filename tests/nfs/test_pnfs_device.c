/* SPDX-License-Identifier: Apache-2.0 */

/* GETDEVICEINFO and GETDEVICELIST (RFC 8881, 18.40, 18.41; RFC 8154, 2.1), and reports of clients. */

#include <string.h>

#include "tests/lib/pnfs_test.h"

#define B  PNFS_BLOCK
#define RD LAYOUTIOMODE4_READ
#define RW LAYOUTIOMODE4_RW

/* A peer, with the id of a device in @id. */
static FIBER_FN struct pnfs_peer *peer_with_id(struct nfs_test *t, char id[NFS4_DEVICEID4_SIZE])
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, B, B, NFS4_OK);
	memcpy(id, f.got.extents[0].bex_vol_id, NFS4_DEVICEID4_SIZE);
	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_close(&f, NFS4_OK);
	return peer;
}

static FIBER_FN GETDEVICEINFO4resok device_info(struct pnfs_peer *peer, layouttype4 type, const char *id,
						uint32_t maxcount, nfsstat4 want)
{
	struct nfs_compound *c = &peer->s.t->c;
	GETDEVICEINFO4resok ok = { 0 };
	uint32_t at;

	nfs_session_begin(peer->s.session, c);
	at = nfs_op_getdeviceinfo(c, type, id, maxcount, (struct bitmap4){ 0 });
	NFS_SEND_IN(peer->s.t, peer->s.session, c, want);
	if (!want)
		NFS_IS(peer->s.t, nfs_op_got_device(c, at, &ok), 0);
	return ok;
}

static FIBER_FN void test_address_of_a_scsi_device(struct nfs_test *t)
{
	char id[NFS4_DEVICEID4_SIZE];
	struct pnfs_peer *peer = peer_with_id(t, id);
	GETDEVICEINFO4resok ok = device_info(peer, LAYOUT4_SCSI, id, 4096, NFS4_OK);
	const pnfs_scsi_base_volume_info4 *base;
	struct pnfs_block_deviceaddr4 addr;
	uint8_t naa[NFS_TEST_NAA_LEN];

	NFS_IS(t,
	       wire_device_decode(LAYOUT4_SCSI, ok.gdir_device_addr.da_addr_body.da_addr_body_val,
				  ok.gdir_device_addr.da_addr_body.da_addr_body_len, &t->c.arena, &addr),
	       0);
	NFS_CHECK_EQ(t, addr.bda_volumes.bda_volumes_len, 1);
	NFS_CHECK_EQ(t, addr.bda_volumes.bda_volumes_val[0].type, PNFS_SCSI_VOLUME_BASE);
	base = &addr.bda_volumes.bda_volumes_val[0].pnfs_block_volume4_u.sv_base_info;
	/* What Linux takes: binary, NAA of 8 or 16 bytes. */
	NFS_CHECK_EQ(t, base->sbv_code_set, PS_CODE_SET_BINARY);
	NFS_CHECK_EQ(t, base->sbv_designator_type, PS_DESIGNATOR_NAA);
	nfs_test_naa(0, naa);
	NFS_CHECK_EQ(t, base->sbv_designator.sbv_designator_len, sizeof(naa));
	NFS_CHECK(t, memcmp(base->sbv_designator.sbv_designator_val, naa, sizeof(naa)) == 0);
	NFS_CHECK(t, base->sbv_pr_key != 0);
	pnfs_peer_free(peer);
}

/* The answer is the same each time, for this client. */
static FIBER_FN void test_the_answer_stays(struct nfs_test *t)
{
	char id[NFS4_DEVICEID4_SIZE], body[1024];
	struct pnfs_peer *peer = peer_with_id(t, id);
	uint32_t len = 0;

	for (unsigned int i = 0; i < 4; i++) {
		GETDEVICEINFO4resok ok = device_info(peer, LAYOUT4_SCSI, id, 4096, NFS4_OK);
		uint32_t now = ok.gdir_device_addr.da_addr_body.da_addr_body_len;

		NFS_CHECK(t, now > 0 && now <= sizeof(body));
		if (i > 0) {
			NFS_CHECK_EQ(t, now, len);
			NFS_CHECK(t, memcmp(body, ok.gdir_device_addr.da_addr_body.da_addr_body_val, now) == 0);
		}
		len = now;
		memcpy(body, ok.gdir_device_addr.da_addr_body.da_addr_body_val, len);
		if (i == 1) {
			nfs_test_restart(t);
			nfs_conn_drop(peer->tc->conn);
		}
	}
	pnfs_peer_free(peer);
}

static FIBER_FN void test_types_of_devices(struct nfs_test *t)
{
	char id[NFS4_DEVICEID4_SIZE];
	struct pnfs_peer *peer = peer_with_id(t, id);

	device_info(peer, LAYOUT4_NFSV4_1_FILES, id, 4096, NFS4ERR_UNKNOWN_LAYOUTTYPE);
	device_info(peer, LAYOUT4_BLOCK_VOLUME, id, 4096, NFS4ERR_UNKNOWN_LAYOUTTYPE);
	device_info(peer, (layouttype4)12345, id, 4096, NFS4ERR_UNKNOWN_LAYOUTTYPE);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_unknown_devices(struct nfs_test *t)
{
	char id[NFS4_DEVICEID4_SIZE];
	struct pnfs_peer *peer = peer_with_id(t, id);

	for (unsigned int i = 0; i < NFS4_DEVICEID4_SIZE; i++) {
		id[i] ^= 1;
		device_info(peer, LAYOUT4_SCSI, id, 4096, NFS4ERR_NOENT);
		id[i] ^= 1;
	}
	memset(id, 0, sizeof(id));
	device_info(peer, LAYOUT4_SCSI, id, 4096, NFS4ERR_NOENT);
	memset(id, 255, sizeof(id));
	device_info(peer, LAYOUT4_SCSI, id, 4096, NFS4ERR_NOENT);
	pnfs_peer_free(peer);
}

/* TOOSMALL says what would do, and that does. */
static FIBER_FN void test_maxcount_of_device_info(struct nfs_test *t)
{
	char id[NFS4_DEVICEID4_SIZE];
	struct pnfs_peer *peer = peer_with_id(t, id);
	struct nfs_compound *c = &t->c;
	const struct nfs_resop4 *res;
	GETDEVICEINFO4resok ok;
	uint32_t needs;

	device_info(peer, LAYOUT4_SCSI, id, 1, NFS4ERR_TOOSMALL);
	res = nfs_compound_result(c, 0, OP_GETDEVICEINFO);
	NFS_CHECK(t, res != NULL);
	needs = res->nfs_resop4_u.opgetdeviceinfo.GETDEVICEINFO4res_u.gdir_mincount;
	NFS_CHECK(t, needs > 1 && needs < 1024);
	device_info(peer, LAYOUT4_SCSI, id, needs - 1, NFS4ERR_TOOSMALL);
	ok = device_info(peer, LAYOUT4_SCSI, id, needs, NFS4_OK);
	NFS_CHECK(t, ok.gdir_device_addr.da_addr_body.da_addr_body_len > 0);
	/* 0 asks for nothing but the notifications. */
	ok = device_info(peer, LAYOUT4_SCSI, id, 0, NFS4_OK);
	NFS_CHECK_EQ(t, ok.gdir_device_addr.da_addr_body.da_addr_body_len, 0);
	pnfs_peer_free(peer);
}

/* Notifications that are not about devices are not granted. */
static FIBER_FN void test_notifications(struct nfs_test *t)
{
	struct bitmap4 asked = { .bitmap4_len = 2, .bitmap4_val = { 0xffffffff, 0xffffffff } };
	char id[NFS4_DEVICEID4_SIZE];
	struct pnfs_peer *peer = peer_with_id(t, id);
	struct nfs_compound *c = &t->c;
	GETDEVICEINFO4resok ok;
	uint32_t at;

	nfs_session_begin(peer->s.session, c);
	at = nfs_op_getdeviceinfo(c, LAYOUT4_SCSI, id, 4096, asked);
	NFS_SEND_IN(t, peer->s.session, c, NFS4_OK);
	NFS_IS(t, nfs_op_got_device(c, at, &ok), 0);
	NFS_CHECK_EQ(t, ok.gdir_notification.bitmap4_val[0], 6);
	NFS_CHECK_EQ(t, ok.gdir_notification.bitmap4_val[1], 0);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_list_of_devices(struct nfs_test *t)
{
	char id[NFS4_DEVICEID4_SIZE];
	struct pnfs_peer *peer = peer_with_id(t, id);
	struct nfs_compound *c = &t->c;
	const GETDEVICELIST4resok *ok;
	const struct nfs_resop4 *res;
	uint32_t at;

	nfs_session_begin(peer->s.session, c);
	nfs_op_putfh(c, &t->dir);
	at = nfs_op_getdevicelist(c, LAYOUT4_SCSI);
	NFS_SEND_IN(t, peer->s.session, c, NFS4_OK);
	res = nfs_compound_result(c, at, OP_GETDEVICELIST);
	NFS_CHECK(t, res != NULL);
	ok = &res->nfs_resop4_u.opgetdevicelist.GETDEVICELIST4res_u.gdlr_resok4;
	NFS_CHECK_EQ(t, ok->gdlr_deviceid_list.gdlr_deviceid_list_len, 1);
	NFS_CHECK(t, memcmp(ok->gdlr_deviceid_list.gdlr_deviceid_list_val[0], id, sizeof(id)) == 0);
	NFS_CHECK(t, ok->gdlr_eof);
	nfs_session_begin(peer->s.session, c);
	nfs_op_putfh(c, &t->dir);
	nfs_op_getdevicelist(c, LAYOUT4_NFSV4_1_FILES);
	NFS_SEND_IN(t, peer->s.session, c, NFS4ERR_UNKNOWN_LAYOUTTYPE);
	pnfs_peer_free(peer);
}

/* LAYOUTERROR and LAYOUTSTATS are hints: taken, or not known. */
static FIBER_FN void test_reports(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct nfs_compound *c = &t->c;
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, B, B, NFS4_OK);
	nfs_session_begin(peer->s.session, c);
	nfs_op_putfh(c, &f.open.fh);
	nfs_op_layouterror(c, &f.layout, f.got.extents[0].bex_vol_id, NFS4ERR_IO);
	NFS_IS(t, nfs_session_send(peer->s.session, c), 0);
	NFS_CHECK(t, c->status == NFS4_OK || c->status == NFS4ERR_NOTSUPP);
	nfs_session_begin(peer->s.session, c);
	nfs_op_putfh(c, &f.open.fh);
	nfs_op_layoutstats(c, &f.layout, f.got.extents[0].bex_vol_id);
	NFS_IS(t, nfs_session_send(peer->s.session, c), 0);
	NFS_CHECK(t, c->status == NFS4_OK || c->status == NFS4ERR_NOTSUPP);
	pnfs_peer_free(peer);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_address_of_a_scsi_device, "RFC 8154, 2.1"),
	NFS_TEST(test_the_answer_stays, "RFC 8881, 12.2.10"),
	NFS_TEST(test_types_of_devices, "RFC 8881, 18.40.3"),
	NFS_TEST(test_unknown_devices, "RFC 8881, 18.40.3"),
	NFS_TEST(test_maxcount_of_device_info, "RFC 8881, 18.40.3"),
	NFS_TEST(test_notifications, "RFC 8881, 18.40.3"),
	NFS_TEST(test_list_of_devices, "RFC 8881, 18.41.3"),
	NFS_TEST(test_reports, "RFC 7862, 15.6, 15.7"),
};

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_SCSI);
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
