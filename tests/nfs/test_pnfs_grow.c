/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The volume gets a device while clients use it: they are given layouts there under a device id that is new, nothing
 * is recalled for it, and all that protects the other devices protects this one (RFC 8881, 12.2.10; RFC 8154).
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "extent/why.h"
#include "tests/lib/pnfs_test.h"

#define B      PNFS_BLOCK
#define RW     LAYOUTIOMODE4_RW
#define MS     1000000ull
#define FILES  16
#define MIB    (1ull << 20)
#define SEARCH 64 /* files, until one lies on the other device */

static FIBER_FN uint64_t space_total(struct nfs_test *t)
{
	struct nfs_state s = { .t = t, .session = t->session, .dir = t->dir };

	return nfs_state_getattr(&s, &t->dir, NFS_ATTRS(FATTR4_SPACE_TOTAL)).space_total;
}

static FIBER_FN uint32_t list_devices(struct pnfs_peer *peer)
{
	struct nfs_test *t = peer->s.t;
	const struct nfs_resop4 *res;
	uint32_t at;

	nfs_session_begin(peer->s.session, &t->c);
	nfs_op_putfh(&t->c, &t->dir);
	at = nfs_op_getdevicelist(&t->c, LAYOUT4_SCSI);
	NFS_SEND_IN(t, peer->s.session, &t->c, NFS4_OK);
	res = nfs_compound_result(&t->c, at, OP_GETDEVICELIST);
	NFS_CHECK(t, res != NULL);
	return res->nfs_resop4_u.opgetdevicelist.GETDEVICELIST4res_u.gdlr_resok4.gdlr_deviceid_list
		.gdlr_deviceid_list_len;
}

static bool is_on(const struct pnfs_peer_file *f, const char id[NFS4_DEVICEID4_SIZE])
{
	return memcmp(f->got.extents[0].bex_vol_id, id, NFS4_DEVICEID4_SIZE) == 0;
}

/* A file with a layout on another device than @id. */
static FIBER_FN void open_elsewhere(struct pnfs_peer *peer, const char *prefix, const char id[NFS4_DEVICEID4_SIZE],
				    struct pnfs_peer_file *ret_file)
{
	char name[32];

	for (unsigned int i = 0; i < SEARCH; i++) {
		snprintf(name, sizeof(name), "%s%u", prefix, i);
		pnfs_peer_open(peer, name, ret_file);
		pnfs_peer_get(ret_file, RW, 0, 8 * B, 8 * B, NFS4_OK);
		if (!is_on(ret_file, id))
			return;
		pnfs_peer_return(ret_file, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
		pnfs_peer_close(ret_file, NFS4_OK);
	}
	NFS_CHECK(peer->s.t, !"some file lies on the new device");
}

static FIBER_FN int write_as_stranger(struct nfs_test *t)
{
	uint8_t *bytes = blkdev_buf_alloc(B);
	struct reserver *res;
	int err;

	NFS_CHECK(t, bytes != NULL);
	err = blkdev_write(nfs_test_device(t, "stranger", 1, &res), nfs_test_device_size / 2, bytes, B);
	blkdev_buf_free(bytes);
	return err;
}

static FIBER_FN void reconnect(struct nfs_test *t, struct pnfs_peer *peer)
{
	nfs_conn_drop(t->conn);
	nfs_conn_drop(peer->tc->conn);
	NFS_IS(t, nfs_session_ping(t->session), 0);
	NFS_IS(t, nfs_session_ping(peer->s.session), 0);
}

static FIBER_FN void test_layouts_on_the_new_device(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	char old[NFS4_DEVICEID4_SIZE], id[NFS4_DEVICEID4_SIZE];
	uint64_t space = space_total(t);
	struct pnfs_peer_file f, g;

	pnfs_peer_open(peer, "before", &f);
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	memcpy(old, f.got.extents[0].bex_vol_id, sizeof(old));
	NFS_CHECK_EQ(t, list_devices(peer), 1);
	NFS_IS(t, nfs_test_grow(t, NULL), 0);
	NFS_CHECK_EQ(t, list_devices(peer), 2);
	NFS_CHECK(t, space_total(t) > space + nfs_test_device_size - 4 * MIB);

	/* Who is not registered is kept out from the beginning. */
	NFS_IS(t, write_as_stranger(t), -EBADE);
	/* What the client had is as good as before. */
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 8 * B, 'o'), 0);
	pnfs_peer_commit_range(&f, 0, 8 * B);
	open_elsewhere(peer, "f", old, &g);
	memcpy(id, g.got.extents[0].bex_vol_id, sizeof(id));
	NFS_IS(t, pnfs_peer_dev_write(&g, 0, 8 * B, 'n'), 0);
	pnfs_peer_commit_range(&g, 0, 8 * B);
	pnfs_peer_expect(&g, 0, 8 * B, 'n');
	NFS_CHECK_EQ(t, peer->nr_recalls, 0);

	/* The id stays, and so does the data. */
	nfs_test_restart(t);
	reconnect(t, peer);
	pnfs_peer_expect(&f, 0, 8 * B, 'o');
	pnfs_peer_expect(&g, 0, 8 * B, 'n');
	pnfs_peer_get(&g, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_CHECK(t, is_on(&g, id));
	NFS_IS(t, pnfs_peer_dev_expect(&g, 0, 8 * B, 'n'), 0);
	pnfs_peer_free(peer);
}

/* What was committed there survives a power cut: its cache is flushed, too (I14). */
static FIBER_FN void test_commits_flush_it(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	char old[NFS4_DEVICEID4_SIZE];
	struct pnfs_peer_file f, g;

	pnfs_peer_make(peer, "before", B, 'x', &f);
	memcpy(old, f.got.extents[0].bex_vol_id, sizeof(old));
	NFS_IS(t, nfs_test_grow(t, NULL), 0);
	for (unsigned int i = 0; i < 8; i++) {
		char prefix[16];

		snprintf(prefix, sizeof(prefix), "g%u-", i);
		open_elsewhere(peer, prefix, old, &g);
		NFS_IS(t, pnfs_peer_dev_write(&g, 0, 8 * B, (uint8_t)('a' + i)), 0);
		pnfs_peer_commit_range(&g, 0, 8 * B);
		nfs_test_restart(t);
		reconnect(t, peer);
		pnfs_peer_expect(&g, 0, 8 * B, (uint8_t)('a' + i));
	}
	pnfs_peer_free(peer);
}

/* Who does not give back what he has there is cut off from it (I3). */
static FIBER_FN void test_fences_reach_it(struct nfs_test *t)
{
	struct pnfs_peer *a = pnfs_peer_new(t, NULL, NULL), *b = pnfs_peer_new(t, NULL, NULL);
	char old[NFS4_DEVICEID4_SIZE], name[32];
	struct pnfs_peer_file f, fa, fb;

	a->manner = PNFS_SAYS_OK;
	pnfs_peer_make(b, "before", B, 'x', &f);
	memcpy(old, f.got.extents[0].bex_vol_id, sizeof(old));
	NFS_IS(t, nfs_test_grow(t, NULL), 0);
	for (unsigned int i = 0;; i++) {
		NFS_CHECK(t, i < SEARCH);
		snprintf(name, sizeof(name), "f%u", i);
		pnfs_peer_open(a, name, &fa);
		pnfs_peer_get(&fa, RW, 0, 8 * B, 8 * B, NFS4_OK);
		if (!is_on(&fa, old))
			break;
		pnfs_peer_return(&fa, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	}
	NFS_IS(t, pnfs_peer_dev_write(&fa, 0, B, 'a'), 0);
	NFS_CHECK(t, sim_reserve_has_key(nfs_test_reserve(t, 1), a->key[1]));
	pnfs_peer_open(b, name, &fb);
	NFS_IS(t, (int)pnfs_peer_insist(&fb, RW, 0, 8 * B, 120), NFS4_OK);
	NFS_CHECK(t, !sim_reserve_has_key(nfs_test_reserve(t, 1), a->key[1]));
	NFS_IS(t, pnfs_peer_dev_write(&fa, 0, B, 'z'), -EBADE);
	NFS_IS(t, pnfs_peer_dev_write(&fb, 0, 8 * B, 'b'), 0);
	pnfs_peer_free(a);
	pnfs_peer_free(b);
}

/* A device that somebody else holds is not taken, and all goes on. */
static FIBER_FN void test_a_reserved_device(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;
	struct why why = { "" };
	struct reserver *res;

	nfs_test_device(t, "stranger", 1, &res);
	NFS_IS(t, reserver_register(res, 0x5555), 0);
	NFS_IS(t, reserver_reserve(res, 0x5555, RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY), 0);
	NFS_IS(t, nfs_test_grow(t, &why), -EBUSY);
	NFS_CHECK(t, strstr(why.text, "reserved by somebody else, with key 0x5555") != NULL);
	NFS_CHECK(t, sim_reserve_has_key(nfs_test_reserve(t, 1), 0x5555));
	NFS_CHECK_EQ(t, list_devices(peer), 1);
	pnfs_peer_make(peer, "f", 8 * B, 'x', &f);
	pnfs_peer_expect(&f, 0, 8 * B, 'x');
	NFS_IS(t, reserver_unregister(res, 0x5555), 0);
	NFS_IS(t, nfs_test_grow(t, &why), 0);
	pnfs_peer_free(peer);
}

struct growing {
	struct nfs_test *t;
	bool done;
	int err;
};

static FIBER_FN void grow_main(void *arg)
{
	struct growing *g = arg;

	g->err = nfs_test_grow(g->t, NULL);
	g->done = true;
}

static FIBER_FN void grow_start(struct nfs_test *t, struct growing *g)
{
	*g = (struct growing){ .t = t };
	NFS_IS(t, fiber_spawn(t->reactor, "grow", grow_main, g, NULL), 0);
}

/* Files are made, written and removed all the time. */
static FIBER_FN void test_while_clients_work(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file *f = calloc(FILES, sizeof(*f)); /* too large for a fiber's stack */
	struct growing g = { 0 };
	char name[32];

	NFS_CHECK(t, f != NULL);
	for (unsigned int i = 0; i < FILES; i++) {
		if (i == 2)
			grow_start(t, &g);
		snprintf(name, sizeof(name), "f%u", i);
		pnfs_peer_make(peer, name, 64 * B, (uint8_t)i, &f[i]);
		pnfs_peer_put(&f[i], 64 * B, 64 * B, (uint8_t)i);
	}
	while (!g.done)
		fiber_sleep_ns(MS);
	NFS_IS(t, g.err, 0);
	for (unsigned int i = 0; i < FILES; i++)
		pnfs_peer_expect(&f[i], 0, 128 * B, (uint8_t)i);
	NFS_CHECK_EQ(t, peer->nr_recalls, 0);
	pnfs_peer_free(peer);
	free(f);
}

/* The server is killed while it adds the device: then the volume has it, or it can be added again. */
static FIBER_FN void test_killed_meanwhile(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	unsigned int nr_kills = 0;
	struct pnfs_peer_file f;

	pnfs_peer_make(peer, "f", 64 * B, 'x', &f);
	for (uint64_t after = 0; nfs_test_nr_devices(t) == 1; after += 2 * MS) {
		struct growing g = { 0 };

		grow_start(t, &g);
		fiber_sleep_ns(after);
		nfs_test_restart(t);
		reconnect(t, peer);
		while (!g.done)
			fiber_sleep_ns(MS);
		NFS_CHECK(t, g.err || nfs_test_nr_devices(t) == 2);
		pnfs_peer_expect(&f, 0, 64 * B, 'x');
		nr_kills++;
	}
	NFS_CHECK(t, nr_kills > 1);
	NFS_CHECK_EQ(t, list_devices(peer), 2);
	pnfs_peer_free(peer);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_layouts_on_the_new_device, "RFC 8881, 12.2.10"),
	NFS_TEST(test_commits_flush_it, "RFC 8881, 18.42.3"),
	NFS_TEST(test_fences_reach_it, "RFC 8154, 2.4.10"),
	NFS_TEST(test_a_reserved_device, "RFC 8154, 2.4.10"),
	NFS_TEST(test_while_clients_work, "RFC 8881, 12.2.10"),
	NFS_TEST(test_killed_meanwhile, "RFC 8881, 8.4"),
};

int main(int argc, char **argv)
{
	nfs_test_spares = 1;
	pnfs_test_configure(LAYOUT4_SCSI);
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
