/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_NFS_STATUS_H
#define LAMINA_TOOLS_NFS_STATUS_H

#include "proto/nfs4.h"

/* The name of an nfsstat4 without its NFS4ERR_; "?" for one that is not known. */
const char *nfs_status_name(uint32_t status);

#endif
