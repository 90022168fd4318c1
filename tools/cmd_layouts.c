/* SPDX-License-Identifier: Apache-2.0 */
/* `lamina layouts`: who holds which blocks of which file.  Only shows what mds/control_layouts.c tells. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/ask.h"
#include "tools/cmd.h"

static void layouts_help(FILE *out)
{
	fputs("usage: lamina layouts [--json] [-s SOCKET] [FILE]\n"
	      "\n"
	      "Ask the running server who holds layouts, of which bytes of which file, and in which state.\n"
	      "\n"
	      "FILE is a path from the volume's root, or an inode number.\n"
	      "\n"
	      "  -s, --socket SOCKET  its control socket (default: /run/lamina/control)\n"
	      "      --json           what it says, as JSON\n"
	      "  -h, --help           this text\n"
	      "\n"
	      "Exit codes: 0 it answered, 1 it did not, 2 called wrongly.\n",
	      out);
}

static void print_layout(struct json_object *layout)
{
	struct json_object *grants = ask_member(layout, "grants");
	const char *client = ask_text(layout, "client"), *address = ask_text(layout, "address");

	printf("%-12" PRIu64 "  %-16s  %-24s  %-5s  %-8s", ask_u64(layout, "inode"), client[0] ? client : "-",
	       address[0] ? address : "-", ask_text(layout, "type"), ask_text(layout, "state"));
	if (strcmp(ask_text(layout, "fence"), "none") != 0)
		printf("  key %s, fence %s", ask_text(layout, "key"), ask_text(layout, "fence"));
	puts("");
	for (size_t i = 0; grants && i < json_object_array_length(grants); i++) {
		struct json_object *grant = json_object_array_get_idx(grants, i);

		printf("    %-5s  %" PRIu64 " + %" PRIu64 "%s\n", ask_text(grant, "mode"), ask_u64(grant, "offset"),
		       ask_u64(grant, "length"), ask_bool(grant, "fresh") ? "  (reserved for it)" : "");
	}
}

static void print_layouts(struct json_object *o)
{
	struct json_object *layouts = ask_member(o, "layouts");
	size_t nr = layouts ? json_object_array_length(layouts) : 0;

	if (nr == 0) {
		puts("no layouts");
		return;
	}
	printf("%-12s  %-16s  %-24s  %-5s  %s\n", "inode", "client", "address", "type", "state");
	for (size_t i = 0; i < nr; i++)
		print_layout(json_object_array_get_idx(layouts, i));
}

static int list_layouts(const struct ask_options *opt, const char *file)
{
	struct json_object *o = NULL, *request = json_object_new_object();
	int err;

	json_object_object_add(request, "command", json_object_new_string("layouts"));
	if (file)
		json_object_object_add(request, "file", json_object_new_string(file));
	err = ask_server("layouts", opt, json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN), &o);
	json_object_put(request);
	if (err)
		return CMD_FAILED;
	ask_show(opt, o, print_layouts);
	json_object_put(o);
	return CMD_OK;
}

int cmd_layouts(int argc, char **argv)
{
	struct ask_options opt;
	int ret;

	if (!ask_parse(argc, argv, layouts_help, NULL, 0, &opt, &ret))
		return ret;
	if (argc - optind > 1) {
		fprintf(stderr, "lamina layouts: takes one file, not '%s' too\n", argv[optind + 1]);
		return CMD_USAGE;
	}
	return list_layouts(&opt, argv[optind]);
}
