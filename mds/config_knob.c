/* SPDX-License-Identifier: Apache-2.0 */

/* The table of settings.  Promise: min <= default <= max in every row, but for defaults that follow from others. */

#include <linux/un.h>

#include "dev/identity.h"
#include "mds/config.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

/* What a compound carries beside a megabyte of data: Linux asks for 1 MiB + 1044 bytes at most. */
#define OVERHEAD (4 * KIB)

static const struct config_choice log_levels[] = {
	{ "error", LOG_LEVEL_ERR },
	{ "warning", LOG_LEVEL_WARN },
	{ "info", LOG_LEVEL_INFO },
	{ "debug", LOG_LEVEL_DEBUG },
	{ NULL, 0 },
};

static const struct config_choice back_ends[] = {
	{ "auto", REACTOR_AUTO },
	{ "uring", REACTOR_URING },
	{ "libaio", REACTOR_LIBAIO },
	{ NULL, 0 },
};

static const struct config_choice delegations[] = {
	{ "none", DELEGATIONS_NONE },
	{ "read", DELEGATIONS_READ },
	{ "write", DELEGATIONS_WRITE },
	{ NULL, 0 },
};

static const struct config_choice reservations[] = {
	{ "exclusive_access", RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY },
	{ "write_exclusive", RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY },
	{ NULL, 0 },
};

static const struct config_choice off_on[] = {
	{ "off", 0 },
	{ "on", 1 },
	{ NULL, 0 },
};

#define AT(member) offsetof(struct config, member)
#define COUNT(g, n, d, lo, hi, most, text)                                                                           \
	{                                                                                                            \
		.group = #g, .name = #n, .kind = CONFIG_NUMBER, .offset = AT(g.n), .dflt = d, .min = lo, .max = hi,  \
		.unit = "", .at_most = most, .what = text                                                            \
	}
#define BYTES(g, n, d, lo, hi, most, text)                                                                           \
	{                                                                                                            \
		.group = #g, .name = #n, .kind = CONFIG_BYTES, .offset = AT(g.n), .dflt = d, .min = lo, .max = hi,   \
		.unit = "bytes", .at_most = most, .what = text                                                       \
	}
#define SECONDS(n, d, lo, hi, text)                                                                                  \
	{                                                                                                            \
		.group = "", .name = #n, .kind = CONFIG_NUMBER, .offset = AT(n), .dflt = d, .min = lo, .max = hi,    \
		.unit = "seconds", .what = text                                                                      \
	}

/* clang-format off */
static const struct config_knob knobs[] = {
	{ .group = "", .name = "control", .kind = CONFIG_PATH, .offset = AT(control), .path = "/run/lamina/control",
	  .max = UNIX_PATH_MAX - 1, .unit = "", .what = "the socket for lamina status and lamina clients" },
	{ .group = "", .name = "log_level", .kind = CONFIG_CHOICE, .offset = AT(log_level), .dflt = LOG_LEVEL_INFO,
	  .choices = log_levels, .unit = "", .what = "the least important messages that are logged" },
	{ .group = "", .name = "io", .kind = CONFIG_CHOICE, .offset = AT(io), .dflt = REACTOR_AUTO,
	  .choices = back_ends, .unit = "", .what = "how the kernel is asked for I/O" },

	SECONDS(lease_seconds, 90, 10, 3600, "how long a client may be silent"),
	{ .group = "", .name = "grace_seconds", .kind = CONFIG_NUMBER, .offset = AT(grace_seconds), .dflt = 90,
	  .min = 10, .max = 7200, .unit = "seconds", .as = "lease_seconds, but at least 90",
	  .what = "how long clients may reclaim after state was discarded" },
	SECONDS(courtesy_seconds, 86400, 0, 31536000, "how long a silent client keeps what nobody else wants; 0: off"),

	{ .group = "", .name = "delegations", .kind = CONFIG_CHOICE, .offset = AT(delegations), .dflt = DELEGATIONS_NONE,
	  .choices = delegations, .unit = "", .what = "the delegations of files that clients get which want them" },

	{ .group = "", .name = "recall_seconds", .kind = CONFIG_NUMBER, .offset = AT(recall_seconds), .min = 1,
	  .max = 3600, .unit = "seconds", .as = "lease_seconds",
	  .what = "how long a client may take to give a layout back before it is fenced" },
	{ .group = "", .name = "block_wait_seconds", .kind = CONFIG_NUMBER, .offset = AT(block_wait_seconds), .min = 1,
	  .max = 86400, .unit = "seconds", .as = "lease_seconds + 60",
	  .what = "how long a client with layouts of the block type may still write when it is silent" },
	{ .group = "", .name = "reservation", .kind = CONFIG_CHOICE, .offset = AT(reservation),
	  .dflt = RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY, .choices = reservations, .unit = "",
	  .what = "what hosts that are not registered are kept from on the devices" },
	{ .group = "", .name = "file_reservations", .kind = CONFIG_CHOICE, .offset = AT(file_reservations), .dflt = 0,
	  .choices = off_on, .unit = "", .what = "emulated reservations of plain files, to try layouts out" },
	{ .group = "", .name = "zero_new_space", .kind = CONFIG_CHOICE, .offset = AT(zero_new_space), .dflt = 0,
	  .choices = off_on, .unit = "", .what = "new space is made zeros before a client gets it" },
	{ .group = "", .name = "fence_command", .kind = CONFIG_PATH, .offset = AT(fence_command), .path = "",
	  .max = UNIX_PATH_MAX - 1, .unit = "", .what = "cuts off a client with layouts of the block type; empty: none" },

	COUNT(limits, connections, 4096, 1, 65536, NULL, "connections"),
	COUNT(limits, connections_per_address, 256, 1, 65536, "connections", "of them from one address"),
	COUNT(limits, requests, 1024, 8, 65536, NULL, "requests at work at a time"),
	COUNT(limits, requests_per_connection, 128, 1, 4096, "requests", "of them from one connection"),
	BYTES(limits, buffer_bytes, 256 * MIB, 1 * MIB, 1 * TIB, NULL, "memory for requests and replies in flight"),
	COUNT(limits, clients, 4096, 1, 1048576, NULL, "clients, also those that are silent"),
	COUNT(limits, sessions_per_client, 16, 1, 1024, NULL, "sessions of one client"),
	COUNT(limits, slots_per_session, 128, 1, 1024, NULL, "requests that one session may have outstanding"),
	BYTES(limits, request_bytes, MIB + OVERHEAD, 16 * KIB, 4 * MIB + OVERHEAD, NULL, "the largest request"),
	BYTES(limits, response_bytes, MIB + OVERHEAD, 16 * KIB, 4 * MIB + OVERHEAD, NULL, "the largest reply"),
	COUNT(limits, operations_per_compound, 64, 8, 1024, NULL, "operations in one request"),
	BYTES(limits, cached_reply_bytes, 8 * KIB, 512, 8 * KIB, "response_bytes",
	      "the largest reply that is kept for a repeated request"),
	BYTES(limits, reply_cache_bytes, 256 * MIB, 1 * MIB, 1 * TIB, NULL, "memory for kept replies"),
	COUNT(limits, opens, 1048576, 1, 1u << 30, NULL, "opens"),
	COUNT(limits, opens_per_client, 262144, 1, 1u << 30, "opens", "of them by one client"),
	COUNT(limits, locks, 1048576, 1, 1u << 30, NULL, "locked byte ranges"),
	COUNT(limits, locks_per_client, 262144, 1, 1u << 30, "locks", "of them by one client"),
	COUNT(limits, layouts, 262144, 1, 1u << 24, NULL, "layouts"),
	COUNT(limits, layouts_per_client, 65536, 1, 1u << 24, "layouts", "of them of one client"),

	BYTES(store, cache_bytes, 256 * MIB, 4 * MIB, 64 * TIB, NULL, "memory for metadata blocks"),
	{ .group = "store", .name = "dirty_bytes", .kind = CONFIG_BYTES, .offset = AT(store.dirty_bytes),
	  .min = 2 * MIB, .max = 64 * TIB, .unit = "bytes", .as = "half of cache_bytes", .at_most = "cache_bytes",
	  .what = "of it, what may wait for a checkpoint" },
	{ .group = "store", .name = "checkpoint_log_bytes", .kind = CONFIG_BYTES,
	  .offset = AT(store.checkpoint_log_bytes), .min = 1 * MIB, .max = 64 * GIB, .unit = "bytes",
	  .as = "64 MiB or a quarter of the journal", .what = "a checkpoint begins when the journal holds so much" },
	COUNT(store, checkpoint_seconds, 30, 1, 3600, NULL, "and at the latest so long after the last"),
	COUNT(store, checkpoint_depth, 8, 1, 64, NULL, "writes of a checkpoint in flight"),
};
/* clang-format on */

const struct config_knob *config_knobs(unsigned int *ret_nr)
{
	*ret_nr = ARRAY_SIZE(knobs);
	return knobs;
}
