/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: what is taken, and that every mistake is said, with its place, in one run. */

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "mds/config.h"
#include "mds/nearest.h"
#include "tests/lib/fault.h"
#include "tests/lib/program.h"

#define RULE	"clients = ( { hosts = [ \"10.0.0.0/8\" ]; } ); "
#define EXPORTS "exports = ( { path = \"/\"; " RULE "} );\n"

/* libconfig 1.5 forgets the text that it was reading when it meets a mistake in the syntax. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig";
}

static struct why_list why;

static struct config *good(const char *text)
{
	struct config *cfg = NULL;

	why_list_init(&why);
	if (config_load_text(text, strlen(text), "test", NULL, &cfg, &why))
		fail_msg("%u: %s", why.items[0].line, why.items[0].text);
	assert_int_equal(why.nr, 0);
	return cfg;
}

static void bad(const char *text)
{
	struct config *cfg = NULL;

	why_list_init(&why);
	assert_int_equal(config_load_text(text, strlen(text), "test", NULL, &cfg, &why), -EINVAL);
	assert_null(cfg);
	assert_true(why.nr > 0);
}

/* A mistake with @words in @line was said. */
static void said(unsigned int line, const char *words)
{
	for (unsigned int i = 0; i < why.nr; i++) {
		if (why.items[i].line == line && strstr(why.items[i].text, words))
			return;
	}
	for (unsigned int i = 0; i < why.nr; i++)
		print_message("%s:%u: %s\n", why.items[i].file, why.items[i].line, why.items[i].text);
	fail_msg("nobody said '%s' of line %u", words, line);
}

/* One mistake alone, in the first line of @text. */
static void bad_once(const char *text, const char *words)
{
	char all[4096];

	snprintf(all, sizeof(all), "%s\n" EXPORTS, text);
	bad(all);
	said(1, words);
	assert_int_equal(why.nr, 1);
}

static void test_default(void **state)
{
	struct config *cfg = config_default();
	const struct export_rule *rule;

	assert_non_null(cfg);
	assert_int_equal(cfg->nr_devices, 0);
	assert_int_equal(cfg->nr_listen, 1);
	assert_int_equal(cfg->lease_seconds, 90);
	assert_int_equal(cfg->nr_exports, 1);
	assert_string_equal(cfg->exports[0].path, "/");
	assert_string_equal(cfg->exports[0].pseudo, "/");
	assert_int_equal(cfg->exports[0].nr_rules, 1);
	rule = &cfg->exports[0].rules[0];
	assert_int_equal(rule->nr_hosts, 2);
	assert_false(rule->read_only);
	assert_int_equal(rule->squash, EXPORT_SQUASH_NONE);
	config_free(cfg);
}

static void test_all_taken(void **state)
{
	struct config *cfg =
		good("devices = ( \"/dev/a\", \"/dev/b\" ); listen = [ \"192.0.2.1:1\", \"[::1]:1\" ];\n"
		     "control = \"/tmp/c\"; log_level = \"debug\"; io = \"libaio\";\n"
		     "limits = { buffer_bytes = \"64M\"; requests = 0x10; reply_cache_bytes = 5000000000; };\n"
		     "store: { cache_bytes = 1073741824L; checkpoint_seconds = 5; };\n"
		     "exports = ( { path = \"/a\"; pseudo = \"/b\"; id = 9; clients = ( { hosts = [ \"*\" ];\n"
		     "access = \"ro\"; squash = \"all\"; anon_uid = 4294967294; anon_gid = 1;\n"
		     "layouts = [ \"block\", \"scsi\" ]; } ); } );");
	const struct export_rule *rule = &cfg->exports[0].rules[0];

	assert_int_equal(cfg->nr_devices, 2);
	assert_string_equal(cfg->devices[1], "/dev/b");
	assert_int_equal(cfg->nr_listen, 2);
	assert_string_equal(cfg->control, "/tmp/c");
	assert_int_equal(cfg->log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(cfg->io, REACTOR_LIBAIO);
	assert_int_equal(cfg->limits.buffer_bytes, 64 << 20);
	assert_int_equal(cfg->limits.requests, 16);
	assert_int_equal(cfg->limits.requests_per_connection, 16); /* follows */
	assert_int_equal(cfg->limits.reply_cache_bytes, 5000000000);
	assert_int_equal(cfg->store.cache_bytes, 1 << 30);
	assert_int_equal(cfg->store.dirty_bytes, 0);
	assert_int_equal(cfg->store.checkpoint_seconds, 5);
	assert_string_equal(cfg->exports[0].path, "/a");
	assert_string_equal(cfg->exports[0].pseudo, "/b");
	assert_int_equal(cfg->exports[0].id, 9);
	assert_true(rule->read_only);
	assert_int_equal(rule->squash, EXPORT_SQUASH_ALL);
	assert_int_equal(rule->anon_uid, 4294967294);
	assert_int_equal(rule->anon_gid, 1);
	assert_int_equal(rule->layouts, EXPORT_LAYOUT_SCSI | EXPORT_LAYOUT_BLOCK);
	config_free(cfg);
}

/* The smallest and the largest value of every row are taken, and what is beyond is not. */
static void test_bounds(void **state)
{
	unsigned int nr;
	const struct config_knob *knobs = config_knobs(&nr);
	char text[256], words[128];

	for (unsigned int i = 0; i < nr; i++) {
		const struct config_knob *k = &knobs[i];
		const char *open = *k->group ? " = { " : "", *close = *k->group ? " };" : "";

		if (k->kind != CONFIG_NUMBER && k->kind != CONFIG_BYTES)
			continue;
		assert_true(k->min <= k->max && k->max < INT64_MAX);
		assert_true((k->as && k->dflt == 0) || (k->min <= k->dflt && k->dflt <= k->max));
		snprintf(words, sizeof(words), "from %" PRIu64 " to %" PRIu64, k->min, k->max);
		snprintf(text, sizeof(text), "%s%s%s = %" PRIu64 ";%s", k->group, open, k->name, k->max + 1, close);
		bad_once(text, words);
		snprintf(text, sizeof(text), "%s%s%s = -1;%s", k->group, open, k->name, close);
		bad_once(text, "out of range");
		if (k->min) {
			snprintf(text, sizeof(text), "%s%s%s = %" PRIu64 ";%s", k->group, open, k->name, k->min - 1,
				 close);
			bad_once(text, words);
		}
		snprintf(text, sizeof(text), "%s%s%s = [ 1 ];%s", k->group, open, k->name, close);
		bad_once(text, "is an array");
		snprintf(text, sizeof(text), "%s%s%s = %" PRIu64 ";%s lease_seconds = 10;" EXPORTS, k->group, open,
			 k->name, k->min, close);
		if (strcmp(k->name, "lease_seconds") != 0 && strcmp(k->name, "buffer_bytes") != 0)
			config_free(good(text));
	}
}

static void test_all_mistakes_in_one_run(void **state)
{
	bad("lease_second = 90;\n"
	    "log_level = 7;\n"
	    "limits: {\n"
	    "  clients = 0;\n"
	    "  locks = \"many\";\n"
	    "  opens = 1.5;\n"
	    "};\n"
	    "cache_bytes = 1;\n"
	    "io = \"urnig\";\n"
	    "exports = (\n"
	    "  { pseudo = \"/x\";\n"
	    "    clients = ( { hosts = [ \"10.0.0.0/8\",\n"
	    "                            \"box\" ]; acess = \"ro\"; } ); }\n"
	    ");\n");
	assert_int_equal(why.nr, 10);
	said(1, "did you mean lease_seconds?");
	said(2, "log_level: is a whole number; write one of \"error\"");
	said(4, "limits.clients: out of range");
	said(5, "limits.locks: is a text");
	said(6, "limits.opens: is a number with a fraction");
	said(8, "write it inside store: { ... }");
	said(9, "did you mean \"uring\"?");
	said(11, "has no path");
	said(13, "'box' is no address");
	said(13, "did you mean access?");
	for (unsigned int i = 1; i < why.nr; i++)
		assert_true(why.items[i - 1].line <= why.items[i].line);
}

/* libconfig ends at these; they are marked, and it reads on. */
static void test_set_twice(void **state)
{
	bad("lease_seconds = 30; lease_seconds = 31; grace_seconds = 3;\n"
	    "limits: { clients = 1;\n"
	    "  clients = 2; locks = 0;\n"
	    "  clients = 3;\n"
	    "};\n"
	    "limits: { clients = 4; };\n"
	    "io = \"x\";\n" EXPORTS);
	said(1, "lease_seconds is set already in line 1 of test");
	said(1, "grace_seconds: out of range");
	said(3, "clients is set already in line 2 of test");
	said(3, "limits.locks: out of range");
	said(4, "clients is set already in line 2 of test");
	said(6, "limits is set already in line 2 of test");
	said(7, "there is no 'x'");
	assert_int_equal(why.nr, 7);
}

static void test_syntax(void **state)
{
	bad("lease_seconds = 3;\nio = auto;\n" EXPORTS);
	assert_int_equal(why.nr, 2);
	said(1, "out of range");
	said(2, "syntax error");
	/* What the parser had not finished is not complained about. */
	bad("exports = ( { path = 1; clients = ( { access = \"x\"; hosts = [ ;");
	assert_int_equal(why.nr, 3);
	said(1, "is a whole number; write a text");
	said(1, "there is no 'x'");
	said(1, "syntax error");
	bad("exports = ( { path = \"/\"; }, {");
	assert_int_equal(why.nr, 2);
	said(1, "nobody sees this export");
	bad("exports = ( { path");
	assert_int_equal(why.nr, 1);
	bad("io = \"auto\n\n");
	said(1, "does not end");
	assert_int_equal(why.nr, 1);
	bad("io = \"a\";\n\n/* x\n");
	said(3, "does not end");
	said(1, "there is no 'a'");
	bad("io = \"auto\"; @include \"x\"\n" EXPORTS);
	said(1, "syntax error");
	bad("\n@include \"x\"\n" EXPORTS);
	said(2, "nothing can be included");
	bad("@include x\n" EXPORTS);
	said(1, "alone in its line");
}

static void test_zero_bytes(void **state)
{
	static const char text[] = "io = \0\"auto\";";
	struct config *cfg;

	why_list_init(&why);
	assert_int_equal(config_load_text(text, sizeof(text) - 1, "test", NULL, &cfg, &why), -EINVAL);
	said(0, "zero bytes");
}

/* Texts and comments are let alone, whatever is in them. */
static void test_texts_and_comments(void **state)
{
	struct config *cfg = good("# io = ;\n// \"\n/* ; { \" @include\n@include \"x\" */ io = \"auto\";\n"
				  "devices = [ \"/a;{9999999999/*\", \"/\\\"#\", \"/b\"\n \"c\" ];\n" EXPORTS);

	assert_int_equal(cfg->nr_devices, 3);
	assert_string_equal(cfg->devices[0], "/a;{9999999999/*");
	assert_string_equal(cfg->devices[1], "/\"#");
	assert_string_equal(cfg->devices[2], "/bc");
	config_free(cfg);
}

/* libconfig 1.5 would cut it to 32 bits. */
static void test_large_numbers(void **state)
{
	bad_once("limits = { clients = 4294967297; };", "out of range");
	bad_once("limits = { clients = 0x100000001; };", "out of range");
	bad_once("limits = { clients = 99999999999999999999999; };", "out of range");
	bad_once("limits = { clients = -4294967295; };", "out of range");
	bad_once("store = { cache_bytes = \"99999999T\"; };", "is no size");
	bad_once("store = { cache_bytes = \"1X\"; };", "is no size");
}

static void test_contradictions(void **state)
{
	bad_once("limits = { opens = 10; opens_per_client = 11; };", "more than opens, which is 10");
	bad_once("limits = { connections_per_address = 5000; };", "more than connections, which is 4096");
	bad_once("store = { dirty_bytes = \"8M\"; cache_bytes = \"4M\"; };", "more than cache_bytes");
	bad_once("lease_seconds = 100; grace_seconds = 99;", "less than lease_seconds, which is 100");
	bad_once("limits = { buffer_bytes = \"2M\"; };", "no room for one request and reply");
	bad_once("devices = [ \"/dev/a\", \"/dev/a\" ];", "named twice");
	bad_once("devices = [ \"a\" ];", "no absolute path");
	bad_once("listen = [ \"*:2049\", \"192.0.2.1:2049\" ];", "part of, another address");
	bad_once("listen = [ \"192.0.2.1:2049\", \"192.0.2.1:2049\" ];", "the same as");
	bad_once("listen = [ \"192.0.2.1\" ];", "no address with a port");
	bad_once("listen = [ \"/run/x\" ];", "no address with a port");
	bad_once("listen = [ ];", "nobody could connect");
	bad_once("control = \"c\";", "begins with /");
}

static void test_grace_follows_lease(void **state)
{
	struct config *cfg = good("lease_seconds = 200;" EXPORTS);

	assert_int_equal(cfg->grace_seconds, 200);
	config_free(cfg);
	cfg = good("lease_seconds = 20;" EXPORTS);
	assert_int_equal(cfg->grace_seconds, 90);
	config_free(cfg);
}

static void bad_exports(const char *exports, unsigned int line, const char *words)
{
	char text[2048];

	snprintf(text, sizeof(text), "exports = (\n%s\n);", exports);
	bad(text);
	said(line, words);
	assert_int_equal(why.nr, 1);
}

static void test_exports_contradict(void **state)
{
	char text[512];
	uint32_t id = export_id_of("/a");
	unsigned int n = 0;

	bad("io = \"auto\";");
	said(0, "there are no exports");
	bad_exports("", 1, "is empty");
	bad_exports("{ path = \"/\"; clients = ( ); }", 2, "nobody sees this export");
	bad_exports("{ path = \"/\"; }", 2, "nobody sees this export");
	bad_exports("{ path = \"a\"; " RULE "}", 2, "does not begin with /");
	bad_exports("{ path = \"/a\"; " RULE "},\n{ path = \"/b\"; pseudo = \"/a\"; " RULE "}", 3,
		    "of line 2 is at the pseudo path /a too");
	bad_exports("{ path = \"/a\"; id = 3; " RULE "},\n{ path = \"/b\"; id = 3; " RULE "}", 3, "its id is 3");
	bad_exports("{ path = \"/\"; " RULE "},\n{ path = \"/x\"; pseudo = \"/b\"; " RULE "}", 3,
		    "the directory /b of the volume, not /x");
	bad_exports("{ path = \"/x\"; pseudo = \"/b/c\"; " RULE "},\n{ path = \"/a\"; pseudo = \"/b\"; " RULE "}", 2,
		    "the directory /a/c of the volume, not /x");
	/* Ids that are made from the paths collide too, though rarely. */
	while (export_id_of((snprintf(text, sizeof(text), "/%u", n), text)) != id)
		n++;
	snprintf(text, sizeof(text), "{ path = \"/a\"; " RULE "},\n{ path = \"/%u\"; " RULE "}", n);
	bad_exports(text, 3, "give one of them another id");
}

static void test_rules_contradict(void **state)
{
#define CLIENTS(c) "{ path = \"/\"; clients = (\n" c " ); }"
	bad_exports(CLIENTS("{ access = \"ro\"; }"), 3, "names no hosts");
	bad_exports(CLIENTS("{ hosts = [ ]; }"), 3, "is for nobody");
	bad_exports(CLIENTS("{ hosts = \"*\"; }"), 3, "write a list");
	bad_exports(CLIENTS("{ hosts = [ \"10.0.0.1/8\" ]; }"), 3, "bits behind its prefix");
	bad_exports(CLIENTS("{ hosts = [ \"::ffff:10.0.0.1\" ]; }"), 3, "is an IPv4 address");
	bad_exports(CLIENTS("{ hosts = [ \"*\" ]; anon_uid = 0; }"), 3, "leaves root what it is");
	bad_exports(CLIENTS("{ hosts = [ \"*\" ]; anon_uid = 4294967295; }"), 3, "out of range");
	bad_exports(CLIENTS("{ hosts = [ \"*\" ]; layouts = [ \"scsi\", \"scsi\" ]; }"), 3, "named twice");
	bad_exports(CLIENTS("{ hosts = [ \"*\" ]; layouts = [ \"files\" ]; }"), 3, "there is no 'files'");
	bad_exports(CLIENTS("{ hosts = [ \"10.0.0.0/8\" ]; },\n{ hosts = [ \"10.1.0.0/16\" ]; }"), 4,
		    "10.1.0.0/16 never decides, since 10.0.0.0/8");
	bad_exports(CLIENTS("{ hosts = [ \"*\" ]; },\n{ hosts = [ \"::1\" ]; }"), 4, "::1 never decides");
	bad_exports(CLIENTS("{ hosts = [ \"::1\", \"::1\" ]; }"), 3, "named twice");
}

static void test_many_mistakes(void **state)
{
	char text[64 * 300];
	size_t len = 0;

	for (unsigned int i = 0; i < 300; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "nothing%u = %u;\n", i, i);
	bad(text);
	assert_int_equal(why.nr, WHY_LIST_MAX);
	assert_int_equal(why.nr + why.more, 301); /* and there are no exports */
}

/* Files */

static const char *file_with(const char *name, const char *text)
{
	static char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", program_dir(), name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

static int load(const char *path, struct config **ret_cfg)
{
	why_list_init(&why);
	return config_load(path, ret_cfg, &why);
}

/* Relative to the file that includes, and with its own places. */
static void test_include(void **state)
{
	struct config *cfg = NULL;
	char path[300], sub[300];

	snprintf(sub, sizeof(sub), "%s/sub", program_dir());
	assert_int_equal(mkdir(sub, 0700), 0);
	file_with("sub/one", "io = \"libaio\";\n@include \"two\"");
	file_with("sub/two", "log_level = \"debug\"; # no newline");
	snprintf(path, sizeof(path), "%s",
		 file_with("main", "  @include \"sub/one\" // yes\nlease_seconds = 33;\n" EXPORTS));
	assert_int_equal(load(path, &cfg), 0);
	assert_int_equal(cfg->io, REACTOR_LIBAIO);
	assert_int_equal(cfg->log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(cfg->lease_seconds, 33);
	config_free(cfg);

	file_with("sub/two", "\n\nlog_level = \"x\";\n");
	file_with("main", "@include \"sub/one\"\nlease_seconds = 1;\nio = \"auto\";\n" EXPORTS);
	assert_int_equal(load(path, &cfg), -EINVAL);
	assert_int_equal(why.nr, 3);
	said(3, "log_level: there is no 'x'");
	said(2, "lease_seconds: out of range");
	said(3, "io is set already in line 1 of ");
	assert_non_null(strstr(why.items[0].text, "log_level"));
	assert_non_null(strstr(why.items[0].file, "sub/two"));
	assert_string_equal(why.items[1].file, path);
}

static void test_bad_includes(void **state)
{
	struct config *cfg;
	const char *path = file_with("loop", "\n@include \"loop\"\n@include \"nothing\"\n@include \"/\"\n"
					     "@include \"/dev/zero\"\nio = \"x\";\n" EXPORTS);

	assert_int_equal(load(path, &cfg), -EINVAL);
	assert_int_equal(why.nr, 5);
	said(2, "includes itself");
	said(3, "No such file");
	said(4, "Is a directory");
	said(5, "is not a plain file");
	said(6, "there is no 'x'");
}

static void test_bad_files(void **state)
{
	struct config *cfg;

	assert_int_equal(load("/nowhere/lamina.conf", &cfg), -ENOENT);
	said(0, "No such file");
	assert_int_equal(load("/", &cfg), -EISDIR);
	assert_int_equal(load("/dev/zero", &cfg), -EINVAL);
	assert_int_equal(load(file_with("empty", ""), &cfg), -EINVAL);
	said(0, "there are no exports");
}

/* Any allocation may fail: nothing leaks, nothing else is said. */
static void test_no_memory(void **state)
{
	static const char text[] = "devices = [ \"/a\" ]; io = \"auto\"; control = \"/c\";\n" EXPORTS;
	char *paths[] = { (char *)"/x", (char *)"/y" };

	for (uint64_t n = 1;; n++) {
		struct config *cfg = NULL;
		int err;

		why_list_init(&why);
		fault_alloc_arm(n, 1);
		err = config_load_text(text, strlen(text), "test", NULL, &cfg, &why);
		if (!err)
			err = config_use_devices(cfg, paths, 2, &why);
		if (fault_alloc_disarm() < n) {
			assert_int_equal(err, 0);
			assert_int_equal(cfg->nr_devices, 2);
			config_free(cfg);
			break;
		}
		assert_int_equal(err, -ENOMEM);
		assert_int_equal(why.nr, 0);
		config_free(cfg);
	}
}

static void test_use_devices(void **state)
{
	struct config *cfg = good("devices = [ \"/a\" ];" EXPORTS);
	char *many[VOLUME_DEVICES_MAX + 1], *twice[] = { (char *)"/x", (char *)"/x" };

	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (char *)"/x";
	assert_int_equal(config_use_devices(cfg, many, ARRAY_SIZE(many), &why), -EINVAL);
	assert_int_equal(config_use_devices(cfg, twice, 2, &why), -EINVAL);
	assert_string_equal(cfg->devices[0], "/a");
	assert_int_equal(config_use_devices(cfg, twice, 1, &why), 0);
	assert_string_equal(cfg->devices[0], "/x");
	config_free(cfg);
}

static void test_nearest(void **state)
{
	struct nearest n = nearest_to("chekc");

	nearest_try(&n, "format");
	assert_null(n.best);
	nearest_try(&n, "check");
	assert_string_equal(n.best, "check");
	assert_int_equal(nearest_distance("check", "check"), 0);
	assert_int_equal(nearest_distance("chekc", "check"), 1);
	assert_int_equal(nearest_distance("lease", "lease_s"), 2);
	assert_int_equal(nearest_distance("a", "b"), NEAREST_FAR);
	assert_int_equal(nearest_distance("", "io"), NEAREST_FAR);
	assert_int_equal(nearest_distance("locks", "opens"), NEAREST_FAR);
}

/* The documents */

static const char *document(const char *name)
{
	static char path[1024];
	const char *below = "tests/mds/test_config.c";

	assert_string_equal(&__FILE__[strlen(__FILE__) - strlen(below)], below);
	snprintf(path, sizeof(path), "%.*s%s", (int)(strlen(__FILE__) - strlen(below)), __FILE__, name);
	return path;
}

static void test_example(void **state)
{
	struct config *cfg = NULL;

	if (load(document("docs/lamina.conf.example"), &cfg))
		fail_msg("%u: %s", why.items[0].line, why.items[0].text);
	assert_int_equal(cfg->nr_devices, 2);
	config_free(cfg);
}

/* lamina.conf(5) has a row for every number, with its bounds, and tells about everything else. */
static void test_man_page(void **state)
{
	static const char *const others[] = { "devices", "listen", "path",   "pseudo",	 "id",	   "clients",
					      "hosts",	 "access", "squash", "anon_uid", "layouts" };
	static char page[65536];
	unsigned int nr, rows = 0;
	const struct config_knob *knobs = config_knobs(&nr);
	FILE *f = fopen(document("docs/man/lamina.conf.5"), "r");
	char want[256];

	assert_non_null(f);
	page[fread(page, 1, sizeof(page) - 1, f)] = '\0';
	fclose(f);
	for (unsigned int i = 0; i < nr; i++) {
		const struct config_knob *k = &knobs[i];

		if (k->kind != CONFIG_NUMBER && k->kind != CONFIG_BYTES)
			snprintf(want, sizeof(want), "\n.It Cm %s\n", k->name);
		else if (k->dflt)
			snprintf(want, sizeof(want), "\n.It %s Ta %" PRIu64 " Ta %" PRIu64 " Ta %" PRIu64 "\n",
				 k->name, k->dflt, k->min, k->max);
		else
			snprintf(want, sizeof(want), "\n.It %s Ta %s Ta %" PRIu64 " Ta %" PRIu64 "\n", k->name, k->as,
				 k->min, k->max);
		if (!strstr(page, want))
			fail_msg("docs/man/lamina.conf.5 lacks %s", want);
		rows += k->kind == CONFIG_NUMBER || k->kind == CONFIG_BYTES;
	}
	for (const char *at = page; (at = strstr(at, " Ta ")); at = strchr(at, '\n'))
		nr = rows-- ? nr : 0;
	assert_int_equal((int)rows, -3); /* and the tables' heads */
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		snprintf(want, sizeof(want), "\n.It Cm %s", others[i]);
		if (!strstr(page, want))
			fail_msg("docs/man/lamina.conf.5 does not tell about %s", others[i]);
	}
}

static int clean(void **state)
{
	program_clean();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_all_taken),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_all_mistakes_in_one_run),
		cmocka_unit_test(test_set_twice),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_zero_bytes),
		cmocka_unit_test(test_texts_and_comments),
		cmocka_unit_test(test_large_numbers),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_grace_follows_lease),
		cmocka_unit_test(test_exports_contradict),
		cmocka_unit_test(test_rules_contradict),
		cmocka_unit_test(test_many_mistakes),
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_bad_includes),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_use_devices),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_man_page),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
