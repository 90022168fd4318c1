/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_ASK_H
#define LAMINA_TOOLS_ASK_H

/* Asking a running server over its control socket (mds/control.h), and what the commands that do it share. */

#include <stdio.h>

#include <json-c/json.h>

#include "dev/base.h"

/* What the commands' command lines have in common. */
struct ask_options {
	const char *socket; /* NULL: where the server listens without a configuration */
	bool json;
};

/* What only some of them have: sets *@flag, or puts what the option needs into *@value. */
struct ask_option {
	const char *name;
	char letter; /* 0: only the name */
	bool *flag;
	const char **value;
};

/*
 * Take the options of the command @argv[0] and leave optind behind them: --socket, --json and --help, and the @nr
 * (few) of @more.  False: end with *@ret_exit; what there is to say is said.
 */
bool ask_parse(int argc, char **argv, void (*help)(FILE *out), const struct ask_option *more, size_t nr,
	       struct ask_options *ret_opt, int *ret_exit) MUST_CHECK;

/*
 * Send @request (one line, without its end) and get the answer as an object, which becomes the caller's.  -EIO and
 * errors of connect(2) and so on: said on standard error, for @command, also when the server answers with an error.
 */
int ask_server(const char *command, const struct ask_options *opt, const char *request,
	       struct json_object **ret_answer) MUST_CHECK;

/* Show it on standard output: by @print, or as JSON if that was asked for. */
void ask_show(const struct ask_options *opt, struct json_object *answer, void (*print)(struct json_object *answer));

/* Member @name of @o; 0, false, "" or an empty object if there is none. */
uint64_t ask_u64(struct json_object *o, const char *name);
double ask_double(struct json_object *o, const char *name);
bool ask_bool(struct json_object *o, const char *name);
const char *ask_text(struct json_object *o, const char *name);
/* NULL: there is none. */
struct json_object *ask_member(struct json_object *o, const char *name);

/* As "3 d 4 h", "12 min 5 s", "0.2 s" into @buf; returns @buf. */
#define ASK_TIME_MAX 32
const char *ask_time(double seconds, char buf[ASK_TIME_MAX]);
/* "[####........]": how much of @whole @part is; returns @buf. */
#define ASK_BAR_MAX 64
const char *ask_bar(double part, double whole, char buf[ASK_BAR_MAX]);

#endif
