/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: no server of ours is here yet, and it says so. */

#include "tests/lib/nfs_test_start.h"

int nfs_test_start(struct nfs_test *t)
{
	return -ENOSYS;
}

FIBER_FN int nfs_test_serve(struct nfs_test *t)
{
	return -ENOSYS;
}

FIBER_FN int nfs_test_kill(struct nfs_test *t)
{
	return -ENOSYS;
}

FIBER_FN void nfs_test_unserve(struct nfs_test *t)
{
}

void nfs_test_stop(struct nfs_test *t)
{
}
