/* SPDX-License-Identifier: Apache-2.0 */
/* `lamina fence` and `lamina unfence`: only show what mds/control_fence.c does. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/ask.h"
#include "tools/cmd.h"

static void fence_help(FILE *out)
{
	fputs("usage: lamina fence [--force] [--json] [-s SOCKET] CLIENT\n"
	      "\n"
	      "Cut a client's host off from the devices, and prove it by the keys that they say afterwards.\n"
	      "\n"
	      "CLIENT is the client's id (`lamina clients`) or its host's key (`lamina status`).\n"
	      "\n"
	      "  -s, --socket SOCKET  the server's control socket (default: /run/lamina/control)\n"
	      "      --force          if it cannot be proved: I vouch that the host is cut off\n"
	      "      --json           what the server says, as JSON\n"
	      "  -h, --help           this text\n"
	      "\n"
	      "Exit codes: 0 it is fenced, 1 it is not, 2 called wrongly.\n",
	      out);
}

static void unfence_help(FILE *out)
{
	fputs("usage: lamina unfence [--force] [--json] [-s SOCKET] CLIENT\n"
	      "\n"
	      "Let a client's host use the devices again.\n"
	      "\n"
	      "CLIENT is the client's id (`lamina clients`) or its host's key (`lamina status`).\n"
	      "\n"
	      "  -s, --socket SOCKET  the server's control socket (default: /run/lamina/control)\n"
	      "      --force          also if its fence was never proved, or what it held is not free yet\n"
	      "      --json           what the server says, as JSON\n"
	      "  -h, --help           this text\n"
	      "\n"
	      "Exit codes: 0 it is not fenced any more, 1 it did not work, 2 called wrongly.\n",
	      out);
}

static bool has_key(struct json_object *keys, const char *key)
{
	for (size_t i = 0; keys && i < json_object_array_length(keys); i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(keys, i));

		if (text && strcmp(text, key) == 0)
			return true;
	}
	return false;
}

static void print_device(struct json_object *dev, const char *key)
{
	struct json_object *keys = ask_member(dev, "keys");
	size_t nr = keys ? json_object_array_length(keys) : 0;

	printf("  %s: ", ask_text(dev, "path"));
	if (!keys) {
		puts(ask_text(dev, "error")[0] ? ask_text(dev, "error") : "no reservations");
		return;
	}
	printf("%s, %" PRIu64 " keys, %s\n",
	       ask_text(dev, "reservation")[0] ? ask_text(dev, "reservation") : "NOT RESERVED",
	       ask_u64(dev, "nr_keys"), has_key(keys, key) ? "ITS KEY IS AMONG THEM" : "its key is not among them");
	for (size_t i = 0; i < nr; i++)
		printf("    %s\n", json_object_get_string(json_object_array_get_idx(keys, i)));
}

static void print_answer(struct json_object *o)
{
	struct json_object *devices = ask_member(o, "devices");
	const char *state = ask_text(o, "state"), *key = ask_text(o, "key");

	printf("key %s", key);
	if (ask_text(o, "owner")[0])
		printf(", \"%s\"", ask_text(o, "owner"));
	if (strcmp(state, "proved") == 0)
		printf(": fenced, proved by %s, after %.1f ms\n", ask_text(o, "proof"),
		       ask_double(o, "took_seconds") * 1e3);
	else if (strcmp(state, "none") == 0)
		puts(": not fenced");
	else
		printf(": NOT PROVED: %s\n", ask_text(o, "why")[0] ? ask_text(o, "why") : "it is still under way");
	for (size_t i = 0; devices && i < json_object_array_length(devices); i++)
		print_device(json_object_array_get_idx(devices, i), key);
}

/* @text is put into a request as it is: only what may be one. */
static int fence_ask(const char *command, const struct ask_options *opt, const char *text, bool force,
		     const char *want)
{
	const char *digits = strncmp(text, "0x", 2) == 0 ? text + 2 : text;
	struct json_object *o = NULL;
	char request[128];
	bool is_good;

	if (!*digits || strlen(digits) > 16 || strspn(digits, "0123456789abcdefABCDEF") != strlen(digits)) {
		fprintf(stderr,
			"lamina %s: '%s' is neither an id nor a key; `lamina clients` and `lamina status` show "
			"them\n",
			command, text);
		return CMD_USAGE;
	}
	snprintf(request, sizeof(request), "{\"command\":\"%s\",\"client\":\"%s\",\"force\":%s}", command, digits,
		 force ? "true" : "false");
	if (ask_server(command, opt, request, &o))
		return CMD_FAILED;
	ask_show(opt, o, print_answer);
	is_good = strcmp(ask_text(o, "state"), want) == 0;
	json_object_put(o);
	return is_good ? CMD_OK : CMD_FAILED;
}

static int fence_cmd(int argc, char **argv, void (*help)(FILE *out), const char *want)
{
	bool force = false;
	const struct ask_option more[] = { { .name = "force", .flag = &force } };
	struct ask_options opt;
	int ret;

	if (!ask_parse(argc, argv, help, more, ARRAY_SIZE(more), &opt, &ret))
		return ret;
	if (optind != argc - 1) {
		fprintf(stderr, "lamina %s: name one client, by its id or key\n", argv[0]);
		return CMD_USAGE;
	}
	return fence_ask(argv[0], &opt, argv[optind], force, want);
}

int cmd_fence(int argc, char **argv)
{
	return fence_cmd(argc, argv, fence_help, "proved");
}

int cmd_unfence(int argc, char **argv)
{
	return fence_cmd(argc, argv, unfence_help, "none");
}
