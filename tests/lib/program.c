/* SPDX-License-Identifier: Apache-2.0 */
/* Promises: the program run is the one built beside the test. */

#include "tests/lib/program.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char program_output[PROGRAM_OUTPUT_MAX];

static char dir[64];

/* The program lies one directory above the tests. */
static void program_path(char path[512])
{
	ssize_t n = readlink("/proc/self/exe", path, 480);
	char *slash;

	assert(n > 0);
	path[n] = '\0';
	slash = strrchr(path, '/');
	assert(slash);
	memcpy(slash, "/../lamina", sizeof("/../lamina"));
}

int program_run(const char *args_fmt, ...)
{
	char path[512], args[2048], command[3072];
	size_t n;
	va_list ap;
	FILE *pipe;
	int status;

	program_path(path);
	va_start(ap, args_fmt);
	vsnprintf(args, sizeof(args), args_fmt, ap);
	va_end(ap);
	snprintf(command, sizeof(command), "'%s' %s 2>&1", path, args);
	pipe = popen(command, "r");
	assert(pipe);
	n = fread(program_output, 1, sizeof(program_output) - 1, pipe);
	program_output[n] = '\0';
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool program_said(const char *text)
{
	if (strstr(program_output, text))
		return true;
	fprintf(stderr, "expected \"%s\" in:\n%s\n", text, program_output);
	return false;
}

const char *program_dir(void)
{
	if (!dir[0]) {
		snprintf(dir, sizeof(dir), "/var/tmp/lamina-test-XXXXXX");
		if (!mkdtemp(dir))
			abort();
	}
	return dir;
}

void program_clean(void)
{
	char command[128];

	if (!dir[0])
		return;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command))
		fprintf(stderr, "%s could not be removed\n", dir);
	dir[0] = '\0';
}
