/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whatever a configuration file holds, it is refused with a reason or taken; what is taken keeps the table's bounds,
 * has a pseudo file system, and when printed is taken again and means the same.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mds/config.h"
#include "tests/lib/fuzz.h"
#include "tools/config_report.h"

#define RULE "clients = ( { hosts = [ \"10.0.0.0/8\" ]; } );"

/* libconfig 1.5 forgets the text that it was reading when it meets a mistake in the syntax. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig";
}

static const char *const texts[][2] = {
	{ "small", "exports = ( { path = \"/\"; " RULE " } );" },
	{ "general", "devices = [ \"/a\", \"/b\" ]; listen = [ \"*:2049\" ]; control = \"/c\"; io = \"uring\";\n"
		     "log_level = \"debug\"; lease_seconds = 30; grace_seconds = 0x40; courtesy_seconds = 0L;\n"
		     "exports = ( { path = \"/\"; " RULE " } );" },
	{ "groups", "limits: { opens = 10; buffer_bytes = \"64M\"; }; store = { cache_bytes = 5000000000; };\n"
		    "exports = ( { path = \"/\"; " RULE " } );" },
	{ "exports",
	  "exports = ( { path = \"/x\"; pseudo = \"/a/b\"; id = 3; clients = ( { hosts = [ \"::1\", \"*\" ];\n"
	  "access = \"ro\"; squash = \"all\"; anon_uid = 1; anon_gid = 2; layouts = [ \"block\" ]; } ); },\n"
	  "{ path = \"/\"; pseudo = \"/q\"; " RULE " }, { path = \"/i\"; pseudo = \"/q/i\"; " RULE " } );" },
	{ "twice", "io = \"auto\"; io = \"auto\"; limits: { locks = 1; locks = 2; locks = 3; };" },
	{ "syntax", "lease_seconds = 3; exports = ( { path = \"/\"; clients = ( {" },
	{ "comments", "/* \" */ # \"\n // {\n @include \"x\"\n io = \"a\\\"b\" \"c\"; a = 1.5e3; b = true;" },
	{ "open", "io = \"auto" },
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (fuzz_seed_dir()) {
		for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
			fuzz_seed_write(texts[i][0], texts[i][1], strlen(texts[i][1]));
		exit(0);
	}
	return 0;
}

static char *print(const struct config *cfg)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fuzz_require(out);
	config_report_text(cfg, out);
	fuzz_require(fclose(out) == 0);
	return text;
}

static void check_bounds(const struct config *cfg)
{
	unsigned int nr;
	const struct config_knob *knobs = config_knobs(&nr);

	for (unsigned int i = 0; i < nr; i++) {
		const struct config_knob *k = &knobs[i];
		const void *at = (const char *)cfg + k->offset;
		uint64_t value;

		if (k->kind != CONFIG_NUMBER && k->kind != CONFIG_BYTES)
			continue;
		value = *(const uint64_t *)at;
		fuzz_require((k->as && value == 0) || (value >= k->min && value <= k->max));
	}
	fuzz_require(cfg->nr_listen > 0 && cfg->nr_exports > 0 && cfg->grace_seconds >= cfg->lease_seconds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct why_list why;
	struct config *cfg = NULL, *again = NULL;
	struct export_tree *tree;
	char *text, *text_again;
	int err;

	why_list_init(&why);
	err = config_load_text((const char *)data, size, "fuzz", NULL, &cfg, &why);
	fuzz_require(err == 0 || err == -EINVAL);
	fuzz_require((err == 0) == (why.nr == 0));
	for (unsigned int i = 0; i < why.nr; i++)
		fuzz_require(strcmp(why.items[i].file, "fuzz") == 0 && why.items[i].text[0]);
	if (err)
		return 0;
	check_bounds(cfg);
	fuzz_require(export_tree_open(cfg->exports, cfg->nr_exports, &tree) == 0);
	export_tree_close(tree);
	text = print(cfg);
	fuzz_require(config_load_text(text, strlen(text), "again", NULL, &again, &why) == 0);
	text_again = print(again);
	fuzz_require(strcmp(text, text_again) == 0);
	free(text);
	free(text_again);
	config_free(cfg);
	config_free(again);
	return 0;
}
