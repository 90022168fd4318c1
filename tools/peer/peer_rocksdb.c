/* SPDX-License-Identifier: Apache-2.0 */
/* RocksDB: one writer, a batch with a synced log record for each commit; no compression, larger buffers than usual.
 */
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/peer/peer.h"

#define WRITE_BUFFER (64u << 20)

struct peer {
	rocksdb_t *db;
	rocksdb_options_t *options;
	rocksdb_writeoptions_t *write;
	rocksdb_writebatch_t *batch;
};

static int complain(const char *what, char *message)
{
	fprintf(stderr, "lamina-peer: RocksDB, %s: %s\n", what, message);
	rocksdb_free(message);
	return -EIO;
}

static void rocksdb_peer_close(struct peer *p)
{
	if (p->db)
		rocksdb_close(p->db);
	rocksdb_writebatch_destroy(p->batch);
	rocksdb_writeoptions_destroy(p->write);
	rocksdb_options_destroy(p->options);
	free(p);
}

static int rocksdb_peer_open(const char *dir, struct peer **ret_peer)
{
	struct peer *p = calloc(1, sizeof(*p));
	char *message = NULL;
	int err;

	if (!p)
		return -ENOMEM;
	p->options = rocksdb_options_create();
	p->write = rocksdb_writeoptions_create();
	p->batch = rocksdb_writebatch_create();
	rocksdb_options_set_create_if_missing(p->options, 1);
	rocksdb_options_increase_parallelism(p->options, 2);
	rocksdb_options_set_write_buffer_size(p->options, WRITE_BUFFER);
	rocksdb_options_set_max_write_buffer_number(p->options, 4);
	rocksdb_options_set_compression(p->options, rocksdb_no_compression);
	p->db = rocksdb_open(p->options, dir, &message);
	if (message) {
		err = complain(dir, message);
		rocksdb_peer_close(p);
		return err;
	}
	*ret_peer = p;
	return 0;
}

static int rocksdb_peer_begin(struct peer *p)
{
	rocksdb_writebatch_clear(p->batch);
	return 0;
}

static int rocksdb_peer_put(struct peer *p, const void *key, size_t key_len, const void *val, size_t val_len)
{
	rocksdb_writebatch_put(p->batch, key, key_len, val, val_len);
	return 0;
}

static int rocksdb_peer_commit(struct peer *p, bool sync)
{
	char *message = NULL;

	rocksdb_writeoptions_set_sync(p->write, sync);
	rocksdb_write(p->db, p->write, p->batch, &message);
	return message ? complain("write", message) : 0;
}

const struct peer_ops peer_rocksdb = {
	.name = "rocksdb",
	.open = rocksdb_peer_open,
	.begin = rocksdb_peer_begin,
	.put = rocksdb_peer_put,
	.commit = rocksdb_peer_commit,
	.close = rocksdb_peer_close,
};
