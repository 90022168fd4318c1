/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_CONFIG_H
#define LAMINA_MDS_CONFIG_H

/*
 * The server's configuration: one file in the syntax of libconfig, described in lamina.conf(5), or what is right for
 * `lamina serve DEVICE` without one.  Read once at start, then plain data that nobody changes.
 *
 * Every setting that is a number, a choice or a text has a row in one table (config_knobs) with its default and
 * bounds; checking, the man page's test and the output of --check-config come from it.
 */

#include "dev/log.h"
#include "dev/reactor.h"
#include "dev/sock.h"
#include "extent/format.h"
#include "mds/export.h"
#include "mds/why_list.h"

#define CONFIG_LISTEN_MAX     16
#define CONFIG_FILE_BYTES_MAX (4u << 20) /* of a file with all that it includes */
#define CONFIG_INCLUDE_DEPTH  8

/* Counts and bytes that bound the server's memory (I11); at a limit there is an error on the wire, never growth. */
struct config_limits {
	uint64_t connections;
	uint64_t connections_per_address;
	uint64_t requests; /* in flight, of all connections */
	uint64_t requests_per_connection;
	uint64_t buffer_bytes; /* of requests and replies in flight */
	uint64_t clients;
	uint64_t sessions_per_client;
	uint64_t slots_per_session;
	uint64_t request_bytes;	 /* the largest request, RPC header included */
	uint64_t response_bytes; /* and reply */
	uint64_t operations_per_compound;
	uint64_t cached_reply_bytes; /* the largest reply that a slot keeps */
	uint64_t reply_cache_bytes;  /* of kept replies, all sessions */
	uint64_t opens, opens_per_client;
	uint64_t locks, locks_per_client; /* byte ranges */
	uint64_t layouts, layouts_per_client;
};

/* What fs_mount_options has; 0: chosen by the store. */
struct config_store {
	uint64_t cache_bytes;
	uint64_t dirty_bytes;
	uint64_t checkpoint_log_bytes;
	uint64_t checkpoint_seconds;
	uint64_t checkpoint_depth;
};

enum delegations {
	DELEGATIONS_NONE,
	DELEGATIONS_READ,
	DELEGATIONS_WRITE, /* and read */
};

struct config {
	char *devices[VOLUME_DEVICES_MAX]; /* paths */
	unsigned int nr_devices;	   /* 0: the command line names them */
	struct sock_addr listen[CONFIG_LISTEN_MAX];
	unsigned int nr_listen;
	char *control;	    /* path of the control socket */
	uint64_t log_level; /* enum log_level */
	uint64_t io;	    /* enum reactor_backend */
	uint64_t lease_seconds;
	uint64_t grace_seconds;	     /* at least a lease */
	uint64_t courtesy_seconds;   /* after the lease, while nobody wants what is held; 0: off */
	uint64_t delegations;	     /* enum delegations */
	uint64_t recall_seconds;     /* for giving a layout back before its holder is fenced */
	uint64_t block_wait_seconds; /* layouts of the block type: until a silent holder counts as cut off */
	uint64_t reservation;	     /* enum reservation_type */
	uint64_t file_reservations;  /* 0 or 1 */
	uint64_t zero_new_space;     /* 0 or 1 */
	char *fence_command;	     /* path; "": none */
	struct config_limits limits;
	struct config_store store;
	struct export *exports;
	unsigned int nr_exports;
};

/*
 * Read @path.  -EINVAL: there are mistakes, all of them in @why with file, line and remedy; -ENOMEM; other errors of
 * open(2) and read(2), said in @why too.
 */
int config_load(const char *path, struct config **ret_config, struct why_list *why) MUST_CHECK;
/* The same from memory; @name stands for the file in messages, @dir, with a / at its end, is where its includes are
 * (NULL: refused). */
int config_load_text(const char *text, size_t len, const char *name, const char *dir, struct config **ret_config,
		     struct why_list *why) MUST_CHECK;
/*
 * Without a file: everything as in the table, and the whole volume at "/" for clients on this machine only, read and
 * write, root being root.  NULL: no memory.
 */
struct config *config_default(void) MUST_CHECK;
/* Use these devices instead.  -EINVAL, said in @why: too many, or one twice; -ENOMEM. */
int config_use_devices(struct config *cfg, char *const *paths, unsigned int nr, struct why_list *why) MUST_CHECK;
/* NULL is allowed. */
void config_free(struct config *cfg);

enum config_kind {
	CONFIG_NUMBER,
	CONFIG_BYTES,  /* a number, or a text with K, M, G or T, powers of 1024 */
	CONFIG_CHOICE, /* uint64_t, one of choices */
	CONFIG_PATH,   /* char *, absolute; or "", where that is the default */
};

struct config_choice {
	const char *word;
	uint64_t value;
};

struct config_knob {
	const char *group; /* "limits", "store"; "": none */
	const char *name;
	enum config_kind kind;
	size_t offset; /* of its uint64_t or char * in struct config */
	uint64_t dflt;
	uint64_t min, max; /* what a file may say */
	const char *unit;  /* "seconds"; "": a count, or none */
	const char *as; /* default: what this text says, while the number is 0 or as in another setting; NULL: dflt */
	const char *at_most;		     /* a setting of the same group that it must not exceed; NULL: none */
	const struct config_choice *choices; /* up to a NULL word */
	const char *path;		     /* CONFIG_PATH: default */
	const char *what;		     /* one line for who reads it */
};

/* All of them; *@ret_nr is how many. */
const struct config_knob *config_knobs(unsigned int *ret_nr) MUST_CHECK;

#endif
