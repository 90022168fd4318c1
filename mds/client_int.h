/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_CLIENT_INT_H
#define LAMINA_MDS_CLIENT_INT_H

/* What client.c and client_load.c share. */

#include "mds/client.h"

/* In memory, with this id, and findable.  NULL: no memory. */
struct client *client_make(struct mds *mds, uint64_t id, bool confirmed, const void *owner, uint32_t len) MUST_CHECK;
/* Out of the tables; freed when nobody holds it.  It has no sessions. */
void client_remove(struct mds *mds, struct client *client);

#endif
