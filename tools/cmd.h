/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_CMD_H
#define LAMINA_TOOLS_CMD_H

/*
 * The subcommands of `lamina`.  Each lives in cmd_NAME.c, has a line in main.c's table and a man page
 * docs/man/lamina-NAME.8.  It is called like a main(): argv[0] is the subcommand's name, getopt_long works at once,
 * the result is the exit code.
 */

enum cmd_exit {
	CMD_OK = 0,
	CMD_FAILED = 1, /* it did not work */
	CMD_USAGE = 2,	/* called wrongly; nothing was touched */
};

struct cmd {
	const char *name;
	const char *summary; /* one line for --help, no full stop */
	int (*fn)(int argc, char **argv);
};

int cmd_devices(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_format(int argc, char **argv);
int cmd_demo(int argc, char **argv);

int cmd_dump(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_clients(int argc, char **argv);
int cmd_fence(int argc, char **argv);
int cmd_unfence(int argc, char **argv);
int cmd_layouts(int argc, char **argv);
int cmd_grow(int argc, char **argv);

#endif
