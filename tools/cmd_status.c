/* SPDX-License-Identifier: Apache-2.0 */
/* `lamina status`: how the running server is.  Only shows what mds/control_status.c tells. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/volume.h"

#define OPERATIONS_MAX 256

static void status_help(FILE *out)
{
	fputs("usage: lamina status [--json] [-s SOCKET]\n"
	      "\n"
	      "Ask the running server how it is.\n"
	      "\n"
	      "  -s, --socket SOCKET  its control socket (default: /run/lamina/control)\n"
	      "      --json           what it says, as JSON\n"
	      "  -h, --help           this text\n"
	      "\n"
	      "Exit codes: 0 it answered, 1 it did not, 2 called wrongly.\n",
	      out);
}

static void print_head(struct json_object *o)
{
	struct json_object *volume = ask_member(o, "volume"), *grace = ask_member(o, "grace");
	struct json_object *devices = ask_member(volume, "devices");
	char time[ASK_TIME_MAX], size[SIZE_TEXT_MAX];

	printf("lamina %s, process %" PRIu64 ", up %s%s\n", ask_text(o, "version"), ask_u64(o, "pid"),
	       ask_time(ask_double(o, "uptime_seconds"), time), ask_bool(o, "stopping") ? ", stopping" : "");
	printf("volume \"%s\", uuid %s\n", ask_text(volume, "name"), ask_text(volume, "uuid"));
	for (size_t i = 0; devices && i < json_object_array_length(devices); i++) {
		struct json_object *dev = json_object_array_get_idx(devices, i);

		printf("  %s, %s%s\n", ask_text(dev, "path"), size_text(ask_u64(dev, "size_bytes"), size),
		       ask_bool(dev, "volatile_cache") ? ", volatile write cache" : "");
	}
	if (ask_bool(volume, "read_only"))
		printf("READ-ONLY: %s\n",
		       ask_text(volume, "error")[0] ? ask_text(volume, "error") : "mounted that way");
	if (ask_bool(grace, "active"))
		printf("in grace for another %s: clients reclaim what they had\n",
		       ask_time(ask_double(grace, "seconds_left"), time));
	putchar('\n');
}

static void print_bar(const char *what, uint64_t part, uint64_t whole, const char *more)
{
	char bar[ASK_BAR_MAX], a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX];

	printf("%-8s %s %s of %s%s\n", what, ask_bar((double)part, (double)whole, bar), size_text(part, a),
	       size_text(whole, b), more);
}

static void print_space(struct json_object *o)
{
	struct json_object *volume = ask_member(o, "volume"), *journal = ask_member(o, "journal");
	struct json_object *cache = ask_member(o, "cache"), *memory = ask_member(o, "memory");
	uint64_t size = ask_u64(volume, "size_bytes");
	char more[128], a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX];

	snprintf(more, sizeof(more), ": %s metadata, %s in limbo, %" PRIu64 " inodes",
		 size_text(ask_u64(volume, "metadata_bytes"), a), size_text(ask_u64(volume, "limbo_bytes"), b),
		 ask_u64(volume, "inodes"));
	print_bar("space", size - min_u64(size, ask_u64(volume, "free_bytes")), size, more);
	snprintf(more, sizeof(more), ": %.1f transactions to a write, %.0f in a second",
		 ask_double(journal, "transactions_per_write"),
		 ask_double(ask_member(o, "transactions"), "per_second"));
	print_bar("journal", ask_u64(journal, "used_bytes"), ask_u64(journal, "size_bytes"), more);
	snprintf(more, sizeof(more), ": %s to be written, %" PRIu64 " misses",
		 size_text(ask_u64(cache, "dirty_bytes"), a), ask_u64(cache, "misses"));
	print_bar("cache", ask_u64(cache, "bytes"), ask_u64(cache, "limit_bytes"), more);
	snprintf(more, sizeof(more), " for cache, replies and buffers; at its peak %s",
		 size_text(ask_u64(memory, "peak_bytes"), a));
	print_bar("memory", ask_u64(memory, "resident_bytes"), ask_u64(memory, "bound_bytes"), more);
	putchar('\n');
}

static void print_bounded(struct json_object *o, const char *name)
{
	struct json_object *of = ask_member(o, name);

	printf("%-12s %12" PRIu64 " of %12" PRIu64, name, ask_u64(of, "now"), ask_u64(of, "limit"));
}

static void print_tables(struct json_object *o)
{
	struct json_object *conns = ask_member(o, "connections"), *requests = ask_member(o, "requests");
	struct json_object *replies = ask_member(o, "reply_cache_bytes"), *calls = ask_member(o, "callbacks");
	char a[SIZE_TEXT_MAX];

	print_bounded(o, "clients");
	printf(", %" PRIu64 " expired\n", ask_u64(ask_member(o, "clients"), "expired"));
	print_bounded(o, "sessions");
	printf(", %s of kept replies\n", size_text(ask_u64(replies, "now"), a));
	print_bounded(o, "opens");
	putchar('\n');
	print_bounded(o, "locks");
	putchar('\n');
	print_bounded(o, "connections");
	printf(", %" PRIu64 " since the start, %" PRIu64 " refused, %" PRIu64 " cut\n", ask_u64(conns, "count"),
	       ask_u64(conns, "refused"), ask_u64(conns, "cut"));
	print_bounded(o, "requests");
	printf(", %" PRIu64 " since the start, %" PRIu64 " repeated, %" PRIu64 " malformed\n",
	       ask_u64(requests, "count"), ask_u64(requests, "replays") + ask_u64(requests, "resumed"),
	       ask_u64(requests, "malformed"));
	if (ask_u64(calls, "count"))
		printf("%-12s %12" PRIu64 " made, %" PRIu64 " failed\n", "callbacks", ask_u64(calls, "count"),
		       ask_u64(calls, "failed"));
}

static void print_layout_device(struct json_object *dev)
{
	const char *error = ask_text(dev, "error"), *why = ask_text(dev, "why_not_scsi");

	printf("  %s, id %s\n", ask_text(dev, "path"), ask_text(dev, "id"));
	if (why[0])
		printf("    no layouts of the SCSI type: %s\n", why);
	if (error[0])
		printf("    its keys cannot be read: %s\n", error);
	else if (ask_member(dev, "keys"))
		printf("    %s; %" PRIu64 " keys registered%s\n",
		       ask_text(dev, "reservation")[0] ? ask_text(dev, "reservation") : "not reserved",
		       ask_u64(dev, "nr_keys"), ask_bool(dev, "emulated") ? "; emulated" : "");
}

static void print_layout_fence(struct json_object *fence)
{
	bool is_proved = strcmp(ask_text(fence, "state"), "proved") == 0;

	printf("  %s key %s, \"%s\"", is_proved ? "fenced:" : "NOT PROVED TO BE CUT OFF:", ask_text(fence, "key"),
	       ask_text(fence, "owner"));
	if (is_proved)
		printf(", proved by %s after %.1f ms\n", ask_text(fence, "proof"),
		       ask_double(fence, "took_seconds") * 1e3);
	else
		printf(", %" PRIu64 " tries: %s\n", ask_u64(fence, "tries"), ask_text(fence, "why"));
}

static void print_layouts(struct json_object *o)
{
	struct json_object *layouts = ask_member(o, "layouts"), *types = ask_member(layouts, "types");
	struct json_object *devices = ask_member(layouts, "devices"), *fences = ask_member(layouts, "fences");
	size_t nr_types = types ? json_object_array_length(types) : 0;

	print_bounded(o, "layouts");
	for (size_t i = 0; i < nr_types; i++)
		printf("%s%s type", i ? ", " : ", of ", json_object_get_string(json_object_array_get_idx(types, i)));
	puts(nr_types ? "" : ", none are given out");
	for (size_t i = 0; devices && i < json_object_array_length(devices); i++)
		print_layout_device(json_object_array_get_idx(devices, i));
	for (size_t i = 0; fences && i < json_object_array_length(fences); i++)
		print_layout_fence(json_object_array_get_idx(fences, i));
}

/* Clients that do not go straight to the devices. */
static void print_by_server(struct json_object *o)
{
	struct json_object *by_server = ask_member(o, "by_server"), *clients = ask_member(by_server, "clients");
	size_t nr = clients ? json_object_array_length(clients) : 0;

	for (size_t i = 0; i < nr; i++) {
		struct json_object *client = json_object_array_get_idx(clients, i);
		const char *address = ask_text(client, "address"), *why = ask_text(client, "why_by_server");
		char time[ASK_TIME_MAX];

		if (i == 0)
			puts("these clients read and write through the server:");
		printf("  %s, client %s, last %s ago%s%s\n", address[0] ? address : "-", ask_text(client, "id"),
		       ask_time(ask_double(client, "by_server_seconds"), time), why[0] ? ": " : "", why);
	}
	if (ask_bool(by_server, "more"))
		puts("  and more; `lamina clients` shows all");
}

struct operation {
	const char *name;
	uint64_t count;
	double rate;
};

static int operation_cmp(const void *a, const void *b)
{
	const struct operation *x = a, *y = b;

	return x->count < y->count ? 1 : -(x->count > y->count);
}

static void print_operations(struct json_object *o)
{
	struct json_object *ops = ask_member(o, "operations");
	struct operation list[OPERATIONS_MAX];
	size_t nr = 0;

	if (!ops)
		return;
	json_object_object_foreach(ops, name, of)
	{
		if (nr < OPERATIONS_MAX)
			list[nr++] = (struct operation){ name, ask_u64(of, "count"), ask_double(of, "per_second") };
	}
	if (nr == 0)
		return;
	qsort(list, nr, sizeof(list[0]), operation_cmp);
	printf("\n%-20s %14s %12s\n", "operation", "count", "per second");
	for (size_t i = 0; i < nr; i++) {
		char bar[ASK_BAR_MAX];

		printf("%-20s %14" PRIu64 " %12.1f %s\n", list[i].name, list[i].count, list[i].rate,
		       ask_bar((double)list[i].count, (double)list[0].count, bar));
	}
	printf("%-20s %14" PRIu64 "\n", "with an error", ask_u64(o, "operation_errors"));
}

static void print_status(struct json_object *o)
{
	print_head(o);
	print_space(o);
	print_tables(o);
	print_layouts(o);
	print_by_server(o);
	print_operations(o);
}

int cmd_status(int argc, char **argv)
{
	struct json_object *o = NULL;
	struct ask_options opt;
	int ret;

	if (!ask_parse(argc, argv, status_help, NULL, 0, &opt, &ret))
		return ret;
	if (optind != argc) {
		fprintf(stderr, "lamina status: takes no argument like '%s'\n", argv[optind]);
		return CMD_USAGE;
	}
	if (ask_server("status", &opt, "status", &o))
		return CMD_FAILED;
	ask_show(&opt, o, print_status);
	json_object_put(o);
	return CMD_OK;
}
