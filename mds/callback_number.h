/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_CALLBACK_NUMBER_H
#define LAMINA_MDS_CALLBACK_NUMBER_H

/*
 * The numbers of the backchannel's slots (RFC 8881, 2.10.6.1) as items of their session: of each slot that was used
 * the last number that may have been sent.
 */

#include "mds/mds.h"

struct item;
struct session;
struct txn;

/*
 * Number @seqid of slot @slot may be sent from now on: durable when this returns 0.  -ENOENT: the session is gone;
 * errors of txn_run() and txn_wait_durable().  @session may be freed meanwhile.
 */
FIBER_FN int callback_number_write(struct mds *mds, const struct session *session, uint32_t slot, uint32_t seqid)
	MUST_CHECK;
/* In a body: delete those of session @number, which are few. */
int callback_number_erase(struct txn *txn, uint64_t client, uint64_t number) MUST_CHECK;
/* When the server starts: give the session's backchannel what @item says.  -EUCLEAN. */
int callback_number_load(struct session *session, const struct item *item) MUST_CHECK;

#endif
