/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_RESERVER_SIDECAR_H
#define LAMINA_DEV_RESERVER_SIDECAR_H

/*
 * The file beside a plain file that holds its emulated reservations, and what commands do to them (SPC-4, 5.13).
 * Everything here blocks; any thread may call it.
 *
 * The file is one page, written in one piece, so whoever dies while writing leaves the old or the new one.  Who reads
 * or writes the device, or looks at the reservations, holds it shared meanwhile, and who changes them holds it alone:
 * by locks of the open file (F_OFD_SETLK), so each use opens it anew.
 */

#include "dev/identity.h"

#define SIDECAR_HOSTS_MAX 168u
#define SIDECAR_HOST_LEN  16u
#define SIDECAR_SIZE	  4096u
#define SIDECAR_NOBODY	  UINT32_MAX

struct sidecar_host {
	uint64_t key;
	char name[SIDECAR_HOST_LEN];
};

struct sidecar {
	uint32_t generation;
	bool reserved;
	enum reservation_type type;
	uint32_t holder; /* index; SIDECAR_NOBODY: all registrants */
	uint32_t nr;
	struct sidecar_host hosts[SIDECAR_HOSTS_MAX];
};

/* Whether @name can be a host's. */
bool sidecar_name_is_good(const char *name) MUST_CHECK;

/* -EUCLEAN: these are no reservations; *@ret_what says what is wrong. */
int sidecar_decode(const uint8_t bytes[SIDECAR_SIZE], struct sidecar *ret_side, const char **ret_what) MUST_CHECK;
void sidecar_encode(const struct sidecar *side, uint8_t ret_bytes[SIDECAR_SIZE]);

/* What they do and return is told in dev/reserver.h; also -ENOSPC: SIDECAR_HOSTS_MAX are registered. */
int sidecar_register(struct sidecar *side, const char *host, uint64_t key) MUST_CHECK;
int sidecar_unregister(struct sidecar *side, const char *host, uint64_t key) MUST_CHECK;
int sidecar_reserve(struct sidecar *side, const char *host, uint64_t key, enum reservation_type type) MUST_CHECK;
int sidecar_release(struct sidecar *side, const char *host, uint64_t key, enum reservation_type type) MUST_CHECK;
int sidecar_preempt(struct sidecar *side, const char *host, uint64_t key, uint64_t victim, enum reservation_type type)
	MUST_CHECK;
bool sidecar_holds(const struct sidecar *side, uint32_t index) MUST_CHECK;
bool sidecar_may(const struct sidecar *side, const char *host, bool write) MUST_CHECK;

enum sidecar_use {
	SIDECAR_SHARED,
	SIDECAR_ALONE,
	SIDECAR_MAKE, /* alone, and make it if it is not there */
};

/*
 * Open and lock the reservations of the file at @path and read them: close(*@ret_fd) ends it.  -EUCLEAN: damaged, and
 * the log says how and what to do.  -EIO: somebody holds it for longer than 10 s, as a stopped program does.
 */
int sidecar_open(const char *path, enum sidecar_use use, int *ret_fd, struct sidecar *ret_side) MUST_CHECK;
/* Replace what the file says, which is locked alone. */
int sidecar_store(int fd, const struct sidecar *side) MUST_CHECK;

#endif
