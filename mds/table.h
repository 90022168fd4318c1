/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_TABLE_H
#define LAMINA_MDS_TABLE_H

/* uthash with the hash that the rest of Lamina uses. */

#include <xxhash.h>

#define HASH_FUNCTION(key, len, hashv) ((hashv) = (unsigned int)XXH3_64bits(key, len))
#include <uthash.h>

#endif
