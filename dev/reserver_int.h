/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_RESERVER_INT_H
#define LAMINA_DEV_RESERVER_INT_H

/* For those who make reservers out of calls that block: each command runs in a helper thread. */

#include "dev/reserver.h"

enum reserver_what {
	RESERVER_REGISTER,
	RESERVER_UNREGISTER,
	RESERVER_RESERVE,
	RESERVER_PREEMPT,
	RESERVER_VIEW,
};

struct reserver_command {
	enum reserver_what what;
	uint64_t key, victim;
	enum reservation_type type;
	bool abort;
	struct reserver_view *view; /* out */
};

struct reserver_blocking {
	struct reserver res;
	/* In a helper thread, several at a time. */
	int (*run)(const struct reserver_blocking *b, const struct reserver_command *cmd);
	void (*end)(struct reserver_blocking *b);
};

/* Fills @b->res; reserver_close() calls @end. */
void reserver_blocking_init(struct reserver_blocking *b, struct reactor *r, const char *name);

bool reservation_type_is_known(unsigned int type) MUST_CHECK;
bool reservation_of_all_registrants(unsigned int type) MUST_CHECK;
bool reservation_excludes_reads(unsigned int type) MUST_CHECK;

#endif
