/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_STATUS_H
#define LAMINA_MDS_STATUS_H

/* The one translation from errno to nfsstat4 (RFC 8881, 15.1).  Special cases stand at the calls that have them. */

#include "proto/nfs4.h"

/* @err 0 or a negative errno.  An error that it does not know is logged and becomes NFS4ERR_SERVERFAULT. */
nfsstat4 nfs_status(int err) MUST_CHECK;
/* Name without its NFS4ERR_ ("OK" for 0); NULL: no such status. */
const char *nfs_status_name(nfsstat4 status) MUST_CHECK;

#endif
