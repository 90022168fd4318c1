/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lamina grow`: have the running server add devices to its volume.  Promises: nothing is added before the server has
 * looked at all of them and takes them; what was added is said, also when a later one fails.
 */
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "extent/format.h"
#include "mds/control.h"
#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/volume.h"

struct grow_args {
	struct ask_options ask;
	bool force;
	bool dry_run;
	char *const *paths;
	unsigned int nr;
};

static void grow_help(FILE *out)
{
	fputs("usage: lamina grow [OPTION...] DEVICE...\n"
	      "\n"
	      "Have the running server add block devices or plain files to its volume, while clients use it.\n"
	      "\n"
	      "  -f, --force          overwrite what the devices hold\n"
	      "      --dry-run        look at the devices and say what would be done\n"
	      "      --json           report as JSON\n"
	      "  -s, --socket SOCKET  the server's control socket (default: /run/lamina/control)\n"
	      "  -h, --help           this text\n"
	      "\n"
	      "Devices must be as those of the volume, see `lamina devices`.  A device cannot be taken out again.\n"
	      "The server's next start needs all devices: the report ends with what its configuration must say.\n"
	      "Exit codes: 0 all were added, 1 failed or refused, 2 called wrongly; with 2 nothing was touched.\n",
	      out);
}

/* As the server, in its own directory, understands it. */
static bool path_absolute(const char *path, char ret_path[PATH_MAX])
{
	char dir[PATH_MAX];
	int len;

	if (path[0] == '/')
		len = snprintf(ret_path, PATH_MAX, "%s", path);
	else if (getcwd(dir, sizeof(dir)))
		len = snprintf(ret_path, PATH_MAX, "%s%s%s", dir, dir[1] ? "/" : "", path);
	else
		return false;
	return len < PATH_MAX;
}

/* A request of one line.  False: the path is too long for one. */
static bool make_request(const char *path, bool force, bool dry_run, char ret_request[CONTROL_REQUEST_MAX])
{
	struct json_object *o = json_object_new_object();
	int len;

	json_object_object_add(o, "command", json_object_new_string("grow"));
	json_object_object_add(o, "device", json_object_new_string(path));
	json_object_object_add(o, "force", json_object_new_boolean(force));
	json_object_object_add(o, "dry_run", json_object_new_boolean(dry_run));
	len = snprintf(ret_request, CONTROL_REQUEST_MAX, "%s",
		       json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return len < CONTROL_REQUEST_MAX - 1; /* its end is a character, too */
}

static int grow_ask(const struct grow_args *args, unsigned int i, bool dry_run, struct json_object **ret_answer)
{
	char path[PATH_MAX], request[CONTROL_REQUEST_MAX];
	int err;

	if (!path_absolute(args->paths[i], path) || !make_request(path, args->force, dry_run, request)) {
		fprintf(stderr, "lamina grow: %s: the path is too long; make a symbolic link to it\n",
			args->paths[i]);
		return -ENAMETOOLONG;
	}
	err = ask_server("grow", &args->ask, request, ret_answer);
	if (err == -ENOENT || err == -ECONNREFUSED)
		fputs("lamina grow: a volume can only grow while it is served: start `lamina serve` with the devices "
		      "that it has\n",
		      stderr);
	return err;
}

/* What the server thinks of all of them. */
static bool grow_may(const struct grow_args *args, struct json_object *answers)
{
	bool may = true;
	size_t nr = 0;

	for (unsigned int i = 0; i < args->nr; i++) {
		struct json_object *answer = NULL;
		int err = grow_ask(args, i, true, &answer);

		if (err && err != -EIO) /* nobody answers */
			return false;
		may = may && !err;
		if (!err) {
			nr = json_object_array_length(ask_member(answer, "devices"));
			json_object_array_add(answers, answer);
		}
	}
	if (may && nr + args->nr > VOLUME_DEVICES_MAX) {
		fprintf(stderr, "lamina grow: the volume has %zu devices, and can have %u at most\n", nr,
			VOLUME_DEVICES_MAX);
		return false;
	}
	return may;
}

static void print_device(struct json_object *o)
{
	char size[SIZE_TEXT_MAX];
	bool added = ask_bool(o, "added");

	if (ask_text(o, "held")[0])
		printf("%s: %s: %s\n", ask_text(o, "path"), added ? "was overwritten" : "would be overwritten",
		       ask_text(o, "held"));
	size_text(ask_u64(o, "size_bytes"), size);
	if (added)
		printf("%s: is device %" PRIu64 " of the volume now, %s, id %s\n", ask_text(o, "path"),
		       ask_u64(o, "number"), size, ask_text(o, "id"));
	else
		printf("%s: would become a device of the volume, %s\n", ask_text(o, "path"), size);
}

/* As a text in lamina.conf(5). */
static void print_quoted(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

/* What the last of @answers says of the whole. */
static void print_volume(struct json_object *answers)
{
	struct json_object *o = json_object_array_get_idx(answers, json_object_array_length(answers) - 1);
	struct json_object *volume = ask_member(o, "volume"), *devices = ask_member(o, "devices");
	char size[SIZE_TEXT_MAX], free_size[SIZE_TEXT_MAX];

	printf("volume: %s, %s of it free\n\n", size_text(ask_u64(volume, "size_bytes"), size),
	       size_text(ask_u64(volume, "free_bytes"), free_size));
	puts("The next start of the server needs all devices.  In its configuration, unless they are given on the\n"
	     "command line, must be:\n");
	fputs("    devices = [ ", stdout);
	for (size_t i = 0; devices && i < json_object_array_length(devices); i++) {
		fputs(i ? ", " : "", stdout);
		print_quoted(json_object_get_string(json_object_array_get_idx(devices, i)));
	}
	puts(" ];");
}

static void grow_report(const struct grow_args *args, struct json_object *answers)
{
	size_t nr = json_object_array_length(answers);

	if (args->ask.json) {
		puts(json_object_to_json_string_ext(answers,
						    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
		return;
	}
	for (size_t i = 0; i < nr; i++)
		print_device(json_object_array_get_idx(answers, i));
	if (!args->dry_run && nr > 0)
		print_volume(answers);
}

static int grow_run(const struct grow_args *args)
{
	struct json_object *looks = json_object_new_array(), *answers = json_object_new_array();
	int err = grow_may(args, looks) ? 0 : -EINVAL;

	for (unsigned int i = 0; i < args->nr && !err && !args->dry_run; i++) {
		struct json_object *answer = NULL;

		err = grow_ask(args, i, false, &answer);
		if (!err)
			json_object_array_add(answers, answer);
	}
	if (args->dry_run ? !err : json_object_array_length(answers) > 0)
		grow_report(args, args->dry_run ? looks : answers);
	json_object_put(looks);
	json_object_put(answers);
	return err ? CMD_FAILED : CMD_OK;
}

int cmd_grow(int argc, char **argv)
{
	struct grow_args args = { .force = false };
	const struct ask_option more[] = {
		{ .name = "force", .letter = 'f', .flag = &args.force },
		{ .name = "dry-run", .flag = &args.dry_run },
	};
	int ret;

	if (!ask_parse(argc, argv, grow_help, more, ARRAY_SIZE(more), &args.ask, &ret))
		return ret;
	if (optind == argc) {
		fputs("lamina grow: name at least one device; `lamina grow --help` shows the usage\n", stderr);
		return CMD_USAGE;
	}
	args.paths = argv + optind;
	args.nr = (unsigned int)(argc - optind);
	return grow_run(&args);
}
