/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lamina grow` with a server as a process, on plain files: what is added, what is refused, and what the next start
 * needs.
 */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/program.h"

static char conf[128], out[128], sock[128];

/* The path of a file of the test's directory; a few stay good at a time. */
static const char *at(const char *name)
{
	static char path[8][128];
	static unsigned int next;
	char *p = path[next++ % 8];

	snprintf(p, sizeof(path[0]), "%s/%s", program_dir(), name);
	return p;
}

static const char *make_file(const char *name, uint64_t size)
{
	const char *path = at(name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(ftruncate(fileno(f), (off_t)size), 0);
	fclose(f);
	return path;
}

/* One that is used already, as far as anybody can tell. */
static const char *make_swap(const char *name)
{
	const char *path = make_file(name, 64 << 20);
	FILE *f = fopen(path, "r+");

	assert_non_null(f);
	assert_int_equal(fseek(f, 1024, SEEK_SET), 0);
	assert_int_equal(fwrite("\1\0\0\0\377\37\0\0\0\0\0\0", 1, 12, f), 12);
	assert_int_equal(fseek(f, 4086, SEEK_SET), 0);
	assert_int_equal(fwrite("SWAPSPACE2", 1, 10, f), 10);
	fclose(f);
	return path;
}

/* One that a file system once used, and of which a label of ours leaves the signature where it is. */
static const char *make_btrfs(const char *name)
{
	const char *path = make_file(name, 64 << 20);
	FILE *f = fopen(path, "r+");

	assert_non_null(f);
	assert_int_equal(fseek(f, 65536 + 64, SEEK_SET), 0);
	assert_int_equal(fwrite("_BHRfS_M", 1, 8, f), 8);
	fclose(f);
	return path;
}

static void configure(const char *devices, const char *settings)
{
	FILE *f = fopen(conf, "w");

	assert_non_null(f);
	fprintf(f,
		"devices = [ %s ]; listen = [ \"127.0.0.1:0\" ]; control = \"%s\";\n"
		"exports = ( { path = \"/\"; clients = ( { hosts = [ \"127.0.0.0/8\" ]; } ); } );\n%s\n",
		devices, sock, settings);
	assert_int_equal(fclose(f), 0);
}

static pid_t serve(void)
{
	pid_t pid = program_start(out, "serve -c %s", conf);

	assert_true(program_awaits(out, "\ncontrol socket "));
	return pid;
}

/* A volume on the file "a", served. */
static pid_t begin(const char *settings)
{
	char devices[160];

	snprintf(conf, sizeof(conf), "%s", at("conf"));
	snprintf(out, sizeof(out), "%s", at("out"));
	snprintf(sock, sizeof(sock), "%s", at("control"));
	unlink(at("a"));
	unlink(at("a.reservations"));
	assert_int_equal(program_run("format -q --size 64M --force %s", at("a")), 0);
	snprintf(devices, sizeof(devices), "\"%s\"", at("a"));
	configure(devices, settings);
	return serve();
}

static void test_grow(void **state)
{
	pid_t pid = begin("file_reservations = \"on\";");
	char devices[512];

	make_file("b", 64 << 20);
	make_file("c", 32 << 20);
	/* Relative paths are the caller's. */
	assert_int_equal(program_run("grow --dry-run -s %s $(realpath --relative-to=. %s)", sock, at("b")), 0);
	assert_true(program_said("would become a device of the volume, 64 MiB"));
	assert_int_equal(program_run("status -s %s --json", sock), 0);
	assert_null(strstr(program_output, at("b")));

	assert_int_equal(program_run("grow -s %s %s %s", sock, at("b"), at("c")), 0);
	assert_true(program_said("/b: is device 2 of the volume now, 64 MiB, id "));
	assert_true(program_said("/c: is device 3 of the volume now, 32 MiB, id "));
	snprintf(devices, sizeof(devices), "\"%s\", \"%s\", \"%s\"", at("a"), at("b"), at("c"));
	assert_true(program_said(devices));
	assert_int_equal(program_run("status -s %s", sock), 0);
	assert_true(program_said("/c, 32 MiB"));
	assert_true(program_said("of scsi type"));
	assert_int_equal(program_end(pid, SIGTERM), 0);
	assert_int_equal(program_run("check %s %s %s", at("a"), at("b"), at("c")), 0);
	assert_int_equal(program_run("dump %s label", at("c")), 0);
	assert_true(program_said("device_index"));
	assert_int_equal(program_run("dump %s %s %s super", at("a"), at("b"), at("c")), 0);
	assert_true(program_said("device 2"));

	/* The configuration does not know them. */
	assert_int_equal(program_run("serve -c %s", conf), 1);
	assert_true(program_said("device 2 of the volume's 3 is missing: 64 MiB, with UUID "));
	configure(devices, "file_reservations = \"on\";");
	pid = serve();
	assert_int_equal(program_end(pid, SIGKILL), -SIGKILL);
	assert_int_equal(program_run("check %s %s %s", at("c"), at("a"), at("b")), 0);
}

static void test_json(void **state)
{
	pid_t pid = begin("");

	make_file("b", 64 << 20);
	assert_int_equal(program_run("grow --json -s %s %s", sock, at("b")), 0);
	assert_true(program_said("\"added\":true"));
	assert_true(program_said("\"number\":2"));
	assert_true(program_said("\"size_bytes\":67108864"));
	assert_true(program_said("\"held\":null"));
	assert_true(program_said("\"types\":["));
	assert_int_equal(program_end(pid, SIGTERM), 0);
}

static void test_refusals(void **state)
{
	pid_t pid = begin("");

	make_file("b", 64 << 20);
	make_file("small", 4 << 20);
	make_swap("swap");
	/* One of them will not do: none is added. */
	assert_int_equal(program_run("grow -s %s %s %s", sock, at("b"), at("swap")), 1);
	assert_true(program_said("swap holds: swap"));
	assert_true(program_said("--force overwrites it"));
	assert_int_equal(program_run("grow -s %s -f %s %s", sock, at("b"), at("small")), 1);
	assert_true(program_said("too small"));
	assert_int_equal(program_run("grow -s %s -f %s %s", sock, at("b"), at("none")), 1);
	assert_true(program_said("does not exist"));
	assert_int_equal(program_run("status -s %s", sock), 0);
	assert_null(strstr(program_output, at("b")));

	/* What is in the volume is never touched, by whatever name. */
	assert_int_equal(program_run("grow -s %s -f %s", sock, at("a")), 1);
	assert_true(program_said("is in the volume already"));
	assert_int_equal(link(at("a"), at("link")), 0);
	assert_int_equal(program_run("grow -s %s -f %s", sock, at("link")), 1);
	assert_true(program_said("is in the volume already"));
	unlink(at("link"));
	assert_int_equal(program_run("format -q --force --size 64M %s", at("other")), 0);
	assert_int_equal(program_run("grow -s %s %s", sock, at("other")), 1);
	assert_true(program_said("holds: Lamina volume"));

	assert_int_equal(program_run("grow -s %s -f %s", sock, at("swap")), 0);
	assert_true(program_said("swap: was overwritten: swap"));
	make_btrfs("btrfs");
	assert_int_equal(program_run("grow -s %s -f %s", sock, at("btrfs")), 0);
	assert_true(program_said("btrfs: was overwritten: btrfs"));
	/* A name twice: the second is what the first has become. */
	assert_int_equal(program_run("grow -s %s %s %s", sock, at("b"), at("b")), 1);
	assert_true(program_said("is in the volume already"));
	assert_true(program_said("b: is device 4 of the volume now"));
	assert_int_equal(program_end(pid, SIGTERM), 0);
	assert_int_equal(program_run("check %s %s %s %s", at("a"), at("swap"), at("btrfs"), at("b")), 0);
	assert_int_equal(program_run("format %s", at("btrfs")), 1);
	assert_false(program_said("; btrfs"));
}

/* A copy of a device of the volume: by its label it could be that device by another path. */
static void test_copy(void **state)
{
	pid_t pid = begin("");
	char command[512];

	snprintf(command, sizeof(command), "cp %s %s", at("a"), at("copy"));
	assert_int_equal(system(command), 0);
	assert_int_equal(program_run("grow -s %s -f %s", sock, at("copy")), 1);
	assert_true(program_said("is in the volume already, by another path, or is a copy"));
	assert_int_equal(program_end(pid, SIGTERM), 0);
}

static void test_called_wrongly(void **state)
{
	static const char *const wrong[] = { "grow", "grow --no-such /x", "grow -f", "grow -s" };
	char path[4000];

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(program_run("%s", wrong[i]), 2);
	assert_int_equal(program_run("grow -s /nowhere/at/all /dev/null"), 1);
	assert_true(program_said("a volume can only grow while it is served"));
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(program_run("grow -s /nowhere /%s", path), 1);
	assert_true(program_said("the path is too long"));
	assert_int_equal(program_run("grow --help"), 0);
	assert_true(program_said("usage: lamina grow"));
}

static int clean(void **state)
{
	program_clean();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grow), cmocka_unit_test(test_json),	    cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_copy), cmocka_unit_test(test_called_wrongly),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
