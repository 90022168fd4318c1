/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command `lamina`: finds the subcommand and hands over.  A wrong name touches nothing, names the nearest right
 * one and exits with 2.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "dev/base.h"
#include "mds/nearest.h"
#include "tools/cmd.h"

static const struct cmd commands[] = {
	{ "bench", "measure the store, or an NFS server", cmd_bench },
	{ "format", "make an empty volume", cmd_format },
	{ "check", "verify a volume", cmd_check },
	{ "devices", "show the block devices and what they can be used for", cmd_devices },
	{ "dump", "show what is on the devices of a volume", cmd_dump },
	{ "serve", "serve a volume to NFS clients", cmd_serve },
	{ "grow", "add devices to the volume that is served", cmd_grow },
	{ "status", "tell how the running server is", cmd_status },
	{ "clients", "tell who uses the running server", cmd_clients },
	{ "fence", "cut a client off from the devices", cmd_fence },
	{ "unfence", "let a fenced client use the devices again", cmd_unfence },
	{ "layouts", "tell who holds which blocks of which file", cmd_layouts },
	{ "demo", "kill the store at work, and find everything again", cmd_demo },
	{ NULL, NULL, NULL },
};

static void print_help(FILE *out)
{
	fputs("usage: lamina COMMAND [OPTION...] [ARGUMENT...]\n"
	      "       lamina --help | --version\n"
	      "\n"
	      "commands:\n",
	      out);
	for (const struct cmd *c = commands; c->name; c++)
		fprintf(out, "  %-10s %s\n", c->name, c->summary);
	fputs("\n`lamina COMMAND --help` tells about one of them, and so does its man page lamina-COMMAND(8).\n",
	      out);
}

static const struct cmd *find_command(const char *name)
{
	for (const struct cmd *c = commands; c->name; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

static int complain_unknown(const char *name)
{
	struct nearest near = nearest_to(name);

	for (const struct cmd *c = commands; c->name; c++)
		nearest_try(&near, c->name);
	if (near.best)
		fprintf(stderr, "lamina: there is no command '%s'; did you mean '%s'?\n", name, near.best);
	else
		fprintf(stderr, "lamina: there is no command '%s'; `lamina --help` lists them\n", name);
	return CMD_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	const struct cmd *cmd;
	int c;

	while ((c = getopt_long(argc, argv, "+hV", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			print_help(stdout);
			return CMD_OK;
		case 'V':
			puts("lamina " LAMINA_VERSION);
			return CMD_OK;
		default:
			fputs("lamina: `lamina --help` shows the usage\n", stderr);
			return CMD_USAGE;
		}
	}
	if (optind == argc) {
		print_help(stderr);
		return CMD_USAGE;
	}
	cmd = find_command(argv[optind]);
	if (!cmd)
		return complain_unknown(argv[optind]);
	argc -= optind;
	argv += optind;
	optind = 0; /* the subcommand scans its own arguments from the start */
	return cmd->fn(argc, argv);
}
