/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as items of layouts and grants in the zone of the server's state: a start takes them or refuses them, and
 * what it takes it can end with again.  The input: items, each a byte for the client, one for the kind, a number, a
 * length, the value.
 */

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "layout/grant.h"
#include "mds/server.h"
#include "mds/state_record.h"
#include "tests/lib/fuzz.h"
#include "tests/lib/store.h"
#include "tests/sim/sim_net.h"

#define ITEMS_MAX 24u

static const char config_text[] =
	"listen = [ \"10.0.0.1:2049\" ]; limits = { buffer_bytes = \"1M\"; request_bytes = \"32K\";"
	" response_bytes = \"32K\"; };"
	"exports = ( { path = \"/\"; pseudo = \"/\"; id = 1;"
	"  clients = ( { hosts = [ \"*\" ]; access = \"rw\"; squash = \"none\"; } ); } );";

struct item_in {
	struct key key;
	uint16_t len;
	uint8_t val[ITEM_VALUE_MAX];
};

struct load {
	struct config *config;
	struct sim_net *net;
	struct fuzz_input in;
	struct item_in item;
};

static size_t seed_item(uint8_t *buf, uint8_t kind, uint64_t number, const void *val, uint16_t len)
{
	buf[0] = 0;
	buf[1] = kind;
	memcpy(buf + 2, &number, sizeof(number));
	memcpy(buf + 10, &len, sizeof(len));
	memcpy(buf + 12, val, len);
	return 12u + len;
}

/* A lost layout of two runs, and one without any. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct record_layout rec = { .ino = le64_make(100),
				     .key = le64_make(1234),
				     .seqid = le32_make(3),
				     .revoked = le32_make(NFS4ERR_DELEG_REVOKED),
				     .nr_grants = le32_make(2),
				     .kind = 1 };
	const struct grant runs[] = { { 0, 8, GRANT_RW }, { 20, 4, GRANT_READ } };
	uint8_t buf[512], grants[2 * GRANT_DISK_SIZE];
	size_t len;

	log_set_level((enum log_level)(LOG_LEVEL_ERR - 1));
	if (!fuzz_seed_dir())
		return 0;
	for (unsigned int i = 0; i < 2; i++)
		grant_encode(&runs[i], grants + i * GRANT_DISK_SIZE);
	len = seed_item(buf, 0, 7, &rec, sizeof(rec));
	len += seed_item(buf + len, 1, record_grants_off(7, 0), grants, sizeof(grants));
	rec.nr_grants = le32_make(0);
	len += seed_item(buf + len, 0, 9, &rec, sizeof(rec));
	fuzz_seed_write("lost", buf, len);
	exit(0);
}

static int put_item(struct txn *txn, void *arg)
{
	const struct item_in *item = arg;

	return txn_put(txn, item->key, item->val, item->len);
}

static FIBER_FN void put_items(struct store *s, struct load *load)
{
	static const struct txn_options opt = { .name = "fuzz", .log_max = 64 + ITEM_VALUE_MAX };

	for (unsigned int i = 0; i < ITEMS_MAX && load->in.size > 0; i++) {
		struct item_in *item = &load->item;
		uint64_t client = fuzz_u8(&load->in) % 2;
		enum record_type type = fuzz_u8(&load->in) % 2 ? RECORD_GRANTS : RECORD_LAYOUT;
		uint64_t number = fuzz_u64(&load->in) & KEY_LOW_MAX, seq;
		uint16_t len = fuzz_u16(&load->in) % (ITEM_VALUE_MAX + 1);

		memset(item->val, 0, sizeof(item->val));
		item->key = record_key(client, type, number);
		item->len = len;
		fuzz_bytes(&load->in, item->val, len);
		(void)!txn_run(s->fs, &opt, put_item, item, &seq);
	}
}

static FIBER_FN void load_layouts(struct store *s, void *arg)
{
	struct load *load = arg;
	struct mds *mds = NULL;
	struct why why;
	int err;

	store_format(s);
	fuzz_require(store_mount(s) == 0);
	put_items(s, load);
	if (server_start(s->r, s->fs, sim_net_host(load->net, "10.0.0.1"), load->config, NULL, &mds, &why) == 0) {
		fiber_sleep_ns(2000000000);
		server_stop(mds);
	}
	/* What contradicts itself may have turned the volume read-only (I12). */
	err = fs_unmount(s->fs);
	fuzz_require(err == 0 || err == -EROFS);
	s->fs = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_config cfg = { .seed = 1 };
	struct load load = { .in = { data, size } };
	static struct why_list why;
	struct store store;

	memset(&why, 0, sizeof(why));
	fuzz_require(config_load_text(config_text, strlen(config_text), "fuzz", NULL, &load.config, &why) == 0);
	store_init(&store, &cfg);
	load.net = sim_net_new(store.r, 1, NULL);
	store_run(&store, load_layouts, &load);
	sim_net_free(load.net);
	store_release(&store);
	config_free(load.config);
	return 0;
}
