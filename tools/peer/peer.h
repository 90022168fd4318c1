/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_PEER_PEER_H
#define LAMINA_TOOLS_PEER_PEER_H

/*
 * Other stores that do the work of `lamina bench store`, each behind the same few calls.  They live in a program of
 * their own, lamina-peer, so that the server links with none of them and processor time is counted apart.
 */

#include "dev/base.h"

struct peer;

struct peer_ops {
	const char *name;
	/* Open an empty store in the existing directory @dir.  Errors are negative errno and have been printed. */
	int (*open)(const char *dir, struct peer **ret_peer);
	/* One change of many items: begin, puts, commit; after an error of any, only close. */
	int (*begin)(struct peer *p);
	int (*put)(struct peer *p, const void *key, size_t key_len, const void *val, size_t val_len);
	/* With @sync it is durable when this returns. */
	int (*commit)(struct peer *p, bool sync);
	void (*close)(struct peer *p);
};

extern const struct peer_ops peer_lmdb;
extern const struct peer_ops peer_rocksdb;

/* Put the items of transaction number @i of the workload. */
int peer_work_put(const struct peer_ops *ops, struct peer *p, uint64_t i) MUST_CHECK;

#define PEER_WORK_ITEMS 5 /* of one transaction */

#endif
