/* SPDX-License-Identifier: Apache-2.0 */
/* LMDB, synchronous: a commit writes the changed pages, syncs, writes the meta page and syncs again. */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/peer/peer.h"

#define MAP_SIZE (256ULL << 30)

struct peer {
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *txn;
};

static int complain(const char *what, int err)
{
	fprintf(stderr, "lamina-peer: LMDB, %s: %s\n", what, mdb_strerror(err));
	return err > 0 ? -err : -EIO;
}

static void lmdb_close(struct peer *p)
{
	if (p->txn)
		mdb_txn_abort(p->txn);
	mdb_env_close(p->env);
	free(p);
}

static int lmdb_begin(struct peer *p)
{
	int err = mdb_txn_begin(p->env, NULL, 0, &p->txn);

	return err ? complain("begin", err) : 0;
}

static int lmdb_commit(struct peer *p, bool sync)
{
	int err;

	mdb_env_set_flags(p->env, MDB_NOSYNC, !sync);
	err = mdb_txn_commit(p->txn);
	p->txn = NULL;
	return err ? complain("commit", err) : 0;
}

static int open_table(struct peer *p)
{
	int err = lmdb_begin(p);

	if (err)
		return err;
	err = mdb_dbi_open(p->txn, NULL, MDB_CREATE, &p->dbi);
	if (err)
		return complain("dbi_open", err);
	return lmdb_commit(p, true);
}

static int lmdb_open(const char *dir, struct peer **ret_peer)
{
	struct peer *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	err = mdb_env_create(&p->env);
	if (err) {
		free(p);
		return complain("create", err);
	}
	err = mdb_env_set_mapsize(p->env, MAP_SIZE);
	if (!err)
		err = mdb_env_open(p->env, dir, 0, 0644);
	if (err)
		err = complain(dir, err);
	else
		err = open_table(p);
	if (err) {
		lmdb_close(p);
		return err;
	}
	*ret_peer = p;
	return 0;
}

static int lmdb_put(struct peer *p, const void *key, size_t key_len, const void *val, size_t val_len)
{
	MDB_val k = { .mv_size = key_len, .mv_data = (void *)key };
	MDB_val v = { .mv_size = val_len, .mv_data = (void *)val };
	int err = mdb_put(p->txn, p->dbi, &k, &v, 0);

	return err ? complain("put", err) : 0;
}

const struct peer_ops peer_lmdb = {
	.name = "lmdb",
	.open = lmdb_open,
	.begin = lmdb_begin,
	.put = lmdb_put,
	.commit = lmdb_commit,
	.close = lmdb_close,
};
