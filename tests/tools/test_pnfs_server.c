/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The pNFS client and our server: several hosts, their layouts, simulated disks with reservations.  What a host reads
 * is always what was written, whoever wrote it and on whatever road.
 */

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "tests/lib/check.h"
#include "tests/lib/dice.h"
#include "tests/lib/nfs_test_start.h"
#include "tools/pnfs.h"

#define HOSTS 3
#define PAGE  4096u
#define BYTES (2u << 20)

struct peer {
	struct nfs_test *t;
	struct nfs_test_client *tc;
	struct pnfs_host host;
	struct pnfs_file file;
	char name[16];
	struct fiber *fiber;
	unsigned int number;
};

static struct peer peers[HOSTS];
static uint8_t model[BYTES], buf[BYTES];
static uint64_t model_size;

static FIBER_FN int find_device(void *owner, layouttype4 type, const struct pnfs_block_deviceaddr4 *addr,
				struct pnfs_device *ret_device)
{
	const struct pnfs_block_volume4 *volume = &addr->bda_volumes.bda_volumes_val[0];
	const struct pnfs_scsi_base_volume_info4 *base = &volume->pnfs_block_volume4_u.sv_base_info;
	struct peer *peer = owner;
	uint8_t naa[NFS_TEST_NAA_LEN];

	CHECK_EQ(volume->type, PNFS_SCSI_VOLUME_BASE);
	for (unsigned int i = 0; i < nfs_test_devices; i++) {
		nfs_test_naa(i, naa);
		if (base->sbv_designator.sbv_designator_len != sizeof(naa) ||
		    memcmp(base->sbv_designator.sbv_designator_val, naa, sizeof(naa)) != 0)
			continue;
		ret_device->dev = nfs_test_device(peer->t, peer->name, i, &ret_device->reserver);
		ret_device->is_borrowed = true;
		return 0;
	}
	return -ENODEV;
}

static FIBER_FN void peer_open(struct nfs_test *t, unsigned int i, const char *name)
{
	struct nfs_open open = { .name = name, .creates = true, .mode = UNCHECKED4 };
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0644 };
	struct nfs_identity identity = nfs_test_identity(t);
	struct peer *peer = &peers[i];

	open.attrs = &attrs;
	*peer = (struct peer){ .t = t, .number = i };
	snprintf(peer->name, sizeof(peer->name), "host%u", i);
	identity.impl_domain = "kernel.org";
	identity.impl_name = "Linux 7.2.13-amd64 #1 SMP PREEMPT_DYNAMIC x86_64";
	peer->tc = nfs_test_client(t, &identity);
	NFS_IS(t,
	       pnfs_host_open(&peer->host, peer->tc->session, LAYOUT4_SCSI,
			      (struct pnfs_finder){ find_device, peer }),
	       0);
	NFS_IS(t, pnfs_open(&peer->host, &t->dir, &open, &peer->file), 0);
}

static FIBER_FN void peers_close(struct nfs_test *t)
{
	for (unsigned int i = 0; i < HOSTS; i++) {
		NFS_IS(t, pnfs_close(&peers[i].file), 0);
		NFS_CHECK_EQ(t, peers[i].host.counts.bad_layouts, 0);
		NFS_CHECK_EQ(t, peers[i].host.counts.commits_dropped, 0);
		NFS_CHECK_EQ(t, peers[i].host.counts.lost, 0);
		NFS_CHECK_EQ(t, peers[i].host.counts.conflicts, 0);
		pnfs_host_close(&peers[i].host, true);
	}
}

static FIBER_FN void read_is_model(struct peer *peer, uint64_t off, size_t len)
{
	size_t got = 0, want = off < model_size ? min_u64(len, model_size - off) : 0;

	NFS_IS(peer->t, pnfs_revalidate(&peer->file), 0);
	NFS_IS(peer->t, pnfs_read(&peer->file, off, buf, len, &got), 0);
	NFS_CHECK_EQ(peer->t, got, want);
	for (size_t i = 0; i < want; i++)
		if (buf[i] != model[off + i]) {
			fprintf(stderr, "%s, byte %llu: read %u, not %u\n", peer->name, (unsigned long long)(off + i),
				buf[i], model[off + i]);
			NFS_CHECK(peer->t, false);
		}
}

static FIBER_FN void write_model(struct peer *peer, struct dice *dice, uint64_t off, size_t len)
{
	dice_fill(dice, model + off, len);
	NFS_IS(peer->t, pnfs_write(&peer->file, off, model + off, len), 0);
	NFS_IS(peer->t, pnfs_commit(&peer->file), 0);
	model_size = max_u64(model_size, off + len);
}

/* One after the other, each by any host. */
static FIBER_FN void test_one_by_one(struct nfs_test *t)
{
	struct dice dice = dice_seed(7);
	uint64_t direct = 0;

	memset(model, 0, sizeof(model));
	model_size = 0;
	for (unsigned int i = 0; i < HOSTS; i++)
		peer_open(t, i, "file");
	for (unsigned int n = 0; n < 400; n++) {
		struct peer *peer = &peers[dice_below(&dice, HOSTS)];
		uint64_t off = dice_below(&dice, BYTES), len = 1 + dice_below(&dice, BYTES / 8);

		if (dice_below(&dice, 2)) {
			off = round_down_u64(off, PAGE);
			len = round_up_u64(len, PAGE);
		}
		len = min_u64(len, BYTES - off);
		peer->host.ask_ahead = dice_below(&dice, 2) * (256 << 10);
		switch (dice_below(&dice, 8)) {
		case 0:
			NFS_IS(t, pnfs_set_size(&peer->file, off), 0);
			if (off < model_size)
				memset(model + off, 0, model_size - off);
			model_size = off;
			break;
		case 1:
			NFS_IS(t, pnfs_return(&peer->file), 0);
			break;
		case 2:
		case 3:
		case 4:
			read_is_model(peer, off, len);
			break;
		default:
			write_model(peer, &dice, off, len);
			break;
		}
	}
	for (unsigned int i = 0; i < HOSTS; i++) {
		read_is_model(&peers[i], 0, BYTES);
		direct += peers[i].host.counts.direct_writes;
	}
	NFS_CHECK(t, direct > 100);
	peers_close(t);
}

#define STRIPE (64u << 10)

/* Each host its stripes of one file, all at the same time. */
static FIBER_FN void stripes_fiber(void *arg)
{
	struct peer *peer = arg;
	uint8_t *mine = malloc(STRIPE), *back = malloc(STRIPE);
	size_t got;

	CHECK(mine && back);
	for (unsigned int turn = 0; turn < 3; turn++)
		for (uint64_t off = peer->number * STRIPE; off + STRIPE <= BYTES; off += (uint64_t)HOSTS * STRIPE) {
			memset(mine, (int)(1 + turn * 16 + peer->number), STRIPE);
			CHECK_EQ(pnfs_write(&peer->file, off, mine, STRIPE), 0);
			if (off / STRIPE % 4 == 0)
				CHECK_EQ(pnfs_commit(&peer->file), 0);
			CHECK_EQ(pnfs_read(&peer->file, off, back, STRIPE, &got), 0);
			CHECK_EQ(got, STRIPE);
			CHECK_EQ(memcmp(mine, back, STRIPE), 0);
			memcpy(model + off, mine, STRIPE);
		}
	CHECK_EQ(pnfs_commit(&peer->file), 0);
	free(mine);
	free(back);
}

static FIBER_FN void test_side_by_side(struct nfs_test *t)
{
	memset(model, 0, sizeof(model));
	for (unsigned int i = 0; i < HOSTS; i++)
		peer_open(t, i, "striped");
	for (unsigned int i = 0; i < HOSTS; i++)
		CHECK_EQ(fiber_spawn(t->reactor, peers[i].name, stripes_fiber, &peers[i], &peers[i].fiber), 0);
	for (unsigned int i = 0; i < HOSTS; i++)
		fiber_join(peers[i].fiber);
	model_size = BYTES / STRIPE * STRIPE;
	for (unsigned int i = 0; i < HOSTS; i++)
		read_is_model(&peers[i], 0, BYTES);
	peers_close(t);
}

/* A host that does not hear recalls and writes on: the device keeps it out before others get its blocks. */
static FIBER_FN void test_late_writer(struct nfs_test *t)
{
	struct pnfs_extent extent;
	size_t got;

	for (unsigned int i = 0; i < HOSTS; i++)
		peer_open(t, i, "fought over");
	memset(buf, 'a', PAGE);
	NFS_IS(t, pnfs_write(&peers[0].file, 0, buf, PAGE), 0);
	NFS_IS(t, pnfs_commit(&peers[0].file), 0);
	extent = *pnfs_extent_at(&peers[0].file, 0);
	peers[0].host.faults.ignores_recalls = true;
	memset(buf, 'b', PAGE);
	NFS_IS(t, pnfs_write(&peers[1].file, 0, buf, PAGE), 0);
	NFS_IS(t, pnfs_commit(&peers[1].file), 0);
	NFS_CHECK(t, peers[0].host.counts.recalls > 0);
	memset(buf, 'c', PAGE);
	NFS_IS(t, pnfs_extent_io(&peers[0].host, &extent, true, 0, buf, PAGE), -EBADE);
	NFS_CHECK_EQ(t, peers[0].host.counts.conflicts, 1);
	/* It has learned, and is taken back. */
	peers[0].host.faults.ignores_recalls = false;
	for (unsigned int i = 0; i < HOSTS; i++) {
		NFS_IS(t, pnfs_revalidate(&peers[i].file), 0);
		NFS_IS(t, pnfs_read(&peers[i].file, 0, buf, PAGE, &got), 0);
		NFS_CHECK_EQ(t, got, PAGE);
		NFS_CHECK_EQ(t, buf[0], 'b');
	}
	fiber_sleep_ns(5000000000);
	memset(buf, 'd', PAGE);
	NFS_IS(t, pnfs_write(&peers[0].file, 0, buf, PAGE), 0);
	NFS_IS(t, pnfs_commit(&peers[0].file), 0);
	NFS_IS(t, pnfs_read(&peers[2].file, 0, buf, PAGE, &got), 0);
	NFS_CHECK_EQ(t, buf[PAGE - 1], 'd');
	for (unsigned int i = 0; i < HOSTS; i++) {
		NFS_IS(t, pnfs_close(&peers[i].file), 0);
		NFS_CHECK_EQ(t, peers[i].host.counts.bad_layouts, 0);
		pnfs_host_close(&peers[i].host, true);
	}
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_one_by_one, "RFC 8881, 12"),
	NFS_TEST(test_side_by_side, "RFC 8881, 12"),
	NFS_TEST(test_late_writer, "RFC 8881, 12.5.5; RFC 8154, 2.4"),
};

int main(int argc, char **argv)
{
	nfs_test_has_reservations = true;
	nfs_test_devices = 2;
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
