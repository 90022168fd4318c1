/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lamina serve`: finds the configuration, looks at it and serves.  Promises: with mistakes in it nothing is opened
 * or changed, and all of them are told at once.
 */

#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mds/config.h"
#include "tools/cmd.h"
#include "tools/config_report.h"
#include "tools/serve.h"

#define CONFIG_PATH_DEFAULT "/etc/lamina.conf"

struct serve_args {
	const char *config; /* NULL: none was named */
	char **devices;
	unsigned int nr_devices;
	bool check, json, discard_state;
	struct why_list why; /* large */
};

static void serve_help(FILE *out)
{
	fputs("usage: lamina serve [-c FILE] [--discard-state] [DEVICE...]\n"
	      "       lamina serve --check-config [--json] [-c FILE] [DEVICE...]\n"
	      "\n"
	      "Serve a volume to NFS clients, in the foreground, until SIGTERM; or look at the configuration only, "
	      "and "
	      "tell\n"
	      "all that is wrong with it.\n"
	      "\n"
	      "  -c, --config FILE   the configuration (default: " CONFIG_PATH_DEFAULT "; with DEVICE: none)\n"
	      "      --discard-state forget what clients had open and locked; they may reclaim it for a while\n"
	      "      --check-config  tell what is wrong, or what is in force\n"
	      "      --json          tell it as JSON\n"
	      "  -h, --help          this text\n"
	      "\n"
	      "DEVICE stands for the devices in the file.\n"
	      "Exit codes: 0 stopped cleanly, or no mistakes; 1 it did not work; 2 called wrongly.\n",
	      out);
}

/* False: end with *@ret_exit. */
static bool serve_parse(int argc, char **argv, struct serve_args *args, int *ret_exit)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "check-config", no_argument, NULL, 'k' },
		{ "json", no_argument, NULL, 'j' },	    { "discard-state", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
	};
	int c;

	*ret_exit = CMD_USAGE;
	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			args->config = optarg;
			break;
		case 'k':
			args->check = true;
			break;
		case 'j':
			args->json = true;
			break;
		case 'd':
			args->discard_state = true;
			break;
		case 'h':
			serve_help(stdout);
			*ret_exit = CMD_OK;
			return false;
		default:
			fputs("lamina serve: `lamina serve --help` shows the usage\n", stderr);
			return false;
		}
	}
	args->devices = argv + optind;
	args->nr_devices = (unsigned int)(argc - optind);
	if (args->json && !args->check) {
		fputs("lamina serve: --json goes with --check-config\n", stderr);
		return false;
	}
	return true;
}

/* The configuration that the arguments mean; mistakes are in args->why. */
static int serve_config(struct serve_args *args, struct config **ret_cfg)
{
	struct config *cfg = NULL;
	int err = 0;

	why_list_init(&args->why);
	if (!args->config && args->nr_devices) {
		cfg = config_default();
		err = cfg ? 0 : -ENOMEM;
	} else {
		err = config_load(args->config ? args->config : CONFIG_PATH_DEFAULT, &cfg, &args->why);
	}
	if (!err && args->nr_devices)
		err = config_use_devices(cfg, args->devices, args->nr_devices, &args->why);
	if (err)
		config_free(cfg);
	else
		*ret_cfg = cfg;
	return err;
}

static void print_mistakes(const struct why_list *why)
{
	for (unsigned int i = 0; i < why->nr; i++) {
		const struct why_at *at = &why->items[i];

		if (at->line)
			fprintf(stderr, "%s:%u: %s\n", at->file, at->line, at->text);
		else if (*at->file)
			fprintf(stderr, "%s: %s\n", at->file, at->text);
		else
			fprintf(stderr, "lamina serve: %s\n", at->text);
	}
	if (why->more)
		fprintf(stderr, "lamina serve: and %u mistakes more\n", why->more);
}

static void print_json(const struct serve_args *args, const struct config *cfg)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(cfg != NULL));
	json_object_object_add(o, "mistakes", config_report_mistakes(&args->why));
	json_object_object_add(o, "more_mistakes", json_object_new_uint64(args->why.more));
	json_object_object_add(o, "config", cfg ? config_report_json(cfg) : NULL);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static int serve_with(struct serve_args *args)
{
	struct config *cfg = NULL;
	int err = serve_config(args, &cfg);

	if (err == -ENOMEM)
		fputs("lamina serve: no memory\n", stderr);
	if (cfg && !args->check) {
		int exit_code = serve_run(cfg, args->discard_state);

		config_free(cfg);
		return exit_code;
	}
	if (args->json)
		print_json(args, cfg);
	else if (cfg)
		config_report_text(cfg, stdout);
	else
		print_mistakes(&args->why);
	config_free(cfg);
	return err ? CMD_FAILED : CMD_OK;
}

int cmd_serve(int argc, char **argv)
{
	struct serve_args *args = calloc(1, sizeof(*args));
	int exit_code;

	if (!args) {
		fputs("lamina serve: no memory\n", stderr);
		return CMD_FAILED;
	}
	if (serve_parse(argc, argv, args, &exit_code))
		exit_code = serve_with(args);
	free(args);
	return exit_code;
}
