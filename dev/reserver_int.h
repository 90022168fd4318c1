/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_RESERVER_INT_H
#define LAMINA_DEV_RESERVER_INT_H

/* For those who make reservers out of calls that block: each command runs in a helper thread. */

#include "dev/reserver.h"

enum reserver_what {
	RESERVER_REGISTER,
	RESERVER_UNREGISTER,
	RESERVER_RESERVE,
	RESERVER_RELEASE,
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

#define RESERVER_HUNG_MAX 4u /* commands of one device that never came back; then all fail at once */

struct reserver_blocking {
	struct reserver res;
	/* In some other thread, several at a time. */
	int (*run)(const struct reserver_blocking *b, const struct reserver_command *cmd);
	/* After reserver_close(), when no command runs any more: perhaps much later, in any thread. */
	void (*end)(struct reserver_blocking *b);
	/*
	 * @run may never return, because a target or its driver hangs: it gets a thread of its own, and after this
	 * time the command has failed with -EIO.  0: it always returns.
	 */
	unsigned int wait_ms;
	unsigned int refs;    /* atomic: the owner, and commands in threads of their own */
	unsigned int nr_hung; /* atomic */
};

/* Fills @b->res; @b is the caller's to allocate, and @end's to free. */
void reserver_blocking_init(struct reserver_blocking *b, struct reactor *r, const char *name);

bool reservation_type_is_known(unsigned int type) MUST_CHECK;
bool reservation_of_all_registrants(unsigned int type) MUST_CHECK;
bool reservation_excludes_reads(unsigned int type) MUST_CHECK;

#endif
