/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_STATUS_H
#define LAMINA_MDS_STATUS_H

/* The one translation from errno to nfsstat4 (RFC 8881, 15.1).  Special cases stand at the calls that have them. */

#include "proto/nfs4.h"

/* @err 0 or a negative errno.  An error that it does not know is logged and becomes NFS4ERR_SERVERFAULT. */
nfsstat4 nfs_status(int err) MUST_CHECK;

#endif
