/* SPDX-License-Identifier: Apache-2.0 */
/* `lamina clients`: who uses the running server.  Only shows what mds/control_clients.c tells. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/ask.h"
#include "tools/cmd.h"

static void clients_help(FILE *out)
{
	fputs("usage: lamina clients [--json] [-s SOCKET]\n"
	      "       lamina clients --evict ID [--force] [-s SOCKET]\n"
	      "\n"
	      "Ask the running server who uses it, or have it forget a client.\n"
	      "\n"
	      "  -s, --socket SOCKET  its control socket (default: /run/lamina/control)\n"
	      "      --json           what it says, as JSON\n"
	      "      --evict ID       forget the client with this id\n"
	      "      --force          also if it has files open, locked or delegated, which it then loses\n"
	      "  -h, --help           this text\n"
	      "\n"
	      "Exit codes: 0 it answered, 1 it did not, 2 called wrongly.\n",
	      out);
}

/* What there is to say about a client beside its numbers. */
static const char *client_state(struct json_object *client, double lease)
{
	if (!ask_bool(client, "confirmed"))
		return "unconfirmed";
	if (ask_bool(client, "courtesy"))
		return "silent, kept";
	if (ask_u64(client, "revoked"))
		return "revoked";
	return ask_double(client, "silent_seconds") > lease ? "expired" : "active";
}

static void print_sessions(struct json_object *client)
{
	struct json_object *sessions = ask_member(client, "sessions");

	for (size_t i = 0; sessions && i < json_object_array_length(sessions); i++) {
		struct json_object *s = json_object_array_get_idx(sessions, i);
		struct json_object *conns = ask_member(s, "connections");

		printf("    session %s: %" PRIu64 " of %" PRIu64 " slots used, %" PRIu64
		       " busy; %zu connections; backchannel %s\n",
		       ask_text(s, "id"), ask_u64(s, "slots_used"), ask_u64(s, "slots"), ask_u64(s, "slots_busy"),
		       conns ? json_object_array_length(conns) : 0, ask_text(s, "backchannel"));
	}
}

/* What went through the server and might have gone straight to the devices. */
static void print_io(struct json_object *client)
{
	uint64_t reads = ask_u64(client, "reads_by_server"), writes = ask_u64(client, "writes_by_server");
	const char *why = ask_text(client, "why_by_server");

	if (reads + writes == 0)
		return;
	printf("    %" PRIu64 " reads and %" PRIu64 " writes through the server%s%s\n", reads, writes,
	       why[0] ? ": " : "", why);
}

static void print_client(struct json_object *client, double lease)
{
	const char *kernel = ask_text(client, "kernel"), *address = ask_text(client, "address");
	uint64_t minor = ask_u64(client, "minor_version");
	char version[24];
	char time[ASK_TIME_MAX];

	snprintf(version, sizeof(version), minor ? "4.%" PRIu64 : "-", minor);
	printf("%-16s  %-12s  %-24s  %-3s  %-20s  %12s  %9" PRIu64 "  %9" PRIu64 "\n", ask_text(client, "id"),
	       client_state(client, lease), address[0] ? address : "-", version, kernel[0] ? kernel : "-",
	       ask_time(ask_double(client, "silent_seconds"), time), ask_u64(client, "opens"),
	       ask_u64(client, "locks"));
	printf("    %s\n", ask_text(client, "owner"));
	if (ask_u64(client, "layouts"))
		printf("    %" PRIu64 " layouts\n", ask_u64(client, "layouts"));
	print_io(client);
	if (!kernel[0] && ask_text(client, "implementation")[0])
		printf("    %s\n", ask_text(client, "implementation"));
	if (ask_u64(client, "revoked"))
		printf("    %" PRIu64 " states were taken away, and it has not said that it knows\n",
		       ask_u64(client, "revoked"));
	print_sessions(client);
}

static void print_clients(struct json_object *o)
{
	struct json_object *clients = ask_member(o, "clients");
	size_t nr = clients ? json_object_array_length(clients) : 0;

	if (nr == 0) {
		puts("no clients");
		return;
	}
	printf("%-16s  %-12s  %-24s  %-3s  %-20s  %12s  %9s  %9s\n", "client", "state", "address", "NFS", "kernel",
	       "silent for", "opens", "locks");
	for (size_t i = 0; i < nr; i++)
		print_client(json_object_array_get_idx(clients, i), ask_double(o, "lease_seconds"));
}

/* @id is put into a request as it is: only what may be one. */
static int evict(const struct ask_options *opt, const char *id, bool force)
{
	struct json_object *o = NULL;
	char request[128];

	if (!*id || strlen(id) > 16 || strspn(id, "0123456789abcdefABCDEF") != strlen(id)) {
		fprintf(stderr, "lamina clients: '%s' is not an id; `lamina clients` shows them\n", id);
		return CMD_USAGE;
	}
	snprintf(request, sizeof(request), "{\"command\":\"evict\",\"client\":\"%s\",\"force\":%s}", id,
		 force ? "true" : "false");
	if (ask_server("clients", opt, request, &o))
		return CMD_FAILED;
	json_object_put(o);
	return CMD_OK;
}

static int list(const struct ask_options *opt)
{
	struct json_object *o = NULL;

	if (ask_server("clients", opt, "clients", &o))
		return CMD_FAILED;
	ask_show(opt, o, print_clients);
	json_object_put(o);
	return CMD_OK;
}

int cmd_clients(int argc, char **argv)
{
	const char *id = NULL;
	bool force = false;
	const struct ask_option more[] = {
		{ .name = "evict", .value = &id },
		{ .name = "force", .flag = &force },
	};
	struct ask_options opt;
	int ret;

	if (!ask_parse(argc, argv, clients_help, more, ARRAY_SIZE(more), &opt, &ret))
		return ret;
	if (optind != argc) {
		fprintf(stderr, "lamina clients: takes no argument like '%s'\n", argv[optind]);
		return CMD_USAGE;
	}
	if (force && !id) {
		fputs("lamina clients: --force goes with --evict\n", stderr);
		return CMD_USAGE;
	}
	return id ? evict(&opt, id, force) : list(&opt);
}
