/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_DETOUR_H
#define LAMINA_MDS_DETOUR_H

/*
 * Clients that read and write through the server what they might read and write on the devices themselves.  Linux
 * says nothing when it loses a path to a device: it returns its layouts and sends READ and WRITE, for 120 s after
 * each error.  So what they do is all that the server can go by.
 */

#include "dev/base.h"

struct client;
struct mds;

#define DETOUR_SECONDS 150u /* without a READ or WRITE, until it is over: longer than Linux avoids a device */

/*
 * @client had @count bytes from @offset on read or written by the server; @to_end: up to the end of the file or
 * beyond.
 */
void detour_note(struct mds *mds, struct client *client, uint64_t offset, uint64_t count, bool to_end);
/* @client tells that a device had an error (LAYOUTERROR, which Linux does not send). */
void detour_error(const struct mds *mds, struct client *client);
/* Whether it went through the server lately. */
bool detour_is_on(const struct mds *mds, const struct client *client) MUST_CHECK;
/* What keeps it from the devices, in words; NULL: nothing that is known. */
const char *detour_why(const struct mds *mds, const struct client *client) MUST_CHECK;

#endif
